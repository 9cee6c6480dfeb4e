//! Where claims are shared: one URL, and the password and authorities that may stand in files beside it.

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::http1::framing::digits;
use crate::http1::target;
use crate::replay::{Place, Topology, Unavailable};

use super::reader::Reader;
use super::values::{self, Parsed};

/// The port of a server or a Cluster's node, and of a Sentinel.
const PORTS: (u16, u16) = (6379, 26379);

/// What only means something beside `REPLAY_URL`.
const BESIDE: [&str; 2] = ["REPLAY_PASSWORD", "REPLAY_CA_FILE"];

/// The shared store, if there is one, and what happens while it does not answer.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> (Option<Place>, Unavailable) {
    let unavailable = reader.value("REPLAY_UNAVAILABLE", unavailable).unwrap_or(Unavailable::Deny);
    if !reader.is_set("REPLAY_URL") {
        for name in BESIDE {
            if reader.is_set(name) {
                reader.fault(name, "is set, but there is no REPLAY_URL");
            }
        }
        if unavailable == Unavailable::Local {
            reader.fault("REPLAY_UNAVAILABLE", "is local, but there is no REPLAY_URL that could be unavailable");
        }
        return (None, unavailable);
    }
    let password = reader.value("REPLAY_PASSWORD", |text| Ok(Zeroizing::new(text.to_owned())));
    let ca = authorities(reader);
    let place = reader.value("REPLAY_URL", place).map(|place| with(place, password, ca, reader));
    (place, unavailable)
}

fn with(
    mut place: Place,
    password: Option<Zeroizing<String>>,
    ca: Option<Vec<u8>>,
    reader: &mut Reader<'_, '_>,
) -> Place {
    if password.is_some() && place.password.is_some() {
        reader.fault("REPLAY_PASSWORD", "is set, but REPLAY_URL holds a password too; only one of them is accepted");
    }
    if ca.is_some() && !place.tls {
        reader.fault("REPLAY_CA_FILE", "is set, but REPLAY_URL is not of a rediss kind");
    }
    place.password = password.or(place.password);
    place.ca = ca;
    place
}

fn unavailable(text: &str) -> Parsed<Unavailable> {
    values::word(text, &[("deny", Unavailable::Deny), ("local", Unavailable::Local)])
}

fn authorities(reader: &mut Reader<'_, '_>) -> Option<Vec<u8>> {
    let (path, content) = reader.file("REPLAY_CA_FILE")?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content.bytes).collect();
    if certificates.is_ok_and(|certificates| !certificates.is_empty()) {
        return Some(content.bytes.to_vec());
    }
    reader.fault("REPLAY_CA_FILE", format!("{} holds no certificates in PEM", path.display()));
    None
}

/// The parts of a URL. What is wrong is told without quoting it: it may hold a password.
fn place(text: &str) -> Parsed<Place> {
    let (scheme, rest) = text.split_once("://").ok_or("is not a URL")?;
    let (tls, kind) = match scheme.strip_prefix("rediss") {
        Some(kind) => (true, kind),
        None => (false, scheme.strip_prefix("redis").unwrap_or(scheme)),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
    let (user, password) = login.map(credentials).transpose()?.unwrap_or_default();
    let (topology, database, port) = match kind {
        "" => (Topology::Single, path, PORTS.0),
        "+cluster" if path.is_empty() => (Topology::Cluster, "", PORTS.0),
        "+cluster" => return Err("names a database, and a Cluster has but one".into()),
        "+sentinel" => {
            let (service, database) = path.split_once('/').unwrap_or((path, ""));
            if service.is_empty() {
                return Err("names no service behind the Sentinels' hosts, such as /mymaster".into());
            }
            (Topology::Sentinel(service.to_owned()), database, PORTS.1)
        }
        _ => return Err("is of no known kind".into()),
    };
    let nodes = hosts.split(',').map(|host| node(host, port)).collect::<Parsed<Vec<_>>>()?;
    if topology == Topology::Single && nodes.len() > 1 {
        return Err("names several hosts, which only redis+sentinel and redis+cluster have".into());
    }
    let database = if database.is_empty() { Some(0) } else { digits(database.as_bytes()) };
    let database = database.and_then(|number| i64::try_from(number).ok()).ok_or("ends in no database's number")?;
    Ok(Place { topology, nodes, tls, ca: None, user, password, database })
}

type Credentials = (Option<String>, Option<Zeroizing<String>>);

fn credentials(login: &str) -> Parsed<Credentials> {
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let user = decoded(user)?;
    let password = password.map(decoded).transpose()?.map(Zeroizing::new);
    Ok((Some(user).filter(|user| !user.is_empty()), password))
}

/// `%40` for `@`, and so on.
fn decoded(text: &str) -> Parsed<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or("has a bad % escape")?;
        let digits = data_encoding::HEXLOWER_PERMISSIVE.decode(digits).map_err(|_| "has a bad % escape")?;
        bytes.extend(digits);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| "has credentials that are not UTF-8".into())
}

fn node(text: &str, port: u16) -> Parsed<(String, u16)> {
    let bad = || "has a host that is none, such as redis.internal:6379, 192.0.2.7 or [2001:db8::7]:6379".to_owned();
    if text.is_empty() || !target::is_valid_host(text.as_bytes()) {
        return Err(bad());
    }
    let (host, number) = match text.rsplit_once(':') {
        Some((host, number)) if !number.contains(']') => (host, number.parse().map_err(|_| bad())?),
        _ => (text, port),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok((host.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        type Expected<'e> = (Topology, &'e [(&'e str, u16)], bool, i64);
        let check = |text: &str, expected: Option<Expected<'_>>| {
            let found = place(text);
            let Some((topology, nodes, tls, database)) = expected else {
                return assert!(found.is_err(), "{text}: {found:?}");
            };
            let found = found.unwrap_or_else(|fault| panic!("{text} {fault}"));
            let nodes: Vec<_> = nodes.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect();
            assert_eq!(
                (found.topology, found.nodes, found.tls, found.database),
                (topology, nodes, tls, database),
                "{text}"
            );
        };
        let one = |host, port| Some((Topology::Single, vec![(host, port)], false, 0));
        for (text, expected) in [
            ("redis://redis", one("redis", 6379)),
            ("redis://192.0.2.7:1/", one("192.0.2.7", 1)),
            ("redis://[2001:db8::7]:1", one("2001:db8::7", 1)),
            ("redis://[2001:db8::7]", one("2001:db8::7", 6379)),
            ("redis://h/3", Some((Topology::Single, vec![("h", 6379)], false, 3))),
            ("rediss://h", Some((Topology::Single, vec![("h", 6379)], true, 0))),
            ("redis+cluster://a,b:7", Some((Topology::Cluster, vec![("a", 6379), ("b", 7)], false, 0))),
            ("rediss+cluster://a", Some((Topology::Cluster, vec![("a", 6379)], true, 0))),
            (
                "redis+sentinel://a,b:7/m/2",
                Some((Topology::Sentinel("m".into()), vec![("a", 26379), ("b", 7)], false, 2)),
            ),
            ("redis", None),
            ("redis://", None),
            ("redis://a,b", None),
            ("redis://h:0x", None),
            ("redis://h/x", None),
            ("redis://h/-1", None),
            ("redis+cluster://h/1", None),
            ("redis+sentinel://h", None),
            ("http://h", None),
            ("redis+x://h", None),
            ("redis://u:%4@h", None),
        ] {
            let expected =
                expected.as_ref().map(|(topology, nodes, tls, db)| (topology.clone(), &nodes[..], *tls, *db));
            check(text, expected);
        }
    }

    #[test]
    fn credentials_are_taken_out_and_never_shown() {
        let found = place("rediss://hook:p%40ss@h").expect("a good URL");
        assert_eq!(
            (found.user.as_deref(), found.password.as_deref().map(String::as_str)),
            (Some("hook"), Some("p@ss"))
        );
        assert!(!format!("{found:?}").contains("ss@"));
        let found = place("redis://:only@h").expect("a good URL");
        assert_eq!((found.user, found.password.as_deref().map(String::as_str)), (None, Some("only")));
        let fault = place("redis://hook:secret@h:x").expect_err("a bad port");
        assert!(!fault.contains("secret"), "{fault}");
    }
}
