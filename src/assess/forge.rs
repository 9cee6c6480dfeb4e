//! What is sent: genuine messages, made by the one signing path, and the tools that an attacker changes them with.
//!
//! Every message is new: another id, another body, so that no attack stands in another's way. What a scheme does not
//! offer to an attack (a body that it does not bind, a time that it does not sign) is a [`Skip`] that says so.

use std::ops::Range;

use serde_json::Value;

use crate::auth::extract::{Format, ItemValue};
use crate::auth::keys::Key;
use crate::auth::scheme::{Binding, Field, JsonPath, Scheme, SignaturePlace, TimestampFrom};
use crate::auth::sign::{Draft, complete_sample, sample_body, sign};
use crate::clock::Now;

use super::attack::Skip;
use super::message::Message;
use super::{NONCE_HEADER, Subject};

/// What makes the messages of one attack.
pub(super) struct Forge<'a> {
    pub(super) subject: &'a Subject,
    pub(super) nonce: String,
    pub(super) now: Now,
    pub(super) oversize: usize,
}

/// Where a signature stands in a field's value.
pub(super) struct Signature {
    pub(super) field: String,
    pub(super) value: String,
    pub(super) at: Range<usize>,
}

impl Signature {
    /// The signature's own text.
    pub(super) fn text(&self) -> &str {
        &self.value[self.at.clone()]
    }

    /// The field's value with another text in its place.
    pub(super) fn replaced(&self, text: &str) -> String {
        format!("{}{text}{}", &self.value[..self.at.start], &self.value[self.at.end..])
    }
}

impl Forge<'_> {
    pub(super) fn scheme(&self) -> &Scheme {
        &self.subject.scheme
    }

    /// A message that must be taken.
    pub(super) fn genuine(&self) -> Result<Message, Skip> {
        self.genuine_at(self.now)
    }

    /// The same, signed at another time.
    pub(super) fn genuine_at(&self, now: Now) -> Result<Message, Skip> {
        self.signed(self.scheme(), &self.subject.key, now, self.body(now))
    }

    /// The same, with a body of one's own.
    pub(super) fn genuine_of(&self, body: Vec<u8>) -> Result<Message, Skip> {
        self.signed(self.scheme(), &self.subject.key, self.now, body)
    }

    /// A message under another scheme, key, time or body.
    pub(super) fn signed(&self, scheme: &Scheme, key: &Key, now: Now, body: Vec<u8>) -> Result<Message, Skip> {
        Ok(self.message(&self.draft(scheme, key, now, body)?))
    }

    /// A signed draft.
    pub(super) fn draft(&self, scheme: &Scheme, key: &Key, now: Now, body: Vec<u8>) -> Result<Draft, Skip> {
        let mut draft = Draft { method: "POST".into(), url: self.base(), headers: self.subject.headers.clone(), body };
        complete_sample(scheme, &mut draft);
        sign(scheme, key, draft, now).map_err(|fault| Skip::because(fault.to_string()))
    }

    /// A draft as a message to the endpoint: what signing has added to the URL goes to the target's own path.
    pub(super) fn message(&self, draft: &Draft) -> Message {
        let target = match draft.url.strip_prefix(&self.base()) {
            Some(added) => format!("{}{added}", self.subject.target.path),
            None => path_of(&draft.url).to_owned(),
        };
        let mut fields = draft.headers.clone();
        fields.push(("User-Agent".into(), format!("hookwarden-assess/{}", env!("CARGO_PKG_VERSION"))));
        fields.push((NONCE_HEADER.into(), self.nonce.clone()));
        Message {
            method: draft.method.clone(),
            target,
            version: "HTTP/1.1",
            host: self.subject.target.authority.clone(),
            fields,
            body: draft.body.clone(),
            closes: true,
        }
    }

    fn base(&self) -> String {
        self.subject.signed_url.clone().unwrap_or_else(|| self.subject.target.url())
    }

    /// A body that nothing else has.
    pub(super) fn body(&self, now: Now) -> Vec<u8> {
        let sample = sample_body(self.scheme(), now);
        match &self.subject.body {
            Some(own) => renewed(self.scheme(), own, &sample).unwrap_or_else(|| own.clone()),
            None => sample,
        }
    }

    /// A message without any proof.
    pub(super) fn unsigned(&self) -> Result<Message, Skip> {
        self.stripped(self.genuine()?)
    }

    /// A message with its proof taken out.
    pub(super) fn stripped(&self, message: Message) -> Result<Message, Skip> {
        Ok(match &self.scheme().signature.place {
            SignaturePlace::Query(name) => {
                let target = without_parameter(&message.target, name);
                message.to(&target)
            }
            SignaturePlace::Json(path) => {
                let body = edited(&message.body, |document| remove(document, path));
                message.with_body(body.ok_or_else(|| Skip::because("the signature's member is not found"))?)
            }
            SignaturePlace::Form(name) => {
                let body = String::from_utf8_lossy(&message.body).into_owned();
                let kept: Vec<_> = body.split('&').filter(|pair| pair.split('=').next() != Some(name)).collect();
                message.with_body(kept.join("&"))
            }
            SignaturePlace::PathSegment => {
                let target = self.subject.target.path.clone();
                message.to(&target)
            }
            SignaturePlace::Body => message.with_body(r#"{"sample":"unsigned"}"#),
            SignaturePlace::Nowhere => return Err(Skip::because("the proof is the connection's own certificate")),
            SignaturePlace::Header
            | SignaturePlace::RepeatedHeader
            | SignaturePlace::Headers { .. }
            | SignaturePlace::NumberedHeaders(_)
            | SignaturePlace::HttpSignature(_) => {
                self.signature_fields().iter().fold(message, |message, name| message.without(name))
            }
        })
    }

    /// The fields that carry the proof; none where it stands elsewhere.
    pub(super) fn signature_fields(&self) -> Vec<String> {
        let signature = &self.scheme().signature;
        match &signature.place {
            SignaturePlace::Header | SignaturePlace::RepeatedHeader => vec![signature.header.to_string()],
            SignaturePlace::Headers { names, .. } => names.iter().map(ToString::to_string).collect(),
            SignaturePlace::NumberedHeaders(prefix) => vec![format!("{prefix}1")],
            SignaturePlace::HttpSignature(_) => vec!["Signature".into(), "Signature-Input".into()],
            SignaturePlace::Query(_)
            | SignaturePlace::Json(_)
            | SignaturePlace::Form(_)
            | SignaturePlace::PathSegment
            | SignaturePlace::Body
            | SignaturePlace::Nowhere => Vec::new(),
        }
    }

    /// Where the signature stands, where that is a header field.
    pub(super) fn signature(&self, message: &Message) -> Result<Signature, Skip> {
        let fields = self.signature_fields();
        let field = fields.first().ok_or_else(|| Skip::because("the proof stands in no header field"))?.clone();
        let value = message.value(&field).unwrap_or_default().to_owned();
        let at = if let SignaturePlace::HttpSignature(_) = self.scheme().signature.place {
            value.find(':').zip(value.rfind(':')).filter(|(start, end)| start < end).map(|(start, end)| start + 1..end)
        } else {
            span(&self.scheme().signature.format, &value, ItemValue::Signature)
        };
        let at = at.filter(|at| !at.is_empty());
        at.map(|at| Signature { field, value, at }).ok_or_else(|| Skip::because("the signature's text is not found"))
    }

    /// What must hold for an attack on the body to say anything.
    pub(super) fn needs_bound_body(&self) -> Result<(), Skip> {
        if self.scheme().binding == Binding::Full && self.scheme().each.is_none() {
            return Ok(());
        }
        Err(Skip::because("the provider's scheme does not bind the whole body, so its receivers cannot"))
    }

    /// What must hold for an attack on time to say anything.
    pub(super) fn needs_time(&self) -> Result<(), Skip> {
        let signs = self.scheme().timestamp.is_some();
        if signs { Ok(()) } else { Err(Skip::because("the provider's scheme signs no time")) }
    }

    /// What must hold for a replay to be one.
    pub(super) fn needs_own_proof(&self) -> Result<(), Skip> {
        if self.scheme().is_per_message() && !self.scheme().repeats {
            return Ok(());
        }
        Err(Skip::because("the provider sends the same proof along with any message, so that none is known again"))
    }

    /// A message whose signed time is another, with the signature as it was.
    pub(super) fn moved_time(&self, message: Message) -> Result<Message, Skip> {
        self.needs_time()?;
        let from = self.scheme().timestamp.as_ref().map(|time| &time.from);
        match from {
            Some(TimestampFrom::Header(name)) => {
                let value = message.value(name).map(another_digit).ok_or_else(no_time)?;
                Ok(message.with(name, &value))
            }
            Some(TimestampFrom::Signature) => {
                let field = self.signature(&message)?.field;
                let value = message.value(&field).unwrap_or_default().to_owned();
                let at = span(&self.scheme().signature.format, &value, ItemValue::Timestamp).ok_or_else(no_time)?;
                let moved = format!("{}{}{}", &value[..at.start], another_digit(&value[at.clone()]), &value[at.end..]);
                Ok(message.with(&field, &moved))
            }
            _ => Err(Skip::because("the signed time stands in the body or in the token, which another attack changes")),
        }
    }
}

/// The body as a JSON object.
pub(super) fn object(message: &Message) -> Result<serde_json::Map<String, Value>, Skip> {
    match serde_json::from_slice(&message.body) {
        Ok(Value::Object(object)) if !object.is_empty() => Ok(object),
        _ => Err(Skip::because("the body is no JSON object")),
    }
}

fn no_time() -> Skip {
    Skip::because("the signed time is not found")
}

/// One's own body with the sample's id and time, and something that no other has where nothing else makes it new.
fn renewed(scheme: &Scheme, own: &[u8], sample: &[u8]) -> Option<Vec<u8>> {
    let sample: Value = serde_json::from_slice(sample).ok()?;
    edited(own, |document| {
        let id = scheme.delivery_id.as_ref();
        let time = scheme.timestamp.as_ref().map(|time| &time.from);
        let paths = [
            if let Some(Field::Json(path)) = id { Some(path) } else { None },
            if let Some(TimestampFrom::Json(path)) = time { Some(path) } else { None },
        ];
        for path in paths.into_iter().flatten() {
            if let (Some(new), Some(old)) = (sample.pointer(&pointer(path)), document.pointer_mut(&pointer(path))) {
                *old = new.clone();
            }
        }
        let is_new = id.is_some_and(|field| scheme.signs(field));
        if let (false, Some(object), Some(new)) = (is_new, document.as_object_mut(), sample.get("sample")) {
            object.insert("hookwarden_assess".into(), new.clone());
        }
    })
}

/// A JSON text, changed.
fn edited(text: &[u8], change: impl FnOnce(&mut Value)) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(text).ok()?;
    change(&mut document);
    Some(document.to_string().into_bytes())
}

fn pointer(path: &JsonPath) -> String {
    path.0.iter().flat_map(|part| ["/".to_owned(), part.replace('~', "~0").replace('/', "~1")]).collect()
}

fn remove(document: &mut Value, path: &JsonPath) {
    let Some((last, parents)) = path.0.split_last() else { return };
    let parents = pointer(&JsonPath(parents.into()));
    if let Some(Value::Object(object)) = document.pointer_mut(&parents) {
        object.shift_remove(&**last);
    }
}

fn without_parameter(target: &str, name: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let kept: Vec<_> = query.split('&').filter(|pair| pair.split('=').next() != Some(name)).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// The path and query of a URL.
fn path_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(authority..).unwrap_or_default();
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// Where an item's first value stands in a field's value.
fn span(format: &Format, value: &str, wanted: ItemValue) -> Option<Range<usize>> {
    let item = format.items.iter().find(|item| item.value == wanted)?;
    let start = if item.prefix.is_empty() { 0 } else { value.find(&*item.prefix)? + item.prefix.len() };
    let rest = value.get(start..)?;
    let next = item.more.first().map_or(&*item.suffix, |(text, _)| &**text);
    let ends = [
        Some(next).filter(|text| !text.is_empty()).and_then(|text| rest.find(text)),
        format.separator.and_then(|separator| rest.find(char::from(separator))),
    ];
    Some(start..start + ends.into_iter().flatten().min().unwrap_or(rest.len()))
}

/// The text with its last digit another.
fn another_digit(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(digit) = bytes.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::table::tests::subject;

    fn forge_of<T>(provider: &str, look: impl FnOnce(&Forge<'_>) -> T) -> T {
        let subject = subject(provider);
        look(&Forge { subject: &subject, nonce: "n".into(), now: Now::read(), oversize: 1 << 10 })
    }

    #[test]
    fn signatures_are_found_in_their_values() {
        for (provider, length) in [("github", 64), ("stripe", 64), ("standard_webhooks", 44), ("slack", 64)] {
            forge_of(provider, |forge| {
                let message = forge.genuine().expect("a message");
                let signature = forge.signature(&message).expect("a signature");
                assert_eq!(signature.text().len(), length, "{provider}: {}", signature.value);
                assert!(forge.unsigned().expect("a message").value(&signature.field).is_none());
            });
        }
    }

    #[test]
    fn time_is_moved_and_nothing_else() {
        forge_of("stripe", |forge| {
            let message = forge.genuine().expect("a message");
            let moved = forge.moved_time(message.clone()).expect("another time");
            assert_ne!(moved.value("stripe-signature"), message.value("stripe-signature"));
            let text = |message| forge.signature(message).map_err(|Skip(why)| why).expect("it").text().to_owned();
            assert_eq!(text(&moved), text(&message));
        });
        forge_of("github", |forge| assert!(forge.moved_time(forge.genuine().expect("a message")).is_err()));
    }

    #[test]
    fn ones_own_body_is_new_each_time() {
        let mut subject = subject("stripe");
        subject.body = Some(br#"{"id":"evt_1","type":"charge","amount":1}"#.to_vec());
        let forge = Forge { subject: &subject, nonce: "n".into(), now: Now::read(), oversize: 1 };
        let (one, other) = (forge.body(forge.now), forge.body(forge.now));
        assert!(one != other && one.starts_with(br#"{"id":"evt_"#) && one.ends_with(br#""amount":1}"#));
    }

    #[test]
    fn texts() {
        assert_eq!(without_parameter("/a?b=1&c=2", "b"), "/a?c=2");
        assert_eq!(without_parameter("/a?b=1", "b"), "/a");
        assert_eq!(path_of("https://a.example/b?c"), "/b?c");
        assert_eq!(another_digit("1700000009"), "1700000008");
    }
}
