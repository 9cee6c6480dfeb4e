//! When a source is asked next. Pure: the time and the dice are arguments, so that a test is a row.
//!
//! | what happened | when it is asked again |
//! |---|---|
//! | an answer that says how long it is good for (`Cache-Control: max-age`, RFC 9111) | after that, but within [`BOUNDS`]; a little earlier, so that replicas do not come at once |
//! | an answer that does not | after [`USUAL`] |
//! | a failure | after a random part of 1 s, 2 s, 4 s … up to [`PATIENCE`] (full jitter), or [`IMPATIENCE`] while there never was an answer |
//! | a message names something that was not in the answer | at once, but not within [`ASKED_EVERY`] of the last time |

use std::time::{Duration, Instant};

use crate::clock::Now;

/// The least and the most that an answer is good for, whatever it says: a key that is revoked should be gone within a
/// day, and a server that says 0 should not be asked all the time.
pub const BOUNDS: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(24 * 3600));

/// How long an answer is good for that does not say.
pub const USUAL: Duration = Duration::from_secs(3600);

/// The first pause after a failure.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after failures, while an earlier answer is in use.
pub const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The longest pause while there never was one, so that every message is refused.
pub const IMPATIENCE: Duration = Duration::from_secs(30);

/// How often messages can have a source asked: anybody can name a key that does not exist.
pub const ASKED_EVERY: Duration = Duration::from_secs(30);

/// When a source is asked next.
#[derive(Debug, Clone, Copy, Default)]
pub struct Schedule {
    /// When it is due; `None` for at once.
    next: Option<Instant>,
    /// When it was asked last.
    last: Option<Instant>,
    failures: u32,
    answered: bool,
}

impl Schedule {
    /// Whether it is asked now. `asked`: a message named something that is not known.
    #[must_use]
    pub fn is_due(&self, now: Now, asked: bool) -> bool {
        self.next.is_none_or(|next| now.instant >= next)
            || asked && self.last.is_none_or(|last| now.instant.saturating_duration_since(last) >= ASKED_EVERY)
    }

    /// It is asked now.
    pub fn started(&mut self, now: Now) {
        self.last = Some(now.instant);
    }

    /// It has answered, with what is good for `max_age`. `dice` is random.
    pub fn answered(&mut self, now: Now, max_age: Option<Duration>, dice: u64) {
        self.next = now.instant.checked_add(good_for(max_age, dice));
        (self.failures, self.answered) = (0, true);
    }

    /// It has not answered, or not with anything of use. `dice` is random.
    pub fn failed(&mut self, now: Now, dice: u64) {
        let longest = if self.answered { PATIENCE } else { IMPATIENCE };
        self.next = now.instant.checked_add(pause(self.failures, longest, dice));
        self.failures = self.failures.saturating_add(1);
    }
}

/// How long an answer is good for, a little less at random so that replicas do not come at once.
pub(super) fn good_for(max_age: Option<Duration>, dice: u64) -> Duration {
    let good_for = max_age.unwrap_or(USUAL).clamp(BOUNDS.0, BOUNDS.1);
    good_for.saturating_sub(random_below(good_for / 10, dice)).max(BOUNDS.0)
}

/// How long to wait after so many failures before, at random.
pub(super) fn pause(failures: u32, longest: Duration, dice: u64) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.min(MAX_DOUBLINGS)).min(longest);
    FIRST_PAUSE.max(random_below(most, dice))
}

/// Beyond this many the longest pause is reached.
const MAX_DOUBLINGS: u32 = 10;

fn random_below(most: Duration, dice: u64) -> Duration {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(dice % (most + 1))
}

/// How long a response is good for, by its `Cache-Control` (RFC 9111 section 5.2.2). What must not be kept is good for
/// no time; `None` where nothing is said.
#[must_use]
pub fn max_age(cache_control: &[u8]) -> Option<Duration> {
    let mut age = None;
    for directive in cache_control.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        let directive = directive.to_ascii_lowercase();
        if directive == b"no-store" || directive.starts_with(b"no-cache") {
            return Some(Duration::ZERO);
        }
        if let Some(seconds) = directive.strip_prefix(b"max-age=") {
            let seconds = seconds.strip_prefix(b"\"").and_then(|quoted| quoted.strip_suffix(b"\"")).unwrap_or(seconds);
            age = crate::http1::framing::digits(seconds).map(Duration::from_secs);
        }
    }
    age
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source at second 0, and how long it rests after what happens there.
    fn rest(happens: impl Fn(&mut Schedule, Now)) -> u64 {
        let (mut schedule, start) = (Schedule::default(), Now::read());
        assert!(schedule.is_due(start, false), "the first time is at once");
        schedule.started(start);
        happens(&mut schedule, start);
        let due = |seconds: &u64| schedule.is_due(start.plus(Duration::from_secs(*seconds)), false);
        (0..=100_000).find(due).expect("it is asked again")
    }

    #[test]
    fn an_answer_rests_as_long_as_it_says_within_bounds() {
        let check = |max_age: Option<u64>, dice, expected| {
            let found = rest(|schedule, now| schedule.answered(now, max_age.map(Duration::from_secs), dice));
            assert_eq!(found, expected, "{max_age:?} {dice}");
        };
        check(None, 0, 3600);
        check(Some(600), 0, 600);
        check(Some(0), 0, 300);
        check(Some(1_000_000), 0, 86400);
        check(Some(u64::MAX), 0, 86400);
        // Up to a tenth earlier, but never below the least.
        check(None, 360_000, 3240);
        check(Some(300), 29_000, 300);
    }

    #[test]
    fn failures_rest_longer_and_longer_by_chance() {
        let check = |answered_before: bool, failures: u32, dice: u64, expected: u64| {
            let found = rest(|schedule, now| {
                if answered_before {
                    schedule.answered(now, None, 0);
                }
                (0..failures).for_each(|_| schedule.failed(now, dice));
            });
            assert_eq!(found, expected, "{answered_before} {failures} {dice}");
        };
        check(true, 1, 0, 1);
        check(true, 9, 0, 1);
        check(true, 1, 1000, 1);
        check(true, 4, 8000, 8);
        check(true, 9, 256_000, 256);
        check(true, 20, 300_000, 300);
        check(false, 4, 8000, 8);
        check(false, 20, 30_000, 30);
    }

    #[test]
    fn unknown_keys_have_it_asked_at_most_every_30_seconds() {
        let (mut schedule, start) = (Schedule::default(), Now::read());
        let mut asked_at = Vec::new();
        for second in 0..=100 {
            let now = start.plus(Duration::from_secs(second));
            // A message with an unknown key every second.
            if schedule.is_due(now, true) {
                asked_at.push(second);
                schedule.started(now);
                schedule.answered(now, None, 0);
            }
        }
        assert_eq!(asked_at, [0, 30, 60, 90]);
        // Nor do failures make it more.
        let (mut schedule, mut asked_at) = (Schedule::default(), Vec::new());
        for second in 0..=100 {
            let now = start.plus(Duration::from_secs(second));
            if schedule.is_due(now, true) {
                asked_at.push(second);
                schedule.started(now);
                schedule.answered(now, None, 0);
                (0..20).for_each(|_| schedule.failed(now, 300_000));
            }
        }
        assert_eq!(asked_at, [0, 30, 60, 90]);
    }

    #[test]
    fn cache_control() {
        for (text, expected) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=60, must-revalidate", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("max-age=60, no-store", Some(0)),
            ("no-cache", Some(0)),
            ("s-maxage=60", None),
            ("max-age=-1", None),
            ("max-age=+60", None),
            ("max-age=99999999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(max_age(text.as_bytes()), expected.map(Duration::from_secs), "{text:?}");
        }
    }
}
