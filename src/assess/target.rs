//! Who is asked: a URL in the parts that a request needs, and whether it is this machine.
//!
//! The name is looked up once, before anything is sent: what is asked first is what is asked last.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::http1::framing::digits;
use crate::http1::target::is_valid_host;

/// The longest URL.
const MAX_URL: usize = 2048;

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether it is of `https`.
    pub tls: bool,
    /// Host and, where it is stated, port: as `Host` says it.
    pub authority: String,
    /// The host alone, without brackets.
    pub host: String,
    /// Path and query; never empty.
    pub path: String,
    /// Where connections go to.
    pub addresses: Vec<SocketAddr>,
}

impl Target {
    /// Takes a URL apart and looks its host up; or another `host:port`, where connections are to go there: an ingress,
    /// say, that is not what the name leads to.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn resolve(url: &str, connect: Option<&str>) -> Result<Self, String> {
        let mut target = Self::parse(url)?;
        let (host, port) = match connect {
            Some(place) => host_and_port(place, None).ok_or_else(|| format!("{place:?} is not a host and a port"))?,
            None => host_and_port(&target.authority, Some(if target.tls { 443 } else { 80 }))
                .ok_or_else(|| format!("{url:?} has no valid host and port"))?,
        };
        let found = (host.as_str(), port).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
        target.addresses = found.collect();
        if target.addresses.is_empty() { Err(format!("{host} has no address")) } else { Ok(target) }
    }

    fn parse(url: &str) -> Result<Self, String> {
        let fault = || format!("{url:?} is not a URL such as https://hooks.example.com/hooks/github");
        let rest = url.strip_prefix("https://").map(|rest| (true, rest));
        let (tls, rest) = rest.or_else(|| url.strip_prefix("http://").map(|rest| (false, rest))).ok_or_else(fault)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let plain = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if url.len() > MAX_URL || !plain || authority.contains('@') {
            return Err(fault());
        }
        let (host, _) = host_and_port(authority, Some(443)).ok_or_else(fault)?;
        Ok(Self { tls, authority: authority.into(), host, path: path.into(), addresses: Vec::new() })
    }

    /// Whether every address is of this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| match address.ip() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
            }
        })
    }

    /// The whole, without a query: that may hold a key.
    #[must_use]
    pub fn shown(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{scheme}://{}{path}", self.authority)
    }

    /// The whole.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", if self.tls { "https" } else { "http" }, self.authority, self.path)
    }
}

fn host_and_port(authority: &str, usual: Option<u16>) -> Option<(String, u16)> {
    if !is_valid_host(authority.as_bytes()) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, u16::try_from(digits(port.as_bytes())?).ok()?),
        _ => (authority, usual?),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (port > 0).then(|| (bare.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |url, expected: Option<(bool, &str, &str, &str)>| {
            let target = Target::parse(url).ok();
            let parts = target.as_ref().map(|target| (target.tls, &*target.authority, &*target.host, &*target.path));
            assert_eq!(parts, expected, "{url}");
        };
        check("https://a.example/hooks?x=1", Some((true, "a.example", "a.example", "/hooks?x=1")));
        check("http://[::1]:8443", Some((false, "[::1]:8443", "::1", "/")));
        for bad in
            ["", "ftp://a/", "http://", "http://u:p@a/", "http://a/#f", "http://a/ b", "http://a?x", "http://a:0/"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn this_machine_and_others() {
        for (url, connect, expected) in [
            ("http://127.0.0.1:1/", None, true),
            ("http://[::1]:1/", None, true),
            ("http://[::ffff:127.0.0.1]:1/", None, true),
            ("http://192.0.2.1/", None, false),
            ("https://hooks.invalid/", Some("127.0.0.1:8443"), true),
            ("http://127.0.0.1/", Some("192.0.2.1:80"), false),
        ] {
            let target = Target::resolve(url, connect).expect("addresses");
            assert_eq!(target.is_loopback(), expected, "{url} {connect:?}");
        }
        assert!(Target::resolve("https://hooks.invalid/", Some("127.0.0.1")).is_err());
    }

    #[test]
    fn a_query_is_not_shown() {
        let target = Target::parse("https://a.example/hooks?key=hunter2").expect("a URL");
        assert_eq!(target.shown(), "https://a.example/hooks");
        assert_eq!(target.url(), "https://a.example/hooks?key=hunter2");
    }
}
