//! What the parts of the way cost, and the whole: parse, verify, claim, and an exchange over an in-memory stream.
//!
//! `cargo bench` prints time, throughput and allocations of each. Times of different machines do not compare; the rows
//! of one run do. Where a part has a peer (the bare hash under a verification, `httparse` under a head), the peer stands
//! beside it.

#![allow(clippy::expect_used, reason = "a bench that cannot go on says so")]

#[path = "../tests/in_memory/mod.rs"]
mod in_memory;

use std::cell::RefCell;
use std::hint::black_box;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use hookwarden::auth::keys::{Key, KeyText, Keys};
use hookwarden::auth::scheme::Scheme;
use hookwarden::auth::sign::{Draft, content_type, sample_body, sample_private, sample_ring, sample_secret, sign};
use hookwarden::auth::signature::{EcdsaForm, PrivateKey, SignatureAlgorithm};
use hookwarden::auth::{Site, Verifier};
use hookwarden::clock::Now;
use hookwarden::http1::{Head, Message};
use hookwarden::providers::{self, CustomFields};
use hookwarden::replay::{Full, Lasting, Outcome, Replay, Terms};
use in_memory::{SECRET, Sidecar, signed_requests};
use sha2::{Digest, Sha256};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const PROVIDERS: [&str; 3] = ["github", "stripe", "standard_webhooks"];
const BODIES: [usize; 4] = [256, 1024, 16 * 1024, 128 * 1024];

fn main() {
    divan::main();
}

fn head_len(request: &[u8]) -> usize {
    memchr::memmem::find(request, b"\r\n\r\n").map_or(0, |at| at + 4)
}

/// Our head with every check beside the parser that it stands on.
#[divan::bench(args = ["httparse alone", "hookwarden"])]
fn parse_head(bencher: Bencher<'_, '_>, parser: &str) {
    let request = signed_requests("github", 1, 0).remove(0);
    let head = request[..head_len(&request)].to_vec();
    let bencher = bencher.counter(BytesCount::of_slice(&head));
    if parser == "hookwarden" {
        bencher.bench(|| Head::parse(black_box(&head)).is_ok());
    } else {
        bencher.bench(|| {
            let mut fields = [httparse::EMPTY_HEADER; 64];
            httparse::Request::new(&mut fields).parse(black_box(&head)).is_ok()
        });
    }
}

/// The hash that every verification of SHA-256 contains.
#[divan::bench(args = BODIES)]
fn bare_sha256(bencher: Bencher<'_, '_>, len: usize) {
    let body = vec![b'x'; len];
    bencher.counter(BytesCount::new(len)).bench(|| Sha256::digest(black_box(&body)));
}

/// What could hash, of the libraries that are linked anyway. Which back-end is the fastest where is told by
/// `benches/compare/run.py hashes`.
const HASHED: [(&str, usize); 6] =
    [("sha2", 64), ("ring", 64), ("sha2", 1024), ("ring", 1024), ("sha2", 64 * 1024), ("ring", 64 * 1024)];

#[divan::bench(args = HASHED)]
fn sha256(bencher: Bencher<'_, '_>, (library, len): (&str, usize)) {
    let body = vec![b'x'; len];
    let bencher = bencher.counter(BytesCount::new(len));
    if library == "sha2" {
        bencher.bench(|| Sha256::digest(black_box(&body)));
    } else {
        bencher.bench(|| ring::digest::digest(&ring::digest::SHA256, black_box(&body)));
    }
}

/// From a parsed head and a body to the proof.
#[divan::bench(args = BODIES, consts = [0, 1, 2])]
fn verify<const PROVIDER: usize>(bencher: Bencher<'_, '_>, len: usize) {
    let provider = providers::find(PROVIDERS[PROVIDER]).expect("in the catalogue");
    let keys = Keys::new(&provider.scheme, &[KeyText::new("1", SECRET.as_bytes())]).expect("a good key");
    let request = signed_requests(PROVIDERS[PROVIDER], 1, len).remove(0);
    let at = head_len(&request);
    let head = Head::parse(&request[..at]).expect("a good head");
    let message = Message { head: &head, bytes: &request, body: &request[at..] };
    let site = Site {
        scheme: &provider.scheme,
        keys: &keys,
        key_ring: None,
        client: None,
        public_url: None,
        prefix: false,
        route_path: "/",
    };
    let mut verifier = Verifier::default();
    bencher.counter(BytesCount::new(message.body.len())).bench_local(|| {
        let begun = verifier.begin(&site, black_box(&message));
        verifier.update(message.body);
        begun.is_ok() && verifier.finish(&site, &message).is_ok()
    });
}

/// One provider for each kind of piece that a scheme is made of, beside the plain one that streams the body.
const PIECES: [(&str, &str); 22] = [
    ("body", "github"),
    ("header and time", "standard_webhooks"),
    ("method, URL and body", "hubspot"),
    ("form, sorted", "twilio"),
    ("form field", "gitea_form"),
    ("JSON member", "toast"),
    ("list of header fields", "contentful"),
    ("hash of a hash", "tebex"),
    ("keyed digest", "cloudinary"),
    ("derived key", "braintree"),
    ("decompressed body", "getstream"),
    ("signature an element", "adyen"),
    ("special function", "plivo_v3"),
    ("token", "gitlab_token"),
    ("Ed25519", "discord"),
    ("ECDSA on P-256", "sendgrid"),
    ("RSA, 2048 bits", "wise"),
    ("RSA-PSS, 2048 bits", "utila"),
    ("message signature, HMAC", "rfc9421_hmac"),
    ("message signature, Ed25519", "rfc9421_ed25519"),
    ("under a certificate, members", "aws_sns"),
    ("under a certificate, CRC-32", "paypal"),
];

/// From a head and a body of 1 KiB at most to the proof, by kind of piece.
#[divan::bench(args = PIECES.map(|(piece, _)| piece))]
fn verify_piece(bencher: Bencher<'_, '_>, piece: &str) {
    let id = PIECES.iter().find(|(known, _)| *known == piece).expect("a row").1;
    verify_sample(bencher, id, &providers::find(id).expect("in the catalogue").scheme);
}

/// From a head with a token and a body that it binds to the proof, by the token's algorithm.
#[divan::bench(args = ["HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA"])]
fn verify_token(bencher: Bencher<'_, '_>, algorithm: &str) {
    let id = if algorithm.starts_with("HS") { "fusionauth_hmac" } else { "fusionauth" };
    let fields = CustomFields { algorithm: Some(algorithm.to_owned()), ..CustomFields::default() };
    let scheme = providers::find(id).expect("in the catalogue").scheme_with(&fields).expect("an algorithm of tokens");
    verify_sample(bencher, algorithm, &scheme);
}

fn verify_sample(bencher: Bencher<'_, '_>, id: &str, scheme: &Scheme) {
    let keys = Keys::new(scheme, &[KeyText::new("1", sample_secret(scheme, 1).as_bytes())]).expect("a good key");
    let now = Now::read();
    let body = sample_body(scheme, now);
    let draft = Draft {
        method: "POST".into(),
        url: "https://hooks.example.com/hook".into(),
        headers: vec![("Content-Type".into(), content_type(scheme, &body).into())],
        body,
    };
    let private = KeyText::new("1", sample_private(scheme, 1).as_bytes());
    let key = Key::for_signing(scheme, &private).expect("a good key");
    let signed = sign(scheme, &key, draft, now).expect("signs");
    let request = in_memory::raw(&signed);
    let at = head_len(&request);
    let head = Head::parse(&request[..at]).expect("a good head");
    let message = Message { head: &head, bytes: &request, body: &request[at..] };
    let url = Some("https://hooks.example.com");
    let ring = sample_ring(scheme, now);
    let key_ring = ring.as_ref();
    let site =
        Site { scheme, keys: &keys, client: None, key_ring, public_url: url, prefix: false, route_path: "/hook" };
    let mut verifier = Verifier::default();
    verifier.at(now);
    bencher.counter(BytesCount::new(message.body.len())).bench_local(|| {
        let begun = verifier.begin(&site, black_box(&message));
        verifier.update(message.body);
        assert!(begun.is_ok() && verifier.finish(&site, &message).is_ok(), "{id}");
    });
}

/// The check of one signature over 1 KiB, by algorithm.
#[divan::bench(args = SignatureAlgorithm::all().map(SignatureAlgorithm::name))]
fn check_signature(bencher: Bencher<'_, '_>, name: &str) {
    let algorithm = SignatureAlgorithm::named(name).expect("its own name");
    let private = PrivateKey::generate(algorithm).expect("a key");
    let public = private.public().expect("its public key");
    let content = vec![b'x'; 1024];
    let signature = private.sign(algorithm, EcdsaForm::Der, &content).expect("signs");
    bencher.counter(ItemsCount::new(1_u32)).bench(|| {
        assert!(public.verify(algorithm, EcdsaForm::Der, black_box(&content), &signature));
    });
}

/// A new message's key, taken and settled.
#[divan::bench(args = [1_000, 1_000_000])]
fn claim_and_settle(bencher: Bencher<'_, '_>, entries: u128) {
    let now = Now::read();
    let store = Replay::new(2_000_000, Full::Auto, now);
    let lasting = Lasting { lifetime: std::time::Duration::from_secs(600), may_give_way: true };
    let terms = Terms { message: lasting, event: lasting, pending: std::time::Duration::from_secs(30) };
    let take = |number: u128| {
        // Keys are parts of MACs: all bits count.
        let key = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_le_bytes();
        store.claim(&[key], None, terms, now).map(|claim| claim.settle(&store, Outcome::Done, now)).is_ok()
    };
    (0..entries).for_each(|number| assert!(take(number)));
    let mut next = entries;
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        next += 1;
        take(black_box(next))
    });
}

/// A whole request: read, verified, claimed, forwarded to a service on loopback, answered and counted.
#[divan::bench(args = [256, 1024, 16 * 1024], consts = [0, 1, 2], sample_count = 20, sample_size = 1)]
fn exchange<const PROVIDER: usize>(bencher: Bencher<'_, '_>, len: usize) {
    const BATCH: usize = 200;
    let sidecar = Sidecar::new(&[]);
    sidecar.send_all(&signed_requests(PROVIDERS[PROVIDER], 32, len));
    // Every request is new to the replay store, so each sample takes a batch that was signed ahead.
    let stock = RefCell::new(signed_requests(PROVIDERS[PROVIDER], 32 + 21 * BATCH, len).split_off(32));
    bencher
        .counter(ItemsCount::new(BATCH))
        .counter(BytesCount::new(BATCH * len))
        .with_inputs(|| {
            let left = stock.borrow().len();
            stock.borrow_mut().split_off(left.saturating_sub(BATCH))
        })
        .bench_local_refs(|requests| sidecar.send_all(requests));
}
