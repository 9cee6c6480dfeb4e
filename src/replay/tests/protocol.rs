//! Several processes, a server and a service, step by step in any order: the protocol of shared claims as a model.
//!
//! The processes' own stores and what they conclude from an answer are the program's. The server is what its scripts say,
//! in Rust; tests against real servers hold the scripts themselves. Every exchange is cut where another process may come
//! between: claimed here, asked there, confirmed here, answered by the service, settled here, settled there, told to the
//! sender. Between any two of them processes crash, the server loses its memory or a part of it (a replica that had not
//! heard all takes its place), and time passes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::replay::local::State;

const PODS: usize = 3;
const MESSAGES: u64 = 4;
const LIFETIME: u64 = 100_000;
/// What is added to a memory's number for what was written back to it.
const WRITTEN_BACK: u64 = 1 << 63;

/// The server: what `scripts` says of its keys.
#[derive(Debug, Default)]
struct Server {
    epoch: u64,
    /// Which processes have still to write what they know.
    joining: BTreeSet<usize>,
    held: BTreeMap<ClaimKey, Held>,
}

#[derive(Debug, Clone, Copy)]
enum Held {
    Done,
    Pending { pod: usize, life: u64, number: u64, until: u64 },
}

/// One process: `life` counts its crashes, so that a new one has another identity.
#[derive(Debug)]
struct Pod {
    life: u64,
    epoch: u64,
    store: Replay,
}

/// One message on its way through one process.
#[derive(Debug)]
struct Exchange {
    pod: usize,
    message: u64,
    number: u64,
    began: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Claimed(Claim),
    /// With the answer, and the memory that it was asked in.
    Asked(Claim, Answer, u64),
    Forwarded(Claim),
    Answered(Claim, Outcome),
    /// With the memory that it was last written back to, if ever.
    SettledHere(Outcome, u64),
    /// Of a success the sender hears now.
    SettledThere,
}

#[derive(Debug, Clone)]
enum Move {
    Begin {
        pod: usize,
        message: u64,
    },
    Go {
        exchange: Index,
        accepts: bool,
    },
    Crash {
        pod: usize,
    },
    LoseMemory,
    /// What a replica had not heard is lost, each key by its bit.
    FailOver {
        heard: u16,
    },
    Join {
        pod: usize,
    },
    Wait {
        seconds: u64,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (0..PODS, 0..MESSAGES).prop_map(|(pod, message)| Move::Begin { pod, message }),
        12 => (any::<Index>(), any::<bool>()).prop_map(|(exchange, accepts)| Move::Go { exchange, accepts }),
        1 => (0..PODS).prop_map(|pod| Move::Crash { pod }),
        1 => Just(Move::LoseMemory),
        1 => any::<u16>().prop_map(|heard| Move::FailOver { heard }),
        3 => (0..PODS).prop_map(|pod| Move::Join { pod }),
        1 => (1..40_u64).prop_map(|seconds| Move::Wait { seconds }),
    ]
}

struct World {
    start: Now,
    second: u64,
    server: Server,
    pods: Vec<Pod>,
    exchanges: Vec<Exchange>,
    numbers: u64,
    /// Which process the service's acceptance of a message went through, and whether the server was told.
    accepted: BTreeMap<u64, Vec<(usize, u64, bool)>>,
    /// Of which successes a sender has heard, and no memory was lost since.
    heard: BTreeSet<u64>,
    /// What nobody who lives can know any more: see `forgive`.
    forgotten: BTreeSet<u64>,
}

/// A message's two keys: two messages share an event.
fn keys(message: u64) -> (ClaimKey, ClaimKey) {
    (key(message), key(1000 + message / 2))
}

impl World {
    fn new() -> Self {
        let start = Now::read();
        let pod = |_| Pod { life: 0, epoch: 1, store: Replay::new(1000, Full::Auto, start) };
        let server = Server { epoch: 1, ..Server::default() };
        Self {
            start,
            second: 0,
            server,
            pods: (0..PODS).map(pod).collect(),
            exchanges: Vec::new(),
            numbers: 0,
            accepted: BTreeMap::new(),
            heard: BTreeSet::new(),
            forgotten: BTreeSet::new(),
        }
    }

    fn now(&self) -> Now {
        after(self.start, self.second)
    }

    fn make(&mut self, made: &Move) -> Result<(), TestCaseError> {
        match made {
            Move::Begin { pod, message } => drop(self.begin(*pod, *message)?),
            Move::Go { exchange, accepts } => {
                if !self.exchanges.is_empty() {
                    self.go(exchange.index(self.exchanges.len()), *accepts)?;
                }
            }
            Move::Crash { pod } => self.crash(*pod)?,
            Move::LoseMemory => self.lose_memory(0),
            Move::FailOver { heard } => self.lose_memory(*heard),
            Move::Join { pod } => self.join(*pod),
            Move::Wait { seconds } => self.wait(*seconds)?,
        }
        Ok(())
    }

    /// Claims in the process's own store. `Ok(None)`: it began.
    fn begin(&mut self, pod: usize, message: u64) -> Result<Option<Refused>, TestCaseError> {
        let (own, event) = keys(message);
        let store = &self.pods[pod].store;
        match store.claim(&[own], Some(event), terms(LIFETIME, false), self.now()) {
            Ok(claim) => {
                self.numbers += 1;
                let (number, began) = (self.numbers, self.second);
                self.exchanges.push(Exchange { pod, message, number, began, stage: Stage::Claimed(claim) });
                Ok(None)
            }
            Err(refused) => {
                self.check_refusal(message, refused)?;
                Ok(Some(refused))
            }
        }
    }

    /// The next step of one exchange. Gives the refusal that it ended with.
    fn go(&mut self, at: usize, accepts: bool) -> Result<Option<Refused>, TestCaseError> {
        let Exchange { pod, message, number, began, stage } = self.exchanges.swap_remove(at);
        let (now, store) = (self.now(), &self.pods[pod].store);
        let next = match stage {
            Stage::Claimed(claim) => {
                let answer = self.server.claim(&self.pods[pod], pod, message, number, self.second);
                Some(Stage::Asked(claim, answer, self.pods[pod].epoch))
            }
            Stage::Asked(claim, answer, epoch) => {
                let same_memory = || self.pods[pod].epoch == epoch;
                match store.conclude(claim, answer, same_memory, Unavailable::Deny, now) {
                    Ok(claim) => {
                        self.check_delivery(message)?;
                        Some(Stage::Forwarded(claim))
                    }
                    Err(refused) => {
                        self.check_refusal(message, refused)?;
                        return Ok(Some(refused));
                    }
                }
            }
            Stage::Forwarded(claim) => {
                if accepts {
                    let life = self.pods[pod].life;
                    self.accepted.entry(message).or_default().push((pod, life, false));
                }
                Some(Stage::Answered(claim, if accepts { Outcome::Done } else { Outcome::Released }))
            }
            Stage::Answered(claim, outcome) => {
                claim.settle(store, outcome, now);
                Some(Stage::SettledHere(outcome, self.pods[pod].epoch))
            }
            Stage::SettledHere(outcome, told) => {
                self.server.settle(self.pods[pod].life, pod, message, number, (outcome, told));
                if outcome == Outcome::Done {
                    let of_ours = self.accepted.get_mut(&message).into_iter().flatten();
                    of_ours.filter(|(other, ..)| *other == pod).for_each(|(.., told)| *told = true);
                }
                (outcome == Outcome::Done).then_some(Stage::SettledThere)
            }
            Stage::SettledThere => {
                if self.accepted.get(&message).into_iter().flatten().any(|(.., told)| *told) {
                    self.heard.insert(message);
                    // Whatever an earlier process took with it, this success is known.
                    self.forgotten.remove(&message);
                }
                None
            }
        };
        if let Some(stage) = next {
            self.exchanges.push(Exchange { pod, message, number, began, stage });
        }
        Ok(None)
    }

    /// A process ends without a word, and another one begins in its place. No success is forgotten with it that a sender
    /// had heard of.
    fn crash(&mut self, pod: usize) -> Result<(), TestCaseError> {
        self.exchanges.retain(|exchange| exchange.pod != pod);
        let (now, epoch) = (self.now(), self.server.epoch);
        let life = self.pods[pod].life;
        self.pods[pod] = Pod { life: life + 1, epoch, store: Replay::new(1000, Full::Auto, now) };
        self.server.joining.remove(&pod);
        self.forgive(|accepted| *accepted == (pod, life, false));
        prop_assert!(self.heard.is_disjoint(&self.forgotten), "a sender had heard of it: {:?}", self.forgotten);
        Ok(())
    }

    /// Without a journal nobody can know what a process had not told the server when it crashed, nor, when the server has
    /// lost its memory, what it had told by then. All else has to be held to.
    fn forgive(&mut self, gone: impl Fn(&(usize, u64, bool)) -> bool) {
        let forgotten = self.accepted.iter().filter(|(_, by)| by.iter().any(&gone)).map(|(message, _)| *message);
        self.forgotten.extend(forgotten.collect::<Vec<_>>());
    }

    /// The server's place is taken by one that holds some of its keys. It is another process, so it is one without memory,
    /// which all have to join.
    fn lose_memory(&mut self, heard: u16) {
        let mut bits = (0..16).map(|bit| heard >> bit & 1 == 1);
        let mut held = std::mem::take(&mut self.server.held);
        held.retain(|_, _| bits.next().unwrap_or_default());
        self.server = Server { epoch: self.server.epoch + 1, joining: (0..PODS).collect(), held };
        self.look_who_is_told();
        let lives: Vec<_> = self.pods.iter().map(|pod| pod.life).collect();
        self.forgive(|(pod, life, told)| lives[*pod] != *life && !told);
        // From now on it takes two faults: this one, and a process that ends before it has written back what it knows.
        self.heard.clear();
    }

    fn look_who_is_told(&mut self) {
        let server = &self.server;
        for (message, by) in &mut self.accepted {
            let is_done = |key| matches!(server.held.get(&key), Some(Held::Done));
            let is_told = is_done(keys(*message).0) && is_done(keys(*message).1);
            for (.., told) in by {
                *told = is_told;
            }
        }
    }

    fn join(&mut self, at: usize) {
        let now = self.now();
        let (server, pod) = (&mut self.server, &mut self.pods[at]);
        if pod.epoch == server.epoch {
            return;
        }
        // A process counts seconds from its own start.
        let (second, of_its_own) = (self.second, pod.store.local.second(now));
        pod.store.local.for_each_part(now, |entries| {
            for (key, state) in entries.iter().filter(|(_, state)| state.counts()) {
                let until = second + u64::from(state.until() - of_its_own);
                server.tell(*key, *state, until, at, pod.life);
            }
        });
        pod.epoch = server.epoch;
        server.joining.remove(&at);
        self.look_who_is_told();
    }

    /// No exchange takes longer than its claim is pending: the time-outs see to that.
    fn wait(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        while let Some(at) = self.exchanges.iter().position(|exchange| exchange.began + 30 <= self.second + seconds) {
            self.go(at, false)?;
        }
        self.second += seconds;
        let second = self.second;
        self.server.held.retain(|_, held| !matches!(held, Held::Pending { until, .. } if *until <= second));
        Ok(())
    }

    /// Whether this message or its event was accepted, and somebody who lives can know.
    fn is_known(&self, message: u64) -> bool {
        let same_event = (0..MESSAGES).filter(|other| other / 2 == message / 2);
        same_event.into_iter().any(|other| self.accepted.contains_key(&other) && !self.forgotten.contains(&other))
    }

    fn check_delivery(&self, message: u64) -> Result<(), TestCaseError> {
        prop_assert!(!self.is_known(message), "message {message} is delivered again after a success");
        let same_event = |exchange: &&Exchange| exchange.message / 2 == message / 2;
        let on_the_way = |exchange: &&Exchange| matches!(exchange.stage, Stage::Forwarded(..));
        let at_once = self.exchanges.iter().filter(same_event).filter(on_the_way).count();
        prop_assert_eq!(at_once, 0, "message {} is delivered twice at once", message);
        Ok(())
    }

    fn check_refusal(&self, message: u64, refused: Refused) -> Result<(), TestCaseError> {
        let accepted = |other: u64| self.accepted.contains_key(&other);
        match refused {
            Refused::Replayed => prop_assert!(accepted(message), "a retry is called a replay after a failure"),
            Refused::Duplicate => {
                prop_assert!((0..MESSAGES).any(|other| other / 2 == message / 2 && accepted(other)), "no such event");
            }
            Refused::InFlight | Refused::Unavailable => {}
            Refused::Full => prop_assert!(false, "there is room"),
        }
        Ok(())
    }

    /// When all has come to rest: what was accepted is refused everywhere, all else passes.
    fn check_rest(&mut self) -> Result<(), TestCaseError> {
        (0..PODS).for_each(|pod| self.join(pod));
        while !self.exchanges.is_empty() {
            self.go(0, false)?;
        }
        self.wait(31)?;
        for message in 0..MESSAGES {
            for pod in 0..PODS {
                let mut refused = self.begin(pod, message)?;
                for _asked_then_concluded in 0..2 {
                    if refused.is_none() {
                        refused = self.go(self.exchanges.len() - 1, false)?;
                    }
                }
                if self.is_known(message) {
                    prop_assert!(matches!(refused, Some(Refused::Replayed | Refused::Duplicate)), "{refused:?}");
                } else if self.accepted.is_empty() {
                    prop_assert_eq!(refused, None, "message {} is held up by nothing", message);
                }
                // What passed fails at the service, which frees the way for the next process.
                while !self.exchanges.is_empty() {
                    self.go(0, false)?;
                }
            }
        }
        Ok(())
    }
}

impl Server {
    fn claim(&mut self, pod: &Pod, at: usize, message: u64, number: u64, second: u64) -> Answer {
        let (own, event) = keys(message);
        if pod.epoch != self.epoch || !self.joining.is_empty() {
            return Answer::None;
        }
        for (index, key) in [own, event].iter().enumerate() {
            match self.held.get(key) {
                Some(Held::Done) => return Answer::Done(index, Duration::from_secs(LIFETIME)),
                Some(Held::Pending { pod: other, life, .. }) if (*other, *life) != (at, pod.life) => {
                    return Answer::Pending;
                }
                Some(Held::Pending { .. }) | None => {}
            }
        }
        for key in [own, event] {
            self.held.insert(key, Held::Pending { pod: at, life: pod.life, number, until: second + 30 });
        }
        Answer::New(number)
    }

    fn settle(&mut self, by: u64, at: usize, message: u64, of: u64, (outcome, told): (Outcome, u64)) {
        let (own, event) = keys(message);
        for key in [own, event] {
            if outcome == Outcome::Done {
                self.held.insert(key, Held::Done);
            } else if let Some(Held::Pending { pod, life, number, .. }) = self.held.get(&key)
                && (*pod, *life) == (at, by)
                && (*number == of || *number == WRITTEN_BACK + told)
            {
                self.held.remove(&key);
            }
        }
    }

    /// What a process that joins writes of one of its entries.
    fn tell(&mut self, key: ClaimKey, state: State, until: u64, pod: usize, life: u64) {
        if state.is_done() {
            self.held.insert(key, Held::Done);
        } else {
            self.held.entry(key).or_insert(Held::Pending { pod, life, number: WRITTEN_BACK + self.epoch, until });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// No interleaving of claims, answers, settlements, crashes, lost memories and waits delivers twice after a success or
    /// at once, calls a retry a replay after a failure, or holds anything up for longer than a claim is pending.
    #[test]
    fn nothing_twice_nothing_lost_over_several_processes(moves in proptest::collection::vec(moves(), 1..80)) {
        let mut world = World::new();
        for made in &moves {
            world.make(made)?;
        }
        world.check_rest()?;
    }
}

/// A release that reaches the server after it has lost its memory, when its process has claimed the event for another
/// message meanwhile and written that back: the one that was written back stays.
#[test]
fn a_late_release_frees_no_later_claim_of_its_process() -> Result<(), TestCaseError> {
    let mut world = World::new();
    world.begin(0, 3)?;
    for _asked_confirmed_refused_and_settled_here in 0..4 {
        world.go(0, false)?;
    }
    world.begin(0, 2)?;
    for _asked_and_confirmed in 0..2 {
        world.go(1, false)?;
    }
    world.lose_memory(0);
    (0..PODS).for_each(|pod| world.join(pod));
    world.go(0, false)?;
    assert_eq!(world.begin(1, 3)?, None, "it knows nothing of it");
    world.go(1, false)?;
    assert_eq!(world.go(1, false)?, Some(Refused::InFlight));
    Ok(())
}
