//! Where the demo plays: a service that counts, the sidecar in front of it, and the keys of this run.
//!
//! The sidecar is the real one: its configuration goes through the loader, and it serves by the same path as `run`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use data_encoding::BASE64;

use crate::auth::keys::{Key, KeyText};
use crate::auth::sign::{Draft, sample_body, sign};
use crate::clock::Now;
use crate::config::{self, Environment};
use crate::deny::Reason;
use crate::providers::Provider;
use crate::serve::{self, Bound, ServeError};

use super::super::http::Url;
use super::super::{Failure, draft, providers};
use super::scenes::Scene;

/// How long an answer may take: on loopback it takes milliseconds, unless the machine is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who sends in the demo: providers' ids, which are the routes' names too.
const CAST: [&str; 5] = ["github", "stripe", "slack", "standard_webhooks", "shopify"];

/// The running whole.
pub(in crate::cli) struct Stage {
    /// Where webhooks come to.
    pub(in crate::cli) listen: SocketAddr,
    /// Where the meters are.
    pub(in crate::cli) admin: SocketAddr,
    /// Where the service listens.
    pub(super) service: SocketAddr,
    /// The first webhook of Stripe's, once it has been made.
    pub(super) first: Option<Draft>,
    senders: Vec<Sender>,
    reached: Arc<AtomicUsize>,
    sidecar: JoinHandle<Result<(), ServeError>>,
}

/// What was seen of a scene.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Witnessed {
    /// The answer's status.
    pub(super) status: u16,
    /// The answer's reason: a code, or what stands in its place.
    pub(super) reason: String,
    /// Whether the service has seen the request.
    pub(super) reached: bool,
}

struct Sender {
    provider: &'static Provider,
    secret: String,
}

impl Witnessed {
    /// Whether it is what should become of the scene.
    pub(super) fn is_expected(&self, scene: &Scene) -> bool {
        let status = match scene.outcome.status() {
            0 => 200,
            status => status,
        };
        let reached = scene.outcome == Reason::Forwarded;
        self.status == status && self.reason == scene.outcome.code() && self.reached == reached
    }
}

impl Stage {
    /// Starts the service and the sidecar.
    pub(super) fn set() -> Result<Self, Failure> {
        Self::set_with(&[])
    }

    /// The same, with some settings in place of the demo's or beside them, by their names without the prefix.
    pub(in crate::cli) fn set_with(settings: &[(&str, &str)]) -> Result<Self, Failure> {
        let reached = Arc::new(AtomicUsize::new(0));
        let service = start_service(reached.clone()).map_err(Failure::unavailable)?;
        let senders = CAST.iter().map(|id| Sender::new(id)).collect::<Result<Vec<_>, _>>()?;
        let mut environment = environment(service, &senders);
        for (name, value) in settings {
            environment.set(format!("{}{name}", config::PREFIX), value);
        }
        let loaded = config::load(&environment);
        let (config, watch) = loaded.map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            Failure::unavailable(faults.join("\n"))
        })?;
        let bound = Bound::new(&config.process).map_err(Failure::unavailable)?;
        let listen = bound.listen().map_err(Failure::unavailable)?;
        let admin = bound.admin().map_err(Failure::unavailable)?;
        // The sockets are bound already: what is sent before the sidecar serves waits in their queue.
        let sidecar = thread::Builder::new().name("demo-sidecar".into());
        let sidecar = sidecar.spawn(move || serve::run(config, watch, bound)).map_err(Failure::unavailable)?;
        Ok(Self { listen, admin, service, first: None, senders, reached, sidecar })
    }

    /// Sends what a scene says.
    pub(super) fn play(&mut self, scene: &Scene) -> Result<Witnessed, Failure> {
        let bytes = (scene.bytes)(self)?;
        let before = self.reached();
        let url = format!("http://{}/", self.listen);
        let method = if bytes.starts_with(b"GET ") { "GET" } else { "POST" };
        let answer = Url::parse(&url).map_err(Failure::unavailable)?.exchange(method, &bytes, PATIENCE);
        let answer = answer.map_err(|error| Failure::unavailable(format!("{}: {error}", scene.sent)))?;
        let problem = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
        let reason = problem.and_then(|problem| problem["reason"].as_str().map(str::to_owned));
        let reached = self.reached() > before;
        let reason = reason.unwrap_or_else(|| if reached { Reason::Forwarded.code() } else { "no reason" }.to_owned());
        Ok(Witnessed { status: answer.status, reason, reached })
    }

    /// A genuine webhook of a provider.
    pub(in crate::cli) fn genuine(&self, id: &str) -> Result<Draft, Failure> {
        self.genuine_at(id, Now::read())
    }

    /// The same, made at another time.
    pub(super) fn genuine_at(&self, id: &str, now: Now) -> Result<Draft, Failure> {
        let sender = self.sender(id)?;
        self.signed(id, sample_body(&sender.provider.scheme, now), now)
    }

    /// A body, signed by a provider.
    pub(in crate::cli) fn signed(&self, id: &str, body: Vec<u8>, now: Now) -> Result<Draft, Failure> {
        let sender = self.sender(id)?;
        self.draft(sender, &sender.secret, body, now)
    }

    /// A webhook that somebody without the key has signed.
    pub(super) fn forged(&self, id: &str) -> Result<Draft, Failure> {
        let (sender, now) = (self.sender(id)?, Now::read());
        self.draft(sender, &draft::random_hex(), sample_body(&sender.provider.scheme, now), now)
    }

    /// A provider's secret.
    pub(in crate::cli) fn secret(&self, id: &str) -> Result<&str, Failure> {
        self.sender(id).map(|sender| sender.secret.as_str())
    }

    /// How many requests have reached the service.
    pub(super) fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    /// A body, signed by somebody with another key than the provider's.
    pub(in crate::cli) fn signed_with_another_key(&self, id: &str, body: Vec<u8>) -> Result<Draft, Failure> {
        self.draft(self.sender(id)?, &draft::random_hex(), body, Now::read())
    }

    /// Whether a signal has ended the sidecar.
    pub(in crate::cli) fn is_over(&self) -> bool {
        self.sidecar.is_finished()
    }

    /// Waits until a signal has ended the sidecar.
    pub(super) fn wait(self) -> Result<(), Failure> {
        match self.sidecar.join() {
            Ok(served) => served.map_err(Failure::unavailable),
            Err(_) => Err(Failure::unavailable("the sidecar's thread has broken off")),
        }
    }

    fn draft(&self, sender: &Sender, secret: &str, body: Vec<u8>, now: Now) -> Result<Draft, Failure> {
        let Provider { id, scheme, .. } = sender.provider;
        let key = Key::new(scheme, &KeyText::new("1", secret.as_bytes())).map_err(Failure::unavailable)?;
        let url = format!("http://{}/hooks/{id}", self.listen);
        let mut draft = Draft { method: "POST".into(), url, headers: Vec::new(), body };
        draft::complete(scheme, &mut draft);
        sign(scheme, &key, draft, now).map_err(Failure::unavailable)
    }

    fn sender(&self, id: &str) -> Result<&Sender, Failure> {
        let sender = self.senders.iter().find(|sender| sender.provider.id == id);
        sender.ok_or_else(|| Failure::unavailable(format!("{id} does not play in the demo")))
    }
}

impl Sender {
    fn new(id: &str) -> Result<Self, Failure> {
        let provider = providers::find(id, &[])?;
        // As these providers write their secrets.
        let secret = match id {
            "standard_webhooks" => format!("whsec_{}", BASE64.encode(&draft::random())),
            "stripe" => format!("whsec_{}", draft::random_hex()),
            _ => draft::random_hex(),
        };
        Ok(Self { provider, secret })
    }
}

/// The sidecar's settings, as an operator would write them.
fn environment(service: SocketAddr, senders: &[Sender]) -> Environment {
    let mut environment = Environment::default();
    for (name, value) in [
        ("LISTEN", "127.0.0.1:0"),
        ("ADMIN_LISTEN", "127.0.0.1:0"),
        ("UPSTREAM", &service.to_string()),
        ("WORKERS", "1"),
        ("TLS", "off"),
        ("ERROR_DETAIL", "full"),
        ("AUDIT_LOG", "off"),
    ] {
        environment.set(format!("{}{name}", config::PREFIX), value);
    }
    for Sender { provider, secret } in senders {
        let route = format!("{}ROUTE_{}_", config::PREFIX, provider.id.to_ascii_uppercase());
        environment.set(format!("{route}PATH"), format!("/hooks/{}", provider.id));
        environment.set(format!("{route}PROVIDER"), &provider.id);
        environment.set(format!("{route}SECRET"), secret);
    }
    environment
}

/// A service that answers 200 to everything and counts: what an unmodified application would be.
fn start_service(reached: Arc<AtomicUsize>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let count = move || {
        reached.fetch_add(1, Ordering::SeqCst);
        std::future::ready("received\n")
    };
    thread::Builder::new().name("demo-service".into()).spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, Router::new().fallback(any(count))).await
        })
    })?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::super::scenes::{ALL, Kind};
    use super::*;

    #[test]
    fn only_the_stated_outcome_is_the_expected_one() {
        for scene in ALL {
            let outcome = scene.outcome;
            let forwarded = outcome == Reason::Forwarded;
            let status = if forwarded { 200 } else { outcome.status() };
            let seen = |status, reason: &str, reached| Witnessed { status, reason: reason.to_owned(), reached };
            assert!(seen(status, outcome.code(), forwarded).is_expected(scene), "{}", scene.sent);
            assert!(!seen(status, outcome.code(), !forwarded).is_expected(scene), "{}", scene.sent);
            assert!(!seen(status, "overloaded", forwarded).is_expected(scene), "{}", scene.sent);
            assert!(!seen(500, outcome.code(), forwarded).is_expected(scene), "{}", scene.sent);
            assert!(scene.kind == Kind::Genuine || !forwarded, "an attack is never to be forwarded");
        }
    }
}
