//! The real binary: started on ports of its own, watched through its three outputs, ended by signal.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use hookwarden::auth::scheme::SignaturePlace;
use hookwarden::clock::Now;
use hookwarden::deny::Reason;
use hookwarden::providers;
use rustix::process::{Pid, Signal, kill_process};

use super::certificates::Kept;
use super::client::{Client, Response};
use super::outcome::{Metrics, Outcome, Record};
use super::upstream::{Upstream, spawn};
use super::{GUARD, secret_of};

/// A sidecar that is to be started.
pub(crate) struct Builder {
    prelude: String,
    variables: BTreeMap<String, OsString>,
    upstreams: Vec<Upstream>,
    kept: Vec<Kept>,
}

impl Builder {
    /// Sets `HOOKWARDEN_<name>`.
    pub(crate) fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(format!("HOOKWARDEN_{name}"), value.into());
        self
    }

    /// Leaves `HOOKWARDEN_<name>` unset after all.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.variables.remove(&format!("HOOKWARDEN_{name}"));
        self
    }

    /// Sets fields of a route; its name as records have it, in lower case.
    pub(crate) fn route(self, name: &str, fields: &[(&str, &str)]) -> Self {
        let name = name.to_ascii_uppercase();
        fields.iter().fold(self, |builder, (field, value)| builder.set(&format!("ROUTE_{name}_{field}"), *value))
    }

    /// A route named after a provider of the catalogue, at `/hooks/<provider>`, with the secret that `Signer` uses.
    pub(crate) fn provider(self, id: &str) -> Self {
        self.provider_as(id, id, &[])
    }

    /// The same under another name, with further fields.
    pub(crate) fn provider_as(mut self, name: &str, id: &str, fields: &[(&str, &str)]) -> Self {
        let provider = providers::find(id).expect("in the catalogue");
        let scheme = provider.scheme.clone();
        let (secret, mut path) = (secret_of(id), format!("/hooks/{name}"));
        if scheme.signature.place == SignaturePlace::PathSegment {
            path += "/*";
        }
        let mut route = vec![("PATH", path.as_str()), ("PROVIDER", id), ("SECRET", &secret)];
        if scheme.needs_public_url() {
            route.push(("PUBLIC_URL", "https://hooks.test"));
        }
        if scheme.challenges.iter().any(|challenge| challenge.verify_required) {
            route.push(("VERIFY_TOKEN", "a-verify-token"));
        }
        // Some sign for five seconds alone; the usual five minutes are far beyond what any machine takes.
        let short = scheme.timestamp.is_some() && scheme.tolerance < Duration::from_secs(300);
        route.extend(short.then_some(("TOLERANCE", "300s")));
        route.extend(provider.asks().issuer.then_some(("ISSUER", "*")));
        route.extend(provider.asks().audience.then_some(("AUDIENCE", "*")));
        if let Some(kept) = Kept::of(&scheme) {
            let name = name.to_ascii_uppercase();
            self = self.set(&format!("ROUTE_{name}_CERTIFICATES_DIR"), kept.certificates());
            if kept.roots().exists() {
                self = self.set(&format!("ROUTE_{name}_TRUST_ROOTS_FILE"), kept.roots());
            }
            self.kept.push(kept);
        }
        self.route(name, &route).route(name, fields)
    }

    /// With the deadlines that it is shipped with, which [`Sidecar::before`] puts far away: where hurry is the matter.
    pub(crate) fn with_shipped_deadlines(self) -> Self {
        PATIENT.iter().fold(self, |builder, (name, _)| builder.unset(name))
    }

    /// Runs these shell commands first, in the process that then becomes the sidecar: `ulimit`, say.
    pub(crate) fn after(mut self, prelude: &str) -> Self {
        prelude.clone_into(&mut self.prelude);
        self
    }

    /// A further service, which some route's `UPSTREAM` names: what it sees counts too.
    pub(crate) fn also(mut self, upstream: &Upstream) -> Self {
        self.upstreams.push(upstream.clone());
        self
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(self) -> Sidecar {
        let full = self.variables.get("HOOKWARDEN_ERROR_DETAIL").is_some_and(|value| value == "full");
        let mut child = self.command().spawn().expect("the binary starts");
        let records = lines(child.stdout.take().expect("a pipe"));
        let log = lines(child.stderr.take().expect("a pipe"));
        let mut heard = Vec::new();
        let (listen, admin) = ready(&mut child, &log, &mut heard);
        let sidecar = Sidecar {
            child,
            listen,
            admin,
            records,
            log,
            heard: RefCell::new(heard),
            waited: Cell::default(),
            upstreams: self.upstreams,
            kept: self.kept,
            scraped: RefCell::default(),
            recorded: RefCell::default(),
            full,
            about: RefCell::default(),
            anomalies: RefCell::default(),
            audits: RefCell::default(),
            finished: false,
        };
        sidecar.scraped.replace(sidecar.metrics());
        sidecar
    }

    /// Runs it where it is to refuse, to its end.
    pub(crate) fn refuse(self) -> Output {
        self.command().output().expect("the binary starts")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
        if !self.prelude.is_empty() {
            command = Command::new("/bin/sh");
            command.args(["-c", &format!("{}; exec \"$0\" \"$@\"", self.prelude), env!("CARGO_BIN_EXE_hookwarden")]);
        }
        command.arg("run").env_clear().envs(&self.variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// How often a deadline that is short on purpose may be missed by accident.
pub(crate) const ATTEMPTS: usize = 20;

/// Deadlines that no test meets that does not set them itself: a machine that stands still for a while in the midst of a
/// request must not decide what becomes of it.
const PATIENT: &[(&str, &str)] = &[
    ("HEADER_TIMEOUT", "3m"),
    ("BODY_TIMEOUT", "3m"),
    ("BODY_MIN_RATE", "0"),
    ("IDLE_TIMEOUT", "3m"),
    ("UPSTREAM_CONNECT_TIMEOUT", "3m"),
    ("UPSTREAM_TIMEOUT", "3m"),
    ("SHUTDOWN_GRACE", "3m"),
];

/// A sidecar that runs.
pub(crate) struct Sidecar {
    child: Child,
    listen: SocketAddr,
    admin: SocketAddr,
    records: Receiver<String>,
    log: Receiver<String>,
    heard: RefCell<Vec<String>>,
    /// How many of these lines were waited for, or stand before one that was.
    waited: Cell<usize>,
    upstreams: Vec<Upstream>,
    /// Its files live as long as it does.
    kept: Vec<Kept>,
    scraped: RefCell<Metrics>,
    recorded: RefCell<BTreeSet<String>>,
    full: bool,
    about: RefCell<String>,
    anomalies: RefCell<Vec<serde_json::Value>>,
    audits: RefCell<Vec<serde_json::Value>>,
    finished: bool,
}

impl Sidecar {
    /// One in front of that service: plaintext on loopback, ports of its own, one worker, and no hurry.
    pub(crate) fn before(upstream: &Upstream) -> Builder {
        let (variables, upstreams) = (BTreeMap::new(), vec![upstream.clone()]);
        let builder = Builder { prelude: String::new(), variables, upstreams, kept: Vec::new() };
        PATIENT
            .iter()
            .fold(builder, |builder, (name, value)| builder.set(name, *value))
            .set("LISTEN", "127.0.0.1:0")
            .set("ADMIN_LISTEN", "127.0.0.1:0")
            .set("TLS", "off")
            .set("WORKERS", "1")
            .set("UPSTREAM", upstream.address())
    }

    /// Where webhooks come to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Where probes and scrapes come to.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What the system says of the process: a line of `/proc/<pid>/status`, in its unit (KiB, for memory).
    pub(crate) fn status(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it still runs");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("such a line");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it still runs").count()
    }

    /// Stops it where nobody has kept count: it must end with 0 all the same.
    pub(crate) fn end(mut self) {
        self.finished = true;
        self.terminate();
        let status = self.child.wait().expect("a child");
        self.hear_the_rest();
        assert_eq!(status.code(), Some(0), "it stopped with {status}; it said {:#?}", self.heard.borrow());
    }

    /// Says what is tried now, for the message of a test that fails in the midst of its rows.
    pub(crate) fn about(&self, what: impl Display) {
        self.about.replace(what.to_string());
    }

    /// A new connection to it.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen)
    }

    /// Begins a request that goes on no further, and reads what comes of it. Who is late with the very first byte is closed
    /// without a word, as may happen on a busy machine where the deadline is short: then it is tried again.
    pub(crate) fn begin(&self, part: &[u8]) -> (Client, Response) {
        let attempt = |_| {
            let mut client = self.client();
            let _ = client.offer(part);
            client.read_if_any().map(|response| (client, response))
        };
        (0..ATTEMPTS).find_map(attempt).expect("an answer")
    }

    /// Sends a request over a connection of its own, reads the answer, and expects the outcome.
    pub(crate) fn check(&self, request: &[u8], outcome: &Outcome) -> Response {
        self.exchange(&mut self.client(), request, outcome)
    }

    /// Sends a request, reads the answer, and expects the outcome.
    pub(crate) fn exchange(&self, client: &mut Client, request: &[u8], outcome: &Outcome) -> Response {
        // A request that is refused early is not read to its end; what counts is the answer.
        let _ = client.offer(request);
        let method = String::from_utf8_lossy(request.split(|&byte| byte == b' ').next().unwrap_or_default());
        let response = client.read_answer_to(&method);
        self.expect_answer(&response, outcome);
        response
    }

    /// Expects the outcome of a request whose answer was read, and that both are of the same request.
    pub(crate) fn expect_answer(&self, response: &Response, outcome: &Outcome) -> Record {
        self.expect_answers(std::slice::from_ref(response), std::slice::from_ref(outcome)).remove(0)
    }

    /// The same for several requests that were sent at once.
    pub(crate) fn expect_answers(&self, responses: &[Response], outcomes: &[Outcome]) -> Vec<Record> {
        for (response, outcome) in responses.iter().zip(outcomes) {
            assert_eq!(response.status, outcome.status, "{outcome:?}: {response:?}");
        }
        let records = self.expect_all(outcomes);
        for ((response, outcome), record) in responses.iter().zip(outcomes).zip(&records) {
            let ours = matches!((outcome.decision, outcome.reason), ("denied", _) | ("answered", "duplicate"));
            if ours && record.text("method") == "HEAD" {
                assert!(response.body.is_empty(), "the answer to a HEAD has no body: {response:?}");
            } else if ours {
                self.check_problem(response, outcome, record);
            }
        }
        records
    }

    /// Expects the next record to be of that outcome, the metrics to say so and nothing else, and the service to have
    /// seen it, or not.
    pub(crate) fn expect(&self, outcome: &Outcome) -> Record {
        self.expect_all(&[*outcome]).remove(0)
    }

    /// The same for requests that end in any order; gives the records in the order of the outcomes.
    pub(crate) fn expect_all(&self, outcomes: &[Outcome]) -> Vec<Record> {
        let records = self.records_of(outcomes);
        self.check_metrics(outcomes);
        self.check_deliveries(outcomes, &records);
        records
    }

    /// What the admin port shows now.
    pub(crate) fn metrics(&self) -> Metrics {
        let response = self.ask_admin("/metrics");
        assert_eq!(response.status, 200, "{response:?}");
        Metrics::parse(&String::from_utf8(response.body).expect("text"))
    }

    /// One GET to the admin port.
    pub(crate) fn ask_admin(&self, path: &str) -> Response {
        let mut client = Client::connect(self.admin);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: admin.test\r\nConnection: close\r\n\r\n").as_bytes());
        client.read_answer_to("GET")
    }

    /// Waits for a line of the operational log that holds the text, after the last one that was waited for; gives it. It
    /// may have come long ago, before the sidecar listened even: its threads start in any order.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        loop {
            let waited = self.waited.get();
            let come = self.heard.borrow().iter().skip(waited).position(|line| line.contains(text));
            if let Some(at) = come {
                self.waited.set(waited + at + 1);
                return self.heard.borrow()[waited + at].clone();
            }
            let line = next_line(&self.log).unwrap_or_else(|why| {
                panic!("{why}: no line of the log holds {text:?}; it said {:#?}", self.heard.borrow())
            });
            self.heard.borrow_mut().push(line);
        }
    }

    /// The same for a line that may have been passed over while another one was waited for.
    pub(crate) fn has_logged(&self, text: &str) {
        let come = self.heard.borrow().iter().position(|line| line.contains(text));
        match come {
            Some(at) => self.waited.set(self.waited.get().max(at + 1)),
            None => drop(self.wait_for_log(text)),
        }
    }

    /// Waits until a metric has that value. What is counted behind an answer or a record is there a moment later.
    pub(crate) fn wait_for_metric(&self, name: &str, labels: &[&str], expected: f64) {
        let began = Now::read().instant;
        loop {
            let found = self.metrics().value(name, labels);
            if (found - expected).abs() < 0.5 {
                return;
            }
            assert!(began.elapsed() < GUARD, "{name} {labels:?} is {found}, and not {expected}");
        }
    }

    /// The lines of the operational log that were waited for, and all before them.
    pub(crate) fn log(&self) -> Vec<String> {
        self.heard.borrow().clone()
    }

    /// Asks it to stop, as Kubernetes does.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it still runs");
    }

    /// Waits until it has stopped by itself, after [`Self::terminate`], say: with 0, without a record that was not
    /// expected, and without anything at the service that no record tells of.
    pub(crate) fn join(self) {
        self.join_with(&[]);
    }

    /// The same, where the last requests end with it: their records are held against the outcomes as ever, but the
    /// metrics are gone with the process.
    pub(crate) fn join_with(mut self, outcomes: &[Outcome]) -> Vec<Record> {
        self.finished = true;
        let records = self.records_of(outcomes);
        let mut next = next_line(&self.records);
        while next.as_ref().is_ok_and(|line| self.keep_anomaly(line)) {
            next = next_line(&self.records);
        }
        match next {
            Ok(record) => panic!("nobody expected this record: {record}"),
            Err(why) => assert_eq!(why, END, "the audit log goes on"),
        }
        let status = self.child.wait().expect("a child");
        self.hear_the_rest();
        assert_eq!(status.code(), Some(0), "it stopped with {status}; it said {:#?}", self.heard.borrow());
        self.check_deliveries(outcomes, &records);
        let recorded = self.recorded.borrow();
        for received in self.upstreams.iter().flat_map(Upstream::received) {
            let ids = received.values("x-request-id");
            let known = matches!(ids.as_slice(), [id] if recorded.contains(id));
            assert!(known, "no record tells of what the service saw: {received:?}");
        }
        drop(recorded);
        records
    }

    /// Stops it, and holds it to account: see [`Self::join`].
    pub(crate) fn finish(self) {
        self.terminate();
        self.join();
    }

    /// The next records, which come in any order, in the order of the outcomes.
    fn records_of(&self, outcomes: &[Outcome]) -> Vec<Record> {
        let mut records: Vec<_> = outcomes.iter().map(|_| self.next_record()).collect();
        let found = |outcome: &Outcome| {
            let at = records.iter().position(|record| record.agrees_with(outcome));
            records.remove(at.unwrap_or_else(|| panic!("expected {outcome:?}, recorded were {records:?}")))
        };
        outcomes.iter().map(found).collect()
    }

    fn next_record(&self) -> Record {
        let line = loop {
            let line = next_line(&self.records).unwrap_or_else(|why| panic!("{why} instead of an audit record"));
            if !self.keep_anomaly(&line) {
                break line;
            }
        };
        let record = Record::parse(&line);
        self.recorded.borrow_mut().insert(record.text("request_id").to_owned());
        record
    }

    /// The anomalies that were recorded among the records so far.
    pub(crate) fn anomalies(&self) -> Vec<serde_json::Value> {
        self.anomalies.borrow().clone()
    }

    /// Waits for an anomaly among records that nobody looks at.
    pub(crate) fn wait_for_anomaly(&self) -> serde_json::Value {
        let known = self.anomalies.borrow().len();
        loop {
            let line = next_line(&self.records).unwrap_or_else(|why| panic!("{why} instead of an anomaly"));
            self.keep_anomaly(&line);
            if let Some(anomaly) = self.anomalies.borrow().get(known) {
                return anomaly.clone();
            }
        }
    }

    /// Waits for a change in what the audit of itself has found, among records that nobody looks at.
    pub(crate) fn wait_for_audit(&self) -> serde_json::Value {
        loop {
            let found = self.audits.borrow_mut().pop();
            if let Some(audit) = found {
                return audit;
            }
            let line = next_line(&self.records).unwrap_or_else(|why| panic!("{why} instead of an audit"));
            self.keep_anomaly(&line);
        }
    }

    /// An anomaly is told after the record that showed it, and an audit after a change; they are kept apart from the
    /// records of requests.
    fn keep_anomaly(&self, line: &str) -> bool {
        let kept = [(r#""kind":"anomaly""#, &self.anomalies), (r#""kind":"audit""#, &self.audits)];
        let Some((_, place)) = kept.into_iter().find(|(kind, _)| line.contains(kind)) else { return false };
        place.borrow_mut().push(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")));
        true
    }

    fn check_problem(&self, response: &Response, outcome: &Outcome, record: &Record) {
        let problem = response.problem();
        let shown = if outcome.status == 401 && !self.full { "unauthorized" } else { outcome.reason };
        assert_eq!(problem["reason"], shown, "{problem}");
        assert_eq!(problem["type"], format!("urn:hookwarden:reason:{shown}"), "{problem}");
        assert_eq!(problem["status"], outcome.status, "{problem}");
        assert_eq!(problem["request_id"], record.text("request_id"), "{problem}");
        let row = Reason::from_code(outcome.reason).expect("a reason").row();
        assert_eq!(problem["title"], row.title, "{problem}");
    }

    fn check_metrics(&self, outcomes: &[Outcome]) {
        let mut expected = BTreeMap::new();
        for outcome in outcomes {
            *expected.entry(outcome.series()).or_insert(0.0) += 1.0;
        }
        let metrics = self.metrics();
        let moved = metrics.moved_since(&self.scraped.borrow(), "hookwarden_requests_total");
        assert_eq!(moved, expected, "the metrics tell another story than the records");
        self.scraped.replace(metrics);
    }

    fn check_deliveries(&self, outcomes: &[Outcome], records: &[Record]) {
        for (outcome, record) in outcomes.iter().zip(records) {
            let id = record.text("request_id");
            let seen: usize = self.upstreams.iter().map(|upstream| upstream.deliveries(id)).sum();
            let (least, most) = outcome.deliveries();
            assert!((least..=most).contains(&seen), "{outcome:?} reached the service {seen} times: {record:?}");
        }
    }

    fn hear_the_rest(&self) {
        let mut heard = self.heard.borrow_mut();
        heard.extend(std::iter::from_fn(|| next_line(&self.log).ok()));
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.hear_the_rest();
            #[allow(clippy::print_stderr, reason = "it explains the failure of the test that is ending")]
            {
                eprintln!("tried was: {}", self.about.borrow());
                eprintln!("the sidecar said {:#?}", self.heard.borrow());
            }
        } else {
            assert!(self.finished, "a test must end with finish() or join(): only they find what nobody expected");
        }
    }
}

/// Reads a pipe's lines on a thread, so that the binary is never held up.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    spawn("lines", move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(without_colours(&line)).is_err() {
                break;
            }
        }
    });
    receiver
}

const END: &str = "the end";

fn next_line(lines: &Receiver<String>) -> Result<String, &'static str> {
    lines.recv_timeout(GUARD).map_err(|error| match error {
        RecvTimeoutError::Timeout => "silence",
        RecvTimeoutError::Disconnected => END,
    })
}

/// Waits for the line that names both ports.
fn ready(child: &mut Child, log: &Receiver<String>, heard: &mut Vec<String>) -> (SocketAddr, SocketAddr) {
    while let Ok(line) = next_line(log) {
        heard.push(line.clone());
        if let (true, Some(listen), Some(admin)) =
            (line.contains("listening"), port(&line, "listen="), port(&line, "admin="))
        {
            return (listen, admin);
        }
    }
    let _ = child.kill();
    panic!("the sidecar never listened; it ended with {:?} and said {heard:#?}", child.wait());
}

fn port(line: &str, key: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(key)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Without terminal escapes (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}
