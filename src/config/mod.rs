//! What we were told: environment variables (and the same settings as flags) in, one resolved [`Config`] out.
//!
//! Every setting is a row in [`knobs`]; [`values`] has the pure parsers; [`load()`] asks for every row and collects all
//! faults, so that an operator sees them at once. [`Watch`] looks at the files that the settings name, and loads anew
//! when one has changed. Deliberately absent: a configuration file, defaults that depend on the machine's other
//! settings, and any way to print a secret.

pub mod knobs;
pub mod values;

mod certificates;
mod claims;
mod fetch;
mod files;
mod front;
mod key_api;
mod load;
mod names;
mod own_providers;
mod process;
mod ranges;
mod rates;
mod reader;
mod route;
mod secrets;
mod stand_in;
mod store;
pub mod survey;
mod tls;
mod upstream;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

pub use load::load;
pub use names::variables_of;
pub use own_providers::providers_at;
pub use process::chain_key;
pub use secrets::{keys_at, keys_of_lines};
pub use stand_in::stand_in;
pub use survey::{Survey, is_secret, survey};
pub use watch::{Change, Watch};

use crate::limits::Terms;
use crate::observe::audit_log::Destination;
use crate::observe::chain::Hasher;
use crate::policy::Policy;
use crate::replay::{Full, Place, Unavailable};

/// Everything that a sidecar was told, resolved and checked.
#[derive(Debug)]
pub struct Config {
    /// What holds for the life of the process.
    pub process: Process,
    /// What a changed file replaces.
    pub policy: Policy,
}

/// What holds for the life of the process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Where webhooks come to.
    pub listen: SocketAddr,
    /// Where probes, scrapes and people come to.
    pub admin_listen: SocketAddr,
    /// How many threads serve.
    pub workers: usize,
    /// Open connections, at most.
    pub max_connections: usize,
    /// Requests on their way to the service, at most.
    pub max_in_flight: usize,
    /// Bytes of bodies that are held at once, at most.
    pub max_buffered: u64,
    /// The limits of sources and connections.
    pub limits: Terms,
    /// Remembered claims, at most.
    pub replay_max_entries: usize,
    /// What gives way when that many are remembered.
    pub replay_full: Full,
    /// The directory that claims survive a restart in.
    pub replay_journal: Option<PathBuf>,
    /// Where claims are shared with other processes.
    pub replay_place: Option<Place>,
    /// What happens to claims while that does not answer.
    pub replay_unavailable: Unavailable,
    /// Where records go.
    pub audit_log: Destination,
    /// Whether each record holds the hash of the one before.
    pub audit_chain: Option<Hasher>,
    /// What opens the admin port's private pages.
    pub admin_token: Option<Secret>,
    /// How long the door stays open after the signal to stop, so that nobody is sent to a closed one.
    pub drain_delay: Duration,
    /// How long exchanges may take to end after that.
    pub shutdown_grace: Duration,
    /// How much the operational log says.
    pub log_level: tracing::level_filters::LevelFilter,
}

/// A secret: wiped when it is dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Whoever asks for them answers for where they go.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The settings as they were written, by full variable name: `HOOKWARDEN_…` alone, whatever else the process has.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

/// The prefix of every variable.
pub const PREFIX: &str = "HOOKWARDEN_";

impl Environment {
    /// Keeps the variables that are ours. A name that is not UTF-8 is kept in a readable form, and then refused as
    /// unknown.
    pub fn capture(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            name.starts_with(PREFIX).then_some((name, value))
        });
        Self(ours.collect())
    }

    /// Sets a variable, as a flag does.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// The names that are set, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)
    }
}

impl fmt::Debug for Environment {
    /// Names alone: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The variable's full name.
    pub variable: String,
    /// What is wrong. Never a secret's value.
    pub problem: String,
    /// What is accepted there; empty where the problem says it already.
    pub accepted: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)?;
        if !self.accepted.is_empty() {
            write!(f, "; accepted: {}", self.accepted)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
