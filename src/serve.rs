//! Composition: configuration to state, workers, signals, reload, drain.
//!
//! One thread a worker, each with its own runtime, listening socket and pool of upstream connections; they share the
//! policy, the replay store, the budgets and the meters. The main thread hears signals, looks at the watched files
//! and purges the replay store; the admin port has a thread of its own, so that a scrape never waits behind traffic, and
//! so has the fetching of keys, where a route needs it: neither start-up nor readiness waits for that.

mod descriptors;
mod self_audit;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::LocalSet;

use crate::admin::{self, Admin, Readiness};
use crate::clock::Now;
use crate::config::{Change, Config, Fault, Process, Watch};
use crate::drain::Phase;
use crate::fetch;
use crate::fetch::keeper::InForce;
use crate::limits::budget::Budgets;
use crate::listen::{self, CannotListen};
use crate::observe::audit_log::{AuditLog, CannotOpen};
use crate::observe::metrics::Metrics;
use crate::pipeline::{Live, Shared, Worker};
use crate::policy::Policy;
use crate::replay::{self, Replay};

use self_audit::SelfAudit;

/// How often watched files are looked at: well within the 5 seconds that a revocation may take.
const RELOAD_EVERY: Duration = Duration::from_secs(1);

/// How often a worker closes upstream connections that idle for too long, and gives back memory that nobody needs.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// How long exchanges may take to answer their clients once the grace is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long the shared replay store may take to hear of the last settlements.
const LAST_CLAIMS: Duration = Duration::from_secs(3);

/// Why the sidecar could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// `LISTEN` cannot be bound.
    #[error("HOOKWARDEN_LISTEN: {0}")]
    Listen(CannotListen),
    /// `ADMIN_LISTEN` cannot be bound.
    #[error("HOOKWARDEN_ADMIN_LISTEN: {0}")]
    AdminListen(CannotListen),
    /// `AUDIT_LOG` cannot be opened.
    #[error("HOOKWARDEN_AUDIT_LOG: {0}")]
    AuditLog(#[from] CannotOpen),
    /// `REPLAY_JOURNAL` cannot be used.
    #[error("HOOKWARDEN_REPLAY_JOURNAL: {0}")]
    Journal(#[from] replay::CannotOpen),
    /// The system refused a thread, a runtime or a signal handler.
    #[error("the system refused a resource: {0}")]
    System(#[from] io::Error),
    /// The meters cannot be set up.
    #[error("the meters cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The system has no random numbers.
    #[error("the system has no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Sockets that are bound, and nothing yet behind them.
#[derive(Debug)]
pub struct Bound {
    workers: Vec<TcpListener>,
    admin: TcpListener,
}

impl Bound {
    /// Binds both ports.
    ///
    /// # Errors
    /// One of them cannot be bound.
    pub fn new(process: &Process) -> Result<Self, ServeError> {
        let workers = listen::bind::sockets(process.listen, process.workers).map_err(ServeError::Listen)?;
        let mut admin = listen::bind::sockets(process.admin_listen, 1).map_err(ServeError::AdminListen)?;
        match admin.pop() {
            Some(admin) => Ok(Self { workers, admin }),
            None => Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into()),
        }
    }

    /// The address that webhooks come to.
    ///
    /// # Errors
    /// The system does not tell it.
    pub fn listen(&self) -> io::Result<SocketAddr> {
        self.workers.first().map_or_else(|| Err(io::ErrorKind::NotFound.into()), TcpListener::local_addr)
    }

    /// The address of the admin port.
    ///
    /// # Errors
    /// The system does not tell it.
    pub fn admin(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// The sidecar could not start.
pub fn run(config: Config, watch: Watch, bound: Bound) -> Result<(), ServeError> {
    let (listen, admin) = (bound.listen()?, bound.admin()?);
    let Config { process, policy } = config;
    let started = Now::read();
    let metrics = Metrics::new()?;
    let descriptors = descriptors::raise();
    descriptors::compare(descriptors, process.max_connections, process.max_in_flight);
    metrics.descriptors(descriptors);
    warn_of_ends(&policy, started);
    let audit = AuditLog::open(&process.audit_log, process.audit_chain.clone())?;
    let budgets = Budgets::new(process.max_connections, process.max_in_flight, process.max_buffered);
    let replay = replay(&process, started)?;
    let routes = policy.routes.len();
    let live = Live::new(policy, &metrics);
    let shared = Shared::new(live, replay, budgets, metrics, audit).with_limits(&process.limits, started);
    let shared = Arc::new(shared);

    let main = runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anybody is told that it is ready: without these, a signal would end the process at once.
    let orders = Orders::new(&main)?;
    let (phase, phases) = watch::channel(Phase::Running);
    let (readiness, ready) = watch::channel(Readiness::Starting);
    admin::spawn(bound.admin, Admin::new(shared.clone(), ready, process.admin_token.clone()))?;
    spawn_store(&shared)?;
    let mut fetcher = Fetcher { shared: shared.clone(), wake: Arc::default(), runs: false };
    fetcher.look()?;
    let ended = spawn_workers(bound.workers, &shared, &phases)?;
    readiness.send_replace(Readiness::Ready);
    tracing::info!(%listen, %admin, routes, workers = process.workers, descriptors, version = env!("CARGO_PKG_VERSION"), "listening");

    main.block_on(async {
        keep_house(&shared, watch, orders, fetcher, SelfAudit::new(&process)).await;
        readiness.send_replace(Readiness::Draining);
        drain(&process, &phase, ended).await?;
        // What was settled last should not stay pending for others.
        let _ = tokio::time::timeout(LAST_CLAIMS, shared.replay.close()).await;
        Ok::<_, io::Error>(())
    })?;
    shared.audit.close();
    tracing::info!("stopped");
    Ok(())
}

/// The claims of this process, with what it remembers of an earlier life and whom it shares them with.
fn replay(process: &Process, now: Now) -> Result<Replay, ServeError> {
    let mut replay = Replay::new(process.replay_max_entries, process.replay_full, now);
    if let Some(directory) = &process.replay_journal {
        replay = replay.with_journal(directory, now)?;
    }
    if let Some(place) = &process.replay_place {
        replay = replay.with_shared(place.clone(), process.replay_unavailable).map_err(ServeError::Random)?;
    }
    Ok(replay)
}

/// Starts the thread that keeps the connection to the shared replay store, where there is one.
fn spawn_store(shared: &Arc<Shared>) -> io::Result<()> {
    if !shared.replay.is_shared() {
        return Ok(());
    }
    let (shared, runtime) = (shared.clone(), runtime::Builder::new_current_thread().enable_all().build()?);
    let keep = move || runtime.block_on(shared.replay.keep_shared());
    std::thread::Builder::new().name("replay-store".into()).spawn(keep)?;
    Ok(())
}

/// The thread that fetches keys, from the first policy on that needs it.
struct Fetcher {
    shared: Arc<Shared>,
    wake: Arc<Notify>,
    runs: bool,
}

impl Fetcher {
    /// Has it look at the policy in force, and starts it where it does not run yet and is needed.
    fn look(&mut self) -> io::Result<()> {
        self.wake.notify_one();
        if self.runs || self.shared.live().policy.client.is_none() {
            return Ok(());
        }
        let (shared, wake) = (self.shared.clone(), self.wake.clone());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let in_force = move || {
            let policy = &shared.live().policy;
            let fetched = policy.routes.iter().filter_map(|route| route.network.keys.clone()).collect();
            let named = policy.routes.iter().filter_map(|route| route.network.named.clone()).collect();
            let by_id = policy.routes.iter().filter_map(|route| route.network.by_id.clone()).collect();
            policy.client.clone().map(|client| InForce { client, fetched, named, by_id })
        };
        let keep = move || LocalSet::new().block_on(&runtime, fetch::keeper::keep(in_force, &wake));
        std::thread::Builder::new().name("fetch".into()).spawn(keep)?;
        self.runs = true;
        Ok(())
    }

    /// Has everything fetched now: in an emergency a key that was revoked must not stay until its answer is too old.
    fn hurry(&self) {
        let live = self.shared.live();
        live.policy.routes.iter().filter_map(|route| route.network.keys.as_ref()).for_each(|keys| keys.hurry());
        let now = Now::read();
        live.policy.routes.iter().filter_map(|route| route.network.by_id.as_ref()).for_each(|keys| keys.hurry(now));
        self.wake.notify_one();
    }
}

/// Starts one thread a socket. Each drops its sender when it has ended.
fn spawn_workers(
    sockets: Vec<TcpListener>,
    shared: &Arc<Shared>,
    phase: &watch::Receiver<Phase>,
) -> Result<mpsc::Receiver<()>, ServeError> {
    let (alive, ended) = mpsc::channel(1);
    for (index, socket) in sockets.into_iter().enumerate() {
        let (shared, phase, alive) = (shared.clone(), phase.clone(), alive.clone());
        let seed = [getrandom::u64().map_err(ServeError::Random)?, getrandom::u64().map_err(ServeError::Random)?];
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let _alive = alive;
            let local = LocalSet::new();
            let worker = Rc::new(Worker::new(shared, seed));
            local.spawn_local(tidy(worker.clone(), phase.clone()));
            local.spawn_local(accept(socket, worker, phase));
            // The set ends when the last connection has.
            runtime.block_on(local);
        })?;
    }
    Ok(ended)
}

async fn accept(socket: TcpListener, worker: Rc<Worker>, phase: watch::Receiver<Phase>) {
    match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => listen::run(listener, worker, phase).await,
        Err(error) => tracing::error!(%error, "a worker cannot use its listening socket"),
    }
}

async fn tidy(worker: Rc<Worker>, mut phase: watch::Receiver<Phase>) {
    let mut ticks = tokio::time::interval(TIDY_EVERY);
    loop {
        tokio::select! {
            _ = phase.wait_for(|phase| *phase >= Phase::Draining) => return,
            _ = ticks.tick() => worker.tidy(Now::read()),
        }
    }
}

/// Looks at the watched files and the replay store until a signal says to stop.
async fn keep_house(
    shared: &Arc<Shared>,
    mut watch: Watch,
    mut orders: Orders,
    mut fetcher: Fetcher,
    mut audit: SelfAudit<'_>,
) {
    let mut ticks = tokio::time::interval(RELOAD_EVERY);
    loop {
        tokio::select! {
            () = orders.stop.asked() => return,
            _ = ticks.tick() => {}
            _ = orders.reload.recv() => {
                tracing::info!("asked to reload");
                fetcher.hurry();
            }
        }
        let now = Now::read();
        shared.replay.purge(now);
        shared.look_for_silence(now);
        if let Some(change) = watch.poll() {
            take_over(shared, &mut fetcher, change);
            audit.hurry();
        }
        audit.look(shared, watch.environment(), now);
    }
}

/// Puts what changed files make in force.
fn take_over(shared: &Shared, fetcher: &mut Fetcher, change: Change) {
    let is_used = change.policy.is_some();
    if let Some(policy) = change.policy {
        warn_of_ends(&policy, Now::read());
        shared.replace(Live::new(policy, &shared.metrics));
        if let Err(error) = fetcher.look() {
            tracing::error!(%error, "the system refused the thread that fetches keys");
        }
    }
    tell_of_change(shared, is_used, &change.faults);
}

/// Says what has become of changed files.
fn tell_of_change(shared: &Shared, is_used: bool, faults: &[Fault]) {
    shared.metrics.config_reloaded(faults.is_empty());
    let instead = if is_used { "what it held before stays in force" } else { "the old policy stays in force" };
    for fault in faults {
        tracing::error!(%fault, "a watched file has changed, but cannot be used; {instead}");
    }
    match (is_used, faults.is_empty()) {
        (true, true) => tracing::info!("a watched file has changed; the new policy is in force"),
        (true, false) => tracing::warn!("a watched file has changed; all of it that can be used is in force"),
        (false, _) => {}
    }
}

/// Speaks of certificates that have ended or soon will. They are used all the same: clients judge them, and to refuse
/// them here would keep the rest of a changed configuration out of force.
fn warn_of_ends(policy: &Policy, now: Now) {
    let Some(end) = policy.tls_expires else { return };
    match end.checked_sub(now.unix_seconds()) {
        None | Some(0) => tracing::error!("a certificate of the listener has ended"),
        Some(left) if left < SOON.as_secs() => {
            tracing::warn!(days = left / (24 * 60 * 60), "a certificate of the listener ends soon");
        }
        Some(_) => {}
    }
}

/// How long before its end a certificate is spoken of: certificates of 90 days are usually renewed 30 days before, those
/// of 47 days some two weeks.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Lets the exchanges end, then makes them.
async fn drain(process: &Process, phase: &watch::Sender<Phase>, mut ended: mpsc::Receiver<()>) -> io::Result<()> {
    let mut again = Stop::new()?;
    tracing::info!(delay = ?process.drain_delay, grace = ?process.shutdown_grace, "draining");
    tokio::select! {
        () = tokio::time::sleep(process.drain_delay) => {}
        () = again.asked() => {}
    }
    phase.send_replace(Phase::Draining);
    let in_time = tokio::select! {
        _ = ended.recv() => true,
        () = tokio::time::sleep(process.shutdown_grace) => false,
        () = again.asked() => false,
    };
    if !in_time {
        tracing::warn!("the grace is over; exchanges that still wait for the service are answered with 504");
        phase.send_replace(Phase::Stopping);
        let _ = tokio::time::timeout(LAST_WORDS, ended.recv()).await;
    }
    Ok(())
}

/// The signals that are heard while it serves.
struct Orders {
    stop: Stop,
    reload: Signal,
}

impl Orders {
    fn new(runtime: &runtime::Runtime) -> io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self { stop: Stop::new()?, reload: signal(SignalKind::hangup())? })
    }
}

/// The signals that ask for an end.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
