//! A service behind TLS: whom it must prove to be.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::TrustDigest;

/// A service that is called over TLS.
#[derive(Clone)]
pub struct TlsUpstream {
    /// Its host and port, looked up at each connection.
    pub address: Box<str>,
    /// What its certificate must name; the server is told it, too.
    pub name: ServerName<'static>,
    /// The authorities that its certificate must come from, and how hands are shaken.
    pub config: Arc<ClientConfig>,
    /// Stands for those authorities.
    pub trust: TrustDigest,
}

impl PartialEq for TlsUpstream {
    /// The same service, believed for the same reasons: a connection to one is a connection to the other.
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.trust == other.trust
    }
}

impl Eq for TlsUpstream {}

impl fmt::Debug for TlsUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsUpstream").field(&self.address).finish()
    }
}
