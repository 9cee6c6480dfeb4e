//! The real binary among the programs that it will live with: the providers' own libraries, curl, OpenSSL, sslscan,
//! nginx, `HAProxy`, Prometheus, kustomize, Helm, a terminal and a browser, all on loopback. `tests/run` installs them;
//! one that is missing is a failure, never a skipped test.
#![allow(clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

#[path = "../e2e/harness.rs"]
mod harness;

mod admission;
mod assessed;
mod browser;
mod checkov;
mod command;
mod curl;
mod dashboard;
mod drill;
mod fronts;
mod instructions;
mod libraries;
mod monitoring;
mod openssl;
mod packaging;
mod page;
mod programs;
mod proxies;
mod reports;
mod sdks;
#[allow(dead_code, reason = "the replay tests use what these do not")]
#[path = "../replay/server.rs"]
mod server;
mod signing;
mod tls;
mod typed;
