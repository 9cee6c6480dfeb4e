//! A definition as it is written: keys and texts, nothing understood yet.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::definition::Lets;

/// A definition.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    pub(super) docs: String,
    #[serde(default)]
    pub(super) category: String,
    /// How sure the facts are: `docs`, `source` or `unconfirmed`.
    pub(super) confidence: String,
    pub(super) scheme: String,
    pub(super) algorithm: Option<OneOrMany<String>>,
    /// How an ECDSA signature is written.
    pub(super) ecdsa_form: Option<String>,
    pub(super) keys: Option<KeysText>,
    pub(super) certificate: Option<CertificateText>,
    pub(super) confirm: Option<ConfirmText>,
    /// What a token signs that does not carry it.
    pub(super) payload: Option<String>,
    /// Whether that is signed as base64url.
    pub(super) b64: Option<bool>,
    pub(super) claims: Option<ClaimsText>,
    pub(super) signature: Option<SignatureText>,
    pub(super) http_signature: Option<HttpSignatureText>,
    pub(super) signed: Option<OneOrMany<String>>,
    pub(super) token: Option<String>,
    pub(super) each: Option<String>,
    pub(super) document: Option<String>,
    #[serde(default, rename = "let")]
    pub(super) lets: Lets,
    #[serde(default)]
    pub(super) check: Vec<CheckText>,
    pub(super) header_list: Option<HeaderListText>,
    #[serde(default)]
    pub(super) secret: SecretText,
    pub(super) timestamp: Option<TimestampText>,
    pub(super) tolerance: Option<String>,
    pub(super) delivery_id: Option<FieldText>,
    pub(super) event: Option<FieldText>,
    pub(super) challenge: Option<OneOrMany<ChallengeText>>,
    pub(super) reply: Option<ReplyText>,
    pub(super) binding: Option<String>,
    pub(super) claim: Option<String>,
    #[serde(default)]
    pub(super) repeats: bool,
    #[serde(default)]
    pub(super) configurable: Vec<String>,
    #[serde(default)]
    pub(super) retry: String,
    #[serde(default)]
    pub(super) setup: String,
    #[serde(default)]
    pub(super) limits: String,
    #[serde(default, rename = "vector")]
    pub(super) vectors: Vec<Vector>,
}

/// What claims must say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimsText {
    pub(super) issuer: Option<ClaimText>,
    pub(super) audience: Option<ClaimText>,
    pub(super) expires: Option<String>,
    #[serde(default)]
    pub(super) required: Vec<String>,
    /// Claims that the route must state a value for.
    #[serde(default)]
    pub(super) ask: Vec<String>,
    pub(super) leeway: Option<String>,
}

/// What a claim must be: one text, one of several, or what the route says.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum ClaimText {
    Asked(bool),
    One(String),
    Several(Vec<String>),
}

/// Where public keys come from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysText {
    pub(super) jwks: Option<JwksText>,
    /// What a token's own chain of certificates is for.
    pub(super) x5c: Option<String>,
    pub(super) key_id: Option<String>,
    /// Whether RSA keys of 1024 bits are accepted.
    #[serde(default)]
    pub(super) legacy: bool,
    pub(super) api: Option<KeyApiText>,
}

/// The API that gives keys one by one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyApiText {
    pub(super) base: String,
    pub(super) get: Option<String>,
    pub(super) post: Option<String>,
    pub(super) credential: Option<String>,
    /// The path that tokens are asked for at.
    pub(super) token: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) key: Option<String>,
    pub(super) jwk: Option<String>,
    pub(super) ends: Option<String>,
    pub(super) ids: Option<String>,
}

/// Where a message's certificate is, and what it must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateText {
    pub(super) url: OneOrMany<String>,
    pub(super) pin: OneOrMany<String>,
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) names: Vec<String>,
    pub(super) purpose: Option<String>,
    pub(super) chain: Option<String>,
}

/// The message that asks for a subscription to be confirmed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmText {
    pub(super) when: String,
    pub(super) equals: String,
    pub(super) url: String,
    pub(super) pin: OneOrMany<String>,
}

/// A published set of keys: its address, or that there is one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum JwksText {
    Somewhere(bool),
    At(String),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "the keys of a table, as they are written")]
pub(super) struct SignatureText {
    pub(super) header: Option<String>,
    #[serde(default)]
    pub(super) headers: Vec<String>,
    pub(super) require: Option<String>,
    pub(super) query: Option<String>,
    pub(super) json: Option<String>,
    pub(super) form: Option<String>,
    #[serde(default)]
    pub(super) path: bool,
    /// Whether it is the whole body.
    #[serde(default)]
    pub(super) body: bool,
    pub(super) format: Option<OneOrMany<String>>,
    pub(super) encoding: Option<String>,
    /// The members of a JSON object in base64 that the value is.
    #[serde(default)]
    pub(super) envelope: Vec<String>,
    #[serde(default)]
    pub(super) many: bool,
    #[serde(default)]
    pub(super) repeated: bool,
    pub(super) separator: Option<String>,
    pub(super) groups: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpSignatureText {
    pub(super) label: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) cover: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckText {
    pub(super) value: String,
    pub(super) equals: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderListText {
    #[serde(default)]
    pub(super) names: Vec<String>,
    pub(super) from: Option<String>,
    pub(super) split: Option<String>,
    pub(super) line: Option<String>,
    pub(super) join: String,
    pub(super) case: Option<String>,
    #[serde(default)]
    pub(super) require: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretText {
    pub(super) encoding: Option<String>,
    pub(super) strip_prefix: Option<OneOrMany<String>>,
    #[serde(default)]
    pub(super) parts: Vec<String>,
    pub(super) join: Option<char>,
    #[serde(default)]
    pub(super) public: Vec<String>,
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) ascii: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimestampText {
    pub(super) from: String,
    pub(super) unit: Option<String>,
    pub(super) offset: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldText {
    pub(super) header: Option<String>,
    pub(super) json: Option<String>,
    pub(super) form: Option<String>,
    pub(super) query: Option<String>,
    pub(super) claim: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeText {
    pub(super) method: Option<String>,
    pub(super) authenticated: Option<bool>,
    #[serde(default)]
    pub(super) empty: bool,
    pub(super) when: Option<String>,
    pub(super) equals: Option<String>,
    pub(super) unless: Option<String>,
    pub(super) verify: Option<String>,
    #[serde(default)]
    pub(super) verify_required: bool,
    pub(super) token: Option<String>,
    pub(super) shape: Option<String>,
    pub(super) max: Option<usize>,
    #[serde(default)]
    pub(super) reply: String,
    pub(super) content_type: Option<String>,
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) headers: std::collections::BTreeMap<String, String>,
    pub(super) refused_status: Option<u16>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyText {
    pub(super) denied: Option<String>,
    pub(super) acknowledged: Option<String>,
    pub(super) echo: Option<String>,
}

/// A worked example that the provider or its SDK publishes: the definition's own test.
#[derive(Debug, Clone, Default, Deserialize)]
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
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// The body in base64, where it is no text.
    pub body_base64: Option<String>,
    /// When it is fresh, in seconds since the Unix epoch.
    pub now: Option<u64>,
    /// The hash, where it is not the definition's.
    pub algorithm: Option<String>,
    /// The route's verify token.
    pub verify_token: Option<String>,
}

fn post() -> String {
    "POST".into()
}

/// One value, or a list of them.
#[derive(Debug, Clone)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl OneOrMany<String> {
    pub(super) fn texts(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

impl<'de> Deserialize<'de> for OneOrMany<String> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany<String>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

impl<'de> Deserialize<'de> for OneOrMany<ChallengeText> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tables;
        impl<'de> Visitor<'de> for Tables {
            type Value = OneOrMany<ChallengeText>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a challenge or a list of challenges")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let one = ChallengeText::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut tables = Vec::new();
                while let Some(table) = list.next_element()? {
                    tables.push(table);
                }
                Ok(OneOrMany(tables))
            }
        }
        deserializer.deserialize_any(Tables)
    }
}
