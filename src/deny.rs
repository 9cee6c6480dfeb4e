//! Every way a request can end, in one closed table.
//!
//! A gate answers with what it learnt or with a [`Denial`]; a denial is a [`Reason`] and the few facts that its answer
//! needs. Status, metric label, log level, whether the connection can go on, the text a client may read and the text
//! that `hookwarden explain` prints all come from the row of that reason: nothing else in the code names a status for
//! a refusal. Deliberately absent: 410 (senders disable an endpoint that answers it) and any detail on *why* a
//! credential failed in the client's text.

mod rows;
mod used_up;

use std::fmt;
use std::time::Duration;

pub use used_up::{Scope, UsedUp};

use rows::ROWS;

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
