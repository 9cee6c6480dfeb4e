//! The gates as plain functions: each returns what it learnt, or a denial. They read the request, the route and the
//! time, and nothing else; only the spine knows their order.

use std::net::IpAddr;
use std::time::Duration;

use crate::auth::challenge::Reply;
use crate::auth::client::ClientIdentity;
use crate::auth::keyring::Wanted;
use crate::auth::scheme::{Confirm, Field, SignaturePlace};
use crate::auth::signature::PublicKey;
use crate::auth::{self, Site, Verified, Verifier, challenge};
use crate::clock::Now;
use crate::deny::{Denial, Reason, Scope, UsedUp};
use crate::http1::head::Repeated;
use crate::http1::{Framing, Message, Span};
use crate::inspect;
use crate::json;
use crate::limits::Limits;
use crate::limits::budget::{BufferedPermit, InFlightPermit};
use crate::limits::rate::Limited;
use crate::policy::{Front, Mode, OnDuplicate, Policy, Route};
use crate::replay::{Claim, Lasting, Refused, Replay, Terms, event_key};
use crate::route::PathPattern;

use super::connection::Peer;
use super::exchange::Exchange;
use super::shared::{Live, Shared};

/// Facts about the message that stand in it.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// The sender's id of the delivery.
    pub delivery_id: Option<Fact>,
    /// The event's type.
    pub event: Option<Fact>,
}

/// A fact: where it stands in the request, or what it says where it had to be decoded.
#[derive(Debug)]
pub(super) enum Fact {
    /// As it stands.
    At(Span),
    /// Decoded.
    Says(Box<[u8]>),
}

impl Fact {
    /// The fact's bytes.
    pub(super) fn get<'f>(&'f self, bytes: &'f [u8]) -> &'f [u8] {
        match self {
            Self::At(span) => span.get(bytes),
            Self::Says(text) => text,
        }
    }
}

/// Did it come encrypted, where a proxy ends TLS, and is the certificate that the client has shown still good? Asked
/// before anything that the request says is used, and on routes that only monitor too: a new connection would not be let
/// in either.
pub(super) fn transport(policy: &Policy, peer: &Peer, now: Now) -> Result<(), Denial> {
    if policy.front.https_by_proxy && !peer.encrypted {
        return Err(Reason::HttpsRequired.into());
    }
    let trust = policy.clients.as_ref();
    let is_good = match &peer.client {
        Some(client) => client.is_good(trust, now),
        None => !trust.is_some_and(|trust| trust.required),
    };
    if is_good { Ok(()) } else { Err(Reason::ClientCertificateNotAllowed.into()) }
}

/// Is there such an endpoint?
pub(super) fn find_route(policy: &Policy, message: &Message<'_>) -> Result<usize, Denial> {
    policy.routes.find(message.path()).ok_or_else(|| Reason::RouteUnknown.into())
}

/// Where the value of the Content-Type stands, if there is one and no other.
pub(super) fn content_type(message: &Message<'_>) -> Option<Span> {
    message.content_type().unwrap_or_default().map(|value| Span::of(value, message.bytes))
}

/// May this method, sender and kind of content try at all?
pub(super) fn admit(route: &Route, message: &Message<'_>, peer: &Peer, now: Now) -> Result<(), Denial> {
    let method = message.method();
    if !permits_method(route, message) && !challenge::admits_method(&site(route, None), message) {
        return Err(Reason::MethodNotAllowed.into());
    }
    if route.expires.is_some_and(|end| now.unix_seconds() >= end) {
        return Err(Reason::PermissionExpired.into());
    }
    if !route.permits_source(peer.source) {
        return Err(Reason::SourceNotAllowed.into());
    }
    if !route.permits_client(peer.identity()) {
        return Err(Reason::ClientCertificateNotAllowed.into());
    }
    if message.head.framing == Framing::None && matches!(method, b"POST" | b"PUT" | b"PATCH") {
        return Err(Reason::LengthRequired.into());
    }
    let content_type = message.content_type().map_err(|Repeated| Reason::ContentTypeNotAllowed)?;
    if message.head.framing != Framing::None && !inspect::content_type_permitted(&route.content_types, content_type) {
        return Err(Reason::ContentTypeNotAllowed.into());
    }
    Ok(())
}

/// Whether the route permits the method for messages. A verification of the endpoint may have another.
pub(super) fn permits_method(route: &Route, message: &Message<'_>) -> bool {
    route.methods.iter().any(|permitted| permitted.as_bytes() == message.method())
}

/// What the verifier needs to know of a route, and of who is on the connection.
pub(super) fn site<'s>(route: &'s Route, client: Option<&'s ClientIdentity>) -> Site<'s> {
    let (prefix, route_path) = match &route.path {
        PathPattern::Exact(path) => (false, &**path),
        PathPattern::Prefix(path) => (true, &**path),
    };
    Site {
        scheme: &route.scheme,
        keys: &route.keys,
        key_ring: route.key_ring.as_deref(),
        client,
        public_url: route.public_url.as_deref(),
        prefix,
        route_path,
    }
}

/// Is the key that proved it still young enough? One of unknown age is not. Keys that are fetched are as old as what was
/// fetched last: when that is too long ago, nobody knows whether they still hold.
pub(super) fn key_is_current(route: &Route, verified: &Verified, now: Now) -> Result<(), Denial> {
    let Some(max_age) = route.secret_max_age else { return Ok(()) };
    let (since, reason) = if let Some(fetched) = &route.network.keys {
        (fetched.health().since.map(|since| since.as_secs()), Reason::KeysUnavailable)
    } else if let Some(book) = route.network.by_id.as_ref().and_then(|by_id| by_id.book()) {
        let page = verified.ring_key().and_then(PublicKey::kid).and_then(|id| book.find(id));
        (page.map(|page| page.since().as_secs()), Reason::KeysUnavailable)
    } else {
        let key = verified.key_index().and_then(|index| route.keys.at(index));
        (key.and_then(|key| key.since), Reason::CredentialExpired)
    };
    let is_current = since.is_some_and(|since| now.unix_seconds().saturating_sub(since) <= max_age.as_secs());
    if is_current { Ok(()) } else { Err(reason.into()) }
}

/// Is it from now? A time from the head alone may be asked about before the body is read.
pub(super) fn fresh(route: &Route, signed_time: Option<Duration>, now: Now) -> Result<(), Denial> {
    auth::fresh(signed_time, route.tolerance, now)
}

/// Does the token still hold that proved it, and does it hold already?
pub(super) fn still_valid(verified: &Verified, now: Now) -> Result<(), Denial> {
    verified.validity().check(now)
}

/// Finds the delivery's id and the event's type, with one look at the body if one is needed. What stands in a token has
/// been read by the verifier.
pub(super) fn read_fields(route: &Route, message: &Message<'_>, verifier: &Verifier) -> Result<Fields, Denial> {
    let wanted = [route.delivery_id.as_ref(), route.scheme.event.as_ref()];
    let paths = wanted.map(|field| match field {
        Some(Field::Json(path)) if route.scheme.document.is_none() => Some(path),
        _ => None,
    });
    let mut found = wanted.map(|field| fact(route, field, message, verifier));
    let declared = inspect::declares_json(message.content_type().unwrap_or_default());
    // A body that is the token itself is no document, whatever it calls itself.
    let is_document = !message.body.is_empty() && route.scheme.signature.place != SignaturePlace::Body;
    if is_document && (declared || paths.iter().any(Option::is_some)) {
        let mut members = [None; 2];
        match json::scan(message.body, &paths, &mut members) {
            Err(_) if declared => return Err(Reason::PayloadInvalid.into()),
            // A body that is no JSON has no members.
            Err(_) => members = [None; 2],
            Ok(()) => {}
        }
        let start = Span::of(message.body, message.bytes).start();
        for (found, member) in found.iter_mut().zip(members) {
            if let Some(member) = member {
                *found = Some(Fact::At(Span::new(start + member.start(), start + member.end())));
            }
        }
    }
    let [delivery_id, event] = found;
    Ok(Fields { delivery_id, event })
}

/// A fact that stands in the head or a form, once and not empty.
fn fact(route: &Route, field: Option<&Field>, message: &Message<'_>, verifier: &Verifier) -> Option<Fact> {
    match field? {
        Field::Claim(path) => {
            let value = verifier.claim(&route.scheme, path).filter(|value| !value.is_empty())?;
            Some(Fact::Says(value.into()))
        }
        Field::Json(_) if route.scheme.document.is_none() => None,
        Field::Header(name) => {
            let value = message.field(name).ok().flatten().filter(|value| !value.is_empty())?;
            Some(Fact::At(Span::of(value, message.bytes)))
        }
        field @ (Field::Json(_) | Field::Form(_) | Field::Query(_)) => {
            let value = challenge::fact(&route.scheme, field, message).filter(|value| !value.is_empty())?;
            Some(Fact::Says(value.into()))
        }
    }
}

/// Are this event and payload permitted?
pub(super) fn inspect(route: &Route, message: &Message<'_>, fields: &Fields) -> Result<(), Denial> {
    let event = fields.event.as_ref().map(|event| event.get(message.bytes));
    if !inspect::event_permitted(&route.events, event) {
        return Err(Reason::EventNotAllowed.into());
    }
    match &route.schema {
        Some(schema) if !schema.is_valid(message.body) => Err(Reason::SchemaViolation.into()),
        _ => Ok(()),
    }
}

/// Is this the provider's verification of the endpoint, which is answered here? Without a proof only those are that
/// providers send unproven. What is none, and has a method that is admitted for verifications alone, ends here.
pub(super) fn challenge(
    route: &Route,
    verified: Option<&Verified>,
    message: &Message<'_>,
) -> Result<Option<Reply>, Denial> {
    let key = verified.and_then(Verified::key_index).and_then(|index| route.keys.at(index));
    let verify_token = route.verify_token.as_ref().map(|token| &**token.0);
    match challenge::answer(&site(route, None), verify_token, verified.is_some(), key, message) {
        Some(reply) => reply.map(Some),
        None if permits_method(route, message) => Ok(None),
        None => Err(Reason::MethodNotAllowed.into()),
    }
}

/// Does it ask for a subscription to be confirmed? That is noted, and done in the background.
pub(super) fn subscription(route: &Route, message: &Message<'_>) -> Result<Option<Reply>, Denial> {
    let Some(Confirm { when, equals, address, pins }) = &route.scheme.confirm else { return Ok(None) };
    let mut found = [None; 2];
    json::locate(message.body, &[Some(when), Some(address)], &mut found).map_err(|_| Reason::CredentialInvalid)?;
    let [kind, address] = found.map(|member| member.and_then(|span| json::scalar(span.get(message.body))));
    if kind.as_deref() != Some(equals.as_bytes()) {
        return Ok(None);
    }
    let address = address.as_deref().and_then(|address| str::from_utf8(address).ok());
    let address = address.filter(|address| pins.iter().any(|pin| pin.fits(address))).ok_or(Reason::PayloadInvalid)?;
    if !route.network.named.as_ref().is_some_and(|named| named.confirms()) {
        return Err(Reason::EventNotAllowed.into());
    }
    let noted = route.key_ring.as_ref().is_some_and(|ring| ring.ask(Wanted::Visit(address.into())));
    // The sender will ask again.
    if noted { Ok(Some(Reply::empty())) } else { Err(Reason::KeysUnavailable.into()) }
}

/// Whether a request that has proven nothing may be a verification of the endpoint, so that its body is looked at. Only
/// a small one is: who sends it is not known.
pub(super) fn may_be_challenge(route: &Route, message: &Message<'_>) -> bool {
    let is_small = match message.head.framing {
        Framing::None => true,
        Framing::Length(length) => length <= MAX_CHALLENGE,
        Framing::Chunked => false,
    };
    is_small && challenge::may_be_open(&site(route, None), message)
}

/// The largest body of a verification that is looked at before anything is proven: those that providers send have some
/// hundred bytes.
const MAX_CHALLENGE: u64 = 16 * 1024;

/// The request's field that the provider wants to see in every reply, with its value.
pub(super) fn echo<'m>(route: &'m Route, message: &Message<'m>) -> Option<(&'m str, &'m [u8])> {
    let name = route.scheme.reply.echo.as_deref()?;
    Some((name, message.field(name).ok()??))
}

/// Has the sender's address used up its rate? A trusted proxy's own address stands for too many to have one.
pub(super) fn within_rate(limits: &Limits, front: &Front, source: IpAddr, now: Now) -> Result<(), Denial> {
    let Some(sources) = limits.sources.as_ref().filter(|_| !front.trusts(source)) else { return Ok(()) };
    sources.take(source.into(), now).map_err(|limited| rate_limited(Scope::Source, limited))
}

/// Is the sender's address locked out from this route?
pub(super) fn not_locked_out(
    limits: &Limits,
    index: usize,
    route: &Route,
    source: IpAddr,
    now: Now,
) -> Result<(), Denial> {
    let Some(lockouts) = limits.lockouts.as_ref().filter(|_| can_lock_out(route)) else { return Ok(()) };
    match lockouts.left(source.into(), index, now) {
        Some(left) => Err(Denial::from(Reason::LockedOut).retry_after(left)),
        None => Ok(()),
    }
}

/// Counts a request that did not prove itself, and says so where that locks its sender out.
pub(super) fn count_failure(live: &Live, limits: &Limits, exchange: &Exchange, source: IpAddr) {
    let (Some(lockouts), Some(index)) = (&limits.lockouts, exchange.route) else { return };
    let Some(route) = live.route(Some(index)).filter(|route| can_lock_out(route)) else { return };
    // Whoever comes by a trusted proxy that does not name them would be locked out with all the others.
    if live.policy.front.trusts(source) {
        return;
    }
    // A signed time that is off is no guess at a secret, nor is a key that is too old: a wrong clock must lock nobody out.
    if !matches!(exchange.reason(), Reason::CredentialMissing | Reason::CredentialInvalid | Reason::TimestampMissing) {
        return;
    }
    let lock = lockouts.failed(source.into(), index, exchange.started);
    if let Some(lock) = lock.filter(|_| lockouts.may_speak(exchange.started)) {
        let (route, source, lasts, locks) = (&route.name, lock.source, lock.left, lock.locks);
        tracing::warn!(%route, %source, ?lasts, locks, "locked out after repeated failures to authenticate");
    }
}

/// A route that only monitors locks nobody out: it denies nothing.
fn can_lock_out(route: &Route) -> bool {
    route.limits.lockout && route.mode == Mode::Enforce
}

/// Is the sender within its share, and is there room for one more in flight? The narrow share first; what one grants
/// and another then refuses is given back.
pub(super) fn permit(
    shared: &Shared,
    index: Option<usize>,
    route: &Route,
    verified: &Verified,
    now: Now,
) -> Result<InFlightPermit, Denial> {
    let permit = shared.budgets.try_in_flight().ok_or(Reason::Overloaded)?;
    let (rates, index) = (&shared.limits.routes, index.unwrap_or(usize::MAX));
    let id = match verified.key_index() {
        Some(index) => route.keys.at(index).map(|key| &*key.id),
        None => verified.ring_key().and_then(PublicKey::name),
    };
    let credential = id.zip(route.limits.rate_per_credential);
    if let Some((id, rate)) = credential {
        rates.take_credential(index, id, rate, now).map_err(|limited| rate_limited(Scope::Credential, limited))?;
    }
    if let Some(Err(limited)) = route.limits.rate.map(|rate| rates.take(index, rate, now)) {
        if let Some((id, rate)) = credential {
            rates.give_back(index, id, rate);
        }
        return Err(rate_limited(Scope::Route, limited));
    }
    Ok(permit)
}

fn rate_limited(scope: Scope, limited: Limited) -> Denial {
    let used_up = UsedUp { scope, limit: limited.limit, reset: limited.reset };
    Denial { used_up: Some(used_up), ..Denial::from(Reason::RateLimited).retry_after(limited.wait) }
}

/// Counts bytes of a body against the budget of all bodies.
pub(super) fn hold(held: &mut BufferedPermit, bytes: u64, proven: bool) -> Result<(), Denial> {
    if held.try_grow(bytes, proven) { Ok(()) } else { Err(Reason::Overloaded.into()) }
}

/// Is it the first time, as far as this process knows? `None` where the route does without claims.
pub(super) fn claim(
    live: &Live,
    replay: &Replay,
    route: &Route,
    verified: &Verified,
    message: &Message<'_>,
    fields: &Fields,
    now: Now,
) -> Result<Option<Claim>, Denial> {
    let Some(window) = route.replay else { return Ok(None) };
    let signed_id = fields.delivery_id.as_ref().filter(|_| route.signs_delivery_id());
    let event = signed_id.map(|id| event_key(&route.name, id.get(message.bytes)));
    let timeouts = &live.policy.timeouts;
    let pending = timeouts.upstream + timeouts.upstream_connect + PENDING_MARGIN;
    let terms = terms(route, verified, window, pending, now);
    replay.claim(verified.message_keys(), event, terms, now).map(Some).map_err(|refusal| refused(route, refusal))
}

/// Is it the first time, as far as every process knows that shares its claims with this one?
pub(super) async fn confirm(replay: &Replay, route: &Route, claim: Claim) -> Result<Claim, Denial> {
    replay.confirm(claim).await.map_err(|refusal| refused(route, refusal))
}

/// How long the claims of this message last.
fn terms(route: &Route, verified: &Verified, window: Duration, pending: Duration, now: Now) -> Terms {
    // A token that has ended is refused as such: whatever ends first ends the need to remember it.
    let left = verified.validity().expires.map(|end| end.saturating_sub(now.wall).saturating_add(CLOCK_STEP));
    let message = match verified.signed_time() {
        // A symmetric window accepts a message for twice the tolerance; a claim never gives way inside of it.
        Some(_) => Lasting { lifetime: route.tolerance.saturating_mul(2) + CLOCK_STEP, may_give_way: false },
        None => match left {
            Some(left) if left <= window => Lasting { lifetime: left, may_give_way: false },
            _ => Lasting { lifetime: window, may_give_way: true },
        },
    };
    // Retries are signed anew for days, whatever the tolerance.
    let event = Lasting { lifetime: window.max(message.lifetime), may_give_way: true };
    Terms { message, event, pending }
}

/// The answer to a claim that was refused.
fn refused(route: &Route, refused: Refused) -> Denial {
    let reason = match (refused, route.on_duplicate) {
        (Refused::Replayed, OnDuplicate::ByKind | OnDuplicate::Reject) | (Refused::Duplicate, OnDuplicate::Reject) => {
            Reason::Replayed
        }
        (Refused::Replayed, OnDuplicate::Ack) | (Refused::Duplicate, _) => Reason::Duplicate,
        (Refused::InFlight, _) => Reason::InFlight,
        (Refused::Full, _) => Reason::ReplayStoreFull,
        (Refused::Unavailable, _) => Reason::ReplayStoreUnavailable,
    };
    reason.into()
}

/// What is added to a claim's life for clocks that are corrected meanwhile.
const CLOCK_STEP: Duration = Duration::from_secs(5);

/// How much longer than the longest exchange a claim stays pending, so that a slow settle is never too late.
const PENDING_MARGIN: Duration = Duration::from_secs(2);
