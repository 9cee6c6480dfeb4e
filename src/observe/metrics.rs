//! What is counted, for Prometheus.
//!
//! Counters and histograms live here for as long as the process; a route's are resolved once, when its policy is built,
//! so that a request only adds. Gauges that something else keeps anyway (budgets, replay store, keys) are not kept twice:
//! a scrape reads them through a [`Snapshot`]. Every series of a route is there from the start, at zero, or else `rate()`
//! would not see the first refusal. Labels come from the configuration alone: no sender can make a series.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::anomaly::Kind;
use super::snapshot::Snapshot;
use super::spoken::Spoken;
use super::{Decision, Record};
use crate::clock::Now;
use crate::deny::{Reason, Scope};

/// The `route` label of requests that no route was found for. No route can have this name.
pub const NO_ROUTE: &str = "-";

/// From a cache hit on loopback to the longest patience with a service.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// From a small token to the hash of a large body.
const VERIFY_SECONDS: [f64; 11] = [5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 1e-2, 1e-1];

/// From a circuit that is open, over a server on the same machine, to the longest wait.
const STORE_SECONDS: [f64; 10] = [1e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 2.5e-1];

/// Powers of four, up to sixteen times the usual limit.
const BYTES: [f64; 9] = [256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// All meters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    limited: IntCounterVec,
    anomalies: IntCounterVec,
    total: HistogramVec,
    verify: HistogramVec,
    upstream: HistogramVec,
    body: HistogramVec,
    reloaded: [IntCounter; 2],
    handshakes: [IntCounter; 2],
    proxy_headers: [IntCounter; 3],
    descriptors: IntGauge,
    findings: IntGaugeVec,
    jobs: Jobs,
    store: Histogram,
    used: Mutex<BTreeMap<(String, String), Weak<AtomicU64>>>,
}

/// What a connection began with, where a PROXY header is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// A trusted proxy's header.
    Read,
    /// Something else, or nothing in time, from a trusted proxy.
    Malformed,
    /// Whatever came from somebody else.
    Untrusted,
}

/// The meters of one route.
#[derive(Debug)]
pub struct RouteMeters {
    /// One a reason, for the decision that it usually means.
    usual: Box<[IntCounter]>,
    /// One a reason, of a route that only monitors; else none.
    monitored: Box<[IntCounter]>,
    /// One a kind that can be seen here.
    anomalies: Box<[(Kind, IntCounter)]>,
    /// One a scope of rates.
    limited: [IntCounter; Scope::ALL.len()],
    total: Histogram,
    /// None for strangers: what they cost is the total.
    gates: Option<Gates>,
    /// When each key was last used, in seconds since the Unix epoch.
    used: Box<[Arc<AtomicU64>]>,
    /// What the operational log has said of the route.
    pub(super) spoken: Spoken,
}

#[derive(Debug)]
struct Gates {
    verify: Histogram,
    upstream: Histogram,
    body: Histogram,
}

impl Metrics {
    /// Meters at zero.
    ///
    /// # Errors
    /// A name is registered twice, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(format!("hookwarden_{name}"), help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let opts = HistogramOpts::new(format!("hookwarden_{name}"), help).buckets(buckets.to_vec());
            let histogram = HistogramVec::new(opts, &["route"])?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        let requests = counter("requests_total", "Requests by what became of them.", &["route", "decision", "reason"])?;
        let limited = counter("rate_limited_total", "Requests that a rate refused.", &["route", "scope"])?;
        let anomalies = counter("anomalies_total", "Unusual activity by what it was.", &["route", "kind"])?;
        let total =
            histogram("request_duration_seconds", "From a request's first byte to its answer's last.", &SECONDS)?;
        let verify = histogram(
            "verify_duration_seconds",
            "Time spent on the gates, without waiting for the sender.",
            &VERIFY_SECONDS,
        )?;
        let upstream =
            histogram("upstream_duration_seconds", "Until the service's response's head was there.", &SECONDS)?;
        let body = histogram("request_body_bytes", "Sizes of requests' bodies, as far as they were read.", &BYTES)?;
        let reloads = counter("config_reloads_total", "Changed files that were loaded, or could not be.", &["result"])?;
        let handshakes = counter("tls_handshakes_total", "TLS handshakes.", &["result"])?;
        let proxy_headers =
            counter("proxy_headers_total", "PROXY headers that connections began with, or did not.", &["result"])?;
        let store = Histogram::with_opts(
            HistogramOpts::new(
                "hookwarden_replay_store_duration_seconds",
                "From a claim's way to the shared replay store to its answer, or to its failure.",
            )
            .buckets(STORE_SECONDS.to_vec()),
        )?;
        registry.register(Box::new(store.clone()))?;
        Ok(Self {
            reloaded: by_result(&reloads),
            handshakes: by_result(&handshakes),
            proxy_headers: ["success", "failure", "untrusted"].map(|result| proxy_headers.with_label_values(&[result])),
            descriptors: descriptors(&registry)?,
            findings: findings(&registry)?,
            jobs: Jobs::new(&registry)?,
            used: Mutex::default(),
            store,
            registry,
            requests,
            limited,
            anomalies,
            total,
            verify,
            upstream,
            body,
        })
    }

    /// The meters of a route. The same name and key give the same meters, from one policy to the next.
    pub fn route<'k>(&self, name: &str, monitors: bool, keys: impl Iterator<Item = &'k str>) -> RouteMeters {
        let monitored = if monitors { self.counters(name, |_| Decision::Monitored) } else { Box::default() };
        let gates = Gates {
            verify: self.verify.with_label_values(&[name]),
            upstream: self.upstream.with_label_values(&[name]),
            body: self.body.with_label_values(&[name]),
        };
        let used = keys.map(|key| self.last_use(name, key)).collect();
        RouteMeters { monitored, gates: Some(gates), used, ..self.strangers_called(name) }
    }

    /// The meters of requests that no route was found for.
    pub fn strangers(&self) -> RouteMeters {
        self.strangers_called(NO_ROUTE)
    }

    /// Counts a changed file that was loaded, or could not be.
    pub fn config_reloaded(&self, worked: bool) {
        self.reloaded[usize::from(worked)].inc();
    }

    /// Counts a TLS handshake.
    pub fn tls_handshake(&self, worked: bool) {
        self.handshakes[usize::from(worked)].inc();
    }

    /// Counts a connection that began with a PROXY header, or did not.
    pub fn proxy_header(&self, header: ProxyHeader) {
        self.proxy_headers[header as usize].inc();
    }

    /// Tells how many file descriptors the process may have; `None` for no limit.
    pub fn descriptors(&self, limit: Option<u64>) {
        self.descriptors.set(limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or_default());
    }

    /// Tells how many findings of each severity the last audit had.
    pub fn audited(&self, found: &[(&'static str, usize)]) {
        for (severity, count) in found {
            self.findings.with_label_values(&[severity]).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// Tells what a scheduled command has found, and that it ended now. There is no series before its first end.
    pub fn job_ended(&self, command: &'static str, found: &[(&'static str, usize)], now: Now) {
        for (severity, count) in found {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            self.jobs.findings.with_label_values(&[command, *severity]).set(count);
        }
        self.jobs.ended.with_label_values(&[command]).set(i64::try_from(now.unix_seconds()).unwrap_or(i64::MAX));
    }

    /// Counts a claim that was sent to the shared replay store.
    pub fn store_asked(&self, took: Duration) {
        self.store.observe(took.as_secs_f64());
    }

    /// All meters and gauges in the text format of Prometheus.
    ///
    /// # Errors
    /// A gauge is registered twice, which a test rules out.
    pub fn render(&self, snapshot: &Snapshot) -> Result<String, prometheus::Error> {
        let mut families = self.registry.gather();
        families.extend(snapshot.gather()?);
        families.sort_by(|one, other| one.name().cmp(other.name()));
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn strangers_called(&self, name: &str) -> RouteMeters {
        let usual = self.counters(name, Decision::usual);
        let total = self.total.with_label_values(&[name]);
        let kinds = Kind::all().filter(|kind| kind.is_of_strangers() == (name == NO_ROUTE));
        let anomaly = |kind: Kind| (kind, self.anomalies.with_label_values(&[name, kind.row().name]));
        RouteMeters {
            anomalies: kinds.map(anomaly).collect(),
            usual,
            monitored: Box::default(),
            limited: Scope::ALL.map(|scope| self.limited.with_label_values(&[name, scope.name()])),
            total,
            gates: None,
            used: Box::default(),
            spoken: Spoken::default(),
        }
    }

    fn counters(&self, route: &str, decision: fn(Reason) -> Decision) -> Box<[IntCounter]> {
        let counter = |reason| self.requests.with_label_values(&[route, decision(reason).name(), reason.code()]);
        Reason::all().map(counter).collect()
    }

    fn last_use(&self, route: &str, key: &str) -> Arc<AtomicU64> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, known| known.strong_count() > 0);
        let place = used.entry((route.to_owned(), key.to_owned())).or_default();
        place.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *place = Arc::downgrade(&new);
            new
        })
    }
}

impl RouteMeters {
    /// Counts one request.
    pub fn count(&self, record: &Record<'_>) {
        let counters = if record.decision == Decision::Monitored { &self.monitored } else { &self.usual };
        if let Some(counter) = counters.get(record.reason as usize) {
            counter.inc();
        }
        if let Some(scope) = record.limited {
            self.limited[scope as usize].inc();
        }
        self.total.observe(record.total.as_secs_f64());
        if let Some(gates) = &self.gates {
            gates.verify.observe(record.verify.as_secs_f64());
            gates.body.observe(body_bytes(record));
            if let Some(upstream) = record.upstream {
                gates.upstream.observe(upstream.as_secs_f64());
            }
        }
        if let Some(used) = record.key.and_then(|key| self.used.get(key)) {
            used.store(record.time.unix_seconds(), Ordering::Relaxed);
        }
    }

    /// Counts something unusual.
    pub fn count_anomaly(&self, kind: Kind) {
        if let Some((_, counter)) = self.anomalies.iter().find(|(known, _)| *known == kind) {
            counter.inc();
        }
    }

    /// When the key at an index was last used, in seconds since the Unix epoch; 0 for never since the start.
    #[must_use]
    pub fn last_used(&self, key: usize) -> u64 {
        self.used.get(key).map_or(0, |used| used.load(Ordering::Relaxed))
    }
}

/// The gauge of the process's limit.
fn descriptors(registry: &Registry) -> Result<IntGauge, prometheus::Error> {
    let descriptors = IntGauge::new(
        "hookwarden_file_descriptors_limit",
        "File descriptors that the process may have open; 0 for no limit.",
    )?;
    registry.register(Box::new(descriptors.clone()))?;
    Ok(descriptors)
}

/// The gauges of what the audit has found.
fn findings(registry: &Registry) -> Result<IntGaugeVec, prometheus::Error> {
    let opts =
        Opts::new("hookwarden_audit_findings", "What the last audit of the configuration has found; it is hourly.");
    let findings = IntGaugeVec::new(opts, &["severity"])?;
    registry.register(Box::new(findings.clone()))?;
    Ok(findings)
}

/// The gauges of scheduled commands. Their label is not `job`, which Prometheus gives to each target that it scrapes.
#[derive(Debug)]
struct Jobs {
    findings: IntGaugeVec,
    ended: IntGaugeVec,
}

impl Jobs {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(format!("hookwarden_job_{name}"), help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let help = "What the last scheduled audit, assess or review told this process (--report-to) that it had found.";
        let findings = gauge("findings", help, &["command", "severity"])?;
        let help = "When that was, in seconds since the Unix epoch.";
        Ok(Self { findings, ended: gauge("last_success_timestamp_seconds", help, &["command"])? })
    }
}

/// Failure and success, in the order of `usize::from(worked)`.
fn by_result(counter: &IntCounterVec) -> [IntCounter; 2] {
    ["failure", "success"].map(|result| counter.with_label_values(&[result]))
}

#[allow(clippy::cast_precision_loss, reason = "bodies are far smaller than 2^52 bytes")]
fn body_bytes(record: &Record<'_>) -> f64 {
    record.body.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::line::tests::record;
    use crate::observe::snapshot::{FetchSnapshot, IntrospectionSnapshot, KeySnapshot, RouteSnapshot, StoreSnapshot};

    fn snapshot() -> Snapshot {
        let key = KeySnapshot { id: "1".into(), since: Some(0), last_used: 7 };
        let route = RouteSnapshot {
            name: "github".into(),
            expires: Some(9),
            replay_window: Some(600.0),
            keys: vec![key],
            fetched: Some(FetchSnapshot { keys: 2, wanted: Some(1), since: Some(0), answers: 3, failures: 1 }),
            introspection: Some(IntrospectionSnapshot {
                questions: [("active", 4), ("inactive", 3), ("failure", 2), ("remembered", 1)],
                entries: 5,
            }),
        };
        Snapshot {
            now: Now::read(),
            connections: 5,
            in_flight: 2,
            buffered_bytes: 3,
            shed: 1,
            rated_sources: Some(1),
            lockouts: Some((1, 2)),
            replay_entries: 4,
            replay_capacity: 10,
            replay_evictions: 1,
            replay_journal_errors: 0,
            replay_store: Some(StoreSnapshot { up: true, errors: 2, unconfirmed: 3, late_settlements: 4 }),
            audit_dropped: 6,
            tls_expires: Some(8),
            routes: vec![route],
        }
    }

    #[test]
    fn a_record_moves_its_counters_and_nothing_else() {
        let metrics = Metrics::new().expect("no name twice");
        let meters = metrics.route("github", true, ["1", "2"].into_iter());
        let strangers = metrics.strangers();
        meters.count(&record(b"/"));
        meters.count(&Record { decision: Decision::Monitored, reason: Reason::Replayed, ..record(b"/") });
        let text = metrics.render(&snapshot()).expect("renders");
        let moved: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("hookwarden_requests_total") && !line.ends_with(" 0"))
            .collect();
        assert_eq!(
            moved,
            [
                r#"hookwarden_requests_total{decision="forwarded",reason="forwarded",route="github"} 1"#,
                r#"hookwarden_requests_total{decision="monitored",reason="replayed",route="github"} 1"#,
            ]
        );
        assert_eq!((meters.last_used(0), meters.last_used(1), strangers.last_used(0)), (1_700_000_000, 0, 0));
        for line in [
            r#"hookwarden_request_body_bytes_sum{route="github"} 4"#,
            r#"hookwarden_upstream_duration_seconds_count{route="github"} 2"#,
            r#"hookwarden_connections{state="forwarding"} 2"#,
            r#"hookwarden_connections{state="waiting"} 3"#,
            r#"hookwarden_credential_last_used_timestamp_seconds{key_id="1",route="github"} 7"#,
            r#"hookwarden_permission_expiry_timestamp_seconds{route="github"} 9"#,
            r#"hookwarden_config_reloads_total{result="failure"} 0"#,
            "hookwarden_audit_records_dropped_total 6",
            "hookwarden_replay_store_up 1",
            "hookwarden_replay_store_errors_total 2",
            "hookwarden_replay_unconfirmed_claims_total 3",
            "hookwarden_replay_late_settlements_total 4",
            r#"hookwarden_keys{route="github"} 2"#,
            r#"hookwarden_keys_wanted{route="github"} 1"#,
            r#"hookwarden_keys_fetches_total{result="failure",route="github"} 1"#,
            r#"hookwarden_introspections_total{result="inactive",route="github"} 3"#,
            r#"hookwarden_introspection_entries{route="github"} 5"#,
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_new_policy_keeps_what_the_old_one_counted() {
        let metrics = Metrics::new().expect("no name twice");
        let old = metrics.route("github", false, ["1"].into_iter());
        old.count(&record(b"/"));
        let new = metrics.route("github", false, ["2", "1"].into_iter());
        drop(old);
        assert_eq!((new.last_used(0), new.last_used(1)), (0, 1_700_000_000));
        new.count(&record(b"/"));
        let text = metrics.render(&snapshot()).expect("renders");
        assert!(text.contains(r#"reason="forwarded",route="github"} 2"#), "{text}");
    }
}
