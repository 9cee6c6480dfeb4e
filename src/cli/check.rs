//! `check`: the configuration as `run` would load it: every fault, or the policy in effect. No secret is shown.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::auth::scheme::Field;
use crate::config::{self, Config, Fault};
use crate::policy::{OnDuplicate, Policy, Route, Upstream};

use super::layout::{self, list, or_dash, table};
use super::settings::Settings;
use super::terminal::FormatFlag;
use super::{Exit, run, terminal};

#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 fine, 78 refused.

Examples:
  hookwarden check
  hookwarden check --format json | jq '.routes[] | {name, owner, expires}'")]
pub(super) struct Check {
    #[command(flatten)]
    format: FormatFlag,
    #[command(flatten)]
    settings: Settings,
}

impl Check {
    pub(super) fn run(&self) -> Exit {
        match (config::load(&self.settings.environment()), self.format.is_json()) {
            (Ok((config, _)), false) => terminal::print(&as_text(&config), Exit::Fine),
            (Ok((config, _)), true) => terminal::print_json(&Effective::new(&config), Exit::Fine),
            (Err(faults), false) => run::refuse(&faults),
            (Err(faults), true) => {
                let faults: Vec<_> = faults.iter().map(as_json).collect();
                terminal::print_json(&json!({ "ok": false, "faults": faults }), Exit::Refused)
            }
        }
    }
}

fn as_json(fault: &Fault) -> serde_json::Value {
    json!({
        "variable": fault.variable,
        "problem": fault.problem,
        "accepted": (!fault.accepted.is_empty()).then_some(&fault.accepted),
        "hint": fault.hint,
    })
}

/// What is in effect, for programs.
#[derive(Serialize)]
struct Effective {
    ok: bool,
    listen: String,
    admin_listen: String,
    tls: bool,
    tls_certificate_ends: Option<String>,
    tls_by_trusted_proxies: bool,
    trusted_proxies: Vec<String>,
    workers: usize,
    routes: Vec<RouteView>,
}

/// A route as it is in effect.
#[derive(Serialize)]
struct RouteView {
    name: String,
    path: String,
    provider: String,
    mode: &'static str,
    methods: Vec<String>,
    key_ids: Vec<String>,
    key_set: Option<usize>,
    tolerance_seconds: Option<u64>,
    replay_window_seconds: Option<u64>,
    event_window_seconds: Option<u64>,
    on_duplicate: &'static str,
    delivery_id: Option<String>,
    delivery_id_signed: bool,
    max_body: u64,
    content_types: Vec<String>,
    events: Vec<String>,
    sources: Vec<String>,
    client_sans: Vec<String>,
    schema: bool,
    upstream: Option<String>,
    upstream_path: Option<String>,
    keys_from: Option<String>,
    tokens_asked_at: Option<String>,
    expires: Option<String>,
    owner: Option<String>,
}

impl Effective {
    fn new(config: &Config) -> Self {
        let Config { process, policy } = config;
        Self {
            ok: true,
            listen: process.listen.to_string(),
            admin_listen: process.admin_listen.to_string(),
            tls: policy.tls.is_some(),
            tls_certificate_ends: policy.tls_expires.map(layout::time),
            tls_by_trusted_proxies: policy.front.https_by_proxy,
            trusted_proxies: policy.front.proxies.iter().map(ToString::to_string).collect(),
            workers: process.workers,
            routes: policy.routes.iter().map(|route| RouteView::new(route, policy)).collect(),
        }
    }
}

impl RouteView {
    fn new(route: &Route, policy: &Policy) -> Self {
        let all = |texts: &[Box<str>]| texts.iter().map(ToString::to_string).collect();
        Self {
            name: route.name.to_string(),
            path: route.path.to_string(),
            provider: route.provider.to_string(),
            mode: route.mode.name(),
            methods: all(&route.methods),
            key_ids: route.keys.ids().map(str::to_owned).collect(),
            key_set: route.key_ring.as_ref().map(|ring| ring.keys().map_or(0, |keys| keys.len())),
            tolerance_seconds: route.scheme.timestamp.as_ref().map(|_| route.tolerance.as_secs()),
            replay_window_seconds: message_window(route).map(|window| window.as_secs()),
            event_window_seconds: route.replay.filter(|_| route.signs_delivery_id()).map(|window| window.as_secs()),
            on_duplicate: on_duplicate(route.on_duplicate),
            delivery_id: route.delivery_id.as_ref().map(field),
            delivery_id_signed: route.signs_delivery_id(),
            max_body: route.max_body,
            content_types: all(&route.content_types),
            events: all(&route.events),
            sources: route.sources.iter().map(ToString::to_string).collect(),
            client_sans: route.client_sans.iter().map(ToString::to_string).collect(),
            schema: route.schema.is_some(),
            upstream: policy.upstreams.get(route.upstream).map(upstream),
            upstream_path: route.upstream_path.as_ref().map(ToString::to_string),
            keys_from: keys_from(route),
            tokens_asked_at: route.network.tokens.as_ref().map(|introspector| introspector.url().to_string()),
            expires: route.expires.map(layout::time),
            owner: route.owner.as_ref().map(ToString::to_string),
        }
    }

    fn row(&self, route: &Route) -> [String; 10] {
        let replay = match (route.replay, message_window(route)) {
            (None, _) => "off".to_owned(),
            (Some(_), window) => or_dash(window.map(layout::duration)),
        };
        [
            self.name.clone(),
            self.path.clone(),
            self.provider.clone(),
            self.mode.to_owned(),
            self.methods.join(","),
            match self.key_set {
                Some(count) if self.key_ids.is_empty() => format!("set of {count}"),
                _ => self.key_ids.join(","),
            },
            or_dash(self.tolerance_seconds.map(|_| layout::duration(route.tolerance))),
            replay,
            self.expires.clone().unwrap_or_else(|| "never".to_owned()),
            or_dash(self.owner.as_deref()),
        ]
    }
}

fn as_text(config: &Config) -> String {
    let Config { process, policy } = config;
    let tls = match policy.tls_expires {
        Some(end) => format!("yes; the certificate ends {}", layout::time(end)),
        None if policy.tls.is_some() => "yes".to_owned(),
        None if policy.front.https_by_proxy => "ended by trusted proxies".to_owned(),
        None => "no: plaintext".to_owned(),
    };
    let facts = [
        ("listen", process.listen.to_string()),
        ("TLS", tls),
        ("admin", process.admin_listen.to_string()),
        ("upstream", policy.upstreams.first().map(upstream).unwrap_or_default()),
        ("workers", process.workers.to_string()),
    ];
    let head = ["ROUTE", "PATH", "PROVIDER", "MODE", "METHODS", "KEYS", "TOLERANCE", "REPLAY", "EXPIRES", "OWNER"];
    let rows: Vec<_> = policy.routes.iter().map(|route| RouteView::new(route, policy).row(route)).collect();
    format!("configuration is fine\n\n{}\n{}{}", list(&facts), table(head, &rows), fetched(policy))
}

/// Where keys come from that are not configured.
fn keys_from(route: &Route) -> Option<String> {
    let fetched = route.network.keys.as_ref().map(|fetched| fetched.source().to_string());
    let named = || Some(route.network.named.as_ref()?.certificates()?.whence());
    fetched.or_else(named).or_else(|| Some(route.network.by_id.as_ref()?.base().to_owned()))
}

/// What the sidecar will ask the network for; `check` itself asks nobody.
fn fetched(policy: &Policy) -> String {
    let line = |what: String| format!("\n{what}\n");
    let of_route = |route: &Arc<Route>| {
        let name = &route.name;
        let keys = route.network.keys.as_ref().map(|keys| format!("{name}: keys are fetched from {}", keys.source()));
        let tokens =
            route.network.tokens.as_ref().map(|asked| format!("{name}: tokens are asked about at {}", asked.url()));
        let named = route.network.named.as_ref().filter(|named| named.needs_network());
        let named = named.and_then(|named| Some((named, named.certificates()?))).map(|(named, certificates)| {
            let confirms = if named.confirms() { "; subscriptions are confirmed" } else { "" };
            format!("{name}: certificates come from {}{confirms}", certificates.whence())
        });
        let by_id = route.network.by_id.as_ref();
        let by_id =
            by_id.map(|keys| format!("{name}: keys are fetched from {}, each when a message names it", keys.base()));
        keys.into_iter().chain(tokens).chain(named).chain(by_id)
    };
    policy.routes.iter().flat_map(of_route).map(line).collect()
}

/// How long the very bytes of an accepted message are known again. A message whose time is signed is stale after that;
/// a token is no proof of any bytes, so nothing is known again.
fn message_window(route: &Route) -> Option<Duration> {
    let window = route.replay?;
    match &route.scheme.timestamp {
        _ if !route.scheme.is_per_message() => None,
        Some(_) => Some(route.tolerance.saturating_mul(2)),
        None => Some(window),
    }
}

fn on_duplicate(on_duplicate: OnDuplicate) -> &'static str {
    match on_duplicate {
        OnDuplicate::ByKind => "by_kind",
        OnDuplicate::Ack => "ack",
        OnDuplicate::Reject => "reject",
    }
}

fn upstream(upstream: &Upstream) -> String {
    match upstream {
        Upstream::Tcp(address) => address.to_string(),
        Upstream::Name(name) => name.to_string(),
        Upstream::Unix(path) => format!("unix:{}", path.display()),
        Upstream::Tls(tls) => format!("https://{}", tls.address),
    }
}

/// A field as `DELIVERY_ID` writes it.
pub(super) fn field(field: &Field) -> String {
    match field {
        Field::Header(name) => format!("header:{name}"),
        Field::Json(path) => format!("json:{path}"),
        Field::Form(name) => format!("form:{name}"),
        Field::Query(name) => format!("query:{name}"),
        Field::Claim(path) => format!("claim:{path}"),
    }
}
