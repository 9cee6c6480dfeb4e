//! Who is locked out, and lifting it: `GET /lockouts`, `DELETE /lockouts/{route}/{source}`, `DELETE /lockouts`.
//!
//! Listing is private as the status page is. Lifting changes something, so it wants the admin token wherever the caller
//! is: everything in a pod, the service that is guarded too, comes from loopback.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

use crate::clock::Now;
use crate::limits::lockout::{Lock, Lockouts};
use crate::limits::source::Source;
use crate::pipeline::Shared;

use super::{Admin, token_required};

/// The locks that hold.
#[derive(Debug, Serialize)]
struct Locks {
    lockouts: Vec<Locked>,
}

/// One lock.
#[derive(Debug, Serialize)]
struct Locked {
    /// An address, or an IPv6 network of 64 bits.
    source: String,
    route: String,
    seconds_left: u64,
    /// How many locks in a row, this one included: each lasts twice as long as the one before.
    locks: u32,
}

/// How many locks a request lifted.
#[derive(Debug, Serialize)]
struct Lifted {
    lifted: usize,
}

pub(super) async fn list(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !admin.permits(caller, &headers) {
        return token_required();
    }
    let Some(lockouts) = &admin.shared.limits.lockouts else { return off() };
    let locks = lockouts.list(Now::read()).into_iter().map(|lock| Locked::new(&admin.shared, lock));
    Json(Locks { lockouts: locks.collect() }).into_response()
}

pub(super) async fn lift(
    State(admin): State<Admin>,
    Path((route, source)): Path<(String, IpAddr)>,
    headers: HeaderMap,
) -> Response {
    change(&admin, &headers, |lockouts, now| {
        let live = admin.shared.live();
        let route = live.policy.routes.iter().position(|known| *known.name == *route);
        let lifted = route.is_some_and(|route| lockouts.lift(Source::from(source), route, now));
        usize::from(lifted)
    })
}

pub(super) async fn lift_all(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    change(&admin, &headers, |lockouts, now| {
        let locks = lockouts.list(now);
        locks.into_iter().filter(|lock| lockouts.lift(lock.source, lock.route, now)).count()
    })
}

/// Changes something, for who shows the token, and says what.
fn change(admin: &Admin, headers: &HeaderMap, act: impl FnOnce(&Lockouts, Now) -> usize) -> Response {
    if !admin.shows_token(headers) {
        return token_required();
    }
    let Some(lockouts) = &admin.shared.limits.lockouts else { return off() };
    match act(lockouts, Now::read()) {
        0 => (StatusCode::NOT_FOUND, "there is no such lock\n").into_response(),
        lifted => {
            tracing::warn!(lifted, "lock-outs were lifted by the admin port");
            Json(Lifted { lifted }).into_response()
        }
    }
}

fn off() -> Response {
    (StatusCode::NOT_FOUND, "HOOKWARDEN_LOCKOUT is off\n").into_response()
}

impl Locked {
    fn new(shared: &Shared, lock: Lock) -> Self {
        let route = shared.live().route(Some(lock.route)).map(|route| route.name.to_string());
        Self {
            source: lock.source.to_string(),
            route: route.unwrap_or_default(),
            seconds_left: lock.left.as_secs(),
            locks: lock.locks,
        }
    }
}
