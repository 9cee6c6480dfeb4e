//! How much: what all connections together, one source, one route and one credential may use.
//!
//! Two rate gates on purpose: the one by source, before anything is parsed, bounds what strangers cost; those by route
//! and credential, after the claim, bound what known senders cost. A route's rate ahead of authentication would let a
//! stranger use up the honest sender's share. Everything here is off unless it was asked for, save the budgets.

pub mod budget;
pub mod lockout;
pub mod per_source;
pub mod rate;
pub mod source;

mod table;

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Now;

use lockout::{Lockouts, Rule};
use per_source::PerSource;
use rate::{ByRoute, BySource, Rate};

/// What limits hold, for the life of the process.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Requests of one source.
    pub rate_per_source: Option<Rate>,
    /// When a source is locked out.
    pub lockout: Option<Rule>,
    /// Sources that are remembered, at most and for each of the two above.
    pub max_sources: usize,
    /// Open connections of one source, at most.
    pub connections_per_source: Option<usize>,
    /// Requests over one connection, at most.
    pub requests_per_connection: u64,
}

impl Default for Terms {
    /// No limits.
    fn default() -> Self {
        Self {
            rate_per_source: None,
            lockout: None,
            max_sources: 0,
            connections_per_source: None,
            requests_per_connection: u64::MAX,
        }
    }
}

/// The limits beside the budgets, and what is used of them.
#[derive(Debug)]
pub struct Limits {
    /// Requests of one source.
    pub sources: Option<BySource>,
    /// Who is locked out.
    pub lockouts: Option<Lockouts>,
    /// Connections of one source.
    pub per_source: Option<Arc<PerSource>>,
    /// Proven requests of one route and one credential.
    pub routes: ByRoute,
    /// Requests over one connection, at most.
    pub requests_per_connection: u64,
}

impl Limits {
    /// Nothing used yet, on that many routes.
    #[must_use]
    pub fn new(terms: &Terms, routes: usize, now: Now) -> Self {
        Self {
            sources: terms.rate_per_source.map(|rate| BySource::new(rate, terms.max_sources, now)),
            lockouts: terms.lockout.map(|rule| Lockouts::new(rule, terms.max_sources, now)),
            per_source: terms.connections_per_source.map(PerSource::new),
            routes: ByRoute::new(routes, now),
            requests_per_connection: terms.requests_per_connection,
        }
    }

    /// Whether a source has used up its rate, so that a TLS handshake with it would be for nothing.
    #[must_use]
    pub fn is_used_up(&self, source: IpAddr, now: Now) -> bool {
        self.sources.as_ref().is_some_and(|sources| sources.is_used_up(source.into(), now))
    }

    /// Counts a TLS handshake that failed, or that no request followed, as a request.
    pub fn count_handshake(&self, source: IpAddr, now: Now) {
        if let Some(sources) = &self.sources {
            // Whether there was room for it is asked before the next one.
            let _ = sources.take(source.into(), now);
        }
    }
}
