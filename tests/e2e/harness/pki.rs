//! An authority of one test's own: certificates for servers and clients, what it has revoked, and TLS clients.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, RevokedCertParams, SanType, date_time_ymd,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, StreamOwned, SupportedProtocolVersion,
};

use super::client::{Client, connect, uninterrupted};
use super::sidecar::Sidecar;

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    serial: AtomicU64,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    chain: Vec<CertificateDer<'static>>,
    key_der: Vec<u8>,
    serial: u64,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority"), serial: AtomicU64::new(1) }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names, whose kinds show in their texts.
    pub(crate) fn issue(&self, names: &[&str]) -> Identity {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| san(name)).collect();
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(serial.into());
        let key = KeyPair::generate().expect("a key");
        let made = params.signed_by(&key, &self.issuer).expect("a certificate");
        let (chain, key_der) = (vec![made.der().clone()], key.serialize_der());
        Identity { certificate: made.pem(), key: key.serialize_pem(), chain, key_der, serial }
    }

    /// Its revocation list.
    pub(crate) fn revoking(&self, revoked: &[&Identity]) -> String {
        let revoked = revoked.iter().map(|identity| RevokedCertParams {
            serial_number: identity.serial.into(),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }

    /// A client that trusts it, and speaks every version.
    pub(crate) fn client(&self) -> TlsClient {
        TlsClient { roots: vec![self.issuer.der().clone()], versions: None, identity: None }
    }
}

impl Identity {
    /// A server that shows it.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions of that provider");
        let key = PrivateKeyDer::try_from(self.key_der.clone()).expect("a key");
        Arc::new(builder.with_no_client_auth().with_single_cert(self.chain.clone(), key).expect("a pair"))
    }

    /// Puts both into a directory, as `NAME.crt` and `NAME.key`, each whole; the key first.
    pub(crate) fn put(&self, directory: &Path, name: &str) {
        for (ending, text) in [("key", &self.key), ("crt", &self.certificate)] {
            replace(&directory.join(format!("{name}.{ending}")), text);
        }
    }
}

/// Puts a file in another's place by a rename, so that no look meets half of it.
pub(crate) fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).expect("a file");
    std::fs::rename(new, path).expect("a file that moves");
}

fn san(name: &str) -> SanType {
    let text = name.try_into().expect("ASCII");
    match name {
        _ if name.contains(':') => SanType::URI(text),
        _ if name.contains('@') => SanType::Rfc822Name(text),
        _ => name.parse().map_or(SanType::DnsName(text), SanType::IpAddress),
    }
}

/// How a client shakes hands.
pub(crate) struct TlsClient {
    roots: Vec<CertificateDer<'static>>,
    versions: Option<&'static SupportedProtocolVersion>,
    identity: Option<(Vec<CertificateDer<'static>>, Vec<u8>)>,
}

impl TlsClient {
    /// By that version alone.
    pub(crate) fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = Some(version);
        self
    }

    /// With a certificate of its own.
    pub(crate) fn showing(mut self, identity: &Identity) -> Self {
        self.identity = Some((identity.chain.clone(), identity.key_der.clone()));
        self
    }

    /// Ready to connect; what is made of one resumes its own sessions.
    pub(crate) fn ready(self) -> ReadyClient {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.roots);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = match self.versions {
            Some(version) => builder.with_protocol_versions(&[version]),
            None => builder.with_safe_default_protocol_versions(),
        };
        let builder = builder.expect("versions of that provider").with_root_certificates(roots);
        let config = match self.identity {
            Some((chain, key)) => {
                let key = PrivateKeyDer::try_from(key).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
            None => builder.with_no_client_auth(),
        };
        ReadyClient(Arc::new(config))
    }
}

/// A client that keeps its sessions.
pub(crate) struct ReadyClient(Arc<ClientConfig>);

impl ReadyClient {
    /// Shakes hands, asking for that host. Under TLS 1.3 a client certificate is judged only after that.
    pub(crate) fn connect(&self, proxy: &Sidecar, host: &str) -> io::Result<(Client, HandshakeKind)> {
        self.connect_to(proxy.address(), host)
    }

    /// The same where the sidecar itself is busy elsewhere.
    pub(crate) fn connect_to(&self, address: SocketAddr, host: &str) -> io::Result<(Client, HandshakeKind)> {
        self.over(connect(address), host)
    }

    /// The same over a connection that is there.
    pub(crate) fn over(&self, mut socket: TcpStream, host: &str) -> io::Result<(Client, HandshakeKind)> {
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let mut session = ClientConnection::new(self.0.clone(), name).expect("a good configuration");
        while session.is_handshaking() {
            uninterrupted(|| session.complete_io(&mut socket))?;
        }
        let kind = session.handshake_kind().expect("it is over");
        let stream = StreamOwned::new(session, socket.try_clone()?);
        Ok((Client::over(socket, stream), kind))
    }

    /// Whether nothing can be sent over a connection of its: the handshake fails, or what follows it.
    pub(crate) fn is_refused(&self, proxy: &Sidecar, host: &str) -> bool {
        match self.connect(proxy, host) {
            Err(_) => true,
            Ok((mut client, _)) => {
                let _ = client.offer(b"GET / HTTP/1.1\r\nHost: refused.test\r\n\r\n");
                client.read_to_end().is_empty()
            }
        }
    }
}
