//! A receiver of webhooks as a service would have it, with one fault of its own choosing or with none.
//!
//! It takes four kinds of messages at `/hooks`: GitHub's, those of Standard Webhooks, Plaid's tokens and bearer tokens.
//! Its checks are written by hand, and use nothing of what is assessed but the hash and the public key.

use std::collections::HashSet;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use flate2::read::MultiGzDecoder;
use hookwarden::auth::mac::Mac;
use hookwarden::auth::scheme::Algorithm;
use hookwarden::auth::signature::{EcdsaForm, PublicKey, SignatureAlgorithm, Strength};
use hookwarden::clock::Now;
use serde_json::Value;

use crate::wire::{Reader, Request, answer, decoded};

/// What a receiver does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named for what it does")]
pub(crate) enum Fault {
    None,
    // Whether it checks.
    NoVerification,
    EmptySkipped,
    FormOnly,
    EmptySecret,
    DefaultSecret,
    Loose,
    FromQuery,
    AlgNone,
    PublicAsSecret,
    DecodesOnly,
    AnyEnd,
    NoEnd,
    AnyAudience,
    AnyIssuer,
    BelievesKey,
    FindsKey,
    EmptyBodySkipped,
    // How it compares.
    Prefix,
    FirstEight,
    LastEight,
    StartsWith,
    IgnoresCase,
    FoldsWidth,
    AnyHash,
    AnyLabel,
    FirstField,
    LastField,
    ByteByByte,
    // What it compares.
    Unpacks,
    UnpacksAll,
    Reserialised,
    Trimmed,
    // When.
    NoTimestamp,
    UnlimitedWindow,
    NoFuture,
    NoMemory,
    MemoryOfIds,
    MemoryOfBytes,
    WritesBehind,
    // Around the check.
    BelievesVerdicts,
    FoldsNames,
    BelievesSource,
    Override,
    AnyMethod,
    NormalisesPath,
    DebugSwitch,
    JsonOnly,
    SignsChallenges,
    EchoesHtml,
    TellsSignature,
    Traces,
    Upgrades,
    OnceAConnection,
    // How it reads.
    LengthOverChunks,
    ChunksOverLength,
    LaxCoding,
    FirstLength,
    LastLength,
    LaxLength,
    BareLineEnds,
    LaxChunks,
    MergesTrailers,
    ShortBody,
    AnyHost,
    AnyVersion,
    NoLimit,
    NoTimeout,
}

/// A receiver that listens until the test ends.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
}

struct Shared {
    provider: &'static str,
    secret: Vec<u8>,
    fault: Fault,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    known: HashSet<Vec<u8>>,
    /// What a lazy one has not written yet.
    pending: Vec<Vec<u8>>,
}

impl Receiver {
    /// `secret` as it is configured: text, `whsec_…`, or the public key as PEM.
    pub(crate) fn start(provider: &'static str, secret: &str, fault: Fault) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let secret = match secret.strip_prefix("whsec_") {
            Some(encoded) => BASE64.decode(encoded.as_bytes()).expect("base64"),
            None => secret.as_bytes().to_vec(),
        };
        let shared = Arc::new(Shared { provider, secret, fault, memory: Mutex::default() });
        named("receiver", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                named("connection", move || serve(&stream, &shared));
            }
        });
        Self { address }
    }
}

pub(crate) fn named(name: &str, work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("a thread");
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = Reader::new(stream, shared.fault);
    let mut checked = false;
    loop {
        let request = match reader.request() {
            Ok(request) => request,
            Err(status) => {
                if let Some(status) = status {
                    answer(stream, status, "text/plain", "no", true);
                }
                break;
            }
        };
        let (status, kind, body) = shared.handle(&request, checked);
        checked |= status == 200 && shared.fault == Fault::OnceAConnection;
        let closes = request.closes() || status == 400;
        answer(stream, status, kind, &body, closes);
        if closes {
            break;
        }
    }
    // What the peer still sends is read to its end, or else a reset could overtake the answer.
    let _ = stream.shutdown(Shutdown::Write);
    let mut rest = stream;
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let _ = std::io::copy(&mut rest, &mut std::io::sink());
}

type Said = (u16, &'static str, String);

fn said(status: u16, body: &str) -> Said {
    (status, "text/plain", body.to_owned())
}

impl Shared {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn handle(&self, request: &Request, checked: bool) -> Said {
        if let Some(special) = self.special(request) {
            return special;
        }
        let exact = request.path() == "/hooks";
        let normal = || {
            let path = decoded(request.path()).to_ascii_lowercase().replace("/./", "/").replace("//", "/");
            path.trim_end_matches('/') == "/hooks"
        };
        let found = exact || self.is(Fault::NormalisesPath) && normal();
        if !found {
            return said(404, "no");
        }
        let overridden = request.value("x-http-method-override");
        let method = if self.is(Fault::Override) && !overridden.is_empty() { overridden } else { &request.method };
        if method != "POST" && !matches!(self.fault, Fault::AnyMethod | Fault::Override) {
            return said(405, "no");
        }
        let skips = checked
            || method != "POST"
            || !exact
            || self.is(Fault::JsonOnly) && request.value("content-type") != "application/json"
            || self.is(Fault::DebugSwitch) && request.parameter("skip_verification").is_some()
            || self.is(Fault::EmptyBodySkipped) && request.body.is_empty()
            || self.is(Fault::BelievesSource) && request.value("x-forwarded-for") == "127.0.0.1"
            || self.is(Fault::BelievesVerdicts) && request.value("x-hookwarden-verified") == "true"
            || self.is(Fault::FoldsNames) && request.value("x_hookwarden_verified") == "true"
            || self.is(Fault::NoVerification);
        if !skips {
            if let Err(told) = self.check(request) {
                return said(401, &told);
            }
            if !self.is_new(request) {
                return said(409, "seen before");
            }
        }
        said(200, "ok")
    }

    /// What some answer before anything else.
    fn special(&self, request: &Request) -> Option<Said> {
        match self.fault {
            Fault::SignsChallenges => {
                let token = request.parameter("crc_token")?;
                let tag = BASE64.encode(&self.mac(Algorithm::Sha256, token.as_bytes()));
                Some((200, "application/json", format!("{{\"response_token\":\"sha256={tag}\"}}")))
            }
            Fault::EchoesHtml => Some((200, "text/html", request.parameter("hub.challenge")?)),
            Fault::Traces if request.method == "TRACE" => {
                Some((200, "message/http", String::from_utf8_lossy(&request.bytes).into_owned()))
            }
            Fault::Upgrades if !request.value("upgrade").is_empty() => Some(said(101, "")),
            _ => None,
        }
    }

    fn mac(&self, algorithm: Algorithm, content: &[u8]) -> Vec<u8> {
        mac(algorithm, &self.secret, content)
    }

    /// The check; what a refusal says.
    fn check(&self, request: &Request) -> Result<(), String> {
        let refuse = || Err("no".to_owned());
        if matches!(self.provider, "plaid" | "oauth") {
            return if self.token_holds(request) { Ok(()) } else { refuse() };
        }
        let field = if self.provider == "github" { "x-hub-signature-256" } else { "webhook-signature" };
        let values = request.values(field);
        let from_query = request.parameter("signature").map(|text| format!("sha256={text}"));
        let given = match values.as_slice() {
            [] if self.is(Fault::AnyHash) => request.value("x-hub-signature"),
            [] if self.is(Fault::FromQuery) && from_query.is_some() => from_query.as_deref().unwrap_or_default(),
            [one] => one,
            [first, ..] if self.is(Fault::FirstField) => first,
            [.., last] if self.is(Fault::LastField) => last,
            // None, or several.
            _ => return refuse(),
        };
        if self.provider == "standard_webhooks" && !self.is_fresh(request) {
            return refuse();
        }
        let expected = self.expected(Algorithm::Sha256, &self.secret, request);
        if self.matches(given, &expected, request) {
            return Ok(());
        }
        if self.is(Fault::TellsSignature) { Err(format!("expected {expected}")) } else { refuse() }
    }

    /// The value that a genuine message has.
    fn expected(&self, algorithm: Algorithm, secret: &[u8], request: &Request) -> String {
        let canonical;
        let body = match self.fault {
            Fault::Reserialised => {
                let value: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                canonical = value.to_string().into_bytes();
                &canonical[..]
            }
            Fault::Trimmed => request.body.trim_ascii(),
            Fault::Unpacks | Fault::UnpacksAll if request.value("content-encoding") == "gzip" => {
                canonical = self.unpacked(&request.body);
                &canonical
            }
            _ => &request.body[..],
        };
        if self.provider == "github" {
            return format!("sha256={}", HEXLOWER.encode(&mac(algorithm, secret, body)));
        }
        let (id, time) = (request.value("webhook-id"), request.value("webhook-timestamp"));
        let content = [id.as_bytes(), b".", time.as_bytes(), b".", body].concat();
        format!("v1,{}", BASE64.encode(&mac(algorithm, secret, &content)))
    }

    fn unpacked(&self, body: &[u8]) -> Vec<u8> {
        let most = if self.is(Fault::UnpacksAll) { u64::MAX } else { 1 << 20 };
        let mut unpacked = Vec::new();
        let _ = MultiGzDecoder::new(body).take(most).read_to_end(&mut unpacked);
        unpacked
    }

    fn is_fresh(&self, request: &Request) -> bool {
        let Ok(time) = request.value("webhook-timestamp").parse::<u64>() else {
            return self.is(Fault::NoTimestamp);
        };
        let now = Now::read().unix_seconds();
        let (late, early) = (now.saturating_sub(time) > 300, time.saturating_sub(now) > 300);
        (!late || self.is(Fault::UnlimitedWindow)) && (!early || self.is(Fault::NoFuture))
    }

    fn matches(&self, given: &str, expected: &str, request: &Request) -> bool {
        let at = expected.find(['=', ',']).expect("a label") + 1;
        let (label, right) = expected.split_at(at);
        let text = given.strip_prefix(label);
        let under = |secret: &[u8]| given == self.expected(Algorithm::Sha256, secret, request);
        let same = given == expected;
        same || match self.fault {
            Fault::EmptySkipped => text.is_none_or(str::is_empty),
            Fault::FormOnly | Fault::NoTimestamp => text.is_some_and(|text| text.len() == right.len()),
            Fault::EmptySecret => under(b""),
            Fault::DefaultSecret => under(b"secret"),
            Fault::Loose => matches!(text, Some("null" | "undefined" | "0" | "true")),
            Fault::Prefix => text.is_some_and(|text| !text.is_empty() && right.starts_with(text)),
            Fault::FirstEight => text.is_some_and(|text| text.len() == right.len() && text[..8] == right[..8]),
            Fault::LastEight => text.is_some_and(|text| text.ends_with(&right[right.len() - 8..])),
            Fault::StartsWith => text.is_some_and(|text| text.starts_with(right)),
            Fault::IgnoresCase => given.eq_ignore_ascii_case(expected),
            Fault::ByteByByte => slowly(given, expected),
            Fault::FoldsWidth => given.chars().map(narrow).eq(expected.chars()),
            Fault::AnyLabel => given.split_once(['=', ',']).is_some_and(|(_, text)| text == right),
            Fault::AnyHash => {
                let weak = self.expected(Algorithm::Sha1, &self.secret, request);
                given.split_once('=').map(|(_, text)| text) == weak.split_once('=').map(|(_, text)| text)
            }
            _ => false,
        }
    }

    /// Whether it is the first time; and remembers it.
    fn is_new(&self, request: &Request) -> bool {
        let key = match self.fault {
            Fault::NoMemory => return true,
            // A bearer token comes with many messages.
            _ if self.provider == "oauth" => return true,
            Fault::MemoryOfIds => request.value("x-github-delivery").as_bytes().to_vec(),
            Fault::MemoryOfBytes => [&request.bytes[..], &request.body].concat(),
            // What is signed, which nothing around it changes.
            _ if self.provider == "plaid" => request.value("plaid-verification").as_bytes().to_vec(),
            _ => self.expected(Algorithm::Sha256, &self.secret, request).into_bytes(),
        };
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = &mut *memory;
        if self.is(Fault::WritesBehind) {
            // Written when the next comes: until then it is asked for in vain.
            let (same, others): (Vec<_>, Vec<_>) =
                std::mem::take(&mut memory.pending).into_iter().partition(|k| *k == key);
            memory.known.extend(others);
            memory.pending = same;
            memory.pending.push(key.clone());
            return !memory.known.contains(&key);
        }
        memory.known.insert(key)
    }

    fn token_holds(&self, request: &Request) -> bool {
        let field = if self.provider == "oauth" { "authorization" } else { "plaid-verification" };
        let values = request.values(field);
        let [value] = values.as_slice() else { return false };
        let token = if self.provider == "oauth" { value.strip_prefix("Bearer ").unwrap_or_default() } else { value };
        let parts: Vec<_> = token.split('.').collect();
        let [header, claims, rest @ ..] = parts.as_slice() else { return false };
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap_or_default();
        let header: Value = serde_json::from_slice(&decode(header)).unwrap_or_default();
        let algorithm = header["alg"].as_str().unwrap_or_default();
        if self.is(Fault::DecodesOnly) || self.is(Fault::AlgNone) && algorithm.eq_ignore_ascii_case("none") {
            return true;
        }
        let content = format!("{}.{claims}", parts[0]);
        let signature = decode(rest.first().copied().unwrap_or_default());
        if self.is(Fault::PublicAsSecret) && algorithm == "HS256" {
            return signature == self.mac(Algorithm::Sha256, content.as_bytes());
        }
        if self.is(Fault::FindsKey) && algorithm == "HS256" {
            let found = found(header["kid"].as_str().unwrap_or_default());
            return signature == mac(Algorithm::Sha256, &found, content.as_bytes());
        }
        let pem = str::from_utf8(&self.secret).expect("PEM");
        let configured = PublicKey::from_text(pem, Strength::default()).expect("a key");
        let brought = header["jwk"].as_object().filter(|_| self.is(Fault::BelievesKey));
        let brought = brought.and_then(|key| PublicKey::from_jwk(key, Strength::default()).ok());
        let key = brought.unwrap_or(configured);
        let claims: Value = serde_json::from_slice(&decode(claims)).unwrap_or_default();
        let known = SignatureAlgorithm::jose_named(algorithm).filter(|known| key.fits(*known));
        known.is_some_and(|known| key.verify(known, EcdsaForm::Raw, content.as_bytes(), &signature))
            && rest.len() == 1
            && if self.provider == "plaid" { is_of(&claims, request) } else { self.claims_hold(&claims) }
    }

    fn claims_hold(&self, claims: &Value) -> bool {
        let now = Now::read().unix_seconds();
        let ends = claims["exp"].as_u64();
        ends.map_or(self.is(Fault::NoEnd), |end| now < end || self.is(Fault::AnyEnd))
            && (claims["aud"] == AUDIENCE || self.is(Fault::AnyAudience))
            && (claims["iss"] == ISSUER || self.is(Fault::AnyIssuer))
    }
}

/// What a bearer token must say.
pub(crate) const ISSUER: &str = "https://issuer.test";
pub(crate) const AUDIENCE: &str = "https://hooks.test";

/// Whether Plaid's claims are about this message, and of now.
fn is_of(claims: &Value, request: &Request) -> bool {
    let digest = hookwarden::auth::mac::hash(Algorithm::Sha256, &request.body);
    let now = Now::read().unix_seconds();
    claims["request_body_sha256"].as_str() == Some(&HEXLOWER.encode(digest.as_bytes()))
        && claims["iat"].as_u64().is_some_and(|time| time.abs_diff(now) <= 300)
}

/// The key that a key id leads to: a file's text, or what a query gives that the id was put into.
fn found(kid: &str) -> Vec<u8> {
    match kid.split_once("' UNION SELECT '") {
        Some((_, selected)) => selected.as_bytes().to_vec(),
        None => std::fs::read(format!("/etc/keys/{kid}")).unwrap_or_else(|_| b"no such key".to_vec()),
    }
}

/// Compares as if each byte took a round trip, and stops at the first that is wrong.
fn slowly(given: &str, expected: &str) -> bool {
    let matching = given.bytes().zip(expected.bytes()).take_while(|(one, other)| one == other).count();
    // Nobody sends: waiting for a message is taking time, which is what is wrong here.
    let (_kept, nothing): (Sender<()>, _) = channel();
    let _ = nothing.recv_timeout(Duration::from_millis(2) * u32::try_from(matching).expect("few"));
    given == expected
}

fn mac(algorithm: Algorithm, secret: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Mac::new(algorithm, secret).expect("a hash for HMAC");
    mac.update(content);
    mac.finish().as_bytes().to_vec()
}

/// A full-width digit as a digit.
fn narrow(c: char) -> char {
    match u32::from(c) {
        wide @ 0xff10..=0xff19 => char::from_u32(wide - 0xff10 + u32::from('0')).unwrap_or(c),
        _ => c,
    }
}
