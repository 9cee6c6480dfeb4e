//! Where something is fetched from: an `https` URL without credentials and fragment, in the parts that a request needs.
//!
//! `http` is accepted for this machine alone, for trials; whether it is permitted at all is asked when a connection is
//! made. A query may hold a key, so it is never shown.

use std::fmt;

use crate::http1::framing::digits;
use crate::http1::target::is_valid_host;

/// The longest URL: what no key server comes near.
const MAX_URL: usize = 2048;

/// A URL that can be fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: Box<str>,
    tls: bool,
    host: Box<str>,
    port: u16,
    /// Where the path begins in `text`.
    path: usize,
}

impl Url {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What is wrong, in words that do not quote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("https://").map(|rest| (true, rest));
        let rest = rest.or_else(|| text.strip_prefix("http://").map(|rest| (false, rest)));
        let (tls, rest) = rest.ok_or("is not a URL that begins with https://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if text.len() > MAX_URL || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("has more than {MAX_URL} characters, or some that no URL has"));
        }
        if authority.contains('@') || target.contains('#') || !(target.is_empty() || target.starts_with('/')) {
            return Err("has credentials, a fragment, or no path before its query".into());
        }
        let (host, port) = host_and_port(authority, tls).ok_or("has no valid host and port")?;
        if !tls && !is_this_machine(&host) {
            return Err("is of plain http, which is spoken with 127.0.0.1, [::1] and localhost alone".into());
        }
        Ok(Self { text: text.into(), tls, host, port, path: text.len() - target.len() })
    }

    /// Whether it is of `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host, in lower case and without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, stated or usual.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the URL writes them.
    #[must_use]
    pub fn authority(&self) -> &str {
        let start = if self.tls { "https://".len() } else { "http://".len() };
        self.text.get(start..self.path).unwrap_or_default()
    }

    /// Path and query; never empty.
    #[must_use]
    pub fn target(&self) -> &str {
        match self.text.get(self.path..) {
            Some("") | None => "/",
            Some(target) => target,
        }
    }

    /// The whole, as it was written. It may hold a key: see [`fmt::Display`] for what may be shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn host_and_port(authority: &str, tls: bool) -> Option<(Box<str>, u16)> {
    if !is_valid_host(authority.as_bytes()) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, u16::try_from(digits(port.as_bytes())?).ok()?),
        _ => (authority, if tls { 443 } else { 80 }),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (port > 0).then(|| (bare.to_ascii_lowercase().into(), port))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

impl fmt::Display for Url {
    /// Without the query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.split_once('?') {
            Some((before, _)) => write!(f, "{before}?…"),
            None => f.write_str(&self.text),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("https://id.example/keys", Some((true, "id.example", 443, "id.example", "/keys"))),
            ("https://ID.example:8443", Some((true, "id.example", 8443, "ID.example:8443", "/"))),
            ("https://[2001:db8::7]/k?v=1", Some((true, "2001:db8::7", 443, "[2001:db8::7]", "/k?v=1"))),
            ("http://127.0.0.1:80/", Some((false, "127.0.0.1", 80, "127.0.0.1:80", "/"))),
            ("http://[::1]/", Some((false, "::1", 80, "[::1]", "/"))),
            ("http://localhost/", Some((false, "localhost", 80, "localhost", "/"))),
            ("http://id.example/", None),
            ("http://10.0.0.1/", None),
            ("http://127.0.0.1.example/", None),
            ("HTTPS://id.example/", None),
            ("ftp://id.example/", None),
            ("id.example/keys", None),
            ("https://", None),
            ("https:///keys", None),
            ("https://u@id.example/", None),
            ("https://u:p@id.example/", None),
            ("https://id.example/#f", None),
            ("https://id.example#f", None),
            ("https://id.example?q", None),
            ("https://id.example/a b", None),
            ("https://id.example/\r\nX: y", None),
            ("https://id.example:0/", None),
            ("https://id.example:+1/", None),
            ("https://id.example:65536/", None),
            ("https://id.example:/", None),
            ("https://id.example\\@evil/", None),
            ("https://id.exa%6dple/", None),
            ("https://\u{e4}.example/", None),
        ] {
            let found = Url::parse(text);
            let parts =
                found.as_ref().ok().map(|url| (url.is_tls(), url.host(), url.port(), url.authority(), url.target()));
            assert_eq!(parts, expected, "{text:?}");
        }
        assert!(Url::parse(&format!("https://id.example/{}", "a".repeat(MAX_URL))).is_err());
    }

    #[test]
    fn a_query_is_not_shown() {
        let url = Url::parse("https://id.example/keys?key=hunter2").expect("a good URL");
        assert_eq!(
            (url.to_string().as_str(), url.as_str()),
            ("https://id.example/keys?…", "https://id.example/keys?key=hunter2")
        );
        assert!(!format!("{url:?}").contains("hunter2"));
        let fault = Url::parse("https://u:hunter2@id.example/?hunter2").expect_err("has credentials");
        assert!(!fault.contains("hunter2"), "{fault}");
    }
}
