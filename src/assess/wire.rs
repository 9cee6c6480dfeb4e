//! Bytes out, bytes back: a client that adds nothing, repairs nothing and never waits longer than it is told.
//!
//! Reading and writing go on at once, for who refuses a large body early answers before it has all of it. A certificate
//! that is not valid ends the matter: a signed message is sent to nobody who could be somebody else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::clock::Now;

use super::answer::{Answer, answers};
use super::message::Shot;
use super::target::Target;

/// The most that is read of what an endpoint says on one connection: metrics of many routes fit.
const MAX_READ: usize = 4 << 20;

/// How long a second answer may take after a first one, where one is looked for.
const LINGER: Duration = Duration::from_secs(1);

/// A connection, whatever carries it.
pub(super) trait Line: AsyncRead + AsyncWrite + Unpin {}

impl<IO: AsyncRead + AsyncWrite + Unpin> Line for IO {}

/// How the endpoint is reached.
pub(super) struct Wire {
    addresses: Vec<SocketAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    patience: Duration,
}

/// What was seen of one exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) answers: Vec<Answer>,
    /// How many bytes came back.
    pub(super) bytes: usize,
    /// Whether the peer ended the connection.
    pub(super) closed: bool,
    /// Why there was no exchange at all.
    pub(super) fault: Option<String>,
}

impl Seen {
    fn fault(error: &io::Error) -> Self {
        Self { fault: Some(error.to_string()), ..Self::default() }
    }

    pub(super) fn first(&self) -> Option<&Answer> {
        self.answers.first()
    }

    /// As evidence: numbers and codes, nothing of the text that came back.
    pub(super) fn told(&self) -> String {
        if let Some(fault) = &self.fault {
            return fault.clone();
        }
        let end = if self.closed { "connection closed" } else { "connection left open" };
        let told: Vec<_> = self.answers.iter().map(told).collect();
        match told.as_slice() {
            [] if self.bytes > 0 => format!("{} bytes that are no HTTP answer, {end}", self.bytes),
            [] => format!("no answer, {end}"),
            [one] => format!("{one}, {} bytes, {end}", self.bytes),
            several => format!("{} answers: {}, {} bytes, {end}", several.len(), several.join(" and "), self.bytes),
        }
    }
}

fn told(answer: &Answer) -> String {
    match answer.reason() {
        // The word is the endpoint's: it is shown only as far as it can be one of ours.
        Some(reason) if reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && reason.len() < 40 => {
            format!("status {} ({reason})", answer.status)
        }
        _ => format!("status {}", answer.status),
    }
}

impl Wire {
    /// Believes Mozilla's authorities and these.
    pub(super) fn new(
        target: &Target,
        authorities: &[CertificateDer<'static>],
        patience: Duration,
    ) -> Result<Self, String> {
        let tls = if target.tls { Some(tls(&target.host, authorities)?) } else { None };
        Ok(Self { addresses: target.addresses.clone(), tls, patience })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// A bare connection.
    pub(super) async fn plain(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in &self.addresses {
            match timeout(self.patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Without it a piece sent alone would wait for the next.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no connection in time"),
            }
        }
        Err(last)
    }

    /// A connection as a sender has it.
    pub(super) async fn open(&self) -> io::Result<Box<dyn Line>> {
        let stream = self.plain().await?;
        let Some((connector, name)) = &self.tls else { return Ok(Box::new(stream)) };
        let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time");
        let stream = timeout(self.patience, connector.connect(name.clone(), stream)).await.map_err(slow)??;
        Ok(Box::new(stream))
    }

    /// Sends a shot on a connection of its own and reads until that many answers are there, the peer ends it, or
    /// patience does.
    pub(super) async fn send(&self, shot: &Shot, wanted: usize) -> Seen {
        match self.open().await {
            Ok(line) => self.converse(line, shot, wanted).await,
            Err(error) => Seen::fault(&error),
        }
    }

    /// The same on a connection that is there.
    pub(super) async fn converse(&self, line: Box<dyn Line>, shot: &Shot, wanted: usize) -> Seen {
        let deadline = self.deadline();
        let (mut reader, mut writer) = tokio::io::split(line);
        let write = write(&mut writer, shot);
        let read = read(&mut reader, shot.head, wanted, deadline);
        let (_, seen) = tokio::join!(timeout_at(deadline, write), read);
        seen
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::from_std(Now::read().plus(self.patience).instant)
    }
}

/// What cannot be written any more is no fault: who refuses early closes early.
async fn write(writer: &mut WriteHalf<Box<dyn Line>>, shot: &Shot) -> io::Result<()> {
    writer.write_all(&shot.bytes).await?;
    writer.flush().await?;
    if shot.ends { writer.shutdown().await } else { Ok(()) }
}

async fn read(reader: &mut ReadHalf<Box<dyn Line>>, head: bool, wanted: usize, mut deadline: Instant) -> Seen {
    let (mut bytes, mut part) = (Vec::new(), vec![0; 16 << 10]);
    let mut lingers = false;
    loop {
        let Ok(read) = timeout_at(deadline, reader.read(&mut part)).await else {
            return seen(&bytes, head, false);
        };
        // A reset is an end, and so is one without TLS's farewell.
        let count = read.unwrap_or(0);
        bytes.extend_from_slice(part.get(..count).unwrap_or_default());
        if count == 0 || bytes.len() > MAX_READ {
            return seen(&bytes, head, true);
        }
        let so_far = answers(&bytes, head, false).len();
        if so_far >= wanted {
            return seen(&bytes, head, false);
        }
        if so_far > 0 && !lingers {
            lingers = true;
            deadline = deadline.min(Instant::from_std(Now::read().plus(LINGER).instant));
        }
    }
}

fn seen(bytes: &[u8], head: bool, closed: bool) -> Seen {
    Seen { answers: answers(bytes, head, closed), bytes: bytes.len(), closed, fault: None }
}

fn tls(host: &str, authorities: &[CertificateDer<'static>]) -> Result<(TlsConnector, ServerName<'static>), String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(authorities.iter().cloned());
    let failed = |error: rustls::Error| error.to_string();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} is no name of a server"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
