//! Files that change while the sidecar runs: what is revoked is refused within a look or two, nothing is dropped, and a
//! broken file changes nothing.
//!
//! Files are replaced by a rename, as tools that write secrets do, so that no look meets half of one.

use std::path::Path;

use rustix::process::Signal;

use super::harness::{Builder, Outcome, Sidecar, Signer, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };
const IN_FORCE: &str = "the new policy is in force";
const IN_PART: &str = "all of it that can be used is in force";
const NOT_USED: &str = "what it held before stays in force";

fn invalid() -> Outcome {
    Outcome::of("credential_invalid").on("github")
}

fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).expect("a file");
    std::fs::rename(new, path).expect("a file that moves");
}

fn signed_with(secret: &str) -> Vec<u8> {
    Signer::new("github").secret(secret).sample().bytes()
}

fn before(upstream: &Upstream, secrets: &Path) -> Builder {
    Sidecar::before(upstream)
        .route("github", &[("PATH", "/hooks/github"), ("PROVIDER", "github")])
        .set("ROUTE_GITHUB_SECRET_FILE", secrets)
}

#[track_caller]
fn reloads(proxy: &Sidecar, successes: f64, failures: f64) {
    let metrics = proxy.metrics();
    let count = |result: &str| metrics.value("hookwarden_config_reloads_total", &[&format!("result=\"{result}\"")]);
    assert!((count("success") - successes).abs() < 0.5, "{} successes", count("success"));
    assert!((count("failure") - failures).abs() < 0.5, "{} failures", count("failure"));
}

#[test]
fn a_changed_secret_is_in_force_and_the_old_one_refused_on_the_same_connection() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    replace(&file, "old\n");
    let upstream = Upstream::start();
    let proxy = before(&upstream, &file).start();
    let mut client = proxy.client();
    proxy.exchange(&mut client, &signed_with("old"), &FORWARDED);
    proxy.exchange(&mut client, &signed_with("new"), &invalid());
    // Both for a while, and then the new one alone.
    replace(&file, "old\nnew\n");
    proxy.wait_for_log(IN_FORCE);
    proxy.exchange(&mut client, &signed_with("old"), &FORWARDED);
    proxy.exchange(&mut client, &signed_with("new"), &FORWARDED);
    replace(&file, "new\n");
    proxy.wait_for_log(IN_FORCE);
    proxy.exchange(&mut client, &signed_with("old"), &invalid());
    proxy.exchange(&mut client, &signed_with("new"), &FORWARDED);
    reloads(&proxy, 2.0, 0.0);
    proxy.finish();
}

#[test]
fn what_was_delivered_stays_delivered_after_a_reload() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    replace(&file, "old\n");
    let upstream = Upstream::start();
    let proxy = before(&upstream, &file).start();
    let request = signed_with("old");
    proxy.check(&request, &FORWARDED);
    replace(&file, "new\nold\n");
    proxy.wait_for_log(IN_FORCE);
    proxy.check(&request, &Outcome::of("replayed").on("github"));
    proxy.finish();
}

#[test]
fn a_request_ends_under_the_policy_that_it_began_with() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    replace(&file, "old\n");
    let upstream = Upstream::start();
    let proxy = before(&upstream, &file).start();
    let request = Signer::new("github").secret("old").sample();
    let length = request.body.len().to_string();
    let mut client = proxy.client();
    let head = request.clone().with("Expect", "100-continue").with("Content-Length", &length).head();
    assert_eq!(client.send(&head).read().status, 100);
    replace(&file, "new\n");
    proxy.wait_for_log(IN_FORCE);
    let response = client.send(&request.body).read();
    proxy.expect_answer(&response, &FORWARDED);
    proxy.exchange(&mut client, &signed_with("old"), &invalid());
    proxy.finish();
}

#[test]
fn keys_come_and_go_with_the_files_of_a_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let (one, other) = (directory.path().join("one"), directory.path().join("other"));
    std::fs::write(&one, "first").expect("a file");
    let upstream = Upstream::start();
    let proxy = before(&upstream, directory.path()).start();
    proxy.check(&signed_with("second"), &invalid());
    // From beside the directory: what is put into it is whole.
    let outside = tempfile::NamedTempFile::new_in(directory.path().parent().expect("a parent")).expect("a file");
    std::fs::write(outside.path(), "second").expect("a file");
    outside.persist(&other).expect("a file that moves");
    proxy.wait_for_log(IN_FORCE);
    proxy.check(&signed_with("first"), &FORWARDED);
    proxy.check(&signed_with("second"), &FORWARDED);
    std::fs::remove_file(&one).expect("a file that goes");
    proxy.wait_for_log(IN_FORCE);
    proxy.check(&signed_with("first"), &invalid());
    let ids: Vec<_> = proxy
        .metrics()
        .samples()
        .filter(|(series, _)| series.starts_with("hookwarden_credential_last_used_timestamp_seconds"))
        .map(|(series, _)| series.to_owned())
        .collect();
    assert_eq!(ids, [r#"hookwarden_credential_last_used_timestamp_seconds{key_id="other",route="github"}"#]);
    proxy.finish();
}

#[test]
fn a_secret_that_kubernetes_swaps_is_seen_through_its_links() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let version = |name: &str, secret: &str| {
        std::fs::create_dir(path(name)).expect("a directory");
        std::fs::write(path(name).join("key"), secret).expect("a file");
        symlink(name, path("..data_tmp")).expect("a link");
        std::fs::rename(path("..data_tmp"), path("..data")).expect("a link that moves");
    };
    version("..2026_01", "old");
    symlink("..data/key", path("key")).expect("a link");
    let upstream = Upstream::start();
    let proxy = before(&upstream, directory.path()).start();
    proxy.check(&signed_with("old"), &FORWARDED);
    version("..2026_02", "new");
    proxy.wait_for_log(IN_FORCE);
    proxy.check(&signed_with("old"), &invalid());
    proxy.check(&signed_with("new"), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_broken_file_keeps_the_old_policy_until_it_is_mended() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    replace(&file, "old\n");
    let upstream = Upstream::start();
    let proxy = before(&upstream, &file).start();
    replace(&file, "\n");
    let line = proxy.wait_for_log(NOT_USED);
    assert!(line.contains("HOOKWARDEN_ROUTE_GITHUB_SECRET_FILE"), "{line}");
    proxy.check(&signed_with("old"), &FORWARDED);
    reloads(&proxy, 0.0, 1.0);
    std::fs::remove_file(&file).expect("a file that goes");
    proxy.wait_for_log(NOT_USED);
    proxy.check(&signed_with("old"), &FORWARDED);
    reloads(&proxy, 0.0, 2.0);
    replace(&file, "new\n");
    proxy.wait_for_log(IN_FORCE);
    proxy.check(&signed_with("old"), &invalid());
    proxy.check(&signed_with("new"), &FORWARDED);
    reloads(&proxy, 1.0, 2.0);
    proxy.finish();
}

#[test]
fn a_changed_schema_is_in_force() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("schema.json");
    replace(&file, r#"{"required": ["a"]}"#);
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").set("ROUTE_GITHUB_SCHEMA_FILE", &file).start();
    let with = |body: &str| Signer::new("github").sign(body).bytes();
    proxy.check(&with(r#"{"a":1}"#), &FORWARDED);
    proxy.check(&with(r#"{"b":1}"#), &Outcome::of("schema_violation").on("github"));
    replace(&file, r#"{"required": ["b"]}"#);
    proxy.wait_for_log(IN_FORCE);
    proxy.check(&with(r#"{"a":2}"#), &Outcome::of("schema_violation").on("github"));
    // What was refused had no claim: the same bytes may come now.
    proxy.check(&with(r#"{"b":1}"#), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_broken_schema_keeps_no_revoked_secret_in_force() {
    let directory = tempfile::tempdir().expect("a directory");
    let (secrets, schema) = (directory.path().join("secrets"), directory.path().join("schema.json"));
    replace(&secrets, "revoked\nkept\n");
    replace(&schema, r#"{"type": "object"}"#);
    let upstream = Upstream::start();
    let proxy = before(&upstream, &secrets).set("ROUTE_GITHUB_SCHEMA_FILE", &schema).start();
    replace(&schema, "{");
    let line = proxy.wait_for_log(NOT_USED);
    assert!(line.contains("HOOKWARDEN_ROUTE_GITHUB_SCHEMA_FILE"), "{line}");
    proxy.wait_for_log(IN_PART);
    proxy.check(&signed_with("revoked"), &FORWARDED);
    replace(&secrets, "kept\n");
    proxy.wait_for_log(IN_PART);
    proxy.check(&signed_with("revoked"), &invalid());
    proxy.check(&signed_with("kept"), &FORWARDED);
    let array = Signer::new("github").secret("kept").sign("[]").bytes();
    proxy.check(&array, &Outcome::of("schema_violation").on("github"));
    reloads(&proxy, 0.0, 2.0);
    proxy.finish();
}

#[test]
fn a_hang_up_signal_looks_at_once_and_ends_nothing() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    proxy.signal(Signal::HUP);
    proxy.wait_for_log("asked to reload");
    proxy.check(&Signer::new("github").sample().bytes(), &FORWARDED);
    reloads(&proxy, 0.0, 0.0);
    proxy.finish();
}
