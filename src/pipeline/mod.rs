//! The spine: one request's way through every gate, in order.
//!
//! ```text
//! accept -> TLS -> read head -> parse -> route -> admit -> read body (hashing as it arrives)
//!        -> authenticate -> fresh -> inspect -> claim -> permit -> forward -> settle -> respond -> record
//! ```
//!
//! The order is held by types: a [`Message`] comes of a checked head, [`Verified`](crate::auth::Verified) of the right
//! key, a [`Claim`] of being new, an [`Admission`] of both (or of a route that only monitors), and the forward room takes
//! nothing but an admission. There are no hooks, layers or callbacks here: this file is the specification.

mod client;
mod connection;
mod exchange;
mod gates;
mod origin;
mod rooms;
mod shared;
mod strangers;
mod turn;

use std::pin::pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::auth::challenge::Reply;
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::drain::patiently;
use crate::forward::{self, Admission, Answering, Outgoing, relay};
use crate::http1::body::Body;
use crate::http1::write::write_all;
use crate::http1::{Framing, Head, Message, Version};
use crate::policy::{Mode, Route};
use crate::replay::{Claim, Outcome};
use crate::respond;

pub use client::ClientCertificate;
use connection::After;
pub use connection::{Connection, Peer};
use exchange::Exchange;
pub use shared::{Live, Refusal, Shared, Worker};
use turn::after_the_others;

/// What the gates say of a request.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the large one is the usual one; a box would be an allocation a request")]
enum Passed {
    /// It goes to the service.
    Onward(Admission),
    /// It is answered here.
    Answered(Reply),
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<'_, IO> {
    /// Tells the client that there is no room for its connection.
    pub async fn refuse(&mut self) {
        let live = self.worker.shared.live();
        let mut exchange = Exchange::begin(self.worker.next_request_id(), Now::read());
        let after = self.deny(&live, &mut exchange, None, Reason::Overloaded.into()).await;
        exchange.record(&live, self.worker, self.buffer.bytes(), &self.peer);
        self.end(after).await;
    }

    /// One request, from its first byte to its record.
    async fn serve_request(&mut self) -> After {
        if !self.next_begins().await {
            self.count_silence();
            return After::Close;
        }
        // Only now: an idle connection must not keep a policy alive, and with it a key that was revoked meanwhile.
        let live = self.worker.shared.live();
        self.peer.forget_origin();
        let mut exchange = Exchange::begin(self.worker.next_request_id(), Now::read());
        let mut head = self.worker.spare_head();
        let after = match self.take_head(&live, &exchange, &mut head).await {
            Ok(()) => self.serve_head(&live, &mut exchange, &head).await,
            Err(denial) => self.deny(&live, &mut exchange, None, denial).await,
        };
        self.worker.spare(head);
        gates::count_failure(&live, &self.worker.shared.limits, &exchange, self.peer.source);
        self.idle_since = exchange.record(&live, self.worker, self.buffer.bytes(), &self.peer).instant;
        match after {
            After::KeepAlive => self.skip_to_next(&live, &exchange).await,
            After::Close | After::Linger => after,
        }
    }

    /// Waits for a request to begin. False: none will, or the connection gives way to others.
    async fn next_begins(&mut self) -> bool {
        let (worker, settled) = (self.worker, self.proven || !self.buffer.is_empty());
        let waiting = pin!(self.first_byte());
        worker.unless_shed(&worker.strangers.waiting, settled, waiting).await.unwrap_or(false)
    }

    /// The head of a request, unless its sender has used up its rate: then nothing of it is even looked at.
    async fn take_head(&mut self, live: &Live, exchange: &Exchange, head: &mut Head) -> Result<(), Denial> {
        let (limits, front) = (&self.worker.shared.limits, &live.policy.front);
        gates::within_rate(limits, front, self.peer.address, exchange.started)?;
        let (worker, proven) = (self.worker, self.proven);
        let reading = pin!(self.read_head(live, exchange, head));
        let read = worker.unless_shed(&worker.strangers.waiting, proven, reading).await;
        read.ok_or(Reason::Overloaded)?
    }

    /// A request whose head has been parsed, up to its answer.
    async fn serve_head(&mut self, live: &Live, exchange: &mut Exchange, head: &Head) -> After {
        exchange.head_read(head);
        self.peer.set_origin(origin::origin(&live.policy.front, &self.peer, &self.message(head)));
        let passed = match self.check_origin(live, exchange) {
            Ok(()) => self.pass_gates(live, exchange, head).await,
            Err(denial) => Err(denial),
        };
        match passed {
            Ok(Passed::Onward(admission)) => self.forward(live, exchange, head, admission).await,
            Ok(Passed::Answered(answer)) => self.answer(live, exchange, head, &answer).await,
            Err(denial) => self.deny(live, exchange, Some(head), denial).await,
        }
    }

    /// The gates that ask where a request comes from, and nothing else. Whom a trusted proxy names has a rate of its own,
    /// as who comes by himself has, and was asked before.
    fn check_origin(&self, live: &Live, exchange: &Exchange) -> Result<(), Denial> {
        let (limits, front, peer) = (&self.worker.shared.limits, &live.policy.front, &self.peer);
        gates::transport(&live.policy, peer, exchange.started)?;
        if peer.source == peer.address {
            return Ok(());
        }
        gates::within_rate(limits, front, peer.source, exchange.started)
    }

    /// Every gate, in order. In monitor mode a refusal is noted, and the request goes on unverified.
    async fn pass_gates(&mut self, live: &Live, exchange: &mut Exchange, head: &Head) -> Result<Passed, Denial> {
        let index = gates::find_route(&live.policy, &self.message(head))?;
        let route = live.policy.routes.get(index).ok_or(Reason::RouteUnknown)?;
        exchange.route = Some(index);
        exchange.hide_token(route);
        gates::not_locked_out(&self.worker.shared.limits, index, route, self.peer.source, exchange.started)?;
        let admitted = self.admit(route, exchange, head);
        exchange.waive(route, admitted)?;
        self.read_body(live, route, exchange, head).await?;
        let judged = match exchange.waived {
            None => self.judge(live, route, exchange, head).await,
            Some(denial) => Err(denial),
        };
        exchange.judged = Now::read();
        match judged {
            Err(denial) if route.mode == Mode::Monitor => self.wave_through(route, exchange, denial),
            verdict => verdict,
        }
    }

    /// The gates that need no body.
    fn admit(&mut self, route: &Route, exchange: &mut Exchange, head: &Head) -> Result<(), Denial> {
        let message = Message { head, bytes: self.buffer.bytes(), body: b"" };
        exchange.content_type = gates::content_type(&message);
        gates::admit(route, &message, &self.peer, exchange.started)?;
        Body::new(head.framing, head.len, route.max_body)?;
        match self.verifier.begin(&gates::site(route, self.peer.identity()), &message) {
            Ok(Some(signed_time)) => {
                exchange.signed_time = Some(signed_time);
                gates::fresh(route, Some(signed_time), exchange.started)
            }
            Ok(None) => Ok(()),
            Err(denial) if gates::may_be_challenge(route, &message) => {
                exchange.unproven = Some(denial);
                Ok(())
            }
            Err(denial) => Err(denial),
        }
    }

    /// Reads the whole body behind the head, and hashes it on the way.
    async fn read_body(
        &mut self,
        live: &Live,
        route: &Route,
        exchange: &mut Exchange,
        head: &Head,
    ) -> Result<(), Denial> {
        let mut body = Body::new(head.framing, head.len, route.max_body)?;
        let held = exchange.held.insert(self.worker.shared.budgets.buffered());
        let room = gates::hold(held, body.missing().unwrap_or(0), self.proven);
        self.worker.spare_buffers(room.is_ok());
        room?;
        self.usual = body.total().unwrap_or(self.buffer.len());
        self.worker.rooms.fit(&mut self.buffer, self.usual);
        let mut part = body.take(&mut self.buffer)?;
        if head.expects_continue && !body.is_whole() {
            exchange.continued = true;
            self.write_continue(live).await;
        }
        loop {
            if exchange.waived.is_none() && exchange.unproven.is_none() {
                self.verifier.update(part.get(self.buffer.bytes()));
            }
            if head.framing == Framing::Chunked {
                let room = exchange.hold(part.len() as u64, self.proven);
                self.worker.spare_buffers(room.is_ok());
                room?;
            }
            exchange.body_read(&body);
            if body.is_whole() {
                return Ok(());
            }
            part = self.read_part(live, exchange, &mut body).await?;
        }
    }

    /// The gates that need the whole message.
    async fn judge(
        &mut self,
        live: &Live,
        route: &Route,
        exchange: &mut Exchange,
        head: &Head,
    ) -> Result<Passed, Denial> {
        let heard = self.introspect(live, route, exchange).await;
        self.verifier.at(exchange.started);
        let bytes = self.buffer.bytes();
        let message = Message { head, bytes, body: exchange.body.get(bytes) };
        let proof = match exchange.unproven.map_or(heard, Err) {
            Err(denial) => Err(denial),
            Ok(()) => self.verifier.finish(&gates::site(route, self.peer.identity()), &message),
        };
        let verified = match proof {
            Ok(verified) => verified,
            Err(denial) => {
                return gates::challenge(route, None, &message)?.map(Passed::Answered).ok_or(denial);
            }
        };
        exchange.key = verified.key_index();
        exchange.ring_key = verified.ring_key().cloned();
        exchange.proven = true;
        self.proven = true;
        let now = exchange.latest;
        exchange.signed_time = verified.signed_time();
        gates::key_is_current(route, &verified, now)?;
        gates::fresh(route, verified.signed_time(), now)?;
        gates::still_valid(&verified, now)?;
        if let Some(answer) = gates::challenge(route, Some(&verified), &message)? {
            return Ok(Passed::Answered(answer));
        }
        if let Some(answer) = gates::subscription(route, &message)? {
            return Ok(Passed::Answered(answer));
        }
        let fields = gates::read_fields(route, &message, &self.verifier)?;
        let fields = exchange.fields.insert(fields);
        gates::inspect(route, &message, fields)?;
        let claim = gates::claim(live, &self.worker.shared.replay, route, &verified, &message, fields, now)?;
        let claim = match claim {
            // Asked here, so that a claim that nobody need confirm is not moved through one more future; on the heap, so that
            // its connection has no room for one either.
            Some(claim) if self.worker.shared.replay.is_shared() => {
                Some(Box::pin(self.confirm(route, exchange, claim)).await?)
            }
            claim => claim,
        };
        // After the claim, so that neither strangers nor replays can take up the sender's share.
        match gates::permit(&self.worker.shared, exchange.route, route, &verified, now) {
            Ok(permit) => Ok(Passed::Onward(Admission::proven(&verified, claim, permit))),
            Err(denial) => {
                Box::pin(self.settle(claim, Outcome::Released, now)).await;
                Err(denial)
            }
        }
    }

    /// Asks about the token, on a route where no key tells whether it is good. What that takes is no time of ours.
    async fn introspect(&mut self, live: &Live, route: &Route, exchange: &mut Exchange) -> Result<(), Denial> {
        let (Some(introspector), None) = (&route.network.tokens, exchange.unproven) else { return Ok(()) };
        let client = live.policy.client.as_ref().ok_or(Reason::KeysUnavailable)?;
        let token = self.verifier.token().ok_or(Reason::CredentialInvalid)?;
        let asked = Now::read();
        // On the heap: no other route should carry the room for it.
        let said = Box::pin(introspector.ask(client, token, asked)).await;
        exchange.waited_since(asked);
        self.verifier.hear(said?.ok_or(Reason::CredentialInvalid)?);
        Ok(())
    }

    /// Has the claim confirmed by the store that is shared. What that takes is no time of ours.
    async fn confirm(&self, route: &Route, exchange: &mut Exchange, claim: Claim) -> Result<Claim, Denial> {
        let Shared { replay, metrics, .. } = &*self.worker.shared;
        let asked = Now::read();
        let confirmed = gates::confirm(replay, route, claim).await;
        metrics.store_asked(exchange.waited_since(asked));
        let claim = confirmed?;
        exchange.claimed(&claim);
        Ok(claim)
    }

    /// A route in monitor mode: what would have been denied is noted and goes on, unverified.
    fn wave_through(&self, route: &Route, exchange: &mut Exchange, denial: Denial) -> Result<Passed, Denial> {
        exchange.waived = Some(denial);
        let permit = self.worker.shared.budgets.try_in_flight().ok_or(Reason::Overloaded)?;
        Admission::waived(route, permit).map(Passed::Onward).ok_or(denial)
    }

    /// The sender hears of the outcome when everybody else knows: after a failure its retry may pass everywhere, after a
    /// success nothing that ends this process lets a copy through.
    async fn settle(&self, claim: Option<Claim>, outcome: Outcome, now: Now) {
        let replay = &self.worker.shared.replay;
        match (claim, outcome) {
            (None, _) => {}
            (Some(claim), Outcome::Done) => claim.accept(replay).await,
            (Some(claim), Outcome::Released) => claim.release(replay, now).await,
        }
    }

    /// The exchange with the service. A client that hangs up meanwhile does not end it: the answer settles the claim.
    async fn forward(&mut self, live: &Live, exchange: &mut Exchange, head: &Head, mut admission: Admission) -> After {
        let sent = self.send(live, exchange, head, &admission).await;
        exchange.upstream_answered(Now::read());
        let outcome = match &sent {
            Ok(answering) if (200..300).contains(&answering.head().status) => Outcome::Done,
            _ => Outcome::Released,
        };
        self.settle(admission.take_claim(), outcome, exchange.answered).await;
        match sent {
            Ok(answering) => self.relay(live, exchange, head, answering).await,
            Err(reason) => self.deny(live, exchange, Some(head), reason.into()).await,
        }
    }

    /// Writes the head anew, sends the request, and waits for the head of the final response.
    async fn send(
        &mut self,
        live: &Live,
        exchange: &Exchange,
        head: &Head,
        admission: &Admission,
    ) -> Result<Answering, Reason> {
        let route = live.route(exchange.route).ok_or(Reason::RouteUnknown)?;
        let upstream = live.policy.upstreams.get(route.upstream).ok_or(Reason::UpstreamUnreachable)?;
        let client = self.client(live, head);
        let bytes = self.buffer.bytes();
        let message = Message { head, bytes, body: exchange.body.get(bytes) };
        exchange.write_onward(&mut self.out, live, route, &message, &self.peer, admission);
        let body = forward::in_one_piece(&mut self.out, message.body);
        let outgoing = Outgoing { head: &self.out, body, method: message.method() };
        after_the_others().await;
        let (timeouts, begun) = (&live.policy.timeouts, exchange.judged.instant);
        let (pool, deadline) = (&self.worker.pool, begun + timeouts.upstream);
        let late = |_| Reason::UpstreamTimeout;
        let mut answering = {
            let sending = pin!(forward::send(admission, pool, upstream, timeouts.upstream_connect, outgoing, begun));
            self.signals.unless_stopping(deadline, sending).await.map_err(late)??
        };
        let mut interim = 0;
        while answering.head().is_interim() {
            if interim == MAX_INTERIM {
                return Err(Reason::UpstreamInvalidResponse);
            }
            interim += 1;
            // A 100 would answer an expectation that was not passed on.
            if answering.head().status != 100 && client.http11 {
                relay::interim(&answering, &mut self.io, &mut self.out, &client).await;
            }
            let next = pin!(forward::next_head(&mut answering, message.method()));
            self.signals.unless_stopping(deadline, next).await.map_err(late)??;
        }
        Ok(answering)
    }

    /// Sends the service's response on.
    async fn relay(&mut self, live: &Live, exchange: &mut Exchange, head: &Head, mut answering: Answering) -> After {
        exchange.forwarded(answering.head().status);
        after_the_others().await;
        let mut client = self.client(live, head);
        client.keep_alive &= !relay::must_close(answering.head().body, &client);
        let message = Message { head, bytes: self.buffer.bytes(), body: b"" };
        let echo = live.route(exchange.route).and_then(|route| gates::echo(route, &message));
        client.echo = echo.filter(|_| (200..300).contains(&answering.head().status));
        let end = relay::relay(&mut answering, &mut self.io, &mut self.out, &client).await;
        if end == relay::End::Cut {
            let request_id = exchange.request_id();
            tracing::warn!(request_id, "the service broke off in the middle of its response's body");
        }
        let upstream = live.route(exchange.route).and_then(|route| live.policy.upstreams.get(route.upstream));
        if let Some(upstream) = upstream.filter(|_| relay::is_reusable(&answering, end)) {
            self.worker.pool.put(upstream, answering.connection, exchange.answered.instant);
        }
        if end == relay::End::Whole && client.keep_alive { After::KeepAlive } else { After::Close }
    }

    fn client(&self, live: &Live, head: &Head) -> relay::Client<'static> {
        relay::Client {
            http11: head.version == Version::Http11,
            keep_alive: self.may_keep(head),
            pause: live.policy.timeouts.upstream,
            echo: None,
        }
    }

    /// Answers a provider's verification of the endpoint.
    async fn answer(&mut self, live: &Live, exchange: &mut Exchange, head: &Head, reply: &Reply) -> After {
        exchange.ended_here(if reply.refused { Reason::CredentialInvalid } else { Reason::ChallengeAnswered });
        exchange.answered_with(reply.status);
        let keep_alive = self.may_keep(head);
        let message = Message { head, bytes: self.buffer.bytes(), body: b"" };
        let context = exchange.context(live, keep_alive, Some(&message));
        respond::answer(&mut self.out, reply, &context);
        self.respond(live, keep_alive, true).await
    }

    /// Answers a denial. The connection goes on only where it is certain where the next request begins.
    async fn deny(&mut self, live: &Live, exchange: &mut Exchange, head: Option<&Head>, denial: Denial) -> After {
        exchange.denied(denial);
        let skippable = head.is_some_and(|head| exchange.is_skippable(head));
        let keep_alive = skippable && !denial.reason.row().closes && head.is_some_and(|head| self.may_keep(head));
        let message = head.map(|head| Message { head, bytes: self.buffer.bytes(), body: b"" });
        let context = exchange.context(live, keep_alive, message.as_ref());
        respond::denial(&mut self.out, denial, &context);
        self.respond(live, keep_alive, exchange.is_whole()).await
    }

    async fn respond(&mut self, live: &Live, keep_alive: bool, request_read: bool) -> After {
        after_the_others().await;
        match patiently(live.policy.timeouts.upstream, write_all(&mut self.io, [&self.out])).await {
            Some(Ok(())) if keep_alive => After::KeepAlive,
            Some(Ok(())) if !request_read => After::Linger,
            _ => After::Close,
        }
    }
}

/// The most interim responses to one request: a service that sends more is broken.
const MAX_INTERIM: usize = 8;
