//! `audit`: what it finds, in which form, and what it ends with; and never a secret.

use std::fs;

use serde_json::Value;

use super::{SECRET, code, json, run, settings, stderr, stdout, with_input};

const MANIFEST: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop}
spec:
  template:
    spec:
      containers:
        - name: hookwarden
          image: ghcr.io/hookwarden/hookwarden:latest
          env:
            - {name: HOOKWARDEN_ROUTE_PAY_PATH, value: /pay}
            - {name: HOOKWARDEN_ROUTE_PAY_PROVIDER, value: stripe}
            - {name: HOOKWARDEN_ROUTE_PAY_SECRET, value: hunter2-never-to-be-seen}
            - {name: HOOKWARDEN_ROUTE_PAY_MODE, value: monitor}
";

fn findings(report: &Value) -> &[Value] {
    report["findings"].as_array().expect("a list")
}

fn places<'r>(report: &'r Value, rule: &str) -> Vec<&'r str> {
    let of_rule = findings(report).iter().filter(|finding| finding["rule"] == rule);
    of_rule.map(|finding| finding["place"].as_str().expect("a place")).collect()
}

#[test]
fn findings_as_the_contract_has_them() {
    let output = run(&["audit", "--format", "json"], &settings());
    let report = json(&output);
    assert!(!findings(&report).is_empty());
    for finding in findings(&report) {
        for name in ["rule", "severity", "title", "evidence", "remedy"] {
            assert!(finding[name].as_str().is_some_and(|text| !text.is_empty()), "{name} in {finding}");
        }
        assert!(finding["references"].as_array().is_some_and(|references| !references.is_empty()), "{finding}");
    }
    assert_eq!(places(&report, "HW024"), ["HOOKWARDEN_ROUTE_HOOK_SECRET"]);
    assert_eq!(report["kind"], "audit");
    for format in ["text", "json", "sarif", "junit", "html"] {
        let output = run(&["audit", "--format", format], &settings());
        let told = stdout(&output) + &stderr(&output);
        assert!(told.contains("HW024") && !told.contains(SECRET), "{format}: {told}");
    }
}

#[test]
fn what_it_ends_with() {
    let mut bad = settings();
    bad.push(("HOOKWARDEN_ROUTE_HOOK_MODE", "monitor"));
    for (arguments, expected) in [
        (&["audit"][..], 1),
        (&["audit", "--fail-on", "high"], 1),
        (&["audit", "--fail-on", "critical"], 0),
        (&["audit", "--fail-on", "never"], 0),
        (&["audit", "--fail-on", "awful"], 2),
        (&["audit", "--baseline", "nowhere.json"], 2),
        (&["audit", "--report", "pdf", "a"], 2),
        (&["audit", "-f", "nowhere.yaml"], 2),
        (&["audit", "--env-file", "nowhere.env"], 2),
        (&["audit", "--require-training", "soon"], 2),
    ] {
        assert_eq!(code(&run(arguments, &bad)), expected, "{arguments:?}");
    }
    let refused = run(&["audit", "--format", "json"], &[("HOOKWARDEN_LISTN", "x")]);
    assert_eq!(code(&refused), 78, "{refused:?}");
    assert!(stderr(&refused).contains("did you mean HOOKWARDEN_LISTEN?"));
}

#[test]
fn settings_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sidecar.env");
    let lines: Vec<_> = settings().iter().map(|(name, value)| format!("{name}={value}")).collect();
    fs::write(&path, lines.join("\n") + "\nHOOKWARDEN_ERROR_DETAIL=full\n").expect("a file");
    let path = path.to_str().expect("a plain path");
    let report = json(&run(&["audit", "--format", "json", "--env-file", path], &[("HOOKWARDEN_LISTN", "not read")]));
    assert_eq!(places(&report, "HW093"), ["HOOKWARDEN_ERROR_DETAIL"]);
}

#[test]
fn manifests_from_a_file_and_from_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.yaml");
    fs::write(&path, MANIFEST).expect("a file");
    let path = path.to_str().expect("a plain path");
    for arguments in [["audit", "-f", path, "--format", "json"], ["audit", "--manifests", path, "--format", "json"]] {
        let output = run(&arguments, &[]);
        let report = json(&output);
        assert_eq!(code(&output), 1);
        assert_eq!(places(&report, "HW114"), [format!("{path}:8 (Deployment shop/orders)")]);
        assert_eq!(
            places(&report, "HW060"),
            [format!("{path}:14 (Deployment shop/orders, HOOKWARDEN_ROUTE_PAY_MODE)")]
        );
        assert_eq!(places(&report, "HW130"), [format!("{path}:13 (Deployment shop/orders)")]);
        assert!(!stdout(&output).contains(SECRET));
        // Nothing of this machine's settings was asked for, so none are judged.
        assert!(places(&report, "HW001").is_empty());
    }
    let report = json(&with_input(&["audit", "-f", "-", "--format", "json"], MANIFEST.as_bytes()));
    assert_eq!(places(&report, "HW114"), ["-:8 (Deployment shop/orders)"]);
    for bad in ["a: [", "", "hunter2"] {
        let output = with_input(&["audit", "-f", "-"], bad.as_bytes());
        assert!(code(&output) == 2 || bad == "hunter2", "{bad}: {output:?}");
    }
}

#[test]
fn what_is_accepted_and_what_has_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let before = run(&["audit", "--format", "json"], &settings());
    fs::write(at("before.json"), &before.stdout).expect("a file");
    let mut later = settings();
    later.push(("HOOKWARDEN_ROUTE_HOOK_MODE", "monitor"));
    later.retain(|(name, _)| *name != "HOOKWARDEN_ROUTE_HOOK_OWNER");
    later.push(("HOOKWARDEN_ROUTE_HOOK_RATE", "10/s"));
    let entry = |expires: &str| {
        let id = "HW060 HOOKWARDEN_ROUTE_HOOK_MODE";
        format!(r#"{{"accepted":[{{"id":"{id}","reason":"adoption","owner":"payments","expires":"{expires}"}}]}}"#)
    };
    fs::write(at("good.json"), entry("2099-01-01")).expect("a file");
    fs::write(at("over.json"), entry("2020-01-01")).expect("a file");
    fs::write(at("bad.json"), r#"{"accepted":[{"id":"HW060"}]}"#).expect("a file");
    let audit = |baseline: &str| {
        run(&["audit", "--format", "json", "--since", &at("before.json"), "--baseline", &at(baseline)], &later)
    };
    let report = json(&audit("good.json"));
    assert!(places(&report, "HW060").is_empty());
    assert_eq!(report["accepted"][0]["accepted"]["owner"], "payments");
    let new: Vec<_> = report["trend"]["new"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(new, ["HW061 HOOKWARDEN_ROUTE_HOOK_OWNER"]);
    assert_eq!(report["trend"]["gone"][0]["id"], "HW080 HOOKWARDEN_ROUTE_HOOK_RATE");
    let report = json(&audit("over.json"));
    assert_eq!(places(&report, "HW060").len(), 1);
    assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("counts again")), "{report}");
    assert_eq!(code(&audit("bad.json")), 2);
    assert_eq!(code(&run(&["audit", "--since", &at("bad.json")], &later)), 2);
}

#[test]
fn records_of_reviews_and_trainings() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.jsonl");
    fs::write(&path, "{\"kind\":\"review\",\"at\":\"2020-01-01T00:00:00Z\",\"by\":\"ops\"}\n").expect("a file");
    let path = path.to_str().expect("a plain path");
    let arguments = ["audit", "--format", "json", "--records", path, "--require-training", "365d"];
    let report = json(&run(&arguments, &settings()));
    assert_eq!((places(&report, "HW100"), places(&report, "HW101")), (vec!["review"], vec!["training"]));
    fs::write(path, "{\"kind\":\"review\"}").expect("a file");
    assert_eq!(code(&run(&arguments, &settings())), 2);
}

#[test]
fn the_page_is_written_beside_the_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.html");
    let file = path.to_str().expect("a plain path");
    let output = run(&["audit", "--report", "html", file, "--fail-on", "never"], &settings());
    assert_eq!(code(&output), 0, "{output:?}");
    let page = fs::read_to_string(&path).expect("the page");
    assert!(page.starts_with("<!doctype html>") && page.contains("HW024") && !page.contains(SECRET));
    assert!(stdout(&output).contains("HW024"));
}

#[test]
fn every_rule_is_explained() {
    let all = json(&run(&["explain", "--format", "json"], &[]));
    let codes: Vec<_> = all.as_array().expect("a list").iter().filter(|topic| topic["kind"] == "finding").collect();
    assert!(codes.len() >= 45, "{}", codes.len());
    let output = run(&["explain", "hw040"], &[]);
    assert!(code(&output) == 0 && stdout(&output).contains("A static token is the only proof"), "{output:?}");
}
