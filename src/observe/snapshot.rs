//! The gauges that something else keeps, as they are when Prometheus asks.
//!
//! They are put into a registry of their own for each scrape, so that the series of a key that was taken out of use is
//! gone at once, and two scrapes never meet.

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounter, IntGauge, Opts, Registry};

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

    fn counter(&self, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
        self.register(IntCounter::new(format!("hookwarden_{name}"), help)?)?.inc_by(value);
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds and counts are far smaller than 2^52")]
fn float(value: u64) -> f64 {
    value as f64
}
