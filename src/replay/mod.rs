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

pub mod local;

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::auth::keys::MAX_KEYS;
use crate::clock::Now;

use local::{Local, Taken};

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
    keys: [(ClaimKey, Lasting); MAX_KEYS + 1],
    count: usize,
    taken: Now,
    deadline: u32,
}

/// All claims of this process.
#[derive(Debug)]
pub struct Replay {
    local: Local,
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
        Self { local: Local::new(max_entries, full, start) }
    }

    /// Claims all keys or none.
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
        let keys = [([0; 16], terms.message); MAX_KEYS + 1];
        let mut claim = Claim { keys, count: 0, taken: now, deadline: self.local.tick(now, terms.pending) };
        let messages = message_keys.iter().map(|key| (*key, terms.message, Refused::Replayed));
        for (key, lasting, when_done) in messages.chain(event_key.map(|key| (key, terms.event, Refused::Duplicate))) {
            let refused = match self.local.take(key, claim.deadline, now) {
                Taken::New => {
                    claim.push(key, lasting);
                    continue;
                }
                Taken::Pending => Refused::InFlight,
                Taken::Done => when_done,
                Taken::Full => Refused::Full,
            };
            claim.settle(self, Outcome::Released, now);
            return Err(refused);
        }
        Ok(claim)
    }

    /// Drops what has expired, and makes room ahead of need. Called once in a while, by no worker.
    pub fn purge(&self, now: Now) {
        self.local.purge(now);
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

impl Claim {
    /// Says how the exchange ended.
    pub fn settle(self, store: &Replay, outcome: Outcome, now: Now) {
        for (key, lasting) in self.keys.iter().take(self.count) {
            match outcome {
                Outcome::Done => store.local.finish(*key, *lasting, self.taken),
                Outcome::Released => store.local.release(*key, self.deadline, now),
            }
        }
    }

    fn push(&mut self, key: ClaimKey, lasting: Lasting) {
        if let Some(slot) = self.keys.get_mut(self.count) {
            *slot = (key, lasting);
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests;
