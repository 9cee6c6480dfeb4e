//! The listener's TLS settings: certificates and their keys, versions, and what clients must show; or plaintext, where a
//! proxy ends TLS or where that was asked for.
//!
//! The suites are those of rustls with ring: AES-GCM and ChaCha20-Poly1305 under TLS 1.3, and the same behind ECDHE under
//! TLS 1.2; groups X25519, P-256 and P-384. `x509-parser` reads the end of a certificate's life and its names: it is kept
//! by the Rusticata project, is plain Rust without `unsafe`, and neither rustls nor webpki tells them.

mod clients;
mod pairs;
mod resumption;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig, SupportedProtocolVersion};

use crate::policy::ClientTrust;

use super::process::Bounds;
use super::reader::Reader;
use super::values::{self, Parsed};
use pairs::Pairs;

pub(super) use clients::roots_of;
pub(super) use resumption::Resumption;

/// The files of a certificate and its key, which go together.
pub(super) const FILES: [&str; 2] = ["TLS_CERT_FILE", "TLS_KEY_FILE"];

type Versions = &'static [&'static SupportedProtocolVersion];

const FROM_12: Versions = &[&TLS13, &TLS12];
const FROM_13: Versions = &[&TLS13];

/// What the listener speaks.
pub(super) struct Tls {
    /// Certificates and versions.
    pub(super) config: Arc<ServerConfig>,
    /// When the first certificate ends, in seconds since the Unix epoch.
    pub(super) expires: u64,
    /// Whom client certificates must come from.
    pub(super) clients: Option<ClientTrust>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Terminate,
    Forwarded,
    Off,
}

/// The listener's TLS (`None` for plaintext, and after a fault), and whether a proxy ends it instead.
pub(super) fn read(reader: &mut Reader<'_, '_>, bounds: Bounds) -> (Option<Tls>, bool) {
    let versions = reader.value("TLS_MIN_VERSION", versions);
    let allowed = reader.value("ALLOW_PLAINTEXT", values::boolean).unwrap_or_default();
    let mode = reader.value("TLS", mode);
    match mode {
        None => return (None, false),
        Some(Mode::Terminate) => return (terminate(reader, versions.unwrap_or(FROM_12)), false),
        Some(Mode::Forwarded) => refuse_files(reader, "TLS=forwarded"),
        Some(Mode::Off) => plaintext(reader, allowed, bounds),
    }
    (None, mode == Some(Mode::Forwarded))
}

fn mode(text: &str) -> Parsed<Mode> {
    values::word(text, &[("terminate", Mode::Terminate), ("forwarded", Mode::Forwarded), ("off", Mode::Off)])
}

/// 1.2 at least: what is older is broken, and rustls does not have it.
fn versions(text: &str) -> Parsed<Versions> {
    values::word(text, &[("1.2", FROM_12), ("1.3", FROM_13)])
}

fn refuse_files(reader: &mut Reader<'_, '_>, setting: &str) {
    for name in FILES {
        if reader.is_set(name) {
            reader.fault(name, format!("is set, but {setting} uses no certificate"));
        }
    }
    let mode = clients::mode(reader);
    clients::refuse(reader, mode, setting);
}

fn plaintext(reader: &mut Reader<'_, '_>, allowed: bool, bounds: Bounds) {
    refuse_files(reader, "TLS=off");
    if let Some(listen) = bounds.listen
        && !listen.ip().to_canonical().is_loopback()
        && !allowed
    {
        reader.fault("TLS", format!("\"off\" would serve plaintext on {listen}, which is not loopback"));
    }
}

fn terminate(reader: &mut Reader<'_, '_>, versions: Versions) -> Option<Tls> {
    let provider = Arc::new(ring::default_provider());
    let pairs = pairs::read(reader, &provider);
    let clients = clients::read(reader, &provider);
    let (Pairs { certificates, expires }, Ok(clients)) = (pairs?, clients) else { return None };
    let last = reader.resumption().take();
    let config = Resumption::kept(last, clients.as_ref().map(|clients| clients.digest)).and_then(|resumption| {
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
        let builder = match &clients {
            Some(clients) => builder.with_client_cert_verifier(clients.verifier.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        // A client that speaks HTTP/2 alone learns so in the handshake, not by a refused preface.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        resumption.put_into(&mut config);
        Ok::<_, rustls::Error>((config, resumption))
    });
    match config {
        Ok((config, resumption)) => {
            *reader.resumption() = Some(resumption);
            Some(Tls { config: Arc::new(config), expires, clients })
        }
        Err(error) => {
            reader.fault("TLS", format!("cannot be set up: {error}"));
            None
        }
    }
}
