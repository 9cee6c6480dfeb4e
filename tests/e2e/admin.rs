//! The admin port: probes, metrics and the status page, and that it answers while traffic is stuck.

use std::collections::{BTreeMap, BTreeSet};

use super::harness::{Certificate, Client, OK, Outcome, Request, Response, Sidecar, Signer, Step, Upstream, secret_of};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };

fn ask(proxy: &Sidecar, method: &str, path: &str, fields: &str) -> Response {
    let mut client = Client::connect(proxy.admin());
    client
        .send(format!("{method} {path} HTTP/1.1\r\nHost: admin.test\r\n{fields}Connection: close\r\n\r\n").as_bytes());
    client.read_answer_to(method)
}

#[test]
fn probes_are_answered_and_nothing_else_is_there() {
    let proxy = Sidecar::before(&Upstream::refusing()).provider("github").start();
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n"), ("/startupz", "started\n")] {
        let response = ask(&proxy, "GET", path, "");
        assert_eq!((response.status, response.body), (200, body.as_bytes().to_vec()), "{path}");
    }
    for path in ["/", "/env", "/env.json", "/config", "/debug/pprof", "/metrics/", "/shutdown", "/hooks/github"] {
        assert_eq!(ask(&proxy, "GET", path, "").status, 404, "{path}");
    }
    for path in ["/healthz", "/metrics", "/status"] {
        assert_eq!(ask(&proxy, "POST", path, "Content-Length: 0\r\n").status, 405, "{path}");
    }
    // And the port for webhooks has no admin pages.
    proxy.check(&Request::post("/metrics", "").method("GET").head(), &Outcome::of("route_unknown"));
    proxy.finish();
}

#[test]
fn the_limit_of_descriptors_is_raised_as_far_as_it_goes() {
    let proxy = Sidecar::before(&Upstream::refusing()).provider("github").start();
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or_default();
    let told = proxy.metrics().value("hookwarden_file_descriptors_limit", &[]);
    assert_eq!(format!("{told}"), format!("{most}"));
    proxy.finish();
}

/// The families of the contract, and their types.
const FAMILIES: &[(&str, &str)] = &[
    ("audit_records_dropped_total", "counter"),
    ("buffered_bytes", "gauge"),
    ("build_info", "gauge"),
    ("config_reloads_total", "counter"),
    ("connections", "gauge"),
    ("credential_age_seconds", "gauge"),
    ("credential_last_used_timestamp_seconds", "gauge"),
    ("file_descriptors_limit", "gauge"),
    ("permission_expiry_timestamp_seconds", "gauge"),
    ("proxy_headers_total", "counter"),
    ("replay_capacity_entries", "gauge"),
    ("replay_entries", "gauge"),
    ("replay_evictions_total", "counter"),
    ("replay_window_seconds", "gauge"),
    ("request_body_bytes", "histogram"),
    ("request_duration_seconds", "histogram"),
    ("requests_total", "counter"),
    ("tls_certificate_expiry_timestamp_seconds", "gauge"),
    ("tls_handshakes_total", "counter"),
    ("upstream_duration_seconds", "histogram"),
    ("verify_duration_seconds", "histogram"),
];

#[test]
fn every_metric_has_its_help_and_its_type() {
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "secret").expect("a file");
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let route = [("PATH", "/hooks/github"), ("PROVIDER", "github"), ("EXPIRES", "2099-01-01")];
    let builder = Sidecar::before(&upstream).route("github", &route).set("ROUTE_GITHUB_SECRET_FILE", secret);
    let proxy = certificate.on(builder).start();
    let response = ask(&proxy, "GET", "/metrics", "");
    assert_eq!(response.values("content-type"), ["text/plain; version=0.0.4; charset=utf-8"]);
    let text = String::from_utf8(response.body).expect("text");
    let comments = |kind: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind)?.split_once(' '));
        lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    };
    let (helps, types) = (comments("# HELP "), comments("# TYPE "));
    for (name, kind) in FAMILIES {
        let name = format!("hookwarden_{name}");
        assert_eq!(types.get(&name).map(String::as_str), Some(*kind), "{name}");
        assert!(helps.get(&name).is_some_and(|help| help.ends_with('.')), "{name} has no help");
        assert!(proxy.metrics().samples().any(|(series, _)| series.starts_with(&name)), "{name} has no sample");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let family = |end: &str| name.strip_suffix(end).is_some_and(|family| types.contains_key(family));
        assert!(types.contains_key(name) || ["_bucket", "_sum", "_count"].into_iter().any(family), "{line}");
    }
    proxy.finish();
}

#[test]
fn no_sender_can_make_a_series() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    // Its own audit, which goes on while it serves already, brings the last ones.
    proxy.wait_for_log("the configuration was audited");
    let series = || proxy.metrics().samples().map(|(series, _)| series.to_owned()).collect::<BTreeSet<_>>();
    let before = series();
    for number in 0..5 {
        let unknown = Request::post(&format!("/unknown/{number}"), "{}").with("X-GitHub-Event", &number.to_string());
        proxy.check(&unknown.bytes(), &Outcome::of("route_unknown"));
        let forged = unknown.target("/hooks/github").method("PURGE").bytes();
        proxy.check(&forged, &Outcome::of("method_not_allowed").on("github"));
        proxy.check(&Signer::new("github").sample().bytes(), &FORWARDED);
    }
    assert_eq!(series(), before);
    proxy.finish();
}

#[test]
fn the_status_page_tells_the_policy_and_no_secret() {
    let fields = [("OWNER", "payments team"), ("MODE", "monitor"), ("METHODS", "POST,PUT")];
    let proxy = Sidecar::before(&Upstream::refusing())
        .provider_as("github", "github", &fields)
        .provider_as("tree", "stripe", &[("PATH", "/tree/*")])
        .start();
    let response = ask(&proxy, "GET", "/status", "");
    assert_eq!(response.status, 200);
    let text = String::from_utf8(response.body).expect("text");
    assert!(!text.contains(&secret_of("github")) && !text.contains(&secret_of("stripe")), "{text}");
    let status: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&status["state"], &status["version"]), (&"ready".into(), &env!("CARGO_PKG_VERSION").into()));
    let [github, tree] = status["routes"].as_array().expect("routes").as_slice() else { panic!("{text}") };
    for (member, value) in [
        ("name", "github".into()),
        ("path", "/hooks/github".into()),
        ("provider", "github".into()),
        ("mode", "monitor".into()),
        ("owner", "payments team".into()),
        ("methods", serde_json::json!(["POST", "PUT"])),
        ("key_ids", serde_json::json!(["1"])),
        ("expires", serde_json::Value::Null),
    ] {
        assert_eq!(github[member], value, "{member}");
    }
    assert_eq!((&tree["path"], &tree["mode"]), (&"/tree/*".into(), &"enforce".into()));
    proxy.finish();
}

#[test]
fn where_there_is_a_token_the_status_page_wants_it_even_from_loopback() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, "admin token 1\n").expect("a file");
    let proxy = Sidecar::before(&Upstream::refusing()).provider("github").set("ADMIN_TOKEN_FILE", file).start();
    for (fields, status) in [
        ("", 401),
        ("Authorization: Bearer\r\n", 401),
        ("Authorization: Bearer \r\n", 401),
        ("Authorization: Bearer admin token\r\n", 401),
        ("Authorization: Bearer admin token 12\r\n", 401),
        ("Authorization: Basic admin token 1\r\n", 401),
        ("Authorization: admin token 1\r\n", 401),
        ("X-Forwarded-For: 127.0.0.1\r\n", 401),
        ("Authorization: Bearer admin token 1\r\n", 200),
    ] {
        let response = ask(&proxy, "GET", "/status", fields);
        assert_eq!(response.status, status, "{fields:?}");
        assert_eq!(response.values("www-authenticate").is_empty(), status == 200, "{response:?}");
    }
    for path in ["/metrics", "/healthz", "/readyz", "/startupz"] {
        assert_eq!(ask(&proxy, "GET", path, "").status, 200, "{path} is open");
    }
    proxy.finish();
}

#[test]
fn the_admin_port_answers_while_traffic_is_stuck_and_shows_it() {
    let upstream = Upstream::scripted([vec![Step::Read, Step::Wait, Step::write(OK)]]);
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let request = Signer::new("github").sample();
    let (mut client, mut idle) = (proxy.client(), proxy.client());
    proxy.exchange(&mut idle, &Request::post("/nowhere", "").bytes(), &Outcome::of("route_unknown"));
    client.send(&request.bytes());
    upstream.wait_for(1);
    for path in ["/healthz", "/readyz", "/metrics", "/status"] {
        assert_eq!(proxy.ask_admin(path).status, 200, "{path}");
    }
    let shows = |forwarding: f64, waiting: f64, buffered: usize| {
        let buffered = f64::from(u32::try_from(buffered).expect("small"));
        proxy.wait_for_metric("hookwarden_connections", &["state=\"forwarding\""], forwarding);
        proxy.wait_for_metric("hookwarden_connections", &["state=\"waiting\""], waiting);
        proxy.wait_for_metric("hookwarden_buffered_bytes", &[], buffered);
        proxy.metrics().value("hookwarden_replay_entries", &[])
    };
    shows(1.0, 1.0, request.body.len());
    upstream.go();
    let response = client.read();
    let record = proxy.expect_answer(&response, &FORWARDED);
    // Another request on the connection is read only after the last one has given back what it held.
    proxy.exchange(&mut client, &Request::post("/nowhere", "").bytes(), &Outcome::of("route_unknown"));
    let entries = shows(0.0, 2.0, 0);
    assert!(entries >= 1.0, "{entries} claims");
    let used = proxy.metrics().value(
        "hookwarden_credential_last_used_timestamp_seconds",
        &[r#"route="github""#, &format!("key_id=\"{}\"", record.text("key_id"))],
    );
    assert!(used > 1_700_000_000.0, "{used}");
    proxy.finish();
}
