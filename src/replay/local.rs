//! This process's own claims: a lock-sharded map from 16 bytes to 4.
//!
//! A value holds whether the claim is done, whether it may give way, and the second until which it holds (its deadline
//! while it is pending). Expiry costs a worker nothing: an entry that is over counts as none, and a housekeeper removes
//! such entries shard by shard. Shards are many and small, so that neither that sweep nor a shard's growth holds one for
//! long. The number of entries is bounded exactly; pending ones never give way, since that would let a second copy
//! through while the first is on its way. Deliberately absent: order among entries; which expire first is found when
//! room is needed, in one pass over all.

use std::hash::{BuildHasher, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::clock::Now;

use super::{ClaimKey, Full, Lasting};

/// Entries a shard at capacity: a sweep of one takes some ten microseconds.
const PER_SHARD: usize = 4096;

/// Entries that there is room for from the start, over all shards, so that a quiet sidecar never grows a shard.
const RESERVED: usize = 16 * 1024;

/// The part of the capacity that is made free at a time when claims must give way.
const BATCH: usize = 64;

/// The fill, in 64ths, at which the housekeeper makes room ahead of need.
const HIGH_WATER: usize = 63;

/// What happened to a key that was to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is ours now, pending.
    New,
    /// Somebody's claim is pending.
    Pending,
    /// It was done before.
    Done,
    /// There is no room.
    Full,
}

/// A claim in 4 bytes: bit 31 done, bit 30 may give way, the rest a second since the store's start (34 years of them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State(u32);

impl State {
    const DONE: u32 = 1 << 31;
    const GIVES_WAY: u32 = 1 << 30;
    const SECOND: u32 = Self::GIVES_WAY - 1;

    fn pending(deadline: u32) -> Self {
        Self(deadline & Self::SECOND)
    }

    fn done(until: u32, may_give_way: bool) -> Self {
        Self(Self::DONE | (until & Self::SECOND) | if may_give_way { Self::GIVES_WAY } else { 0 })
    }

    fn is_done(self) -> bool {
        self.0 & Self::DONE != 0
    }

    fn may_give_way(self) -> bool {
        self.0 & Self::GIVES_WAY != 0
    }

    fn until(self) -> u32 {
        self.0 & Self::SECOND
    }

    fn is_over(self, second: u32) -> bool {
        self.until() <= second
    }
}

/// The store.
#[derive(Debug)]
pub(super) struct Local {
    entries: DashMap<ClaimKey, State, Seed>,
    count: AtomicUsize,
    capacity: usize,
    full: Full,
    start: Instant,
    evictions: AtomicU64,
    /// Claims that give way and hold until this second or earlier may have been forgotten.
    forgotten: AtomicU32,
    trimming: Mutex<()>,
}

impl Local {
    pub(super) fn new(capacity: usize, full: Full, start: Now) -> Self {
        let capacity = capacity.max(1);
        let shards = (capacity / PER_SHARD).clamp(4, 1024).next_power_of_two();
        let reserved = capacity.min(RESERVED);
        Self {
            entries: DashMap::with_capacity_and_hasher_and_shard_amount(reserved, Seed::random(), shards),
            count: AtomicUsize::new(0),
            capacity,
            full,
            start: start.instant,
            evictions: AtomicU64::new(0),
            forgotten: AtomicU32::new(0),
            trimming: Mutex::new(()),
        }
    }

    /// The second of the store's time that lies `later` than `now`, rounded up.
    pub(super) fn tick(&self, now: Now, later: Duration) -> u32 {
        let since = now.instant.saturating_duration_since(self.start).saturating_add(later);
        let seconds = since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0));
        u32::try_from(seconds).unwrap_or(u32::MAX).min(State::SECOND)
    }

    fn second(&self, now: Now) -> u32 {
        let seconds = now.instant.saturating_duration_since(self.start).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX).min(State::SECOND)
    }

    /// Takes a key as pending until `deadline`.
    pub(super) fn take(&self, key: ClaimKey, deadline: u32, now: Now) -> Taken {
        let second = self.second(now);
        if let Some(taken) = self.take_known(key, deadline, second) {
            return taken;
        }
        let reserved = self.reserve() || (self.trim(second, 1) && self.reserve());
        if !reserved {
            return Taken::Full;
        }
        match self.entries.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(State::pending(deadline));
                Taken::New
            }
            Entry::Occupied(mut entry) => {
                // Somebody was here in between.
                self.count.fetch_sub(1, Ordering::Relaxed);
                take_over(entry.get_mut(), deadline, second)
            }
        }
    }

    fn take_known(&self, key: ClaimKey, deadline: u32, second: u32) -> Option<Taken> {
        self.entries.get_mut(&key).map(|mut state| take_over(&mut state, deadline, second))
    }

    /// Room for one more entry.
    fn reserve(&self) -> bool {
        let one_more = |count: usize| (count < self.capacity).then_some(count + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// The service accepted it. Written whoever holds the key now, and even if its entry was swept meanwhile.
    pub(super) fn finish(&self, key: ClaimKey, lasting: Lasting, taken: Now) {
        let until = self.tick(taken, lasting.lifetime);
        match self.entries.entry(key) {
            Entry::Occupied(mut entry) => {
                // A late settlement finds another's claim, or its settlement: the longer of the two memories stays.
                let until = until.max(entry.get().until());
                *entry.get_mut() = State::done(until, lasting.may_give_way);
            }
            Entry::Vacant(entry) => {
                // The bound may be passed by those few exchanges that outlived their own deadline.
                self.count.fetch_add(1, Ordering::Relaxed);
                entry.insert(State::done(until, lasting.may_give_way));
            }
        }
    }

    /// The service did not accept it. Only an entry that is still this claim's own is removed.
    pub(super) fn release(&self, key: ClaimKey, deadline: u32, now: Now) {
        let second = self.second(now);
        let ours = |state: &State| *state == State::pending(deadline) && !state.is_over(second);
        if self.entries.remove_if(&key, |_, state| ours(state)).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Removes what is over, and makes room when little is left.
    pub(super) fn purge(&self, now: Now) {
        let second = self.second(now);
        self.sweep(|state| state.is_over(second));
        if self.len() > self.capacity / 64 * HIGH_WATER {
            self.trim(second, self.capacity / BATCH);
        }
    }

    /// Makes room for at least `wanted` entries, if any may go.
    fn trim(&self, second: u32, wanted: usize) -> bool {
        // One at a time: who waited finds room.
        let Ok(_trimming) = self.trimming.lock() else { return false };
        if self.len() < self.capacity && wanted <= 1 {
            return true;
        }
        let swept = self.sweep(|state| state.is_over(second));
        if swept >= wanted {
            return true;
        }
        let may_go = |state: State| match self.full {
            Full::Auto => state.is_done() && state.may_give_way(),
            Full::Evict => state.is_done(),
            Full::Reject => false,
        };
        let Some(cut) = self.cut(may_go, wanted.max(self.capacity / BATCH)) else { return false };
        self.forgotten.fetch_max(cut.until, Ordering::Relaxed);
        // Of those that share the cut's second only as many go as are needed: a full store of one burst stays nearly full.
        let mut at_cut = cut.at_cut;
        let evicted = self.sweep(|state| {
            may_go(state) && (state.until() < cut.until || (state.until() == cut.until && take_one(&mut at_cut)))
        });
        self.evictions.fetch_add(evicted as u64, Ordering::Relaxed);
        evicted > 0
    }

    /// The second up to which entries must go so that `wanted` do, and how many of those with exactly that second.
    fn cut(&self, may_go: impl Fn(State) -> bool, wanted: usize) -> Option<Cut> {
        let states = self.entries.iter().map(|entry| *entry.value()).filter(|state| may_go(*state));
        let mut seconds: Vec<u32> = states.map(State::until).collect();
        let last = wanted.min(seconds.len()).checked_sub(1)?;
        let (earlier, until, _) = seconds.select_nth_unstable(last);
        let until = *until;
        let at_cut = 1 + earlier.iter().filter(|second| **second == until).count();
        Some(Cut { until, at_cut })
    }

    /// Removes the entries that `goes` picks, one shard at a time. Gives their number.
    fn sweep(&self, mut goes: impl FnMut(State) -> bool) -> usize {
        let mut gone = 0;
        self.entries.retain(|_, state| {
            let goes = goes(*state);
            gone += usize::from(goes);
            !goes
        });
        self.count.fetch_sub(gone, Ordering::Relaxed);
        gone
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    pub(super) fn window_left(&self, lifetime: Duration, now: Now) -> Duration {
        let forgotten = u64::from(self.forgotten.load(Ordering::Relaxed));
        // What was claimed at `t` holds until `t + lifetime`: everything claimed after `forgotten - lifetime` is there.
        let oldest = Duration::from_secs(forgotten).saturating_sub(lifetime);
        let age = now.instant.saturating_duration_since(self.start).saturating_sub(oldest);
        if forgotten == 0 { lifetime } else { age.min(lifetime) }
    }
}

struct Cut {
    until: u32,
    at_cut: usize,
}

fn take_one(left: &mut usize) -> bool {
    let any = *left > 0;
    *left -= usize::from(any);
    any
}

/// Takes an entry that is there, if it is over.
fn take_over(state: &mut State, deadline: u32, second: u32) -> Taken {
    if state.is_over(second) {
        *state = State::pending(deadline);
        return Taken::New;
    }
    if state.is_done() { Taken::Done } else { Taken::Pending }
}

/// Keys are uniform bits already; a random seed keeps anyone from choosing keys that share a shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(u64);

impl Seed {
    fn random() -> Self {
        // Without random numbers the shards are still balanced: senders cannot choose a MAC.
        Self(getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15))
    }
}

impl BuildHasher for Seed {
    type Hasher = Fold;

    fn build_hasher(&self) -> Fold {
        Fold(self.0)
    }
}

/// Folds a key's 16 bytes into 64 bits.
#[derive(Debug)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks_exact(8) {
            let word = part.try_into().map_or(0, u64::from_le_bytes);
            self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
    }

    /// The length prefix of an array says nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
