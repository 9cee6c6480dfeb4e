//! The reader of heads: what it refuses beside its tokeniser, held against another way to see the same.

use httparse::{EMPTY_HEADER, Request, Response, Status};
use proptest::prelude::*;

use super::*;
use crate::http1::head::{Head, Message};
use crate::http1::response::ResponseHead;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn read(lines: &[u8]) -> Result<(Fields, Vec<u8>), Reason> {
    let head = [b"POST / HTTP/1.1\r\n", lines, b"\r\n"].concat();
    let mut headers = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = Request::new(&mut headers);
    if request.parse(&head).map_err(reason_of)? != Status::Complete(head.len()) {
        return Err(Reason::MalformedRequest);
    }
    let mut fields = Fields::default();
    fields.read(&head, request.headers, |_, _| Ok(()))?;
    Ok((fields, head))
}

fn pairs<'b>(fields: impl Iterator<Item = (&'b [u8], &'b [u8])>) -> Pairs {
    fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    for lines in [
        "A: 1\n",
        "A: 1\r\n 2\r\n",
        " A: 1\r\n",
        "A : 1\r\n",
        "A\r\n",
        ": 1\r\n",
        "A: \r1\r\n",
        "A: 1\r\r\n",
        "A: \0\r\n",
        "A: \x0b\r\n",
        "A: \x7f\r\n",
        "A\t: 1\r\n",
        "A: 1\r\n\r\nB: 2\r\n",
        "\u{e4}: 1\r\n",
        "A(: 1\r\n",
        "A: 1\x0c\r\n",
    ] {
        assert_eq!(read(lines.as_bytes()).err(), Some(Reason::MalformedRequest), "{lines:?}");
    }
    assert!(read(&b"A: 1\r\n".repeat(MAX_FIELDS)).is_ok());
    assert_eq!(read(&b"A: 1\r\n".repeat(MAX_FIELDS + 1)).err(), Some(Reason::HeaderTooLarge));
}

#[test]
fn values_are_trimmed_and_looked_up_by_name() {
    let lines = "A: 1\r\nB:\t2 \r\nC:\r\nD:  \u{e4}\tx\r\nb: 3\r\nContent-Type: t\r\n";
    let (fields, head) = read(lines.as_bytes()).expect("good lines");
    let read: Vec<_> = fields.iter(&head).map(|(_, value)| value).collect();
    assert_eq!(read, [&b"1"[..], b"2", b"", "\u{e4}\tx".as_bytes(), b"3", b"t"]);
    assert_eq!(fields.find(b"a", &head), Ok(Some(&b"1"[..])));
    assert_eq!(fields.find(b"B", &head), Err(Repeated));
    assert_eq!(fields.find(b"e", &head), Ok(None));
    assert_eq!(fields.known(Known::ContentType, &head), fields.find(b"CONTENT-TYPE", &head));
}

/// As many control characters as a good head has, by a blank line before the first.
#[test]
fn a_blank_line_makes_up_for_no_other() {
    let head = b"\r\nPOST / HTTP/1.1\nA: 1\n\r\n";
    assert_eq!(controls(head), 2 * (1 + 2));
    assert_eq!(Head::parse(head).err(), Some(Reason::MalformedRequest));
    assert!(ResponseHead::parse(b"\r\nHTTP/1.1 200 OK\nA: 1\n\r\n", b"POST").is_err());
}

/// Names longer than a tag can tell are told apart all the same.
#[test]
fn long_names_are_no_other_names() {
    let (one, other) = (format!("x{}", "a".repeat(300)), format!("x{}", "b".repeat(310)));
    let (fields, head) = read(format!("{one}: 1\r\n{other}: 2\r\n").as_bytes()).expect("good lines");
    assert_eq!(fields.find(other.as_bytes(), &head), Ok(Some(&b"2"[..])));
}

#[test]
fn lines_in_runs_are_the_same_as_one_by_one() {
    let lines = b"A: 1\r\nBb: 2\r\nC:3\r\nTE: x\r\nD:  4\r\nE: 5 \r\nF: \r\nF:\r\nG:\t7\r\nH: 8\r\n";
    let (fields, head) = read(lines).expect("good lines");
    let names: Vec<_> = fields.iter(&head).map(|(name, _)| name).collect();
    for left_out in names.iter().copied().chain([&b"none"[..]]) {
        let (mut runs, mut single) = (BytesMut::new(), BytesMut::new());
        fields.copy(&head, Span::default(), &mut runs, |name| name != left_out);
        for (name, value) in fields.iter(&head).filter(|(name, _)| *name != left_out && *name != b"TE") {
            field(&mut single, name, value);
        }
        assert_eq!(runs, single, "without {left_out:?}");
    }
}

#[test]
fn hop_by_hop_in_every_spelling() {
    for name in [
        "Connection",
        "TE",
        "transfer_encoding",
        "Keep-Alive",
        "keep_alive",
        "EXPECT",
        "Trailer",
        "Upgrade",
        "Proxy-Connection",
        "Proxy_Authenticate",
        "proxy-authorization",
        "Content-Length",
        "CONTENT_LENGTH",
    ] {
        assert!(Known::of(name.as_bytes()).ends_here(), "{name}");
    }
    for name in ["Content-Type", "X-TE", "Teapot", "User-Agent", "Host", "Trailers", "connectiom", ""] {
        assert!(!Known::of(name.as_bytes()).ends_here(), "{name}");
    }
}

/// What httparse lets pass that we refuse, byte by byte.
fn is_strict(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let pairs = head.iter().enumerate().all(|(at, byte)| match byte {
        b'\r' => head.get(at + 1) == Some(&b'\n') && !matches!(head.get(at + 2), Some(b' ' | b'\t')),
        b'\n' => at > 0 && head[at - 1] == b'\r',
        _ => *byte != 0,
    });
    pairs && line.split(|&byte| byte == b' ').count() == 3 && !head.starts_with(b"\r")
}

fn request_by_httparse(head: &[u8]) -> Option<(Vec<u8>, Pairs)> {
    let mut headers = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = Request::new(&mut headers);
    let whole = is_strict(head) && request.parse(head) == Ok(Status::Complete(head.len()));
    let fields = request.headers.iter().map(|header| (header.name.as_bytes(), header.value));
    whole.then(|| (request.method.unwrap_or_default().into(), pairs(fields)))
}

fn response_by_httparse(head: &[u8]) -> Option<(u16, Vec<u8>, Pairs)> {
    let mut headers = [EMPTY_HEADER; MAX_FIELDS];
    let mut response = Response::new(&mut headers);
    let whole = response.parse(head) == Ok(Status::Complete(head.len()));
    let fields = response.headers.iter().map(|header| (header.name.as_bytes(), header.value));
    whole.then(|| (response.code.unwrap_or(0), response.reason.unwrap_or_default().into(), pairs(fields)))
}

/// Lines that are good, or nearly so; none of them says anything of the message or the hop.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![12 => "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", 1 => "[ -~]{0,4}"].prop_map(String::into_bytes);
    let colon = prop_oneof![12 => Just(": "), 1 => Just(":"), 1 => Just(":\t "), 1 => Just(" : "), 1 => Just("")];
    let value = prop_oneof![
        12 => "[ -~]{0,40}".prop_map(String::into_bytes),
        3 => prop::collection::vec(prop_oneof![9 => 0x20_u8..=0xff, 1 => any::<u8>()], 0..140)
    ];
    let end = prop_oneof![30 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r\n "), 1 => Just("\r\r\n"), 1 => Just("")];
    let line = (name, colon, value, end)
        .prop_map(|(name, colon, value, end)| [&b"x"[..], &name, colon.as_bytes(), &value, end.as_bytes()].concat());
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// What is taken is what httparse takes and is strict, and it is read the same.
    #[test]
    fn requests_are_taken_if_they_are_strict(
        start in prop_oneof![9 => "POST /a HTTP/1\\.1", 1 => "[A-Z(]{0,3} {1,2}/a {0,2}HTTP/[0-2]\\.[0-2]\t?"],
        lines in lines(),
    ) {
        let head = [start.as_bytes(), b"\r\nHost: a\r\n", &lines, b"\r\n"].concat();
        let ours = Head::parse(&head).ok().map(|read| {
            let message = Message { head: &read, bytes: &head, body: b"" };
            (message.method().to_vec(), pairs(message.fields()))
        });
        prop_assert_eq!(ours, request_by_httparse(&head), "{:?}", String::from_utf8_lossy(&head));
    }

    #[test]
    fn responses_are_taken_if_they_are_strict(
        start in prop_oneof![9 => "HTTP/1\\.1 200 OK", 1 => "HTTP/1\\.[0-2] {1,2}[2-5][0-9]{1,3}( [ -~\t\u{e4}]{0,5})?"],
        lines in lines(),
    ) {
        let head = [start.as_bytes(), b"\r\n", &lines, b"\r\n"].concat();
        let ours = ResponseHead::parse(&head, b"POST").ok();
        let ours = ours.map(|read| (read.status, read.phrase.get(&head).to_vec(), pairs(read.fields(&head))));
        let strict = is_strict(&[b"a b c\r\n", &head[..]].concat());
        prop_assert_eq!(ours, response_by_httparse(&head).filter(|_| strict), "{:?}", String::from_utf8_lossy(&head));
    }
}
