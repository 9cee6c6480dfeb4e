//! How many connections one source may have open. Only sources with an open connection take room, so the budget of all
//! connections bounds this one's memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::source::Source;

/// The connections of each source.
#[derive(Debug)]
pub struct PerSource {
    max: usize,
    open: Mutex<HashMap<Source, usize>>,
}

/// One connection of a source; counts until it is dropped.
#[derive(Debug)]
pub struct SourcePermit {
    all: Arc<PerSource>,
    source: Source,
}

impl PerSource {
    /// At most that many for each.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default() })
    }

    /// Room for one more connection of that source.
    #[must_use]
    pub fn try_connection(self: &Arc<Self>, source: Source) -> Option<SourcePermit> {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.entry(source).or_default();
        if *open >= self.max {
            return None;
        }
        *open += 1;
        Some(SourcePermit { all: self.clone(), source })
    }
}

impl Drop for SourcePermit {
    fn drop(&mut self) {
        let mut all = self.all.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get_mut(&self.source) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                all.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_own_share_and_leaves_nothing_behind() {
        let all = PerSource::new(2);
        let (one, other) = (Source::from(1), Source::from(2));
        let held = [all.try_connection(one), all.try_connection(one), all.try_connection(other)];
        assert!(held.iter().all(Option::is_some) && all.try_connection(one).is_none());
        drop(held);
        assert!(all.try_connection(one).is_some());
        assert!(all.open.lock().expect("not poisoned").is_empty());
    }
}
