//! The mutating admission webhook: [`inject`](crate::inject) over HTTPS, for an API server that asks about each new pod.
//!
//! ```text
//!   server        the door      TLS, bounds, POST /mutate; and the admin port
//!   certificates  what it shows from files that are watched, or its own
//!   own           its own       an authority and a certificate in a Secret, renewed before they end
//!   cluster       whom it asks  the API server: a namespace, that Secret, its webhook configuration
//!   metrics       what happened
//!   collect       the same API server, asked for what scheduled jobs look at
//! ```
//!
//! One thread serves: a review takes microseconds, and an API server that has thousands a second to ask has other
//! troubles. When something is not known (the API server does not answer), the review is answered with a 503, and so the
//! cluster's `failurePolicy` decides: the choice between open and closed is the operator's, and stands in one place.
//!
//! Deliberately absent: `kube` and `k8s-openapi`, which would double the binary for three kinds of requests; client
//! certificates of API servers (a `NetworkPolicy` says who may ask, and an answer tells nothing that the pod does not).

mod certificates;
mod cluster;
pub mod collect;
mod metrics;
mod own;
mod server;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::listen::{CannotListen, bind};

use certificates::Shown;
use cluster::Cluster;
use metrics::Metrics;
use own::Keeper;
use server::Served;

/// How often certificates are looked at: in files, a changed one is live within seconds.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often the own certificate and the webhook configuration are looked at. Nothing there is in a hurry: certificates
/// are renewed days before they end.
const KEEP_EVERY: Duration = Duration::from_secs(30);

/// How long reviews that are on their way may take once it is to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Where certificates come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Files that somebody else renews: cert-manager, say.
    Files {
        /// The certificate, then its intermediates.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// The injector's own, kept in a Secret.
    Own {
        /// The Secret's name; it is in the injector's namespace.
        secret: String,
        /// The name of the Service that API servers call.
        service: String,
        /// The webhook configuration whose `caBundle` is written.
        webhook: String,
    },
}

/// What the injector is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where reviews come to.
    pub listen: SocketAddr,
    /// Where probes and scrapes come to.
    pub admin_listen: SocketAddr,
    /// Where certificates come from.
    pub certificates: Source,
    /// The namespace that it is in.
    pub namespace: String,
    /// The sidecar's image where nobody names one.
    pub image: String,
    /// Where the API server is.
    pub api_server: String,
    /// The directory with a service account's `token` and `ca.crt`.
    pub service_account: PathBuf,
}

/// Why it could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A port cannot be bound.
    #[error("{0}")]
    Listen(#[from] CannotListen),
    /// The certificates cannot be used.
    #[error("{0}")]
    Certificates(String),
    /// There is no API server to ask, and it is needed.
    #[error("{0}")]
    Cluster(String),
    /// The system refused something.
    #[error("the system refused a resource: {0}")]
    System(#[from] io::Error),
    /// The meters cannot be set up.
    #[error("the meters cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Serves until a signal ends it.
///
/// # Errors
/// It could not start.
pub fn run(settings: Settings) -> Result<(), Failed> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failed> {
    // Before anybody is told that it is ready: without these, a signal would end the process at once.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (listener, admin) = (listen(settings.listen)?, listen(settings.admin_listen)?);
    let cluster = Cluster::new(&settings.api_server, &settings.service_account).map_err(Failed::Cluster)?;
    let metrics = Arc::new(Metrics::new()?);
    let shown = Arc::new(Shown::default());
    let keeper = Keeper::new(&settings, cluster.clone()).map_err(Failed::Cluster)?;
    if let Source::Files { certificate, key } = &settings.certificates {
        shown.look(certificate, key).map_err(Failed::Certificates)?;
    }
    let (stop, stopping) = watch::channel(false);
    let (addresses, looks_up) = ((listener.local_addr()?, admin.local_addr()?), cluster.is_some());
    let served = Arc::new(Served::new(settings, cluster, metrics, shown.clone(), stopping.clone()));
    tracing::info!(listen = %addresses.0, admin = %addresses.1, looks_up_namespaces = looks_up, version = env!("CARGO_PKG_VERSION"), "listening");
    tokio::select! {
        served = server::run(listener, admin, served.clone(), stopping) => served?,
        () = look_after(&served, keeper) => {}
        () = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.send_replace(true);
            tracing::info!(grace = ?GRACE, "draining");
            tokio::time::sleep(GRACE).await;
        } => {}
    }
    tracing::info!("stopped");
    Ok(())
}

fn listen(address: SocketAddr) -> Result<tokio::net::TcpListener, Failed> {
    let socket = bind::sockets(address, 1)?.pop().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    Ok(tokio::net::TcpListener::from_std(socket)?)
}

/// Keeps the certificates fresh, for as long as it is let.
async fn look_after(served: &Served, keeper: Option<Keeper>) {
    let every = if keeper.is_some() { KEEP_EVERY } else { LOOK_EVERY };
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        match &keeper {
            Some(keeper) => keeper.keep(&served.shown, &served.metrics).await,
            None => served.look(),
        }
    }
}

#[cfg(test)]
mod tests;
