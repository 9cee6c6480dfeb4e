//! The two fields of an HTTP message signature: a dictionary is written in one way, whatever comes is judged without a
//! panic, and nothing passes that the key did not sign.
#![no_main]

use hookwarden::auth::http_signature::structured::{Dictionary, Value};
use hookwarden::auth::keys::{KeyText, Keys};
use hookwarden::auth::sign::sample_secret;
use hookwarden::auth::{Site, Verifier};
use hookwarden::clock::Now;
use hookwarden::http1::{Head, Message};
use hookwarden::providers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (announced, signature, digest, field) = input;
    for text in [announced, signature, digest, field] {
        check_dictionary(text.as_bytes());
    }
    judge(announced, signature, digest, field);
});

/// What is read is written in one way, which is read as the same.
fn check_dictionary(text: &[u8]) {
    let Some(dictionary) = Dictionary::parse(text) else { return };
    let mut written = Vec::new();
    dictionary.write(&mut written);
    assert_eq!(Dictionary::parse(&written), Some(dictionary.clone()), "{text:?}");
    assert!(written.len() <= text.len() + dictionary.0.len(), "{text:?}");
    for member in &dictionary.0 {
        let mut value = Vec::new();
        member.write_value(&mut value);
        assert!(!value.contains(&b'\n'));
        let items = if let Value::List(items) = &member.value { &items[..] } else { &[] };
        assert!(items.len() <= 64 && member.parameters.0.len() <= 64);
    }
}

/// No key of ours signed any of it.
fn judge(announced: &str, signature: &str, digest: &str, field: &str) {
    let raw = format!(
        "POST /x?a=1&b=%20 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nX-Field: {field}\r\nContent-Digest: {digest}\r\nSignature-Input: {announced}\r\nSignature: {signature}\r\n\r\n"
    );
    let Ok(head) = Head::parse(raw.as_bytes()) else { return };
    for id in ["rfc9421_hmac", "rfc9421_ed25519", "woodpecker_extensions"] {
        let scheme = &providers::find(id).expect("in the catalogue").scheme;
        let keys = Keys::new(scheme, &[KeyText::new("1", sample_secret(scheme, 1).as_bytes())]).expect("a good key");
        let public_url = Some("https://h");
        let site = Site {
            scheme,
            keys: &keys,
            key_ring: None,
            client: None,
            public_url,
            route_path: "/x",
            prefix: false,
        };
        let mut verifier = Verifier::default();
        verifier.at(Now::read());
        if verifier.begin(&site, &Message { head: &head, bytes: raw.as_bytes(), body: b"" }).is_ok() {
            verifier.update(b"{}");
            assert!(verifier.finish(&site, &Message { head: &head, bytes: raw.as_bytes(), body: b"{}" }).is_err());
        }
    }
}
