//! Claims that survive a restart: what was done is appended to a file, and read back at the start.
//!
//! A record is 32 bytes: the key, when it was written, how long it holds from then on, and a checksum. It is self-contained,
//! and two of one key mean the longer memory. So a file needs neither head nor order: a torn tail is one bad record, and
//! what is bad is passed over.
//!
//! Files are generations. When as many records were appended as the store holds entries, a new generation is begun: workers
//! append to it from then on, the housekeeper adds all that the store remembers, and then the older files are removed.
//! Whenever the process ends, the files that are there hold everything. They never hold more than four records an entry.
//!
//! Policy: a record is written before the response's head goes to the sender (and before the shared store is told): it is in
//! the kernel's page cache then, so it survives the end of the process in whatever way. It is not synced: no `fsync` is
//! ever called, since the directory (an emptyDir) does not survive the node. On a volume that does, a node that loses its
//! power loses what its kernel had not written back by itself, half a minute's records or less with Linux's defaults. A
//! claim that is pending is not written, so a restart never blocks a retry. When the disk is full, serving goes on: it is counted and told, and a
//! new generation, which holds what could not be written, is tried every second.
//!
//! Clocks: within a run, records count on from the wall clock's first reading, so steps do not matter. Between two runs a
//! clock that was set back makes claims hold longer, by their own lifetime at most; one that was set forward makes
//! them hold shorter, but then the messages themselves are stale.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::auth::keys::MAX_KEYS;
use crate::clock::Now;

use super::local::Local;
use super::{ClaimKey, Lasting};

/// A record's length.
const RECORD: usize = 32;

/// The most records that one message makes.
const AT_ONCE: usize = MAX_KEYS + 1;

/// The least records before a new generation is begun: a small store does not make a file a minute.
const LEAST: usize = 4096;

/// Records that are read or written in one go.
const BLOCK: usize = 2048;

/// The ending of the files' names; what comes before is the generation.
const ENDING: &str = ".claims";

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} {what}: {error}", path.display())]
pub struct CannotOpen {
    path: PathBuf,
    what: &'static str,
    error: io::Error,
}

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    /// The reading of both clocks that all records count from.
    start: Now,
    due: usize,
    current: Mutex<Current>,
    errors: AtomicU64,
    /// Held for as long as the process lives: two processes in one directory would remove each other's files.
    _lock: File,
}

#[derive(Debug)]
struct Current {
    generation: u64,
    file: File,
    records: usize,
    /// The last write failed, maybe within a record. Nothing is appended until a new generation is there.
    broken: bool,
}

impl Journal {
    /// Opens the journal in that directory, which is made where it is missing, and tells `local` what it holds.
    pub(super) fn open(directory: &Path, local: &Local, now: Now) -> Result<Self, CannotOpen> {
        let failed = |what| {
            let path = directory.to_owned();
            move |error| CannotOpen { path, what, error }
        };
        fs::create_dir_all(directory).map_err(failed("cannot be made"))?;
        let lock = File::create(directory.join("lock")).map_err(failed("cannot be written to"))?;
        lock.try_lock().map_err(|error| failed("is in use by another process")(error.into()))?;
        let generations = generations(directory).map_err(failed("cannot be read"))?;
        let mut records = 0;
        for generation in &generations {
            records += load(&name(directory, *generation), local, now).map_err(failed("cannot be read"))?;
        }
        let generation = generations.last().map_or(1, |last| last + 1);
        let file = create(directory, generation).map_err(failed("cannot be written to"))?;
        let current = Current { generation, file, records, broken: false };
        tracing::info!(directory = %directory.display(), records, entries = local.len(), "the replay journal is open");
        Ok(Self {
            directory: directory.to_owned(),
            start: now,
            due: local.capacity().max(LEAST),
            current: Mutex::new(current),
            errors: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Writes that a message is done.
    pub(super) fn append(&self, keys: impl ExactSizeIterator<Item = (ClaimKey, Lasting)>, taken: Now) {
        let mut records = [0; RECORD * AT_ONCE];
        let (mut length, count) = (0, keys.len());
        for ((key, lasting), place) in keys.zip(records.chunks_exact_mut(RECORD)) {
            place.copy_from_slice(&record(&key, self.seconds(taken), lasting));
            length += RECORD;
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.broken {
            self.errors.fetch_add(1, Ordering::Relaxed);
        } else if let Err(error) = current.file.write_all(&records[..length]) {
            current.broken = true;
            self.failed(&error);
        } else {
            current.records += count;
        }
    }

    /// Begins a new generation when one is due. Called once in a while, by no worker.
    pub(super) fn turn_if_due(&self, local: &Local, now: Now) {
        let due = {
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            current.broken || current.records >= self.due + local.len()
        };
        if due && let Err(error) = self.turn(local, now) {
            self.failed(&error);
        }
    }

    fn turn(&self, local: &Local, now: Now) -> io::Result<()> {
        let generation = self.begin()?;
        let mut records = 0;
        let mut block = Vec::with_capacity(BLOCK * RECORD);
        let mut written = Ok(());
        local.for_each_part(now, |entries| {
            for (key, state) in entries.iter().filter(|(_, state)| state.is_done()) {
                let left = state.until().saturating_sub(local.second(now));
                let lifetime = Duration::from_secs(left.into());
                let lasting = Lasting { lifetime, may_give_way: state.may_give_way() };
                block.extend_from_slice(&record(key, self.seconds(now), lasting));
                records += 1;
                if block.len() == BLOCK * RECORD && written.is_ok() {
                    written = self.write(&block);
                }
                if block.len() == BLOCK * RECORD {
                    block.clear();
                }
            }
        });
        written.and_then(|()| self.write(&block))?;
        self.current.lock().unwrap_or_else(PoisonError::into_inner).records += records;
        for old in generations(&self.directory)?.into_iter().filter(|old| *old < generation) {
            fs::remove_file(name(&self.directory, old))?;
        }
        Ok(())
    }

    /// Makes the next generation's file the one that is appended to. One that was broken off is removed: the older ones
    /// hold what it held.
    fn begin(&self) -> io::Result<u64> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = current.generation + 1;
        current.file = create(&self.directory, generation)?;
        (current.generation, current.records, current.broken) = (generation, 0, false);
        Ok(generation)
    }

    fn write(&self, block: &[u8]) -> io::Result<()> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let written = current.file.write_all(block);
        current.broken |= written.is_err();
        written
    }

    fn failed(&self, error: &io::Error) {
        if self.errors.fetch_add(1, Ordering::Relaxed) == 0 {
            let directory = self.directory.display();
            tracing::error!(%error, %directory, "the replay journal cannot be written: a restart would forget claims");
        }
    }

    /// How many messages, or generations, could not be written.
    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Seconds since the Unix epoch, by the clock that has no steps.
    fn seconds(&self, now: Now) -> u32 {
        let since = now.instant.saturating_duration_since(self.start.instant);
        u32::try_from((self.start.wall + since).as_secs()).unwrap_or(u32::MAX)
    }
}

fn create(directory: &Path, generation: u64) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(name(directory, generation))
}

fn name(directory: &Path, generation: u64) -> PathBuf {
    directory.join(format!("{generation:016}{ENDING}"))
}

/// The generations that are there, in order. Other files are left alone.
fn generations(directory: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(ENDING)).and_then(|name| name.parse::<u64>().ok());
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads one file's records, and gives the number of the good ones.
fn load(path: &Path, local: &Local, now: Now) -> io::Result<usize> {
    let (mut file, mut block, mut good) = (File::open(path)?, vec![0; BLOCK * RECORD], 0);
    let mut filled = 0;
    loop {
        let count = file.read(&mut block[filled..])?;
        filled += count;
        let whole = filled - filled % RECORD;
        for record in block[..whole].chunks_exact(RECORD) {
            if let Some((key, lasting)) = read(record, now) {
                good += 1;
                if !lasting.lifetime.is_zero() {
                    local.remember(key, lasting, now);
                }
            }
        }
        block.copy_within(whole..filled, 0);
        filled -= whole;
        if count == 0 {
            return Ok(good);
        }
    }
}

const GIVES_WAY: u32 = 1 << 31;

fn record(key: &ClaimKey, seconds: u32, lasting: Lasting) -> [u8; RECORD] {
    let lifetime = u32::try_from(lasting.lifetime.as_secs()).unwrap_or(u32::MAX).min(GIVES_WAY - 1);
    let lifetime = lifetime | if lasting.may_give_way { GIVES_WAY } else { 0 };
    let mut record = [0; RECORD];
    record[..16].copy_from_slice(key);
    record[16..20].copy_from_slice(&seconds.to_le_bytes());
    record[20..24].copy_from_slice(&lifetime.to_le_bytes());
    let sum = checksum(&record);
    record[24..].copy_from_slice(&sum.to_le_bytes());
    record
}

/// What a record says now; `None` for a bad one. Its lifetime is what is left of it, none if it is over.
fn read(record: &[u8], now: Now) -> Option<(ClaimKey, Lasting)> {
    let number = |at: usize| record.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let sum = record.get(24..)?.try_into().ok().map(u64::from_le_bytes)?;
    if sum != checksum(record) {
        return None;
    }
    let (written, lifetime) = (number(16)?, number(20)?);
    // A record from the future comes of a clock that was set back: it is as young as can be.
    let age = now.unix_seconds().saturating_sub(written.into());
    let left = u64::from(lifetime & (GIVES_WAY - 1)).saturating_sub(age);
    let lasting = Lasting { lifetime: Duration::from_secs(left), may_give_way: lifetime & GIVES_WAY != 0 };
    Some((record.get(..16)?.try_into().ok()?, lasting))
}

/// Of the bytes before the sum. Against torn and rotten records, not against whoever can write here: they could as well
/// remove the file.
fn checksum(record: &[u8]) -> u64 {
    record.chunks_exact(8).take(3).fold(0x686f_6f6b_7761_7264, |sum: u64, word| {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        let mixed = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31)
    })
}

#[cfg(test)]
mod tests;
