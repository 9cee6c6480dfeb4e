//! A connection to the service, over TCP or a Unix socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::policy::Upstream;

/// A connection to the service.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Connects.
    ///
    /// # Errors
    /// Those of the name look-up and of the connection.
    pub async fn connect(upstream: &Upstream) -> io::Result<Self> {
        let stream = match upstream {
            Upstream::Tcp(address) => TcpStream::connect(address).await?,
            Upstream::Name(name) => {
                let addresses: Vec<_> = lookup_host(&**name).await?.collect();
                TcpStream::connect(&*addresses).await?
            }
            Upstream::Unix(path) => return UnixStream::connect(path).await.map(Self::Unix),
        };
        // A request is written in one piece; waiting for more would only delay it.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Whether nothing has arrived on an idle connection: neither its end nor bytes that nobody asked for.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let mut probe = [0];
        let read = match self {
            Self::Tcp(stream) => stream.try_read(&mut probe),
            Self::Unix(stream) => stream.try_read(&mut probe),
        };
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether what was written came too late: the peer had closed before, and its kernel refused the bytes (RST after
    /// FIN shows as a pending EPIPE). One that reads a whole request, shuts down without an answer and then aborts looks
    /// the same; no server is known to do that.
    #[must_use]
    pub fn refused_bytes(&self) -> bool {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        };
        matches!(error, Ok(Some(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
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
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
