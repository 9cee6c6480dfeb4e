//! The real binary between a scripted service and a raw client, one theme a file; see [`harness`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

mod harness;

mod admin;
mod budgets;
mod configuration;
mod corpus;
mod forwarding;
mod gates;
mod monitor;
mod nothing_lost;
mod reload;
mod replay;
mod schemes;
mod tls;
mod upstream_faults;
