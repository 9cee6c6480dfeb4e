//! A table of what is known of each key, which never grows: all of its memory is taken at the start.
//!
//! A key has eight places that it may stand in, chosen by a keyed hash. When all eight are taken, the one that matters
//! least gives way: which one that is, the caller says by a rank. So a stranger with many addresses can make the table
//! forget, but can neither fill memory nor choose whom it forgets. Each of the locks covers a part of the places and is
//! held for a look at eight neighbours.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::source::Source;

/// Places that a key may stand in.
const WAYS: usize = 8;

/// Locks: several for each thread that any machine has.
const LOCKS: usize = 64;

/// What is known of something: of a source, and where it matters of its dealings with one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) who: u64,
    pub(super) route: u32,
}

impl Key {
    /// A source, wherever it goes.
    pub(super) fn of(source: Source) -> Self {
        Self { who: source.bits(), route: u32::MAX }
    }

    /// Somebody on the route at an index.
    pub(super) fn on(who: u64, route: usize) -> Self {
        Self { who, route: u32::try_from(route).unwrap_or(u32::MAX) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot<V> {
    key: Key,
    taken: bool,
    value: V,
}

/// The places under one lock.
type Part<V> = Mutex<Box<[Slot<V>]>>;

/// The table. `V::default()` is what is known of a key that is seen for the first time.
#[derive(Debug)]
pub(super) struct Table<V> {
    parts: Box<[Part<V>]>,
    hash: RandomState,
}

impl<V: Copy + Default> Table<V> {
    /// Room for at least `capacity` keys.
    pub(super) fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(LOCKS * WAYS).max(1);
        let empty = Slot { key: Key { who: 0, route: 0 }, taken: false, value: V::default() };
        let part = |_| Mutex::new(vec![empty; sets * WAYS].into_boxed_slice());
        Self { parts: (0..LOCKS).map(part).collect(), hash: RandomState::new() }
    }

    /// Looks at or changes what is known of a key. A new key takes a free place, or that of the lowest rank.
    pub(super) fn with<R>(&self, key: Key, rank: impl Fn(&V) -> u64, act: impl FnOnce(&mut V) -> R) -> R {
        let mut places = None;
        let set = self.set(key, &mut places);
        let known = set.iter().position(|slot| slot.taken && slot.key == key);
        let least = || set.iter().enumerate().min_by_key(|(_, slot)| (slot.taken, rank(&slot.value)));
        let at = known.or_else(|| least().map(|(at, _)| at)).unwrap_or_default();
        match set.get_mut(at) {
            Some(slot) => {
                if known.is_none() {
                    *slot = Slot { key, taken: true, value: V::default() };
                }
                act(&mut slot.value)
            }
            None => act(&mut V::default()),
        }
    }

    /// The same for a key that is known; a new one takes no place.
    pub(super) fn known<R>(&self, key: Key, act: impl FnOnce(&mut V) -> R) -> Option<R> {
        let mut places = None;
        let slot = self.set(key, &mut places).iter_mut().find(|slot| slot.taken && slot.key == key)?;
        Some(act(&mut slot.value))
    }

    /// A number for a text that nobody can find another text for.
    pub(super) fn digest(&self, text: &str) -> u64 {
        self.hash.hash_one(text)
    }

    /// Visits all that is known, and forgets what `keep` says no to.
    pub(super) fn retain(&self, mut keep: impl FnMut(Key, &V) -> bool) {
        for part in &self.parts {
            for slot in part.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
                slot.taken = slot.taken && keep(slot.key, &slot.value);
            }
        }
    }

    /// How many keys are known for which `counts` holds.
    pub(super) fn count(&self, counts: impl Fn(&V) -> bool) -> usize {
        let of_part = |part: &Part<V>| {
            let slots = part.lock().unwrap_or_else(PoisonError::into_inner);
            slots.iter().filter(|slot| slot.taken && counts(&slot.value)).count()
        };
        self.parts.iter().map(of_part).sum()
    }

    /// The places of a key, locked for as long as `places` lives.
    fn set<'t, 'g>(&'t self, key: Key, places: &'g mut Option<MutexGuard<'t, Box<[Slot<V>]>>>) -> &'g mut [Slot<V>] {
        let hash = self.hash.hash_one(key);
        let (low, high) = ((hash & 0xffff_ffff) as usize, (hash >> 32) as usize);
        let Some(part) = self.parts.get(low % LOCKS) else { return &mut [] };
        // A panic while the lock was held leaves whole values: they are `Copy`.
        let part = places.insert(part.lock().unwrap_or_else(PoisonError::into_inner));
        let start = high % (part.len() / WAYS).max(1) * WAYS;
        part.get_mut(start..start + WAYS).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_found_again_and_kept_apart_by_route() {
        let table = Table::<u64>::new(1000);
        // As many as one set holds, so that each has its place wherever it falls.
        for who in 0..4 {
            for route in [0, 1] {
                table.with(Key::on(who, route), |value| *value, |value| *value = who * 10 + route as u64);
            }
        }
        for who in 0..4 {
            assert_eq!(table.known(Key::on(who, 1), |value| *value), Some(who * 10 + 1));
        }
        assert_eq!(table.known(Key::on(3, 3), |value| *value), None);
    }

    #[test]
    fn it_never_grows_and_what_matters_least_gives_way() {
        let table = Table::<u64>::new(LOCKS * WAYS);
        for who in 0..100_000 {
            table.with(Key::on(who, 0), |value| *value, |value| *value = if who < 8 { u64::MAX } else { who });
        }
        let all = table.count(|_| true);
        assert_eq!(all, LOCKS * WAYS);
        let kept = (0..8).filter(|who| table.known(Key::on(*who, 0), |_| ()).is_some()).count();
        assert_eq!(kept, 8, "those of the highest rank stay");
        table.retain(|_, value| *value == u64::MAX);
        assert_eq!(table.count(|_| true), 8);
    }
}
