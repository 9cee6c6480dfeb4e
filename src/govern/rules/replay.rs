//! Nothing twice: windows, and what is remembered where.

use crate::govern::subject::Subject;
use crate::policy::Route;
use crate::replay::{Full, Topology, Unavailable};

use super::{High, Hits, Low, Medium, Row, Settings, row, span};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW050",
        Medium,
        "The time window is wide",
        "For as long as a signed time may be old, a captured webhook can be sent again wherever its claim is not known: to another pod, after a restart.",
        "Set HOOKWARDEN_ROUTE_<NAME>_TOLERANCE=5m, and clocks right by NTP.",
        &["ASVS 5.0 12.3.5", "NIST SP 800-53 SC-23", "CWE-294"],
        Settings(wide_window),
    ),
    row(
        "HW051",
        High,
        "Replays are let through",
        "Whoever captures one webhook sends it again and again: a payment is booked twice, a deployment runs anew.",
        "Unset HOOKWARDEN_ROUTE_<NAME>_REPLAY, or set it to on.",
        &["ASVS 5.0 12.3.5", "NIST SP 800-53 SC-23", "CWE-294"],
        Settings(off),
    ),
    row(
        "HW052",
        High,
        "Several pods each remember for themselves",
        "A webhook that one pod has accepted passes once more at each of the others: an attacker need only be balanced to another one.",
        "Share the claims: HOOKWARDEN_REPLAY_URL=rediss://… to a Redis or Valkey; or run one pod.",
        &["ASVS 5.0 12.3.5", "CWE-294"],
        Settings(not_shared),
    ),
    row(
        "HW053",
        High,
        "Without its shared store, replay protection gives way",
        "Who can take the store down, or cut the way to it, sends captured webhooks to each pod once more.",
        "Unset HOOKWARDEN_REPLAY_UNAVAILABLE or set it to deny: senders retry what gets 503.",
        &["ASVS 5.0 16.5.3", "NIST SP 800-53 SC-5", "CWE-294"],
        Settings(fails_open),
    ),
    row(
        "HW054",
        Medium,
        "The shared store is called without TLS",
        "Who is on the way reads its password, removes claims and so opens the door to replays, or adds some and so keeps genuine webhooks out.",
        "Use rediss:// in HOOKWARDEN_REPLAY_URL, with HOOKWARDEN_REPLAY_CA_FILE where its authority is your own.",
        &["NIST SP 800-53 SC-8", "CWE-319"],
        Settings(store_in_plaintext),
    ),
    row(
        "HW055",
        Medium,
        "The shared store asks for no password",
        "Any pod in the cluster can remove claims, which opens the door to replays.",
        "Give the store an ACL user for this alone, name it in HOOKWARDEN_REPLAY_URL and put its password into HOOKWARDEN_REPLAY_PASSWORD_FILE.",
        &["OWASP API8:2023", "NIST SP 800-53 AC-3", "CWE-306"],
        Settings(store_without_password),
    ),
    row(
        "HW056",
        Low,
        "A restart forgets what was accepted",
        "After a restart, which a crash or a deployment brings, a captured webhook whose time is not signed passes once more; one with a time does while its window lasts.",
        "Set HOOKWARDEN_REPLAY_JOURNAL to an emptyDir's path, or HOOKWARDEN_REPLAY_URL.",
        &["ASVS 5.0 12.3.5", "CWE-294"],
        Settings(forgets),
    ),
    row(
        "HW057",
        Medium,
        "When there is no room, claims inside their window give way",
        "Who has a key, or can make a sender send much, pushes out the claim of the webhook that he wants to send again.",
        "Unset HOOKWARDEN_REPLAY_FULL or set it to auto, and raise HOOKWARDEN_REPLAY_MAX_ENTRIES.",
        &["NIST SP 800-53 SC-5", "CWE-294", "CWE-770"],
        Settings(evicts),
    ),
    row(
        "HW058",
        Medium,
        "What has no signed time is soon forgotten",
        "The proof itself never ends, so that a captured webhook passes again as soon as the window is over.",
        "Set HOOKWARDEN_ROUTE_<NAME>_REPLAY_WINDOW=24h or more.",
        &["ASVS 5.0 12.3.5", "CWE-294"],
        Settings(short_memory),
    ),
];

/// What the providers with the widest window advise, and twice the usual 5 minutes.
const WIDE: u64 = 10 * 60;

/// What no clock or retry explains.
const VERY_WIDE: u64 = 60 * 60;

fn wide_window(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter().filter(|route| route.scheme.timestamp.is_some()) {
        let seconds = route.tolerance.as_secs();
        if seconds > WIDE {
            let finding = hits.route(route, "TOLERANCE", format!("a signed time may be {} away", span(seconds)));
            finding.severity = if seconds > VERY_WIDE { High } else { Medium };
        }
    }
}

fn off(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter().filter(|route| route.replay.is_none()) {
        if route.scheme.repeats && !subject.route_is_set(route, "REPLAY") {
            let evidence = format!("{}'s genuine messages may be alike, so nothing is remembered", route.provider);
            hits.route(route, "REPLAY", evidence).severity = Medium;
        } else {
            hits.route(route, "REPLAY", "it is off");
        }
    }
}

/// The routes that claims matter to.
fn claiming<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = &'s Route> {
    let routes = subject.policy.routes.iter().map(|route| &**route);
    routes.filter(|route| route.replay.is_some() && (route.scheme.is_per_message() || route.signs_delivery_id()))
}

fn not_shared(subject: &Subject<'_>, hits: &mut Hits) {
    let Some(replicas) = subject.replicas.filter(|replicas| *replicas > 1) else { return };
    if subject.process.replay_place.is_none() && claiming(subject).next().is_some() {
        hits.global("REPLAY_URL", format!("it is not set, and there are up to {replicas} pods"));
    }
}

fn fails_open(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.process.replay_place.is_some() && subject.process.replay_unavailable == Unavailable::Local {
        hits.global("REPLAY_UNAVAILABLE", "it is local");
    }
}

fn store_in_plaintext(subject: &Subject<'_>, hits: &mut Hits) {
    let Some(place) = subject.process.replay_place.as_ref().filter(|place| !place.tls) else { return };
    let is_local = |host: &str| host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if let Some((host, port)) = place.nodes.iter().find(|(host, _)| !is_local(host)) {
        hits.global("REPLAY_URL", format!("{host}:{port} is called without TLS"));
    }
}

fn store_without_password(subject: &Subject<'_>, hits: &mut Hits) {
    let Some(place) = &subject.process.replay_place else { return };
    if place.password.is_none() && !subject.is_set("REPLAY_PASSWORD") {
        let what = match place.topology {
            Topology::Single => "the server",
            Topology::Sentinel(_) => "the server behind the sentinels",
            Topology::Cluster => "the cluster",
        };
        hits.global("REPLAY_PASSWORD", format!("no password is set for {what} in REPLAY_URL"));
    }
}

fn forgets(subject: &Subject<'_>, hits: &mut Hits) {
    let process = subject.process;
    if process.replay_place.is_none() && process.replay_journal.is_none() && claiming(subject).next().is_some() {
        hits.global("REPLAY_JOURNAL", "neither it nor REPLAY_URL is set");
    }
}

fn evicts(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.process.replay_full == Full::Evict {
        hits.global("REPLAY_FULL", "it is evict");
    }
}

fn short_memory(subject: &Subject<'_>, hits: &mut Hits) {
    let timeless = |route: &&Route| route.scheme.timestamp.is_none() && route.scheme.is_per_message();
    for route in claiming(subject).filter(timeless) {
        if let Some(window) = route.replay.filter(|window| window.as_secs() < VERY_WIDE) {
            hits.route(route, "REPLAY_WINDOW", format!("it is {}", span(window.as_secs())));
        }
    }
}
