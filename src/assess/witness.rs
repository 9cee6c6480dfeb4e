//! The sidecar's own counters as a witness: what it says that it did, beside what it answered.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::clock::Now;

use super::message::{Message, Shot};
use super::target::Target;
use super::wire::Wire;

/// How long until it is asked again, while an answer is out and its record is not.
const PAUSE: Duration = Duration::from_millis(20);

/// How often requests ended with a reason.
pub(super) type Counts = BTreeMap<String, u64>;

/// Where the counters are.
pub(super) struct Witness {
    wire: Wire,
    question: Shot,
}

impl Witness {
    pub(super) fn new(
        target: &Target,
        authorities: &[CertificateDer<'static>],
        patience: Duration,
    ) -> Result<Self, String> {
        let question = Message {
            method: "GET".into(),
            target: target.path.clone(),
            version: "HTTP/1.1",
            host: target.authority.clone(),
            fields: Vec::new(),
            body: Vec::new(),
            closes: true,
        };
        Ok(Self { wire: Wire::new(target, authorities, patience)?, question: question.shot_framed("metrics", "", b"") })
    }

    /// What it has counted.
    pub(super) async fn counts(&self) -> Option<Counts> {
        let seen = self.wire.send(&self.question, 1).await;
        let answer = seen.first().filter(|answer| answer.is_success())?;
        Some(read(str::from_utf8(&answer.body).ok()?))
    }

    /// What it has counted since, once it has counted so many or patience ends.
    pub(super) async fn since(&self, before: &Counts, wanted: u64) -> Option<Counts> {
        let deadline: Instant = self.wire.deadline();
        loop {
            let now = self.counts().await?;
            let risen: Counts = now
                .into_iter()
                .map(|(reason, count)| {
                    let was = before.get(&reason).copied().unwrap_or(0);
                    (reason, count.saturating_sub(was))
                })
                .filter(|(_, count)| *count > 0)
                .collect();
            if risen.values().sum::<u64>() >= wanted || Instant::from_std(Now::read().instant) >= deadline {
                return Some(risen);
            }
            sleep(PAUSE).await;
        }
    }
}

/// `hookwarden_requests_total` by reason, over all routes.
fn read(text: &str) -> Counts {
    let mut counts = Counts::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("hookwarden_requests_total{")) {
        let Some((labels, count)) = line.split_once("} ") else { continue };
        let reason = labels.split("reason=\"").nth(1).and_then(|rest| rest.split('"').next());
        if let (Some(reason), Ok(count)) = (reason, count.trim().parse::<u64>()) {
            *counts.entry(reason.to_owned()).or_default() += count;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_by_reason() {
        let text = "# HELP hookwarden_requests_total x\n\
            hookwarden_requests_total{decision=\"denied\",reason=\"replayed\",route=\"a\"} 2\n\
            hookwarden_requests_total{decision=\"monitored\",reason=\"replayed\",route=\"b\"} 3\n\
            hookwarden_requests_total{decision=\"forwarded\",reason=\"forwarded\",route=\"a\"} 7\n\
            hookwarden_connections{state=\"open\"} 9\n";
        let expected = [("forwarded", 7), ("replayed", 5)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(read(text), Counts::from(expected));
    }
}
