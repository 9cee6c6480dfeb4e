//! Lock-outs: whoever fails to prove too much in too short a time is not listened to for a while. Pure; time is an
//! argument.
//!
//! A lock is of one source on one route, because senders share addresses: whoever makes a provider's servers send wrongly
//! signed requests to one route must not close another. Each further lock lasts twice as long as the one before, up to
//! [`LONGEST`]; a source that has kept still for [`FORGIVEN`] after its last lock begins anew. Of the table's places an
//! unlocked source's is given up first, then that of the lock that ends soonest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Now;

use super::source::Source;
use super::table::{Key, Table};

/// The longest that a lock lasts, however often its source offends.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long after its last lock a source has to keep still until its next one is a first one again.
pub const FORGIVEN: Duration = Duration::from_secs(24 * 3600);

/// When a source is locked out, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Failures that lock.
    pub failures: u32,
    /// The time that they have to fall into.
    pub within: Duration,
    /// How long the first lock lasts.
    pub lasts: Duration,
}

/// The locks.
#[derive(Debug)]
pub struct Lockouts {
    rule: Rule,
    start: Instant,
    table: Table<Entry>,
    locked: AtomicU64,
    spoken: AtomicU64,
}

/// What is known of one source on one route, in milliseconds since the start.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// When the first of the failures was that are counted.
    since: u64,
    /// When the lock ends, or has ended; 0 for none yet.
    until: u64,
    failures: u32,
    locks: u32,
}

/// One lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Who is locked out.
    pub source: Source,
    /// From the route at this index.
    pub route: usize,
    /// For how much longer.
    pub left: Duration,
    /// How many locks it has had in a row, this one included.
    pub locks: u32,
}

impl Lockouts {
    /// No locks yet. At least `capacity` sources are remembered, each once a route.
    #[must_use]
    pub fn new(rule: Rule, capacity: usize, now: Now) -> Self {
        Self {
            rule,
            start: now.instant,
            table: Table::new(capacity),
            locked: AtomicU64::new(0),
            spoken: AtomicU64::new(0),
        }
    }

    /// How much longer a source is locked out from a route.
    #[must_use]
    pub fn left(&self, source: Source, route: usize, now: Now) -> Option<Duration> {
        let now = self.millis(now);
        self.table.known(Key::on(source.bits(), route), |entry| entry.left(now)).flatten()
    }

    /// Counts a failed authentication. Gives the lock that follows from it.
    pub fn failed(&self, source: Source, route: usize, now: Now) -> Option<Lock> {
        let (millis, rule) = (self.millis(now), &self.rule);
        let key = Key::on(source.bits(), route);
        let lock = self.table.with(
            key,
            |entry| entry.rank(millis),
            |entry| entry.fail(rule, millis).map(|left| Lock { source, route, left, locks: entry.locks }),
        );
        self.locked.fetch_add(lock.is_some().into(), Ordering::Relaxed);
        lock
    }

    /// Lifts the lock of a source on a route, and forgets what it did. False: there was none.
    pub fn lift(&self, source: Source, route: usize, now: Now) -> bool {
        let now = self.millis(now);
        let forget = |entry: &mut Entry| std::mem::take(entry).left(now).is_some();
        self.table.known(Key::on(source.bits(), route), forget).unwrap_or(false)
    }

    /// Every lock, by its end.
    #[must_use]
    pub fn list(&self, now: Now) -> Vec<Lock> {
        let (millis, mut locks) = (self.millis(now), Vec::new());
        self.table.retain(|key, entry| {
            let (source, route) = (Source::from(key.who), key.route as usize);
            locks.extend(entry.left(millis).map(|left| Lock { source, route, left, locks: entry.locks }));
            true
        });
        locks.sort_by_key(|lock| (lock.left, lock.source, lock.route));
        locks
    }

    /// How many locks hold.
    #[must_use]
    pub fn len(&self, now: Now) -> usize {
        let now = self.millis(now);
        self.table.count(|entry| entry.left(now).is_some())
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self, now: Now) -> bool {
        self.len(now) == 0
    }

    /// How many there have been.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.locked.load(Ordering::Relaxed)
    }

    /// Whether a lock may be spoken of: once a second, or whoever has many addresses would fill the operational log.
    pub fn may_speak(&self, now: Now) -> bool {
        let second = self.millis(now) / 1000 + 1;
        self.spoken.swap(second, Ordering::Relaxed) != second
    }

    /// From one, so that no moment is the 0 of an entry that is new.
    fn millis(&self, now: Now) -> u64 {
        1 + millis(now.instant.saturating_duration_since(self.start))
    }
}

impl Entry {
    fn left(&self, now: u64) -> Option<Duration> {
        self.until.checked_sub(now).filter(|left| *left > 0).map(Duration::from_millis)
    }

    /// A failure at `now`; for how long it locks, if it does.
    fn fail(&mut self, rule: &Rule, now: u64) -> Option<Duration> {
        if self.left(now).is_some() {
            // What was on its way when the lock fell is no further offence.
            return None;
        }
        if now.saturating_sub(self.since) > millis(rule.within) || self.since == 0 {
            (self.since, self.failures) = (now, 0);
        }
        self.failures += 1;
        if self.failures < rule.failures {
            return None;
        }
        if now.saturating_sub(self.until) > millis(FORGIVEN) {
            self.locks = 0;
        }
        let doubled = rule.lasts.saturating_mul(1_u32.checked_shl(self.locks).unwrap_or(u32::MAX));
        let lasts = doubled.min(LONGEST.max(rule.lasts));
        *self = Self { since: 0, until: now + millis(lasts), failures: 0, locks: self.locks.saturating_add(1) };
        Some(lasts)
    }

    /// What matters least goes first: who is not locked, the one that failed longest ago; then the lock that ends soonest.
    fn rank(&self, now: u64) -> u64 {
        const LOCKED: u64 = 1 << 63;
        self.left(now).map_or(self.since.max(self.until), |_| LOCKED | self.until)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn lockouts(start: Now) -> Lockouts {
        Lockouts::new(Rule { failures: 3, within: MINUTE, lasts: 15 * MINUTE }, 1024, start)
    }

    fn fail_until_locked(locks: &Lockouts, now: Now) -> Option<Duration> {
        (0..3).filter_map(|_| locks.failed(Source::from(7), 0, now)).map(|lock| lock.left).last()
    }

    #[test]
    fn so_many_failures_in_so_short_a_time_lock() {
        let start = Now::read();
        let locks = lockouts(start);
        let source = Source::from(7);
        for seconds in [0, 1, 62, 63] {
            let now = start.plus(Duration::from_secs(seconds));
            assert!(locks.failed(source, 0, now).is_none() && locks.left(source, 0, now).is_none(), "{seconds}");
        }
        let now = start.plus(Duration::from_secs(64));
        let lock = Lock { source, route: 0, left: 15 * MINUTE, locks: 1 };
        assert_eq!(locks.failed(source, 0, now), Some(lock));
        assert_eq!(locks.left(source, 0, now.plus(14 * MINUTE)), Some(MINUTE));
        assert_eq!((locks.list(now), locks.len(now), locks.total()), (vec![lock], 1, 1));
        assert_eq!(locks.left(source, 1, now), None, "another route is another matter");
        assert_eq!(locks.left(Source::from(8), 0, now), None, "and so is another source");
        assert_eq!(locks.left(source, 0, now.plus(15 * MINUTE)), None);
        assert!(locks.is_empty(now.plus(15 * MINUTE)));
    }

    #[test]
    fn who_offends_again_is_locked_out_for_longer_and_who_keeps_still_is_forgiven() {
        let mut now = Now::read();
        let locks = lockouts(now);
        for minutes in [15, 30, 60, 120, 240, 480, 960, 1440, 1440] {
            let lasts = fail_until_locked(&locks, now).expect("a lock");
            assert_eq!(lasts, minutes * MINUTE);
            assert!(locks.failed(Source::from(7), 0, now).is_none(), "no lock upon a lock");
            now = now.plus(lasts);
        }
        now = now.plus(FORGIVEN + MINUTE);
        assert_eq!(fail_until_locked(&locks, now), Some(15 * MINUTE));
    }

    #[test]
    fn a_lock_can_be_lifted() {
        let now = Now::read();
        let locks = lockouts(now);
        fail_until_locked(&locks, now);
        assert!(!locks.lift(Source::from(7), 1, now) && locks.lift(Source::from(7), 0, now));
        assert!(locks.left(Source::from(7), 0, now).is_none() && !locks.lift(Source::from(7), 0, now));
        assert_eq!(fail_until_locked(&locks, now), Some(15 * MINUTE), "and is forgotten");
    }

    #[test]
    fn strangers_with_many_addresses_do_not_push_locks_out() {
        let now = Now::read();
        let locks = lockouts(now);
        fail_until_locked(&locks, now);
        for source in 1000..100_000 {
            assert!(locks.failed(Source::from(source), 0, now).is_none());
        }
        assert!(locks.left(Source::from(7), 0, now).is_some());
    }
}
