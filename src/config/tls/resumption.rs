//! What TLS sessions are resumed by. It outlives a reload, so that a new certificate does not make every sender shake
//! hands in full; but not a change of whom client certificates must come from or of what is revoked, since rustls resumes
//! a session with the certificate that was good when it began.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::Ticketer;
use tokio_rustls::rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::policy::TrustDigest;

/// Sessions of clients that take no tickets, remembered at most: a few hundred bytes each, and the oldest give way.
const SESSIONS: usize = 1024;

/// Keys of tickets and remembered sessions. Tickets are sealed by keys of this process alone, which rotate every 6 hours.
#[derive(Debug, Clone)]
pub(in crate::config) struct Resumption {
    trust: Option<TrustDigest>,
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
}

impl Resumption {
    /// The last one, if client certificates are still judged the same; else a new one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn kept(last: Option<Self>, trust: Option<TrustDigest>) -> Result<Self, rustls::Error> {
        match last.filter(|last| last.trust == trust) {
            Some(last) => Ok(last),
            None => Ok(Self { trust, tickets: Ticketer::new()?, sessions: ServerSessionMemoryCache::new(SESSIONS) }),
        }
    }

    /// Has a listener resume by it.
    pub(super) fn put_into(&self, config: &mut ServerConfig) {
        config.ticketer = self.tickets.clone();
        config.session_storage = self.sessions.clone();
    }
}
