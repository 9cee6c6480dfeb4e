//! Certificates that messages name by an address: fetched from where the definition pins them, kept, asked for seldom;
//! subscriptions that are confirmed where that is wanted.

use std::sync::Arc;

use hookwarden::auth::scheme::Scheme;
use hookwarden::clock::Now;
use hookwarden::providers;
use tempfile::TempDir;

use super::harness::{Answer, Builder, KeyServer, Outcome, Request, Sidecar, Signer, Upstream, certificate};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:orders";

/// A service like SNS, whose certificates are on that server, with its topic.
struct Service {
    directory: TempDir,
    scheme: Arc<Scheme>,
    host: String,
}

impl Service {
    fn on(server: &KeyServer) -> Self {
        let url = server.url("/");
        let host = url.trim_end_matches('/').to_owned();
        let text = include_str!("../../src/providers/catalogue/aws_sns.toml");
        let renamed = text.replace("\"aws_sns\"", "\"acme\"").replace("aliases = [\"amazon_sns\"]", "");
        let text: String = renamed.replace("https://sns.{region}.amazonaws.com/", &url);
        let text: String = text.replace(&format!(", \"{url}?{{query}}\""), "");
        let only_here = |line: &str| !line.contains("amazonaws.com.cn/") || line.contains(&url);
        let text: String = text.lines().filter(|line| only_here(line)).flat_map(|line| [line, "\n"]).collect();
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("acme.toml"), &text).expect("a file");
        let scheme = providers::parse("acme.toml", &text).expect("a good definition").scheme;
        Self { directory, scheme, host }
    }

    fn before(&self, upstream: &Upstream, server: &KeyServer) -> Builder {
        let builder = Sidecar::before(upstream).set("PROVIDERS_DIR", self.directory.path());
        server.on(builder).route("acme", &[("PATH", "/hooks/acme"), ("PROVIDER", "acme"), ("SECRET", TOPIC)])
    }

    /// A message of that type, about that topic, whose certificate is at that path of the server.
    fn message(&self, kind: &str, topic: &str, path: &str) -> Vec<u8> {
        let host = &self.host;
        let (id, time) = (unlike_any_other(), now());
        let body = format!(
            r#"{{"Type":"{kind}","MessageId":"{id}","TopicArn":"{topic}","Subject":"A","Message":"a\nb","Timestamp":"{time}","SignatureVersion":"1","Token":"t","SubscribeURL":"{host}/?Action=ConfirmSubscription&Token=t","SigningCertURL":"{host}{path}"}}"#
        );
        let signer = Signer::custom(Scheme::clone(&self.scheme), topic, "/hooks/acme");
        let Request { mut fields, body, .. } = signer.sign(body);
        fields.retain(|(name, _)| name != "Content-Type");
        Request { fields, ..Request::post("/hooks/acme", body) }
            .with("Content-Type", "text/plain; charset=UTF-8")
            .bytes()
    }
}

fn unlike_any_other() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("00000000-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn now() -> String {
    let seconds = i64::try_from(Now::read().unix_seconds()).expect("this century");
    jiff::Timestamp::from_second(seconds).expect("this century").to_string()
}

/// What the server was asked for.
fn paths(server: &KeyServer) -> Vec<String> {
    server.asked().iter().map(|request| request.split(' ').nth(1).unwrap_or_default().to_owned()).collect()
}

const PATH: &str = "/SimpleNotificationService-0a1b.pem";

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("acme") };

fn denied(reason: &str) -> Outcome {
    Outcome::of(reason).on("acme")
}

#[test]
fn a_certificate_is_fetched_once_and_messages_wait_for_it_outside() {
    let server = KeyServer::answering(Answer::status(404, ""));
    let (service, upstream) = (Service::on(&server), Upstream::start());
    server.answer_at(PATH, Answer::ok(certificate(&service.scheme, "sns.amazonaws.com")));
    let proxy = service.before(&upstream, &server).start();
    let message = || service.message("Notification", TOPIC, PATH);
    // Nobody's message makes it ask: of another topic, or with a certificate from elsewhere.
    let foreign = "arn:aws:sns:us-east-1:999999999999:orders";
    proxy.check(&service.message("Notification", foreign, PATH), &denied("credential_invalid"));
    proxy.check(&service.message("Notification", TOPIC, "/other.pem"), &denied("credential_invalid"));
    let response = proxy.check(&message(), &denied("keys_unavailable"));
    assert_eq!(response.values("retry-after"), ["1"]);
    proxy.wait_for_log("a certificate was fetched");
    proxy.check(&message(), &FORWARDED);
    let again = message();
    proxy.check(&again, &FORWARDED);
    proxy.check(&again, &denied("replayed"));
    proxy.check(&service.message("Notification", foreign, PATH), &denied("credential_invalid"));
    assert_eq!(paths(&server), [PATH]);
    let began = Now::read().instant;
    // One that cannot be had is asked for once in a while, whatever comes.
    let missing = "/SimpleNotificationService-none.pem";
    for _ in 0..3 {
        proxy.check(&service.message("Notification", TOPIC, missing), &denied("keys_unavailable"));
    }
    proxy.wait_for_log("a certificate could not be fetched");
    proxy.check(&service.message("Notification", TOPIC, missing), &denied("keys_unavailable"));
    proxy.check(&message(), &FORWARDED);
    let asked = paths(&server);
    let (first, others) = asked.split_first().expect("two at least");
    // Half a minute later it would be asked for again, if the machine takes that long.
    let most = 1 + began.elapsed().as_secs() / 30;
    assert!(first == PATH && (1..=most).contains(&(others.len() as u64)), "{asked:?}");
    assert!(others.iter().all(|path| path == missing), "{asked:?}");
    proxy.finish();
}

#[test]
fn what_is_no_certificate_of_the_service_is_not_kept() {
    let server = KeyServer::answering(Answer::status(404, ""));
    let (service, upstream) = (Service::on(&server), Upstream::start());
    server.answer_at(PATH, Answer::ok(certificate(&service.scheme, "sns.evil.example")));
    let proxy = service.before(&upstream, &server).start();
    proxy.check(&service.message("Notification", TOPIC, PATH), &denied("keys_unavailable"));
    proxy.has_logged("without a name that is asked for");
    proxy.check(&service.message("Notification", TOPIC, PATH), &denied("keys_unavailable"));
    proxy.finish();
}

#[test]
fn a_subscription_is_confirmed_where_that_is_wanted_alone() {
    let server = KeyServer::answering(Answer::ok("<ConfirmSubscriptionResponse/>"));
    let (service, upstream) = (Service::on(&server), Upstream::start());
    server.answer_at(PATH, Answer::ok(certificate(&service.scheme, "sns.amazonaws.com")));
    let message = || service.message("SubscriptionConfirmation", TOPIC, PATH);
    let proxy = service.before(&upstream, &server).start();
    proxy.check(&message(), &denied("keys_unavailable"));
    proxy.has_logged("a certificate was fetched");
    proxy.check(&message(), &denied("event_not_allowed"));
    assert_eq!(paths(&server), [PATH], "nothing is visited");
    proxy.finish();
    let proxy = service.before(&upstream, &server).route("acme", &[("CONFIRM_SUBSCRIPTIONS", "true")]).start();
    proxy.check(&message(), &denied("keys_unavailable"));
    proxy.has_logged("a certificate was fetched");
    proxy.check(&message(), &Outcome::of("challenge_answered").on("acme"));
    proxy.wait_for_log("a confirmation was fetched");
    assert_eq!(paths(&server), [PATH, PATH, "/?Action=ConfirmSubscription&Token=t"]);
    proxy.check(&service.message("UnsubscribeConfirmation", TOPIC, PATH), &FORWARDED);
    proxy.finish();
}
