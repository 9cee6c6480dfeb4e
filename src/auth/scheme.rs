//! How a provider proves that a message is its own, as data: read by the verifier, by the signer and by the docs.
//!
//! A definition file (see `providers`) compiles to a [`Scheme`]; nothing here is code, so a provider whose scheme
//! composes known pieces takes no Rust.

mod place;
mod secret;

use std::time::Duration;

use super::challenge::{Challenge, Shape};
use super::extract::ItemValue;
use super::http_signature::Rules;
use super::jwt::Jwt;
use super::list::HeaderList;
use super::signature::{EcdsaForm, SignatureAlgorithm};
use super::template::{Piece, Template};
use super::x509::pattern::Pattern;

pub use place::{Field, JsonPath, Signature, SignaturePlace, TimeUnit, Timestamp, TimestampFrom};
pub use secret::{Jwks, KeyIdFrom, KeySource, SecretEncoding, SecretForm};

/// A provider's scheme.
#[derive(Debug, Clone)]
pub struct Scheme {
    /// What the proof is made of.
    pub proof: Proof,
    /// Where the signature or token stands.
    pub signature: Signature,
    /// Conditions beside the signature. All must hold.
    pub checks: Box<[Check]>,
    /// The array in the JSON body of which every element carries a signature of its own.
    pub each: Option<JsonPath>,
    /// The form field that holds the JSON document, where the body is not that itself.
    pub document: Option<Box<str>>,
    /// Every member that a template reads: they are found in one scan.
    pub members: Box<[JsonPath]>,
    /// The header fields that are signed as a list.
    pub header_list: Option<HeaderList>,
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
    /// Where public keys come from beside the configured ones, and how a message says which one it is for.
    pub key_source: KeySource,
    /// The endpoint verifications that are answered here.
    pub challenges: Box<[Challenge]>,
    /// The message that asks for a subscription to be confirmed.
    pub confirm: Option<Confirm>,
    /// What a challenge's token may be, where the key signs it: no message whose signed content is such a text is
    /// accepted, so the answer is never the signature of a message.
    pub oracle: Option<(Shape, usize)>,
    /// What of the message the proof binds.
    pub binding: Binding,
    /// Whether a claim remembers the body beside what is signed.
    pub claims_body: bool,
    /// Whether genuine messages may be alike byte for byte, so that claims would refuse some of them.
    pub repeats: bool,
    /// What the provider wants of replies.
    pub reply: Replies,
}

impl Scheme {
    /// Whether a field's value is part of what the provider signs.
    #[must_use]
    pub fn signs(&self, field: &Field) -> bool {
        let all = |holds: &dyn Fn(&Template) -> bool| !self.contents().is_empty() && self.contents().iter().all(holds);
        // An element's members are read below the array: a path from the document's root is another member.
        let whole = self.binding == Binding::Full && self.each.is_none();
        let has = |signed: &Template, field: &Field| {
            signed.any_of(&|piece| {
                let json = matches!((piece, field), (Piece::Json(one), Field::Json(other)) if one == other);
                let form = matches!((piece, field), (Piece::Form(one), Field::Form(other)) if one == other);
                let covered =
                    matches!((piece, field), (Piece::SignatureBase, Field::Header(name)) if self.covers(name));
                json || form
                    || covered
                    || matches!((piece, field), (Piece::Special(rule), Field::Json(path)) if rule.signs(path))
                    || matches!((piece, field), (Piece::QueryParameter(one), Field::Query(other)) if one == other)
            })
        };
        if let Proof::Jwt(jwt) = &self.proof
            && jwt.has_claims()
        {
            return self.claims_bind(field);
        }
        match field {
            // Whoever signs no claims has none.
            Field::Claim(_) => false,
            Field::Header(name) => {
                let listed = self.header_list.as_ref().is_some_and(|list| list.binds(name));
                all(&|signed| {
                    signed.binds_header(name) || listed && signed.has(&Piece::HeaderList) || has(signed, field)
                })
            }
            Field::Query(_) => all(&|signed| signed.binds_query() || has(signed, field)),
            Field::Form(_) => all(&|signed| whole && signed.binds_body() || has(signed, field)),
            Field::Json(_) => all(&|signed| whole && signed.binds_body() || self.each.is_none() && has(signed, field)),
        }
    }

    /// Whether a field's value is a claim, or one that a claim speaks of.
    fn claims_bind(&self, field: &Field) -> bool {
        match field {
            Field::Claim(_) => true,
            Field::Header(name) => self.bound_by_claims().any(|bound| bound.binds_header(name)),
            Field::Query(name) => {
                let parameter = Piece::QueryParameter(name.clone());
                self.bound_by_claims().any(|bound| bound.binds_query() || bound.has(&parameter))
            }
            Field::Json(_) | Field::Form(_) => self.binding == Binding::Full && self.each.is_none(),
        }
    }

    /// What of a message the conditions compare with a claim or a member of a token's header, so that the token binds it.
    pub fn bound_by_claims(&self) -> impl Iterator<Item = &Template> {
        self.checks.iter().filter(|check| check.value.reads_token()).map(|check| &check.equals)
    }

    /// Whether a claim of replay remembers messages: not where the same proof is sent along with any number of them.
    #[must_use]
    pub fn is_per_message(&self) -> bool {
        match &self.proof {
            Proof::Jwt(jwt) => jwt.per_message,
            Proof::Token | Proof::ClientCertificate => false,
            Proof::Hmac { .. } | Proof::Digest { .. } | Proof::PublicKey { .. } => true,
        }
    }

    /// The template of what is signed, the first where several are acceptable; `None` for a token.
    #[must_use]
    pub fn signed(&self) -> Option<&Template> {
        self.contents().first()
    }

    /// The templates of what may be signed; none for a token.
    #[must_use]
    pub fn contents(&self) -> &[Template] {
        match &self.proof {
            Proof::Hmac { signed, .. } | Proof::Digest { signed, .. } | Proof::PublicKey { signed, .. } => signed,
            Proof::Jwt(jwt) => jwt.detached(),
            Proof::Token | Proof::ClientCertificate => &[],
        }
    }

    /// The algorithms of public keys; none where keys are shared.
    #[must_use]
    #[allow(clippy::wildcard_enum_match_arm, reason = "all other proofs are alike here")]
    pub fn public_algorithms(&self) -> &[SignatureAlgorithm] {
        match &self.proof {
            Proof::PublicKey { algorithms, .. } => algorithms,
            Proof::Jwt(jwt) => jwt.public_algorithms(),
            _ => &[],
        }
    }

    /// The hash, where there is one.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        match &self.proof {
            Proof::Hmac { algorithm, .. } | Proof::Digest { algorithm, .. } => Some(*algorithm),
            Proof::PublicKey { .. } | Proof::Jwt(_) | Proof::Token | Proof::ClientCertificate => None,
        }
    }

    /// Whether every HTTP message signature that counts covers a header field.
    fn covers(&self, name: &str) -> bool {
        self.signature.rules().is_some_and(|rules| rules.requires(name))
    }

    /// Whether the URL that the provider calls is part of the proof or of a verification's answer, so that it must be known here.
    #[must_use]
    pub fn needs_public_url(&self) -> bool {
        let checks = self.checks.iter().flat_map(|check| [&check.value, &check.equals]);
        let replies = self.challenges.iter().flat_map(Challenge::templates);
        let covered = self.signature.rules().is_some_and(Rules::needs_url);
        covered || self.contents().iter().chain(checks).chain(replies).any(Template::reads_url)
    }

    /// What a 401 asks for.
    #[must_use]
    pub fn asks_for(&self) -> AsksFor {
        let Signature { header, written, .. } = &self.signature;
        match &**written {
            _ if !header.eq_ignore_ascii_case("authorization") => AsksFor::Signature,
            written if written.starts_with("Bearer ") => AsksFor::Bearer,
            written if written.starts_with("Basic ") => AsksFor::Basic,
            _ => AsksFor::Signature,
        }
    }

    /// Whether a secret's text must be kept beside the key that is made of it.
    #[must_use]
    pub fn keeps_secret(&self) -> bool {
        let checks = self.checks.iter().flat_map(|check| [&check.value, &check.equals]);
        let replies = self.challenges.iter().flat_map(Challenge::templates);
        let templates = self.contents().iter().chain(checks).chain(replies).chain(&self.secret.key);
        let names_part = self.signature.format.values().any(|value| matches!(value, ItemValue::Part(_)));
        names_part || templates.into_iter().any(Template::reads_secret)
    }

    /// Whether the body can be hashed as it arrives: all that stands before it is known from the head.
    #[must_use]
    pub fn streams(&self) -> bool {
        if self.key_source.certificate.is_some() {
            return false;
        }
        let in_head = self.signature.place.is_in_head() && self.each.is_none();
        let time_in_head = self.timestamp.as_ref().is_none_or(|time| time.from.is_in_head());
        let key_is_known = self.secret.key.as_ref().is_none_or(Template::is_constant);
        match self.contents() {
            // What a token signs begins with its own header.
            _ if matches!(self.proof, Proof::Jwt(_)) => false,
            [signed] => signed.has_body() && !signed.waits_for_body() && in_head && time_in_head && key_is_known,
            _ => false,
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
        /// The bytes that are signed; where there are several, each is acceptable.
        signed: Box<[Template]>,
    },
    /// A plain hash over content that holds the secret.
    Digest {
        /// The hash.
        algorithm: Algorithm,
        /// The bytes that are hashed; where there are several, each is acceptable.
        signed: Box<[Template]>,
    },
    /// A signature that the public key checks.
    PublicKey {
        /// The acceptable algorithms. A key takes those of its kind.
        algorithms: Box<[SignatureAlgorithm]>,
        /// How an ECDSA signature is written.
        form: EcdsaForm,
        /// The bytes that are signed; where there are several, each is acceptable.
        signed: Box<[Template]>,
    },
    /// A signed token (RFC 7515, RFC 7519).
    Jwt(Box<Jwt>),
    /// The secret itself, sent along. Binds neither body nor time.
    Token,
    /// The client's certificate, which TLS has checked. Binds the connection, not the message.
    ClientCertificate,
}

/// A hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5: broken as a hash, only where a provider has nothing better.
    Md5,
    /// SHA-1: weak as a hash, still sound in HMAC; only where a provider has nothing better.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-256 (FIPS 202), as a plain digest.
    Sha3,
    /// Keccak-256 with the original padding, as a plain digest.
    Keccak256,
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal; either case is accepted, lower is made.
    Hex,
    /// Hexadecimal; either case is accepted, upper is made.
    HexUpper,
    /// Base64 with padding (RFC 4648 section 4).
    Base64,
    /// Base64url; padding optional (RFC 4648 section 5).
    Base64Url,
    /// Base64 of the lower-case hexadecimal text.
    Base64Hex,
}

/// A condition beside the signature: two templates that must say the same.
#[derive(Debug, Clone)]
pub struct Check {
    /// What the message says.
    pub value: Template,
    /// What it must say.
    pub equals: Template,
}

/// A message that asks for a subscription to be confirmed, by asking for an address.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// What marks it.
    pub when: JsonPath,
    /// What that says.
    pub equals: Box<str>,
    /// Where the address stands.
    pub address: JsonPath,
    /// The addresses that are asked.
    pub pins: Box<[Pattern]>,
}

/// What of a message its proof binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: who has seen one proof can make others.
    None,
    /// Some of it, but not all of the body.
    Partial,
    /// The whole body.
    Full,
}

impl Binding {
    /// Its word in records and lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Partial => "partial",
            Self::Full => "full",
        }
    }
}

/// What a 401 asks for, in the word of the authentication scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AsksFor {
    /// A signature, or a token in a field of its own.
    #[default]
    Signature,
    /// User and password (RFC 7617).
    Basic,
    /// A token in `Authorization` (RFC 6750).
    Bearer,
}

/// What a provider wants of replies.
#[derive(Debug, Clone, Default)]
pub struct Replies {
    /// Whether a denial has no body.
    pub denied_empty: bool,
    /// The body of a duplicate's acknowledgement.
    pub acknowledged: Option<Box<str>>,
    /// A request field that every reply repeats.
    pub echo: Option<Box<str>>,
}
