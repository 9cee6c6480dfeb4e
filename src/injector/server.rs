//! The door: TLS, and `POST /mutate` behind it; and the admin port, as the sidecar's.
//!
//! Bounded: so many connections, handshakes and reviews at once, each with its time. A connection that nothing comes over
//! for a while is closed; API servers keep theirs open and open another when they need one.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::{Sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock::Now;
use crate::inject::review::{Namespace, Request};

use super::certificates::{self, Shown};
use super::cluster::Cluster;
use super::metrics::Metrics;
use super::{Settings, Source};

/// Connections at once. An API server has a few.
const MAX_CONNECTIONS: usize = 256;

/// Reviews that are read and answered at once: they bound the memory.
const MAX_REVIEWS: usize = 16;

/// The largest review. An API server takes objects of up to 3 MiB.
const MAX_REVIEW: usize = 4 << 20;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How long a review may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(5);

/// How long a connection may be quiet.
const QUIET: Duration = Duration::from_secs(5 * 60);

/// The pause after a failed accept: out of descriptors, most likely, and asking again at once would only spin.
const BACK_OFF: Duration = Duration::from_millis(50);

/// All that answering needs.
#[derive(Debug)]
pub(super) struct Served {
    settings: Settings,
    cluster: Option<Arc<Cluster>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) shown: Arc<Shown>,
    reviews: Semaphore,
    stopping: watch::Receiver<bool>,
}

impl Served {
    pub(super) fn new(
        settings: Settings,
        cluster: Option<Arc<Cluster>>,
        metrics: Arc<Metrics>,
        shown: Arc<Shown>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { settings, cluster, metrics, shown, reviews: Semaphore::new(MAX_REVIEWS), stopping }
    }

    /// Looks at the certificate's files.
    pub(super) fn look(&self) {
        let Source::Files { certificate, key } = &self.settings.certificates else { return };
        match self.shown.look(certificate, key) {
            Ok(false) => {}
            Ok(true) => {
                self.metrics.reloaded(true);
                tracing::info!("the certificate has changed; the new one is shown");
            }
            Err(problem) => {
                self.metrics.reloaded(false);
                tracing::error!(problem, "the certificate has changed, but cannot be used; the old one is shown on");
            }
        }
    }

    /// What the namespace of a review says, where that makes a difference.
    async fn namespace(&self, request: &Request) -> Result<Arc<Namespace>, String> {
        match &self.cluster {
            Some(cluster) if request.is_of_a_new_pod() => cluster.namespace(&request.namespace).await,
            _ => Ok(Arc::default()),
        }
    }

    fn is_ready(&self) -> bool {
        self.shown.is_there() && !*self.stopping.borrow()
    }
}

/// Serves both ports until it is told to stop.
pub(super) async fn run(
    listener: TcpListener,
    admin: TcpListener,
    served: Arc<Served>,
    stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let tls = certificates::tls(served.shown.clone()).map_err(io::Error::other)?;
    let door = Door::open(listener, TlsAcceptor::from(Arc::new(tls)), served.metrics.clone(), stopping.clone())?;
    let until = |mut stopping: watch::Receiver<bool>| async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let reviews = axum::serve(door, router(served.clone())).with_graceful_shutdown(until(stopping));
    // The admin port answers for as long as reviews are answered.
    let admin = axum::serve(admin, admin_router(served));
    tokio::select! {
        ended = reviews.into_future() => ended,
        ended = admin.into_future() => ended,
    }
}

fn router(served: Arc<Served>) -> Router {
    Router::new().route("/mutate", post(mutate)).with_state(served)
}

async fn mutate(State(served): State<Arc<Served>>, body: Body) -> Response {
    let started = Now::read();
    // The semaphore is never closed.
    let _permit = served.reviews.acquire().await.ok();
    let refuse = |status: StatusCode, reason: &str, problem: String| {
        served.metrics.unanswered(reason);
        tracing::warn!(reason, problem, "no review was answered: the failurePolicy decides");
        (status, format!("{problem}\n")).into_response()
    };
    let bytes = match timeout(ARRIVAL, axum::body::to_bytes(body, MAX_REVIEW)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string()),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "slow", "the review did not arrive in time".to_owned()),
    };
    let request = match Request::parse(&bytes) {
        Ok(request) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, "malformed", error.to_string()),
    };
    let namespace = match served.namespace(&request).await {
        Ok(namespace) => namespace,
        Err(problem) => return refuse(StatusCode::SERVICE_UNAVAILABLE, "namespace_unknown", problem),
    };
    let answer = request.answer(&namespace, &served.settings.namespace, &served.settings.image);
    let took = Now::read().instant.saturating_duration_since(started.instant);
    served.metrics.reviewed(answer.verdict, took.as_secs_f64());
    tracing::info!(namespace = request.namespace, verdict = answer.verdict.name(), why = answer.why, "reviewed");
    Json(answer.body).into_response()
}

fn admin_router(served: Arc<Served>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/startupz", get(started))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(served)
}

async fn started(State(served): State<Arc<Served>>) -> Response {
    if served.shown.is_there() {
        return "started\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "no certificate yet\n").into_response()
}

async fn ready(State(served): State<Arc<Served>>) -> Response {
    if served.is_ready() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
}

async fn metrics(State(served): State<Arc<Served>>) -> Response {
    match served.metrics.render(served.shown.expires()) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Connections that have shaken hands, one after the other.
struct Door {
    address: SocketAddr,
    secured: mpsc::Receiver<(Connection, SocketAddr)>,
}

impl Door {
    /// Handshakes are made in tasks of their own: a slow one keeps nobody waiting.
    fn open(
        listener: TcpListener,
        tls: TlsAcceptor,
        metrics: Arc<Metrics>,
        mut stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let (address, (sender, secured)) = (listener.local_addr()?, mpsc::channel(1));
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        spawn_local(async move {
            while let Ok(permit) = permits.clone().acquire_owned().await {
                let accepted = tokio::select! {
                    _ = stopping.wait_for(|stop| *stop) => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, from)) => {
                        let (tls, metrics, sender) = (tls.clone(), metrics.clone(), sender.clone());
                        spawn_local(async move {
                            match timeout(HANDSHAKE, tls.accept(stream)).await {
                                Ok(Ok(stream)) => drop(sender.send((Connection::new(stream, permit), from)).await),
                                _ => metrics.handshake_failed(),
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(BACK_OFF).await;
                    }
                }
            }
        });
        Ok(Self { address, secured })
    }
}

impl axum::serve::Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.secured.recv().await {
            Some(secured) => secured,
            // It is to stop, and whoever asks for the next one is told so by other means.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// A connection that ends when nothing comes over it for a while.
struct Connection {
    stream: TlsStream<TcpStream>,
    quiet: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TlsStream<TcpStream>, permit: OwnedSemaphorePermit) -> Self {
        Self { stream, quiet: Box::pin(tokio::time::sleep(QUIET)), _permit: permit }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buf) {
            Poll::Ready(read) => {
                let until = Now::read().plus(QUIET).instant;
                self.quiet.as_mut().reset(until.into());
                Poll::Ready(read)
            }
            Poll::Pending => self.quiet.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
