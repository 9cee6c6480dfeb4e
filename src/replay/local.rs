//! This process's own claims: a lock-sharded map from 16 bytes to 4.
//!
//! A value holds whether the claim is done, whether it may give way, and the second until which it holds (its deadline
//! while it is pending). Each second is a generation: an entry whose second has passed counts as none at once, without
//! anybody touching it, and what is left of it is removed in parts. The store is many small maps, so that whoever sweeps
//! one or makes it grow holds its lock for microseconds: a housekeeper sweeps a few at each of its rounds, and a worker
//! that finds the store full sweeps the one that it was about to use.
//!
//! The number of entries is bounded exactly; pending ones never give way, since that would let a second copy through
//! while the first is on its way. Which generations give way is found by the housekeeper ahead of need, in one pass over
//! all; a worker does so only when the store fills by an eighth between two of its rounds. Deliberately absent: order
//! among entries, which would cost more bytes than they have.

use std::hash::{BuildHasher, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::clock::Now;

use super::{ClaimKey, Full, Lasting};

/// Entries a map at capacity, over its [`LOCKS`]: to sweep what is behind one lock takes some ten microseconds. Chosen so
/// that what is behind a lock (3,200, give or take 230) fits into a table of 4,096 places, which holds 3,584, and fills it
/// well: some 27 bytes an entry.
const PER_PART: usize = 4 * 3200;

/// Locks a map.
const LOCKS: usize = 4;

/// Entries that there is room for from the start, over all maps, so that a quiet sidecar never makes one grow.
const RESERVED: usize = 16 * 1024;

/// The part of the capacity that may give way at a time, and that has to be free or else the housekeeper looks which.
const BATCH: usize = 8;

/// In how many rounds the housekeeper gets through all maps: what is over stays at most that many seconds longer, which
/// is little beside the ten minutes of the usual lifetime.
const ROUNDS: usize = 16;

/// How many maps a worker sweeps before it looks at all of them.
const NEAR: usize = 4;

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

/// A claim in 4 bytes: bit 31 done; bit 30 may give way or, of one that is pending, confirmed by the shared store; the
/// rest a second since this store's start (34 years of them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u32);

impl State {
    const DONE: u32 = 1 << 31;
    const GIVES_WAY: u32 = 1 << 30;
    const CONFIRMED: u32 = 1 << 30;
    const SECOND: u32 = Self::GIVES_WAY - 1;

    fn pending(deadline: u32) -> Self {
        Self(deadline & Self::SECOND)
    }

    fn done(until: u32, may_give_way: bool) -> Self {
        Self(Self::DONE | (until & Self::SECOND) | if may_give_way { Self::GIVES_WAY } else { 0 })
    }

    /// Whether others have to know of it: it is done, or on its way to the service with the shared store's word.
    pub(super) fn counts(self) -> bool {
        self.0 & (Self::DONE | Self::CONFIRMED) != 0
    }

    fn is_pending_until(self, deadline: u32) -> bool {
        self.0 & !Self::CONFIRMED == Self::pending(deadline).0
    }

    pub(super) fn is_done(self) -> bool {
        self.0 & Self::DONE != 0
    }

    pub(super) fn may_give_way(self) -> bool {
        self.0 & Self::GIVES_WAY != 0
    }

    /// The second until which it holds.
    pub(super) fn until(self) -> u32 {
        self.0 & Self::SECOND
    }

    pub(super) fn is_over(self, second: u32) -> bool {
        self.until() <= second
    }
}

type Part = DashMap<ClaimKey, State, Seed>;

/// The store.
#[derive(Debug)]
pub(super) struct Local {
    parts: Box<[Part]>,
    seed: Seed,
    count: AtomicUsize,
    capacity: usize,
    full: Full,
    start: Instant,
    evictions: AtomicU64,
    /// Claims that give way and hold until this second or earlier may have been forgotten.
    forgotten: AtomicU32,
    cut: Cut,
    round: AtomicUsize,
}

/// Which entries may go when there is no room.
#[derive(Debug, Default)]
struct Cut {
    /// Those that hold until an earlier second than this one, all of them.
    until: AtomicU32,
    /// Of those that hold until this very second, that many: a full store of one burst stays nearly full.
    at_until: AtomicUsize,
    /// How many may still go in all, as far as is known.
    allowed: AtomicUsize,
    finding: Mutex<()>,
}

impl Local {
    pub(super) fn new(capacity: usize, full: Full, start: Now) -> Self {
        let (capacity, seed) = (capacity.max(1), Seed::random());
        let count = capacity.div_ceil(PER_PART);
        let reserved = capacity.min(RESERVED) / count;
        let part = |_| DashMap::with_capacity_and_hasher_and_shard_amount(reserved, seed, LOCKS);
        Self {
            parts: (0..count).map(part).collect(),
            seed,
            count: AtomicUsize::new(0),
            capacity,
            full,
            start: start.instant,
            evictions: AtomicU64::new(0),
            forgotten: AtomicU32::new(0),
            cut: Cut::default(),
            round: AtomicUsize::new(0),
        }
    }

    /// The second of the store's time that lies `later` than `now`, rounded up.
    pub(super) fn tick(&self, now: Now, later: Duration) -> u32 {
        let since = now.instant.saturating_duration_since(self.start).saturating_add(later);
        let seconds = since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0));
        u32::try_from(seconds).unwrap_or(u32::MAX).min(State::SECOND)
    }

    /// The second of the store's time that `now` lies in.
    pub(super) fn second(&self, now: Now) -> u32 {
        let seconds = now.instant.saturating_duration_since(self.start).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX).min(State::SECOND)
    }

    /// Which map a key is in. The maps look at other bits for their locks and places.
    fn part_of(&self, key: &ClaimKey) -> usize {
        let bits = self.seed.hash_one(key) >> 20 & u64::from(u32::MAX);
        // A share of the range in proportion (Lemire, 2016): any number of maps will do.
        usize::try_from((bits * self.parts.len() as u64) >> 32).unwrap_or_default()
    }

    fn part(&self, key: &ClaimKey) -> &Part {
        &self.parts[self.part_of(key)]
    }

    /// Takes a key as pending until `deadline`.
    pub(super) fn take(&self, key: ClaimKey, deadline: u32, now: Now) -> Taken {
        let second = self.second(now);
        let at = self.part_of(&key);
        let part = &self.parts[at];
        if let Some(mut state) = part.get_mut(&key) {
            return take_over(&mut state, deadline, second);
        }
        if !self.reserve() && !self.make_room(at, second) {
            return Taken::Full;
        }
        match part.entry(key) {
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

    /// Room for one more entry.
    fn reserve(&self) -> bool {
        let one_more = |count: usize| (count < self.capacity).then_some(count + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// The service accepted it. Written whoever holds the key now, and even if its entry was swept meanwhile.
    pub(super) fn finish(&self, key: ClaimKey, lasting: Lasting, taken: Now) {
        let until = self.tick(taken, lasting.lifetime);
        match self.part(&key).entry(key) {
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

    /// The shared store has confirmed a claim.
    pub(super) fn confirm(&self, key: ClaimKey, deadline: u32) {
        if let Some(mut state) = self.part(&key).get_mut(&key)
            && state.is_pending_until(deadline)
        {
            state.0 |= State::CONFIRMED;
        }
    }

    /// A claim that was done in an earlier life, or elsewhere. Where there is no room it is forgotten.
    pub(super) fn remember(&self, key: ClaimKey, lasting: Lasting, now: Now) {
        let until = self.tick(now, lasting.lifetime);
        if self.take(key, until, now) == Taken::New {
            self.finish(key, lasting, now);
        }
    }

    /// The service did not accept it. Only an entry that is still this claim's own is removed.
    pub(super) fn release(&self, key: ClaimKey, deadline: u32, now: Now) {
        let second = self.second(now);
        let ours = |state: &State| state.is_pending_until(deadline) && !state.is_over(second);
        if self.part(&key).remove_if(&key, |_, state| ours(state)).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// One round of the housekeeper's: removes what is over from some of the maps, and looks ahead when little is left.
    pub(super) fn purge(&self, now: Now) {
        let second = self.second(now);
        let some = self.parts.len().div_ceil(ROUNDS);
        let from = self.round.fetch_add(some, Ordering::Relaxed);
        for at in from..from + some {
            self.sweep(at, |state| state.is_over(second));
        }
        let batch = self.capacity / BATCH;
        if self.len() > self.capacity - batch && self.cut.allowed.load(Ordering::Relaxed) < batch / 2 {
            self.find_cut(batch);
        }
    }

    /// Makes room for one entry and reserves it, if any may go.
    fn make_room(&self, at: usize, second: u32) -> bool {
        let any_near = (at..at + NEAR.min(self.parts.len())).any(|at| self.sweep_full(at, second) > 0);
        if any_near && self.reserve() {
            return true;
        }
        // One at a time: who waited finds room.
        let Ok(_finding) = self.cut.finding.lock() else { return false };
        if self.reserve() {
            return true;
        }
        self.find_cut((self.capacity / BATCH).max(1));
        (at..at + self.parts.len()).any(|at| self.sweep_full(at, second) > 0 && self.reserve())
    }

    /// Removes from one map what is over, and what may go. Gives their number.
    fn sweep_full(&self, at: usize, second: u32) -> usize {
        let until = self.cut.until.load(Ordering::Relaxed);
        let mut evicted = 0;
        let gone = self.sweep(at, |state| {
            let goes = self.may_go(state)
                && (state.until() < until || (state.until() == until && take_one(&self.cut.at_until)));
            let over = state.is_over(second);
            evicted += usize::from(goes && !over);
            goes || over
        });
        if evicted > 0 {
            self.forgotten.fetch_max(until, Ordering::Relaxed);
            self.evictions.fetch_add(evicted as u64, Ordering::Relaxed);
            let less = |allowed: usize| Some(allowed.saturating_sub(evicted));
            let _ = self.cut.allowed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
        gone
    }

    fn may_go(&self, state: State) -> bool {
        match self.full {
            Full::Auto => state.is_done() && state.may_give_way(),
            Full::Evict => state.is_done(),
            Full::Reject => false,
        }
    }

    /// Finds the second up to which entries must go so that `wanted` do, and how many of those with exactly that second.
    fn find_cut(&self, wanted: usize) {
        if self.full == Full::Reject {
            return;
        }
        let states = self.parts.iter().flat_map(|part| part.iter().map(|entry| *entry.value()));
        let mut seconds: Vec<u32> = states.filter(|state| self.may_go(*state)).map(State::until).collect();
        let Some(last) = wanted.min(seconds.len()).checked_sub(1) else { return };
        let (earlier, until, _) = seconds.select_nth_unstable(last);
        let at_until = 1 + earlier.iter().filter(|second| *second == until).count();
        // In this order another thread may take too few of them, never too many.
        self.cut.at_until.store(0, Ordering::SeqCst);
        self.cut.until.store(*until, Ordering::SeqCst);
        self.cut.at_until.store(at_until, Ordering::SeqCst);
        self.cut.allowed.store(last + 1, Ordering::SeqCst);
    }

    /// Removes from one map, counted round, the entries that `goes` picks. Gives their number.
    fn sweep(&self, at: usize, mut goes: impl FnMut(State) -> bool) -> usize {
        let mut gone = 0;
        self.parts[at % self.parts.len()].retain(|_, state| {
            let goes = goes(*state);
            gone += usize::from(goes);
            !goes
        });
        self.count.fetch_sub(gone, Ordering::Relaxed);
        gone
    }

    /// All entries that are not over, one map after the other; `visit` runs without a lock.
    pub(super) fn for_each_part(&self, now: Now, mut visit: impl FnMut(&[(ClaimKey, State)])) {
        let mut entries = Vec::new();
        for part in 0..self.parts.len() {
            self.entries_of(part, now, &mut entries);
            visit(&entries);
        }
    }

    /// How many maps there are.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The entries of one map that are not over.
    pub(super) fn entries_of(&self, part: usize, now: Now, entries: &mut Vec<(ClaimKey, State)>) {
        let second = self.second(now);
        entries.clear();
        let Some(part) = self.parts.get(part) else { return };
        let all = part.iter().map(|entry| (*entry.key(), *entry.value()));
        entries.extend(all.filter(|(_, state)| !state.is_over(second)));
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

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
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
