//! A client's certificate on an open connection: TLS has checked it once, and each request asks whether that still holds.

use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::auth::client::ClientIdentity;
use crate::auth::san;
use crate::clock::Now;
use crate::policy::{ClientTrust, TrustDigest};

/// A certificate that a client has shown, and that TLS has checked.
#[derive(Debug)]
pub struct ClientCertificate {
    /// Its names.
    pub identity: ClientIdentity,
    chain: Vec<CertificateDer<'static>>,
    ends: u64,
    accepted_by: TrustDigest,
}

impl ClientCertificate {
    /// Takes over a chain, the client's own certificate first, that `trust` has accepted. `None`: it cannot be parsed.
    #[must_use]
    pub fn new(chain: &[CertificateDer<'static>], trust: &ClientTrust) -> Option<Self> {
        let own = chain.first()?;
        let (identity, ends) = (san::identity(own)?, san::ends(own)?);
        Some(Self { identity, chain: chain.to_vec(), ends, accepted_by: trust.digest })
    }

    /// Whether it is still good: not ended, and accepted by the authorities and revocation lists in force, which may be
    /// others than at the handshake.
    pub(super) fn is_good(&self, trust: Option<&ClientTrust>, now: Now) -> bool {
        let accepts = |trust: &ClientTrust| trust.digest == self.accepted_by || trust.accepts(&self.chain, now.wall);
        now.unix_seconds() < self.ends && trust.is_some_and(accepts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
    use tokio_rustls::rustls::RootCertStore;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::server::WebPkiClientVerifier;

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
    }

    fn trust(authority: &Authority, digest: u8) -> ClientTrust {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().expect("a verifier");
        ClientTrust { verifier, required: true, digest: [digest; 32] }
    }

    #[test]
    fn a_certificate_is_good_until_it_ends_or_nobody_vouches_for_it() {
        let (ours, other) = (authority(), authority());
        let mut params = CertificateParams::new(["a.test".to_owned()]).expect("a name");
        params.not_after = date_time_ymd(2031, 1, 1);
        let made = params.signed_by(&KeyPair::generate().expect("a key"), &ours).expect("a certificate");
        let client = ClientCertificate::new(&[made.der().clone()], &trust(&ours, 1)).expect("a certificate");
        let end = 1_924_992_000;
        let at = |seconds| Now { wall: Duration::from_secs(seconds), ..Now::read() };
        for (trust, seconds, expected) in [
            (Some(trust(&ours, 1)), end - 1, true),
            (Some(trust(&ours, 1)), end, false),
            // Other files: the chain is asked about again.
            (Some(trust(&ours, 2)), end - 1, true),
            (Some(trust(&other, 2)), end - 1, false),
            (None, end - 1, false),
        ] {
            assert_eq!(client.is_good(trust.as_ref(), at(seconds)), expected, "{seconds}");
        }
    }
}
