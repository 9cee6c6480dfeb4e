//! The providers' own libraries, through `tests/sdk/sdk.py` and `sdk.mjs`: a list of messages in, one of answers out.
//! Which libraries there are, and what each wants in a message, is the table in `libraries.rs`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hookwarden::auth::keys::{Key, KeyText};
use hookwarden::auth::scheme::Scheme;
use hookwarden::auth::sign::{Draft, content_type, sample_private, sample_secret, sign};
use hookwarden::clock::Now;
use hookwarden::providers;
use serde_json::{Map, Value, json};

use crate::harness::Request;
use crate::programs::run;

/// Where the scripts and their libraries are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk");

/// Whom the messages are for.
pub(crate) const ORIGIN: &str = "https://hooks.test";

/// How far ahead of the clock our own messages are timed where the library's window is short: Paddle's is five seconds,
/// which a loaded machine may need to start Node.
const AHEAD: Duration = Duration::from_secs(30);

/// The id of the key that messages are signed with.
pub(crate) const KEY_ID: &str = "6c5516e1-92dc-479e-a8ff-5a51992e0001";

/// The libraries of one language.
pub(crate) struct Language {
    pub(crate) program: &'static str,
    pub(crate) script: &'static str,
    pub(crate) libraries: &'static [Library],
}

/// One provider's library, and the message that it is tried with.
#[derive(Debug)]
pub(crate) struct Library {
    /// The provider's id in the catalogue, the route's name, and the function's name in the script.
    pub(crate) provider: &'static str,
    /// Whether it signs.
    pub(crate) signs: bool,
    /// Whether it verifies what we sign.
    pub(crate) verifies: bool,
    /// The body; `{ms}` stands for the time in milliseconds, `{rfc3339}` for its date, `{provider}` for the provider's id.
    pub(crate) body: &'static str,
    /// The query of the URL, with its question mark.
    pub(crate) query: &'static str,
    /// Header fields that stand there before signing.
    pub(crate) fields: &'static [(&'static str, &'static str)],
    /// A part that is signed, and what an attacker puts in its place.
    pub(crate) tampered: (&'static str, &'static str),
    /// Whether our own messages are timed ahead of the clock.
    pub(crate) ahead: bool,
}

impl Library {
    /// The provider's scheme.
    pub(crate) fn scheme(&self) -> &'static Scheme {
        &providers::find(self.provider).unwrap_or_else(|| panic!("the catalogue has no {}", self.provider)).scheme
    }

    fn path(&self) -> String {
        format!("/hooks/{}", self.provider)
    }
}

/// A message for a library to sign or to verify.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) library: &'static Library,
    pub(crate) secret: String,
    /// What it is signed with: the private key of a pair, or the same secret.
    private: String,
    pub(crate) body: String,
    query: String,
    fields: Headers,
    now: Now,
}

/// Header fields by name.
pub(crate) type Headers = Vec<(String, String)>;

impl Message {
    /// The library's sample, with a secret of its own.
    pub(crate) fn sample(library: &'static Library, seed: u8) -> Self {
        let scheme = library.scheme();
        let private = sample_private(scheme, seed);
        Self { private, ..Self::of(library, &sample_secret(scheme, seed), library.body) }
    }

    /// A message with that secret and body.
    pub(crate) fn of(library: &'static Library, secret: &str, body: &str) -> Self {
        let read = Now::read();
        let now = if library.ahead { read.plus(AHEAD) } else { read };
        Self {
            library,
            secret: secret.to_owned(),
            private: secret.to_owned(),
            body: body
                .replace("{ms}", &now.wall.as_millis().to_string())
                .replace("{provider}", library.provider)
                .replace("{rfc3339}", &rfc3339(now)),
            query: library.query.to_owned(),
            fields: library.fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            now,
        }
    }

    /// With one signed part changed, in the body, the query or a header field, so that no signature fits.
    pub(crate) fn tampered(&self) -> Self {
        let (from, to) = self.library.tampered;
        let mut changed = self.clone();
        let fields = changed.fields.iter_mut().map(|(_, value)| value);
        let place = [&mut changed.body, &mut changed.query].into_iter().chain(fields).find(|text| text.contains(from));
        let text = place.unwrap_or_else(|| panic!("nothing to change in {self:?}"));
        *text = text.replacen(from, to, 1);
        changed
    }

    /// As it is sent with these headers.
    pub(crate) fn request(&self, signed: &Headers) -> Request {
        let media_type = content_type(self.library.scheme(), self.body.as_bytes());
        let target = format!("{}{}", self.library.path(), self.query);
        let request = Request::post(&target, self.body.as_str()).with("Content-Type", media_type);
        self.with_fields(signed).iter().fold(request, |request, (name, value)| request.set(name, value))
    }

    /// As we sign it: the message with whatever stands in its body, and its headers.
    pub(crate) fn signed_by_us(&self) -> (Self, Headers) {
        let scheme = self.library.scheme();
        let key = Key::for_signing(scheme, &KeyText::new("1", self.private.as_bytes())).expect("a key of that scheme");
        let media_type = content_type(scheme, self.body.as_bytes()).to_owned();
        let headers = std::iter::once(("Content-Type".to_owned(), media_type)).chain(self.fields.clone()).collect();
        let body = self.body.clone().into_bytes();
        let draft = Draft { method: "POST".to_owned(), url: self.url(), headers, body };
        let signed = sign(scheme, &key, draft, self.now).expect("a draft that can be signed");
        let body = String::from_utf8(signed.body).expect("text");
        (Self { body, ..self.clone() }, signed.headers)
    }

    /// The library's own fields, as they are in this message, and those that signing added.
    fn with_fields(&self, signed: &Headers) -> Headers {
        let own = |name: &str| self.fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let added = signed.iter().filter(|(name, _)| !own(name)).cloned();
        self.fields.iter().cloned().chain(added).collect()
    }

    fn url(&self) -> String {
        format!("{ORIGIN}{}{}", self.library.path(), self.query)
    }

    fn json(&self, index: usize) -> Value {
        json!({
            "sdk": self.library.provider,
            "secret": self.secret,
            "private": self.private,
            "body": self.body,
            "time": self.now.unix_seconds(),
            "id": format!("msg_{index}"),
            "kid": KEY_ID,
            "url": self.url(),
            "headers": object(&self.fields),
        })
    }
}

impl Language {
    /// The library of that provider.
    pub(crate) fn library(&self, provider: &str) -> &'static Library {
        let found = self.libraries.iter().find(|library| library.provider == provider);
        found.unwrap_or_else(|| panic!("{} has no {provider}", self.script))
    }

    /// Lets each message be signed by its library: the message with whatever stands in its body, and its headers.
    pub(crate) fn sign(&self, messages: &[Message]) -> Vec<(Message, Headers)> {
        let answers = self.ask(messages.iter().enumerate().map(|(index, message)| message.json(index)).collect());
        let signed = |(message, answer): (&Message, &Value)| {
            let fields = answer["headers"].as_object().expect("headers").iter();
            let headers = fields.map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()));
            let body = answer["body"].as_str().expect("a body").to_owned();
            (Message { body, ..message.clone() }, headers.collect())
        };
        messages.iter().zip(&answers).map(signed).collect()
    }

    /// Lets each message be verified by its library.
    pub(crate) fn verify(&self, messages: &[(Message, Headers)]) -> Vec<bool> {
        let with_headers = |(index, (message, headers)): (usize, &(Message, Headers))| {
            let mut json = message.json(index);
            json["signed"] = object(&message.with_fields(headers));
            json
        };
        let answers = self.ask(messages.iter().enumerate().map(with_headers).collect());
        answers.iter().map(|answer| answer.as_bool().expect("true or false")).collect()
    }

    fn ask(&self, messages: Vec<Value>) -> Vec<Value> {
        let count = messages.len();
        let input = Value::Array(messages).to_string();
        let output = run(Command::new(self.program).arg(Path::new(FOLDER).join(self.script)), input.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a JSON list");
        assert_eq!(answers.len(), count);
        answers
    }
}

fn rfc3339(now: Now) -> String {
    let seconds = i64::try_from(now.unix_seconds()).expect("this century");
    jiff::Timestamp::from_second(seconds).expect("this century").to_string()
}

fn object(headers: &Headers) -> Value {
    let members = headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(members.collect::<Map<_, _>>())
}
