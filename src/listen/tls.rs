//! TLS, from the handshake on: inside the connection's own task, under a deadline, never in the accept loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ProtocolVersion, ServerConfig};
use tokio_rustls::server::TlsStream;

/// Shakes hands. Gives the stream and the version that was agreed on.
///
/// # Errors
/// Those of the handshake; [`io::ErrorKind::TimedOut`] at the deadline.
pub async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    within: Duration,
) -> io::Result<(TlsStream<TcpStream>, &'static str)> {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = tokio::time::timeout(within, handshake).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let version = match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => "1.2",
    };
    Ok((stream, version))
}
