//! Certificates as proof of whose a key is (RFC 5280).
//!
//! A provider that signs under a certificate names it by an address, or sends the chain along. [`verify_chain`] says
//! whether the chain's first certificate is one that its rules want, now, and gives its key: `rustls-webpki`, which TLS
//! links anyway, follows the chain to a trusted root and asks for validity, constraints and extended key usage;
//! `x509-parser` reads what webpki does not tell (`leaf`): the names by pattern, the key usage, an issuer's markers.
//!
//! What vouches for the first certificate is a rule, too ([`Vouched`]). Some providers publish it alone, without the
//! certificates between it and the root (Amazon SNS does), so that no chain can be followed. Then the place that it came
//! from vouches for it: a pinned host over TLS, or a directory of the user's. A chain that did come must hold all the
//! same.
//!
//! [`pattern`] pins addresses and names, [`certificates`] keeps what was brought, [`roots`] are whom chains lead to.
//! Deliberately absent: revocation. No provider here publishes what it would take, and a certificate that is withdrawn
//! goes from its address.

pub mod certificates;
mod judge;
mod leaf;
pub mod pattern;
pub mod roots;

use std::time::Duration;

use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use crate::clock::Now;

use super::signature::{PublicKey, PublicKeyFault, Strength};
use super::template::Template;
use pattern::Pattern;
use roots::Roots;

/// The most certificates of a chain: leaf, root, and up to three between them.
pub const MAX_CHAIN: usize = 5;

/// The largest certificate, in bytes: those of public authorities have two thousand.
pub const MAX_CERTIFICATE: usize = 8 * 1024;

/// Where a message's certificate is, and what it must be.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its address as templates; any of them may give one. Their order is that of preference.
    pub addresses: Box<[Template]>,
    /// What stands there.
    pub kind: Kind,
    /// The addresses that are asked. Others are refused before anything is asked.
    pub pins: Box<[Pattern]>,
    /// What a certificate must be.
    pub rules: Rules,
}

/// What stands at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A certificate, perhaps with those that follow it, in PEM.
    Certificate,
    /// A bare public key in PEM, vouched for by its place.
    PublicKey,
}

/// What a certificate must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Its DNS names, of which one must fit; empty asks for none.
    pub names: Box<[Pattern]>,
    /// What it must be for.
    pub purpose: Purpose,
    /// Who vouches for it.
    pub vouched: Vouched,
}

/// What a certificate must be for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Signatures: no extended key usage is asked for.
    #[default]
    Signing,
    /// A server's, as providers sign with certificates of public authorities: an extended key usage that is there must
    /// say so.
    Server,
    /// Apple's signatures of receipts and notifications: leaf and issuer carry Apple's markers.
    AppStore,
}

/// Who vouches for a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Vouched {
    /// A chain to a trusted root.
    #[default]
    ByChain,
    /// The place that it was taken from, where it came alone; a chain, where others came with it.
    ByPlace,
}

/// A key that a certificate binds, and for how long.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The key.
    pub key: PublicKey,
    /// From when, since the Unix epoch.
    pub from: Duration,
    /// To when, since the Unix epoch.
    pub to: Duration,
}

impl Certified {
    /// Whether it is valid now.
    #[must_use]
    pub fn is_valid(&self, now: Now) -> bool {
        self.from <= now.wall && now.wall <= self.to
    }
}

/// Why a chain proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is none.
    #[error("holds no certificate")]
    Empty,
    /// It has too many certificates, or one that is too large.
    #[error("holds more than {MAX_CHAIN} certificates, or one of more than {MAX_CERTIFICATE} bytes")]
    TooLarge,
    /// One cannot be read.
    #[error("is no valid certificate: {0}")]
    Malformed(&'static str),
    /// The first one is not valid yet.
    #[error("holds a certificate that is not valid yet")]
    NotYet,
    /// The first one is no longer valid.
    #[error("holds a certificate that is no longer valid")]
    Expired,
    /// The first one belongs to an authority, whose keys sign certificates.
    #[error("holds an authority's certificate, which signs no messages")]
    Authority,
    /// The first one is somebody else's.
    #[error("holds a certificate without a name that is asked for")]
    Name,
    /// The first one is for something else.
    #[error("holds a certificate that is not for {0}")]
    Use(&'static str),
    /// The chain does not lead to a trusted root.
    #[error("leads to no trusted root: {0}")]
    Untrusted(webpki::Error),
    /// The key is none that signatures are checked with.
    #[error("holds a certificate whose key {0}")]
    Key(PublicKeyFault),
}

/// The key of a chain's first certificate, where that is what the rules want, now.
///
/// The rest of the chain may stand in any order, and its root may be left out.
///
/// # Errors
/// A [`Fault`].
pub fn verify_chain(chain: &[&[u8]], roots: &Roots, rules: &Rules, now: Now) -> Result<Certified, Fault> {
    let Some((first, rest)) = chain.split_first() else { return Err(Fault::Empty) };
    if chain.len() > MAX_CHAIN || chain.iter().any(|certificate| certificate.len() > MAX_CERTIFICATE) {
        return Err(Fault::TooLarge);
    }
    let leaf = leaf::read(first)?;
    leaf.check(rules, now)?;
    if !(rules.vouched == Vouched::ByPlace && rest.is_empty()) {
        follow(first, rest, roots, rules, now)?;
    }
    let key = PublicKey::from_spki(leaf.key(), Strength::Usual).map_err(Fault::Key)?;
    Ok(Certified { key, from: leaf.from, to: leaf.to })
}

/// Follows a chain to a trusted root. SHA-1 is none of webpki's algorithms.
fn follow(first: &[u8], rest: &[&[u8]], roots: &Roots, rules: &Rules, now: Now) -> Result<(), Fault> {
    let leaf = CertificateDer::from(first);
    let others: Vec<_> = rest.iter().map(|certificate| CertificateDer::from(*certificate)).collect();
    let leaf = EndEntityCert::try_from(&leaf).map_err(Fault::Untrusted)?;
    let time = UnixTime::since_unix_epoch(now.wall);
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let path = leaf
        .verify_for_usage(algorithms, roots.anchors(), &others, time, rules.purpose, None, None)
        .map_err(Fault::Untrusted)?;
    if rules.purpose == Purpose::AppStore {
        let issuer = path.intermediate_certificates().next().map(webpki::Cert::der);
        let marked = issuer.is_some_and(|issuer| leaf::has_extension(&issuer, leaf::APPLE_ISSUER));
        return if marked { Ok(()) } else { Err(Fault::Use("the App Store")) };
    }
    Ok(())
}

impl ExtendedKeyUsageValidator for Purpose {
    /// Asks it of the certificates on the way as well (RFC 5280 section 4.2.1.12).
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        match self {
            Self::Signing | Self::AppStore => Ok(()),
            Self::Server => webpki::KeyUsage::server_auth().validate(purposes),
        }
    }
}

#[cfg(test)]
mod tests;
