//! `explain`: an outcome, a finding, a setting or an annotation in words, or the handbook of all, laid out from what
//! [`govern`](crate::govern) knows.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::govern::explain::{KINDS, Kind, Topic};
use crate::govern::handbook;

use super::layout::{list, table, width, wrap};
use super::terminal::Paint;
use super::{Exit, Failure, terminal};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hookwarden explain
  hookwarden explain credential_invalid
  hookwarden explain rotation_missed
  hookwarden explain HOOKWARDEN_TLS
  hookwarden explain ROUTE_TOLERANCE
  hookwarden explain hookwarden.io/take-port
  hookwarden explain --all --format markdown > handbook.md")]
pub(super) struct Explain {
    /// A code from a record, metric, response or report, or the name of a variable or annotation; without one, all are listed
    #[arg(value_name = "CODE")]
    name: Option<String>,
    /// All that can be explained, each in full: the handbook
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For a page: headings, links and stable anchors
    Markdown,
}

impl Explain {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let Some(name) = &self.name else { return Ok(self.every()) };
        let topic = Topic::find(name).ok_or_else(|| unknown(name))?;
        Ok(match self.format {
            Format::Json => terminal::print_json(&as_json(topic), Exit::Fine),
            Format::Text => terminal::print(&as_text(topic, Paint::for_stdout()), Exit::Fine),
            Format::Markdown => terminal::print(handbook::entry(topic).trim_start(), Exit::Fine),
        })
    }

    fn every(&self) -> Exit {
        match self.format {
            Format::Json => terminal::print_json(&Topic::all().map(as_json).collect::<Vec<_>>(), Exit::Fine),
            Format::Markdown => terminal::print(&handbook::markdown(), Exit::Fine),
            Format::Text if self.all => {
                let paint = Paint::for_stdout();
                let texts: Vec<_> = Topic::all().map(|topic| as_text(topic, paint)).collect();
                terminal::print(&texts.join("\n"), Exit::Fine)
            }
            Format::Text => terminal::print(&index(), Exit::Fine),
        }
    }
}

/// All names, a line each.
fn index() -> String {
    let mut text: String = KINDS.iter().map(|kind| index_of(*kind) + "\n").collect();
    text.push_str("hookwarden explain NAME says more of each.\n");
    text
}

fn index_of(kind: Kind) -> String {
    let topics: Vec<_> = Topic::all().filter(|topic| topic.kind() == kind).collect();
    let widest = topics.iter().map(|topic| topic.name().len()).max().unwrap_or_default();
    let room = width().saturating_sub(widest + 2);
    let row = |topic: &Topic| [topic.name().into_owned(), cut(topic.title(), room)];
    let rows: Vec<_> = topics.iter().map(row).collect();
    table([&kind.name.to_uppercase(), "WHAT IT IS"], &rows)
}

/// The beginning of a text that is longer than there is room for.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

fn unknown(name: &str) -> Failure {
    let hint = match Topic::nearest(name) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "`hookwarden explain` lists all".to_owned(),
    };
    let nouns: Vec<_> = KINDS.iter().map(|kind| kind.noun).collect();
    let (last, others) = nouns.split_last().map_or(("", &[][..]), |(last, others)| (*last, others));
    Failure::usage(format!("{name:?} is not known as {} or {last}; {hint}", others.join(", ")))
}

fn as_text(topic: Topic, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.strong(&topic.name()));
    for (_, heading, part) in topic.lesson().parts() {
        let _ = write!(text, "\n  {}\n{}", paint.strong(heading), wrap(part, 4));
    }
    let facts: Vec<_> =
        topic.facts().into_iter().map(|(name, value)| (name.replace('_', " "), plain(&value))).collect();
    let facts: Vec<_> = facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    text.push_str(if facts.is_empty() { "" } else { "\n" });
    text + &list(&facts)
}

/// A fact for people; empty where it does not hold.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn as_json(topic: Topic) -> Value {
    let kind = topic.kind().name;
    // What is a code in records and metrics is one here; a variable has a name.
    let key = if kind == "outcome" { "code" } else { "name" };
    let mut object = Map::new();
    object.insert("kind".into(), json!(kind));
    object.insert(key.into(), json!(topic.name()));
    object.insert("title".into(), json!(topic.title()));
    object.extend(topic.facts().into_iter().map(|(name, value)| (name.to_owned(), value)));
    for (name, _, part) in topic.lesson().parts() {
        object.insert(name.into(), json!(part));
    }
    Value::Object(object)
}
