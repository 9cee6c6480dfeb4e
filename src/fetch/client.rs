//! One bounded HTTPS exchange with a server that configuration names: GET, or something by POST.
//!
//! The wire is the proxy's own (`http1`): its strict parser and its bounds hold for answers, too, and no further HTTP
//! stack is linked for one request an hour. A connection is made to an address that was looked at
//! ([`Reach`]) and to no other, so that a name that is looked up twice cannot lead elsewhere the second time (DNS
//! rebinding); the certificate is the host's of the URL. Every exchange ends within its patience, and its answer has
//! at most so many bytes.
//!
//! Deliberately absent: redirects (what a URL names is what is asked), proxies of the environment (they would be asked
//! instead of what was looked at), cookies, compression.

pub mod call;

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
use super::kept::{self, Stream};
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
    /// The method.
    pub method: &'static str,
    /// The value of an `Authorization` field.
    pub authorization: Option<&'a str>,
    /// A body and its media type.
    pub body: Option<(&'a [u8], &'a str)>,
    /// The tag of what is here already (RFC 9110 section 13.1.2): where it is the same still, the answer says so instead.
    pub etag: Option<&'a str>,
    /// Whether the connection is kept for the next question.
    pub keeps: bool,
    /// The most bytes that the answer's body may have.
    pub most: u64,
    /// How long all of it may take.
    pub patience: Duration,
}

impl<'a> Ask<'a> {
    /// A GET that needs no credentials.
    #[must_use]
    pub const fn get(most: u64, patience: Duration) -> Self {
        Self { method: "GET", authorization: None, body: None, etag: None, keeps: false, most, patience }
    }

    /// The same with something to send, and its media type, by POST; without, it stays as it is.
    #[must_use]
    pub fn posting(self, body: Option<(&'a [u8], &'a str)>) -> Self {
        if body.is_some() { Self { method: "POST", body, ..self } } else { self }
    }
}

/// The media type of forms.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// An answer with status 200, or with 304 where an [`Ask::etag`] was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Its body.
    pub body: Vec<u8>,
    /// Whether it is what is here already, and so has no body.
    pub is_same: bool,
    /// The tag of what it is, where it has one that can be sent back.
    pub etag: Option<Box<str>>,
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
    trust: Arc<ClientConfig>,
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
        Ok(Self { trust: Arc::new(config), reach })
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// Any [`Fault`]; an answer of another status than [`Answer`]'s is one.
    pub async fn ask(&self, url: &Url, ask: Ask<'_>) -> Result<Answer, Fault> {
        let deadline = Now::read().plus(ask.patience).instant;
        match timeout(ask.patience, self.exchange(url, ask, deadline)).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::Slow(ask.patience)),
        }
    }

    /// Over a connection that waits, or a new one: the server may have closed the other meanwhile. No question that is asked
    /// so changes anything at the server, so that it may be asked twice.
    async fn exchange(&self, url: &Url, ask: Ask<'_>, deadline: Instant) -> Result<Answer, Fault> {
        let waiting = if ask.keeps { kept::take(&self.trust, url, Now::read().instant) } else { None };
        if let Some(stream) = waiting {
            match self.over(stream, url, ask, deadline).await {
                // 408: it has grown tired of waiting, and says so.
                Err(Fault::Broken(_) | Fault::Status(408)) => {}
                answer => return answer,
            }
        }
        self.over(self.connect(url).await?, url, ask, deadline).await
    }

    async fn over(
        &self,
        mut stream: Box<dyn Stream>,
        url: &Url,
        ask: Ask<'_>,
        deadline: Instant,
    ) -> Result<Answer, Fault> {
        let (answer, is_clean) = speak(&mut stream, url, ask, deadline).await?;
        if ask.keeps && is_clean {
            kept::keep(stream, &self.trust, url, Now::read().instant);
        }
        Ok(answer)
    }

    /// Connects, and shakes hands where the URL says so.
    async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, Fault> {
        let stream = self.dial(url).await?;
        if !url.is_tls() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(url.host().to_owned()).map_err(|error| Fault::Tls(io::Error::other(error)))?;
        let tls = TlsConnector::from(self.trust.clone());
        Ok(Box::new(tls.connect(name, stream).await.map_err(Fault::Tls)?))
    }

    /// Connects to the first address that may be connected to and takes it.
    async fn dial(&self, url: &Url) -> Result<TcpStream, Fault> {
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

/// Asks over a connection; the answer, and whether the connection can serve another question.
async fn speak<IO: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut IO,
    url: &Url,
    ask: Ask<'_>,
    deadline: Instant,
) -> Result<(Answer, bool), Fault> {
    let mut buffer = Buffer::new();
    let head = send(stream, &mut buffer, url, ask).await?;
    let is_same = match head.status {
        200 => false,
        304 if ask.etag.is_some() => true,
        status @ 300..400 => return Err(Fault::Redirect(status)),
        status => return Err(Fault::Status(status)),
    };
    let (max_age, etag) = (max_age_of(&head, buffer.bytes()), etag_of(&head, buffer.bytes()));
    let (body, end) = body_of(stream, &mut buffer, &head, ask, deadline).await?;
    // What came behind the answer is nobody's.
    let is_clean = head.keep_alive && end == buffer.len();
    Ok((Answer { body, is_same, etag, max_age }, is_clean))
}

/// Asks, and waits for the head of the answer.
async fn send<IO: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut IO,
    buffer: &mut Buffer,
    url: &Url,
    ask: Ask<'_>,
) -> Result<ResponseHead, Fault> {
    let head = request_head(url, ask);
    let body = ask.body.map_or(&b""[..], |(body, _)| body);
    write_all(stream, [head.as_bytes(), body]).await.map_err(Fault::Broken)?;
    final_head(stream, buffer, ask.method.as_bytes()).await
}

/// The body of an answer, and where it ends in the buffer.
async fn body_of<IO: AsyncRead + Unpin>(
    stream: &mut IO,
    buffer: &mut Buffer,
    head: &ResponseHead,
    ask: Ask<'_>,
    deadline: Instant,
) -> Result<(Vec<u8>, usize), Fault> {
    match head.body {
        BodyEnd::Close => Ok((until_close(stream, buffer, head.len, ask.most).await?, usize::MAX)),
        BodyEnd::None => Ok((Vec::new(), head.len)),
        BodyEnd::Length(length) => framed(stream, buffer, head.len, Framing::Length(length), ask, deadline).await,
        BodyEnd::Chunked => framed(stream, buffer, head.len, Framing::Chunked, ask, deadline).await,
    }
}

/// The longest tag that is kept.
const MAX_ETAG: usize = 256;

/// The tag of an answer (RFC 9110 section 8.8.3), weak or strong, where it has one of visible characters.
fn etag_of(head: &ResponseHead, bytes: &[u8]) -> Option<Box<str>> {
    let (_, value) = head.fields(bytes).find(|(name, _)| name.eq_ignore_ascii_case(b"etag"))?;
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_ETAG)?;
    let quoted = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?.strip_suffix('"')?;
    quoted.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"').then(|| text.into())
}

fn max_age_of(head: &ResponseHead, bytes: &[u8]) -> Option<Duration> {
    let mut fields = head.fields(bytes).filter(|(name, _)| name.eq_ignore_ascii_case(b"cache-control"));
    fields.find_map(|(_, value)| super::schedule::max_age(value))
}

/// Wiped when it is dropped: it may hold a credential.
fn request_head(url: &Url, ask: Ask<'_>) -> Zeroizing<String> {
    // Room for all of it: a text that grows leaves copies of a credential behind.
    let room = 256 + MAX_ETAG + url.as_str().len() * 2 + ask.authorization.map_or(0, str::len);
    let mut head = Zeroizing::new(String::with_capacity(room));
    // Writing to a text does not fail.
    let _ = write!(
        head,
        "{} {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json, */*;q=0.5\r\nUser-Agent: hookwarden/{}\r\n",
        ask.method,
        url.target(),
        url.authority(),
        env!("CARGO_PKG_VERSION"),
    );
    if !ask.keeps {
        head.push_str("Connection: close\r\n");
    }
    if let Some(etag) = ask.etag {
        let _ = write!(head, "If-None-Match: {etag}\r\n");
    }
    if let Some(authorization) = ask.authorization {
        let _ = write!(head, "Authorization: {authorization}\r\n");
    }
    if let Some((body, kind)) = ask.body {
        let _ = write!(head, "Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    head
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

/// A body that its framing ends, and where that is in the buffer.
async fn framed<IO: AsyncRead + Unpin>(
    stream: &mut IO,
    buffer: &mut Buffer,
    start: usize,
    framing: Framing,
    ask: Ask<'_>,
    deadline: Instant,
) -> Result<(Vec<u8>, usize), Fault> {
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
    Ok((body.span().get(buffer.bytes()).to_vec(), body.next_request()))
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
