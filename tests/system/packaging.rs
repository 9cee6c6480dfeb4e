//! What is shipped for Kubernetes, rendered by the real kustomize and Helm and judged by others: the strict schemas of the
//! oldest and the newest Kubernetes, a CEL engine for the admission policies, and the program itself for the example's
//! settings.

use std::fs;
use std::process::Command;

use crate::programs::run;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every kustomization that is applied, and the chart with several values; a kind that it must have, and how many.
const OVERLAYS: &[(&str, &str, usize)] = &[
    ("k8s/overlays/minimal", "kind: ValidatingAdmissionPolicy", 2),
    ("k8s/overlays/ha", "kind: PodDisruptionBudget", 1),
    ("k8s/overlays/cert-manager", "kind: Certificate", 2),
    ("k8s/overlays/redis", "kind: Deployment", 2),
    ("k8s/overlays/monitoring", "kind: PrometheusRule", 1),
    ("k8s/overlays/kubernetes-1.29", "apiVersion: admissionregistration.k8s.io/v1beta1", 4),
    ("k8s/examples/shop", "kind: CronJob", 3),
];

/// Values as `--set` takes them, and a kind that comes of them.
const VALUES: &[(&[&str], &str, usize)] = &[
    (&[], "kind: PriorityClass", 1),
    (&["replicas=1", "guardRails.enabled=false", "networkPolicy.enabled=false"], "kind: ValidatingAdmissionPolicy", 0),
    (&["certificates.mode=cert-manager", "webhook.failurePolicy=Fail"], "kind: Certificate", 2),
    (&["certificates.mode=files", "certificates.caBundle=Zm9v", "image.tag=0.1.1"], "caBundle: Zm9v", 2),
    (
        &[
            "monitoring.podMonitor=true",
            "monitoring.serviceMonitor=true",
            "monitoring.rules=true",
            "monitoring.dashboard=true",
            "monitoring.labels.release=prometheus",
        ],
        "release: prometheus",
        4,
    ),
    (&["replayStore.enabled=true", "podLabels.team=hooks"], "kind: Deployment", 2),
    (&["guardRails.actions={Warn,Audit}", "webhook.excludedNamespaces={legacy}"], "\"legacy\"", 2),
];

/// The chart as the oldest Kubernetes gets it.
const OLDEST: &[&str] = &["--kube-version=1.29.0"];

/// Values that the schema refuses.
const REFUSED: &[&str] = &[
    "replicas=0",
    "image.tag=latest",
    "certificates.mode=none",
    "certificates.mode=files",
    "webhook.failurePolicy=Open",
    "guardRails.actions={Deny,Warn}",
    "unknown=1",
];

#[test]
fn every_overlay_renders_to_what_kubernetes_takes() {
    for (overlay, kind, count) in OVERLAYS {
        let rendered = kustomize(overlay);
        assert_eq!(lines_of(&rendered, kind), *count, "{overlay}: {kind}");
        let versions = if overlay.ends_with("1.29") { &["1.29.0"][..] } else { &["1.29.0", "newest"] };
        judge(overlay, &[&["validate"], versions].concat(), &rendered);
    }
}

#[test]
fn the_guard_rails_refuse_what_they_should_and_nothing_else() {
    let cases = format!("{ROOT}/tests/deploy/objects.yaml");
    for overlay in ["k8s/overlays/minimal", "k8s/overlays/kubernetes-1.29"] {
        judge(overlay, &["policy", &cases], &kustomize(overlay));
    }
    judge("the chart", &["policy", &cases], &chart(&[]).expect("rendered"));
}

#[test]
fn the_chart_renders_to_what_kubernetes_takes() {
    let lint =
        run(Command::new(tool("helm")).current_dir(ROOT).args(["lint", "--strict", "deploy/helm/hookwarden"]), b"");
    assert!(lint.status.success(), "{lint:?}");
    for (values, kind, count) in VALUES {
        let rendered = chart(values).unwrap_or_else(|said| panic!("{values:?}: {said}"));
        assert_eq!(found_in(&rendered, kind), *count, "{values:?}: {kind}");
        judge(&format!("{values:?}"), &["validate", "newest"], &rendered);
    }
    let oldest = chart(OLDEST).expect("rendered");
    judge("1.29", &["validate", "1.29.0"], &oldest);
    assert_eq!(lines_of(&oldest, "apiVersion: admissionregistration.k8s.io/v1beta1"), 4);
}

#[test]
fn the_chart_refuses_values_that_mean_nothing() {
    for value in REFUSED {
        let said = chart(&[value]).expect_err("refused");
        assert!(said.contains("schema"), "{value}: {said}");
    }
}

#[test]
fn the_examples_settings_are_accepted_by_the_program() {
    let rendered = kustomize("k8s/examples/shop");
    let settings = judge("the example", &["settings", "shop-hookwarden"], &rendered);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("2026-01"), "a-secret-that-is-long-enough-for-github").expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
    command.arg("check").env_clear().env("HOOKWARDEN_TLS", "off").env("HOOKWARDEN_LISTEN", "127.0.0.1:0");
    command.env("HOOKWARDEN_UPSTREAM", "127.0.0.1:8080").env("HOOKWARDEN_REPLAY_PASSWORD", "x");
    command.env("HOOKWARDEN_ROUTE_GITHUB_SECRET_FILE", folder.path());
    command.envs(settings.lines().filter_map(|line| line.split_once('=')));
    let beside = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&beside, "a token").expect("written");
    command.env("HOOKWARDEN_ADMIN_TOKEN_FILE", beside.path());
    let output = run(&mut command, b"");
    assert!(output.status.success(), "{output:?}");
}

/// Every overlay, and the chart with each set of values.
pub(crate) fn rendered() -> Vec<(String, String)> {
    let overlays = OVERLAYS.iter().map(|(overlay, ..)| ((*overlay).to_owned(), kustomize(overlay)));
    let values = VALUES.iter().map(|(values, ..)| *values).chain([OLDEST]);
    overlays.chain(values.map(|values| (format!("{values:?}"), chart(values).expect("rendered")))).collect()
}

fn kustomize(folder: &str) -> String {
    let output = run(Command::new(tool("kubectl")).current_dir(ROOT).args(["kustomize", folder]), b"");
    assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The chart with those values, or flags; what Helm says if it does not render.
fn chart(values: &[&str]) -> Result<String, String> {
    let mut command = Command::new(tool("helm"));
    command.current_dir(ROOT).args(["template", "hookwarden", "deploy/helm/hookwarden", "--namespace", "hookwarden"]);
    for value in values {
        if value.starts_with("--") {
            command.arg(value)
        } else {
            command.args(["--set", value])
        };
    }
    let output = run(&mut command, b"");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// What `tests/deploy/manifests.py` prints.
pub(crate) fn judge(what: &str, arguments: &[&str], manifests: &str) -> String {
    asked(arguments, manifests).unwrap_or_else(|said| panic!("{what}: {said}"))
}

/// What it says of what it must refuse.
pub(crate) fn refusal(arguments: &[&str], manifests: &str) -> String {
    asked(arguments, manifests).expect_err("refused")
}

fn asked(arguments: &[&str], manifests: &str) -> Result<String, String> {
    let mut command = Command::new(tool("python"));
    command.arg(format!("{ROOT}/tests/deploy/manifests.py")).args(arguments);
    let output = run(&mut command, manifests.as_bytes());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// A program that `tests/run` puts beside Python.
fn tool(name: &str) -> String {
    format!("{ROOT}/tests/.venv/bin/{name}")
}

fn lines_of(text: &str, line: &str) -> usize {
    text.lines().filter(|found| *found == line).count()
}

fn found_in(text: &str, part: &str) -> usize {
    text.lines().filter(|line| line.trim() == part || (part.starts_with('"') && line.contains(part))).count()
}
