//! The real binary among the programs that it will live with: the providers' own libraries, curl, OpenSSL, sslscan,
//! nginx, `HAProxy` and Prometheus, all on loopback. `tests/run` installs them; one that is missing is a failure, never a
//! skipped test.
#![allow(clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

#[path = "../e2e/harness.rs"]
mod harness;

mod command;
mod curl;
mod fronts;
mod instructions;
mod libraries;
mod monitoring;
mod openssl;
mod programs;
mod proxies;
mod sdks;
mod signing;
mod tls;
