//! The record of a review: who looked, when, and what was decided on each finding. The next review and the audit read
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::findings::{Change, Report};
use super::permissions::Permissions;
use super::tally::Tally;

/// What a reviewer chose for a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The change is made, or what the advice says is done.
    Apply,
    /// All stays as it is, for this reason.
    Keep(String),
}

/// What was decided on a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The finding's id.
    pub id: String,
    /// The route.
    pub route: String,
    /// Which finding it is.
    pub finding: &'static str,
    /// `apply`, `keep`, or `open` where nothing was decided.
    pub decision: &'static str,
    /// Why it is kept.
    pub reason: Option<String>,
    /// What was seen.
    pub evidence: String,
    /// The settings that go with it.
    pub changes: Vec<Change>,
}

/// The record.
#[derive(Debug, Serialize)]
pub struct SignOff {
    kind: &'static str,
    at: String,
    by: String,
    version: &'static str,
    since: String,
    from: Option<String>,
    to: Option<String>,
    records: u64,
    routes: Vec<String>,
    decisions: Vec<Decision>,
    senders: BTreeMap<String, BTreeSet<String>>,
}

/// What the next review asks of it.
#[derive(Debug, Clone, Deserialize)]
pub struct LastReview {
    kind: String,
    /// When it was signed off.
    pub at: String,
    /// The networks that each route had authentic requests from.
    #[serde(default)]
    pub senders: BTreeMap<String, BTreeSet<String>>,
}

impl SignOff {
    /// The record of a review that `by` signs off at a time. Gives the ids of choices that name no finding, if any do.
    ///
    /// # Errors
    /// The ids that the report does not have.
    pub fn new(
        tally: &Tally<Permissions>,
        report: &Report,
        choices: &BTreeMap<String, Choice>,
        by: &str,
        now: u64,
    ) -> Result<Self, Vec<String>> {
        let unknown = choices.keys().filter(|id| !report.findings.iter().any(|finding| finding.id == **id));
        let unknown: Vec<_> = unknown.cloned().collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let decision = |finding: &super::Finding| {
            let (decision, reason) = match choices.get(&finding.id) {
                Some(Choice::Apply) => ("apply", None),
                Some(Choice::Keep(reason)) => ("keep", Some(reason.clone())),
                None => ("open", None),
            };
            let (id, route, evidence) = (finding.id.clone(), finding.route.clone(), finding.evidence.clone());
            Decision {
                id,
                route,
                finding: finding.finding,
                decision,
                reason,
                evidence,
                changes: finding.changes.clone(),
            }
        };
        let senders = tally.routes().into_iter().map(|(route, used)| {
            let sources = used.sources.used();
            (route, networks(sources.iter().map(|(source, _)| source.as_str())).into_iter().collect())
        });
        Ok(Self {
            kind: "review",
            at: time(now),
            by: by.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            since: time(report.since),
            from: report.period.map(|(from, _)| time(from)),
            to: report.period.map(|(_, to)| time(to)),
            records: report.records,
            routes: tally.permits().names().map(str::to_owned).collect(),
            decisions: report.findings.iter().map(decision).collect(),
            senders: senders.collect(),
        })
    }
}

impl LastReview {
    /// Reads the record of an earlier review.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let last: Self = serde_json::from_slice(text).map_err(|error| format!("is no review record: {error}"))?;
        if last.kind == "review" {
            Ok(last)
        } else {
            Err(format!("is a record of kind {:?}, not of a review", last.kind))
        }
    }
}

/// The networks (/24, of IPv6 /48) that addresses are in, in order: a sender's next address is near its last.
pub(super) fn networks<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let network = |address: &str| {
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let length = if address.is_ipv4() { 24 } else { 48 };
        Some(IpNet::new(address, length).ok()?.trunc())
    };
    let networks: BTreeSet<_> = addresses.into_iter().filter_map(network).collect();
    networks.iter().map(ToString::to_string).collect()
}

fn time(second: u64) -> String {
    let time = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    time.map_or_else(|| second.to_string(), |time| time.to_string())
}
