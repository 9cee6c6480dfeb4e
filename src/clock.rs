//! The only reader of clocks. Every gate takes [`Now`] as an argument, so that a test chooses the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time since the Unix epoch: what a sender's timestamp is compared with, and what a record says.
    pub wall: Duration,
    /// Monotonic time: what deadlines and durations are made of.
    pub instant: Instant,
}

impl Now {
    /// Reads both clocks.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    pub fn read() -> Self {
        // A clock before 1970 makes every signed timestamp one from the future, so everything is refused.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall, instant: Instant::now() }
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.wall.as_secs()
    }

    /// This moment, later by `by` on both clocks.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self { wall: self.wall.saturating_add(by), instant: self.instant.checked_add(by).unwrap_or(self.instant) }
    }
}
