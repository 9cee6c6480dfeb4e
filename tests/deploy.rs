//! What is shipped beside the program says the same as the program: alerts have their runbooks, copies are copies,
//! versions are this one. What needs other programs to judge it stands in `tests/system/packaging.rs`.
#![allow(clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

use hookwarden::govern::alerts::ALERTS;

const RULES: &str = include_str!("../deploy/monitoring/rules.yaml");

/// What stands behind a key, in the lines of one alert.
fn value<'t>(alert: &'t str, key: &str) -> &'t str {
    let found = alert.lines().find_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("{key} in {alert}"))
}

#[test]
fn rules_and_runbooks_agree() {
    let alerts: Vec<_> = RULES.split("- alert: ").skip(1).collect();
    let named = |alert: &&str| alert.lines().next().expect("a name").to_owned();
    let names: Vec<_> = alerts.iter().map(named).collect();
    assert_eq!(names, ALERTS.iter().map(|row| row.name).collect::<Vec<_>>());
    for (alert, row) in alerts.iter().zip(ALERTS) {
        assert_eq!(value(alert, "summary"), row.summary, "{}", row.name);
        assert_eq!(value(alert, "runbook"), format!("hookwarden explain {}", row.name));
        assert!(!value(alert, "description").is_empty(), "{}", row.name);
        let severity = value(alert, "labels").trim_start_matches("{severity: ").trim_end_matches('}');
        assert!(["critical", "warning", "info"].contains(&severity), "{}: {severity}", row.name);
    }
}

#[test]
fn the_rules_know_no_version() {
    // They would be wrong about the next one; what is current is the injector's to say.
    assert!(!RULES.contains(env!("CARGO_PKG_VERSION")), "rules.yaml names a version");
}

#[test]
fn the_operators_rules_are_the_same() {
    let operators = include_str!("../deploy/monitoring/prometheusrule.yaml");
    let (_, below) = operators.split_once("\nspec:\n").expect("a spec");
    let (_, groups) = RULES.split_once("\ngroups:\n").expect("groups");
    let indented = |line: &str| if line.is_empty() { line.to_owned() } else { format!("  {line}") };
    let expected: Vec<_> = std::iter::once("groups:").chain(groups.lines()).map(indented).collect();
    assert_eq!(below.lines().collect::<Vec<_>>(), expected, "prometheusrule.yaml holds the groups of rules.yaml");
}

/// Files that name the version of the program that they install or watch.
const VERSIONED: &[(&str, &str)] = &[
    ("Chart.yaml", include_str!("../deploy/helm/hookwarden/Chart.yaml")),
    ("Dockerfile", include_str!("../deploy/Dockerfile")),
    ("base/kustomization.yaml", include_str!("../k8s/base/kustomization.yaml")),
    ("base/deployment.yaml", include_str!("../k8s/base/deployment.yaml")),
    ("schedules/kustomization.yaml", include_str!("../k8s/schedules/kustomization.yaml")),
    ("schedules/audit.yaml", include_str!("../k8s/schedules/audit.yaml")),
    ("schedules/assess.yaml", include_str!("../k8s/schedules/assess.yaml")),
    ("schedules/review.yaml", include_str!("../k8s/schedules/review.yaml")),
];

#[test]
fn what_is_installed_is_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    for (name, text) in VERSIONED {
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let ours = line.contains("hookwarden/hookwarden:") || line.contains("app.kubernetes.io/version:");
            let chart = *name == "Chart.yaml" && (line.starts_with("version:") || line.starts_with("appVersion:"));
            if ours || chart || line.starts_with("ARG VERSION=") {
                assert!(line.contains(version), "{name} is not of {version}: {line}");
            }
        }
        assert!(text.contains(version), "{name} does not say {version}");
    }
}
