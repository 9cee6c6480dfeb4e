//! What is expected of a request, and how it is read from records and metrics.

use std::collections::BTreeMap;

use hookwarden::deny::Reason;
use serde_json::Value;

/// What becomes of one request: the same four facts in the answer, the record and the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outcome {
    /// `forwarded`, `denied`, `answered` or `monitored`.
    pub(crate) decision: &'static str,
    /// The reason's code.
    pub(crate) reason: &'static str,
    /// The status that the client is sent.
    pub(crate) status: u16,
    /// The route's name; `None` where none was found.
    pub(crate) route: Option<&'static str>,
}

impl Outcome {
    /// The usual outcome of a reason, with no route yet: see [`Self::on`].
    pub(crate) fn of(code: &str) -> Self {
        let reason = Reason::from_code(code).unwrap_or_else(|| panic!("there is no reason {code}"));
        let decision = match code {
            "forwarded" => "forwarded",
            "challenge_answered" | "duplicate" => "answered",
            _ => "denied",
        };
        let status = if reason == Reason::Forwarded { 200 } else { reason.status() };
        Self { decision, reason: reason.code(), status, route: None }
    }

    /// Forwarded on that route, and answered with 200 by the service.
    pub(crate) fn forwarded(route: &'static str) -> Self {
        Self::of("forwarded").on(route)
    }

    /// On that route.
    pub(crate) fn on(self, route: &'static str) -> Self {
        Self { route: Some(route), ..self }
    }

    /// With the service's own status.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// What the route would have denied, had it not only monitored; the service said 200.
    pub(crate) fn monitored(code: &str, route: &'static str) -> Self {
        Self { decision: "monitored", status: 200, ..Self::of(code).on(route) }
    }

    /// How many requests of this outcome the service sees, at least and at most.
    pub(super) fn deliveries(&self) -> (usize, usize) {
        match (self.decision, self.reason) {
            ("forwarded" | "monitored", _) => (1, 1),
            // It may have seen all of it or nothing.
            (_, "upstream_unreachable" | "upstream_invalid_response" | "upstream_timeout") => (0, 1),
            _ => (0, 0),
        }
    }

    /// The series of `hookwarden_requests_total` that counts it.
    pub(super) fn series(&self) -> String {
        format!(
            r#"hookwarden_requests_total{{decision="{}",reason="{}",route="{}"}}"#,
            self.decision,
            self.reason,
            self.route.unwrap_or(STRANGERS)
        )
    }
}

/// The route label of requests that no route was found for.
const STRANGERS: &str = hookwarden::observe::metrics::NO_ROUTE;

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record(Value);

impl Record {
    pub(super) fn parse(line: &str) -> Self {
        let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the audit record {line}"));
        let record = Self(value);
        record.check_form();
        record
    }

    /// A member's text; empty where it is absent or null.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A member's number, if it is one.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    /// The whole record.
    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    /// The four facts.
    pub(super) fn agrees_with(&self, outcome: &Outcome) -> bool {
        self.text("decision") == outcome.decision
            && self.text("reason") == outcome.reason
            && self.number("status") == Some(u64::from(outcome.status))
            && self.text("route") == outcome.route.unwrap_or_default()
    }

    /// What every record has, whatever became of the request.
    fn check_form(&self) {
        let id = self.text("request_id");
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(id.len() == 32 && id.bytes().all(hex), "request_id in {self:?}");
        assert!(self.text("ts").parse::<jiff::Timestamp>().is_ok(), "ts in {self:?}");
        assert!(self.text("source").parse::<std::net::IpAddr>().is_ok(), "source in {self:?}");
        for name in ["status", "body_bytes", "verify_us", "total_us"] {
            assert!(self.number(name).is_some(), "{name} in {self:?}");
        }
        assert_eq!(self.text("route").is_empty(), self.text("provider").is_empty(), "provider in {self:?}");
        if matches!(self.text("decision"), "forwarded" | "monitored") {
            assert_eq!(self.number("upstream_status"), self.number("status"), "upstream_status in {self:?}");
            assert!(self.number("upstream_us").is_some(), "upstream_us in {self:?}");
            assert!(!self.text("method").is_empty() && !self.text("path").is_empty(), "method and path in {self:?}");
        }
        if self.text("decision") == "forwarded" {
            assert!(!self.text("key_id").is_empty(), "key_id in {self:?}");
        }
    }
}

/// A scrape: each sample by its series, labels sorted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(super) fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(samples.map(sample).collect())
    }

    /// A sample's value; `labels` as `name="value"`, in any order. 0 where there is none yet.
    pub(crate) fn value(&self, name: &str, labels: &[&str]) -> f64 {
        self.0.get(&series(name, labels.to_vec())).copied().unwrap_or_default()
    }

    /// All samples, by series.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(series, value)| (series.as_str(), *value))
    }

    /// How the series of one family have moved since an earlier scrape.
    pub(super) fn moved_since(&self, earlier: &Self, family: &str) -> BTreeMap<String, f64> {
        let of_family = |series: &&String| series.split('{').next() == Some(family);
        let names = self.0.keys().chain(earlier.0.keys()).filter(of_family);
        let by = |series: &String| {
            let value = |metrics: &Self| metrics.0.get(series).copied().unwrap_or_default();
            value(self) - value(earlier)
        };
        names.map(|series| (series.clone(), by(series))).filter(|(_, by)| *by != 0.0).collect()
    }
}

fn sample(line: &str) -> (String, f64) {
    let (series_text, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in the sample {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number in the sample {line}"));
    let (name, labels) = series_text.split_once('{').unwrap_or((series_text, "}"));
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("an open brace in the sample {line}"));
    // No label of ours holds a comma within its quotes, but for a bucket's `le`, which holds none either.
    (series(name, labels.split(',').filter(|label| !label.is_empty()).collect()), value)
}

fn series(name: &str, mut labels: Vec<&str>) -> String {
    labels.sort_unstable();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}
