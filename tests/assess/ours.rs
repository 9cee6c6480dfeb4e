//! The real binary holds, over plaintext and over TLS, by its answers, by its counters, and by what reached the service;
//! and the command says so in every format.

use std::process::{Command, Output};
use std::time::Duration;

use hookwarden::assess::target::Target;
use hookwarden::assess::{self, Options, Verdict};
use hookwarden::auth::keys::{Key, KeyText};
use hookwarden::auth::signature::{PublicKey, Strength};
use serde_json::Value;

use crate::faults::{OF_OAUTH, options, subject, told};
use crate::harness::{Authority, Sidecar, Upstream, secret_of};
use crate::receiver::{AUDIENCE, ISSUER};

const HOST: &str = "hooks.test";

/// What does not apply, beside what a row says.
const PLAIN: &[&str] = &["HA068", "HA069", "HA070"];
const PATIENCE: &[&str] = &["HA066", "HA067"];
const TOKENS: &[&str] = &["HA008", "HA009", "HA010", "HA011", "HA071", "HA072", "HA073", "HA074", "HA075", "HA076"];

#[test]
fn it_holds_over_plaintext() {
    for (provider, open) in [
        ("github", &["HA016", "HA027", "HA028", "HA029", "HA030", "HA031", "HA032", "HA033"][..]),
        ("standard_webhooks", &["HA028"]),
        ("stripe", &["HA016", "HA027", "HA028", "HA030"]),
        ("x_twitter", &["HA027", "HA028", "HA029", "HA030", "HA031", "HA032", "HA033"]),
    ] {
        let upstream = Upstream::start();
        // One is tried for its patience too: a few seconds of it, so that no request that is on its way meets their end.
        let slow = (provider == "github").then(|| Duration::from_secs(60));
        let proxy = Sidecar::before(&upstream).provider(provider);
        let hasty = ["HEADER_TIMEOUT", "BODY_TIMEOUT"].into_iter().filter(|_| slow.is_some());
        let proxy = hasty.fold(proxy, |proxy, name| proxy.set(name, "5s")).start();
        let mut subject = subject(provider, &format!("http://{}/hooks/{provider}", proxy.address()), None);
        (subject.secret, subject.key) = key(provider);
        let metrics = Target::resolve(&format!("http://{}/metrics", proxy.admin()), None).expect("an address");
        let options = Options { metrics: Some(metrics), slow, ..options() };
        let assessment = assess::run(&subject, &options, &mut |_| {}).expect("an assessment");
        assert!(assessment.hookwarden && assessment.notes.is_empty(), "{provider}: {assessment:#?}");
        for (code, verdict, evidence) in told(&assessment) {
            let patience: &[&str] = if slow.is_some() { &[] } else { PATIENCE };
            let applies = ![open, PLAIN, TOKENS, patience].concat().contains(&code);
            let expected = if applies { Verdict::Held } else { Verdict::Inconclusive };
            assert_eq!(verdict, expected, "{provider} {code}: {evidence}");
        }
        let strangers: Vec<_> =
            upstream.received().into_iter().filter(|seen| seen.values("x-hookwarden-verified") != ["true"]).collect();
        assert!(strangers.is_empty(), "{strangers:?}");
        proxy.end();
    }
}

#[test]
fn it_holds_where_bearer_tokens_are_the_proof() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().expect("a folder"));
    let subject_at = |url: &str| subject("oauth", url, None);
    let public = subject_at("http://127.0.0.1:1/").public.expect("a public key");
    let public = PublicKey::from_text(&public, Strength::default()).expect("a key");
    let keys = serde_json::json!({ "keys": [public.to_jwk()] });
    let file = folder.path().join("keys.json");
    std::fs::write(&file, keys.to_string()).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let route = [("PATH", "/hooks/api"), ("PROVIDER", "oauth"), ("JWKS_FILE", file)];
    let says = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE)];
    let proxy = Sidecar::before(&upstream).route("api", &route).route("api", &says).start();
    let subject = subject_at(&format!("http://{}/hooks/api", proxy.address()));
    let assessment = assess::run(&subject, &options(), &mut |_| {}).expect("an assessment");
    assert!(assessment.hookwarden && assessment.notes.is_empty(), "{assessment:#?}");
    for (code, verdict, evidence) in told(&assessment) {
        let open = OF_OAUTH.contains(&code) || ["HA066", "HA067"].contains(&code);
        let expected = if open { Verdict::Inconclusive } else { Verdict::Held };
        assert_eq!(verdict, expected, "{code}: {evidence}");
    }
    proxy.end();
}

fn key(provider: &str) -> (KeyText, Key) {
    let scheme = &hookwarden::providers::find(provider).expect("in the catalogue").scheme;
    let secret = KeyText::new("1", secret_of(provider).as_bytes());
    let key = Key::for_signing(scheme, &secret).expect("a key");
    (secret, key)
}

#[test]
fn it_holds_over_tls_and_says_so_to_programs() {
    let (authority, folder) = (Authority::new("authority"), tempfile::tempdir().expect("a folder"));
    authority.issue(&[HOST]).put(folder.path(), "tls");
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
    std::fs::write(folder.path().join("secret"), secret_of("github")).expect("a file");
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .provider("github")
        .set("TLS", "terminate")
        .set("TLS_CERT_FILE", folder.path().join("tls.crt"))
        .set("TLS_KEY_FILE", folder.path().join("tls.key"))
        .start();
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (address, url) = (proxy.address().to_string(), format!("https://{HOST}/hooks/github"));
    let (secret, ca) = (path("secret"), path("ca.pem"));
    let run = |more: &[&str]| {
        let arguments = [
            "assess",
            "--target",
            &url,
            "--connect",
            &address,
            "--provider",
            "github",
            "--secret-file",
            &secret,
            "--ca-file",
            &ca,
            "--rate",
            "1000",
            "--oversize",
            "2097152",
            "--timeout",
            "180",
        ];
        command(&[&arguments[..], more].concat())
    };
    let output = run(&["--format", "json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(output.status.code(), Some(0), "{value:#}");
    assert_eq!((&value["hookwarden"], &value["control"]), (&true.into(), &"accepted".into()));
    assert_eq!((&value["counts"]["broken"], &value["findings"]), (&0.into(), &Value::Array(Vec::new())), "{value:#}");
    let attacks = value["attacks"].as_array().expect("attacks");
    for code in ["HA001", "HA034", "HA051", "HA068", "HA069", "HA070"] {
        let attack = attacks.iter().find(|attack| attack["code"] == code).expect("such an attack");
        assert_eq!(attack["result"], "held", "{attack:#}");
    }
    let output = run(&["--only", "HA001,HA068", "--format", "sarif"]);
    let value: Value = serde_json::from_slice(&output.stdout).expect("SARIF");
    assert_eq!((output.status.code(), &value["version"]), (Some(0), &"2.1.0".into()));
    let output = run(&["--only", "HA001,HA016", "--format", "junit"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("HA001") && text.contains("skipped"), "{text}");
    proxy.end();
}

#[test]
fn a_route_in_monitor_mode_is_found_and_fails_the_command() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider_as("github", "github", &[("MODE", "monitor")]).start();
    let url = format!("http://{}/hooks/github", proxy.address());
    let arguments = |fail_on: &'static str| {
        let secret = secret_of("github");
        let start = ["assess", "--target", &url, "--provider", "github", "--rate", "1000", "--only", "HA001,HA061"];
        command(&[&start[..], &["--timeout", "180", "--secret", &secret, "--fail-on", fail_on]].concat())
    };
    let output = arguments("high");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("broken") && text.contains("HA001") && text.contains("CWE-306"), "{text}");
    assert!(text.contains("1 broken, 1 held") && !text.contains('\u{1b}') && output.stderr.is_empty(), "{text}");
    assert_eq!(arguments("never").status.code(), Some(0));
    proxy.end();
}

#[test]
fn what_is_not_on_this_machine_is_left_alone() {
    let run = |url: &str, more: &[&str]| {
        let start = ["assess", "--target", url, "--provider", "github", "--secret", "a-secret-of-some-length"];
        let output = command(&[&start[..], more].concat());
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    // TEST-NET-1 (RFC 5737): nobody is there.
    let (code, told) = run("http://192.0.2.1/hooks", &[]);
    assert!(code == Some(2) && told.contains("--i-own-this"), "{told}");
    let (code, told) = run("http://127.0.0.1:1/hooks", &["--metrics", "http://192.0.2.1/metrics"]);
    assert!(code == Some(2) && told.contains("--i-own-this"), "{told}");
    let (code, told) = run("http://127.0.0.1:1/hooks", &["--only", "HA999"]);
    assert!(code == Some(2) && told.contains("HA999"), "{told}");
    // Nobody listens: nothing is known, and that is no success.
    let (code, _) = run(&format!("http://{}/hooks", Upstream::refusing().address()), &[]);
    assert_eq!(code, Some(69));
}

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hookwarden")).args(arguments).env_clear().output().expect("the program runs")
}
