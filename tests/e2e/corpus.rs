//! The corpus of `tests/corpus`: requests as text, each with what must become of it.
//!
//! Every file is sent over a connection of its own to one sidecar, so a case that upset the sidecar would show in the next
//! one too. Beside its outcomes each case says whether the connection goes on, which is tried with a genuine request, and
//! an accepted one says what the service must have seen.

use std::fs;
use std::path::{Path, PathBuf};

use hookwarden::auth::mac::Mac;
use hookwarden::auth::scheme::Algorithm;

use crate::harness::{Client, Outcome, Received, Response, Sidecar, Upstream};

/// The key that every request of the corpus is signed with.
const KEY: &str = "corpus-secret";

/// A request that is always let through: it shows that a connection goes on.
const PROBE: &str = "POST /hooks/github HTTP/1.1\nHost: hooks.test\nX-Hub-Signature-256: {{sign probe}}\n\
                     Content-Length: 5\n\nprobe\\\n";

#[test]
fn what_is_ambiguous_is_refused() {
    run("refused", true);
}

#[test]
fn what_is_unusual_but_legal_is_forwarded_intact() {
    run("accepted", false);
}

fn run(folder: &str, closes: bool) {
    let upstream = Upstream::start();
    let route = |path: &'static str| [("PATH", path), ("PROVIDER", "github"), ("SECRET", KEY), ("REPLAY", "off")];
    let proxy = Sidecar::before(&upstream)
        .set("ERROR_DETAIL", "full")
        .route("github", &route("/hooks/github"))
        .route("any", &route("/any/*"))
        .route("any", &[("METHODS", "GET,HEAD,POST,PUT,DELETE")])
        .start();
    for file in files(folder) {
        let case = Case::parse(&fs::read_to_string(&file).unwrap());
        proxy.about(file.display());
        case.run(&proxy, &upstream, closes);
    }
    proxy.finish();
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().all(|file| file.extension().is_some_and(|ending| ending == "http")), "{files:?}");
    files.sort();
    assert!(files.len() >= 25, "the corpus is not where it was: {files:?}");
    files
}

/// One file.
#[derive(Default)]
struct Case {
    outcomes: Vec<Outcome>,
    closes: Option<bool>,
    half_closes: bool,
    forwards: Option<String>,
    body: Option<Vec<u8>>,
    keeps: Vec<String>,
    drops: Vec<String>,
    why: String,
    bytes: Vec<u8>,
}

impl Case {
    fn parse(text: &str) -> Self {
        let (notes, request) = text.split_once("# request\n").expect("a line `# request`");
        let mut case = Self { bytes: bytes(request), ..Self::default() };
        for note in notes.lines() {
            let (name, value) = note.strip_prefix("# ").and_then(|note| note.split_once(':')).expect("`# name: value`");
            case.take(name, value.trim_start());
        }
        assert!(!case.outcomes.is_empty() && !case.why.is_empty(), "`why` and `expect` are needed");
        case
    }

    fn take(&mut self, name: &str, value: &str) {
        match (name, value) {
            ("why", _) => value.clone_into(&mut self.why),
            ("expect", _) => self.outcomes = value.split(", ").map(outcome).collect(),
            ("connection", "closes") => self.closes = Some(true),
            ("connection", "stays") => self.closes = Some(false),
            ("then", "half-close") => self.half_closes = true,
            ("forwards", _) => self.forwards = Some(value.to_owned()),
            ("body", _) => self.body = Some(unescape(value)),
            ("keeps", _) => self.keeps.push(String::from_utf8_lossy(&unescape(value)).into_owned()),
            ("drops", _) => self.drops.push(value.to_owned()),
            _ => panic!("no such note: {name}: {value}"),
        }
    }

    fn run(&self, proxy: &Sidecar, upstream: &Upstream, closes: bool) {
        let mut client = proxy.client();
        // What is refused early is not read to its end.
        let _ = client.offer(&self.bytes);
        if self.half_closes {
            client.half_close();
        }
        let closes = self.closes.unwrap_or(closes);
        let responses: Vec<_> = self.outcomes.iter().map(|_| self.read(&mut client)).collect();
        for (index, response) in responses.iter().enumerate() {
            let last = index + 1 == responses.len();
            assert_eq!(response.closes(), closes && last, "what the answer says of the connection: {response:?}");
        }
        for record in proxy.expect_answers(&responses, &self.outcomes) {
            if record.text("reason") == "forwarded" {
                let request_id = record.text("request_id");
                let received = upstream.received().into_iter().find(|it| it.values("x-request-id") == [request_id]);
                self.check_delivered(&received.expect("it was delivered"));
            }
        }
        if closes {
            client.expect_closed();
        } else {
            proxy.exchange(&mut client, &bytes(PROBE), &Outcome::forwarded("github"));
        }
    }

    /// The next answer; interim ones are of no matter here.
    fn read(&self, client: &mut Client) -> Response {
        let method = if self.bytes.starts_with(b"HEAD ") { "HEAD" } else { "POST" };
        loop {
            let response = client.read_answer_to(method);
            if response.status >= 200 {
                return response;
            }
        }
    }

    fn check_delivered(&self, received: &Received) {
        if let Some(body) = &self.body {
            assert_eq!(received.body(), body, "the body of {received:?}");
            let sent = String::from_utf8_lossy(&self.bytes).lines().next().unwrap_or_default().to_owned();
            assert_eq!(&received.line(), self.forwards.as_ref().unwrap_or(&sent));
        }
        for field in &self.keeps {
            let (name, value) = field.split_once(": ").expect("`name: value`");
            assert_eq!(received.values(name), [value], "{name} in {received:?}");
            assert!(received.fields().iter().any(|(found, _)| found == name), "the case of {name} in {received:?}");
        }
        for name in &self.drops {
            assert!(received.values(name).is_empty(), "{name} in {received:?}");
        }
        assert!(received.values("transfer-encoding").is_empty(), "{received:?}");
    }
}

/// `REASON` or `REASON on ROUTE`.
fn outcome(text: &str) -> Outcome {
    match text.split_once(" on ") {
        None => Outcome::of(text),
        Some((reason, "github")) => Outcome::of(reason).on("github"),
        Some((reason, "any")) => Outcome::of(reason).on("any"),
        Some((_, route)) => panic!("there is no route {route}"),
    }
}

/// The bytes that a file's request stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("{{") {
        let (placeholder, after) = from.split_once("}}").expect("`{{` and `}}`");
        bytes.extend(unescape(before));
        bytes.extend(stands_for(placeholder));
        rest = after;
    }
    bytes.extend(unescape(rest));
    bytes
}

fn stands_for(placeholder: &str) -> Vec<u8> {
    if let Some(text) = placeholder.strip_prefix("repeat ") {
        let (count, text) = text.split_once(' ').expect("`repeat COUNT TEXT`");
        return unescape(text).repeat(count.parse().unwrap());
    }
    let text = placeholder.strip_prefix("sign").expect("`sign TEXT` or `repeat COUNT TEXT`");
    let mut mac = Mac::new(Algorithm::Sha256, KEY.as_bytes()).unwrap();
    mac.update(&unescape(text.strip_prefix(' ').unwrap_or_default()));
    format!("sha256={}", data_encoding::HEXLOWER.encode(mac.finish().as_bytes())).into_bytes()
}

/// Line ends and escapes as bytes.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\n', _) => bytes.extend(b"\r\n"),
            (b'\\', [b'x', high, low, ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = &after[3..];
            }
            (b'\\', [escape, ..]) => {
                bytes.extend(match escape {
                    b'\n' => None,
                    b'r' => Some(b'\r'),
                    b'n' => Some(b'\n'),
                    b't' => Some(b'\t'),
                    b'\\' => Some(b'\\'),
                    _ => panic!("no such escape: {text}"),
                });
                rest = &after[1..];
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}
