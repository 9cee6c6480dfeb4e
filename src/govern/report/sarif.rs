//! SARIF 2.1.0 (OASIS, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>): what code scanners read.
//!
//! A variable is no file, so it is named as a logical location; a manifest is a physical one. What was accepted is there
//! too, as suppressed (section 3.35), so that a dashboard keeps the whole story.

use serde_json::{Value, json};

use crate::govern::finding::{Accepted, Finding, Place, Report, Rule, Severity};

/// The report as one run.
#[must_use]
pub fn render(report: &Report) -> Value {
    let rules = report.rules();
    let suppressed = |accepted: &Accepted| {
        let mut value = result(&accepted.finding, &rules);
        let words = format!("{} (accepted by {} until {})", accepted.reason, accepted.owner, accepted.until);
        value["suppressions"] = json!([{ "kind": "external", "status": "accepted", "justification": words }]);
        value
    };
    let counting = report.findings.iter().map(|finding| result(finding, &rules));
    let results: Vec<_> = counting.chain(report.accepted.iter().map(suppressed)).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "hookwarden",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "automationDetails": { "id": format!("hookwarden/{}/", report.kind) },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why },
        "help": { "text": format!("{} {}", rule.why, rule.remedy) },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "tags": rule.references, "security-severity": score(rule.severity) },
    })
}

fn result(finding: &Finding, rules: &[&Rule]) -> Value {
    let index = rules.iter().position(|rule| rule.code == finding.rule.code);
    json!({
        "ruleId": finding.rule.code,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": format!("{}: {}. {}", finding.rule.title, finding.evidence, finding.remedy) },
        "locations": [location(&finding.place)],
        "partialFingerprints": { "hookwarden/v1": finding.identity() },
        "properties": { "severity": finding.severity.name() },
    })
}

fn location(place: &Place) -> Value {
    let named = |name: &str, kind: &str| json!({ "logicalLocations": [{ "fullyQualifiedName": name, "kind": kind }] });
    match place {
        Place::Whole(name) => named(name, "resource"),
        Place::Variable(name) => named(name, "variable"),
        Place::File { path, line, object } => json!({
            "physicalLocation": {
                "artifactLocation": { "uri": uri(path) },
                "region": { "startLine": (*line).max(1) },
            },
            "logicalLocations": [{ "fullyQualifiedName": object, "kind": "resource" }],
        }),
    }
}

/// The levels of SARIF (section 3.27.10).
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// What GitHub's code scanning sorts by: from 9.0 critical, from 7.0 high, from 4.0 medium, below low.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.5",
    }
}

/// A path as a relative or absolute reference (RFC 3986 section 2.1): what is not plain is percent-encoded.
fn uri(path: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let text: String = path.bytes().map(encoded).collect();
    // What stands before a first colon would be a scheme; encoded, it is none.
    if path == "-" { "stdin".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::finding::tests::report;

    #[test]
    fn each_finding_has_its_rule_and_its_place() {
        let value = render(&report());
        let run = &value["runs"][0];
        assert_eq!(run["results"].as_array().expect("a list").len(), 4);
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "HW900");
        let variable = &run["results"][0]["locations"][0]["logicalLocations"][0];
        assert_eq!(variable["fullyQualifiedName"], "HOOKWARDEN_ROUTE_PAY_MODE");
        let file = &run["results"][1]["locations"][0]["physicalLocation"];
        assert_eq!(file["region"]["startLine"], 3);
        assert_eq!(run["results"][3]["suppressions"][0]["kind"], "external");
    }

    #[test]
    fn paths_become_references() {
        for (path, expected) in [("k8s/a b.yaml", "k8s/a%20b.yaml"), ("-", "stdin"), ("c:x", "c%3Ax")] {
            assert_eq!(uri(path), expected);
        }
    }
}
