//! The real binary between a scripted service and a raw client, one theme a file; see [`harness`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

mod harness;

mod admin;
mod budgets;
mod certificates;
mod client_certificates;
mod configuration;
mod corpus;
mod forwarding;
mod front;
mod gates;
mod jobs;
mod keys;
mod keys_by_id;
mod limits;
mod monitor;
mod nothing_lost;
mod oauth;
mod proxy_protocol;
mod public_keys;
mod reload;
mod replay;
mod rotation;
mod schemes;
mod self_audit;
mod tls;
mod tls_upstream;
mod upstream_faults;
