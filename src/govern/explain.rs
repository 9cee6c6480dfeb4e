//! What `explain` knows: every outcome, every kind of anomaly and every setting, from the rows that the code itself runs on. Pure.

use crate::config::PREFIX;
use crate::config::knobs::{GLOBAL, Knob, ROUTE};
use crate::deny::{Reason, Row};
use crate::observe::anomaly;
use crate::suggest;

/// Something that can be explained.
#[derive(Debug, Clone, Copy)]
pub enum Topic {
    /// A way that a request can end.
    Outcome(&'static Row),
    /// Something unusual.
    Anomaly(&'static anomaly::Row),
    /// A global setting.
    Global(&'static Knob),
    /// A setting of a route.
    Route(&'static Knob),
}

impl Topic {
    /// The name that it is asked for by: a reason's code, or a variable's full name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Outcome(row) => row.code.to_owned(),
            Self::Anomaly(row) => row.name.to_owned(),
            Self::Global(knob) => format!("{PREFIX}{}", knob.name),
            Self::Route(knob) => format!("{PREFIX}{ROUTES}<NAME>_{}", knob.name),
        }
    }

    /// All topics: the outcomes in the order of the gates, the anomalies, then the settings.
    pub fn all() -> impl Iterator<Item = Self> {
        let outcomes = Reason::all().map(|reason| Self::Outcome(reason.row()));
        let anomalies = anomaly::Kind::all().map(|kind| Self::Anomaly(kind.row()));
        outcomes.chain(anomalies).chain(GLOBAL.iter().map(Self::Global)).chain(ROUTE.iter().map(Self::Route))
    }

    /// The topic of that name. A reason's code is taken in either case; a variable with or without its prefix, for any
    /// route, and with the `_FILE` that may stand for it.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let (code, variable) = (name.to_ascii_lowercase(), name.to_ascii_uppercase());
        if let Some(reason) = Reason::from_code(&code) {
            return Some(Self::Outcome(reason.row()));
        }
        if let Some(kind) = anomaly::Kind::from_name(&code) {
            return Some(Self::Anomaly(kind.row()));
        }
        let bare = variable.strip_prefix(PREFIX).unwrap_or(&variable);
        let setting = |name: &str| match name.strip_prefix(ROUTES) {
            Some(field) => find_field(field).map(Self::Route),
            None => find_knob(GLOBAL, name).map(Self::Global).or_else(|| find_knob(ROUTE, name).map(Self::Route)),
        };
        setting(bare).or_else(|| setting(bare.strip_suffix("_FILE")?))
    }

    /// The name of what was probably meant. Codes are written in lower case and variables in upper case, so what was
    /// written in one of them is looked for there first.
    #[must_use]
    pub fn nearest(name: &str) -> Option<String> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix(PREFIX).unwrap_or(&upper);
        let bare = bare.strip_prefix(ROUTES).unwrap_or(bare);
        let is_code = |topic: &Self| matches!(topic, Self::Outcome(_) | Self::Anomaly(_));
        let (outcomes, settings): (Vec<_>, Vec<_>) = Self::all().partition(is_code);
        let (first, second) = if upper == name { (settings, outcomes) } else { (outcomes, settings) };
        nearest_of(bare, &first).or_else(|| nearest_of(bare, &second)).map(Self::name)
    }
}

fn nearest_of(word: &str, topics: &[Topic]) -> Option<Topic> {
    let key = |topic: &Topic| match topic {
        Topic::Outcome(row) => row.code.to_ascii_uppercase(),
        Topic::Anomaly(row) => row.name.to_ascii_uppercase(),
        Topic::Global(knob) | Topic::Route(knob) => knob.name.to_owned(),
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
            ("HOOKWARDEN_LISTN", Some("HOOKWARDEN_LISTEN")),
            ("ROUTE_PROVDER", Some("HOOKWARDEN_ROUTE_<NAME>_PROVIDER")),
            ("qqqqqqqqqq", None),
        ] {
            assert_eq!(Topic::nearest(asked).as_deref(), expected, "{asked}");
        }
    }
}
