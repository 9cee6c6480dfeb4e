//! What a route is told, and what it refuses to be told.

use super::*;
use crate::auth::scheme::Field;
use crate::policy::{Mode, OnDuplicate, Route};
use crate::route::PathPattern;

/// The one route of the least with changes to it.
fn route(changes: &[(&str, &str)]) -> std::sync::Arc<Route> {
    let changes: Vec<_> = changes.iter().map(|(field, value)| (format!("ROUTE_A_{field}"), *value)).collect();
    let changes: Vec<_> = changes.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    loaded(&changes).policy.routes.get(0).expect("a route").clone()
}

/// Asserts exactly these faults, of route `A`.
fn check_route(changes: &[(&str, &str)], expected: &[&str]) {
    let changes: Vec<_> = changes.iter().map(|(field, value)| (format!("ROUTE_A_{field}"), *value)).collect();
    let changes: Vec<_> = changes.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let expected: Vec<_> = expected.iter().map(|fault| format!("ROUTE_A_{fault}")).collect();
    assert_eq!(faults(&environment(&changes)), expected, "{changes:?}");
}

fn strings(list: &[Box<str>]) -> Vec<&str> {
    list.iter().map(|text| &**text).collect()
}

#[test]
fn a_route_has_the_defaults_of_the_documentation() {
    let route = route(&[]);
    assert_eq!((&*route.name, &*route.provider), ("a", "github"));
    assert_eq!(route.path, PathPattern::Exact("/a".into()));
    assert_eq!((strings(&route.methods), &*route.allow), (vec!["POST"], "POST"));
    assert_eq!((route.max_body, route.tolerance.as_secs()), (1 << 20, 300));
    assert_eq!((route.replay, route.on_duplicate), (Some(Duration::from_secs(86_400)), OnDuplicate::ByKind));
    assert_eq!((route.upstream, route.mode), (0, Mode::Enforce));
    assert_eq!(route.delivery_id, route.scheme.delivery_id);
    assert_eq!(route.keys.ids().collect::<Vec<_>>(), ["1"]);
    assert!(route.sources.is_empty() && route.events.is_empty() && route.content_types.is_empty());
    assert!(route.schema.is_none() && route.expires.is_none() && route.owner.is_none());
    assert!(route.upstream_path.is_none() && route.public_url.is_none() && route.secret_max_age.is_none());
}

#[test]
fn the_values_of_a_route_arrive() {
    let route = route(&[
        ("PATH", "/hooks/*"),
        ("PROVIDER", "stripe"),
        ("METHODS", "POST, PUT,POST"),
        ("CONTENT_TYPES", "Application/JSON"),
        ("MAX_BODY", "2MiB"),
        ("TOLERANCE", "60s"),
        ("REPLAY_WINDOW", "48h"),
        ("ON_DUPLICATE", "ack"),
        ("DELIVERY_ID", "header:X-Delivery"),
        ("SOURCES", "192.0.2.0/24,2001:db8::1"),
        ("EVENTS", "push, invoice.*"),
        ("UPSTREAM", "app:80"),
        ("UPSTREAM_PATH", "/in"),
        ("MODE", "monitor"),
        ("EXPIRES", "2020-01-31"),
        ("OWNER", "Payments, level 2"),
    ]);
    assert_eq!(route.path, PathPattern::Prefix("/hooks/".into()));
    assert_eq!((strings(&route.methods), &*route.allow), (vec!["POST", "PUT"], "POST, PUT"));
    assert_eq!(strings(&route.content_types), ["application/json"]);
    assert_eq!((route.max_body, route.tolerance.as_secs()), (2 << 20, 60));
    assert_eq!((route.replay, route.on_duplicate), (Some(Duration::from_secs(172_800)), OnDuplicate::Ack));
    assert_eq!(route.delivery_id, Some(Field::Header("X-Delivery".into())));
    assert!(route.permits_source("192.0.2.9".parse().expect("an address")));
    assert!(!route.permits_source("192.0.3.9".parse().expect("an address")));
    assert_eq!(strings(&route.events), ["push", "invoice.*"]);
    assert_eq!((route.upstream, route.upstream_path.as_deref()), (1, Some("/in")));
    assert_eq!((route.mode, route.expires), (Mode::Monitor, Some(1_580_515_200)), "a past permission is allowed");
    assert_eq!(route.owner.as_deref(), Some("Payments, level 2"));
}

#[test]
fn single_settings_of_a_route_are_checked() {
    for (changes, expected) in [
        (
            ("PATH", "/a/../b"),
            "PATH: \"/a/../b\" is not a path such as /hooks/github or /hooks/*, without dots, escapes or a query",
        ),
        (("PATH", ""), "PATH: is required, and not set"),
        (("PROVIDER", ""), "PROVIDER: is required, and not set"),
        (("PROVIDER", "gihtub"), "PROVIDER: \"gihtub\" is not known; did you mean github?"),
        (("PROVIDER", "nobody"), "PROVIDER: \"nobody\" is not known"),
        (("SECERT_FILE", "x"), "SECERT_FILE: is not a setting; did you mean HOOKWARDEN_ROUTE_A_SECRET_FILE?"),
        (("METHODS", "POST,TRACE"), "METHODS: TRACE is never let through"),
        (("MAX_BODY", "2GiB"), "MAX_BODY: 2147483648 bytes are more than 1GiB"),
        (
            ("MAX_BODY", "65MiB"),
            "MAX_BODY: 68157440 bytes are more than the 67108864 that MAX_BUFFERED has for all bodies",
        ),
        (("TOLERANCE", "60s"), "TOLERANCE: is set, but this provider signs no time"),
        (("SECRET_MAX_AGE", "90d"), "SECRET_MAX_AGE: is set, but the age of a key that is not in a file is not known"),
        (("SOURCES", "192.0.2.7/24"), "SOURCES: 192.0.2.7/24 has host bits; 192.0.2.0/24 is meant?"),
        (("OWNER", "a\nb"), "OWNER: holds control characters or more than 256 characters"),
        (("ALGORITHM", "sha1"), "ALGORITHM: is set, but defines a provider of one's own, and PROVIDER is github"),
        (("SCHEMA_FILE", "/nowhere"), "SCHEMA_FILE: /nowhere cannot be read: No such file or directory (os error 2)"),
        (
            ("UPSTREAM", "https://a/b"),
            "UPSTREAM: \"https://a/b\" is not a service such as https://app.example.com or https://app.example.com:8443",
        ),
    ] {
        check_route(&[changes], &[expected]);
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    check_route(
        &[("REPLAY", "off"), ("REPLAY_WINDOW", "1h"), ("ON_DUPLICATE", "ack")],
        &[
            "ON_DUPLICATE: is set, but REPLAY=off remembers nothing",
            "REPLAY_WINDOW: is set, but REPLAY=off remembers nothing",
        ],
    );
    assert_eq!(route(&[("REPLAY", "off")]).replay, None);
    check_route(&[("PROVIDER", "twilio")], &["PUBLIC_URL: is not set, and this provider signs the URL that it calls"]);
    check_route(&[("PROVIDER", "twilio"), ("PUBLIC_URL", "https://example.com/a")], &[]);
    check_route(
        &[("PROVIDER", "custom"), ("SIGNATURE_HEADER", "X-Sig"), ("EVENTS", "push")],
        &["EVENTS: is set, but where this provider names the event's type is not known"],
    );
    check(
        &[("MAX_BUFFERED", "512KiB")],
        &["ROUTE_A_MAX_BODY: 1048576 bytes are more than the 524288 that MAX_BUFFERED has for all bodies"],
    );
}

#[test]
fn a_provider_of_ones_own() {
    let route = route(&[
        ("PROVIDER", "custom"),
        ("ALGORITHM", "sha512"),
        ("SIGNATURE_HEADER", "X-Sig"),
        ("SIGNATURE_FORMAT", "v1={signature}"),
        ("SIGNATURE_ENCODING", "base64"),
        ("SIGNED_CONTENT", "{timestamp}.{body}"),
        ("TIMESTAMP_HEADER", "X-Time"),
        ("TIMESTAMP_UNIT", "ms"),
        ("SECRET_ENCODING", "hex"),
        ("SECRET", "00ff"),
        ("TOLERANCE", "10s"),
    ]);
    assert_eq!((&*route.provider, &*route.scheme.signature.header), ("custom", "X-Sig"));
    assert_eq!((route.scheme.timestamp.is_some(), route.tolerance.as_secs()), (true, 10));
    check_route(
        &[("PROVIDER", "custom")],
        &["SIGNATURE_HEADER: the name of the header field that carries the signature is missing"],
    );
    check_route(
        &[
            ("PROVIDER", "custom"),
            ("SIGNATURE_HEADER", "X Sig"),
            ("ALGORITHM", "md5"),
            ("TIMESTAMP_HEADER", "X-Time"),
            ("SECRET_ENCODING", "rot13"),
        ],
        &[
            "ALGORITHM: \"md5\" is not known; accepted are sha1, sha256, sha384, sha512",
            "SECRET_ENCODING: \"rot13\" is not known; accepted are text, hex, base64",
            "SIGNATURE_HEADER: \"X Sig\" is not a header field's name",
        ],
    );
    check_route(
        &[("PROVIDER", "custom"), ("SCHEME", "token"), ("SIGNATURE_HEADER", "X-Token"), ("ALGORITHM", "sha1")],
        &["ALGORITHM: is set, but with SCHEME=token nothing is signed"],
    );
}

#[test]
fn a_schema_is_compiled() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("schema.json");
    write(&path, r#"{"required":["id"]}"#);
    assert!(route(&[("SCHEMA_FILE", text(&path))]).schema.as_ref().is_some_and(|schema| !schema.is_valid(b"{}")));
    write(&path, "{");
    let expected =
        format!("SCHEMA_FILE: {} is not JSON: EOF while parsing an object at line 1 column 1", path.display());
    check_route(&[("SCHEMA_FILE", text(&path))], &[&expected]);
}

#[test]
fn routes_are_told_apart() {
    let variables = [
        ("ROUTE_A_UPSTREAM", "app:80"),
        ("ROUTE_B_2_PATH", "/b"),
        ("ROUTE_B_2_PROVIDER", "stripe"),
        ("ROUTE_B_2_SECRET", "other"),
        ("ROUTE_B_2_UPSTREAM", "app:80"),
        ("ROUTE_C_PATH", "/*"),
        ("ROUTE_C_PROVIDER", "slack"),
        ("ROUTE_C_SECRET", "third"),
        ("ROUTE_C_UPSTREAM", "127.0.0.1:8080"),
    ];
    let policy = loaded(&variables).policy;
    let routes: Vec<_> = policy.routes.iter().map(|route| (&*route.name, route.upstream)).collect();
    assert_eq!(routes, [("a", 1), ("b_2", 1), ("c", 0)]);
    assert_eq!(policy.upstreams.len(), 2);
    let mut twice = variables;
    twice[1].1 = "/a";
    check(&twice, &["ROUTE_B_2_PATH: /a is the path of route \"a\" already, and of \"b_2\""]);
}

#[test]
fn no_route_is_a_fault() {
    let fault = "ROUTE_<NAME>_PATH: there is no route, so nothing could be let through";
    check(&[("ROUTE_A_PATH", ""), ("ROUTE_A_PROVIDER", ""), ("ROUTE_A_SECRET", "")], &[fault]);
}
