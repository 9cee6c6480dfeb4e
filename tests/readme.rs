//! The README's tables say what the code says.
//!
//! Each table stands between two markers. When one is out of date the test prints what belongs there.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hookwarden::clock::Now;
use hookwarden::config::knobs::{GLOBAL, Knob, ROUTE};
use hookwarden::deny::Reason;
use hookwarden::inject::annotations::ANNOTATIONS;
use hookwarden::observe::metrics::Metrics;
use hookwarden::observe::snapshot::{
    FetchSnapshot, IntrospectionSnapshot, KeySnapshot, RouteSnapshot, Snapshot, StoreSnapshot,
};
use hookwarden::providers;

const README: &str = include_str!("../README.md");

fn check(section: &str, expected: &str) {
    let (open, close) = (format!("<!-- {section} -->\n"), format!("<!-- /{section} -->"));
    let found = README.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).expect("both markers").0;
    assert!(found == expected, "README.md, between {open:?} and {close:?}, should be:\n{expected}");
}

fn settings(heading: &str, prefix: &str, knobs: &[Knob]) -> String {
    let mut table = format!("| {heading} | default | accepted | what it is |\n|---|---|---|---|\n");
    for knob in knobs {
        let default = if knob.default.is_empty() { String::new() } else { format!("`{}`", knob.default) };
        writeln!(table, "| `{prefix}{}` | {default} | {} | {} |", knob.name, knob.accepts, knob.help)
            .expect("a string");
    }
    table
}

#[test]
fn variables() {
    check("variables", &settings("variable", "HOOKWARDEN_", GLOBAL));
    check("fields", &settings("field", "", ROUTE));
}

#[test]
fn annotations() {
    let mut table = "| annotation | default | accepted | what it is |\n|---|---|---|---|\n".to_owned();
    for row in ANNOTATIONS {
        // The image's version moves on with each release.
        let default = row.default.replace(env!("CARGO_PKG_VERSION"), "<version>");
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        writeln!(table, "| `hookwarden.io/{}` | {default} | {} | {} |", row.name, row.accepts, row.help)
            .expect("a string");
    }
    check("annotations", &table);
}

#[test]
fn unsupported() {
    let mut table = "| provider | why |\n|---|---|\n".to_owned();
    for known in providers::unsupported() {
        writeln!(table, "| {} | {} |", known.name, known.why).expect("a string");
    }
    check("unsupported", &table);
}

#[test]
fn reasons() {
    let mut table = "| reason | status | what happened |\n|---|---|---|\n".to_owned();
    for row in Reason::all().map(Reason::row) {
        let status = if row.status == 0 { "the service's".to_owned() } else { row.status.to_string() };
        writeln!(table, "| `{}` | {status} | {} |", row.code, row.what).expect("a string");
    }
    check("reasons", &table);
}

#[test]
fn metrics() {
    let metrics = Metrics::new().expect("no name twice");
    metrics.audited(&[("critical", 0)]);
    metrics.job_ended("audit", &[("critical", 0)], Now::read());
    let _route = metrics.route("github", false, ["1"].into_iter());
    let key = KeySnapshot { id: "1".into(), since: Some(1), last_used: 1 };
    let route = RouteSnapshot {
        name: "github".into(),
        expires: Some(1),
        replay_window: Some(1.0),
        keys: vec![key],
        fetched: Some(FetchSnapshot { keys: 1, wanted: Some(1), since: Some(0), answers: 1, failures: 0 }),
        introspection: Some(IntrospectionSnapshot { questions: [("active", 1); 4], entries: 1 }),
    };
    let text = metrics
        .render(&Snapshot {
            now: Now::read(),
            connections: 1,
            in_flight: 1,
            buffered_bytes: 1,
            shed: 1,
            rated_sources: Some(1),
            lockouts: Some((1, 2)),
            replay_entries: 1,
            replay_capacity: 1,
            replay_evictions: 1,
            replay_journal_errors: 1,
            replay_store: Some(StoreSnapshot { up: true, errors: 1, unconfirmed: 1, late_settlements: 1 }),
            audit_dropped: 1,
            tls_expires: Some(1),
            routes: vec![route],
        })
        .expect("renders");
    let kinds: BTreeMap<_, _> = words_after(&text, "# TYPE ").collect();
    let mut table = "| metric | kind | labels | what it is |\n|---|---|---|---|\n".to_owned();
    for (name, help) in words_after(&text, "# HELP ") {
        writeln!(table, "| `{name}` | {} | {} | {help} |", kinds[name], labels(&text, name)).expect("a string");
    }
    check("metrics", &table);
}

fn words_after<'t>(text: &'t str, start: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
    text.lines().filter_map(move |line| line.strip_prefix(start)?.split_once(' '))
}

/// The label names of a metric's first series, without the one that histograms have of their own.
fn labels(text: &str, name: &str) -> String {
    let series = text.lines().find(|line| line.starts_with(name)).expect("a series");
    let labels = series.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(labels, _)| labels);
    let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
    names.filter(|name| *name != "le").map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_layout_names_every_room() {
    let layout = README.split_once("## Layout").expect("a section").1;
    let rooms = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("a folder");
    for room in rooms {
        let room = room.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned();
        if !["lib", "main", "build"].contains(&room.as_str()) {
            assert!(layout.split_whitespace().any(|word| word == room), "README.md, Layout, does not name {room}");
        }
    }
}
