//! The attacks, a row each, in the order of their codes. A code is never given to another attack, and never taken away.
//!
//! Deliberately absent: attacks on the service behind (what a signed message may say is its own business), and differences
//! of time that a network hides (comparison in constant time is asked of the source).

mod channel;
mod claims;
mod clock;
mod compare;
mod credentials;
mod framing;
mod integrity;
mod packing;
mod replay;
mod resources;
mod routing;
mod timing;
mod tokens;

use crate::deny::Reason;
use crate::govern::finding::{Rule, Severity};

use super::attack::{Attack, Probe, Skip};
use super::forge::Forge;
use super::message::{Message, Shot};

/// All attacks, in the order of their codes.
pub fn all() -> impl Iterator<Item = &'static Attack> {
    let parts: [&'static [Attack]; 13] = [
        credentials::ATTACKS,
        tokens::ATTACKS,
        compare::ATTACKS,
        integrity::ATTACKS,
        timing::ATTACKS,
        replay::ATTACKS,
        routing::ATTACKS,
        framing::ATTACKS,
        resources::ATTACKS,
        channel::ATTACKS,
        claims::ATTACKS,
        packing::ATTACKS,
        clock::ATTACKS,
    ];
    parts.into_iter().flatten()
}

/// The attack of that code, in either case.
#[must_use]
pub fn find(code: &str) -> Option<&'static Attack> {
    all().find(|attack| attack.rule.code.eq_ignore_ascii_case(code))
}

/// Refusals of a proof.
const PROOF: &[Reason] =
    &[Reason::CredentialMissing, Reason::CredentialInvalid, Reason::CredentialExpired, Reason::TimestampMissing];

/// Refusals of a time.
const TIME: &[Reason] = &[Reason::TimestampStale, Reason::TimestampFuture];

/// Refusals of a repetition.
const AGAIN: &[Reason] = &[Reason::Replayed, Reason::Duplicate, Reason::InFlight];

/// Refusals of what is no single, whole request.
const WIRE: &[Reason] = &[
    Reason::MalformedRequest,
    Reason::UnsupportedTransferCoding,
    Reason::VersionNotSupported,
    Reason::LengthRequired,
    Reason::BodyIncomplete,
    Reason::BodyTimeout,
    Reason::HeaderTimeout,
];

/// Refusals of a content.
const CONTENT: &[Reason] =
    &[Reason::ContentTypeNotAllowed, Reason::PayloadInvalid, Reason::SchemaViolation, Reason::EventNotAllowed];

/// Refusals of a path or a method.
const WAY: &[Reason] = &[Reason::RouteUnknown, Reason::MethodNotAllowed];

/// Refusals of a size.
const SIZE: &[Reason] = &[Reason::BodyTooLarge, Reason::HeaderTooLarge];

/// What nearly all rows expect.
const REFUSED: &str = "A 4xx answer, or the connection's end; nothing reaches the service.";

/// What framing rows expect.
const NOT_READ: &str = "A 400 or 501 answer, or the connection's end, and no second answer.";

#[cfg(test)]
pub(super) mod tests;
