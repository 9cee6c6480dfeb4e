//! The door: a connection is let in when there is room for it, and gets a task of its own.
//!
//! Each worker has its own listening socket on the same port (`SO_REUSEPORT`) and accepts for itself. A connection
//! beyond the budget is told so with a 503 where that costs little, and closed. When draining begins, what waits in the
//! socket's queue is still served: closing the socket would reset it.

pub mod bind;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;

use crate::drain::{Phase, Signals};
use crate::limits::budget::ConnectionPermit;
use crate::pipeline::{Connection, Peer, Refusal, Worker};

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
            Ok((stream, address)) => admit(stream, address, &worker, &connections),
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
            spawn_local(serve(stream, address, worker.clone(), phase.clone(), permit));
        }
        None => {
            if let Some(refusal) = worker.try_refusal() {
                spawn_local(refuse(stream, address, worker.clone(), refusal));
            }
        }
    }
}

/// Tells one client that there is no room. Over TLS a handshake would cost more than the room that is missing.
async fn refuse(stream: TcpStream, address: SocketAddr, worker: Rc<Worker>, _refusal: Refusal) {
    if worker.shared.live().policy.tls.is_none() {
        let signals = Signals::default();
        Connection::new(&worker, stream, peer(address, None), &signals).refuse().await;
    }
}

/// One connection, from its first byte to its end.
async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    worker: Rc<Worker>,
    phase: watch::Receiver<Phase>,
    _permit: ConnectionPermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        // The peer is gone already.
        tracing::debug!(%error, "a new connection could not be set up");
        return;
    }
    let (signals, live) = (Signals::default(), worker.shared.live());
    let Some(config) = live.policy.tls.clone() else {
        let mut connection = Connection::new(&worker, stream, peer(address, None), &signals);
        return signals.accompany(phase, connection.serve()).await;
    };
    let handshake = tls::accept(stream, config, live.policy.timeouts.header).await;
    drop(live);
    worker.shared.metrics.tls_handshake(handshake.is_ok());
    match handshake {
        Ok((stream, version)) => {
            let mut connection = Connection::new(&worker, stream, peer(address, Some(version)), &signals);
            signals.accompany(phase, connection.serve()).await;
        }
        Err(error) => tracing::debug!(%error, source = %address.ip(), "a TLS handshake failed"),
    }
}

fn peer(address: SocketAddr, tls: Option<&'static str>) -> Peer {
    Peer { source: address.ip().to_canonical(), tls }
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
