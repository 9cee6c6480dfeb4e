//! Looks whether the files that the policy was made of have changed, and makes it anew.
//!
//! A look reads each file: they are few and small, and neither times nor sizes nor notifications tell a change for
//! certain on every file system, nor through the symbolic links that Kubernetes swaps. A change that cannot be used is
//! told once, and the next change, such as the rest of a file that was half written, is looked at anew.

use std::fmt;
use std::path::Path;

use crate::fetch::source::Known;
use crate::policy::Policy;

use super::files::Files;
use super::process::Bounds;
use super::tls::Last;
use super::{Environment, Fault, load};

/// What was read, and how to read it again.
pub struct Watch {
    environment: Environment,
    bounds: Bounds,
    files: Files,
    last: Last,
    kept: Vec<Fault>,
    known: Known,
}

impl Watch {
    pub(super) fn new(environment: Environment, bounds: Bounds, files: Files, last: Last, known: Known) -> Self {
        Self { environment, bounds, files, last, kept: Vec::new(), known }
    }

    /// Looks once; called about once a second. `None`: nothing has changed since the last look.
    ///
    /// # Errors
    /// All faults of the changed files' policy; the one in force is still good.
    pub fn poll(&mut self) -> Option<Result<Policy, Vec<Fault>>> {
        let mut found = self.files.again();
        if found == self.files {
            return None;
        }
        let Self { last, kept, known, .. } = self;
        let (read, policy) = load::reload(&self.environment, self.bounds, last, kept, known);
        self.files = if policy.is_ok() && self.kept.is_empty() {
            read
        } else {
            // A file that was not reached this time stays watched.
            found.overlay(read);
            found
        };
        Some(policy)
    }

    /// What is wrong with the listener's TLS as it was last found, while the policy that was made then goes on with the one
    /// before: told once.
    pub fn take_kept(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.kept)
    }

    /// The watched paths.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.paths()
    }
}

impl fmt::Debug for Watch {
    /// Paths alone: what was found there stands for secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files()).finish()
    }
}
