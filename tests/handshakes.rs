//! Providers' verifications of the endpoint through the whole sidecar: what is admitted, answered and kept from the
//! service, and what a provider wants of replies.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

mod in_memory;

use hookwarden::auth::jwt::ClaimRules;
use hookwarden::auth::keys::{Key, KeyText};
use hookwarden::auth::scheme::{Proof, Scheme};
use hookwarden::auth::sign::{Draft, sample_private, sample_secret, sign};
use hookwarden::clock::Now;
use in_memory::{SECRET, Sidecar, raw};

/// A sidecar with the definition of a provider `acme` at `/acme`, and what the settings add.
struct Acme {
    sidecar: Sidecar,
    scheme: Scheme,
    log: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Acme {
    fn new(definition: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let about = "id = \"acme\"\nname = \"Acme\"\ndocs = \"https://example.com\"\nconfidence = \"docs\"\n";
        let text = format!("{about}{definition}");
        std::fs::write(folder.path().join("acme.toml"), &text).expect("a file");
        let provider = hookwarden::providers::parse("acme.toml", &text).expect("a good definition");
        let (dir, log) = (folder.path().to_str().expect("text"), folder.path().join("log"));
        let base = [
            ("PROVIDERS_DIR", dir),
            ("AUDIT_LOG", log.to_str().expect("text")),
            ("ROUTE_ACME_PATH", "/acme"),
            ("ROUTE_ACME_PROVIDER", "acme"),
            ("ROUTE_ACME_SECRET", SECRET),
        ];
        let mut all: Vec<_> =
            base.into_iter().filter(|(name, _)| !settings.iter().any(|(other, _)| other == name)).collect();
        all.extend_from_slice(settings);
        let sidecar = Sidecar::new(&all);
        Self { sidecar, scheme: (*provider.scheme).clone(), log, _folder: folder }
    }

    /// Asserts what a request is answered with, and whether the service saw it.
    fn check(&self, request: &[u8], expected: &[&str], forwarded: usize) {
        let before = self.sidecar.forwarded();
        let (answer, _) = self.sidecar.exchange([request]);
        let answer = String::from_utf8(answer).expect("text");
        for part in expected {
            assert!(answer.contains(part), "{part:?} is not in {answer}");
        }
        assert_eq!(self.sidecar.forwarded() - before, forwarded, "{answer}");
    }

    /// The same for a provider of the catalogue whose keys come in pairs.
    fn of_catalogue(id: &str, settings: &[(&str, &str)]) -> Self {
        let scheme = (*hookwarden::providers::find(id).expect("in the catalogue").scheme).clone();
        let secret = sample_secret(&scheme, 1);
        let route = [("ROUTE_ACME_PROVIDER", id), ("ROUTE_ACME_SECRET", &secret)];
        Self { scheme, ..Self::new(HMAC, &[&route, settings].concat()) }
    }

    fn signed(&self, body: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let secret = match self.scheme.proof {
            Proof::PublicKey { .. } | Proof::Jwt(_) => sample_private(&self.scheme, 1),
            Proof::Hmac { .. } | Proof::Digest { .. } | Proof::Token | Proof::ClientCertificate => SECRET.to_owned(),
        };
        let key = Key::for_signing(&self.scheme, &KeyText::new("1", secret.as_bytes())).expect("a good key");
        let mut all = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (method, url) = ("POST".to_owned(), "https://hooks.example.com/acme".to_owned());
        let draft = Draft { method, url, headers: all, body: body.as_bytes().to_vec() };
        raw(&sign(&self.scheme, &key, draft, Now::read()).expect("signs"))
    }

    /// The last record.
    fn record(self) -> serde_json::Value {
        // Each waits for the writer for a while, or not at all once it has written everything.
        (0..30).for_each(|_| self.sidecar.close_log());
        let text = std::fs::read_to_string(&self.log).expect("the log");
        serde_json::from_str(text.lines().last().expect("a record")).expect("JSON")
    }
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: hooks.example.com\r\n\r\n").into_bytes()
}

fn post(target: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: hooks.example.com\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

const HMAC: &str = "scheme = \"hmac\"\nsignature = { header = \"X-Sig\" }\n";

#[test]
fn another_method_is_admitted_for_the_verification_alone() {
    let meta = "challenge = { method = \"GET\", when = \"query:hub.mode\", equals = \"subscribe\", verify = \"query:hub.verify_token\", token = \"query:hub.challenge\", reply = \"{{token}}\" }";
    let acme = Acme::new(&format!("{HMAC}{meta}"), &[("ROUTE_ACME_VERIFY_TOKEN", "v")]);
    let good = "/acme?hub.mode=subscribe&hub.verify_token=v&hub.challenge=123";
    let expected = ["HTTP/1.1 200 OK", "Content-Type: text/plain", "X-Content-Type-Options: nosniff", "\r\n\r\n123"];
    acme.check(&get(good), &expected, 0);
    acme.check(&get("/acme?hub.mode=subscribe&hub.verify_token=w&hub.challenge=123"), &["HTTP/1.1 401 "], 0);
    acme.check(&get("/acme?hub.mode=subscribe&hub.verify_token=v&hub.challenge=%3Cb%3E"), &["HTTP/1.1 400 "], 0);
    acme.check(&get("/acme"), &["HTTP/1.1 401 "], 0);
    acme.check(b"DELETE /acme HTTP/1.1\r\nHost: hooks.example.com\r\n\r\n", &["HTTP/1.1 405 ", "Allow: POST"], 0);
    acme.check(&acme.signed("{}", &[]), &["HTTP/1.1 200 OK"], 1);
    let signed = String::from_utf8(acme.signed("{\"a\":1}", &[])).expect("text");
    acme.check(signed.replacen("POST", "GET", 1).as_bytes(), &["HTTP/1.1 405 "], 0);
}

#[test]
fn an_unproven_verification_in_the_body_is_answered_and_nothing_else() {
    let statsig = "challenge = { authenticated = false, when = \"json:/data/event\", equals = \"url_verification\", token = \"json:/data/code\", reply = '{\"code\":\"{{token}}\"}', content_type = \"application/json\" }";
    let acme = Acme::new(&format!("{HMAC}{statsig}"), &[]);
    let ask = r#"{"data":{"event":"url_verification","code":"abc"}}"#;
    acme.check(&post("/acme", "", ask), &["HTTP/1.1 200 OK", "application/json", "{\"code\":\"abc\"}"], 0);
    acme.check(&post("/acme", "", r#"{"data":{"event":"other"}}"#), &["HTTP/1.1 401 "], 0);
    acme.check(&post("/acme", "X-Sig: 00\r\n", r#"{"data":{"event":"other"}}"#), &["HTTP/1.1 401 "], 0);
    let large = format!(r#"{{"data":{{"event":"url_verification","code":"abc"}},"fill":"{}"}}"#, "x".repeat(17_000));
    acme.check(&post("/acme", "", &large), &["HTTP/1.1 401 "], 0);
    let chunked = "POST /acme HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    acme.check(chunked.as_bytes(), &["HTTP/1.1 401 "], 0);
    assert_eq!(acme.record()["reason"], "credential_missing");
}

#[test]
fn a_refused_verification_has_the_status_that_the_provider_tests() {
    let fitbit = "challenge = { method = \"GET\", when = \"query:verify\", verify = \"query:verify\", verify_required = true, status = 204, refused_status = 404 }";
    let acme = Acme::new(&format!("{HMAC}{fitbit}"), &[("ROUTE_ACME_VERIFY_TOKEN", "code")]);
    acme.check(&get("/acme?verify=code"), &["HTTP/1.1 204 No Content"], 0);
    acme.check(&get("/acme?verify=other"), &["HTTP/1.1 404 "], 0);
    let record = acme.record();
    assert_eq!((&record["reason"], &record["status"]), (&"credential_invalid".into(), &404.into()));
}

#[test]
fn headers_in_place_of_a_body() {
    let asana = "challenge = { authenticated = false, empty = true, token = \"header:X-Hook-Secret\", headers = { \"X-Hook-Secret\" = \"{{token}}\" } }";
    let acme = Acme::new(&format!("{HMAC}{asana}"), &[]);
    acme.check(&post("/acme", "X-Hook-Secret: abc\r\n", ""), &["HTTP/1.1 200 OK", "X-Hook-Secret: abc\r\n"], 0);
    acme.check(&post("/acme", "X-Hook-Secret: abc\r\n", "{}"), &["HTTP/1.1 401 "], 0);
    let head = Acme::new(&format!("{HMAC}challenge = {{ method = \"HEAD\" }}"), &[]);
    head.check(b"HEAD /acme HTTP/1.1\r\nHost: h\r\n\r\n", &["HTTP/1.1 200 OK"], 0);
    head.check(&get("/acme"), &["HTTP/1.1 405 "], 0);
}

#[test]
fn what_providers_want_of_replies() {
    let xero = Acme::new(&format!("{HMAC}reply = {{ denied = \"empty\" }}"), &[]);
    xero.check(&post("/acme", "X-Sig: 00\r\n", "{}"), &["HTTP/1.1 401 ", "Content-Length: 0\r\n"], 0);
    let magic = "delivery_id = { json = \"id\" }\nreply = { acknowledged = \"Hello API Event Received\" }";
    let dropbox = Acme::new(&format!("{HMAC}{magic}"), &[("ROUTE_ACME_ON_DUPLICATE", "ack")]);
    let message = dropbox.signed("{\"id\":\"1\"}", &[]);
    dropbox.check(&message, &["HTTP/1.1 200 OK", "\r\n\r\nok"], 1);
    dropbox.check(&message, &["HTTP/1.1 200 OK", "\r\n\r\nHello API Event Received"], 0);
    let adobe =
        Acme::new("scheme = \"token\"\nsignature = { header = \"X-Client\" }\nreply = { echo = \"X-Client\" }", &[]);
    adobe.check(&adobe.signed("{}", &[]), &["HTTP/1.1 200 OK", &format!("X-Client: {SECRET}\r\n"), "\r\n\r\nok"], 1);
    let basic = Acme::new("scheme = \"basic\"", &[("ROUTE_ACME_SECRET", "user:password")]);
    basic.check(&post("/acme", "", "{}"), &["HTTP/1.1 401 ", "WWW-Authenticate: Basic realm="], 0);
    basic.check(&post("/acme", "Authorization: Basic AAAA\r\n", "{}"), &["WWW-Authenticate: Basic realm="], 0);
    let bearer =
        Acme::new("scheme = \"token\"\nsignature = { header = \"Authorization\", format = \"Bearer {token}\" }", &[]);
    for (fields, asked) in [
        ("", "\r\nWWW-Authenticate: Bearer realm=\"webhooks\"\r\n"),
        ("Authorization: Bearer x\r\n", "\r\nWWW-Authenticate: Bearer realm=\"webhooks\", error=\"invalid_token\"\r\n"),
    ] {
        bearer.check(&post("/acme", fields, "{}"), &["HTTP/1.1 401 ", asked], 0);
    }
    let own =
        Acme::new("scheme = \"token\"\nsignature = { header = \"Authorization\", format = \"JWT {token}\" }", &[]);
    own.check(&post("/acme", "Authorization: JWT x\r\n", "{}"), &["\r\nWWW-Authenticate: Signature\r\n"], 0);
    basic.check(&post("/acme", "Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n", "{}"), &["HTTP/1.1 200 OK"], 1);
}

#[test]
fn records_say_what_was_bound_and_hide_a_token_in_the_path() {
    let partial = Acme::new("scheme = \"hmac\"\nsignature = { header = \"X-Sig\" }\nsigned = \"{json:/id}\"", &[]);
    partial.check(&partial.signed("{\"id\":\"1\"}", &[]), &["HTTP/1.1 200 OK"], 1);
    assert_eq!(partial.record()["binding"], "partial");
    let path = Acme::new("scheme = \"token\"\nsignature = { path = true }", &[("ROUTE_ACME_PATH", "/acme/*")]);
    path.check(&post(&format!("/acme/{}", SECRET.trim_end_matches('=')), "", "{}"), &["HTTP/1.1 401 "], 0);
    path.check(&post(&format!("/acme/{SECRET}"), "", "{}"), &["HTTP/1.1 200 OK"], 1);
    let record = path.record();
    assert_eq!((&record["binding"], &record["path"]), (&"none".into(), &"/acme/".into()));
}

/// Its verification comes before any token; what it gives back is a word, made with no key.
#[test]
fn monday_asks_before_it_sends_tokens() {
    let monday = Acme::of_catalogue("monday", &[("ROUTE_ACME_AUDIENCE", "https://hooks.example.com/acme")]);
    let json = "Content-Type: application/json\r\n";
    let asked = post("/acme", json, "{\"challenge\":\"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P\"}");
    let echo = "\r\n\r\n{\"challenge\":\"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P\"}";
    monday.check(&asked, &["HTTP/1.1 200 OK", "Content-Type: application/json", echo], 0);
    monday.check(&post("/acme", json, "{\"challenge\":\"</script>\"}"), &["HTTP/1.1 400 "], 0);
    monday.check(&post("/acme", json, "{\"event\":{\"type\":\"create_item\"}}"), &["HTTP/1.1 401 "], 0);
    let for_somebody_else = monday.signed("{\"event\":{\"type\":\"create_item\"}}", &[]);
    monday.check(&for_somebody_else, &["HTTP/1.1 401 "], 0);
    let Proof::Jwt(mut jwt) = monday.scheme.proof.clone() else { panic!("a token") };
    let audiences = Box::new(["https://hooks.example.com/acme".into()]);
    let rules = ClaimRules { audiences, ..jwt.rules().expect("claims").clone() };
    jwt.set_rules(rules);
    let monday = Acme { scheme: Scheme { proof: Proof::Jwt(jwt), ..monday.scheme.clone() }, ..monday };
    let event = monday.signed("{\"event\":{\"type\":\"create_item\"}}", &[]);
    monday.check(&event, &["HTTP/1.1 200 OK", "\r\n\r\nok"], 1);
    // The token is sent along with many messages, so that it is no replay.
    monday.check(&event, &["HTTP/1.1 200 OK", "\r\n\r\nok"], 1);
    assert_eq!(monday.record()["reason"], "forwarded");
}

#[test]
fn discord_asks_with_good_and_bad_signatures() {
    let discord = Acme::of_catalogue("discord", &[]);
    let ping = discord.signed("{\"id\":\"1\",\"type\":1,\"version\":1}", &[]);
    discord.check(&ping, &["HTTP/1.1 200 OK", "Content-Type: application/json", "\r\n\r\n{\"type\":1}"], 0);
    let events = discord.signed("{\"version\":1,\"application_id\":\"1\",\"type\":0}", &[]);
    discord.check(&events, &["HTTP/1.1 204 No Content"], 0);
    // An event has type 1 as well, and is for the service; so is what a user did.
    let event = "{\"version\":1,\"type\":1,\"event\":{\"type\":\"ENTITLEMENT_CREATE\",\"data\":{}}}";
    discord.check(&discord.signed(event, &[]), &["HTTP/1.1 200 OK", "\r\n\r\nok"], 1);
    discord.check(&discord.signed("{\"type\":2}", &[]), &["HTTP/1.1 200 OK", "\r\n\r\nok"], 1);
    // The probes that Discord drops an endpoint for when they get anything but a 401.
    let bad = String::from_utf8(ping).expect("text").replace("\"type\":1", "\"type\":0");
    discord.check(bad.as_bytes(), &["HTTP/1.1 401 "], 0);
    let none = "Content-Type: application/json\r\n";
    discord.check(&post("/acme", none, "{\"type\":1}"), &["HTTP/1.1 401 "], 0);
    assert_eq!(discord.record()["reason"], "credential_missing");
}

#[test]
fn ebay_is_told_the_hash_of_its_challenge() {
    // The example of eBay's own SDK.
    let url = ("ROUTE_ACME_PUBLIC_URL", "http://www.testendpoint.com/webhook");
    let token = ("ROUTE_ACME_VERIFY_TOKEN", "71745723-d031-455c-bfa5-f90d11b4f20a");
    let ebay = Acme::of_catalogue("ebay", &[url, token]);
    let expected =
        "\r\n\r\n{\"challengeResponse\":\"ca527df75caa230092d7e90484071e8f05d63068f1317973d6a3a42593734bbb\"}";
    let ask = get("/acme?challenge_code=a8628072-3d33-45ee-9004-bee86830a22d");
    ebay.check(&ask, &["HTTP/1.1 200 OK", "Content-Type: application/json", expected], 0);
    ebay.check(&get("/acme?challenge_code=%3Cb%3E"), &["HTTP/1.1 400 "], 0);
    ebay.check(&get("/acme"), &["HTTP/1.1 401 "], 0);
    let body = "{\"metadata\":{\"topic\":\"A\"},\"notification\":{\"notificationId\":\"1\"}}";
    let signed = ebay.signed(body, &[]);
    ebay.check(&signed, &["HTTP/1.1 200 OK", "\r\n\r\nok"], 1);
    ebay.check(&signed, &["HTTP/1.1 409 "], 0);
    let changed = String::from_utf8(ebay.signed(body, &[])).expect("text").replace("\"A\"", "\"B\"");
    ebay.check(changed.as_bytes(), &["HTTP/1.1 401 "], 0);
}

#[test]
fn circle_looks_for_the_endpoint_before_it_sends() {
    let circle = Acme::of_catalogue("circle", &[]);
    circle.check(b"HEAD /acme HTTP/1.1\r\nHost: h\r\n\r\n", &["HTTP/1.1 200 OK"], 0);
    circle.check(&circle.signed("{\"notificationId\":\"1\"}", &[]), &["HTTP/1.1 200 OK"], 1);
}
