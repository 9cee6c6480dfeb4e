//! Every way a request can end, in one closed table.
//!
//! A gate answers with what it learnt or with a [`Denial`]; a denial is a [`Reason`] and the few facts that its answer
//! needs. Status, metric label, log level, whether the connection can go on, the text a client may read and the text
//! that `hookwarden explain` prints all come from the row of that reason: nothing else in the code names a status for
//! a refusal. Deliberately absent: 410 (senders disable an endpoint that answers it) and any detail on *why* a
//! credential failed in the client's text.

mod used_up;

use std::fmt;
use std::time::Duration;

pub use used_up::{Scope, UsedUp};

/// Why a request ended the way it did. The order is that of the gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is documented by its row in the table")]
pub enum Reason {
    Overloaded,
    MalformedRequest,
    HeaderTooLarge,
    HeaderTimeout,
    UnsupportedTransferCoding,
    VersionNotSupported,
    HttpsRequired,
    RouteUnknown,
    MethodNotAllowed,
    PermissionExpired,
    SourceNotAllowed,
    ClientCertificateNotAllowed,
    LockedOut,
    RateLimited,
    ContentTypeNotAllowed,
    LengthRequired,
    BodyTooLarge,
    CredentialMissing,
    TimestampMissing,
    BodyTimeout,
    BodyIncomplete,
    CredentialInvalid,
    CredentialExpired,
    KeysUnavailable,
    TimestampStale,
    TimestampFuture,
    EventNotAllowed,
    PayloadInvalid,
    SchemaViolation,
    Replayed,
    Duplicate,
    InFlight,
    ReplayStoreFull,
    ReplayStoreUnavailable,
    UpstreamUnreachable,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    ChallengeAnswered,
    Forwarded,
}

/// How loudly the operational log speaks of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Ordinary traffic.
    Info,
    /// Somebody was refused; worth counting.
    Warn,
    /// The sidecar or the service could not do its work; worth waking somebody when it lasts.
    Error,
}

/// One row of the table: everything that is known of a reason.
#[derive(Debug)]
pub struct Row {
    /// The reason that this row describes.
    pub reason: Reason,
    /// Its name in log, metric and response.
    pub code: &'static str,
    /// HTTP status of the answer; 0 where the upstream's own status is passed on.
    pub status: u16,
    /// Level in the operational log.
    pub level: Level,
    /// Whether the connection closes after the answer, because what follows on it cannot be trusted.
    pub closes: bool,
    /// What the client may read.
    pub title: &'static str,
    /// `explain`: what happened.
    pub what: &'static str,
    /// `explain`: why it matters.
    pub why: &'static str,
    /// `explain`: what to do.
    pub fix: &'static str,
}

impl Reason {
    /// The row of this reason.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name in log, metric and response.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The HTTP status of the answer; 0 for [`Reason::Forwarded`].
    #[must_use]
    pub fn status(self) -> u16 {
        self.row().status
    }

    /// The reason with that code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.code == code).map(|row| row.reason)
    }

    /// All reasons, in the order of the gates.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// How many reasons there are.
pub const REASONS: usize = ROWS.len();

/// A refusal: a reason and what its answer carries beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// When to come again, where waiting helps; sent as `Retry-After` in whole seconds, at least 1.
    pub retry_after: Option<Duration>,
    /// The rate that was used up.
    pub used_up: Option<UsedUp>,
}

impl Denial {
    /// The same, with when to come again.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}

impl From<Reason> for Denial {
    /// A refusal with the reason's usual `Retry-After`.
    fn from(reason: Reason) -> Self {
        let ours_and_short = matches!(
            reason,
            Reason::Overloaded
                | Reason::InFlight
                | Reason::ReplayStoreFull
                | Reason::ReplayStoreUnavailable
                | Reason::KeysUnavailable
        );
        let retry_after = ours_and_short.then_some(RETRY_SOON);
        Self { reason, retry_after, used_up: None }
    }
}

/// What a sender is asked to wait when the trouble is ours and short: the least that `Retry-After` can say.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// One row a reason, in the order of the enum.
static ROWS: [Row; 39] = [
    Row {
        reason: Reason::Overloaded,
        code: "overloaded",
        status: 503,
        level: Level::Error,
        closes: true,
        title: "The server is at its limit, try again",
        what: "A budget was used up: connections, requests in flight or buffered body bytes.",
        why: "Refusing early keeps memory bounded and the requests already accepted alive; the sender retries.",
        fix: "Look at hookwarden_connections and hookwarden_buffered_bytes; raise MAX_CONNECTIONS, MAX_IN_FLIGHT or MAX_BUFFERED, or add replicas.",
    },
    Row {
        reason: Reason::MalformedRequest,
        code: "malformed_request",
        status: 400,
        level: Level::Warn,
        closes: true,
        title: "The request is not valid HTTP/1.1",
        what: "The bytes were not one unambiguous HTTP/1.1 request: two lengths, a bare line feed, a bad Host, an encoded slash or the like.",
        why: "Two servers that read such bytes differently can be made to see different requests (request smuggling).",
        fix: "A genuine sender never does this. Look at what stands between the sender and this port, or at who sends it.",
    },
    Row {
        reason: Reason::HeaderTooLarge,
        code: "header_too_large",
        status: 431,
        level: Level::Warn,
        closes: true,
        title: "The request's head is too large",
        what: "The request line and header fields together exceed 16 KiB, or there are more than 64 fields.",
        why: "An unbounded head lets a stranger use up memory before anything is known of it.",
        fix: "Find the sender or proxy that adds the fields, and have it send fewer.",
    },
    Row {
        reason: Reason::HeaderTimeout,
        code: "header_timeout",
        status: 408,
        level: Level::Warn,
        closes: true,
        title: "The request's head did not arrive in time",
        what: "A request was begun, but its head was not complete within HEADER_TIMEOUT.",
        why: "Slow heads are how one machine holds thousands of connections open (slowloris).",
        fix: "Raise HEADER_TIMEOUT only if a genuine sender is this slow.",
    },
    Row {
        reason: Reason::UnsupportedTransferCoding,
        code: "unsupported_transfer_coding",
        status: 501,
        level: Level::Warn,
        closes: true,
        title: "Only the chunked transfer coding is supported",
        what: "Transfer-Encoding named something other than a single, final chunked.",
        why: "Codings that two hops treat differently are a smuggling tool; no webhook sender needs them.",
        fix: "Have the sender use Content-Length or plain chunked.",
    },
    Row {
        reason: Reason::VersionNotSupported,
        code: "version_not_supported",
        status: 505,
        level: Level::Warn,
        closes: true,
        title: "Only HTTP/1.1 is spoken here",
        what: "The request was of HTTP/0.9, HTTP/2 without negotiation, or another version.",
        why: "A version that this proxy does not parse is one that it cannot check.",
        fix: "Have the proxy in front speak HTTP/1.1 to this port.",
    },
    Row {
        reason: Reason::HttpsRequired,
        code: "https_required",
        status: 403,
        level: Level::Warn,
        closes: true,
        title: "HTTPS is required here",
        what: "The request came over plaintext, or through a proxy that did not say that it was encrypted.",
        why: "A webhook in plaintext can be read and its token taken by anyone on the way.",
        fix: "Give the provider the https:// address; with TLS=forwarded, have the trusted proxy send X-Forwarded-Proto: https.",
    },
    Row {
        reason: Reason::RouteUnknown,
        code: "route_unknown",
        status: 404,
        level: Level::Warn,
        closes: false,
        title: "There is no such endpoint",
        what: "No configured route matches the path. Everything that is not permitted is refused.",
        why: "A forgotten or guessed endpoint must not reach the service unguarded.",
        fix: "If it is a genuine webhook, add HOOKWARDEN_ROUTE_<NAME>_PATH for it; else it is somebody probing.",
    },
    Row {
        reason: Reason::MethodNotAllowed,
        code: "method_not_allowed",
        status: 405,
        level: Level::Warn,
        closes: false,
        title: "The method is not allowed here",
        what: "The route exists, but METHODS does not list this method.",
        why: "Each further method is a further way into the service.",
        fix: "Add the method to the route's METHODS if the provider really uses it.",
    },
    Row {
        reason: Reason::PermissionExpired,
        code: "permission_expired",
        status: 403,
        level: Level::Warn,
        closes: false,
        title: "The permission for this endpoint has ended",
        what: "The route's EXPIRES date has passed.",
        why: "Permissions that nobody renews are the ones that nobody watches.",
        fix: "Ask the route's OWNER whether it is still needed; if so, set a later EXPIRES.",
    },
    Row {
        reason: Reason::SourceNotAllowed,
        code: "source_not_allowed",
        status: 403,
        level: Level::Warn,
        closes: false,
        title: "This source is not allowed",
        what: "The sender's address is in none of the route's SOURCES.",
        why: "A network allow-list is a second factor beside the signature.",
        fix: "Compare the record's source with the ranges that the provider publishes, and update SOURCES.",
    },
    Row {
        reason: Reason::ClientCertificateNotAllowed,
        code: "client_certificate_not_allowed",
        status: 403,
        level: Level::Warn,
        closes: false,
        title: "This client certificate is not allowed",
        what: "The client certificate is missing, has ended or been revoked, or none of its names is in the route's CLIENT_SANS.",
        why: "With mutual TLS the certificate is the sender's identity.",
        fix: "Check the record's client_san against CLIENT_SANS, and the certificate against TLS_CLIENT_CA_FILE and TLS_CLIENT_CRL_FILE.",
    },
    Row {
        reason: Reason::LockedOut,
        code: "locked_out",
        status: 429,
        level: Level::Warn,
        closes: false,
        title: "Too many failures, try again later",
        what: "This source failed authentication too often and is locked out for a while.",
        why: "Guessing secrets must not be free.",
        fix: "If the source is genuine, fix its secret; a lock can be lifted by the admin API.",
    },
    Row {
        reason: Reason::RateLimited,
        code: "rate_limited",
        status: 429,
        level: Level::Warn,
        closes: false,
        title: "Too many requests, try again later",
        what: "The sender, route or credential used up its rate.",
        why: "One noisy sender must not starve the others or the service.",
        fix: "Raise the rate if the traffic is genuine; the sender will retry after Retry-After.",
    },
    Row {
        reason: Reason::ContentTypeNotAllowed,
        code: "content_type_not_allowed",
        status: 415,
        level: Level::Warn,
        closes: false,
        title: "The content type is not allowed here",
        what: "The body's Content-Type is not in the route's CONTENT_TYPES.",
        why: "A parser that is never reached cannot be attacked.",
        fix: "Add the type if the provider really sends it.",
    },
    Row {
        reason: Reason::LengthRequired,
        code: "length_required",
        status: 411,
        level: Level::Warn,
        closes: false,
        title: "A length is required",
        what: "A request that must have a body came with neither Content-Length nor Transfer-Encoding.",
        why: "Without a length the end of the message is a guess.",
        fix: "Have the sender send Content-Length (0 for an empty body).",
    },
    Row {
        reason: Reason::BodyTooLarge,
        code: "body_too_large",
        status: 413,
        level: Level::Warn,
        closes: true,
        title: "The body is too large",
        what: "The body exceeds the route's MAX_BODY.",
        why: "The whole body is held until it is verified, so its size is bounded.",
        fix: "Raise MAX_BODY if the provider's largest event is larger.",
    },
    Row {
        reason: Reason::CredentialMissing,
        code: "credential_missing",
        status: 401,
        level: Level::Warn,
        closes: false,
        title: "The request is not authenticated",
        what: "The signature or token that this route's provider sends was not there, or stood there more than once.",
        why: "Unsigned requests are what this sidecar is there to stop.",
        fix: "If the sender is genuine, set the secret at the provider; check that no proxy strips the header.",
    },
    Row {
        reason: Reason::TimestampMissing,
        code: "timestamp_missing",
        status: 401,
        level: Level::Warn,
        closes: false,
        title: "The request is not authenticated",
        what: "The provider's timestamp was not there or not readable.",
        why: "Without the signed time a recorded request could be sent again later.",
        fix: "Check that no proxy strips the header, and that PROVIDER is right.",
    },
    Row {
        reason: Reason::BodyTimeout,
        code: "body_timeout",
        status: 408,
        level: Level::Warn,
        closes: true,
        title: "The body did not arrive in time",
        what: "The body was not complete within BODY_TIMEOUT, or came slower than BODY_MIN_RATE.",
        why: "Slow bodies hold memory and a connection each.",
        fix: "Raise BODY_TIMEOUT only if a genuine sender is this slow.",
    },
    Row {
        reason: Reason::BodyIncomplete,
        code: "body_incomplete",
        status: 400,
        level: Level::Warn,
        closes: true,
        title: "The body ended early",
        what: "The sender closed the connection, or broke the chunked framing, before the body was complete.",
        why: "A truncated message must never be acted on.",
        fix: "Usually the network or the sender's time-out; it will retry.",
    },
    Row {
        reason: Reason::CredentialInvalid,
        code: "credential_invalid",
        status: 401,
        level: Level::Warn,
        closes: false,
        title: "The request is not authenticated",
        what: "The signature or token matches none of the route's keys.",
        why: "Either the bytes were changed or made by somebody without the key, or the key here is not the one at the provider.",
        fix: "If all of a route's requests fail since some hour, the secret was rotated at the provider: add the new one. Else somebody is trying.",
    },
    Row {
        reason: Reason::CredentialExpired,
        code: "credential_expired",
        status: 401,
        level: Level::Warn,
        closes: false,
        title: "The request is not authenticated",
        what: "The token or key was right once, but its time is over.",
        why: "Old credentials are the ones that leaked.",
        fix: "Have the sender use a fresh token; rotate the key.",
    },
    Row {
        reason: Reason::KeysUnavailable,
        code: "keys_unavailable",
        status: 503,
        level: Level::Error,
        closes: false,
        title: "The request cannot be checked now, try again",
        what: "What this request is checked with is not there: keys could not be fetched yet, or not for longer than SECRET_MAX_AGE, the one that it names is asked for only now, or the server that is asked about tokens does not answer.",
        why: "Unchecked requests are never let through; the sender retries.",
        fix: "The log says what went wrong; so do hookwarden_keys_fetches_total and hookwarden_introspections_total. Check what `hookwarden check` says is asked, and the network to it.",
    },
    Row {
        reason: Reason::TimestampStale,
        code: "timestamp_stale",
        status: 401,
        level: Level::Warn,
        closes: false,
        title: "The request is not authenticated",
        what: "The time that the sender signed is older than TOLERANCE.",
        why: "An old message sent again is a replay.",
        fix: "Check this machine's clock and the sender's; a proxy that queues requests needs a larger TOLERANCE.",
    },
    Row {
        reason: Reason::TimestampFuture,
        code: "timestamp_future",
        status: 401,
        level: Level::Warn,
        closes: false,
        title: "The request is not authenticated",
        what: "The signed time is further in the future than TOLERANCE.",
        why: "A time from the future would keep a message replayable for longer.",
        fix: "Check this machine's clock and the sender's.",
    },
    Row {
        reason: Reason::EventNotAllowed,
        code: "event_not_allowed",
        status: 403,
        level: Level::Warn,
        closes: false,
        title: "This event is not allowed here",
        what: "The authentic message's event type is not in the route's EVENTS, or it has none.",
        why: "Least privilege: a service that needs one kind of event should get that kind.",
        fix: "Add the type to EVENTS, or unsubscribe from it at the provider.",
    },
    Row {
        reason: Reason::PayloadInvalid,
        code: "payload_invalid",
        status: 400,
        level: Level::Warn,
        closes: false,
        title: "The payload is not valid",
        what: "The body says that it is JSON, but is not well-formed, is nested too deeply, or names a member twice that decides something here.",
        why: "Parsers that disagree on a payload can be played against each other.",
        fix: "Look at what the sender sends; authentic senders rarely do this.",
    },
    Row {
        reason: Reason::SchemaViolation,
        code: "schema_violation",
        status: 422,
        level: Level::Warn,
        closes: false,
        title: "The payload does not match the schema",
        what: "The JSON body does not match the route's SCHEMA_FILE.",
        why: "What the service never expects it should never see.",
        fix: "If the provider changed its payload, update the schema.",
    },
    Row {
        reason: Reason::Replayed,
        code: "replayed",
        status: 409,
        level: Level::Warn,
        closes: false,
        title: "This message was already accepted",
        what: "Exactly these signed bytes were delivered before, and the service had accepted them.",
        why: "A recorded request sent again is a replay; a genuine sender signs a retry anew or never sends it after a success.",
        fix: "Compare the source with the provider's: a stranger has a recording, so find where it was taken. If the provider itself resends byte for byte (a manual redelivery, say), set ON_DUPLICATE=ack on the route.",
    },
    Row {
        reason: Reason::Duplicate,
        code: "duplicate",
        status: 200,
        level: Level::Info,
        closes: false,
        title: "This event was already accepted",
        what: "A newly signed message for an event that the service had already accepted: a retry whose success got lost.",
        why: "Answering 200 without forwarding stops the retries and spares the service a second delivery.",
        fix: "Nothing. Set ON_DUPLICATE=reject to answer 409 instead.",
    },
    Row {
        reason: Reason::InFlight,
        code: "in_flight",
        status: 409,
        level: Level::Warn,
        closes: false,
        title: "This message is being processed, try again",
        what: "The same message is being forwarded right now; its outcome is not known yet.",
        why: "Forwarding both would deliver it twice; acknowledging it could lose it.",
        fix: "Nothing: the sender retries. If it is frequent, the service is slower than the sender's time-out.",
    },
    Row {
        reason: Reason::ReplayStoreFull,
        code: "replay_store_full",
        status: 503,
        level: Level::Error,
        closes: false,
        title: "The request cannot be checked now, try again",
        what: "The replay store holds REPLAY_MAX_ENTRIES claims and none of them may be forgotten yet.",
        why: "Forgetting a claim inside its window would let a replay through; the sender retries.",
        fix: "Raise REPLAY_MAX_ENTRIES, shorten TOLERANCE, or look for a sender that floods.",
    },
    Row {
        reason: Reason::ReplayStoreUnavailable,
        code: "replay_store_unavailable",
        status: 503,
        level: Level::Error,
        closes: false,
        title: "The request cannot be checked now, try again",
        what: "The shared replay store did not answer.",
        why: "Without it another pod may have accepted the same message already.",
        fix: "Check the store; REPLAY_UNAVAILABLE=local carries on with this pod's own claims.",
    },
    Row {
        reason: Reason::UpstreamUnreachable,
        code: "upstream_unreachable",
        status: 502,
        level: Level::Error,
        closes: false,
        title: "The service could not be reached",
        what: "No connection to the service, or it closed the connection before it answered.",
        why: "The webhook was authentic and has not been accepted; the sender is told, so that it retries.",
        fix: "Check that the service listens on UPSTREAM and, over https, that its certificate names that host and comes from UPSTREAM_CA_FILE.",
    },
    Row {
        reason: Reason::UpstreamInvalidResponse,
        code: "upstream_invalid_response",
        status: 502,
        level: Level::Error,
        closes: false,
        title: "The service's answer was not valid",
        what: "The service answered with something that is not one valid HTTP/1.1 response.",
        why: "An ambiguous response could be used to poison the next one on the connection.",
        fix: "Look at the service's log; something there writes raw bytes.",
    },
    Row {
        reason: Reason::UpstreamTimeout,
        code: "upstream_timeout",
        status: 504,
        level: Level::Error,
        closes: false,
        title: "The service did not answer in time",
        what: "The service did not answer within UPSTREAM_TIMEOUT, or the sidecar had to stop before it did.",
        why: "The claim is released, so that the sender's retry is let through.",
        fix: "Make the service acknowledge first and work afterwards, or raise UPSTREAM_TIMEOUT.",
    },
    Row {
        reason: Reason::ChallengeAnswered,
        code: "challenge_answered",
        status: 200,
        level: Level::Info,
        closes: false,
        title: "The verification request was answered",
        what: "The provider's endpoint verification was authentic and answered here, without the service.",
        why: "Providers verify an endpoint before they send to it.",
        fix: "Nothing.",
    },
    Row {
        reason: Reason::Forwarded,
        code: "forwarded",
        status: 0,
        level: Level::Info,
        closes: false,
        title: "The request was forwarded",
        what: "The webhook was authentic, fresh and permitted, and the service answered.",
        why: "This is what should happen.",
        fix: "Nothing; look at upstream_status for what the service said.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_enum() {
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.reason as usize, index, "{}", row.code);
            assert_eq!(row.reason.row().code, row.code);
            assert_eq!(Reason::from_code(row.code), Some(row.reason));
        }
    }

    #[test]
    fn a_client_cannot_tell_which_check_of_a_credential_failed() {
        let mut titles: Vec<_> = ROWS.iter().filter(|row| row.status == 401).map(|row| row.title).collect();
        titles.dedup();
        assert_eq!(titles.len(), 1);
    }
}
