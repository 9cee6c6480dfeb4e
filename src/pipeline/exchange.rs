//! One request as the record will tell it: what was learnt on the way, and when.

use std::time::Duration;

use bytes::BytesMut;

use crate::auth::client::ClientIdentity;
use crate::auth::scheme::SignaturePlace;
use crate::auth::signature::PublicKey;
use crate::clock::Now;
use crate::deny::{Denial, Reason, Scope};
use crate::forward::Admission;
use crate::forward::request::{Onward, write_head};
use crate::forward::resign::Resigned;
use crate::http1::body::Body;
use crate::http1::{Framing, Head, Message, Span};
use crate::inspect;
use crate::limits::budget::BufferedPermit;
use crate::observe::{self, Decision, Record};
use crate::policy::{Mode, Route};
use crate::replay::Claim;
use crate::respond::Context;
use crate::route::PathPattern;

use super::connection::Peer;
use super::gates::{self, Fields};
use super::shared::{Live, RequestId, Worker};

/// A rest of a body up to this size is read past, so that the connection can go on after a refusal; beyond it, closing
/// is cheaper than reading.
const SKIP: u64 = 64 * 1024;

/// One request's facts.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Exchange {
    id: RequestId,
    /// When its first bytes were there.
    pub started: Now,
    /// When the clocks were last read before the gates that ask for the time: when the last of the request was there.
    pub latest: Now,
    /// When the gates had decided.
    pub judged: Now,
    /// When the service's response's head was there.
    pub answered: Now,
    /// The route's index.
    pub route: Option<usize>,
    /// The index of the key that it was proven with.
    pub key: Option<usize>,
    /// The key of the ring, where it was one of those.
    pub ring_key: Option<PublicKey>,
    /// Whether it was proven, by a key or otherwise.
    pub proven: bool,
    /// What a route in monitor mode let pass.
    pub waived: Option<Denial>,
    /// Whether the client was told to send its body.
    pub continued: bool,
    /// The body, as far as it was read.
    pub body: Span,
    /// The body's share of the budget of all bodies, held until the exchange is over.
    pub held: Option<BufferedPermit>,
    /// What stands in the message beside its proof.
    pub fields: Option<Fields>,
    /// The value of its Content-Type, where it has one and a route was found.
    pub content_type: Option<Span>,
    /// Why a request that may be a verification of the endpoint has proven nothing.
    pub unproven: Option<Denial>,
    method: Span,
    path: Span,
    waited: Duration,
    length: Option<usize>,
    whole: bool,
    reason: Reason,
    upstream_status: Option<u16>,
    answered_status: Option<u16>,
    went_upstream: bool,
    claimed: Option<&'static str>,
    limited: Option<Scope>,
    /// The signed time that was asked about.
    pub signed_time: Option<Duration>,
}

impl Exchange {
    pub(super) fn begin(id: RequestId, started: Now) -> Self {
        Self {
            id,
            started,
            latest: started,
            judged: started,
            answered: started,
            route: None,
            key: None,
            ring_key: None,
            proven: false,
            waived: None,
            continued: false,
            body: Span::default(),
            held: None,
            fields: None,
            content_type: None,
            unproven: None,
            method: Span::default(),
            path: Span::default(),
            waited: Duration::ZERO,
            length: None,
            whole: false,
            reason: Reason::MalformedRequest,
            upstream_status: None,
            answered_status: None,
            went_upstream: false,
            claimed: None,
            limited: None,
            signed_time: None,
        }
    }

    pub(super) fn request_id(&self) -> &str {
        str::from_utf8(&self.id).unwrap_or_default()
    }

    pub(super) fn head_read(&mut self, head: &Head) {
        (self.method, self.path) = (head.method, head.path);
        self.length = match head.framing {
            Framing::None => Some(head.len),
            Framing::Length(length) => usize::try_from(length).ok().and_then(|length| head.len.checked_add(length)),
            Framing::Chunked => None,
        };
    }

    /// The record shows the path as far as it is no token.
    pub(super) fn hide_token(&mut self, route: &Route) {
        if let (SignaturePlace::PathSegment, PathPattern::Prefix(prefix)) = (&route.scheme.signature.place, &route.path)
        {
            self.path = Span::new(self.path.start(), self.path.start() + prefix.len().min(self.path.len()));
        }
    }

    pub(super) fn body_read(&mut self, body: &Body) {
        self.body = body.span();
        if body.is_whole() {
            (self.length, self.whole) = (Some(body.next_request()), true);
        }
    }

    /// Counts bytes of a body of unknown length as they come.
    pub(super) fn hold(&mut self, bytes: u64, proven: bool) -> Result<(), Denial> {
        self.held.as_mut().map_or(Ok(()), |held| gates::hold(held, bytes, proven))
    }

    /// Time that was spent waiting for others is none of the gates'.
    pub(super) fn waited_since(&mut self, since: Now) -> Duration {
        self.latest = Now::read();
        let waited = self.latest.instant.saturating_duration_since(since.instant);
        self.waited += waited;
        waited
    }

    /// The claim stands, whether by every process's word or by this one's alone.
    pub(super) fn claimed(&mut self, claim: &Claim) {
        self.claimed = Some(if claim.is_shared() { "shared" } else { "local" });
    }

    /// The delivery's id, as far as it is known.
    fn delivery_id<'f>(&'f self, bytes: &'f [u8]) -> Option<&'f [u8]> {
        self.fields.as_ref()?.delivery_id.as_ref().map(|id| id.get(bytes))
    }

    /// A refusal stands, unless the route only monitors.
    pub(super) fn waive(&mut self, route: &Route, admitted: Result<(), Denial>) -> Result<(), Denial> {
        match admitted {
            Err(denial) if route.mode == Mode::Monitor => self.waived = Some(denial),
            other => return other,
        }
        Ok(())
    }

    pub(super) fn upstream_answered(&mut self, now: Now) {
        (self.answered, self.went_upstream) = (now, true);
    }

    pub(super) fn forwarded(&mut self, status: u16) {
        (self.reason, self.upstream_status) = (Reason::Forwarded, Some(status));
    }

    pub(super) fn answered_with(&mut self, status: u16) {
        self.answered_status = Some(status);
    }

    pub(super) fn ended_here(&mut self, reason: Reason) {
        self.reason = reason;
    }

    pub(super) fn denied(&mut self, denial: Denial) {
        self.reason = denial.reason;
        self.limited = denial.used_up.map(|rate| rate.scope);
    }

    /// Why it ended as it did.
    pub(super) fn reason(&self) -> Reason {
        self.reason
    }

    /// Whether all of the request has been read.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether the next request's first byte can be reached: the rest of this one is known, small, and will come.
    pub(super) fn is_skippable(&self, head: &Head) -> bool {
        let small = match head.framing {
            Framing::None => true,
            Framing::Length(length) => length <= SKIP && (!head.expects_continue || self.continued),
            Framing::Chunked => false,
        };
        self.whole || small
    }

    /// Length of the whole request in the connection's buffer.
    pub(super) fn request_len(&self) -> usize {
        self.length.unwrap_or(usize::MAX)
    }

    pub(super) fn context<'a>(
        &'a self,
        live: &'a Live,
        keep_alive: bool,
        message: Option<&Message<'a>>,
    ) -> Context<'a> {
        let route = live.route(self.route);
        Context {
            request_id: self.request_id(),
            detail: live.policy.error_detail,
            allow: route.map(|route| &*route.allow),
            is_head: message.is_some_and(|message| message.method() == b"HEAD"),
            keep_alive,
            asks_for: route.map(|route| route.scheme.asks_for()).unwrap_or_default(),
            replies: route.map(|route| &route.scheme.reply),
            echo: route.and_then(|route| gates::echo(route, message?)),
            now: self.started,
        }
    }

    /// Writes the head that the service sees.
    pub(super) fn write_onward(
        &self,
        out: &mut BytesMut,
        live: &Live,
        route: &Route,
        message: &Message<'_>,
        peer: &Peer,
        admission: &Admission,
    ) {
        let delivery_id = self.delivery_id(message.bytes);
        let key = live.policy.resign.as_ref().filter(|_| admission.is_verified());
        let resigned =
            key.and_then(|key| Resigned::new(key, delivery_id, self.request_id(), self.judged, message.body));
        out.clear();
        let onward = Onward {
            request_id: self.request_id(),
            source: peer.source,
            encrypted: peer.encrypted,
            route_fields: &route.onward_fields,
            key_id: admission.is_verified().then(|| self.key_id(route)).flatten(),
            path: route.upstream_path.as_deref(),
            resigned: resigned.as_ref(),
        };
        write_head(out, message, &onward);
    }

    /// What proved it, in a word: a key's id; where it has none, or there was no key, where the proof came from. What was
    /// proven has one in any case: the service is told that it was.
    fn key_id<'r>(&'r self, route: &'r Route) -> Option<&'r str> {
        match (self.key, &self.ring_key) {
            (Some(index), _) => route.keys.at(index).map(|key| &*key.id),
            (None, Some(key)) => Some(key.name().unwrap_or("jwks")),
            (None, None) if !self.proven => None,
            (None, None) if route.network.tokens.is_some() => Some("introspection"),
            (None, None) => Some("certificate"),
        }
    }

    /// Writes the one record, and says when the request was over.
    pub(super) fn record(&self, live: &Live, worker: &Worker, bytes: &[u8], peer: &Peer) -> Now {
        let route = live.route(self.route);
        let (decision, reason) = self.verdict();
        let now = Now::read();
        let record = Record {
            time: now,
            request_id: self.request_id(),
            route: route.map(|route| &*route.name),
            provider: route.map(|route| &*route.provider),
            decision,
            reason,
            status: self.upstream_status.or(self.answered_status).unwrap_or_else(|| self.reason.status()),
            upstream_status: self.upstream_status,
            method: self.method.get(bytes),
            path: self.path.get(bytes),
            source: peer.source,
            key_id: route.and_then(|route| self.key_id(route)),
            key: self.key,
            delivery_id: self.delivery_id(bytes),
            event: self.fields.as_ref().and_then(|fields| fields.event.as_ref()).map(|event| event.get(bytes)),
            content_type: self.content_type.map(|value| inspect::media_type(value.get(bytes))),
            binding: route.filter(|_| self.proven).map(|route| route.scheme.binding.word()),
            claim: self.claimed,
            body: self.body.get(bytes),
            body_digest: live.policy.body_digest,
            verify: self.judged.instant.saturating_duration_since(self.started.instant).saturating_sub(self.waited),
            upstream: self.went_upstream.then(|| self.answered.instant.saturating_duration_since(self.judged.instant)),
            total: now.instant.saturating_duration_since(self.started.instant),
            tls: peer.tls_word(),
            client_san: peer.identity().and_then(|client| shown_name(route.map(|route| &**route), client)),
            skew: self.signed_time.map(|time| seconds_between(self.started.wall, time)),
            limited: self.limited.or_else(|| Some(self.waived?.used_up?.scope)),
        };
        let (meters, shared) = (live.meters(self.route), &worker.shared);
        observe::record(meters, &shared.audit, &record);
        if let Some(anomaly) = shared.anomalies.see(self.route, &record) {
            observe::anomaly(meters, &shared.audit, record.route, &anomaly, now);
        }
        now
    }

    fn verdict(&self) -> (Decision, Reason) {
        match (self.reason, self.waived) {
            (Reason::Forwarded, Some(waived)) => (Decision::Monitored, waived.reason),
            (reason, _) => (Decision::usual(reason), reason),
        }
    }
}

/// The name by which the route lets the client in, or else the certificate's first.
fn shown_name<'p>(route: Option<&Route>, client: &'p ClientIdentity) -> Option<&'p str> {
    let accepts = |san: &&str| route.is_some_and(|route| route.client_sans.iter().any(|pattern| pattern.matches(san)));
    let mut sans = client.sans.iter().map(|san| &**san);
    sans.clone().find(accepts).or_else(|| sans.next())
}

/// From `earlier` to `now`; negative where it lies after it.
fn seconds_between(now: Duration, earlier: Duration) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    seconds(now).saturating_sub(seconds(earlier))
}
