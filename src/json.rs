//! A strict JSON scanner (RFC 8259) that allocates nothing: is a document well-formed, and where do a few wanted members
//! stand?
//!
//! It exists because the general parsers build values or keep a stack on the heap, and the hot path may do neither.
//! A wanted member that stands twice is a fault: two readers could take different ones, and so is one whose second
//! name is written with escapes. Deliberately absent: values and numbers as numbers.

use std::borrow::Cow;

use crate::auth::scheme::JsonPath;
use crate::http1::Span;
use crate::http1::encode::decimal;

/// The deepest nesting: what `serde_json` takes, and far beyond any webhook.
pub const MAX_DEPTH: usize = 128;

/// Why a document was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// It is not well-formed.
    Malformed,
    /// It is nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A wanted member stands twice.
    Repeated,
}

/// Scans `document`, and puts where each wanted member's value stands into `found`: a string's contents between its
/// quotes as they are written, or a number's or literal's text. Objects and arrays are not found.
///
/// # Errors
/// The first [`JsonFault`].
pub fn scan(document: &[u8], wanted: &[Option<&JsonPath>], found: &mut [Option<Span>]) -> Result<(), JsonFault> {
    Scanner { bytes: document, at: 0, texts: false }.document(wanted, found)
}

/// Scans `document` as [`scan`] does, but puts the JSON text of each wanted member into `found`: strings with their
/// quotes, and objects and arrays too.
///
/// # Errors
/// The first [`JsonFault`].
pub fn locate(document: &[u8], wanted: &[Option<&JsonPath>], found: &mut [Option<Span>]) -> Result<(), JsonFault> {
    Scanner { bytes: document, at: 0, texts: true }.document(wanted, found)
}

/// The text of each element of an array, which has been scanned before; `None` if it is no array or has more than `most`.
#[must_use]
pub fn elements(array: &[u8], most: usize) -> Option<Vec<Span>> {
    let mut scanner = Scanner { bytes: array, at: 0, texts: false };
    let mut spans = Vec::new();
    if !scanner.takes(b'[') {
        return None;
    }
    if scanner.takes(b']') {
        return Some(spans);
    }
    loop {
        scanner.blanks();
        let start = scanner.at;
        scanner.value(&[], &mut [], Place { depth: 1, open: 0 }).ok()?;
        if spans.len() == most {
            return None;
        }
        spans.push(Span::new(start, scanner.at));
        if scanner.takes(b']') {
            return Some(spans);
        }
        scanner.expect(b',').ok()?;
    }
}

/// The names and values of an object, which has been scanned before: names with their quotes, values as JSON text. `None`
/// if it is no object or has more than `most`.
#[must_use]
pub fn entries(object: &[u8], most: usize) -> Option<Vec<(Span, Span)>> {
    let mut scanner = Scanner { bytes: object, at: 0, texts: false };
    let mut entries = Vec::new();
    if !scanner.takes(b'{') {
        return None;
    }
    if scanner.takes(b'}') {
        return Some(entries);
    }
    loop {
        scanner.blanks();
        let name = scanner.at;
        scanner.string().ok()?;
        let name = Span::new(name, scanner.at);
        scanner.expect(b':').ok()?;
        scanner.blanks();
        let value = scanner.at;
        scanner.value(&[], &mut [], Place { depth: 1, open: 0 }).ok()?;
        if entries.len() == most {
            return None;
        }
        entries.push((name, Span::new(value, scanner.at)));
        if scanner.takes(b'}') {
            return Some(entries);
        }
        scanner.expect(b',').ok()?;
    }
}

/// What a scalar's JSON text says: a string unescaped, a number or literal as it is written. Objects and arrays say
/// nothing.
#[must_use]
pub fn scalar(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    match text.first()? {
        b'{' | b'[' => None,
        b'"' if text.contains(&b'\\') => {
            serde_json::from_slice::<String>(text).ok().map(|text| Cow::Owned(text.into_bytes()))
        }
        b'"' => text.get(1..text.len().checked_sub(1)?).map(Cow::Borrowed),
        _ => Some(Cow::Borrowed(text)),
    }
}

/// Where the scanner is: how deep, and which wanted paths lead here (a bit each).
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    open: u32,
}

fn all(count: usize) -> u32 {
    debug_assert!(count < 32, "one bit a path");
    (1 << count) - 1
}

struct Scanner<'d> {
    bytes: &'d [u8],
    at: usize,
    /// Whether wanted members are found as JSON text.
    texts: bool,
}

impl Scanner<'_> {
    fn document(mut self, wanted: &[Option<&JsonPath>], found: &mut [Option<Span>]) -> Result<(), JsonFault> {
        // Most documents are ASCII alone, which is seen four times as fast.
        if !self.bytes.is_ascii() && str::from_utf8(self.bytes).is_err() {
            return Err(JsonFault::Malformed);
        }
        // Where nothing is wanted, nothing is looked for.
        let open = if wanted.iter().any(Option::is_some) { all(wanted.len()) } else { 0 };
        self.value(wanted, found, Place { depth: 0, open })?;
        self.blanks();
        if self.at == self.bytes.len() { Ok(()) } else { Err(JsonFault::Malformed) }
    }

    /// One value. `place.open` says which paths it continues; those that end here take it.
    fn value(
        &mut self,
        wanted: &[Option<&JsonPath>],
        found: &mut [Option<Span>],
        place: Place,
    ) -> Result<(), JsonFault> {
        self.blanks();
        let start = self.at;
        let first = self.bytes.get(start).copied();
        match first {
            Some(b'{') => self.object(wanted, found, place)?,
            Some(b'[') => self.array(wanted, found, place)?,
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.literal()?,
        }
        if place.open == 0 {
            return Ok(());
        }
        let span = match first {
            _ if self.texts => Span::new(start, self.at),
            Some(b'{' | b'[') => return Ok(()),
            Some(b'"') => Span::new(start + 1, self.at - 1),
            _ => Span::new(start, self.at),
        };
        for (index, slot) in found.iter_mut().enumerate().filter(|(index, _)| place.open & (1 << index) != 0) {
            if wanted.get(index).copied().flatten().is_some_and(|path| path.0.len() == place.depth) {
                *slot = Some(span);
            }
        }
        Ok(())
    }

    fn object(
        &mut self,
        wanted: &[Option<&JsonPath>],
        found: &mut [Option<Span>],
        place: Place,
    ) -> Result<(), JsonFault> {
        self.enter(place)?;
        let mut seen = 0;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            self.blanks();
            let start = self.at;
            self.string()?;
            let name = self.bytes.get(start + 1..self.at - 1).unwrap_or_default();
            let open = if place.open == 0 { 0 } else { place.open & leads(wanted, place.depth, name) };
            if seen & open != 0 {
                return Err(JsonFault::Repeated);
            }
            seen |= open;
            self.expect(b':')?;
            self.value(wanted, found, Place { depth: place.depth + 1, open })?;
            if self.takes(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn array(
        &mut self,
        wanted: &[Option<&JsonPath>],
        found: &mut [Option<Span>],
        place: Place,
    ) -> Result<(), JsonFault> {
        self.enter(place)?;
        if self.takes(b']') {
            return Ok(());
        }
        let mut index = 0;
        loop {
            let open = if place.open == 0 { 0 } else { place.open & leads_to_element(wanted, place.depth, index) };
            index += 1;
            self.value(wanted, found, Place { depth: place.depth + 1, open })?;
            if self.takes(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn enter(&mut self, place: Place) -> Result<(), JsonFault> {
        self.at += 1;
        if place.depth < MAX_DEPTH { Ok(()) } else { Err(JsonFault::TooDeep) }
    }

    /// A string with its quotes. Most bytes pass in one search for the next quote or backslash.
    fn string(&mut self) -> Result<(), JsonFault> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(JsonFault::Malformed);
        }
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let run = memchr::memchr2(b'"', b'\\', rest).ok_or(JsonFault::Malformed)?;
            // Without an early exit the compiler makes vector instructions of it, of a least byte one for each sixteen.
            let least = rest.get(..run).unwrap_or_default().iter().copied().fold(u8::MAX, u8::min);
            if least < b' ' {
                return Err(JsonFault::Malformed);
            }
            self.at += run + 1;
            if rest.get(run) == Some(&b'"') {
                return Ok(());
            }
            self.escape()?;
        }
    }

    /// What follows a backslash. A lone surrogate is refused, as by `serde_json`.
    fn escape(&mut self) -> Result<(), JsonFault> {
        match self.bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.code_unit()? {
                0xd800..=0xdbff => {
                    if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                        return Err(JsonFault::Malformed);
                    }
                    self.at += 1;
                    if !(0xdc00..=0xdfff).contains(&self.code_unit()?) {
                        return Err(JsonFault::Malformed);
                    }
                }
                0xdc00..=0xdfff => return Err(JsonFault::Malformed),
                _ => {}
            },
            _ => return Err(JsonFault::Malformed),
        }
        Ok(())
    }

    /// `uXXXX`.
    fn code_unit(&mut self) -> Result<u32, JsonFault> {
        let digits = self.bytes.get(self.at + 1..self.at + 5).ok_or(JsonFault::Malformed)?;
        self.at += 5;
        digits.iter().try_fold(0, |unit, &byte| {
            let digit = (byte as char).to_digit(16).ok_or(JsonFault::Malformed)?;
            Ok(unit * 16 + digit)
        })
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        self.skip(b'-');
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let run = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += run;
        if run > 0 { Ok(()) } else { Err(JsonFault::Malformed) }
    }

    fn literal(&mut self) -> Result<(), JsonFault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let known = [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word));
        self.at += known.ok_or(JsonFault::Malformed)?.len();
        Ok(())
    }

    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.blanks();
        self.skip(byte)
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonFault> {
        if self.takes(byte) { Ok(()) } else { Err(JsonFault::Malformed) }
    }
}

/// Which paths have `name` at this depth, a bit each. A name with escapes is compared by what it says, as every reader
/// behind us will: else it could stand beside the plain one, unseen.
fn leads(wanted: &[Option<&JsonPath>], depth: usize, name: &[u8]) -> u32 {
    if name.contains(&b'\\') {
        let quoted = [b"\"", name, b"\""].concat();
        return serde_json::from_slice::<String>(&quoted)
            .map_or(0, |name| leads_by_name(wanted, depth, name.as_bytes()));
    }
    leads_by_name(wanted, depth, name)
}

/// Which paths name this element of an array, a bit each.
fn leads_to_element(wanted: &[Option<&JsonPath>], depth: usize, index: usize) -> u32 {
    leads_by_name(wanted, depth, decimal(index as u64, &mut [0; 20]))
}

fn leads_by_name(wanted: &[Option<&JsonPath>], depth: usize, name: &[u8]) -> u32 {
    wanted.iter().enumerate().fold(0, |open, (index, path)| {
        let leads = path.and_then(|path| path.0.get(depth)).is_some_and(|part| part.as_bytes() == name);
        open | (u32::from(leads) << index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> JsonPath {
        JsonPath(text.split('.').map(Into::into).collect())
    }

    fn check(document: &str, wanted: &str, expected: Result<Option<&str>, JsonFault>) {
        let mut found = [None];
        let result = scan(document.as_bytes(), &[Some(&path(wanted))], &mut found);
        let value = result.map(|()| found[0].map(|span| str::from_utf8(span.get(document.as_bytes())).expect("UTF-8")));
        assert_eq!(value, expected, "{document}");
    }

    #[test]
    fn members() {
        check(r#"{"id":"evt_1","type":"a"}"#, "id", Ok(Some("evt_1")));
        check(r#" { "event" : { "type" : 12.5e3 } } "#, "event.type", Ok(Some("12.5e3")));
        check(r#"{"event":{"x":{"type":1}},"type":2}"#, "event.type", Ok(None));
        check(r#"{"event":[{"type":1}]}"#, "event.type", Ok(None));
        check(r#"{"event":{"type":{}}}"#, "event.type", Ok(None));
        check(r#"{"a":1,"a":2}"#, "a", Err(JsonFault::Repeated));
        check(r#"{"event":{"type":1},"event":{"type":2}}"#, "event.type", Err(JsonFault::Repeated));
        check(r#"{"b":1,"b":2,"a":3}"#, "a", Ok(Some("3")));
        check(r#"{"a":"x\"y\u00e9"}"#, "a", Ok(Some(r#"x\"y\u00e9"#)));
        check(&format!("{}{}", "[".repeat(129), "]".repeat(129)), "a", Err(JsonFault::TooDeep));
        check(&format!("{}{}", "[".repeat(128), "]".repeat(128)), "a", Ok(None));
        check("[1]", "a", Ok(None));
    }

    #[test]
    fn well_formedness_is_what_serde_json_says() {
        for document in [
            "",
            " ",
            "{}",
            "[]",
            "null",
            "nul",
            "truee",
            "01",
            "-",
            "-0",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1E-2",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\udc00\"",
            "\"\t\"",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\" 1}",
            "{a:1}",
            "{'a':1}",
            "1 1",
            "[1]x",
            "\u{feff}1",
            "\"\u{7f}\"",
            "+1",
            "NaN",
            "[1,[2,[3]]]",
        ] {
            agrees(document.as_bytes());
        }
        agrees(b"\"\xff\"");
    }

    fn agrees(document: &[u8]) {
        let theirs = serde_json::from_slice::<serde_json::Value>(document).is_ok();
        // A number beyond f64 is well-formed to us and out of range to them.
        let ours = scan(document, &[], &mut []).is_ok();
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(document));
    }

    proptest! {
        #[test]
        fn mutated_documents_are_judged_alike(
            bytes in proptest::collection::vec(prop_oneof![
                Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b','), Just(b':'), Just(b'1'), Just(b'-'),
                Just(b'.'), Just(b' '), Just(b'\\'), Just(b'u'), Just(b'0'), Just(b't'), Just(b'a')
            ], 0..24)
        ) {
            agrees(&bytes);
        }
    }
}
