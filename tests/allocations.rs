//! In steady state a verified keep-alive request makes no heap allocation, from its first byte to its answer's last.
//!
//! Two runs over warm connections differ in nothing but the number of requests, so whatever they differ in is a
//! request's. Only this thread counts: the worker's. The service and the client in it use their buffers again.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

mod in_memory;

use in_memory::{Sidecar, signed_requests};

/// A request's allocations on the worker's path with the audit log on: the line is written into buffers used again.
const WITH_AUDIT_LOG: u64 = 0;

/// Allocations of the second of two batches that each go over a connection of their own.
fn allocations(sidecar: &Sidecar, requests: &[Vec<u8>]) -> u64 {
    allocation_counter::measure(|| sidecar.send_all(requests)).count_total
}

fn per_request(sidecar: &Sidecar) -> Vec<(&'static str, u64)> {
    ["github", "stripe", "standard_webhooks"]
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
    assert_eq!(per_request(&sidecar), [("github", 0), ("stripe", 0), ("standard_webhooks", 0)]);
}

#[test]
fn nor_does_its_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("audit.log");
    let sidecar = Sidecar::new(&[("AUDIT_LOG", log.to_str().expect("UTF-8")), ("AUDIT_BODY_DIGEST", "true")]);
    let expected = ["github", "stripe", "standard_webhooks"].map(|provider| (provider, WITH_AUDIT_LOG));
    assert_eq!(per_request(&sidecar), expected);
}
