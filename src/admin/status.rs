//! What `/status` says: the policy in force as a person would ask about it, without any secret.

use serde::Serialize;

use crate::pipeline::Shared;
use crate::policy::Route;

use super::Readiness;

/// The policy in force.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    state: &'static str,
    connections: usize,
    in_flight: usize,
    replay_entries: usize,
    routes: Vec<RouteStatus>,
}

#[derive(Debug, Serialize)]
struct RouteStatus {
    name: String,
    path: String,
    provider: String,
    mode: &'static str,
    methods: Vec<String>,
    key_ids: Vec<String>,
    owner: Option<String>,
    expires: Option<u64>,
}

impl Status {
    pub(super) fn new(shared: &Shared, readiness: Readiness) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            state: match readiness {
                Readiness::Starting => "starting",
                Readiness::Ready => "ready",
                Readiness::Draining => "draining",
            },
            connections: shared.budgets.connections(),
            in_flight: shared.budgets.in_flight(),
            replay_entries: shared.replay.entries(),
            routes: shared.live().policy.routes.iter().map(|route| RouteStatus::new(route)).collect(),
        }
    }
}

impl RouteStatus {
    fn new(route: &Route) -> Self {
        Self {
            name: route.name.to_string(),
            path: route.path.to_string(),
            provider: route.provider.to_string(),
            mode: route.mode.name(),
            methods: route.methods.iter().map(ToString::to_string).collect(),
            key_ids: route.keys.iter().map(|key| key.id.to_string()).collect(),
            owner: route.owner.as_ref().map(ToString::to_string),
            expires: route.expires,
        }
    }
}
