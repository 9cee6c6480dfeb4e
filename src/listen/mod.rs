//! The door: a connection is let in when there is room for it, and gets a task of its own.
//!
//! Each worker has its own listening socket on the same port (`SO_REUSEPORT`) and accepts for itself. A connection
//! beyond the budget is told so with a 503 where that costs little, and closed. When draining begins, what waits in the
//! socket's queue is still served: closing the socket would reset it.

pub mod bind;
pub mod proxy_protocol;
pub mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;

use crate::clock::Now;
use crate::drain::{Phase, Signals};
use crate::limits::budget::ConnectionPermit;
use crate::limits::per_source::SourcePermit;
use crate::observe::metrics::ProxyHeader;
use crate::pipeline::{Connection, Peer, Refusal, Worker};
use crate::policy::Policy;

/// The pause after a failed accept: out of descriptors, most likely, and asking again at once would only spin.
const BACK_OFF: Duration = Duration::from_millis(50);

/// Accepts until draining begins. The connections' tasks live on.
pub async fn run(listener: TcpListener, worker: Rc<Worker>, mut phase: watch::Receiver<Phase>) {
    let connections = phase.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase >= Phase::Draining) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                admit(stream, address, &worker, &connections);
                if worker.make_room() {
                    tokio::task::yield_now().await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
    if let Err(error) = serve_waiting(listener, &worker, &connections) {
        tracing::warn!(%error, "connections that waited to be accepted may have been lost");
    }
}

/// Lets in what waits in the socket's queue, then closes it.
fn serve_waiting(listener: TcpListener, worker: &Rc<Worker>, phase: &watch::Receiver<Phase>) -> io::Result<()> {
    let listener = listener.into_std()?;
    while let Ok((stream, address)) = listener.accept() {
        stream.set_nonblocking(true)?;
        admit(TcpStream::from_std(stream)?, address, worker, phase);
    }
    Ok(())
}

fn admit(stream: TcpStream, address: SocketAddr, worker: &Rc<Worker>, phase: &watch::Receiver<Phase>) {
    match worker.shared.budgets.try_connection() {
        Some(permit) => {
            // Boxed here: on its way into a task it would be copied half a dozen times.
            spawn_local(Box::pin(serve(stream, address, worker.clone(), phase.clone(), permit)));
        }
        None => {
            if let Some(refusal) = worker.try_refusal() {
                spawn_local(refuse(stream, address, worker.clone(), refusal));
            }
        }
    }
}

/// A connection's part of what its source may have open.
enum Share {
    /// It has one, for as long as this lives.
    Held(#[expect(dead_code, reason = "held for its count")] SourcePermit),
    /// There is no bound. A trusted proxy's own address has none, since it stands for many sources.
    Unbounded,
}

/// `None`: the source has as many connections as it may.
fn share(worker: &Worker, policy: &Policy, source: IpAddr) -> Option<Share> {
    match &worker.shared.limits.per_source {
        Some(all) if !policy.front.trusts(source) => all.try_connection(source.into()).map(Share::Held),
        _ => Some(Share::Unbounded),
    }
}

/// Tells one client that there is no room. Over TLS a handshake would cost more than the room that is missing.
async fn refuse(stream: TcpStream, address: SocketAddr, worker: Rc<Worker>, _refusal: Refusal) {
    if worker.shared.live().policy.tls.is_none() {
        let signals = Signals::default();
        Connection::new(&worker, stream, Peer::new(address.ip()), &signals).refuse().await;
    }
}

/// One connection, from its first byte to its end.
async fn serve(
    mut stream: TcpStream,
    address: SocketAddr,
    worker: Rc<Worker>,
    phase: watch::Receiver<Phase>,
    _permit: ConnectionPermit,
) {
    let (signals, live) = (Signals::default(), worker.shared.live());
    let Some(mut peer) = introduced(&mut stream, address.ip(), &worker, &live.policy).await else { return };
    let Some(_share) = share(&worker, &live.policy, peer.address) else {
        if live.policy.tls.is_none() {
            Connection::new(&worker, stream, peer, &signals).refuse().await;
        }
        return;
    };
    let Some(config) = live.policy.tls.clone() else {
        drop(live);
        let mut connection = Connection::new(&worker, stream, peer, &signals);
        return signals.accompany(phase, pin!(connection.serve())).await;
    };
    let (limits, counts) = (&worker.shared.limits, !live.policy.front.trusts(peer.address));
    if counts && limits.is_used_up(peer.address, Now::read()) {
        // Closed without a word: an answer would cost the handshake that is being saved.
        return;
    }
    let handshake = tls::accept(stream, config, live.policy.clients.as_ref(), live.policy.timeouts.header).await;
    drop(live);
    worker.shared.metrics.tls_handshake(handshake.is_ok());
    if handshake.is_err() && counts {
        limits.count_handshake(peer.address, Now::read());
    }
    match handshake {
        Ok(tls::Secured { stream, version, client }) => {
            (peer.tls, peer.client) = (Some(version), client.map(Arc::new));
            let mut connection = Connection::new(&worker, stream, peer, &signals);
            signals.accompany(phase, pin!(connection.serve())).await;
        }
        Err(tls::Failed::Plaintext(stream)) => tls::tell_plaintext(stream).await,
        Err(error) => tracing::debug!(%error, source = %peer.address, "a TLS handshake failed"),
    }
}

/// Who is at the other end: whom a trusted proxy names in the header that the connection begins with, where connections
/// do. `None`: nobody who may be let in. There is no answer: a proxy would pass it on as the service's.
async fn introduced(stream: &mut TcpStream, address: IpAddr, worker: &Worker, policy: &Policy) -> Option<Peer> {
    let Some(version) = policy.front.proxy_protocol else { return Some(Peer::new(address)) };
    if !policy.front.trusts(address) {
        worker.shared.metrics.proxy_header(ProxyHeader::Untrusted);
        tracing::debug!(source = %address, "closed: only trusted proxies may connect while PROXY_PROTOCOL is on");
        return None;
    }
    let reading = proxy_protocol::read(stream, version);
    let read = tokio::time::timeout(policy.timeouts.header, reading).await;
    match read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(header) => {
            worker.shared.metrics.proxy_header(ProxyHeader::Read);
            Some(Peer { tls_by_proxy: header.tls, ..Peer::new(header.source.unwrap_or(address)) })
        }
        Err(error) => {
            worker.shared.metrics.proxy_header(ProxyHeader::Malformed);
            tracing::debug!(%error, source = %address, "closed: no PROXY header");
            None
        }
    }
}

/// What can go wrong at the door before anything is served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct CannotListen {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub error: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call's future takes.
    fn size<A, B, C, D, E, F>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    /// Each connection has such a future for as long as it is open, most of the time for nothing. One that is handed on by
    /// value in its depths, instead of being pinned there, takes its room twice.
    #[test]
    fn a_connection_takes_little_room() {
        let taken = size(serve);
        assert!(taken <= 6 * 1024, "{taken} bytes");
    }
}
