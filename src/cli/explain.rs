//! `explain`: an outcome, an anomaly or a setting in words, laid out from what [`govern`](crate::govern) knows.

use serde_json::{Value, json};

use crate::config::knobs::Knob;
use crate::deny::{Level, Row};
use crate::govern::explain::Topic;

use super::layout::{list, or_dash, table};
use super::terminal::{FormatFlag, Paint};
use super::{Exit, Failure, terminal};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hookwarden explain
  hookwarden explain credential_invalid
  hookwarden explain rotation_missed
  hookwarden explain HOOKWARDEN_TLS
  hookwarden explain ROUTE_TOLERANCE")]
pub(super) struct Explain {
    /// A reason code or an anomaly from a record, metric or response, or a variable's name; without one, all are listed
    #[arg(value_name = "CODE")]
    name: Option<String>,
    #[command(flatten)]
    format: FormatFlag,
}

impl Explain {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let Some(name) = &self.name else { return Ok(self.all()) };
        let topic = Topic::find(name).ok_or_else(|| unknown(name))?;
        if self.format.is_json() {
            return Ok(terminal::print_json(&as_json(topic), Exit::Fine));
        }
        Ok(terminal::print(&as_text(topic, Paint::for_stdout()), Exit::Fine))
    }

    fn all(&self) -> Exit {
        if self.format.is_json() {
            return terminal::print_json(&Topic::all().map(as_json).collect::<Vec<_>>(), Exit::Fine);
        }
        let (mut outcomes, mut anomalies, mut settings) = (Vec::new(), Vec::new(), Vec::new());
        for topic in Topic::all() {
            match topic {
                Topic::Outcome(row) => outcomes.push([row.code.to_owned(), status(row), row.title.to_owned()]),
                Topic::Anomaly(row) => anomalies.push([row.name.to_owned(), row.why.to_owned()]),
                Topic::Global(knob) | Topic::Route(knob) => {
                    settings.push([topic.name(), or_dash(Some(knob.default).filter(|text| !text.is_empty()))]);
                }
            }
        }
        let text = format!(
            "{}\n{}\n{}\nhookwarden explain NAME says more of each.\n",
            table(["OUTCOME", "STATUS", "WHAT THE CLIENT READS"], &outcomes),
            table(["ANOMALY", "WHY IT MATTERS"], &anomalies),
            table(["VARIABLE", "DEFAULT"], &settings)
        );
        terminal::print(&text, Exit::Fine)
    }
}

fn unknown(name: &str) -> Failure {
    let hint = match Topic::nearest(name) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "`hookwarden explain` lists all".to_owned(),
    };
    Failure::usage(format!("{name:?} is neither a reason code, an anomaly nor a variable; {hint}"))
}

fn as_text(topic: Topic, paint: Paint) -> String {
    match topic {
        Topic::Outcome(row) => {
            let connection = if row.closes { "closes" } else { "stays open" };
            let facts = [
                ("what", row.what.to_owned()),
                ("why", row.why.to_owned()),
                ("do", row.fix.to_owned()),
                ("status", status(row)),
                ("client reads", client_reads(row)),
                ("log", format!("{}; the connection {connection}", level(row))),
            ];
            format!("{}\n{}", paint.strong(row.code), list(&facts))
        }
        Topic::Anomaly(row) => {
            let facts = [("what", row.what.to_owned()), ("why", row.why.to_owned()), ("do", row.fix.to_owned())];
            format!("{}\n{}", paint.strong(row.name), list(&facts))
        }
        Topic::Global(knob) | Topic::Route(knob) => {
            let default = if knob.default.is_empty() { "none" } else { knob.default };
            let facts = [
                ("what", knob.help.to_owned()),
                ("accepts", knob.accepts.to_owned()),
                ("default", default.to_owned()),
                ("note", notes(knob)),
            ];
            format!("{}\n{}", paint.strong(&topic.name()), list(&facts))
        }
    }
}

fn as_json(topic: Topic) -> Value {
    match topic {
        Topic::Outcome(row) => json!({
            "kind": "outcome",
            "code": row.code,
            "status": (row.status > 0).then_some(row.status),
            "level": level(row),
            "closes": row.closes,
            "title": row.title,
            "what": row.what,
            "why": row.why,
            "fix": row.fix,
        }),
        Topic::Anomaly(row) => json!({
            "kind": "anomaly",
            "name": row.name,
            "what": row.what,
            "why": row.why,
            "fix": row.fix,
        }),
        Topic::Global(knob) | Topic::Route(knob) => json!({
            "kind": "variable",
            "name": topic.name(),
            "default": (!knob.default.is_empty()).then_some(knob.default),
            "accepts": knob.accepts,
            "help": knob.help,
            "secret": knob.secret,
        }),
    }
}

fn status(row: &Row) -> String {
    if row.status == 0 { "the service's".to_owned() } else { row.status.to_string() }
}

fn client_reads(row: &Row) -> String {
    match row.status {
        0 => "what the service answers".to_owned(),
        401 => format!("{}; the code only with HOOKWARDEN_ERROR_DETAIL=full, else unauthorized", row.title),
        _ => row.title.to_owned(),
    }
}

fn level(row: &Row) -> &'static str {
    match row.level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn notes(knob: &Knob) -> String {
    if knob.secret { "a secret: never printed".to_owned() } else { String::new() }
}
