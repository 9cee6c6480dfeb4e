//! The app: one verified request goes to the service, and its answer comes back.
//!
//! Nothing is lost, nothing is delivered twice. A request is sent a second time, over a fresh connection, only when
//! the first connection was a pooled one that the service had closed before it can have read the request: the write
//! failed, or the peer's kernel refused the bytes. Whatever else goes wrong before an answer is the sender's to retry,
//! and it is told so by a 502 or 504. The service may answer before it has read the whole body; what it says then counts.
//!
//! Deliberately absent: load balancing, retries of requests that the service may have seen, protocol upgrades.

pub mod admission;
pub mod pool;
pub mod relay;
pub mod request;
pub mod resign;
mod stream;

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::AsyncWrite;

use crate::deny::Reason;
use crate::http1::Buffer;
use crate::http1::head::{MAX_HEAD, find_end};
use crate::http1::response::ResponseHead;
use crate::http1::write::poll_write;
use crate::policy::Upstream;

pub use admission::Admission;
pub use pool::{Connection, Pool};
use stream::Stream;

/// What is sent: a head written anew, and the exact body.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'b> {
    /// The head with its final blank line.
    pub head: &'b [u8],
    /// The body.
    pub body: &'b [u8],
    /// The method, which decides whether the response has a body.
    pub method: &'b [u8],
}

/// A service that has been sent a request and has begun to answer.
#[derive(Debug)]
pub struct Answering {
    /// The connection; its buffer begins with the response's head.
    pub connection: Connection,
    /// Whether the service took all of the request: else the connection cannot be used again.
    pub sent_whole: bool,
}

impl Answering {
    /// The head of the response that has come last.
    #[must_use]
    pub fn head(&self) -> &ResponseHead {
        &self.connection.head
    }
}

/// Sends a request and waits for the head of the first response to it, interim or final. How long, the caller says: it
/// drops the future.
///
/// # Errors
/// [`Reason::UpstreamUnreachable`] or [`Reason::UpstreamInvalidResponse`].
pub async fn send(
    _admission: &Admission,
    pool: &Pool,
    upstream: &Upstream,
    connect_within: Duration,
    outgoing: Outgoing<'_>,
    now: Instant,
) -> Result<Answering, Reason> {
    if let Some(pooled) = pool.take(upstream, now) {
        match attempt(pooled, outgoing).await {
            Err(Failure::Stale) => tracing::debug!("a pooled connection to the service had been closed; sent again"),
            Err(Failure::Final(reason)) => return Err(reason),
            Ok(answering) => return Ok(answering),
        }
    }
    let fresh = connect(upstream, connect_within).await?;
    attempt(fresh, outgoing).await.map_err(|failure| match failure {
        Failure::Stale => Reason::UpstreamUnreachable,
        Failure::Final(reason) => reason,
    })
}

/// Appends a small body to the head, and gives back what of it is left to be written beside it: nothing then. Two parts
/// cost the kernel more than the copy of a small one.
pub fn in_one_piece<'b>(head: &mut BytesMut, body: &'b [u8]) -> &'b [u8] {
    if body.len() > COPIED {
        return body;
    }
    head.extend_from_slice(body);
    b""
}

/// The longest part that is copied.
const COPIED: usize = 2 * 1024;

/// Reads the head of the next response on the connection, after the interim one at the buffer's front.
///
/// # Errors
/// As [`send`].
pub async fn next_head(answering: &mut Answering, method: &[u8]) -> Result<(), Reason> {
    answering.connection.buffer.consume(answering.head().len);
    read_head(&mut answering.connection, method).await.map_err(|failure| match failure {
        Failure::Stale => Reason::UpstreamUnreachable,
        Failure::Final(reason) => reason,
    })
}

/// Why an attempt ended without a response head.
enum Failure {
    /// The service had closed the connection before it can have read the request.
    Stale,
    /// Anything else.
    Final(Reason),
}

async fn connect(upstream: &Upstream, within: Duration) -> Result<Connection, Reason> {
    match tokio::time::timeout(within, Stream::connect(upstream)).await {
        Ok(Ok(stream)) => Ok(Connection { stream, buffer: Buffer::new(), head: Box::default(), reused: false }),
        Ok(Err(error)) => {
            tracing::debug!(%error, "no connection to the service");
            Err(Reason::UpstreamUnreachable)
        }
        Err(_) => Err(Reason::UpstreamUnreachable),
    }
}

async fn attempt(mut connection: Connection, outgoing: Outgoing<'_>) -> Result<Answering, Failure> {
    let sent_whole = match write_request(&mut connection, outgoing).await {
        Ok(Sent::Whole) => true,
        Err(_) if connection.reused && connection.buffer.is_empty() => return Err(Failure::Stale),
        // The service may have answered and closed before it read everything: look for that answer.
        Ok(Sent::Early) | Err(_) => false,
    };
    read_head(&mut connection, outgoing.method).await?;
    Ok(Answering { connection, sent_whole })
}

enum Sent {
    /// All of the request was taken.
    Whole,
    /// The service began to answer before that.
    Early,
}

/// Writes the request, and stops when the service begins to answer while it does not take more.
async fn write_request(connection: &mut Connection, outgoing: Outgoing<'_>) -> io::Result<Sent> {
    let Connection { stream, buffer, .. } = connection;
    let total = outgoing.head.len() + outgoing.body.len();
    let mut written = 0;
    std::future::poll_fn(|cx| {
        loop {
            let head = outgoing.head.get(written..).unwrap_or_default();
            let body = outgoing.body.get(written.saturating_sub(outgoing.head.len())..).unwrap_or_default();
            // Over TLS what was taken is on its way only once it is flushed.
            let step = if written < total {
                poll_write(Pin::new(&mut *stream), cx, &[IoSlice::new(head), IoSlice::new(body)])
            } else {
                Pin::new(&mut *stream).poll_flush(cx).map_ok(|()| 0)
            };
            match step {
                Poll::Ready(Ok(0)) if written == total => return Poll::Ready(Ok(Sent::Whole)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // A read future holds nothing between polls, so a new one each time loses nothing.
                    let read = pin!(buffer.fill(stream)).as_mut().poll(cx);
                    return read.map(|count| match count? {
                        0 => Err(io::ErrorKind::UnexpectedEof.into()),
                        _ => Ok(Sent::Early),
                    });
                }
            }
        }
    })
    .await
}

/// Reads until the buffer begins with a whole response head.
async fn read_head(connection: &mut Connection, method: &[u8]) -> Result<(), Failure> {
    let mut seen = 0;
    loop {
        let end = find_end(connection.buffer.bytes(), seen).map_err(|_| INVALID)?;
        if let Some(head) = end.and_then(|end| connection.buffer.bytes().get(..end)) {
            return connection.head.read(head, method).map_err(|_| INVALID);
        }
        seen = connection.buffer.len();
        debug_assert!(seen < MAX_HEAD, "find_end refuses longer heads");
        match connection.buffer.fill(&mut connection.stream).await {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) if seen > 0 => return Err(INVALID),
            read if is_end(&read) && connection.reused && connection.stream.refused_bytes() => {
                return Err(Failure::Stale);
            }
            Err(error) if connection.reused && error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(Failure::Stale);
            }
            Ok(_) | Err(_) => return Err(Failure::Final(Reason::UpstreamUnreachable)),
        }
    }
}

/// An end: over TLS, also one that was not announced.
fn is_end(read: &io::Result<usize>) -> bool {
    match read {
        Ok(count) => *count == 0,
        Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
    }
}

const INVALID: Failure = Failure::Final(Reason::UpstreamInvalidResponse);
