//! Several sidecars before one service, with claims shared on a real server: storms of copies while all is well, and
//! while the server is away, slow, without memory or another one. `tests/run` installs the server.
#![allow(clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

#[path = "../e2e/harness.rs"]
mod harness;

mod authority;
mod failover;
mod pod;
mod server;
mod settled;
mod shared;
mod storm;
mod topologies;
mod troubles;
mod valkey;
