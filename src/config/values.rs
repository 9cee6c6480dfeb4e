//! Values as they are written in the environment: pure parsers, apart from the variables that they belong to.
//!
//! Each gives a value or a problem in words; the loader adds the variable's name and what is accepted there.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::scheme::Field;
use crate::http1::framing::digits;
use crate::http1::target;
use crate::policy::Upstream;
use crate::providers::json_path;
use crate::route::PathPattern;

/// A value, or what is wrong with it.
pub type Parsed<T> = Result<T, String>;

/// `10s`, `500ms`, `5m`, `24h`, `7d`.
///
/// # Errors
/// A sign, a fraction, no unit, or more than a hundred years.
pub fn duration(text: &str) -> Parsed<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let total = digits(number.as_bytes()).zip(millis).and_then(|(number, millis)| number.checked_mul(millis));
    let longest = 100 * 365 * 86_400_000;
    total
        .filter(|total| *total <= longest)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is not a duration such as 10s, 500ms, 5m, 24h or 7d"))
}

/// The same, but not zero.
///
/// # Errors
/// As [`duration`].
pub fn positive_duration(text: &str) -> Parsed<Duration> {
    duration(text)?.checked_sub(Duration::from_nanos(1)).ok_or_else(|| "must be longer than zero".to_owned())?;
    duration(text)
}

/// Bytes: `1048576`, `64KiB`, `1MiB`, `1GiB`.
///
/// # Errors
/// Anything else.
pub fn size(text: &str) -> Parsed<u64> {
    let (number, unit) = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
        .iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
        .unwrap_or((text, 1_u64));
    digits(number.as_bytes())
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("{text:?} is not a size such as 1048576, 64KiB or 1MiB"))
}

/// A count of at least one.
///
/// # Errors
/// Zero, a sign, or too many digits.
pub fn count(text: &str) -> Parsed<usize> {
    digits(text.as_bytes())
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("{text:?} is not a whole number of at least 1"))
}

/// A number, zero included.
///
/// # Errors
/// A sign, or too many digits.
pub fn number(text: &str) -> Parsed<u64> {
    digits(text.as_bytes()).ok_or_else(|| format!("{text:?} is not a whole number"))
}

/// `true` or `false`.
///
/// # Errors
/// Anything else.
pub fn boolean(text: &str) -> Parsed<bool> {
    text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
}

/// An address to listen on.
///
/// # Errors
/// A name, or no port.
pub fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| format!("{text:?} is not an address and port such as 0.0.0.0:8443 or [::1]:9464"))
}

/// Where a service listens.
///
/// # Errors
/// Neither `host:port`, `http://host:port` nor `unix:/path`. One over TLS is none here: it needs authorities.
pub fn upstream(text: &str) -> Parsed<Upstream> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.starts_with('/') {
            Ok(Upstream::Unix(path.into()))
        } else {
            Err(format!("{text:?} is not an absolute path such as unix:/run/app.sock"))
        };
    }
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    if let Ok(address) = bare.parse() {
        return Ok(Upstream::Tcp(address));
    }
    let (name, port) = bare.rsplit_once(':').unwrap_or((bare, ""));
    let named = !name.contains(':') && target::is_valid_host(name.as_bytes());
    if named && port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Ok(Upstream::Name(bare.into()));
    }
    Err(format!("{text:?} is not a service such as 127.0.0.1:8080, app:8080 or unix:/run/app.sock"))
}

/// A directory's absolute path: a relative one would depend on where the process was started.
///
/// # Errors
/// Not absolute.
pub fn directory(text: &str) -> Parsed<PathBuf> {
    if text.starts_with('/') {
        Ok(text.into())
    } else {
        Err(format!("{text:?} is not an absolute path such as /var/run/hookwarden"))
    }
}

/// A network: `192.0.2.0/24`, or one address.
///
/// # Errors
/// Host bits that are set, which would hide what was meant.
pub fn network(text: &str) -> Parsed<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet =
        text.parse().map_err(|_| format!("{text:?} is not a network such as 192.0.2.0/24 or 2001:db8::/32"))?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!("{text} has host bits; {} is meant?", network.trunc()))
    }
}

/// A comma-separated list.
///
/// # Errors
/// An empty element, or the first problem of an element.
pub fn list<T>(text: &str, element: impl Fn(&str) -> Parsed<T>) -> Parsed<Vec<T>> {
    text.split(',')
        .map(|part| match part.trim() {
            "" => Err("an element of the list is empty".to_owned()),
            part => element(part),
        })
        .collect()
}

/// A route's path: exact, or a prefix that ends in `/*`.
///
/// # Errors
/// A path that no request could have, since it would be refused.
pub fn path(text: &str) -> Parsed<PathPattern> {
    let bare = text.strip_suffix('*').unwrap_or(text);
    let parsed = target::parse(b"POST", bare.as_bytes(), b"", bare.as_bytes());
    let plain = parsed.is_some_and(|parsed| parsed.query.is_none() && bare.starts_with('/'));
    if !plain || bare.contains('*') || (text.ends_with('*') && !bare.ends_with('/')) {
        return Err(format!(
            "{text:?} is not a path such as /hooks/github or /hooks/*, without dots, escapes or a query"
        ));
    }
    Ok(if text.ends_with('*') { PathPattern::Prefix(bare.into()) } else { PathPattern::Exact(bare.into()) })
}

/// A path that the service is asked for.
///
/// # Errors
/// As [`path`]; a prefix is none.
pub fn plain_path(text: &str) -> Parsed<Box<str>> {
    match path(text)? {
        PathPattern::Exact(path) => Ok(path),
        PathPattern::Prefix(_) => Err(format!("{text:?} is a prefix; one path is accepted")),
    }
}

/// When a permission ends, in seconds since the Unix epoch: a day (to its end, UTC) or an RFC 3339 time.
///
/// # Errors
/// Neither.
pub fn date(text: &str) -> Parsed<u64> {
    let time = match text.parse::<jiff::civil::Date>() {
        Ok(day) if !text.contains('T') => {
            day.tomorrow().and_then(|next| next.to_zoned_datetime(jiff::tz::TimeZone::UTC)).map(|time| time.timestamp())
        }
        _ => text.parse::<jiff::Timestamp>(),
    };
    time.ok()
        .and_then(|time| u64::try_from(time.as_second()).ok())
        .ok_or_else(|| format!("{text:?} is not a date such as 2027-01-31 or 2027-01-31T12:00:00Z"))
}

/// A method.
///
/// # Errors
/// Lower case, or one that is never let through.
pub fn method(text: &str) -> Parsed<Box<str>> {
    match text {
        "TRACE" | "CONNECT" => Err(format!("{text} is never let through")),
        _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase()) => Ok(text.into()),
        _ => Err(format!("{text:?} is not a method such as POST")),
    }
}

/// A media type without parameters, in lower case.
///
/// # Errors
/// Not `type/subtype`.
pub fn media_type(text: &str) -> Parsed<Box<str>> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    match text.split_once('/') {
        Some((kind, subtype)) if plain(kind) && plain(subtype) => Ok(text.to_ascii_lowercase().into()),
        _ => Err(format!("{text:?} is not a media type such as application/json")),
    }
}

/// An event type, or a prefix that ends in `*`.
///
/// # Errors
/// Blanks or controls in it.
pub fn event(text: &str) -> Parsed<Box<str>> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.trim_end_matches('*').contains('*') {
        Ok(text.into())
    } else {
        Err(format!("{text:?} is not an event type such as push or invoice.*"))
    }
}

/// Where a fact stands: `header:Name` or `json:event.id`.
///
/// # Errors
/// Neither.
pub fn field(text: &str) -> Parsed<Field> {
    match text.split_once(':') {
        Some(("header", name)) if is_token(name) => Ok(Field::Header(name.into())),
        Some(("json", path)) => json_path("", path).map(Field::Json).map_err(|fault| fault.problem),
        _ => Err(format!("{text:?} is neither like header:X-Delivery nor like json:event.id")),
    }
}

/// A header field's name.
///
/// # Errors
/// A byte that no name has.
pub fn header_name(text: &str) -> Parsed<String> {
    if is_token(text) { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a header field's name")) }
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The URL that a provider calls: scheme and authority, with or without a path.
///
/// # Errors
/// Another scheme, a bad authority, a query or a fragment.
pub fn public_url(text: &str) -> Parsed<Box<str>> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let good = rest.is_some_and(|rest| {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        target::is_valid_host(authority.as_bytes())
            && path.bytes().all(|byte| byte.is_ascii_graphic())
            && !path.contains(['?', '#'])
    });
    if good { Ok(text.into()) } else { Err(format!("{text:?} is not a URL such as https://example.com/hooks")) }
}

/// A name for people, as in records and reports.
///
/// # Errors
/// Controls in it, or more than 256 characters.
pub fn label(text: &str) -> Parsed<Box<str>> {
    if text.chars().count() <= 256 && !text.chars().any(char::is_control) {
        Ok(text.into())
    } else {
        Err("holds control characters or more than 256 characters".to_owned())
    }
}

/// One of a few words.
///
/// # Errors
/// None of them.
pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Parsed<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is none of {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug + PartialEq + Clone>(parser: impl Fn(&str) -> Parsed<T>, rows: &[(&str, Option<T>)]) {
        for (text, expected) in rows {
            assert_eq!(parser(text).ok(), expected.clone(), "{text:?}");
        }
    }

    #[test]
    fn durations_and_sizes() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        check(
            duration,
            &[
                ("10s", seconds(10)),
                ("500ms", Some(Duration::from_millis(500))),
                ("5m", seconds(300)),
                ("24h", seconds(86_400)),
                ("7d", seconds(604_800)),
                ("0s", seconds(0)),
                ("", None),
                ("10", None),
                ("+1s", None),
                ("-1s", None),
                ("1.5s", None),
                ("1 s", None),
                ("99999999999999999999s", None),
                ("40000d", None),
            ],
        );
        check(positive_duration, &[("0s", None), ("1ms", Some(Duration::from_millis(1)))]);
        check(
            size,
            &[
                ("0", Some(0)),
                ("64KiB", Some(65_536)),
                ("1MiB", Some(1 << 20)),
                ("1GiB", Some(1 << 30)),
                ("1MB", None),
                ("", None),
                ("-1", None),
                ("18446744073709551615GiB", None),
            ],
        );
        check(count, &[("1", Some(1)), ("0", None), ("+1", None), ("x", None)]);
    }

    #[test]
    fn places() {
        check(
            upstream,
            &[
                ("127.0.0.1:8080", Some(Upstream::Tcp(([127, 0, 0, 1], 8080).into()))),
                ("http://127.0.0.1:8080/", Some(Upstream::Tcp(([127, 0, 0, 1], 8080).into()))),
                ("app:80", Some(Upstream::Name("app:80".into()))),
                ("unix:/run/a.sock", Some(Upstream::Unix("/run/a.sock".into()))),
                ("unix:a", None),
                ("https://a:1", None),
                ("app", None),
                ("app:0", None),
                ("app:99999", None),
                ("a b:1", None),
                ("::1:80", None),
                ("", None),
            ],
        );
        check(
            |text| network(text).map(|network| network.to_string()),
            &[
                ("192.0.2.0/24", Some("192.0.2.0/24".into())),
                ("192.0.2.7", Some("192.0.2.7/32".into())),
                ("2001:db8::/32", Some("2001:db8::/32".into())),
                ("192.0.2.7/24", None),
                ("192.0.2.0/33", None),
                ("x", None),
            ],
        );
        check(
            path,
            &[
                ("/hook", Some(PathPattern::Exact("/hook".into()))),
                ("/hooks/*", Some(PathPattern::Prefix("/hooks/".into()))),
                ("/*", Some(PathPattern::Prefix("/".into()))),
                ("/hook*", None),
                ("/a/*/b", None),
                ("hook", None),
                ("", None),
                ("/a/../b", None),
                ("/a?b", None),
                ("/a%2fb", None),
                ("http://h/a", None),
            ],
        );
        check(
            public_url,
            &[
                ("https://example.com", Some("https://example.com".into())),
                ("https://example.com:8443/a/b", Some("https://example.com:8443/a/b".into())),
                ("ftp://example.com", None),
                ("https://", None),
                ("https://u@example.com", None),
                ("https://example.com/?a", None),
            ],
        );
    }

    #[test]
    fn words_dates_and_fields() {
        check(
            date,
            &[
                ("2027-01-31", Some(1_801_440_000)),
                ("2027-01-31T12:00:00Z", Some(1_801_396_800)),
                ("2027-02-30", None),
                ("tomorrow", None),
            ],
        );
        check(method, &[("POST", Some("POST".into())), ("post", None), ("TRACE", None), ("CONNECT", None), ("", None)]);
        check(media_type, &[("Application/JSON", Some("application/json".into())), ("json", None), ("a/b;c", None)]);
        check(event, &[("invoice.*", Some("invoice.*".into())), ("a*b", None), ("a b", None)]);
        check(
            field,
            &[("header:X-Id", Some(Field::Header("X-Id".into()))), ("header:", None), ("json:", None), ("x", None)],
        );
        check(
            |text| list(text, method),
            &[("POST, PUT", Some(vec!["POST".into(), "PUT".into()])), ("POST,", None), ("", None)],
        );
    }
}
