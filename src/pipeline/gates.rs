//! The gates as plain functions: each returns what it learnt, or a denial. They read the request, the route and the
//! time, and nothing else; only the spine knows their order.

use std::net::IpAddr;
use std::time::Duration;

use crate::auth::challenge::Reply;
use crate::auth::scheme::Field;
use crate::auth::{self, Site, Verified, challenge};
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::http1::head::Repeated;
use crate::http1::{Framing, Message, Span};
use crate::inspect;
use crate::json;
use crate::limits::budget::BufferedPermit;
use crate::policy::{OnDuplicate, Policy, Route};
use crate::replay::{Claim, Lasting, Refused, Replay, Terms, event_key};
use crate::route::PathPattern;

use super::shared::Live;

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

/// Is there such an endpoint?
pub(super) fn find_route(policy: &Policy, message: &Message<'_>) -> Result<usize, Denial> {
    policy.routes.find(message.path()).ok_or_else(|| Reason::RouteUnknown.into())
}

/// May this method, sender and kind of content try at all?
pub(super) fn admit(route: &Route, message: &Message<'_>, source: IpAddr, now: Now) -> Result<(), Denial> {
    let method = message.method();
    if !permits_method(route, message) && !challenge::admits_method(&site(route), message) {
        return Err(Reason::MethodNotAllowed.into());
    }
    if route.expires.is_some_and(|end| now.unix_seconds() >= end) {
        return Err(Reason::PermissionExpired.into());
    }
    if !route.permits_source(source) {
        return Err(Reason::SourceNotAllowed.into());
    }
    if message.head.framing == Framing::None && matches!(method, b"POST" | b"PUT" | b"PATCH") {
        return Err(Reason::LengthRequired.into());
    }
    let content_type = message.field("content-type").map_err(|Repeated| Reason::ContentTypeNotAllowed)?;
    if message.head.framing != Framing::None && !inspect::content_type_permitted(&route.content_types, content_type) {
        return Err(Reason::ContentTypeNotAllowed.into());
    }
    Ok(())
}

/// Whether the route permits the method for messages. A verification of the endpoint may have another.
pub(super) fn permits_method(route: &Route, message: &Message<'_>) -> bool {
    route.methods.iter().any(|permitted| permitted.as_bytes() == message.method())
}

/// What the verifier needs to know of a route.
pub(super) fn site(route: &Route) -> Site<'_> {
    let (prefix, route_path) = match &route.path {
        PathPattern::Exact(path) => (false, &**path),
        PathPattern::Prefix(path) => (true, &**path),
    };
    Site { scheme: &route.scheme, keys: &route.keys, public_url: route.public_url.as_deref(), prefix, route_path }
}

/// Is the key that proved it still young enough? One of unknown age is not.
pub(super) fn key_is_current(route: &Route, verified: &Verified, now: Now) -> Result<(), Denial> {
    let Some(max_age) = route.secret_max_age else { return Ok(()) };
    let since = route.keys.at(verified.key_index()).and_then(|key| key.since);
    if since.is_some_and(|since| now.unix_seconds().saturating_sub(since) <= max_age.as_secs()) {
        return Ok(());
    }
    Err(Reason::CredentialExpired.into())
}

/// Is it from now? A time from the head alone may be asked about before the body is read.
pub(super) fn fresh(route: &Route, signed_time: Option<Duration>, now: Now) -> Result<(), Denial> {
    auth::fresh(signed_time, route.tolerance, now)
}

/// Finds the delivery's id and the event's type, with one look at the body if one is needed.
pub(super) fn read_fields(route: &Route, message: &Message<'_>) -> Result<Fields, Denial> {
    let wanted = [route.delivery_id.as_ref(), route.scheme.event.as_ref()];
    let paths = wanted.map(|field| match field {
        Some(Field::Json(path)) if route.scheme.document.is_none() => Some(path),
        _ => None,
    });
    let mut found = wanted.map(|field| fact(route, field, message));
    let declared = inspect::declares_json(message.field("content-type").unwrap_or_default());
    if (declared || paths.iter().any(Option::is_some)) && !message.body.is_empty() {
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
fn fact(route: &Route, field: Option<&Field>, message: &Message<'_>) -> Option<Fact> {
    match field? {
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
    let key = verified.and_then(|verified| route.keys.at(verified.key_index()));
    let verify_token = route.verify_token.as_ref().map(|token| &**token.0);
    match challenge::answer(&site(route), verify_token, key, message) {
        Some(reply) => reply.map(Some),
        None if permits_method(route, message) => Ok(None),
        None => Err(Reason::MethodNotAllowed.into()),
    }
}

/// Whether a request that has proven nothing may be a verification of the endpoint, so that its body is looked at. Only
/// a small one is: who sends it is not known.
pub(super) fn may_be_challenge(route: &Route, message: &Message<'_>) -> bool {
    let is_small = match message.head.framing {
        Framing::None => true,
        Framing::Length(length) => length <= MAX_CHALLENGE,
        Framing::Chunked => false,
    };
    is_small && challenge::may_be_open(&site(route), message)
}

/// The largest body of a verification that is looked at before anything is proven: those that providers send have some
/// hundred bytes.
const MAX_CHALLENGE: u64 = 16 * 1024;

/// The request's field that the provider wants to see in every reply, with its value.
pub(super) fn echo<'m>(route: &'m Route, message: &Message<'m>) -> Option<(&'m str, &'m [u8])> {
    let name = route.scheme.reply.echo.as_deref()?;
    Some((name, message.field(name).ok()??))
}

/// Counts bytes of a body against the budget of all bodies.
pub(super) fn hold(held: &mut BufferedPermit, bytes: u64) -> Result<(), Denial> {
    if held.try_grow(bytes) { Ok(()) } else { Err(Reason::Overloaded.into()) }
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
    let terms = terms(route, verified, window, pending);
    replay.claim(verified.message_keys(), event, terms, now).map(Some).map_err(|refusal| refused(route, refusal))
}

/// Is it the first time, as far as every process knows that shares its claims with this one?
pub(super) async fn confirm(replay: &Replay, route: &Route, claim: Option<Claim>) -> Result<Option<Claim>, Denial> {
    match claim {
        None => Ok(None),
        Some(claim) => replay.confirm(claim).await.map(Some).map_err(|refusal| refused(route, refusal)),
    }
}

/// How long the claims of this message last.
fn terms(route: &Route, verified: &Verified, window: Duration, pending: Duration) -> Terms {
    let message = match verified.signed_time() {
        // A symmetric window accepts a message for twice the tolerance; a claim never gives way inside of it.
        Some(_) => Lasting { lifetime: route.tolerance.saturating_mul(2) + CLOCK_STEP, may_give_way: false },
        None => Lasting { lifetime: window, may_give_way: true },
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
