//! One client's connection: how it waits, reads, skips and ends. What a request must pass is the spine's matter.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{timeout, timeout_at};

use crate::auth::Verifier;
use crate::auth::client::ClientIdentity;
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::drain::{Ended, Signals, patiently};
use crate::http1::body::Body;
use crate::http1::head::find_end;
use crate::http1::write::write_all;
use crate::http1::{Buffer, Head, Message, Span};

use super::client::ClientCertificate;
use super::exchange::Exchange;
use super::origin::Origin;
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

/// How long a body may take before it can be made to give way to others: honest ones that come all at once must not end
/// each other.
const STRANGERS_GRACE: Duration = Duration::from_secs(1);

/// Who is at the other end, and who sends the request at hand.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The connection's other end: where it begins with a PROXY header, whom that names.
    pub address: IpAddr,
    /// The sender of the request at hand: the other end, unless that is a trusted proxy's that names another. Until a
    /// request's head has been read, the other end.
    pub source: IpAddr,
    /// The TLS version, where the connection is encrypted.
    pub tls: Option<&'static str>,
    /// Whether a trusted proxy's PROXY header says that the sender's connection is encrypted.
    pub tls_by_proxy: bool,
    /// Whether the request at hand came encrypted, here or as far as a trusted proxy.
    pub encrypted: bool,
    /// The certificate that the client has shown.
    pub client: Option<Arc<ClientCertificate>>,
}

impl Peer {
    /// Somebody at that address, over plaintext.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, source: address, tls: None, tls_by_proxy: false, encrypted: false, client: None }
    }

    /// Who the client is by its certificate.
    #[must_use]
    pub fn identity(&self) -> Option<&ClientIdentity> {
        self.client.as_ref().map(|client| &client.identity)
    }

    /// Whether the connection itself is encrypted, here or as far as the proxy whose PROXY header says so.
    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some() || self.tls_by_proxy
    }

    /// What the record says of encryption: the version, or that a proxy ended it.
    pub(super) fn tls_word(&self) -> Option<&'static str> {
        self.tls.or_else(|| self.encrypted.then_some("forwarded"))
    }

    /// Takes over where the request at hand comes from.
    pub(super) fn set_origin(&mut self, origin: Origin) {
        (self.source, self.encrypted) = (origin.source, origin.encrypted);
    }

    /// Forgets where the last request came from.
    pub(super) fn forget_origin(&mut self) {
        (self.source, self.encrypted) = (self.address, self.is_encrypted());
    }
}

/// One client's connection. Its buffers serve every request that comes over it.
#[derive(Debug)]
pub struct Connection<'w, IO> {
    pub(super) worker: &'w Worker,
    pub(super) io: IO,
    pub(super) peer: Peer,
    pub(super) signals: &'w Signals,
    pub(super) buffer: Buffer,
    /// Length of the last request.
    pub(super) usual: usize,
    pub(super) out: BytesMut,
    pub(super) verifier: Verifier,
    /// Whether a request of it has been proven.
    pub(super) proven: bool,
    /// When the last request was over, or the connection was new: an idle one waits from then on.
    pub(super) idle_since: Instant,
    served: u64,
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
        let (buffer, out) = (Buffer::default(), BytesMut::with_capacity(OUT));
        let (verifier, idle_since) = (Verifier::default(), Now::read().instant);
        Self { worker, io, peer, signals, buffer, usual: 0, out, verifier, proven: false, idle_since, served: 0 }
    }

    /// Serves requests until the connection ends.
    pub async fn serve(&mut self) {
        let signals = self.signals;
        // Borrowed, so that it takes its room but once; so are the futures below that others wait for.
        signals.on_time(pin!(self.serve_all())).await;
    }

    async fn serve_all(&mut self) {
        loop {
            match self.serve_request().await {
                After::KeepAlive => self.served += 1,
                after @ (After::Close | After::Linger) => return self.end(after).await,
            }
        }
    }

    /// Closes the connection.
    pub(super) async fn end(&mut self, after: After) {
        self.buffer.truncate(0);
        self.worker.rooms.take_back(&mut self.buffer);
        // Where room is scarce it is not held for the sake of strangers who may miss their answer.
        if after == After::Linger && (self.proven || !self.worker.shared.budgets.connections_are_scarce()) {
            return self.linger().await;
        }
        // Over TLS the end is announced, or it would look like one that somebody else has made; over plain TCP closing says
        // as much. The peer may be gone already.
        if self.peer.tls.is_some() {
            let _ = timeout(LINGER.0, self.io.shutdown()).await;
        }
    }

    /// Waits for a request to begin. False: none will.
    pub(super) async fn first_byte(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return true;
        }
        let timeouts = self.worker.shared.timeouts();
        let patience = if self.served > 0 { timeouts.idle } else { timeouts.header };
        let usual = if self.proven { self.usual } else { 0 };
        let mut reading = pin!(self.worker.rooms.first(&mut self.buffer, usual, &mut self.io));
        let read = match self.signals.unless_draining(self.idle_since + patience, reading.as_mut()).await {
            Ok(read) => Some(read),
            Err(Ended::Stopped) => timeout(LAST_LOOK, reading).await.ok(),
            Err(Ended::Late) => None,
        };
        matches!(read, Some(Ok(1..)))
    }

    /// A handshake that no request follows counts as one: it cost more than most requests do.
    pub(super) fn count_silence(&self) {
        let shared = &self.worker.shared;
        let address = self.peer.address;
        if self.served == 0 && self.peer.tls.is_some() && !shared.live().policy.front.trusts(address) {
            shared.limits.count_handshake(address, Now::read());
        }
    }

    /// Reads and parses the head.
    pub(super) async fn read_head(&mut self, live: &Live, exchange: &Exchange, head: &mut Head) -> Result<(), Denial> {
        let deadline = exchange.started.instant + live.policy.timeouts.header;
        let mut seen = 0;
        loop {
            if let Some(end) = find_end(self.buffer.bytes(), seen)? {
                return Ok(head.read(self.buffer.bytes().get(..end).unwrap_or_default())?);
            }
            seen = self.buffer.len();
            self.worker.rooms.shrink(&mut self.buffer);
            match self.signals.unless_late(deadline, self.buffer.fill(&mut self.io)).await {
                None => return Err(Reason::HeaderTimeout.into()),
                Some(Ok(1..)) => {}
                Some(_) => return Err(Reason::MalformedRequest.into()),
            }
        }
    }

    /// Tells a client that waits for it to send its body. If it cannot be told, the read that follows will say so.
    pub(super) async fn write_continue(&mut self, live: &Live) {
        let _ = patiently(live.policy.timeouts.body, write_all(&mut self.io, [b"HTTP/1.1 100 Continue\r\n\r\n"])).await;
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
        let grace = exchange.started.instant + STRANGERS_GRACE;
        let mut reading = pin!(body.read(&mut self.io, &mut self.buffer));
        let first = if self.proven { deadline } else { deadline.min(grace) };
        let mut part = self.signals.unless_stopping(first, reading.as_mut()).await;
        if part == Err(Ended::Late) && first < deadline {
            let (worker, rest) = (self.worker, pin!(self.signals.unless_stopping(deadline, reading)));
            part = worker.unless_shed(&worker.strangers.sending, false, rest).await.ok_or(Reason::Overloaded)?;
        }
        let part = part.map_err(|ended| match ended {
            Ended::Late => Reason::BodyTimeout,
            Ended::Stopped => Reason::Overloaded,
        })??;
        if !self.proven {
            // One part a turn: a stranger's large body must not keep the worker from everybody else's small ones.
            yield_now().await;
        }
        let _ = exchange.waited_since(waiting);
        Ok(part)
    }

    /// Moves to where the next request begins, reading past the rest of a body that nobody looked at.
    pub(super) async fn skip_to_next(&mut self, live: &Live, exchange: &Exchange) -> After {
        let mut to_skip = exchange.request_len();
        let deadline = self.idle_since + live.policy.timeouts.body;
        while self.buffer.len() < to_skip {
            to_skip -= self.buffer.len();
            self.buffer.truncate(0);
            if !matches!(timeout_at(deadline.into(), self.buffer.fill(&mut self.io)).await, Ok(Ok(1..))) {
                return After::Close;
            }
        }
        self.buffer.consume(to_skip);
        self.worker.rooms.take_back(&mut self.buffer);
        After::KeepAlive
    }

    /// The request as far as its head.
    pub(super) fn message<'m>(&'m self, head: &'m Head) -> Message<'m> {
        Message { head, bytes: self.buffer.bytes(), body: b"" }
    }

    /// Whether the connection may stay open after this request.
    pub(super) fn may_keep(&self, head: &Head) -> bool {
        let may_serve_more = self.served + 1 < self.worker.shared.limits.requests_per_connection;
        head.keep_alive && may_serve_more && !self.signals.is_draining()
    }

    async fn linger(&mut self) {
        let (within, limit) = LINGER;
        let reading = async {
            let mut left = limit;
            self.io.shutdown().await.ok()?;
            while left > 0 {
                self.buffer.truncate(0);
                // Whoever sends as fast as he can would else be read for as long as he does, and others wait.
                yield_now().await;
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
