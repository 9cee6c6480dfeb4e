//! Storms: each signed message several times at once, over all sidecars, and retries until all are through.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Barrier, Mutex};
use std::thread;

use hookwarden::clock::Now;

use crate::harness::{Client, GUARD, Response, Signer, Upstream};
use crate::pod::Pod;

/// How often each message is sent at once.
pub(crate) const COPIES: usize = 5;

/// Senders a copy: together they go through all messages in the same order.
const LANES: usize = 4;

/// What happens during a storm.
pub(crate) type Step<'s> = Box<dyn FnMut() + Send + 's>;

/// Puts a step into its box.
pub(crate) fn step<'s>(step: impl FnMut() + Send + 's) -> Step<'s> {
    Box::new(step)
}

/// Messages that a provider has signed, each with an id of its own.
pub(crate) struct Messages(Vec<Vec<u8>>);

/// What a storm's answers were, by reason and by message.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// How many of each reason.
    pub(crate) reasons: BTreeMap<String, usize>,
    /// Messages that were accepted, by the answer to one copy at least.
    pub(crate) accepted: Vec<bool>,
}

impl Messages {
    pub(crate) fn signed(count: usize) -> Self {
        let signer = Signer::new("svix");
        let message = |number| signer.sign_with(&[("svix-id", &id(number))], r#"{"type":"a"}"#).bytes();
        Self((0..count).map(message).collect())
    }

    /// Each message's bytes.
    pub(crate) fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Sends all copies of all messages over all sidecars. `on_the_way` runs each of its steps once, when that many
    /// messages of the first lane are through.
    pub(crate) fn storm(&self, pods: &[Pod], on_the_way: &mut [(usize, Step<'_>)]) -> Answers {
        let answers = Mutex::new(Answers { accepted: vec![false; self.0.len()], ..Answers::default() });
        let at_once = Barrier::new(COPIES * LANES);
        let mut on_the_way = Some(on_the_way);
        thread::scope(|scope| {
            for sender in 0..COPIES * LANES {
                let (copy, lane) = (sender / LANES, sender % LANES);
                let mut steps = if sender == 0 { on_the_way.take() } else { None };
                let (answers, at_once) = (&answers, &at_once);
                let send = move || {
                    let mut clients: Vec<_> = pods.iter().map(|pod| Client::connect(pod.address())).collect();
                    at_once.wait();
                    for number in (lane..self.0.len()).step_by(LANES) {
                        if let Some(steps) = &mut steps {
                            steps
                                .iter_mut()
                                .filter(|(at, _)| *at / LANES == number / LANES)
                                .for_each(|(_, step)| step());
                        }
                        let pod = (copy + number) % pods.len();
                        let answer = clients[pod].send(&self.0[number]).read();
                        if answer.closes() {
                            clients[pod] = Client::connect(pods[pod].address());
                        }
                        answers.lock().expect("no sender has panicked").take(number, &answer);
                    }
                };
                thread::Builder::new().name("sender".to_owned()).spawn_scoped(scope, send).expect("a thread");
            }
        });
        answers.into_inner().expect("no sender has panicked")
    }

    /// Sends what was not accepted again and again, as providers do, until all is.
    pub(crate) fn retry(&self, pods: &[Pod], mut answers: Answers) -> Answers {
        let (began, round) = (Now::read().instant, AtomicUsize::new(0));
        while answers.accepted.contains(&false) {
            assert!(began.elapsed() < GUARD, "not all pass in the end: {:?}", answers.reasons);
            let pod = &pods[round.fetch_add(1, Ordering::Relaxed) % pods.len()];
            let mut client = Client::connect(pod.address());
            for number in 0..self.0.len() {
                if !answers.accepted[number] {
                    let answer = client.send(&self.0[number]).read();
                    if answer.closes() {
                        client = Client::connect(pod.address());
                    }
                    answers.take(number, &answer);
                }
            }
        }
        answers
    }

    /// Holds what the service saw against what was sent: how many messages it saw how many times.
    pub(crate) fn deliveries(&self, upstream: &Upstream) -> BTreeMap<usize, usize> {
        let mut seen = BTreeMap::new();
        for received in upstream.received() {
            *seen.entry(received.values("svix-id").concat()).or_insert(0_usize) += 1;
        }
        let mut times = BTreeMap::new();
        for number in 0..self.0.len() {
            *times.entry(seen.get(&id(number)).copied().unwrap_or_default()).or_insert(0) += 1;
        }
        times
    }
}

impl Answers {
    pub(crate) fn of(&self, reason: &str) -> usize {
        self.reasons.get(reason).copied().unwrap_or_default()
    }

    fn take(&mut self, number: usize, answer: &Response) {
        let reason = reason(answer);
        self.accepted[number] |= matches!(reason.as_str(), "forwarded" | "replayed" | "duplicate");
        *self.reasons.entry(reason).or_default() += 1;
    }
}

/// A sidecar's answer once the store has one: on a busy machine it may take longer than a sender is kept waiting.
pub(crate) fn told(pod: &Pod, message: &[u8]) -> Response {
    until(pod, message, |reason| reason != UNAVAILABLE)
}

/// Its answer once nothing is on the way any more, such as what became of a claim whose outcome the store did not hear in
/// time.
pub(crate) fn settled(pod: &Pod, message: &[u8]) -> String {
    reason(&until(pod, message, |reason| reason != UNAVAILABLE && reason != "in_flight"))
}

fn until(pod: &Pod, message: &[u8], ends: impl Fn(&str) -> bool) -> Response {
    let began = Now::read().instant;
    loop {
        let answer = pod.send(message);
        if ends(&reason(&answer)) {
            return answer;
        }
        assert!(began.elapsed() < GUARD, "still {answer:?}");
    }
}

/// Sends a message that the service holds, as often as the store takes; gives where its answer will come from.
pub(crate) fn held(pod: &Pod, message: &[u8], holding: &Upstream) -> Receiver<Response> {
    let began = Now::read().instant;
    loop {
        let (sender, answers) = channel();
        let mut client = Client::connect(pod.address());
        client.send(message);
        let read = move || drop(sender.send(client.read()));
        thread::Builder::new().name("sender".to_owned()).spawn(read).expect("a thread");
        let refused = loop {
            if !holding.received().is_empty() {
                return answers;
            }
            if let Ok(refused) = answers.try_recv() {
                break refused;
            }
            thread::yield_now();
        };
        let reason = reason(&refused);
        assert!(reason == UNAVAILABLE || reason == "in_flight", "{refused:?}");
        assert!(began.elapsed() < GUARD, "still {refused:?}");
    }
}

/// Why a request ended so.
pub(crate) fn reason(answer: &Response) -> String {
    if answer.values("content-type") == ["application/problem+json"] {
        return answer.problem()["reason"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(answer.status, 200, "{answer:?}");
    "forwarded".to_owned()
}

/// Waits until every sidecar's claims are confirmed: a server without memory keeps all waiting at first.
pub(crate) fn wait_until_shared(pods: &[Pod]) {
    let signer = Signer::new("svix");
    for (pod, name) in pods.iter().zip('a'..) {
        let (began, mut client) = (Now::read().instant, Client::connect(pod.address()));
        let alone = || pod.metric("hookwarden_replay_unconfirmed_claims_total");
        for number in 0.. {
            assert!(began.elapsed() < GUARD, "the store is not there");
            let (before, id) = (alone(), format!("warm_{name}{number}"));
            let answer = client.send(&signer.sign_with(&[("svix-id", &id)], "{}").bytes()).read();
            if reason(&answer) == "forwarded" && (alone() - before).abs() < 0.5 {
                break;
            }
        }
    }
}

/// What a sidecar says that may not claim.
pub(crate) const UNAVAILABLE: &str = "replay_store_unavailable";

fn id(number: usize) -> String {
    format!("msg_{number}")
}
