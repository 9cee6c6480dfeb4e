//! Rates: so many requests in a time, and a burst of so many at once. Pure; time is an argument.
//!
//! The generic cell rate algorithm (ITU-T I.371 annex A): all that is kept of a bucket is the time at which it is full
//! again. A request moves that time on by one interval, and is refused if it would then lie further away than the burst
//! allows. No timer refills anything, and a refused request costs its sender nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Now;

use super::source::Source;
use super::table::{Key, Table};

/// The largest count or burst of a rate: beyond it an interval is no whole number of nanoseconds any more.
pub const MAX_COUNT: u32 = 1_000_000;

/// How many requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval: u64,
    burst: u32,
}

/// A request that came too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// How many may come at once: the rate's burst.
    pub limit: u32,
    /// When the next one may come.
    pub wait: Duration,
    /// When as many as the burst may come again.
    pub reset: Duration,
}

impl Rate {
    /// `count` requests in each `per`, and `burst` at once. `None` where one of them is zero or beyond [`MAX_COUNT`].
    #[must_use]
    pub fn new(count: u32, per: Duration, burst: u32) -> Option<Self> {
        let good = |number: u32| (1..=MAX_COUNT).contains(&number);
        let interval = u64::try_from(per.as_nanos()).ok()?.checked_div(u64::from(count))?;
        (good(count) && good(burst) && interval > 0).then_some(Self { interval, burst })
    }

    /// One request of a bucket that is full again at `full`. Gives when it then is.
    fn take(self, full: u64, now: u64) -> Result<u64, Limited> {
        let after = full.max(now).saturating_add(self.interval);
        let room = self.interval.saturating_mul(u64::from(self.burst));
        let away = after.saturating_sub(now);
        if away <= room {
            return Ok(after);
        }
        let wait = Duration::from_nanos(away - room);
        Err(Limited { limit: self.burst, wait, reset: Duration::from_nanos(full.saturating_sub(now)) })
    }
}

/// A rate for each address, and how it is used. At most so many addresses are remembered: the bucket that is full again,
/// or will be soonest, gives way.
#[derive(Debug)]
pub struct BySource {
    rate: Rate,
    start: Instant,
    table: Table<u64>,
}

impl BySource {
    /// That rate for each of at least `capacity` addresses.
    #[must_use]
    pub fn new(rate: Rate, capacity: usize, now: Now) -> Self {
        Self { rate, start: now.instant, table: Table::new(capacity) }
    }

    /// One request.
    ///
    /// # Errors
    /// It came too soon.
    pub fn take(&self, source: Source, now: Now) -> Result<(), Limited> {
        take_of(&self.table, Key::of(source), self.rate, nanos(self.start, now))
    }

    /// Whether a request would come too soon. Nothing is counted.
    #[must_use]
    pub fn is_used_up(&self, source: Source, now: Now) -> bool {
        let now = nanos(self.start, now);
        self.table.known(Key::of(source), |full| self.rate.take(*full, now).is_err()).unwrap_or(false)
    }

    /// Addresses whose bucket is not full.
    #[must_use]
    pub fn len(&self, now: Now) -> usize {
        let now = nanos(self.start, now);
        self.table.count(|full| *full > now)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self, now: Now) -> bool {
        self.len(now) == 0
    }
}

/// What has been used of the rates of routes and of credentials. Both are of requests that were proven.
#[derive(Debug)]
pub struct ByRoute {
    start: Instant,
    routes: Box<[AtomicU64]>,
    credentials: Table<u64>,
}

/// Credentials that are remembered for each route: as many keys as one may have, several times.
const CREDENTIALS: usize = 64;

impl ByRoute {
    /// Nothing used, on that many routes.
    #[must_use]
    pub fn new(routes: usize, now: Now) -> Self {
        let credentials = Table::new(routes * CREDENTIALS);
        Self { start: now.instant, routes: (0..routes).map(|_| AtomicU64::new(0)).collect(), credentials }
    }

    /// One request on the route at an index.
    ///
    /// # Errors
    /// It came too soon.
    pub fn take(&self, route: usize, rate: Rate, now: Now) -> Result<(), Limited> {
        let now = nanos(self.start, now);
        let Some(full) = self.routes.get(route) else { return Ok(()) };
        let mut limited = None;
        let _ = full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full| {
            rate.take(full, now).map_err(|refusal| limited = Some(refusal)).ok()
        });
        // A refusal ends it: only what was granted, and lost a race, is asked again.
        limited.map_or(Ok(()), Err)
    }

    /// One request that was proven by the credential of that id.
    ///
    /// # Errors
    /// It came too soon.
    pub fn take_credential(&self, route: usize, id: &str, rate: Rate, now: Now) -> Result<(), Limited> {
        take_of(&self.credentials, self.credential(route, id), rate, nanos(self.start, now))
    }

    /// Gives back what a credential took for a request that its route then refused.
    pub fn give_back(&self, route: usize, id: &str, rate: Rate) {
        let give = |full: &mut u64| *full = full.saturating_sub(rate.interval);
        let _ = self.credentials.known(self.credential(route, id), give);
    }

    fn credential(&self, route: usize, id: &str) -> Key {
        Key::on(self.credentials.digest(id), route)
    }
}

fn take_of(table: &Table<u64>, key: Key, rate: Rate, now: u64) -> Result<(), Limited> {
    table.with(
        key,
        |full| *full,
        |full| {
            *full = rate.take(*full, now)?;
            Ok(())
        },
    )
}

/// Nanoseconds since the start; they last for 584 years.
fn nanos(start: Instant, now: Now) -> u64 {
    u64::try_from(now.instant.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(count: u32, per: u64, burst: u32) -> Rate {
        Rate::new(count, Duration::from_secs(per), burst).expect("a good rate")
    }

    fn at(start: Now, millis: u64) -> Now {
        start.plus(Duration::from_millis(millis))
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (start, source) = (Now::read(), Source::from(7));
        let limits = BySource::new(rate(10, 1, 3), 1024, start);
        for (millis, expected) in
            [(0, true), (0, true), (0, true), (0, false), (99, false), (100, true), (100, false), (1000, true)]
        {
            assert_eq!(limits.take(source, at(start, millis)).is_ok(), expected, "at {millis} ms");
        }
        assert!(limits.take(Source::from(8), at(start, 100)).is_ok(), "another one's share is its own");
    }

    #[test]
    fn a_refusal_says_when_and_costs_nothing() {
        let start = Now::read();
        let limits = ByRoute::new(1, start);
        let rate = rate(1, 60, 2);
        assert!(limits.take(0, rate, start).is_ok() && limits.take(0, rate, start).is_ok());
        let secs = Duration::from_secs;
        for _ in 0..3 {
            let expected = Limited { limit: 2, wait: secs(60), reset: secs(120) };
            assert_eq!(limits.take(0, rate, start), Err(expected));
        }
        let expected = Limited { limit: 2, wait: secs(1), reset: secs(61) };
        assert_eq!(limits.take(0, rate, at(start, 59_000)), Err(expected));
        assert!(limits.take(0, rate, at(start, 60_000)).is_ok());
    }

    #[test]
    fn credentials_have_shares_of_their_own_and_get_back_what_the_route_refused() {
        let start = Now::read();
        let limits = ByRoute::new(2, start);
        let rate = rate(1, 3600, 1);
        assert!(limits.take_credential(0, "one", rate, start).is_ok());
        assert!(limits.take_credential(0, "one", rate, start).is_err());
        assert!(limits.take_credential(0, "two", rate, start).is_ok());
        assert!(limits.take_credential(1, "one", rate, start).is_ok());
        limits.give_back(0, "one", rate);
        assert!(limits.take_credential(0, "one", rate, start).is_ok());
    }

    #[test]
    fn rates_that_are_none() {
        for (count, per, burst) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (MAX_COUNT + 1, 1, 1), (1, 1, MAX_COUNT + 1)] {
            assert_eq!(Rate::new(count, Duration::from_secs(per), burst), None, "{count}/{per} burst {burst}");
        }
        assert!(Rate::new(MAX_COUNT, Duration::from_secs(1), MAX_COUNT).is_some());
    }

    #[test]
    fn a_hundred_thousand_sources_take_no_more_room_than_a_thousand() {
        let start = Now::read();
        let limits = BySource::new(rate(1, 60, 1), 1024, start);
        for source in 0..100_000 {
            assert!(limits.take(Source::from(source), start).is_ok());
        }
        assert_eq!(limits.len(start), 1024);
        assert!(limits.is_empty(at(start, 60_000)));
    }
}
