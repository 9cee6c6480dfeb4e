//! What a refusal for a rate tells of that rate.

use std::time::Duration;

/// Whose rate it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The sender's address.
    Source,
    /// The route.
    Route,
    /// The credential that proved the request.
    Credential,
}

impl Scope {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Source, Self::Route, Self::Credential];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Route => "route",
            Self::Credential => "credential",
        }
    }
}

/// A rate that was used up: what the `RateLimit-*` fields say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp {
    /// Whose rate it was.
    pub scope: Scope,
    /// How many requests may come at once: the rate's burst.
    pub limit: u32,
    /// When that many may come again.
    pub reset: Duration,
}
