//! The settings of one route, and what single settings cannot tell: whether they make sense together and with the
//! provider's scheme.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::challenge::Challenge;
use crate::auth::san::SanPattern;
use crate::auth::scheme::{Proof, Scheme, SignaturePlace};
use crate::fetch::source::Known;
use crate::inspect::Schema;
use crate::policy::{Mode, OnDuplicate, Route, RouteLimits, Upstream, VerifyToken};
use crate::providers::{self, Asks, CustomFields, Provider};
use crate::route::PathPattern;
use crate::suggest;

use super::claims;
use super::fetch::{self, Trust};
use super::ranges::Ranges;
use super::rates;
use super::reader::Reader;
use super::secrets;
use super::upstream::Authorities;
use super::values::{self, Parsed};

/// The largest body that any route may permit: it is held in memory.
const MAX_BODY: u64 = 1 << 30;

/// The settings that define a provider of one's own.
const CUSTOM: [&str; 10] = [
    "SCHEME",
    "ALGORITHM",
    "ECDSA_FORM",
    "SIGNATURE_HEADER",
    "SIGNATURE_FORMAT",
    "SIGNATURE_ENCODING",
    "SIGNED_CONTENT",
    "TIMESTAMP_HEADER",
    "TIMESTAMP_UNIT",
    "SECRET_ENCODING",
];

/// What a route is checked against and adds to.
pub(super) struct Surroundings {
    /// `MAX_BUFFERED`; `None` after a fault.
    pub(super) max_buffered: Option<u64>,
    /// The services so far; the first is the global one.
    pub(super) upstreams: Vec<Upstream>,
    /// Whom services over TLS are believed by.
    pub(super) authorities: Authorities,
    /// The user's own providers.
    pub(super) providers: Vec<Provider>,
    /// The networks that have names.
    pub(super) ranges: Ranges,
    /// Whether clients are asked for certificates, so that one can be a proof.
    pub(super) asks_clients: bool,
    /// Where connections may go.
    pub(super) trust: Trust,
    /// What is fetched already.
    pub(super) known: Known,
}

/// Asks for every setting of a route. `None` only after a fault: everything is asked for before the first `?`.
pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    name: &str,
    path: Option<PathPattern>,
    around: &mut Surroundings,
) -> Option<Route> {
    let provider = provider(reader, &around.providers);
    let scheme = provider.as_ref().map(|(_, scheme)| scheme.as_ref());
    refuse_contradictions(reader, scheme, path.as_ref(), around.asks_clients);
    let network = fetch::network(reader, scheme, &around.trust, &mut around.known);
    let keys = secrets::keys_and_ring(reader, scheme, &network);
    let (secret_max_age, verify_token) = (secret_max_age(reader), verify_token(reader, scheme));
    let methods = reader.value("METHODS", methods).unwrap_or_default();
    let content_types = reader.value("CONTENT_TYPES", |text| values::list(text, values::media_type));
    let (max_body, client_sans) = (max_body(reader, around.max_buffered), client_sans(reader, around.asks_clients));
    let sources = reader.value("SOURCES", |text| around.ranges.resolve(text)).unwrap_or_default();
    let (events, schema) = (reader.value("EVENTS", |text| values::list(text, values::event)), schema(reader));
    let (expires, owner, limits) = terms(reader);
    let (mode, tolerance) = (reader.value("MODE", mode), reader.value("TOLERANCE", values::positive_duration));
    let replay = replay(reader, scheme.is_some_and(|scheme| scheme.repeats));
    let (on_duplicate, delivery_id) =
        (reader.value("ON_DUPLICATE", on_duplicate), reader.value("DELIVERY_ID", values::field));
    let (upstream, upstream_path) = (upstream(reader, around), reader.value("UPSTREAM_PATH", values::plain_path));
    let public_url = reader.value("PUBLIC_URL", values::public_url);

    let (path, (provider, scheme), (keys, key_ring)) = (path?, provider?, keys?);
    let name = name.to_ascii_lowercase();
    Some(Route {
        onward_fields: Route::onward_fields(&name, &provider),
        name: name.into(),
        path,
        provider,
        keys,
        key_ring,
        network,
        secret_max_age,
        verify_token,
        public_url,
        allow: methods.join(", ").into(),
        methods,
        content_types: content_types.unwrap_or_default(),
        max_body,
        tolerance: tolerance.unwrap_or(scheme.tolerance),
        replay,
        on_duplicate: on_duplicate.unwrap_or(OnDuplicate::ByKind),
        delivery_id: delivery_id.or_else(|| scheme.delivery_id.clone()),
        scheme,
        sources,
        client_sans,
        events: events.unwrap_or_default(),
        schema,
        upstream,
        upstream_path,
        mode: mode.unwrap_or(Mode::Enforce),
        expires,
        owner,
        limits,
    })
}

/// The provider's id, and its scheme with what the route asks of it.
fn provider(reader: &mut Reader<'_, '_>, own: &[Provider]) -> Option<(Box<str>, Arc<Scheme>)> {
    let chosen = chosen(reader, own);
    claims::of_route(reader, chosen)
}

/// The provider's id and scheme: the user's own, the catalogue's, or the route's.
fn chosen(reader: &mut Reader<'_, '_>, own: &[Provider]) -> Option<claims::Chosen> {
    let id = reader.required("PROVIDER", |text| Ok(text.to_owned()))?;
    if id == "custom" {
        return custom(reader).map(|scheme| {
            let asks = Asks::of_custom(&scheme);
            (id.into(), Arc::new(scheme), asks)
        });
    }
    let own_one = own.iter().find(|provider| provider.id == id || provider.aliases.contains(&id));
    let Some(provider) = own_one.or_else(|| providers::find(&id)) else {
        refuse_provider(reader, &id, own);
        return None;
    };
    for name in CUSTOM.iter().filter(|name| !provider.configurable.iter().any(|open| open == *name)) {
        if reader.is_set(name) {
            reader.fault(name, format!("is set, but defines a provider of one's own, and PROVIDER is {id}"));
            return None;
        }
    }
    let fields = fields(reader);
    let scheme = provider.scheme_with(&fields).map_err(|faults| keep(reader, faults)).ok()?;
    Some((provider.id.as_str().into(), scheme, provider.asks()))
}

fn refuse_provider(reader: &mut Reader<'_, '_>, id: &str, own: &[Provider]) {
    if let Some(known) = providers::unsupported().iter().find(|known| known.id == id) {
        return reader.fault("PROVIDER", format!("{} is not supported: {}", known.name, known.why));
    }
    let mut known: Vec<&str> = providers::ids().chain(["custom"]).collect();
    known.extend(own.iter().map(|provider| provider.id.as_str()));
    let meant = suggest::nearest(id, known);
    reader.fault_with("PROVIDER", format!("{id:?} is not known"), meant.map(|id| format!("did you mean {id}?")));
}

fn fields(reader: &mut Reader<'_, '_>) -> CustomFields {
    let mut text = |name| reader.value(name, |text| Ok(text.to_owned()));
    CustomFields {
        scheme: text("SCHEME"),
        algorithm: text("ALGORITHM"),
        ecdsa_form: text("ECDSA_FORM"),
        signature_format: text("SIGNATURE_FORMAT"),
        signature_encoding: text("SIGNATURE_ENCODING"),
        signed_content: text("SIGNED_CONTENT"),
        timestamp_unit: text("TIMESTAMP_UNIT"),
        secret_encoding: text("SECRET_ENCODING"),
        signature_header: reader.value("SIGNATURE_HEADER", values::header_name),
        timestamp_header: reader.value("TIMESTAMP_HEADER", values::header_name),
    }
}

fn custom(reader: &mut Reader<'_, '_>) -> Option<Scheme> {
    let fields = fields(reader);
    if fields.scheme.as_deref() == Some("token") {
        for name in ["ALGORITHM", "SIGNATURE_ENCODING"] {
            if reader.is_set(name) {
                reader.fault(name, "is set, but with SCHEME=token nothing is signed");
            }
        }
    }
    providers::custom(&fields).map_err(|faults| keep(reader, faults)).ok()
}

fn keep(reader: &mut Reader<'_, '_>, faults: Vec<providers::Fault>) {
    for fault in faults {
        let name = providers::custom_field(fault.key);
        // What could not be read is missing to the compiler: the fault that says so is there already.
        if !reader.has_fault(name) {
            reader.fault(name, fault.problem);
        }
    }
}

/// Settings that the scheme has no use for, and one that it needs.
fn refuse_contradictions(
    reader: &mut Reader<'_, '_>,
    scheme: Option<&Scheme>,
    path: Option<&PathPattern>,
    asks_clients: bool,
) {
    let Some(scheme) = scheme else { return };
    if matches!(scheme.proof, Proof::ClientCertificate) && !asks_clients {
        reader.fault("PROVIDER", "proves itself by its client's certificate, and TLS_CLIENT_CA_FILE is not set");
    }
    if reader.is_set("TOLERANCE") && scheme.timestamp.is_none() {
        reader.fault("TOLERANCE", "is set, but this provider signs no time");
    }
    if reader.is_set("EVENTS") && scheme.event.is_none() {
        reader.fault("EVENTS", "is set, but where this provider names the event's type is not known");
    }
    if scheme.needs_public_url() && !reader.is_set("PUBLIC_URL") {
        reader.fault("PUBLIC_URL", "is not set, and this provider signs the URL that it calls");
    }
    if scheme.signature.place == SignaturePlace::PathSegment && matches!(path, Some(PathPattern::Exact(_))) {
        reader.fault("PATH", "is one path, and this provider's token is the path's last segment: end it in /*");
    }
}

/// What the provider's verification of the endpoint must name.
fn verify_token(reader: &mut Reader<'_, '_>, scheme: Option<&Scheme>) -> Option<VerifyToken> {
    let challenges = scheme.map_or(&[][..], |scheme| &scheme.challenges);
    let is_set = reader.is_set("VERIFY_TOKEN");
    if is_set && scheme.is_some() && !challenges.iter().any(Challenge::reads_verify_token) {
        reader.fault("VERIFY_TOKEN", "is set, but this provider's verification of the endpoint names none");
    }
    if !is_set && challenges.iter().any(|challenge| challenge.verify_required) {
        reader.fault("VERIFY_TOKEN", "is not set, and this provider tests whether it is known here");
    }
    let parse = |text: &str| {
        let good = text.len() <= 256 && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let token = VerifyToken(zeroize::Zeroizing::new(text.as_bytes().to_vec()));
        if good { Ok(token) } else { Err("is no text of at most 256 printable characters".to_owned()) }
    };
    reader.value("VERIFY_TOKEN", parse)
}

fn client_sans(reader: &mut Reader<'_, '_>, asks_clients: bool) -> Vec<SanPattern> {
    if reader.is_set("CLIENT_SANS") && !asks_clients {
        reader.fault("CLIENT_SANS", "is set, but without TLS_CLIENT_CA_FILE no client is asked for a certificate");
    }
    reader.value("CLIENT_SANS", |text| values::list(text, SanPattern::parse)).unwrap_or_default()
}

/// Until when, in whose name, and how much.
fn terms(reader: &mut Reader<'_, '_>) -> (Option<u64>, Option<Box<str>>, RouteLimits) {
    (reader.value("EXPIRES", values::date), reader.value("OWNER", values::label), rates::of_route(reader))
}

fn secret_max_age(reader: &mut Reader<'_, '_>) -> Option<Duration> {
    let ageless = [
        ("SECRET", "that is not in a file"),
        ("INTROSPECTION_URL", "that is not in a file"),
        ("JWKS_FILE", "in a set"),
    ];
    for (name, which) in ageless {
        if reader.is_set("SECRET_MAX_AGE") && reader.is_set(name) {
            reader.fault("SECRET_MAX_AGE", format!("is set, but the age of a key {which} is not known"));
        }
    }
    reader.value("SECRET_MAX_AGE", values::positive_duration)
}

fn max_body(reader: &mut Reader<'_, '_>, max_buffered: Option<u64>) -> u64 {
    let Some(size) = reader.value("MAX_BODY", values::size) else { return 0 };
    if size > MAX_BODY {
        reader.fault("MAX_BODY", format!("{size} bytes are more than 1GiB"));
    } else if let Some(all) = max_buffered.filter(|all| size > *all) {
        reader.fault("MAX_BODY", format!("{size} bytes are more than the {all} that MAX_BUFFERED has for all bodies"));
    }
    size
}

/// For how long accepted messages are remembered; `None` for not at all, which is the default where genuine messages of
/// the provider may be alike byte for byte.
fn replay(reader: &mut Reader<'_, '_>, repeats: bool) -> Option<Duration> {
    let set = reader.is_set("REPLAY");
    let on = reader.value("REPLAY", |text| values::word(text, &[("on", true), ("off", false)])).unwrap_or(true);
    let on = on && (set || !repeats);
    if !on {
        for name in ["REPLAY_WINDOW", "ON_DUPLICATE"] {
            if reader.is_set(name) {
                reader.fault(name, if set { OFF } else { OFF_BY_PROVIDER });
            }
        }
    }
    reader.value("REPLAY_WINDOW", values::positive_duration).filter(|_| on)
}

const OFF: &str = "is set, but REPLAY=off remembers nothing";

const OFF_BY_PROVIDER: &str = "is set, but nothing is remembered: this provider's genuine messages may be alike; REPLAY=on remembers them all the same";

fn schema(reader: &mut Reader<'_, '_>) -> Option<Schema> {
    let (path, content) = reader.file("SCHEMA_FILE")?;
    let compiled = match std::str::from_utf8(&content.bytes) {
        Ok(text) => Schema::compile(text),
        Err(_) => Err("is not UTF-8".to_owned()),
    };
    compiled.map_err(|problem| reader.fault("SCHEMA_FILE", format!("{} {problem}", path.display()))).ok()
}

/// The index of the route's service; each stands in the list once.
fn upstream(reader: &mut Reader<'_, '_>, around: &mut Surroundings) -> usize {
    let Some(upstream) = reader.value("UPSTREAM", |text| around.authorities.upstream(text)) else { return 0 };
    let upstreams = &mut around.upstreams;
    upstreams.iter().position(|known| *known == upstream).unwrap_or_else(|| {
        upstreams.push(upstream);
        upstreams.len() - 1
    })
}

/// Each method once.
fn methods(text: &str) -> Parsed<Vec<Box<str>>> {
    let mut methods: Vec<Box<str>> = Vec::new();
    for method in values::list(text, values::method)? {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    Ok(methods)
}

fn on_duplicate(text: &str) -> Parsed<OnDuplicate> {
    values::word(text, &[("ack", OnDuplicate::Ack), ("reject", OnDuplicate::Reject)])
}

fn mode(text: &str) -> Parsed<Mode> {
    values::word(text, &[("enforce", Mode::Enforce), ("monitor", Mode::Monitor)])
}
