//! Arguments in, one command, an exit code out; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    hookwarden::cli::run(std::env::args_os()).into()
}
