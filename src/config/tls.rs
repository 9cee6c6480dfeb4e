//! The listener's TLS settings: a certificate chain and its key from two files, or plaintext where that was asked for.
//!
//! `x509-parser` reads the end of the certificate's life: it is kept by the Rusticata project, is plain Rust without
//! `unsafe`, and neither rustls nor webpki tells that date.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig, SupportedProtocolVersion};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::files::Content;
use super::process::Bounds;
use super::reader::Reader;
use super::values::{self, Parsed};

/// The files of a certificate and its key.
const FILES: [&str; 2] = ["TLS_CERT_FILE", "TLS_KEY_FILE"];

type Versions = &'static [&'static SupportedProtocolVersion];

const FROM_12: Versions = &[&TLS13, &TLS12];
const FROM_13: Versions = &[&TLS13];

/// What the listener speaks.
pub(super) struct Tls {
    /// Certificates and versions.
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since the Unix epoch.
    pub(super) expires: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Terminate,
    Off,
}

/// The listener's TLS; `None` for plaintext, and after a fault.
pub(super) fn read(reader: &mut Reader<'_, '_>, bounds: Bounds) -> Option<Tls> {
    let versions = reader.value("TLS_MIN_VERSION", versions);
    let allowed = reader.value("ALLOW_PLAINTEXT", values::boolean).unwrap_or_default();
    match reader.value("TLS", mode)? {
        Mode::Terminate => terminate(reader, versions.unwrap_or(FROM_12)),
        Mode::Off => {
            plaintext(reader, allowed, bounds);
            None
        }
    }
}

fn mode(text: &str) -> Parsed<Mode> {
    match text {
        "forwarded" => Err("\"forwarded\" is not built yet".to_owned()),
        _ => values::word(text, &[("terminate", Mode::Terminate), ("off", Mode::Off)]),
    }
}

/// 1.2 at least: what is older is broken, and rustls does not have it.
fn versions(text: &str) -> Parsed<Versions> {
    values::word(text, &[("1.2", FROM_12), ("1.3", FROM_13)])
}

fn plaintext(reader: &mut Reader<'_, '_>, allowed: bool, bounds: Bounds) {
    for name in FILES {
        if reader.is_set(name) {
            reader.fault(name, "is set, but TLS=off uses no certificate");
        }
    }
    if let Some(listen) = bounds.listen
        && !listen.ip().to_canonical().is_loopback()
        && !allowed
    {
        reader.fault("TLS", format!("\"off\" would serve plaintext on {listen}, which is not loopback"));
    }
}

fn terminate(reader: &mut Reader<'_, '_>, versions: Versions) -> Option<Tls> {
    let (certificates, key) = (certificates(reader), private_key(reader));
    let (Certificates { path, chain, expires }, (key_path, key)) = (certificates?, key?);
    match config(versions, chain, key) {
        Ok(config) => Some(Tls { config: Arc::new(config), expires }),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let problem = format!("{} is not the key of the certificate in {}", key_path.display(), path.display());
            reader.fault("TLS_KEY_FILE", problem);
            None
        }
        Err(error) => {
            reader.fault("TLS_KEY_FILE", format!("{} cannot be used: {error}", key_path.display()));
            None
        }
    }
}

fn config(
    versions: Versions,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // A client that speaks HTTP/2 alone learns so in the handshake, not by a refused preface.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A chain, and when its first certificate ends.
struct Certificates {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    expires: u64,
}

fn certificates(reader: &mut Reader<'_, '_>) -> Option<Certificates> {
    let (path, content) = pem_file(reader, "TLS_CERT_FILE")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content.bytes).collect();
    let problem = match chain {
        Err(error) => format!("is not valid PEM: {error}"),
        Ok(chain) => match chain.first().map(|leaf| ends(leaf)) {
            None => "holds no certificate".to_owned(),
            Some(None) => "holds a certificate that cannot be parsed".to_owned(),
            Some(Some(expires)) => return Some(Certificates { path, chain, expires }),
        },
    };
    reader.fault("TLS_CERT_FILE", format!("{} {problem}", path.display()));
    None
}

fn ends(certificate: &[u8]) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}

fn private_key(reader: &mut Reader<'_, '_>) -> Option<(PathBuf, PrivateKeyDer<'static>)> {
    let (path, content) = pem_file(reader, "TLS_KEY_FILE")?;
    if let Ok(key) = PrivateKeyDer::from_pem_slice(&content.bytes) {
        return Some((path, key));
    }
    // What the parser says is left out: it quotes the file.
    reader.fault("TLS_KEY_FILE", format!("{} holds no private key that is not encrypted", path.display()));
    None
}

fn pem_file(reader: &mut Reader<'_, '_>, name: &str) -> Option<(PathBuf, Content)> {
    if reader.is_set(name) {
        return reader.file(name);
    }
    reader.fault(name, "is required, and not set; for a trial, TLS=off serves plaintext on a loopback LISTEN");
    None
}
