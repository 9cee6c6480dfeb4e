//! What is to be learnt of each kind of anomaly beside what its row says, a row each, in the order of the kinds.

use crate::observe::anomaly::{KINDS, Kind};

/// What a lesson adds to the row of its kind.
#[derive(Debug)]
pub(super) struct More {
    /// What has happened to others.
    pub(super) story: &'static str,
    /// What to look at beside the anomaly's own record.
    pub(super) see: &'static str,
    /// How to keep it from happening.
    pub(super) prevent: &'static str,
}

/// What is added to that kind's row.
pub(super) fn of(kind: Kind) -> &'static More {
    &ROWS[kind as usize]
}

const fn more(story: &'static str, see: &'static str, prevent: &'static str) -> More {
    More { story, see, prevent }
}

static ROWS: [More; KINDS] = [
    // failure_burst
    more(
        "Most bursts are a deployment with the wrong secret. Some are a list of leaked or common secrets that is tried against every endpoint which answers 401; a receiver that compares with `==` also tells by its timing how much of a guess was right.",
        "`jq -r 'select(.status == 401) | .source' audit.log | sort | uniq -c | sort -rn | head`: one source, or all of the provider's?",
        "Use secrets of 256 random bits, set SOURCES where the provider publishes its networks, and roll out secrets with the old one still in place.",
    ),
    // new_source
    more(
        "Secrets are committed to public repositories by mistake, and are found there within minutes by programs that look for nothing else. The first request that is made with one comes from a network that has never sent before.",
        "`jq -c 'select(.source | startswith(\"203.0.\")) | [.ts, .route, .key_id, .event]' audit.log`, with the network's first parts, shows all that it sent.",
        "Set SOURCES to the provider's published networks, scan repositories for secrets before they are pushed, and keep secrets in files that are mounted, never in code.",
    ),
    // volume_spike
    more(
        "Two systems that answer each other's webhooks, an import that touches every record, a retry storm after an outage: all of them are authentic, and all of them take services down.",
        "`sum by (route) (rate(hookwarden_requests_total{decision=\"forwarded\"}[5m]))` beside the same of the day before (`offset 1d`).",
        "Set RATE on each route, and have the service ignore the events that it causes itself.",
    ),
    // silence
    more(
        "Nothing fails when webhooks stop, so nothing warns: the endpoint was disabled by the provider after too many errors, or a certificate ended, and the loss is found weeks later in the books.",
        "`sum by (route) (increase(hookwarden_requests_total[1h])) == 0` for routes that are never quiet.",
        "Alert on silence as on failure, keep certificates renewed by a job, and reconcile with the provider's API every day.",
    ),
    // clock_skew
    more(
        "A virtual machine that was suspended, or a node without NTP, is minutes off without a complaint. Then every signed webhook is stale, and raising the tolerance seems to help, at the price of a longer time in which recordings can be replayed.",
        "`date -u` on the node against another machine; `jq -c 'select(.reason == \"timestamp_stale\" or .reason == \"timestamp_future\") | [.ts, .route, .source]' audit.log`.",
        "Run NTP on every node, and alert on the offset that the node exporter shows.",
    ),
    // rotation_missed
    more(
        "Somebody presses `roll secret` at the provider, because that is good practice, and tells nobody. Providers try again for hours or days, and then give the events up or disable the endpoint.",
        "`time() - hookwarden_credential_last_used_timestamp_seconds` by route: the time since a key last proved anything.",
        "Write down who rotates and how: first the new key here beside the old one, then at the provider. Note the OWNER of each route where the provider's account is managed.",
    ),
    // probing
    more(
        "Scanners ask for well-known paths on every address of the internet; somebody who asks for paths of your own naming has read your documentation, your code or your page of webhooks.",
        "`jq -r 'select(.reason == \"route_unknown\") | [.source, .path] | @tsv' audit.log | sort | uniq -c` shows the words that were tried.",
        "Serve webhooks under a host name of their own, with no other service behind it, and let the sidecar's default refuse the rest.",
    ),
];
