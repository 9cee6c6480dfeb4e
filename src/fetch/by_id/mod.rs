//! Keys that come one by one, by the ids that messages name, from an API that the provider gives to its account holders
//! (eBay, Circle, Plaid). What may be asked is the definition's; the credentials are the route's.
//!
//! | attack or trouble | what stops it |
//! |---|---|
//! | a flood of ids that nobody has | `plan`: one is asked for every 30 s; no key gives way to them ([`KeyBook`]) |
//! | an id that is a path, a query or an address | it looks like an id, or is never asked for |
//! | an outage, or credentials that hold no longer | the keys that are here stay in use; the log and the metrics say so |
//! | a key that the provider has taken back | each is asked for again, within a day at most; gone when the API says so |
//! | a credential in a log, an error, a copy | never printed, wiped when dropped, sent to the API's own addresses alone |
//!
//! Deliberately absent: keys on disk. A restarted sidecar asks anew, and the first message of each key is sent again.

mod plan;
pub(in crate::fetch) mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::auth::key_api::{Credential, KeyApi, Question};
use crate::auth::key_book::KeyBook;
use crate::auth::keyring::{KeyRing, Wanted};
use crate::auth::signature::Strength;
use crate::clock::Now;

use super::client::{Ask, Client, FORM, Fault};
use super::introspect::wire::basic;
use super::schedule::good_for;
use super::source::Health;

use plan::Plan;
use wire::Got;

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer: a key has less than a KiB, a token some.
const MOST: u64 = 64 * 1024;

/// What the account proves itself with. Printing it prints nothing.
#[derive(Clone, PartialEq, Eq)]
pub enum Account {
    /// Nothing is asked for.
    None,
    /// A key.
    Key(Zeroizing<String>),
    /// An id and a secret.
    Client(Box<str>, Zeroizing<String>),
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(…)")
    }
}

/// Whether a text can stand in a header field as a credential.
#[must_use]
pub fn is_credential(text: &str) -> bool {
    wire::is_plain(text)
}

/// An API of keys, and what came of it.
#[derive(Debug)]
pub struct ById {
    api: Box<KeyApi>,
    base: Box<str>,
    account: Account,
    strength: Strength,
    ring: Arc<KeyRing>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    plan: Plan,
    busy: bool,
    /// A token of the account, and when it is used no longer.
    token: Option<(Zeroizing<String>, Instant)>,
    health: Health,
    /// Whether the log has been told of a failure that is not over.
    told: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("plan", &self.plan).field("health", &self.health).finish_non_exhaustive()
    }
}

/// What became of a question.
enum Outcome {
    Key(Got, Option<Duration>),
    /// There is no such key.
    Nobody,
    /// The API does not say so, but there is nothing of use: asking again at once would bring nothing else.
    Useless(Fault),
    /// No answer, whichever id.
    Failed(Fault),
}

impl ById {
    /// One that has not been asked yet.
    #[must_use]
    pub fn new(api: Box<KeyApi>, base: Box<str>, account: Account, strength: Strength) -> Self {
        let ring = Arc::new(KeyRing::for_book(KeyBook::new(api.ids)));
        Self { api, base, account, strength, ring, state: Mutex::default() }
    }

    /// Where keys are put, for those who verify with them.
    #[must_use]
    pub fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The keys.
    #[must_use]
    pub fn book(&self) -> Option<&KeyBook> {
        self.ring.book()
    }

    /// Where they come from.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// How the fetching goes; `since` is that of the key that has not been fetched for the longest time.
    #[must_use]
    pub fn health(&self) -> Health {
        let (keys, since) = self.book().map_or((0, None), |book| (book.count(), book.oldest()));
        Health { since, keys, ..self.state().health }
    }

    /// How many ids are still to be asked for.
    #[must_use]
    pub fn wishes(&self) -> usize {
        self.state().plan.wishes()
    }

    /// Has every key asked for again at the next looks: somebody has asked for that.
    pub fn hurry(&self, now: Now) {
        if let Some(book) = self.book() {
            book.hurry(now);
        }
        self.state().plan.hurry();
    }

    /// Whether both ask the same, as the same account.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.gives_the_same(other) && self.account == other.account
    }

    /// Whether what is known of one is known of the other, whoever asked.
    pub(super) fn gives_the_same(&self, other: &Self) -> bool {
        self.api == other.api && self.base == other.base && self.strength == other.strength
    }

    /// The same, with the keys of another one that gives the same.
    pub(super) fn with_keys_of(self, other: &Self) -> Self {
        Self { ring: other.ring.clone(), ..self }
    }

    /// Takes the task of asking for one key, where one is due and nobody else has taken one.
    #[must_use]
    pub(super) fn take_task(self: &Arc<Self>, now: Now, dice: u64) -> Option<Task> {
        let book = self.book()?;
        book.sweep(now);
        let mut state = self.state();
        for wanted in self.ring.take_asked() {
            if let Wanted::Key(id) = wanted
                && book.find(&id).is_none()
            {
                state.plan.wish(id, now);
            }
        }
        if state.busy {
            return None;
        }
        let id = state.plan.next(now, book.due(now), dice)?;
        state.busy = true;
        Some(Task { by_id: self.clone(), id })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, client: &Client, id: &str) -> Outcome {
        let token = match self.authorization(client).await {
            Ok(token) => token,
            Err(fault) => return Outcome::Failed(fault),
        };
        let answer = match self.question(client, id, token.as_deref().map(String::as_str)).await {
            Ok(answer) => answer,
            Err(Fault::Status(404 | 410)) => return Outcome::Nobody,
            Err(fault @ Fault::Status(400 | 422)) => return Outcome::Useless(fault),
            Err(fault) => {
                // It may have been taken back.
                self.state().token = None;
                return Outcome::Failed(fault);
            }
        };
        match wire::read_key(&self.api, id, &answer.body, self.strength) {
            Ok(got) if got.ends.is_some_and(|ends| ends <= Now::read().wall) => Outcome::Nobody,
            Ok(got) => Outcome::Key(got, answer.max_age),
            Err(fault) => Outcome::Useless(fault),
        }
    }

    async fn question(
        &self,
        client: &Client,
        id: &str,
        authorization: Option<&str>,
    ) -> Result<super::client::Answer, Fault> {
        let url = wire::place_of(&self.api, &self.base, id)?;
        let in_body = match &self.account {
            Account::Client(name, secret) if self.api.credential == Credential::InBody => Some((&**name, &***secret)),
            Account::Client(..) | Account::Key(_) | Account::None => None,
        };
        let body = wire::body(in_body, id);
        let body = matches!(self.api.question, Question::Post(_)).then_some((&**body, "application/json"));
        client.ask(&url, Ask { authorization, ..Ask::get(MOST, PATIENCE) }.posting(body)).await
    }

    /// The value of the `Authorization` field, where there is one.
    async fn authorization(&self, client: &Client) -> Result<Option<Zeroizing<String>>, Fault> {
        match (&self.api.credential, &self.account) {
            (Credential::Bearer, Account::Key(key)) => Ok(Some(bearer(key))),
            (Credential::ClientCredentials { token, scope }, Account::Client(name, secret)) => {
                let known = self.state().token.clone();
                if let Some((known, _)) = known.filter(|(_, until)| *until > Now::read().instant) {
                    return Ok(Some(bearer(&known)));
                }
                let (authorization, form) = (basic(name, secret.as_bytes()), wire::token_form(scope.as_deref()));
                let (authorization, body) = (Some(&**authorization), Some((form.as_bytes(), FORM)));
                let ask = Ask { authorization, ..Ask::get(MOST, PATIENCE) }.posting(body);
                let answer = client.ask(&wire::place(&self.base, token)?, ask).await?;
                let (new, holds) = wire::read_token(&Zeroizing::new(answer.body))?;
                let value = bearer(&new);
                self.state().token = Some((new, Now::read().plus(holds).instant));
                Ok(Some(value))
            }
            (Credential::None | Credential::InBody | Credential::Bearer | Credential::ClientCredentials { .. }, _) => {
                Ok(None)
            }
        }
    }

    fn learn(&self, id: &str, outcome: Outcome, now: Now, dice: u64) {
        let Some(book) = self.book() else { return };
        let mut state = self.state();
        let Health { answers, failures, .. } = state.health;
        let (answered, failed) = (
            Health { answers: answers.saturating_add(1), ..state.health },
            Health { failures: failures.saturating_add(1), ..state.health },
        );
        let source = &*self.base;
        match outcome {
            Outcome::Key(Got { key, ends }, max_age) => {
                let is_news = std::mem::take(&mut state.told) || book.find(id).is_none_or(|page| page.key().is_none());
                book.put(id, key, now, good_for(max_age, dice), ends);
                state.plan.had(id);
                state.health = answered;
                drop(state);
                if is_news {
                    tracing::info!(source, id, "a key was fetched");
                } else {
                    tracing::debug!(source, id, "a key was fetched again");
                }
            }
            Outcome::Nobody => {
                book.put_nobody(id, now);
                state.plan.had_none(id, now);
                (state.health, state.told) = (answered, false);
                drop(state);
                tracing::info!(source, id, "there is no such key; messages that name it are refused");
            }
            Outcome::Useless(fault) if book.find(id).is_none() => {
                state.plan.had_none(id, now);
                state.health = failed;
                drop(state);
                tracing::warn!(source, id, %fault, "no key of use was fetched; messages that name it are refused with 503");
            }
            Outcome::Useless(fault) | Outcome::Failed(fault) => {
                state.plan.failed(now, dice);
                state.health = failed;
                let told = std::mem::replace(&mut state.told, true);
                drop(state);
                if told {
                    tracing::debug!(source, id, %fault, "a key could not be fetched");
                } else {
                    tracing::error!(source, id, %fault, "a key could not be fetched; those that are here stay in use, and messages that name another are refused with 503");
                }
            }
        }
    }
}

fn bearer(token: &str) -> Zeroizing<String> {
    // In one piece: a text that grows leaves copies of a credential behind.
    Zeroizing::new(["Bearer ", token].concat())
}

/// The task of asking for one key once. However it ends, the next one can be taken.
#[derive(Debug)]
pub(super) struct Task {
    by_id: Arc<ById>,
    id: Box<str>,
}

impl Task {
    /// Asks for it.
    pub(super) async fn run(self, client: &Client) {
        let outcome = self.by_id.ask(client, &self.id).await;
        // Without random numbers replicas may come at once, which is no reason not to come.
        let (now, dice) = (Now::read(), getrandom::u64().unwrap_or_default());
        self.by_id.learn(&self.id, outcome, now, dice);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.by_id.state().busy = false;
    }
}
