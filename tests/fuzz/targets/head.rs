//! Request heads: found the same whatever the split, and read as the simplest possible reader reads them.
#![no_main]

use hookwarden::deny::Reason;
use hookwarden::http1::framing::digits;
use hookwarden::http1::head::{MAX_FIELDS, MAX_HEAD, find_end, same_folded};
use hookwarden::http1::{Framing, Head, Message, Version};
use libfuzzer_sys::fuzz_target;

type Fields<'b> = Vec<(&'b [u8], &'b [u8])>;

fuzz_target!(|bytes: &[u8]| {
    let found = find_end(bytes, 0);
    let step = usize::from(bytes.last().copied().unwrap_or_default() % 16) + 1;
    assert_eq!(found_in_parts(bytes, step), found, "in parts of {step}");
    if let Ok(Some(end)) = found
        && let Ok(head) = Head::parse(&bytes[..end])
    {
        check(&head, &bytes[..end]);
    }
});

/// What the connection does: asks again with each part that arrives, and tells what it has looked at before.
fn found_in_parts(bytes: &[u8], step: usize) -> Result<Option<usize>, Reason> {
    let mut seen = 0;
    while seen < bytes.len() {
        let arrived = (seen + step).min(bytes.len());
        match find_end(&bytes[..arrived], seen)? {
            Some(end) => return Ok(Some(end)),
            None => seen = arrived,
        }
    }
    Ok(None)
}

fn check(head: &Head, bytes: &[u8]) {
    let message = Message { head, bytes, body: b"" };
    assert!(head.len == bytes.len() && bytes.len() <= MAX_HEAD);
    let (line, expected) = read_simply(bytes);
    let fields: Fields = head.fields(bytes).collect();
    assert_eq!(fields, expected);
    assert!(fields.len() <= MAX_FIELDS);
    check_request_line(&message, &line);
    check_meaning(head, &fields, bytes);

    // Written anew, it is read as the same request.
    let again = write(&message, &fields);
    let reread = Head::parse(&again).expect("an accepted head, written plainly");
    let second = Message { head: &reread, bytes: &again, body: b"" };
    assert_eq!(reread.fields(&again).collect::<Fields>(), fields);
    assert_eq!((message.method(), message.path(), message.query()), (second.method(), second.path(), second.query()));
    assert_eq!(
        (head.framing, head.version, head.keep_alive, head.expects_continue, head.nominates),
        (reread.framing, reread.version, reread.keep_alive, reread.expects_continue, reread.nominates)
    );
}

/// Lines end in CRLF, a name ends at the first colon, a value has no blanks around it. There is no second reading.
fn read_simply(bytes: &[u8]) -> (Vec<&[u8]>, Fields<'_>) {
    let text = bytes.strip_suffix(b"\r\n\r\n").expect("a blank line at the end");
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    for line in &lines {
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
    let fields = lines[1..].iter().map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').expect("a colon");
        (&line[..colon], line[colon + 1..].trim_ascii())
    });
    (lines[0].split(|&byte| byte == b' ').collect(), fields.collect())
}

fn check_request_line(message: &Message<'_>, line: &[&[u8]]) {
    let [method, target, version] = line else { panic!("{line:?} is not three words") };
    assert!(is_token(method) && message.method() == *method);
    assert!(target.ends_with(message.query().unwrap_or(message.path())));
    let expected: &[u8] = if message.head.version == Version::Http11 { b"HTTP/1.1" } else { b"HTTP/1.0" };
    assert_eq!(*version, expected);
    let path = message.path();
    assert!(path == b"*" || path.starts_with(b"/"));
    let lower = path.to_ascii_lowercase();
    for hidden in [&b"%2f"[..], b"%5c", b"%2e", b"%00", b"%252f", b"%252e", b"\\", b"#", b"?", b"/../", b"/./"] {
        assert!(!lower.windows(hidden.len()).any(|part| part == hidden), "{hidden:?} in a path");
    }
}

fn check_meaning(head: &Head, fields: &Fields<'_>, bytes: &[u8]) {
    let all = |name: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(found, _)| same_folded(found, name)).map(|(_, value)| *value).collect()
    };
    assert!(fields.iter().all(|(name, _)| is_token(name)));
    assert_eq!(all("host"), [head.host.get(bytes)]);
    assert!(all("upgrade").is_empty());
    match (head.framing, all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
        (Framing::None, [], []) => {}
        (Framing::Length(length), [value], []) => assert_eq!(digits(value), Some(length)),
        (Framing::Chunked, [], [coding]) => {
            assert!(head.version == Version::Http11 && coding.eq_ignore_ascii_case(b"chunked"));
        }
        other => panic!("framing that can be read in two ways: {other:?}"),
    }
}

fn write(message: &Message<'_>, fields: &Fields<'_>) -> Vec<u8> {
    let mut out = [message.method(), b" ", message.path()].concat();
    if let Some(query) = message.query() {
        out.extend([b"?", query].concat());
    }
    out.extend(if message.head.version == Version::Http11 { b" HTTP/1.1\r\n" } else { b" HTTP/1.0\r\n" });
    for (name, value) in fields {
        out.extend([name, &b": "[..], value, b"\r\n"].concat());
    }
    out.extend(b"\r\n");
    out
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}
