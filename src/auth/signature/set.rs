//! A set of public keys, as a JWKS (RFC 7517 section 5) brings it: bounded, and looked through whole.

use serde_json::{Map, Value};
use subtle::{Choice, ConstantTimeEq};

use super::public::{PublicKey, Strength};

/// The most keys of a set. Issuers publish two to ten.
pub const MAX_KEY_SET: usize = 64;

/// A set of public keys; at least one.
#[derive(Debug, Clone)]
pub struct KeySet(Box<[PublicKey]>);

/// Why bytes are no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// They are no JSON object with `keys`.
    #[error("is not a JSON object with an array of keys")]
    Json,
    /// There are too many.
    #[error("holds {0} keys; at most {MAX_KEY_SET} are accepted")]
    TooMany(usize),
    /// There is none that signatures can be checked with.
    #[error("holds no public key that signatures can be checked with")]
    None,
    /// There is a private key, which is no longer one.
    #[error("holds a private or shared key, which must never be published")]
    Private,
}

impl<'s> IntoIterator for &'s KeySet {
    type Item = &'s PublicKey;
    type IntoIter = std::slice::Iter<'s, PublicKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl KeySet {
    /// A set of these keys.
    ///
    /// # Errors
    /// [`KeySetFault::None`], [`KeySetFault::TooMany`].
    pub fn new(keys: Vec<PublicKey>) -> Result<Self, KeySetFault> {
        match keys.len() {
            0 => Err(KeySetFault::None),
            1..=MAX_KEY_SET => Ok(Self(keys.into())),
            count => Err(KeySetFault::TooMany(count)),
        }
    }

    /// Reads a JWKS. Keys of a kind, use or algorithm that is not known are passed over, as RFC 7517 section 5 asks.
    ///
    /// # Errors
    /// A [`KeySetFault`].
    pub fn from_jwks(bytes: &[u8], strength: Strength) -> Result<Self, KeySetFault> {
        let document: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| KeySetFault::Json)?;
        let listed = document.get("keys").and_then(Value::as_array).ok_or(KeySetFault::Json)?;
        if listed.len() > MAX_KEY_SET {
            return Err(KeySetFault::TooMany(listed.len()));
        }
        let mut keys = Vec::new();
        for jwk in listed {
            let jwk = jwk.as_object().ok_or(KeySetFault::Json)?;
            match PublicKey::from_jwk(jwk, strength) {
                Ok(key) => keys.push(key),
                Err(super::PublicKeyFault::Private) => return Err(KeySetFault::Private),
                Err(_) => {}
            }
        }
        Self::new(keys)
    }

    /// The keys.
    pub fn iter(&self) -> std::slice::Iter<'_, PublicKey> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The keys that a message may be checked with: those of that id and those without any, or all where the message
    /// names none. An unknown id gives the first key, and false: what it then costs to check tells nobody which ids there
    /// are, and its verdict does not count.
    pub fn candidates(&self, kid: Option<&[u8]>) -> (impl Iterator<Item = &PublicKey>, bool) {
        let fits = |key: &PublicKey| match (kid, key.kid()) {
            (Some(wanted), Some(known)) => known.as_bytes().ct_eq(wanted),
            _ => Choice::from(1),
        };
        let mut chosen = 0_u64;
        for (index, key) in self.0.iter().enumerate() {
            chosen |= u64::from(fits(key).unwrap_u8()) << index;
        }
        let is_known = chosen != 0;
        let chosen = if is_known { chosen } else { 1 };
        let is_chosen = move |(index, _): &(usize, &PublicKey)| chosen >> index & 1 == 1;
        (self.0.iter().enumerate().filter(is_chosen).map(|(_, key)| key), is_known)
    }
}
