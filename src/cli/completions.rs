//! `completions`: a script that completes commands and flags, for each common shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Arguments, Exit, terminal};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hookwarden completions bash > /etc/bash_completion.d/hookwarden
  hookwarden completions fish > ~/.config/fish/completions/hookwarden.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Exit {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "hookwarden", &mut script);
        terminal::print_bytes(&script, Exit::Fine)
    }
}
