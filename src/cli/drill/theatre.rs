//! Where the drill plays: the demo's stage, with a proxy in front that names the senders, and a log that is read back.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;

use crate::auth::sign::Draft;
use crate::clock::Now;

use super::super::demo::stage::Stage;
use super::super::http::Url;
use super::super::{Failure, draft};
use super::incidents::Incident;

/// Far outside every tolerance.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// How long an answer or a line of the log may take: milliseconds, unless the machine is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at the log.
const LOOK: Duration = Duration::from_millis(10);

/// A request, as bytes.
pub(super) type Sending = Vec<u8>;

/// What an incident leaves.
pub(super) struct Seen {
    /// Its records, in order: requests and anomalies.
    pub(super) records: Vec<Value>,
    /// What the counters have moved by: labels, and how much.
    pub(super) counted: Vec<(String, u64)>,
}

/// The running whole. Its files go when it does.
pub(super) struct Theatre {
    stage: Stage,
    folder: PathBuf,
    read: usize,
}

impl Theatre {
    pub(super) fn open() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("hookwarden-drill-{}", draft::random_hex()));
        DirBuilder::new().mode(0o700).create(&folder).map_err(Failure::unavailable)?;
        let log = folder.join("audit.log");
        let secret = draft::random_hex();
        let stage = Stage::set_with(&[
            ("AUDIT_LOG", &log.to_string_lossy()),
            ("TLS", "forwarded"),
            ("TRUSTED_PROXIES", "127.0.0.1/32"),
            ("ROUTE_SHOPIFY_RATE", "5/h burst 5"),
            ("ROUTE_STAGING_PATH", "/hooks/staging"),
            ("ROUTE_STAGING_PROVIDER", "github"),
            ("ROUTE_STAGING_SECRET", &secret),
            ("ROUTE_STAGING_EXPIRES", "2024-01-31"),
            ("ROUTE_STAGING_OWNER", "nobody who is still here"),
        ]);
        match stage {
            Ok(stage) => Ok(Self { stage, folder, read: 0 }),
            Err(failure) => {
                // What cannot be taken away now is empty.
                let _ = std::fs::remove_dir_all(&folder);
                Err(failure)
            }
        }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    pub(super) fn metrics(&self) -> String {
        format!("http://{}/metrics", self.stage.admin)
    }

    /// Whether Ctrl-C has ended it.
    pub(super) fn is_over(&self) -> bool {
        self.stage.is_over()
    }

    /// Sends what an incident says, and gathers what it leaves.
    pub(super) fn play(&mut self, incident: &Incident) -> Result<Seen, Failure> {
        let before = self.counters()?;
        let sendings = (incident.sends)(&mut self.stage)?;
        let url = format!("http://{}/", self.stage.listen);
        let url = Url::parse(&url).map_err(Failure::unavailable)?;
        for bytes in &sendings {
            let answer = url.exchange("POST", bytes, PATIENCE);
            answer.map_err(|error| Failure::unavailable(format!("{}: {error}", incident.id)))?;
        }
        let records = self.records(sendings.len())?;
        let last = records.iter().rfind(|record| record["kind"].is_null()).map(|record| &record["reason"]);
        if last.is_none_or(|reason| reason != incident.outcome) {
            // The questions would be about something else.
            return Err(Failure::unavailable(format!("{} did not turn out as {}", incident.id, incident.outcome)));
        }
        let after = self.counters()?;
        let moved = after.into_iter().map(|(labels, count)| {
            let earlier = before.iter().find(|(other, _)| *other == labels).map_or(0, |(_, count)| *count);
            (labels, count - earlier)
        });
        Ok(Seen { records, counted: moved.filter(|(_, by)| *by > 0).collect() })
    }

    /// The next lines of the log, with as many requests.
    fn records(&mut self, requests: usize) -> Result<Vec<Value>, Failure> {
        // Nobody sends: waiting for a message is waiting for a while.
        let (_kept, nothing): (_, Receiver<()>) = mpsc::channel();
        let deadline = Now::read().plus(PATIENCE);
        loop {
            let text = std::fs::read_to_string(self.log()).map_err(Failure::unavailable)?;
            let new = text.get(self.read..).unwrap_or_default();
            let whole = &new[..new.rfind('\n').map_or(0, |at| at + 1)];
            let records: Vec<Value> = whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            if records.iter().filter(|record| record["kind"].is_null()).count() >= requests {
                self.read += whole.len();
                return Ok(records);
            }
            if Now::read().instant > deadline.instant || self.is_over() {
                return Err(Failure::unavailable("the sidecar has stopped writing records"));
            }
            let _ = nothing.recv_timeout(LOOK);
        }
    }

    /// What `hookwarden_requests_total` says, by its labels.
    fn counters(&self) -> Result<Vec<(String, u64)>, Failure> {
        let text = self.metrics();
        let url = Url::parse(&text).map_err(Failure::unavailable)?;
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", url.target, url.authority);
        let answer = url.exchange("GET", request.as_bytes(), PATIENCE).map_err(Failure::unavailable)?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let series = body.lines().filter_map(|line| line.strip_prefix("hookwarden_requests_total")?.rsplit_once(' '));
        Ok(series.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap_or_default())).collect())
    }
}

impl Drop for Theatre {
    fn drop(&mut self) {
        // A folder of temporary files is cleaned by others too.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A draft as it comes through the proxy in front: from that sender, over HTTPS.
pub(super) fn from(source: &str, mut draft: Draft) -> Result<Sending, Failure> {
    draft.headers.push(("X-Forwarded-For".into(), source.into()));
    draft.headers.push(("X-Forwarded-Proto".into(), "https".into()));
    draft::to_bytes(&draft).map_err(Failure::unavailable)
}

/// A new event of Stripe's, signed now.
pub(super) fn stripe(stage: &Stage, event: &str) -> Result<Draft, Failure> {
    stage.signed("stripe", body(event), Now::read())
}

/// The same, signed earlier.
pub(super) fn earlier(stage: &Stage, id: &str, by: Duration) -> Result<Draft, Failure> {
    let now = Now::read();
    stage.signed(id, body("invoice.paid"), Now { wall: now.wall.saturating_sub(by), ..now })
}

/// The same, signed with a key that the sidecar does not have.
pub(super) fn with_another_key(stage: &Stage, id: &str) -> Result<Draft, Failure> {
    stage.signed_with_another_key(id, body("invoice.paid"))
}

/// A genuine webhook that is sent to another path.
pub(super) fn at_path(stage: &Stage, id: &str, path: &str) -> Result<Draft, Failure> {
    let mut draft = stage.genuine(id)?;
    draft.url = format!("http://{}{path}", stage.listen);
    Ok(draft)
}

fn body(event: &str) -> Vec<u8> {
    format!("{{\"id\":\"evt_{}\",\"type\":\"{event}\",\"amount\":4200}}", &draft::random_hex()[..16]).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::incidents::ALL;
    use super::*;

    /// What the learner is asked about is what has really happened: `play` sees to that.
    #[test]
    fn every_incident_plays_and_is_counted() {
        let mut theatre = Theatre::open().map_err(|failure| failure.problem).expect("it opens");
        for incident in ALL {
            let seen = theatre.play(incident).map_err(|failure| failure.problem).expect("it plays");
            let counted: u64 = seen.counted.iter().map(|(_, by)| by).sum();
            let requests = seen.records.iter().filter(|record| record["kind"].is_null()).count();
            assert_eq!(counted, requests as u64, "{}", incident.id);
        }
        let folder = theatre.folder.clone();
        drop(theatre);
        assert!(!folder.exists());
    }
}
