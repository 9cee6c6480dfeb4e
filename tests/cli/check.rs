//! The configuration, refused with every fault at once or shown as it is in effect; and never a secret.

use std::collections::BTreeSet;
use std::fs;

use super::{SECRET, code, json, run, settings, stderr, stdout};

/// Settings that are wrong in several ways at once.
fn faulty() -> Vec<(&'static str, &'static str)> {
    let mut settings = settings();
    settings.extend([
        ("HOOKWARDEN_LISTN", "127.0.0.1:1"),
        ("HOOKWARDEN_WORKERS", "many"),
        ("HOOKWARDEN_ROUTE_HOOK_TOLERANCE", "soon"),
        ("HOOKWARDEN_ROUTE_OTHER_SECRET", SECRET),
    ]);
    settings
}

const FAULTY: [&str; 5] = [
    "HOOKWARDEN_LISTN",
    "HOOKWARDEN_WORKERS",
    "HOOKWARDEN_ROUTE_HOOK_TOLERANCE",
    "HOOKWARDEN_ROUTE_OTHER_PATH",
    "HOOKWARDEN_ROUTE_OTHER_PROVIDER",
];

#[test]
fn every_fault_is_told_at_once_and_no_secret() {
    for arguments in [&["check"][..], &["run"], &["check", "--format", "json"]] {
        let output = run(arguments, &faulty());
        assert_eq!(code(&output), 78, "{output:?}");
        let told = stdout(&output) + &stderr(&output);
        for variable in FAULTY {
            assert!(told.contains(variable), "{variable}: {told}");
        }
        assert!(told.contains("did you mean HOOKWARDEN_LISTEN?") && !told.contains(SECRET), "{told}");
    }
    let text = stderr(&run(&["check"], &faulty()));
    assert_eq!(text.lines().count(), FAULTY.len() + 1, "one line a fault, and the count: {text}");
    assert!(text.contains("5 faults"), "{text}");
    let faults = json(&run(&["check", "--format", "json"], &faulty()));
    assert_eq!(faults["ok"], false);
    let faults = faults["faults"].as_array().expect("a list");
    let variables: BTreeSet<_> = faults.iter().map(|fault| fault["variable"].as_str().expect("a name")).collect();
    assert_eq!(variables, BTreeSet::from(FAULTY));
    assert!(faults.iter().all(|fault| fault["problem"].as_str().is_some_and(|problem| !problem.is_empty())));
}

#[test]
fn check_shows_what_is_in_effect() {
    let output = run(&["check"], &settings());
    assert_eq!(code(&output), 0, "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("configuration is fine\n"), "{text}");
    for shown in ["/hooks/stripe", "stripe", "enforce", "POST", "5m", "10m", "2100-01-01T00:00:00Z", "payments"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let output = run(&["check", "--format", "json"], &settings());
    let policy = json(&output);
    assert_eq!((policy["ok"].as_bool(), policy["tls"].as_bool()), (Some(true), Some(false)));
    let route = &policy["routes"][0];
    assert_eq!(route["name"], "hook");
    assert_eq!(route["key_ids"], serde_json::json!(["1"]));
    assert_eq!((&route["tolerance_seconds"], &route["replay_window_seconds"]), (&300.into(), &600.into()));
    assert_eq!(route["event_window_seconds"], 86_400);
    assert!(!(text + &stdout(&output)).contains(SECRET));
}

#[test]
fn flags_win_over_the_environment() {
    let policy = json(&run(&["check", "--format", "json", "--listen", "127.0.0.2:7"], &settings()));
    assert_eq!(policy["listen"], "127.0.0.2:7");
    // A flag's bad value is one fault among the others.
    let output = run(&["check", "--listen", "nowhere"], &faulty());
    let told = stderr(&output);
    assert_eq!(code(&output), 78);
    assert!(told.contains("HOOKWARDEN_LISTEN: ") && told.contains("HOOKWARDEN_WORKERS: "), "{told}");
}

#[test]
fn check_tells_when_the_certificate_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).expect("a name");
    parameters.not_after = rcgen::date_time_ymd(2098, 7, 6);
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let (cert_file, key_file) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&cert_file, certificate.pem()).expect("written");
    fs::write(&key_file, key.serialize_pem()).expect("written");
    let files = [cert_file, key_file].map(|file| file.to_str().expect("text").to_owned());
    let flags = ["check", "--tls", "terminate", "--tls-cert-file", &files[0], "--tls-key-file", &files[1]];
    let output = run(&flags, &settings());
    assert!(stdout(&output).contains("2098-07-06T00:00:00Z"), "{output:?}");
}

#[test]
fn check_tells_what_will_be_asked_and_asks_nobody() {
    let mut settings = settings();
    settings.retain(|(name, _)| !name.ends_with("_SECRET") && !name.ends_with("_TOLERANCE"));
    settings.extend([
        ("HOOKWARDEN_ROUTE_HOOK_PROVIDER", "shipstation"),
        ("HOOKWARDEN_ROUTE_HOOK_JWKS_URL", "https://keys.invalid/set?key=hunter2"),
    ]);
    let output = run(&["check"], &settings);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(stdout(&output).contains("hook: keys are fetched from https://keys.invalid/set?…\n"), "{output:?}");
    let policy = json(&run(&["check", "--format", "json"], &settings));
    assert_eq!(policy["routes"][0]["keys_from"], "https://keys.invalid/set?…");
    assert!(!policy.to_string().contains("hunter2"));
}
