//! The settings of a route: `HOOKWARDEN_ROUTE_<NAME>_<name>`.

use super::Knob;

/// The settings of a route, in the order in which they are documented.
pub const ROUTE: &[Knob] = &[
    Knob::new(
        "PATH",
        "",
        "a path such as /hooks/github, or a prefix such as /hooks/*",
        "The endpoint. Required, and another on each route.",
    ),
    Knob::new(
        "PROVIDER",
        "",
        "an id that `hookwarden providers` lists, or custom",
        "Who sends, and so how a message is proven. Required.",
    ),
    Knob::new(
        "SECRET",
        "",
        "one key",
        "The secret itself, or the sender's public key. A file is better: it can be rotated without a restart.",
    )
    .secret(),
    Knob::new(
        "SECRET_FILE",
        "",
        "a file with one key a line or PEM blocks, or a directory with one key a file",
        "Where the secret stands. In a directory a file's name is its key's id. All keys are accepted, at most 8.",
    )
    .secret(),
    Knob::new(
        "SECRET_MAX_AGE",
        "",
        "a duration above zero; needs SECRET_FILE or keys that are fetched",
        "How old a key's file may become before its key is no longer accepted; of keys that are fetched, how long ago that may have been.",
    ),
    // Certificates, where messages name them.
    Knob::new(
        "TRUST_ROOTS_FILE",
        "",
        "a file with certificates in PEM, at most 256",
        "The authorities that a sender's certificate must lead to. Where it is not set: those of Mozilla's list.",
    ),
    Knob::new(
        "CERTIFICATES_DIR",
        "",
        "a directory of files that are named like the last part of their addresses",
        "The certificates or keys that messages name by an address, so that nothing is fetched.",
    ),
    Knob::new(
        "CONFIRM_SUBSCRIPTIONS",
        "false",
        "true or false",
        "Whether a proven request to confirm a subscription is followed, in the background (Amazon SNS). Else it is refused.",
    ),
    Knob::new(
        "VERIFY_TOKEN",
        "",
        "a text of at most 256 printable characters",
        "What the provider's verification of the endpoint must name, where it lets one be chosen (Meta, Strava, Fitbit).",
    )
    .secret(),
    // What may come.
    Knob::new("METHODS", "POST", "methods, separated by commas", "The permitted methods. Webhooks are POSTs."),
    Knob::new(
        "CONTENT_TYPES",
        "",
        "media types, separated by commas",
        "The permitted media types; all where it is not set.",
    ),
    Knob::new(
        "MAX_BODY",
        "1MiB",
        "a size of at most 1GiB and MAX_BUFFERED",
        "The largest body. Few providers send more than 1MiB; GitHub's limit is 25MiB.",
    ),
    Knob::new(
        "SOURCES",
        "",
        "networks such as 192.0.2.0/24 or, by their names in the global SOURCES_FILE, @github, separated by commas",
        "The networks that may send; all where it is not set.",
    ),
    Knob::new("EVENTS", "", "event types such as push or invoice.*, separated by commas", "The permitted event types."),
    Knob::new("SCHEMA_FILE", "", "a file with a JSON Schema", "What a JSON body must look like."),
    Knob::new("EXPIRES", "", "a date such as 2027-01-31 or 2027-01-31T12:00:00Z", "When the permission ends."),
    Knob::new("OWNER", "", "a name of at most 256 characters", "Who answers for the permission."),
    Knob::new("MODE", "enforce", "enforce or monitor", "monitor forwards what it would have denied, marked as such."),
    // Freshness and replay.
    Knob::new(
        "TOLERANCE",
        "",
        "a duration above zero; needs a provider that signs the time",
        "How far the signed time may be from now. Where it is not set: the provider's advice, else 300s.",
    ),
    Knob::new("REPLAY", "on", "on or off", "Whether what was accepted before is refused."),
    Knob::new(
        "REPLAY_WINDOW",
        "24h",
        "a duration above zero",
        "How long accepted messages are remembered where no time is signed.",
    ),
    Knob::new(
        "ON_DUPLICATE",
        "",
        "ack or reject",
        "What answers a message that was accepted before. Where it is not set: 409 to the same bytes, 200 to a retry.",
    ),
    Knob::new(
        "DELIVERY_ID",
        "",
        "header:Name or json:member",
        "The sender's id of a delivery, the same on each retry. Where it is not set: the provider's.",
    ),
    Knob::new(
        "RATE",
        "off",
        "off, or a rate such as 100/s burst 200 (also /m and /h)",
        "How many authentic requests may pass. What is refused may be sent again.",
    ),
    Knob::new(
        "RATE_PER_CREDENTIAL",
        "off",
        "off, or a rate such as 100/s burst 200 (also /m and /h)",
        "How many of them with each key.",
    ),
    Knob::new(
        "LOCKOUT",
        "on",
        "on or off",
        "Whether an address can be locked out from the route, where the global LOCKOUT locks any out.",
    ),
    // Where it goes.
    Knob::new(
        "UPSTREAM",
        "",
        "host:port, http://host:port, https://host[:port] or unix:/path",
        "The service for this route. Where it is not set: the global UPSTREAM.",
    ),
    Knob::new("UPSTREAM_PATH", "", "a path", "The path that the service is asked for instead of the request's."),
    Knob::new(
        "PUBLIC_URL",
        "",
        "a URL such as https://example.com/hooks, without a query",
        "The URL that the provider calls. Required where it signs the URL.",
    ),
    // A provider of one's own, with PROVIDER=custom.
    Knob::new(
        "SCHEME",
        "",
        "hmac, token, ed25519, ecdsa or rsa",
        "custom: how a message is proven. Where it is not set: hmac.",
    ),
    Knob::new(
        "ALGORITHM",
        "",
        "sha1, sha256, sha384 or sha512; ed25519; p256_sha256, p384_sha384 or p521_sha512; pkcs1_sha256, pkcs1_sha384, pkcs1_sha512, pss_sha256, pss_sha384 or pss_sha512",
        "custom: the hash of the HMAC, or the signature's algorithm. Where it is not set: the scheme's first of sha256, ed25519, p256_sha256, pkcs1_sha256.",
    ),
    Knob::new(
        "ECDSA_FORM",
        "",
        "der or raw",
        "custom: how an ECDSA signature is written. Where it is not set: der.",
    ),
    Knob::new(
        "SIGNATURE_HEADER",
        "",
        "a header field's name",
        "custom: where the signature or token stands. Required.",
    ),
    Knob::new(
        "SIGNATURE_FORMAT",
        "",
        "text with {signature}, such as sha256={signature}",
        "custom: the grammar of that field's value. Where it is not set: {signature}.",
    ),
    Knob::new(
        "SIGNATURE_ENCODING",
        "",
        "hex, base64 or base64url",
        "custom: how the signature is written. Where it is not set: hex.",
    ),
    Knob::new(
        "SIGNED_CONTENT",
        "",
        "a template such as {timestamp}.{body}",
        "custom: the bytes that are signed. Where it is not set: {body}.",
    ),
    Knob::new("TIMESTAMP_HEADER", "", "a header field's name", "custom: where the signed time stands."),
    Knob::new("TIMESTAMP_UNIT", "", "s, ms or rfc3339", "custom: how that time is written. Where it is not set: s."),
    Knob::new(
        "SECRET_ENCODING",
        "",
        "text, hex or base64",
        "custom: how the secret is written. Where it is not set: text.",
    ),
    // Identities other than a shared secret.
    Knob::new(
        "CLIENT_SANS",
        "",
        "names such as hooks.example.com, *.example.com, spiffe://example.org/ns/* or hooks@example.com, separated by commas; needs TLS_CLIENT_CA_FILE",
        "Names of which the sender's client certificate must have one, beside what the provider proves.",
    ),
    Knob::new(
        "JWKS_URL",
        "",
        "an https URL, in the place of SECRET and JWKS_FILE",
        "Where the sender's or issuer's public keys are fetched from, in the background, and kept fresh. Where no key is set: the provider's own, if it publishes them at a known URL.",
    ),
    Knob::new(
        "JWKS_FILE",
        "",
        "a file with a JWK Set of at most 64 keys",
        "The public keys of a sender or issuer who publishes a set of them. Looked at again when it changes.",
    ),
    Knob::new(
        "ISSUER",
        "",
        "texts, separated by commas, or * for any",
        "Who must have issued a token: its iss is one of these. Required for oauth.",
    ),
    Knob::new(
        "AUDIENCE",
        "",
        "texts, separated by commas, or * for any",
        "Whom a token must be for: its aud is or has one of these. Required for oauth.",
    ),
    Knob::new(
        "REQUIRED_CLAIMS",
        "",
        "name, name=value or /pointer/to/claim=value, separated by commas",
        "What else a token must say. A list must have the value, and scope or scp the word: scope=webhooks:write.",
    ),
    Knob::new(
        "LEEWAY",
        "",
        "a duration of at most 10m",
        "How far the clock of a token's issuer may be from this one. Where it is not set: the provider's, else 60s.",
    ),
    Knob::new(
        "INTROSPECTION_URL",
        "",
        "an https URL, with CLIENT_ID and CLIENT_SECRET_FILE",
        "The authorization server that is asked whether an opaque token is active (RFC 7662).",
    ),
    Knob::new("CLIENT_ID", "", "a text", "As whom it is asked; or the account's id at a provider that gives its keys one by one."),
    Knob::new("CLIENT_SECRET_FILE", "", "a file that holds the secret", "The secret of CLIENT_ID.").secret(),
    // An account at a provider that gives its keys one by one.
    Knob::new(
        "API_KEY_FILE",
        "",
        "a file that holds the key",
        "The account's key at a provider that gives its public keys one by one to whoever has one (Circle).",
    )
    .secret(),
    Knob::new(
        "KEYS_API_URL",
        "",
        "an https URL without a slash at its end, such as https://sandbox.plaid.com",
        "Where such a provider is asked, in the place of its usual address: its sandbox, or a product of another path.",
    ),
];
