//! The house rules, read from the sources themselves: who may know whom, where a crate or a system call has its one
//! place, how large a file and a function may become, and what never stands in the repository.
//!
//! Each rule is a row with its reason. A row that nothing needs any more fails too: a permission that is not used is
//! taken back. What the compiler and clippy hold (`unsafe`, clocks, the environment, panics) is left to them.
#![allow(clippy::expect_used, reason = "in a test a surprise ends the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// `(room, rooms or parts of rooms that it may know, why so)`; `*` is any. Every room of `src` has a row.
const ARROWS: &[(&str, &[&str], &str)] = &[
    ("deny", &[], "the closed list of outcomes is a leaf"),
    ("clock", &[], "time is a value; its reader knows nobody"),
    ("drain", &[], "stopping is a signal that rooms listen to"),
    ("limits", &["clock"], "numbers, and time as an argument"),
    ("inspect", &[], "pure rules on content types and payloads"),
    ("http1", &["deny"], "the wire knows no word of webhooks"),
    ("json", &["auth::scheme", "http1"], "finds the members that a scheme names, as spans of the wire"),
    ("auth", &["clock", "deny", "http1", "json"], "pure: message, scheme, keys and time in, proof out"),
    (
        "fetch",
        &[
            "auth::key_api",
            "auth::key_book",
            "auth::keyring",
            "auth::signature",
            "auth::x509",
            "clock",
            "deny",
            "http1",
        ],
        "fetches keys over the proxy's own wire; decides about no message",
    ),
    ("providers", &["auth"], "definitions compile to schemes"),
    ("replay", &["auth::keys", "clock"], "claims are made of proofs; whoever asks, and over what, is not its business"),
    ("route", &["policy"], "finds the policy's routes"),
    ("policy", &["auth", "fetch", "inspect", "limits::rate", "route"], "plain data about the rooms that read it"),
    (
        "respond",
        &["auth::challenge", "auth::scheme", "clock", "deny", "http1", "policy"],
        "turns outcomes into bytes, as the route's provider wants them",
    ),
    (
        "forward",
        &["auth", "clock", "deny", "drain", "http1", "limits", "policy", "replay"],
        "sends what was admitted; no gate",
    ),
    ("observe", &["clock", "deny", "http1::encode"], "writes what it is told, numbers as the wire does"),
    (
        "pipeline",
        &[
            "auth", "clock", "deny", "drain", "forward", "http1", "inspect", "json", "limits", "observe", "policy",
            "replay", "respond", "route",
        ],
        "the only room that knows the order of the gates",
    ),
    (
        "listen",
        &["clock", "drain", "limits", "observe::metrics", "pipeline", "policy"],
        "opens the door, learns who is there, and hands the stream on",
    ),
    (
        "config",
        &[
            "auth",
            "http1",
            "inspect",
            "limits",
            "observe::audit_log",
            "observe::chain",
            "fetch",
            "policy",
            "providers",
            "replay",
            "route",
            "suggest",
        ],
        "compiles settings to the types that the rooms read",
    ),
    (
        "admin",
        &["auth::keys", "clock", "config", "fetch", "govern::job", "limits", "observe", "pipeline", "policy", "replay"],
        "shows state; lifts locks, hears how jobs ended, and changes nothing else",
    ),
    (
        "serve",
        &[
            "admin", "clock", "config", "drain", "fetch", "govern", "limits", "listen", "observe", "pipeline",
            "policy", "replay",
        ],
        "composes the rooms",
    ),
    ("suggest", &[], "finds the nearest word"),
    ("inject", &["suggest"], "pure: pods and manifests in, pods and manifests out; asks no cluster"),
    ("injector", &["clock", "fetch", "inject", "listen", "observe"], "serves what inject says; knows no webhook"),
    (
        "assess",
        &["auth", "clock", "deny", "govern::finding", "http1"],
        "plays a sender with the one signing path; knows no configuration",
    ),
    (
        "govern",
        &[
            "assess",
            "auth::scheme",
            "auth::signature",
            "config",
            "deny",
            "inject",
            "observe::anomaly",
            "observe::audit_log",
            "observe::chain",
            "policy",
            "replay",
            "route",
            "suggest",
        ],
        "explains and judges by its tables, and holds records against the policy; touches no network",
    ),
    ("cli", &["*"], "flags and printing for any room"),
    ("main", &["cli"], "arguments to one command to an exit code"),
];

/// `(text, places that may hold it, why so)`: paths below `src`, each a folder or a file.
const PLACES: &[(&str, &[&str], &str)] = &[
    ("httparse::", &["http1/"], "one tokeniser, behind one strict pass"),
    ("dashmap::", &["replay/"], "the one shared table of the hot path"),
    ("redis::", &["replay/shared/"], "whoever claims knows nothing of servers"),
    ("rcgen::", &["injector/own.rs"], "certificates are made in one place, for the injector alone"),
    ("granit_parser::", &["govern/manifests/", "inject/text/"], "only manifests are YAML"),
    ("axum::", &["admin/", "cli/demo/", "injector/"], "the hot path's HTTP is our own"),
    ("clap::", &["cli/"], "flags are the command line's business"),
    (
        "prometheus::",
        &["observe/", "serve.rs", "injector/"],
        "only records move counters; the composition passes its error on",
    ),
    (
        "TcpStream",
        &["assess/wire.rs", "listen/", "forward/", "fetch/", "injector/", "cli/"],
        "only the doors, the way to the service, the fetcher of keys, attacks that are asked for and commands touch the network",
    ),
    ("UnixStream", &["forward/"], "only the way to the service"),
    ("tokio::fs", &[], "no file is read while a request waits"),
    ("std::fs", &["config/", "observe/audit_log.rs", "replay/journal.rs", "injector/", "cli/"], "gates do no I/O"),
    ("std::env::", &["cli/", "main.rs", "build.rs"], "the environment is an argument, and so are the arguments"),
    (
        "spawn_local(",
        &["fetch/", "injector/", "listen/", "serve.rs"],
        "only the doors, the fetcher of keys and the composition start tasks",
    ),
    ("thread::Builder", &["serve.rs", "admin/", "observe/audit_log.rs", "cli/"], "threads are few, and named"),
    (
        "clippy::disallowed_methods",
        &["clock.rs", "cli/", "build.rs"],
        "an exception to the banned methods has its one place",
    ),
    ("process::exit", &[], "main returns its code, so that everything is dropped"),
];

/// The longest file of `src`, in lines: the one table of outcomes. Good ones have 100 to 350.
const LONGEST_FILE: usize = 650;

/// The longest function outside tests, in lines. The median is under ten.
const LONGEST_FUNCTION: usize = 60;

/// What never stands in the repository: unfinished work, skipped tests, waiting by guesswork, somebody's machine.
/// Written in two parts so that this file holds none of them.
const NOWHERE: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "work that is not done is an issue"),
    (concat!("FIX", "ME"), "work that is not done is an issue"),
    (concat!("#[ig", "nore"), "a test that does not run keeps nothing"),
    (concat!("thread::sl", "eep("), "waiting is for an event, not for a time"),
    (concat!("unsa", "fe {"), "the compiler forbids it; macros do not hide it"),
    (concat!("/wo", "rk/"), "a path of somebody's machine"),
    (concat!("/ho", "me/"), "a path of somebody's machine"),
    (concat!("/ro", "ot/"), "a path of somebody's machine"),
    (concat!("/Us", "ers/"), "a path of somebody's machine"),
];

/// Folders without sources of ours: what building and installing leaves behind. In a second working tree `.git` is a
/// file.
const SKIPPED: &[&str] =
    &[".git", "target", "node_modules", ".venv", "tests/fuzz/corpus", "tests/fuzz/artifacts", "tests/fuzz/coverage"];

#[test]
fn rooms_know_only_the_rooms_of_their_row() {
    let mut faults = Vec::new();
    let mut used = Vec::new();
    for (path, text) in production_sources() {
        let room = room_of(&path);
        let Some(row) = ARROWS.iter().find(|(name, ..)| *name == room) else {
            // The map of the rooms and the build script are none.
            if !["lib", "build"].contains(&room) {
                faults.push(format!("{room} has no row in ARROWS"));
            }
            continue;
        };
        for known in known_paths(&text) {
            let within = |allowed: &&&str| **allowed == "*" || known == **allowed || is_below(&known, allowed);
            match row.1.iter().find(within) {
                Some(allowed) => used.push((row.0, *allowed)),
                None if first_part(&known) == room => {}
                None => faults.push(format!("{path} knows {known}; {room} may know {:?}: {}", row.1, row.2)),
            }
        }
        if up(&path).iter().any(|up| text.contains(up)) {
            faults.push(format!("{path} leaves its room by `super`: another room's path starts with `crate`"));
        }
    }
    for (room, allowed, _) in ARROWS {
        let unused = allowed.iter().filter(|allowed| **allowed != "*" && !used.contains(&(room, *allowed)));
        faults.extend(unused.map(|allowed| format!("{room} does not need {allowed} any more: take it out of its row")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn crates_and_system_calls_have_their_places() {
    let mut faults = Vec::new();
    let sources: Vec<_> = production_sources().collect();
    for (word, places, why) in PLACES {
        let holders = sources.iter().filter(|(_, text)| text.contains(word));
        let holders: Vec<_> = holders.map(|(path, _)| path.strip_prefix("src/").unwrap_or(path)).collect();
        let strays = holders.iter().filter(|path| !places.iter().any(|place| path.starts_with(place)));
        faults.extend(strays.map(|path| format!("{path} has `{word}`; its place is {places:?}: {why}")));
        let unused = places.iter().filter(|place| !holders.iter().any(|path| path.starts_with(*place)));
        faults.extend(unused.map(|place| format!("{place} does not need `{word}` any more: take it out of its row")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_and_functions_stay_small() {
    let mut faults = Vec::new();
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{path} has {lines} lines"));
        }
    }
    for (path, text) in production_sources() {
        let long = functions(&text).into_iter().filter(|(_, lines)| *lines > LONGEST_FUNCTION);
        faults.extend(long.map(|(name, lines)| format!("{path}: {name} has {lines} lines")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = |(path, text): (String, String)| (!text.starts_with("//! ")).then_some(path);
    let silent: Vec<_> = sources("src").chain(sources("tests")).chain(sources("benches")).filter_map(silent).collect();
    assert!(silent.is_empty(), "no module doc: {silent:?}");
}

#[test]
fn nothing_unfinished_or_from_somebodys_machine_stands_anywhere() {
    let mut faults = Vec::new();
    for (path, text) in files("") {
        for (word, why) in NOWHERE {
            let lines = text.lines().enumerate().filter(|(_, line)| {
                // A page's address is nobody's machine.
                let mut texts = line.split([' ', '"']).filter(|text| !text.contains("://") || !word.starts_with('/'));
                line.contains(word) && (word.contains(' ') || texts.any(|text| text.contains(word)))
            });
            faults.extend(lines.map(|(index, _)| format!("{path}:{}: {word}: {why}", index + 1)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_rules_read_what_they_should() {
    let text = "use crate::auth::{keys::Key, scheme};\nuse crate::deny;\nlet a = crate::json::scan(b);\n// crate::no";
    assert_eq!(known_paths(&without_comments(text)), ["auth::keys::Key", "auth::scheme", "deny", "json::scan"]);
    let text = "use crate::{clock::Now, policy::{Mode, Route}};";
    assert_eq!(known_paths(text), ["clock::Now", "policy::Mode", "policy::Route"]);
    let text = "pub fn a() {\n    1\n}\nimpl X {\n    async fn b(&self);\n    fn c() {}\n    fn d(\n    ) {\n    }\n}";
    let expected = [("a", 3), ("b", 1), ("c", 1), ("d", 3)].map(|(name, lines)| (name.to_owned(), lines));
    assert_eq!(functions(text), expected);
    assert!(sources("src").count() > 40 && production_sources().count() < sources("src").count());
    assert!(is_below("auth::keys::Key", "auth::keys") && !is_below("authority", "auth"));
}

/// The paths behind each `crate::`, or the crate's name as the binary writes it, groups written out.
fn known_paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for name in ["crate::", "hookwarden::"] {
        for (at, _) in text.match_indices(name) {
            // `$crate` and names that end in `crate` are other words.
            if !text[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | '$' | ':')) {
                expand("", &mut text[at + name.len()..].trim_start(), &mut paths);
            }
        }
    }
    paths
}

/// Reads one path, or one group in braces, off the front of `rest`.
fn expand(prefix: &str, rest: &mut &str, paths: &mut Vec<String>) {
    if let Some(inside) = rest.strip_prefix('{') {
        *rest = inside.trim_start();
        while !rest.is_empty() && !rest.starts_with('}') {
            expand(prefix, rest, paths);
            *rest = rest.trim_start_matches([',', ' ', '\n']);
        }
        *rest = rest.strip_prefix('}').unwrap_or(rest);
        return;
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '*'))).unwrap_or(rest.len());
    let (path, after) = rest.split_at(end);
    *rest = after;
    let whole = format!("{prefix}{path}");
    if after.starts_with('{') {
        expand(&whole, rest, paths);
    } else {
        // `self as name` in a group: the new name is no path.
        *rest = after.strip_prefix(" as ").map_or(after, |name| name.trim_start_matches(char::is_alphanumeric));
        paths.push(whole.trim_end_matches("::self").trim_end_matches("::*").trim_end_matches(':').to_owned());
    }
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.starts_with("::"))
}

fn first_part(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

/// `src/auth/keys.rs` and `src/auth.rs` are both of the room `auth`.
fn room_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// What would lead from a file to another room without naming the crate.
fn up(path: &str) -> &'static [&'static str] {
    match path.matches('/').count() {
        1 => &["super::"],
        2 if path.ends_with("/mod.rs") => &["super::"],
        2 => &["super::super::"],
        _ => &["super::super::super::"],
    }
}

/// Names and lengths of functions, by the shape that rustfmt gives them: one ends at the first line that closes a brace
/// at its own depth, or on its first line.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let ends = |first: &str, line: &str| {
        let indent = first.len() - first.trim_start().len();
        line.len() > indent && line[..indent].trim().is_empty() && line[indent..].starts_with('}')
    };
    let mut found = Vec::new();
    for (at, first) in lines.iter().enumerate() {
        let Some(name) = function_name(first) else { continue };
        let one_line = first.ends_with(['}', ';']);
        let after = lines[at + 1..].iter().position(|line| one_line || ends(first, line));
        let length = if one_line { 1 } else { after.map_or(lines.len() - at, |after| after + 2) };
        found.push((name.to_owned(), length));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let is_modifier = |word: &&str| matches!(*word, "pub" | "const" | "async" | "fn") || word.starts_with("pub(");
    let last_modifier = words.by_ref().take_while(is_modifier).last()?;
    let name = line.split_once("fn ").filter(|_| last_modifier == "fn")?.1;
    name.split(['(', '<']).next()
}

/// The files of `src` without comments and without their tests.
fn production_sources() -> impl Iterator<Item = (String, String)> {
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    sources("src").filter(move |(path, _)| !is_test(path)).map(|(path, text)| {
        let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
        (path, without_comments(&text[..end]))
    })
}

fn without_comments(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("//")).collect()
}

fn sources(folder: &str) -> impl Iterator<Item = (String, String)> + use<> {
    files(folder).into_iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "rs"))
}

/// All text files below a folder of the repository, by their paths in it, in order.
fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join(folder), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).ok()?.to_str()?.to_owned();
        // What is not UTF-8 is no text, and none of ours.
        Some((name, fs::read_to_string(path).ok()?))
    };
    paths.into_iter().filter_map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.expect("an entry of a readable folder");
        let kind = entry.file_type().expect("its kind");
        if SKIPPED.iter().any(|skipped| entry.path().ends_with(skipped)) {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), paths);
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
}
