//! checkov over everything that is shipped for a cluster, and over a pod with the sidecar in it. What it finds and what
//! `deploy/checkov.yaml` excepts are the same: nothing is found that has no reason there, and no reason outlives what it
//! was for.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::packaging::rendered;
use crate::programs::run;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const CONFIGURATION: &str = include_str!("../../deploy/checkov.yaml");

/// What is not asked about, each with the reason that stands above it.
fn exceptions() -> Vec<(&'static str, String)> {
    let (_, list) = CONFIGURATION.split_once("\nskip-check:\n").expect("a list");
    let mut reason = String::new();
    let exception = |line: &'static str| {
        let check = line.trim().strip_prefix("- ");
        if check.is_none() {
            reason += line.trim().trim_start_matches('#');
        }
        check.map(|check| (check, std::mem::take(&mut reason)))
    };
    list.lines().filter_map(exception).collect()
}

/// What checkov says of all files of a folder.
fn scan(folder: &str) -> Vec<Value> {
    let (_, frameworks) = CONFIGURATION.split_once("\nframework: [").expect("a list");
    let (frameworks, _) = frameworks.split_once(']').expect("an end");
    let mut command = Command::new(format!("{ROOT}/tests/deploy/.venv/bin/python"));
    // It keeps to itself: no configuration of the machine's, and nobody is asked over the network.
    command.current_dir(folder).env("HOME", folder).arg(format!("{ROOT}/tests/deploy/.venv/bin/checkov"));
    command.args(["--skip-download", "--soft-fail", "--output", "json", "--directory", folder]);
    command.arg("--framework").args(frameworks.split(", "));
    let output = run(&mut command, b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a list of reports")
}

#[test]
fn every_finding_has_a_reason_and_every_reason_a_finding() {
    // Folders that begin with a dot, as temporary ones do, it passes over.
    let folder = tempfile::Builder::new().prefix("shipped-").tempdir().expect("a folder");
    let put = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("a file");
    put("Dockerfile", &fs::read(format!("{ROOT}/deploy/Dockerfile")).expect("the Dockerfile"));
    let rendered = rendered();
    for (number, (name, text)) in rendered.iter().enumerate() {
        put(&format!("{number}.yaml"), text.as_bytes());
        if name.starts_with("k8s/examples/") {
            let mut inject = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
            let output = run(inject.env_clear().args(["inject", "-f", "-"]), text.as_bytes());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            put(&format!("{number}-injected.yaml"), &output.stdout);
        }
    }
    let reports = scan(folder.path().to_str().expect("text"));
    let results = |kind: &str| -> Vec<&Value> {
        reports.iter().flat_map(|report| report["results"][kind].as_array().expect("a list")).collect()
    };
    let check = |result: &Value| result["check_id"].as_str().expect("a name").to_owned();
    let reasons = exceptions();
    let excepted: BTreeSet<_> = reasons.iter().map(|(check, _)| (*check).to_owned()).collect();
    let failed = results("failed_checks");
    let found: BTreeSet<_> = failed.iter().map(|result| check(result)).collect();
    let places = |result: &&Value| {
        let place = format!("{} {} {}", check(result), result["check_name"], result["resource"]);
        (!excepted.contains(&check(result))).then_some(place)
    };
    let unexplained: Vec<_> = failed.iter().filter_map(places).collect();
    assert_eq!(found, excepted, "found, and excepted; without a reason:\n{}", unexplained.join("\n"));
    for (check, reason) in reasons {
        assert!(reason.len() > 40, "{check}: why? {reason:?}");
    }
    for skipped in results("skipped_checks") {
        let reason = skipped["check_result"]["suppress_comment"].as_str().unwrap_or_default();
        assert!(reason.len() > 10, "{}: an annotation skips it, and why? {reason:?}", check(skipped));
    }
    for report in &reports {
        assert_eq!(report["summary"]["parsing_errors"], 0, "{report}");
    }
    assert!(results("passed_checks").len() > 2000, "it looked at everything");
}
