//! Members of JSON documents and fields of forms: found as the usual readers find them, and refused where two readers
//! could differ.
#![no_main]

use hookwarden::auth::challenge::value;
use hookwarden::auth::scheme::{Field, JsonPath};
use hookwarden::http1::{Head, Message};
use hookwarden::json;
use libfuzzer_sys::fuzz_target;

const URLENCODED: &[u8] = b"POST /?a=1 HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n";
const MULTIPART: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n";

fuzz_target!(|body: &[u8]| {
    for path in ["a", "a.b", "/a/0", "/0/a"] {
        check_member(body, path);
    }
    for raw in [URLENCODED, MULTIPART] {
        let head = Head::parse(raw).expect("a good head");
        let message = Message { head: &head, bytes: raw, body };
        let _ = value(&Field::Form("a".into()), &message);
    }
    if let Ok(text) = str::from_utf8(body) {
        check_multipart(text);
    }
});

/// What is found is what the last and the first reader of a repeated name would both find.
fn check_member(body: &[u8], path: &str) {
    let path = JsonPath::parse(path).expect("a path");
    let mut found = [None];
    let Ok(()) = json::locate(body, &[Some(&path)], &mut found) else { return };
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else { return };
    let pointer: String = path.0.iter().flat_map(|part| ["/", part]).collect();
    let text = found[0].map(|span| span.get(body));
    let theirs = document.pointer(&pointer);
    assert_eq!(text.map(|text| serde_json::from_slice::<serde_json::Value>(text).expect("JSON")).as_ref(), theirs);
    if let (Some(text), Some(serde_json::Value::String(theirs))) = (text, theirs) {
        assert_eq!(json::scalar(text).as_deref(), Some(theirs.as_bytes()));
    }
}

/// A field that was put into a form is found in it, unless its value holds the delimiter.
fn check_multipart(value: &str) {
    let body = format!("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{value}\r\n--x--\r\n");
    let head = Head::parse(MULTIPART).expect("a good head");
    let message = Message { head: &head, bytes: MULTIPART, body: body.as_bytes() };
    if !format!("\r\n{value}\r\n").contains("\r\n--x") {
        let found = self::value(&Field::Form("a".into()), &message);
        assert_eq!(found.as_deref(), Some(value.as_bytes()));
    }
}
