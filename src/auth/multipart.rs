//! One field of a multipart form (RFC 7578), read strictly: what two readers could take differently is refused.
//!
//! Deliberately absent: files as such, charsets, transfer encodings, preambles.

use std::borrow::Cow;

use memchr::memmem;

use crate::http1::head::Repeated;

use super::form::MAX_PARAMETERS;

/// The boundary that a Content-Type names, if it is that of a multipart form.
pub(super) fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let mut parts = content_type.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    if !parts.next()?.eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    let mut named = parts.filter_map(|part| parameter(part, b"boundary"));
    let (Some(boundary), None) = (named.next(), named.next()) else { return None };
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The value of the field called `name`. A body that does not follow the grammar has none.
pub(super) fn field<'b>(body: &'b [u8], boundary: &[u8], name: &str) -> Result<Option<Cow<'b, [u8]>>, Repeated> {
    let mut found = None;
    let Some(parts) = parts(body, boundary) else { return Ok(None) };
    for part in parts {
        let Some(end) = memmem::find(part, b"\r\n\r\n") else { return Ok(None) };
        let (head, value) = part.split_at(end);
        match part_name(head) {
            Name::Is(other) if other == name.as_bytes() => {
                let value = value.get(4..).unwrap_or_default();
                if found.replace(Cow::Borrowed(value)).is_some() {
                    return Err(Repeated);
                }
            }
            Name::Is(_) => {}
            Name::Unclear => return Err(Repeated),
        }
    }
    Ok(found)
}

/// What stands between the delimiters, each with the CRLF that begins its head's first line cut off.
fn parts<'b>(body: &'b [u8], boundary: &[u8]) -> Option<Vec<&'b [u8]>> {
    let first = [b"--", boundary].concat();
    let delimiter = [b"\r\n--", boundary].concat();
    let mut rest = body.strip_prefix(&first[..])?;
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = memmem::find(rest, &delimiter)?;
        if parts.len() == MAX_PARAMETERS {
            return None;
        }
        parts.push(rest.get(..end)?);
        rest = rest.get(end + delimiter.len()..)?;
    }
}

enum Name<'p> {
    Is(&'p [u8]),
    /// It stands there twice, in two spellings, or not at all.
    Unclear,
}

fn part_name(head: &[u8]) -> Name<'_> {
    let lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let disposition = lines.filter_map(|line| {
        let at = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at(at);
        name.eq_ignore_ascii_case(b"content-disposition").then(|| value.get(1..).unwrap_or_default())
    });
    let parameters = disposition.flat_map(|value| value.split(|&byte| byte == b';')).map(<[u8]>::trim_ascii);
    // `name*` is another spelling of it (RFC 5987), which some readers prefer.
    let is_name = |part: &&[u8]| part.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"name"));
    let mut names = parameters.filter(is_name).map(|part| parameter(part, b"name"));
    match (names.next(), names.next()) {
        (Some(Some(name)), None) => Name::Is(name),
        _ => Name::Unclear,
    }
}

/// The value of `name=value` or `name="value"`; a quoted one with a backslash is none: readers differ on it.
fn parameter<'p>(part: &'p [u8], name: &[u8]) -> Option<&'p [u8]> {
    let (found, value) = part.split_at_checked(name.len())?;
    let value = value.strip_prefix(b"=").filter(|_| found.eq_ignore_ascii_case(name))?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\"").filter(|text| !text.contains(&b'"') && !text.contains(&b'\\')),
        None => Some(value).filter(|value| !value.contains(&b'"')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &[u8] = b"multipart/form-data; boundary=xx";

    fn check(body: &str, expected: Result<Option<&str>, Repeated>) {
        let boundary = boundary(TYPE).expect("a boundary");
        let value = field(body.as_bytes(), boundary, "json");
        let value = value.map(|value| value.map(|value| String::from_utf8(value.into_owned()).expect("text")));
        assert_eq!(value.as_ref().map(Option::as_deref).map_err(|fault| *fault), expected, "{body}");
    }

    #[test]
    fn fields() {
        let part =
            |name: &str, value: &str| format!("--xx\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n");
        let json = part("name=\"json\"", "{}");
        check(&format!("{json}--xx--\r\n"), Ok(Some("{}")));
        check(&format!("{}{json}--xx--", part("name=a", "b")), Ok(Some("{}")));
        check(&format!("{json}{json}--xx--"), Err(Repeated));
        check(&format!("{}--xx--", part("name=\"json\"; name=\"b\"", "{}")), Err(Repeated));
        check(&format!("{}--xx--", part("name*=utf-8''json", "{}")), Err(Repeated));
        check(&format!("{}--xx--", part("name=\"a\\\"b\"", "{}")), Err(Repeated));
        check(&format!("{json}--xx"), Ok(None));
        check(&format!("preamble\r\n{json}--xx--"), Ok(None));
        check("", Ok(None));
        assert_eq!(boundary(b"multipart/form-data; boundary=\"a b\""), Some(&b"a b"[..]));
        assert_eq!(boundary(b"multipart/form-data; boundary=a; boundary=b"), None);
        assert_eq!(boundary(b"multipart/mixed; boundary=a"), None);
    }
}
