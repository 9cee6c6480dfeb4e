//! The running sidecar audits itself: at its start by its metric, and after a change by a record.

use std::os::unix::fs::PermissionsExt;

use super::harness::{Outcome, Sidecar, Signer, Upstream};

fn replace(path: &std::path::Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).expect("a file");
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o400)).expect("a mode");
    std::fs::rename(new, path).expect("a file that moves");
}

#[test]
fn a_change_for_the_worse_and_back_is_told() {
    let strong = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    replace(&file, strong);
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .route("github", &[("PATH", "/hooks/github"), ("PROVIDER", "github")])
        .set("ROUTE_GITHUB_SECRET_FILE", &file)
        .start();
    proxy.wait_for_log("the configuration was audited");
    let found = |severity: &str| {
        let label = format!("severity=\"{severity}\"");
        proxy.metrics().value("hookwarden_audit_findings", &[&label])
    };
    let (critical, medium) = (found("critical"), found("medium"));
    assert!(critical < 0.5 && medium > 0.5, "{critical} critical, {medium} medium");
    replace(&file, "changeme");
    let record = proxy.wait_for_audit();
    let new: Vec<_> = record["new"].as_array().expect("a list").iter().filter_map(serde_json::Value::as_str).collect();
    assert!(new.contains(&"HW022 HOOKWARDEN_ROUTE_GITHUB_SECRET_FILE"), "{record}");
    assert_eq!((record["critical"].as_u64(), record["gone"].as_array().map(Vec::len)), (Some(1), Some(0)), "{record}");
    assert!(!record.to_string().contains("changeme"), "{record}");
    assert!(found("critical") > 0.5);
    replace(&file, strong);
    let record = proxy.wait_for_audit();
    assert_eq!((record["critical"].as_u64(), record["new"].as_array().map(Vec::len)), (Some(0), Some(0)), "{record}");
    let genuine = Signer::new("github").secret(strong).sample().bytes();
    let forwarded = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };
    proxy.check(&genuine, &forwarded);
    proxy.finish();
}
