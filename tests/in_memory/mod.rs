//! One worker in this thread: the client's side is an in-memory stream, the service a task on a loopback socket.
//!
//! Everything between the two is the program's own: the policy that the configuration makes of variables, every gate,
//! the pool, the record. So counts of allocations and instructions are those of the way of a request, and no more.

#![allow(clippy::expect_used, reason = "a test or bench that cannot go on says so")]
#![allow(dead_code, reason = "each program that includes this file uses a part of it")]

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use hookwarden::auth::keys::{Key, KeyText};
use hookwarden::auth::sign::{Draft, sample_private, sample_secret, sign};
use hookwarden::clock::Now;
use hookwarden::config::{self, Environment};
use hookwarden::drain::Signals;
use hookwarden::limits::budget::Budgets;
use hookwarden::observe::audit_log::AuditLog;
use hookwarden::observe::metrics::Metrics;
use hookwarden::pipeline::{Connection, Live, Peer, Shared, Worker};
use hookwarden::providers;
use hookwarden::replay::Replay;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// The secret of every route but Discord's, whose keys come in pairs. Base64 with a prefix, since Standard Webhooks wants that and the others take any text.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw==";

/// What the service answers.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One worker, and what it needs.
pub(crate) struct Sidecar {
    worker: Rc<Worker>,
    runtime: Runtime,
    local: LocalSet,
    service: Rc<Service>,
}

/// What the service saw.
#[derive(Default)]
struct Service {
    requests: Cell<usize>,
    keep: Cell<bool>,
    bytes: RefCell<Vec<u8>>,
}

impl Sidecar {
    /// A worker with the routes `/github`, `/stripe`, `/standard_webhooks` and `/discord`, and what the settings add.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (local, service) = (LocalSet::new(), Rc::new(Service::default()));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let upstream = listener.local_addr().expect("an address").to_string();
        local.spawn_local(serve(listener, service.clone()));

        let variable = |(name, value): (&str, &str)| (OsString::from(format!("HOOKWARDEN_{name}")), value.into());
        let base = [("TLS", "off"), ("LISTEN", "127.0.0.1:0"), ("UPSTREAM", &upstream), ("AUDIT_LOG", "off")];
        let public = sample_secret(&providers::find("discord").expect("in the catalogue").scheme, 1);
        let routes = ["github", "stripe", "standard_webhooks", "discord"].into_iter().flat_map(|provider| {
            let field = |field: &str, value: &str| {
                (format!("HOOKWARDEN_ROUTE_{}_{field}", provider.to_uppercase()).into(), value.to_owned().into())
            };
            let secret = if provider == "discord" { &public } else { SECRET };
            [field("PATH", &format!("/{provider}")), field("PROVIDER", provider), field("SECRET", secret)]
        });
        let settings = base.into_iter().map(variable).chain(settings.iter().copied().map(variable));
        let environment = Environment::capture(routes.chain(settings));
        let (config, _) = config::load(&environment).expect("a good configuration");
        Self { worker: Rc::new(worker(config)), runtime, local, service }
    }

    /// Runs one connection: what `client` does with its end of it.
    pub(crate) fn connect<T>(&self, client: impl AsyncFnOnce(DuplexStream) -> T) -> T {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let peer = Peer::new(IpAddr::from([127, 0, 0, 1]));
        let worker = self.worker.clone();
        // A task of its own, as at the door: what wakes it wakes nothing else.
        let served = self.local.spawn_local(async move {
            let signals = Signals::default();
            Connection::new(&worker, far, peer, &signals).serve().await;
        });
        let both = async {
            let result = client(near).await;
            served.await.expect("a connection that ends");
            result
        };
        self.local.block_on(&self.runtime, both)
    }

    /// Sends requests over one connection, each after the answer to the one before. Panics unless all are forwarded.
    pub(crate) fn send_all(&self, requests: &[Vec<u8>]) {
        let before = self.service.requests.get();
        self.connect(async |mut stream| {
            let mut answer = [0; 512];
            for request in requests {
                stream.write_all(request).await.expect("taken");
                let mut len = 0;
                while !answer[..len].ends_with(b"\r\n\r\nok") {
                    let count = stream.read(&mut answer[len..]).await.expect("read");
                    assert!(count > 0, "{}", String::from_utf8_lossy(&answer[..len]));
                    len += count;
                    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..len]));
                }
            }
        });
        assert_eq!(self.service.requests.get() - before, requests.len());
    }

    /// Sends parts over one connection, flushing each, and gives back all that came back and what the service received.
    pub(crate) fn exchange<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> (Vec<u8>, Vec<u8>) {
        self.service.bytes.borrow_mut().clear();
        self.service.keep.set(true);
        let answers = self.connect(async |mut stream| {
            for part in parts {
                // The sidecar may have closed after a refusal.
                if stream.write_all(part).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = stream.shutdown().await;
            let mut answers = Vec::new();
            stream.read_to_end(&mut answers).await.expect("read");
            answers
        });
        self.service.keep.set(false);
        (answers, self.service.bytes.take())
    }

    /// Writes every record that is still on its way.
    pub(crate) fn close_log(&self) {
        self.worker.shared.audit.close();
    }

    /// How many requests the service has seen.
    pub(crate) fn forwarded(&self) -> usize {
        self.service.requests.get()
    }
}

/// As many correctly signed requests as asked for, no two the same, with bodies of that length.
pub(crate) fn signed_requests(provider: &str, count: usize, body_len: usize) -> Vec<Vec<u8>> {
    let found = providers::find(provider).expect("in the catalogue");
    let secret = if provider == "discord" { &sample_private(&found.scheme, 1) } else { SECRET };
    let key = Key::for_signing(&found.scheme, &KeyText::new("1", secret.as_bytes())).expect("a good key");
    (0..count)
        .map(|number| {
            let start = format!(r#"{{"id":"evt_{number:08}","type":"push","fill":""#);
            let fill = "x".repeat(body_len.saturating_sub(start.len() + 2));
            let draft = Draft {
                method: "POST".into(),
                url: format!("https://hooks.example.com/{provider}"),
                headers: vec![("Content-Type".into(), "application/json".into())],
                body: format!("{start}{fill}\"}}").into_bytes(),
            };
            raw(&sign(&found.scheme, &key, draft, Now::read()).expect("signs"))
        })
        .collect()
}

/// A draft as bytes on the wire.
pub(crate) fn raw(draft: &Draft) -> Vec<u8> {
    let path = draft.url.splitn(4, '/').nth(3).unwrap_or_default();
    let mut head = format!("{} /{path} HTTP/1.1\r\nHost: hooks.example.com\r\n", draft.method);
    for (name, value) in &draft.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.extend([&format!("Content-Length: {}", draft.body.len()), "\r\n\r\n"]);
    [head.into_bytes(), draft.body.clone()].concat()
}

fn worker(config: config::Config) -> Worker {
    let config::Config { process, policy } = config;
    let metrics = Metrics::new().expect("no name twice");
    let shared = Shared::new(
        Live::new(policy, &metrics),
        Replay::new(process.replay_max_entries, process.replay_full, Now::read()),
        Budgets::new(process.max_connections, process.max_in_flight, process.max_buffered),
        metrics,
        AuditLog::open(&process.audit_log, process.audit_chain.clone()).expect("opens"),
    );
    let shared = shared.with_limits(&process.limits, Now::read());
    Worker::new(Arc::new(shared), [1, 2])
}

async fn serve(listener: TcpListener, service: Rc<Service>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a socket");
        tokio::task::spawn_local(serve_one(stream, service.clone()));
    }
}

/// Reads one request after the other, by its Content-Length, which is always there in what the sidecar writes.
async fn serve_one(mut stream: TcpStream, service: Rc<Service>) {
    let (mut buffer, mut len) = (vec![0; 256 * 1024], 0);
    loop {
        let Some(whole) = request_len(&buffer[..len]).filter(|whole| *whole <= len) else {
            match stream.read(&mut buffer[len..]).await {
                Ok(count @ 1..) => len += count,
                _ => return,
            }
            continue;
        };
        if service.keep.get() {
            service.bytes.borrow_mut().extend_from_slice(&buffer[..whole]);
        }
        service.requests.set(service.requests.get() + 1);
        buffer.copy_within(whole..len, 0);
        len -= whole;
        if stream.write_all(OK).await.is_err() {
            return;
        }
    }
}

fn request_len(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let name = b"\r\nContent-Length: ";
    let Some(at) = memchr::memmem::find(&bytes[..head], name) else { return Some(head) };
    let digits = bytes[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(head + digits.fold(0, |value, digit| value * 10 + usize::from(digit - b'0')))
}
