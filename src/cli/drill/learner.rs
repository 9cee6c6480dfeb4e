//! Whoever sits at the terminal: lines in, answers out; and whoever only reads.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::super::{Exit, Failure, terminal};
use super::script::Question;
use super::theatre::Theatre;

/// How soon Ctrl-C is noticed while a line is waited for. The signal ends the sidecar, and that ends the drill.
const NOTICED: Duration = Duration::from_millis(100);

/// Who answers.
pub(super) enum Learner {
    /// Nobody: the answers are shown.
    Reader,
    /// A person, by lines of standard input.
    Person(Receiver<String>),
}

/// What an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Right,
    /// Not the one that was given.
    Wrong(usize),
    /// None was asked for.
    Shown,
}

impl Learner {
    /// A person at the terminal. A thread reads the lines: it may wait for one when the drill is over.
    pub(super) fn sit_down() -> Result<Self, Failure> {
        let (sender, lines) = channel();
        let read = move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        thread::Builder::new().name("drill-input".into()).spawn(read).map_err(Failure::unavailable)?;
        Ok(Self::Person(lines))
    }

    /// The answer to a question. `None`: the learner leaves.
    pub(super) fn answer(&mut self, question: &Question, theatre: &Theatre) -> Option<Answer> {
        let Self::Person(lines) = self else { return Some(Answer::Shown) };
        loop {
            terminal::print(&format!("\n  1-{}, q leaves > ", question.answers.len()), Exit::Fine);
            let line = next(lines, theatre)?;
            match line.trim() {
                "q" | "quit" | "exit" => return None,
                text => match text.parse::<usize>().ok().and_then(|number| number.checked_sub(1)) {
                    Some(number) if number == question.right => return Some(Answer::Right),
                    Some(number) if number < question.answers.len() => return Some(Answer::Wrong(number)),
                    _ => terminal::print("  That is none of the answers.", Exit::Fine),
                },
            };
        }
    }

    /// Waits for Enter. `None`: the learner leaves.
    pub(super) fn pause(&mut self, theatre: &Theatre) -> Option<()> {
        let Self::Person(lines) = self else { return Some(()) };
        terminal::print("\n  Enter goes on, q leaves > ", Exit::Fine);
        next(lines, theatre).filter(|line| line.trim() != "q").map(drop)
    }
}

/// The next line. `None`: there will be none, or Ctrl-C was pressed.
fn next(lines: &Receiver<String>, theatre: &Theatre) -> Option<String> {
    loop {
        match lines.recv_timeout(NOTICED) {
            Ok(line) => return Some(line),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) if theatre.is_over() => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
