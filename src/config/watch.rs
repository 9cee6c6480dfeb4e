//! Looks whether the files that the policy was made of have changed, and makes it anew.
//!
//! A look reads each file: they are few and small, and neither times nor sizes nor notifications tell a change for
//! certain on every file system, nor through the symbolic links that Kubernetes swaps. A change that cannot be used is
//! told once, and the next change, such as the rest of a file that was half written, is looked at anew.
//!
//! One broken file holds back no other: a key that is revoked must not stay in force because a schema or a certificate
//! cannot be read. What such a file held when it was last good stands in its place.

use std::fmt;
use std::path::Path;

use crate::policy::Policy;

use super::files::{self, Files, Seen, Used};
use super::load::{self, Left};
use super::process::Bounds;
use super::{Environment, Fault, PREFIX, tls};

/// What may be revoked by a change of a route's files: never held back for the faults of others.
const CREDENTIALS: [&str; 3] = ["_SECRET_FILE", "_JWKS_FILE", "_CERTIFICATES_DIR"];

/// The most loads for one change. The faults of a load are found all at once, and those behind them in the next.
const ATTEMPTS: usize = 8;

/// What was read, and how to read it again.
pub struct Watch {
    environment: Environment,
    bounds: Bounds,
    seen: Seen,
    /// What the policy in force was made of.
    good: Used,
    left: Left,
}

/// What has become of changed files.
#[derive(Debug)]
pub struct Change {
    /// The policy that they make; `None` where the one before has to stay as it is.
    pub policy: Option<Policy>,
    /// What of them could not be used: there the policy goes on with what the files held before.
    pub faults: Vec<Fault>,
}

impl Watch {
    pub(super) fn new(environment: Environment, bounds: Bounds, files: Files, left: Left) -> Self {
        Self { environment, bounds, seen: files.seen, good: files.used, left }
    }

    /// Looks once; called about once a second. `None`: nothing has changed since the last look.
    pub fn poll(&mut self) -> Option<Change> {
        let now = files::again(&self.seen);
        if now == self.seen {
            return None;
        }
        // A file that is not reached this time stays watched.
        self.seen = now;
        let (mut held, mut faults) = (Used::new(), Vec::new());
        for _ in 0..ATTEMPTS {
            let (read, policy) = load::reload(&self.environment, self.bounds, &mut self.left, held.clone());
            match policy {
                Ok(policy) => {
                    if faults.is_empty() {
                        self.seen = read.seen;
                    } else {
                        self.seen.extend(read.seen);
                    }
                    self.good = read.used;
                    return Some(Change { policy: Some(policy), faults });
                }
                Err(found) => {
                    let goes_on = hold(&self.good, &read, &found, &mut held);
                    self.seen.extend(read.seen);
                    faults.extend(found);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        Some(Change { policy: None, faults })
    }

    /// The settings as they were written.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The watched paths.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.seen.keys().map(|(path, _)| path.as_path())
    }
}

/// Adds what is to stand in the place of files: those that the faulted variables name, or else, where a fault is told of
/// a setting that a file of another one does not fit, all but the credentials. False: there is nothing more.
fn hold(good: &Used, read: &Files, faults: &[Fault], held: &mut Used) -> bool {
    let pair = tls::FILES.map(|name| format!("{PREFIX}{name}"));
    let is_pair = faults.iter().any(|fault| pair.contains(&fault.variable));
    let is_faulted =
        |name: &String| faults.iter().any(|fault| fault.variable == *name) || is_pair && pair.contains(name);
    let is_shared = |name: &String| !CREDENTIALS.iter().any(|end| name.ends_with(end));
    let before = held.len();
    let mut add = |wanted: &dyn Fn(&String) -> bool| {
        let places = read.asked.iter().filter(|(name, _)| wanted(name)).map(|(_, place)| place);
        held.extend(
            places.filter_map(|place| good.get_key_value(place)).map(|(place, found)| (place.clone(), found.clone())),
        );
        held.len() > before
    };
    add(&is_faulted) || add(&is_shared)
}

impl fmt::Debug for Watch {
    /// Paths alone: what was found there stands for secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files()).finish()
    }
}
