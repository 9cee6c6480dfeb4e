//! Unusual activity: what a person should look at though each request alone was answered as it should be.
//!
//! Fed by the one record of each request. What is usual is learnt from the traffic itself, per route and in bounded
//! state: five-minute counts of a day, the longest pauses of a week, the networks that authentic requests come from.
//! So nothing is said before enough is known, and a restart learns anew. Each episode is told once. Pure; time is an
//! argument. Deliberately absent: settings, and any effect on what is let through.

mod probing;
mod route;
mod series;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::clock::Now;
use crate::deny::Reason;

use super::Record;
use probing::Probing;
use route::Watch;

/// What kind of thing is unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is documented by its row in the table")]
pub enum Kind {
    FailureBurst,
    NewSource,
    VolumeSpike,
    Silence,
    ClockSkew,
    RotationMissed,
    Probing,
}

/// How many kinds there are.
pub const KINDS: usize = ROWS.len();

/// Everything that is known of a kind.
#[derive(Debug)]
pub struct Row {
    /// The kind that this row describes.
    pub kind: Kind,
    /// Its name in records and metrics.
    pub name: &'static str,
    /// What is seen, and what it is held against.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// One row a kind, in the order of the enum.
static ROWS: [Row; 7] = [
    Row {
        kind: Kind::FailureBurst,
        name: "failure_burst",
        what: "Within five minutes at least 20 requests to a route failed to authenticate, and four times as many as in the worst five minutes of the day before.",
        why: "Somebody tries secrets, or a sender is set up wrongly.",
        fix: "Look at the records' source: one that you do not know can be kept out by SOURCES or RATE_PER_SOURCE; one that you know needs its secret set right.",
    },
    Row {
        kind: Kind::NewSource,
        name: "new_source",
        what: "An authentic request came from a network (/16, of IPv6 /32) that the route has never had one from, after a day and a hundred requests without a new one.",
        why: "A stolen secret is used from somewhere else.",
        fix: "Compare the source with the ranges that the provider publishes. If it is none of theirs, rotate the secret; then set SOURCES.",
    },
    Row {
        kind: Kind::VolumeSpike,
        name: "volume_spike",
        what: "Within five minutes at least 100 authentic requests, and eight times as many as in the busiest five minutes of the day before.",
        why: "A sender that loops, or a stolen secret that is put to use, can take the service down.",
        fix: "Look at the records' event and key_id. Set RATE on the route to what the service can take; the sender retries the rest.",
    },
    Row {
        kind: Kind::Silence,
        name: "silence",
        what: "A route that has traffic round the clock has heard nothing of its senders for three times its longest pause of the week, and for half an hour at least.",
        why: "Lost webhooks are noticed late: the endpoint may have been disabled at the provider, or the way to here is broken.",
        fix: "Look at the provider's page of deliveries, and at DNS, certificate and load balancer in front.",
    },
    Row {
        kind: Kind::ClockSkew,
        name: "clock_skew",
        what: "At least ten requests in a row, over a minute or more, were refused for their signed time, and all were off by the same.",
        why: "Messages that are late are late by different times; the same one each time is a clock that is wrong.",
        fix: "Compare this machine's clock with another's (NTP), and then the sender's. If a proxy holds requests back for a fixed time, raise TOLERANCE.",
    },
    Row {
        kind: Kind::RotationMissed,
        name: "rotation_missed",
        what: "From where a route's authentic requests come, at least ten in a row have a wrong signature, and none has been authentic for five times the usual pause and a minute at least.",
        why: "The secret was probably rotated at the provider; every webhook is being refused until it is known here.",
        fix: "Add the new secret to the route's SECRET_FILE: it is live within seconds. Then have the provider send again what was refused.",
    },
    Row {
        kind: Kind::Probing,
        name: "probing",
        what: "Within ten minutes one address asked for ten or more different paths that no route has.",
        why: "Somebody looks for what is there. What is not permitted is refused, but it shows interest.",
        fix: "Nothing has passed. If it goes on, keep the address out in front of the sidecar.",
    },
];

impl Kind {
    /// The row of this kind.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.kind)
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.name == name).map(|row| row.kind)
    }

    /// Whether it is seen where no route was found, and not on routes.
    #[must_use]
    pub fn is_of_strangers(self) -> bool {
        self == Self::Probing
    }
}

/// Something unusual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Its kind.
    pub kind: Kind,
    /// Where it comes from, if it is one address.
    pub source: Option<IpAddr>,
    /// What was seen.
    pub saw: String,
    /// What is usual.
    pub usual: String,
}

impl Anomaly {
    fn new(kind: Kind, source: Option<IpAddr>, saw: impl fmt::Display, usual: impl fmt::Display) -> Self {
        Self { kind, source, saw: saw.to_string(), usual: usual.to_string() }
    }
}

/// What a record says that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It was proven, and new.
    Authentic,
    /// It proved nothing.
    Unproven,
    /// It has a signature, of no key that is known here.
    WrongKey,
    /// Its signed time is off by so many seconds; negative for one from the future.
    Off(i64),
}

impl Seen {
    fn of(record: &Record<'_>) -> Option<Self> {
        match (record.reason, record.skew) {
            (Reason::CredentialMissing | Reason::TimestampMissing, _) => Some(Self::Unproven),
            (Reason::CredentialInvalid, _) => Some(Self::WrongKey),
            (Reason::TimestampStale | Reason::TimestampFuture, Some(seconds)) => Some(Self::Off(seconds)),
            (Reason::TimestampStale | Reason::TimestampFuture | Reason::Replayed | Reason::CredentialExpired, _) => {
                None
            }
            _ => record.key.map(|_| Self::Authentic),
        }
    }
}

/// What is known of the traffic.
#[derive(Debug)]
pub struct Anomalies {
    start: Instant,
    routes: Box<[Mutex<Watch>]>,
    probing: Mutex<Probing>,
}

impl Anomalies {
    /// Nothing known yet, of that many routes.
    #[must_use]
    pub fn new(routes: usize, now: Now) -> Self {
        let routes = (0..routes).map(|_| Mutex::new(Watch::default())).collect();
        Self { start: now.instant, routes, probing: Mutex::default() }
    }

    /// Takes a record of the route at an index, or of none. Gives what is unusual about it.
    pub fn see(&self, route: Option<usize>, record: &Record<'_>) -> Option<Anomaly> {
        let second = self.second(record.time);
        match route {
            None if record.reason == Reason::RouteUnknown => {
                lock(&self.probing).see(record.source, record.path, second)
            }
            None => None,
            Some(index) => lock(self.routes.get(index)?).see(Seen::of(record)?, record.source, second),
        }
    }

    /// Looks for what shows by nothing happening: to be asked now and then. Gives the indices of routes, too.
    pub fn look(&self, now: Now) -> impl Iterator<Item = (usize, Anomaly)> {
        let second = self.second(now);
        let routes = self.routes.iter().enumerate();
        routes.filter_map(move |(index, watch)| Some((index, lock(watch).look(second)?)))
    }

    /// From one, so that no second is the 0 of what has not been seen.
    fn second(&self, now: Now) -> u64 {
        1 + now.instant.saturating_duration_since(self.start).as_secs()
    }
}

/// Nothing here can panic half-way, and a wrong count would be no harm.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
