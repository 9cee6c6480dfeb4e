//! One client's connection: how it waits, reads, skips and ends. What a request must pass is the spine's matter.

use std::net::IpAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{timeout, timeout_at};

use crate::auth::Verifier;
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::drain::Signals;
use crate::http1::body::Body;
use crate::http1::head::find_end;
use crate::http1::write::write_all;
use crate::http1::{Buffer, Head, Message, Span};

use super::exchange::Exchange;
use super::shared::{Live, Worker};

/// Room for the heads that are written anew: most fit, and the buffer grows for the others once.
const OUT: usize = 2 * 1024;

/// How long, and how many bytes of, what a client still sends is read after its request was refused. Closing at once
/// would make its kernel throw away an answer that it has not read yet.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 1024 * 1024);

/// How long an idle connection is still listened to once draining begins. A request that is in its socket already, or
/// on its way, would be lost with it: closing would reset it, and not every sender tries again.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// The grace of a body's start before its rate counts.
const RATE_GRACE: Duration = Duration::from_secs(5);

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The sender's address.
    pub source: IpAddr,
    /// The TLS version, where the connection is encrypted.
    pub tls: Option<&'static str>,
}

/// One client's connection. Its buffers serve every request that comes over it.
#[derive(Debug)]
pub struct Connection<'w, IO> {
    pub(super) worker: &'w Worker,
    pub(super) io: IO,
    pub(super) peer: Peer,
    pub(super) signals: &'w Signals,
    pub(super) buffer: Buffer,
    pub(super) out: BytesMut,
    pub(super) verifier: Verifier,
    served: bool,
}

/// What becomes of the connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The next request may come.
    KeepAlive,
    /// It closes.
    Close,
    /// It closes after what the client still sends has been read for a moment.
    Linger,
}

impl<'w, IO: AsyncRead + AsyncWrite + Unpin> Connection<'w, IO> {
    /// A connection that has been accepted and, with TLS, has shaken hands.
    #[must_use]
    pub fn new(worker: &'w Worker, io: IO, peer: Peer, signals: &'w Signals) -> Self {
        let (buffer, out) = (Buffer::new(), BytesMut::with_capacity(OUT));
        Self { worker, io, peer, signals, buffer, out, verifier: Verifier::default(), served: false }
    }

    /// Serves requests until the connection ends.
    pub async fn serve(&mut self) {
        loop {
            match self.serve_request().await {
                After::KeepAlive => self.served = true,
                after @ (After::Close | After::Linger) => return self.end(after).await,
            }
        }
    }

    /// Closes the connection.
    pub(super) async fn end(&mut self, after: After) {
        if after == After::Linger {
            return self.linger().await;
        }
        // The peer may be gone already.
        let _ = timeout(LINGER.0, self.io.shutdown()).await;
    }

    /// Waits for a request to begin. False: none will.
    pub(super) async fn first_byte(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return true;
        }
        let timeouts = self.worker.shared.live().policy.timeouts;
        let patience = if self.served { timeouts.idle } else { timeouts.header };
        let mut reading = pin!(timeout(patience, self.buffer.fill(&mut self.io)));
        let read = match self.signals.unless_draining(reading.as_mut()).await {
            Some(read) => read,
            None => timeout(LAST_LOOK, reading).await.and_then(|read| read),
        };
        matches!(read, Ok(Ok(1..)))
    }

    /// Reads and parses the head.
    pub(super) async fn read_head(&mut self, live: &Live, exchange: &Exchange) -> Result<Head, Denial> {
        let deadline = exchange.started.instant + live.policy.timeouts.header;
        let mut seen = 0;
        loop {
            if let Some(end) = find_end(self.buffer.bytes(), seen)? {
                return Ok(Head::parse(self.buffer.bytes().get(..end).unwrap_or_default())?);
            }
            seen = self.buffer.len();
            match timeout_at(deadline.into(), self.buffer.fill(&mut self.io)).await {
                Err(_) => return Err(Reason::HeaderTimeout.into()),
                Ok(Ok(1..)) => {}
                Ok(_) => return Err(Reason::MalformedRequest.into()),
            }
        }
    }

    /// Tells a client that waits for it to send its body. If it cannot be told, the read that follows will say so.
    pub(super) async fn write_continue(&mut self, live: &Live) {
        let _ = timeout(live.policy.timeouts.body, write_all(&mut self.io, [b"HTTP/1.1 100 Continue\r\n\r\n"])).await;
    }

    /// Waits for the next part of a body.
    pub(super) async fn read_part(
        &mut self,
        live: &Live,
        exchange: &mut Exchange,
        body: &mut Body,
    ) -> Result<Span, Denial> {
        let waiting = Now::read();
        let deadline = body_deadline(live, exchange.started.instant, body.span().len() as u64);
        let reading = body.read(&mut self.io, &mut self.buffer, deadline);
        let part = self.signals.unless_stopping(reading).await.ok_or(Reason::Overloaded)??;
        let _ = exchange.waited_since(waiting);
        Ok(part)
    }

    /// Moves to where the next request begins, reading past the rest of a body that nobody looked at.
    pub(super) async fn skip_to_next(&mut self, live: &Live, exchange: &Exchange) -> After {
        let mut to_skip = exchange.request_len();
        let deadline = Now::read().instant + live.policy.timeouts.body;
        while self.buffer.len() < to_skip {
            to_skip -= self.buffer.len();
            self.buffer.truncate(0);
            if !matches!(timeout_at(deadline.into(), self.buffer.fill(&mut self.io)).await, Ok(Ok(1..))) {
                return After::Close;
            }
        }
        self.buffer.consume(to_skip);
        After::KeepAlive
    }

    /// The request as far as its head.
    pub(super) fn message<'m>(&'m self, head: &'m Head) -> Message<'m> {
        Message { head, bytes: self.buffer.bytes(), body: b"" }
    }

    /// Whether the connection may stay open after this request.
    pub(super) fn may_keep(&self, head: &Head) -> bool {
        head.keep_alive && !self.signals.is_draining()
    }

    async fn linger(&mut self) {
        let (within, limit) = LINGER;
        let reading = async {
            let mut left = limit;
            self.io.shutdown().await.ok()?;
            while left > 0 {
                self.buffer.truncate(0);
                left = left.saturating_sub(self.buffer.fill(&mut self.io).await.ok().filter(|&count| count > 0)?);
            }
            Some(())
        };
        let _ = timeout(within, reading).await;
    }
}

/// When the next part of a body must be there: in time as a whole, and no slower than the least rate.
fn body_deadline(live: &Live, started: Instant, received: u64) -> Instant {
    let timeouts = &live.policy.timeouts;
    let whole = started + timeouts.body;
    match received.checked_div(timeouts.body_min_rate) {
        Some(seconds) => whole.min(started + RATE_GRACE + Duration::from_secs(seconds)),
        None => whole,
    }
}
