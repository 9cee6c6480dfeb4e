//! An assessment as findings: what broke is one, what held has passed, and of the rest it is said why nothing is known.

use crate::govern::finding::{Finding, Place, Report};

use super::{Assessment, Verdict};

/// The one type that all faces are made of.
#[must_use]
pub fn report(assessment: &Assessment) -> Report {
    let mut report = Report {
        kind: "assess",
        subject: assessment.subject.clone(),
        at: assessment.at,
        notes: assessment.notes.clone(),
        ..Report::default()
    };
    for outcome in &assessment.outcomes {
        let rule = &outcome.attack.rule;
        match outcome.verdict {
            Verdict::Held => report.passed.push(rule),
            Verdict::Inconclusive => report.skipped.push((rule, outcome.evidence.clone())),
            Verdict::Broken => {
                let place = Place::Whole(assessment.subject.clone());
                report.findings.push(Finding::new(rule, place, outcome.evidence.clone()));
            }
        }
    }
    if let Some(seen) = &assessment.unheard {
        report.notes.push(format!("the endpoint does not take a genuine message, so nothing is known: {seen}"));
    }
    report.sort();
    report
}
