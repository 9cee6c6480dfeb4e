//! The only reader of clocks. Every gate takes [`Now`] as an argument, so that a test chooses the time.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How late a thread may hear that the wall clock was set. Nothing here asks it for less than a second.
const COUNTED_ON: Duration = Duration::from_millis(20);

/// One moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time since the Unix epoch: what a sender's timestamp is compared with, and what a record says.
    pub wall: Duration,
    /// Monotonic time: what deadlines and durations are made of.
    pub instant: Instant,
}

impl Now {
    /// Reads both clocks. The wall clock is counted on from its last reading for up to 20 milliseconds.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads clocks")]
    pub fn read() -> Self {
        thread_local! {
            static LAST: Cell<Option<Now>> = const { Cell::new(None) };
        }
        let instant = Instant::now();
        if let Some(last) = LAST.get() {
            let since = instant.saturating_duration_since(last.instant);
            if since < COUNTED_ON {
                return Self { wall: last.wall.saturating_add(since), instant };
            }
        }
        // A clock before 1970 makes every signed timestamp one from the future, so everything is refused.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        LAST.set(Some(Self { wall, instant }));
        Self { wall, instant }
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
