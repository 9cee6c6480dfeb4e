//! The global settings as flags, made from the same rows as everything else that is known of them, and the one place
//! where the process's environment is read.
//!
//! Flags take any value: what is wrong with one is said by the loader, together with everything else that is wrong.
//! Deliberately absent: flags for values that are secrets themselves (the process list shows them; the path of a file is
//! none) and for routes (their names are the operator's own).

use std::ffi::OsString;

use clap::builder::{OsStringValueParser, Resettable};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use crate::config::knobs::{self, Knob};
use crate::config::{Environment, PREFIX};

/// What was set by flags, by the full name of its variable.
#[derive(Default)]
pub(super) struct Settings(Vec<(String, OsString)>);

impl Settings {
    /// The process's environment, with what was set by flags in place of the same variables.
    pub(super) fn environment(&self) -> Environment {
        self.over(capture())
    }

    /// Another environment, with what was set by flags in place of the same variables.
    pub(super) fn over(&self, mut environment: Environment) -> Environment {
        for (name, value) in &self.0 {
            environment.set(name.as_str(), value);
        }
        environment
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        // What clap has found in the environment is captured anyway.
        let by_flag = |knob: &&Knob| matches.value_source(knob.name) == Some(ValueSource::CommandLine);
        for knob in flags().filter(by_flag) {
            if let Some(value) = matches.get_one::<OsString>(knob.name) {
                self.0.push((variable(knob), value.clone()));
            }
        }
        Ok(())
    }
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        flags().fold(command, |command, knob| command.arg(flag(knob)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Whether the user asks for no colours (<https://no-color.org>).
#[allow(clippy::disallowed_methods, reason = "not a setting of ours, and asked for here alone")]
pub(super) fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[allow(clippy::disallowed_methods, reason = "this is the one place that captures the environment")]
fn capture() -> Environment {
    Environment::capture(std::env::vars_os())
}

fn flags() -> impl Iterator<Item = &'static Knob> {
    knobs::GLOBAL.iter().filter(|knob| !knob.secret || knob.name.ends_with("_FILE"))
}

fn flag(knob: &'static Knob) -> Arg {
    let default = if knob.default.is_empty() { String::new() } else { format!(" [default: {}]", knob.default) };
    let hint = if knob.name.ends_with("_FILE") { ValueHint::FilePath } else { ValueHint::Other };
    Arg::new(knob.name)
        .long(knob.name.to_ascii_lowercase().replace('_', "-"))
        .env(variable(knob))
        .hide_env_values(true)
        .value_name("VALUE")
        .value_hint(hint)
        .value_parser(OsStringValueParser::new())
        .help(format!("{}{default}", knob.help))
        .long_help(format!("{}\nAccepted: {}{default}", knob.help, knob.accepts))
        .help_heading("Settings")
        .display_order(Resettable::Reset)
}

fn variable(knob: &Knob) -> String {
    format!("{PREFIX}{}", knob.name)
}
