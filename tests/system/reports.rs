//! Reports of the audit in the eyes of others: SARIF against its published schema, `JUnit` by a parser that is not ours.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::programs::run;

/// The schema as a package of its authors has it.
const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/sdk/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"
);

/// Reads the suite, and tells its counts and the first failure.
const JUNIT: &str = "
import sys, json
from junitparser import JUnitXml, Failure, Skipped
suites = list(JUnitXml.fromstring(sys.stdin.buffer.read()))
cases = [case for suite in suites for case in suite]
of = lambda kind: [entry for case in cases for entry in case.result if isinstance(entry, kind)]
print(json.dumps({
    'suites': len(suites), 'cases': len(cases), 'tests': suites[0].tests, 'failures': suites[0].failures,
    'failed': len(of(Failure)), 'skipped': len(of(Skipped)), 'first': of(Failure)[0].message,
}))
";

/// An audit of a configuration and a manifest that have findings of every kind of place.
fn audit(format: &str) -> Vec<u8> {
    let manifest = "kind: Pod\nmetadata: {name: <a> & \"b\", namespace: 'é'}\nspec:\n  containers:\n    - {name: hookwarden, image: hookwarden}\n";
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
    command.args(["audit", "-f", "-", "--format", format, "--require-training", "1d"]).env_clear().envs([
        ("HOOKWARDEN_LISTEN", "127.0.0.1:0"),
        ("HOOKWARDEN_TLS", "off"),
        ("HOOKWARDEN_ROUTE_A_PATH", "/a"),
        ("HOOKWARDEN_ROUTE_A_PROVIDER", "github"),
        ("HOOKWARDEN_ROUTE_A_SECRET", "changeme"),
    ]);
    let output = run(&mut command, manifest.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    output.stdout
}

#[test]
fn sarif_is_what_its_schema_says() {
    let schema = fs::read_to_string(SCHEMA).unwrap_or_else(|error| panic!("{SCHEMA}: {error}: run tests/run"));
    // One pattern of it, of a language, has a bracket that only JavaScript takes for a character; it is written so that
    // everybody does.
    let schema = schema.replace("{2}]?$", r"{2}\\]?$");
    let schema: Value = serde_json::from_str(&schema).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut report: Value = serde_json::from_slice(&audit("sarif")).expect("JSON");
    let faults: Vec<_> = validator.iter_errors(&report).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(report["runs"][0]["results"].as_array().is_some_and(|results| results.len() > 5));
    // The schema is not one that takes everything.
    report["runs"][0]["results"][0]["level"] = "awful".into();
    assert!(!validator.is_valid(&report));
}

#[test]
fn junit_is_read_by_others() {
    let mut python = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv/bin/python"));
    let output = run(python.args(["-c", JUNIT]), &audit("junit"));
    assert!(output.status.success(), "{output:?}");
    let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&read["suites"], &read["cases"], &read["failures"]),
        (&1.into(), &read["tests"], &read["failed"]),
        "{read}"
    );
    assert!(read["failed"].as_u64().is_some_and(|failed| failed > 2) && read["first"].is_string(), "{read}");
}
