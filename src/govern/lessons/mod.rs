//! The lessons of the code's own tables: what a row says of itself, and beside it how to see it and what others have
//! learnt. Stories are patterns that have happened many times; none is invented, and none names anybody.

mod annotations;
mod anomalies;
mod attacks;
mod outcomes;
mod rules;
mod settings;

use crate::assess::attack::Attack;
use crate::config::knobs::Knob;
use crate::deny;
use crate::inject::annotations::Row;
use crate::observe::anomaly;

use super::finding::Rule;
use super::lesson::Lesson;

/// The lesson of an outcome.
pub(super) fn of_outcome(row: &'static deny::Row) -> Lesson {
    let &outcomes::More { story, see, prevent } = outcomes::of(row.reason);
    let code = row.code;
    let query = format!("`sum by (route) (rate(hookwarden_requests_total{{reason=\"{code}\"}}[5m]))`");
    let lines = format!("`jq -c 'select(.reason == \"{code}\")' audit.log`");
    Lesson {
        what: row.what.into(),
        why: join(row.why, story).into(),
        see: join(&format!("Records: {lines} shows each. Metric: {query} is how many a second, by route."), see).into(),
        now: row.fix.into(),
        prevent: prevent.into(),
    }
}

/// The lesson of an anomaly.
pub(super) fn of_anomaly(row: &'static anomaly::Row) -> Lesson {
    let &anomalies::More { story, see, prevent } = anomalies::of(row.kind);
    let name = row.name;
    let query = format!("`increase(hookwarden_anomalies_total{{kind=\"{name}\"}}[1h]) > 0`");
    let lines = format!("`jq -c 'select(.anomaly == \"{name}\")' audit.log`");
    let told = format!("Records: {lines} shows what was seen and what is usual. Metric: {query} is worth an alert.");
    Lesson {
        what: row.what.into(),
        why: join(row.why, story).into(),
        see: join(&told, see).into(),
        now: row.fix.into(),
        prevent: prevent.into(),
    }
}

/// The lesson of a rule of the audit.
pub(super) fn of_rule(rule: &'static Rule) -> Lesson {
    rules::lesson(rule)
}

/// The lesson of an attack.
pub(super) fn of_attack(attack: &'static Attack) -> Lesson {
    attacks::lesson(attack)
}

/// The lesson of a setting with that full name.
pub(super) fn of_setting(knob: &'static Knob, name: &str) -> Lesson {
    settings::lesson(knob, name)
}

/// The lesson of an annotation with that full name.
pub(super) fn of_annotation(row: &'static Row, name: &str) -> Lesson {
    annotations::lesson(row, name)
}

/// Two sentences as one paragraph.
fn join(first: &str, second: &str) -> String {
    if second.is_empty() { first.to_owned() } else { format!("{first} {second}") }
}
