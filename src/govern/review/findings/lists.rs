//! Permissions that are lists: methods, events, content types, sources, names of certificates.

use crate::config::values;

use super::super::sign_off::networks;
use super::super::tally::{Dimension, Use, What};
use super::{Case, Change, Finding, counted, day};

/// A list that was not set is proposed up to this length; a longer one is no list that a person would read.
const LONGEST: usize = 20;

/// What stands for at most so many values is wider than they are.
const FEW: usize = 5;

/// One list of a route.
struct List<'l> {
    what: What,
    /// The name of its setting.
    field: &'static str,
    /// What one entry is called.
    noun: &'static str,
    /// The names of the findings: unused entries, barely used ones.
    unused: &'static str,
    barely: &'static str,
    entries: Vec<String>,
    seen: &'l Dimension,
}

pub(super) fn all(case: &Case<'_>) -> Vec<Finding> {
    let (route, tally) = (&case.permission.route, case.tally);
    let texts = |list: &[Box<str>]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let list =
        |what, field, noun, unused, barely, entries, seen| List { what, field, noun, unused, barely, entries, seen };
    let sans = route.client_sans.iter().map(ToString::to_string).collect();
    let sources = route.sources.iter().map(ToString::to_string).collect();
    let lists = [
        list(
            What::Methods,
            "METHODS",
            "method",
            "method_unused",
            "method_barely_used",
            texts(&route.methods),
            &tally.methods,
        ),
        list(What::Events, "EVENTS", "event", "event_unused", "event_barely_used", texts(&route.events), &tally.events),
        list(
            What::ContentTypes,
            "CONTENT_TYPES",
            "content type",
            "content_type_unused",
            "content_type_barely_used",
            if tells_content_types(case) { texts(&route.content_types) } else { Vec::new() },
            &tally.content_types,
        ),
        list(What::Sources, "SOURCES", "network", "source_unused", "source_barely_used", sources, &tally.sources),
        list(What::ClientSans, "CLIENT_SANS", "name", "client_unused", "client_barely_used", sans, &tally.client_sans),
    ];
    let listed = lists.iter().flat_map(|list| [unused(case, list), barely(case, list)]);
    listed
        .chain([open_events(case), wide_events(case), open_content_types(case), open_sources(case)])
        .flatten()
        .collect()
}

fn uses(case: &Case<'_>, list: &List<'_>) -> Vec<Use> {
    let by = |value: &[u8]| case.permission.uses(list.what, value);
    (0..list.entries.len()).map(|index| list.seen.of_permission(index, &by)).collect()
}

fn unused(case: &Case<'_>, list: &List<'_>) -> Option<Finding> {
    let uses = uses(case, list);
    let split = |is_used: bool| {
        let entries = list.entries.iter().zip(&uses).filter(move |(_, used)| (used.count > 0) == is_used);
        entries.map(|(entry, _)| entry.clone()).collect::<Vec<_>>()
    };
    let (idle, kept) = (split(false), split(true));
    if idle.is_empty() {
        return None;
    }
    let evidence = format!("permitted and not used since {}: {}", day(case.since), idle.join(", "));
    // Where none of them was seen, the records do not show what they are used for.
    let changes = if kept.is_empty() { Vec::new() } else { narrowed(case, list.field, &kept) };
    let advice = format!("take each {} out that the owner does not expect", list.noun);
    Some(case.finding(list.unused, evidence, changes, &advice))
}

/// A list without what is not used. A list with names (`@github`) stays: what they stand for is not this route's.
fn narrowed(case: &Case<'_>, field: &str, kept: &[String]) -> Vec<Change> {
    let named = case.permission.written(field).is_some_and(|(_, value)| value.is_none_or(|value| value.contains('@')));
    if field == "SOURCES" && named { Vec::new() } else { case.change(field, kept.join(",")) }
}

fn barely(case: &Case<'_>, list: &List<'_>) -> Option<Finding> {
    let uses = uses(case, list);
    let is_barely = |used: &Use| (1..=case.terms.barely).contains(&used.count);
    let few = list.entries.iter().zip(&uses).filter(|(_, used)| is_barely(used));
    let few: Vec<_> =
        few.map(|(entry, used)| format!("{entry} ({}, last on {})", used.count, day(used.last))).collect();
    // A single entry is the route itself.
    let evidence = || format!("barely used since {}: {}", day(case.since), few.join(", "));
    let advice = "ask the owner whether they are still needed";
    (list.entries.len() > 1 && !few.is_empty()).then(|| case.finding(list.barely, evidence(), Vec::new(), advice))
}

fn open_events(case: &Case<'_>) -> Option<Finding> {
    let seen = &case.tally.events;
    let used = seen.used();
    if !case.permission.route.events.is_empty() || used.is_empty() {
        return None;
    }
    let named: u64 = used.iter().map(|(_, used)| used.count).sum();
    let without = case.tally.used.count.saturating_sub(named);
    let evidence =
        format!("every event is permitted, and {} used: {}", counted(used.len() as u64, "type"), names(&used));
    let is_whole = seen.is_complete() && used.len() <= LONGEST && without == 0;
    let (changes, advice) = if is_whole && used.iter().all(|(event, _)| is_plain(event)) {
        (case.change("EVENTS", joined(&used)), "permit the events that are used, and subscribe to no others")
    } else {
        (
            Vec::new(),
            "set EVENTS to those that the service handles; some requests had no event's type, or there are too many types to list",
        )
    };
    Some(case.finding("event_open", evidence, changes, advice))
}

/// Whether an event's type can stand in a list, and means itself alone there.
fn is_plain(event: &str) -> bool {
    event.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'*'))
}

/// Patterns that stand for a few events.
fn wide_events(case: &Case<'_>) -> Option<Finding> {
    let seen = &case.tally.events;
    let patterns: Vec<_> =
        case.permission.route.events.iter().map(|event| &**event).filter(|event| event.ends_with('*')).collect();
    let used = seen.used();
    let is_few = !used.is_empty() && used.len() <= FEW && seen.is_complete();
    if patterns.is_empty() || !is_few || !used.iter().all(|(event, _)| is_plain(event)) {
        return None;
    }
    let evidence = format!("{} permits every such event, and these are used: {}", patterns.join(", "), names(&used));
    Some(case.finding("event_wide", evidence, case.change("EVENTS", joined(&used)), "permit the events that are used"))
}

/// Whether each record that counts tells the media type: where one does not, none can be called unused.
fn tells_content_types(case: &Case<'_>) -> bool {
    case.tally.untold.count == 0
}

/// Where each media type is permitted: which were used.
fn open_content_types(case: &Case<'_>) -> Option<Finding> {
    let (seen, without) = (&case.tally.content_types, case.tally.untyped.count);
    let used = seen.used();
    if !case.permission.route.content_types.is_empty() || used.is_empty() || !tells_content_types(case) {
        return None;
    }
    let evidence =
        format!("every content type is permitted, and {} used: {}", counted(used.len() as u64, "type"), names(&used));
    let is_whole = seen.is_complete() && used.len() <= LONGEST && without == 0;
    let (changes, advice) = if is_whole && used.iter().all(|(name, _)| values::media_type(name).is_ok()) {
        (case.change("CONTENT_TYPES", joined(&used)), "permit the content types that are used")
    } else {
        let why = "set CONTENT_TYPES to what the provider sends; some bodies had none, or one that cannot be listed";
        (Vec::new(), why)
    };
    Some(case.finding("content_type_open", evidence, changes, advice))
}

/// Where everybody may send: which networks do. A list is not proposed, since a provider's next address is not known.
fn open_sources(case: &Case<'_>) -> Option<Finding> {
    let used = case.tally.sources.used();
    if !case.permission.route.sources.is_empty() || used.is_empty() {
        return None;
    }
    let networks = networks(used.iter().map(|(source, _)| source.as_str()));
    let named = if networks.len() <= FEW { format!(": {}", networks.join(", ")) } else { String::new() };
    let evidence = format!("every source is permitted, and {} used{named}", counted(networks.len() as u64, "network"));
    let advice = "if the provider publishes its networks, set SOURCES to them";
    Some(case.finding("source_open", evidence, Vec::new(), advice))
}

fn names(used: &[(String, Use)]) -> String {
    let named: Vec<_> =
        used.iter().take(LONGEST).map(|(name, used)| format!("{} ({})", name.escape_debug(), used.count)).collect();
    let more = if used.len() > LONGEST { ", and more" } else { "" };
    named.join(", ") + more
}

fn joined(used: &[(String, Use)]) -> String {
    used.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
}
