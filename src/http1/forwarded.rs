//! What a proxy says of whom it speaks for: `X-Forwarded-For`, and `Forwarded` (RFC 7239).
//!
//! Both are lists that each proxy on the way adds an element to, and whose start a client may have made up: whom to
//! believe how far is not this file's matter. What cannot be read exactly is told as such and never skipped, since what
//! stands before it may have been put there to be taken for the element behind it.

use std::net::IpAddr;

use super::fields::is_token_byte;

/// One hop, as the proxy that it reached describes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hop<'v> {
    /// Whom the proxy was called by; `None` where it hides it.
    pub client: Option<IpAddr>,
    /// By which scheme, as it stands there.
    pub proto: Option<&'v [u8]>,
}

/// The elements of one `X-Forwarded-For` value, from the client to the last proxy; `None` for one that is no address.
pub fn addresses(value: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    value.split(|&byte| byte == b',').map(|element| address(element.trim_ascii()))
}

/// An address as proxies write it: `192.0.2.7`, `2001:db8::7`, `[2001:db8::7]`, and with a port. An IPv4 address in an
/// IPv6 one's clothes is given as what it is.
#[must_use]
pub fn address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            is_port_or_none(port).then_some(inner).filter(|inner| inner.contains(':'))?
        }
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => is_port(port).then_some(host)?,
            _ => text,
        },
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn is_port_or_none(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(is_port)
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The elements of one `Forwarded` value, from the client to the last proxy. After the first that is malformed, which is
/// `None`, there are no more: where the next one begins is not known.
#[must_use]
pub fn hops(value: &[u8]) -> Hops<'_> {
    Hops(Some(value))
}

/// See [`hops`].
#[derive(Debug)]
pub struct Hops<'v>(Option<&'v [u8]>);

impl<'v> Iterator for Hops<'v> {
    type Item = Option<Hop<'v>>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = hop(self.0?);
        self.0 = read.and_then(|(_, rest)| rest);
        Some(read.map(|(hop, _)| hop))
    }
}

/// One element, and what follows the comma behind it.
fn hop(value: &[u8]) -> Option<(Hop<'_>, Option<&[u8]>)> {
    let (mut rest, mut client, mut proto) = (value, None, None);
    loop {
        let (name, value, after) = pair(rest.trim_ascii_start())?;
        if name.eq_ignore_ascii_case(b"for") {
            replace_none(&mut client, value)?;
        } else if name.eq_ignore_ascii_case(b"proto") {
            replace_none(&mut proto, value)?;
        }
        let hop = || Hop { client: client.and_then(address), proto };
        match after.trim_ascii_start().split_first() {
            None => return Some((hop(), None)),
            Some((b',', next)) => return Some((hop(), Some(next))),
            Some((b';', next)) => rest = next,
            Some(_) => return None,
        }
    }
}

/// A parameter stands once in an element (RFC 7239 section 4).
fn replace_none<'v>(place: &mut Option<&'v [u8]>, value: &'v [u8]) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// `token "=" (token / quoted-string)`, and what follows.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = token(text)?;
    let rest = rest.strip_prefix(b"=")?;
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = quoted.iter().position(|&byte| byte == b'"')?;
            let value = quoted.get(..end).filter(|value| !value.contains(&b'\\'))?;
            (value, quoted.get(end + 1..)?)
        }
        None => token(rest)?,
    };
    Some((name, value, rest))
}

/// A token that is not empty, and what follows.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(token, _)| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_proxies_write_them() {
        for (text, expected) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("192.0.2.7:80", Some("192.0.2.7")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("[2001:DB8::7]", Some("2001:db8::7")),
            ("[2001:db8::7]:65535", Some("2001:db8::7")),
            ("::ffff:192.0.2.7", Some("192.0.2.7")),
            ("[::ffff:c000:207]:1", Some("192.0.2.7")),
            ("", None),
            ("unknown", None),
            ("_hidden", None),
            ("192.0.2", None),
            ("192.0.2.07", None),
            ("0xc0.0.2.7", None),
            ("192.0.2.7:", None),
            ("192.0.2.7:http", None),
            ("192.0.2.7:123456", None),
            ("192.0.2.7 ", None),
            ("[192.0.2.7]", None),
            ("[2001:db8::7", None),
            ("2001:db8::7]", None),
            ("[2001:db8::7]x", None),
            ("fe80::1%eth0", None),
            ("192.0.2.7/32", None),
            ("\u{661}92.0.2.7", None),
        ] {
            assert_eq!(address(text.as_bytes()).map(|address| address.to_string()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_list_keeps_its_holes() {
        let found: Vec<_> = addresses(b"192.0.2.7,, x ,\t192.0.2.8 ").map(|address| address.is_some()).collect();
        assert_eq!(found, [true, false, false, true]);
    }

    /// The elements as `client/proto`, `!` where one is malformed.
    fn check(value: &str, expected: &[&str]) {
        let shown = |hop: Option<Hop<'_>>| match hop {
            None => "!".to_owned(),
            Some(Hop { client, proto }) => {
                let client = client.map_or("-".to_owned(), |client| client.to_string());
                format!("{client}/{}", proto.map_or("-", |proto| str::from_utf8(proto).expect("ASCII")))
            }
        };
        assert_eq!(hops(value.as_bytes()).map(shown).collect::<Vec<_>>(), expected, "{value:?}");
    }

    #[test]
    fn elements_of_rfc_7239() {
        check("for=192.0.2.43", &["192.0.2.43/-"]);
        check(r#"For="[2001:db8:cafe::17]:4711""#, &["2001:db8:cafe::17/-"]);
        check("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60/http"]);
        check("for=192.0.2.43, for=198.51.100.17;proto=https", &["192.0.2.43/-", "198.51.100.17/https"]);
        check(r#"for="_gazonk", for=unknown"#, &["-/-", "-/-"]);
        check(r#"host="a, for=1.1.1.1";for=192.0.2.1"#, &["192.0.2.1/-"]);
        check("for=192.0.2.1; proto=https", &["192.0.2.1/https"]);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_malformed() {
        for value in [
            "",
            ",for=192.0.2.1",
            "192.0.2.1",
            "for",
            "for=",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for=192.0.2.1;",
            "for=192.0.2.1;;proto=https",
            "for=192.0.2.1;for=192.0.2.2",
            "proto=http;for=192.0.2.1;Proto=https",
            "for=2001:db8::1",
            r#"for="192.0.2.1"#,
            r#"for="192.0.2.1"x"#,
            r#"for="192.0.2\.1""#,
            r#"by=";for=192.0.2.1"#,
        ] {
            check(value, &["!"]);
        }
        check(r#"for=192.0.2.1, for="x, for=192.0.2.2"#, &["192.0.2.1/-", "!"]);
        check(r#"for=9.9.9.9;by=", for=192.0.2.2;host="a.test""#, &["!"]);
        check("for=192.0.2.1,", &["192.0.2.1/-", "!"]);
    }

    proptest::proptest! {
        /// Whatever a client puts first, what a proxy adds is read as what it is, or not at all.
        #[test]
        fn what_is_added_is_never_taken_for_something_else(value in r#"[a-f0-9.:;,="\[\] \\]{0,40}|(for=9\.9\.9\.9|;|,|"|by=|x=|\\)*"#) {
            let proxy = Some(IpAddr::from([192, 0, 2, 1]));
            proptest::prop_assert_eq!(addresses(format!("{value}, 192.0.2.1").as_bytes()).last(), Some(proxy));
            for added in ["for=192.0.2.1", r#"by=203.0.113.1;for="192.0.2.1:443";host="a.test";proto=https"#] {
                let list = format!("{value}, {added}");
                if let Some(Some(Hop { client, .. })) = hops(list.as_bytes()).last() {
                    proptest::prop_assert_eq!(client, proxy, "{}", list);
                }
            }
        }
    }
}
