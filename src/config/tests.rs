//! Rows: variables in, faults or values out.

mod fetch;
mod front;
mod key_api;
mod own_providers;
mod public_keys;
mod routes;
mod secrets;
mod tls;
mod tokens;
mod watch;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use proptest::prelude::*;

use super::knobs::{GLOBAL, Knob, ROUTE};
use super::*;
use crate::policy::{ErrorDetail, Upstream};

/// The least that loads: one route, and plaintext on loopback.
const LEAST: [(&str, &str); 5] = [
    ("TLS", "off"),
    ("LISTEN", "127.0.0.1:0"),
    ("ROUTE_A_PATH", "/a"),
    ("ROUTE_A_PROVIDER", "github"),
    ("ROUTE_A_SECRET", "hunter2"),
];

/// The least with changes; an empty text takes a variable away.
fn environment(changes: &[(&str, &str)]) -> Environment {
    let mut variables: BTreeMap<_, _> = LEAST.into();
    variables.extend(changes.iter().copied());
    variables.retain(|_, value| !value.is_empty());
    let mut environment = Environment::default();
    for (name, value) in variables {
        environment.set(format!("{PREFIX}{name}"), value);
    }
    environment
}

fn loaded(changes: &[(&str, &str)]) -> Config {
    load(&environment(changes)).expect("no faults").0
}

/// The faults as `name: problem`, without the prefix, and with a hint where there is one.
fn faults(environment: &Environment) -> Vec<String> {
    let text = |fault: Fault| {
        let name = fault.variable.strip_prefix(PREFIX).expect("the full name").to_owned();
        let hint = fault.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{name}: {}{hint}", fault.problem)
    };
    load(environment).err().unwrap_or_default().into_iter().map(text).collect()
}

/// Asserts exactly these faults.
fn check(changes: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(faults(&environment(changes)), expected, "{changes:?}");
}

/// The policy of changed files, all of which can be used.
fn good(watch: &mut Watch) -> Policy {
    let change = watch.poll().expect("a change");
    assert!(change.faults.is_empty(), "{:?}", change.faults);
    change.policy.expect("a policy")
}

/// The policy of changed files, some of which cannot be used, and why.
fn broken(watch: &mut Watch) -> (Policy, Vec<Fault>) {
    let change = watch.poll().expect("a change");
    assert!(!change.faults.is_empty(), "all is well");
    (change.policy.expect("a policy"), change.faults)
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    std::fs::write(path, content).expect("a file");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn the_least_loads_with_the_defaults_of_the_documentation() {
    let Config { process, policy } = loaded(&[]);
    assert_eq!(process.listen.to_string(), "127.0.0.1:0");
    assert_eq!(process.admin_listen.to_string(), "0.0.0.0:9464");
    assert!(process.workers >= 1);
    assert_eq!((process.max_connections, process.max_in_flight), (4096, 1024));
    assert_eq!((process.max_buffered, process.replay_max_entries), (64 << 20, 1_000_000));
    assert_eq!((process.replay_full, &process.audit_log), (Full::Auto, &Destination::Stdout));
    assert_eq!(
        (process.audit_chain.is_some(), process.admin_token.is_none(), policy.body_digest),
        (false, true, false)
    );
    assert_eq!((process.drain_delay, process.shutdown_grace), (Duration::ZERO, Duration::from_secs(25)));
    assert_eq!(process.log_level, tracing::level_filters::LevelFilter::INFO);
    assert_eq!(policy.upstreams, [Upstream::Tcp(([127, 0, 0, 1], 8080).into())]);
    assert_eq!(policy.error_detail, ErrorDetail::Minimal);
    assert!(policy.resign.is_none() && policy.tls.is_none() && policy.tls_expires.is_none());
    let timeouts = policy.timeouts;
    let seconds = [timeouts.header, timeouts.body, timeouts.idle, timeouts.upstream_connect, timeouts.upstream];
    assert_eq!(seconds.map(|timeout| timeout.as_secs()), [10, 30, 75, 1, 30]);
    assert_eq!(timeouts.body_min_rate, 1024);
}

#[test]
fn global_values_arrive() {
    let Config { process, policy } = loaded(&[
        ("ADMIN_LISTEN", "[::1]:9000"),
        ("UPSTREAM", "unix:/run/app.sock"),
        ("WORKERS", "3"),
        ("MAX_CONNECTIONS", "10"),
        ("MAX_BUFFERED", "2MiB"),
        ("MAX_IN_FLIGHT", "5"),
        ("REPLAY_MAX_ENTRIES", "100"),
        ("REPLAY_FULL", "evict"),
        ("AUDIT_LOG", "/var/log/audit.jsonl"),
        ("AUDIT_CHAIN", "true"),
        ("AUDIT_BODY_DIGEST", "true"),
        ("BODY_MIN_RATE", "0"),
        ("DRAIN_DELAY", "5s"),
        ("LOG_LEVEL", "debug"),
        ("ERROR_DETAIL", "full"),
    ]);
    assert_eq!(process.admin_listen.to_string(), "[::1]:9000");
    assert_eq!((process.workers, process.max_connections, process.max_in_flight), (3, 10, 5));
    assert_eq!((process.max_buffered, process.replay_max_entries, process.replay_full), (2 << 20, 100, Full::Evict));
    assert_eq!(process.audit_log, Destination::File("/var/log/audit.jsonl".into()));
    assert!(process.audit_chain.is_some() && policy.body_digest);
    assert_eq!((process.drain_delay, policy.timeouts.body_min_rate), (Duration::from_secs(5), 0));
    assert_eq!(process.log_level, tracing::level_filters::LevelFilter::DEBUG);
    assert_eq!(policy.error_detail, ErrorDetail::Full);
    assert_eq!(policy.upstreams, [Upstream::Unix("/run/app.sock".into())]);
}

#[test]
fn bad_global_values_are_refused() {
    for (name, value, problem) in [
        ("LISTEN", "8443", "\"8443\" is not an address and port such as 0.0.0.0:8443 or [::1]:9464"),
        (
            "UPSTREAM",
            "https://app:0",
            "\"https://app:0\" is not a service such as https://app.example.com or https://app.example.com:8443",
        ),
        ("WORKERS", "0", "\"0\" is not a whole number of at least 1"),
        ("WORKERS", "4097", "4097 is more than 1024"),
        ("TLS", "on", "\"on\" is none of terminate, forwarded, off"),
        ("TLS", "forward", "\"forward\" is none of terminate, forwarded, off"),
        ("TLS_MIN_VERSION", "1.1", "\"1.1\" is none of 1.2, 1.3"),
        ("MAX_BUFFERED", "0", "must be more than zero"),
        ("HEADER_TIMEOUT", "0s", "must be longer than zero"),
        ("BODY_TIMEOUT", "30", "\"30\" is not a duration such as 10s, 500ms, 5m, 24h or 7d"),
        ("AUDIT_LOG", "stdour", "\"stdour\" is neither stdout nor off, nor a path with a / in it"),
        ("LOG_LEVEL", "loud", "\"loud\" is none of off, error, warn, info, debug, trace"),
        ("ALLOW_PLAINTEXT", "yes", "\"yes\" is neither true nor false"),
    ] {
        check(&[(name, value)], &[&format!("{name}: {problem}")]);
    }
}

#[test]
fn global_contradictions_are_refused() {
    check(
        &[("LISTEN", "127.0.0.1:9464"), ("ADMIN_LISTEN", "127.0.0.1:9464")],
        &["ADMIN_LISTEN: is the same as LISTEN"],
    );
    check(&[("LISTEN", "127.0.0.1:0"), ("ADMIN_LISTEN", "127.0.0.1:0")], &[]);
    check(&[("AUDIT_LOG", "off"), ("AUDIT_CHAIN", "true")], &["AUDIT_CHAIN: has nothing to chain with AUDIT_LOG=off"]);
    check(
        &[("LISTEN", "0.0.0.0:8443")],
        &["TLS: \"off\" would serve plaintext on 0.0.0.0:8443, which is not loopback"],
    );
    check(&[("LISTEN", "0.0.0.0:8443"), ("ALLOW_PLAINTEXT", "true")], &[]);
    check(&[("LISTEN", "[::ffff:127.0.0.1]:8443")], &[]);
}

#[test]
fn all_faults_are_told_at_once_by_variable() {
    check(
        &[("WORKERS", "x"), ("LISTNE", "x"), ("ROUTE_A_PATH", "a"), ("ROUTE_B_PATH", "/b"), ("LOCKOUT", "20/1m")],
        &[
            "LISTNE: is not a setting; did you mean HOOKWARDEN_LISTEN?",
            "LOCKOUT: \"20/1m\" is not a rule such as 20/1m for 15m",
            "ROUTE_A_PATH: \"a\" is not a path such as /hooks/github or /hooks/*, without dots, escapes or a query",
            "ROUTE_B_PROVIDER: is required, and not set",
            "ROUTE_B_SECRET_FILE: neither it nor HOOKWARDEN_ROUTE_B_SECRET is set, and a route needs a secret",
            "WORKERS: \"x\" is not a whole number of at least 1",
        ],
    );
}

#[test]
fn a_fault_says_what_is_accepted() {
    let fault = load(&environment(&[("WORKERS", "x")])).expect_err("a fault").remove(0);
    let expected = "HOOKWARDEN_WORKERS: \"x\" is not a whole number of at least 1; accepted: 1 to 1024";
    assert_eq!(fault.to_string(), expected);
}

#[test]
fn a_file_may_stand_for_a_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("level");
    write(&path, "warn\n");
    assert_eq!(loaded(&[("LOG_LEVEL_FILE", text(&path))]).process.log_level, tracing::level_filters::LevelFilter::WARN);
    check(
        &[("LOG_LEVEL_FILE", text(&path)), ("LOG_LEVEL", "info")],
        &["LOG_LEVEL_FILE: stands for HOOKWARDEN_LOG_LEVEL, which is set too; only one of them is accepted"],
    );
    write(&path, "warn\n\n");
    check(
        &[("LOG_LEVEL_FILE", text(&path))],
        &["LOG_LEVEL_FILE: \"warn\\n\" is none of off, error, warn, info, debug, trace"],
    );
    write(&path, b"\xff");
    check(&[("LOG_LEVEL_FILE", text(&path))], &[&format!("LOG_LEVEL_FILE: {} is not UTF-8", path.display())]);
    check(
        &[("LOG_LEVEL_FILE", text(folder.path()))],
        &[&format!("LOG_LEVEL_FILE: {} is a directory", folder.path().display())],
    );
    let missing = "LOG_LEVEL_FILE: /nowhere/level cannot be read: No such file or directory (os error 2)";
    check(&[("LOG_LEVEL_FILE", "/nowhere/level")], &[missing]);
}

#[test]
fn a_value_that_is_not_utf_8_is_refused_and_not_shown() {
    let mut environment = environment(&[]);
    for name in ["WORKERS", "ROUTE_A_SECRET"] {
        environment.set(format!("{PREFIX}{name}"), OsString::from_vec(b"hunter\xff".to_vec()));
    }
    assert_eq!(faults(&environment), ["ROUTE_A_SECRET: is not UTF-8", "WORKERS: is not UTF-8"]);
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let environment = environment(&[]);
    let (config, watch) = load(&environment).expect("no faults");
    assert!(!format!("{environment:?}{config:?}{watch:?}").contains("hunter2"));
}

/// With every variable set to nothing, whatever no code asks for would go unnoticed.
#[test]
fn every_row_is_asked_for() {
    let mut environment = environment(&[("TLS", ""), ("ROUTE_A_PROVIDER", "custom"), ("ROUTE_A_SECRET", "")]);
    let global = GLOBAL.iter().filter(|knob| knob.name != "TLS").map(|knob| knob.name.to_owned());
    let route = ROUTE.iter().filter(|knob| !["PROVIDER", "SECRET"].contains(&knob.name));
    let names: BTreeSet<_> = global.chain(route.map(|knob| format!("ROUTE_A_{}", knob.name))).collect();
    for name in &names {
        environment.set(format!("{PREFIX}{name}"), "");
    }
    let found = faults(&environment);
    for name in names {
        assert!(found.contains(&format!("{name}: is empty")), "{name} in {found:#?}");
    }
}

#[test]
fn every_default_is_accepted_where_it_is_written_out() {
    let written = |knob: &&Knob| !knob.default.is_empty() && !["LISTEN", "TLS"].contains(&knob.name);
    for knob in GLOBAL.iter().filter(written) {
        check(&[(knob.name, knob.default)], &[]);
    }
    for knob in ROUTE.iter().filter(written) {
        check(&[(&format!("ROUTE_A_{}", knob.name), knob.default)], &[]);
    }
}

#[test]
fn rows_are_named_once_and_say_what_they_are() {
    for knobs in [GLOBAL, ROUTE] {
        let names: BTreeSet<_> = knobs.iter().map(|knob| knob.name).collect();
        assert_eq!(names.len(), knobs.len());
        for knob in knobs {
            assert!(!knob.accepts.is_empty() && knob.help.ends_with('.'), "{}", knob.name);
        }
    }
}

proptest! {
    #[test]
    fn no_names_or_values_panic(
        variables in prop::collection::vec(
            (
                prop_oneof![
                    "[A-Z_]{0,12}",
                    "ROUTE_[A-B_]{0,2}_[A-Z_]{0,12}",
                    "\\PC{0,12}",
                    prop::sample::select(GLOBAL).prop_map(|knob| knob.name.to_owned()),
                    prop::sample::select(ROUTE).prop_map(|knob| format!("ROUTE_A_{}", knob.name)),
                ],
                prop_oneof![
                    "\\PC{0,16}",
                    "[0-9a-z:./*{},=-]{0,16}",
                    prop::sample::select(vec!["custom", "github", "off", "token", "/", "1MiB", "{signature}"])
                        .prop_map(str::to_owned),
                ],
            ),
            0..24,
        ),
    ) {
        let mut environment = environment(&[]);
        for (name, value) in variables {
            environment.set(format!("{PREFIX}{name}"), value);
        }
        if let Err(faults) = load(&environment) {
            prop_assert!(faults.iter().all(|fault| fault.variable.starts_with(PREFIX) && !fault.problem.is_empty()));
        }
    }

    /// In its own place, in the place of its path, and under a misspelt name.
    #[test]
    fn no_fault_shows_a_secret(
        secret in prop_oneof!["[!-~]{12,40}", "[a-z0-9]{12}", "whsec_[a-z0-9]{12}", "/[a-z0-9]{12}"],
        name in prop::sample::select(vec![
            "ROUTE_A_SECRET", "ROUTE_A_SECRET_FILE", "ROUTE_A_SECERT", "ROUTE_A_CLIENT_SECRET_FILE", "SECRET",
            "ADMIN_TOKEN_FILE", "ADMIN_TOKEN", "RESIGN_SECRET_FILE", "TLS_KEY_FILE",
        ]),
        (provider, encoding) in prop::sample::select(vec![("svix", ""), ("custom", "hex"), ("unknown", "")]),
    ) {
        let changes = [
            ("ROUTE_A_SECRET", if name == "ROUTE_A_SECRET_FILE" { "" } else { "00" }),
            ("ROUTE_A_PROVIDER", provider),
            ("ROUTE_A_SECRET_ENCODING", encoding),
            ("TLS", if name == "TLS_KEY_FILE" { "" } else { "off" }),
            (name, &secret),
        ];
        let faults = load(&environment(&changes)).err().unwrap_or_default();
        prop_assert!(!faults.is_empty() || provider == "svix", "{changes:?}");
        for fault in faults {
            prop_assert!(!fault.to_string().contains(&secret), "{fault}");
        }
    }
}
