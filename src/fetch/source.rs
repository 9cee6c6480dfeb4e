//! One thing that is fetched: where from, what came last, and when it is asked again.
//!
//! Routes that name the same place share one [`Fetched`], so that it is asked once for all of them, and a policy that is
//! loaded anew finds the one of the policy before: what is known outlives a reload.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::auth::keyring::KeyRing;
use crate::auth::signature::{KeySet, Strength};
use crate::clock::Now;

use super::by_id::ById;
use super::client::{Answer, Ask, Client, Fault};
use super::discovery;
use super::introspect::Introspector;
use super::named::Named;
use super::schedule::Schedule;
use super::url::Url;

/// How long one exchange may take, from the look-up of the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer: a set of keys has some KiB.
const MOST: u64 = 1 << 20;

/// Where something is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A set of keys (RFC 7517 section 5).
    Keys {
        /// Where it is.
        url: Url,
        /// How weak its RSA keys may be.
        strength: Strength,
    },
    /// The keys of an issuer, wherever its own document says that they are.
    Issuer(Box<str>),
}

impl fmt::Display for Source {
    /// The URL that is asked, first at least.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { url, .. } => url.fmt(f),
            Self::Issuer(issuer) => write!(f, "{issuer}, by its own document"),
        }
    }
}

/// Something that is fetched.
#[derive(Debug)]
pub struct Fetched {
    source: Source,
    ring: Arc<KeyRing>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    schedule: Schedule,
    busy: bool,
    wish: Wish,
    health: Health,
    /// Whether the log has been told of a failure that is not over.
    told: bool,
    /// The SHA-256 of the last answer of use.
    digest: Option<[u8; 32]>,
    /// Its tag, and whose it is.
    etag: Option<(Url, Box<str>)>,
}

/// What others want of it, beside the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Wish {
    #[default]
    None,
    /// A message has named a key that is not there: anybody can send such.
    Newer,
    /// An operator wants it fetched now.
    Now,
}

/// How the fetching goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// How many times an answer was of use.
    pub answers: u64,
    /// How many times there was none.
    pub failures: u64,
    /// When the last answer of use came, since the Unix epoch.
    pub since: Option<Duration>,
    /// How many keys there are.
    pub keys: usize,
}

impl Fetched {
    fn new(source: Source) -> Self {
        Self { source, ring: Arc::default(), state: Mutex::default() }
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Where it is put, for those who verify with it.
    #[must_use]
    pub fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// How the fetching goes.
    #[must_use]
    pub fn health(&self) -> Health {
        self.state().health
    }

    /// Has it asked at the next look, whatever else was planned: somebody has asked for that.
    pub fn hurry(&self) {
        self.state().wish = Wish::Now;
    }

    /// Takes the task of fetching it, where it is due and nobody else has taken it.
    #[must_use]
    pub(super) fn take_task(self: &Arc<Self>, now: Now) -> Option<Task> {
        let mut state = self.state();
        if !self.ring.take_asked().is_empty() {
            state.wish = state.wish.max(Wish::Newer);
        }
        let is_due = state.wish == Wish::Now || state.schedule.is_due(now, state.wish == Wish::Newer);
        if state.busy || !is_due {
            return None;
        }
        (state.busy, state.wish) = (true, Wish::None);
        state.schedule.started(now);
        Some(Task(self.clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keys(&self, client: &Client) -> Result<New, Fault> {
        let ask = Ask::get(MOST, PATIENCE);
        let (url, strength) = match &self.source {
            Source::Keys { url, strength } => (url.clone(), *strength),
            Source::Issuer(issuer) => (keys_of_issuer(client, issuer, ask).await?, Strength::Usual),
        };
        let known = self.state().etag.clone().filter(|(place, _)| *place == url);
        let ask = Ask { etag: known.as_ref().map(|(_, etag)| &**etag), ..ask };
        let Answer { body, is_same, etag, max_age } = client.ask(&url, ask).await?;
        if is_same {
            return Ok(New { set: None, max_age });
        }
        let keys = KeySet::from_jwks(&body, strength).map_err(|fault| Fault::Content(fault.to_string()))?;
        let etag = etag.map(|etag| (url, etag));
        Ok(New { set: Some(Set { keys, digest: Sha256::digest(&body).into(), etag }), max_age })
    }

    fn answered(&self, new: New, now: Now, dice: u64) {
        let mut state = self.state();
        state.schedule.answered(now, new.max_age, dice);
        let Health { answers, failures, keys, .. } = state.health;
        let count = new.set.as_ref().map_or(keys, |set| set.keys.len());
        state.health = Health { answers: answers.saturating_add(1), failures, since: Some(now.wall), keys: count };
        let mut is_news = std::mem::take(&mut state.told);
        if let Some(Set { keys, digest, etag }) = new.set {
            self.ring.put(keys);
            is_news |= state.digest.replace(digest) != Some(digest);
            state.etag = etag;
        }
        drop(state);
        if is_news {
            tracing::info!(source = %self.source, keys = count, "keys were fetched");
        } else {
            tracing::debug!(source = %self.source, keys = count, "keys were fetched; they are the same");
        }
    }

    fn failed(&self, fault: &Fault, now: Now, dice: u64) {
        let mut state = self.state();
        state.schedule.failed(now, dice);
        state.health.failures = state.health.failures.saturating_add(1);
        let (told, ever) = (std::mem::replace(&mut state.told, true), state.health.since.is_some());
        drop(state);
        let source = &self.source;
        match (told, ever) {
            (true, _) => tracing::debug!(%source, %fault, "keys could not be fetched"),
            (false, true) => {
                tracing::error!(%source, %fault, "keys could not be fetched; those of before stay in use");
            }
            (false, false) => {
                tracing::error!(%source, %fault, "keys could not be fetched; messages are refused with 503 until they are");
            }
        }
    }
}

/// What has just come.
struct New {
    /// `None`: the set that is here, still.
    set: Option<Set>,
    max_age: Option<Duration>,
}

/// A set of keys.
struct Set {
    keys: KeySet,
    digest: [u8; 32],
    etag: Option<(Url, Box<str>)>,
}

async fn keys_of_issuer(client: &Client, issuer: &str, ask: Ask<'_>) -> Result<Url, Fault> {
    let [openid, oauth] = discovery::places(issuer).map_err(Fault::Content)?;
    let document = match client.ask(&openid, ask).await {
        // Not every authorization server is an OpenID provider.
        Err(Fault::Status(404)) => client.ask(&oauth, ask).await?,
        answer => answer?,
    };
    discovery::keys_of(issuer, &document.body)
}

/// The task of fetching something once. However it ends, the next one can be taken.
#[derive(Debug)]
pub(super) struct Task(Arc<Fetched>);

impl Task {
    /// Fetches it.
    pub(super) async fn run(self, client: &Client) {
        let fetched = &self.0;
        let result = fetched.keys(client).await;
        // Without random numbers replicas may come at once, which is no reason not to come.
        let (now, dice) = (Now::read(), getrandom::u64().unwrap_or_default());
        match result {
            Ok(new) => fetched.answered(new, now, dice),
            Err(fault) => fetched.failed(&fault, now, dice),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.state().busy = false;
    }
}

/// What is fetched for the policy in force, so that the next policy finds it.
#[derive(Debug, Default)]
pub struct Known {
    sources: Vec<Weak<Fetched>>,
    introspectors: Vec<Weak<Introspector>>,
    named: Vec<Weak<Named>>,
    by_id: Vec<Weak<ById>>,
}

impl Known {
    /// What comes from that source: the one that is in use, or a new one.
    pub fn of(&mut self, source: Source) -> Arc<Fetched> {
        self.sources.retain(|known| known.strong_count() > 0);
        let known = self.sources.iter().filter_map(Weak::upgrade).find(|known| known.source == source);
        known.unwrap_or_else(|| {
            let new = Arc::new(Fetched::new(source));
            self.sources.push(Arc::downgrade(&new));
            new
        })
    }

    /// The certificates like these that are in use, with those that are there; else these.
    pub fn named(&mut self, new: Named) -> Arc<Named> {
        self.named.retain(|known| known.strong_count() > 0);
        let known = self.named.iter().filter_map(Weak::upgrade).find(|known| known.is_like(&new));
        known.unwrap_or_else(|| {
            let new = Arc::new(new);
            self.named.push(Arc::downgrade(&new));
            new
        })
    }

    /// The API of keys like it that is in use; else itself, with the keys of one that gives the same to another account, or
    /// to this one with another credential.
    pub fn by_id(&mut self, new: ById) -> Arc<ById> {
        self.by_id.retain(|known| known.strong_count() > 0);
        let known: Vec<_> =
            self.by_id.iter().filter_map(Weak::upgrade).filter(|known| known.gives_the_same(&new)).collect();
        if let Some(known) = known.iter().find(|known| known.is_like(&new)) {
            return known.clone();
        }
        let new = Arc::new(match known.last() {
            Some(known) => new.with_keys_of(known),
            None => new,
        });
        self.by_id.push(Arc::downgrade(&new));
        new
    }

    /// The one like it that is in use, with what it remembers; else itself.
    pub fn introspector(&mut self, new: Introspector) -> Arc<Introspector> {
        self.introspectors.retain(|known| known.strong_count() > 0);
        let known = self.introspectors.iter().filter_map(Weak::upgrade).find(|known| known.is_like(&new));
        known.unwrap_or_else(|| {
            let new = Arc::new(new);
            self.introspectors.push(Arc::downgrade(&new));
            new
        })
    }
}
