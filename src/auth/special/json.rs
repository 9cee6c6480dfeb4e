//! Canonical JSON as a few providers sign it. Scalars keep their text: the sender wrote them with the same encoder.

use std::fmt::Write;

use crate::json;

/// The deepest nesting that is re-written: each level is scanned anew, and no notification has half as many.
const MAX_DEPTH: usize = 16;

/// The most members or elements of one object or array.
const MAX_WIDTH: usize = 10_000;

/// Compact JSON, names sorted at every depth.
pub(super) fn sorted(document: &[u8], sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    json::scan(document, &[], &mut []).ok()?;
    write_sorted(document.trim_ascii(), MAX_DEPTH, sink)
}

fn write_sorted(text: &[u8], depth: usize, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match text.first()? {
        b'{' => {
            let mut entries = Vec::new();
            for (name, value) in json::entries(text, MAX_WIDTH)? {
                entries.push((json::scalar(name.get(text))?, name, value));
            }
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return None;
            }
            for (index, (_, name, value)) in entries.iter().enumerate() {
                sink(if index == 0 { b"{" } else { b"," });
                sink(name.get(text));
                sink(b":");
                write_sorted(value.get(text), depth, sink)?;
            }
            sink(if entries.is_empty() { b"{}" } else { b"}" });
        }
        b'[' => {
            let elements = json::elements(text, MAX_WIDTH)?;
            for (index, element) in elements.iter().enumerate() {
                sink(if index == 0 { b"[" } else { b"," });
                write_sorted(element.get(text), depth, sink)?;
            }
            sink(if elements.is_empty() { b"[]" } else { b"]" });
        }
        _ => sink(text),
    }
    Some(())
}

/// Every scalar value but `Signature` and `null`, at every depth, sorted and joined with `/`.
pub(super) fn trustpay(document: &[u8], sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    json::scan(document, &[], &mut []).ok()?;
    let mut values = Vec::new();
    collect(document.trim_ascii(), MAX_DEPTH, &mut values)?;
    values.sort();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            sink(b"/");
        }
        sink(value);
    }
    Some(())
}

fn collect(text: &[u8], depth: usize, values: &mut Vec<Vec<u8>>) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match text.first()? {
        b'{' => {
            for (name, value) in json::entries(text, MAX_WIDTH)? {
                if *json::scalar(name.get(text))? != *b"Signature" {
                    collect(value.get(text), depth, values)?;
                }
            }
        }
        b'[' => {
            for element in json::elements(text, MAX_WIDTH)? {
                collect(element.get(text), depth, values)?;
            }
        }
        _ if text == b"null" => {}
        _ => values.push(json::scalar(text)?.into_owned()),
    }
    Some(())
}

/// Compact JSON with strings as PHP's `json_encode` writes them: `/` and everything beyond ASCII escaped.
pub(in crate::auth) fn php(text: &[u8]) -> Option<Vec<u8>> {
    json::scan(text, &[], &mut []).ok()?;
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                let len = string_len(text.get(at..)?)?;
                let string = json::scalar(text.get(at..at + len)?)?;
                out.extend(php_string(str::from_utf8(&string).ok()?).bytes());
                at += len;
                continue;
            }
            b' ' | b'\t' | b'\n' | b'\r' => {}
            other => out.push(other),
        }
        at += 1;
    }
    Some(out)
}

/// The length of the string that `text` starts with, quotes included.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn php_string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' | '/' => out.extend(['\\', character]),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='\u{7f}' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing into a string does not fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rule = fn(&[u8], &mut dyn FnMut(&[u8])) -> Option<()>;

    fn made(by: Rule, document: &str) -> Option<String> {
        let mut out = Vec::new();
        by(document.as_bytes(), &mut |part| out.extend_from_slice(part))?;
        Some(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn sorted_names() {
        for (document, expected) in [
            (
                r#"{ "b" : [ { "d":1.50, "c":"x\/y" }, [] ], "a":{} }"#,
                Some(r#"{"a":{},"b":[{"c":"x\/y","d":1.50},[]]}"#),
            ),
            (r#"{"a":1,"\u0061":2}"#, None),
            ("{", None),
            (&format!("{}{}", "[".repeat(17), "]".repeat(17)), None),
        ] {
            assert_eq!(made(sorted, document).as_deref(), expected, "{document}");
        }
    }

    #[test]
    fn scalars() {
        let document = r#"{"b":{"x":"Z","Signature":"s"},"a":[1.50,true,null],"Signature":"t"}"#;
        assert_eq!(made(trustpay, document).as_deref(), Some("1.50/Z/true"));
    }

    #[test]
    fn as_php_writes_it() {
        let text = "{ \"a\" : \"x/y \\u00e9 é 😀 \\\"\" , \"b\":[1.0, null] }";
        let expected = r#"{"a":"x\/y \u00e9 \u00e9 \ud83d\ude00 \"","b":[1.0,null]}"#;
        assert_eq!(php(text.as_bytes()).as_deref(), Some(expected.as_bytes()));
        assert_eq!(php(b"{"), None);
    }
}
