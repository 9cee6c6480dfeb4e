//! One line of the audit log, read for what a review asks about.
//!
//! The sidecar writes flat objects of texts and numbers without blanks, so a line is walked once, without a copy. What
//! is written in another way (an escape in a text, a line that another program has formatted) is read by `serde_json`.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use serde_json::Value;

/// The longest line that is read, in bytes: see [`verify_log`](crate::govern::verify_log::LONGEST_LINE).
pub use crate::govern::verify_log::LONGEST_LINE;

/// What a line says. Texts are as the sender wrote them: they may hold anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line<'l> {
    /// What kind of record it is; none for a request's.
    pub kind: Text<'l>,
    /// When, in seconds since the Unix epoch.
    pub second: u64,
    /// The route's name.
    pub route: Text<'l>,
    /// What became of the request.
    pub decision: Text<'l>,
    /// Why.
    pub reason: Text<'l>,
    /// The method.
    pub method: Text<'l>,
    /// The path.
    pub path: Text<'l>,
    /// The sender's address.
    pub source: Text<'l>,
    /// The key that proved it.
    pub key_id: Text<'l>,
    /// The event's type.
    pub event: Text<'l>,
    /// The media type of the body.
    pub content_type: Text<'l>,
    /// Whether the record says what the media type was, or that there was none: those of older versions do not.
    pub tells_content_type: bool,
    /// A name in the client's certificate.
    pub client_san: Text<'l>,
    /// The kind of an anomaly.
    pub anomaly: Text<'l>,
    /// The body's length.
    pub body_bytes: u64,
}

/// A text that may be missing.
pub type Text<'l> = Option<Cow<'l, [u8]>>;

/// A line that is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No JSON object: torn off by a crash or a full disk, or of another program.
    #[error("is no JSON object")]
    NoObject,
    /// No time that can be read.
    #[error("has no ts such as 2026-01-31T12:00:00.000Z")]
    NoTime,
    /// A request's record without its decision.
    #[error("has neither a decision nor a kind")]
    NoDecision,
    /// No record is so long.
    #[error("is longer than {LONGEST_LINE} bytes")]
    TooLong,
}

impl<'l> Line<'l> {
    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// It is no record.
    pub fn read(line: &'l [u8]) -> Result<Self, Broken> {
        if line.len() > LONGEST_LINE {
            return Err(Broken::TooLong);
        }
        match scan(line).map_or_else(|| parse(line), Ok)? {
            (_, None) => Err(Broken::NoTime),
            (line, _) if line.kind.is_none() && line.decision.is_none() => Err(Broken::NoDecision),
            (line, Some(second)) => Ok(Self { second, ..line }),
        }
    }

    fn set(&mut self, name: &[u8], text: Cow<'l, [u8]>) {
        let place = match name {
            b"kind" => &mut self.kind,
            b"route" => &mut self.route,
            b"decision" => &mut self.decision,
            b"reason" => &mut self.reason,
            b"method" => &mut self.method,
            b"path" => &mut self.path,
            b"source" => &mut self.source,
            b"key_id" => &mut self.key_id,
            b"event" => &mut self.event,
            b"content_type" => &mut self.content_type,
            b"client_san" => &mut self.client_san,
            b"anomaly" => &mut self.anomaly,
            _ => return,
        };
        *place = Some(text);
    }
}

type Read<'l> = (Line<'l>, Option<u64>);

/// The walk. `None`: the line is written in another way than the sidecar's.
fn scan(line: &[u8]) -> Option<Read<'_>> {
    let (mut read, mut time) = (Line::default(), None);
    let mut rest = line.strip_prefix(b"{")?;
    loop {
        rest = rest.strip_prefix(b"\"")?;
        let (name, after) = rest.split_at_checked(memchr(b'"', rest)?)?;
        let value = after.strip_prefix(b"\":")?;
        if let Some(text) = value.strip_prefix(b"\"") {
            let end = memchr2(b'"', b'\\', text)?;
            let (text, after) = text.split_at_checked(end)?;
            rest = after.strip_prefix(b"\"")?;
            match name {
                b"ts" => time = seconds(text),
                _ => read.set(name, Cow::Borrowed(text)),
            }
        } else {
            let (number, after) = value.split_at_checked(memchr2(b',', b'}', value)?)?;
            rest = after;
            match (name, number) {
                (b"content_type", b"null") => read.tells_content_type = true,
                (_, b"null" | b"true" | b"false") => {}
                (b"body_bytes", number) => read.body_bytes = digits(number)?,
                (_, number) => _ = digits(number)?,
            }
        }
        match rest.split_first()? {
            (b',', after) => rest = after,
            (b'}', b"" | b"\r") => {
                read.tells_content_type |= read.content_type.is_some();
                return Some((read, time));
            }
            _ => return None,
        }
    }
}

/// The same by `serde_json`.
fn parse(line: &[u8]) -> Result<Read<'static>, Broken> {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return Err(Broken::NoObject) };
    let (mut read, mut time) = (Line::default(), None);
    for (name, value) in object {
        match (name.as_str(), value) {
            ("ts", Value::String(text)) => time = seconds(text.as_bytes()),
            ("body_bytes", value) => read.body_bytes = value.as_u64().unwrap_or_default(),
            ("content_type", Value::Null) => read.tells_content_type = true,
            (name, Value::String(text)) => read.set(name.as_bytes(), Cow::Owned(text.into_bytes())),
            _ => {}
        }
    }
    read.tells_content_type |= read.content_type.is_some();
    Ok((read, time))
}

fn digits(text: &[u8]) -> Option<u64> {
    let digit = |number: u64, byte: &u8| {
        byte.is_ascii_digit().then(|| number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))).flatten()
    };
    text.iter().try_fold(0, digit).filter(|_| !text.is_empty())
}

/// Seconds since the Unix epoch of `2026-01-31T12:00:00` and what follows it up to a `Z`: records are in UTC.
fn seconds(text: &[u8]) -> Option<u64> {
    let (date, fraction) = text.split_at_checked("2026-01-31T12:00:00".len())?;
    if !fraction.ends_with(b"Z") {
        return None;
    }
    let [year, month, day, hour, minute, second] =
        [0..4, 5..7, 8..10, 11..13, 14..16, 17..19].map(|at| digits(&date[at]));
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let (year, month, day) = (year?, month?, day?);
    let is_date = (1970..).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || separators.iter().any(|(at, byte)| date[*at] != *byte) {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour?) * 60 + minute?) * 60 + second?)
}

/// Days since 1970-01-01 of a day of the Gregorian calendar: years begin in March here, so that leap days end them.
fn days(year: u64, month: u64, day: u64) -> u64 {
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: u64 = 719_468;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"ts":"2026-02-28T23:59:59.123Z","request_id":"1","route":"github","provider":"github","decision":"forwarded","reason":"forwarded","status":200,"upstream_status":200,"method":"POST","path":"/hooks/github","source":"192.0.2.1","key_id":"1","delivery_id":null,"event":"push","binding":"body","body_bytes":12,"verify_us":9,"upstream_us":100,"total_us":200,"tls":null,"client_san":null,"prev":"00","hash":"11"}"#;

    #[test]
    fn both_ways_read_the_same() {
        let spaced = WHOLE.replace("\":", "\": ");
        for line in [WHOLE, &spaced] {
            let read = Line::read(line.as_bytes()).expect("a record");
            assert_eq!(read.second, 1_772_323_199);
            assert_eq!((read.event.as_deref(), read.body_bytes), (Some(&b"push"[..]), 12));
            assert_eq!((read.key_id.as_deref(), read.client_san.as_deref()), (Some(&b"1"[..]), None));
        }
        assert!(scan(WHOLE.as_bytes()).is_some() && scan(spaced.as_bytes()).is_none());
        let escaped = WHOLE.replace("push", "pu\\u0073h\\n");
        assert_eq!(Line::read(escaped.as_bytes()).expect("a record").event.as_deref(), Some(&b"push\n"[..]));
    }

    #[test]
    fn no_media_type_and_a_record_that_tells_none_are_told_apart() {
        let spaced = |line: &str| line.replace("\":", "\": ");
        for (member, tells, content_type) in [
            ("", false, None),
            (r#""content_type":null,"#, true, None),
            (r#""content_type":"application/json","#, true, Some(&b"application/json"[..])),
        ] {
            let line = WHOLE.replace(r#""binding""#, &format!(r#"{member}"binding""#));
            for line in [spaced(&line), line] {
                let read = Line::read(line.as_bytes()).expect("a record");
                assert_eq!((read.tells_content_type, read.content_type.as_deref()), (tells, content_type), "{line}");
            }
        }
    }

    #[test]
    fn what_is_no_record_is_said() {
        let long = "x".repeat(LONGEST_LINE + 1);
        for (line, expected) in [
            ("", Broken::NoObject),
            (&WHOLE[..200], Broken::NoObject),
            ("[1]", Broken::NoObject),
            (r#"{"decision":"denied"}"#, Broken::NoTime),
            (r#"{"ts":"2026-13-01T00:00:00Z","decision":"denied"}"#, Broken::NoTime),
            (r#"{"ts":"2026-01-01T00:00:00+01:00","decision":"denied"}"#, Broken::NoTime),
            (r#"{"ts":"2026-01-01T00:00:00Z"}"#, Broken::NoDecision),
            (&long, Broken::TooLong),
        ] {
            assert_eq!(Line::read(line.as_bytes()), Err(expected), "{line}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for text in ["1970-01-01T00:00:00Z", "2000-02-29T12:34:56.789Z", "2026-12-31T23:59:59Z", "2100-03-01T00:00:00Z"]
        {
            let expected: jiff::Timestamp = text.parse().expect("a time");
            assert_eq!(seconds(text.as_bytes()), u64::try_from(expected.as_second()).ok(), "{text}");
        }
    }
}
