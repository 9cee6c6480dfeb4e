//! Attacks on receivers that are known through and through: each attack succeeds where a receiver has the fault that it
//! is about, none succeeds on a receiver without faults, and none on the real binary, over plaintext and TLS.
#![allow(clippy::wildcard_enum_match_arm, reason = "a receiver has one fault, and all others are alike")]
#![allow(clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

#[path = "../e2e/harness.rs"]
mod harness;

mod faults;
mod lax_tls;
mod ours;
mod receiver;
mod wire;
