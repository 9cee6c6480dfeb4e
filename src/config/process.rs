//! The settings that hold for the life of the process.

use std::net::{Ipv4Addr, SocketAddr};

use tracing::level_filters::LevelFilter;

use crate::observe::audit_log::Destination;
use crate::observe::chain::Hasher;
use crate::replay::Full;

use super::rates;
use super::reader::{Reader, without_newline};
use super::store;
use super::values::{self, Parsed};
use super::{Process, Secret};

/// More threads than any machine that this runs on has CPUs for.
const MAX_WORKERS: usize = 1024;

/// What stands for an address that could not be read; never listened on.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What the policy is checked against. `None`: there is a fault already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// `LISTEN`.
    pub(super) listen: Option<SocketAddr>,
    /// `MAX_BUFFERED`.
    pub(super) max_buffered: Option<u64>,
}

/// Asks for every setting of the process.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> (Process, Bounds) {
    let listen = reader.value("LISTEN", values::address);
    let admin_listen = reader.value("ADMIN_LISTEN", values::address);
    if admin_listen.is_some_and(|admin| admin.port() != 0 && Some(admin) == listen) {
        reader.fault("ADMIN_LISTEN", "is the same as LISTEN");
    }
    let max_buffered = reader.value("MAX_BUFFERED", positive_size);
    let (audit_log, audit_chain) = audit_log(reader);
    let (replay_place, replay_unavailable) = store::read(reader);
    let process = Process {
        listen: listen.unwrap_or(NOWHERE),
        admin_listen: admin_listen.unwrap_or(NOWHERE),
        workers: reader.value("WORKERS", workers).unwrap_or_else(available),
        max_connections: reader.value("MAX_CONNECTIONS", values::count).unwrap_or_default(),
        max_in_flight: reader.value("MAX_IN_FLIGHT", values::count).unwrap_or_default(),
        max_buffered: max_buffered.unwrap_or_default(),
        limits: rates::terms(reader),
        replay_max_entries: reader.value("REPLAY_MAX_ENTRIES", values::count).unwrap_or_default(),
        replay_full: reader.value("REPLAY_FULL", replay_full).unwrap_or(Full::Auto),
        replay_journal: reader.value("REPLAY_JOURNAL", values::directory),
        replay_place,
        replay_unavailable,
        audit_log,
        audit_chain,
        admin_token: admin_token(reader),
        drain_delay: reader.value("DRAIN_DELAY", values::duration).unwrap_or_default(),
        shutdown_grace: reader.value("SHUTDOWN_GRACE", values::duration).unwrap_or_default(),
        log_level: reader.value("LOG_LEVEL", log_level).unwrap_or(LevelFilter::INFO),
    };
    (process, Bounds { listen, max_buffered })
}

fn audit_log(reader: &mut Reader<'_, '_>) -> (Destination, Option<Hasher>) {
    let destination = reader.value("AUDIT_LOG", destination).unwrap_or(Destination::Stdout);
    let chain = reader.value("AUDIT_CHAIN", values::boolean).unwrap_or_default();
    if chain && destination == Destination::Off {
        reader.fault("AUDIT_CHAIN", "has nothing to chain with AUDIT_LOG=off");
    }
    let key = chain_key_file(reader);
    if key.is_some() && !chain {
        reader.fault("AUDIT_CHAIN_KEY_FILE", "has no chain to protect without AUDIT_CHAIN=true");
    }
    (destination, chain.then(|| Hasher::new(key.as_ref().map(Secret::expose))))
}

/// The key of the audit log's chain.
fn chain_key_file(reader: &mut Reader<'_, '_>) -> Option<Secret> {
    let (path, content) = reader.file("AUDIT_CHAIN_KEY_FILE")?;
    chain_key(&content.bytes)
        .map_err(|fault| reader.fault("AUDIT_CHAIN_KEY_FILE", format!("{} {fault}", path.display())))
        .ok()
}

/// The chain's key in a file's content: all of it but a newline at its end.
///
/// # Errors
/// It is too short to be one, in a sentence's end.
pub fn chain_key(content: &[u8]) -> Result<Secret, String> {
    let key = without_newline(content);
    if key.len() < SHORTEST_CHAIN_KEY {
        return Err(format!("holds {} bytes; a key of at least {SHORTEST_CHAIN_KEY} is needed", key.len()));
    }
    Ok(Secret::new(key.to_vec()))
}

/// 128 bits, which nobody guesses.
const SHORTEST_CHAIN_KEY: usize = 16;

fn admin_token(reader: &mut Reader<'_, '_>) -> Option<Secret> {
    let (path, content) = reader.file("ADMIN_TOKEN_FILE")?;
    let token = without_newline(&content.bytes);
    if token.is_empty() {
        reader.fault("ADMIN_TOKEN_FILE", format!("{} is empty", path.display()));
        return None;
    }
    Some(Secret::new(token.to_vec()))
}

/// As many threads as the container may use CPUs: affinity and cgroup quota are taken into account.
fn available() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into).min(MAX_WORKERS)
}

fn workers(text: &str) -> Parsed<usize> {
    values::count(text).and_then(|count| {
        if count <= MAX_WORKERS { Ok(count) } else { Err(format!("{count} is more than {MAX_WORKERS}")) }
    })
}

fn positive_size(text: &str) -> Parsed<u64> {
    values::size(text).and_then(|size| if size > 0 { Ok(size) } else { Err("must be more than zero".to_owned()) })
}

fn replay_full(text: &str) -> Parsed<Full> {
    values::word(text, &[("auto", Full::Auto), ("reject", Full::Reject), ("evict", Full::Evict)])
}

/// A file's path has a slash, so that a misspelt word never becomes a file.
fn destination(text: &str) -> Parsed<Destination> {
    match text {
        "stdout" => Ok(Destination::Stdout),
        "off" => Ok(Destination::Off),
        path if path.contains('/') => Ok(Destination::File(path.into())),
        _ => Err(format!("{text:?} is neither stdout nor off, nor a path with a / in it")),
    }
}

fn log_level(text: &str) -> Parsed<LevelFilter> {
    values::word(
        text,
        &[
            ("off", LevelFilter::OFF),
            ("error", LevelFilter::ERROR),
            ("warn", LevelFilter::WARN),
            ("info", LevelFilter::INFO),
            ("debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ],
    )
}
