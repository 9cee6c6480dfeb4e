//! What an attack is: a row of the table.

use crate::deny::Reason;
use crate::govern::finding::Rule;

use super::forge::Forge;
use super::message::Shot;
use super::trials::Trial;

/// One attack.
#[derive(Debug)]
pub struct Attack {
    /// Its code and name, why it matters, the remedy, how bad it is when it succeeds, and the controls it is about.
    pub rule: Rule,
    /// What is sent.
    pub sent: &'static str,
    /// What holding looks like.
    pub holds: &'static str,
    /// With which reasons Hookwarden holds.
    pub reasons: &'static [&'static [Reason]],
    /// How it is made and judged.
    pub(super) probe: Probe,
}

impl Attack {
    /// Whether Hookwarden may answer so.
    pub(super) fn expects(&self, reason: Reason) -> bool {
        self.reasons.iter().any(|set| set.contains(&reason))
    }
}

/// Why an attack cannot be tried here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skip(pub(super) String);

impl Skip {
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// What makes the requests of an attack, one a connection.
pub(super) type Maker = fn(&Forge<'_>) -> Result<Vec<Shot>, Skip>;

/// How an attack is made, and what its success is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Probe {
    /// Each must be refused: a 2xx is a success.
    Refused(Maker),
    /// The same, where a 2xx may be another page's: it counts only when it says what a genuine message is answered with.
    Alike(Maker),
    /// Each is ambiguous: a 2xx is a success, and so are two answers.
    Ambiguous(Maker),
    /// Each holds two requests, a genuine one and another: a 2xx to the second is a success.
    Second(Maker),
    /// The answer must not hold any of the shot's texts.
    Tells(Maker),
    /// The same, where a browser would take the answer for a page.
    Reflects(Maker),
    /// What takes more than single requests.
    Trial(Trial),
}
