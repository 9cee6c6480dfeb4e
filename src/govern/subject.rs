//! What an audit looks at: a configuration in effect with what stands in its files, and the records of what people have
//! done. Plain data, made by others; pure.

use std::collections::BTreeSet;

use crate::config::{Environment, PREFIX, Process, Survey};
use crate::policy::{Policy, Route};

/// A configuration in effect.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What holds for the life of the process.
    pub process: &'a Process,
    /// What is permitted.
    pub policy: &'a Policy,
    /// The settings as they were written, where their origin matters.
    pub environment: &'a Environment,
    /// What stands in the files.
    pub survey: &'a Survey,
    /// The variables whose values are not known here, so that something stands in for them.
    pub unknown: &'a BTreeSet<String>,
    /// In how many pods it runs, where that is known.
    pub replicas: Option<u64>,
    /// When this binary was made, in seconds since the Unix epoch, where that is known.
    pub built: Option<u64>,
    /// The time, in seconds since the Unix epoch.
    pub now: u64,
}

impl<'a> Subject<'a> {
    /// What is written for a global setting, if it is written in the environment itself.
    #[must_use]
    pub fn text(&self, setting: &str) -> Option<&'a str> {
        self.environment.get(&format!("{PREFIX}{setting}"))?.to_str()
    }

    /// Whether a global setting is set, by itself or by a file.
    #[must_use]
    pub fn is_set(&self, setting: &str) -> bool {
        self.has(&format!("{PREFIX}{setting}"))
    }

    /// What is written for a route's setting.
    #[must_use]
    pub fn route_text(&self, route: &Route, setting: &str) -> Option<&'a str> {
        self.environment.get(&variable(route, setting))?.to_str()
    }

    /// Whether a route's setting is set, by itself or by a file.
    #[must_use]
    pub fn route_is_set(&self, route: &Route, setting: &str) -> bool {
        self.has(&variable(route, setting))
    }

    /// The route of that name.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&'a Route> {
        self.policy.routes.iter().find(|route| &*route.name == name).map(|route| &**route)
    }

    /// Whether a variable is set, or stands among those whose values are not known.
    fn has(&self, variable: &str) -> bool {
        let by_file = format!("{variable}_FILE");
        let is_set = |name: &str| self.environment.get(name).is_some() || self.unknown.contains(name);
        is_set(variable) || is_set(&by_file)
    }
}

fn variable(route: &Route, setting: &str) -> String {
    format!("{PREFIX}ROUTE_{}_{setting}", route.name.to_ascii_uppercase())
}

/// What people have done, as records of theirs say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Practice {
    /// The records, in no order; `None` where none were given.
    pub records: Option<Vec<Record>>,
    /// How old a training may be, in seconds, where one is required.
    pub require_training: Option<u64>,
    /// The time, in seconds since the Unix epoch.
    pub now: u64,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What was done: `review` or `training`.
    pub kind: String,
    /// When, in seconds since the Unix epoch.
    pub at: u64,
    /// By whom.
    pub by: String,
}

impl Record {
    /// The records in a text: a JSON document, or one a line. What is of another kind is passed over.
    ///
    /// # Errors
    /// Something is no such record; the text says what, and quotes nothing.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
        let mut records = Vec::new();
        for value in values {
            let value = value.map_err(|error| format!("is not JSON: line {}", error.line()))?;
            let all = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            for value in all.iter().filter(|value| matches!(value["kind"].as_str(), Some("review" | "training"))) {
                records.push(Self::of(value).ok_or("holds a record without a good at and by")?);
            }
        }
        Ok(records)
    }

    fn of(value: &serde_json::Value) -> Option<Self> {
        let at: jiff::Timestamp = value["at"].as_str()?.parse().ok()?;
        let (kind, by) = (value["kind"].as_str()?, value["by"].as_str()?);
        let at = u64::try_from(at.as_second()).ok()?;
        Some(Self { kind: kind.to_owned(), at, by: by.to_owned() })
    }
}

impl Practice {
    /// The last of a kind. One from the future is none.
    #[must_use]
    pub fn last(&self, kind: &str) -> Option<&Record> {
        let of_kind = self.records.iter().flatten().filter(|record| record.kind == kind && record.at <= self.now);
        of_kind.max_by_key(|record| record.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_from_lines_and_lists() {
        let review = r#"{"kind":"review","at":"2026-11-01T00:00:00Z","by":"ops","decisions":[]}"#;
        let training = r#"{"kind":"training","at":"2026-10-01T00:00:00Z","by":"ann","score":9}"#;
        let lines = format!("{review}\n{training}\n{{\"kind\":\"anomaly\"}}\n");
        let list = format!("[{review},{training}]");
        for text in [&lines, &list] {
            let records = Record::parse(text).expect("good");
            assert_eq!(records.len(), 2, "{text}");
            let now = records[0].at + 5;
            let practice = Practice { records: Some(records), require_training: None, now };
            assert_eq!(practice.last("review").map(|record| record.by.as_str()), Some("ops"));
            assert_eq!(Practice { now: 0, ..practice }.last("review"), None);
        }
        for text in ["{", r#"{"kind":"review","at":"soon","by":"ops"}"#, r#"{"kind":"review"}"#] {
            assert!(Record::parse(text).is_err(), "{text}");
        }
    }
}
