//! Why each global setting matters, and where it shows, a row each, in the order of the knobs.

use super::More;

pub(super) const ROWS: &[More] = &[
    (
        "LISTEN",
        "Whoever reaches the service by another port than this one is checked by nobody: receivers have been found beside their proxy, on the port that was left open for a test.",
        "`hookwarden_connections` counts who came by here.",
    ),
    (
        "ADMIN_LISTEN",
        "Metrics name routes, keys and what is refused: a map for an attacker. Published by mistake together with the webhooks' port, they are read by everybody.",
        "Ask for /metrics from outside of the cluster: there must be no answer.",
    ),
    (
        "UPSTREAM",
        "A service that also listens on other addresses than loopback can be reached without the sidecar, and then every check is for nothing.",
        "`upstream_unreachable` when it is wrong; from another pod, the service's own port must not answer.",
    ),
    (
        "UPSTREAM_CA_FILE",
        "Between machines a hop without a checked certificate can be answered by anybody on the way, who then reads every verified webhook.",
        "`upstream_unreachable`, with the certificate's fault in the operational log.",
    ),
    (
        "WORKERS",
        "More threads than CPUs make no request faster, and each costs memory; one is enough for thousands of webhooks a second.",
        "`hookwarden_verify_duration_seconds` that grows while the CPU is used up.",
    ),
    (
        "TLS",
        "A webhook in plaintext gives its token and its content to every network on its way. Behind a proxy that ends TLS, `forwarded` refuses what did not come encrypted to the proxy.",
        "`https_required`, and `tls` in each record.",
    ),
    (
        "TLS_CERT_FILE",
        "Webhooks stop when a certificate ends, since providers check it: an outage with a date that was known all along.",
        "`hookwarden_tls_certificate_expiry_timestamp_seconds - time() < 14 * 86400` warns two weeks ahead.",
    ),
    (
        "TLS_KEY_FILE",
        "Whoever has the private key can be you. Keys that are baked into images are in every registry and cache that the image was in.",
        "`hookwarden_config_reloads_total` when the file has changed.",
    ),
    (
        "TLS_MIN_VERSION",
        "Versions before 1.2 have known breaks and are never spoken; 1.3 alone is better still, where every sender knows it.",
        "`hookwarden_tls_handshakes_total` by its result, after a change.",
    ),
    (
        "TLS_CLIENT_AUTH",
        "A certificate of the sender's is a proof that no leaked webhook secret can replace.",
        "`client_certificate_not_allowed`, and `client_san` in each record.",
    ),
    (
        "TLS_CLIENT_CA_FILE",
        "A public authority here would let in everybody who has ever bought a certificate from it.",
        "`hookwarden_tls_handshakes_total` by its result.",
    ),
    (
        "TLS_CLIENT_CRL_FILE",
        "Without a list of what was revoked, a stolen client key opens the door until its certificate ends.",
        "`client_certificate_not_allowed`.",
    ),
    (
        "ALLOW_PLAINTEXT",
        "It is set for a test, and stays. Static tokens are then readable on every hop.",
        "`tls` is null in the records.",
    ),
    (
        "TRUSTED_PROXIES",
        "Whoever is trusted here says who the sender is: with a range that is too wide, a stranger writes an address of the provider's into X-Forwarded-For and passes SOURCES.",
        "`source` in the records: the sender's, and not the proxy's, if it is right.",
    ),
    (
        "FORWARDED_HEADER",
        "A proxy that sets one of the two fields passes the other on as the client wrote it; believing both is believing the client.",
        "`source` in the records.",
    ),
    (
        "SOURCES_FILE",
        "Networks that were typed by hand years ago let strangers in that have the addresses now, and keep the provider's new ones out.",
        "`source_not_allowed` from addresses of the provider's.",
    ),
    (
        "PROXY_PROTOCOL",
        "Where it is on, the connection says by itself who the client is: only a trusted proxy may say that.",
        "`hookwarden_proxy_headers_total` by its result.",
    ),
    (
        "MAX_CONNECTIONS",
        "Without a limit, connections that only stand there use up memory and file descriptors until honest senders cannot connect.",
        "`hookwarden_connections` against it, `hookwarden_connections_shed_total`, and `overloaded`.",
    ),
    (
        "MAX_CONNECTIONS_PER_SOURCE",
        "One machine can hold every connection there is; with this it holds its share. Where many senders share an address, it is the honest ones that are kept out.",
        "`hookwarden_connections`, and refused connections in the operational log.",
    ),
    (
        "MAX_REQUESTS_PER_CONNECTION",
        "A sender that never reconnects stays with one pod for ever, also after others were added to help it.",
        "Uneven `hookwarden_requests_total` between pods.",
    ),
    (
        "MAX_BUFFERED",
        "Bodies are held until they are verified; without this bound strangers decide how much memory that takes.",
        "`hookwarden_buffered_bytes` against it, and `overloaded`.",
    ),
    (
        "MAX_IN_FLIGHT",
        "A slow service and no limit add up to requests that wait for minutes, each with memory, until all time out together.",
        "`overloaded`, and `hookwarden_upstream_duration_seconds`.",
    ),
    ("HEADER_TIMEOUT", "Heads that are sent a byte at a time keep connections taken (slowloris).", "`header_timeout`."),
    ("BODY_TIMEOUT", "A body that never ends keeps its buffer taken.", "`body_timeout`."),
    (
        "BODY_MIN_RATE",
        "A body that trickles stays below every other limit, and holds memory for as long as it likes.",
        "`body_timeout`.",
    ),
    (
        "IDLE_TIMEOUT",
        "A proxy in front that keeps connections for longer than this sends its next webhook into one that is being closed.",
        "Failed requests in the proxy's log, with no record here.",
    ),
    (
        "UPSTREAM_CONNECT_TIMEOUT",
        "A long wait for a service that is not there holds up the sender's retry, which would have reached it.",
        "`upstream_unreachable`.",
    ),
    (
        "UPSTREAM_TIMEOUT",
        "Longer than the sender waits, and its retry comes while the first is still being handled; shorter than the service needs, and nothing is ever acknowledged.",
        "`upstream_timeout` and `in_flight`.",
    ),
    (
        "DRAIN_DELAY",
        "A pod that stops listening the moment that it is told to is still sent requests by load balancers that have not heard of it.",
        "Refused connections in the proxy in front during a rollout.",
    ),
    (
        "SHUTDOWN_GRACE",
        "Longer than the pod's own grace, and it is killed in the middle of exchanges; their claims then stay pending for a while.",
        "`in_flight` after a rollout.",
    ),
    (
        "REPLAY_MAX_ENTRIES",
        "What does not fit is refused or forgotten: a store that is too small for the traffic of one window is no protection.",
        "`hookwarden_replay_entries / hookwarden_replay_capacity_entries`, `hookwarden_replay_evictions_total`.",
    ),
    (
        "REPLAY_FULL",
        "`evict` forgets claims inside their window: whoever can make the store full can replay.",
        "`replay_store_full`, `hookwarden_replay_evictions_total` and `hookwarden_replay_window_seconds`.",
    ),
    (
        "REPLAY_JOURNAL",
        "A restart without it forgets all claims: what was recorded within the window passes once more.",
        "`hookwarden_replay_journal_errors_total`.",
    ),
    (
        "REPLAY_URL",
        "With several pods and no shared store, a replay passes once at each of them.",
        "`hookwarden_replay_store_up` and `hookwarden_replay_store_duration_seconds`.",
    ),
    (
        "REPLAY_PASSWORD",
        "A store without a password can be emptied by everybody in the network, and with it the protection.",
        "`replay_store_unavailable` when it is wrong.",
    ),
    (
        "REPLAY_CA_FILE",
        "Without the right authority nobody can tell the store from somebody who answers in its place that all is new.",
        "`replay_store_unavailable`, with the certificate's fault in the operational log.",
    ),
    (
        "REPLAY_UNAVAILABLE",
        "`deny` loses time and no protection: senders retry. `local` loses protection between pods for as long as the store is away, which an attacker may be able to bring about.",
        "`replay_store_unavailable`, or with local `hookwarden_replay_unconfirmed_claims_total`.",
    ),
    (
        "FETCH_CA_FILE",
        "Keys that are fetched from an impostor let the impostor's tokens in.",
        "`hookwarden_keys_fetches_total` by its result.",
    ),
    (
        "FETCH_ALLOW_PRIVATE",
        "A server that fetches addresses it is given can be sent to internal ones (SSRF): cloud metadata hands out credentials to whoever asks from within.",
        "`hookwarden_keys_fetches_total` by its result, and the operational log.",
    ),
    (
        "RATE_PER_SOURCE",
        "It bounds what a stranger costs before anything is read. Behind a proxy that shows all senders as one address, it bounds them all together.",
        "`rate_limited` with `scope=\"source\"` in `hookwarden_rate_limited_total`, and `hookwarden_rated_sources`.",
    ),
    (
        "LOCKOUT",
        "It makes guessing slow, and it can be turned around: whoever can make an honest sender's address fail has it locked out.",
        "`locked_out`, `hookwarden_lockouts_total` and `hookwarden_locked_sources`.",
    ),
    (
        "MAX_SOURCES",
        "A table of addresses without a bound is filled by anybody with an IPv6 prefix.",
        "`hookwarden_rated_sources` against it.",
    ),
    (
        "ERROR_DETAIL",
        "`full` tells an attacker which check failed: each answer is then a step closer. Records and metrics hold the precise reason anyway.",
        "`reason` in the answer to an unsigned request: unauthorized is right.",
    ),
    (
        "AUDIT_LOG",
        "Without records nobody can say afterwards what a leaked secret was used for, or which permission was needed at all.",
        "`hookwarden_audit_records_dropped_total` must stay 0.",
    ),
    (
        "AUDIT_CHAIN",
        "Whoever breaks in cleans the log first. In a chain a changed or missing record shows.",
        "`hookwarden verify-log audit.log`.",
    ),
    (
        "AUDIT_CHAIN_KEY_FILE",
        "A chain without a key can be made anew by whoever may write the file.",
        "`hookwarden verify-log --key-file FILE audit.log`.",
    ),
    (
        "AUDIT_BODY_DIGEST",
        "When it is disputed what was received, the body's hash decides: it says that these were the bytes, without keeping them.",
        "`body_sha256` in the records.",
    ),
    (
        "LOG_LEVEL",
        "Too much, and the line that matters is not seen; off, and a broken file after a reload is seen by nobody.",
        "The operational log on standard error.",
    ),
    (
        "ADMIN_TOKEN_FILE",
        "Private pages show the policy and lift locks: what is a help to operators is one to intruders.",
        "A request for a private page without the token is refused.",
    ),
    (
        "RESIGN_SECRET_FILE",
        "A service that trusts a header alone believes everybody who reaches it. A signature of the sidecar's cannot be made up.",
        "The service's own verification of the Standard Webhooks headers.",
    ),
    (
        "PROVIDERS_DIR",
        "A definition decides what counts as proof: who may write to the directory may let anybody in.",
        "`hookwarden providers --providers-dir DIR ID` says what a definition cannot protect against.",
    ),
];
