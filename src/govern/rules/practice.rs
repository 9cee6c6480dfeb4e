//! What people do beside the machine: reviews of permissions, and training.

use crate::govern::subject::Practice;

use super::{DAY, Hits, Medium, People, Row, row, span};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW100",
        Medium,
        "Permissions were not reviewed for long",
        "Permissions only ever grow: what is not needed any more stays until somebody looks.",
        "Run `hookwarden review --log … --record FILE --by NAME` every 90 days, and give FILE to audit by --records.",
        &["NIST SP 800-53 CA-7", "NIST SP 800-53 AC-6", "NIST SP 800-53 AU-6", "OWASP API9:2023"],
        People(review),
    ),
    row(
        "HW101",
        Medium,
        "Nobody is trained for an incident",
        "Who has never seen a replay or a leaked secret in the log takes them for noise, and loses hours when they come.",
        "Run `hookwarden drill --record FILE`, and give FILE to audit by --records.",
        &["NIST SP 800-53 AT-2", "NIST SP 800-53 AT-3"],
        People(training),
    ),
];

/// What those who ask for periodic reviews commonly ask for.
const REVIEWED: u64 = 90 * DAY;

fn review(practice: &Practice, hits: &mut Hits) -> bool {
    match practice.last("review") {
        None => {
            hits.whole("review", "there is no record of a review");
        }
        Some(record) if practice.now - record.at > REVIEWED => {
            hits.whole("review", format!("the last one was {} ago", span(practice.now - record.at)));
        }
        Some(_) => {}
    }
    practice.records.is_some()
}

fn training(practice: &Practice, hits: &mut Hits) -> bool {
    let Some(most) = practice.require_training else { return false };
    match practice.last("training") {
        None => {
            hits.whole("training", "there is no record of a training");
        }
        Some(record) if practice.now - record.at > most => {
            hits.whole("training", format!("the last one was {} ago", span(practice.now - record.at)));
        }
        Some(_) => {}
    }
    true
}
