//! A stream of manifests: it is injected or refused; what is injected stays so, and undoing it gives the bytes that were
//! there.
#![no_main]

use hookwarden::inject::text::{Options, filter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let options = Options { undo: false, all: true, namespace: "", own_namespace: "hookwarden", image: "image" };
    let Ok(injected) = filter(text, options) else { return };
    if injected.changed.is_empty() {
        assert_eq!(injected.text, text);
    } else if !text.contains("hookwarden.io/status") {
        let again = filter(&injected.text, options).expect("what was written is read");
        assert_eq!(again.text, injected.text, "once more");
        let back = filter(&injected.text, Options { undo: true, ..options }).expect("what was written is read");
        assert_eq!(back.text, text, "and back");
    }
});
