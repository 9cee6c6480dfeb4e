//! Whom client certificates must come from, and whether one that was accepted once still is.
//!
//! TLS asks once, in the full handshake. A session that is resumed and a connection that stays open would carry a
//! certificate past its revocation or its end, so both are asked about again: see [`ClientTrust::accepts`].

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

/// What the user's authorities and revocation lists are, as one value that can be compared.
pub type TrustDigest = [u8; 32];

/// The authorities that client certificates must come from, with what they have revoked.
#[derive(Debug, Clone)]
pub struct ClientTrust {
    /// Asks the questions of RFC 5280.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
    /// Stands for the files that the verifier was made of.
    pub digest: TrustDigest,
}

impl ClientTrust {
    /// Whether a chain, the client's own certificate first, is good at that time since the Unix epoch.
    #[must_use]
    pub fn accepts(&self, chain: &[CertificateDer<'_>], now: Duration) -> bool {
        let Some((own, others)) = chain.split_first() else { return !self.required };
        self.verifier.verify_client_cert(own, others, UnixTime::since_unix_epoch(now)).is_ok()
    }
}
