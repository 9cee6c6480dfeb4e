//! Environment in, configuration out: every setting is asked for, every fault is kept, and nothing is bound or changed
//! before there is none.

use std::collections::BTreeMap;

use crate::auth::keys::Key;
use crate::fetch::source::Known;
use crate::policy::{ErrorDetail, Policy, Route, Timeouts};
use crate::route::{PathPattern, RouteTable};

use super::files::{Files, Used};
use super::process::{self, Bounds};
use super::reader::{Loading, Reader, without_newline};
use super::route::{self, Surroundings};
use super::tls::{Resumption, Tls};
use super::{
    Config, Environment, Fault, PREFIX, Watch, fetch, front, names, own_providers, ranges, tls, upstream, values,
};

/// What outlives a load.
pub(super) struct Left {
    /// What is fetched already.
    known: Known,
    /// What TLS sessions are resumed by.
    resumption: Option<Resumption>,
}

/// Loads the configuration, and tells what to watch. Reads the environment that it is given, the files that settings
/// name, and the number of CPUs.
///
/// # Errors
/// All faults, by variable.
pub fn load(environment: &Environment) -> Result<(Config, Watch), Vec<Fault>> {
    let mut loading = Loading::new(environment);
    loading.faults = names::unknown(environment);
    let (process, bounds) = process::read(&mut loading.global());
    // What holds for the life of the process is not watched.
    loading.files = Files::default();
    match read_policy(&mut loading, bounds) {
        Some(policy) if loading.faults.is_empty() => {
            let left = Left { known: loading.known, resumption: loading.resumption };
            Ok((Config { process, policy }, Watch::new(environment.clone(), bounds, loading.files, left)))
        }
        _ => Err(loading.into_faults()),
    }
}

/// Loads the policy anew. What holds for the life of the process is left as it is, so that nothing there can keep a
/// revoked key alive. What is known of the network is taken over: a policy that names the same source finds it. Gives the
/// files that were read, too.
pub(super) fn reload(
    environment: &Environment,
    bounds: Bounds,
    left: &mut Left,
    held: Used,
) -> (Files, Result<Policy, Vec<Fault>>) {
    let mut loading = Loading::new(environment);
    (loading.resumption, loading.known) = (left.resumption.clone(), std::mem::take(&mut left.known));
    loading.files.held = held;
    let policy = read_policy(&mut loading, bounds);
    let files = std::mem::take(&mut loading.files);
    left.known = std::mem::take(&mut loading.known);
    match policy {
        Some(policy) if loading.faults.is_empty() => {
            left.resumption = loading.resumption;
            (files, Ok(policy))
        }
        _ => (files, Err(loading.into_faults())),
    }
}

fn read_policy(loading: &mut Loading<'_>, bounds: Bounds) -> Option<Policy> {
    let mut reader = loading.global();
    let (tls, https_by_proxy) = tls::read(&mut reader, bounds);
    let front = front::read(&mut reader, https_by_proxy);
    let timeouts = timeouts(&mut reader);
    let error_detail = reader.value("ERROR_DETAIL", error_detail).unwrap_or(ErrorDetail::Minimal);
    let resign = resign(&mut reader);
    let body_digest = reader.value("AUDIT_BODY_DIGEST", values::boolean).unwrap_or_default();
    let authorities = upstream::authorities(&mut reader);
    let upstreams = reader.value("UPSTREAM", |text| authorities.upstream(text)).into_iter().collect();
    let providers = own_providers::read(&mut reader);
    let (trust, known) = (fetch::trust(&mut reader), reader.take_known());
    let (max_buffered, asks_clients) = (bounds.max_buffered, reader.is_set("TLS_CLIENT_CA_FILE"));
    let ranges = ranges::read(&mut reader);
    let mut around =
        Surroundings { max_buffered, upstreams, authorities, providers, ranges, asks_clients, trust, known };
    let routes = routes(loading, &mut around);
    loading.known = std::mem::take(&mut around.known);
    upstream::refuse_unused(&mut loading.global(), &around.upstreams);
    let routes = routes?;
    let client = fetch::client(&mut loading.global(), &routes, around.trust);
    let (routes, upstreams) = (RouteTable::new(routes), around.upstreams);
    let (tls, tls_expires, clients) = match tls {
        Some(Tls { config, expires, clients }) => (Some(config), Some(expires), clients),
        None => (None, None, None),
    };
    Some(Policy {
        routes,
        upstreams,
        timeouts,
        error_detail,
        resign,
        body_digest,
        tls,
        tls_expires,
        clients,
        front,
        client,
    })
}

fn routes(loading: &mut Loading<'_>, around: &mut Surroundings) -> Option<Vec<Route>> {
    let names = names::routes(loading.environment());
    if names.is_empty() {
        loading.faults.push(no_route());
    }
    let mut paths = BTreeMap::new();
    let read = |name| {
        let mut reader = loading.route(name);
        let path = path(&mut reader, name, &mut paths);
        route::read(&mut reader, name, path, around)
    };
    // All are read before the first that failed ends it.
    let routes: Vec<Option<Route>> = names.into_iter().map(read).collect();
    routes.into_iter().collect()
}

fn no_route() -> Fault {
    Fault {
        variable: format!("{PREFIX}ROUTE_<NAME>_PATH"),
        problem: "there is no route, so nothing could be let through".into(),
        accepted: format!("at least {PREFIX}ROUTE_<NAME>_PATH, _PROVIDER and _SECRET_FILE"),
        hint: None,
    }
}

/// A route's pattern, which no other route has.
fn path<'n>(reader: &mut Reader<'_, '_>, name: &'n str, paths: &mut BTreeMap<String, &'n str>) -> Option<PathPattern> {
    let pattern = reader.required("PATH", values::path)?;
    let written = pattern.to_string();
    if let Some(other) = paths.get(&written) {
        let (other, name) = (other.to_ascii_lowercase(), name.to_ascii_lowercase());
        reader.fault("PATH", format!("{written} is the path of route {other:?} already, and of {name:?}"));
        return None;
    }
    paths.insert(written, name);
    Some(pattern)
}

fn timeouts(reader: &mut Reader<'_, '_>) -> Timeouts {
    let mut positive = |name| reader.value(name, values::positive_duration).unwrap_or_default();
    let (header, body, idle) = (positive("HEADER_TIMEOUT"), positive("BODY_TIMEOUT"), positive("IDLE_TIMEOUT"));
    let (upstream_connect, upstream) = (positive("UPSTREAM_CONNECT_TIMEOUT"), positive("UPSTREAM_TIMEOUT"));
    let body_min_rate = reader.value("BODY_MIN_RATE", values::size).unwrap_or_default();
    Timeouts { header, body, body_min_rate, idle, upstream_connect, upstream }
}

fn error_detail(text: &str) -> values::Parsed<ErrorDetail> {
    values::word(text, &[("minimal", ErrorDetail::Minimal), ("full", ErrorDetail::Full)])
}

fn resign(reader: &mut Reader<'_, '_>) -> Option<Key> {
    let (path, content) = reader.file("RESIGN_SECRET_FILE")?;
    Key::for_resigning(without_newline(&content.bytes))
        .map_err(|fault| reader.fault("RESIGN_SECRET_FILE", format!("{}: {fault}", path.display())))
        .ok()
}
