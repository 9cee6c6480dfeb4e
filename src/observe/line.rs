//! A record as one line of JSON, written into a buffer that is used again: no allocation once the buffer has grown.
//!
//! Whatever a sender chose (method, path, delivery id, event, media type) is cut at [`MAX_FIELD`] bytes and escaped: control
//! characters, the line and paragraph separators that some viewers break at, and bytes that are no UTF-8. A line can so
//! neither be forged nor split. Deliberately absent: header values, query strings, bodies and anything secret.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::anomaly::Anomaly;
use super::{AuditChange, Record};
use crate::clock::Now;
use crate::http1::encode::{decimal, dotted};

/// The longest text of a sender's that a record carries, in bytes; a longer one ends in `…`.
pub(super) const MAX_FIELD: usize = 1024;

/// The same for a media type: two names of at most 127 characters with a `/` between (RFC 6838 section 4.2).
const MAX_MEDIA_TYPE: usize = 255;

/// The most texts in a list: with the longest of them a line stays below what readers take.
const MAX_LISTED: usize = 24;

/// A member's name in its quotes, with the comma before and the colon behind it: one piece of text instead of three.
macro_rules! member {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// Writes lines. Keeps the text of the last second, since most records fall into the same one as the record before.
#[derive(Debug, Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    second: Option<u64>,
    date: String,
}

impl Writer {
    /// The record's line, with its line feed.
    pub(super) fn line(&mut self, record: &Record<'_>) -> &[u8] {
        self.out.clear();
        self.time(record.time.wall);
        self.word(member!("request_id"), record.request_id);
        self.text(member!("route"), record.route);
        self.text(member!("provider"), record.provider);
        self.word(member!("decision"), record.decision.name());
        self.word(member!("reason"), record.reason.code());
        self.number(member!("status"), Some(record.status.into()));
        self.number(member!("upstream_status"), record.upstream_status.map(Into::into));
        self.bytes(member!("method"), Some(record.method));
        self.bytes(member!("path"), Some(record.path));
        self.source(record.source);
        self.text(member!("key_id"), record.key_id);
        self.bytes(member!("delivery_id"), record.delivery_id);
        self.bytes(member!("event"), record.event);
        self.media_type(record.content_type);
        self.text(member!("binding"), record.binding);
        if record.claim.is_some() {
            self.text(member!("claim"), record.claim);
        }
        self.number(member!("body_bytes"), Some(record.body.len() as u64));
        if record.body_digest {
            self.digest(record.body);
        }
        self.number(member!("verify_us"), Some(micros(record.verify)));
        self.number(member!("upstream_us"), record.upstream.map(micros));
        self.number(member!("total_us"), Some(micros(record.total)));
        self.text(member!("tls"), record.tls);
        self.text(member!("client_san"), record.client_san);
        self.out.extend_from_slice(b"}\n");
        &self.out
    }

    /// The line of something unusual, with its line feed. Its `kind` tells it from a request's.
    pub(super) fn anomaly(&mut self, route: Option<&str>, anomaly: &Anomaly, now: Now) -> &[u8] {
        self.out.clear();
        self.time(now.wall);
        self.text(member!("kind"), Some("anomaly"));
        self.text(member!("anomaly"), Some(anomaly.kind.row().name));
        self.text(member!("route"), route);
        match anomaly.source {
            Some(source) => self.source(source),
            None => self.text(member!("source"), None),
        }
        self.text(member!("saw"), Some(&anomaly.saw));
        self.text(member!("usual"), Some(&anomaly.usual));
        self.text(member!("do"), Some(anomaly.kind.row().fix));
        self.out.extend_from_slice(b"}\n");
        &self.out
    }

    /// The line of an audit that has found something else than the one before, with its line feed.
    pub(super) fn audited(&mut self, change: &AuditChange<'_>, now: Now) -> &[u8] {
        self.out.clear();
        self.time(now.wall);
        self.text(member!("kind"), Some("audit"));
        for (severity, count) in change.found {
            self.severity(severity, *count as u64);
        }
        self.list(member!("new"), change.new);
        self.list(member!("gone"), change.gone);
        self.out.extend_from_slice(b"}\n");
        &self.out
    }

    /// Texts, as many as a line has room for; then how many more there are.
    fn list(&mut self, name: &str, texts: &[String]) {
        self.name(name);
        self.out.push(b'[');
        for (index, text) in texts.iter().take(MAX_LISTED).enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.quoted(text.as_bytes());
        }
        if texts.len() > MAX_LISTED {
            let _ = write!(self.out, ",\"and {} more\"", texts.len() - MAX_LISTED);
        }
        self.out.push(b']');
    }

    /// RFC 3339 with milliseconds. A time that no calendar holds is the epoch's.
    fn time(&mut self, wall: Duration) {
        let second = wall.as_secs();
        if self.second != Some(second) {
            let time = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
            self.date.clear();
            // Writing into a string does not fail.
            let _ = write!(self.date, "{:.0}", time.unwrap_or_default());
            self.second = Some(second);
        }
        let seconds = self.date.strip_suffix('Z').unwrap_or(&self.date);
        let digit = |unit: u32| b'0' + u8::try_from(wall.subsec_millis() / unit % 10).unwrap_or_default();
        self.out.extend_from_slice(br#"{"ts":""#);
        self.out.extend_from_slice(seconds.as_bytes());
        self.out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'Z', b'"']);
    }

    /// A member's name, with the punctuation around it.
    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(name.as_bytes());
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        self.bytes(name, value.map(str::as_bytes));
    }

    /// A word of our own, which needs no escapes.
    fn word(&mut self, name: &str, word: &str) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// How many findings there are of a severity.
    fn severity(&mut self, severity: &str, count: u64) {
        let _ = write!(self.out, ",\"{severity}\":{count}");
    }

    /// A text of a sender's. An empty one counts as none.
    fn bytes(&mut self, name: &str, value: Option<&[u8]>) {
        self.name(name);
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return self.out.extend_from_slice(b"null");
        };
        self.quoted(value);
    }

    /// In lower case, since no case means anything in it: what is reviewed should be one type, however it was written.
    fn media_type(&mut self, value: Option<&[u8]>) {
        let start = self.out.len();
        self.name(member!("content_type"));
        match value.filter(|value| !value.is_empty()) {
            Some(value) => self.quoted_up_to(MAX_MEDIA_TYPE, value),
            None => self.out.extend_from_slice(b"null"),
        }
        // Escapes are in lower case already.
        self.out[start..].make_ascii_lowercase();
    }

    fn quoted(&mut self, value: &[u8]) {
        self.quoted_up_to(MAX_FIELD, value);
    }

    fn quoted_up_to(&mut self, most: usize, value: &[u8]) {
        self.out.push(b'"');
        let kept = value.get(..most).unwrap_or(value);
        if is_plain(kept) {
            self.out.extend_from_slice(kept);
        } else {
            self.escaped(kept);
        }
        if kept.len() < value.len() {
            self.out.extend_from_slice("…".as_bytes());
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, value: &[u8]) {
        for chunk in value.utf8_chunks() {
            for character in chunk.valid().chars() {
                // Writing into a vector does not fail.
                let _ = match character {
                    '"' | '\\' => write!(self.out, "\\{character}"),
                    '\u{2028}' | '\u{2029}' => write!(self.out, "\\u{:04x}", u32::from(character)),
                    _ if character.is_control() => write!(self.out, "\\u{:04x}", u32::from(character)),
                    _ => write!(self.out, "{character}"),
                };
            }
            if !chunk.invalid().is_empty() {
                self.out.extend_from_slice(b"\\ufffd");
            }
        }
    }

    fn number(&mut self, name: &str, value: Option<u64>) {
        self.name(name);
        match value {
            Some(value) => self.out.extend_from_slice(decimal(value, &mut [0; 20])),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn source(&mut self, source: IpAddr) {
        self.name(member!("source"));
        self.out.push(b'"');
        match source {
            IpAddr::V4(source) => self.out.extend_from_slice(dotted(source, &mut [0; 15])),
            IpAddr::V6(source) => drop(write!(self.out, "{source}")),
        }
        self.out.push(b'"');
    }

    fn digest(&mut self, body: &[u8]) {
        let mut digits = [0; 64];
        HEXLOWER.encode_mut(&Sha256::digest(body), &mut digits);
        self.name(member!("body_sha256"));
        self.out.push(b'"');
        self.out.extend_from_slice(&digits);
        self.out.push(b'"');
    }
}

/// Whether a text is printable ASCII without what JSON escapes. Without an early exit the compiler makes vector
/// instructions of it.
fn is_plain(text: &[u8]) -> bool {
    text.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~') & !matches!(byte, b'"' | b'\\'))
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::deny::Reason;
    use crate::observe::Decision;

    /// A record with every member, at a known time.
    pub(in crate::observe) fn record(path: &[u8]) -> Record<'_> {
        Record {
            time: Now { wall: Duration::from_millis(1_700_000_000_007), ..Now::read() },
            request_id: "0123456789abcdef0123456789abcdef",
            route: Some("github"),
            provider: Some("github"),
            decision: Decision::Forwarded,
            reason: Reason::Forwarded,
            status: 204,
            upstream_status: Some(204),
            method: b"POST",
            path,
            source: IpAddr::from([192, 0, 2, 7]),
            key_id: Some("1"),
            key: Some(0),
            delivery_id: Some(b"72d3162e"),
            event: Some(b"push"),
            content_type: Some(b"application/json"),
            binding: Some("full"),
            claim: None,
            body: b"{}",
            body_digest: false,
            verify: Duration::from_nanos(12_999),
            upstream: Some(Duration::from_millis(2)),
            total: Duration::from_millis(3),
            tls: Some("1.3"),
            client_san: None,
            limited: None,
            skew: None,
        }
    }

    #[test]
    fn a_line_has_the_members_of_the_contract_in_their_order() {
        let mut writer = Writer::default();
        let line = writer.line(&record(b"/hooks/github")).to_vec();
        assert_eq!(
            str::from_utf8(&line).expect("UTF-8"),
            concat!(
                r#"{"ts":"2023-11-14T22:13:20.007Z","request_id":"0123456789abcdef0123456789abcdef","route":"github","#,
                r#""provider":"github","decision":"forwarded","reason":"forwarded","status":204,"upstream_status":204,"#,
                r#""method":"POST","path":"/hooks/github","source":"192.0.2.7","key_id":"1","delivery_id":"72d3162e","#,
                r#""event":"push","content_type":"application/json","binding":"full","body_bytes":2,"verify_us":12,"#,
                r#""upstream_us":2000,"total_us":3000,"tls":"1.3","client_san":null}"#,
                "\n"
            )
        );
        let digested = Record { body_digest: true, key_id: None, ..record(b"/") };
        let parsed: serde_json::Value = serde_json::from_slice(writer.line(&digested)).expect("JSON");
        assert_eq!(parsed["body_sha256"], "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert!(parsed["key_id"].is_null() && parsed.get("claim").is_none());
        let claimed = Record { claim: Some("local"), ..record(b"/") };
        let parsed: serde_json::Value = serde_json::from_slice(writer.line(&claimed)).expect("JSON");
        assert_eq!(parsed["claim"], "local");
    }

    #[test]
    fn a_media_type_is_one_word_however_it_was_written() {
        let long = vec![b'A'; MAX_MEDIA_TYPE + 1];
        for (value, expected) in [
            (None, None),
            (Some(&b""[..]), None),
            (Some(b"Application/JSON"), Some("application/json".to_owned())),
            (Some(b"a\"\\\n\x1b\xff"), Some("a\"\\\n\u{1b}\u{fffd}".to_owned())),
            (Some(&long), Some(format!("{}…", "a".repeat(MAX_MEDIA_TYPE)))),
        ] {
            let mut writer = Writer::default();
            let line = writer.line(&Record { content_type: value, ..record(b"/A") }).to_vec();
            let parsed: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
            assert_eq!((parsed["content_type"].as_str(), &parsed["path"]), (expected.as_deref(), &"/A".into()));
            assert_eq!(line.iter().filter(|byte| byte.is_ascii_control()).count(), 1, "the line feed");
        }
    }

    #[test]
    fn no_sender_can_forge_or_split_a_line() {
        let long = vec![b'a'; MAX_FIELD + 1];
        for (path, expected) in [
            (&b"/a\"b\\c"[..], "/a\"b\\c"),
            (b"/\n{\"ts\":1}", "/\n{\"ts\":1}"),
            (b"/\x00\x1b[31m\x7f", "/\0\u{1b}[31m\u{7f}"),
            ("/ü\u{85}\u{2028}".as_bytes(), "/ü\u{85}\u{2028}"),
            (b"/\xff\xc3", "/\u{fffd}\u{fffd}"),
            (&long, &format!("{}…", "a".repeat(MAX_FIELD))),
        ] {
            let mut writer = Writer::default();
            let line = writer.line(&record(path)).to_vec();
            let parsed: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
            assert_eq!(parsed["path"], expected);
            let text = str::from_utf8(&line).expect("UTF-8");
            assert_eq!(
                text.chars().filter(|c| c.is_control() || *c == '\u{2028}').count(),
                1,
                "the line feed: {text:?}"
            );
        }
    }
}
