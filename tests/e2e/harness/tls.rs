//! Certificates made for one test, and a client that trusts them alone.

use std::io::{self, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::client::{Client, connect, uninterrupted};
use super::sidecar::{Builder, Sidecar};

/// A listener's certificate and key, in files that can be replaced.
pub(crate) struct Certificate {
    directory: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// A new one, for `hooks.test`.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut certificate = Self { directory, der: CertificateDer::from(Vec::new()) };
        certificate.replace();
        certificate
    }

    /// Puts another certificate and key into the same files. The key first: a look between the two finds a pair that
    /// does not fit, and the next one a pair that does.
    pub(crate) fn replace(&mut self) {
        let made = rcgen::generate_simple_self_signed(["hooks.test".to_owned()]).expect("a certificate");
        for (name, text) in [("tls.key", made.signing_key.serialize_pem()), ("tls.crt", made.cert.pem())] {
            let new = self.path("new");
            std::fs::write(&new, text).expect("a file");
            std::fs::rename(new, self.path(name)).expect("a file that moves");
        }
        self.der = made.cert.der().clone();
    }

    /// With the listener's TLS ended by it.
    pub(crate) fn on(&self, builder: Builder) -> Builder {
        builder.unset("TLS").set("TLS_CERT_FILE", self.path("tls.crt")).set("TLS_KEY_FILE", self.path("tls.key"))
    }

    /// Shakes hands with a sidecar, in one of those versions and by one of those protocols of the application (none:
    /// as most senders do); gives the connection if the certificate is the one that was made last.
    pub(crate) fn connect(
        &self,
        proxy: &Sidecar,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> io::Result<Client> {
        self.shake_hands(connect(proxy.address()), versions, protocols)
    }

    /// The same behind a proxy: these bytes go first, as they are.
    pub(crate) fn connect_behind(&self, proxy: &Sidecar, header: &[u8]) -> io::Result<Client> {
        let mut socket: TcpStream = connect(proxy.address());
        socket.write_all(header)?;
        self.shake_hands(socket, &[&TLS13, &TLS12], &[])
    }

    /// Shakes hands over a socket; gives the stream if the certificate is the one that was made last.
    pub(crate) fn over(&self, socket: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        self.session_over(socket, &[&TLS13, &TLS12], &[])
    }

    fn shake_hands(
        &self,
        socket: TcpStream,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> io::Result<Client> {
        let stream = self.session_over(socket.try_clone()?, versions, protocols)?;
        Ok(Client::over(socket, stream))
    }

    fn session_over(
        &self,
        mut socket: TcpStream,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions of that provider")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("hooks.test").expect("a name");
        let mut session = ClientConnection::new(Arc::new(config), name).expect("a good configuration");
        while session.is_handshaking() {
            uninterrupted(|| session.complete_io(&mut socket))?;
        }
        Ok(StreamOwned::new(session, socket))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
