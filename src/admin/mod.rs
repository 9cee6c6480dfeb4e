//! The admin port: health for the kubelet, metrics for Prometheus, and a status page for people.
//!
//! `/healthz`, `/readyz`, `/startupz` and `/metrics` are open, since they hold nothing that a neighbour must not see.
//! `/status` names routes, keys' ids and owners, so it wants the admin token, or a caller on this machine where no token
//! is set. `/lockouts` tells who is locked out; lifting a lock is the one thing that can be changed here, and always wants
//! the token; so does `/jobs`, by which scheduled jobs say how they ended. Deliberately absent: the process's environment.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, get, post};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use crate::clock::Now;
use crate::config::Secret;
use crate::pipeline::Shared;

mod gauges;
mod jobs;
mod lockouts;
mod status;

/// Whether the sidecar takes webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Starting,
    /// Yes.
    Ready,
    /// No longer.
    Draining,
}

/// What the admin port shows.
#[derive(Debug, Clone)]
pub struct Admin {
    shared: Arc<Shared>,
    ready: watch::Receiver<Readiness>,
    token: Option<[u8; 32]>,
}

impl Admin {
    /// Of the token only a digest is kept, which also makes its comparison one of constant time and length.
    #[must_use]
    pub fn new(shared: Arc<Shared>, ready: watch::Receiver<Readiness>, token: Option<Secret>) -> Self {
        Self { shared, ready, token: token.map(|token| Sha256::digest(token.expose()).into()) }
    }

    fn permits(&self, caller: SocketAddr, headers: &HeaderMap) -> bool {
        match &self.token {
            None => caller.ip().to_canonical().is_loopback(),
            Some(_) => self.shows_token(headers),
        }
    }

    /// Whether the token was shown. Nobody can show one that is not set.
    fn shows_token(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.token else { return false };
        let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        presented.is_some_and(|token| Sha256::digest(token).as_slice().ct_eq(expected).into())
    }
}

/// Serves the admin port on a thread of its own, for as long as the process lives.
///
/// # Errors
/// The system refuses the thread or the runtime.
pub fn spawn(listener: TcpListener, admin: Admin) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router(admin).into_make_service_with_connect_info::<SocketAddr>()).await
        });
        if let Err(error) = served {
            tracing::error!(%error, "the admin port has stopped");
        }
    })?;
    Ok(())
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/startupz", get(startup))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(show_status))
        .route("/lockouts", get(lockouts::list).delete(lockouts::lift_all))
        .route("/lockouts/{route}/{source}", delete(lockouts::lift))
        .route("/jobs", post(jobs::ended))
        .with_state(admin)
}

async fn startup(State(admin): State<Admin>) -> Response {
    match *admin.ready.borrow() {
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        Readiness::Ready | Readiness::Draining => "started\n".into_response(),
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    match *admin.ready.borrow() {
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        Readiness::Ready => "ready\n".into_response(),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.shared.metrics.render(&gauges::snapshot(&admin.shared, Now::read())) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn show_status(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if admin.permits(caller, &headers) {
        let readiness = *admin.ready.borrow();
        return Json(status::Status::new(&admin.shared, readiness)).into_response();
    }
    token_required()
}

fn token_required() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, "the admin token is required\n").into_response()
}
