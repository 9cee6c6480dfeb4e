//! What the operational log says of requests: that something is refused or fails, not each time that it does.
//!
//! At most one line a second for each route and reason, whatever a stranger sends: the log is written by the worker
//! itself, and would otherwise be the way to stop it. How often, the metrics tell; which ones, the audit log.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Record;
use crate::deny::{Level, REASONS};

/// When each reason was last spoken of, in seconds since the Unix epoch.
#[derive(Debug)]
pub(super) struct Spoken(Box<[AtomicU64]>);

impl Default for Spoken {
    fn default() -> Self {
        Self((0..REASONS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Spoken {
    /// Speaks of a request, if its reason deserves it and was not spoken of in the same second.
    pub(super) fn of(&self, record: &Record<'_>) {
        let level = record.reason.row().level;
        if level == Level::Info || !self.is_due(record) {
            return;
        }
        let (route, reason) = (record.route.unwrap_or(super::metrics::NO_ROUTE), record.reason.code());
        let (source, request_id, decision) = (record.source, record.request_id, record.decision.name());
        match level {
            Level::Error => tracing::error!(route, reason, decision, %source, request_id, "a request failed"),
            Level::Warn => tracing::warn!(route, reason, decision, %source, request_id, "a request did not pass"),
            Level::Info => {}
        }
    }

    fn is_due(&self, record: &Record<'_>) -> bool {
        let now = record.time.unix_seconds();
        self.0.get(record.reason as usize).is_some_and(|last| last.swap(now, Ordering::Relaxed) != now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deny::Reason;
    use crate::observe::line::tests::record;
    use std::time::Duration;

    #[test]
    fn a_reason_is_due_once_a_second() {
        let spoken = Spoken::default();
        let at = |seconds: u64, reason| Record {
            time: record(b"/").time.plus(Duration::from_secs(seconds)),
            reason,
            ..record(b"/")
        };
        assert!(spoken.is_due(&at(0, Reason::Replayed)));
        assert!(!spoken.is_due(&at(0, Reason::Replayed)));
        assert!(spoken.is_due(&at(0, Reason::RouteUnknown)));
        assert!(spoken.is_due(&at(1, Reason::Replayed)));
    }
}
