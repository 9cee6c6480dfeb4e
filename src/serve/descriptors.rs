//! File descriptors: as many as the system lets this process have.
//!
//! The soft limit is often 1024 for the sake of programs that use `select`; this one does not, and starts no others that
//! would inherit the limit. `rustix` makes the two system calls without a C library; `clap` brings it for the terminal's
//! width.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as it may be raised; gives what holds now, `None` for no limit.
pub(super) fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, ?current, ?maximum, "the limit of file descriptors could not be raised");
            current
        }
    }
}

/// Descriptors beside those of connections: sockets that listen, files, pipes, runtimes, and some room.
const OTHERS: u64 = 64;

/// Says so where the budgets permit more connections than there can be: `clients` to us and `services` from us.
pub(super) fn compare(limit: Option<u64>, clients: usize, services: usize) {
    let wanted = (clients as u64).saturating_add(services as u64).saturating_add(OTHERS);
    if let Some(limit) = limit.filter(|limit| *limit < wanted) {
        tracing::warn!(
            limit,
            wanted,
            "MAX_CONNECTIONS and MAX_IN_FLIGHT permit more than there are file descriptors for"
        );
    }
}
