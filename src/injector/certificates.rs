//! The certificate that the injector shows: swapped as a whole when there is another one, without dropping a connection.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The largest file. Certificates and keys have a few KiB.
const MAX_FILE: u64 = 1 << 20;

/// A certificate with its key, and when it ends.
#[derive(Debug)]
struct Pair {
    key: Arc<CertifiedKey>,
    expires: i64,
}

/// What is shown now.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pair: ArcSwapOption<Pair>,
    /// The bytes that it was made of: what has not changed is not read again.
    last: Mutex<Vec<u8>>,
}

impl Shown {
    /// Reads a certificate and its key from files, if they have changed. `true`: they have.
    ///
    /// # Errors
    /// They cannot be used; what was shown before is shown on.
    pub(super) fn look(&self, certificate: &Path, key: &Path) -> Result<bool, String> {
        let (certificate, key) = (read(certificate)?, read(key)?);
        self.show(&certificate, &key)
    }

    /// Shows a certificate, given as PEM with its key. `true`: it is another one.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn show(&self, certificate: &[u8], key: &[u8]) -> Result<bool, String> {
        let bytes = [certificate, key].concat();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == bytes && self.pair.load().is_some() {
            return Ok(false);
        }
        self.pair.store(Some(Arc::new(pair(certificate, key)?)));
        *last = bytes;
        Ok(true)
    }

    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        self.pair.load().is_some()
    }

    /// When it ends, in seconds since the Unix epoch.
    pub(super) fn expires(&self) -> Option<i64> {
        self.pair.load().as_ref().map(|pair| pair.expires)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pair.load().as_ref().map(|pair| pair.key.clone())
    }
}

/// What the listener speaks: as the sidecar's own, TLS 1.2 and 1.3.
pub(super) fn tls(shown: Arc<Shown>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(shown);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let told = |problem: String| format!("{}: {problem}", path.display());
    let metadata = fs::metadata(path).map_err(|error| told(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(told("is no file of at most 1MiB".to_owned()));
    }
    fs::read(path).map_err(|error| told(error.to_string()))
}

fn pair(certificate: &[u8], key: &[u8]) -> Result<Pair, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.map_err(|error| format!("the certificate is not valid PEM: {error}"))?;
    let first = chain.first().ok_or("the certificate's PEM holds none")?;
    let (_, parsed) = X509Certificate::from_der(first).map_err(|_| "the certificate cannot be parsed")?;
    let expires = parsed.validity().not_after.timestamp();
    // What the parser says of the key is left out: it quotes the file.
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "there is no private key that is not encrypted")?;
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider());
    let key = key.map_err(|error| format!("the certificate and the key do not fit: {error}"))?;
    Ok(Pair { key: Arc::new(key), expires })
}
