//! What is to be learnt of each outcome beside what its row says, a row each, in the order of the gates.

use crate::deny::{REASONS, Reason};

/// What a lesson adds to the row of its outcome.
#[derive(Debug)]
pub(super) struct More {
    /// What has happened to others.
    pub(super) story: &'static str,
    /// What to look at beside the records and the counter.
    pub(super) see: &'static str,
    /// How to keep it from happening.
    pub(super) prevent: &'static str,
}

/// What is added to that outcome's row.
pub(super) fn of(reason: Reason) -> &'static More {
    &ROWS[reason as usize]
}

const fn more(story: &'static str, see: &'static str, prevent: &'static str) -> More {
    More { story, see, prevent }
}

static ROWS: [More; REASONS] = [
    // overloaded
    more(
        "A receiver without limits takes everything until the kernel kills it, and then it loses the requests that it had already accepted as well as those to come. One that refuses at its limit loses none: the sender tries again.",
        "`hookwarden_connections`, `hookwarden_buffered_bytes` and `hookwarden_connections_shed_total` say which budget it is.",
        "Size the limits with deploy/capacity.md, set RATE on the route of the loudest sender, and alert when `rate(hookwarden_requests_total{reason=\"overloaded\"}[5m]) > 0` lasts for five minutes.",
    ),
    // malformed_request
    more(
        "In request smuggling an attacker sends one request with two lengths: the proxy in front believes the first, the server behind it the second. What is left over is then read as the beginning of another client's request, so that checks made in front are simply passed by.",
        "The record's `source` says whose bytes they were; method and path may be missing, since they could not be read.",
        "Keep the proxies in front up to date, and have each refuse what is ambiguous instead of repairing it. Nothing here has to be set: strictness cannot be switched off.",
    ),
    // header_too_large
    more(
        "The usual cause is harmless: a proxy that adds tracing fields or cookies at each hop until a limit is passed. The other cause is a client that sends fields without end to see what gives way first.",
        "All of one route's requests at once point to a proxy that was changed; a single source points to somebody who tries.",
        "Strip cookies and internal fields in front: a webhook needs a dozen header fields.",
    ),
    // header_timeout
    more(
        "Slowloris is an attack of one laptop: it opens many connections and sends each head a byte at a time. A server with a thread or a slot for each connection has soon none left for anybody else, at hardly any traffic.",
        "`hookwarden_connections` that rises while `hookwarden_requests_total` does not is the sign.",
        "Keep HEADER_TIMEOUT at seconds, and set MAX_CONNECTIONS_PER_SOURCE where senders do not share addresses.",
    ),
    // unsupported_transfer_coding
    more(
        "A field such as `Transfer-Encoding: xchunked`, or one in odd spelling, is how smugglers get two servers to disagree: one knows chunked when it sees it, the other does not and takes the length.",
        "The record's `source`: a proxy of yours that compresses requests, or a stranger.",
        "Have proxies in front pass bodies as they are, with Content-Length or plain chunked.",
    ),
    // version_not_supported
    more(
        "Servers that are taken from HTTP/2 to HTTP/1.1 on the way have been a rich source of smuggling, because lengths mean different things in the two. A version that is not parsed here is therefore refused and not guessed at.",
        "Usually every request of one proxy, from the moment when its upstream protocol was changed.",
        "Set the proxy's protocol towards this port to HTTP/1.1, and test its configuration with `hookwarden sign --send`.",
    ),
    // https_required
    more(
        "A static token that crosses one network in plaintext is a token that everybody on that network has. Signed webhooks lose their content the same way: names, addresses and amounts are in the body.",
        "The record's `tls` is null, and `source` is the hop that spoke plaintext.",
        "Register https:// addresses only, redirect nothing (a redirected POST has already been sent in plaintext), and keep ALLOW_PLAINTEXT unset.",
    ),
    // route_unknown
    more(
        "Endpoints outlive their purpose: a staging webhook that was never removed, with a test secret or with none, is found by whoever looks for /webhook, /hooks/stripe and /api/callback. Scanners ask every public address for these every day.",
        "`jq -r 'select(.reason == \"route_unknown\") | .path' audit.log | sort | uniq -c | sort -rn` shows what is asked for; many paths from one source become the anomaly `probing`.",
        "Delete endpoints at the provider when they are retired, and give each route an EXPIRES and an OWNER so that none is forgotten.",
    ),
    // method_not_allowed
    more(
        "Frameworks often route more methods than their authors know: a GET that answers with debugging output, a method override that turns a POST into a DELETE. A permission for POST alone makes all of that unreachable.",
        "The record's `method` and `path`.",
        "Leave METHODS at POST unless the provider's documentation names another.",
    ),
    // permission_expired
    more(
        "The integration that nobody uses any more is still trusted, its secret is known to people who have left, and its traffic is watched by nobody. An end date turns such a thing from an unknown hole into a question that is asked once a year.",
        "`hookwarden_permission_expiry_timestamp_seconds - time() < 14 * 86400` warns two weeks ahead.",
        "Review with `hookwarden review` before the date, and renew only what its owner still needs.",
    ),
    // source_not_allowed
    more(
        "A leaked secret is used from the attacker's machine. With SOURCES set to the networks that the provider publishes, the correct signature alone opens nothing.",
        "`jq -r 'select(.reason == \"source_not_allowed\") | .source' audit.log | sort | uniq -c`; if it is the address of your own proxy, TRUSTED_PROXIES lacks it.",
        "Keep SOURCES_FILE up to date from the provider's published list, by a job and not by hand, and subscribe to the provider's notices of change.",
    ),
    // client_certificate_not_allowed
    more(
        "With mutual TLS the private key never leaves the sender, so there is no shared secret to leak. That holds only while the names are checked: a CA that signs for many vouches for each of them everywhere.",
        "The record's `client_san` is the name that was shown; null means that no certificate was.",
        "Use an authority of your own for senders, name each exactly in CLIENT_SANS, and renew certificates by a job before they end.",
    ),
    // locked_out
    more(
        "Passwords and tokens that may be tried without end are found in the end. A lock makes guessing slow; it also lets a stranger who shares an address with an honest sender shut that one out, and so it is off by default.",
        "`hookwarden_locked_sources` and `increase(hookwarden_lockouts_total[1h])`; the admin port lists the locks.",
        "Use secrets of 256 random bits, which cannot be guessed at any rate, and leave locks to routes with weak static tokens.",
    ),
    // rate_limited
    more(
        "A loop between two systems (a webhook causes a change, the change causes a webhook) sends more in a minute than a year of honest use. The service that has no limit in front is down before anybody has seen the loop.",
        "`sum by (route, scope) (rate(hookwarden_rate_limited_total[5m]))` says whose share was used up.",
        "Set RATE to what the service can bear and not to what is usual, and make sure that the service ignores events that it has caused itself.",
    ),
    // content_type_not_allowed
    more(
        "A parser of XML reads local files for an attacker who may send it an external entity; a parser of multipart forms writes temporary files. A service that expects JSON should get nothing else.",
        "The record's `source` and `path`; the content type itself is not recorded, since a sender could write anything into it.",
        "Set CONTENT_TYPES to what the provider sends, usually application/json, and choose that type in the provider's settings.",
    ),
    // length_required
    more(
        "Where the end of a message is a guess, two servers guess differently, and the difference is an attacker's.",
        "The record's `source`; a client written by hand is the usual cause.",
        "Have the sender use an ordinary HTTP client.",
    ),
    // body_too_large
    more(
        "A receiver that reads a whole body into memory before it checks the signature lets every stranger choose how much memory it uses. A few large bodies at once are enough to end a container with a small limit.",
        "`hookwarden_request_body_bytes` shows what is usual on the route.",
        "Set MAX_BODY a little above the largest genuine event, and never to the largest that the container could just bear.",
    ),
    // credential_missing
    more(
        "The commonest weakness of webhook receivers is that they do not check at all, or only if the signature happens to be there: `if header: verify()`. Whoever leaves the header out is let in, and can claim that an order was paid.",
        "Every request of a route without one means that the secret is not set at the provider; a few from elsewhere are strangers.",
        "Set the secret at the provider when the endpoint is made, and test with an unsigned request that it is refused.",
    ),
    // timestamp_missing
    more(
        "A scheme with a signed time protects against replay only if the time is demanded. A receiver that takes a missing time for a fresh one has no protection at all.",
        "All requests of a route: a proxy strips the field, or PROVIDER names another version of the scheme.",
        "Let proxies pass unknown fields, and check a new route once with `hookwarden sign --send`.",
    ),
    // body_timeout
    more(
        "The slow body is the twin of the slow head: a length is announced, and then a byte comes now and then, so that the buffer and the connection stay taken.",
        "`hookwarden_buffered_bytes` that stays high while `hookwarden_requests_total` is low.",
        "Keep BODY_TIMEOUT and BODY_MIN_RATE as they are; both know what slow but honest links do.",
    ),
    // body_incomplete
    more(
        "A body that is cut off can still be valid JSON if it is cut at the right place, in a receiver that does not look at the length. That is why the whole is demanded before anything is checked.",
        "Many of one sender: its time-out is shorter than the time that it needs to send.",
        "Nothing has to be done for single ones: the sender's retry is complete.",
    ),
    // credential_invalid
    more(
        "A secret is rotated at the provider on a Friday, every webhook is refused over the weekend, and the provider disables the endpoint. The other story begins the same way in the log: somebody sends forged payment events in the hope that nobody compares the whole signature.",
        "Only strangers' sources: forgery. All of the provider's sources since one moment: rotation, and the anomaly `rotation_missed` says so. `hookwarden_credential_last_used_timestamp_seconds` says when a key last worked.",
        "Rotate with both keys in SECRET_FILE for a while: first add the new one here, then switch at the provider, then take the old one out when its last use is past.",
    ),
    // credential_expired
    more(
        "A key that was in use for years has been in backups, in shells' histories and on laptops of people who left. A leaked secret is found long after it leaked; an age limit makes the find worthless.",
        "`hookwarden_credential_age_seconds` against SECRET_MAX_AGE: alert at four fifths of it.",
        "Rotate on a schedule that is shorter than SECRET_MAX_AGE, by a job that writes the new key's file.",
    ),
    // keys_unavailable
    more(
        "Where a receiver falls back to accepting when the key server does not answer, an attacker needs only to make it not answer.",
        "`increase(hookwarden_keys_fetches_total{result!=\"ok\"}[15m])`, `hookwarden_keys_age_seconds` and the operational log.",
        "Permit the way out to the key server in the NetworkPolicy, or have the keys in JWKS_FILE; set SECRET_MAX_AGE longer than an outage that you would sit out.",
    ),
    // timestamp_stale
    more(
        "Signed requests end up in logs, in proxies' captures and in error trackers. Without a limit on their age a recorded payment event is as good a year later as it was at first: the signature is correct for ever.",
        "All off by the same time: a clock, and the anomaly `clock_skew` says so. A few, long past: replays from a recording.",
        "Run NTP on every node, and keep TOLERANCE at the provider's advice, in minutes and not in hours.",
    ),
    // timestamp_future
    more(
        "A receiver that only asks whether a message is too old takes one from next year until next year comes. The window therefore has two sides.",
        "All of one route's requests by the same time: the sender's clock is ahead, or this machine's is behind.",
        "Run NTP on every node, and alert on `node_timex_offset_seconds` or the like.",
    ),
    // event_not_allowed
    more(
        "Subscribing to all events is one click, and choosing takes ten. So services receive events that they have no code for, with content that they should not hold, and one day a handler is added that trusts what nobody has thought about.",
        "`jq -r 'select(.reason == \"event_not_allowed\") | .event' audit.log | sort | uniq -c` lists them.",
        "Subscribe at the provider to the same list that EVENTS permits; `hookwarden review` names those that never come.",
    ),
    // payload_invalid
    more(
        "JSON with a member twice is read differently by different parsers: the check sees the first amount, and the booking sees the last.",
        "The record's `source` and `key_id`: where the key is known, it is the sender's fault or the sender's key in other hands.",
        "Have the service use one parser for the whole way; the sidecar refuses the doubt where it decides something itself.",
    ),
    // schema_violation
    more(
        "A correct signature says who sent a message, not that it is harmless: a sender that is broken into, or that passes on what its users typed, signs that too.",
        "All at once since a moment: the provider has changed its payload. Single ones: look at what they hold, in the sender's own log.",
        "Pin the provider's API version where it has one, and keep the schema to what the service really reads.",
    ),
    // replayed
    more(
        "An attacker who has recorded one genuine `payment succeeded` does not have to forge anything: sending it again is enough, if the receiver credits an account each time. The signature is right, since the bytes are.",
        "The record's `source` against that of the first, which has the same `delivery_id`: `jq -c 'select(.delivery_id == \"...\")' audit.log`.",
        "Keep REPLAY on, share claims between pods with REPLAY_URL, and make handlers idempotent by the event's id all the same.",
    ),
    // duplicate
    more(
        "At-least-once delivery is what webhooks promise: when the answer is lost on the way, the sender cannot know that its event has arrived. A service without protection ships the order twice.",
        "A share above a few per cent says that the service answers later than the sender waits: see `hookwarden_upstream_duration_seconds`.",
        "Answer fast and work afterwards; keep handlers idempotent.",
    ),
    // in_flight
    more(
        "Two copies of an event at the same moment pass every check that looks first and writes later. Such races have paid out coupons and credits twice; here the claim is one atomic step.",
        "Compare with `histogram_quantile(0.99, sum by (le, route) (rate(hookwarden_upstream_duration_seconds_bucket[5m])))` and with the sender's time-out.",
        "Have the service acknowledge within a second, and do the work in a queue.",
    ),
    // replay_store_full
    more(
        "A store that silently forgets the oldest is a store that an attacker can empty: send enough, and what was claimed is new again.",
        "`hookwarden_replay_entries / hookwarden_replay_capacity_entries > 0.8` warns before it is full.",
        "Size REPLAY_MAX_ENTRIES as requests a second times twice the tolerance, with room for a burst: deploy/capacity.md.",
    ),
    // replay_store_unavailable
    more(
        "With several pods and no common memory a replay needs only to reach another pod, and load balancers see to that.",
        "`hookwarden_replay_store_up == 0` and `increase(hookwarden_replay_store_errors_total[5m])`.",
        "Run the store with a replica and a failover, near the pods; decide beforehand between `deny` and `local`, and write the decision down.",
    ),
    // upstream_unreachable
    more(
        "The release of the service failed, and its webhooks of that hour would be gone if they had been acknowledged on arrival. A 502 is the honest answer, since the provider then tries again.",
        "`sum by (route) (rate(hookwarden_requests_total{reason=~\"upstream_.*\"}[5m]))` beside the service's own readiness.",
        "Give the service a readiness probe and enough replicas, and know for how long each provider retries: `hookwarden providers ID`.",
    ),
    // upstream_invalid_response
    more(
        "An answer with two lengths lets the rest of it be taken for the answer to the next request, which belongs to somebody else.",
        "The operational log says what was wrong with the answer.",
        "Let the service's framework write its answers; do not set lengths by hand.",
    ),
    // upstream_timeout
    more(
        "A handler that does its work before it answers is fast in tests and slow under load; the sender gives up, tries again, and so adds to the load.",
        "`hookwarden_upstream_duration_seconds` by route, in its upper buckets.",
        "Put the event into a queue and answer at once.",
    ),
    // challenge_answered
    more(
        "An endpoint that signs or echoes whatever it is asked to is an oracle: an attacker has it sign a message of his choice. Challenges are therefore answered only in the shape that their provider documents.",
        "Now and then, after changes at the provider, is usual; many are somebody who tries.",
        "Set VERIFY_TOKEN where the provider lets one be chosen.",
    ),
    // forwarded
    more(
        "An attacker who has the secret looks exactly like this. That is why the records hold `source` and `key_id`, and why unusual sources and volumes are anomalies.",
        "`jq -c 'select(.reason == \"forwarded\") | [.route, .source, .event, .upstream_status]' audit.log`.",
        "Rotate secrets, set SOURCES and RATE, and review the permissions every quarter.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that have slipped would tell another outcome's story: each of these names its own.
    #[test]
    fn rows_stand_at_their_outcomes() {
        for (reason, word) in [
            (Reason::Overloaded, "limit"),
            (Reason::HeaderTimeout, "Slowloris"),
            (Reason::RouteUnknown, "route_unknown"),
            (Reason::LockedOut, "hookwarden_locked_sources"),
            (Reason::BodyTooLarge, "MAX_BODY"),
            (Reason::CredentialInvalid, "rotation_missed"),
            (Reason::TimestampStale, "clock_skew"),
            (Reason::EventNotAllowed, "event_not_allowed"),
            (Reason::Replayed, "REPLAY_URL"),
            (Reason::ReplayStoreUnavailable, "hookwarden_replay_store_up"),
            (Reason::ChallengeAnswered, "VERIFY_TOKEN"),
            (Reason::Forwarded, "SOURCES"),
        ] {
            let More { story, see, prevent } = of(reason);
            assert!([story, see, prevent].iter().any(|text| text.contains(word)), "{reason}: {word}");
        }
    }
}
