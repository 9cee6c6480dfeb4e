//! What is known of one route's traffic, and what is unusual against it.

use std::net::IpAddr;

use super::series::{Series, WINDOW};
use super::{Anomaly, Kind, Seen};

/// Failures within five minutes that are worth a look, and how many times the day's worst.
const BURST: (u32, u32) = (20, 4);

/// Authentic requests within five minutes that are, and how many times the day's most.
const SPIKE: (u32, u32) = (100, 8);

/// In how many of a day's five minutes there must have been something before its most is known.
const SPIKE_KNOWN: usize = 12;

/// Windows without a further one after which an episode is over.
const EPISODE: u64 = 12;

/// Networks that a route may have for a new one to be told of; a provider with more sends from everywhere.
const NETWORKS: usize = 32;

/// How long, and for how many requests, no new network must have come before the next one is news.
const SETTLED: (u64, u32) = (DAY, 100);

/// The least silence that is told of, and how many times the longest pause of the week; of a day with so many requests,
/// and only where no pause of the week was longer than this: elsewhere nights and weekends are silent.
const SILENCE: (u64, u64) = (1800, 3);
const SILENCE_KNOWN: (u64, u64) = (100, 4 * 3600);

/// Requests in a row, over at least so many seconds, whose signed times are off by the same to so many seconds. A
/// recorded message that is sent again and again is off by more each time.
const SKEW: (u32, u64, i64) = (10, 60, 15);

/// Wrong signatures in a row, from where authentic requests come, for that many usual pauses and seconds.
const ROTATION: (u32, u64, u64) = (10, 5, 60);

/// Authentic requests before a usual pause is known.
const PAUSE_KNOWN: u64 = 10;

const DAY: u64 = 86_400;

/// What is known of a route.
#[derive(Debug, Default)]
pub(super) struct Watch {
    authentic: Series,
    failures: Series,
    networks: Networks,
    pauses: Pauses,
    /// When an episode of failures, and of volume, was last fed.
    burst: Option<u64>,
    spike: Option<u64>,
    /// When the senders were last heard, whatever came of it.
    heard: u64,
    silent: bool,
    skew: Skew,
    /// Wrong signatures in a row.
    wrong: u32,
    rotation: bool,
}

impl Watch {
    pub(super) fn see(&mut self, seen: Seen, source: IpAddr, second: u64) -> Option<Anomaly> {
        match seen {
            Seen::Authentic => self.authentic(source, second),
            Seen::Unproven => self.failed(1, second),
            Seen::WrongKey => self.wrong_key(source, second),
            Seen::Off(seconds) => self.off(seconds, source, second),
        }
    }

    /// What shows by nothing happening.
    pub(super) fn look(&mut self, second: u64) -> Option<Anomaly> {
        let (quiet, longest) = (second.saturating_sub(self.heard), self.pauses.longest());
        let limit = SILENCE.0.max(longest * SILENCE.1);
        if self.silent || quiet <= limit || longest > SILENCE_KNOWN.1 || self.pauses.known_for() < DAY {
            return None;
        }
        if self.authentic.total(second) < SILENCE_KNOWN.0 {
            return None;
        }
        self.silent = true;
        let saw = format!("no request of its senders for {} minutes", quiet / 60);
        Some(Anomaly::new(
            Kind::Silence,
            None,
            saw,
            format_args!("no pause longer than {} minutes", longest.div_ceil(60)),
        ))
    }

    fn authentic(&mut self, source: IpAddr, second: u64) -> Option<Anomaly> {
        // Wrong signatures in between right ones were no missed rotation.
        let wrong = if self.rotation { 0 } else { self.wrong };
        self.pauses.end(second, self.silent);
        self.heard = second;
        (self.silent, self.rotation, self.wrong, self.skew) = (false, false, 0, Skew::default());
        let count = self.authentic.add(second, 1);
        if wrong > 0
            && let Some(burst) = self.failed(wrong, second)
        {
            return Some(burst);
        }
        if self.networks.is_news(source, second) {
            let usual = format!("{} networks, and no new one for a day", self.networks.known.len() - 1);
            return Some(Anomaly::new(
                Kind::NewSource,
                Some(source),
                "the first authentic request from its network",
                usual,
            ));
        }
        let peak = self.authentic.peak();
        let unusual = count >= SPIKE.0 && count / SPIKE.1 >= peak && self.authentic.busy() >= SPIKE_KNOWN;
        if !begins(&mut self.spike, unusual, second) {
            return None;
        }
        let saw = format!("{count} authentic requests within five minutes");
        Some(Anomaly::new(
            Kind::VolumeSpike,
            None,
            saw,
            format_args!("at most {peak} within five minutes of the last day"),
        ))
    }

    fn failed(&mut self, times: u32, second: u64) -> Option<Anomaly> {
        let (count, peak) = (self.failures.add(second, times), self.failures.peak());
        // Where every signature fails, that is the story.
        let unusual = count >= BURST.0 && count / BURST.1 >= peak && !self.rotation;
        if !begins(&mut self.burst, unusual, second) {
            return None;
        }
        let saw = format!("{count} failed authentications within five minutes");
        Some(Anomaly::new(
            Kind::FailureBurst,
            None,
            saw,
            format_args!("at most {peak} within five minutes of the last day"),
        ))
    }

    fn wrong_key(&mut self, source: IpAddr, second: u64) -> Option<Anomaly> {
        if !self.networks.has(source) {
            return self.failed(1, second);
        }
        self.heard = second;
        self.wrong = self.wrong.saturating_add(1);
        let (quiet, pause) = (second.saturating_sub(self.pauses.last), self.pauses.usual());
        let unusual = self.wrong >= ROTATION.0 && quiet >= ROTATION.2.max(pause * ROTATION.1);
        if self.rotation || !unusual || self.pauses.count < PAUSE_KNOWN {
            // Whether it is a burst of failures shows with the next right one.
            return None;
        }
        self.rotation = true;
        let saw = format!("{} wrong signatures in a row, none right for {} seconds", self.wrong, quiet);
        Some(Anomaly::new(
            Kind::RotationMissed,
            Some(source),
            saw,
            format_args!("a right one every {} seconds", pause.max(1)),
        ))
    }

    fn off(&mut self, seconds: i64, source: IpAddr, second: u64) -> Option<Anomaly> {
        // Strangers say what they like of the time; before anybody was authentic, everybody may be a sender.
        if !self.networks.known.is_empty() && !self.networks.has(source) {
            return None;
        }
        self.heard = second;
        let off = self.skew.see(seconds, second)?;
        let (off, direction) = (off.unsigned_abs(), if off < 0 { "in the future" } else { "in the past" });
        let saw = format!("{} requests in a row signed {off} seconds {direction}", self.skew.count);
        Some(Anomaly::new(Kind::ClockSkew, None, saw, "times within TOLERANCE of this machine's"))
    }
}

/// Whether an episode begins. One that has begun lasts for as long as it is fed.
fn begins(episode: &mut Option<u64>, unusual: bool, second: u64) -> bool {
    let window = second / WINDOW;
    let lasts = episode.is_some_and(|last| window.saturating_sub(last) <= EPISODE);
    if unusual {
        *episode = Some(window);
    }
    unusual && !lasts
}

/// The networks that authentic requests come from.
#[derive(Debug, Default)]
struct Networks {
    known: Vec<u64>,
    /// When the last new one came, and how many requests since.
    changed: u64,
    since: u32,
}

impl Networks {
    fn has(&self, source: IpAddr) -> bool {
        self.known.contains(&network(source))
    }

    /// Takes an authentic request's source. Whether it is one to be told of.
    fn is_news(&mut self, source: IpAddr, second: u64) -> bool {
        if self.has(source) {
            self.since = self.since.saturating_add(1);
            return false;
        }
        if self.known.len() == NETWORKS {
            return false;
        }
        let settled = self.since >= SETTLED.1 && second.saturating_sub(self.changed) >= SETTLED.0;
        self.known.push(network(source));
        (self.changed, self.since) = (second, 0);
        settled
    }
}

/// The /16 of an address, of IPv6 the /32.
fn network(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 16) | 1 << 32,
        IpAddr::V6(address) => (address.to_bits() >> 96) as u64,
    }
}

/// The pauses between authentic requests.
#[derive(Debug, Default)]
struct Pauses {
    first: u64,
    last: u64,
    count: u64,
    /// The longest of each of the last eight days.
    days: [u64; 8],
    day: u64,
    /// A running mean, in sixteenths of a second.
    mean: u64,
}

impl Pauses {
    /// A request ends a pause. One that was told of as a silence is no usual one.
    fn end(&mut self, second: u64, was_silence: bool) {
        if self.count == 0 {
            self.first = second;
        } else if !was_silence {
            let pause = second.saturating_sub(self.last);
            self.mean = (self.mean * 15 + pause * 16) / 16;
            let day = second / DAY;
            for new in (self.day + 1..=day).rev().take(self.days.len()) {
                self.days[(new % 8) as usize] = 0;
            }
            self.day = day;
            let longest = &mut self.days[(day % 8) as usize];
            *longest = (*longest).max(pause);
        }
        (self.last, self.count) = (second, self.count + 1);
    }

    fn longest(&self) -> u64 {
        self.days.iter().copied().max().unwrap_or_default()
    }

    /// The usual pause in seconds.
    fn usual(&self) -> u64 {
        self.mean.div_ceil(16)
    }

    /// How long pauses have been looked at, up to the last request: before a first night is over, all days are busy.
    fn known_for(&self) -> u64 {
        self.last.saturating_sub(self.first)
    }
}

/// Signed times that are off, in a row.
#[derive(Debug, Default)]
struct Skew {
    count: u32,
    since: u64,
    least: i64,
    most: i64,
    told: bool,
}

impl Skew {
    /// Gives by how much they are off, once that is certain.
    fn see(&mut self, seconds: i64, second: u64) -> Option<i64> {
        let (least, most) = (self.least.min(seconds), self.most.max(seconds));
        if self.count == 0 || most.saturating_sub(least) > SKEW.2 {
            *self = Self { count: 1, since: second, least: seconds, most: seconds, told: self.told };
            return None;
        }
        (self.count, self.least, self.most) = (self.count.saturating_add(1), least, most);
        if self.told || self.count < SKEW.0 || second.saturating_sub(self.since) < SKEW.1 {
            return None;
        }
        self.told = true;
        Some(least.midpoint(most))
    }
}
