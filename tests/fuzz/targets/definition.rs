//! Definition files: refused with a reason, or compiled to a scheme that signs, verifies and judges any message without a
//! panic.
#![no_main]

use hookwarden::auth::keys::{Key, KeyText, Keys};
use hookwarden::auth::sign::{Draft, sample_body, sample_private, sample_ring, sample_secret, sign};
use hookwarden::auth::{Site, Verifier};
use hookwarden::clock::Now;
use hookwarden::http1::{Head, Message};
use hookwarden::providers;
use libfuzzer_sys::fuzz_target;

const ABOUT: &str = "id = \"x\"\nname = \"X\"\ndocs = \"https://x\"\nconfidence = \"docs\"\n";

fuzz_target!(|input: (&str, &[u8])| {
    let (text, body) = input;
    let provider = match providers::parse("x.toml", &format!("{ABOUT}{text}")) {
        Ok(provider) => provider,
        Err(errors) => return assert!(errors.iter().all(|error| !error.problem.is_empty())),
    };
    let scheme = &provider.scheme;
    let secret = KeyText::new("1", sample_secret(scheme, 1).as_bytes());
    let Ok(keys) = Keys::new(scheme, &[secret]) else { return };
    let now = Now::read();
    let (method, url) = ("POST".to_owned(), "https://h/x?a=1".to_owned());
    let headers = vec![("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
    let draft = Draft { method, url, headers, body: sample_body(scheme, now) };
    let private = KeyText::new("1", sample_private(scheme, 1).as_bytes());
    let Ok(key) = Key::for_signing(scheme, &private) else { return };
    let Ok(signed) = sign(scheme, &key, draft, now) else { return };
    let target = signed.url.strip_prefix("https://h").expect("our own URL");
    let mut raw = format!("POST {target} HTTP/1.1\r\nHost: h\r\n");
    signed.headers.iter().for_each(|(name, value)| raw.extend([name, ": ", value, "\r\n"]));
    raw.push_str("\r\n");
    let Ok(head) = Head::parse(raw.as_bytes()) else { return };
    let ring = sample_ring(scheme, now);
    let site = Site { scheme, keys: &keys, client: None, key_ring: ring.as_ref(), public_url: Some("https://h"), route_path: "/", prefix: true };
    for body in [&signed.body, body] {
        let mut verifier = Verifier::default();
        verifier.at(now);
        if verifier.begin(&site, &Message { head: &head, bytes: raw.as_bytes(), body: b"" }).is_ok() {
            verifier.update(body);
            let _ = verifier.finish(&site, &Message { head: &head, bytes: raw.as_bytes(), body });
        }
    }
});
