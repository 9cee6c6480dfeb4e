//! A route's active keys. Several are all accepted, which is how a secret is rotated without downtime.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::mac::Mac;
use super::scheme::{Algorithm, Proof, Scheme, SecretEncoding, SecretForm};

/// The most active keys of a route: two in a rotation, and room for a fleet of senders with one each.
pub const MAX_KEYS: usize = 8;

/// One key, prepared for its scheme. Printing it prints its id alone.
pub struct Key {
    /// Its id in records and towards the service.
    pub id: Box<str>,
    /// Since when it is in use, in seconds since the Unix epoch, where that is known.
    pub since: Option<u64>,
    material: Material,
}

/// A secret as it was configured.
#[derive(Clone)]
pub struct KeyText {
    /// Its id: a number, or the name of its file.
    pub id: String,
    /// What was written.
    pub text: Zeroizing<Vec<u8>>,
    /// When its file was written, in seconds since the Unix epoch; `None` where it is not from a file.
    pub since: Option<u64>,
}

impl KeyText {
    /// A secret of unknown age.
    #[must_use]
    pub fn new(id: &str, text: &[u8]) -> Self {
        Self { id: id.to_owned(), text: Zeroizing::new(text.to_vec()), since: None }
    }
}

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyText").field("id", &self.id).finish_non_exhaustive()
    }
}

#[allow(clippy::large_enum_variant, reason = "a MAC's state is read for each message; a box would be a detour")]
enum Material {
    /// The state to clone for each message. It cannot be wiped by us: the hash crates do not.
    Mac(Mac),
    /// A token's SHA-256: what is compared, so that neither length nor content shows in the time it takes.
    Token { digest: [u8; 32], text: Zeroizing<Vec<u8>> },
}

/// What is wrong with a configured secret. Never says what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is none.
    #[error("holds no key")]
    None,
    /// There are too many.
    #[error("holds {0} keys; at most {MAX_KEYS} can be active")]
    TooMany(usize),
    /// One is empty.
    #[error("key {0} is empty")]
    Empty(String),
    /// One is not written as the scheme wants it.
    #[error("key {0} is not valid {1}")]
    Encoding(String, &'static str),
    /// Two are the same.
    #[error("keys {0} and {1} are the same")]
    Duplicate(String, String),
    /// An id cannot stand in a header.
    #[error("key id {0:?} is not 1 to 64 of A-Z a-z 0-9 . _ -")]
    Id(String),
}

/// A route's active keys: at least one, at most [`MAX_KEYS`].
#[derive(Debug)]
pub struct Keys(Box<[Key]>);

impl Keys {
    /// Prepares the configured secrets.
    ///
    /// # Errors
    /// The first [`KeyFault`].
    pub fn new(scheme: &Scheme, secrets: &[KeyText]) -> Result<Self, KeyFault> {
        if secrets.is_empty() {
            return Err(KeyFault::None);
        }
        if secrets.len() > MAX_KEYS {
            return Err(KeyFault::TooMany(secrets.len()));
        }
        for (index, secret) in secrets.iter().enumerate() {
            if let Some(other) = secrets[..index].iter().find(|other| other.text == secret.text) {
                return Err(KeyFault::Duplicate(other.id.clone(), secret.id.clone()));
            }
        }
        secrets.iter().map(|secret| Key::new(scheme, secret)).collect::<Result<_, _>>().map(Self)
    }

    /// The keys, in the order in which they were configured.
    pub fn iter(&self) -> std::slice::Iter<'_, Key> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| &*key.id)
    }

    /// The key at an index that a verification gave.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Key> {
        self.0.get(index)
    }
}

impl<'k> IntoIterator for &'k Keys {
    type Item = &'k Key;
    type IntoIter = std::slice::Iter<'k, Key>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Key {
    /// Prepares one configured secret.
    ///
    /// # Errors
    /// A [`KeyFault`] of this key.
    pub fn new(scheme: &Scheme, secret: &KeyText) -> Result<Self, KeyFault> {
        let KeyText { id, text, since } = secret;
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if !(1..=64).contains(&id.len()) || !id.as_bytes().iter().all(is_plain) {
            return Err(KeyFault::Id(id.clone()));
        }
        let secret = decode(&scheme.secret, id, text)?;
        let material = match &scheme.proof {
            Proof::Hmac { algorithm, .. } => Material::Mac(prepare(*algorithm, id, &secret)?),
            Proof::Token => Material::Token { digest: Sha256::digest(&*secret).into(), text: secret },
        };
        Ok(Self { id: id.as_str().into(), since: *since, material })
    }

    /// The key that forwarded requests are signed with anew: a Standard Webhooks key, `whsec_` and base64.
    ///
    /// # Errors
    /// It is empty or no base64.
    pub fn for_resigning(text: &[u8]) -> Result<Self, KeyFault> {
        let form = SecretForm { strip_prefix: "whsec_".into(), encoding: SecretEncoding::Base64 };
        let secret = decode(&form, "resign", text)?;
        let material = Material::Mac(prepare(Algorithm::Sha256, "resign", &secret)?);
        Ok(Self { id: "resign".into(), since: None, material })
    }

    /// A fresh HMAC under this key; `None` for a token.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        match &self.material {
            Material::Mac(mac) => Some(mac.clone()),
            Material::Token { .. } => None,
        }
    }

    /// The SHA-256 of a token; `None` for an HMAC key.
    #[must_use]
    pub(super) fn token_digest(&self) -> Option<&[u8; 32]> {
        match &self.material {
            Material::Token { digest, .. } => Some(digest),
            Material::Mac(_) => None,
        }
    }

    /// The token itself, for the signer.
    #[must_use]
    pub(super) fn token(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Token { text, .. } => Some(text),
            Material::Mac(_) => None,
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

fn prepare(algorithm: Algorithm, id: &str, secret: &[u8]) -> Result<Mac, KeyFault> {
    Mac::new(algorithm, secret).ok_or_else(|| KeyFault::Encoding(id.to_owned(), "for this algorithm"))
}

fn decode(form: &SecretForm, id: &str, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let bare = text.strip_prefix(form.strip_prefix.as_bytes()).unwrap_or(text);
    let failed = |what| KeyFault::Encoding(id.to_owned(), what);
    let decoded = match form.encoding {
        SecretEncoding::Text => bare.to_vec(),
        SecretEncoding::Hex => HEXLOWER_PERMISSIVE.decode(bare).map_err(|_| failed("hexadecimal"))?,
        SecretEncoding::Base64 => {
            BASE64.decode(bare).or_else(|_| BASE64_NOPAD.decode(bare)).map_err(|_| failed("base64"))?
        }
    };
    if decoded.is_empty() { Err(KeyFault::Empty(id.to_owned())) } else { Ok(Zeroizing::new(decoded)) }
}
