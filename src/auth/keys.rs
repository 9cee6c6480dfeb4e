//! A route's active keys. Several are all accepted, which is how a secret is rotated without downtime.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::http1::Span;

use super::feed::{Sources, render};
use super::jwt::Algorithms;
use super::mac::Mac;
use super::scheme::{Algorithm, Proof, Scheme, SecretEncoding, SecretForm};
use super::signature::{PrivateKey, PrivateKeyFault, PublicKey, PublicKeyFault, SignatureAlgorithm};

/// The most active keys of a route: two in a rotation, and room for a fleet of senders with one each.
pub const MAX_KEYS: usize = 8;

/// One key, prepared for its scheme. Printing it prints its id alone.
pub struct Key {
    /// Its id in records and towards the service.
    pub id: Box<str>,
    /// Since when it is in use, in seconds since the Unix epoch, where that is known.
    pub since: Option<u64>,
    material: Material,
    /// The secret's text, where templates read it.
    secret: Option<Secret>,
}

/// A secret as templates read it. Wiped when it is dropped.
pub struct Secret {
    text: Zeroizing<Vec<u8>>,
    parts: Box<[Span]>,
}

impl Secret {
    /// The whole.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// One part.
    #[must_use]
    pub fn part(&self, index: usize) -> Option<&[u8]> {
        self.parts.get(index).map(|span| span.get(&self.text))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
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
    /// The key is made of each message's own facts.
    Made(Algorithm),
    /// A token's SHA-256: what is compared, so that neither length nor content shows in the time it takes.
    Token {
        digest: [u8; 32],
        text: Zeroizing<Vec<u8>>,
    },
    /// The state to clone for each token, for each hash that tokens may be made with.
    TokenMacs(Box<[(Algorithm, Mac)]>),
    /// A public key, and for the signer alone the private one.
    Public(PublicKey),
    Private(Box<PrivateKey>),
    /// None: the secret names what a certificate's owner must have signed for.
    Pin,
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
    /// One does not have the parts that the scheme wants.
    #[error("key {0} is not written as {1}")]
    Parts(String, String),
    /// One is no public key.
    #[error("key {0} {1}")]
    PublicKey(String, PublicKeyFault),
    /// One is no private key.
    #[error("key {0} {1}")]
    PrivateKey(String, PrivateKeyFault),
    /// One is a key of another kind.
    #[error("key {0} is of another kind than {1} needs")]
    Kind(String, String),
    /// One looks like a public key, and is to be a shared one: whoever has read it could make tokens.
    #[error("key {0} is a public key or certificate; tokens of this kind take a shared secret that nobody else knows")]
    NotSecret(String),
    /// There is one, and nothing is proven with it.
    #[error("key {0} has no use: this provider proves itself without a secret")]
    Useless(String),
    /// Two are the same.
    #[error("keys {0} and {1} are the same")]
    Duplicate(String, String),
    /// An id cannot stand in a header.
    #[error("key id {0:?} is not 1 to 64 of A-Z a-z 0-9 . _ -")]
    Id(String),
}

/// A route's active keys: at most [`MAX_KEYS`], and at least one, but where a key ring has them.
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
        let keys: Box<[Key]> = secrets.iter().map(|secret| Key::new(scheme, secret)).collect::<Result<_, _>>()?;
        for (index, key) in keys.iter().enumerate() {
            if let Some(other) = keys[..index].iter().find(|other| key.has_public_key_of(other)) {
                return Err(KeyFault::Duplicate(other.id.to_string(), key.id.to_string()));
            }
        }
        Ok(Self(keys))
    }

    /// None: they come from a key ring.
    #[must_use]
    pub fn none() -> Self {
        Self(Box::new([]))
    }

    /// The keys, in the order in which they were configured.
    pub fn iter(&self) -> std::slice::Iter<'_, Key> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none: they come from a key ring.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        let secret = Secret::new(&scheme.secret, id, text)?;
        let sources = Sources { secret: Some(&secret), ..Sources::default() };
        let made = |template: &Option<_>| match template {
            Some(template) => render(template, &sources),
            None => Some(secret.text.clone()),
        };
        let fault = || KeyFault::Encoding(id.clone(), "for this scheme");
        let material = match &scheme.proof {
            Proof::PublicKey { .. } if scheme.key_source.certificate.is_some() => Material::Pin,
            Proof::PublicKey { algorithms, .. } => Material::Public(public_key(scheme, algorithms, id, &secret.text)?),
            Proof::Digest { algorithm, .. } => Material::Mac(Mac::plain(*algorithm)),
            Proof::Hmac { algorithm, .. } if scheme.secret.key.as_ref().is_some_and(|key| !key.is_constant()) => {
                Material::Made(*algorithm)
            }
            Proof::Hmac { algorithm, .. } => {
                Material::Mac(Mac::new(*algorithm, &made(&scheme.secret.key).ok_or_else(fault)?).ok_or_else(fault)?)
            }
            Proof::Jwt(jwt) => match &jwt.algorithms {
                Algorithms::Public(algorithms) => Material::Public(public_key(scheme, algorithms, id, &secret.text)?),
                Algorithms::Shared(hashes) => {
                    Material::TokenMacs(token_macs(hashes, id, &made(&scheme.secret.key).ok_or_else(fault)?)?)
                }
            },
            // Nothing is configured, so nothing is prepared.
            Proof::ClientCertificate => return Err(KeyFault::Useless(id.clone())),
            Proof::Token => {
                let sent = made(&scheme.secret.sent).ok_or_else(fault)?;
                Material::Token { digest: Sha256::digest(&*sent).into(), text: sent }
            }
        };
        let secret = scheme.keeps_secret().then_some(secret);
        Ok(Self { id: id.as_str().into(), since: *since, material, secret })
    }

    /// Prepares a secret to sign with: where the scheme's keys come in pairs, the private one of a pair.
    ///
    /// # Errors
    /// A [`KeyFault`] of this key.
    pub fn for_signing(scheme: &Scheme, secret: &KeyText) -> Result<Self, KeyFault> {
        let algorithms = scheme.public_algorithms();
        if algorithms.is_empty() {
            return Self::new(scheme, secret);
        }
        let KeyText { id, text, since } = secret;
        let fault = |fault| KeyFault::PrivateKey(id.clone(), fault);
        // Under a certificate, what must be signed for stands before the key.
        let begins = memchr::memmem::find(text, b"-----BEGIN ").filter(|_| scheme.key_source.certificate.is_some());
        let (pin, text) = begins.map_or((None, &text[..]), |at| (Some(text[..at].trim_ascii()), &text[at..]));
        let pin = pin.map(|pin| Secret::new(&scheme.secret, id, pin)).transpose()?;
        let secret = Secret::new(&scheme.secret, id, text)?;
        let text = str::from_utf8(&secret.text).map_err(|_| fault(PrivateKeyFault::Text))?;
        let key = PrivateKey::from_text(text).map_err(fault)?;
        let public = key.public().map_err(fault)?;
        if !algorithms.iter().any(|algorithm| public.fits(*algorithm)) {
            return Err(KeyFault::Kind(id.clone(), names(algorithms)));
        }
        Ok(Self { id: id.as_str().into(), since: *since, material: Material::Private(Box::new(key)), secret: pin })
    }

    /// A shared key of exactly these bytes, however few and however weak: what an attacker tries. `None` where the
    /// scheme's keys come in pairs, or are made otherwise.
    #[must_use]
    pub fn of_bytes(scheme: &Scheme, bytes: &[u8]) -> Option<Self> {
        let material = match &scheme.proof {
            Proof::Hmac { algorithm, .. } if scheme.secret.key.is_none() => Material::Mac(Mac::new(*algorithm, bytes)?),
            Proof::Token => {
                Material::Token { digest: Sha256::digest(bytes).into(), text: Zeroizing::new(bytes.to_vec()) }
            }
            Proof::Jwt(jwt) => match &jwt.algorithms {
                Algorithms::Shared(hashes) => Material::TokenMacs(token_macs(hashes, "1", bytes).ok()?),
                Algorithms::Public(_) => return None,
            },
            Proof::Hmac { .. } | Proof::Digest { .. } | Proof::PublicKey { .. } | Proof::ClientCertificate => {
                return None;
            }
        };
        Some(Self { id: "1".into(), since: None, material, secret: None })
    }

    /// The key that forwarded requests are signed with anew: a Standard Webhooks key, `whsec_` and base64.
    ///
    /// # Errors
    /// It is empty or no base64.
    pub fn for_resigning(text: &[u8]) -> Result<Self, KeyFault> {
        let form = SecretForm { strip_prefix: "whsec_".into(), encoding: SecretEncoding::Base64, ..SecretForm::text() };
        let secret = Secret::new(&form, "resign", text)?;
        let fault = || KeyFault::Encoding("resign".into(), "for this algorithm");
        let material = Material::Mac(Mac::new(Algorithm::Sha256, &secret.text).ok_or_else(fault)?);
        Ok(Self { id: "resign".into(), since: None, material, secret: None })
    }

    /// A fresh HMAC or hash under this key; `None` for a token, and for a key that is made of each message.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        if let Material::Mac(mac) = &self.material { Some(mac.clone()) } else { None }
    }

    /// A fresh HMAC under this key for one token; `None` where tokens are not made with that hash.
    pub(super) fn token_mac(&self, algorithm: Algorithm) -> Option<Mac> {
        if let Material::TokenMacs(macs) = &self.material {
            macs.iter().find(|(known, _)| *known == algorithm).map(|(_, mac)| mac.clone())
        } else {
            None
        }
    }

    /// A fresh HMAC or hash under this key for one message.
    pub(super) fn mac_for(&self, scheme: &Scheme, sources: &Sources<'_>) -> Option<Mac> {
        if let Material::Made(algorithm) = &self.material {
            return Mac::new(*algorithm, &render(scheme.secret.key.as_ref()?, sources)?);
        }
        self.mac()
    }

    /// The secret, where templates read it.
    pub(super) fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    /// The SHA-256 of a token; `None` for an HMAC key.
    #[must_use]
    pub(super) fn token_digest(&self) -> Option<&[u8; 32]> {
        if let Material::Token { digest, .. } = &self.material { Some(digest) } else { None }
    }

    /// The token itself, for the signer.
    #[must_use]
    pub(super) fn token(&self) -> Option<&[u8]> {
        if let Material::Token { text, .. } = &self.material { Some(text) } else { None }
    }
}

impl Key {
    /// The public key, where the scheme's keys come in pairs.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        if let Material::Public(key) = &self.material { Some(key) } else { None }
    }

    /// The private key, for the signer.
    pub(super) fn private_key(&self) -> Option<&PrivateKey> {
        if let Material::Private(key) = &self.material { Some(key) } else { None }
    }

    fn has_public_key_of(&self, other: &Self) -> bool {
        matches!((self.public_key(), other.public_key()), (Some(one), Some(other)) if one.is_same(other))
    }
}

/// Reads a configured public key, which must be of a kind that an algorithm of the scheme needs.
fn public_key(
    scheme: &Scheme,
    algorithms: &[SignatureAlgorithm],
    id: &str,
    text: &[u8],
) -> Result<PublicKey, KeyFault> {
    let fault = |fault| KeyFault::PublicKey(id.to_owned(), fault);
    let text = str::from_utf8(text).map_err(|_| fault(PublicKeyFault::Text))?;
    let key = PublicKey::from_text(text, scheme.key_source.strength).map_err(fault)?;
    if algorithms.iter().any(|algorithm| key.fits(*algorithm)) {
        return Ok(key);
    }
    Err(KeyFault::Kind(id.to_owned(), names(algorithms)))
}

/// Prepares a shared secret for tokens. One that is a public key is the known attack, made by the user's own hand: a
/// token with HS256 that anybody can make who has that key (RFC 8725 section 2.1).
fn token_macs(hashes: &[Algorithm], id: &str, secret: &[u8]) -> Result<Box<[(Algorithm, Mac)]>, KeyFault> {
    if memchr::memmem::find(secret, b"-----BEGIN ").is_some() {
        return Err(KeyFault::NotSecret(id.to_owned()));
    }
    let mac = |hash: &Algorithm| Mac::new(*hash, secret).map(|mac| (*hash, mac));
    hashes.iter().map(mac).collect::<Option<_>>().ok_or_else(|| KeyFault::Encoding(id.to_owned(), "for this scheme"))
}

fn names(algorithms: &[SignatureAlgorithm]) -> String {
    algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(" or ")
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Secret {
    /// Decodes a configured secret, and finds its parts.
    fn new(form: &SecretForm, id: &str, text: &[u8]) -> Result<Self, KeyFault> {
        let text = decode(form, id, text)?;
        if form.ascii && !text.is_ascii() {
            return Err(KeyFault::Encoding(id.to_owned(), "ASCII"));
        }
        let parts = split(form, &text).ok_or_else(|| {
            let names: Vec<&str> = form.parts.iter().map(|part| &**part).collect();
            KeyFault::Parts(id.to_owned(), names.join(&form.join.to_string()))
        })?;
        Ok(Self { text, parts })
    }
}

/// Where the parts stand; the last may hold the separator.
fn split(form: &SecretForm, text: &[u8]) -> Option<Box<[Span]>> {
    if form.parts.is_empty() {
        return Some(Box::new([]));
    }
    let separator = u8::try_from(form.join).ok()?;
    let parts: Box<[_]> =
        text.splitn(form.parts.len(), |byte| *byte == separator).map(|part| Span::of(part, text)).collect();
    (parts.len() == form.parts.len() && parts.iter().all(|part| !part.is_empty())).then_some(parts)
}

fn decode(form: &SecretForm, id: &str, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let prefixes = std::iter::once(&form.strip_prefix).chain(&form.other_prefixes).filter(|prefix| !prefix.is_empty());
    let stripped = prefixes.into_iter().find_map(|prefix| strip(prefix, text));
    let bare = stripped.unwrap_or(text);
    let failed = |what| KeyFault::Encoding(id.to_owned(), what);
    let decoded = match form.encoding {
        _ if form.only_if_prefixed && stripped.is_none() => bare.to_vec(),
        SecretEncoding::Text => bare.to_vec(),
        SecretEncoding::Hex => HEXLOWER_PERMISSIVE.decode(bare).map_err(|_| failed("hexadecimal"))?,
        SecretEncoding::Base64 if form.url_safe => {
            BASE64URL.decode(bare).or_else(|_| BASE64URL_NOPAD.decode(bare)).map_err(|_| failed("base64url"))?
        }
        SecretEncoding::Base64 => {
            BASE64.decode(bare).or_else(|_| BASE64_NOPAD.decode(bare)).map_err(|_| failed("base64"))?
        }
    };
    if decoded.is_empty() { Err(KeyFault::Empty(id.to_owned())) } else { Ok(Zeroizing::new(decoded)) }
}

/// What follows a prefix, in which `*` stands for anything but what comes after it.
fn strip<'t>(prefix: &str, text: &'t [u8]) -> Option<&'t [u8]> {
    let Some((before, after)) = prefix.split_once('*') else { return text.strip_prefix(prefix.as_bytes()) };
    let rest = text.strip_prefix(before.as_bytes())?;
    let at = memchr::memmem::find(rest, after.as_bytes()).filter(|at| *at > 0)?;
    rest.get(at + after.len()..)
}
