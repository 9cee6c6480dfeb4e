//! Whole routes: unused, ending, failing, and how wide their path, body and mode are.

use std::collections::BTreeSet;

use crate::auth::scheme::SignaturePlace;
use crate::policy::Mode;
use crate::route::PathPattern;

use super::super::permissions::Permissions;
use super::super::sign_off::networks;
use super::super::tally::{Tally, Use};
use super::{Case, Change, Finding, counted, day};

/// The most senders that are named in one finding.
const NAMED: usize = 5;

/// A limit this many times what was needed is wider than it has to be.
const WIDER: u64 = 8;

/// A proposed limit leaves room for bodies this many times as large as the largest.
const ROOM: u64 = 4;

/// The least limit that is proposed.
const LEAST_BODY: u64 = 16 * 1024;

pub(super) fn unused(case: &Case<'_>) -> Option<Finding> {
    let Use { count, last } = case.tally.used;
    if count > 0 {
        return None;
    }
    let before = if last > 0 { format!("; the last permitted request was on {}", day(last)) } else { String::new() };
    let evidence = format!("no permitted request since {}{before}", day(case.since));
    let out = |(variable, value): (&str, Option<&str>)| {
        let from = value.map(str::to_owned);
        Change { variable: variable.to_owned(), from, is_set: true, to: None }
    };
    let changes = case.permission.all_written().map(out).collect();
    let advice = "take the route out, delete the webhook at the provider, and revoke its secret there";
    Some(case.finding("route_unused", evidence, changes, advice))
}

pub(super) fn barely(case: &Case<'_>) -> Option<Finding> {
    let Use { count, last } = case.tally.used;
    let evidence =
        || format!("{} since {}, the last on {}", counted(count, "permitted request"), day(case.since), day(last));
    let advice = "ask the owner whether it is still needed; set EXPIRES if not for long";
    (count <= case.terms.barely).then(|| case.finding("route_barely_used", evidence(), Vec::new(), advice))
}

pub(super) fn ending(case: &Case<'_>) -> Option<Finding> {
    let Some(end) = case.permission.route.expires else {
        let advice = "set EXPIRES to the date of the review after next";
        return Some(case.finding("no_end", "the permission has no end".to_owned(), Vec::new(), advice));
    };
    if end <= case.terms.now {
        let evidence = format!("the permission ended on {}", day(end));
        return Some(case.finding(
            "ended",
            evidence,
            Vec::new(),
            "renew EXPIRES if the owner needs it, else take the route out",
        ));
    }
    let evidence = || format!("the permission ends on {}", day(end));
    let advice = "renew EXPIRES if the owner needs it";
    (end - case.terms.now <= case.terms.ending).then(|| case.finding("ending", evidence(), Vec::new(), advice))
}

pub(super) fn failing(case: &Case<'_>) -> Option<Finding> {
    let denied = case.tally.denied.count;
    if denied == 0 {
        return None;
    }
    let reasons: Vec<_> =
        most(case.tally.reasons.used()).into_iter().map(|(name, used)| format!("{name} {}", used.count)).collect();
    let sources = most(case.tally.failing.used());
    let known: BTreeSet<_> = case.tally.sources.used().into_iter().map(|(source, _)| source).collect();
    let source = |(name, used): &(String, Use)| {
        let sends = if known.contains(name) { ", which is permitted otherwise" } else { "" };
        format!("{name} ({}{sends})", used.count)
    };
    let sources: Vec<_> = sources.iter().map(source).collect();
    let evidence = format!(
        "{} refused since {}: {}; most from {}",
        counted(denied, "request"),
        day(case.since),
        reasons.join(", "),
        sources.join(", ")
    );
    let advice =
        "`hookwarden explain REASON` says what each means; a sender that is permitted otherwise is set up wrongly";
    Some(case.finding("failing", evidence, Vec::new(), advice))
}

pub(super) fn unusual(case: &Case<'_>) -> Option<Finding> {
    let seen = most(case.tally.anomalies.used());
    let told: Vec<_> = seen.iter().map(|(name, used)| format!("{name} {}", used.count)).collect();
    let evidence = || format!("anomalies since {}: {}", day(case.since), told.join(", "));
    let advice = "`hookwarden explain KIND` says what each means; see that each was looked at";
    (!told.is_empty()).then(|| case.finding("unusual", evidence(), Vec::new(), advice))
}

/// The largest, largest first.
fn most(mut used: Vec<(String, Use)>) -> Vec<(String, Use)> {
    used.sort_by(|a, b| (b.1.count, &a.0).cmp(&(a.1.count, &b.0)));
    used.truncate(NAMED);
    used
}

pub(super) fn path(case: &Case<'_>) -> Option<Finding> {
    let route = &case.permission.route;
    // Where the token is part of the path, a path is a secret, and differs with each.
    let is_secret = route.scheme.signature.place == SignaturePlace::PathSegment;
    let (PathPattern::Prefix(_), false, true) = (&route.path, is_secret, case.tally.paths.is_complete()) else {
        return None;
    };
    let paths = case.tally.paths.used();
    let [(path, used)] = paths.as_slice() else { return None };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let evidence =
        format!("{} permits a whole tree, and {} came to {path} alone", route.path, counted(used.count, "request"));
    let advice = "permit the one path that is used";
    Some(case.finding("path_wide", evidence, case.change("PATH", path.clone()), advice))
}

pub(super) fn body(case: &Case<'_>) -> Option<Finding> {
    let (limit, largest) = (case.permission.route.max_body, case.tally.largest);
    let needed = largest.saturating_mul(ROOM).max(LEAST_BODY).checked_next_power_of_two()?;
    if largest == 0 || limit < needed.saturating_mul(WIDER / ROOM) {
        return None;
    }
    let evidence = format!("bodies of up to {limit} bytes are permitted, and the largest had {largest}");
    let to = if needed >= 1 << 20 { format!("{}MiB", needed >> 20) } else { format!("{}KiB", needed >> 10) };
    Some(case.finding(
        "body_wide",
        evidence,
        case.change("MAX_BODY", to),
        "what is not needed need not be held in memory",
    ))
}

pub(super) fn mode(case: &Case<'_>) -> Option<Finding> {
    if case.permission.route.mode != Mode::Monitor {
        return None;
    }
    let monitored = case.tally.monitored.count;
    let evidence =
        format!("the route only monitors: {} passed that enforcing would refuse", counted(monitored, "request"));
    let (changes, advice) = match monitored {
        0 => (case.change("MODE", "enforce".to_owned()), "nothing would have been refused: enforce"),
        _ => (Vec::new(), "look at what would have been refused, set that right, and enforce"),
    };
    Some(case.finding("monitor", evidence, changes, advice))
}

pub(super) fn new_senders(case: &Case<'_>) -> Option<Finding> {
    let last = case.terms.last.as_ref()?;
    let known = last.senders.get(&*case.permission.route.name);
    let used = case.tally.sources.used();
    let new = networks(used.iter().map(|(source, _)| source.as_str()));
    let new: Vec<_> = new.into_iter().filter(|network| known.is_none_or(|known| !known.contains(network))).collect();
    if new.is_empty() {
        return None;
    }
    let more = if new.len() > NAMED { format!(" and {} more", new.len() - NAMED) } else { String::new() };
    let named = new[..new.len().min(NAMED)].join(", ");
    let evidence =
        format!("authentic requests from networks that the last review ({}) did not have: {named}{more}", last.at);
    let advice = "compare them with what the provider publishes; if they are none of its networks, rotate the secret";
    Some(case.finding("new_senders", evidence, Vec::new(), advice))
}

/// Routes that were used and are not configured (any more).
pub(super) fn gone(tally: &Tally<Permissions>) -> Vec<Finding> {
    let is_gone = |(name, _): &(String, _)| !tally.permits().has(name);
    let finding = |(route, used): (String, &super::RouteTally)| {
        let evidence = format!(
            "{} on a route that this configuration does not have, the last on {}",
            counted(used.used.count, "permitted request"),
            day(used.used.last)
        );
        Finding {
            id: format!("{route}/route_gone"),
            route,
            finding: "route_gone",
            evidence,
            changes: Vec::new(),
            advice: "if it was taken out, delete the webhook at the provider; else this is another sidecar's log"
                .to_owned(),
        }
    };
    tally.routes().into_iter().filter(is_gone).filter(|(_, used)| used.used.count > 0).map(finding).collect()
}
