//! Is an opaque token active, and what does it say? Asked of the authorization server that made it (RFC 7662).
//!
//! This is the one question that a request waits for, and only on a route that is configured so: no key tells whether
//! an opaque token is good. What was answered is remembered for a little while, by the token's SHA-256 (the token itself
//! is not kept), so that a busy sender costs one question a minute; a token that several requests carry at once is asked
//! about once. A server that does not answer in time proves nothing: the request is refused with
//! [`Reason::KeysUnavailable`], and the sender retries.
//!
//! | bound | why |
//! |---|---|
//! | [`GOOD_FOR`] | a revoked token is refused after that |
//! | [`BAD_FOR`] | a token that has just become active is not refused for long |
//! | [`MOST_REMEMBERED`] of each kind | strangers can send any number of tokens; active ones never give way to theirs |
//! | [`AT_ONCE`] | a slow server holds that many requests, and the next are refused at once |

mod table;
pub(super) mod wire;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::clock::Now;
use crate::deny::{Denial, Reason};

use super::client::{Answer, Ask, Client, FORM, Fault};
use super::url::Url;

use table::{Fingerprint, Step, Table};
use wire::{basic, form, is_token, read};

/// How long an active token is remembered, at most; never past its own end.
pub const GOOD_FOR: Duration = Duration::from_secs(60);

/// How long an inactive token is remembered.
pub const BAD_FOR: Duration = Duration::from_secs(10);

/// The most active tokens that are remembered, and the most inactive ones.
pub const MOST_REMEMBERED: usize = 1024;

/// The most questions at once.
pub const AT_ONCE: usize = 16;

/// How long a question may take: a sender waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest answer. With [`MOST_REMEMBERED`] of them, 16 MiB.
const MOST: u64 = 16 * 1024;

/// What an active token says: the server's answer, a JSON object.
pub type Claims = Arc<[u8]>;

/// The server that is asked, and what it has said.
pub struct Introspector {
    url: Url,
    authorization: Zeroizing<String>,
    table: Mutex<Table>,
    slots: Semaphore,
    /// Whether the log has been told that it does not answer.
    told: AtomicBool,
    counts: [AtomicU64; 4],
}

/// What became of questions so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// The server said that the token is active.
    pub active: u64,
    /// It said that it is not.
    pub inactive: u64,
    /// It said nothing of use, or there was no room to ask.
    pub failed: u64,
    /// It did not have to be asked.
    pub remembered: u64,
}

/// What the server says of a token; `Err` where it says nothing.
type Verdict = Result<Option<Claims>, ()>;

impl std::fmt::Debug for Introspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspector").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Introspector {
    /// One that has not been asked yet. It asks with these credentials, by `client_secret_basic` (RFC 6749 section
    /// 2.3.1).
    #[must_use]
    pub fn new(url: Url, client_id: &str, client_secret: &[u8]) -> Self {
        let authorization = basic(client_id, client_secret);
        Self {
            url,
            authorization,
            table: Mutex::default(),
            slots: Semaphore::new(AT_ONCE),
            told: AtomicBool::new(false),
            counts: Default::default(),
        }
    }

    /// The server that is asked.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether another one asks the same server with the same credentials, so that what either knows holds for both.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.url == other.url && self.authorization == other.authorization
    }

    /// What an active token says; `None` for one that is not active, or is none.
    ///
    /// # Errors
    /// [`Reason::KeysUnavailable`]: the server does not say.
    pub async fn ask(&self, client: &Client, token: &[u8], now: Now) -> Result<Option<Claims>, Denial> {
        if !is_token(token) {
            return Ok(None);
        }
        let fingerprint = Sha256::digest(token).into();
        let step = self.table().step(fingerprint, now);
        let verdict = match step {
            Step::Known(claims) => {
                self.count(3);
                Ok(claims)
            }
            Step::Wait(mut answered) => match answered.wait_for(Option::is_some).await {
                Ok(verdict) => verdict.clone().unwrap_or(Err(())),
                // Whoever asked is gone, with its connection.
                Err(_) => Err(()),
            },
            Step::Ask(answered) => {
                let asked = Asked { introspector: self, fingerprint };
                let verdict = self.question(client, token, fingerprint, now).await;
                answered.send_replace(Some(verdict.clone()));
                drop(asked);
                verdict
            }
        };
        verdict.map_err(|()| Reason::KeysUnavailable.into())
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.table().len()
    }

    /// What became of questions so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let [active, inactive, failed, remembered] = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Counts { active, inactive, failed, remembered }
    }

    /// Asks the server, and remembers what it says.
    async fn question(&self, client: &Client, token: &[u8], fingerprint: Fingerprint, now: Now) -> Verdict {
        let verdict = match self.slots.try_acquire() {
            Ok(_slot) => {
                let form = form(token);
                let (authorization, body) = (Some(&**self.authorization), Some((&**form, FORM)));
                let ask = Ask { authorization, keeps: true, ..Ask::get(MOST, PATIENCE) }.posting(body);
                // On the heap: no other request should carry the room of a TLS session with it.
                Box::pin(client.ask(&self.url, ask)).await.and_then(read)
            }
            Err(_) => Err(Fault::Content(format!("is not waited for: {AT_ONCE} questions are open already"))),
        };
        match verdict {
            Ok(said) => {
                self.told.store(false, Ordering::Relaxed);
                self.count(usize::from(said.is_none()));
                self.table().remember(fingerprint, said.as_ref(), now);
                Ok(said.map(|said| said.claims))
            }
            Err(fault) => {
                self.count(2);
                if !self.told.swap(true, Ordering::Relaxed) {
                    let url = &self.url;
                    tracing::error!(%url, %fault, "the introspection of tokens does not answer; they are refused with 503 until it does");
                }
                Err(())
            }
        }
    }

    fn count(&self, which: usize) {
        if let Some(count) = self.counts.get(which) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is open. However it ends, the next request may ask anew.
struct Asked<'i> {
    introspector: &'i Introspector,
    fingerprint: Fingerprint,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.introspector.table().ended(&self.fingerprint);
    }
}
