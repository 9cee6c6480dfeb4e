//! Samples of what a provider is known by that signs under certificates: the samples' key, at an address that they name.

use crate::auth::keyring::KeyRing;
use crate::auth::scheme::Scheme;
use crate::auth::signature::PrivateKey;
use crate::auth::x509::Kind;
use crate::auth::x509::certificates::Certificates;
use crate::auth::x509::roots::Roots;
use crate::clock::Now;

use super::sample_private;

/// A ring with the key that `sample_private` signs with, good for a day; `None` where no certificate is named.
#[must_use]
pub fn sample_ring(scheme: &Scheme, now: Now) -> Option<KeyRing> {
    let mut source = scheme.key_source.certificate.clone()?;
    // Whatever stands there in truth, here it is the bare key.
    source.kind = Kind::PublicKey;
    let (address, sample) = (source.pins.first()?.sample(), sample_private(scheme, 1));
    let private = PrivateKey::from_text(sample.get(sample.find("-----BEGIN")?..)?).ok()?;
    let certificates = Certificates::new(*source, Roots::public(), None);
    certificates.put(&address, private.public().ok()?.to_pem().as_bytes(), now).ok()?;
    Some(KeyRing::for_certificates(certificates))
}
