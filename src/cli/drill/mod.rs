//! `drill`: training on one's own machine. Incidents are played for real against a sidecar on loopback; the learner sees
//! what the records and metrics look like, says what is going on and what to do, and is told why.
//!
//! Deliberately absent: chance. The incidents and the order of the answers are the same each time, so that two people
//! can speak about the third one.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::clock::Now;
use crate::govern::explain::Topic;

use super::terminal::Paint;
use super::{Exit, Failure, layout, terminal};

mod incidents;
mod learner;
mod script;
mod text;
mod theatre;

use incidents::Incident;
use learner::{Answer, Learner};
use theatre::{Seen, Theatre};

/// The lines of the prompt below a question.
const PROMPT: usize = 2;

/// The share of right answers that passes, in per cent.
const PASS: usize = 80;

#[derive(clap::Args)]
#[command(after_help = "\
It takes a quarter of an hour, needs no network, and touches nothing but ports on loopback. q or Ctrl-C leaves.

Exit codes: 0 done, 1 left early or not passed (80 % is needed), 2 usage, 69 the system refused a port or a thread.

Examples:
  hookwarden drill
  hookwarden drill --by oncall --record training.json
  hookwarden drill --non-interactive | less")]
pub(super) struct Drill {
    /// Print the whole with the answers, and ask nothing
    #[arg(long, conflicts_with = "record")]
    non_interactive: bool,
    /// Write a record of the completed training; needs --by
    #[arg(long, value_name = "FILE", requires = "by")]
    record: Option<PathBuf>,
    /// Who trains
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// What was achieved: the record that the audit reads.
#[derive(Serialize)]
struct Training {
    kind: &'static str,
    at: String,
    by: Option<String>,
    version: &'static str,
    /// Right answers, in per cent.
    score: usize,
    passed: bool,
    incidents: Vec<Score>,
}

/// The answers to one incident.
#[derive(Serialize)]
struct Score {
    id: &'static str,
    right: usize,
    of: usize,
}

impl Drill {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        if self.record.is_some() && self.by.as_deref().is_none_or(|by| by.trim().is_empty()) {
            return Err(Failure::usage("--by: a training is completed by somebody"));
        }
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        if !is_terminal && !self.non_interactive {
            return Err(Failure::usage(
                "this is no terminal, so nobody can be asked: run it in one, with `docker run -it` or `kubectl exec -it` \
                 if need be, or print the whole with --non-interactive",
            ));
        }
        let paint = Paint::for_stdout();
        let mut theatre = Theatre::open()?;
        let mut learner = if self.non_interactive { Learner::Reader } else { Learner::sit_down()? };
        terminal::print(&text::welcome(&theatre, self.non_interactive), Exit::Fine);
        let mut scores = Vec::new();
        for (number, incident) in (1..).zip(incidents::ALL) {
            let seen = theatre.play(incident)?;
            if show(number, incident, &seen, &theatre, &mut learner, paint).is_none() {
                return Ok(leave(scores.len()));
            }
            match ask_all(incident, &theatre, &mut learner, paint) {
                Some(right) => scores.push(Score { id: incident.id, right, of: incident.questions.len() }),
                None => return Ok(leave(scores.len())),
            }
            let is_last = number == incidents::ALL.len();
            if !is_last && learner.pause(&theatre).is_none() {
                return Ok(leave(scores.len()));
            }
        }
        if self.non_interactive {
            return Ok(Exit::Fine);
        }
        self.complete(&Training::new(scores, self.by.clone()), paint)
    }

    fn complete(&self, training: &Training, paint: Paint) -> Result<Exit, Failure> {
        let rows: Vec<_> = training.incidents.iter().map(|score| (score.id, score.right, score.of)).collect();
        terminal::print(&text::result(&rows, training.score, training.passed, paint), Exit::Fine);
        if let Some(path) = &self.record {
            write(path, training)?;
            terminal::print(&format!("recorded in {}\n", path.display()), Exit::Fine);
        }
        Ok(if training.passed { Exit::Fine } else { Exit::Negative })
    }
}

/// Shows what an incident looks like, in two parts where the terminal is too low for all of it and the first question.
/// `None`: the learner leaves.
fn show(
    number: usize,
    incident: &Incident,
    seen: &Seen,
    theatre: &Theatre,
    learner: &mut Learner,
    paint: Paint,
) -> Option<()> {
    let [begin, end] = text::scene(number, incident, seen, paint);
    let asked = incident.questions.first().map(text::question).unwrap_or_default();
    let lines = [&begin, &end, &asked].iter().map(|text| text.lines().count()).sum::<usize>() + PROMPT;
    terminal::print(&begin, Exit::Fine);
    if terminal::size().is_some_and(|(_, rows)| rows < lines) {
        learner.pause(theatre)?;
    }
    terminal::print(&end, Exit::Fine);
    Some(())
}

/// Asks what an incident asks. Gives how many answers were right; `None` if the learner leaves.
fn ask_all(incident: &Incident, theatre: &Theatre, learner: &mut Learner, paint: Paint) -> Option<usize> {
    let mut right = 0;
    for question in &incident.questions {
        terminal::print(&text::question(question), Exit::Fine);
        let answer = learner.answer(question, theatre)?;
        right += usize::from(answer == Answer::Right);
        terminal::print(&text::judged(question, answer, paint), Exit::Fine);
    }
    if let Some(topic) = Topic::find(incident.topic) {
        terminal::print(&text::lesson(topic, paint), Exit::Fine);
    }
    Some(right)
}

fn leave(done: usize) -> Exit {
    terminal::print(
        &format!("\nleft after {done} of {} incidents; nothing is recorded\n", incidents::ALL.len()),
        Exit::Negative,
    )
}

fn write(path: &Path, training: &Training) -> Result<(), Failure> {
    let failed = |error: String| Failure::unavailable(format!("--record: {}: {error}", path.display()));
    let text = serde_json::to_string_pretty(training).map_err(|error| failed(error.to_string()))?;
    std::fs::write(path, text + "\n").map_err(|error| failed(error.to_string()))
}

impl Training {
    fn new(incidents: Vec<Score>, by: Option<String>) -> Self {
        let (right, of) = incidents.iter().fold((0, 0), |(right, of), score| (right + score.right, of + score.of));
        let score = (right * 100).checked_div(of).unwrap_or_default();
        let at = layout::time(Now::read().unix_seconds());
        Self { kind: "training", at, by, version: env!("CARGO_PKG_VERSION"), score, passed: score >= PASS, incidents }
    }
}
