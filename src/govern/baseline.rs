//! Findings that somebody has accepted, for a time: a file that is kept beside the configuration and reviewed like it.
//!
//! ```json
//! { "accepted": [ {
//!     "id": "HW043 HOOKWARDEN_ROUTE_GITHUB_DELIVERY_ID",
//!     "reason": "the service remembers ids itself", "owner": "payments", "expires": "2027-03-31"
//! } ] }
//! ```
//!
//! `id` is what the JSON report calls so. Every entry has a reason, an owner and an end; when it has ended the finding
//! counts again, and the report says whose acceptance that was. Deliberately absent: patterns, and acceptance of a whole
//! rule, both of which would accept what nobody has seen.

use serde::Deserialize;

use crate::config::values;

use super::finding::{Accepted, Report};

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    accepted: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    reason: String,
    owner: String,
    expires: String,
}

impl Baseline {
    /// Reads it.
    ///
    /// # Errors
    /// It is no such file, or an entry lacks what it must have; the text says which.
    pub fn parse(text: &str) -> Result<Self, String> {
        let baseline: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for entry in &baseline.accepted {
            for (name, value) in [("id", &entry.id), ("reason", &entry.reason), ("owner", &entry.owner)] {
                if value.trim().is_empty() {
                    return Err(format!("the entry {:?} has an empty {name}", entry.id));
                }
            }
            values::date(&entry.expires).map_err(|problem| format!("the entry {:?}: expires {problem}", entry.id))?;
        }
        Ok(baseline)
    }

    /// Takes out of a report's findings what is accepted, and tells what is not any more.
    pub fn apply(&self, report: &mut Report) {
        let mut met = vec![false; self.accepted.len()];
        for finding in std::mem::take(&mut report.findings) {
            let id = finding.identity();
            let Some(at) = self.accepted.iter().position(|entry| entry.id == id) else {
                report.findings.push(finding);
                continue;
            };
            let Entry { reason, owner, expires, .. } = &self.accepted[at];
            met[at] = true;
            if values::date(expires).is_ok_and(|end| report.at < end) {
                let (reason, owner, until) = (reason.clone(), owner.clone(), expires.clone());
                report.accepted.push(Accepted { finding, reason, owner, until });
            } else {
                report.notes.push(format!("{id}: accepted by {owner} until {expires}, which is over; it counts again"));
                report.findings.push(finding);
            }
        }
        let unmet = self.accepted.iter().zip(met).filter(|(_, met)| !met);
        report.notes.extend(unmet.map(|(entry, _)| format!("{}: accepted, but not found any more", entry.id)));
        report.notes.dedup();
        report.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::finding::tests::report;

    const ID: &str = "HW900 HOOKWARDEN_ROUTE_PAY_MODE";

    fn file(id: &str, expires: &str) -> String {
        format!(r#"{{"accepted":[{{"id":"{id}","reason":"r","owner":"ann","expires":"{expires}"}}]}}"#)
    }

    #[test]
    fn what_is_accepted_does_not_count_until_its_end() {
        for (id, expires, counts, note) in [
            (ID, "2027-06-30", 2, None),
            (ID, "2026-06-30", 3, Some("accepted by ann until 2026-06-30, which is over; it counts again")),
            ("HW999 X", "2027-06-30", 3, Some("not found any more")),
        ] {
            let mut report = report();
            Baseline::parse(&file(id, expires)).expect("good").apply(&mut report);
            assert_eq!(report.findings.len(), counts, "{id} {expires}");
            let told = |note: &str| report.notes.iter().any(|known| known.contains(note));
            assert!(note.is_none_or(told), "{:?}", report.notes);
            assert_eq!(report.accepted.len(), 1 + 3 - counts);
        }
    }

    #[test]
    fn an_entry_says_why_who_and_until_when() {
        for text in [
            "{}",
            r#"{"accepted":[{"id":"a","reason":"r","owner":"o"}]}"#,
            r#"{"accepted":[{"id":"a","reason":" ","owner":"o","expires":"2027-01-01"}]}"#,
            r#"{"accepted":[{"id":"a","reason":"r","owner":"o","expires":"soon"}]}"#,
            r#"{"accepted":[{"id":"a","reason":"r","owner":"o","expires":"2027-01-01","more":1}]}"#,
        ] {
            assert!(Baseline::parse(text).is_err(), "{text}");
        }
    }
}
