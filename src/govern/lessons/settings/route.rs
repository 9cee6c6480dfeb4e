//! Why each setting of a route matters, and where it shows, a row each, in the order of the knobs.

use super::More;

pub(super) const ROWS: &[More] = &[
    (
        "PATH",
        "A prefix permits what nobody has thought of: each path below it is a way into the service.",
        "`path` in the records, `route_unknown`, and `hookwarden review`.",
    ),
    (
        "PROVIDER",
        "The wrong provider refuses everything; `custom` with a weak scheme accepts too much.",
        "`credential_invalid` or `credential_missing` of every request; `hookwarden providers ID` says what the scheme binds.",
    ),
    (
        "SECRET",
        "What stands in the environment is in crash reports, in `kubectl describe` and in every child process. Secrets that are committed by mistake are found within minutes.",
        "`credential_invalid`, and `hookwarden_credential_last_used_timestamp_seconds`.",
    ),
    (
        "SECRET_FILE",
        "A file can be rotated without a restart and read by one user alone; two keys side by side rotate without losing a webhook.",
        "`hookwarden_credential_age_seconds` and `hookwarden_credential_last_used_timestamp_seconds` by key.",
    ),
    (
        "SECRET_MAX_AGE",
        "A secret that is never rotated is known to everybody who has ever had access. It also ends everything on the day when nobody has rotated.",
        "`credential_expired`; alert on `hookwarden_credential_age_seconds` well before.",
    ),
    (
        "TRUST_ROOTS_FILE",
        "All that these authorities sign is believed, if the name is right.",
        "`credential_invalid` when the chain does not lead there.",
    ),
    (
        "CERTIFICATES_DIR",
        "A message that names the address of its own certificate must not decide what is fetched; with files nothing is.",
        "`keys_unavailable` when a file is missing.",
    ),
    (
        "CONFIRM_SUBSCRIPTIONS",
        "A confirmation makes a topic send here. Following each by itself lets whoever can make one subscribe you.",
        "`challenge_answered`, and the operational log.",
    ),
    (
        "VERIFY_TOKEN",
        "Without a token that you chose, anybody can have the endpoint verified for an app of their own.",
        "`challenge_answered`, and `credential_invalid` when it is wrong.",
    ),
    (
        "METHODS",
        "Handlers often answer more methods than their authors know.",
        "`method_not_allowed`, and `method` in the records.",
    ),
    (
        "CONTENT_TYPES",
        "Parsers for XML and forms have read files and written others for attackers; one that is never reached cannot.",
        "`content_type_not_allowed`.",
    ),
    (
        "MAX_BODY",
        "Bodies are held until they are verified, so the largest permitted one is what each stranger can make you hold.",
        "`body_too_large`, and `hookwarden_request_body_bytes`.",
    ),
    (
        "SOURCES",
        "A leaked secret is used from elsewhere. A list of networks is the second factor that makes it worthless there.",
        "`source_not_allowed`, and `source` in the records.",
    ),
    (
        "EVENTS",
        "Events that nobody handles today are handled by somebody's new code tomorrow, unread and trusted.",
        "`event_not_allowed`, `event` in the records, and `hookwarden review`.",
    ),
    (
        "SCHEMA_FILE",
        "A signature says who sent a message, and not that its content is sound: senders pass on what their users typed.",
        "`schema_violation`.",
    ),
    (
        "EXPIRES",
        "Permissions that never end are the ones that nobody remembers.",
        "`hookwarden_permission_expiry_timestamp_seconds`, and `permission_expired`.",
    ),
    (
        "OWNER",
        "When an endpoint is attacked at night, somebody must be found who knows whether it may be switched off.",
        "`hookwarden check` lists the owners.",
    ),
    (
        "MODE",
        "monitor lets everything through, forged requests too: it is for the first days, and is forgotten there.",
        "`sum by (route, reason) (increase(hookwarden_requests_total{decision=\"monitored\"}[1d]))`.",
    ),
    (
        "TOLERANCE",
        "Each minute more is a minute longer in which a recording can be replayed after a restart without a journal.",
        "`timestamp_stale`, `timestamp_future` and the anomaly `clock_skew`.",
    ),
    (
        "REPLAY",
        "Off, and a recorded message passes as often as it is sent: each payment counts again.",
        "`hookwarden_replay_window_seconds` is missing for the route.",
    ),
    (
        "REPLAY_WINDOW",
        "Where no time is signed, a recording is good again once its claim is forgotten.",
        "`hookwarden_replay_window_seconds`: what is really remembered.",
    ),
    (
        "ON_DUPLICATE",
        "`reject` makes a provider that retries after a lost answer try until it gives up and disables the endpoint; `ack` hides replays from whoever sends them.",
        "`duplicate` and `replayed`.",
    ),
    (
        "DELIVERY_ID",
        "An id that the scheme does not sign can be changed by an attacker: it is recorded, and never claimed.",
        "`delivery_id` in the records; `hookwarden check --format json` says whether it is signed.",
    ),
    (
        "RATE",
        "Authentic events can take a service down as well: two systems that answer each other do it in minutes.",
        "`rate_limited` with `scope=\"route\"` in `hookwarden_rate_limited_total`.",
    ),
    (
        "RATE_PER_CREDENTIAL",
        "One sender among many that share a route must not use up the others' share.",
        "`hookwarden_rate_limited_total` by scope, and `key_id` in the records.",
    ),
    (
        "LOCKOUT",
        "Where senders share addresses with strangers, a lock keeps the honest ones out: switch it off for such a route.",
        "`locked_out`.",
    ),
    (
        "UPSTREAM",
        "Each service gets its own events alone, and a broken one does not touch the others.",
        "`upstream_unreachable` by route.",
    ),
    (
        "UPSTREAM_PATH",
        "The path in public need not be the one in the service: internal names stay internal.",
        "The service's own log.",
    ),
    (
        "PUBLIC_URL",
        "Schemes that sign the URL bind a message to this endpoint; a wrong one refuses everything.",
        "`credential_invalid` of every request of the route.",
    ),
    (
        "SCHEME",
        "A static token is no signature: whoever has seen one request can send any other.",
        "`binding` in the records: what the proof covers.",
    ),
    (
        "ALGORITHM",
        "A sender may offer several: the weakest that is accepted is what an attacker chooses.",
        "`credential_invalid` of every request when it is the wrong one.",
    ),
    (
        "ECDSA_FORM",
        "The same signature can be written in two ways; only the stated one is read.",
        "`credential_invalid` of every request when it is the wrong one.",
    ),
    (
        "SIGNATURE_HEADER",
        "A field that a proxy may set or strip is no place for a proof.",
        "`credential_missing` of every request when it is the wrong one.",
    ),
    (
        "SIGNATURE_FORMAT",
        "What is not of the stated form is refused: prefixes and lists are where lax parsers were led astray.",
        "`credential_missing` of every request when it is wrong.",
    ),
    (
        "SIGNATURE_ENCODING",
        "Lenient decoders accept several spellings of one signature, and a replay then looks new.",
        "`credential_missing` or `credential_invalid` of every request when it is wrong.",
    ),
    (
        "SIGNED_CONTENT",
        "What is not signed can be changed on the way: a scheme that signs the id alone lets every body pass.",
        "`binding` in the records.",
    ),
    (
        "TIMESTAMP_HEADER",
        "A time that stands in a header and not in SIGNED_CONTENT is whatever an attacker writes.",
        "`timestamp_missing` of every request when it is the wrong one.",
    ),
    (
        "TIMESTAMP_UNIT",
        "Milliseconds that are read as seconds lie in a far future, and are refused.",
        "`timestamp_future` or `timestamp_stale` of every request when it is wrong.",
    ),
    (
        "SECRET_ENCODING",
        "A secret that is used undecoded is another key than the sender's.",
        "`credential_invalid` of every request when it is wrong.",
    ),
    (
        "CLIENT_SANS",
        "An authority vouches for many names; only these may use the route.",
        "`client_certificate_not_allowed`, and `client_san` in the records.",
    ),
    (
        "JWKS_URL",
        "Keys that are fetched rotate by themselves, and stop when their server does.",
        "`hookwarden_keys_age_seconds`, `hookwarden_keys_fetches_total` and `keys_unavailable`.",
    ),
    (
        "JWKS_FILE",
        "Nothing is fetched, so nothing can be answered by an impostor; and nothing rotates by itself.",
        "`credential_invalid` after the issuer has rotated.",
    ),
    (
        "ISSUER",
        "Tokens of another issuer are as well signed as yours: `*` believes them all.",
        "`credential_invalid` when it is another.",
    ),
    (
        "AUDIENCE",
        "A token that was made for another service opens this one as well, if nobody asks whom it is for.",
        "`credential_invalid` when it is another.",
    ),
    (
        "REQUIRED_CLAIMS",
        "An issuer gives tokens to all its clients; a scope or a client's id says which of them may send.",
        "`credential_invalid` when one is missing.",
    ),
    (
        "LEEWAY",
        "It lengthens every token's life by itself, revoked ones too.",
        "`timestamp_stale` and `timestamp_future`.",
    ),
    (
        "INTROSPECTION_URL",
        "Only the server knows whether an opaque token still counts; without its answer nothing is let through.",
        "`hookwarden_introspections_total` and `keys_unavailable`.",
    ),
    (
        "CLIENT_ID",
        "The authorization server answers only whom it knows.",
        "`hookwarden_introspections_total` by its result, and `keys_unavailable`.",
    ),
    (
        "CLIENT_SECRET_FILE",
        "Whoever has it can ask about every token that they find.",
        "`hookwarden_introspections_total` by its result, and `keys_unavailable`.",
    ),
    (
        "API_KEY_FILE",
        "Without it the provider's keys cannot be asked for, and every webhook signed with a key that is not known yet gets 503. Whoever has it can do at the provider what the account may: one of its own, that may read and nothing else, is best.",
        "`hookwarden_keys_fetches_total` by its result, `hookwarden_keys_wanted` and `keys_unavailable`.",
    ),
    (
        "KEYS_API_URL",
        "Keys are believed because of where they come from: whoever answers there decides which webhooks are genuine.",
        "`hookwarden check` prints where keys are asked for; `hookwarden_keys_fetches_total` says with what result.",
    ),
];
