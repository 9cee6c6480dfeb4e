//! Definitions of the user's own: found, used, checked and watched.

use tempfile::TempDir;

use super::*;

const ACME: &str = r#"
id = "acme"
aliases = ["acme_inc"]
name = "Acme"
docs = "https://example.com/webhooks"
confidence = "docs"
scheme = "hmac"
signature = { header = "X-Acme-Signature", encoding = "base64" }
signed = "{timestamp}.{body}"
timestamp = { from = "header:X-Acme-Time" }
configurable = ["SIGNATURE_HEADER"]
"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        write(&folder.path().join(name), text);
    }
    folder
}

fn settings<'a>(folder: &'a TempDir, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let own = [("PROVIDERS_DIR", text(folder.path())), ("ROUTE_A_PROVIDER", "acme")];
    own.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_definition_is_used_under_each_of_its_names() {
    let folder = folder(&[("acme.toml", ACME), ("README", "no definition")]);
    for id in ["acme", "acme_inc"] {
        let config = loaded(&settings(&folder, &[("ROUTE_A_PROVIDER", id)]));
        let route = config.policy.routes.get(0).expect("a route");
        assert_eq!((&*route.provider, &*route.scheme.signature.header), ("acme", "X-Acme-Signature"));
    }
    let config = loaded(&settings(&folder, &[("ROUTE_A_SIGNATURE_HEADER", "X-Other")]));
    assert_eq!(&*config.policy.routes.get(0).expect("a route").scheme.signature.header, "X-Other");
    let closed = "ROUTE_A_ALGORITHM: is set, but defines a provider of one's own, and PROVIDER is acme";
    check(&settings(&folder, &[("ROUTE_A_ALGORITHM", "sha512")]), &[closed]);
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_key() {
    let unknown = "ROUTE_A_PROVIDER: \"acme\" is not known; did you mean acme?";
    for (files, expected) in [
        (&[("a.toml", "id = 1")][..], "PROVIDERS_DIR: a.toml: line 1: invalid type: integer `1`, expected a string"),
        (
            &[("a.toml", &ACME.replace("hmac", "hmca"))],
            "PROVIDERS_DIR: a.toml: line 7: scheme: \"hmca\" is not known; accepted are hmac, digest, token, basic, ed25519, ecdsa, rsa, jwt, mtls",
        ),
        (
            &[("a.toml", &ACME.replace("\"acme\"", "\"github\""))],
            "PROVIDERS_DIR: a.toml: id \"github\" is another provider's; choose a new one",
        ),
        (
            &[("a.toml", &ACME.replace("\"acme\"", "\"Acme\""))],
            "PROVIDERS_DIR: a.toml: id \"Acme\" is not of a-z 0-9 _",
        ),
    ] {
        let folder = folder(files);
        let told = faults(&environment(&settings(&folder, &[])));
        assert!(told.contains(&expected.to_owned()), "{told:?}");
        assert!(told.iter().all(|fault| fault.starts_with("PROVIDERS_DIR") || *fault != unknown), "{told:?}");
    }
    let folder = folder(&[("acme.toml", ACME)]);
    let file = folder.path().join("acme.toml");
    let told = faults(&environment(&[("PROVIDERS_DIR", text(&file))]));
    assert_eq!(told, [format!("PROVIDERS_DIR: {} is not a directory", file.display())]);
}

#[test]
fn a_changed_definition_is_used_and_a_broken_one_is_not() {
    let folder = folder(&[("acme.toml", ACME)]);
    let (_, mut watch) = load(&environment(&settings(&folder, &[]))).expect("no faults");
    let file = folder.path().join("acme.toml");
    write(&file, ACME.replace("X-Acme-Signature", "X-New"));
    let policy = good(&mut watch);
    assert_eq!(&*policy.routes.get(0).expect("a route").scheme.signature.header, "X-New");
    write(&file, ACME.replace("{body}", "{bdoy}"));
    let faults = broken(&mut watch).1;
    assert!(faults.iter().any(|fault| fault.problem.contains("unknown placeholder {bdoy}")), "{faults:?}");
}

#[test]
fn verify_tokens_are_for_those_who_name_one() {
    let challenge =
        "challenge = { method = \"GET\", when = \"query:v\", verify = \"query:v\", verify_required = true }";
    let strict = folder(&[("acme.toml", &format!("{ACME}{challenge}"))]);
    check(
        &settings(&strict, &[]),
        &["ROUTE_A_VERIFY_TOKEN: is not set, and this provider tests whether it is known here"],
    );
    let config = loaded(&settings(&strict, &[("ROUTE_A_VERIFY_TOKEN", "v")]));
    assert!(config.policy.routes.get(0).expect("a route").verify_token.is_some());
    check(
        &[("ROUTE_A_VERIFY_TOKEN", "v")],
        &["ROUTE_A_VERIFY_TOKEN: is set, but this provider's verification of the endpoint names none"],
    );
    check(
        &settings(&strict, &[("ROUTE_A_VERIFY_TOKEN", "a\tb")]),
        &["ROUTE_A_VERIFY_TOKEN: is no text of at most 256 printable characters"],
    );
}

#[test]
fn messages_that_may_be_alike_are_not_remembered_unless_it_is_asked_for() {
    let folder = folder(&[("acme.toml", &ACME.replace("scheme = ", "repeats = true\nscheme = "))]);
    let replay = |more: &[(&str, &str)]| {
        loaded(&settings(&folder, more)).policy.routes.get(0).expect("a route").replay.map(|window| window.as_secs())
    };
    assert_eq!(replay(&[]), None);
    assert_eq!(replay(&[("ROUTE_A_REPLAY", "on")]), Some(86_400));
    assert_eq!(replay(&[("ROUTE_A_REPLAY", "on"), ("ROUTE_A_REPLAY_WINDOW", "1h")]), Some(3_600));
    let told = faults(&environment(&settings(&folder, &[("ROUTE_A_REPLAY_WINDOW", "1h")])));
    assert!(
        matches!(&told[..], [fault] if fault.starts_with("ROUTE_A_REPLAY_WINDOW: is set, but nothing is remembered")),
        "{told:?}"
    );
}

#[test]
fn a_token_in_the_path_needs_a_prefix() {
    let token =
        ACME.split("scheme").next().expect("the head").to_owned() + "scheme = \"token\"\nsignature = { path = true }\n";
    let folder = folder(&[("acme.toml", &token)]);
    let expected = "ROUTE_A_PATH: is one path, and this provider's token is the path's last segment: end it in /*";
    check(&settings(&folder, &[]), &[expected]);
    loaded(&settings(&folder, &[("ROUTE_A_PATH", "/a/*")]));
}
