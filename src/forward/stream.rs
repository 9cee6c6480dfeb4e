//! A connection to the service, over TCP, TLS or a Unix socket.

use std::io::{self, BufRead, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::policy::{TlsUpstream, Upstream};

/// A connection to the service.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over TLS: boxed, since a session is large and most services are beside us.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects.
    ///
    /// # Errors
    /// Those of the name look-up, of the connection and of the handshake.
    pub async fn connect(upstream: &Upstream) -> io::Result<Self> {
        match upstream {
            Upstream::Tcp(address) => prepared(TcpStream::connect(address).await?).map(Self::Tcp),
            Upstream::Name(name) => prepared(connect_by_name(name).await?).map(Self::Tcp),
            Upstream::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            // Boxed, or each connection to us would have room for a handshake that most never make.
            Upstream::Tls(service) => Box::pin(connect_over_tls(service)).await.map(Box::new).map(Self::Tls),
        }
    }

    /// Whether nothing has arrived on an idle connection: neither its end nor bytes that nobody asked for.
    #[must_use]
    pub fn is_quiet(&mut self) -> bool {
        let mut probe = [0];
        let read = match self {
            Self::Tcp(stream) => stream.try_read(&mut probe),
            Self::Unix(stream) => stream.try_read(&mut probe),
            Self::Tls(stream) => {
                let (stream, session) = stream.get_mut();
                // What came with the last answer may have been deciphered and not asked for.
                if !would_block(session.reader().fill_buf()) {
                    return false;
                }
                stream.try_read(&mut probe)
            }
        };
        would_block(read)
    }

    /// Whether what was written came too late: the peer had closed before, and its kernel refused the bytes (RST after
    /// FIN shows as a pending EPIPE). One that reads a whole request, shuts down without an answer and then aborts looks
    /// the same; no server is known to do that.
    #[must_use]
    pub fn refused_bytes(&self) -> bool {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
            Self::Tls(stream) => stream.get_ref().0.take_error(),
        };
        matches!(error, Ok(Some(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

async fn connect_over_tls(service: &TlsUpstream) -> io::Result<TlsStream<TcpStream>> {
    let stream = prepared(connect_by_name(&service.address).await?)?;
    TlsConnector::from(service.config.clone()).connect(service.name.clone(), stream).await
}

async fn connect_by_name(name: &str) -> io::Result<TcpStream> {
    let addresses: Vec<_> = lookup_host(name).await?.collect();
    TcpStream::connect(&*addresses).await
}

/// A request is written in one piece; waiting for more would only delay it.
fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn would_block<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
