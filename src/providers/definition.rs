//! A provider's definition, as its file or the environment writes it, compiled to a scheme with errors that name the
//! place and what is accepted there.

use std::time::Duration;

use serde::Deserialize;

use crate::auth::scheme::{
    Algorithm, Challenge, Encoding, Field, Format, Item, ItemValue, JsonPath, Proof, ReplyPiece, Scheme,
    SecretEncoding, SecretForm, Signature, TimeUnit, Timestamp, TimestampFrom,
};
use crate::auth::template::{Piece, Template};

/// How far a signed time may be from now where nobody says otherwise.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// A definition as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    pub(super) docs: String,
    /// How sure the facts are: `docs`, `source` or `unconfirmed`.
    pub(super) confidence: String,
    scheme: String,
    algorithm: Option<String>,
    signature: SignatureText,
    signed: Option<String>,
    #[serde(default)]
    secret: SecretText,
    timestamp: Option<TimestampText>,
    tolerance: Option<String>,
    delivery_id: Option<FieldText>,
    event: Option<FieldText>,
    challenge: Option<ChallengeText>,
    #[serde(default)]
    pub(super) retry: String,
    #[serde(default)]
    pub(super) setup: String,
    #[serde(default)]
    pub(super) limits: String,
    #[serde(default, rename = "vector")]
    pub(super) vectors: Vec<Vector>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureText {
    header: String,
    #[serde(default = "whole_value")]
    format: String,
    #[serde(default = "hex")]
    encoding: String,
    #[serde(default)]
    many: bool,
    separator: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretText {
    #[serde(default = "text")]
    encoding: String,
    #[serde(default)]
    strip_prefix: String,
}

impl Default for SecretText {
    fn default() -> Self {
        Self { encoding: text(), strip_prefix: String::new() }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimestampText {
    from: String,
    #[serde(default = "seconds")]
    unit: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    header: Option<String>,
    json: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeText {
    when: String,
    equals: String,
    token: String,
    reply: String,
    content_type: String,
}

/// A worked example that the provider or its SDK publishes: the definition's own test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Where it is published.
    pub source: String,
    /// The secret, as it would be configured.
    pub secret: String,
    /// The method.
    #[serde(default = "post")]
    pub method: String,
    /// The full URL, where it is signed.
    pub url: Option<String>,
    /// The header fields.
    pub headers: std::collections::BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// When it is fresh, in seconds since the Unix epoch.
    pub now: Option<u64>,
}

fn whole_value() -> String {
    "{signature}".into()
}
fn hex() -> String {
    "hex".into()
}
fn text() -> String {
    "text".into()
}
fn seconds() -> String {
    "s".into()
}
fn post() -> String {
    "POST".into()
}

/// What is wrong with one key of a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Fault {
    /// The key, as in the file; `algorithm`, say, or `signature.format`.
    pub key: &'static str,
    /// What is wrong, and what is accepted.
    pub problem: String,
}

fn fault(key: &'static str, problem: impl Into<String>) -> Fault {
    Fault { key, problem: problem.into() }
}

/// Collects faults, so that all are told at once.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn keep<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.0.push(fault)).ok()
    }
}

impl Definition {
    /// Compiles the definition.
    ///
    /// # Errors
    /// Every [`Fault`] of it.
    pub(super) fn compile(&self) -> Result<Scheme, Vec<Fault>> {
        let mut faults = Faults::default();
        let proof = faults.keep(self.proof());
        let format = faults.keep(self.format());
        let encoding = faults.keep(encoding(&self.signature.encoding));
        let secret = faults.keep(self.secret_form());
        let timestamp = faults.keep(self.timestamp());
        let tolerance = faults.keep(self.tolerance());
        let delivery_id = faults.keep(field("delivery_id", self.delivery_id.as_ref()));
        let event = faults.keep(field("event", self.event.as_ref()));
        let challenge = faults.keep(self.challenge());
        if self.signature.header.is_empty() {
            faults
                .0
                .push(fault("signature.header", "the name of the header field that carries the signature is missing"));
        }
        let parts = (proof, format, encoding, secret, timestamp, tolerance, delivery_id, event, challenge);
        let (Some(proof), Some(format), Some(encoding), Some(secret), Some(timestamp), Some(tolerance), ..) = parts
        else {
            return Err(faults.0);
        };
        let (Some(delivery_id), Some(event), Some(challenge)) = (parts.6, parts.7, parts.8) else {
            return Err(faults.0);
        };
        let signature = Signature { header: self.signature.header.as_str().into(), format, encoding };
        let scheme = Scheme { proof, signature, timestamp, tolerance, delivery_id, event, secret, challenge };
        faults.0.extend(contradictions(&scheme));
        if faults.0.is_empty() { Ok(scheme) } else { Err(faults.0) }
    }

    fn proof(&self) -> Result<Proof, Fault> {
        match self.scheme.as_str() {
            "hmac" => {
                let algorithm = algorithm(self.algorithm.as_deref().unwrap_or("sha256"))?;
                let signed = Template::parse(self.signed.as_deref().unwrap_or("{body}"));
                Ok(Proof::Hmac { algorithm, signed: signed.map_err(|error| fault("signed", error.to_string()))? })
            }
            "token" if self.signed.is_some() => Err(fault("signed", "a token signs nothing")),
            "token" => Ok(Proof::Token),
            other => Err(fault("scheme", format!("{other:?} is not known; accepted are hmac, token"))),
        }
    }

    fn format(&self) -> Result<Format, Fault> {
        let SignatureText { format, many, separator, .. } = &self.signature;
        // `v1,{signature}[ v1,{signature}...]` says in one text that the item may be repeated, and after what.
        let (once, repeated) = match format.split_once('[') {
            Some((once, tail)) => (once, tail.bytes().next()),
            None => (format.as_str(), None),
        };
        let many = *many || repeated.is_some();
        let separator = match separator.as_deref().map(str::as_bytes) {
            Some([byte]) => Some(*byte),
            Some(_) => return Err(fault("signature.separator", "one character is accepted")),
            None => repeated.or_else(|| inferred_separator(once, many)),
        };
        let items = match separator
            .filter(|separator| once.bytes().any(|byte| byte == *separator) && splits(once, *separator))
        {
            Some(separator) => once.split(char::from(separator)).map(item).collect::<Result<_, _>>()?,
            None => Box::new([item(once)?]) as Box<[Item]>,
        };
        if items.iter().filter(|item| item.value == ItemValue::Signature).count() != 1 {
            return Err(fault("signature.format", "exactly one {signature} is needed"));
        }
        Ok(Format { separator, items, many })
    }

    fn secret_form(&self) -> Result<SecretForm, Fault> {
        let encoding = match self.secret.encoding.as_str() {
            "text" => SecretEncoding::Text,
            "hex" => SecretEncoding::Hex,
            "base64" => SecretEncoding::Base64,
            other => {
                return Err(fault(
                    "secret.encoding",
                    format!("{other:?} is not known; accepted are text, hex, base64"),
                ));
            }
        };
        Ok(SecretForm { strip_prefix: self.secret.strip_prefix.as_str().into(), encoding })
    }

    fn timestamp(&self) -> Result<Option<Timestamp>, Fault> {
        let Some(TimestampText { from, unit }) = &self.timestamp else { return Ok(None) };
        let unit = match unit.as_str() {
            "s" => TimeUnit::Seconds,
            "ms" => TimeUnit::Milliseconds,
            "rfc3339" => TimeUnit::Rfc3339,
            other => {
                return Err(fault("timestamp.unit", format!("{other:?} is not known; accepted are s, ms, rfc3339")));
            }
        };
        let from = match (from.as_str(), from.split_once(':')) {
            ("signature", _) => TimestampFrom::Signature,
            (_, Some(("header", name))) if !name.is_empty() => TimestampFrom::Header(name.into()),
            (_, Some(("json", path))) => TimestampFrom::Json(json_path("timestamp.from", path)?),
            (other, _) => {
                let accepted = "accepted are signature, header:Name, json:member";
                return Err(fault("timestamp.from", format!("{other:?} is not known; {accepted}")));
            }
        };
        Ok(Some(Timestamp { from, unit }))
    }

    fn tolerance(&self) -> Result<Duration, Fault> {
        let Some(text) = &self.tolerance else { return Ok(TOLERANCE) };
        let seconds = text.strip_suffix('s').and_then(|digits| digits.parse().ok());
        seconds.map(Duration::from_secs).ok_or_else(|| fault("tolerance", format!("{text:?} is not like 300s")))
    }

    fn challenge(&self) -> Result<Option<Challenge>, Fault> {
        let Some(text) = &self.challenge else { return Ok(None) };
        Ok(Some(Challenge {
            when: json_path("challenge.when", &text.when)?,
            equals: text.equals.as_str().into(),
            token: json_path("challenge.token", &text.token)?,
            reply: reply(&text.reply)?,
            content_type: text.content_type.as_str().into(),
        }))
    }
}

/// What single keys cannot tell.
fn contradictions(scheme: &Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let in_format = scheme.signature.format.items.iter().any(|item| item.value == ItemValue::Timestamp);
    let from_format = matches!(&scheme.timestamp, Some(Timestamp { from: TimestampFrom::Signature, .. }));
    if in_format != from_format {
        faults
            .push(fault("timestamp", "{timestamp} in signature.format and timestamp.from = \"signature\" go together"));
    }
    if let Some(timestamp) = &scheme.timestamp {
        let bound = scheme.signed().is_some_and(|signed| match timestamp.from {
            TimestampFrom::Json(_) => signed.has_body(),
            TimestampFrom::Signature | TimestampFrom::Header(_) => signed.has(&Piece::Timestamp),
        });
        if !bound {
            faults.push(fault("timestamp", "a time that is not signed proves nothing; leave it out, or sign it"));
        }
    } else if scheme.signed().is_some_and(|signed| signed.has(&Piece::Timestamp)) {
        faults.push(fault("signed", "{timestamp} is signed, but where it stands is not said"));
    }
    let signs_token =
        scheme.challenge.as_ref().is_some_and(|challenge| challenge.reply.contains(&ReplyPiece::TokenHmac));
    if signs_token && !scheme.signed().is_some_and(Template::excludes_tokens) {
        faults.push(fault(
            "challenge.reply",
            "{token_hmac} would be a signing oracle: a token could be a signed message",
        ));
    }
    faults
}

fn algorithm(text: &str) -> Result<Algorithm, Fault> {
    match text {
        "sha1" => Ok(Algorithm::Sha1),
        "sha256" => Ok(Algorithm::Sha256),
        "sha384" => Ok(Algorithm::Sha384),
        "sha512" => Ok(Algorithm::Sha512),
        _ => Err(fault("algorithm", format!("{text:?} is not known; accepted are sha1, sha256, sha384, sha512"))),
    }
}

fn encoding(text: &str) -> Result<Encoding, Fault> {
    match text {
        "hex" => Ok(Encoding::Hex),
        "base64" => Ok(Encoding::Base64),
        "base64url" => Ok(Encoding::Base64Url),
        _ => Err(fault("signature.encoding", format!("{text:?} is not known; accepted are hex, base64, base64url"))),
    }
}

fn field(key: &'static str, text: Option<&FieldText>) -> Result<Option<Field>, Fault> {
    match text {
        None => Ok(None),
        Some(FieldText { header: Some(name), json: None }) if !name.is_empty() => {
            Ok(Some(Field::Header(name.as_str().into())))
        }
        Some(FieldText { header: None, json: Some(path) }) => Ok(Some(Field::Json(json_path(key, path)?))),
        Some(_) => Err(fault(key, "either header = \"Name\" or json = \"member\" is accepted")),
    }
}

/// A member's path, as in `event.type`.
///
/// # Errors
/// A part of it is empty.
pub fn json_path(key: &'static str, text: &str) -> Result<JsonPath, Fault> {
    if text.split('.').any(str::is_empty) {
        return Err(fault(key, format!("{text:?} is not a member's path such as event.type")));
    }
    Ok(JsonPath(text.split('.').map(Into::into).collect()))
}

/// `,` where it leaves every part with a placeholder of its own, a blank where items may be repeated, or nothing.
fn inferred_separator(format: &str, many: bool) -> Option<u8> {
    if splits(format, b',') && (many || format.contains(',')) {
        return Some(b',');
    }
    many.then_some(b' ')
}

fn splits(format: &str, separator: u8) -> bool {
    format.split(char::from(separator)).all(|item| item.matches('{').count() == 1)
}

fn item(text: &str) -> Result<Item, Fault> {
    let (prefix, value) = text.split_at(text.find('{').unwrap_or(text.len()));
    let value = match value {
        "{signature}" => ItemValue::Signature,
        "{timestamp}" => ItemValue::Timestamp,
        _ => {
            let accepted = "an item is text and then {signature} or {timestamp}, as in t={timestamp},v1={signature}";
            return Err(fault("signature.format", format!("{text:?} is not an item; {accepted}")));
        }
    };
    Ok(Item { prefix: prefix.into(), value })
}

fn reply(text: &str) -> Result<Box<[ReplyPiece]>, Fault> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or_else(|| fault("challenge.reply", "{{ without }}"))?;
        if !before.is_empty() {
            pieces.push(ReplyPiece::Text(before.into()));
        }
        pieces.push(match name {
            "token" => ReplyPiece::Token,
            "token_hmac" => ReplyPiece::TokenHmac,
            other => {
                let accepted = "accepted are {{token}}, {{token_hmac}}";
                return Err(fault("challenge.reply", format!("{other:?} is not known; {accepted}")));
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(ReplyPiece::Text(rest.into()));
    }
    Ok(pieces.into())
}

/// A route's own definition, by environment. Empty fields have the usual values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomFields {
    /// `SCHEME`: hmac (default) or token.
    pub scheme: Option<String>,
    /// `ALGORITHM`.
    pub algorithm: Option<String>,
    /// `SIGNATURE_HEADER`.
    pub signature_header: Option<String>,
    /// `SIGNATURE_FORMAT`.
    pub signature_format: Option<String>,
    /// `SIGNATURE_ENCODING`.
    pub signature_encoding: Option<String>,
    /// `SIGNED_CONTENT`.
    pub signed_content: Option<String>,
    /// `TIMESTAMP_HEADER`.
    pub timestamp_header: Option<String>,
    /// `TIMESTAMP_UNIT`.
    pub timestamp_unit: Option<String>,
    /// `SECRET_ENCODING`.
    pub secret_encoding: Option<String>,
}

/// Compiles a route's own definition.
///
/// # Errors
/// Every [`Fault`], each with the key that a file would have; [`custom_field`] names the variable's field.
pub fn custom(fields: &CustomFields) -> Result<Scheme, Vec<Fault>> {
    let format = fields.signature_format.clone().unwrap_or_else(whole_value);
    let unit = fields.timestamp_unit.clone().unwrap_or_else(seconds);
    let from = match &fields.timestamp_header {
        Some(name) => Some(format!("header:{name}")),
        None => format.contains("{timestamp}").then(|| "signature".to_owned()),
    };
    if fields.timestamp_unit.is_some() && from.is_none() {
        return Err(vec![fault("timestamp.unit", "there is no timestamp that it could be the unit of")]);
    }
    let definition = Definition {
        scheme: fields.scheme.clone().unwrap_or_else(|| "hmac".into()),
        algorithm: fields.algorithm.clone(),
        signature: SignatureText {
            header: fields.signature_header.clone().unwrap_or_default(),
            format,
            encoding: fields.signature_encoding.clone().unwrap_or_else(hex),
            ..SignatureText::default()
        },
        signed: fields.signed_content.clone(),
        secret: SecretText { encoding: fields.secret_encoding.clone().unwrap_or_else(text), ..SecretText::default() },
        timestamp: from.map(|from| TimestampText { from, unit }),
        ..Definition::default()
    };
    definition.compile()
}

/// The route field that a definition's key is called in the environment.
#[must_use]
pub fn custom_field(key: &str) -> &'static str {
    match key {
        "algorithm" => "ALGORITHM",
        "signature.header" => "SIGNATURE_HEADER",
        "signature.format" | "signature.separator" => "SIGNATURE_FORMAT",
        "signature.encoding" => "SIGNATURE_ENCODING",
        "signed" => "SIGNED_CONTENT",
        "timestamp" | "timestamp.from" => "TIMESTAMP_HEADER",
        "timestamp.unit" => "TIMESTAMP_UNIT",
        "secret.encoding" => "SECRET_ENCODING",
        _ => "SCHEME",
    }
}
