//! In steady state a verified keep-alive request makes no heap allocation, from its first byte to its answer's last.
//!
//! That holds of MACs and of Ed25519 signatures (`discord`); what RSA takes is a number of its own.
//!
//! Two runs over warm connections differ in nothing but the number of requests, so whatever they differ in is a
//! request's. Only this thread counts: the worker's. The service and the client in it use their buffers again.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

mod in_memory;

use hookwarden::auth::keys::{Key, KeyText, Keys};
use hookwarden::auth::sign::{Draft, sample_private, sample_secret, sign};
use hookwarden::auth::{Site, Verifier};
use hookwarden::clock::Now;
use hookwarden::http1::{Head, Message};
use hookwarden::providers;
use in_memory::{Sidecar, signed_requests};

/// A request's allocations on the worker's path with the audit log on: the line is written into buffers used again.
const WITH_AUDIT_LOG: u64 = 0;

/// Allocations of the second of two batches that each go over a connection of their own.
fn allocations(sidecar: &Sidecar, requests: &[Vec<u8>]) -> u64 {
    allocation_counter::measure(|| sidecar.send_all(requests)).count_total
}

fn per_request(sidecar: &Sidecar) -> Vec<(&'static str, u64)> {
    ["github", "stripe", "standard_webhooks", "discord"]
        .map(|provider| {
            let requests = signed_requests(provider, 320, 1024);
            let (warm, rest) = requests.split_at(32);
            let (few, many) = rest.split_at(32);
            sidecar.send_all(warm);
            let (few, many) = (allocations(sidecar, few), allocations(sidecar, many));
            assert!(few > 0, "a connection's own buffers are counted, so the counter counts");
            (provider, many - few)
        })
        .to_vec()
}

#[test]
fn a_verified_request_allocates_nothing() {
    let sidecar = Sidecar::new(&[]);
    let expected = [("github", 0), ("stripe", 0), ("standard_webhooks", 0), ("discord", 0)];
    assert_eq!(per_request(&sidecar), expected);
}

#[test]
fn nor_does_its_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("audit.log");
    let sidecar = Sidecar::new(&[("AUDIT_LOG", log.to_str().expect("UTF-8")), ("AUDIT_BODY_DIGEST", "true")]);
    let expected = ["github", "stripe", "standard_webhooks", "discord"].map(|provider| (provider, WITH_AUDIT_LOG));
    assert_eq!(per_request(&sidecar), expected);
}

/// What checking a signature takes: none for ECDSA, five numbers of the modulus's size for RSA, and for eBay what opening
/// its envelope takes.
#[test]
fn what_a_signature_takes() {
    for (provider, expected) in [("sendgrid", 0), ("wise", 5), ("utila", 5), ("ebay", 7)] {
        assert_eq!(verification(provider), expected, "{provider}");
    }
}

/// What a token takes, whatever its size: the lists of its header's and its claims' names, and what a condition makes of
/// the body; with RSA the five numbers beside.
#[test]
fn what_a_token_takes() {
    for (provider, expected) in [("netlify", 9), ("plaid", 9), ("saleor", 8)] {
        assert_eq!(verification(provider), expected, "{provider}");
    }
}

/// Allocations of one more verification with the same verifier.
fn verification(provider: &str) -> u64 {
    let scheme = &providers::find(provider).expect("in the catalogue").scheme;
    let keys = Keys::new(scheme, &[KeyText::new("1", sample_secret(scheme, 1).as_bytes())]).expect("a good key");
    let private = KeyText::new("1", sample_private(scheme, 1).as_bytes());
    let key = Key::for_signing(scheme, &private).expect("a good key");
    let draft = Draft {
        method: "POST".into(),
        url: "https://hooks.example.com/hook".into(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
    };
    let request = in_memory::raw(&sign(scheme, &key, draft, Now::read()).expect("signs"));
    let head = Head::parse(&request[..request.len() - 2]).expect("a good head");
    let message = Message { head: &head, bytes: &request, body: b"{}" };
    let site = Site {
        scheme,
        keys: &keys,
        client: None,
        key_ring: None,
        public_url: None,
        prefix: false,
        route_path: "/hook",
    };
    let mut verifier = Verifier::default();
    let mut verify = || {
        let begun = verifier.begin(&site, &message);
        verifier.update(message.body);
        assert!(begun.is_ok() && verifier.finish(&site, &message).is_ok(), "{provider}");
    };
    verify();
    allocation_counter::measure(verify).count_total
}

#[test]
fn nor_do_its_limits() {
    let rate = "1000000/s burst 1000000";
    let mut settings = vec![("RATE_PER_SOURCE", rate), ("LOCKOUT", "20/1m for 15m")];
    let routes = ["GITHUB", "STRIPE", "STANDARD_WEBHOOKS", "DISCORD"];
    let names: Vec<_> = routes
        .iter()
        .flat_map(|route| ["RATE", "RATE_PER_CREDENTIAL"].map(|end| format!("ROUTE_{route}_{end}")))
        .collect();
    settings.extend(names.iter().map(|name| (name.as_str(), rate)));
    let sidecar = Sidecar::new(&settings);
    let expected = [("github", 0), ("stripe", 0), ("standard_webhooks", 0), ("discord", 0)];
    assert_eq!(per_request(&sidecar), expected);
}
