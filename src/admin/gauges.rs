//! What a scrape finds: the gauges of the budgets, the replay store and the policy in force.

use crate::auth::keys::Key;
use crate::clock::Now;
use crate::observe::metrics::RouteMeters;
use crate::observe::snapshot::{KeySnapshot, RouteSnapshot, Snapshot, StoreSnapshot};
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
    }
}
