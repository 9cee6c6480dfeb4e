//! Counts of five minutes each, of one day.

/// Seconds of one count.
pub(super) const WINDOW: u64 = 300;

/// Counts that are kept: a day.
const KEPT: usize = 288;

/// The counts.
#[derive(Debug)]
pub(super) struct Series {
    past: [u32; KEPT],
    /// Which five minutes `current` counts.
    window: u64,
    current: u32,
    peak: u32,
    /// Past counts that are not zero.
    busy: usize,
}

impl Default for Series {
    fn default() -> Self {
        Self { past: [0; KEPT], window: 0, current: 0, peak: 0, busy: 0 }
    }
}

impl Series {
    /// Counts so many, and gives how many there are in these five minutes.
    pub(super) fn add(&mut self, second: u64, times: u32) -> u32 {
        self.advance(second);
        self.current = self.current.saturating_add(times);
        self.current
    }

    /// The largest count of the day before these five minutes.
    pub(super) fn peak(&self) -> u32 {
        self.peak
    }

    /// In how many of that day's five minutes there was anything.
    pub(super) fn busy(&self) -> usize {
        self.busy
    }

    /// How many there were in the day.
    pub(super) fn total(&mut self, second: u64) -> u64 {
        self.advance(second);
        self.past.iter().map(|count| u64::from(*count)).sum::<u64>() + u64::from(self.current)
    }

    fn advance(&mut self, second: u64) {
        let window = second / WINDOW;
        if window <= self.window {
            return;
        }
        // What lies further back than a day is forgotten as a whole.
        let first = self.window.max(window.saturating_sub(KEPT as u64));
        for passed in first..window {
            let count = if passed == self.window { self.current } else { 0 };
            let at = usize::try_from(passed % KEPT as u64).unwrap_or_default();
            if let Some(place) = self.past.get_mut(at) {
                *place = count;
            }
        }
        (self.window, self.current) = (window, 0);
        self.peak = self.past.iter().copied().max().unwrap_or_default();
        self.busy = self.past.iter().filter(|count| **count > 0).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_kept_and_no_more() {
        let mut series = Series::default();
        assert_eq!(series.add(10, 3), 3);
        assert_eq!((series.peak(), series.busy(), series.total(10)), (0, 0, 3));
        assert_eq!(series.add(WINDOW, 1), 1);
        assert_eq!((series.peak(), series.busy(), series.total(WINDOW)), (3, 1, 4));
        assert_eq!(series.total(86_399), 4);
        assert_eq!(series.total(86_400 + WINDOW), 1);
        assert_eq!((series.total(10 * 86_400), series.peak(), series.busy()), (0, 0, 0));
    }
}
