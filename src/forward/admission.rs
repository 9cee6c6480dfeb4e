//! What the forward room demands before it sends anything: proof that every gate has said yes, or that the route's
//! owner has waived them.

use crate::auth::Verified;
use crate::limits::budget::InFlightPermit;
use crate::policy::{Mode, Route};
use crate::replay::Claim;

/// Permission to send one request to the service.
#[derive(Debug)]
pub struct Admission {
    claim: Option<Claim>,
    _permit: InFlightPermit,
    verified: bool,
}

impl Admission {
    /// Proven: authentic, new (unless the route does without claims) and within the budget.
    #[must_use]
    pub fn proven(_proof: &Verified, claim: Option<Claim>, permit: InFlightPermit) -> Self {
        Self { claim, _permit: permit, verified: true }
    }

    /// Waived by a route in monitor mode; `None` for every other route.
    #[must_use]
    pub fn waived(route: &Route, permit: InFlightPermit) -> Option<Self> {
        (route.mode == Mode::Monitor).then_some(Self { claim: None, _permit: permit, verified: false })
    }

    /// Whether the request was proven.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// Takes the claim out, to settle it.
    pub fn take_claim(&mut self) -> Option<Claim> {
        self.claim.take()
    }
}
