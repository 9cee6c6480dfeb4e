//! What is signed here is verified by the library, and sent as it was signed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use hookwarden::auth::keys::{KeyText, Keys};
use hookwarden::auth::scheme::{Binding, Scheme, SignaturePlace};
use hookwarden::auth::sign::{sample_private, sample_ring, sample_secret};
use hookwarden::auth::{Site, Verified, Verifier};
use hookwarden::clock::Now;
use hookwarden::deny::{Denial, Reason};
use hookwarden::http1::{Head, Message};
use hookwarden::providers;
use serde_json::Value;

use super::{code, json, nobody, run, stderr, stdout, with_input};

/// Verifies one whole request with the library, as the sidecar would for `https://example.com/hooks/x`.
fn verify(scheme: &Scheme, secret: &str, bytes: &[u8]) -> Result<Verified, Denial> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let (head_bytes, body) = bytes.split_at(end);
    let head = Head::parse(head_bytes)?;
    let keys = Keys::new(scheme, &[KeyText::new("1", secret.as_bytes())]).expect("a good secret");
    let public_url = Some("https://example.com");
    let prefix = scheme.signature.place == SignaturePlace::PathSegment;
    let ring = sample_ring(scheme, Now::read());
    let site = Site {
        client: None,
        scheme,
        keys: &keys,
        key_ring: ring.as_ref(),
        public_url,
        route_path: if prefix { "/hooks/x/" } else { "/hooks/x" },
        prefix,
    };
    let mut verifier = Verifier::default();
    verifier.at(Now::read());
    verifier.begin(&site, &Message { head: &head, bytes: head_bytes, body: b"" })?;
    verifier.update(body);
    verifier.finish(&site, &Message { head: &head, bytes: head_bytes, body })
}

const URL: &str = "https://example.com/hooks/x";

/// Who proves itself by a certificate that nobody else has: there is nothing to sign with, and that is said.
const BY_CERTIFICATE: [&str; 3] = ["apple_app_store", "mtls", "salesforce_outbound"];

#[test]
fn what_is_signed_is_verified_for_every_provider() {
    // Of these the proof is a certificate that nobody else has.
    let is_ours =
        |provider: &&providers::Provider| provider.kind() != "mtls" && provider.scheme.key_source.chain.is_none();
    for provider in providers::all().iter().filter(is_ours) {
        let (id, scheme) = (&provider.id, &provider.scheme);
        let (secret, private) = (sample_secret(scheme, 7), sample_private(scheme, 7));
        let flags = ["sign", "--provider", id, "--secret-file", "-", "--url", URL, "--output", "raw"];
        let output = with_input(&flags, private.as_bytes());
        if BY_CERTIFICATE.contains(&id.as_str()) {
            assert!(code(&output) == 2 && !stderr(&output).is_empty(), "{id}: {output:?}");
            continue;
        }
        assert_eq!(code(&output), 0, "{id}: {output:?}");
        verify(scheme, &secret, &output.stdout).unwrap_or_else(|denial| panic!("{id}: {denial:?}"));
        if scheme.binding == Binding::Full && !output.stdout.ends_with(b"\r\n\r\n") {
            let mut changed = output.stdout.clone();
            *changed.last_mut().expect("a body") ^= 1;
            let denial = verify(scheme, &secret, &changed).expect_err("a changed body");
            assert_eq!(denial.reason, Reason::CredentialInvalid, "{id}");
            // What a certificate's owner signs for is no secret.
            let is_secret = scheme.key_source.certificate.is_none();
            assert!(!is_secret || !stdout(&output).contains(&secret), "{id}");
        }
    }
}

#[test]
fn sign_takes_body_time_headers_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (keys, body) = (folder.path().join("keys"), folder.path().join("body"));
    fs::write(&keys, "old\nnew\n").expect("written");
    fs::write(&body, b"\x00\xff not text").expect("written");
    let (keys, body) = (keys.to_str().expect("text"), body.to_str().expect("text"));
    let flags = ["sign", "--provider", "stripe", "--secret-file", keys, "--key-id", "2", "--url", URL];
    let more = ["--body-file", body, "--time", "2026-01-31T12:00:00Z", "--header", "X-Trial: yes", "--format", "json"];
    let signed = json(&run(&[&flags[..], &more].concat(), &[]));
    assert_eq!((&signed["method"], &signed["url"]), (&"POST".into(), &URL.into()));
    assert_eq!((&signed["body"], &signed["body_base64"]), (&Value::Null, &"AP8gbm90IHRleHQ=".into()));
    let headers = signed["headers"].as_array().expect("a list").iter();
    let headers: BTreeMap<_, _> = headers.map(|field| (field["name"].as_str(), field["value"].as_str())).collect();
    assert_eq!(headers[&Some("X-Trial")], Some("yes"));
    assert!(headers[&Some("Stripe-Signature")].is_some_and(|value| value.starts_with("t=1769860800,v1=")));
    let raw = run(&[&flags[..], &more[..6], &["--output", "raw"]].concat(), &[]);
    let scheme = &providers::find("stripe").expect("stripe").scheme;
    assert!(verify(scheme, "new", &raw.stdout).is_ok() && verify(scheme, "old", &raw.stdout).is_err());
    let missing = run(&["sign", "--provider", "stripe", "--secret-file", keys, "--key-id", "3"], &[]);
    assert!(code(&missing) == 2 && stderr(&missing).contains("there are 1, 2"), "{missing:?}");
}

#[test]
fn sign_speaks_schemes_that_are_no_provider_s() {
    let flags =
        ["--signature-header", "X-Sig", "--signed-content", "{timestamp}|{body}", "--timestamp-header", "X-Time"];
    let sign = ["sign", "--provider", "custom", "--secret", "x", "--url", URL, "--output", "raw"];
    let output = run(&[&sign[..], &flags].concat(), &[]);
    let fields = providers::CustomFields {
        signature_header: Some("X-Sig".into()),
        signed_content: Some("{timestamp}|{body}".into()),
        timestamp_header: Some("X-Time".into()),
        ..Default::default()
    };
    let scheme = providers::custom(&fields).expect("a scheme");
    assert!(verify(&scheme, "x", &output.stdout).is_ok(), "{output:?}");
}

#[test]
fn the_curl_command_is_what_a_shell_reads() {
    let flags = ["sign", "--provider", "github", "--secret", "x", "--url", URL, "--body", "it's $HOME"];
    let output = run(&flags, &[]);
    let script = format!("curl() {{ for word; do printf '%s\\n' \"$word\"; done; }}; {}", stdout(&output));
    let words = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let words: Vec<_> = stdout(&words).lines().map(str::to_owned).collect();
    assert!(words.contains(&"it's $HOME".to_owned()) && words.contains(&URL.to_owned()), "{words:?}");
    assert!(words.iter().any(|word| word.starts_with("X-Hub-Signature-256: sha256=")), "{words:?}");
}

/// Serves one request with a fixed answer, and gives back what was read of it.
fn serve_once(answer: &'static str) -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let url = format!("http://{}/hooks/github?a=b", listener.local_addr().expect("an address"));
    let served = std::thread::Builder::new().spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let (mut read, mut part) = (Vec::new(), [0; 4096]);
        // The body that is sent below ends in a mark of its own.
        while !read.ends_with(b"}") {
            let count = stream.read(&mut part).expect("a request");
            assert_ne!(count, 0, "the request ended early");
            read.extend_from_slice(&part[..count]);
        }
        stream.write_all(answer.as_bytes()).expect("it listens");
        read
    });
    (url, served.expect("a thread"))
}

#[test]
fn sign_sends_and_tells_the_answer() {
    let sign = ["sign", "--provider", "github", "--secret", "x", "--url", URL, "--body", "{}", "--send"];
    let (to, served) = serve_once("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let output = run(&[&sign[..], &[&to]].concat(), &[]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(stdout(&output).starts_with("202\n") && stdout(&output).ends_with("\n\nok\n"), "{output:?}");
    let request = String::from_utf8(served.join().expect("served")).expect("text");
    assert!(request.starts_with("POST /hooks/github?a=b HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");

    let (to, served) = serve_once("HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\n\r\n\x1b[2Jno!");
    let output = run(&[&sign[..], &[&to]].concat(), &[]);
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(!stdout(&output).contains('\x1b'), "a terminal must not obey a server: {output:?}");
    served.join().expect("served");

    let (to, served) = serve_once("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    let sent = json(&run(&[&sign[..], &[&to, "--format", "json"]].concat(), &[]));
    assert_eq!((&sent["response"]["status"], &sent["response"]["body"]), (&401.into(), &"no".into()));
    served.join().expect("served");

    let (address, _bound) = nobody();
    let output = run(&[&sign[..], &[&format!("http://{address}/")]].concat(), &[]);
    assert_eq!(code(&output), 69, "{output:?}");
}

#[test]
fn a_pair_that_was_made_signs_and_verifies() {
    let folder = tempfile::tempdir().expect("a folder");
    for (provider, of_set) in [("discord", false), ("ebay", false), ("shipstation", true), ("fusionauth", true)] {
        let file = folder.path().join(provider);
        let file = file.to_str().expect("text");
        let made = run(&["sign", "--provider", provider, "--generate-key", file], &[]);
        assert_eq!(code(&made), 0, "{made:?}");
        let private = fs::read_to_string(file).expect("the private key");
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n") && !stdout(&made).contains("PRIVATE KEY"));
        assert_eq!(fs::metadata(file).expect("the file").permissions().mode() & 0o777, 0o600);
        assert_eq!(stdout(&made).contains("\"kid\":\"1\""), of_set, "{made:?}");
        let public = stdout(&made);
        let public = hookwarden::auth::signature::pem_blocks(&public).next().expect("the public key").to_owned();
        let signed =
            run(&["sign", "--provider", provider, "--secret-file", file, "--url", URL, "--output", "raw"], &[]);
        let scheme = &providers::find(provider).expect("in the catalogue").scheme;
        assert!(verify(scheme, &public, &signed.stdout).is_ok(), "{signed:?}");
        // What is there is never overwritten.
        let again = run(&["sign", "--provider", provider, "--generate-key", file], &[]);
        assert_eq!((code(&again), fs::read_to_string(file).expect("still there")), (69, private), "{again:?}");
        let with_public = with_input(&["sign", "--provider", provider, "--secret-file", "-"], public.as_bytes());
        assert!(code(&with_public) == 2 && stderr(&with_public).contains("public key"), "{with_public:?}");
    }
    let shared = run(&["sign", "--provider", "github", "--generate-key", "never-written"], &[]);
    assert!(code(&shared) == 2 && stderr(&shared).contains("ed25519, ecdsa and rsa"), "{shared:?}");
}
