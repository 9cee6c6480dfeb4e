//! What an admission review costs, from its bytes to the bytes of the answer: an API server waits for it, and asks a
//! thousand times a second when a cluster comes up. A row's inverse is what one core does in a second.

#![allow(clippy::expect_used, reason = "a bench that cannot go on says so")]

use std::hint::black_box;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use hookwarden::inject::review::{Namespace, Request};
use hookwarden::inject::text::{Options, filter};
use hookwarden::inject::{IMAGE, NAMESPACE};

const DEPLOYMENT: &str = include_str!("../tests/admission/deployment.json");
const REFUSED: &str = include_str!("../tests/admission/bad-annotations.json");
const NOT_OURS: &str = include_str!("../tests/admission/not-opted-in.json");

fn main() {
    divan::main();
}

#[divan::bench(args = ["injected", "refused", "not ours"])]
fn review(bencher: Bencher<'_, '_>, which: &str) {
    let review = match which {
        "injected" => DEPLOYMENT,
        "refused" => REFUSED,
        _ => NOT_OURS,
    };
    bencher.counter(ItemsCount::new(1_usize)).counter(BytesCount::of_str(review)).bench(|| {
        let request = Request::parse(black_box(review).as_bytes()).expect("a review");
        let answer = request.answer(&Namespace::default(), NAMESPACE, IMAGE);
        serde_json::to_vec(&answer.body).expect("JSON").len()
    });
}

/// The same pod as a manifest.
#[divan::bench]
fn manifest(bencher: Bencher<'_, '_>) {
    let review: serde_json::Value = serde_json::from_str(DEPLOYMENT).expect("JSON");
    let pod = serde_json::to_string_pretty(&review["request"]["object"]).expect("JSON");
    let options = Options { undo: false, all: false, namespace: "shop", own_namespace: NAMESPACE, image: IMAGE };
    bencher.counter(BytesCount::of_str(&pod)).bench(|| filter(black_box(&pod), options).map(|done| done.text.len()));
}
