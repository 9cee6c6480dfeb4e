//! The claims that several processes share, on a Redis or Valkey server.
//!
//! Each process still has its own store in front: whatever that knows is answered without the network, and of the
//! process's own requests one at most asks the server about a key. One round trip claims all keys of a message, or none;
//! one settles. Workers send over one connection, which a thread of its own (`keeper`) opens, watches and replaces.
//!
//! | trouble | what happens |
//! |---|---|
//! | no answer in a quarter of a second, or a broken connection | the claim fails; should the server take it after all, it is released |
//! | several such, or the connection is gone | the link is cut: claims fail at once, until the keeper has looked and found it well |
//! | a *done* could not be written in time | its sender hears of the success all the same; the keeper writes it as soon as it can; until then it is this process's alone, and its journal's |
//! | the server has lost its memory, or is another process (started again, a replica that was promoted) | nobody may claim until every process has had time to notice and has written back what its own store knows |
//! | this process ends in the middle of an exchange | its claim stays pending until the deadline |
//!
//! A claim that fails is answered as `REPLAY_UNAVAILABLE` says: refused, or made with this process's own store alone.
//! Deliberately absent: locks on the server, Redlock, and reads from replicas, none of which would be surer.

mod connect;
mod keeper;
mod scripts;
mod settle;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redis::{RedisError, RedisResult};
use tokio::sync::{Notify, mpsc};

use crate::clock::Now;
use crate::replay::ClaimKey;

pub use connect::{Place, Topology};

use connect::Connection;
use scripts::{CLUSTER_BUCKETS, Epoch, Said, Scripts, Token, bucket};

/// What happens to claims while the shared store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// They are refused; the sender retries.
    Deny,
    /// They are made with this process's own store alone.
    Local,
}

/// How many answers in a row may fail to come before the link is cut.
const PATIENCE: u32 = 3;

/// Changes that wait for the keeper, at most: some seconds of a full load. What is lost beyond that is counted, and known
/// to this process's own store alone.
const WAITING: usize = 64 * 1024;

/// Set in the numbers that stand for claims that were written back. No process makes that many claims.
const WRITTEN_BACK: u64 = 1 << 63;

/// This process's access to the shared store.
#[derive(Debug)]
pub(super) struct Store {
    place: Place,
    pub(super) unavailable: Unavailable,
    scripts: Scripts,
    /// The connection, while it is well.
    link: ArcSwapOption<Connection>,
    /// The memory that this process has joined, by bucket; 0 for none.
    epochs: Box<[AtomicU64]>,
    /// The memory that this process has written back to last, or begun to, by bucket.
    told: Box<[AtomicU64]>,
    /// Counts the memories, of any bucket.
    memory: AtomicU64,
    process: u64,
    numbers: AtomicU64,
    failures: AtomicU32,
    errors: AtomicU64,
    /// Asks the keeper to look now.
    suspicion: Notify,
    changes: mpsc::Sender<Waiting>,
    waiting: Mutex<Option<mpsc::Receiver<Waiting>>>,
    closing: Notify,
    closed: AtomicBool,
    all_written: Notify,
}

/// A change that the keeper is to write.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    key: ClaimKey,
    becomes: Becomes,
}

/// What becomes of a key, and until when that is worth writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Becomes {
    Done {
        until: Instant,
    },
    Released {
        token: Token,
        /// As what it stands there if it has been written back.
        written_back: Token,
        until: Instant,
    },
}

/// What the shared store says to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is ours, under this number.
    New(u64),
    /// The key at that index was done, and is for that long.
    Done(usize, Duration),
    /// Another process holds a key.
    Pending,
    /// It says nothing.
    None,
}

impl Store {
    /// An access that is not yet connected: see `keep`. Every process has another number, or else two would take over
    /// each other's claims.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn new(place: Place, unavailable: Unavailable) -> Result<Self, getrandom::Error> {
        let cluster = place.topology == Topology::Cluster;
        let buckets = if cluster { CLUSTER_BUCKETS } else { 1 };
        let (changes, waiting) = mpsc::channel(WAITING);
        Ok(Self {
            place,
            unavailable,
            scripts: Scripts::new(cluster),
            link: ArcSwapOption::empty(),
            epochs: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            told: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            memory: AtomicU64::new(0),
            process: getrandom::u64()?,
            numbers: AtomicU64::new(1),
            failures: AtomicU32::new(0),
            errors: AtomicU64::new(0),
            suspicion: Notify::new(),
            changes,
            waiting: Mutex::new(Some(waiting)),
            closing: Notify::new(),
            closed: AtomicBool::new(false),
            all_written: Notify::new(),
        })
    }

    /// Claims all keys or none, pending for that long. The event's key, if there is one, is the last.
    pub(super) async fn claim(&self, keys: &[ClaimKey], has_event: bool, pending: Duration) -> Answer {
        let Some(link) = self.link.load_full() else { return Answer::None };
        let token = Token { process: self.process, number: self.numbers.fetch_add(1, Ordering::Relaxed) };
        let groups = self.groups(keys, has_event);
        for (done, (bucket, group)) in groups.iter().enumerate() {
            let said = self.claim_group(&link, *bucket, group, token, pending).await;
            if said == Ok(Said::New) {
                continue;
            }
            // Without an answer the server may have taken this group too.
            let taken = if said == Err(NoAnswer) { done + 1 } else { done };
            for key in groups.iter().take(taken).flat_map(|(_, group)| group) {
                let until = Now::read().instant + pending;
                self.later(*key, self.released(key, token.number, until));
            }
            return match said {
                Ok(Said::Done(at, left)) => {
                    let key = group.get(at);
                    let at = keys.iter().position(|other| Some(other) == key);
                    at.map_or(Answer::None, |at| Answer::Done(at, left))
                }
                Ok(Said::Pending) => Answer::Pending,
                Ok(Said::New | Said::OtherEpoch | Said::Joining) | Err(NoAnswer) => Answer::None,
            };
        }
        Answer::New(token.number)
    }

    async fn claim_group(
        &self,
        link: &Connection,
        bucket: usize,
        group: &[ClaimKey],
        token: Token,
        pending: Duration,
    ) -> Result<Said, NoAnswer> {
        let epoch = self.epoch(bucket).load(Ordering::Acquire);
        if epoch == 0 {
            return Ok(Said::OtherEpoch);
        }
        let invocation = self.scripts.claim(bucket, epoch, group, token, pending);
        let answer = self.heard(link.invoke::<(i64, i64, i64)>(&invocation).await)?;
        let said = Said::of(answer).ok_or(NoAnswer)?;
        if said == Said::OtherEpoch && self.forget(bucket, epoch) {
            self.suspicion.notify_one();
        }
        Ok(said)
    }

    /// The keys by bucket: message keys by the bucket's number, so that of several copies at once each meets the others
    /// in the first bucket and one wins; the event's key last.
    fn groups(&self, keys: &[ClaimKey], has_event: bool) -> Vec<(usize, Vec<ClaimKey>)> {
        let buckets = self.epochs.len();
        if buckets == 1 {
            return vec![(0, keys.to_vec())];
        }
        let messages = keys.len() - usize::from(has_event);
        let mut groups: Vec<(usize, Vec<ClaimKey>)> = Vec::new();
        let mut in_order: Vec<_> = keys.iter().take(messages).map(|key| (bucket(key, buckets), *key)).collect();
        in_order.sort_unstable();
        in_order.extend(keys.iter().skip(messages).map(|key| (bucket(key, buckets), *key)));
        for (bucket, key) in in_order {
            match groups.iter_mut().find(|(other, _)| *other == bucket) {
                Some((_, group)) => group.push(key),
                None => groups.push((bucket, vec![key])),
            }
        }
        groups
    }

    /// Counts what an answer says of the server's health.
    fn heard<T>(&self, answer: RedisResult<T>) -> Result<T, NoAnswer> {
        match answer {
            Ok(answer) => {
                self.failures.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Err(error) => {
                self.failed(&error);
                Err(NoAnswer)
            }
        }
    }

    fn failed(&self, error: &RedisError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= PATIENCE || (error.is_unrecoverable_error() && !error.is_timeout()) {
            self.cut();
        }
    }

    /// Opens the circuit: claims fail at once until the keeper has looked.
    fn cut(&self) {
        self.link.store(None);
        self.suspicion.notify_one();
    }

    /// A number that changes before this process begins to write what it knows to a server that has lost its memory. What
    /// was confirmed under another number may not have been written.
    pub(super) fn memory(&self) -> u64 {
        self.memory.load(Ordering::SeqCst)
    }

    fn epoch(&self, bucket: usize) -> &AtomicU64 {
        &self.epochs[bucket % self.epochs.len()]
    }

    fn told(&self, bucket: usize) -> &AtomicU64 {
        &self.told[bucket % self.told.len()]
    }

    /// As what this process's claims stand in a memory that they were written back to. Their own numbers are not known to
    /// whoever writes them; and a number for each memory keeps a late release of one claim from freeing another one on the
    /// same key, which was written back to a later memory.
    fn written_back(&self, to: Epoch) -> Token {
        Token { process: self.process, number: to | WRITTEN_BACK }
    }

    /// Nothing may be claimed in that bucket until the keeper has joined its memory again.
    fn forget(&self, bucket: usize, epoch: Epoch) -> bool {
        self.epoch(bucket).compare_exchange(epoch, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// How many times the server did not answer, or a change was lost.
    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Whether claims are sent there at this moment.
    pub(super) fn is_up(&self) -> bool {
        self.link.load().is_some()
    }
}

/// The server did not answer, or not sensibly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NoAnswer;
