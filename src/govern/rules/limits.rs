//! How much a sender, known or not, can make the sidecar and the service do.

use std::time::Duration;

use crate::auth::scheme::Proof;
use crate::govern::subject::Subject;

use super::{Hits, Info, Low, Medium, Row, Settings, row, span};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW080",
        Low,
        "A route has no rate",
        "A sender that loops, or who has its secret, can send as much as the service can bear, and more.",
        "Set HOOKWARDEN_ROUTE_<NAME>_RATE to what the service can take, such as 50/s burst 100; senders retry what gets 429.",
        &["OWASP API4:2023", "NIST SP 800-53 SC-5", "CWE-770"],
        Settings(no_rate),
    ),
    row(
        "HW081",
        Low,
        "A source may try without limit",
        "Nothing slows down who guesses tokens or floods the endpoint.",
        "Set HOOKWARDEN_LOCKOUT=20/1m for 15m where each sender has its own address, or HOOKWARDEN_RATE_PER_SOURCE=100/s burst 200.",
        &["ASVS 5.0 2.4.1", "OWASP API4:2023", "NIST SP 800-53 SC-5"],
        Settings(no_lock),
    ),
    row(
        "HW082",
        Medium,
        "A route takes very large bodies",
        "A body is held in memory until it is verified: strangers can fill it with a few requests, and genuine ones get 503.",
        "Set HOOKWARDEN_ROUTE_<NAME>_MAX_BODY to what the provider sends at most; 1MiB is enough for most.",
        &["OWASP API4:2023", "NIST SP 800-53 SC-5", "CWE-770"],
        Settings(large_body),
    ),
    row(
        "HW083",
        Medium,
        "Slow senders may hold connections for long",
        "Who sends a byte now and then keeps connections and memory until none are left for others.",
        "Unset HOOKWARDEN_HEADER_TIMEOUT (10s), HOOKWARDEN_BODY_TIMEOUT (30s) and HOOKWARDEN_BODY_MIN_RATE (1KiB), or set them near to that.",
        &["OWASP API4:2023", "NIST SP 800-53 SC-5", "CWE-770"],
        Settings(slow),
    ),
    row(
        "HW084",
        Medium,
        "The budgets are larger than a sidecar's container",
        "Before they refuse anything the kernel ends the process for its memory, with all exchanges in it.",
        "Set HOOKWARDEN_MAX_BUFFERED and HOOKWARDEN_MAX_CONNECTIONS so that both fit into the container's memory limit; deploy/capacity.md has the numbers.",
        &["OWASP API4:2023", "NIST SP 800-53 SC-5", "CWE-770"],
        Settings(large_budgets),
    ),
    row(
        "HW085",
        Info,
        "More requests may be on their way to the service than it takes at once",
        "A limit that is never reached protects nothing: a flood of genuine webhooks takes the service down.",
        "Set HOOKWARDEN_MAX_IN_FLIGHT to what the service can take at once; senders retry what gets 503.",
        &["OWASP API4:2023", "CWE-770"],
        Settings(large_flight),
    ),
];

fn no_rate(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter() {
        if route.limits.rate.is_none() && route.limits.rate_per_credential.is_none() {
            hits.route(route, "RATE", "neither it nor RATE_PER_CREDENTIAL is set");
        }
    }
}

fn no_lock(subject: &Subject<'_>, hits: &mut Hits) {
    let limits = &subject.process.limits;
    if limits.rate_per_source.is_some() || limits.lockout.is_some() {
        return;
    }
    let finding = hits.global("LOCKOUT", "neither it nor RATE_PER_SOURCE is set");
    // A signature cannot be guessed at any rate; a token that people have chosen can.
    if subject.policy.routes.iter().any(|route| matches!(route.scheme.proof, Proof::Token)) {
        finding.severity = Medium;
        finding.evidence.push_str(", and a route has a token that can be guessed");
    }
}

/// GitHub's limit, the largest of the well-known ones.
const LARGE: u64 = 25 << 20;

fn large_body(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter().filter(|route| route.max_body > LARGE) {
        hits.route(route, "MAX_BODY", format!("it is {} MiB", route.max_body >> 20));
    }
}

fn slow(subject: &Subject<'_>, hits: &mut Hits) {
    let timeouts = &subject.policy.timeouts;
    let most = [
        ("HEADER_TIMEOUT", timeouts.header, Duration::from_secs(60)),
        ("BODY_TIMEOUT", timeouts.body, Duration::from_secs(5 * 60)),
        ("IDLE_TIMEOUT", timeouts.idle, Duration::from_secs(15 * 60)),
    ];
    for (setting, timeout, _) in most.into_iter().filter(|(_, timeout, most)| timeout > most) {
        hits.global(setting, format!("it is {}", span(timeout.as_secs())));
    }
    if timeouts.body_min_rate == 0 {
        hits.global("BODY_MIN_RATE", "it is 0: a body may come as slowly as BODY_TIMEOUT lets it");
    }
}

/// What a sidecar is commonly given.
const MEMORY: u64 = 1 << 30;

/// Twice the descriptors that containers commonly have.
const CONNECTIONS: usize = 131_072;

fn large_budgets(subject: &Subject<'_>, hits: &mut Hits) {
    let process = subject.process;
    if process.max_buffered > MEMORY {
        hits.global("MAX_BUFFERED", format!("it is {} MiB", process.max_buffered >> 20));
    }
    if process.max_connections > CONNECTIONS {
        hits.global("MAX_CONNECTIONS", format!("it is {}", process.max_connections));
    }
}

/// Sixteen times the default.
const FLIGHT: usize = 16_384;

fn large_flight(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.process.max_in_flight > FLIGHT {
        hits.global("MAX_IN_FLIGHT", format!("it is {}", subject.process.max_in_flight));
    }
}
