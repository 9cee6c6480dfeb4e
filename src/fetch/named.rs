//! What messages name by an address: certificates, and addresses that are to be visited once. Where they may be is
//! pinned by the provider's definition, and was looked at before they got here.
//!
//! One at a time is asked for, and one that failed is left alone for a while, so that whoever sends names that lead
//! nowhere makes us ask seldom. Bounded: so many wishes are known at once, those that failed among them, which give way to
//! new ones; what finds no room is dropped, and the sender's retry brings it again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::auth::keyring::{KeyRing, Wanted};
use crate::auth::x509::certificates::{Certificates, MAX_ANSWER};
use crate::clock::Now;

use super::client::{Ask, Client, Fault};
use super::source::Health;
use super::url::Url;

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most wishes that are known at once.
const MOST: usize = 32;

/// How long an address that failed is left alone: as long as a key that nobody has is not asked for again.
const PAUSE: Duration = Duration::from_secs(30);

/// The longest pause between two attempts to visit an address.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// How often a visit is tried: for some two hours, within which a confirmation is still good.
const VISITS: u32 = 12;

/// The certificates of a route, and what brings them.
#[derive(Debug)]
pub struct Named {
    ring: Arc<KeyRing>,
    confirms: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    busy: bool,
    wishes: Vec<Wish>,
    health: Health,
}

#[derive(Debug, PartialEq, Eq)]
struct Wish {
    what: Wanted,
    tries: u32,
    /// Not before that time, since the Unix epoch.
    not_before: Duration,
    /// Whether it is over, and kept to be left alone.
    over: bool,
}

impl State {
    /// Takes what was asked for, where there is room, and forgets what has been left alone for long enough.
    fn hear(&mut self, asked: Vec<Wanted>, now: Now) {
        self.wishes.retain(|wish| !wish.over || wish.not_before > now.wall);
        for what in asked {
            if self.wishes.iter().any(|wish| wish.what == what) {
                continue;
            }
            // Names that lead nowhere must not keep out one that leads somewhere.
            if self.wishes.len() >= MOST
                && let Some(index) = self.wishes.iter().position(|wish| wish.over)
            {
                self.wishes.remove(index);
            }
            if self.wishes.len() < MOST {
                self.wishes.push(Wish { what, tries: 0, not_before: now.wall, over: false });
            }
        }
    }

    /// What is due.
    fn due(&self, now: Now) -> Option<Wanted> {
        self.wishes.iter().find(|wish| !wish.over && wish.not_before <= now.wall).map(|wish| wish.what.clone())
    }

    fn granted(&mut self, what: &Wanted, now: Now, count: usize) {
        self.wishes.retain(|wish| wish.what != *what);
        let Health { answers, failures, .. } = self.health;
        self.health = Health { answers: answers.saturating_add(1), failures, since: Some(now.wall), keys: count };
    }

    /// A certificate is asked for again by the next message; a visit has nobody else. True: it was given up.
    fn failed(&mut self, what: &Wanted, now: Now) -> bool {
        self.health.failures = self.health.failures.saturating_add(1);
        let Some(wish) = self.wishes.iter_mut().find(|wish| wish.what == *what) else { return false };
        wish.tries += 1;
        wish.over = !matches!(what, Wanted::Visit(_)) || wish.tries >= VISITS;
        let pause = PAUSE.saturating_mul(1 << (wish.tries - 1).min(10)).min(LONGEST_PAUSE);
        wish.not_before = now.wall + if wish.over { PAUSE } else { pause };
        wish.over
    }
}

impl Named {
    /// Of such certificates; `confirms` says whether addresses are visited as well.
    #[must_use]
    pub fn new(certificates: Certificates, confirms: bool) -> Self {
        Self { ring: Arc::new(KeyRing::for_certificates(certificates)), confirms, state: Mutex::default() }
    }

    /// Where they are put, for those who verify with them.
    #[must_use]
    pub fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.ring.certificates()
    }

    /// Whether subscriptions are confirmed.
    #[must_use]
    pub fn confirms(&self) -> bool {
        self.confirms
    }

    /// Whether anything is ever asked of the network.
    #[must_use]
    pub fn needs_network(&self) -> bool {
        self.confirms || self.certificates().is_some_and(|certificates| !certificates.is_offline())
    }

    /// How the fetching goes.
    #[must_use]
    pub fn health(&self) -> Health {
        let count = self.certificates().map_or(0, Certificates::count);
        Health { keys: count, ..self.state().health }
    }

    /// Whether what is known of one is known of the other.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let alike =
            matches!((self.certificates(), other.certificates()), (Some(one), Some(other)) if one.is_like(other));
        alike && self.confirms == other.confirms
    }

    /// Takes the task of asking for one thing, where one is due and nobody else has taken one.
    #[must_use]
    pub(super) fn take_task(self: &Arc<Self>, now: Now) -> Option<Task> {
        let mut state = self.state();
        state.hear(self.ring.take_asked(), now);
        if state.busy {
            return None;
        }
        let what = state.due(now)?;
        state.busy = true;
        Some(Task { named: self.clone(), what })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn grant(&self, what: &Wanted, client: &Client) -> Result<(), Fault> {
        let (address, most) = match what {
            Wanted::Certificate(address) => (address, MAX_ANSWER as u64),
            Wanted::Visit(address) => (address, LARGEST_PAGE),
            Wanted::Keys | Wanted::Key(_) => return Ok(()),
        };
        let url = Url::parse(address).map_err(|problem| Fault::Content(format!("cannot come: its URL {problem}")))?;
        let answer = client.ask(&url, Ask::get(most, PATIENCE)).await?;
        let (Wanted::Certificate(address), Some(certificates)) = (what, self.certificates()) else { return Ok(()) };
        let kept = certificates.put(address, &answer.body, Now::read());
        kept.map(|_| ()).map_err(|fault| Fault::Content(fault.to_string()))
    }
}

/// The largest answer to a visit, which nobody reads.
const LARGEST_PAGE: u64 = 64 * 1024;

/// The task of asking for one thing once. However it ends, the next one can be taken.
#[derive(Debug)]
pub(super) struct Task {
    named: Arc<Named>,
    what: Wanted,
}

impl Task {
    /// Asks for it.
    pub(super) async fn run(self, client: &Client) {
        let result = self.named.grant(&self.what, client).await;
        let (now, count) = (Now::read(), self.named.health().keys);
        let (what, address) = match &self.what {
            Wanted::Certificate(address) => ("a certificate", &**address),
            // The address of a confirmation holds its token.
            Wanted::Visit(address) => ("a confirmation", address.split('?').next().unwrap_or_default()),
            Wanted::Keys | Wanted::Key(_) => ("keys", ""),
        };
        let mut state = self.named.state();
        match result {
            Ok(()) => {
                state.granted(&self.what, now, count);
                drop(state);
                tracing::info!(address, "{what} was fetched");
            }
            Err(fault) => {
                let given_up = state.failed(&self.what, now);
                drop(state);
                tracing::error!(address, %fault, given_up, "{what} could not be fetched");
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.named.state().busy = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { wall: Duration::from_secs(1_700_000_000 + seconds), ..Now::read() }
    }

    fn certificate(index: usize) -> Wanted {
        Wanted::Certificate(format!("https://h/{index}").into())
    }

    #[test]
    fn what_failed_is_left_alone_for_a_while() {
        let mut state = State::default();
        state.hear(vec![certificate(1), certificate(1)], at(0));
        assert_eq!((state.due(at(0)), state.wishes.len()), (Some(certificate(1)), 1));
        assert!(state.failed(&certificate(1), at(0)));
        state.hear(vec![certificate(1), certificate(2)], at(29));
        assert_eq!(state.due(at(29)), Some(certificate(2)));
        state.granted(&certificate(2), at(29), 1);
        assert_eq!(state.due(at(30)), None);
        state.hear(vec![certificate(1)], at(30));
        assert_eq!(state.due(at(30)), Some(certificate(1)));
        assert_eq!((state.health.answers, state.health.failures), (1, 1));
    }

    #[test]
    fn wishes_are_bounded() {
        let mut state = State::default();
        state.hear((0..100).map(certificate).collect(), at(0));
        assert_eq!(state.wishes.len(), MOST);
        for index in 0..MOST {
            state.failed(&certificate(index), at(0));
        }
        state.hear(vec![certificate(0), certificate(MOST)], at(1));
        assert_eq!(state.due(at(1)), Some(certificate(MOST)), "those that failed give way");
        assert_eq!(state.wishes.len(), MOST);
    }

    #[test]
    fn a_visit_is_tried_again_and_then_given_up() {
        let (mut state, visit) = (State::default(), Wanted::Visit("https://h/?token".into()));
        state.hear(vec![visit.clone()], at(0));
        let mut now = 0;
        for attempt in 1..=VISITS {
            assert_eq!(state.due(at(now)), Some(visit.clone()), "{attempt}");
            assert_eq!(state.failed(&visit, at(now)), attempt == VISITS);
            assert_eq!(state.due(at(now)), None, "{attempt}");
            now += LONGEST_PAUSE.as_secs();
        }
        assert_eq!(state.due(at(now)), None);
    }
}
