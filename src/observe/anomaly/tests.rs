//! A recorded week gives no event; each kind's own scenario gives one, and one only.

use std::time::Duration;

use super::*;
use crate::observe::line::tests::record;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// One route, watched in virtual time.
struct World {
    anomalies: Anomalies,
    start: Now,
    second: u64,
    events: Vec<(Kind, u64)>,
    random: u64,
}

impl World {
    fn new() -> Self {
        let start = record(b"/").time;
        Self { anomalies: Anomalies::new(1, start), start, second: 0, events: Vec::new(), random: 7 }
    }

    /// The next of a fixed sequence of numbers that look random, below `below`.
    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn now(&self) -> Now {
        self.start.plus(Duration::from_secs(self.second))
    }

    fn see(&mut self, reason: Reason, source: [u8; 4], skew: Option<i64>) {
        let key = matches!(reason, Reason::Forwarded | Reason::Duplicate).then_some(0);
        let record = Record { time: self.now(), reason, key, source: source.into(), skew, ..record(b"/hook") };
        self.events.extend(self.anomalies.see(Some(0), &record).map(|anomaly| (anomaly.kind, self.second)));
    }

    fn authentic(&mut self) {
        let source = [192, 30, 252, 1 + u8::try_from(self.random(9)).expect("small")];
        self.see(Reason::Forwarded, source, Some(1));
    }

    /// Lets time pass, as the housekeeper sees it.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds.div_ceil(10) {
            self.second += 10;
            let now = self.now();
            self.events.extend(self.anomalies.look(now).map(|(_, anomaly)| (anomaly.kind, self.second)));
        }
    }

    /// That many days of ordinary traffic: more by day than by night, bursts, retries signed anew, a stray here and there.
    fn live(&mut self, days: u64) {
        for minute in 0..days * 24 * 60 {
            let hour = minute / 60 % 24;
            let usual = if (8..20).contains(&hour) { 12 } else { 3 };
            let burst = if self.random(200) == 0 { 4 } else { 1 };
            for _ in 0..self.random(usual * burst + 1) {
                self.authentic();
                if self.random(50) == 0 {
                    self.see(Reason::Duplicate, [192, 30, 252, 1], Some(2));
                }
            }
            match self.random(60) {
                0 => self.see(Reason::CredentialMissing, [203, 0, 113, 9], None),
                1 => self.see(Reason::CredentialInvalid, [198, 51, 100, 9], None),
                2 => self.see(Reason::TimestampStale, [192, 30, 252, 1], Some(400 + minute.cast_signed() % 977)),
                _ => {}
            }
            self.pass(MINUTE);
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        self.events.iter().map(|(kind, _)| *kind).collect()
    }
}

/// A world that has lived for two days, without an event.
fn settled() -> World {
    let mut world = World::new();
    world.live(2);
    assert_eq!(world.events, []);
    world
}

#[test]
fn rows_stand_in_the_order_of_the_enum() {
    for (index, row) in ROWS.iter().enumerate() {
        assert_eq!(row.kind as usize, index, "{}", row.name);
        assert_eq!(Kind::from_name(row.name), Some(row.kind));
    }
}

#[test]
fn ordinary_traffic_is_not_spoken_of() {
    let mut world = World::new();
    world.live(8);
    assert_eq!(world.events, []);
}

#[test]
fn a_route_that_is_silent_at_night_and_at_the_weekend_is_not_spoken_of() {
    let mut world = World::new();
    for hour in 0..21 * 24 {
        let works = (9..18).contains(&(hour % 24)) && hour / 24 % 7 < 5;
        for _ in 0..60 {
            if works {
                world.authentic();
            }
            world.pass(MINUTE);
        }
    }
    assert_eq!(world.events, []);
}

#[test]
fn strangers_that_fail_often() {
    let mut world = settled();
    for _ in 0..3000 {
        world.see(Reason::CredentialInvalid, [198, 51, 100, 7], None);
        world.authentic();
        world.pass(1);
    }
    assert_eq!(world.kinds(), [Kind::FailureBurst]);
}

#[test]
fn failures_among_authentic_requests_from_the_same_network() {
    let mut world = settled();
    for _ in 0..100 {
        for _ in 0..5 {
            world.see(Reason::CredentialInvalid, [192, 30, 252, 7], None);
        }
        world.authentic();
        world.pass(10);
    }
    assert_eq!(world.kinds(), [Kind::FailureBurst]);
}

#[test]
fn an_authentic_request_from_elsewhere() {
    let mut world = settled();
    for _ in 0..50 {
        world.see(Reason::Forwarded, [203, 0, 113, 5], Some(0));
        world.authentic();
        world.pass(MINUTE);
    }
    assert_eq!(world.kinds(), [Kind::NewSource]);
    // A provider that sends from everywhere has no new ones.
    let mut world = World::new();
    for network in 0..40 {
        world.see(Reason::Forwarded, [100, network, 0, 1], Some(0));
    }
    world.live(2);
    world.see(Reason::Forwarded, [203, 0, 113, 5], Some(0));
    assert_eq!(world.events, []);
}

#[test]
fn far_more_than_ever() {
    let mut world = settled();
    for _ in 0..30 {
        for _ in 0..200 {
            world.authentic();
        }
        world.pass(10);
    }
    assert_eq!(world.kinds(), [Kind::VolumeSpike]);
}

#[test]
fn nothing_at_all() {
    let mut world = settled();
    world.pass(10 * HOUR);
    assert_eq!(world.kinds(), [Kind::Silence]);
    // When it is over, the silence was no usual pause: the next one is told of as soon.
    world.live(1);
    world.pass(2 * HOUR);
    assert_eq!(world.kinds(), [Kind::Silence, Kind::Silence]);
}

#[test]
fn a_clock_that_is_wrong() {
    for off in [-4000_i64, 900] {
        let mut world = settled();
        for _ in 0..40 {
            world.see(Reason::TimestampStale, [192, 30, 252, 2], Some(off + 3));
            world.see(Reason::TimestampStale, [203, 0, 113, 2], Some(77));
            world.pass(5 * MINUTE);
        }
        assert_eq!(world.kinds(), [Kind::ClockSkew], "{off}");
    }
    // One recorded message again and again: off by more each time.
    let mut world = settled();
    for round in 0..100 {
        world.see(Reason::TimestampStale, [192, 30, 252, 2], Some(900 + round * 10));
        world.pass(10);
    }
    assert_eq!(world.events, []);
    // A clock that was wrong from the start.
    let mut world = World::new();
    for _ in 0..20 {
        world.see(Reason::TimestampFuture, [192, 30, 252, 2], Some(-7200));
        world.pass(10);
    }
    assert_eq!(world.kinds(), [Kind::ClockSkew]);
}

#[test]
fn a_secret_that_was_rotated_at_the_provider() {
    let mut world = settled();
    for _ in 0..600 {
        world.see(Reason::CredentialInvalid, [192, 30, 252, 2], None);
        world.pass(20);
    }
    assert_eq!(world.kinds(), [Kind::RotationMissed]);
    world.live(1);
    assert_eq!(world.kinds(), [Kind::RotationMissed], "and once it is known here, all is well");
}

#[test]
fn somebody_who_looks_for_paths() {
    let mut world = World::new();
    let ask = |world: &mut World, path: &str, source: [u8; 4]| {
        let record = Record {
            time: world.now(),
            reason: Reason::RouteUnknown,
            key: None,
            source: source.into(),
            ..record(path.as_bytes())
        };
        let event = world.anomalies.see(None, &record);
        world.events.extend(event.map(|anomaly| (anomaly.kind, world.second)));
    };
    // A sender with a wrong address.
    for _ in 0..1000 {
        ask(&mut world, "/hooks/githup", [192, 30, 252, 1]);
        world.pass(MINUTE);
    }
    assert_eq!(world.events, []);
    for number in 0..500 {
        ask(&mut world, &format!("/wp-{number}.php"), [203, 0, 113, 4]);
        ask(&mut world, &format!("/wp-{number}.php"), [203, 0, 113, 5]);
    }
    assert_eq!(world.kinds(), [Kind::Probing]);
    // Many of them neither take room nor fill the log.
    for source in 0..200 {
        for number in 0..30 {
            ask(&mut world, &format!("/wp-{number}.php"), [203, 0, 114, source]);
        }
    }
    assert_eq!(world.kinds(), [Kind::Probing]);
    assert!(lock(&world.anomalies.probing).len() <= 64);
    world.pass(DAY);
    for number in 0..500 {
        ask(&mut world, &format!("/wp-{number}.php"), [203, 0, 113, 4]);
    }
    assert_eq!(world.kinds(), [Kind::Probing, Kind::Probing]);
}
