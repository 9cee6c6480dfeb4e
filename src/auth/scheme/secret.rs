//! How a configured secret becomes a key, and where keys come from that nobody configures.

use super::place::Field;
use crate::auth::key_api::KeyApi;
use crate::auth::signature::Strength;
use crate::auth::template::Template;
use crate::auth::x509;

/// How the configured secret becomes the key.
#[derive(Debug, Clone)]
pub struct SecretForm {
    /// Stripped where the secret starts with it.
    pub strip_prefix: Box<str>,
    /// Further such prefixes.
    pub other_prefixes: Box<[Box<str>]>,
    /// How the rest is written.
    pub encoding: SecretEncoding,
    /// Whether base64 has the alphabet of URLs.
    pub url_safe: bool,
    /// Whether it is decoded only where a prefix was stripped.
    pub only_if_prefixed: bool,
    /// The names of its parts; none where it is one.
    pub parts: Box<[Box<str>]>,
    /// What stands between the parts.
    pub join: char,
    /// Whether it must be ASCII.
    pub ascii: bool,
    /// The key as a template; the secret itself where there is none.
    pub key: Option<Template>,
    /// What a token's sender sends, as a template; the secret itself where there is none.
    pub sent: Option<Template>,
}

impl SecretForm {
    /// A secret whose text is the key.
    #[must_use]
    pub fn text() -> Self {
        Self {
            strip_prefix: "".into(),
            other_prefixes: Box::new([]),
            encoding: SecretEncoding::Text,
            url_safe: false,
            only_if_prefixed: false,
            parts: Box::new([]),
            join: ':',
            ascii: false,
            key: None,
            sent: None,
        }
    }
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

/// Where public keys come from beside the configured ones.
#[derive(Debug, Clone, Default)]
pub struct KeySource {
    /// A published set of keys (RFC 7517 section 5).
    pub jwks: Jwks,
    /// Where a message says which key of the set it is for. It selects among those that are there, and nothing else.
    pub key_id: Option<KeyIdFrom>,
    /// How weak an RSA key may be.
    pub strength: Strength,
    /// Where a message's certificate is. The configured secrets are then no keys: they name what must be signed for.
    pub certificate: Option<Box<x509::Source>>,
    /// What the certificates must be that a token brings along (`x5c`, RFC 7515 section 4.1.6). They are read where a
    /// definition says so, and lead to authorities that the user names.
    pub chain: Option<Box<x509::Rules>>,
    /// The API that gives the keys one by one, to whoever has an account there.
    pub api: Option<Box<KeyApi>>,
}

/// A published set of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Jwks {
    /// There is none: keys are configured one by one.
    #[default]
    None,
    /// There is one, and the user says where.
    Somewhere,
    /// There is one at this address.
    At(Box<str>),
}

/// Where a message says which key it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyIdFrom {
    /// In a field of the message.
    Field(Field),
    /// In a capture of the signature's grammar, by its index.
    Capture(usize),
}
