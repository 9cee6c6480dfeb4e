//! The handbook: all that `explain` knows as one Markdown document, with an anchor for each topic that stays the same as
//! long as the topic's name does. Pure.

use std::fmt::Write;

use serde_json::Value;

use super::explain::{KINDS, Kind, Topic};

/// The whole handbook.
#[must_use]
pub fn markdown() -> String {
    let mut text =
        "# Hookwarden: the handbook\n\nMade by `hookwarden explain --all --format markdown`. Each entry says \
                    what happened, why it matters, how to see it, what to do now and how to prevent it.\n"
            .to_owned();
    for kind in KINDS {
        contents(&mut text, *kind);
    }
    for kind in KINDS {
        let _ = write!(text, "\n## {}\n", kind.heading);
        for topic in of_kind(*kind) {
            text.push_str(&entry(topic));
        }
    }
    text
}

/// The entry of one topic.
#[must_use]
pub fn entry(topic: Topic) -> String {
    // An anchor of our own: what a viewer makes of a heading differs from viewer to viewer.
    let mut text = format!("\n<a id=\"{}\"></a>\n\n### `{}`\n\n", anchor(topic), topic.name());
    for (name, value) in topic.facts() {
        if !value.is_null() {
            let value = plain(&value);
            let _ = writeln!(text, "* {}: {}", name.replace('_', " "), escaped(&value));
        }
    }
    for (_, heading, part) in topic.lesson().parts() {
        let _ = write!(text, "\n**{heading}.** {}\n", escaped(part));
    }
    text
}

/// A fact as it is read: texts without quotes, and lists of them.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// The anchor of a topic: its name in lower case, and a hyphen for all that is neither letter nor digit.
#[must_use]
pub fn anchor(topic: Topic) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = topic.name().chars().map(plain).collect();
    name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn contents(text: &mut String, kind: Kind) {
    let links: Vec<_> = of_kind(kind).map(|topic| format!("[`{}`](#{})", topic.name(), anchor(topic))).collect();
    let _ = write!(text, "\n**{}**: {}\n", kind.heading, links.join(", "));
}

fn of_kind(kind: Kind) -> impl Iterator<Item = Topic> {
    Topic::all().filter(move |topic| topic.kind() == kind)
}

/// The text as Markdown that reads as the text: what stands between backticks is code, and outside of them nothing is a
/// tag, emphasis or a link.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut is_code = false;
    for character in text.chars() {
        is_code ^= character == '`';
        if !is_code && matches!(character, '\\' | '*' | '_' | '<' | '>' | '[' | ']' | '|' | '#') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_topic_has_its_own_anchor_and_is_linked() {
        let text = markdown();
        let mut anchors = BTreeSet::new();
        for topic in Topic::all() {
            let anchor = anchor(topic);
            assert!(text.contains(&format!("<a id=\"{anchor}\"></a>")), "{anchor}");
            assert!(text.contains(&format!("](#{anchor})")), "{anchor}");
            assert!(anchors.insert(anchor), "{} shares its anchor", topic.name());
        }
    }

    #[test]
    fn anchors_stay_as_they_are() {
        for (name, expected) in [
            ("replayed", "replayed"),
            ("HOOKWARDEN_TLS", "hookwarden-tls"),
            ("ROUTE_SECRET_FILE", "hookwarden-route-name-secret-file"),
            ("take-port", "hookwarden-io-take-port"),
        ] {
            assert_eq!(Topic::find(name).map(anchor).as_deref(), Some(expected));
        }
    }

    #[test]
    fn nothing_in_a_text_becomes_markup() {
        assert_eq!(escaped("X_FILE <b> `a_b` [b]"), "X\\_FILE \\<b\\> `a_b` \\[b\\]");
        for topic in Topic::all() {
            for (name, _, text) in topic.lesson().parts() {
                assert!(text.matches('`').count() % 2 == 0, "{}, {name}: {text}", topic.name());
            }
        }
    }
}
