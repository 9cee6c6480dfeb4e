//! `drill` as a person meets it: in a terminal of 80 columns, with keys pressed and the screen read. tmux is the terminal.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::GUARD;
use crate::programs::run;

/// The right answers, two an incident.
const ANSWERS: &[&str] = &["2", "3", "3", "1", "4", "2", "3", "2", "1", "4", "2", "3", "4", "1", "1", "3", "2", "4"];

/// A terminal of its own, and all that was written to it. It ends with the test.
struct Terminal {
    socket: String,
    written: Receiver<String>,
    heard: String,
    read: usize,
}

impl Terminal {
    /// A shell in 80 columns and as many lines. What it writes comes through a pipe, so that it can be waited for.
    fn open(dir: &Path, lines: &str) -> Self {
        let socket = dir.join("tmux").to_str().expect("UTF-8").to_owned();
        let pipe = dir.join("written");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let terminal = |arguments: &[&str]| {
            let mut command = Command::new("tmux");
            command.args(["-f", "/dev/null", "-S", &socket]).args(arguments).env("TERM", "xterm").env("PS1", "$ ");
            let output = run(&mut command, b"");
            assert!(output.status.success(), "{arguments:?}: {output:?}");
        };
        terminal(&["new-session", "-d", "-x", "80", "-y", lines, "sh"]);
        terminal(&["pipe-pane", &format!("exec cat > '{}'", pipe.display())]);
        let (sender, written) = channel();
        let mut file = File::open(&pipe).expect("its other end");
        let read = move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = file.read(&mut bytes) {
                if sender.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("terminal".to_owned()).spawn(read).expect("a thread");
        Self { socket, written, heard: String::new(), read: 0 }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = run(Command::new("tmux").args(["-S", &self.socket]).args(arguments), b"");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits for a text that comes after what was waited for before.
    fn wait_for(&mut self, text: &str) {
        loop {
            if let Some(at) = self.heard[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            match self.written.recv_timeout(GUARD) {
                Ok(more) => self.heard.push_str(&more),
                Err(error) => panic!("{text:?} did not come ({error}), but\n{}", &self.heard[self.read..]),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn drill(arguments: &str) -> String {
    format!("'{}' drill {arguments}; echo \"ended with $?\"", env!("CARGO_BIN_EXE_hookwarden"))
}

#[test]
fn a_person_trains_in_a_plain_terminal() {
    let dir = tempfile::tempdir().expect("a directory");
    let record = dir.path().join("training.json");
    let mut terminal = Terminal::open(dir.path(), "60");
    terminal.press(&[&drill(&format!("--by oncall --record '{}'", record.display())), "Enter"]);
    for (number, pair) in ANSWERS.chunks(2).enumerate() {
        terminal.wait_for(&format!("Incident {} of {}", number + 1, ANSWERS.len() / 2));
        for (at, answer) in pair.iter().enumerate() {
            terminal.wait_for("q leaves > ");
            if number == 0 && at == 0 {
                terminal.press(&["nonsense", "Enter"]);
                terminal.wait_for("none of the answers");
                terminal.wait_for("q leaves > ");
                terminal.press(&["1", "Enter"]);
                terminal.wait_for("Not 1: it is 2.");
                continue;
            }
            terminal.press(&[answer, "Enter"]);
            terminal.wait_for(&format!("Right: {answer}."));
        }
        terminal.wait_for("To remember");
        if number + 1 < ANSWERS.len() / 2 {
            terminal.wait_for("Enter goes on");
            terminal.press(&["Enter"]);
        }
    }
    terminal.wait_for("94 % right: passed");
    terminal.wait_for("ended with 0");
    let record: serde_json::Value = serde_json::from_slice(&fs::read(record).expect("a record")).expect("JSON");
    assert_eq!((&record["kind"], &record["by"], &record["score"]), (&"training".into(), &"oncall".into(), &94.into()));
    assert_eq!(record["incidents"].as_array().map(Vec::len), Some(ANSWERS.len() / 2));
    // Nothing was broken by the terminal: a line that is too long goes on in the next, at its very beginning.
    let screen = terminal.tmux(&["capture-pane", "-p", "-S", "-2000"]);
    assert!(
        screen.contains("  INCIDENT         RIGHT\n") && screen.contains("  replay           1 of 2\n"),
        "{screen}"
    );
}

#[test]
fn ctrl_c_and_q_leave_it_cleanly() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut terminal = Terminal::open(dir.path(), "40");
    for key in [&["C-c"][..], &["q", "Enter"], &["C-d"]] {
        terminal.press(&[&drill(""), "Enter"]);
        terminal.wait_for("q leaves > ");
        terminal.press(key);
        terminal.wait_for("left after 0 of 9 incidents; nothing is recorded");
        terminal.wait_for("ended with 1");
    }
}

#[test]
fn a_low_terminal_shows_an_incident_in_two_parts() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut terminal = Terminal::open(dir.path(), "24");
    terminal.press(&[&drill(""), "Enter"]);
    terminal.wait_for("Enter goes on, q leaves > ");
    let screen = terminal.tmux(&["capture-pane", "-p"]);
    assert!(screen.contains("Incident 1 of 9") && !screen.contains("as it stands in the log"), "{screen}");
    terminal.press(&["Enter"]);
    terminal.wait_for("1-4, q leaves > ");
    let screen = terminal.tmux(&["capture-pane", "-p"]);
    assert!(screen.contains("as it stands in the log") && screen.contains("What is going on?"), "{screen}");
    terminal.press(&["q", "Enter"]);
    terminal.wait_for("left after 0 of 9 incidents");
    // What is explained fits the terminal, too.
    terminal.press(&[&format!("clear; '{}' explain replayed", env!("CARGO_BIN_EXE_hookwarden")), "Enter"]);
    terminal.wait_for("How to prevent it");
    terminal.wait_for("client reads");
    let screen = terminal.tmux(&["capture-pane", "-p", "-J", "-S", "-100"]);
    let told = screen.rsplit_once("What happened").expect("the lesson").1;
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
}
