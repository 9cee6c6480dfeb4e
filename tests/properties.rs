//! What holds for every input, shown on the whole way of a request.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

mod in_memory;

use in_memory::{Sidecar, signed_requests};
use proptest::prelude::*;

thread_local! {
    /// The splits send the same bytes again and again, so nothing is remembered of them.
    static SIDECAR: Sidecar = Sidecar::new(&[
        ("ROUTE_GITHUB_REPLAY", "off"),
        ("ROUTE_STRIPE_REPLAY", "off"),
        ("ROUTE_STANDARD_WEBHOOKS_REPLAY", "off"),
        ("ERROR_DETAIL", "full"),
    ]);
}

/// What came back and what arrived, without what differs each time: request ids and dates.
fn outcome<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> (Vec<String>, Vec<String>) {
    let plain = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let same = |line: &&str| !line.starts_with("Date: ") && !line.starts_with("X-Request-Id: ");
        text.split("\r\n")
            .filter(same)
            .map(|line| line.split(r#","request_id""#).next().unwrap_or(line).into())
            .collect()
    };
    let (answers, arrived) = SIDECAR.with(|sidecar| sidecar.exchange(parts));
    (plain(answers), plain(arrived))
}

/// The same request with its body in chunks, an extension and a trailer among them.
fn chunked(request: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(request).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let head: Vec<_> = head.split("\r\n").filter(|line| !line.starts_with("Content-Length")).collect();
    let (one, other) = body.split_at(body.len() / 3);
    format!(
        "{}\r\nTransfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{one}\r\n{:X}\r\n{other}\r\n0\r\nX-Trailer: 1\r\n\r\n",
        head.join("\r\n"),
        one.len(),
        other.len()
    )
    .into_bytes()
}

/// Streams of bytes, each with how many requests of it arrive.
fn streams() -> Vec<(Vec<u8>, usize)> {
    let one = |provider| signed_requests(provider, 1, 300).remove(0);
    let pipelined = signed_requests("stripe", 3, 200).concat();
    let ambiguous =
        String::from_utf8(one("github")).expect("UTF-8").replace("Host:", "Transfer-Encoding: chunked\r\nHost:");
    let bad_chunk = String::from_utf8(chunked(&one("github"))).expect("UTF-8").replace(";a=b", ";a=b\n");
    vec![
        (one("github"), 1),
        (chunked(&one("github")), 1),
        (chunked(&one("standard_webhooks")), 1),
        ([pipelined, chunked(&one("github"))].concat(), 4),
        ([one("github"), ambiguous.into_bytes()].concat(), 1),
        (bad_chunk.into_bytes(), 0),
        ([b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_vec(), one("stripe")].concat(), 1),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_bytes_gives_the_same_result(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        for (stream, forwarded) in streams() {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let whole = outcome([stream.as_slice()]);
            prop_assert_eq!(whole.1.join("").matches("POST /").count(), forwarded);
            prop_assert_eq!(outcome(cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]])), whole);
        }
    }

    #[test]
    fn any_flipped_bit_of_a_signed_part_is_refused(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        for provider in ["github", "stripe", "standard_webhooks"] {
            let request = signed_requests(provider, 1, 64).remove(0);
            let body = memchr::memmem::find(&request, b"\r\n\r\n").expect("a body") + 4;
            let at = body + at.index(request.len() - body);
            let mut flipped = request.clone();
            flipped[at] ^= 1 << bit;
            let (answers, arrived) = outcome([flipped.as_slice()]);
            prop_assert!(answers[0].starts_with("HTTP/1.1 401 "), "{:?}", answers);
            prop_assert_eq!(arrived, vec![String::new()]);
        }
    }
}

#[test]
fn byte_by_byte_gives_the_same_result() {
    for (stream, _) in streams() {
        assert_eq!(outcome(stream.chunks(1)), outcome([stream.as_slice()]));
    }
}
