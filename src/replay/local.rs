//! This process's own claims: a lock-sharded map from 16 bytes to 4.
//!
//! A value holds whether the claim is done, whether it may give way, and the second until which it holds (its deadline
//! while it is pending). Each second is a generation: an entry whose second has passed counts as none at once, without
//! anybody touching it, and what is left of it is removed in parts. The store is many small maps, so that whoever sweeps
//! one or makes it grow holds its lock for microseconds: a housekeeper sweeps a few at each of its rounds, and a worker
//! that finds the store full looks at a few maps and no more (`room`).
//!
//! What one claim may cost is a number that the store's size does not move, and tests hold it: no lock is ever held over
//! more than [`PLACES`] places of a table (twice that for a moment when a great many claims fail), whether to sweep, to read
//! or to grow it, and a claim looks at no more than [`LONGEST_LOOK`] entries of others. Tables of that size are never given
//! back, so no generation's end frees memory in one piece.
//!
//! The number of entries is bounded exactly; pending ones never give way, since that would let a second copy through
//! while the first is on its way. Deliberately absent: order among entries, which would cost more bytes than they have.

mod room;
mod sweep;

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::clock::Now;

use super::{ClaimKey, Full, Lasting};

/// Places of the table behind one lock, which holds up to seven eighths of them. To sweep all takes some 20 µs, to move
/// all that is in it some 60.
const PLACES: usize = 4096;

/// Entries a map at capacity, over its [`LOCKS`]. What is behind a lock (2,944, give or take 220, and a 32nd more before
/// it is thinned), with the marks that removed entries leave, fits into a table of [`PLACES`]: some 32 bytes an entry.
const PER_PART: usize = LOCKS * (PLACES / 32 * 23);

/// Locks a map: the fewest that it can have.
const LOCKS: usize = 2;

/// The most entries that one claim looks at to find room: twice all of each map that it tries.
pub const LONGEST_LOOK: usize = room::TRIES * 2 * LOCKS * PLACES / 8 * 7;

/// Entries that there is room for from the start, over all maps, so that a quiet sidecar never makes one grow.
const RESERVED: usize = 16 * 1024;

/// In how many rounds the housekeeper gets through all maps: what is over stays at most that many seconds longer, which
/// is little beside the ten minutes of the usual lifetime.
const ROUNDS: usize = 16;

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

/// One of the maps.
#[derive(Debug)]
struct Part {
    entries: DashMap<ClaimKey, State, Seed>,
    /// The second in which nothing in it was over or could give way.
    barren: AtomicU32,
}

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
    /// Which map the housekeeper sweeps next.
    round: AtomicUsize,
    /// Which map is looked at next for room.
    next: AtomicUsize,
    /// The most entries that one claim has looked at for room.
    longest_look: AtomicUsize,
}

impl Local {
    pub(super) fn new(capacity: usize, full: Full, start: Now) -> Self {
        let (capacity, seed) = (capacity.max(1), Seed::random());
        let count = capacity.div_ceil(PER_PART);
        let reserved = capacity.min(RESERVED) / count;
        let map = || DashMap::with_capacity_and_hasher_and_shard_amount(reserved, seed, LOCKS);
        let part = |_| Part { entries: map(), barren: AtomicU32::new(room::NEVER) };
        Self {
            parts: (0..count).map(part).collect(),
            seed,
            count: AtomicUsize::new(0),
            capacity,
            full,
            start: start.instant,
            evictions: AtomicU64::new(0),
            forgotten: AtomicU32::new(0),
            round: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            longest_look: AtomicUsize::new(0),
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
        let part = self.part(&key);
        match part.entries.entry(key) {
            Entry::Occupied(mut entry) => return take_over(entry.get_mut(), deadline, second),
            Entry::Vacant(entry) if self.reserve() => {
                entry.insert(State::pending(deadline));
                return Taken::New;
            }
            // Whoever makes room locks maps, perhaps this one.
            Entry::Vacant(_) => {}
        }
        if !self.make_room(second) {
            return Taken::Full;
        }
        match part.entries.entry(key) {
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
        let (part, done) = (self.part(&key), State::done(until, lasting.may_give_way));
        match part.entries.entry(key) {
            Entry::Occupied(mut entry) => {
                // A late settlement finds another's claim, or its settlement: the longer of the two memories stays.
                let until = until.max(entry.get().until());
                *entry.get_mut() = State::done(until, lasting.may_give_way);
            }
            Entry::Vacant(entry) => {
                // The bound may be passed by those few exchanges that outlived their own deadline.
                self.count.fetch_add(1, Ordering::Relaxed);
                entry.insert(done);
            }
        }
        if self.may_go(done) {
            part.revive();
        }
    }

    /// The shared store has confirmed a claim.
    pub(super) fn confirm(&self, key: ClaimKey, deadline: u32) {
        if let Some(mut state) = self.part(&key).entries.get_mut(&key)
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
        if self.part(&key).entries.remove_if(&key, |_, state| ours(state)).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// One round of the housekeeper's: removes what is over from some of the maps.
    pub(super) fn purge(&self, now: Now) {
        let second = self.second(now);
        let some = self.parts.len().div_ceil(ROUNDS);
        let from = self.round.fetch_add(some, Ordering::Relaxed);
        for at in from..from + some {
            self.sweep(&self.parts[at % self.parts.len()], |state| state.is_over(second));
        }
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
        let all = part.entries.iter().map(|entry| (*entry.key(), *entry.value()));
        entries.extend(all.filter(|(_, state)| !state.is_over(second)));
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn longest_look(&self) -> usize {
        self.longest_look.load(Ordering::Relaxed)
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
