//! What has changed since an earlier report: what is new, what is gone, and how the counts moved.

use serde_json::{Value, json};

use super::finding::{Report, Severity};

/// A finding of the earlier report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its identity.
    pub id: String,
    /// How bad it was.
    pub severity: Severity,
    /// What it was.
    pub title: String,
    /// Where it was.
    pub place: String,
}

/// The change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trend {
    /// When the earlier report was made, as it says.
    pub since: String,
    /// The identities of findings that were not there.
    pub new: Vec<String>,
    /// What was there, and is not any more.
    pub gone: Vec<Earlier>,
    /// How many there were, in the order of [`Severity::ALL`].
    pub before: [usize; 5],
}

impl Trend {
    /// Compares a report with an earlier one, as JSON.
    ///
    /// # Errors
    /// That is no report.
    pub fn of(report: &Report, earlier: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(earlier).map_err(|error| format!("is no JSON: {error}"))?;
        let findings = value["findings"].as_array().ok_or("is no report: it has no findings")?;
        let earlier: Option<Vec<_>> = findings.iter().map(read).collect();
        let earlier = earlier.ok_or("is no report: a finding lacks its id or severity")?;
        let now: Vec<_> = report.findings.iter().map(super::finding::Finding::identity).collect();
        let mut new: Vec<_> = now.iter().filter(|id| !earlier.iter().any(|known| known.id == **id)).cloned().collect();
        new.dedup();
        let before = Severity::ALL.map(|severity| earlier.iter().filter(|known| known.severity == severity).count());
        // What is accepted now is still there.
        let accepted = |id: &str| report.accepted.iter().any(|accepted| accepted.finding.identity() == id);
        let is_gone = |known: &Earlier| !now.contains(&known.id) && !accepted(&known.id);
        let mut gone: Vec<_> = earlier.into_iter().filter(is_gone).collect();
        gone.dedup();
        Ok(Self { since: value["at"].as_str().unwrap_or("an unknown time").to_owned(), new, gone, before })
    }

    /// For programs.
    #[must_use]
    pub fn as_json(&self) -> Value {
        let before =
            Severity::ALL.iter().zip(self.before).map(|(severity, count)| (severity.name().to_owned(), count.into()));
        let gone = |earlier: &Earlier| json!({ "id": earlier.id, "severity": earlier.severity.name(), "title": earlier.title, "place": earlier.place });
        json!({
            "since": self.since,
            "new": self.new,
            "gone": self.gone.iter().map(gone).collect::<Vec<_>>(),
            "before": before.collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn read(value: &Value) -> Option<Earlier> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let severity = Severity::from_name(value["severity"].as_str()?)?;
    Some(Earlier { id: text("id")?, severity, title: text("title")?, place: text("place").unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::finding::tests::report;

    #[test]
    fn what_is_new_and_what_is_gone() {
        let earlier = report();
        let mut later = report();
        let moved = later.findings.remove(0);
        let trend = Trend::of(&later, &earlier.as_json().to_string()).expect("a report");
        assert_eq!((trend.new.len(), trend.gone.len(), trend.before), (0, 1, [0, 2, 0, 0, 1]));
        assert_eq!((trend.gone[0].id.as_str(), trend.since.as_str()), (&*moved.identity(), "2027-01-15T08:00:00Z"));
        let back = Trend::of(&earlier, &later.as_json().to_string()).expect("a report");
        assert_eq!((back.new, back.gone), (vec![moved.identity()], Vec::new()));
        for text in ["", "{}", r#"{"findings":[{"id":"a"}]}"#] {
            assert!(Trend::of(&later, text).is_err(), "{text}");
        }
    }
}
