//! Bearer tokens before the real binary: keys by the issuer's own document, and opaque tokens that an authorization
//! server is asked about.

use data_encoding::BASE64URL_NOPAD;
use hookwarden::auth::signature::{EcdsaForm, PrivateKey, SignatureAlgorithm};
use hookwarden::clock::Now;
use serde_json::{Value, json};

use super::harness::{ATTEMPTS, Answer, Builder, KeyServer, Outcome, Request, Sidecar, Signer, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("api") };

fn denied(reason: &str) -> Outcome {
    Outcome::of(reason).on("api")
}

fn message(token: &str) -> Vec<u8> {
    let request = Request::post("/hooks/api", "{}").with("Content-Type", "application/json");
    request.with("Authorization", &format!("Bearer {token}")).bytes()
}

fn in_seconds(seconds: i64) -> i64 {
    i64::try_from(Now::read().unix_seconds()).expect("this century") + seconds
}

fn before(upstream: &Upstream, server: &KeyServer, fields: &[(&str, &str)]) -> Builder {
    let route = [("PATH", "/hooks/api"), ("PROVIDER", "oauth"), ("AUDIENCE", "hooks")];
    server.on(Sidecar::before(upstream)).route("api", &route).route("api", fields)
}

/// An issuer of signed tokens.
struct Issuer {
    name: String,
    key: PrivateKey,
}

impl Issuer {
    fn new(name: String) -> Self {
        Self { name, key: PrivateKey::generate(SignatureAlgorithm::Ed25519).expect("random numbers") }
    }

    fn keys(&self) -> String {
        let x = BASE64URL_NOPAD.encode(self.key.public().expect("a public key").to_raw().expect("of 32 bytes"));
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] }).to_string()
    }

    /// A token for the next five minutes, with changes to its claims.
    fn token(&self, kid: &str, changes: &Value) -> String {
        let mut claims = json!({ "iss": self.name, "aud": "hooks", "exp": in_seconds(300) });
        claims.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&json!({ "alg": "EdDSA", "kid": kid })), part(&claims));
        let signature = self.key.sign(SignatureAlgorithm::Ed25519, EcdsaForm::Raw, input.as_bytes()).expect("signs");
        format!("{input}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

#[test]
fn an_issuers_own_document_says_where_its_keys_are() {
    let upstream = Upstream::start();
    let server = KeyServer::answering(Answer::status(404, ""));
    let issuer = Issuer::new(server.url("/realms/a"));
    let document = json!({ "issuer": issuer.name, "jwks_uri": server.url("/keys") }).to_string();
    server.answer_at("/.well-known/oauth-authorization-server/realms/a", Answer::ok(document));
    server.answer_at("/keys", Answer::ok(issuer.keys()));
    let proxy = before(&upstream, &server, &[("ISSUER", &issuer.name)]).start();
    proxy.has_logged("keys were fetched");
    let asked: Vec<_> = server.asked().iter().filter_map(|head| head.split(' ').nth(1).map(str::to_owned)).collect();
    let openid = "/realms/a/.well-known/openid-configuration";
    assert_eq!(asked, [openid, "/.well-known/oauth-authorization-server/realms/a", "/keys"]);
    let other = Issuer::new(issuer.name.clone());
    for (token, outcome) in [
        (issuer.token("1", &json!({})), FORWARDED),
        (issuer.token("1", &json!({ "aud": ["x", "hooks"] })), FORWARDED),
        (issuer.token("1", &json!({ "aud": "others" })), denied("credential_invalid")),
        (issuer.token("1", &json!({ "iss": server.url("/realms/b") })), denied("credential_invalid")),
        (issuer.token("1", &json!({ "exp": in_seconds(-300) })), denied("timestamp_stale")),
        (issuer.token("1", &json!({ "exp": null })), denied("credential_invalid")),
        (issuer.token("2", &json!({})), denied("credential_invalid")),
        (other.token("1", &json!({})), denied("credential_invalid")),
    ] {
        proxy.about(&token);
        proxy.check(&message(&token), &outcome);
    }
    proxy.finish();
}

/// An authorization server, and a route that asks it about tokens.
struct Asking {
    server: KeyServer,
    secret: tempfile::NamedTempFile,
}

impl Asking {
    fn new(answer: Answer) -> Self {
        let secret = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), "hunter2\n").expect("written");
        Self { server: KeyServer::answering(answer), secret }
    }

    fn before(&self, upstream: &Upstream, fields: &[(&str, &str)]) -> Builder {
        let url = self.server.url("/introspect");
        let route = [("ISSUER", "https://id.test"), ("INTROSPECTION_URL", &url), ("CLIENT_ID", "warden")];
        let builder = before(upstream, &self.server, &route).route("api", fields);
        builder.set("ROUTE_API_CLIENT_SECRET_FILE", self.secret.path())
    }
}

fn active(changes: &Value) -> Answer {
    let mut claims = json!({ "active": true, "iss": "https://id.test", "aud": "hooks", "exp": in_seconds(300) });
    claims.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
    Answer::ok(claims.to_string())
}

/// Expects that outcome of a message, and gives how often the server was too slow before: it has two seconds for each
/// answer, which a busy machine may need.
#[track_caller]
fn in_time(proxy: &Sidecar, token: &str, outcome: &Outcome) -> u32 {
    let mut late = 0;
    let answered = (0..ATTEMPTS).any(|_| {
        let mut client = proxy.client();
        let response = client.send(&message(token)).read();
        let is_late = response.status == 503;
        late += u32::from(is_late);
        proxy.expect_answer(&response, &if is_late { denied("keys_unavailable") } else { *outcome });
        !is_late
    });
    assert!(answered, "{token}");
    late
}

#[track_caller]
fn questions(proxy: &Sidecar, expected: [u32; 4]) {
    let metrics = proxy.metrics();
    let count = |result: &str| {
        let labels = [r#"route="api""#, &format!("result=\"{result}\"")];
        metrics.value("hookwarden_introspections_total", &labels).to_string()
    };
    assert_eq!(["active", "inactive", "failure", "remembered"].map(count), expected.map(|count| count.to_string()));
}

#[test]
fn an_opaque_token_is_asked_about_and_its_claims_count() {
    let upstream = Upstream::start();
    let asking = Asking::new(active(&json!({})));
    let proxy = asking.before(&upstream, &[("REQUIRED_CLAIMS", "scope=webhooks:write")]).start();
    let without_end = json!({ "active": true, "iss": "https://id.test", "aud": "hooks", "scope": ["webhooks:write"] });
    let without_end = without_end.to_string();
    let (mut late, began) = (0, Now::read().instant);
    for (token, answer, outcome) in [
        ("opaque-1", active(&json!({ "scope": "a webhooks:write" })), FORWARDED),
        ("opaque-2", active(&json!({ "scope": "webhooks:read" })), denied("credential_invalid")),
        ("opaque-3", active(&json!({ "scope": "webhooks:write", "aud": "x" })), denied("credential_invalid")),
        ("opaque-4", active(&json!({ "scope": "webhooks:write", "iss": "https://x" })), denied("credential_invalid")),
        ("opaque-5", active(&json!({ "scope": "webhooks:write", "exp": in_seconds(-300) })), denied("timestamp_stale")),
        ("opaque-6", Answer::ok(r#"{"active":false}"#), denied("credential_invalid")),
        // The end is the server's to say (RFC 7662 section 2.2).
        ("opaque-7", Answer::ok(without_end), FORWARDED),
    ] {
        proxy.about(token);
        asking.server.answer(answer);
        late += in_time(&proxy, token, &outcome);
    }
    questions(&proxy, [6, 1, late, 0]);
    let received = upstream.received();
    let told = ["x-hookwarden-verified", "x-hookwarden-key-id"].map(|name| received[0].values(name));
    assert_eq!(told, [["true"], ["introspection"]], "{received:?}");
    // What was said is remembered, and what is no token is not asked about.
    asking.server.answer(Answer::Refuse);
    let mut remembered = 2;
    for (token, outcome, good_for) in [("opaque-1", FORWARDED, 60), ("opaque-6", denied("credential_invalid"), 10)] {
        let mut client = proxy.client();
        let response = client.send(&message(token)).read();
        let forgotten = response.status == 503;
        assert!(!forgotten || began.elapsed().as_secs() >= good_for, "{token} is forgotten too early");
        (late, remembered) = (late + u32::from(forgotten), remembered - u32::from(forgotten));
        proxy.expect_answer(&response, &if forgotten { denied("keys_unavailable") } else { outcome });
    }
    proxy.check(&message("no=token"), &denied("credential_invalid"));
    let without = Request::post("/hooks/api", "{}").with("Content-Type", "application/json");
    proxy.check(&without.bytes(), &denied("credential_missing"));
    questions(&proxy, [6, 1, late, remembered]);
    let asked = asking.server.asked();
    assert!((7..=7 + late as usize).contains(&asked.len()), "{asked:#?}");
    for part in
        ["POST /introspect HTTP/1.1\r\n", "Authorization: Basic d2FyZGVuOmh1bnRlcjI=\r\n", "\r\n\r\ntoken=opaque-1&"]
    {
        assert!(asked[0].contains(part), "{part:?} in {}", asked[0]);
    }
    proxy.finish();
}

#[test]
fn what_is_no_answer_makes_a_token_unavailable_until_there_is_one() {
    let upstream = Upstream::start();
    let asking = Asking::new(Answer::Refuse);
    let proxy = asking.before(&upstream, &[]).start();
    let huge = json!({ "active": true, "iss": "https://id.test", "x": "x".repeat(20_000) }).to_string();
    let troubles = [
        Answer::Refuse,
        Answer::ok("<html>sign in</html>"),
        Answer::ok(r#"{"active":"true"}"#),
        Answer::ok(huge),
        Answer::status(401, ""),
        Answer::status(302, &format!("Location: {}\r\n", asking.server.url("/other"))),
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec()),
    ];
    let count = u32::try_from(troubles.len()).expect("few");
    for trouble in troubles {
        proxy.about(format_args!("{trouble:?}"));
        asking.server.answer(trouble);
        let response = proxy.check(&message("opaque"), &denied("keys_unavailable"));
        assert_eq!(response.values("retry-after"), ["1"]);
    }
    questions(&proxy, [0, 0, count, 0]);
    let told = proxy.wait_for_log("the introspection of tokens does not answer");
    assert!(!told.contains("hunter2") && !told.contains("opaque"), "{told}");
    asking.server.answer(active(&json!({})));
    in_time(&proxy, "opaque", &FORWARDED);
    proxy.finish();
}

#[test]
fn who_waits_for_an_answer_holds_up_nobody_else() {
    let upstream = Upstream::start();
    let asking = Asking::new(Answer::Hang);
    let proxy = asking.before(&upstream, &[]).provider("github").start();
    // There is one worker, and it is free. A question lasts two seconds, which a busy machine may need for the other sender.
    let in_time = (1..=ATTEMPTS).any(|number| {
        let (mut waiting, mut other) = (proxy.client(), proxy.client());
        waiting.send(&message(&format!("opaque-{number}")));
        asking.server.wait_for(number);
        let answers = [other.send(&Signer::new("github").sample().bytes()).read(), waiting.read()];
        let records = proxy.expect_answers(&answers, &[Outcome::forwarded("github"), denied("keys_unavailable")]);
        records[0].text("ts") < records[1].text("ts")
    });
    assert!(in_time);
    proxy.finish();
}
