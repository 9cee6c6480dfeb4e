//! How a provider proves that a message is its own, as data: read by the verifier, by the signer and by the docs.
//!
//! A definition file (see `providers`) compiles to a [`Scheme`]; nothing here is code, so a provider whose scheme
//! composes known pieces takes no Rust.

use std::time::Duration;

use super::template::Template;

/// A provider's scheme.
#[derive(Debug, Clone)]
pub struct Scheme {
    /// What the proof is made of.
    pub proof: Proof,
    /// Where the signature or token stands.
    pub signature: Signature,
    /// The signed time, where there is one. A time that is not signed proves nothing and is not stated here.
    pub timestamp: Option<Timestamp>,
    /// How far the signed time may be from now, either way, where the route does not say.
    pub tolerance: Duration,
    /// The sender's id of this delivery or event, the same on each retry.
    pub delivery_id: Option<Field>,
    /// The event's type.
    pub event: Option<Field>,
    /// How the configured secret becomes the key.
    pub secret: SecretForm,
    /// The endpoint verification that is answered here.
    pub challenge: Option<Challenge>,
}

impl Scheme {
    /// Whether a field's value is part of what the provider signs.
    #[must_use]
    pub fn signs(&self, field: &Field) -> bool {
        match (&self.proof, field) {
            (Proof::Hmac { signed, .. }, Field::Header(name)) => signed.binds_header(name),
            (Proof::Hmac { signed, .. }, Field::Json(_)) => signed.binds_body(),
            (Proof::Token, _) => false,
        }
    }

    /// The template of what is signed; `None` for a token.
    #[must_use]
    pub fn signed(&self) -> Option<&Template> {
        match &self.proof {
            Proof::Hmac { signed, .. } => Some(signed),
            Proof::Token => None,
        }
    }
}

/// What the proof is made of.
#[derive(Debug, Clone)]
pub enum Proof {
    /// An HMAC (RFC 2104) under the shared key.
    Hmac {
        /// The hash.
        algorithm: Algorithm,
        /// The bytes that are signed.
        signed: Template,
    },
    /// The secret itself, sent along. Binds neither body nor time.
    Token,
}

/// The hash of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1: weak as a hash, still sound in HMAC; only where a provider has nothing better.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal; either case is accepted, lower is made.
    Hex,
    /// Base64 with padding (RFC 4648 section 4).
    Base64,
    /// Base64url; padding optional (RFC 4648 section 5).
    Base64Url,
}

/// Where the signature or token stands.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The one header field that carries it.
    pub header: Box<str>,
    /// The grammar of its value.
    pub format: Format,
    /// How the signature is written; unused for tokens.
    pub encoding: Encoding,
}

/// The grammar of a signature header: items set apart by a separator, as in `t={timestamp},v1={signature}`.
#[derive(Debug, Clone)]
pub struct Format {
    /// What stands between items; `None` where the whole value is one item.
    pub separator: Option<u8>,
    /// The known items. Others (another version's signature, say) are passed over, so they can never be downgraded to.
    pub items: Box<[Item]>,
    /// Whether several signature items may stand there, as in a key rotation.
    pub many: bool,
}

/// One item of a signature header.
#[derive(Debug, Clone)]
pub struct Item {
    /// Text before the value.
    pub prefix: Box<str>,
    /// What the value is.
    pub value: ItemValue,
}

/// What the value of an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemValue {
    /// The encoded signature, or the token.
    Signature,
    /// The signed time.
    Timestamp,
}

/// The signed time.
#[derive(Debug, Clone)]
pub struct Timestamp {
    /// Where it stands.
    pub from: TimestampFrom,
    /// How it is written.
    pub unit: TimeUnit,
}

/// Where the signed time stands.
#[derive(Debug, Clone)]
pub enum TimestampFrom {
    /// In a header field of its own.
    Header(Box<str>),
    /// In the signature header.
    Signature,
    /// In a member of the signed JSON body.
    Json(JsonPath),
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Whole seconds since the Unix epoch.
    Seconds,
    /// Whole milliseconds since the Unix epoch.
    Milliseconds,
    /// RFC 3339.
    Rfc3339,
}

/// Where a fact about the message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// In a header field.
    Header(Box<str>),
    /// In a member of the JSON body.
    Json(JsonPath),
}

/// A member of a JSON object, by its names from the outermost object inwards; written `event.type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(pub Box<[Box<str>]>);

/// How the configured secret becomes the key.
#[derive(Debug, Clone)]
pub struct SecretForm {
    /// Stripped where the secret starts with it.
    pub strip_prefix: Box<str>,
    /// How the rest is written.
    pub encoding: SecretEncoding,
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretEncoding {
    /// Its bytes are the key.
    Text,
    /// Hexadecimal of the key.
    Hex,
    /// Base64 of the key, padded or not.
    Base64,
}

/// An endpoint verification that the sidecar answers itself, once the request is proven authentic.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// The JSON member that marks such a request.
    pub when: JsonPath,
    /// Its value then.
    pub equals: Box<str>,
    /// The JSON member that holds the token to give back. It must be 1 to 256 of `A-Za-z0-9_-` or it is refused:
    /// the signed contents of every provider that signs its token have other characters, so that the answer can
    /// never be a signature of a message.
    pub token: JsonPath,
    /// The reply's pieces.
    pub reply: Box<[ReplyPiece]>,
    /// The reply's Content-Type.
    pub content_type: Box<str>,
}

/// A piece of a challenge's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyPiece {
    /// As it stands.
    Text(Box<str>),
    /// The token.
    Token,
    /// Hex of the HMAC of the token, under the key that the request was signed with.
    TokenHmac,
}
