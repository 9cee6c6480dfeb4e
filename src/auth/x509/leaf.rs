//! What a message's certificate says of itself, beside what webpki asks: names, key usage, markers.

use std::time::Duration;

use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock::Now;

use super::{Fault, Purpose, Rules};

/// Apple's markers: of a certificate that signs receipts and notifications, and of the authority that issues such
/// (1.2.840.113635.100.6.11.1 and .6.2.1, as the App Store Server Library asks for them).
const APPLE_LEAF: &str = "1.2.840.113635.100.6.11.1";
pub(super) const APPLE_ISSUER: &str = "1.2.840.113635.100.6.2.1";

/// A certificate that was read.
pub(super) struct Leaf<'d> {
    certificate: X509Certificate<'d>,
    /// From when it is valid.
    pub(super) from: Duration,
    /// To when.
    pub(super) to: Duration,
}

/// Reads a certificate, to its last byte.
pub(super) fn read(der: &[u8]) -> Result<Leaf<'_>, Fault> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Fault::Malformed("its DER"))?;
    if !rest.is_empty() {
        return Err(Fault::Malformed("bytes follow it"));
    }
    let time = |seconds: i64| u64::try_from(seconds).map(Duration::from_secs);
    let validity = certificate.validity();
    let (from, to) = (time(validity.not_before.timestamp()), time(validity.not_after.timestamp()));
    let (Ok(from), Ok(to)) = (from, to) else { return Err(Fault::Malformed("its validity")) };
    Ok(Leaf { certificate, from, to })
}

impl Leaf<'_> {
    /// Its key, as a `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    pub(super) fn key(&self) -> &[u8] {
        self.certificate.public_key().raw
    }

    /// Whether it is what the rules want, now.
    pub(super) fn check(&self, rules: &Rules, now: Now) -> Result<(), Fault> {
        if now.wall < self.from {
            return Err(Fault::NotYet);
        }
        if now.wall > self.to {
            return Err(Fault::Expired);
        }
        let constraints = self.certificate.basic_constraints().map_err(|_| Fault::Malformed("its constraints"))?;
        if constraints.is_some_and(|constraints| constraints.value.ca) {
            return Err(Fault::Authority);
        }
        let usage = self.certificate.key_usage().map_err(|_| Fault::Malformed("its key usage"))?;
        if usage.is_some_and(|usage| !usage.value.digital_signature()) {
            return Err(Fault::Use("signatures"));
        }
        self.check_purpose(rules.purpose)?;
        self.check_names(rules)
    }

    fn check_purpose(&self, purpose: Purpose) -> Result<(), Fault> {
        let extended = self.certificate.extended_key_usage().map_err(|_| Fault::Malformed("its extended key usage"))?;
        let (good, what) = match purpose {
            Purpose::Signing => (true, ""),
            Purpose::Server => (extended.is_none_or(|usage| usage.value.server_auth || usage.value.any), "servers"),
            Purpose::AppStore => (self.has(APPLE_LEAF), "the App Store"),
        };
        if good { Ok(()) } else { Err(Fault::Use(what)) }
    }

    /// Only alternative names are names (RFC 6125 section 6.4.4): a common name is a text.
    fn check_names(&self, rules: &Rules) -> Result<(), Fault> {
        if rules.names.is_empty() {
            return Ok(());
        }
        let names = self.certificate.subject_alternative_name().map_err(|_| Fault::Malformed("its names"))?;
        let fits = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(name) if rules.names.iter().any(|rule| rule.fits(&name.to_ascii_lowercase())));
        let any = names.is_some_and(|names| names.value.general_names.iter().any(fits));
        if any { Ok(()) } else { Err(Fault::Name) }
    }

    fn has(&self, oid: &str) -> bool {
        let is_it = |found: &Oid<'_>| found.to_id_string() == oid;
        self.certificate.extensions().iter().any(|extension| is_it(&extension.oid))
    }
}

/// Whether a certificate has an extension.
pub(super) fn has_extension(der: &[u8], oid: &str) -> bool {
    read(der).is_ok_and(|certificate| certificate.has(oid))
}
