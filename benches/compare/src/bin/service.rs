//! The service behind the proxies: reads requests, drops their bodies, answers `200 ok`. One thread.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("usage: service PORT");
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn_local(async { drop(connection(stream).await) });
        }
    };
    LocalSet::new().run_until(serve).await
}

async fn connection(mut stream: TcpStream) -> io::Result<()> {
    let (mut buffer, mut filled) = (vec![0; 64 * 1024], 0);
    loop {
        let head = loop {
            if let Some(head) = find(&buffer[..filled], b"\r\n\r\n") {
                break head + 4;
            }
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                count => filled += count,
            }
        };
        let mut rest = content_length(&buffer[..head]);
        let here = rest.min(filled - head);
        buffer.copy_within(head + here..filled, 0);
        filled -= head + here;
        rest -= here;
        while rest > 0 {
            let most = rest.min(buffer.len());
            match stream.read(&mut buffer[..most]).await? {
                0 => return Ok(()),
                count => rest -= count,
            }
        }
        stream.write_all(ANSWER).await?;
    }
}

fn content_length(head: &[u8]) -> usize {
    let text = std::str::from_utf8(head).unwrap_or_default();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    length.unwrap_or(0)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
