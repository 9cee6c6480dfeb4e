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

use tokio::io::AsyncWrite;
use tokio::time::timeout_at;

use crate::deny::Reason;
use crate::http1::Buffer;
use crate::http1::head::{MAX_HEAD, find_end};
use crate::http1::response::ResponseHead;
use crate::policy::{Timeouts, Upstream};

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
    /// The head.
    pub head: ResponseHead,
    /// Whether the service took all of the request: else the connection cannot be used again.
    pub sent_whole: bool,
}

/// Sends a request and waits for the head of the first response to it, interim or final.
///
/// # Errors
/// [`Reason::UpstreamUnreachable`], [`Reason::UpstreamInvalidResponse`] or [`Reason::UpstreamTimeout`].
pub async fn send(
    _admission: &Admission,
    pool: &Pool,
    upstream: &Upstream,
    timeouts: &Timeouts,
    outgoing: Outgoing<'_>,
    now: Instant,
) -> Result<Answering, Reason> {
    if let Some(pooled) = pool.take(upstream, now) {
        match attempt(pooled, outgoing, now + timeouts.upstream).await {
            Err(Failure::Stale) => tracing::debug!("a pooled connection to the service had been closed; sent again"),
            Err(Failure::Final(reason)) => return Err(reason),
            Ok(answering) => return Ok(answering),
        }
    }
    let fresh = connect(upstream, timeouts.upstream_connect).await?;
    attempt(fresh, outgoing, now + timeouts.upstream).await.map_err(|failure| match failure {
        Failure::Stale => Reason::UpstreamUnreachable,
        Failure::Final(reason) => reason,
    })
}

/// Reads the head of the next response on the connection, after the interim one at the buffer's front.
///
/// # Errors
/// As [`send`].
pub async fn next_head(answering: &mut Answering, method: &[u8], deadline: Instant) -> Result<(), Reason> {
    answering.connection.buffer.consume(answering.head.len);
    match read_head(&mut answering.connection, method, deadline).await {
        Ok(head) => {
            answering.head = head;
            Ok(())
        }
        Err(Failure::Stale) => Err(Reason::UpstreamUnreachable),
        Err(Failure::Final(reason)) => Err(reason),
    }
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
        Ok(Ok(stream)) => Ok(Connection { stream, buffer: Buffer::new(), reused: false }),
        Ok(Err(error)) => {
            tracing::debug!(%error, "no connection to the service");
            Err(Reason::UpstreamUnreachable)
        }
        Err(_) => Err(Reason::UpstreamUnreachable),
    }
}

async fn attempt(mut connection: Connection, outgoing: Outgoing<'_>, deadline: Instant) -> Result<Answering, Failure> {
    let sent_whole = match timeout_at(deadline.into(), write_request(&mut connection, outgoing)).await {
        Err(_) => return Err(Failure::Final(Reason::UpstreamTimeout)),
        Ok(Ok(Sent::Whole)) => true,
        Ok(Err(_)) if connection.reused && connection.buffer.is_empty() => return Err(Failure::Stale),
        // The service may have answered and closed before it read everything: look for that answer.
        Ok(Ok(Sent::Early) | Err(_)) => false,
    };
    let head = read_head(&mut connection, outgoing.method, deadline).await?;
    Ok(Answering { connection, head, sent_whole })
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
                Pin::new(&mut *stream).poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)])
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
async fn read_head(connection: &mut Connection, method: &[u8], deadline: Instant) -> Result<ResponseHead, Failure> {
    let mut seen = 0;
    loop {
        let end = find_end(connection.buffer.bytes(), seen).map_err(|_| INVALID)?;
        if let Some(head) = end.and_then(|end| connection.buffer.bytes().get(..end)) {
            return ResponseHead::parse(head, method).map_err(|_| INVALID);
        }
        seen = connection.buffer.len();
        debug_assert!(seen < MAX_HEAD, "find_end refuses longer heads");
        match timeout_at(deadline.into(), connection.buffer.fill(&mut connection.stream)).await {
            Err(_) => return Err(Failure::Final(Reason::UpstreamTimeout)),
            Ok(Ok(count)) if count > 0 => {}
            Ok(_) if seen > 0 => return Err(INVALID),
            Ok(read) if is_end(&read) && connection.reused && connection.stream.refused_bytes() => {
                return Err(Failure::Stale);
            }
            Ok(Err(error)) if connection.reused && error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(Failure::Stale);
            }
            Ok(_) => return Err(Failure::Final(Reason::UpstreamUnreachable)),
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
