//! `verify-log` on logs that the running program wrote, and on what became of them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::running::refused_requests;
use super::{code, json, run, stderr, stdout, with_input};

const KEY: &str = "a chain key that nobody knows";

/// The log of a run with as many requests, chained on to what is there already.
fn logged(dir: &Path, requests: usize, key: bool) -> PathBuf {
    let (log, key_file) = (dir.join("audit.log"), dir.join("chain.key"));
    fs::write(&key_file, format!("{KEY}\n")).expect("written");
    let (log_text, key_text) = (log.to_str().expect("UTF-8"), key_file.to_str().expect("UTF-8"));
    let mut variables = vec![("HOOKWARDEN_AUDIT_LOG", log_text), ("HOOKWARDEN_AUDIT_CHAIN", "true")];
    variables.extend(key.then_some(("HOOKWARDEN_AUDIT_CHAIN_KEY_FILE", key_text)));
    refused_requests(&variables, requests);
    log
}

fn verify(arguments: &[&str], files: &[&Path]) -> Output {
    let files = files.iter().map(|file| file.to_str().expect("UTF-8"));
    run(&["verify-log"].into_iter().chain(arguments.iter().copied()).chain(files).collect::<Vec<_>>(), &[])
}

#[test]
fn a_log_holds_across_restarts_and_rotation() {
    let dir = tempfile::tempdir().expect("a directory");
    logged(dir.path(), 2, false);
    let log = logged(dir.path(), 1, false);
    let text = fs::read_to_string(&log).expect("text");
    let whole = json(&verify(&["--format", "json"], &[&log]));
    assert_eq!((&whole["ok"], &whole["records"], &whole["restarts"]), (&true.into(), &3.into(), &0.into()), "{whole}");
    let (first, rest) = text.split_at(text.find('\n').expect("lines") + 1);
    let (old, new) = (dir.path().join("audit.log.1.gz"), dir.path().join("audit.log.new"));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(first.as_bytes()).expect("written");
    fs::write(&old, gzip.finish().expect("finished")).expect("written");
    fs::write(&new, rest).expect("written");
    assert_eq!(json(&verify(&["--format", "json"], &[&old, &new]))["records"], 3);
    let later = json(&verify(&["--format", "json"], &[&new]));
    assert!(first.contains(later["continues"].as_str().expect("a hash")), "{later}");
    let swapped = verify(&[], &[&new, &old]);
    assert_eq!(code(&swapped), 0, "an older beginning is a restart: {}", stdout(&swapped));
    assert!(stdout(&swapped).contains("1 further beginnings"), "{}", stdout(&swapped));
    let piped = with_input(&["verify-log", "-"], text.as_bytes());
    assert_eq!((code(&piped), stdout(&piped).lines().next()), (0, Some("the chain holds")));
}

#[test]
fn what_was_changed_taken_out_or_cut_off_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = logged(dir.path(), 3, false);
    let text = fs::read_to_string(&log).expect("text");
    let lines: Vec<_> = text.lines().collect();
    let last = json(&verify(&["--format", "json"], &[&log]))["last"].as_str().expect("a hash").to_owned();
    let changed = dir.path().join("changed");
    for (what, text, line, problem) in [
        ("changed", text.replacen("\"status\":404", "\"status\":204", 1), 1, "the record was changed"),
        ("taken out", [lines[0], lines[2]].join("\n"), 2, "records were taken out"),
        ("cut off", lines[..2].join("\n"), 2, "records are missing at the end"),
    ] {
        fs::write(&changed, text).expect("written");
        let output = verify(&["--expect-last", &last], &[&changed]);
        let verdict = stdout(&output);
        let expected = format!("broken at {}:{line}: {problem}", changed.display());
        assert!(code(&output) == 1 && verdict.starts_with(&expected), "{what}: {verdict}");
    }
    assert_eq!(code(&verify(&["--expect-last", &last], &[&log])), 0);
}

#[test]
fn a_keyed_chain_needs_its_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = logged(dir.path(), 2, true);
    let key = dir.path().join("chain.key");
    assert_eq!(code(&verify(&["--key-file", key.to_str().expect("UTF-8")], &[&log])), 0);
    let without = verify(&[], &[&log]);
    assert!(code(&without) == 1 && stdout(&without).contains("another key"), "{}", stdout(&without));
    assert!(!stdout(&without).contains(KEY));
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let (empty, short) = (dir.path().join("empty"), dir.path().join("short"));
    fs::write(&empty, "").expect("written");
    fs::write(&short, "short").expect("written");
    let short = short.to_str().expect("UTF-8");
    for (arguments, file, exit, problem) in [
        (&[][..], "nowhere", 69, "nowhere: "),
        (&[], "empty", 2, "there is no chained record"),
        (&["--key-file", short], "empty", 2, "holds 5 bytes; a key of at least 16 is needed"),
        (&["--key-file", "/nowhere/key"], "empty", 2, "--key-file: /nowhere/key cannot be read"),
    ] {
        let output = verify(arguments, &[&dir.path().join(file)]);
        assert!(code(&output) == exit && stderr(&output).contains(problem), "{file}: {}", stderr(&output));
    }
}
