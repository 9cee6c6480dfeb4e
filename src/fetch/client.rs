//! One bounded HTTPS exchange with a server that configuration names: GET, or something by POST.
//!
//! The wire is the proxy's own (`http1`): its strict parser and its bounds hold for answers, too, and no further HTTP
//! stack is linked for one request an hour. A connection is made to an address that was looked at
//! ([`Reach`]) and to no other, so that a name that is looked up twice cannot lead elsewhere the second time (DNS
//! rebinding); the certificate is the host's of the URL. Every exchange ends within its patience, and its answer has
//! at most so many bytes.
//!
//! Deliberately absent: redirects (what a URL names is what is asked), proxies of the environment (they would be asked
//! instead of what was looked at), cookies, compression, connections that are kept.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use crate::clock::Now;
use crate::deny::Reason;
use crate::http1::body::Body;
use crate::http1::buffer::Buffer;
use crate::http1::framing::Framing;
use crate::http1::head::find_end;
use crate::http1::response::{BodyEnd, ResponseHead};
use crate::http1::write::write_all;

use super::address::Reach;
use super::url::Url;

/// How long one address may take to be connected to: a dead one must not use up the patience for the next.
const CONNECT: Duration = Duration::from_millis(1500);

/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

/// The most interim responses before the final one.
const MAX_INTERIM: usize = 4;

/// What is asked, beside its URL.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The value of an `Authorization` field.
    pub authorization: Option<&'a str>,
    /// A body and its media type, to be sent by POST; else it is a GET.
    pub body: Option<(&'a [u8], &'a str)>,
    /// The most bytes that the answer's body may have.
    pub most: u64,
    /// How long all of it may take.
    pub patience: Duration,
}

impl Ask<'_> {
    /// A GET that needs no credentials.
    #[must_use]
    pub const fn get(most: u64, patience: Duration) -> Self {
        Self { authorization: None, body: None, most, patience }
    }
}

/// The media type of forms.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// An answer with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its body.
    pub body: Vec<u8>,
    /// How long it is good for, where it says.
    pub max_age: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The name cannot be looked up.
    #[error("the host's name cannot be looked up: {0}")]
    Name(io::Error),
    /// It has none but addresses that may not be connected to.
    #[error(
        "the host has no address that may be connected to: private ones need FETCH_ALLOW_PRIVATE (it has {0}, for one)"
    )]
    Address(std::net::IpAddr),
    /// None of its addresses takes a connection.
    #[error("no connection: {0}")]
    Connection(io::Error),
    /// No TLS with it: its certificate is not trusted, say.
    #[error("no TLS: {0}")]
    Tls(io::Error),
    /// It broke off.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// It took too long.
    #[error("no whole answer within {}s", .0.as_secs())]
    Slow(Duration),
    /// The answer is too large.
    #[error("the answer has more than {0} bytes")]
    Large(u64),
    /// What it sent is no response.
    #[error("the answer is not one valid HTTP/1.1 response")]
    Invalid,
    /// It points elsewhere.
    #[error("the answer has status {0}, and redirects are not followed")]
    Redirect(u16),
    /// It has no answer.
    #[error("the answer has status {0}")]
    Status(u16),
    /// It says something that is of no use.
    #[error("the answer {0}")]
    Content(String),
}

/// What asks. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
    reach: Reach,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl Client {
    /// Trusts these authorities, or those of Mozilla's list where there are none: a container without any files of the
    /// system's knows them, too.
    ///
    /// # Errors
    /// TLS cannot be set up, which a test rules out.
    pub fn new(authorities: Option<&[CertificateDer<'static>]>, reach: Reach) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        match authorities {
            Some(authorities) => {
                roots.add_parsable_certificates(authorities.iter().cloned());
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), reach })
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// Any [`Fault`]; an answer of another status than 200 is one.
    pub async fn ask(&self, url: &Url, ask: Ask<'_>) -> Result<Answer, Fault> {
        let deadline = Now::read().plus(ask.patience).instant;
        match timeout(ask.patience, self.exchange(url, ask, deadline)).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::Slow(ask.patience)),
        }
    }

    async fn exchange(&self, url: &Url, ask: Ask<'_>, deadline: Instant) -> Result<Answer, Fault> {
        let stream = self.connect(url).await?;
        if !url.is_tls() {
            return speak(stream, url, ask, deadline).await;
        }
        let name = ServerName::try_from(url.host().to_owned()).map_err(|error| Fault::Tls(io::Error::other(error)))?;
        let stream = self.tls.connect(name, stream).await.map_err(Fault::Tls)?;
        // On the heap: a TLS session in a future makes all that wait for it large.
        Box::pin(speak(stream, url, ask, deadline)).await
    }

    /// Connects to the first address that may be connected to and takes it.
    async fn connect(&self, url: &Url) -> Result<TcpStream, Fault> {
        let found = lookup_host((url.host(), url.port())).await.map_err(Fault::Name)?;
        let found: Vec<SocketAddr> = found.collect();
        let permitted = |address: &&SocketAddr| {
            if url.is_tls() { self.reach.permits(address.ip()) } else { self.reach.permits_plaintext(address.ip()) }
        };
        let mut last = match found.first() {
            None => return Err(Fault::Name(io::ErrorKind::NotFound.into())),
            Some(address) => Fault::Address(address.ip()),
        };
        for address in found.iter().filter(permitted).take(MAX_ADDRESSES) {
            last = match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => Fault::Connection(error),
                Err(_) => Fault::Connection(io::ErrorKind::TimedOut.into()),
            };
        }
        Err(last)
    }
}

async fn speak<IO: AsyncRead + AsyncWrite + Unpin>(
    mut stream: IO,
    url: &Url,
    ask: Ask<'_>,
    deadline: Instant,
) -> Result<Answer, Fault> {
    let (method, head) = request_head(url, ask);
    let body = ask.body.map_or(&b""[..], |(body, _)| body);
    write_all(&mut stream, [head.as_bytes(), body]).await.map_err(Fault::Broken)?;
    let mut buffer = Buffer::new();
    let head = final_head(&mut stream, &mut buffer, method).await?;
    match head.status {
        200 => {}
        status @ 300..400 => return Err(Fault::Redirect(status)),
        status => return Err(Fault::Status(status)),
    }
    let max_age = max_age_of(&head, buffer.bytes());
    let body = match head.body {
        BodyEnd::Close => until_close(&mut stream, &mut buffer, head.len, ask.most).await?,
        BodyEnd::None => Vec::new(),
        BodyEnd::Length(length) => {
            framed(&mut stream, &mut buffer, head.len, Framing::Length(length), ask, deadline).await?
        }
        BodyEnd::Chunked => framed(&mut stream, &mut buffer, head.len, Framing::Chunked, ask, deadline).await?,
    };
    Ok(Answer { body, max_age })
}

fn max_age_of(head: &ResponseHead, bytes: &[u8]) -> Option<Duration> {
    let mut fields = head.fields(bytes).filter(|(name, _)| name.eq_ignore_ascii_case(b"cache-control"));
    fields.find_map(|(_, value)| super::schedule::max_age(value))
}

/// Wiped when it is dropped: it may hold a credential.
fn request_head(url: &Url, ask: Ask<'_>) -> (&'static [u8], Zeroizing<String>) {
    let method = if ask.body.is_some() { "POST" } else { "GET" };
    // Room for all of it: a text that grows leaves copies of a credential behind.
    let room = 256 + url.as_str().len() * 2 + ask.authorization.map_or(0, str::len);
    let mut head = Zeroizing::new(String::with_capacity(room));
    // Writing to a text does not fail.
    let _ = write!(
        head,
        "{method} {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json, */*;q=0.5\r\nUser-Agent: hookwarden/{}\r\nConnection: close\r\n",
        url.target(),
        url.authority(),
        env!("CARGO_PKG_VERSION"),
    );
    if let Some(authorization) = ask.authorization {
        let _ = write!(head, "Authorization: {authorization}\r\n");
    }
    if let Some((body, kind)) = ask.body {
        let _ = write!(head, "Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    (method.as_bytes(), head)
}

/// Reads until the buffer begins with the final response's head.
async fn final_head<IO: AsyncRead + Unpin>(
    stream: &mut IO,
    buffer: &mut Buffer,
    method: &[u8],
) -> Result<ResponseHead, Fault> {
    let (mut seen, mut interim) = (0, 0);
    loop {
        let end = find_end(buffer.bytes(), seen).map_err(|_| Fault::Invalid)?;
        if let Some(bytes) = end.and_then(|end| buffer.bytes().get(..end)) {
            let head = ResponseHead::parse(bytes, method).map_err(|_| Fault::Invalid)?;
            if !head.is_interim() {
                return Ok(head);
            }
            interim += 1;
            if interim > MAX_INTERIM {
                return Err(Fault::Invalid);
            }
            buffer.consume(head.len);
            seen = 0;
            continue;
        }
        seen = buffer.len();
        if buffer.fill(stream).await.map_err(Fault::Broken)? == 0 {
            return Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

async fn framed<IO: AsyncRead + Unpin>(
    stream: &mut IO,
    buffer: &mut Buffer,
    start: usize,
    framing: Framing,
    ask: Ask<'_>,
    deadline: Instant,
) -> Result<Vec<u8>, Fault> {
    let fault = |reason| {
        if reason == Reason::BodyTooLarge {
            Fault::Large(ask.most)
        } else if reason == Reason::MalformedRequest {
            Fault::Invalid
        } else {
            Fault::Broken(io::ErrorKind::UnexpectedEof.into())
        }
    };
    let mut body = Body::new(framing, start, ask.most).map_err(fault)?;
    body.take(buffer).map_err(fault)?;
    while !body.is_whole() {
        let read = timeout_at(deadline.into(), body.read(stream, buffer)).await;
        read.map_err(|_| Fault::Slow(ask.patience))?.map_err(fault)?;
    }
    Ok(body.span().get(buffer.bytes()).to_vec())
}

/// A body that the connection's end ends. TLS tells an end from a cut: one without its farewell is an error.
async fn until_close<IO: AsyncRead + Unpin>(
    stream: &mut IO,
    buffer: &mut Buffer,
    start: usize,
    most: u64,
) -> Result<Vec<u8>, Fault> {
    loop {
        if buffer.len().saturating_sub(start) as u64 > most {
            return Err(Fault::Large(most));
        }
        if buffer.fill(stream).await.map_err(Fault::Broken)? == 0 {
            return Ok(buffer.bytes().get(start..).unwrap_or_default().to_vec());
        }
    }
}
