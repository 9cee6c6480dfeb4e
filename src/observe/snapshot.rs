//! The gauges that something else keeps, as they are when Prometheus asks.
//!
//! They are put into a registry of their own for each scrape, so that the series of a key that was taken out of use is
//! gone at once, and two scrapes never meet.

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::clock::Now;

/// What the rest of the process says of itself at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When.
    pub now: Now,
    /// Open connections.
    pub connections: usize,
    /// Requests that wait for the service.
    pub in_flight: usize,
    /// Bytes of bodies that are held.
    pub buffered_bytes: u64,
    /// Connections that gave way to others since they had proven nothing.
    pub shed: u64,
    /// Addresses that have used some of their rate; `None` where there is no such rate.
    pub rated_sources: Option<usize>,
    /// Locks that hold, and that there have been; `None` where nobody is locked out.
    pub lockouts: Option<(usize, u64)>,
    /// Remembered claims.
    pub replay_entries: usize,
    /// How many can be remembered.
    pub replay_capacity: usize,
    /// How many have given way.
    pub replay_evictions: u64,
    /// Messages that the journal could not take.
    pub replay_journal_errors: u64,
    /// The shared store; `None` where claims are not shared.
    pub replay_store: Option<StoreSnapshot>,
    /// Audit records that were lost.
    pub audit_dropped: u64,
    /// When the certificate ends, in seconds since the Unix epoch.
    pub tls_expires: Option<u64>,
    /// The routes.
    pub routes: Vec<RouteSnapshot>,
}

/// The store that claims are shared in.
#[derive(Debug, Clone, Copy)]
pub struct StoreSnapshot {
    /// Whether claims are sent there.
    pub up: bool,
    /// How many times it did not answer, or was not told of something.
    pub errors: u64,
    /// Claims that stood without its word.
    pub unconfirmed: u64,
    /// Successes that senders heard of before it did.
    pub late_settlements: u64,
}

/// One route.
#[derive(Debug, Clone)]
pub struct RouteSnapshot {
    /// Its name.
    pub name: String,
    /// When its permission ends, in seconds since the Unix epoch.
    pub expires: Option<u64>,
    /// How far back messages are remembered, in seconds; `None` where they are not.
    pub replay_window: Option<f64>,
    /// Its keys.
    pub keys: Vec<KeySnapshot>,
    /// What is fetched for it.
    pub fetched: Option<FetchSnapshot>,
    /// Who is asked about its tokens.
    pub introspection: Option<IntrospectionSnapshot>,
}

/// The keys that are fetched for a route.
#[derive(Debug, Clone, Copy)]
pub struct FetchSnapshot {
    /// How many there are.
    pub keys: usize,
    /// Ids that are still to be asked for, where keys come one by one.
    pub wanted: Option<usize>,
    /// When they last came, in seconds since the Unix epoch; `None` where they never did.
    pub since: Option<u64>,
    /// How many times they came.
    pub answers: u64,
    /// How many times they did not.
    pub failures: u64,
}

/// What became of the questions about a route's tokens.
#[derive(Debug, Clone, Copy)]
pub struct IntrospectionSnapshot {
    /// How many there were, by result.
    pub questions: [(&'static str, u64); 4],
    /// How many tokens are remembered.
    pub entries: usize,
}

/// One key.
#[derive(Debug, Clone)]
pub struct KeySnapshot {
    /// Its id.
    pub id: String,
    /// Since when it is in use, in seconds since the Unix epoch, where that is known.
    pub since: Option<u64>,
    /// When it was last used, in seconds since the Unix epoch; 0 for never since the start.
    pub last_used: u64,
}

impl Snapshot {
    /// The gauges.
    ///
    /// # Errors
    /// A name is registered twice.
    pub(super) fn gather(&self) -> Result<Vec<MetricFamily>, prometheus::Error> {
        let gauges = Gauges(Registry::new());
        self.put_process(&gauges)?;
        self.put_routes(&gauges)?;
        Ok(gauges.0.gather())
    }

    fn put_process(&self, gauges: &Gauges) -> Result<(), prometheus::Error> {
        let connections = gauges.family("connections", "Client connections by what they do.", &["state"])?;
        connections.with_label_values(&["forwarding"]).set(float(self.in_flight as u64));
        connections.with_label_values(&["waiting"]).set(float(self.connections.saturating_sub(self.in_flight) as u64));
        gauges.one("buffered_bytes", "Bytes of bodies that are held at this moment.", self.buffered_bytes)?;
        gauges.counter(
            "connections_shed_total",
            "Connections that had proven nothing and gave way to others when room became scarce.",
            self.shed,
        )?;
        self.put_limits(gauges)?;
        gauges.one("replay_entries", "Claims that are remembered.", self.replay_entries as u64)?;
        gauges.one("replay_capacity_entries", "Claims that can be remembered.", self.replay_capacity as u64)?;
        gauges.counter(
            "replay_evictions_total",
            "Claims that gave way before their time, for want of room.",
            self.replay_evictions,
        )?;
        gauges.counter(
            "replay_journal_errors_total",
            "Accepted messages that the replay journal could not take: a restart forgets them.",
            self.replay_journal_errors,
        )?;
        self.put_store(gauges)?;
        gauges.counter("audit_records_dropped_total", "Audit records that were lost.", self.audit_dropped)?;
        if let Some(expires) = self.tls_expires {
            let help = "When the serving certificate ends, in seconds since the Unix epoch.";
            gauges.one("tls_certificate_expiry_timestamp_seconds", help, expires)?;
        }
        let build = gauges.family("build_info", "What this is; always 1.", &["version", "revision", "rustc"])?;
        let version = env!("CARGO_PKG_VERSION");
        build.with_label_values(&[version, super::REVISION, super::RUSTC]).set(1.0);
        Ok(())
    }

    fn put_limits(&self, gauges: &Gauges) -> Result<(), prometheus::Error> {
        if let Some(sources) = self.rated_sources {
            gauges.one("rated_sources", "Addresses that have used some of RATE_PER_SOURCE.", sources as u64)?;
        }
        if let Some((locked, total)) = self.lockouts {
            gauges.one("locked_sources", "Addresses that are locked out, each once a route.", locked as u64)?;
            gauges.counter("lockouts_total", "Times that an address was locked out from a route.", total)?;
        }
        Ok(())
    }

    fn put_store(&self, gauges: &Gauges) -> Result<(), prometheus::Error> {
        let Some(store) = &self.replay_store else { return Ok(()) };
        gauges.one("replay_store_up", "Whether claims are sent to the shared replay store.", store.up.into())?;
        gauges.counter(
            "replay_store_errors_total",
            "Times that the shared replay store did not answer, or was not told of something.",
            store.errors,
        )?;
        gauges.counter(
            "replay_unconfirmed_claims_total",
            "Claims that stood by this process's own word, since the shared replay store did not answer.",
            store.unconfirmed,
        )?;
        gauges.counter(
            "replay_late_settlements_total",
            "Successes that their senders heard of before the shared replay store did, since it did not answer in time.",
            store.late_settlements,
        )
    }

    fn put_routes(&self, gauges: &Gauges) -> Result<(), prometheus::Error> {
        let labels = &["route", "key_id"];
        let used = gauges.family(
            "credential_last_used_timestamp_seconds",
            "When a key last proved a message, in seconds since the Unix epoch; 0 for never since the start.",
            labels,
        )?;
        let age = gauges.family("credential_age_seconds", "Time since a key's file was written.", labels)?;
        let expiry = gauges.family(
            "permission_expiry_timestamp_seconds",
            "When a route's permission ends, in seconds since the Unix epoch.",
            &["route"],
        )?;
        let window = gauges.family("replay_window_seconds", "How far back messages are remembered.", &["route"])?;
        for route in &self.routes {
            let name = route.name.as_str();
            if let Some(expires) = route.expires {
                expiry.with_label_values(&[name]).set(float(expires));
            }
            if let Some(seconds) = route.replay_window {
                window.with_label_values(&[name]).set(seconds);
            }
            for key in &route.keys {
                used.with_label_values(&[name, &key.id]).set(float(key.last_used));
                if let Some(since) = key.since {
                    let seconds = self.now.unix_seconds().saturating_sub(since);
                    age.with_label_values(&[name, &key.id]).set(float(seconds));
                }
            }
        }
        self.put_fetched(gauges)?;
        self.put_introspections(gauges)
    }

    fn put_fetched(&self, gauges: &Gauges) -> Result<(), prometheus::Error> {
        let labels = &["route"];
        let keys = gauges.family("keys", "Keys that were fetched and are in use.", labels)?;
        let age = gauges.family("keys_age_seconds", "Time since keys were last fetched.", labels)?;
        let help = "Attempts to fetch keys; what is fetched for several routes counts for each.";
        let fetches = gauges.counters("keys_fetches_total", help, &["route", "result"])?;
        let help = "Key ids that messages named and that are still to be asked for, where keys come one by one.";
        let wanted = gauges.family("keys_wanted", help, labels)?;
        for (name, fetched) in self.routes.iter().filter_map(|route| Some((route.name.as_str(), route.fetched?))) {
            keys.with_label_values(&[name]).set(float(fetched.keys as u64));
            if let Some(count) = fetched.wanted {
                wanted.with_label_values(&[name]).set(float(count as u64));
            }
            if let Some(since) = fetched.since {
                age.with_label_values(&[name]).set(float(self.now.unix_seconds().saturating_sub(since)));
            }
            for (result, count) in [("success", fetched.answers), ("failure", fetched.failures)] {
                fetches.with_label_values(&[name, result]).inc_by(count);
            }
        }
        Ok(())
    }

    fn put_introspections(&self, gauges: &Gauges) -> Result<(), prometheus::Error> {
        let help = "Questions about tokens by their answer; remembered is one that did not have to be asked.";
        let asked = gauges.counters("introspections_total", help, &["route", "result"])?;
        let entries = gauges.family("introspection_entries", "Tokens whose answer is remembered.", &["route"])?;
        for route in &self.routes {
            let Some(introspection) = &route.introspection else { continue };
            let name = route.name.as_str();
            entries.with_label_values(&[name]).set(float(introspection.entries as u64));
            for (result, count) in introspection.questions {
                asked.with_label_values(&[name, result]).inc_by(count);
            }
        }
        Ok(())
    }
}

struct Gauges(Registry);

impl Gauges {
    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn family(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(Opts::new(format!("hookwarden_{name}"), help), labels)?)
    }

    fn one(&self, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
        let gauge = self.register(IntGauge::new(format!("hookwarden_{name}"), help)?)?;
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        Ok(())
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Opts::new(format!("hookwarden_{name}"), help), labels)?)
    }

    fn counter(&self, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
        self.register(IntCounter::new(format!("hookwarden_{name}"), help)?)?.inc_by(value);
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds and counts are far smaller than 2^52")]
fn float(value: u64) -> f64 {
    value as f64
}
