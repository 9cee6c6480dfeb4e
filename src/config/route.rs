//! The settings of one route, and what single settings cannot tell: whether they make sense together and with the
//! provider's scheme.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::challenge::Challenge;
use crate::auth::scheme::{Scheme, SignaturePlace};
use crate::inspect::Schema;
use crate::policy::{Mode, OnDuplicate, Route, Upstream, VerifyToken};
use crate::providers::{self, CustomFields, Provider};
use crate::route::PathPattern;
use crate::suggest;

use super::reader::Reader;
use super::secrets;
use super::values::{self, Parsed};

/// The largest body that any route may permit: it is held in memory.
const MAX_BODY: u64 = 1 << 30;

/// The settings that define a provider of one's own.
const CUSTOM: [&str; 9] = [
    "SCHEME",
    "ALGORITHM",
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
    /// The user's own providers.
    pub(super) providers: Vec<Provider>,
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
    if let Some(scheme) = scheme {
        refuse_contradictions(reader, scheme, path.as_ref());
    }
    let keys = secrets::keys(reader, scheme);
    let secret_max_age = secret_max_age(reader);
    let verify_token = verify_token(reader, scheme);
    let methods = reader.value("METHODS", methods).unwrap_or_default();
    let content_types = reader.value("CONTENT_TYPES", |text| values::list(text, values::media_type));
    let max_body = max_body(reader, around.max_buffered);
    let sources = reader.value("SOURCES", |text| values::list(text, values::network)).unwrap_or_default();
    let events = reader.value("EVENTS", |text| values::list(text, values::event)).unwrap_or_default();
    let schema = schema(reader);
    let expires = reader.value("EXPIRES", values::date);
    let owner = reader.value("OWNER", values::label);
    let mode = reader.value("MODE", mode).unwrap_or(Mode::Enforce);
    let tolerance = reader.value("TOLERANCE", values::positive_duration);
    let replay = replay(reader, scheme.is_some_and(|scheme| scheme.repeats));
    let on_duplicate = reader.value("ON_DUPLICATE", on_duplicate).unwrap_or(OnDuplicate::ByKind);
    let delivery_id = reader.value("DELIVERY_ID", values::field);
    let upstream = upstream(reader, &mut around.upstreams);
    let upstream_path = reader.value("UPSTREAM_PATH", values::plain_path);
    let public_url = reader.value("PUBLIC_URL", values::public_url);

    let (path, (provider, scheme), keys) = (path?, provider?, keys?);
    Some(Route {
        name: name.to_ascii_lowercase().into(),
        path,
        provider,
        keys,
        secret_max_age,
        verify_token,
        public_url,
        allow: methods.join(", ").into(),
        methods,
        content_types: content_types.unwrap_or_default(),
        max_body,
        tolerance: tolerance.unwrap_or(scheme.tolerance),
        replay,
        on_duplicate,
        delivery_id: delivery_id.or_else(|| scheme.delivery_id.clone()),
        scheme,
        sources,
        events,
        schema,
        upstream,
        upstream_path,
        mode,
        expires,
        owner,
    })
}

/// The provider's id and scheme: the user's own, the catalogue's, or the route's.
fn provider(reader: &mut Reader<'_, '_>, own: &[Provider]) -> Option<(Box<str>, Arc<Scheme>)> {
    let id = reader.required("PROVIDER", |text| Ok(text.to_owned()))?;
    if id == "custom" {
        return custom(reader).map(|scheme| (id.into(), Arc::new(scheme)));
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
    Some((provider.id.as_str().into(), scheme))
}

fn refuse_provider(reader: &mut Reader<'_, '_>, id: &str, own: &[Provider]) {
    if ["oauth", "mtls"].contains(&id) {
        return reader.fault("PROVIDER", format!("{id:?} is not built yet"));
    }
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
fn refuse_contradictions(reader: &mut Reader<'_, '_>, scheme: &Scheme, path: Option<&PathPattern>) {
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

fn secret_max_age(reader: &mut Reader<'_, '_>) -> Option<Duration> {
    if reader.is_set("SECRET_MAX_AGE") && reader.is_set("SECRET") {
        reader.fault("SECRET_MAX_AGE", "is set, but the age of a key that is not in a file is not known");
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
fn upstream(reader: &mut Reader<'_, '_>, upstreams: &mut Vec<Upstream>) -> usize {
    let Some(upstream) = reader.value("UPSTREAM", values::upstream) else { return 0 };
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
