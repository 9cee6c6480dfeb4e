//! The table of the module's doc row by row, the bounds, real threads, and a model that knows what was delivered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

mod protocol;

const PENDING: Duration = Duration::from_secs(30);

fn terms(lifetime: u64, may_give_way: bool) -> Terms {
    let lasting = Lasting { lifetime: Duration::from_secs(lifetime), may_give_way };
    Terms { message: lasting, event: lasting, pending: PENDING }
}

fn key(number: u64) -> ClaimKey {
    event_key("test", &number.to_be_bytes())
}

fn after(start: Now, seconds: u64) -> Now {
    start.plus(Duration::from_secs(seconds))
}

#[test]
fn the_table() {
    let start = Now::read();
    // What the earlier claim of message 1 and event 9 came to; then message 1 again, and message 2 of the same event.
    let check = |earlier: Option<Option<Outcome>>, at: u64, again: Result<(), Refused>, anew: Result<(), Refused>| {
        for (message, expected) in [(1, again), (2, anew)] {
            let store = Replay::new(100, Full::Auto, start);
            if let Some(outcome) = earlier {
                let claim = store.claim(&[key(1)], Some(key(9)), terms(100, true), start).expect("new");
                match outcome {
                    Some(outcome) => claim.settle(&store, outcome, after(start, 1)),
                    None => drop(claim),
                }
            }
            let claimed = store.claim(&[key(message)], Some(key(9)), terms(100, true), after(start, at));
            assert_eq!(claimed.map(drop), expected, "{earlier:?} at {at}, message {message}");
        }
    };
    check(None, 0, Ok(()), Ok(()));
    check(Some(None), 2, Err(Refused::InFlight), Err(Refused::InFlight));
    check(Some(None), 31, Ok(()), Ok(()));
    check(Some(Some(Outcome::Done)), 2, Err(Refused::Replayed), Err(Refused::Duplicate));
    check(Some(Some(Outcome::Done)), 99, Err(Refused::Replayed), Err(Refused::Duplicate));
    check(Some(Some(Outcome::Done)), 101, Ok(()), Ok(()));
    check(Some(Some(Outcome::Released)), 2, Ok(()), Ok(()));
}

#[test]
fn a_refused_claim_leaves_nothing_behind() {
    let (start, terms) = (Now::read(), terms(100, true));
    let store = Replay::new(100, Full::Auto, start);
    store.claim(&[key(2)], None, terms, start).expect("new").settle(&store, Outcome::Done, start);
    assert_eq!(store.claim(&[key(1), key(2)], Some(key(3)), terms, start).map(drop), Err(Refused::Replayed));
    assert_eq!(store.entries(), 1);
    assert!(store.claim(&[key(1)], Some(key(3)), terms, start).is_ok());
}

#[test]
fn late_settling() {
    let (start, terms) = (Now::read(), terms(100, true));
    let store = Replay::new(100, Full::Auto, start);
    let stalled = store.claim(&[key(1)], None, terms, start).expect("new");
    let second = store.claim(&[key(1)], None, terms, after(start, 40)).expect("past the deadline");
    stalled.settle(&store, Outcome::Released, after(start, 41));
    assert_eq!(store.claim(&[key(1)], None, terms, after(start, 42)).map(drop), Err(Refused::InFlight));
    second.settle(&store, Outcome::Released, after(start, 43));
    let third = store.claim(&[key(1)], None, terms, after(start, 44)).expect("released");
    store.purge(after(start, 90));
    third.settle(&store, Outcome::Done, after(start, 91));
    assert_eq!(store.claim(&[key(1)], None, terms, after(start, 92)).map(drop), Err(Refused::Replayed));
}

#[test]
fn a_full_store() {
    let start = Now::read();
    let fill = |full, givers: u64| {
        let store = Replay::new(10, full, start);
        for number in 0..10 {
            let terms = terms(100 + number, number < givers);
            store.claim(&[key(number)], None, terms, start).expect("room").settle(&store, Outcome::Done, start);
        }
        store
    };
    for (full, givers) in [(Full::Auto, 0), (Full::Reject, 5)] {
        let store = fill(full, givers);
        assert_eq!(store.claim(&[key(10)], None, terms(100, true), start).map(drop), Err(Refused::Full), "{full:?}");
        assert_eq!((store.entries(), store.evictions()), (10, 0));
    }
    let evicts = |full, givers| {
        let store = fill(full, givers);
        drop(store.claim(&[key(10)], None, terms(100, true), start).expect("something gives way"));
        assert_eq!((store.entries(), store.evictions()), (10, 1), "{full:?}");
        assert_eq!(store.local.take(key(1), 30, start), Taken::Done, "the second to expire stays");
        assert_eq!(store.window_left(Duration::from_secs(100), after(start, 7)), Duration::from_secs(7));
    };
    evicts(Full::Auto, 5);
    evicts(Full::Evict, 0);
    let store = Replay::new(2, Full::Evict, start);
    let _pending = [1, 2].map(|number| store.claim(&[key(number)], None, terms(9, true), start).expect("room"));
    assert_eq!(store.claim(&[key(3)], None, terms(9, true), start).map(drop), Err(Refused::Full), "pending ones stay");
    assert!(store.claim(&[key(3)], None, terms(9, true), after(start, 31)).is_ok(), "what is over makes room");
}

#[test]
fn of_many_threads_one_wins() {
    let (start, won) = (Now::read(), AtomicUsize::new(0));
    let store = Replay::new(10_000, Full::Auto, start);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..1000 {
                    if let Ok(claim) = store.claim(&[key(number)], Some(key(number + 5000)), terms(100, true), start) {
                        won.fetch_add(1, Ordering::Relaxed);
                        claim.settle(&store, Outcome::Done, start);
                    }
                }
            });
        }
    });
    assert_eq!((won.into_inner(), store.entries()), (1000, 2000));
}

#[derive(Debug, Clone)]
enum Step {
    Claim { message: u64, event: Option<u64> },
    Settle { index: usize, done: bool },
    Forget { index: usize },
    Wait { seconds: u64 },
    Purge,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u64, proptest::option::of(0..2_u64)).prop_map(|(message, event)| Step::Claim { message, event }),
        3 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(index, done)| Step::Settle { index: index.index(8), done }),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::Forget { index: index.index(8) }),
        2 => (0..50_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Purge),
    ]
}

/// What the model knows of a key.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Delivered and accepted: to be refused until then.
    done_until: Option<u64>,
    /// Pending claims on it end at the latest then.
    pending_until: u64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// No order of claims, settlements, crashes (a claim that is dropped), waits and sweeps delivers twice after a
    /// success within the lifetime, or refuses a retry after a failure.
    #[test]
    fn nothing_twice_nothing_lost(steps in proptest::collection::vec(step(), 1..60)) {
        let (start, lifetime) = (Now::read(), 200);
        let store = Replay::new(1000, Full::Auto, start);
        let mut known: HashMap<ClaimKey, Known> = HashMap::new();
        let mut open: Vec<(Claim, Vec<ClaimKey>, u64)> = Vec::new();
        let mut second = 0;
        for step in steps {
            let now = after(start, second);
            match step {
                Step::Wait { seconds } => second += seconds,
                Step::Purge => store.purge(now),
                Step::Forget { index } => {
                    if index < open.len() {
                        drop(open.swap_remove(index));
                    }
                }
                Step::Settle { index, done } if index < open.len() => {
                    let (claim, keys, taken) = open.swap_remove(index);
                    claim.settle(&store, if done { Outcome::Done } else { Outcome::Released }, now);
                    for key in keys {
                        let known = known.entry(key).or_default();
                        if done {
                            // Late, it also outlives whoever claimed the key meanwhile.
                            known.done_until = known.done_until.max(Some((taken + lifetime).max(known.pending_until)));
                        } else if known.pending_until == taken + 30 && second < taken + 30 {
                            known.pending_until = 0;
                        }
                    }
                }
                Step::Settle { .. } => {}
                Step::Claim { message, event } => {
                    let keys: Vec<_> = [Some(key(message)), event.map(|event| key(100 + event))].into_iter().flatten().collect();
                    let claimed = store.claim(&keys[..1], keys.get(1).copied(), terms(lifetime, false), now);
                    let of = |key| known.get(key).copied().unwrap_or_default();
                    let was_done = keys.iter().any(|key| of(key).done_until.is_some_and(|until| second < until));
                    let is_pending = keys.iter().any(|key| second < of(key).pending_until);
                    match claimed {
                        Ok(claim) => {
                            prop_assert!(!was_done, "delivered again after a success");
                            prop_assert!(!is_pending, "two at once");
                            for key in &keys {
                                known.entry(*key).or_default().pending_until = second + 30;
                            }
                            open.push((claim, keys, second));
                        }
                        Err(_) => prop_assert!(was_done || is_pending, "a retry was refused after a failure"),
                    }
                }
            }
        }
    }
}
