//! What `explain` knows: every outcome, every kind of anomaly, every rule, attack and alert, every setting, and every
//! annotation of pods, from the rows that the code itself runs on. Pure.
//!
//! A further kind of topic is a variant: with its name, its kind, its title and its lesson it is listed, found, printed
//! and part of the handbook.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::assess;
use crate::assess::attack::Attack;
use crate::config::PREFIX;
use crate::config::knobs::{GLOBAL, Knob, ROUTE};
use crate::deny::{Level, Reason, Row};
use crate::inject::PREFIX as ANNOTATIONS_OF;
use crate::inject::annotations::{self, ANNOTATIONS};
use crate::observe::anomaly;
use crate::suggest;

use super::alerts::{self, ALERTS};
use super::finding::Rule;
use super::lesson::Lesson;
use super::{lessons, rules};

/// Something that can be explained.
#[derive(Debug, Clone, Copy)]
pub enum Topic {
    /// A way that a request can end.
    Outcome(&'static Row),
    /// Something unusual.
    Anomaly(&'static anomaly::Row),
    /// A rule of the audit.
    Finding(&'static Rule),
    /// An attack of an assessment.
    Attack(&'static Attack),
    /// An alert of the rules for Prometheus.
    Alert(&'static alerts::Row),
    /// A global setting.
    Global(&'static Knob),
    /// A setting of a route.
    Route(&'static Knob),
    /// An annotation of a pod.
    Annotation(&'static annotations::Row),
}

/// What kind of thing a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name, for programs.
    pub name: &'static str,
    /// The heading over all of its kind.
    pub heading: &'static str,
    /// What one such name is, in a sentence.
    pub noun: &'static str,
}

const OUTCOME: Kind = Kind { name: "outcome", heading: "Outcomes", noun: "a reason code" };
const ANOMALY: Kind = Kind { name: "anomaly", heading: "Anomalies", noun: "an anomaly" };
const FINDING: Kind = Kind { name: "finding", heading: "Findings", noun: "a rule of the audit" };
const ATTACK: Kind = Kind { name: "attack", heading: "Attacks", noun: "an attack of an assessment" };
const ALERT: Kind = Kind { name: "alert", heading: "Alerts", noun: "an alert" };
const VARIABLE: Kind = Kind { name: "variable", heading: "Settings", noun: "a variable" };
const ANNOTATION: Kind = Kind { name: "annotation", heading: "Annotations", noun: "an annotation of a pod" };

/// The kinds, in the order in which their topics stand.
pub const KINDS: &[Kind] = &[OUTCOME, ANOMALY, FINDING, ATTACK, ALERT, VARIABLE, ANNOTATION];

impl Topic {
    /// The name that it is asked for by: a code, or a variable's full name.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Outcome(row) => row.code.into(),
            Self::Anomaly(row) => row.name.into(),
            Self::Finding(rule) => rule.code.into(),
            Self::Attack(attack) => attack.rule.code.into(),
            Self::Alert(row) => row.name.into(),
            Self::Global(knob) => format!("{PREFIX}{}", knob.name).into(),
            Self::Route(knob) => format!("{PREFIX}{ROUTES}<NAME>_{}", knob.name).into(),
            Self::Annotation(row) => format!("{ANNOTATIONS_OF}{}", row.name).into(),
        }
    }

    /// What kind of thing it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Outcome(_) => OUTCOME,
            Self::Anomaly(_) => ANOMALY,
            Self::Finding(_) => FINDING,
            Self::Attack(_) => ATTACK,
            Self::Alert(_) => ALERT,
            Self::Global(_) | Self::Route(_) => VARIABLE,
            Self::Annotation(_) => ANNOTATION,
        }
    }

    /// What it is, in one line.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Outcome(row) => row.title,
            Self::Anomaly(row) => row.why,
            Self::Finding(rule) => rule.title,
            Self::Attack(attack) => attack.rule.title,
            Self::Alert(row) => row.summary,
            Self::Global(knob) | Self::Route(knob) => knob.help,
            Self::Annotation(row) => row.help,
        }
    }

    /// What is to be learnt of it.
    #[must_use]
    pub fn lesson(self) -> Lesson {
        match self {
            Self::Outcome(row) => lessons::of_outcome(row),
            Self::Anomaly(row) => lessons::of_anomaly(row),
            Self::Finding(rule) => lessons::of_rule(rule),
            Self::Attack(attack) => lessons::of_attack(attack),
            Self::Alert(row) => row.lesson(),
            Self::Global(knob) | Self::Route(knob) => lessons::of_setting(knob, &self.name()),
            Self::Annotation(row) => lessons::of_annotation(row, &self.name()),
        }
    }

    /// What else is known of it, by name; what is null does not hold for it.
    #[must_use]
    pub fn facts(self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Outcome(row) => vec![
                ("status", json!((row.status > 0).then_some(row.status))),
                ("level", json!(level(row))),
                ("closes", json!(row.closes)),
                ("client_reads", json!(client_reads(row))),
            ],
            Self::Anomaly(_) | Self::Alert(_) => Vec::new(),
            Self::Finding(rule) | Self::Attack(Attack { rule, .. }) => {
                vec![("severity", json!(rule.severity.name())), ("references", json!(rule.references))]
            }
            Self::Global(knob) | Self::Route(knob) => vec![
                ("accepts", json!(knob.accepts)),
                ("default", json!((!knob.default.is_empty()).then_some(knob.default))),
                ("secret", json!(knob.secret)),
            ],
            Self::Annotation(row) => vec![
                ("accepts", json!(row.accepts)),
                ("default", json!((!row.default.is_empty()).then_some(row.default))),
            ],
        }
    }

    /// All topics, each kind together, in the order of [`KINDS`]: the outcomes in the order of the gates.
    pub fn all() -> impl Iterator<Item = Self> {
        let outcomes = Reason::all().map(|reason| Self::Outcome(reason.row()));
        let anomalies = anomaly::Kind::all().map(|kind| Self::Anomaly(kind.row()));
        let findings = rules::all().map(|row| Self::Finding(&row.rule));
        let attacks = assess::all().map(Self::Attack);
        let alerts = ALERTS.iter().map(Self::Alert);
        let settings = GLOBAL.iter().map(Self::Global).chain(ROUTE.iter().map(Self::Route));
        let annotations = ANNOTATIONS.iter().map(Self::Annotation);
        outcomes.chain(anomalies).chain(findings).chain(attacks).chain(alerts).chain(settings).chain(annotations)
    }

    /// The topic of that name. A code is taken in either case; a variable with or without its prefix, for any route, and
    /// with the `_FILE` that may stand for it; an annotation without its prefix where no code or variable is called so.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        if let Some(topic) = Self::all().find(|topic| topic.name().eq_ignore_ascii_case(name)) {
            return Some(topic);
        }
        let variable = name.to_ascii_uppercase();
        let bare = variable.strip_prefix(PREFIX).unwrap_or(&variable);
        let setting = |name: &str| match name.strip_prefix(ROUTES) {
            Some(field) => find_field(field).map(Self::Route),
            None => find_knob(GLOBAL, name).map(Self::Global).or_else(|| find_knob(ROUTE, name).map(Self::Route)),
        };
        let annotation = || ANNOTATIONS.iter().find(|row| row.name.eq_ignore_ascii_case(name)).map(Self::Annotation);
        setting(bare).or_else(|| setting(bare.strip_suffix("_FILE")?)).or_else(annotation)
    }

    /// The name of what was probably meant. Codes are written in lower case and variables in upper case, so what was
    /// written in one of them is looked for there first.
    #[must_use]
    pub fn nearest(name: &str) -> Option<Cow<'static, str>> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix(PREFIX).unwrap_or(&upper);
        let bare = bare.strip_prefix(ROUTES).unwrap_or(bare);
        if let Some(annotation) = name.strip_prefix(ANNOTATIONS_OF) {
            let near = suggest::nearest(annotation, ANNOTATIONS.iter().map(|row| row.name))?;
            return Some(format!("{ANNOTATIONS_OF}{near}").into());
        }
        let (settings, codes): (Vec<_>, Vec<_>) = Self::all().partition(|topic| topic.kind() == VARIABLE);
        let (first, second) = if upper == name { (settings, codes) } else { (codes, settings) };
        nearest_of(bare, &first).or_else(|| nearest_of(bare, &second)).map(Self::name)
    }
}

fn nearest_of(word: &str, topics: &[Topic]) -> Option<Topic> {
    let key = |topic: &Topic| match topic {
        Topic::Global(knob) | Topic::Route(knob) => knob.name.to_owned(),
        Topic::Annotation(row) => row.name.to_ascii_uppercase(),
        Topic::Outcome(_) | Topic::Anomaly(_) | Topic::Finding(_) | Topic::Attack(_) | Topic::Alert(_) => {
            topic.name().to_ascii_uppercase()
        }
    };
    let keys: Vec<_> = topics.iter().map(key).collect();
    let best = suggest::nearest(word, keys.iter().map(String::as_str))?;
    topics.iter().zip(&keys).find(|(_, key)| *key == best).map(|(topic, _)| *topic)
}

/// What stands between the prefix and a route's name.
const ROUTES: &str = "ROUTE_";

fn find_knob(knobs: &'static [Knob], name: &str) -> Option<&'static Knob> {
    knobs.iter().find(|knob| knob.name == name)
}

/// The field of `PATH`, `<NAME>_PATH` or `GITHUB_PATH`: the longest known ending, as the loader takes it.
fn find_field(text: &str) -> Option<&'static Knob> {
    let ends = |knob: &&Knob| text.strip_suffix(knob.name).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    ROUTE.iter().filter(ends).max_by_key(|knob| knob.name.len())
}

fn level(row: &Row) -> &'static str {
    match row.level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn client_reads(row: &Row) -> String {
    match row.status {
        0 => "what the service answers".to_owned(),
        401 => format!("{}; the code only with HOOKWARDEN_ERROR_DETAIL=full, else unauthorized", row.title),
        _ => row.title.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_found_by_its_name() {
        for topic in Topic::all() {
            let found = Topic::find(&topic.name()).map(Topic::name);
            assert_eq!(found, Some(topic.name()));
        }
    }

    #[test]
    fn kinds_stand_together_and_in_order() {
        let mut kinds: Vec<_> = Topic::all().map(Topic::kind).collect();
        kinds.dedup();
        assert_eq!(kinds, KINDS);
    }

    #[test]
    fn every_lesson_is_whole() {
        for topic in Topic::all() {
            for (name, _, text) in topic.lesson().parts() {
                let ends = text.ends_with(['.', '?', '!']) && !text.contains("  ") && !text.contains('\n');
                assert!(text.len() >= "Nothing.".len() && ends, "{}, {name}: {text:?}", topic.name());
            }
        }
    }

    #[test]
    fn names_in_other_spellings() {
        for (asked, expected) in [
            ("REPLAYED", Some("replayed")),
            ("listen", Some("HOOKWARDEN_LISTEN")),
            ("HOOKWARDEN_UPSTREAM_FILE", Some("HOOKWARDEN_UPSTREAM")),
            ("ROUTE_PATH", Some("HOOKWARDEN_ROUTE_<NAME>_PATH")),
            ("PROVIDER", Some("HOOKWARDEN_ROUTE_<NAME>_PROVIDER")),
            ("ROUTE_UPSTREAM", Some("HOOKWARDEN_ROUTE_<NAME>_UPSTREAM")),
            ("HOOKWARDEN_ROUTE_MY_GITHUB_SECRET_FILE", Some("HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE")),
            ("HOOKWARDEN_ROUTE_GITHUB_MODE_FILE", Some("HOOKWARDEN_ROUTE_<NAME>_MODE")),
            ("hookwarden.io/take-port", Some("hookwarden.io/take-port")),
            ("take-port", Some("hookwarden.io/take-port")),
            ("secret", Some("HOOKWARDEN_ROUTE_<NAME>_SECRET")),
            ("hookwarden.io/secret", Some("hookwarden.io/secret")),
            ("nonsense", None),
            ("", None),
            ("_FILE", None),
        ] {
            assert_eq!(Topic::find(asked).map(Topic::name).as_deref(), expected, "{asked}");
        }
    }

    #[test]
    fn what_was_probably_meant() {
        for (asked, expected) in [
            ("replaid", Some("replayed")),
            ("silense", Some("silence")),
            ("HookwardenDwon", Some("HookwardenDown")),
            ("HOOKWARDEN_LISTN", Some("HOOKWARDEN_LISTEN")),
            ("ROUTE_PROVDER", Some("HOOKWARDEN_ROUTE_<NAME>_PROVIDER")),
            ("hookwarden.io/take-prt", Some("hookwarden.io/take-port")),
            ("hookwarden.io/qqqqqqqqqq", None),
            ("take-prt", Some("hookwarden.io/take-port")),
            ("qqqqqqqqqq", None),
        ] {
            assert_eq!(Topic::nearest(asked).as_deref(), expected, "{asked}");
        }
    }
}
