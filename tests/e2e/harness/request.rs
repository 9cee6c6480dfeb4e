//! Requests as a provider would sign them, and as an attacker would change them.

use std::sync::Arc;
use std::time::Duration;

use hookwarden::auth::keys::{Key, KeyText};
use hookwarden::auth::scheme::{Scheme, SignaturePlace};
use hookwarden::auth::sign::{Draft, content_type, sample_body, sample_private, sample_secret, sign};
use hookwarden::clock::Now;
use hookwarden::providers;

/// The authority that providers call in these tests.
const AUTHORITY: &str = "hooks.test";

/// A request, to be changed field by field and then written as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A POST with a Host field and nothing else.
    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let fields = vec![("Host".to_owned(), AUTHORITY.to_owned())];
        Self { method: "POST".to_owned(), target: target.to_owned(), fields, body: body.into() }
    }

    /// With that method.
    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// With that target.
    pub(crate) fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// With that body; the fields stay, so that a signature does not fit any more.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With one more field.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With that field once, in place of any that it had.
    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    /// Without any field of that name.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// The value of its first field of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The head as it stands, with its blank line.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The whole request with its Content-Length, unless it has a framing field already.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let framed = self.field("Content-Length").or_else(|| self.field("Transfer-Encoding")).is_some();
        let length = self.body.len().to_string();
        let mut bytes = if framed { self.head() } else { self.clone().with("Content-Length", &length).head() };
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The whole request in chunks of at most that size.
    pub(crate) fn chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = self.clone().with("Transfer-Encoding", "chunked").head();
        for chunk in self.body.chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}

/// Who signs: a provider with its secret, calling one path.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    scheme: Arc<Scheme>,
    secret: String,
    path: String,
    now: Now,
}

impl Signer {
    /// A provider of the catalogue with the secret and path that `Builder::provider` gives its route.
    pub(crate) fn new(provider: &str) -> Self {
        let scheme = catalogued(provider).scheme.clone();
        // A token in the path is the last segment under the route's prefix.
        let end = if scheme.signature.place == SignaturePlace::PathSegment { "/token" } else { "" };
        let path = format!("/hooks/{provider}{end}");
        Self { scheme, secret: secret_of(provider), path, now: Now::read() }
    }

    /// Whoever signs by that scheme.
    pub(crate) fn custom(scheme: Scheme, secret: &str, path: &str) -> Self {
        Self { scheme: Arc::new(scheme), secret: secret.to_owned(), path: path.to_owned(), now: Now::read() }
    }

    /// With another secret.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// Calling another path, which may have a query.
    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// As if it were that much earlier.
    pub(crate) fn earlier(mut self, by: Duration) -> Self {
        self.now.wall = self.now.wall.saturating_sub(by);
        self
    }

    /// As if it were that much later.
    pub(crate) fn later(mut self, by: Duration) -> Self {
        self.now.wall += by;
        self
    }

    /// A signed message that is unlike any other.
    pub(crate) fn sample(&self) -> Request {
        self.sign(sample_body(&self.scheme, self.now))
    }

    /// A signed message with that body. Ids that the scheme signs and reads from the head are made up.
    pub(crate) fn sign(&self, body: impl Into<Vec<u8>>) -> Request {
        self.sign_with(&[], body)
    }

    /// The same, with fields that are there before signing.
    pub(crate) fn sign_with(&self, fields: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Request {
        let body = body.into();
        // What begins like JSON is meant as such, good or bad.
        let is_json = body.first() == Some(&b'{');
        let media_type = if is_json { "application/json" } else { content_type(&self.scheme, &body) };
        let given = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let headers = std::iter::once(("Content-Type".to_owned(), media_type.to_owned())).chain(given).collect();
        let url = format!("https://{AUTHORITY}{}", self.path);
        let draft = Draft { method: "POST".to_owned(), url, headers, body };
        let signed = sign(&self.scheme, &self.key(), draft, self.now).expect("a draft that can be signed");
        let target = signed.url.strip_prefix(&format!("https://{AUTHORITY}")).expect("our own URL");
        let mut request = Request::post(target, signed.body);
        request.fields.extend(signed.headers);
        request
    }

    /// The bare MAC of any content under the secret, to put signatures together by hand.
    pub(crate) fn mac(&self, content: &[u8]) -> Vec<u8> {
        let mut mac = self.key().mac().expect("a scheme with MACs");
        mac.update(content);
        mac.finish().as_bytes().to_vec()
    }

    fn key(&self) -> Key {
        // Of a pair of keys the sidecar has the public one.
        let is_own = |seed: &u8| sample_secret(&self.scheme, *seed) == self.secret;
        let own = (1..=3).find(is_own).map(|seed| sample_private(&self.scheme, seed));
        // Under a certificate the key is the provider's, and the secret says for whom it signs.
        let certified = self.scheme.key_source.certificate.as_ref().map(|_| {
            let sample = sample_private(&self.scheme, 1);
            format!("{}\n{}", self.secret, &sample[sample.find("-----BEGIN").expect("a key")..])
        });
        let secret = certified.as_deref().or(own.as_deref()).unwrap_or(&self.secret);
        Key::for_signing(&self.scheme, &KeyText::new("1", secret.as_bytes())).expect("a key of that scheme")
    }

    /// The name of the header field that carries the signature or token.
    pub(crate) fn header(&self) -> &str {
        &self.scheme.signature.header
    }

    /// The scheme.
    pub(crate) fn scheme(&self) -> &Scheme {
        &self.scheme
    }
}

/// The secret that these tests share with a provider.
pub(crate) fn secret_of(provider: &str) -> String {
    sample_secret(&catalogued(provider).scheme, 1)
}

fn catalogued(provider: &str) -> &'static providers::Provider {
    providers::find(provider).unwrap_or_else(|| panic!("the catalogue has no {provider}"))
}
