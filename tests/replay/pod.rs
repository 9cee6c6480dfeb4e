//! One sidecar of several. Unlike the harness's, it may be killed, and its records are looked at when all is over.
#![allow(dead_code, reason = "two test programs include this file, and none uses all of it")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Client, GUARD, Response, Upstream, secret_of};

/// A sidecar with the route `svix`, which ends with the test.
pub(crate) struct Pod {
    child: Mutex<Child>,
    pid: Pid,
    listen: SocketAddr,
    admin: SocketAddr,
    log: Mutex<Log>,
    records: Arc<Mutex<Vec<serde_json::Value>>>,
}

/// The lines of a sidecar's log that nobody has asked for yet.
struct Log {
    /// What it said before it listened: its threads start in any order.
    heard: VecDeque<String>,
    more: Receiver<String>,
}

impl Pod {
    /// Starts one in front of that service, and waits until it listens.
    pub(crate) fn before(upstream: &Upstream, settings: &[(&str, &str)]) -> Self {
        let mut child = command(upstream, settings).spawn().expect("the binary starts");
        let records = Arc::new(Mutex::new(Vec::new()));
        let (kept, audit) = (records.clone(), BufReader::new(child.stdout.take().expect("a pipe")));
        spawn(move || {
            for line in audit.lines().map_while(Result::ok) {
                // A process that is killed may end within a line.
                if let Ok(record) = serde_json::from_str(&line) {
                    kept.lock().expect("a lock").push(record);
                }
            }
        });
        let (sender, log) = channel();
        let text = BufReader::new(child.stderr.take().expect("a pipe"));
        spawn(move || {
            let _ = text.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        });
        let mut log = Log { heard: VecDeque::new(), more: log };
        let (listen, admin) = loop {
            let Ok(line) = log.more.recv_timeout(GUARD) else { panic!("it never listened, but said {:#?}", log.heard) };
            if let (Some(listen), Some(admin)) = (port(&line, "listen="), port(&line, "admin=")) {
                break (listen, admin);
            }
            log.heard.push_back(line);
        };
        Self { pid: Pid::from_child(&child), child: Mutex::new(child), listen, admin, log: Mutex::new(log), records }
    }

    /// What one says that does not start.
    pub(crate) fn refused(upstream: &Upstream, settings: &[(&str, &str)]) -> String {
        let output = command(upstream, settings).output().expect("the binary starts");
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Where webhooks come to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Sends a request over a connection of its own, and reads the answer.
    pub(crate) fn send(&self, request: &[u8]) -> Response {
        Client::connect(self.listen).send(request).read()
    }

    /// Waits for a line of its log.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let mut log = self.log.lock().expect("a lock");
        let mut others = Vec::new();
        loop {
            let next = log.heard.pop_front().or_else(|| log.more.recv_timeout(GUARD).ok());
            let line = next.unwrap_or_else(|| panic!("it never said {text:?}, but {others:#?}"));
            if line.contains(text) {
                return;
            }
            others.push(line);
        }
    }

    /// One GET to the admin port.
    pub(crate) fn ask_admin(&self, path: &str) -> Response {
        let mut client = Client::connect(self.admin);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: admin.test\r\nConnection: close\r\n\r\n").as_bytes());
        client.read_answer_to("GET")
    }

    /// A metric's value.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8(self.ask_admin("/metrics").body).expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// Ends it without warning.
    pub(crate) fn kill(&self) {
        let _ = kill_process(self.pid, Signal::KILL);
    }

    /// Ends it in an orderly way; gives its records.
    pub(crate) fn finish(self) -> Vec<serde_json::Value> {
        kill_process(self.pid, Signal::TERM).expect("it still runs");
        let status = self.child.lock().expect("a lock").wait().expect("a child");
        assert_eq!(status.code(), Some(0));
        // Its end of the pipe is closed: what was written is there as soon as the reader has ended.
        while Arc::strong_count(&self.records) > 1 {
            std::thread::yield_now();
        }
        std::mem::take(&mut *self.records.lock().expect("a lock"))
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let mut child = self.child.lock().expect("a lock");
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn command(upstream: &Upstream, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
    let secret = secret_of("svix");
    let base = [
        ("LISTEN", "127.0.0.1:0"),
        ("ADMIN_LISTEN", "127.0.0.1:0"),
        ("TLS", "off"),
        ("WORKERS", "2"),
        ("UPSTREAM", upstream.address()),
        // No hurry: see the harness. A claim lasts as long as the service may take, so that stays as it is.
        ("HEADER_TIMEOUT", "3m"),
        ("BODY_TIMEOUT", "3m"),
        ("BODY_MIN_RATE", "0"),
        ("IDLE_TIMEOUT", "3m"),
        ("UPSTREAM_CONNECT_TIMEOUT", "30s"),
        ("ROUTE_SVIX_PATH", "/hooks/svix"),
        ("ROUTE_SVIX_PROVIDER", "svix"),
        ("ROUTE_SVIX_SECRET", &secret),
    ];
    // No colours in the log.
    command.arg("run").env_clear().env("NO_COLOR", "1");
    for (name, value) in base.iter().chain(settings) {
        command.env(format!("HOOKWARDEN_{name}"), value);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn port(line: &str, key: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(key)?;
    rest.split_whitespace().next()?.parse().ok()
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("lines".to_owned()).spawn(work).expect("a thread");
}
