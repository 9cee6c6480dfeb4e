//! Who sent it: every provider of the catalogue, schemes of one's own, keys in rotation, and endpoint verifications.

use std::fs;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hookwarden::auth::scheme::{Proof, TimestampFrom};
use hookwarden::auth::sign::{body_digest, sample_secret};
use hookwarden::providers::{self, CustomFields};

use crate::harness::{Builder, Outcome, Request, Sidecar, Signer, Upstream, secret_of};

/// Past every tolerance of the catalogue.
const HOUR: Duration = Duration::from_secs(3600);

/// One of each usual kind: what is said of them in detail here, the unit tests say of every provider.
const USUAL: [&str; 12] = [
    "github",
    "gitlab_token",
    "linear",
    "pagerduty",
    "sentry",
    "shopify",
    "slack",
    "standard_webhooks",
    "stripe",
    "svix",
    "twilio",
    "zoom",
];

/// One sidecar with a route for each of them.
fn start(upstream: &Upstream, ids: impl IntoIterator<Item = &'static str>) -> Sidecar {
    ids.into_iter().fold(Sidecar::before(upstream), Builder::provider).start()
}

#[test]
fn every_provider_of_the_catalogue_is_forwarded_with_its_secret_alone() {
    // Not those whose connection is the proof, whose certificates nobody else has, or whose route must name a claim.
    let is_signed_by_us = |provider: &&providers::Provider| {
        let has_key = provider.kind() != "mtls" && provider.scheme.key_source.chain.is_none();
        has_key && provider.asks().claims.is_empty()
    };
    let ids: Vec<_> = providers::all().iter().filter(is_signed_by_us).map(|provider| provider.id.as_str()).collect();
    // Each check reads all metrics, so a sidecar with all routes would take most of its time to render them.
    for ids in ids.chunks(16) {
        let upstream = Upstream::start();
        let proxy = start(&upstream, ids.iter().copied());
        for id in ids {
            proxy.about(format_args!("{id}"));
            let signer = Signer::new(id);
            let another = signer.clone().secret(&another_secret(&signer));
            proxy.check(&signer.sample().bytes(), &Outcome::forwarded(id));
            // A denial without a body has no document to hold against the record.
            if !signer.scheme().reply.denied_empty {
                proxy.check(&another.sample().bytes(), &Outcome::of("credential_invalid").on(id));
            }
        }
        proxy.finish();
    }
}

fn is_token(signer: &Signer) -> bool {
    matches!(signer.scheme().proof, Proof::Token)
}

#[test]
fn what_a_provider_sends_is_forwarded_with_its_proof() {
    let upstream = Upstream::start();
    let proxy = start(&upstream, USUAL);
    for id in USUAL {
        let signer = Signer::new(id);
        for bytes in [signer.sample().bytes(), signer.sample().chunked(7)] {
            let mut client = proxy.client();
            client.send(&bytes);
            let record = proxy.expect_answer(&client.read(), &Outcome::forwarded(id));
            assert_eq!((record.text("provider"), record.text("key_id")), (id, "1"));
        }
        let (sent, received) = (signer.sample(), upstream.last());
        assert_eq!(received.values("x-hookwarden-provider"), [id]);
        assert_eq!(received.values("x-hookwarden-verified"), ["true"]);
        // The service can still verify by itself: its header is there, over a body of the same kind.
        assert_eq!(received.values(signer.header()).len(), 1);
        assert_eq!(received.body().first(), sent.body.first());
    }
    proxy.finish();
}

#[test]
fn what_has_a_fault_is_refused() {
    let upstream = Upstream::start();
    let proxy = start(&upstream, USUAL);
    for id in USUAL {
        let signer = Signer::new(id);
        for (fault, reason, request) in faults(&signer) {
            proxy.about(format_args!("{id}: {fault}"));
            proxy.check(&request.bytes(), &Outcome::of(reason).on(id));
        }
    }
    proxy.finish();
}

/// Everything that can be wrong with any provider's message.
fn faults(signer: &Signer) -> Vec<(&'static str, &'static str, Request)> {
    let good = signer.sample();
    let header = signer.header().to_owned();
    let proof = good.field(&header).unwrap().to_owned();
    let with = |value: &str| good.clone().set(&header, value);
    let mut faults = vec![
        ("no proof", "credential_missing", good.clone().without(&header)),
        ("an empty proof", "credential_missing", with("")),
        ("a proof twice", "credential_invalid", good.clone().with(&header, &proof)),
        ("a proof twice, in another case", "credential_invalid", good.clone().with(&header.to_uppercase(), &proof)),
        ("two proofs", "credential_invalid", good.clone().with(&header, "other")),
        ("a proof joined with itself", "credential_invalid", with(&format!("{proof}{proof}"))),
        ("half a proof", "credential_invalid", with(&proof[..proof.len() - proof.len() / 4])),
        ("a proof and more", "credential_invalid", with(&format!("{proof}00"))),
        ("a proof in a list", "credential_invalid", with(&format!("{proof}, {proof}0"))),
        ("another proof", "credential_invalid", with(&tampered(&proof))),
        ("another secret", "credential_invalid", signer.clone().secret(&another_secret(signer)).sample()),
    ];
    // A list of signatures may hold the right one among others: these are such lists.
    if let Some(separator) = signer.scheme().signature.format.separator.map(char::from) {
        let is_list = |fault: &str| match fault {
            "a proof joined with itself" => proof.contains(separator),
            "a proof in a list" => separator == ',',
            _ => false,
        };
        faults.retain(|(fault, ..)| !is_list(fault));
    }
    if !is_token(signer) {
        let body = tampered(std::str::from_utf8(&good.body).unwrap());
        faults.push(("another body", "credential_invalid", good.clone().body(body)));
        faults.push(("no body", "credential_invalid", good.clone().body("")));
    }
    faults.extend(time_faults(signer, &good));
    faults
}

/// What can be wrong with the signed time.
fn time_faults(signer: &Signer, good: &Request) -> Vec<(&'static str, &'static str, Request)> {
    let Some(timestamp) = &signer.scheme().timestamp else { return Vec::new() };
    let mut faults = vec![
        ("a time long past", "timestamp_stale", signer.clone().earlier(HOUR).sample()),
        ("a time to come", "timestamp_future", signer.clone().later(HOUR).sample()),
    ];
    if let TimestampFrom::Header(name) = &timestamp.from {
        let next = good.field(name).unwrap().parse::<u64>().unwrap() + 1;
        faults.push(("another time", "credential_invalid", good.clone().set(name, &next.to_string())));
        faults.push(("no time", "timestamp_missing", good.clone().without(name)));
        faults.push(("a time twice", "timestamp_missing", good.clone().with(name, &next.to_string())));
        faults.push(("a time with a sign", "timestamp_missing", good.clone().set(name, &format!("+{next}"))));
    }
    faults
}

/// The same text with its last letter or digit changed to another one of its kind.
fn tampered(text: &str) -> String {
    let at = text.rfind(|c: char| c.is_ascii_alphanumeric()).unwrap();
    let other = if &text[at..=at] == "1" { "0" } else { "1" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

/// A secret of the same form as the signer's.
fn another_secret(signer: &Signer) -> String {
    sample_secret(signer.scheme(), 2)
}

#[test]
fn the_same_message_passes_once_unless_nothing_is_signed() {
    let upstream = Upstream::start();
    let proxy = start(&upstream, USUAL);
    for id in USUAL {
        let signer = Signer::new(id);
        let again = if is_token(&signer) { Outcome::forwarded(id) } else { Outcome::of("replayed").on(id) };
        let request = signer.sample();
        proxy.check(&request.bytes(), &Outcome::forwarded(id));
        proxy.check(&request.bytes(), &again);
        proxy.check(&request.clone().with("X-Unsigned", "1").chunked(3), &again);
    }
    proxy.finish();
}

#[test]
fn signed_header_fields_are_bound() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("svix").provider("standard_webhooks").start();
    for (id, field) in [("svix", "svix-id"), ("standard_webhooks", "webhook-id")] {
        let good = Signer::new(id).sample();
        let other = good.clone().set(field, "msg_other");
        proxy.check(&other.bytes(), &Outcome::of("credential_invalid").on(id));
        proxy.check(&good.clone().with(field, "msg_other").bytes(), &Outcome::of("credential_missing").on(id));
        proxy.check(&good.without(field).bytes(), &Outcome::of("credential_missing").on(id));
    }
    proxy.finish();
}

#[test]
fn weaker_proofs_are_not_looked_at() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").provider("stripe").provider("svix").start();
    let (github, stripe, svix) = (Signer::new("github"), Signer::new("stripe"), Signer::new("svix"));
    let sha1 = HEXLOWER.encode(&sha1_of(b"{}", &secret_of("github")));
    let unsigned = Request::post("/hooks/github", "{}");
    let renamed = |signer: &Signer, from: &str, to: &str| {
        let good = signer.sample();
        let value = good.field(signer.header()).unwrap().replace(from, to);
        good.set(signer.header(), &value)
    };
    let rows = [
        ("github", "credential_missing", unsigned.clone().with("X-Hub-Signature", &format!("sha1={sha1}"))),
        ("github", "credential_invalid", unsigned.clone().with("X-Hub-Signature-256", &format!("sha1={sha1}"))),
        ("github", "credential_invalid", unsigned.with("X-Hub-Signature-256", &sha1)),
        ("github", "credential_invalid", renamed(&github, "sha256=", "")),
        ("stripe", "credential_invalid", renamed(&stripe, "v1=", "v0=")),
        ("svix", "credential_invalid", renamed(&svix, "v1,", "v1a,")),
        ("svix", "credential_invalid", renamed(&svix, "v1,", "")),
    ];
    for (id, reason, request) in rows {
        proxy.check(&request.bytes(), &Outcome::of(reason).on(id));
    }
    proxy.finish();
}

fn sha1_of(content: &[u8], secret: &str) -> Vec<u8> {
    let fields = CustomFields {
        algorithm: Some("sha1".into()),
        signature_header: Some("X-Any".into()),
        signed_content: Some("{body}".into()),
        ..CustomFields::default()
    };
    Signer::custom(providers::custom(&fields).unwrap(), secret, "/").mac(content)
}

#[test]
fn two_keys_are_both_accepted_and_told_apart() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let (lines, named) = (folder.path().join("keys"), folder.path().join("named"));
    fs::write(&lines, "first-key\nsecond-key\n").unwrap();
    fs::create_dir(&named).unwrap();
    fs::write(named.join("2025-old"), "first-key").unwrap();
    fs::write(named.join("2026-new"), "second-key\n").unwrap();
    let in_file = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let proxy = Sidecar::before(&upstream)
        .provider_as("lines", "github", &[("SECRET_FILE", &in_file(&lines))])
        .provider_as("named", "github", &[("SECRET_FILE", &in_file(&named))])
        .unset("ROUTE_LINES_SECRET")
        .unset("ROUTE_NAMED_SECRET")
        .start();
    for (route, secret, key_id) in [
        ("lines", "first-key", "1"),
        ("lines", "second-key", "2"),
        ("named", "first-key", "2025-old"),
        ("named", "second-key", "2026-new"),
    ] {
        let signer = Signer::new("github").path(&format!("/hooks/{route}")).secret(secret);
        let mut client = proxy.client();
        client.send(&signer.sample().bytes());
        let record = proxy.expect_answer(&client.read(), &Outcome::forwarded(route));
        assert_eq!(record.text("key_id"), key_id);
        assert_eq!(upstream.last().values("x-hookwarden-key-id"), [key_id]);
    }
    let neither = Signer::new("github").path("/hooks/lines").secret("first-key\nsecond-key").sample();
    proxy.check(&neither.bytes(), &Outcome::of("credential_invalid").on("lines"));
    proxy.finish();
}

#[test]
fn a_message_with_two_signatures_cannot_be_replayed_with_one() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |id: &str| {
        let path = folder.path().join(id);
        fs::write(&path, format!("{}\n{}\n", secret_of(id), another_secret(&Signer::new(id)))).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let proxy = Sidecar::before(&upstream)
        .provider_as("stripe", "stripe", &[("SECRET_FILE", &file("stripe"))])
        .provider_as("svix", "svix", &[("SECRET_FILE", &file("svix"))])
        .unset("ROUTE_STRIPE_SECRET")
        .unset("ROUTE_SVIX_SECRET")
        .start();
    for (id, separator) in [("stripe", ","), ("svix", " ")] {
        let signer = Signer::new(id);
        let first = signer.sample();
        let second = signed_too(&signer, &first);
        let (one, other) = (first.field(signer.header()).unwrap(), second.field(signer.header()).unwrap());
        // The time stands there already.
        let signature = other.split_once(',').map_or(other, |(_, signature)| signature);
        let other_item = if id == "stripe" { signature } else { other };
        let both = first.clone().set(signer.header(), &format!("{one}{separator}{other_item}"));
        proxy.check(&both.bytes(), &Outcome::forwarded(id));
        for copy in [&both, &first, &second] {
            proxy.check(&copy.bytes(), &Outcome::of("replayed").on(id));
        }
    }
    proxy.finish();
}

/// The same message signed with the other key.
fn signed_too(signer: &Signer, first: &Request) -> Request {
    let id: Vec<_> = first.field("svix-id").map(|id| ("svix-id", id)).into_iter().collect();
    signer.clone().secret(&another_secret(signer)).sign_with(&id, first.body.clone())
}

#[test]
fn schemes_of_ones_own() {
    let text = |value: &str| Some(value.to_owned());
    let schemes = [
        (
            "plain",
            CustomFields { signed_content: text("{body}"), algorithm: text("sha256"), ..CustomFields::default() },
        ),
        (
            "timed",
            CustomFields {
                algorithm: text("sha512"),
                signature_encoding: text("base64url"),
                signed_content: text("{method}:{timestamp}:{body}"),
                timestamp_header: text("X-Time"),
                timestamp_unit: text("ms"),
                ..CustomFields::default()
            },
        ),
        (
            "listed",
            CustomFields {
                algorithm: text("sha384"),
                signature_format: text("time={timestamp},sig={signature}"),
                signature_encoding: text("base64"),
                signed_content: text("{timestamp}.{body}.{header:X-Id}"),
                secret_encoding: text("hex"),
                ..CustomFields::default()
            },
        ),
        (
            "token",
            CustomFields {
                scheme: text("token"),
                signature_format: text("Bearer {signature}"),
                ..CustomFields::default()
            },
        ),
    ];
    let upstream = Upstream::start();
    let secret = "0123456789abcdef0123456789abcdef";
    let mut builder = Sidecar::before(&upstream);
    let mut signers = Vec::new();
    for (name, fields) in schemes {
        let fields = CustomFields { signature_header: text("X-Proof"), ..fields };
        let path = format!("/{name}");
        builder = builder
            .route(name, &[("PATH", &path), ("PROVIDER", "custom"), ("SECRET", secret)])
            .route(name, &variables(&fields));
        signers.push((name, Signer::custom(providers::custom(&fields).unwrap(), secret, &path)));
    }
    let proxy = builder.start();
    for (name, signer) in &signers {
        let good = signer.sign("{}");
        proxy.check(&good.bytes(), &Outcome::forwarded(name));
        let refused = |request: &Request, reason| proxy.check(&request.bytes(), &Outcome::of(reason).on(name));
        let proof = tampered(good.field("X-Proof").unwrap());
        refused(&good.clone().set("X-Proof", &proof), "credential_invalid");
        refused(&good.clone().without("X-Proof"), "credential_missing");
        if !is_token(signer) {
            refused(&good.clone().body("[]"), "credential_invalid");
            refused(&good, "replayed");
        }
        if signer.scheme().timestamp.is_some() {
            refused(&signer.clone().earlier(HOUR).sign("{}"), "timestamp_stale");
            refused(&signer.clone().later(HOUR).sign("{}"), "timestamp_future");
        }
    }
    proxy.finish();
}

/// A definition as a route's variables.
fn variables(fields: &CustomFields) -> Vec<(&'static str, &str)> {
    let CustomFields {
        scheme,
        algorithm,
        ecdsa_form,
        signature_header,
        signature_format,
        signature_encoding,
        signed_content,
        timestamp_header,
        timestamp_unit,
        secret_encoding,
    } = fields;
    let all = [
        ("SCHEME", scheme),
        ("ALGORITHM", algorithm),
        ("ECDSA_FORM", ecdsa_form),
        ("SIGNATURE_HEADER", signature_header),
        ("SIGNATURE_FORMAT", signature_format),
        ("SIGNATURE_ENCODING", signature_encoding),
        ("SIGNED_CONTENT", signed_content),
        ("TIMESTAMP_HEADER", timestamp_header),
        ("TIMESTAMP_UNIT", timestamp_unit),
        ("SECRET_ENCODING", secret_encoding),
    ];
    all.into_iter().filter_map(|(name, value)| value.as_deref().map(|value| (name, value))).collect()
}

#[test]
fn twilio_signs_the_url() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("twilio").start();
    let invalid = Outcome::of("credential_invalid").on("twilio");
    let form = Signer::new("twilio").path("/hooks/twilio?a=1").sample();
    proxy.check(&form.clone().target("/hooks/twilio?a=2").bytes(), &invalid);
    proxy.check(&form.clone().target("/hooks/twilio").bytes(), &invalid);
    proxy.check(&form.bytes(), &Outcome::forwarded("twilio"));
    // A body that is no form is bound by a digest in the signed URL.
    let body = r#"{"a":1}"#;
    let signer = Signer::new("twilio").path(&format!("/hooks/twilio?bodySHA256={}", body_digest(body.as_bytes())));
    let json = signer.sign(body);
    proxy.check(&json.clone().body(r#"{"a":2}"#).bytes(), &invalid);
    proxy.check(&json.bytes(), &Outcome::forwarded("twilio"));
    proxy.finish();
}

#[test]
fn slacks_verification_is_answered_here_and_only_when_signed() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("slack").start();
    let signer = Signer::new("slack");
    let asked = |token: &str| signer.sign(format!(r#"{{"type":"url_verification","challenge":"{token}"}}"#));
    let token = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    // As often as Slack likes to ask.
    for _ in 0..2 {
        let response = proxy.check(&asked(token).bytes(), &Outcome::of("challenge_answered").on("slack"));
        assert_eq!(response.values("content-type"), ["text/plain"]);
        assert_eq!(response.body, token.as_bytes());
    }
    let refused = |request: &Request, reason| proxy.check(&request.bytes(), &Outcome::of(reason).on("slack"));
    refused(&asked(token).without("X-Slack-Signature"), "credential_missing");
    refused(&asked(token).body(asked("other").body), "credential_invalid");
    refused(&signer.clone().earlier(HOUR).sign(asked(token).body), "timestamp_stale");
    for token in ["", "a b", "<script>", "v0:1:x", "a\\nb", "\u{e4}"] {
        refused(&asked(token), "payload_invalid");
    }
    refused(&signer.sign(r#"{"type":"url_verification"}"#), "payload_invalid");
    proxy.finish();
}

#[test]
fn zooms_validation_signs_nothing_that_could_be_a_message() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("zoom").start();
    let signer = Signer::new("zoom");
    let asked = |token: &str| {
        signer.sign(format!(r#"{{"payload":{{"plainToken":"{token}"}},"event":"endpoint.url_validation"}}"#))
    };
    let response = proxy.check(&asked("qgg8vlvZRS6UYooatFL8Aw").bytes(), &Outcome::of("challenge_answered").on("zoom"));
    assert_eq!(response.values("content-type"), ["application/json"]);
    let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answer["plainToken"], "qgg8vlvZRS6UYooatFL8Aw");
    assert_eq!(answer["encryptedToken"], HEXLOWER.encode(&signer.mac(b"qgg8vlvZRS6UYooatFL8Aw")));
    // Unsigned it would be an oracle for anybody, and with these tokens for whoever can sign one request.
    let refused = |request: &Request, reason| {
        let response = proxy.check(&request.bytes(), &Outcome::of(reason).on("zoom"));
        assert!(!String::from_utf8(response.body).unwrap().contains("encryptedToken"));
    };
    refused(&asked("abc").without("x-zm-signature"), "credential_missing");
    refused(&asked("abc").set("x-zm-signature", "v0=00"), "credential_invalid");
    for token in ["v0:1700000000:x", "v0:1700000000:{}", "a.b", "a\\u003ab", "", &"a".repeat(257)] {
        refused(&asked(token), "payload_invalid");
    }
    proxy.finish();
}
