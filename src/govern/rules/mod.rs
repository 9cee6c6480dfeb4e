//! The rules of the audit: one table, a row a rule, in sections by what they look at. A row says what is wrong, why that
//! matters and what to do; its look is a small pure function that finds the places. The rows feed `audit`, the running
//! sidecar's own audit, `explain`, the documentation and the tests.
//!
//! Codes are stable: a rule that goes leaves a gap, and a code is never given to another one.

mod admission;
mod exposure;
mod limits;
mod permissions;
mod practice;
mod records;
mod replay;
mod schemes;
mod secrets;
mod transport;
mod workload;

use crate::policy::Route;

use super::finding::{Finding, Place, Rule, Severity};
use super::manifests::{Cluster, Object, Workload};
use super::subject::{Practice, Subject};

/// A rule and how it looks.
#[derive(Debug)]
pub struct Row {
    /// What it is about.
    pub rule: Rule,
    look: Look,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// The configuration in effect.
    Settings(fn(&Subject<'_>, &mut Hits)),
    /// Kubernetes objects.
    Objects(fn(&Cluster<'_>, &mut Hits)),
    /// What people have done, by its records; whether that could be judged.
    Practice(fn(&Practice, &mut Hits) -> bool),
}

use Look::{Objects, Practice as People, Settings};
use Severity::{Critical, High, Info, Low, Medium};

const fn row(
    code: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
    references: &'static [&'static str],
    look: Look,
) -> Row {
    Row { rule: Rule { code, severity, title, why, remedy, references }, look }
}

/// All rows, by code.
pub fn all() -> impl Iterator<Item = &'static Row> {
    let sections = [
        transport::ROWS,
        secrets::ROWS,
        schemes::ROWS,
        replay::ROWS,
        permissions::ROWS,
        limits::ROWS,
        records::ROWS,
        practice::ROWS,
        workload::ROWS,
        exposure::ROWS,
        admission::ROWS,
    ];
    sections.into_iter().flatten()
}

/// The rule of a code, in either case.
#[must_use]
pub fn find(code: &str) -> Option<&'static Rule> {
    all().map(|row| &row.rule).find(|rule| rule.code.eq_ignore_ascii_case(code))
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The configuration in effect.
    Settings,
    /// Kubernetes objects.
    Objects,
    /// What people do.
    Practice,
}

/// What a rule is about. One that is of no row here is about the configuration.
#[must_use]
pub fn about(rule: &Rule) -> About {
    match all().find(|row| row.rule.code == rule.code).map(|row| row.look) {
        Some(Objects(_)) => About::Objects,
        Some(People(_)) => About::Practice,
        Some(Settings(_)) | None => About::Settings,
    }
}

impl Row {
    /// What a configuration has of it. `None`: that is not what it looks at.
    pub(super) fn of_settings(&'static self, subject: &Subject<'_>) -> Option<Vec<Finding>> {
        let Settings(look) = self.look else { return None };
        Some(Hits::of(&self.rule, |hits| look(subject, hits)))
    }

    /// The same of Kubernetes objects.
    pub(super) fn of_objects(&'static self, cluster: &Cluster<'_>) -> Option<Vec<Finding>> {
        let Objects(look) = self.look else { return None };
        Some(Hits::of(&self.rule, |hits| look(cluster, hits)))
    }

    /// The same of what people have done.
    pub(super) fn of_practice(&'static self, practice: &Practice) -> Option<Vec<Finding>> {
        let People(look) = self.look else { return None };
        let mut judged = false;
        let found = Hits::of(&self.rule, |hits| judged = look(practice, hits));
        judged.then_some(found)
    }

    /// What it needs to be judged.
    pub(super) fn needs(&self) -> &'static str {
        match self.look {
            Settings(_) => "no configuration was given",
            Objects(_) => "no Kubernetes objects were given (-f)",
            People(_) => "no records were given (--records), or none are required (--require-training)",
        }
    }
}

/// Where one rule has found something.
struct Hits {
    rule: &'static Rule,
    found: Vec<Finding>,
}

impl Hits {
    fn of(rule: &'static Rule, look: impl FnOnce(&mut Self)) -> Vec<Finding> {
        let mut hits = Self { rule, found: Vec::new() };
        look(&mut hits);
        hits.found
    }

    /// A global setting.
    fn global(&mut self, setting: &str, evidence: impl Into<String>) -> &mut Finding {
        self.variable(format!("HOOKWARDEN_{setting}"), evidence)
    }

    /// A variable, by its full name.
    fn variable(&mut self, name: String, evidence: impl Into<String>) -> &mut Finding {
        self.push(Finding::new(self.rule, Place::Variable(name), evidence))
    }

    /// A route's setting.
    fn route(&mut self, route: &Route, setting: &str, evidence: impl Into<String>) -> &mut Finding {
        let name = route.name.to_ascii_uppercase();
        let place = Place::Variable(format!("HOOKWARDEN_ROUTE_{name}_{setting}"));
        self.push(Finding::new(self.rule, place, evidence).of_route(&name))
    }

    /// A Kubernetes object, at a line.
    fn object(&mut self, object: &Object<'_>, line: usize, evidence: impl Into<String>) -> &mut Finding {
        self.push(Finding::new(self.rule, object.place(line), evidence))
    }

    /// A workload's container or pod, at a line.
    fn workload(&mut self, workload: &Workload<'_>, line: usize, evidence: impl Into<String>) -> &mut Finding {
        self.object(&workload.object, line, evidence)
    }

    /// Something else.
    fn whole(&mut self, what: &str, evidence: impl Into<String>) -> &mut Finding {
        self.push(Finding::new(self.rule, Place::Whole(what.to_owned()), evidence))
    }

    fn push(&mut self, finding: Finding) -> &mut Finding {
        let at = self.found.len();
        self.found.push(finding);
        &mut self.found[at]
    }
}

/// A number of seconds in words, in the largest unit that is not less than two.
fn span(seconds: u64) -> String {
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    match units.iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} seconds"),
    }
}

/// Seconds in a day.
const DAY: u64 = 24 * 60 * 60;

#[cfg(test)]
mod tests;
