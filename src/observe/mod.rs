//! What happened: one record a request moves the counters and writes the log line.
//!
//! The pipeline says what it saw in a [`Record`]; [`record`] is the only place that turns it into meters and into a line
//! of the audit log, so that the two never tell different stories.

pub mod anomaly;
pub mod audit_log;
pub mod chain;
mod line;
pub mod metrics;
pub mod snapshot;
mod spoken;

use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Now;
use crate::deny::{Reason, Scope};

use anomaly::Anomaly;
use audit_log::AuditLog;
use metrics::{Metrics, RouteMeters};

/// The revision that this binary was built from.
pub const REVISION: &str = env!("HOOKWARDEN_BUILD_REVISION");

/// The compiler that built it.
pub const RUSTC: &str = env!("HOOKWARDEN_BUILD_RUSTC");

/// When it was built, or its sources last changed, in seconds since the Unix epoch; `None` where that is not known.
#[must_use]
pub fn built() -> Option<u64> {
    env!("HOOKWARDEN_BUILD_TIME").parse().ok()
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// The service answered it.
    Forwarded,
    /// It was refused.
    Denied,
    /// It was answered here: an endpoint verification, or a genuine retry of what was delivered already.
    Answered,
    /// It would have been refused, but its route only monitors: the service answered it.
    Monitored,
}

impl Decision {
    /// What a reason means on a route that enforces.
    #[must_use]
    pub fn usual(reason: Reason) -> Self {
        match reason.row().status {
            0 => Self::Forwarded,
            200 => Self::Answered,
            _ => Self::Denied,
        }
    }

    /// Its name in records and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Denied => "denied",
            Self::Answered => "answered",
            Self::Monitored => "monitored",
        }
    }
}

/// One request, as it will be remembered.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// When it was over.
    pub time: Now,
    /// Its id.
    pub request_id: &'a str,
    /// Its route, if one was found.
    pub route: Option<&'a str>,
    /// That route's provider.
    pub provider: Option<&'a str>,
    /// What became of it.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// The status that the client was sent.
    pub status: u16,
    /// The status that the service sent.
    pub upstream_status: Option<u16>,
    /// Its method; empty where there was none to be read.
    pub method: &'a [u8],
    /// Its raw path, without the query.
    pub path: &'a [u8],
    /// Who sent it.
    pub source: IpAddr,
    /// The id of the key that it was proven with.
    pub key_id: Option<&'a str>,
    /// That key's index in its route.
    pub key: Option<usize>,
    /// The sender's id of the delivery.
    pub delivery_id: Option<&'a [u8]>,
    /// The event's type.
    pub event: Option<&'a [u8]>,
    /// The media type that its Content-Type names, without parameters, in the sender's case.
    pub content_type: Option<&'a [u8]>,
    /// What the proof binds, in a word; none where nothing was proven.
    pub binding: Option<&'static str>,
    /// Where claims are shared: whether this one was, or stood by this process's word alone.
    pub claim: Option<&'static str>,
    /// The body, as far as it was read.
    pub body: &'a [u8],
    /// Whether the line carries the body's SHA-256.
    pub body_digest: bool,
    /// Time spent on the gates, without waiting for the sender.
    pub verify: Duration,
    /// Time until the service's response's head, where the request went there.
    pub upstream: Option<Duration>,
    /// Time from the request's first byte to the answer's last.
    pub total: Duration,
    /// The TLS version, where the connection was encrypted; `forwarded` where a trusted proxy said that it ended TLS.
    pub tls: Option<&'static str>,
    /// A name in the certificate that the client has shown.
    pub client_san: Option<&'a str>,
    /// Whose rate was used up, where one was.
    pub limited: Option<Scope>,
    /// By how many seconds its signed time lay in the past, where it signed one and that was asked about.
    pub skew: Option<i64>,
}

/// Moves the counters, writes the line, and speaks of what an operator should know.
pub fn record(meters: &RouteMeters, log: &AuditLog, record: &Record<'_>) {
    meters.count(record);
    log.write(record);
    meters.spoken.of(record);
}

/// Does the same for something unusual.
pub fn anomaly(meters: &RouteMeters, log: &AuditLog, route: Option<&str>, anomaly: &Anomaly, now: Now) {
    meters.count_anomaly(anomaly.kind);
    log.write_anomaly(route, anomaly, now);
    let (route, kind, saw, usual) =
        (route.unwrap_or(metrics::NO_ROUTE), anomaly.kind.row().name, &anomaly.saw, &anomaly.usual);
    tracing::warn!(route, kind, saw, usual, "something unusual; `hookwarden explain` knows the kind");
}

/// What an audit of the configuration has found, beside the one before.
#[derive(Debug, Clone, Copy)]
pub struct AuditChange<'a> {
    /// How many findings there are, by severity.
    pub found: &'a [(&'static str, usize)],
    /// What was not there before, by rule and place.
    pub new: &'a [String],
    /// What is not there any more.
    pub gone: &'a [String],
}

/// Sets the gauges, and writes a line where something has changed.
pub fn audited(metrics: &Metrics, log: &AuditLog, change: &AuditChange<'_>, now: Now) {
    metrics.audited(change.found);
    if !change.new.is_empty() || !change.gone.is_empty() {
        log.write_audit(change, now);
    }
}
