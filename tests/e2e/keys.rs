//! Keys from a server that is slow, wrong, huge, redirecting, rotating, down: the sidecar verifies with what it knows,
//! and says so in its log and metrics.
//!
//! What would come in minutes is asked for by SIGHUP; when a server is asked by itself is `fetch::schedule`'s, whose tests
//! choose the time.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use hookwarden::auth::signature::{EcdsaForm, PrivateKey, SignatureAlgorithm};
use hookwarden::clock::Now;
use rustix::process::Signal;
use tempfile::TempDir;

use super::harness::{Answer, Builder, KeyServer, Outcome, Request, Sidecar, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("acme") };

fn denied(reason: &str) -> Outcome {
    Outcome::of(reason).on("acme")
}

/// A sender with one key.
struct Sender {
    id: &'static str,
    key: PrivateKey,
}

impl Sender {
    fn new(id: &'static str) -> Self {
        Self { id, key: PrivateKey::generate(SignatureAlgorithm::Ed25519).expect("random numbers") }
    }

    fn jwk(&self) -> String {
        let public = self.key.public().expect("a public key");
        let x = BASE64URL_NOPAD.encode(public.to_raw().expect("of 32 bytes"));
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{}","x":"{x}"}}"#, self.id)
    }

    /// A message that is unlike any other.
    fn message(&self) -> Vec<u8> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let body = format!(r#"{{"number":{}}}"#, NUMBER.fetch_add(1, Ordering::Relaxed)).into_bytes();
        let signature = self.key.sign(SignatureAlgorithm::Ed25519, EcdsaForm::Raw, &body).expect("a signature");
        let request = Request::post("/hooks/acme", body).with("Content-Type", "application/json");
        request.with("X-Key-Id", self.id).with("X-Signature", &BASE64.encode(&signature)).bytes()
    }
}

fn set_of(senders: &[&Sender]) -> String {
    let keys: Vec<_> = senders.iter().map(|sender| sender.jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// A provider who publishes a set of keys.
fn definitions() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let text = r#"
id = "acme"
name = "Acme"
docs = "https://acme.example/docs/webhooks"
category = "testing"
confidence = "docs"
setup = "Nothing."
retry = "None."
scheme = "ed25519"
signature = { header = "X-Signature", encoding = "base64" }
signed = "{body}"
keys = { jwks = true, key_id = "header:X-Key-Id" }
"#;
    std::fs::write(directory.path().join("acme.toml"), text).expect("a file");
    directory
}

fn before(upstream: &Upstream, server: &KeyServer, definitions: &Path) -> Builder {
    let builder = Sidecar::before(upstream).set("PROVIDERS_DIR", definitions);
    let url = server.url("/keys");
    server.on(builder).route("acme", &[("PATH", "/hooks/acme"), ("PROVIDER", "acme"), ("JWKS_URL", &url)])
}

/// So many keys; at least so many successes and failures: after a failure it is asked again by itself, too.
#[track_caller]
fn fetches(proxy: &Sidecar, keys: u32, successes: u32, failures: u32) {
    let metrics = proxy.metrics();
    let route = r#"route="acme""#;
    let count =
        |result: &str| metrics.value("hookwarden_keys_fetches_total", &[route, &format!("result=\"{result}\"")]);
    assert!((metrics.value("hookwarden_keys", &[route]) - f64::from(keys)).abs() < 0.5, "keys");
    assert!(count("success") >= successes.into() && count("failure") >= failures.into(), "{metrics:?}");
    assert!(metrics.samples().any(|(series, _)| series.starts_with("hookwarden_keys_age_seconds")), "no age");
}

#[test]
fn keys_are_fetched_and_what_goes_wrong_later_changes_nothing() {
    let (definitions, one, other) = (definitions(), Sender::new("one"), Sender::new("other"));
    let upstream = Upstream::start();
    let server = KeyServer::answering(Answer::ok(set_of(&[&one])));
    let proxy = before(&upstream, &server, definitions.path()).start();
    proxy.has_logged("keys were fetched");
    proxy.check(&one.message(), &FORWARDED);
    proxy.check(&other.message(), &denied("credential_invalid"));
    fetches(&proxy, 1, 1, 0);
    let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 << 20);
    let too_many: Vec<_> = (0..65).map(|_| Sender::new("x")).collect();
    let elsewhere = KeyServer::answering(Answer::ok(set_of(&[&other])));
    let troubles = [
        Answer::ok("<html>Please sign in</html>"),
        Answer::ok("{"),
        Answer::ok(r#"{"keys":[]}"#),
        Answer::ok(set_of(&too_many.iter().collect::<Vec<_>>())),
        Answer::Bytes(huge.into_bytes()),
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()),
        Answer::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()),
        Answer::status(503, ""),
        Answer::status(302, &format!("Location: {}\r\n", server.url("/other"))),
        Answer::status(302, &format!("Location: {}\r\n", elsewhere.url("/keys"))),
        Answer::Refuse,
    ];
    for (number, trouble) in (1..).zip(&troubles) {
        proxy.about(format_args!("{trouble:?}"));
        server.answer(trouble.clone());
        proxy.signal(Signal::HUP);
        proxy.wait_for_log("keys could not be fetched; those of before stay in use");
        fetches(&proxy, 1, number, number);
        proxy.check(&one.message(), &FORWARDED);
        // The log speaks of each outage once, and of its end.
        server.answer(Answer::ok(set_of(&[&one])));
        proxy.signal(Signal::HUP);
        proxy.wait_for_log("keys were fetched");
    }
    assert!(elsewhere.asked().is_empty(), "no redirect is followed");
    // Rotated: both for a while, then the new one alone.
    for (keys, of_one) in [(vec![&one, &other], FORWARDED), (vec![&other], denied("credential_invalid"))] {
        server.answer(Answer::ok(set_of(&keys)));
        proxy.signal(Signal::HUP);
        proxy.wait_for_log("keys were fetched");
        proxy.check(&one.message(), &of_one);
        proxy.check(&other.message(), &FORWARDED);
    }
    proxy.finish();
}

#[test]
fn a_message_that_a_key_without_an_id_proves_is_verified_too() {
    let (definitions, sender) = (definitions(), Sender::new("one"));
    let upstream = Upstream::start();
    let without_id = set_of(&[&sender]).replace(r#""kid":"one","#, "");
    let server = KeyServer::answering(Answer::ok(without_id));
    let proxy = before(&upstream, &server, definitions.path()).start();
    proxy.has_logged("keys were fetched");
    proxy.check(&sender.message(), &FORWARDED);
    let received = upstream.received();
    let told = ["x-hookwarden-verified", "x-hookwarden-key-id"].map(|name| received[0].values(name));
    assert_eq!(told, [["true"], ["jwks"]], "{received:?}");
    proxy.finish();
}

#[test]
pub(crate) fn until_there_are_keys_messages_are_unavailable_and_then_they_are_not() {
    let (definitions, sender) = (definitions(), Sender::new("one"));
    let upstream = Upstream::start();
    let server = KeyServer::answering(Answer::Refuse);
    let proxy = before(&upstream, &server, definitions.path()).start();
    // It is ready all the same.
    assert_eq!(proxy.ask_admin("/readyz").status, 200);
    proxy.wait_for_log("messages are refused with 503 until they are");
    let response = proxy.check(&sender.message(), &denied("keys_unavailable"));
    assert_eq!(response.values("retry-after"), ["1"]);
    // Nobody has to do anything: it is asked again and again.
    server.answer(Answer::ok(set_of(&[&sender])));
    proxy.wait_for_log("keys were fetched");
    proxy.check(&sender.message(), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_slow_server_holds_up_nobody() {
    let (definitions, sender) = (definitions(), Sender::new("one"));
    let upstream = Upstream::start();
    let server = KeyServer::answering(Answer::Hang);
    let proxy = before(&upstream, &server, definitions.path()).start();
    server.wait_for(1);
    proxy.check(&sender.message(), &denied("keys_unavailable"));
    proxy.wait_for_log("no whole answer within 5s");
    proxy.finish();
}

#[test]
fn routes_with_the_same_url_ask_once_and_a_reload_forgets_nothing() {
    let (definitions, sender) = (definitions(), Sender::new("one"));
    let (upstream, secrets) = (Upstream::start(), tempfile::tempdir().expect("a directory"));
    let server = KeyServer::answering(Answer::ok(set_of(&[&sender])));
    let secret = secrets.path().join("secret");
    std::fs::write(&secret, "old").expect("a file");
    let url = server.url("/keys");
    let proxy = before(&upstream, &server, definitions.path())
        .route("again", &[("PATH", "/hooks/again"), ("PROVIDER", "acme"), ("JWKS_URL", &url)])
        .route("github", &[("PATH", "/hooks/github"), ("PROVIDER", "github")])
        .set("ROUTE_GITHUB_SECRET_FILE", &secret)
        .start();
    proxy.has_logged("keys were fetched");
    server.answer(Answer::Refuse);
    let new = secrets.path().join("new");
    std::fs::write(&new, "new").expect("a file");
    std::fs::rename(new, secret).expect("a file that moves");
    proxy.wait_for_log("the new policy is in force");
    proxy.check(&sender.message(), &FORWARDED);
    assert_eq!(server.asked().len(), 1, "{:?}", server.asked());
    proxy.finish();
}

#[test]
fn private_addresses_are_refused_unless_they_are_permitted() {
    let (definitions, sender) = (definitions(), Sender::new("one"));
    let upstream = Upstream::start();
    let server = KeyServer::answering(Answer::ok(set_of(&[&sender])));
    let proxy = before(&upstream, &server, definitions.path()).unset("FETCH_ALLOW_PRIVATE").start();
    proxy.has_logged("no address that may be connected to");
    proxy.check(&sender.message(), &denied("keys_unavailable"));
    proxy.finish();
    let networks = before(&upstream, &server, definitions.path()).set("FETCH_ALLOW_PRIVATE", "127.0.0.0/8,::1");
    let proxy = networks.start();
    proxy.has_logged("keys were fetched");
    proxy.check(&sender.message(), &FORWARDED);
    proxy.finish();
    assert_eq!(server.asked().len(), 1, "nothing came before that");
}

#[test]
fn an_unknown_key_id_is_refused_and_has_the_server_asked_no_sooner_than_it_may_be() {
    let (definitions, one, other) = (definitions(), Sender::new("one"), Sender::new("other"));
    let upstream = Upstream::start();
    let server = KeyServer::answering(Answer::ok(set_of(&[&one])));
    let began = Now::read().instant;
    let proxy = before(&upstream, &server, definitions.path()).start();
    proxy.has_logged("keys were fetched");
    let asked = server.asked().len();
    for _ in 0..5 {
        proxy.check(&other.message(), &denied("credential_invalid"));
    }
    // Half a minute after the last time at the earliest, if the machine takes that long.
    let most = asked as u64 + began.elapsed().as_secs() / 30;
    assert!(server.asked().len() as u64 <= most, "{:?}", server.asked());
    proxy.finish();
}
