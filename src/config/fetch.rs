//! What is fetched: the client, the sources of keys, and who is asked about tokens.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::auth::scheme::{Jwks, KeySource, Scheme};
use crate::fetch::address::Reach;
use crate::fetch::client::Client;
use crate::fetch::introspect::Introspector;
use crate::fetch::source::{Fetched, Known, Source};
use crate::fetch::url::Url;
use crate::policy::{Network, Route};

use super::reader::{Reader, without_newline};
use super::values::{self, Parsed};
use super::{certificates, key_api};

/// What only means something beside `INTROSPECTION_URL`.
const BESIDE: [&str; 2] = ["CLIENT_ID", "CLIENT_SECRET_FILE"];

/// Where connections may go, and whose certificates are trusted there.
pub(super) struct Trust {
    /// `FETCH_ALLOW_PRIVATE`.
    pub(super) reach: Reach,
    authorities: Option<Vec<CertificateDer<'static>>>,
}

/// Asks for both.
pub(super) fn trust(reader: &mut Reader<'_, '_>) -> Trust {
    let reach = reader.value("FETCH_ALLOW_PRIVATE", allow_private).unwrap_or_default();
    Trust { reach, authorities: authorities(reader) }
}

fn allow_private(text: &str) -> Parsed<Reach> {
    match text {
        "false" => Ok(Reach::Public),
        "true" => Ok(Reach::Private),
        networks => Ok(Reach::Networks(values::list(networks, values::network)?.into())),
    }
}

/// The client, where a route needs it.
pub(super) fn client(reader: &mut Reader<'_, '_>, routes: &[Route], trust: Trust) -> Option<Client> {
    let Trust { reach, authorities } = trust;
    let needs = |network: &Network| {
        let named = network.named.as_ref().is_some_and(|named| named.needs_network());
        network.keys.is_some() || network.tokens.is_some() || network.by_id.is_some() || named
    };
    if routes.iter().any(|route| needs(&route.network)) {
        let client = Client::new(authorities.as_deref(), reach);
        return client.map_err(|error| reader.fault("FETCH_CA_FILE", format!("cannot be used: {error}"))).ok();
    }
    for (name, is_set) in [("FETCH_CA_FILE", authorities.is_some()), ("FETCH_ALLOW_PRIVATE", reach != Reach::Public)] {
        if is_set {
            reader.fault(name, "is set, but no route fetches anything");
        }
    }
    None
}

fn authorities(reader: &mut Reader<'_, '_>) -> Option<Vec<CertificateDer<'static>>> {
    let (path, content) = reader.file("FETCH_CA_FILE")?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content.bytes).collect();
    let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
    if certificates.is_none() {
        reader.fault("FETCH_CA_FILE", format!("{} holds no certificates in PEM", path.display()));
    }
    certificates
}

/// What a route needs of the network.
pub(super) fn network(
    reader: &mut Reader<'_, '_>,
    scheme: Option<&Scheme>,
    trust: &Trust,
    known: &mut Known,
) -> Network {
    let named = certificates::named(reader, scheme).map(|named| known.named(named));
    let by_id = key_api::by_id(reader, scheme, trust, known);
    Network {
        keys: keys(reader, scheme, trust, known),
        tokens: introspection(reader, scheme, trust, known),
        named,
        by_id,
    }
}

/// The settings that say where keys stand, one of which is enough.
pub(super) const KEYS: [&str; 4] = ["JWKS_URL", "JWKS_FILE", "SECRET", "SECRET_FILE"];

/// The keys that are fetched: from `JWKS_URL`, or where the provider publishes them and no other keys are set.
fn keys(
    reader: &mut Reader<'_, '_>,
    scheme: Option<&Scheme>,
    trust: &Trust,
    known: &mut Known,
) -> Option<Arc<Fetched>> {
    let set = KEYS.iter().filter(|name| reader.is_set(name)).count();
    if set == 0 {
        return published(reader, &scheme?.key_source, trust).map(|source| known.of(source));
    }
    if !reader.is_set("JWKS_URL") {
        return None;
    }
    if set > 1 {
        reader.fault("JWKS_URL", "is set, and SECRET, SECRET_FILE or JWKS_FILE too; only one of them is accepted");
    }
    let url = reader.value("JWKS_URL", |text| url(text, &trust.reach))?;
    let KeySource { jwks, strength, .. } = &scheme?.key_source;
    if *jwks == Jwks::None {
        reader.fault("JWKS_URL", "is set, but this provider publishes no set of keys: its key is the SECRET");
        return None;
    }
    (set == 1).then(|| known.of(Source::Keys { url, strength: *strength }))
}

/// Where keys are that no setting names.
fn published(reader: &mut Reader<'_, '_>, source: &KeySource, trust: &Trust) -> Option<Source> {
    match &source.jwks {
        Jwks::None => None,
        Jwks::At(place) => {
            let parsed = url(place, &trust.reach);
            let parsed = parsed.map_err(|problem| reader.fault("PROVIDER", format!("its keys' URL {place} {problem}")));
            Some(Source::Keys { url: parsed.ok()?, strength: source.strength })
        }
        // Somebody else is asked about tokens then.
        Jwks::Somewhere if reader.is_set("INTROSPECTION_URL") => None,
        Jwks::Somewhere => {
            let of_issuer = |text: &str| {
                issuer(text, &trust.reach).map_err(|problem| {
                    format!(
                        "{problem}, so that keys cannot be looked for there; JWKS_URL or JWKS_FILE says where they are"
                    )
                })
            };
            reader.value("ISSUER", of_issuer).map(Source::Issuer)
        }
    }
}

/// Who is asked about tokens.
fn introspection(
    reader: &mut Reader<'_, '_>,
    scheme: Option<&Scheme>,
    trust: &Trust,
    known: &mut Known,
) -> Option<Arc<Introspector>> {
    if !reader.is_set("INTROSPECTION_URL") {
        for name in BESIDE {
            if reader.is_set(name) && !key_api::asks_for(scheme, name) {
                reader.fault(name, "is set, but there is no INTROSPECTION_URL");
            }
        }
        return None;
    }
    if KEYS.iter().any(|name| reader.is_set(name)) {
        reader.fault("INTROSPECTION_URL", "is set, and keys too: tokens are either asked about or checked with keys");
    }
    if scheme.is_some_and(|scheme| scheme.key_source.jwks == Jwks::None) {
        reader.fault("INTROSPECTION_URL", "is set, but this provider sends no tokens of an authorization server");
    }
    let url = reader.value("INTROSPECTION_URL", |text| url(text, &trust.reach));
    let id = reader.required("CLIENT_ID", |text| Ok(text.to_owned()));
    let secret = secret_of_file(reader, "CLIENT_SECRET_FILE");
    Some(known.introspector(Introspector::new(url?, &id?, &secret?)))
}

/// A credential that stands in a file of its own.
pub(super) fn secret_of_file(reader: &mut Reader<'_, '_>, name: &str) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    if !reader.is_set(name) {
        reader.fault(name, "is required, and not set");
        return None;
    }
    let (path, content) = reader.file(name)?;
    let secret = without_newline(&content.bytes);
    if secret.is_empty() {
        reader.fault(name, format!("{} is empty", path.display()));
        return None;
    }
    Some(zeroize::Zeroizing::new(secret.to_vec()))
}

/// A URL that may be fetched, as far as can be told without looking up its name.
pub(super) fn url(text: &str, reach: &Reach) -> Parsed<Url> {
    let url = Url::parse(text)?;
    let address = url.host().parse::<IpAddr>();
    if !url.is_tls() && !reach.permits_plaintext(address.clone().unwrap_or(Ipv4Addr::LOCALHOST.into())) {
        return Err("is of plain http, which needs FETCH_ALLOW_PRIVATE=true".into());
    }
    match address {
        Ok(address) if !reach.permits(address) => {
            Err(format!("leads to {address}, which is not public: FETCH_ALLOW_PRIVATE does not permit it"))
        }
        _ => Ok(url),
    }
}

/// An issuer whose document may be fetched.
fn issuer(text: &str, reach: &Reach) -> Parsed<Box<str>> {
    crate::fetch::discovery::places(text)?;
    url(text, reach).map(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_connections_may_go() {
        for (text, expected) in [
            ("false", Some(Reach::Public)),
            ("true", Some(Reach::Private)),
            ("10.96.0.0/12", Some(Reach::Networks(["10.96.0.0/12".parse().expect("a network")].into()))),
            ("10.96.0.1/12", None),
            ("yes", None),
            ("true,10.0.0.0/8", None),
        ] {
            assert_eq!(allow_private(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn urls_that_could_never_be_fetched_are_refused_at_the_start() {
        let networks = || Reach::Networks(["10.0.0.0/8".parse().expect("a network")].into());
        for (reach, text, expected) in [
            (Reach::Public, "https://id.example/keys", Ok(())),
            (Reach::Public, "https://1.1.1.1/keys", Ok(())),
            (Reach::Public, "https://10.0.0.1/keys", Err("not public")),
            (Reach::Public, "https://[::ffff:10.0.0.1]/keys", Err("not public")),
            (Reach::Public, "https://169.254.169.254/", Err("not public")),
            (Reach::Public, "http://localhost/keys", Err("plain http")),
            (Reach::Public, "http://id.example/keys", Err("plain http")),
            (Reach::Private, "https://10.0.0.1/keys", Ok(())),
            (Reach::Private, "http://127.0.0.1:8080/keys", Ok(())),
            (Reach::Private, "http://localhost/keys", Ok(())),
            (Reach::Private, "http://10.0.0.1/keys", Err("plain http")),
            (Reach::Private, "https://169.254.169.254/", Err("not public")),
            (networks(), "https://10.0.0.1/keys", Ok(())),
            (networks(), "https://192.168.0.1/keys", Err("not public")),
            (networks(), "http://localhost/keys", Err("plain http")),
        ] {
            match (url(text, &reach), expected) {
                (Ok(_), Ok(())) => {}
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{reach:?} {text}: {problem}"),
                (found, _) => panic!("{reach:?} {text}: {found:?}"),
            }
        }
        assert!(issuer("https://id.example/realms/a", &Reach::Public).is_ok());
        assert!(issuer("https://id.example/?a", &Reach::Public).is_err());
    }
}
