//! The real binary under attack, and short of what it needs: honest senders are served all the while, memory stays below
//! the bound that `deploy/capacity.md` states, and everything recovers.
//!
//! Each attack lasts for as long as the honest senders take for their requests, so nothing here depends on how fast the
//! machine is. Times are printed, and not asserted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

#[path = "../e2e/harness.rs"]
mod harness;

mod connections;
mod faults;
mod floods;
mod soak;
mod world;
