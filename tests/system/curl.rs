//! curl as a sender: plain and chunked uploads, `Expect: 100-continue`, one connection for several requests, TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Outcome, Request, Sidecar, Signer, Upstream};
use crate::programs::run;

/// Larger than what curl sends along with a head, and than one read takes.
const LARGE: usize = 300 * 1024;

#[test]
fn a_plain_upload() {
    check(&[], br#"{"type":"a","amount":10}"#);
}

#[test]
fn a_chunked_upload() {
    check(&["-H", "Transfer-Encoding: chunked"], &large_body());
}

#[test]
fn an_upload_that_waits_for_100_continue() {
    let said = check(&["-v", "-H", "Expect: 100-continue"], &large_body());
    assert!(said.contains("< HTTP/1.1 100 Continue"), "{said}");
}

#[test]
fn an_upload_that_is_refused_before_it_is_sent() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let request = Signer::new("github").sign(large_body()).without("X-Hub-Signature-256");
    let mut curl = Curl::new();
    curl.request(&proxy, &request, &["-v", "-H", "Expect: 100-continue"]);
    let (answers, said) = curl.run();
    assert_eq!(answers, ["401 1.1 1"]);
    assert!(!said.contains("100 Continue"), "the body was asked for: {said}");
    proxy.expect(&Outcome::of("credential_missing").on("github"));
    proxy.finish();
}

#[test]
fn several_requests_over_one_connection() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let mut curl = Curl::new();
    for amount in 0..3 {
        curl.request(&proxy, &Signer::new("github").sign(format!(r#"{{"amount":{amount}}}"#)), &[]);
    }
    // The third number is how many connections a request opened.
    assert_eq!(curl.run().0, ["200 1.1 1", "200 1.1 0", "200 1.1 0"]);
    proxy.expect_all(&[Outcome::forwarded("github"); 3]);
    assert_eq!(upstream.connections(), 1, "the way to the service is kept open too");
    proxy.finish();
}

#[test]
fn tls_with_a_certificate_that_curl_checks() {
    let pair = rcgen::generate_simple_self_signed(["hooks.test".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&cert, pair.cert.pem()).expect("a file");
    fs::write(&key, pair.signing_key.serialize_pem()).expect("a file");
    let upstream = Upstream::start();
    let builder = Sidecar::before(&upstream).provider("github").set("TLS", "terminate");
    let proxy = builder.set("TLS_CERT_FILE", &cert).set("TLS_KEY_FILE", &key).start();

    // One that curl does not know is refused by curl, before any request.
    let mut curl = Curl::tls(&proxy, None);
    curl.request(&proxy, &Signer::new("github").sample(), &[]);
    let output = run(&mut curl.command, b"");
    assert_eq!(output.status.code(), Some(60), "{output:?}");

    for version in ["1.2", "1.3"] {
        let mut curl = Curl::tls(&proxy, Some(&cert));
        let lowest = format!("--tlsv{version}");
        // curl offers HTTP/2 too, and settles for what the sidecar speaks.
        curl.request(&proxy, &Signer::new("github").sample(), &["--http2", &lowest, "--tls-max", version]);
        assert_eq!(curl.run().0, ["200 1.1 1"], "{version}");
        assert_eq!(proxy.expect(&Outcome::forwarded("github")).text("tls"), version);
    }
    proxy.finish();
}

/// A genuine upload is forwarded as it is, and a changed one refused; gives what curl said of the genuine one.
fn check(options: &[&str], body: &[u8]) -> String {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let genuine = Signer::new("github").sign(body);
    let tampered = genuine.clone().body([body, b" "].concat());

    let mut curl = Curl::new();
    curl.request(&proxy, &tampered, options);
    assert_eq!(curl.run().0, ["401 1.1 1"]);
    proxy.expect(&Outcome::of("credential_invalid").on("github"));

    let mut curl = Curl::new();
    curl.request(&proxy, &genuine, options);
    let (answers, said) = curl.run();
    assert_eq!(answers, ["200 1.1 1"], "{said}");
    proxy.expect(&Outcome::forwarded("github"));
    let received = upstream.last();
    assert!(received.body() == body, "the service's body is another one");
    assert_eq!(received.values("content-length"), [body.len().to_string()]);
    assert!(received.values("transfer-encoding").is_empty() && received.values("expect").is_empty());
    proxy.finish();
    said
}

fn large_body() -> Vec<u8> {
    format!(r#"{{"text":"{}"}}"#, "0123456789abcdef".repeat(LARGE / 16)).into_bytes()
}

/// One call of curl, which may make several requests.
struct Curl {
    command: Command,
    scheme: &'static str,
    bodies: TempDir,
    requests: usize,
}

impl Curl {
    fn new() -> Self {
        let mut command = Command::new("curl");
        // First of all: no file of the user's may change what is tested.
        command.arg("--disable");
        Self { command, scheme: "http", bodies: tempfile::tempdir().expect("a folder"), requests: 0 }
    }

    fn tls(proxy: &Sidecar, trusted: Option<&Path>) -> Self {
        let mut curl = Self { scheme: "https", ..Self::new() };
        curl.command.args(["--resolve", &format!("hooks.test:{}:127.0.0.1", proxy.address().port())]);
        if let Some(trusted) = trusted {
            curl.command.arg("--cacert").arg(trusted);
        }
        curl
    }

    /// Adds a request, with options of its own.
    fn request(&mut self, proxy: &Sidecar, request: &Request, options: &[&str]) {
        if self.requests > 0 {
            self.command.arg("--next");
        }
        let host = if self.scheme == "https" { "hooks.test" } else { "127.0.0.1" };
        let url = format!("{}://{host}:{}{}", self.scheme, proxy.address().port(), request.target);
        self.command.args(["-sS", "--noproxy", "*", "--max-time", "20", "-X", &request.method, &url]);
        // Unless a test asks for it, there is no wait for a 100.
        if !options.iter().any(|option| option.starts_with("Expect:")) {
            self.command.args(["-H", "Expect:"]);
        }
        for (name, value) in request.fields.iter().filter(|(name, _)| name != "Host") {
            self.command.args(["-H", &format!("{name}: {value}")]);
        }
        let body = self.body_file(&request.body);
        self.command.arg("--data-binary").arg(format!("@{}", body.display()));
        self.command.args(["-o", "-", "-w", "\n%{http_code} %{http_version} %{num_connects}\n"]).args(options);
        self.requests += 1;
    }

    fn body_file(&self, body: &[u8]) -> PathBuf {
        let file = self.bodies.path().join(format!("{}", self.requests));
        fs::write(&file, body).expect("a file");
        file
    }

    /// Runs it; gives `status version connections` of each request, and what curl said beside.
    fn run(mut self) -> (Vec<String>, String) {
        let output = run(&mut self.command, b"");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let text = String::from_utf8(output.stdout).expect("text");
        let is_answer =
            |line: &&str| line.split(' ').count() == 3 && line.starts_with(|first: char| first.is_ascii_digit());
        (text.lines().filter(is_answer).map(str::to_owned).collect(), said)
    }
}
