//! What is wrong, as `audit` and `assess` say it: one [`Rule`] a kind of fault, one [`Finding`] a place that has it, and
//! the [`Report`] of a whole look. Pure; its faces (for scanners, dashboards and people) are in [`report`](super::report).
//!
//! A finding never holds a secret: who finds one says how long it is or whose else it is, never what it is.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;

use serde_json::{Value, json};

use super::trend::Trend;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// A precaution is missing that something else makes up for.
    Low,
    /// A precaution is missing.
    Medium,
    /// An attacker gets something, given luck or a foothold.
    High,
    /// An attacker gets in.
    Critical,
}

impl Severity {
    /// All, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of fault: a row of a table, for findings and for those who ask what a code means.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its code, such as `HW012`. Stable: a code is never given to another fault.
    pub code: &'static str,
    /// How bad it usually is.
    pub severity: Severity,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why it matters: the attack.
    pub why: &'static str,
    /// What to do, with the exact setting. `<NAME>` stands for a route's name.
    pub remedy: &'static str,
    /// Numbers of published controls, such as `CWE-294`.
    pub references: &'static [&'static str],
}

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the whole, or in something that is no variable and no file: what it is called.
    Whole(String),
    /// In a variable, or for lack of it.
    Variable(String),
    /// In a file.
    File {
        /// Its path, `-` for standard input.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What stands there, such as `Deployment shop/orders`.
        object: String,
    },
}

impl Place {
    /// What stays the same when lines move: by this a finding is known again.
    #[must_use]
    pub fn identity(&self) -> String {
        match self {
            Self::Whole(name) | Self::Variable(name) => name.clone(),
            Self::File { path, object, .. } => format!("{path}#{object}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(name) | Self::Variable(name) => f.write_str(name),
            Self::File { path, line, object } => write!(f, "{path}:{line} ({object})"),
        }
    }
}

/// One place that has a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub rule: &'static Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What was seen. Never a secret.
    pub evidence: String,
    /// What to do here.
    pub remedy: Cow<'static, str>,
}

impl Finding {
    /// A fault of that kind, as bad as it usually is.
    pub fn new(rule: &'static Rule, place: Place, evidence: impl Into<String>) -> Self {
        Self { rule, severity: rule.severity, place, evidence: evidence.into(), remedy: rule.remedy.into() }
    }

    /// The same, with the route's name in the remedy. Variables write it in upper case.
    #[must_use]
    pub fn of_route(self, route: &str) -> Self {
        Self { remedy: self.remedy.replace("<NAME>", &route.to_ascii_uppercase()).into(), ..self }
    }

    /// The same, better or worse than usual.
    #[must_use]
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// By what it is known again in another report: its kind and its place, without the line.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{} {}", self.rule.code, self.place.identity())
    }

    /// For programs.
    #[must_use]
    pub fn as_json(&self) -> Value {
        let mut value = json!({
            "rule": self.rule.code,
            "severity": self.severity.name(),
            "title": self.rule.title,
            "evidence": self.evidence,
            "remedy": self.remedy,
            "references": self.rule.references,
            "why": self.rule.why,
            "place": self.place.to_string(),
            "id": self.identity(),
        });
        match &self.place {
            Place::Whole(_) => {}
            Place::Variable(name) => value["variable"] = name.as_str().into(),
            Place::File { path, line, object } => {
                value["file"] = path.as_str().into();
                value["line"] = (*line).into();
                value["object"] = object.as_str().into();
            }
        }
        value
    }

    /// The worst first, then by code and place.
    fn order(&self) -> (Reverse<Severity>, &'static str, &Place, &str) {
        (Reverse(self.severity), self.rule.code, &self.place, &self.evidence)
    }
}

/// A finding that somebody has accepted, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What was found.
    pub finding: Finding,
    /// Why it is accepted.
    pub reason: String,
    /// Who answers for that.
    pub owner: String,
    /// Until when, as it was written: a date.
    pub until: String,
}

/// What one look has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What looked: `audit` or `assess`.
    pub kind: &'static str,
    /// At what.
    pub subject: String,
    /// When, in seconds since the Unix epoch.
    pub at: u64,
    /// What counts, in a stable order.
    pub findings: Vec<Finding>,
    /// What does not.
    pub accepted: Vec<Accepted>,
    /// The rules that nothing was found of.
    pub passed: Vec<&'static Rule>,
    /// The rules that could not be judged, and why.
    pub skipped: Vec<(&'static Rule, String)>,
    /// What whoever reads it should know beside that.
    pub notes: Vec<String>,
    /// What has changed since an earlier report, where one was given.
    pub trend: Option<Trend>,
}

impl Report {
    /// Sorts the findings, and leaves each once.
    pub fn sort(&mut self) {
        self.findings.sort_by(|one, other| one.order().cmp(&other.order()));
        self.findings.dedup();
        self.accepted.sort_by(|one, other| one.finding.order().cmp(&other.finding.order()));
    }

    /// How many findings of a severity count.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The worst that was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Whether something is as bad as that, or worse. `None`: nothing ever is.
    #[must_use]
    pub fn fails_on(&self, severity: Option<Severity>) -> bool {
        severity.is_some_and(|least| self.worst() >= Some(least))
    }

    /// The findings in their order, those of one rule that are equally bad together.
    #[must_use]
    pub fn groups(&self) -> Vec<Vec<&Finding>> {
        let mut groups: Vec<Vec<&Finding>> = Vec::new();
        for finding in &self.findings {
            match groups.last_mut() {
                Some(group)
                    if group.iter().all(|other| other.order().0 == finding.order().0 && other.rule == finding.rule) =>
                {
                    group.push(finding);
                }
                _ => groups.push(vec![finding]),
            }
        }
        groups
    }

    /// Every rule that was judged, by code.
    #[must_use]
    pub fn rules(&self) -> Vec<&'static Rule> {
        let found = self.findings.iter().chain(self.accepted.iter().map(|accepted| &accepted.finding));
        let mut rules: Vec<_> = found.map(|finding| finding.rule).chain(self.passed.iter().copied()).collect();
        rules.sort_by_key(|rule| rule.code);
        rules.dedup_by_key(|rule| rule.code);
        rules
    }

    /// For programs.
    #[must_use]
    pub fn as_json(&self) -> Value {
        let summary = Severity::ALL.map(|severity| (severity.name().to_owned(), Value::from(self.count(severity))));
        let accepted = |accepted: &Accepted| {
            let mut value = accepted.finding.as_json();
            value["accepted"] = json!({
                "reason": accepted.reason,
                "owner": accepted.owner,
                "until": accepted.until,
            });
            value
        };
        json!({
            "kind": self.kind,
            "version": env!("CARGO_PKG_VERSION"),
            "at": time(self.at),
            "subject": self.subject,
            "summary": serde_json::Map::from_iter(summary),
            "findings": self.findings.iter().map(Finding::as_json).collect::<Vec<_>>(),
            "accepted": self.accepted.iter().map(accepted).collect::<Vec<_>>(),
            "passed": self.passed.iter().map(|rule| rule.code).collect::<Vec<_>>(),
            "skipped": self.skipped.iter().map(|(rule, why)| json!({ "rule": rule.code, "why": why })).collect::<Vec<_>>(),
            "notes": self.notes,
            "trend": self.trend.as_ref().map(Trend::as_json),
        })
    }
}

/// A time in seconds since the Unix epoch, as RFC 3339.
#[must_use]
pub fn time(second: u64) -> String {
    let time = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    time.map_or_else(|| second.to_string(), |time| time.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::govern) static BAD: Rule = Rule {
        code: "HW900",
        severity: Severity::High,
        title: "Something <bad>",
        why: "Somebody \"does\" it & wins.",
        remedy: "Set HOOKWARDEN_ROUTE_<NAME>_MODE=enforce.",
        references: &["CWE-294", "NIST SP 800-53 AC-4"],
    };

    pub(in crate::govern) static FINE: Rule = Rule {
        code: "HW901",
        severity: Severity::Low,
        title: "Something else",
        why: "w",
        remedy: "r",
        references: &[],
    };

    pub(in crate::govern) fn report() -> Report {
        let place = |line, object: &str| Place::File { path: "a.yaml".into(), line, object: object.into() };
        let variable = Place::Variable("HOOKWARDEN_ROUTE_PAY_MODE".into());
        let mut report = Report {
            kind: "audit",
            subject: "the environment".into(),
            at: 1_800_000_000,
            findings: vec![
                Finding::new(&BAD, place(9, "Service a/b"), "port 80").with_severity(Severity::Info),
                Finding::new(&BAD, variable, "it is monitor").of_route("pay"),
                Finding::new(&BAD, place(3, "Pod a/<c>"), "port 80"),
                Finding::new(&BAD, place(3, "Pod a/<c>"), "port 80"),
            ],
            accepted: vec![Accepted {
                finding: Finding::new(&BAD, Place::Whole("the whole".into()), "seen"),
                reason: "a migration".into(),
                owner: "payments".into(),
                until: "2027-02-01".into(),
            }],
            passed: vec![&FINE],
            skipped: Vec::new(),
            notes: vec!["a note".into()],
            trend: None,
        };
        report.sort();
        report
    }

    #[test]
    fn the_worst_comes_first_and_each_once() {
        let report = report();
        let order: Vec<_> =
            report.findings.iter().map(|finding| (finding.severity, finding.place.to_string())).collect();
        let expected = [
            (Severity::High, "HOOKWARDEN_ROUTE_PAY_MODE".to_owned()),
            (Severity::High, "a.yaml:3 (Pod a/<c>)".to_owned()),
            (Severity::Info, "a.yaml:9 (Service a/b)".to_owned()),
        ];
        assert_eq!(order, expected);
        assert_eq!(report.findings[0].remedy, "Set HOOKWARDEN_ROUTE_PAY_MODE=enforce.");
        assert_eq!((report.count(Severity::High), report.worst()), (2, Some(Severity::High)));
        assert_eq!(report.rules(), [&BAD, &FINE]);
    }

    #[test]
    fn what_it_fails_on() {
        for (least, expected) in [
            (Some(Severity::Critical), false),
            (Some(Severity::High), true),
            (Some(Severity::Info), true),
            (None, false),
        ] {
            assert_eq!(report().fails_on(least), expected, "{least:?}");
        }
        assert!(!Report::default().fails_on(Some(Severity::Info)));
    }

    #[test]
    fn a_finding_is_known_again_on_another_line() {
        let at = |line| Place::File { path: "a.yaml".into(), line, object: "Pod a/b".into() };
        let one = Finding::new(&BAD, at(1), "x");
        assert_eq!(one.identity(), Finding::new(&BAD, at(7), "y").identity());
        assert_eq!(one.identity(), "HW900 a.yaml#Pod a/b");
    }

    #[test]
    fn programs_read_what_the_contract_promises() {
        let value = report().as_json();
        let first = &value["findings"][0];
        for key in ["rule", "severity", "title", "evidence", "remedy"] {
            assert!(first[key].is_string(), "{key}");
        }
        assert_eq!(first["references"], json!(["CWE-294", "NIST SP 800-53 AC-4"]));
        assert_eq!(value["summary"]["high"], 2);
        assert_eq!(value["accepted"][0]["accepted"]["owner"], "payments");
        assert_eq!(value["at"], "2027-01-15T08:00:00Z");
    }
}
