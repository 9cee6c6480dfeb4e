//! The running sidecar's audit of itself: at its start, hourly, and after each change of its files.
//!
//! It runs on the main thread, between two looks at the files, so that no request waits for it: it is pure but for
//! reading the files that settings name, which takes milliseconds. The gauges always tell the last one; the operational
//! log speaks of the first, and of each change; the audit log has a line for each change.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::clock::Now;
use crate::config::{self, Environment, Process};
use crate::govern::audit::{Scope, audit};
use crate::govern::finding::{Finding, Report, Severity};
use crate::govern::subject::Subject;
use crate::observe::{self, AuditChange};
use crate::pipeline::Shared;

/// What changes by time alone (ages, ends) changes by the day; an hour is soon enough.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// What is known of the last audit.
pub(super) struct SelfAudit<'p> {
    process: &'p Process,
    due: Option<Instant>,
    known: Option<BTreeSet<String>>,
}

impl<'p> SelfAudit<'p> {
    /// One that is due.
    pub(super) fn new(process: &'p Process) -> Self {
        Self { process, due: None, known: None }
    }

    /// The next look is due now.
    pub(super) fn hurry(&mut self) {
        self.due = None;
    }

    /// Looks, if it is time to.
    pub(super) fn look(&mut self, shared: &Shared, environment: &Environment, now: Now) {
        if self.due.is_some_and(|due| now.instant < due) {
            return;
        }
        self.due = now.instant.checked_add(EVERY);
        let report = self.audit(shared, environment, now);
        let found: BTreeSet<_> = report.findings.iter().map(Finding::identity).collect();
        let counts = Severity::ALL.map(|severity| (severity.name(), report.count(severity)));
        let before = self.known.replace(found.clone());
        // The first has nothing before it: it is no change.
        let missing = |from: &BTreeSet<String>, to: &BTreeSet<String>| from.difference(to).cloned().collect::<Vec<_>>();
        let (new, gone) = match &before {
            Some(before) => (missing(&found, before), missing(before, &found)),
            None => (Vec::new(), Vec::new()),
        };
        let change = AuditChange { found: &counts, new: &new, gone: &gone };
        observe::audited(&shared.metrics, &shared.audit, &change, now);
        if before.is_none() || !new.is_empty() || !gone.is_empty() {
            tell(&report, &new, &gone);
        }
    }

    fn audit(&self, shared: &Shared, environment: &Environment, now: Now) -> Report {
        let (live, unknown, survey) = (shared.live(), BTreeSet::new(), config::survey(environment));
        let subject = Subject {
            process: self.process,
            policy: &live.policy,
            environment,
            survey: &survey,
            unknown: &unknown,
            replicas: None,
            built: observe::built(),
            now: now.unix_seconds(),
        };
        audit("the running sidecar", Scope { subject: Some(subject), now: now.unix_seconds(), ..Scope::default() })
    }
}

/// Says in the operational log what the audit has found.
fn tell(report: &Report, new: &[String], gone: &[String]) {
    let [critical, high, medium, low, info] = Severity::ALL.map(|severity| report.count(severity));
    let worst = report.findings.first().map(|finding| format!("{} {}", finding.identity(), finding.rule.title));
    let (worst, new, gone) = (worst.unwrap_or_default(), new.len(), gone.len());
    let said = "the configuration was audited; `hookwarden audit` says more";
    if critical + high > 0 {
        tracing::warn!(critical, high, medium, low, info, new, gone, worst, "{said}");
    } else {
        tracing::info!(critical, high, medium, low, info, new, gone, "{said}");
    }
}
