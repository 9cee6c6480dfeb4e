//! The settings of the whole sidecar: `HOOKWARDEN_<name>`.

use super::Knob;

/// The global settings, in the order in which they are documented.
pub const GLOBAL: &[Knob] = &[
    Knob::new("LISTEN", "0.0.0.0:8443", "an address and port; port 0 takes a free one", "Where webhooks come to."),
    Knob::new(
        "ADMIN_LISTEN",
        "0.0.0.0:9464",
        "an address and port other than LISTEN",
        "Where probes and scrapes come to. 9464 is the port that Prometheus exporters of this kind use.",
    ),
    Knob::new(
        "UPSTREAM",
        "127.0.0.1:8080",
        "host:port, http://host:port, https://host[:port] or unix:/path",
        "The service behind the sidecar. In a pod it listens on loopback.",
    ),
    Knob::new(
        "UPSTREAM_CA_FILE",
        "",
        "a PEM file of certificates; needs an UPSTREAM that begins with https://",
        "The authorities that the certificates of https:// services must come from; where it is not set, the system's.",
    ),
    Knob::new(
        "WORKERS",
        "",
        "1 to 1024",
        "How many threads serve. Where it is not set: one for each CPU that the container may use.",
    ),
    // The listener's encryption.
    Knob::new(
        "TLS",
        "terminate",
        "terminate, forwarded or off; forwarded needs TRUSTED_PROXIES; off only on a loopback LISTEN or with ALLOW_PLAINTEXT=true",
        "Where TLS ends: here, or at a trusted proxy that says so of each request. Webhooks carry credentials, so plaintext has to be asked for.",
    ),
    Knob::new(
        "TLS_CERT_FILE",
        "",
        "a PEM file: the certificate, then its intermediates; or a directory with NAME.crt and NAME.key for each, or with such directories",
        "The listener's certificates, chosen by the name that a client calls; the first is for all others. A changed file is live within seconds.",
    ),
    Knob::new("TLS_KEY_FILE", "", "a PEM file: PKCS#8, PKCS#1 or SEC1; not beside a directory", "The certificate's private key.").secret(),
    Knob::new(
        "TLS_MIN_VERSION",
        "1.2",
        "1.2 or 1.3",
        "The oldest TLS version that is spoken. Not all providers send with 1.3 yet.",
    ),
    Knob::new(
        "TLS_CLIENT_AUTH",
        "off",
        "off, optional or required; the latter two need TLS_CLIENT_CA_FILE",
        "Whether clients must show a certificate. optional: those that show none are let in, but not by a route with CLIENT_SANS.",
    ),
    Knob::new(
        "TLS_CLIENT_CA_FILE",
        "",
        "a PEM file of certificates; needs TLS_CLIENT_AUTH",
        "The authorities that client certificates must come from: of your own, since all that they ever sign are let in.",
    ),
    Knob::new(
        "TLS_CLIENT_CRL_FILE",
        "",
        "a PEM file of revocation lists; needs TLS_CLIENT_CA_FILE",
        "What those authorities have revoked: a current list of each in a client's chain, or else the client is refused.",
    ),
    Knob::new(
        "ALLOW_PLAINTEXT",
        "false",
        "true or false",
        "Permits TLS=off on an address that is not loopback: for networks that encrypt by other means.",
    ),
    // What stands in front of the listener.
    Knob::new(
        "TRUSTED_PROXIES",
        "",
        "networks such as 10.0.0.0/8, separated by commas",
        "The proxies whose word on the sender's address and encryption is taken. Everybody else's is removed.",
    ),
    Knob::new(
        "FORWARDED_HEADER",
        "x-forwarded",
        "x-forwarded or forwarded; needs TRUSTED_PROXIES",
        "Where the trusted proxies give their word: X-Forwarded-For and -Proto, or Forwarded (RFC 7239). The other kind is ignored: a client may have made it up.",
    ),
    Knob::new(
        "SOURCES_FILE",
        "",
        "a JSON file such as {\"github\": [\"192.30.252.0/22\"]}",
        "Networks by name, for the routes' SOURCES: what providers publish of where they send from.",
    ),
    Knob::new(
        "PROXY_PROTOCOL",
        "off",
        "off, v1 or v2; needs TRUSTED_PROXIES",
        "Whether connections begin with a PROXY protocol header, before TLS. Then only trusted proxies can connect.",
    ),
    // Budgets: what strangers can make the sidecar hold.
    Knob::new(
        "MAX_CONNECTIONS",
        "4096",
        "a whole number of at least 1",
        "Open connections, at most. Senders reuse few; deploy/capacity.md has what they cost at worst.",
    ),
    Knob::new(
        "MAX_CONNECTIONS_PER_SOURCE",
        "off",
        "off, or a whole number of at least 1",
        "Open connections of one address (IPv6: one /64), at most. Off, because in a cluster many senders come by one node's address; when few are left in all, those that have proven nothing give way.",
    ),
    Knob::new(
        "MAX_REQUESTS_PER_CONNECTION",
        "10000",
        "a whole number of at least 1",
        "Requests over one connection, at most: then it closes, so that a busy sender is spread anew over workers and pods.",
    ),
    Knob::new(
        "MAX_BUFFERED",
        "64MiB",
        "a size of at least 1, such as 64MiB",
        "Bytes of bodies held at once, at most: a body is held until it is verified.",
    ),
    Knob::new(
        "MAX_IN_FLIGHT",
        "1024",
        "a whole number of at least 1",
        "Requests on their way to the service at once, at most. Beyond that senders are asked to retry.",
    ),
    // Deadlines.
    Knob::new(
        "HEADER_TIMEOUT",
        "10s",
        "a duration above zero",
        "From a head's first byte to its last, and for a TLS handshake. Honest senders take milliseconds.",
    ),
    Knob::new("BODY_TIMEOUT", "30s", "a duration above zero", "From a body's first byte to its last."),
    Knob::new(
        "BODY_MIN_RATE",
        "1KiB",
        "a size a second; 0 for none",
        "The least bytes a second of a body, after a grace of five seconds: a slow one holds memory.",
    ),
    Knob::new(
        "IDLE_TIMEOUT",
        "75s",
        "a duration above zero",
        "Between two requests on a connection. Above the 60s of common load balancers, so that they close first.",
    ),
    Knob::new(
        "UPSTREAM_CONNECT_TIMEOUT",
        "1s",
        "a duration above zero",
        "To connect to the service. Inside a pod a connection takes microseconds or fails.",
    ),
    Knob::new(
        "UPSTREAM_TIMEOUT",
        "30s",
        "a duration above zero",
        "Until the service's response begins. Most providers give up within 30s themselves.",
    ),
    // Stopping.
    Knob::new(
        "DRAIN_DELAY",
        "0s",
        "a duration",
        "How long connections are still accepted after the signal to stop: until load balancers have noticed.",
    ),
    Knob::new(
        "SHUTDOWN_GRACE",
        "25s",
        "a duration",
        "How long exchanges may take to end after that. Below the 30s that Kubernetes gives a pod.",
    ),
    // Replay protection.
    Knob::new(
        "REPLAY_MAX_ENTRIES",
        "1000000",
        "a whole number of at least 1",
        "Claims remembered at once, at most; a million take some 32 MiB.",
    ),
    Knob::new(
        "REPLAY_FULL",
        "auto",
        "auto, reject or evict",
        "What gives way when all are taken. auto: claims outside a signed time window, oldest first; else the new one.",
    ),
    Knob::new(
        "REPLAY_JOURNAL",
        "",
        "an absolute path of a directory, for this process alone",
        "Where claims survive a restart: an emptyDir, best of medium Memory. At most 128 bytes for each of REPLAY_MAX_ENTRIES.",
    ),
    Knob::new(
        "REPLAY_URL",
        "",
        "redis://[user[:password]@]host[:port][/database], redis+sentinel://host[:port],.../service, or redis+cluster://host[:port],...; rediss for TLS",
        "A Redis or Valkey that several pods share their claims in. Else a replay passes by going to another pod.",
    )
    .secret(),
    Knob::new(
        "REPLAY_PASSWORD",
        "",
        "a password",
        "The password of the user in REPLAY_URL, or of the default one: usually by REPLAY_PASSWORD_FILE. Read once, at start.",
    )
    .secret(),
    Knob::new(
        "REPLAY_CA_FILE",
        "",
        "a PEM file of certificates",
        "The authorities that the certificates of a rediss REPLAY_URL must come from; where it is not set, the system's.",
    ),
    Knob::new(
        "REPLAY_UNAVAILABLE",
        "deny",
        "deny or local",
        "What happens to signed webhooks while REPLAY_URL does not answer. deny: 503, and the sender retries; nothing passes twice. local: each pod asks its own claims alone.",
    ),
    // What is fetched.
    Knob::new(
        "FETCH_CA_FILE",
        "",
        "a PEM file of certificates",
        "The authorities that servers of keys and tokens must have their certificates from; where it is not set, those of Mozilla's list.",
    ),
    Knob::new(
        "FETCH_ALLOW_PRIVATE",
        "false",
        "true, false, or networks such as 10.96.0.0/12, separated by commas",
        "Whether keys and tokens may be asked for at addresses that are not public. true: private and loopback ones, but no link-local ones, where cloud metadata is; networks: those alone.",
    ),
    // Rates.
    Knob::new(
        "RATE_PER_SOURCE",
        "off",
        "off, or a rate such as 100/s burst 200 (also /m and /h)",
        "Requests that one address (IPv6: one /64) may send, whatever they are worth: refused before they are read. Off, because many senders share addresses, and a proxy in front may show all of them as one.",
    ),
    Knob::new(
        "LOCKOUT",
        "off",
        "off, or a rule such as 20/1m for 15m: so many failures, in that time, lock for that long",
        "Locks an address out of a route that it fails to authenticate on too often, each time for twice as long, up to 24h. Off, because many senders share addresses: see below.",
    ),
    Knob::new(
        "MAX_SOURCES",
        "65536",
        "a whole number of at least 1",
        "Addresses that RATE_PER_SOURCE and LOCKOUT remember, each at most; 65536 take 1.5 MiB for the one and 2.5 MiB for the other.",
    ),
    // What is told, and to whom.
    Knob::new(
        "ERROR_DETAIL",
        "minimal",
        "minimal or full",
        "How much a denial tells the client. minimal: an attacker does not learn which check failed.",
    ),
    Knob::new("AUDIT_LOG", "stdout", "stdout, off, or a file's path with a / in it", "Where the audit records go."),
    Knob::new(
        "AUDIT_CHAIN",
        "false",
        "true or false",
        "Whether each audit record holds the hash of the one before, so that a changed or removed one shows.",
    ),
    Knob::new(
        "AUDIT_CHAIN_KEY_FILE",
        "",
        "a file that holds a key of at least 16 bytes",
        "Keys the chain's hashes, so that who may write the log cannot make a chain of his own. Read once, at start.",
    )
    .secret(),
    Knob::new(
        "AUDIT_BODY_DIGEST",
        "false",
        "true or false",
        "Whether audit records hold the body's SHA-256. Off, because it costs a second pass over the body.",
    ),
    Knob::new("LOG_LEVEL", "info", "off, error, warn, info, debug or trace", "How much the operational log says."),
    Knob::new(
        "ADMIN_TOKEN_FILE",
        "",
        "a file that holds the token",
        "What opens the admin port's private pages to others than loopback. Read once, at start.",
    )
    .secret(),
    Knob::new(
        "RESIGN_SECRET_FILE",
        "",
        "a file that holds a Standard Webhooks secret: whsec_ and base64",
        "Signs each forwarded request anew, so that the service needs one verifier for all providers.",
    )
    .secret(),
    Knob::new(
        "PROVIDERS_DIR",
        "",
        "a directory with provider definitions, files that end in .toml",
        "Providers beside the catalogue's, in the same format.",
    ),
];
