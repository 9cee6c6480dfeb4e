//! Removing many entries of one map at a time, and clearing what they leave behind.
//!
//! A removed entry leaves a mark in its table wherever a search may have passed over it. Marks take up places, and a table
//! without free ones doubles unless it is half empty: left alone, each table of a busy store does so within two or three
//! turnovers, and an entry takes 54 bytes instead of 32. So whoever sweeps also clears: once marks are more than a 32nd of
//! a table, its entries are taken out and put back, which leaves none. A table that has doubled all the same, since more
//! claims failed within one of the housekeeper's turns than it has room for marks, shrinks again then.

use std::hash::BuildHasher;
use std::sync::atomic::Ordering;

use super::{Local, PLACES, Part, State};

/// Which part of a table's places may be marks after a sweep.
const MARKS: usize = 32;

impl Local {
    /// Removes from one map the entries that `goes` picks. Gives their number.
    pub(super) fn sweep(&self, part: &Part, mut goes: impl FnMut(State) -> bool) -> usize {
        let mut gone = 0;
        part.entries.retain(|_, state| {
            let goes = goes(*state);
            gone += usize::from(goes);
            !goes
        });
        self.count.fetch_sub(gone, Ordering::Relaxed);
        if gone > 0 {
            self.clear_marks(part);
        }
        gone
    }

    fn clear_marks(&self, part: &Part) {
        for table in part.entries.shards() {
            let mut table = table.write();
            let (places, holds) = (table.buckets(), table.buckets() / 8 * 7);
            if places > PLACES && table.len() <= PLACES / 8 * 7 {
                table.shrink_to(PLACES / 8 * 7, |(key, _)| self.seed.hash_one(key));
            } else if (holds.saturating_sub(table.capacity())) * MARKS > places {
                let entries: Vec<_> = table.drain().collect();
                for entry in entries {
                    table.insert(self.seed.hash_one(entry.0), entry, |(key, _)| self.seed.hash_one(key));
                }
            }
        }
    }
}
