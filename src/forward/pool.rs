//! Idle connections to the services, kept per worker: no lock, no connection that wanders between threads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::http1::Buffer;
use crate::http1::response::ResponseHead;
use crate::policy::Upstream;

use super::stream::Stream;

/// How long a connection stays idle here. Shorter than the keep-alive of the common servers (gunicorn 2 s, Node and
/// uvicorn 5 s), so that we nearly always close first; a new connection inside the pod costs some 50 µs.
const MAX_IDLE: Duration = Duration::from_millis(1500);

/// The most idle connections a service and worker. A burst's connections beyond that are closed when it is over.
const MAX_KEPT: usize = 128;

/// The most services that are remembered without a connection: their room is used again.
const MAX_SERVICES: usize = 64;

/// A connection with what was read of it.
#[derive(Debug)]
pub struct Connection {
    /// The stream.
    pub stream: Stream,
    /// What was read and not yet used up.
    pub buffer: Buffer,
    /// The head of the last response; its room serves every response that comes over the connection.
    pub head: Box<ResponseHead>,
    /// Whether an earlier exchange went over it.
    pub reused: bool,
}

/// One worker's idle connections.
#[derive(Debug, Default)]
pub struct Pool {
    services: RefCell<Vec<Service>>,
}

#[derive(Debug)]
struct Service {
    upstream: Upstream,
    idle: VecDeque<(Connection, Instant)>,
}

impl Pool {
    /// The connection used last, if there is one that is still open.
    #[must_use]
    pub fn take(&self, upstream: &Upstream, now: Instant) -> Option<Connection> {
        let mut services = self.services.borrow_mut();
        let service = services.iter_mut().find(|service| service.upstream == *upstream)?;
        while let Some((mut connection, since)) = service.idle.pop_back() {
            if now.saturating_duration_since(since) > MAX_IDLE {
                // The ones in front of it are older still.
                service.idle.clear();
                return None;
            }
            if connection.stream.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection on which an exchange has ended cleanly.
    pub fn put(&self, upstream: &Upstream, mut connection: Connection, now: Instant) {
        connection.reused = true;
        let mut services = self.services.borrow_mut();
        let index = services.iter().position(|service| service.upstream == *upstream).unwrap_or_else(|| {
            services.push(Service { upstream: upstream.clone(), idle: VecDeque::new() });
            services.len() - 1
        });
        if let Some(service) = services.get_mut(index) {
            if service.idle.len() >= MAX_KEPT {
                service.idle.pop_front();
            }
            service.idle.push_back((connection, now));
        }
    }

    /// Closes what has been idle for too long; called once in a while.
    pub fn expire(&self, now: Instant) {
        let mut services = self.services.borrow_mut();
        for service in services.iter_mut() {
            service.idle.retain(|(_, since)| now.saturating_duration_since(*since) <= MAX_IDLE);
        }
        // Services that reloads have taken out, or believe for other reasons, do not gather.
        if services.len() > MAX_SERVICES {
            services.retain(|service| !service.idle.is_empty());
        }
    }
}
