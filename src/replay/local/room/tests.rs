//! What one claim may cost, in numbers that no machine's load moves: entries looked at, places behind a lock, memory taken.

use std::time::Duration;

use crate::clock::Now;
use crate::replay::local::{LONGEST_LOOK, Local, PLACES, ROUNDS, State, Taken};
use crate::replay::{Full, Lasting, event_key};

const GIVES_WAY: Lasting = Lasting { lifetime: Duration::from_secs(600), may_give_way: true };
const STAYS: Lasting = Lasting { may_give_way: false, ..GIVES_WAY };

/// Claims numbers as done; gives how many found no room.
fn put(local: &Local, numbers: std::ops::Range<usize>, lasting: Lasting, now: Now) -> usize {
    let one = |number: usize| {
        let key = event_key("room", &number.to_be_bytes());
        let taken = local.take(key, local.tick(now, Duration::from_secs(30)), now);
        if taken == Taken::New {
            local.finish(key, lasting, now);
        }
        usize::from(taken == Taken::Full)
    };
    numbers.map(one).sum()
}

/// The most places that a lock guards.
fn most_places(local: &Local) -> usize {
    let tables = local.parts.iter().flat_map(|part| part.entries.shards());
    tables.map(|table| table.read().buckets()).max().unwrap_or_default()
}

#[test]
fn what_a_claim_looks_at_does_not_grow_with_the_store() {
    let now = Now::read();
    for capacity in [10, 5_888, 58_880, 235_520] {
        let local = Local::new(capacity, Full::Auto, now);
        assert_eq!(put(&local, 0..capacity, GIVES_WAY, now), 0);
        assert_eq!(local.longest_look(), 0, "{capacity}: whoever finds room looks at nothing");
        // Each of them finds room, at the cost of others; and so five times over.
        assert_eq!(put(&local, capacity..6 * capacity, GIVES_WAY, now), 0, "{capacity}");
        let looked = local.longest_look();
        assert!((1..=LONGEST_LOOK).contains(&looked), "{capacity}: {looked} entries");
        assert!(looked <= 2 * capacity.min(PLACES * 2), "{capacity}: one map is enough: {looked} entries");
        assert!(local.len() <= capacity && local.evictions() >= 5 * capacity as u64);
        assert!(most_places(&local) <= PLACES, "{capacity}: {} places behind a lock", most_places(&local));
    }
}

#[test]
fn a_store_full_of_what_stays_refuses_and_looks_once_a_second() {
    let now = Now::read();
    let local = Local::new(64_000, Full::Auto, now);
    put(&local, 0..64_000, STAYS, now);
    assert_eq!(put(&local, 64_000..65_000, GIVES_WAY, now), 1000);
    assert!(local.longest_look() <= LONGEST_LOOK, "{}", local.longest_look());
    let barren = local.parts.iter().filter(|part| part.barren.load(super::Ordering::Relaxed) == local.second(now));
    assert_eq!(barren.count(), local.parts.len(), "each map was looked at, once");
    // What gives way from now on is found in the same second.
    let key = event_key("room", &0_usize.to_be_bytes());
    local.finish(key, GIVES_WAY, now);
    assert_eq!((put(&local, 70_000..70_001, STAYS, now), local.evictions()), (0, 1));
    assert_eq!(put(&local, 70_001..70_002, STAYS, now), 1);
    // And what is over makes room.
    let later = now.plus(Duration::from_secs(601));
    assert_eq!(put(&local, 80_000..110_000, GIVES_WAY, later), 0);
    assert!(local.longest_look() <= LONGEST_LOOK, "{}", local.longest_look());
}

#[test]
fn the_oldest_give_way() {
    let start = Now::read();
    let local = Local::new(64_000, Full::Auto, start);
    let at = |minute: u64| start.plus(Duration::from_secs(60 * minute));
    for (minute, from) in (0..10).zip((0..64_000).step_by(6_400)) {
        put(&local, from..from + 6_400, Lasting { lifetime: Duration::from_secs(6000), ..GIVES_WAY }, at(minute));
    }
    // As many again as one of those minutes brought: what they push out is of the first, but for a few.
    put(&local, 64_000..70_400, Lasting { lifetime: Duration::from_secs(6000), ..GIVES_WAY }, at(10));
    let is_there = |number: usize| {
        let key = event_key("room", &number.to_be_bytes());
        local.part(&key).entries.contains_key(&key)
    };
    let left = |minute: usize| (minute * 6_400..(minute + 1) * 6_400).filter(|number| is_there(*number)).count();
    // Maps differ by one turn.
    assert!(left(0) < 6_400 / 4, "{} of the oldest are left", left(0));
    assert!(left(1) > 6_400 / 4 * 3, "{} of the second oldest are left", left(1));
    assert!((2..=10).all(|minute| left(minute) == 6_400));
}

#[test]
fn turnover_neither_grows_tables_nor_gives_them_back() {
    let start = Now::read();
    let local = Local::new(58_880, Full::Auto, start);
    let places = |local: &Local| -> usize {
        local.parts.iter().flat_map(|part| part.entries.shards()).map(|table| table.read().buckets()).sum()
    };
    let mut most = 0;
    // A tenth comes and a tenth ends in each minute; half of what comes fails.
    for minute in 0..60 {
        let now = start.plus(Duration::from_secs(60 * minute));
        let from = usize::try_from(minute).expect("small") * 5_888;
        assert_eq!(put(&local, from..from + 5_888, GIVES_WAY, now), 0);
        fail(&local, from..from + 5_888, now);
        (0..ROUNDS).for_each(|_| local.purge(now));
        most = most.max(places(&local));
    }
    assert_eq!(most, local.parts.len() * 2 * PLACES, "each table has its full size, and none another");
    let end = start.plus(Duration::from_secs(10_000));
    (0..ROUNDS).for_each(|_| local.purge(end));
    assert_eq!((local.len(), places(&local)), (0, most), "a generation's end gives no memory back in one piece");
}

/// Claims numbers, and gives them up again.
fn fail(local: &Local, numbers: std::ops::Range<usize>, now: Now) {
    let deadline = local.tick(now, Duration::from_secs(30));
    for number in numbers {
        let key = event_key("failed", &number.to_be_bytes());
        if local.take(key, deadline, now) == Taken::New {
            local.release(key, deadline, now);
        }
    }
}

#[test]
fn to_grow_moves_what_is_behind_one_lock() {
    let now = Now::read();
    let local = Local::new(117_760, Full::Auto, now);
    // A table of all places is the largest memory that any claim asks for at once.
    let largest = PLACES * (size_of::<(crate::replay::ClaimKey, State)>() + 1) + 64;
    let mut most = 0;
    for number in 0..117_760 {
        let info = allocation_counter::measure(|| {
            put(&local, number..number + 1, GIVES_WAY, now);
        });
        most = most.max(info.bytes_total);
    }
    assert!(most <= largest as u64, "{most} bytes, which is more than {largest}");
}
