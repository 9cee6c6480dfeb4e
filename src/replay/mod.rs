//! Is it new? Claims on messages and events, so that nothing is delivered twice after a success and nothing is refused
//! after a failure.
//!
//! Two kinds of key are claimed, both made of signed material alone. The *message key* stands for these exact signed
//! bytes; a message has one under each active key of its route. The *event key* stands for a signed delivery id, however
//! often the sender signs it anew.
//!
//! | earlier claim | same message key | new message, same event key |
//! |---|---|---|
//! | none | claimed | claimed |
//! | pending, before its deadline | [`Refused::InFlight`] | [`Refused::InFlight`] |
//! | done | [`Refused::Replayed`] | [`Refused::Duplicate`] |
//! | released, or pending past its deadline | claimed | claimed |
//!
//! Why no claim needs an owner's mark: a claim is settled either before its deadline, when nobody else can have taken the
//! key, or after it. Late and *done* always writes done: the service has accepted this message, whoever claims it now.
//! Late and *released* touches nothing that may be somebody else's. The deadline lies beyond the longest exchange, so late
//! settling is for stalled machines. A claim that is merely dropped stays pending until its deadline.
//!
//! What this process knows stands in [`local`](self), which costs no allocation and asks nobody. Two things may be added:
//! a `journal`, so that it survives a restart, and a `shared` store, so that other processes know it. Whoever claims does
//! so here first, and then has it confirmed by the shared store, if there is one: so a copy that this process has seen
//! before never causes traffic, and of several copies here at most one asks.
//!
//! Before the sender hears of a success, it stands in all three: here, in the journal, and in the shared store (for which
//! no sender waits longer than a quarter of a second; what was late is counted). So a process may be killed at any moment:
//! a message whose sender has had its 2xx is never pending any more, and passes at no deadline. What is left are two
//! faults at once: the shared store loses what it had taken, and the process that knows it ends before it has written it
//! back and has no journal.

mod journal;
mod local;
mod shared;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::auth::keys::MAX_KEYS;
use crate::clock::Now;

use journal::Journal;
use local::{Local, Taken};
use shared::{Answer, Becomes, Store};

pub use journal::CannotOpen;
pub use local::LONGEST_LOOK;
pub use shared::{Place, Topology, Unavailable};

/// 128 bits that stand for a message or an event.
pub type ClaimKey = [u8; 16];

/// What happens to a new claim when the store is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Claims that may give way do, the ones that would expire first; if there are none, the new one is refused.
    Auto,
    /// The new one is refused.
    Reject,
    /// Any done claim gives way.
    Evict,
}

/// How long a claim lasts once it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasting {
    /// From the time of the claim on.
    pub lifetime: Duration,
    /// Whether it may be forgotten earlier when the store is full.
    pub may_give_way: bool,
}

/// The terms of one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// For the message keys.
    pub message: Lasting,
    /// For the event key.
    pub event: Lasting,
    /// How long it may stay pending.
    pub pending: Duration,
}

/// Why a claim was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// These signed bytes were delivered.
    Replayed,
    /// This event was delivered.
    Duplicate,
    /// One of them is being delivered.
    InFlight,
    /// The store is full.
    Full,
    /// The shared store does not answer, and nothing may pass without it.
    Unavailable,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service accepted the message.
    Done,
    /// It did not, or never saw it.
    Released,
}

/// Proof of newness: these keys are pending in our name. Dropped, they stay so until the deadline.
#[derive(Debug)]
#[must_use = "a claim that is not settled blocks the sender's retry until its deadline"]
pub struct Claim {
    /// The message's, then the event's.
    keys: [ClaimKey; MAX_KEYS + 1],
    count: usize,
    has_event: bool,
    message: Lasting,
    event: Lasting,
    taken: Now,
    pending: Duration,
    deadline: u32,
    /// Its number in the shared store, if it was confirmed there.
    shared: Option<u64>,
}

/// All claims of this process.
#[derive(Debug)]
pub struct Replay {
    local: Local,
    journal: Option<Journal>,
    shared: Option<Store>,
    /// Claims that the shared store could not confirm, and that stood all the same.
    unconfirmed: AtomicU64,
    /// Successes that the sender heard of before the shared store did.
    late: AtomicU64,
}

/// The key of an event. Scoped by route, so that two senders' ids never meet; lengths are framed, so that no two pairs
/// make the same bytes.
#[must_use]
pub fn event_key(route: &str, delivery_id: &[u8]) -> ClaimKey {
    let mut hash = Sha256::new();
    hash.update(b"hookwarden event\0");
    hash.update((route.len() as u64).to_be_bytes());
    hash.update(route.as_bytes());
    hash.update(delivery_id);
    let digest = hash.finalize();
    std::array::from_fn(|at| digest[at])
}

impl Replay {
    /// A store of at most `max_entries` keys.
    #[must_use]
    pub fn new(max_entries: usize, full: Full, start: Now) -> Self {
        let local = Local::new(max_entries, full, start);
        Self { local, journal: None, shared: None, unconfirmed: AtomicU64::new(0), late: AtomicU64::new(0) }
    }

    /// With a journal in that directory. What it holds is remembered.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn with_journal(mut self, directory: &Path, now: Now) -> Result<Self, CannotOpen> {
        self.journal = Some(Journal::open(directory, &self.local, now)?);
        Ok(self)
    }

    /// With a store that other processes share. Nothing is asked of it before [`Self::keep_shared`] runs.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn with_shared(mut self, place: Place, unavailable: Unavailable) -> Result<Self, getrandom::Error> {
        self.shared = Some(Store::new(place, unavailable)?);
        Ok(self)
    }

    /// Claims all keys or none, as far as this process knows.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn claim(
        &self,
        message_keys: &[ClaimKey],
        event_key: Option<ClaimKey>,
        terms: Terms,
        now: Now,
    ) -> Result<Claim, Refused> {
        let mut claim = Claim::none(terms, event_key.is_some(), self.local.tick(now, terms.pending), now);
        for key in message_keys.iter().copied().chain(event_key) {
            let is_event = claim.count == message_keys.len();
            let refused = match self.local.take(key, claim.deadline, now) {
                Taken::New => {
                    claim.push(key);
                    continue;
                }
                Taken::Pending => Refused::InFlight,
                Taken::Done => Refused::when_done(is_event),
                Taken::Full => Refused::Full,
            };
            claim.release_here(self, now);
            return Err(refused);
        }
        Ok(claim)
    }

    /// Has a claim confirmed by the shared store; without one it stands as it is, at once.
    ///
    /// # Errors
    /// [`Refused`]: then nothing is claimed any more.
    pub async fn confirm(&self, claim: Claim) -> Result<Claim, Refused> {
        match &self.shared {
            None => Ok(claim),
            // Boxed, so that requests that ask nobody do not carry its room.
            Some(store) => Box::pin(self.ask(store, claim)).await,
        }
    }

    async fn ask(&self, store: &Store, claim: Claim) -> Result<Claim, Refused> {
        let keys: Vec<_> = claim.keys().map(|(key, _)| key).collect();
        let asked_in = store.memory();
        let answer = store.claim(&keys, claim.has_event, claim.pending).await;
        let same_memory = || store.memory() == asked_in;
        self.conclude(claim, answer, same_memory, store.unavailable, Now::read())
    }

    /// What becomes of a claim after the shared store's answer. One that was confirmed is marked first, so that whoever
    /// writes this store's entries to a server without memory finds the mark; then `same_memory` tells whether somebody
    /// has begun to do so before.
    fn conclude(
        &self,
        mut claim: Claim,
        mut answer: Answer,
        same_memory: impl FnOnce() -> bool,
        unavailable: Unavailable,
        now: Now,
    ) -> Result<Claim, Refused> {
        if let Answer::New(number) = answer {
            claim.keys().for_each(|(key, _)| self.local.confirm(key, claim.deadline));
            claim.shared = Some(number);
            if same_memory() {
                return Ok(claim);
            }
            answer = Answer::None;
        }
        let refused = match answer {
            Answer::New(_) | Answer::None if unavailable == Unavailable::Local => {
                claim.shared = None;
                self.unconfirmed.fetch_add(1, Ordering::Relaxed);
                return Ok(claim);
            }
            Answer::New(_) | Answer::None => Refused::Unavailable,
            Answer::Pending => Refused::InFlight,
            Answer::Done(at, _) => Refused::when_done(claim.has_event && at + 1 == claim.count),
        };
        claim.release_soon(self, now);
        if let Answer::Done(at, lifetime) = answer
            && let Some((key, lasting)) = claim.keys().nth(at)
        {
            // The next copy is answered without the network.
            self.local.remember(key, Lasting { lifetime, ..lasting }, now);
        }
        Err(refused)
    }

    /// Keeps the connection to the shared store until [`Self::close`]. To be run by a thread of its own.
    pub async fn keep_shared(&self) {
        if let Some(store) = &self.shared {
            store.keep(&self.local).await;
        }
    }

    /// Waits until the shared store knows what this process has settled, but not for ever.
    pub async fn close(&self) {
        if let Some(store) = &self.shared {
            store.close().await;
        }
    }

    /// Whether there is a shared store.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether there is a shared store, and whether claims are sent there at this moment.
    #[must_use]
    pub fn shared_is_up(&self) -> Option<bool> {
        self.shared.as_ref().map(Store::is_up)
    }

    /// How many times the shared store did not answer, or was not told of something.
    #[must_use]
    pub fn shared_errors(&self) -> u64 {
        self.shared.as_ref().map_or(0, Store::errors)
    }

    /// How many claims stood without the shared store's word, since it did not answer.
    #[must_use]
    pub fn unconfirmed(&self) -> u64 {
        self.unconfirmed.load(Ordering::Relaxed)
    }

    /// How many times the service had accepted a message and its sender heard so before the shared store did, since that
    /// did not answer in time.
    #[must_use]
    pub fn late_settlements(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// How many messages the journal could not take.
    #[must_use]
    pub fn journal_errors(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::errors)
    }

    /// The most entries of others that one claim has looked at to find room: whatever the store's size, [`LONGEST_LOOK`]
    /// at most.
    #[must_use]
    pub fn longest_look(&self) -> usize {
        self.local.longest_look()
    }

    /// Drops what has expired, and begins a new generation of the journal when one is
    /// due. Called once a second, by no worker.
    pub fn purge(&self, now: Now) {
        self.local.purge(now);
        if let Some(journal) = &self.journal {
            journal.turn_if_due(&self.local, now);
        }
    }

    /// How many keys are held.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.local.len()
    }

    /// How many keys can be held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.local.capacity()
    }

    /// How many claims have given way so far.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.local.evictions()
    }

    /// How far back claims of that lifetime are still remembered: less than the lifetime once some have given way.
    #[must_use]
    pub fn window_left(&self, lifetime: Duration, now: Now) -> Duration {
        self.local.window_left(lifetime, now)
    }
}

impl Replay {
    fn tell_later(&self, key: ClaimKey, becomes: Becomes) {
        if let Some(shared) = &self.shared {
            shared.later(key, becomes);
        }
    }
}

impl Claim {
    fn none(terms: Terms, has_event: bool, deadline: u32, taken: Now) -> Self {
        let (keys, Terms { message, event, pending }) = ([[0; 16]; MAX_KEYS + 1], terms);
        Self { keys, count: 0, has_event, message, event, taken, pending, deadline, shared: None }
    }

    /// Says how the exchange ended. The journal knows at once, the shared store soon.
    pub fn settle(self, store: &Replay, outcome: Outcome, now: Now) {
        match outcome {
            Outcome::Done => {
                self.done_here(store);
                self.done_there().for_each(|(key, done)| store.tell_later(key, done));
            }
            Outcome::Released => self.release_soon(store, now),
        }
    }

    /// Says that the service accepted the message, and waits until every process may know, the next one in this one's
    /// place too: the sender is told of its success after that. For a quarter of a second at most; what the shared store
    /// has not taken by then is written as soon as it can be.
    pub async fn accept(self, store: &Replay) {
        self.done_here(store);
        if let Some(shared) = &store.shared
            && !Box::pin(shared.settle(self.done_there().collect())).await
        {
            store.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says that the exchange failed, and waits until every process may take the retry, as long as [`Self::accept`].
    pub async fn release(self, store: &Replay, now: Now) {
        let released = self.released_there(store);
        self.release_here(store, now);
        if let Some(shared) = &store.shared
            && !released.is_empty()
        {
            Box::pin(shared.settle(released)).await;
        }
    }

    /// Whether the shared store has confirmed it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    fn done_here(&self, store: &Replay) {
        for (key, lasting) in self.keys() {
            store.local.finish(key, lasting, self.taken);
        }
        if let Some(journal) = &store.journal {
            journal.append(self.keys(), self.taken);
        }
    }

    fn done_there(&self) -> impl Iterator<Item = (ClaimKey, Becomes)> {
        let until = |lasting: Lasting| self.taken.instant + lasting.lifetime;
        self.keys().map(move |(key, lasting)| (key, Becomes::Done { until: until(lasting) }))
    }

    fn release_soon(&self, store: &Replay, now: Now) {
        let released = self.released_there(store);
        self.release_here(store, now);
        for (key, released) in released {
            store.tell_later(key, released);
        }
    }

    /// To be asked before it is released here: what is written to a server without memory from then on is not this claim.
    fn released_there(&self, store: &Replay) -> Vec<(ClaimKey, Becomes)> {
        let (Some(shared), Some(number)) = (&store.shared, self.shared) else { return Vec::new() };
        let until = self.taken.instant + self.pending;
        self.keys().map(|(key, _)| (key, shared.released(&key, number, until))).collect()
    }

    fn release_here(&self, store: &Replay, now: Now) {
        self.keys().for_each(|(key, _)| store.local.release(key, self.deadline, now));
    }

    fn keys(&self) -> impl ExactSizeIterator<Item = (ClaimKey, Lasting)> {
        // Of one that is not complete yet, nobody asks how long its keys last.
        let messages = self.count - usize::from(self.has_event && self.count > 0);
        let lasting = move |at| if at < messages { self.message } else { self.event };
        self.keys.iter().take(self.count).enumerate().map(move |(at, key)| (*key, lasting(at)))
    }

    fn push(&mut self, key: ClaimKey) {
        if let Some(slot) = self.keys.get_mut(self.count) {
            *slot = key;
            self.count += 1;
        }
    }
}

impl Refused {
    fn when_done(is_event: bool) -> Self {
        if is_event { Self::Duplicate } else { Self::Replayed }
    }
}

#[cfg(test)]
mod tests;
