//! The commands: one small file each, which parses its flags and prints what the other rooms say.
//!
//! Every end of the program becomes an exit code here. The environment is captured once, in `settings`, and handed on.
//! Deliberately absent: anything that decides whether a webhook is let through.

use std::ffi::OsString;
use std::fmt::Display;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod assess;
mod audit;
mod check;
mod collect;
mod completions;
mod curl;
mod demo;
mod draft;
mod drill;
mod env_file;
mod explain;
mod findings;
mod generate_key;
mod healthcheck;
mod http;
mod inject;
mod injector;
mod layout;
mod logs;
mod providers;
mod report_to;
mod review;
mod run;
mod settings;
mod sign;
mod terminal;
mod verify_log;

/// What the program ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Fine,
    /// The answer is no: not ready, refused, unexpected.
    Negative,
    /// The arguments make no sense.
    Usage,
    /// Something that is needed cannot be had: a port, a file to write to, a server.
    Unavailable,
    /// The configuration is refused.
    Refused,
}

impl From<Exit> for ExitCode {
    /// 64 and above are those of BSD's `sysexits.h`.
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Negative => 1,
            Exit::Usage => 2,
            Exit::Unavailable => 69,
            Exit::Refused => 78,
        })
    }
}

/// Why a command cannot do its work, and what the program ends with for it.
struct Failure {
    exit: Exit,
    problem: String,
}

impl Failure {
    /// The arguments make no sense.
    fn usage(problem: impl Display) -> Self {
        Self { exit: Exit::Usage, problem: problem.to_string() }
    }

    /// Something that is needed cannot be had.
    fn unavailable(problem: impl Display) -> Self {
        Self { exit: Exit::Unavailable, problem: problem.to_string() }
    }
}

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command.run().unwrap_or_else(|failure| {
            terminal::complain(&failure.problem);
            failure.exit
        }),
        Err(error) => {
            // A reader that has gone away is no reason to fail.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Fine }
        }
    }
}

/// A sidecar that lets only authentic, fresh, permitted webhooks through to the service beside it
#[derive(Parser)]
#[command(name = "hookwarden", version, max_term_width = layout::WIDTH, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve: check every webhook and forward those that are authentic, fresh and permitted
    Run(run::Run),
    /// Show on loopback what is let through and what is refused; needs nothing
    Demo(demo::Demo),
    /// Check the configuration as `run` would, list all faults or the policy in effect, and leave
    Check(check::Check),
    /// Hold the configuration, or Kubernetes objects, against the rules of the audit
    Audit(Box<audit::Audit>),
    /// Attack an endpoint that you own, Hookwarden or not, and say what held and what broke
    Assess(Box<assess::Assess>),
    /// Make a correctly signed request, as a provider would send it
    Sign(Box<sign::Sign>),
    /// List the providers, or say how to set one up
    Providers(providers::Providers),
    /// Explain a reason code or a configuration variable
    Explain(explain::Explain),
    /// Say which permissions the audit logs show to be unused, wider than their use, failing or ending
    Review(Box<review::Review>),
    /// Train: incidents on this machine, played for real, to be recognised and answered
    Drill(drill::Drill),
    /// Say whether audit logs are what the sidecar wrote: nothing changed, taken out or put in
    VerifyLog(verify_log::VerifyLog),
    /// Put the sidecar into Kubernetes manifests, or take it out: text in, text out
    Inject(Box<inject::Inject>),
    /// Serve the admission webhook that puts the sidecar into new pods
    Injector(Box<injector::Injector>),
    /// Read a namespace's objects, or its sidecars' records, from inside the cluster into a file
    Collect(collect::Collect),
    /// Ask a running sidecar whether it is ready, as a container's health check
    Healthcheck(healthcheck::Healthcheck),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}

impl Command {
    fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Run(command) => command.run(),
            Self::Demo(command) => command.run(),
            Self::Check(command) => Ok(command.run()),
            Self::Audit(command) => command.run(),
            Self::Assess(command) => command.run(),
            Self::Sign(command) => command.run(),
            Self::Providers(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Review(command) => command.run(),
            Self::Drill(command) => command.run(),
            Self::VerifyLog(command) => command.run(),
            Self::Inject(command) => command.run(),
            Self::Injector(command) => command.run(),
            Self::Collect(command) => command.run(),
            Self::Healthcheck(command) => command.run(),
            Self::Completions(command) => Ok(command.run()),
        }
    }
}

const AFTER_HELP: &str = "\
Every setting is an environment variable, and a global one is a flag of `run` and `check` too.
`hookwarden run --help` lists the global ones, `hookwarden explain` all.

Examples:
  hookwarden demo --once
  hookwarden providers stripe
  hookwarden check --format json
  hookwarden audit --fail-on medium
  hookwarden explain replayed

Exit codes:
  0   fine
  1   the answer is no: not ready, not as expected
  2   the arguments make no sense
  69  something needed cannot be had: a port, a file to write to, a server
  78  the configuration is refused; every fault is listed";
