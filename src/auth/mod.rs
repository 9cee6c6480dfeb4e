//! Who sent it: did the holder of a route's key send exactly this, now?
//!
//! A scheme is data ([`scheme`]), a template of what is signed is compiled once ([`template`]) and read from the message
//! ([`feed`], with [`filter`] between the two and the few [`special`] rules), what the sender presents is taken out by
//! grammar ([`extract`]), and [`Verifier`] compares it with what the keys make. [`sign`] makes what a provider would
//! send, from the same data; it serves the `sign` command, the demo and the tests.
//!
//! Past attacks and what stops them here:
//!
//! | attack | what stops it |
//! |---|---|
//! | comparing byte by byte tells how far a guess is right | constant-time comparison of whole tags, all keys, all candidates |
//! | truncated signatures | a signature has exactly the tag's length |
//! | downgrade to a legacy header or version | only the definition's header and item are read; others are passed over |
//! | a header given twice, one for us and one for the service | refused |
//! | `now - timestamp` that overflows | unsigned times, saturating differences |
//! | two signatures on one message, replayed with one | a claim under each active key |
//! | an endpoint verification as a signing oracle | a signed content that could be a token is refused ([`challenge`]) |
//! | a signed member that stands twice, once with escapes in its name | both are seen, and refused ([`feed`]) |
//! | a compressed body that never ends | what it may grow to is bounded ([`filter`]) |
//!
//! Deliberately absent: clocks, I/O, any repair of what the sender wrote.

pub mod challenge;
pub mod client;
pub mod extract;
pub mod feed;
pub mod filter;
mod form;
pub mod http_signature;
pub mod jwt;
pub mod key_api;
pub mod key_book;
pub mod keyring;
pub mod keys;
pub mod list;
pub mod mac;
mod multipart;
mod public_key;
pub mod san;
pub mod scheme;
pub mod sign;
pub mod signature;
pub mod special;
mod taken;
pub mod template;
mod twilio;
mod verify;
pub mod x509;

use std::time::Duration;

use crate::clock::Now;
use crate::deny::{Denial, Reason};

pub use verify::{MAX_CONTENTS, MAX_TOKEN_ROOM, Site, Verified, Verifier};

/// Is it from now? Without a signed time there is nothing to ask.
///
/// # Errors
/// [`Reason::TimestampStale`], [`Reason::TimestampFuture`].
pub fn fresh(signed_time: Option<Duration>, tolerance: Duration, now: Now) -> Result<(), Denial> {
    match signed_time {
        Some(time) if now.wall.saturating_sub(time) > tolerance => Err(Reason::TimestampStale.into()),
        Some(time) if time.saturating_sub(now.wall) > tolerance => Err(Reason::TimestampFuture.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
