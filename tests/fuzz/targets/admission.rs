//! An admission review, as whoever reaches the injector's port may send it: it is answered or refused, a pod that is
//! injected is not injected twice, and undoing it gives the pod that was there.
#![no_main]

use hookwarden::inject::pod::{Context, Outcome, inject};
use hookwarden::inject::review::{Namespace, Request, Verdict};
use hookwarden::inject::undo::{Record, undo};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = Request::parse(bytes) else { return };
    let namespace = Namespace { opted_in: true, ..Namespace::default() };
    let answer = request.answer(&namespace, "hookwarden", "image");
    let response = &answer.body["response"];
    assert_eq!(response["allowed"], answer.verdict != Verdict::Refused);
    assert_eq!(response["patch"].is_string(), answer.verdict == Verdict::Injected);

    // A field that the parser passes over may have an escape that is half a character; the whole is no JSON then.
    let Ok(review) = serde_json::from_slice::<Value>(bytes) else { return };
    let pod = &review["request"]["object"];
    let context =
        Context { namespace: "a", own_namespace: "hookwarden", opted_in: true, annotations: None, image: "image" };
    if let Outcome::Injected(injected) = inject(pod, context) {
        assert_eq!(inject(&injected, context), Outcome::Injected(injected.clone()), "once more");
        if Record::of(pod) == Ok(None) {
            assert_eq!(undo(&injected), Ok(Some(pod.clone())), "and back");
        }
    }
});
