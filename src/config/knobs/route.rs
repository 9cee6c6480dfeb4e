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
    Knob::new("SECRET", "", "one key", "The secret itself. A file is better: it can be rotated without a restart.")
        .secret(),
    Knob::new(
        "SECRET_FILE",
        "",
        "a file with one key a line, or a directory with one key a file",
        "Where the secret stands. In a directory a file's name is its key's id. All keys are accepted, at most 8.",
    )
    .secret(),
    Knob::new(
        "SECRET_MAX_AGE",
        "",
        "a duration above zero; needs SECRET_FILE",
        "How old a key's file may become before its key is no longer accepted.",
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
        "networks such as 192.0.2.0/24, separated by commas",
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
    Knob::new("RATE", "", "nothing yet", "How many requests may pass.").later(),
    // Where it goes.
    Knob::new(
        "UPSTREAM",
        "",
        "host:port, http://host:port or unix:/path",
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
    Knob::new("SCHEME", "", "hmac or token", "custom: how a message is proven. Where it is not set: hmac."),
    Knob::new(
        "ALGORITHM",
        "",
        "sha1, sha256, sha384 or sha512",
        "custom: the hash of the HMAC. Where it is not set: sha256.",
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
    Knob::new("CLIENT_SANS", "", "nothing yet", "Names that a client certificate must have one of.").later(),
    Knob::new("JWKS_URL", "", "nothing yet", "Where the token issuer's keys are.").later(),
    Knob::new("JWKS_FILE", "", "nothing yet", "A file with the token issuer's keys.").later(),
    Knob::new("ISSUER", "", "nothing yet", "Who must have issued a token.").later(),
    Knob::new("AUDIENCE", "", "nothing yet", "Whom a token must be for.").later(),
    Knob::new("REQUIRED_CLAIMS", "", "nothing yet", "What else a token must say.").later(),
    Knob::new("INTROSPECTION_URL", "", "nothing yet", "Who is asked whether a token is active.").later(),
    Knob::new("CLIENT_ID", "", "nothing yet", "Who asks that.").later(),
    Knob::new("CLIENT_SECRET_FILE", "", "nothing yet", "The secret of the one who asks that.").secret().later(),
];
