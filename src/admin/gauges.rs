//! What a scrape finds: the gauges of the budgets, the replay store and the policy in force.

use crate::auth::keys::Key;
use crate::clock::Now;
use crate::fetch::introspect::{Counts, Introspector};
use crate::fetch::source::Health;
use crate::observe::metrics::RouteMeters;
use crate::observe::snapshot::{
    FetchSnapshot, IntrospectionSnapshot, KeySnapshot, RouteSnapshot, Snapshot, StoreSnapshot,
};
use crate::pipeline::Shared;
use crate::policy::Route;
use crate::replay::Replay;

/// The gauges at this moment.
pub(super) fn snapshot(shared: &Shared, now: Now) -> Snapshot {
    let live = shared.live();
    let routes = live.policy.routes.iter().zip(&live.meters);
    Snapshot {
        now,
        connections: shared.budgets.connections(),
        in_flight: shared.budgets.in_flight(),
        buffered_bytes: shared.budgets.buffered_bytes(),
        shed: shared.budgets.shed(),
        rated_sources: shared.limits.sources.as_ref().map(|sources| sources.len(now)),
        lockouts: shared.limits.lockouts.as_ref().map(|lockouts| (lockouts.len(now), lockouts.total())),
        replay_entries: shared.replay.entries(),
        replay_capacity: shared.replay.capacity(),
        replay_evictions: shared.replay.evictions(),
        replay_journal_errors: shared.replay.journal_errors(),
        replay_store: shared.replay.shared_is_up().map(|up| StoreSnapshot {
            up,
            errors: shared.replay.shared_errors(),
            unconfirmed: shared.replay.unconfirmed(),
            late_settlements: shared.replay.late_settlements(),
        }),
        audit_dropped: shared.audit.dropped(),
        tls_expires: live.policy.tls_expires,
        routes: routes.map(|(route, meters)| route_snapshot(route, meters, &shared.replay, now)).collect(),
    }
}

fn route_snapshot(route: &Route, meters: &RouteMeters, replay: &Replay, now: Now) -> RouteSnapshot {
    let key = |(index, key): (usize, &Key)| KeySnapshot {
        id: key.id.to_string(),
        since: key.since,
        last_used: meters.last_used(index),
    };
    // Claims of signed times never give way; the others remember as far back as there is room.
    let window = route.replay.map(|window| match route.scheme.timestamp {
        Some(_) => route.tolerance.saturating_mul(2),
        None => replay.window_left(window, now),
    });
    RouteSnapshot {
        name: route.name.to_string(),
        expires: route.expires,
        replay_window: window.map(|window| window.as_secs_f64()),
        keys: route.keys.iter().enumerate().map(key).collect(),
        fetched: fetch_snapshot(route),
        introspection: route.network.tokens.as_ref().map(|introspector| introspection_snapshot(introspector)),
    }
}

fn fetch_snapshot(route: &Route) -> Option<FetchSnapshot> {
    let (keys, named) = (&route.network.keys, &route.network.named);
    // Certificates last as long as each says itself: there is no time from which on all are old.
    let of_named = || named.as_ref().map(|named| Health { since: None, ..named.health() });
    let by_id = route.network.by_id.as_ref();
    let health = keys.as_ref().map(|keys| keys.health()).or_else(of_named).or_else(|| by_id.map(|keys| keys.health()));
    let Health { answers, failures, since, keys } = health?;
    let wanted = by_id.map(|keys| keys.wishes());
    Some(FetchSnapshot { keys, wanted, since: since.map(|since| since.as_secs()), answers, failures })
}

fn introspection_snapshot(introspector: &Introspector) -> IntrospectionSnapshot {
    let Counts { active, inactive, failed, remembered } = introspector.counts();
    let questions = [("active", active), ("inactive", inactive), ("failure", failed), ("remembered", remembered)];
    IntrospectionSnapshot { questions, entries: introspector.remembered() }
}
