//! A server of keys and tokens on loopback, over TLS: what it answers is chosen byte for byte, and can change at any time.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::GUARD;
use super::client::uninterrupted;
use super::sidecar::Builder;
use super::upstream::spawn;

/// What it does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Closes before it has read anything.
    Refuse,
    /// Says nothing until the asker gives up.
    Hang,
}

impl Answer {
    /// A 200 with that body.
    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::with("", body)
    }

    /// A 200 with those further fields, each with its line's end, and that body.
    pub(crate) fn with(fields: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
        Self::Bytes([head.as_bytes(), body].concat())
    }

    /// A status without a body, and a field.
    pub(crate) fn status(status: u16, field: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {status} Other\r\nContent-Length: 0\r\n{field}\r\n").into_bytes())
    }
}

/// The server.
#[derive(Clone)]
pub(crate) struct KeyServer(Arc<Shared>);

struct Shared {
    directory: TempDir,
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

/// What answers by what was asked.
type Script = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

struct State {
    answer: Answer,
    /// What answers in its place, unless it is asked at a special path.
    script: Option<Script>,
    /// What is answered at one path alone.
    special: Vec<(String, Answer)>,
    asked: Vec<String>,
}

impl KeyServer {
    /// One that answers everything so.
    pub(crate) fn answering(answer: Answer) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), made.cert.pem()).expect("a file");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a good pair");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Mutex::new(State { answer, script: None, special: Vec::new(), asked: Vec::new() });
        let server = Self(Arc::new(Shared { directory, address, state, changed: Condvar::new() }));
        let (server_of_thread, config) = (Arc::downgrade(&server.0), Arc::new(config));
        spawn("key-server", move || {
            while let Ok((stream, _)) = listener.accept() {
                let Some(shared) = server_of_thread.upgrade() else { return };
                let config = config.clone();
                spawn("key-answer", move || shared.serve(stream, config));
            }
        });
        server
    }

    /// A URL on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.0.address.port())
    }

    /// Lets a sidecar trust and reach it.
    pub(crate) fn on(&self, builder: Builder) -> Builder {
        builder.set("FETCH_CA_FILE", self.authority()).set("FETCH_ALLOW_PRIVATE", "true")
    }

    /// The file with its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.0.directory.path().join("ca.pem")
    }

    /// Answers everything so from now on, but for what is answered at a path alone.
    pub(crate) fn answer(&self, answer: Answer) {
        let mut state = self.0.lock();
        (state.answer, state.script) = (answer, None);
    }

    /// Answers by what was asked from now on, a head and its body.
    pub(crate) fn answer_by(&self, script: impl Fn(&str) -> Answer + Send + Sync + 'static) {
        self.0.lock().script = Some(Arc::new(script));
    }

    /// Answers so at that path from now on.
    pub(crate) fn answer_at(&self, path: &str, answer: Answer) {
        let mut state = self.0.lock();
        state.special.retain(|(known, _)| known != path);
        state.special.push((path.to_owned(), answer));
    }

    /// The heads and bodies of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.lock().asked.clone()
    }

    /// Waits until it has been asked that many times.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<String> {
        let (state, timed_out) = self
            .0
            .changed
            .wait_timeout_while(self.0.lock(), GUARD, |state| state.asked.len() < count)
            .expect("no thread has panicked");
        assert!(!timed_out.timed_out(), "asked {} times, not {count}: {:#?}", state.asked.len(), state.asked);
        state.asked.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread has panicked")
    }

    fn serve(&self, stream: TcpStream, config: Arc<ServerConfig>) {
        if self.lock().answer == Answer::Refuse {
            return;
        }
        stream.set_read_timeout(Some(GUARD)).expect("a socket");
        let session = ServerConnection::new(config).expect("a good configuration");
        let mut stream = StreamOwned::new(session, stream);
        let Some(request) = read_request(&mut stream) else { return };
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = {
            let mut state = self.lock();
            let special = state.special.iter().find(|(known, _)| *known == path).map(|(_, answer)| answer.clone());
            let by_script = || state.script.as_ref().map(|script| script(&request));
            let answer = special.or_else(by_script).unwrap_or_else(|| state.answer.clone());
            state.asked.push(request);
            answer
        };
        self.changed.notify_all();
        match answer {
            Answer::Bytes(bytes) => {
                // An asker that has seen enough is gone.
                let _ = stream.write_all(&bytes);
                stream.conn.send_close_notify();
                let _ = stream.flush();
                let _ = stream.sock.shutdown(Shutdown::Write);
            }
            Answer::Refuse => {}
            Answer::Hang => drop(uninterrupted(|| stream.read(&mut [0]))),
        }
    }
}

/// A head and its body, by Content-Length.
fn read_request(stream: &mut impl Read) -> Option<String> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                return Some(text);
            }
        }
        match uninterrupted(|| stream.read(&mut part)) {
            Ok(count @ 1..) => bytes.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
}
