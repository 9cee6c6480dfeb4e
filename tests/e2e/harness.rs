//! The whole way in three lines a test: a scripted service, the real binary before it, a client that writes raw bytes.
//!
//! ```text
//! let upstream = Upstream::start();
//! let proxy = Sidecar::before(&upstream).provider("github").start();
//! let response = proxy.check(&Signer::new("github").sample().bytes(), &Outcome::forwarded("github"));
//! proxy.finish();
//! ```
//!
//! [`Sidecar::check`], [`Sidecar::exchange`] and [`Sidecar::expect`] are the one way to look at an outcome: each takes the
//! next audit record, holds it against the [`Outcome`], against the change of `hookwarden_requests_total` (that series
//! rose by one, no other moved) and against what the service saw (one request of that id, or none), so that answer,
//! record, metric and delivery never tell different stories. [`Sidecar::finish`] ends every test: the binary must stop
//! with 0, without a further record, and the service must have seen nothing that no record tells of. A sidecar that is
//! dropped without it fails its test.
//!
//! | part | what it does |
//! |---|---|
//! | [`Sidecar`] | starts, watches and ends the binary |
//! | [`Outcome`], [`Record`] | what is expected, and what was recorded |
//! | [`Upstream`], [`Step`] | the service, by script |
//! | [`Client`], [`Response`] | raw bytes to the sidecar, strictly framed answers back |
//! | [`KeyServer`] | a server of keys and tokens, by script |
//! | [`KeyApi`] | the APIs of eBay, Circle, Plaid and Atlassian that give keys one by one |
//! | [`Kept`] | what providers sign with under certificates |
//! | [`Certificate`] | TLS certificates, and a client that trusts them |
//! | [`Authority`] | certificates of servers and clients, revocation, and TLS clients that resume |
//! | [`Request`], [`Signer`] | requests as a provider would sign them, and as an attacker would change them |
//!
//! Nothing sleeps: every wait is a blocking read or a condition, and [`GUARD`] only keeps a broken test from hanging.
#![allow(dead_code, reason = "several test programs include this file, and none uses all of it")]
#![allow(unused_imports, reason = "as above")]
#![allow(clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

use std::time::Duration;

#[path = "harness/certificates.rs"]
mod certificates;
#[path = "harness/client.rs"]
mod client;
#[path = "harness/key_api.rs"]
mod key_api;
#[path = "harness/keys.rs"]
mod keys;
#[path = "harness/outcome.rs"]
mod outcome;
#[path = "harness/pki.rs"]
mod pki;
#[path = "harness/request.rs"]
mod request;
#[path = "harness/sidecar.rs"]
mod sidecar;
#[path = "harness/tls.rs"]
mod tls;
#[path = "harness/upstream.rs"]
mod upstream;

pub(crate) use certificates::{Kept, certificate};
pub(crate) use client::{Client, Response, uninterrupted};
pub(crate) use key_api::KeyApi;
pub(crate) use keys::{Answer, KeyServer};
pub(crate) use outcome::{Metrics, Outcome, Record};
pub(crate) use pki::{Authority, Identity, ReadyClient, replace};
pub(crate) use request::{Request, Signer, secret_of};
pub(crate) use sidecar::{ATTEMPTS, Builder, Sidecar};
pub(crate) use tls::Certificate;
pub(crate) use upstream::{OK, Received, Step, Upstream};

/// The longest wait for anything: far beyond what a slow machine needs, so that it never decides a test.
pub(crate) const GUARD: Duration = Duration::from_secs(180);
