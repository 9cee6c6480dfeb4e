//! What is permitted: resolved once from the configuration, immutable, swapped whole when a file changes.
//!
//! Everything below the pipeline takes the part that it needs by reference.

mod certificates;
mod clients;
mod front;
mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio_rustls::rustls;

use crate::auth::client::ClientIdentity;
use crate::auth::keyring::KeyRing;
use crate::auth::keys::{Key, Keys};
use crate::auth::san::SanPattern;
use crate::auth::scheme::{Field, Scheme};
use crate::fetch::by_id::ById;
use crate::fetch::client::Client;
use crate::fetch::introspect::Introspector;
use crate::fetch::named::Named;
use crate::fetch::source::Fetched;
use crate::inspect::Schema;
use crate::limits::rate::Rate;
use crate::route::{PathPattern, RouteTable};

pub use certificates::Certificates;
pub use clients::{ClientTrust, TrustDigest};
pub use front::{ForwardedField, Front, ProxyProtocol};
pub use upstream::TlsUpstream;

/// The whole policy.
#[derive(Debug)]
pub struct Policy {
    /// The permitted endpoints.
    pub routes: RouteTable,
    /// The services; routes name them by index. The first is the global one.
    pub upstreams: Vec<Upstream>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// How much a denial tells the client.
    pub error_detail: ErrorDetail,
    /// The key that forwarded requests are signed anew with (Standard Webhooks).
    pub resign: Option<Key>,
    /// Whether records carry the body's SHA-256.
    pub body_digest: bool,
    /// The listener's certificates and TLS settings; `None` for plaintext.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// When the first of its certificates ends, in seconds since the Unix epoch; `None` for plaintext.
    pub tls_expires: Option<u64>,
    /// Whom client certificates must come from; `None` where none is asked for.
    pub clients: Option<ClientTrust>,
    /// What stands in front of the listener.
    pub front: Front,
    /// What fetches keys and asks about tokens; `None` where no route needs it.
    pub client: Option<Client>,
}

/// One permitted endpoint.
#[derive(Debug)]
pub struct Route {
    /// Its name, in lower case.
    pub name: Box<str>,
    /// The lines that tell the service of route and provider: the same for every request.
    pub onward_fields: Box<[u8]>,
    /// Its path or prefix.
    pub path: PathPattern,
    /// The catalogue id of its provider, or `custom`.
    pub provider: Box<str>,
    /// How its provider proves a message.
    pub scheme: Arc<Scheme>,
    /// The active keys.
    pub keys: Keys,
    /// What it needs of the network.
    pub network: Network,
    /// The keys that come from elsewhere: a file with a set of them, or the network.
    pub key_ring: Option<Arc<KeyRing>>,
    /// How old a key's file may become before the key is no longer accepted.
    pub secret_max_age: Option<Duration>,
    /// What a verification of the endpoint must name, where the provider lets one be chosen.
    pub verify_token: Option<VerifyToken>,
    /// The URL that the provider calls, for schemes that sign it: scheme and authority, with or without a path.
    pub public_url: Option<Box<str>>,
    /// Permitted methods, upper case.
    pub methods: Vec<Box<str>>,
    /// The value of an `Allow` field for them.
    pub allow: Box<str>,
    /// Permitted media types in lower case; empty permits all.
    pub content_types: Vec<Box<str>>,
    /// The largest body, in bytes.
    pub max_body: u64,
    /// How far a signed time may be from now.
    pub tolerance: Duration,
    /// Whether and how long accepted messages are remembered; `None` is `REPLAY=off`.
    pub replay: Option<Duration>,
    /// What a message that was accepted before is answered with.
    pub on_duplicate: OnDuplicate,
    /// The sender's id of a delivery, from the route or else from the scheme.
    pub delivery_id: Option<Field>,
    /// Networks that may send; empty permits all.
    pub sources: Vec<IpNet>,
    /// Names of which a client's certificate must have one; empty permits all, and clients without one.
    pub client_sans: Vec<SanPattern>,
    /// Permitted event types; empty permits all.
    pub events: Vec<Box<str>>,
    /// What a JSON body must look like.
    pub schema: Option<Schema>,
    /// Index of the service in [`Policy::upstreams`].
    pub upstream: usize,
    /// The path that the service is asked for instead of the request's.
    pub upstream_path: Option<Box<str>>,
    /// Enforce, or only record.
    pub mode: Mode,
    /// When the permission ends, in seconds since the Unix epoch.
    pub expires: Option<u64>,
    /// Who answers for the permission.
    pub owner: Option<Box<str>>,
    /// How much of it one sender may use.
    pub limits: RouteLimits,
}

/// How much of a route its senders may use.
#[derive(Debug, Clone, Copy)]
pub struct RouteLimits {
    /// Proven requests of all.
    pub rate: Option<Rate>,
    /// Proven requests with each credential.
    pub rate_per_credential: Option<Rate>,
    /// Whether sources can be locked out from it, where any are.
    pub lockout: bool,
}

/// What a route needs of the network.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// The keys that are fetched.
    pub keys: Option<Arc<Fetched>>,
    /// Who is asked about opaque tokens.
    pub tokens: Option<Arc<Introspector>>,
    /// The certificates that messages name.
    pub named: Option<Arc<Named>>,
    /// The API that gives keys one by one.
    pub by_id: Option<Arc<ById>>,
}

/// A chosen text that a provider's verification of the endpoint carries. Printing it prints nothing.
#[derive(Clone)]
pub struct VerifyToken(pub zeroize::Zeroizing<Vec<u8>>);

impl std::fmt::Debug for VerifyToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifyToken(…)")
    }
}

/// Deadlines of a connection and an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From a head's first byte to its last; also for a TLS handshake.
    pub header: Duration,
    /// From a body's start to its end.
    pub body: Duration,
    /// The least rate of a body, in bytes a second, after a grace of five seconds; 0 for none.
    pub body_min_rate: u64,
    /// Between two requests on a connection.
    pub idle: Duration,
    /// To connect to the service.
    pub upstream_connect: Duration,
    /// From the connection to the service to the end of its response's head, and between two parts of its body.
    pub upstream: Duration,
}

/// Where the service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// A fixed address.
    Tcp(SocketAddr),
    /// A name and port, looked up at each connection.
    Name(Box<str>),
    /// A Unix socket.
    Unix(PathBuf),
    /// Over TLS.
    Tls(TlsUpstream),
}

/// How much a denial tells the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorDetail {
    /// `unauthorized` for each 401.
    Minimal,
    /// The precise reason.
    Full,
}

/// What a message that was accepted before is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The same signed bytes: `replayed`; a newly signed message of the same event: `duplicate`.
    ByKind,
    /// `duplicate` for both.
    Ack,
    /// `replayed` for both.
    Reject,
}

/// Enforce, or only record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Denials are answered as such.
    Enforce,
    /// Denials are recorded and the request is forwarded, marked as unverified.
    Monitor,
}

impl Mode {
    /// Its name, as it is configured.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Monitor => "monitor",
        }
    }
}

impl Route {
    /// The lines that tell the service of a route and its provider.
    #[must_use]
    pub fn onward_fields(route: &str, provider: &str) -> Box<[u8]> {
        format!("X-Hookwarden-Route: {route}\r\nX-Hookwarden-Provider: {provider}\r\n").into_bytes().into()
    }

    /// Whether the delivery's id is part of what the provider signs: else it goes into the record, never into a claim.
    #[must_use]
    pub fn signs_delivery_id(&self) -> bool {
        self.delivery_id.as_ref().is_some_and(|field| self.scheme.signs(field))
    }

    /// Whether a client with that certificate, or without one, may use the route.
    #[must_use]
    pub fn permits_client(&self, client: Option<&ClientIdentity>) -> bool {
        let is_named = |san: &str| self.client_sans.iter().any(|pattern| pattern.matches(san));
        self.client_sans.is_empty() || client.is_some_and(|client| client.sans.iter().any(|san| is_named(san)))
    }

    /// Whether a sender with that address may use the route.
    #[must_use]
    pub fn permits_source(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.sources.is_empty() || self.sources.iter().any(|network| network.contains(&source))
    }
}
