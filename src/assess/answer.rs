//! Answers, read from whatever came back: strictly where they are valid, and by their first line where they are not, for
//! an endpoint under attack may say anything. Pure.

use serde_json::Value;

use crate::deny::Reason;
use crate::http1::chunked::Decoder;
use crate::http1::response::{BodyEnd, ResponseHead};

/// The most answers that are looked for in what came back on one connection.
const MAX_ANSWERS: usize = 8;

/// One answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Whether the message was taken.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn value(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The `reason` of problem details (RFC 9457), as Hookwarden says it.
    pub(super) fn reason(&self) -> Option<String> {
        if !self.value("content-type").starts_with("application/problem+json") {
            return None;
        }
        let problem: Value = serde_json::from_slice(&self.body).ok()?;
        let is_ours = problem["type"].as_str()?.starts_with("urn:hookwarden:reason:");
        problem["reason"].as_str().filter(|_| is_ours).map(str::to_owned)
    }

    /// Which it is of the closed list; `None` for the one word that stands for every 401.
    pub(super) fn known_reason(&self) -> Option<Reason> {
        Reason::from_code(&self.reason()?)
    }
}

/// The final answers that stand in `bytes` whole. `ended` says that nothing follows; `head` that a HEAD was asked.
pub(super) fn answers(bytes: &[u8], head: bool, ended: bool) -> Vec<Answer> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while found.len() < MAX_ANSWERS && !rest.is_empty() {
        let Some((answer, length)) = one(rest, head, ended) else { break };
        if answer.status >= 200 || answer.status == 101 {
            found.push(answer);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// The first answer, and how long it is.
fn one(bytes: &[u8], is_head: bool, ended: bool) -> Option<(Answer, usize)> {
    let Some(at) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return ended.then(|| leftover(bytes)).flatten();
    };
    let (head_bytes, rest) = bytes.split_at(at + 4);
    let method: &[u8] = if is_head { b"HEAD" } else { b"POST" };
    let Ok(head) = ResponseHead::parse(head_bytes, method) else { return leftover(bytes) };
    let (body, length) = match head.body {
        BodyEnd::None => (Vec::new(), 0),
        BodyEnd::Length(length) => {
            let length = usize::try_from(length).ok()?;
            (rest.get(..length).or(ended.then_some(rest))?.to_vec(), length)
        }
        BodyEnd::Chunked => {
            let mut body = rest.to_vec();
            let decoded = Decoder::default().decode(&mut body).ok()?;
            if !decoded.done && !ended {
                return None;
            }
            body.truncate(decoded.written);
            (body, decoded.read)
        }
        BodyEnd::Close => ended.then(|| (rest.to_vec(), rest.len()))?,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = head.fields(head_bytes).map(|(name, value)| (text(name), text(value))).collect();
    Some((Answer { status: head.status, fields, body }, (at + 4).saturating_add(length)))
}

/// What is no valid answer, by its status line: all of it is one.
fn leftover(bytes: &[u8]) -> Option<(Answer, usize)> {
    let status = bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
    let status = str::from_utf8(status?).ok()?.parse().ok()?;
    Some((Answer { status, fields: Vec::new(), body: bytes.to_vec() }, bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted() {
        let check = |bytes: &str, ended, expected: &[(u16, &str)]| {
            let found = answers(bytes.as_bytes(), false, ended);
            let found: Vec<_> =
                found.iter().map(|answer| (answer.status, str::from_utf8(&answer.body).expect("text"))).collect();
            assert_eq!(found, expected, "{bytes:?}");
        };
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        check(ok, false, &[(200, "ok")]);
        check(&ok.repeat(2), false, &[(200, "ok"), (200, "ok")]);
        check(&format!("HTTP/1.1 100 Continue\r\n\r\n{ok}HTTP/1.1 4"), false, &[(200, "ok")]);
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", false, &[]);
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true, &[(200, "ok")]);
        check("HTTP/1.1 200 OK\r\n\r\nall", true, &[(200, "all")]);
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, &[(200, "ok")]);
        check(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
            false,
            &[(101, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n")],
        );
        check("HTTP/1.0 404 Gone\n\nx", true, &[(404, "HTTP/1.0 404 Gone\n\nx")]);
        check("SSH-2.0-x\r\n\r\n", true, &[]);
        assert_eq!(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true, false).len(), 1);
    }

    #[test]
    fn reasons_are_hookwardens_own() {
        let answer = |kind: &str, body: &str| Answer {
            status: 401,
            fields: vec![("Content-Type".into(), kind.into())],
            body: body.into(),
        };
        let ours = r#"{"type":"urn:hookwarden:reason:replayed","reason":"replayed"}"#;
        assert_eq!(answer("application/problem+json", ours).known_reason(), Some(Reason::Replayed));
        assert_eq!(answer("application/json", ours).reason(), None);
        assert_eq!(answer("application/problem+json", r#"{"type":"about:blank","reason":"replayed"}"#).reason(), None);
    }
}
