//! Least privilege: what a route permits beyond what is needed, until when, and in whose name.

use crate::auth::scheme::SignaturePlace;
use crate::govern::subject::Subject;
use crate::policy::{Mode, Route};
use crate::route::PathPattern;

use super::{DAY, High, Hits, Info, Low, Medium, Row, Settings, row, span};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW060",
        High,
        "A route only monitors",
        "Forged, stale and replayed webhooks are forwarded; nothing but a header tells the service, and few services look at it.",
        "Look at what would have been denied (hookwarden_requests_total with decision=\"monitored\"), then unset HOOKWARDEN_ROUTE_<NAME>_MODE or set it to enforce.",
        &["OWASP API2:2023", "NIST SP 800-53 AC-3", "CWE-306"],
        Settings(monitors),
    ),
    row(
        "HW061",
        Low,
        "Nobody answers for a route",
        "When its secret leaks or its sender fails, nobody knows whom to ask, and nobody dares to remove it.",
        "Set HOOKWARDEN_ROUTE_<NAME>_OWNER to a team.",
        &["OWASP API9:2023", "NIST SP 800-53 CM-6"],
        Settings(no_owner),
    ),
    row(
        "HW062",
        Low,
        "A permission never ends",
        "Integrations are forgotten, their endpoints are not: a route that nobody needs any more is an open door that nobody watches.",
        "Set HOOKWARDEN_ROUTE_<NAME>_EXPIRES to a date within a year, such as the next review's.",
        &["OWASP API9:2023", "NIST SP 800-53 AC-6", "CWE-613"],
        Settings(no_end),
    ),
    row(
        "HW063",
        Medium,
        "A permission has ended, and its route is still there",
        "It refuses everything; either somebody misses webhooks, or a secret lies around that nobody needs.",
        "Remove the route and its secret, or set HOOKWARDEN_ROUTE_<NAME>_EXPIRES anew.",
        &["OWASP API9:2023", "NIST SP 800-53 CM-7"],
        Settings(ended),
    ),
    row(
        "HW064",
        Low,
        "A permission ends soon",
        "On that day every webhook of the route is refused.",
        "Ask the owner; then set HOOKWARDEN_ROUTE_<NAME>_EXPIRES anew, or let it end.",
        &["NIST SP 800-53 AC-6"],
        Settings(ends_soon),
    ),
    row(
        "HW065",
        Low,
        "A route is open for many paths",
        "A sender reaches every path of the service below that prefix, also those that are not meant for webhooks.",
        "Set HOOKWARDEN_ROUTE_<NAME>_PATH to the one path that the provider calls.",
        &["OWASP API5:2023", "NIST SP 800-53 CM-7", "NIST SP 800-53 AC-6"],
        Settings(wide_path),
    ),
    row(
        "HW066",
        Low,
        "A route permits methods that webhooks do not use",
        "Services do other things on PUT, PATCH and DELETE, and act without reading a body on GET.",
        "Unset HOOKWARDEN_ROUTE_<NAME>_METHODS, or set it to POST.",
        &["ASVS 5.0 4.1.4", "OWASP API5:2023", "NIST SP 800-53 CM-7"],
        Settings(wide_methods),
    ),
    row(
        "HW067",
        Low,
        "A route takes every content type",
        "A body that the service parses in another way than its author meant (XML, forms, multipart) is a way to its parsers' faults.",
        "Set HOOKWARDEN_ROUTE_<NAME>_CONTENT_TYPES=application/json, or what the provider sends.",
        &["NIST SP 800-53 SI-10", "OWASP API10:2023"],
        Settings(wide_types),
    ),
    row(
        "HW068",
        Low,
        "A route permits every event",
        "The provider, or who has its secret, can trigger what the service does on events that nobody has asked for.",
        "Set HOOKWARDEN_ROUTE_<NAME>_EVENTS to those that the service handles; `hookwarden review` lists which came.",
        &["OWASP API5:2023", "NIST SP 800-53 AC-6", "NIST SP 800-53 CM-7"],
        Settings(wide_events),
    ),
    row(
        "HW069",
        Info,
        "A route may be called from everywhere",
        "A stolen secret can be used from any place.",
        "Where the provider publishes its networks: HOOKWARDEN_ROUTE_<NAME>_SOURCES, with HOOKWARDEN_SOURCES_FILE for named lists.",
        &["NIST SP 800-53 AC-4", "NIST SP 800-53 SC-7"],
        Settings(wide_sources),
    ),
    row(
        "HW070",
        Info,
        "Bodies are not held against a schema",
        "The service gets whatever a sender, or who has its secret, can write as JSON.",
        "Set HOOKWARDEN_ROUTE_<NAME>_SCHEMA_FILE to a JSON Schema of what the service reads.",
        &["NIST SP 800-53 SI-10", "OWASP API10:2023"],
        Settings(no_schema),
    ),
    row(
        "HW071",
        Medium,
        "A route may be called from very large networks",
        "The list of sources keeps hardly anybody out, but looks as if it did.",
        "Set HOOKWARDEN_ROUTE_<NAME>_SOURCES to the networks that the provider publishes.",
        &["NIST SP 800-53 AC-4", "NIST SP 800-53 SC-7", "CWE-1188"],
        Settings(large_sources),
    ),
];

fn routes<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = &'s Route> {
    subject.policy.routes.iter().map(|route| &**route)
}

fn monitors(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject).filter(|route| route.mode == Mode::Monitor) {
        hits.route(route, "MODE", "it is monitor");
    }
}

fn no_owner(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject).filter(|route| route.owner.is_none()) {
        hits.route(route, "OWNER", "it is not set");
    }
}

fn no_end(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject).filter(|route| route.expires.is_none()) {
        hits.route(route, "EXPIRES", "it is not set");
    }
}

fn ended(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject) {
        if let Some(since) = route.expires.and_then(|end| subject.now.checked_sub(end)) {
            hits.route(route, "EXPIRES", format!("it was {} ago", span(since)));
        }
    }
}

/// How long people take to ask around.
const SOON: u64 = 14 * DAY;

fn ends_soon(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject) {
        let left = route.expires.and_then(|end| end.checked_sub(subject.now));
        if let Some(left) = left.filter(|left| (1..SOON).contains(left)) {
            hits.route(route, "EXPIRES", format!("{} are left", span(left)));
        }
    }
}

fn wide_path(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject) {
        // Where the token is the path's last segment, there is no other way.
        let needs_prefix = route.scheme.signature.place == SignaturePlace::PathSegment;
        if let PathPattern::Prefix(prefix) = &route.path
            && !needs_prefix
        {
            // All that is below is one path where the service is asked for another one anyway.
            let is_all = &**prefix == "/" && route.upstream_path.is_none();
            let finding = hits.route(route, "PATH", format!("it is {prefix}*"));
            finding.severity = if is_all { Medium } else { Low };
        }
    }
}

fn wide_methods(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject) {
        // Endpoints are verified by GET, OPTIONS and such.
        let verifies = !route.scheme.challenges.is_empty();
        let is_needed = |method: &str| method == "POST" || verifies && matches!(method, "GET" | "HEAD" | "OPTIONS");
        let wide: Vec<_> = route.methods.iter().map(|method| &**method).filter(|method| !is_needed(method)).collect();
        if !wide.is_empty() {
            hits.route(route, "METHODS", format!("it permits {}", wide.join(", ")));
        }
    }
}

fn wide_types(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject).filter(|route| route.content_types.is_empty()) {
        hits.route(route, "CONTENT_TYPES", "it is not set");
    }
}

fn wide_events(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject).filter(|route| route.scheme.event.is_some()) {
        if route.events.is_empty() {
            hits.route(route, "EVENTS", "it is not set");
        } else if route.events.iter().any(|event| &**event == "*") {
            hits.route(route, "EVENTS", "it permits *");
        }
    }
}

fn wide_sources(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject).filter(|route| route.sources.is_empty() && route.client_sans.is_empty()) {
        hits.route(route, "SOURCES", "it is not set");
    }
}

fn no_schema(subject: &Subject<'_>, hits: &mut Hits) {
    for route in routes(subject).filter(|route| route.schema.is_none()) {
        if !subject.route_is_set(route, "SCHEMA_FILE") {
            hits.route(route, "SCHEMA_FILE", "it is not set");
        }
    }
}

fn large_sources(subject: &Subject<'_>, hits: &mut Hits) {
    // Clouds publish up to a /9; whole registries have a /8.
    let is_large = |network: &&ipnet::IpNet| match network {
        ipnet::IpNet::V4(network) => network.prefix_len() < 9,
        ipnet::IpNet::V6(network) => network.prefix_len() < 20,
    };
    for route in routes(subject) {
        let private =
            |network: &&ipnet::IpNet| matches!(network, ipnet::IpNet::V4(network) if network.addr().is_private());
        let found = route.sources.iter().filter(is_large).find(|network| !private(network));
        if let Some(network) = found {
            let finding = hits.route(route, "SOURCES", format!("it permits {network}"));
            finding.severity = if network.prefix_len() == 0 { High } else { Medium };
        }
    }
}
