//! Who asks for many paths that no route has.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use super::{Anomaly, Kind};

/// Different paths within [`WITHIN`] seconds that are told of. A sender with a wrong address has one.
const PATHS: u32 = 10;
const WITHIN: u64 = 600;

/// Addresses that are looked at at one time; beyond that the one that was quiet for the longest gives way.
const SOURCES: usize = 64;

/// Seconds between two events: every address on the internet is probed by somebody all the time.
const PAUSE: u64 = 600;

/// Seconds of quiet after which an address that was told of may be told of again.
const FORGOTTEN: u64 = 24 * 3600;

/// Those who asked last.
#[derive(Debug, Default)]
pub(super) struct Probing {
    sources: Vec<Prober>,
    hash: RandomState,
    told: Option<u64>,
    untold: u64,
}

#[derive(Debug)]
struct Prober {
    source: IpAddr,
    since: u64,
    last: u64,
    /// A bit for each path, by its hash: nobody's list of paths is kept.
    paths: u64,
    told: bool,
}

impl Probing {
    pub(super) fn see(&mut self, source: IpAddr, path: &[u8], second: u64) -> Option<Anomaly> {
        let bit = 1 << (self.hash.hash_one(path) % 64);
        let prober = self.prober(source, second);
        if second.saturating_sub(prober.since) > WITHIN {
            (prober.since, prober.paths) = (second, 0);
        }
        (prober.last, prober.paths) = (second, prober.paths | bit);
        let paths = prober.paths.count_ones();
        if prober.told || paths < PATHS {
            return None;
        }
        prober.told = true;
        if self.told.is_some_and(|told| second.saturating_sub(told) < PAUSE) {
            self.untold += 1;
            return None;
        }
        self.told = Some(second);
        let others = std::mem::take(&mut self.untold);
        let saw =
            format!("{paths} or more unknown paths within ten minutes; {others} other addresses did so meanwhile");
        Some(Anomaly::new(Kind::Probing, Some(source), saw, "one unknown path, that of a sender with a wrong address"))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    fn prober(&mut self, source: IpAddr, second: u64) -> &mut Prober {
        let new = Prober { source, since: second, last: second, paths: 0, told: false };
        let at = match self.sources.iter().position(|prober| prober.source == source) {
            Some(at) if second.saturating_sub(self.sources[at].last) < FORGOTTEN => return &mut self.sources[at],
            Some(at) => at,
            None if self.sources.len() < SOURCES => {
                self.sources.push(new);
                let last = self.sources.len() - 1;
                return &mut self.sources[last];
            }
            None => {
                let quiet = self.sources.iter().enumerate().min_by_key(|(_, prober)| prober.last);
                quiet.map_or(0, |(at, _)| at)
            }
        };
        self.sources[at] = new;
        &mut self.sources[at]
    }
}
