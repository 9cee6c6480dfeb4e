//! What is said: usage errors, help, the catalogue, explanations, completions; and to whom it can be said.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use hookwarden::config::knobs;
use hookwarden::deny::Reason;
use hookwarden::govern::explain::Topic;
use hookwarden::providers;

use super::{SECRET, code, command, json, run, stderr, stdout};

#[test]
fn what_makes_no_sense_is_a_usage_error_with_a_hint() {
    for (arguments, hint) in [
        (&[][..], "Usage:"),
        (&["chekc"], "check"),
        (&["run", "--listn", "x"], "--listen"),
        (&["providers", "strpe"], "did you mean stripe?"),
        (&["explain", "replaid"], "did you mean replayed?"),
        (&["explain", "HOOKWARDEN_LISTN"], "did you mean HOOKWARDEN_LISTEN?"),
        (&["sign", "--provider", "githbu", "--secret", "x"], "did you mean github?"),
        (&["sign", "--provider", "github"], "--secret-file"),
        (&["sign", "--provider", "github", "--secret", "x", "--secret-file", "y"], "cannot be used with"),
        (&["sign", "--provider", "github", "--secret", "x", "--time", "noon"], "2026-01-31T12:00:00Z"),
        (&["sign", "--provider", "github", "--secret", "x", "--url", "hooks"], "is not a URL"),
        (&["sign", "--provider", "github", "--secret", "x", "--header", "Host: y"], "made from the URL"),
        (&["sign", "--provider", "github", "--secret", "x", "--header", "A: b\r\nC: d"], "control character"),
        (&["sign", "--provider", "gitlab", "--secret", "x", "--method", "A B"], "valid HTTP/1.1"),
        (&["sign", "--provider", "github", "--secret", "x", "--algorithm", "sha1"], "--provider custom"),
        (&["sign", "--provider", "custom", "--secret", "x"], "--signature-header"),
        (&["sign", "--provider", "standard_webhooks", "--secret", "no base64!"], "is not valid base64"),
        (&["sign", "--provider", "github", "--secret-file", "-", "--body-file", "-"], "not both"),
        (&["sign", "--provider", "github", "--secret", "x", "--send", "https://127.0.0.1/"], "only http://"),
        (&["assess", "--provider", "github", "--secret", "x"], "--target"),
        (&["assess", "--target", "nowhere", "--provider", "github", "--secret", "x"], "is not a URL"),
        (
            &["assess", "--target", "http://127.0.0.1:1/", "--provider", "github", "--secret", "x", "--rate", "0"],
            "1..=1000",
        ),
        (&["healthcheck", "--url", "nowhere"], "is not a URL"),
        (&["completions", "tcsh"], "fish"),
    ] {
        let output = run(arguments, &[]);
        assert_eq!(code(&output), 2, "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(hint) && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn help_is_complete() {
    let top = stdout(&run(&["--help"], &[]));
    for name in [
        "run",
        "demo",
        "check",
        "audit",
        "assess",
        "review",
        "drill",
        "sign",
        "providers",
        "explain",
        "inject",
        "injector",
        "collect",
        "verify-log",
        "healthcheck",
        "completions",
    ] {
        assert!(top.contains(&format!("\n  {name} ")), "{top}");
        let help = run(&[name, "--help"], &[]);
        assert_eq!(code(&help), 0);
        assert!(stdout(&help).contains("Examples:"), "{name}");
    }
    for code in ["0", "1", "2", "69", "78"] {
        assert!(top.contains(&format!("\n  {code} ")), "{code}: {top}");
    }
    // Values are never shown, whatever they are.
    let variables = [("HOOKWARDEN_TLS_KEY_FILE", SECRET), ("HOOKWARDEN_LISTEN", SECRET)];
    for command in ["run", "check"] {
        let help = stdout(&run(&[command, "--help"], &variables));
        for knob in knobs::GLOBAL {
            let flag = format!("--{} ", knob.name.to_ascii_lowercase().replace('_', "-"));
            let variable = format!("[env: HOOKWARDEN_{}]", knob.name);
            let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
            // The process list would show a secret; its file's path is none.
            let is_flag = !knob.secret || knob.name.ends_with("_FILE");
            assert_eq!(words.contains(&flag) && words.contains(&variable), is_flag, "{}", knob.name);
        }
        assert!(!help.contains(SECRET));
    }
}

#[test]
fn providers_are_listed_and_described() {
    let listed = json(&run(&["providers", "--format", "json"], &[]));
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), providers::all().len());
    let keys = ["id", "name", "kind", "docs", "algorithm", "header", "timestamp", "delivery_id", "retry", "limits"];
    for provider in listed {
        for key in keys.iter().chain(&["confidence", "aliases"]) {
            assert!(provider.get(key).is_some(), "{key}: {provider}");
        }
    }
    let table = stdout(&run(&["providers"], &[]));
    for provider in providers::all() {
        assert!(table.lines().any(|line| line.starts_with(&provider.id) && line.contains(&provider.docs)), "{table}");
        let details = stdout(&run(&["providers", &provider.id], &[]));
        let variable = format!("_PROVIDER={}\n", provider.id);
        assert!(details.contains(&variable) && details.contains(&*provider.scheme.signature.header), "{details}");
    }
    let of_kind = json(&run(&["providers", "--kind", "digest", "--search", "CLOUDINARY", "--format", "json"], &[]));
    assert_eq!(of_kind.as_array().expect("a list").iter().map(|view| &view["id"]).collect::<Vec<_>>(), ["cloudinary"]);
    let basic = json(&run(&["providers", "--kind", "basic", "--format", "json"], &[]));
    let basic = basic.as_array().expect("a list");
    assert!(!basic.is_empty() && basic.iter().all(|view| view["kind"] == "basic" && view["binding"] == "none"));
    assert_eq!(code(&run(&["providers", "--kind", "magic"], &[])), 2);
    let by_alias = json(&run(&["providers", "gitlab", "--format", "json"], &[]));
    assert_eq!(by_alias["id"], "gitlab_token");
}

#[test]
fn commands_know_the_users_own_providers() {
    let folder = tempfile::tempdir().expect("a folder");
    let definition = "id = \"acme\"\nname = \"Acme\"\ndocs = \"https://example.com\"\nconfidence = \"docs\"\nscheme = \"hmac\"\nsignature = { header = \"X-Acme\" }\n";
    fs::write(folder.path().join("acme.toml"), definition).expect("a file");
    let dir = folder.path().to_str().expect("text");
    let view = json(&run(&["providers", "acme", "--providers-dir", dir, "--format", "json"], &[]));
    assert_eq!(view["header"], "X-Acme");
    let listed = stdout(&run(&["providers"], &[("HOOKWARDEN_PROVIDERS_DIR", dir)]));
    assert!(listed.lines().any(|line| line.starts_with("acme ")), "{listed}");
    let signed = run(&["sign", "--provider", "acme", "--providers-dir", dir, "--secret", "x", "--output", "raw"], &[]);
    assert!(stdout(&signed).contains("\r\nX-Acme: "), "{signed:?}");
    fs::write(folder.path().join("bad.toml"), definition.replace("hmac", "hmca")).expect("a file");
    let refused = run(&["providers", "--providers-dir", dir], &[]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(code(&refused) == 2 && told.contains("bad.toml: line 5: scheme: \"hmca\" is not known"), "{told}");
}

#[test]
fn every_outcome_and_every_variable_is_explained() {
    let all = json(&run(&["explain", "--format", "json"], &[]));
    let all = all.as_array().expect("a list");
    let told: BTreeSet<_> = all.iter().filter_map(|topic| topic["code"].as_str()).collect();
    assert_eq!(told, Reason::all().map(Reason::code).collect());
    assert_eq!(all.len(), Topic::all().count());
    let table = stdout(&run(&["explain"], &[]));
    assert!(Reason::all().all(|reason| table.contains(reason.code())), "{table}");
    let text = stdout(&run(&["explain", "duplicate"], &[]));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let row = Reason::Duplicate.row();
    assert!([row.what, row.why, row.fix].iter().all(|part| words(&text).contains(part)), "{text}");
    let handbook = stdout(&run(&["explain", "--all", "--format", "markdown"], &[]));
    assert!(Reason::all().all(|reason| handbook.contains(&format!("](#{})", reason.code().replace('_', "-")))));
    for name in ["HOOKWARDEN_TLS", "ROUTE_PATH", "HOOKWARDEN_ROUTE_GITHUB_SECRET_FILE"] {
        let output = run(&["explain", name], &[]);
        assert!(code(&output) == 0 && stdout(&output).contains("accepts"), "{output:?}");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell], &[]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("healthcheck") && stdout(&output).contains("tls-cert-file"), "{shell}");
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    for arguments in [&["explain"][..], &["--help"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = command(arguments, &[]).stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = fs::File::options().write(true).open("/dev/full").expect("a full device");
    let output = command(&["explain"], &[]).stdout(full).stderr(Stdio::piped()).output().expect("it runs");
    assert_eq!(code(&output), 69, "{output:?}");
    assert!(stderr(&output).contains("standard output"), "{output:?}");
}
