//! Room in a store that is full, found by the worker that needs it.
//!
//! It never looks at all of the store. Maps take turns: the next one in turn loses what is over or, where nothing is, the
//! part of what may give way that would expire first. Keys are spread evenly, so the first to expire in one map of
//! thousands are of the same age as those in any other, give or take a few hundredths; and since all take turns, none
//! grows beyond its table. A map in which nothing may go is passed over for the rest of that second, so that a store full
//! of claims that never give way costs a claim that is refused nothing but that knowledge.
//!
//! Deliberately absent: a search over all maps for the last entry that might go. Where a few maps have none, less than one
//! in ten thousand would, and a claim that is refused comes again.

use std::sync::atomic::Ordering;

use super::{Full, Local, Part, State};

/// How many maps a worker looks at before it refuses.
pub(super) const TRIES: usize = 4;

/// Which part of what may give way goes at a time: large enough that a look pays for hundreds of claims, small enough
/// that the maps stay of one size.
const SHARE: usize = 16;

/// No second.
pub(super) const NEVER: u32 = u32::MAX;

impl Local {
    /// Makes room for one entry and reserves it, if any may go.
    pub(super) fn make_room(&self, second: u32) -> bool {
        let from = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = (from..from + self.parts.len()).map(|at| &self.parts[at % self.parts.len()]);
        let fertile = in_turn.filter(|part| part.barren.load(Ordering::Relaxed) != second);
        let mut seen = 0;
        let found = fertile.take(TRIES).any(|part| self.thin(part, second, &mut seen) && self.reserve());
        self.longest_look.fetch_max(seen, Ordering::Relaxed);
        found
    }

    /// Removes from one map what is over or else some of what may give way. Says whether anything went, and adds what it
    /// looked at to `seen`.
    fn thin(&self, part: &Part, second: u32, seen: &mut usize) -> bool {
        let mut may_go = Vec::with_capacity(part.entries.len());
        let over = self.sweep(part, |state| {
            *seen += 1;
            if !state.is_over(second) && self.may_go(state) {
                may_go.push(state.until());
            }
            state.is_over(second)
        });
        if over > 0 {
            return true;
        }
        let Some(last) = may_go.len().min((may_go.len() / SHARE).max(1)).checked_sub(1) else {
            part.barren.store(second, Ordering::Relaxed);
            return false;
        };
        let (earlier, until, _) = may_go.select_nth_unstable(last);
        let until = *until;
        let of_until = |seconds: &[u32]| seconds.iter().filter(|second| **second == until).count();
        // Of those that hold until that very second (in a burst all do) only as many go as are wanted, evenly over both
        // locks: else the entries behind one of them would outgrow its table.
        let (wanted, there) = (1 + of_until(earlier), of_until(&may_go));
        let mut due = 0;
        let evicted = self.sweep(part, |state| {
            *seen += 1;
            if !self.may_go(state) || state.until() != until {
                return self.may_go(state) && state.until() < until;
            }
            due += wanted;
            let goes = due >= there;
            due -= if goes { there } else { 0 };
            goes
        });
        self.forgotten.fetch_max(until, Ordering::Relaxed);
        self.evictions.fetch_add(evicted as u64, Ordering::Relaxed);
        evicted > 0
    }

    pub(super) fn may_go(&self, state: State) -> bool {
        match self.full {
            Full::Auto => state.is_done() && state.may_give_way(),
            Full::Evict => state.is_done(),
            Full::Reject => false,
        }
    }
}

impl Part {
    /// Something in it may give way from now on.
    pub(super) fn revive(&self) {
        // Read first: it is so nearly always, and a write would take the line from other workers.
        if self.barren.load(Ordering::Relaxed) != NEVER {
            self.barren.store(NEVER, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
