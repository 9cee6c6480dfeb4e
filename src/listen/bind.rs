//! Listening sockets, one a worker, on one port.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::CannotListen;

/// The queue of connections that wait for an accept. The kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Binds `count` sockets to the same address. Port 0 takes a free one, the same for all.
///
/// # Errors
/// The address is in use or cannot be bound.
pub fn sockets(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, CannotListen> {
    let failed = |error| CannotListen { address, error };
    bind_all(address, count).map_err(failed)
}

fn bind_all(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // Without `SO_REUSEPORT` first: another process that shares its port so would otherwise get half of our traffic.
    // The port is ours from here on, and only then shared, with our own sockets.
    let first = bind(address, false)?;
    first.set_reuse_port(count > 1)?;
    let mut sockets = vec![listen(first)?];
    let address = sockets[0].local_addr()?;
    for _ in 1..count {
        sockets.push(listen(bind(address, true)?)?);
    }
    Ok(sockets)
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart need not wait for the connections of the last run to time out.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Handed on to each connection that comes in by Linux and its kin, which spares each a call. Answers leave in one piece;
    // waiting for more would only delay them.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_refused_even_by_those_who_would_share_it() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = sockets(loopback, 2).expect("a free port");
        let taken = first[0].local_addr().expect("an address");
        assert_eq!(first[1].local_addr().expect("an address"), taken);
        assert_eq!(sockets(taken, 2).expect_err("in use").error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn who_comes_in_is_not_made_to_wait_for_more() {
        let sockets = sockets(SocketAddr::from(([127, 0, 0, 1], 0)), 1).expect("a free port");
        let _client = std::net::TcpStream::connect(sockets[0].local_addr().expect("an address")).expect("an open door");
        let (stream, _) = sockets[0].accept().expect("a connection");
        assert!(stream.nodelay().expect("an option"));
    }

    #[test]
    fn each_socket_gets_a_share_of_the_connections() {
        let sockets = sockets(SocketAddr::from(([127, 0, 0, 1], 0)), 2).expect("a free port");
        let address = sockets[1].local_addr().expect("an address");
        // The kernel shares them out by a hash: that all go to one socket is not to be expected before the sun goes out.
        let _clients: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(address).expect("an open door")).collect();
        assert!(sockets.iter().all(|socket| socket.accept().is_ok()));
    }
}
