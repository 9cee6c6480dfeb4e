//! Attacks on an endpoint that its owner wants tried: one table of them, a small client that can send anything, and a
//! verdict on each with what was seen.
//!
//! ```text
//!   table      the attacks       a row each: what is sent, why it matters, what holding looks like, the remedy
//!   forge      what is sent      genuine messages of the one signing path, and what an attacker makes of them
//!   wire       how it is sent    bytes as they are, over TCP or TLS; half requests; answers read leniently
//!   hello      old TLS           the first message of versions and ciphers that our own TLS does not speak
//!   judge      what it means     answers in, `held`, `broken` or `inconclusive` out
//!   stopwatch  what it takes     whether answers tell by their time how much of a signature was right
//!   witness    what it counted   the sidecar's own counters, where they may be asked
//!   run        in which order    a genuine message first, the attacks, a genuine message last; at a bounded rate
//!   report     what is told      the one type of findings
//! ```
//!
//! What it goes by is what any sender sees: the answer. A 2xx says that a message was taken; a genuine message must be,
//! before and after, or else nothing that was refused proves anything. What cannot be told from outside is said to be
//! inconclusive, never guessed.
//!
//! Every request says what it is, in its `User-Agent` and in [`NONCE_HEADER`]. Deliberately absent: floods, guessing of
//! keys beyond a handful of words, redirects (whoever answers with one is not asked again), any host but the one that
//! was named, and requests without a bound.

mod answer;
pub mod attack;
mod forge;
mod hello;
mod judge;
mod message;
mod report;
mod run;
mod stopwatch;
mod table;
pub mod target;
mod trials;
mod wire;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::auth::keys::{Key, KeyText};
use crate::auth::scheme::Scheme;
use crate::govern::finding::Severity;

use attack::Attack;
use target::Target;

pub use report::report;
pub use run::run;
pub use table::{all, find};

/// The field that marks every request of an assessment, and its value for this one.
pub const NONCE_HEADER: &str = "X-Hookwarden-Assess";

/// Who is asked, and what is known of the sender whose part is played.
#[derive(Debug)]
pub struct Subject {
    /// The provider's id.
    pub provider: String,
    /// Its scheme.
    pub scheme: Arc<Scheme>,
    /// The secret that the endpoint accepts, or the private key that belongs to what it has.
    pub secret: KeyText,
    /// The same, ready to sign.
    pub key: Key,
    /// The public key as PEM, where keys come in pairs.
    pub public: Option<String>,
    /// The endpoint.
    pub target: Target,
    /// The URL that the provider would call and sign, where it is another than the target's.
    pub signed_url: Option<String>,
    /// Further header fields of genuine messages.
    pub headers: Vec<(String, String)>,
    /// The body of genuine messages; a sample where there is none.
    pub body: Option<Vec<u8>>,
}

/// How it is asked.
#[derive(Debug, Clone)]
pub struct Options {
    /// The most requests a second.
    pub rate: u32,
    /// The most requests in all.
    pub most: u32,
    /// How long an answer may take.
    pub patience: Duration,
    /// How large a body is tried that ought to be refused, in bytes.
    pub oversize: usize,
    /// How long a request may take that arrives slowly; `None`: that is not tried.
    pub slow: Option<Duration>,
    /// Whether the endpoint answers what it has had before with 2xx.
    pub acknowledges: bool,
    /// Where the sidecar's metrics are.
    pub metrics: Option<Target>,
    /// Certificate authorities to believe beside Mozilla's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The attacks to try; none: all.
    pub only: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rate: DEFAULT_RATE,
            most: DEFAULT_MOST,
            patience: Duration::from_secs(5),
            oversize: DEFAULT_OVERSIZE,
            slow: None,
            acknowledges: false,
            metrics: None,
            authorities: Vec::new(),
            only: Vec::new(),
        }
    }
}

/// Requests a second: what no endpoint notices.
pub const DEFAULT_RATE: u32 = 5;

/// Requests in all: more than the table needs, so that only something gone wrong reaches it.
pub const DEFAULT_MOST: u32 = 500;

/// Larger than what any provider sends: GitHub's 25 MB are the most.
pub const DEFAULT_OVERSIZE: usize = 32 << 20;

/// What an attack came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was refused.
    Held,
    /// It succeeded.
    Broken,
    /// Nothing can be said.
    Inconclusive,
}

impl Verdict {
    /// Its word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One attack and what came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The attack.
    pub attack: &'static Attack,
    /// What came of it.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: String,
    /// How many requests it took.
    pub requests: u32,
}

impl Outcome {
    /// How bad it is: nothing that held is.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        (self.verdict == Verdict::Broken).then_some(self.attack.rule.severity)
    }
}

/// The whole.
#[derive(Debug)]
pub struct Assessment {
    /// What was asked.
    pub subject: String,
    /// When it began, in seconds since the Unix epoch.
    pub at: u64,
    /// What marks its requests.
    pub nonce: String,
    /// Whether the endpoint answers as Hookwarden does.
    pub hookwarden: bool,
    /// What a genuine message came to before all, where it was not taken: then nothing else says anything.
    pub unheard: Option<String>,
    /// The attacks, in the order of their codes.
    pub outcomes: Vec<Outcome>,
    /// How many requests were sent.
    pub requests: u32,
    /// What whoever reads it should know beside that.
    pub notes: Vec<String>,
}

/// Why there is no assessment.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system gives nothing to run on, or no random numbers.
    #[error("the assessment cannot be run: {0}")]
    System(String),
    /// The host has no address.
    #[error("{0}")]
    Name(String),
    /// No message can be made for the scheme.
    #[error("no genuine message can be made: {0}")]
    Unsigned(String),
    /// An attack is asked for that there is not.
    #[error("there is no attack {0:?}; they are HA001 to {1}")]
    NoAttack(String, &'static str),
}
