//! The service's answer on its way back: streamed with bounded buffers, its framing checked and made anew.

use std::io;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncWrite;

use crate::drain::patiently;
use crate::http1::chunked::Decoder;
use crate::http1::encode::{chunk_size, decimal, field, is_nominated, number_field};
use crate::http1::response::{BodyEnd, ResponseHead};
use crate::http1::write::write_all;

use super::{Answering, Connection, in_one_piece};

/// What the client can take.
#[derive(Debug, Clone, Copy)]
pub struct Client<'e> {
    /// Whether it speaks HTTP/1.1, and so knows chunks and interim responses.
    pub http11: bool,
    /// Whether the connection to it stays open afterwards.
    pub keep_alive: bool,
    /// The longest wait for either side between two parts of the body.
    pub pause: Duration,
    /// A field of the request that the response repeats, in the place of one that the service may have sent.
    pub echo: Option<(&'e str, &'e [u8])>,
}

/// How the relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of the response reached the client.
    Whole,
    /// The service's body ended early, broke its framing or stalled; the client was left with a part.
    Cut,
    /// The client stopped reading.
    ClientGone,
}

/// Whether a body that ends with the service's connection is sent on in chunks.
fn is_chunked(body: BodyEnd, client: &Client<'_>) -> bool {
    client.http11 && matches!(body, BodyEnd::Chunked | BodyEnd::Close)
}

/// Whether the client can tell the response's end only by the connection's.
#[must_use]
pub fn must_close(body: BodyEnd, client: &Client<'_>) -> bool {
    !client.http11 && matches!(body, BodyEnd::Chunked | BodyEnd::Close)
}

/// Sends an interim response on. Its errors show up again when the final one is sent.
pub async fn interim<IO: AsyncWrite + Unpin>(
    answering: &Answering,
    io: &mut IO,
    out: &mut BytesMut,
    client: &Client<'_>,
) {
    out.clear();
    write_head(out, answering.head(), answering.connection.buffer.bytes(), client);
    let _ = patiently(client.pause, write_all(io, [out])).await;
}

/// Sends the final response on. `out` is scratch.
pub async fn relay<IO: AsyncWrite + Unpin>(
    answering: &mut Answering,
    io: &mut IO,
    out: &mut BytesMut,
    client: &Client<'_>,
) -> End {
    out.clear();
    write_head(out, answering.head(), answering.connection.buffer.bytes(), client);
    let connection = &mut answering.connection;
    connection.buffer.consume(connection.head.len);
    match connection.head.body {
        BodyEnd::None => to_client(io, [out, b"", b""], client).await.err().unwrap_or(End::Whole),
        BodyEnd::Length(length) => by_length(connection, length, io, out, client).await,
        BodyEnd::Chunked => by_chunks(connection, io, out, client).await,
        BodyEnd::Close => until_close(connection, io, out, client).await,
    }
}

/// Whether another request may follow on the service's connection.
#[must_use]
pub fn is_reusable(answering: &Answering, end: End) -> bool {
    answering.sent_whole && answering.head().keep_alive && end == End::Whole && answering.connection.buffer.is_empty()
}

fn write_head(out: &mut BytesMut, head: &ResponseHead, bytes: &[u8], client: &Client<'_>) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(decimal(u64::from(head.status), &mut [0; 20]));
    out.put_u8(b' ');
    out.put_slice(head.phrase.get(bytes));
    out.put_slice(b"\r\n");
    let is_echo = |name: &[u8]| client.echo.is_some_and(|(echo, _)| name.eq_ignore_ascii_case(echo.as_bytes()));
    head.copy_fields(bytes, out, |name| !is_echo(name) && !is_named_by_connection(name, head, bytes));
    if let Some((name, value)) = client.echo {
        field(out, name.as_bytes(), value);
    }
    if let Some(length) = head.length.filter(|_| head.status >= 200 && head.status != 204) {
        number_field(out, b"Content-Length", length);
    }
    if is_chunked(head.body, client) {
        out.put_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if !client.keep_alive && !head.is_interim() {
        out.put_slice(b"Connection: close\r\n");
    }
    out.put_slice(b"\r\n");
}

fn is_named_by_connection(name: &[u8], head: &ResponseHead, bytes: &[u8]) -> bool {
    let connection = head.fields(bytes).filter(|(name, _)| name.eq_ignore_ascii_case(b"connection"));
    head.nominates && is_nominated(name, connection.map(|(_, value)| value))
}

async fn by_length<IO: AsyncWrite + Unpin>(
    connection: &mut Connection,
    length: u64,
    io: &mut IO,
    out: &mut BytesMut,
    client: &Client<'_>,
) -> End {
    let mut left = length;
    loop {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(connection.buffer.len());
        let part = connection.buffer.bytes().get(..here).unwrap_or_default();
        let part = in_one_piece(out, part);
        if let Err(end) = to_client(io, [out, part, b""], client).await {
            return end;
        }
        out.clear();
        connection.buffer.consume(here);
        left -= here as u64;
        if left == 0 {
            return End::Whole;
        }
        if !matches!(from_service(connection, client).await, Ok(1..)) {
            return End::Cut;
        }
    }
}

async fn by_chunks<IO: AsyncWrite + Unpin>(
    connection: &mut Connection,
    io: &mut IO,
    out: &mut BytesMut,
    client: &Client<'_>,
) -> End {
    let mut decoder = Decoder::default();
    loop {
        let Ok(decoded) = decoder.decode(connection.buffer.bytes_mut()) else { return End::Cut };
        let part = connection.buffer.bytes().get(..decoded.written).unwrap_or_default();
        if let Err(end) = send_part(io, out, part, decoded.done, client).await {
            return end;
        }
        connection.buffer.consume(decoded.read);
        if decoded.done {
            return End::Whole;
        }
        if !matches!(from_service(connection, client).await, Ok(1..)) {
            return End::Cut;
        }
    }
}

async fn until_close<IO: AsyncWrite + Unpin>(
    connection: &mut Connection,
    io: &mut IO,
    out: &mut BytesMut,
    client: &Client<'_>,
) -> End {
    let mut done = false;
    loop {
        if let Err(end) = send_part(io, out, connection.buffer.bytes(), done, client).await {
            return end;
        }
        if done {
            return End::Whole;
        }
        connection.buffer.truncate(0);
        match from_service(connection, client).await {
            Ok(count) => done = count == 0,
            Err(_) => return End::Cut,
        }
    }
}

/// Sends what is in `out`, then a part of a body of unknown length, then, if it was the last part, the end.
async fn send_part<IO: AsyncWrite + Unpin>(
    io: &mut IO,
    out: &mut BytesMut,
    part: &[u8],
    last: bool,
    client: &Client<'_>,
) -> Result<(), End> {
    if client.http11 && !part.is_empty() {
        chunk_size(out, part.len());
    }
    let after: &[u8] = match (client.http11, part.is_empty(), last) {
        (false, _, _) | (true, true, false) => b"",
        (true, false, false) => b"\r\n",
        (true, true, true) => b"0\r\n\r\n",
        (true, false, true) => b"\r\n0\r\n\r\n",
    };
    to_client(io, [out, part, after], client).await?;
    out.clear();
    Ok(())
}

async fn to_client<IO: AsyncWrite + Unpin>(io: &mut IO, parts: [&[u8]; 3], client: &Client<'_>) -> Result<(), End> {
    match patiently(client.pause, write_all(io, parts)).await {
        Some(Ok(())) => Ok(()),
        _ => Err(End::ClientGone),
    }
}

async fn from_service(connection: &mut Connection, client: &Client<'_>) -> io::Result<usize> {
    match patiently(client.pause, connection.buffer.fill(&mut connection.stream)).await {
        Some(read) => read,
        None => Err(io::ErrorKind::TimedOut.into()),
    }
}
