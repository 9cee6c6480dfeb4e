//! Keys that providers give one by one, to whoever has an account there: the sidecar asks when a message names one, the
//! sender comes again, and whatever goes wrong later, what is known stays in use.
//!
//! When ids that nobody has are asked for is `fetch::by_id::plan`'s, whose tests choose the time.

use std::sync::atomic::{AtomicU32, Ordering};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use hookwarden::auth::signature::{EcdsaForm, PrivateKey, SignatureAlgorithm};
use hookwarden::clock::Now;
use rustix::process::Signal;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::harness::{Answer, Builder, KeyApi, KeyServer, Outcome, Request, Sidecar, Upstream, replace};

const FETCHED: &str = "a key was fetched";
const NOBODY: &str = "there is no such key";
const FAILED: &str = "a key could not be fetched; those that are here stay in use";

const PROVIDERS: [&str; 3] = ["ebay", "circle", "plaid"];

/// Who gives its keys to anybody.
const ATLASSIAN: &str = "atlassian_connect_lifecycle";

/// A provider with one key.
struct Sender {
    provider: &'static str,
    kid: String,
    key: PrivateKey,
    algorithm: SignatureAlgorithm,
}

impl Sender {
    fn new(provider: &'static str, number: u32) -> Self {
        let name = match provider {
            "ebay" => "p256_sha1",
            ATLASSIAN => "pkcs1_sha256",
            _ => "p256_sha256",
        };
        let algorithm = SignatureAlgorithm::named(name).expect("it is known");
        let key = match provider {
            // Made once: it takes long.
            ATLASSIAN => PrivateKey::from_text(include_str!("../../src/auth/signature/tests/rsa.pem")),
            _ => PrivateKey::generate(algorithm),
        };
        Self { provider, kid: uuid(number), key: key.expect("a key"), algorithm }
    }

    /// A message that is unlike any other.
    fn message(&self) -> Request {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "number": number, "eventType": "installed" }).to_string();
        let request = Request::post(&format!("/hooks/{}", self.provider), body.as_str());
        let request = request.with("Content-Type", "application/json");
        match self.provider {
            "ebay" => {
                let signature = BASE64.encode(&self.sign(body.as_bytes(), EcdsaForm::Der));
                let whole = json!({ "alg": "ecdsa", "kid": self.kid, "signature": signature, "digest": "SHA1" });
                request.with("X-EBAY-SIGNATURE", &BASE64.encode(whole.to_string().as_bytes()))
            }
            "circle" => {
                let signature = BASE64.encode(&self.sign(body.as_bytes(), EcdsaForm::Der));
                request.with("X-Circle-Key-Id", &self.kid).with("X-Circle-Signature", &signature)
            }
            "plaid" => {
                let digest = HEXLOWER.encode(&Sha256::digest(&body));
                let claims = json!({ "iat": Now::read().unix_seconds(), "request_body_sha256": digest });
                request.with("Plaid-Verification", &self.token("ES256", &claims))
            }
            _ => {
                // Of the method and the path alone: https://developer.atlassian.com/cloud/jira/platform/understanding-jwt/
                let qsh = HEXLOWER.encode(&Sha256::digest(format!("POST&/hooks/{}&", self.provider)));
                let (now, jti) = (Now::read().unix_seconds(), number);
                let claims = json!({ "iss": "a-tenant", "aud": ["https://app.example"], "iat": now, "exp": now + 180, "qsh": qsh, "jti": jti });
                request.with("Authorization", &format!("JWT {}", self.token("RS256", &claims)))
            }
        }
    }

    fn token(&self, name: &str, claims: &serde_json::Value) -> String {
        let header = json!({ "alg": name, "kid": self.kid, "typ": "JWT" });
        let [header, claims] = [&header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let input = format!("{header}.{claims}");
        format!("{input}.{}", BASE64URL_NOPAD.encode(&self.sign(input.as_bytes(), EcdsaForm::Raw)))
    }

    fn sign(&self, content: &[u8], form: EcdsaForm) -> Vec<u8> {
        self.key.sign(self.algorithm, form, content).expect("a signature")
    }

    /// Has the provider give out its key.
    fn publish(&self, api: &KeyApi) {
        api.put(&self.kid, self.key.public().expect("a public key"));
    }

    fn forwarded(&self) -> Outcome {
        Outcome::forwarded(self.provider)
    }

    fn refused(&self, reason: &str) -> Outcome {
        Outcome::of(reason).on(self.provider)
    }

    /// Comes for the first time, and again once the key is here.
    fn come(&self, proxy: &Sidecar) {
        let message = self.message().bytes();
        let response = proxy.check(&message, &self.refused("keys_unavailable"));
        assert_eq!(response.values("retry-after"), ["1"]);
        proxy.wait_for_log(FETCHED);
        // The very same message: what could not be checked is no replay.
        proxy.check(&message, &self.forwarded());
    }
}

fn uuid(number: u32) -> String {
    format!("6c5516e1-92dc-479e-a8ff-{number:012x}")
}

fn before(upstream: &Upstream, api: &KeyApi, provider: &'static str) -> Builder {
    let path = format!("/hooks/{provider}");
    let builder = Sidecar::before(upstream).route(provider, &[("PATH", &path), ("PROVIDER", provider)]);
    let builder = match provider {
        "ebay" => {
            builder.route(provider, &[("PUBLIC_URL", "https://hooks.test/hooks/ebay"), ("VERIFY_TOKEN", "chosen")])
        }
        ATLASSIAN => builder.route(provider, &[("AUDIENCE", "https://app.example")]),
        _ => builder,
    };
    api.on(builder, provider)
}

fn metric(proxy: &Sidecar, name: &str, labels: &[&str]) -> f64 {
    proxy.metrics().value(&format!("hookwarden_{name}"), labels)
}

#[test]
fn a_key_is_asked_for_with_the_accounts_credentials_when_a_message_names_it() {
    for provider in PROVIDERS {
        let (api, one, other) = (KeyApi::of(provider), Sender::new(provider, 1), Sender::new(provider, 2));
        one.publish(&api);
        let upstream = Upstream::start();
        let proxy = before(&upstream, &api, provider).start();
        proxy.about(provider);
        assert!(api.server.asked().is_empty(), "nobody has named a key yet");
        one.come(&proxy);
        proxy.check(&one.message().bytes(), &one.forwarded());
        // Another's signature in the name of that key, and another body under its signature.
        let forged = Sender { kid: one.kid.clone(), ..Sender::new(provider, 2) };
        proxy.check(&forged.message().bytes(), &one.refused("credential_invalid"));
        proxy.check(&one.message().body("{}").bytes(), &one.refused("credential_invalid"));
        assert_eq!(api.questions(), 1, "{:?}", api.server.asked());
        // A second key, with the token that is there already.
        other.publish(&api);
        other.come(&proxy);
        proxy.check(&one.message().bytes(), &one.forwarded());
        let tokens = api.server.asked().len() - api.questions();
        assert_eq!((api.questions(), tokens), (2, usize::from(provider == "ebay")));
        let route = format!("route=\"{provider}\"");
        assert!((metric(&proxy, "keys", &[&route]) - 2.0).abs() < 0.5);
        assert!(metric(&proxy, "keys_wanted", &[&route]).abs() < 0.5);
        proxy.finish();
    }
}

#[test]
fn a_provider_that_gives_its_keys_to_anybody_is_asked_without_credentials() {
    let (api, sender) = (KeyApi::of(ATLASSIAN), Sender::new(ATLASSIAN, 1));
    sender.publish(&api);
    let upstream = Upstream::start();
    let proxy = before(&upstream, &api, ATLASSIAN).start();
    sender.come(&proxy);
    let token = sender.message().field("Authorization").expect("it is there").to_owned();
    let (head, signature) = token.rsplit_once('.').expect("a token");
    let changed: String = signature.chars().rev().collect();
    let forged = sender.message().set("Authorization", &format!("{head}.{changed}"));
    proxy.check(&forged.bytes(), &sender.refused("credential_invalid"));
    // A token for another path.
    let elsewhere = sender.message().target("/hooks/atlassian_connect_lifecycle?a=1");
    proxy.check(&elsewhere.bytes(), &sender.refused("credential_invalid"));
    proxy.finish();
}

#[test]
fn whatever_goes_wrong_later_what_is_known_stays_in_use() {
    for provider in PROVIDERS {
        let (api, one, other) = (KeyApi::of(provider), Sender::new(provider, 1), Sender::new(provider, 2));
        one.publish(&api);
        let upstream = Upstream::start();
        let proxy = before(&upstream, &api, provider).start();
        one.come(&proxy);
        let elsewhere = KeyServer::answering(Answer::ok("{}"));
        let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 << 20);
        let troubles = [
            Answer::ok("<html>Please sign in</html>"),
            Answer::ok(r#"{"key":"x","data":{"publicKey":"x"}}"#),
            Answer::ok(r#"{"key":{"kty":"EC","crv":"P-256","kid":"another","x":"","y":""}}"#),
            Answer::Bytes(huge.into_bytes()),
            Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()),
            Answer::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()),
            Answer::status(401, ""),
            Answer::status(429, "Retry-After: 60\r\n"),
            Answer::status(503, ""),
            Answer::status(302, &format!("Location: {}\r\n", elsewhere.url("/key"))),
            Answer::Refuse,
        ];
        for trouble in troubles {
            proxy.about(format_args!("{provider}: {trouble:?}"));
            api.server.answer(trouble);
            proxy.signal(Signal::HUP);
            proxy.wait_for_log(FAILED);
            proxy.check(&one.message().bytes(), &one.forwarded());
            // The log speaks of each outage once, and of its end.
            api.recover();
            proxy.signal(Signal::HUP);
            proxy.wait_for_log(FETCHED);
        }
        assert!(elsewhere.asked().is_empty(), "no redirect is followed");
        let route = format!("route=\"{provider}\"");
        assert!(metric(&proxy, "keys_fetches_total", &[&route, "result=\"failure\""]) > 10.5);
        assert!((metric(&proxy, "keys", &[&route]) - 1.0).abs() < 0.5);
        // It hangs: nobody waits for it.
        api.server.answer(Answer::Hang);
        let asked = api.server.asked().len();
        proxy.signal(Signal::HUP);
        api.server.wait_for(asked + 1);
        proxy.check(&one.message().bytes(), &one.forwarded());
        proxy.check(&other.message().bytes(), &other.refused("keys_unavailable"));
        proxy.finish();
    }
}

#[test]
fn a_key_that_the_provider_has_taken_back_is_refused() {
    for provider in PROVIDERS {
        let (api, old, new) = (KeyApi::of(provider), Sender::new(provider, 1), Sender::new(provider, 2));
        old.publish(&api);
        let upstream = Upstream::start();
        let proxy = before(&upstream, &api, provider).start();
        proxy.about(provider);
        old.come(&proxy);
        // Rotated: both for a while.
        new.publish(&api);
        new.come(&proxy);
        proxy.check(&old.message().bytes(), &old.forwarded());
        if provider == "plaid" {
            // Theirs end, and the answer says so.
            api.ended(Now::read().unix_seconds() - 1);
        } else {
            api.take_back(&old.kid);
        }
        proxy.signal(Signal::HUP);
        proxy.wait_for_log(NOBODY);
        if provider == "plaid" {
            proxy.wait_for_log(NOBODY);
        }
        proxy.check(&old.message().bytes(), &old.refused("credential_invalid"));
        proxy.check(&old.message().bytes(), &old.refused("credential_invalid"));
        let of_new = if provider == "plaid" { new.refused("credential_invalid") } else { new.forwarded() };
        proxy.check(&new.message().bytes(), &of_new);
        proxy.finish();
    }
}

#[test]
fn made_up_ids_have_it_asked_once_and_push_out_no_key() {
    let provider = "circle";
    let (api, sender) = (KeyApi::of(provider), Sender::new(provider, 1));
    sender.publish(&api);
    let upstream = Upstream::start();
    let proxy = before(&upstream, &api, provider).start();
    sender.come(&proxy);
    // What looks like no id is nobody's, and is never asked for.
    for kid in ["key", "../../v1/payouts", "6c5516e1-92dc-479e-a8ff-00000000000%", "6c5516e1%2D92dc", "?"] {
        let message = sender.message().set("X-Circle-Key-Id", kid).bytes();
        proxy.check(&message, &sender.refused("credential_invalid"));
    }
    assert_eq!(api.questions(), 1);
    let stranger = |number| Sender { kid: uuid(number), ..Sender::new(provider, 1) };
    let (first, began) = (stranger(100), Now::read().instant);
    proxy.check(&first.message().bytes(), &first.refused("keys_unavailable"));
    proxy.wait_for_log(NOBODY);
    proxy.check(&first.message().bytes(), &first.refused("credential_invalid"));
    for number in 101..180 {
        proxy.check(&stranger(number).message().bytes(), &first.refused("keys_unavailable"));
    }
    proxy.check(&sender.message().bytes(), &sender.forwarded());
    // The next is asked for half a minute later, if the machine takes that long.
    let most = 2 + began.elapsed().as_secs() / 30;
    assert!((2..=most).contains(&(api.questions() as u64)), "{:?}", api.server.asked());
    let route = r#"route="circle""#;
    assert!(metric(&proxy, "keys_wanted", &[route]) < 32.5);
    assert!((metric(&proxy, "keys", &[route]) - 1.0).abs() < 0.5);
    proxy.finish();
}

#[test]
fn until_the_provider_answers_messages_are_asked_to_come_again() {
    let provider = "plaid";
    let (api, sender) = (KeyApi::of(provider), Sender::new(provider, 1));
    let upstream = Upstream::start();
    let proxy = before(&upstream, &api, provider).set("ROUTE_PLAID_SECRET_MAX_AGE", "1h").start();
    api.server.answer(Answer::status(500, ""));
    proxy.check(&sender.message().bytes(), &sender.refused("keys_unavailable"));
    proxy.wait_for_log(FAILED);
    assert_eq!(proxy.ask_admin("/readyz").status, 200);
    // Nobody has to do anything: it is asked again and again.
    sender.publish(&api);
    api.recover();
    proxy.wait_for_log(FETCHED);
    proxy.check(&sender.message().bytes(), &sender.forwarded());
    proxy.finish();
}

#[test]
fn an_account_whose_secret_changes_keeps_its_keys_and_no_secret_is_told() {
    for provider in PROVIDERS {
        let (api, one, other) = (KeyApi::of(provider), Sender::new(provider, 1), Sender::new(provider, 2));
        one.publish(&api);
        other.publish(&api);
        let upstream = Upstream::start();
        let proxy = before(&upstream, &api, provider).start();
        proxy.about(provider);
        one.come(&proxy);
        api.change_secret("another-secret");
        replace(&api.secret_file(), "another-secret\n");
        proxy.wait_for_log("the new policy is in force");
        proxy.check(&one.message().bytes(), &one.forwarded());
        assert_eq!(api.questions(), 1, "it is here still");
        other.come(&proxy);
        // One that is wrong: the log says that it is refused, and not what it is.
        replace(&api.secret_file(), "hunter3\n");
        proxy.wait_for_log("the new policy is in force");
        proxy.signal(Signal::HUP);
        let line = proxy.wait_for_log(FAILED);
        assert!(line.contains("status 40") && !line.contains("hunter"), "{line}");
        proxy.check(&one.message().bytes(), &one.forwarded());
        let told = proxy.log();
        assert!(!told.iter().any(|line| line.contains("hunter") || line.contains("another-secret")), "{told:?}");
        proxy.finish();
    }
}

#[test]
fn keys_of_a_file_need_no_account() {
    let (sender, upstream) = (Sender::new("circle", 1), Upstream::start());
    let pem = sender.key.public().expect("a public key").to_pem();
    let fields = [("PATH", "/hooks/circle"), ("PROVIDER", "circle"), ("SECRET", &*pem)];
    let proxy = Sidecar::before(&upstream).route("circle", &fields).start();
    proxy.check(&sender.message().bytes(), &sender.forwarded());
    proxy.finish();
}
