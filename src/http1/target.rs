//! The request target and Host, RFC 9112 section 3.2: what is matched is what is forwarded, so anything that a service
//! might read differently from us is refused.

use super::buffer::Span;
use super::fields::alphanumeric_or;

/// A checked request target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The raw path; `*` for `OPTIONS *`.
    pub path: Span,
    /// The raw query without its `?`; `None` where there is no `?`.
    pub query: Option<Span>,
}

/// Checks a target against the Host field. `None` means refused.
#[must_use]
pub fn parse(method: &[u8], target: &[u8], host: &[u8], whole: &[u8]) -> Option<Target> {
    if target == b"*" {
        return (method == b"OPTIONS").then(|| Target { path: Span::of(target, whole), query: None });
    }
    let origin = match target.first() {
        Some(b'/') => target,
        _ => origin_of_absolute(target, host)?,
    };
    let (path, query) = match memchr::memchr(b'?', origin) {
        Some(at) => (&origin[..at], Some(&origin[at + 1..])),
        None => (origin, None),
    };
    (is_plain_path(path) && query.is_none_or(is_plain_query))
        .then(|| Target { path: Span::of(path, whole), query: query.map(|query| Span::of(query, whole)) })
}

/// Whether a Host value is `name[:port]` or `[v6][:port]` (RFC 9112 section 3.2), and nothing else.
#[must_use]
pub fn is_valid_host(host: &[u8]) -> bool {
    let (name, port) = match host.first() {
        Some(b'[') => match memchr::memchr(b']', host) {
            Some(end) => (&host[1..end], &host[end + 1..]),
            None => return false,
        },
        _ => host.split_at(memchr::memchr(b':', host).unwrap_or(host.len())),
    };
    let bracketed = host.first() == Some(&b'[');
    let name_ok = !name.is_empty()
        && name.iter().all(|byte| match byte {
            b':' => bracketed,
            _ => NAME[usize::from(*byte)],
        });
    let port_ok = match port {
        [] => true,
        [b':', digits @ ..] => (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    name_ok && port_ok
}

const NAME: [bool; 256] = alphanumeric_or(b"-._");

/// The origin-form part of an absolute-form target whose authority says the same as Host.
fn origin_of_absolute<'t>(target: &'t [u8], host: &[u8]) -> Option<&'t [u8]> {
    let rest =
        strip_prefix_ignore_case(target, b"http://").or_else(|| strip_prefix_ignore_case(target, b"https://"))?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, origin) = rest.split_at(end);
    // An absolute-form target without a path would have to be given one: that is repair.
    (authority.eq_ignore_ascii_case(host) && origin.first() == Some(&b'/')).then_some(origin)
}

fn strip_prefix_ignore_case<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A path of `pchar`s in which no percent-encoding hides structure.
fn is_plain_path(path: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        let width = match byte {
            b'%' => plain_escapes(path, at),
            _ => is_path_byte(byte).then_some(1),
        };
        match width {
            Some(width) => at += width,
            None => return false,
        }
    }
    !path.split(|&byte| byte == b'/').any(is_dot_segment)
}

/// The width of the escaped character at `at`; `None` where it hides structure or no two decoders need agree on it:
/// `/`, `\`, `.`, controls; a `%` that becomes another escape with what follows, itself escaped or not; no UTF-8, whose
/// overlong forms some take for the short ones.
fn plain_escapes(path: &[u8], at: usize) -> Option<usize> {
    let escapes = match escape(path, at)? {
        b'/' | b'\\' | b'.' | 0..=0x1f | 0x7f => return None,
        b'%' => {
            let (high, width) = decoded(path, at + 3).unwrap_or_default();
            let (low, _) = decoded(path, at + 3 + width).unwrap_or_default();
            return (!(high.is_ascii_hexdigit() && low.is_ascii_hexdigit())).then_some(3);
        }
        ..=0x7e => return Some(3),
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    };
    let mut character = [0; 4];
    for (index, byte) in character.iter_mut().take(escapes).enumerate() {
        *byte = escape(path, at + 3 * index)?;
    }
    str::from_utf8(character.get(..escapes)?).is_ok().then_some(3 * escapes)
}

/// The byte that stands at `at`, escaped or not, and the width it takes.
fn decoded(path: &[u8], at: usize) -> Option<(u8, usize)> {
    match path.get(at)? {
        b'%' => Some((escape(path, at)?, 3)),
        byte => Some((*byte, 1)),
    }
}

/// The byte that the escape at `at` stands for; `None` where there is none.
fn escape(path: &[u8], at: usize) -> Option<u8> {
    match path.get(at..at + 3)? {
        [b'%', pair @ ..] => hex_pair(pair),
        _ => None,
    }
}

/// `.` and `..`, also with path parameters behind them (`..;x`), which some servers strip before they resolve dots; some
/// of these take an escaped `;` for one.
fn is_dot_segment(segment: &[u8]) -> bool {
    let rest = segment.strip_prefix(b".").map(|rest| rest.strip_prefix(b".").unwrap_or(rest));
    rest.is_some_and(|rest| matches!(rest, [] | [b';', ..] | [b'%', b'3', b'b' | b'B', ..]))
}

/// `pchar` and `/` of RFC 3986 section 3.3, without `%`.
fn is_path_byte(byte: u8) -> bool {
    PATH[usize::from(byte)]
}

const PATH: [bool; 256] = alphanumeric_or(b"-._~!$&'()*+,;=:@/");

/// Visible ASCII but for a fragment. Senders are careless with `|`, `[`, `{` in queries, and no one reads structure there.
fn is_plain_query(query: &[u8]) -> bool {
    query.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#')
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let &[high, low] = pair else { return None };
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, host: &str, path: Option<&str>) {
        let parsed = parse(b"POST", target.as_bytes(), host.as_bytes(), target.as_bytes());
        let got = parsed.map(|target_parts| target_parts.path.get(target.as_bytes()));
        assert_eq!(got, path.map(str::as_bytes), "{target} with Host {host}");
    }

    #[test]
    fn targets() {
        check("/hooks/a?x=1", "h", Some("/hooks/a"));
        check("/a%20b", "h", Some("/a%20b"));
        check("/100%25", "h", Some("/100%25"));
        check("/100%25%20f", "h", Some("/100%25%20f"));
        check("/caf%C3%A9/%e2%82%ac/%f0%9f%98%80", "h", Some("/caf%C3%A9/%e2%82%ac/%f0%9f%98%80"));
        check("http://h:80/a", "H:80", Some("/a"));
        for refused in [
            "",
            "a",
            "//../a",
            "/a/../b",
            "/a/.",
            "/a/..",
            "/a/%2e%2e/b",
            "/a/%2E/b",
            "/a%2fb",
            "/a%252fb",
            "/a%25%32fb",
            "/a%252%66b",
            "/a%25%32%66b",
            "/a%c0%af",
            "/a%e0%80%af",
            "/a%c3",
            "/a%c3%20",
            "/a%ff",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0d",
            "/a%2",
            "/a%zz",
            "/a%252f",
            "/a#b",
            "/a?b#c",
            "/a b",
            "/a\u{e9}",
            "*",
            "h:80",
            "http://other/a",
            "http://u@h/a",
            "http://h",
            "ftp://h/a",
            "/a/..;x/b",
            "/a/..%3bx/b",
            "/a/.%3B",
            "/a?b\u{7f}",
        ] {
            check(refused, "h", None);
        }
    }

    #[test]
    fn hosts() {
        for good in ["a", "a.b:80", "127.0.0.1", "[::1]:8443", "[::1]", "my_host"] {
            assert!(is_valid_host(good.as_bytes()), "{good}");
        }
        for bad in
            ["", ":80", "a b", "a,b", "a:", "a:b", "a:123456", "u@a", "a/b", "[::1", "[]", "::1", "[::1]x", "a\t"]
        {
            assert!(!is_valid_host(bad.as_bytes()), "{bad}");
        }
    }
}
