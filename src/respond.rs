//! A denial or an answer of our own, as bytes: `application/problem+json` (RFC 9457), written without an allocation and
//! without the machinery of formatting.

use std::cell::RefCell;

use bytes::{BufMut, BytesMut};

use crate::auth::challenge::Reply;
use crate::auth::scheme::{AsksFor, Replies};
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::http1::encode::{decimal, field, number_field};
use crate::policy::ErrorDetail;

/// What an answer depends on beside its reason.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The id of the request.
    pub request_id: &'a str,
    /// How much the client may learn.
    pub detail: ErrorDetail,
    /// The permitted methods, for a 405.
    pub allow: Option<&'a str>,
    /// Whether the request was a HEAD: its answer has no body.
    pub is_head: bool,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// What a 401 asks for.
    pub asks_for: AsksFor,
    /// What the route's provider wants of replies.
    pub replies: Option<&'a Replies>,
    /// A field of the request that is repeated.
    pub echo: Option<(&'a str, &'a [u8])>,
    /// For the Date field.
    pub now: Now,
}

/// Puts a denial into `out`.
pub fn denial(out: &mut BytesMut, denial: Denial, context: &Context<'_>) {
    let row = denial.reason.row();
    let reason = match (context.detail, row.status) {
        (ErrorDetail::Minimal, 401) => "unauthorized",
        _ => row.code,
    };
    status_line(out, row.status, context);
    if row.status == 401 {
        field(out, b"WWW-Authenticate", challenge(context.asks_for, denial.reason));
    }
    if let Some(allow) = context.allow.filter(|_| denial.reason == Reason::MethodNotAllowed) {
        field(out, b"Allow", allow.as_bytes());
    }
    if let Some(wait) = denial.retry_after {
        number_field(out, b"Retry-After", whole_seconds(wait));
    }
    if let Some(rate) = denial.used_up {
        // The three fields that clients know (draft-ietf-httpapi-ratelimit-headers-06); later drafts have one of another
        // form, which few read yet.
        number_field(out, b"RateLimit-Limit", rate.limit.into());
        number_field(out, b"RateLimit-Remaining", 0);
        number_field(out, b"RateLimit-Reset", whole_seconds(rate.reset));
    }
    match context.replies {
        Some(replies) if denial.reason == Reason::Duplicate && replies.acknowledged.is_some() => {
            let text = replies.acknowledged.as_deref().unwrap_or_default();
            return body_of(out, b"text/plain", text.as_bytes(), context);
        }
        Some(replies) if replies.denied_empty && row.status >= 400 => return body_of(out, b"", b"", context),
        _ => {}
    }
    let (mut body, mut digits) = (Scratch::default(), [0; 20]);
    body.put(br#"{"type":"urn:hookwarden:reason:"#);
    body.put(reason.as_bytes());
    body.put(br#"","title":""#);
    body.put(row.title.as_bytes());
    body.put(br#"","status":"#);
    body.put(decimal(row.status.into(), &mut digits));
    body.put(br#","reason":""#);
    body.put(reason.as_bytes());
    body.put(br#"","request_id":""#);
    body.put(context.request_id.as_bytes());
    body.put(br#""}"#);
    body_of(out, b"application/problem+json", body.written(), context);
}

/// The challenge that RFC 9110 section 15.5.2 wants of a 401. Which scheme it is says no more than the status; of a token
/// that was sent it says that it is not good (RFC 6750 section 3.1), which its sender knows, and not why.
fn challenge(asks_for: AsksFor, reason: Reason) -> &'static [u8] {
    match asks_for {
        AsksFor::Signature => b"Signature",
        AsksFor::Basic => b"Basic realm=\"webhooks\", charset=\"UTF-8\"",
        AsksFor::Bearer if reason == Reason::CredentialMissing => b"Bearer realm=\"webhooks\"",
        AsksFor::Bearer => b"Bearer realm=\"webhooks\", error=\"invalid_token\"",
    }
}

/// Puts the answer to a provider's verification of the endpoint into `out`.
pub fn answer(out: &mut BytesMut, reply: &Reply, context: &Context<'_>) {
    status_line(out, reply.status, context);
    // What is given back is a stranger's text: no browser may take it for something else.
    field(out, b"X-Content-Type-Options", b"nosniff");
    for (name, value) in &reply.headers {
        field(out, name.as_bytes(), value);
    }
    if reply.status == 204 {
        out.put_slice(b"\r\n");
        return;
    }
    body_of(out, reply.content_type.as_bytes(), &reply.body, context);
}

/// Rounded up, so that who comes then is not too early; at least 1.
fn whole_seconds(wait: std::time::Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn status_line(out: &mut BytesMut, status: u16, context: &Context<'_>) {
    out.clear();
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(phrase(status).as_bytes());
    out.put_slice(b"\r\n");
    put_date(out, context.now);
    field(out, b"Cache-Control", b"no-store");
    if !context.keep_alive {
        field(out, b"Connection", b"close");
    }
    if let Some((name, value)) = context.echo {
        field(out, name.as_bytes(), value);
    }
}

fn body_of(out: &mut BytesMut, content_type: &[u8], body: &[u8], context: &Context<'_>) {
    if !content_type.is_empty() {
        field(out, b"Content-Type", content_type);
    }
    number_field(out, b"Content-Length", body.len() as u64);
    out.put_slice(b"\r\n");
    if !context.is_head {
        out.put_slice(body);
    }
}

/// Status code and phrase of every status that a row of the table names (RFC 9110 section 15).
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "200 OK",
        202 => "202 Accepted",
        204 => "204 No Content",
        400 => "400 Bad Request",
        401 => "401 Unauthorized",
        403 => "403 Forbidden",
        404 => "404 Not Found",
        405 => "405 Method Not Allowed",
        408 => "408 Request Timeout",
        409 => "409 Conflict",
        411 => "411 Length Required",
        413 => "413 Content Too Large",
        415 => "415 Unsupported Media Type",
        422 => "422 Unprocessable Content",
        429 => "429 Too Many Requests",
        431 => "431 Request Header Fields Too Large",
        501 => "501 Not Implemented",
        502 => "502 Bad Gateway",
        504 => "504 Gateway Timeout",
        505 => "505 HTTP Version Not Supported",
        _ => "503 Service Unavailable",
    }
}

/// The Date field, rendered once a second and thread.
fn put_date(out: &mut BytesMut, now: Now) {
    thread_local! {
        static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    DATE.with_borrow_mut(|(second, text)| {
        if *second != now.unix_seconds() {
            *second = now.unix_seconds();
            *text = http_date(*second).unwrap_or_default();
        }
        if !text.is_empty() {
            field(out, b"Date", text.as_bytes());
        }
    });
}

fn http_date(second: u64) -> Option<String> {
    let timestamp = jiff::Timestamp::from_second(i64::try_from(second).ok()?).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp).ok()
}

/// Room for one problem document.
struct Scratch {
    bytes: [u8; 512],
    len: usize,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { bytes: [0; 512], len: 0 }
    }
}

impl Scratch {
    fn written(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends a part. The room is larger than any row; a test writes them all.
    fn put(&mut self, part: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + part.len()) {
            room.copy_from_slice(part);
            self.len += part.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reason: Reason, detail: ErrorDetail, keep_alive: bool) -> (String, serde_json::Value) {
        let mut out = BytesMut::new();
        let context = Context {
            request_id: "0123456789abcdef0123456789abcdef",
            detail,
            allow: Some("POST"),
            is_head: false,
            keep_alive,
            asks_for: AsksFor::Bearer,
            replies: None,
            echo: None,
            now: Now { wall: std::time::Duration::from_secs(1_700_000_000), ..Now::read() },
        };
        denial(&mut out, reason.into(), &context);
        let text = String::from_utf8(out.to_vec()).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_owned(), serde_json::from_str(body).expect("a whole JSON document"))
    }

    #[test]
    fn every_reason_has_a_whole_answer() {
        for reason in Reason::all().filter(|reason| *reason != Reason::Forwarded) {
            let (head, problem) = written(reason, ErrorDetail::Full, true);
            assert!(head.starts_with(&format!("HTTP/1.1 {} ", reason.status())), "{reason}: {head}");
            assert_eq!(problem["reason"], reason.code());
            assert_eq!(problem["status"], reason.status());
        }
    }

    #[test]
    fn a_client_learns_no_more_than_it_should() {
        let (_, problem) = written(Reason::TimestampStale, ErrorDetail::Minimal, true);
        assert_eq!(problem["reason"], "unauthorized");
        let asked = |reason| {
            let (head, _) = written(reason, ErrorDetail::Minimal, true);
            head.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: ")).map(str::to_owned)
        };
        assert_eq!(asked(Reason::CredentialMissing).as_deref(), Some("Bearer realm=\"webhooks\""));
        let invalid = "Bearer realm=\"webhooks\", error=\"invalid_token\"";
        for reason in [Reason::CredentialInvalid, Reason::CredentialExpired, Reason::TimestampStale] {
            assert_eq!(asked(reason).as_deref(), Some(invalid), "{reason}");
        }
        assert_eq!(asked(Reason::RouteUnknown), None);
        let (head, _) = written(Reason::InFlight, ErrorDetail::Minimal, false);
        assert!(head.contains("\r\nRetry-After: 1"), "{head}");
        assert!(head.contains("\r\nConnection: close"), "{head}");
        assert!(head.contains("\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT"), "{head}");
        assert!(written(Reason::MethodNotAllowed, ErrorDetail::Minimal, true).0.contains("\r\nAllow: POST"));
    }
}
