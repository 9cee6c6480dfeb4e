//! What the injector counts. No label comes from a pod.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

use crate::inject::review::Verdict;
use crate::observe::{REVISION, RUSTC};

/// From a pod that is none of ours to the longest patience of an API server.
const SECONDS: [f64; 9] = [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.025, 0.25, 2.5];

/// All meters.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    reviews: IntCounterVec,
    seconds: Histogram,
    unanswered: IntCounterVec,
    reloads: IntCounterVec,
    expires: Gauge,
    handshakes: IntCounter,
}

impl Metrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let reviews = IntCounterVec::new(
            Opts::new("hookwarden_injector_reviews_total", "Admission reviews by how they ended."),
            &["verdict"],
        )?;
        for verdict in Verdict::ALL {
            reviews.with_label_values(&[verdict.name()]);
        }
        let seconds = HistogramOpts::new("hookwarden_injector_review_duration_seconds", "From a review to its answer.");
        let seconds = Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?;
        let unanswered = IntCounterVec::new(
            Opts::new(
                "hookwarden_injector_unanswered_total",
                "Requests that got no review: the failurePolicy decided.",
            ),
            &["reason"],
        )?;
        for reason in ["malformed", "namespace_unknown", "slow", "too_large"] {
            unanswered.with_label_values(&[reason]);
        }
        let reloads = IntCounterVec::new(
            Opts::new(
                "hookwarden_injector_certificate_reloads_total",
                "Looks at the certificate that found another one, or a fault.",
            ),
            &["result"],
        )?;
        for result in ["ok", "failed"] {
            reloads.with_label_values(&[result]);
        }
        let expires = Gauge::new(
            "hookwarden_injector_certificate_expiry_timestamp_seconds",
            "When the certificate that API servers see ends; absent while there is none.",
        )?;
        let handshakes = IntCounter::new("hookwarden_injector_failed_handshakes_total", "TLS handshakes that failed.")?;
        let build =
            GaugeVec::new(Opts::new("hookwarden_build_info", "The version."), &["version", "revision", "rustc"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), REVISION, RUSTC]).set(1.0);
        for collector in [reviews.clone(), unanswered.clone(), reloads.clone()] {
            registry.register(Box::new(collector))?;
        }
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(handshakes.clone()))?;
        registry.register(Box::new(build))?;
        Ok(Self { registry, reviews, seconds, unanswered, reloads, expires, handshakes })
    }

    pub(super) fn reviewed(&self, verdict: Verdict, seconds: f64) {
        self.reviews.with_label_values(&[verdict.name()]).inc();
        self.seconds.observe(seconds);
    }

    pub(super) fn unanswered(&self, reason: &str) {
        self.unanswered.with_label_values(&[reason]).inc();
    }

    pub(super) fn handshake_failed(&self) {
        self.handshakes.inc();
    }

    pub(super) fn reloaded(&self, good: bool) {
        self.reloads.with_label_values(&[if good { "ok" } else { "failed" }]).inc();
    }

    /// As Prometheus reads it.
    #[allow(clippy::cast_precision_loss, reason = "a time in seconds has 31 bits")]
    pub(super) fn render(&self, expires: Option<i64>) -> Result<Vec<u8>, prometheus::Error> {
        let mut families = self.registry.gather();
        if let Some(expires) = expires {
            self.expires.set(expires as f64);
            families.extend(self.expires.collect());
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}
