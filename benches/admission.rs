//! What an admission review costs, from its bytes to the bytes of the answer: an API server waits for it, and asks a
//! thousand times a second when a cluster comes up. A row's inverse is what one core does in a second.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench says what it found, or that it cannot go on")]
#![allow(clippy::disallowed_methods, reason = "a bench is there to read clocks")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use hookwarden::inject::review::{Namespace, Request};
use hookwarden::inject::text::{Options, filter};
use hookwarden::inject::{IMAGE, NAMESPACE};

const DEPLOYMENT: &str = include_str!("../tests/admission/deployment.json");
const REFUSED: &str = include_str!("../tests/admission/bad-annotations.json");
const NOT_OURS: &str = include_str!("../tests/admission/not-opted-in.json");

/// What the injector is held to: so many reviews a second on one core, and a hundredth of them slower than this.
const A_SECOND: f64 = 1000.0;
const P99: Duration = Duration::from_millis(5);

fn main() {
    divan::main();
    tell();
}

/// Reviews one by one, each over the injected pod of a deployment: the dearest of the three.
fn tell() {
    let mut times: Vec<_> = (0..5000)
        .map(|_| {
            let start = Instant::now();
            black_box(reviewed(black_box(DEPLOYMENT)));
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (all, p99): (Duration, _) = (times.iter().sum(), times[times.len() * 99 / 100]);
    let (count, seconds) = (u32::try_from(times.len()).expect("a few thousand"), all.as_secs_f64());
    let rate = f64::from(count) / seconds;
    let held = if rate >= A_SECOND && p99 < P99 { "held" } else { "MISSED" };
    println!("{rate:.0} reviews a second on one core ({A_SECOND} wanted), p99 {p99:?} ({P99:?} wanted): {held}");
}

/// From a review's bytes to the answer's.
fn reviewed(review: &str) -> usize {
    let request = Request::parse(review.as_bytes()).expect("a review");
    let answer = request.answer(&Namespace::default(), NAMESPACE, IMAGE);
    serde_json::to_vec(&answer.body).expect("JSON").len()
}

#[divan::bench(args = ["injected", "refused", "not ours"])]
fn review(bencher: Bencher<'_, '_>, which: &str) {
    let review = match which {
        "injected" => DEPLOYMENT,
        "refused" => REFUSED,
        _ => NOT_OURS,
    };
    bencher.counter(ItemsCount::new(1_usize)).counter(BytesCount::of_str(review)).bench(|| reviewed(black_box(review)));
}

/// The same pod as a manifest.
#[divan::bench]
fn manifest(bencher: Bencher<'_, '_>) {
    let review: serde_json::Value = serde_json::from_str(DEPLOYMENT).expect("JSON");
    let pod = serde_json::to_string_pretty(&review["request"]["object"]).expect("JSON");
    let options = Options { undo: false, all: false, namespace: "shop", own_namespace: NAMESPACE, image: IMAGE };
    bencher.counter(BytesCount::of_str(&pod)).bench(|| filter(black_box(&pod), options).map(|done| done.text.len()));
}
