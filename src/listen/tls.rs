//! TLS, from the handshake on: inside the connection's own task, under a deadline, never in the accept loop.
//!
//! Who speaks plaintext HTTP here is told so in plaintext, since a TLS alert would only read as a broken connection; what
//! it sent is not looked at beyond its first byte.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::clock::Now;
use crate::pipeline::ClientCertificate;
use crate::policy::ClientTrust;

/// A connection that has shaken hands.
#[derive(Debug)]
pub struct Secured {
    /// The stream: boxed, or every connection without TLS would have room for one too.
    pub stream: Box<TlsStream<TcpStream>>,
    /// The version that was agreed on.
    pub version: &'static str,
    /// What the client has shown, where it was asked.
    pub client: Option<ClientCertificate>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The client speaks plaintext HTTP: see [`tell_plaintext`].
    #[error("plaintext HTTP on a port for HTTPS")]
    Plaintext(TcpStream),
    /// A session was resumed by a certificate that is no longer good.
    #[error("the client's certificate has ended or been revoked since its session began")]
    ClientCertificate,
    /// The handshake failed, or was not over at the deadline.
    #[error("{0}")]
    Handshake(#[from] io::Error),
}

/// Shakes hands, within a time.
///
/// # Errors
/// See [`Failed`].
pub async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    clients: Option<&ClientTrust>,
    within: Duration,
) -> Result<Secured, Failed> {
    tokio::time::timeout(within, shake_hands(stream, config, clients)).await.map_err(|_| timed_out())?
}

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

async fn shake_hands(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    clients: Option<&ClientTrust>,
) -> Result<Secured, Failed> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    // A method, where a handshake's record begins with 22.
    if first[0].is_ascii_uppercase() {
        return Err(Failed::Plaintext(stream));
    }
    let stream = Box::new(TlsAcceptor::from(config).accept(stream).await?);
    let session = stream.get_ref().1;
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => "1.2",
    };
    let chain = session.peer_certificates().unwrap_or_default();
    let mut client = None;
    if let Some(clients) = clients {
        let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        if resumed && !clients.accepts(chain, Now::read().wall) {
            return Err(Failed::ClientCertificate);
        }
        client = ClientCertificate::new(chain, clients);
        if client.is_none() && !chain.is_empty() {
            return Err(Failed::ClientCertificate);
        }
    }
    Ok(Secured { stream, version, client })
}

/// Answers what is no TLS, and reads past a little of it: closing at once would reset the connection, and the answer with
/// it.
pub async fn tell_plaintext(mut stream: TcpStream) {
    let telling = async {
        stream.write_all(PLAINTEXT).await?;
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        for _ in 0..SKIPPED {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        Ok::<_, io::Error>(())
    };
    // Whoever does not listen need not hear it.
    let _ = tokio::time::timeout(PATIENCE, telling).await;
}

/// Reads of what a plaintext client still sends: enough for a head.
const SKIPPED: usize = 16;

/// How long a plaintext client may take to hear its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// No record is made of it, as it was no request: the handshakes that failed are counted.
const PLAINTEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 54\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks HTTPS. Call it by an https:// address";
