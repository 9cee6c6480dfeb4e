//! What the drill says, for a plain terminal of 80 columns.

use std::fmt::Write as _;

use serde_json::Value;

use crate::govern::explain::Topic;

use super::super::layout::{table, wrap_to};
use super::super::terminal::Paint;
use super::incidents::{ALL, Incident};
use super::learner::Answer;
use super::script::Question;
use super::theatre::{Seen, Theatre};

/// The widest line, in characters: what every terminal has.
const WIDTH: usize = 80;

/// The most records that are shown of an incident.
const SHOWN: usize = 12;

pub(super) fn welcome(theatre: &Theatre, is_transcript: bool) -> String {
    let how = if is_transcript {
        "This is the transcript, with the answers marked."
    } else {
        "Answer by a number. Nothing is at stake: every incident happens on this machine alone, with keys made for this \
         run."
    };
    let count = ALL.len();
    format!(
        "hookwarden drill: {count} incidents\n\n{}\n  records  {}\n  metrics  {}\n",
        para(&format!(
            "A sidecar runs on loopback, with a service behind it. Each incident is played for real; you see what the \
             records and the counters show, and say what is going on and what to do. {how}"
        )),
        theatre.log().display(),
        theatre.metrics()
    )
}

/// What happened and its records; and beside that how the log and the counters tell it.
pub(super) fn scene(number: usize, incident: &Incident, seen: &Seen, paint: Paint) -> [String; 2] {
    let title = paint.strong(&format!("Incident {number} of {}: {}", ALL.len(), incident.title));
    let mut text = format!("\n{}\n{title}\n\n{}\n", "-".repeat(WIDTH), para(incident.story));
    text.push_str(&records(&seen.records));
    let begin = std::mem::take(&mut text);
    if let Some(last) = seen.records.iter().rfind(|record| record["kind"].is_null()) {
        let _ = write!(text, "\n  The last one, as it stands in the log:\n{}", broken(&last.to_string(), 4));
    }
    text.push_str("\n  hookwarden_requests_total has moved:\n");
    for (labels, by) in &seen.counted {
        let _ = writeln!(text, "    +{by:<3} {labels}");
    }
    [begin, text]
}

/// The records as a table of what matters in most.
fn records(records: &[Value]) -> String {
    let cell = |record: &Value, name: &str| match &record[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => "-".to_owned(),
    };
    let row = |record: &Value| {
        let time = cell(record, "ts").get(11..19).unwrap_or("-").to_owned();
        if !record["kind"].is_null() {
            let what = format!("ANOMALY {}", cell(record, "anomaly"));
            return [
                format!("  {time}"),
                cell(record, "route"),
                "-".into(),
                what,
                cell(record, "source"),
                String::new(),
            ];
        }
        let what = if record["route"].is_null() { cell(record, "path") } else { cell(record, "event") };
        let (route, status, reason) = (cell(record, "route"), cell(record, "status"), cell(record, "reason"));
        [format!("  {time}"), route, status, reason, cell(record, "source"), what]
    };
    // What is unusual is never left out.
    let requests = records.iter().filter(|record| record["kind"].is_null()).count();
    let mut left_out = requests.saturating_sub(SHOWN);
    let more = if left_out > 0 { format!("  ({left_out} more before these)\n") } else { String::new() };
    let is_shown = |record: &&Value| {
        let is_hidden = record["kind"].is_null() && left_out > 0;
        left_out -= usize::from(is_hidden);
        !is_hidden
    };
    let rows: Vec<_> = records.iter().filter(is_shown).map(row).collect();
    more + &table(["  TIME", "ROUTE", "STATUS", "REASON", "SOURCE", "EVENT/PATH"], &rows)
}

pub(super) fn question(question: &Question) -> String {
    let mut text = format!("\n{}", para(question.asked));
    for (number, answer) in (1..).zip(question.answers) {
        let wrapped = wrap_to(answer, 7, WIDTH);
        let _ = write!(text, "    {number}. {}", wrapped.trim_start());
    }
    text
}

pub(super) fn judged(question: &Question, answer: Answer, paint: Paint) -> String {
    let number = question.right + 1;
    let verdict = match answer {
        Answer::Right => paint.good(&format!("Right: {number}.")),
        Answer::Wrong(given) => paint.bad(&format!("Not {}: it is {number}.", given + 1)),
        Answer::Shown => format!("The answer is {number}."),
    };
    format!("\n  {verdict}\n{}", para(question.because))
}

/// What is to be kept of it.
pub(super) fn lesson(topic: Topic, paint: Paint) -> String {
    let lesson = topic.lesson();
    let mut text = format!("\n  {}\n", paint.strong("To remember"));
    for part in [&lesson.why, &lesson.prevent] {
        text.push_str(&para(part));
    }
    let _ = write!(text, "\n  `hookwarden explain {}` says how to see it and what to do.\n", topic.name());
    text
}

pub(super) fn result(rows: &[(&str, usize, usize)], score: usize, passed: bool, paint: Paint) -> String {
    let cells: Vec<_> = rows.iter().map(|(id, right, of)| [format!("  {id}"), format!("{right} of {of}")]).collect();
    let verdict = format!("{score} % right: {}", if passed { "passed" } else { "not passed; try it again tomorrow" });
    let verdict = if passed { paint.good(&verdict) } else { paint.bad(&verdict) };
    format!("\n{}\n{}\n  {verdict}\n", "-".repeat(WIDTH), table(["  INCIDENT", "RIGHT"], &cells))
}

fn para(text: &str) -> String {
    wrap_to(text, 2, WIDTH)
}

/// A long line without blanks, in lines that fit: broken after commas where it can be.
fn broken(text: &str, indent: usize) -> String {
    wrap_to(&text.replace(",\"", ", \""), indent, WIDTH).replace(", \"", ",\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_eighty_columns() {
        let long = serde_json::json!({"ts": "2026-01-01T00:00:00.000Z", "route": "stripe", "status": 401,
            "reason": "credential_invalid", "source": "203.0.113.166", "event": "invoice.paid"});
        let seen = Seen { records: vec![long; SHOWN + 2], counted: vec![("{decision=\"denied\"}".into(), 3)] };
        let paint = Paint::for_stdout();
        for (number, incident) in (1..).zip(ALL) {
            let mut text = scene(number, incident, &seen, paint).concat();
            for asked in &incident.questions {
                text += &(question(asked) + &judged(asked, Answer::Wrong(0), paint));
            }
            text += &Topic::find(incident.topic).map(|topic| lesson(topic, paint)).unwrap_or_default();
            let wide = text.lines().find(|line| line.chars().count() > WIDTH && !line.starts_with("  00:00:00"));
            assert_eq!(wide, None, "{}", incident.id);
        }
    }

    #[test]
    fn a_record_is_broken_between_its_members() {
        assert_eq!(broken("{\"a\":\"b c\",\"d\":1}", 2), "  {\"a\":\"b c\",\"d\":1}\n");
    }
}
