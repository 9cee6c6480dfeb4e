//! The listener's certificates: which one a client is shown.
//!
//! The client names the host that it calls; an exact name goes before a wildcard, and of several certificates of one name
//! (an RSA one beside an ECDSA one, say) the first is taken that the client can check. Who calls without a name, or by one
//! that is unknown here, is shown the first certificate: whether that is good enough is the client's to judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_rustls::rustls::SignatureScheme;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// All certificates of the listener, in their order.
#[derive(Debug, Default)]
pub struct Certificates {
    all: Vec<Arc<CertifiedKey>>,
    hosts: BTreeMap<Box<str>, Vec<usize>>,
    /// By the domain that a wildcard stands below.
    wildcards: BTreeMap<Box<str>, Vec<usize>>,
}

impl Certificates {
    /// Adds one, with the names that stand in it.
    pub fn add(&mut self, key: CertifiedKey, names: &[String]) {
        let index = self.all.len();
        self.all.push(Arc::new(key));
        for name in names.iter().map(|name| name.to_ascii_lowercase()) {
            let known = match name.strip_prefix("*.") {
                Some(domain) => self.wildcards.entry(domain.into()),
                None => self.hosts.entry(name.into()),
            };
            known.or_default().push(index);
        }
    }

    /// The certificates of a host, in lower case.
    fn of(&self, host: &str) -> impl Iterator<Item = &Arc<CertifiedKey>> {
        let below = host.split_once('.').and_then(|(_, domain)| self.wildcards.get(domain));
        let indices = self.hosts.get(host).into_iter().chain(below).flatten();
        indices.filter_map(|index| self.all.get(*index))
    }

    fn find(&self, host: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let named = host.and_then(|host| self.of(host).find(fits).or_else(|| self.of(host).next()));
        // One that does not fit either ends the handshake by the alert that tells why.
        named.or_else(|| self.all.iter().find(fits)).or_else(|| self.all.first()).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name(), hello.signature_schemes())
    }
}
