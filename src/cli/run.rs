//! `run`: the sidecar itself.

use std::io;

use tracing::level_filters::LevelFilter;

use crate::config::{self, Fault};
use crate::serve::{self, Bound};

use super::settings::Settings;
use super::{Exit, Failure, terminal};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Run {
    #[command(flatten)]
    settings: Settings,
}

impl Run {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let (config, watch) = match config::load(&self.settings.environment()) {
            Ok(loaded) => loaded,
            Err(faults) => return Ok(refuse(&faults)),
        };
        start_log(config.process.log_level);
        let bound = Bound::new(&config.process).map_err(Failure::unavailable)?;
        serve::run(config, watch, bound).map_err(Failure::unavailable)?;
        Ok(Exit::Fine)
    }
}

/// Lists every fault on standard error.
pub(super) fn refuse(faults: &[Fault]) -> Exit {
    for fault in faults {
        terminal::complain(&fault.to_string());
    }
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    terminal::complain(&format!("the configuration is refused: {count}"));
    Exit::Refused
}

/// The operational log goes to standard error; standard output belongs to the audit records.
pub(super) fn start_log(level: LevelFilter) {
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(terminal::colours_on_stderr())
        .with_target(false)
        // To say on standard error that standard error cannot be written to would panic.
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .try_init();
    if let Err(error) = log {
        terminal::complain(&format!("there will be no operational log: {error}"));
    }
}

const AFTER_HELP: &str = "\
Routes are set by environment variables alone: HOOKWARDEN_ROUTE_<NAME>_PATH, _PROVIDER,
_SECRET_FILE and so on; `hookwarden explain` lists them. X_FILE, a path, may stand for any X.

Examples:
  export HOOKWARDEN_ROUTE_GITHUB_PATH=/hooks/github HOOKWARDEN_ROUTE_GITHUB_PROVIDER=github
  export HOOKWARDEN_ROUTE_GITHUB_SECRET_FILE=/run/secrets/github
  hookwarden run --tls-cert-file tls.crt --tls-key-file tls.key
  hookwarden run --listen 127.0.0.1:8443 --tls off";
