//! What reaches the terminal: the only place that writes to standard output and standard error.
//!
//! A reader that goes away (`hookwarden explain | head`) is no error, and never a panic.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::{Exit, settings};

/// How a command prints its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// The flag for it.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct FormatFlag {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

impl FormatFlag {
    /// Whether a program reads the output.
    pub(super) fn is_json(self) -> bool {
        self.format == Format::Json
    }
}

/// Prints to standard output and ends with `exit`, or with a complaint where it cannot be written to.
pub(super) fn print(text: &str, exit: Exit) -> Exit {
    print_bytes(text.as_bytes(), exit)
}

/// The same, for bytes that may be no text.
pub(super) fn print_bytes(bytes: &[u8], exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output cannot be written to: {error}"));
            Exit::Unavailable
        }
        _ => exit,
    }
}

/// Prints a JSON document and ends with `exit`.
pub(super) fn print_json(value: &impl Serialize, exit: Exit) -> Exit {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&(text + "\n"), exit),
        Err(error) => {
            complain(&format!("the result cannot be written as JSON: {error}"));
            Exit::Unavailable
        }
    }
}

/// Says on standard error what is wrong.
pub(super) fn complain(text: &str) {
    // Where even standard error is gone, the exit code still says it.
    let _ = writeln!(io::stderr().lock(), "hookwarden: {text}");
}

/// Says on standard error how far something is, on one line that the next replaces; nothing where nobody watches.
/// An empty text takes the line away.
pub(super) fn progress(text: &str) {
    if io::stderr().is_terminal() {
        // To the line's start, and clear it (ECMA-48 section 8.3.41, EL).
        let _ = write!(io::stderr().lock(), "\r\x1b[K{text}");
    }
}

/// How many columns and lines the terminal has; `None` where standard output is none, or does not say.
pub(super) fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col.into(), size.ws_row.into()))
}

/// Whether standard error takes colours.
pub(super) fn colours_on_stderr() -> bool {
    io::stderr().is_terminal() && !settings::no_colour()
}

/// Colours, or none where nobody could see them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours if standard output is a terminal, and `NO_COLOR` is not set.
    pub(super) fn for_stdout() -> Self {
        Self { on: io::stdout().is_terminal() && !settings::no_colour() }
    }

    /// Something that is as it should be.
    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Something that is not.
    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// A heading.
    pub(super) fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// An aside.
    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// An SGR sequence (ECMA-48 section 8.3.117) around a text.
    fn with(self, sgr: &str, text: &str) -> String {
        if self.on { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
