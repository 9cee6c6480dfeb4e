//! Connections that wait for the next question, where a request waits for its answer: a new one costs a TLS handshake.
//!
//! Each thread keeps its own, so that no connection wanders to a runtime that does not drive it. Bounded: [`MOST`] a
//! thread, of which the oldest gives way, and none is used after [`IDLE`]. One that is closed by the server meanwhile is
//! found out when it is used, and a new one is made then.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::ClientConfig;

use super::url::Url;

/// The most connections that a thread keeps: a worker has few questions open at once.
const MOST: usize = 4;

/// How long one may have waited: half of what common servers and load balancers wait for.
const IDLE: Duration = Duration::from_secs(30);

/// A connection, whatever it is made of.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Stream for IO {}

/// One that waits.
struct Kept {
    stream: Box<dyn Stream>,
    /// Whose certificates were trusted when it was made.
    trust: Arc<ClientConfig>,
    tls: bool,
    authority: Box<str>,
    since: Instant,
}

thread_local! {
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// A connection to the URL's host that waits, made with the same trust.
pub(super) fn take(trust: &Arc<ClientConfig>, url: &Url, now: Instant) -> Option<Box<dyn Stream>> {
    KEPT.with_borrow_mut(|kept| {
        kept.retain(|kept| now.saturating_duration_since(kept.since) < IDLE);
        let fits = |kept: &Kept| {
            kept.tls == url.is_tls() && *kept.authority == *url.authority() && Arc::ptr_eq(&kept.trust, trust)
        };
        // The one that was used last is the least likely to be closed.
        let index = kept.iter().rposition(fits)?;
        Some(kept.remove(index).stream)
    })
}

/// Keeps a connection on which an exchange has ended cleanly.
pub(super) fn keep(stream: Box<dyn Stream>, trust: &Arc<ClientConfig>, url: &Url, now: Instant) {
    let (trust, tls, authority) = (trust.clone(), url.is_tls(), url.authority().into());
    KEPT.with_borrow_mut(|kept| {
        if kept.len() >= MOST {
            kept.remove(0);
        }
        kept.push(Kept { stream, trust, tls, authority, since: now });
    });
}
