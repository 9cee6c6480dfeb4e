//! Looks whether the files that the policy was made of have changed, and makes it anew.
//!
//! A look reads each file: they are few and small, and neither times nor sizes nor notifications tell a change for
//! certain on every file system, nor through the symbolic links that Kubernetes swaps. A change that cannot be used is
//! told once, and the next change, such as the rest of a file that was half written, is looked at anew.

use std::fmt;
use std::path::Path;

use crate::policy::Policy;

use super::files::Files;
use super::process::Bounds;
use super::{Environment, Fault, load};

/// What was read, and how to read it again.
pub struct Watch {
    environment: Environment,
    bounds: Bounds,
    files: Files,
}

impl Watch {
    pub(super) fn new(environment: Environment, bounds: Bounds, files: Files) -> Self {
        Self { environment, bounds, files }
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
        let (read, policy) = load::reload(&self.environment, self.bounds);
        self.files = if policy.is_ok() {
            read
        } else {
            // A file that was not reached this time stays watched.
            found.overlay(read);
            found
        };
        Some(policy)
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
