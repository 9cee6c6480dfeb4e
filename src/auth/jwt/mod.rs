//! Signed tokens (JWS, RFC 7515; JWT, RFC 7519) as proof: which algorithms, which payload, which claims, as data, and
//! what verification makes of them.
//!
//! A token says which algorithm and key it was made with. Nothing of that is believed (RFC 8725): its algorithm must be
//! one of the definition's, its key id selects among the keys that are here, and what it says of other keys is not read.
//!
//! | attack | what stops it |
//! |---|---|
//! | `alg` is `none`, in whatever spelling | no definition can name it |
//! | HS256 with the public key as the secret | a definition has shared keys or public ones, never both; PEM is no secret |
//! | `jwk`, `jku`, `x5u` bring the attacker's own key | they are not read |
//! | `x5c` does | it is read where a definition says so, and must lead to an authority that the user names |
//! | `kid` is a path, a query or an address | it is compared with the ids of the keys that are here, and nothing else |
//! | `crit` names something that changes what is signed | refused, but for `b64` where the definition says the same |
//! | a second spelling of the same bytes | one spelling of base64url, none of it ignored ([`compact`]) |
//! | a claim that stands twice, once with escapes in its name | refused, whichever it is |
//! | a token of the same issuer for somebody else | audience and issuer are asked for ([`claims`]) |
//! | encryption with a password that takes minutes, compression that never ends | encrypted tokens are not read |
//! | a token that is good for hours, sent along with another body | a claim that binds the body, or the definition's limits say so |
//!
//! Deliberately absent: encryption (RFC 7516), the JSON serialisation, nested tokens.

pub mod claims;
pub mod compact;
mod judge;

use super::scheme::{Algorithm, JsonPath};
use super::signature::SignatureAlgorithm;
use super::template::Template;

pub use claims::{ClaimRules, Required, Validity};
pub use judge::Room;

/// How a provider's tokens are made.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// What they may be signed with.
    pub algorithms: Algorithms,
    /// What is signed.
    pub payload: Payload,
    /// The claims that are looked for: the [`claims::STANDARD`] ones first. None where the payload is detached.
    pub claim_paths: Box<[JsonPath]>,
    /// The members of the header that are looked for: the [`STANDARD_HEADER`] ones first.
    pub header_paths: Box<[JsonPath]>,
    /// Whether each token is made for one message, so that one that comes again is a replay.
    pub per_message: bool,
}

/// What tokens may be signed with: shared keys or public ones, never both, or else a public key could serve as a shared
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Algorithms {
    /// HMAC with one of these hashes.
    Shared(Box<[Algorithm]>),
    /// One of these signatures.
    Public(Box<[SignatureAlgorithm]>),
}

/// What a token signs.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there is one for each provider")]
pub enum Payload {
    /// Claims, which it carries.
    Claims(ClaimRules),
    /// Something that stands elsewhere in the message (RFC 7515 appendix F).
    Detached {
        /// What.
        signed: Template,
        /// Whether it is signed as base64url; else as it is (RFC 7797).
        encoded: bool,
    },
}

/// The members of a header that are read of every token.
pub const STANDARD_HEADER: [&str; 5] = ["alg", "kid", "crit", "b64", "x5c"];

impl Jwt {
    /// Whether a token carries claims.
    #[must_use]
    pub fn has_claims(&self) -> bool {
        matches!(self.payload, Payload::Claims(_))
    }

    /// What must be said of its claims.
    #[must_use]
    pub fn rules(&self) -> Option<&ClaimRules> {
        match &self.payload {
            Payload::Claims(rules) => Some(rules),
            Payload::Detached { .. } => None,
        }
    }

    /// The template of a detached payload.
    #[must_use]
    pub fn detached(&self) -> &[Template] {
        match &self.payload {
            Payload::Claims(_) => &[],
            Payload::Detached { signed, .. } => std::slice::from_ref(signed),
        }
    }

    /// Whether an ECDSA signature or another is made with a public key's pair.
    #[must_use]
    pub fn public_algorithms(&self) -> &[SignatureAlgorithm] {
        match &self.algorithms {
            Algorithms::Public(algorithms) => algorithms,
            Algorithms::Shared(_) => &[],
        }
    }

    /// Other rules for its claims, as a route states them. What is asked for is looked for.
    pub fn set_rules(&mut self, rules: ClaimRules) {
        let mut paths = self.claim_paths.to_vec();
        for required in &rules.required {
            if !paths.contains(&required.claim) {
                paths.push(required.claim.clone());
            }
        }
        self.claim_paths = paths.into();
        self.payload = Payload::Claims(rules);
    }
}

impl Algorithms {
    /// Their names in tokens (RFC 7518 section 3.1).
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let (shared, public): (&[Algorithm], &[SignatureAlgorithm]) = match self {
            Self::Shared(hashes) => (hashes, &[]),
            Self::Public(algorithms) => (&[], algorithms),
        };
        let public = public.iter().filter_map(|algorithm| algorithm.jose_name());
        shared.iter().filter_map(|hash| hash.jose_name()).chain(public)
    }
}

impl Algorithm {
    /// The HMAC of that name in tokens: `HS256`.
    #[must_use]
    pub fn jose_named(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|hash| hash.jose_name() == Some(name))
    }

    /// What tokens call the HMAC with this hash; `None` where they have no name for it.
    #[must_use]
    pub fn jose_name(self) -> Option<&'static str> {
        match self {
            Self::Sha256 => Some("HS256"),
            Self::Sha384 => Some("HS384"),
            Self::Sha512 => Some("HS512"),
            Self::Md5 | Self::Sha1 | Self::Sha3 | Self::Keccak256 => None,
        }
    }
}

/// The path of a member at the top.
#[must_use]
pub fn at_top(name: &str) -> JsonPath {
    JsonPath(Box::new([name.into()]))
}
