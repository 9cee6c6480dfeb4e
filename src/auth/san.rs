//! Names in client certificates, and the patterns by which a route says whose it accepts.
//!
//! A name's kind shows in its text: a URI has a colon, an e-mail address an `@`, and a host's name neither. A certificate
//! that puts a name of one kind where another belongs has no such name here, so that a pattern never meets a kind that it
//! was not written for. Deliberately absent: the subject's common name, which is no name since RFC 6125, and addresses.

use std::fmt;

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::client::ClientIdentity;

/// Whose certificate is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SanPattern {
    /// One host, in lower case.
    Dns(Box<str>),
    /// Every host one label below this one, which starts with a dot: `*.example.com`.
    DnsBelow(Box<str>),
    /// One URI.
    Uri(Box<str>),
    /// Every SPIFFE id that starts with this text, which ends in a slash: `spiffe://example.org/ns/hooks/*`.
    SpiffeBelow(Box<str>),
    /// One mailbox; its host's case does not matter.
    Email(Box<str>),
}

impl fmt::Display for SanPattern {
    /// As it is configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) | Self::Uri(text) | Self::Email(text) => f.write_str(text),
            Self::DnsBelow(domain) => write!(f, "*{domain}"),
            Self::SpiffeBelow(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dns,
    Uri,
    Email,
}

impl Kind {
    fn of(text: &str) -> Self {
        match text {
            _ if text.contains(':') => Self::Uri,
            _ if text.contains('@') => Self::Email,
            _ => Self::Dns,
        }
    }
}

impl SanPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{text:?} is no name: it holds blanks, controls or bytes that are not ASCII"));
        }
        match Kind::of(text) {
            Kind::Uri => uri(text),
            Kind::Email if is_mailbox(text) => Ok(Self::Email(text.into())),
            Kind::Dns => dns(&text.to_ascii_lowercase()),
            Kind::Email => Err(format!("{text:?} is no mailbox such as hooks@example.com")),
        }
        .map_err(|problem: String| if problem.is_empty() { unlike(text) } else { problem })
    }

    /// Whether a name in a certificate is one of these.
    #[must_use]
    pub fn matches(&self, san: &str) -> bool {
        match (self, Kind::of(san)) {
            (Self::Dns(host), Kind::Dns) => **host == *san,
            (Self::DnsBelow(domain), Kind::Dns) => {
                san.strip_suffix(&**domain).is_some_and(|label| !label.is_empty() && !label.contains(['.', '*']))
            }
            (Self::Uri(uri), Kind::Uri) => **uri == *san,
            (Self::SpiffeBelow(prefix), Kind::Uri) => {
                let path = san.strip_prefix(&**prefix);
                path.is_some_and(|path| path.split('/').all(|segment| !matches!(segment, "" | "." | "..")))
            }
            (Self::Email(mailbox), Kind::Email) => is_same_mailbox(mailbox, san),
            _ => false,
        }
    }
}

fn uri(text: &str) -> Result<SanPattern, String> {
    match text.strip_suffix('*') {
        None if !text.contains('*') => Ok(SanPattern::Uri(text.into())),
        Some(prefix) if !prefix.contains('*') && is_spiffe_folder(prefix) => Ok(SanPattern::SpiffeBelow(prefix.into())),
        _ => Err(format!(
            "{text:?} has a * elsewhere than at the end of a SPIFFE id's path, as in spiffe://example.org/ns/*"
        )),
    }
}

fn is_spiffe_folder(prefix: &str) -> bool {
    let domain = prefix.strip_prefix("spiffe://").filter(|rest| rest.ends_with('/'));
    domain.is_some_and(|rest| !rest.starts_with('/'))
}

fn dns(text: &str) -> Result<SanPattern, String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    match text.strip_prefix('*') {
        None if text.split('.').all(is_label) => Ok(SanPattern::Dns(text.into())),
        Some(domain)
            if domain.strip_prefix('.').is_some_and(|host| host.contains('.') && host.split('.').all(is_label)) =>
        {
            Ok(SanPattern::DnsBelow(domain.into()))
        }
        _ => Err(String::new()),
    }
}

fn unlike(text: &str) -> String {
    format!(
        "{text:?} is no name such as hooks.example.com, *.example.com, spiffe://example.org/ns/hooks or hooks@example.com"
    )
}

fn is_mailbox(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
        && !text.contains('*')
}

fn is_same_mailbox(one: &str, other: &str) -> bool {
    match (one.split_once('@'), other.split_once('@')) {
        (Some((local, host)), Some((other_local, other_host))) => {
            local == other_local && host.eq_ignore_ascii_case(other_host)
        }
        _ => false,
    }
}

/// The names in a certificate that TLS has checked, hosts in lower case, URIs first: the one that a record shows is the
/// one that says most. Without an extension for names there are none.
///
/// `None`: it cannot be parsed.
#[must_use]
pub fn identity(certificate: &[u8]) -> Option<ClientIdentity> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()?;
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let mut sans: Vec<_> = names.filter_map(san).collect();
    sans.sort_by_key(|(kind, _)| *kind != Kind::Uri);
    Some(ClientIdentity { sans: sans.into_iter().map(|(_, text)| text).collect() })
}

/// When a certificate ends, in seconds since the Unix epoch. `None`: it cannot be parsed.
#[must_use]
pub fn ends(certificate: &[u8]) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}

fn san(name: &GeneralName<'_>) -> Option<(Kind, Box<str>)> {
    let (kind, text) = match *name {
        GeneralName::DNSName(host) => (Kind::Dns, host.to_ascii_lowercase()),
        GeneralName::URI(uri) => (Kind::Uri, uri.to_owned()),
        GeneralName::RFC822Name(mailbox) => (Kind::Email, mailbox.to_owned()),
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::IPAddress(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => return None,
    };
    (Kind::of(&text) == kind).then(|| (kind, text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_their_own_kind_alone() {
        for (pattern, san, expected) in [
            ("Hooks.example.com", "hooks.example.com", true),
            ("hooks.example.com", "a.hooks.example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "*.example.com", false),
            ("*.example.com", "aexample.com", false),
            ("*.example.com", "x@a.example.com", false),
            ("*.example.com", "https://a.example.com", false),
            ("spiffe://example.org/ns/a", "spiffe://example.org/ns/a", true),
            ("spiffe://example.org/ns/a", "spiffe://example.org/ns/a/b", false),
            ("spiffe://example.org/ns/a", "spiffe://example.org/ns/A", false),
            ("spiffe://example.org/*", "spiffe://example.org/ns/a", true),
            ("spiffe://example.org/*", "spiffe://example.org/", false),
            ("spiffe://example.org/*", "spiffe://example.org", false),
            ("spiffe://example.org/*", "spiffe://example.org.evil/a", false),
            ("spiffe://example.org/ns/*", "spiffe://example.org/nsa", false),
            ("spiffe://example.org/ns/*", "spiffe://example.org/ns/../b", false),
            ("spiffe://example.org/ns/*", "spiffe://example.org/ns//b", false),
            ("urn:example:hooks", "urn:example:hooks", true),
            ("hooks@example.com", "hooks@EXAMPLE.com", true),
            ("hooks@example.com", "Hooks@example.com", false),
            ("hooks@example.com", "example.com", false),
            ("hooks@example.com", "hooks@example.com@evil.test", false),
        ] {
            let parsed = SanPattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(san), expected, "{pattern} {san}");
            assert!(parsed.to_string().eq_ignore_ascii_case(pattern), "{parsed}");
        }
    }

    #[test]
    fn what_could_mean_more_than_was_meant_is_no_pattern() {
        for text in [
            "",
            "*",
            "*.",
            "*.com",
            "a.*.com",
            "*a.example.com",
            "a..b",
            "*@example.com",
            "@example.com",
            "a@b@c",
            "a b",
            "spiffe://*",
            "spiffe:///*",
            "spiffe://a*",
            "spiffe://a/b*",
            "spiffe://a/*/b",
            "https://example.com/*",
            "exämple.com",
        ] {
            assert!(SanPattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_read_by_kind() {
        use rcgen::{CertificateParams, KeyPair, SanType};
        let mut params = CertificateParams::default();
        let text = |text: &str| text.try_into().expect("ASCII");
        params.subject_alt_names = vec![
            SanType::DnsName(text("Hooks.Example.com")),
            SanType::DnsName(text("spiffe://forged.test/a")),
            SanType::Rfc822Name(text("spiffe://forged.test/b@c")),
            SanType::Rfc822Name(text("hooks@example.com")),
            SanType::URI(text("hooks.example.com")),
            SanType::URI(text("spiffe://example.org/hooks")),
            SanType::IpAddress([192, 0, 2, 1].into()),
        ];
        let made = params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
        let found = identity(made.der()).expect("a certificate");
        let sans: Vec<_> = found.sans.iter().map(|san| &**san).collect();
        assert_eq!(sans, ["spiffe://example.org/hooks", "hooks.example.com", "hooks@example.com"]);
        assert_eq!(identity(b"\x30\x03"), None);
        let none =
            CertificateParams::default().self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
        assert_eq!(identity(none.der()).expect("a certificate").sans.len(), 0);
    }
}
