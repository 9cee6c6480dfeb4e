//! Keys: unused ones, and those over age.

use super::super::tally::What;
use super::{Case, Finding, day};

/// A key that is younger than a week, in seconds, may be waiting for its provider to use it.
const NEW: u64 = 7 * 86_400;

pub(super) fn unused(case: &Case<'_>) -> Option<Finding> {
    let (keys, terms) = (&case.permission.route.keys, case.terms);
    if keys.len() < 2 || case.tally.keys.used().is_empty() {
        return None;
    }
    let uses = |value: &[u8]| case.permission.uses(What::Keys, value);
    let is_new = |since: Option<u64>| since.is_some_and(|since| terms.now.saturating_sub(since) < NEW);
    let idle = keys
        .iter()
        .enumerate()
        .filter(|(index, key)| case.tally.keys.of_permission(*index, &uses).count == 0 && !is_new(key.since));
    let idle: Vec<_> = idle.map(|(_, key)| key.id.to_string()).collect();
    let evidence = || {
        format!("{} of {} keys proved nothing since {}: {}", idle.len(), keys.len(), day(case.since), idle.join(", "))
    };
    let advice = "take them out of SECRET_FILE, and revoke them at the provider";
    (!idle.is_empty()).then(|| case.finding("key_unused", evidence(), Vec::new(), advice))
}

pub(super) fn over_age(case: &Case<'_>) -> Option<Finding> {
    let old = case.permission.route.keys.iter().filter_map(|key| {
        let age = case.terms.now.saturating_sub(key.since?);
        (age > case.terms.key_age).then(|| format!("{} ({} days)", key.id, age / 86_400))
    });
    let old: Vec<_> = old.collect();
    let evidence = || format!("keys older than {} days: {}", case.terms.key_age / 86_400, old.join(", "));
    let advice = "rotate: add the new key to SECRET_FILE, switch at the provider, then take the old one out";
    (!old.is_empty()).then(|| case.finding("key_over_age", evidence(), Vec::new(), advice))
}
