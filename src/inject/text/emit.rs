//! Values as YAML blocks, or as JSON in the way that the text around them is written.

use std::fmt::Write as _;

use serde_json::Value;

/// Lines of a block mapping's entries, or of a block sequence's items, each indented by `indent` and ended by `newline`.
pub(super) fn block(value: &Value, indent: usize, newline: &str) -> String {
    let mut text = String::new();
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| {
            let _ = write!(text, "{:indent$}{}", "", string(key));
            text.push(':');
            behind(&mut text, value, indent, newline);
        }),
        Value::Array(items) => items.iter().for_each(|item| {
            let _ = write!(text, "{:indent$}-", "");
            dashed(&mut text, item, indent, newline);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = write!(text, "{:indent$}{}{newline}", "", scalar(value));
        }
    }
    text
}

/// What stands behind a key and its colon. Items are not indented further than their key: as `kubectl` writes them.
fn behind(text: &mut String, value: &Value, indent: usize, newline: &str) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            text.push_str(newline);
            text.push_str(&block(value, indent + 2, newline));
        }
        Value::Array(items) if !items.is_empty() => {
            text.push_str(newline);
            text.push_str(&block(value, indent, newline));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) | Value::Array(_) => {
            let _ = write!(text, " {}{newline}", scalar(value));
        }
    }
}

/// What stands behind a dash: the first entry of a mapping beside it.
fn dashed(text: &mut String, item: &Value, indent: usize, newline: &str) {
    match item {
        Value::Object(entries) if !entries.is_empty() => {
            let lines = block(item, indent + 2, newline);
            text.push(' ');
            text.push_str(lines.get(indent + 2..).unwrap_or_default());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) | Value::Array(_) => {
            let _ = write!(text, " {}{newline}", if item.is_array() { item.to_string() } else { scalar(item) });
        }
    }
}

/// A value without parts, or an empty collection.
pub(super) fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), string)
}

/// Text that no reader takes for anything else, of YAML 1.1 neither: plain where it is plainly text, else quoted.
fn string(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let simple = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if simple && text.contains('"') {
        return format!("'{}'", text.replace('\'', "''"));
    }
    Value::from(text).to_string()
}

/// Begins with a letter or a slash, holds what names and paths hold, and is no word that stands for something.
fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'/');
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    first && text.bytes().all(inside) && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// JSON over several lines, whose lines behind the first begin with `margin`.
pub(super) fn pretty(value: &Value, margin: &str) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.replace('\n', &format!("\n{margin}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks() {
        let value = json!({"a": {"b": [1, {"c": "x", "d": []}], "e": {}}, "f": [["g"]], "h": "8080", "i/j": null});
        let text = "  a:\n    b:\n    - 1\n    - c: x\n      d: []\n    e: {}\n  f:\n  - [\"g\"]\n  h: \"8080\"\n  i/j: null\n";
        assert_eq!(block(&value, 2, "\n"), text);
        assert_eq!(block(&json!(["a"]), 0, "\r\n"), "- a\r\n");
    }

    #[test]
    fn strings() {
        for (text, expected) in [
            ("name", "name"),
            ("/run/x.y_z-1", "/run/x.y_z-1"),
            ("", "\"\""),
            ("no", "\"no\""),
            ("On", "\"On\""),
            ("1", "\"1\""),
            ("a: b", "\"a: b\""),
            ("{\"a\":\"it's\"}", "'{\"a\":\"it''s\"}'"),
            ("two\nlines", "\"two\\nlines\""),
            ("ä", "\"ä\""),
            ("- x", "\"- x\""),
        ] {
            assert_eq!(string(text), expected);
        }
    }
}
