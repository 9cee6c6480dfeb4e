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
        "host:port, http://host:port or unix:/path",
        "The service behind the sidecar. In a pod it listens on loopback.",
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
        "terminate or off; off only on a loopback LISTEN or with ALLOW_PLAINTEXT=true",
        "Whether TLS ends here. Webhooks carry credentials, so plaintext has to be asked for.",
    ),
    Knob::new(
        "TLS_CERT_FILE",
        "",
        "a PEM file: the certificate, then its intermediates",
        "The listener's certificate chain. A changed file is live within seconds.",
    ),
    Knob::new("TLS_KEY_FILE", "", "a PEM file: PKCS#8, PKCS#1 or SEC1", "The certificate's private key.").secret(),
    Knob::new(
        "TLS_MIN_VERSION",
        "1.2",
        "1.2 or 1.3",
        "The oldest TLS version that is spoken. Not all providers send with 1.3 yet.",
    ),
    Knob::new("TLS_CLIENT_CA_FILE", "", "nothing yet", "The authorities that client certificates must come from.")
        .later(),
    Knob::new("TLS_CLIENT_AUTH", "off", "off", "Whether clients must show a certificate.").later(),
    Knob::new(
        "ALLOW_PLAINTEXT",
        "false",
        "true or false",
        "Permits TLS=off on an address that is not loopback: for networks that encrypt by other means.",
    ),
    // What stands in front of the listener.
    Knob::new("TRUSTED_PROXIES", "", "nothing yet", "Networks whose word on the client's address is taken.").later(),
    Knob::new("PROXY_PROTOCOL", "off", "off", "Whether connections begin with a PROXY protocol header.").later(),
    // Budgets: what strangers can make the sidecar hold.
    Knob::new(
        "MAX_CONNECTIONS",
        "4096",
        "a whole number of at least 1",
        "Open connections, at most. Senders reuse few; 4096 idle ones cost some 40 MiB at worst.",
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
    // Rates.
    Knob::new("RATE_PER_SOURCE", "off", "off", "Requests that one address may send.").later(),
    Knob::new(
        "LOCKOUT",
        "off",
        "off",
        "Locks out an address that fails too often. Off, because many senders share addresses.",
    )
    .later(),
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
