//! Settings of what is fetched.

use std::sync::Arc;

use super::{check, environment, faults, good, loaded, text, write};
use crate::config::load;

/// A route of a provider who publishes its keys, without any of its own.
const FAL: [(&str, &str); 2] = [("ROUTE_A_PROVIDER", "fal"), ("ROUTE_A_SECRET", "")];

fn with<'c>(changes: &[(&'c str, &'c str)]) -> Vec<(&'c str, &'c str)> {
    FAL.into_iter().chain(changes.iter().copied()).collect()
}

/// Where the keys of a route come from.
fn source(changes: &[(&str, &str)]) -> Option<String> {
    let config = loaded(&with(changes));
    let route = config.policy.routes.get(0).expect("a route").clone();
    let keys = route.network.keys.as_ref()?;
    assert!(route.key_ring.as_ref().is_some_and(|ring| Arc::ptr_eq(ring, keys.ring())), "what is fetched is used");
    Some(keys.source().to_string())
}

#[test]
fn a_published_set_is_fetched_unless_keys_are_set() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("keys.json");
    write(&file, r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#);
    let key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    assert_eq!(source(&[]).as_deref(), Some("https://rest.alpha.fal.ai/.well-known/jwks.json"));
    let other = [("ROUTE_A_JWKS_URL", "https://keys.example/set?key=hunter2")];
    assert_eq!(source(&other).as_deref(), Some("https://keys.example/set?…"));
    assert_eq!(source(&[("ROUTE_A_JWKS_FILE", text(&file))]), None);
    assert_eq!(source(&[("ROUTE_A_SECRET", key)]), None);
}

#[test]
fn contradictions_are_refused() {
    let url = ("ROUTE_A_JWKS_URL", "https://keys.example/set");
    let only_one = "ROUTE_A_JWKS_URL: is set, and SECRET, SECRET_FILE or JWKS_FILE too; only one of them is accepted";
    check(&with(&[url, ("ROUTE_A_SECRET", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]), &[only_one]);
    check(
        &[url],
        &[
            "ROUTE_A_JWKS_URL: is set, and SECRET, SECRET_FILE or JWKS_FILE too; only one of them is accepted",
            "ROUTE_A_JWKS_URL: is set, but this provider publishes no set of keys: its key is the SECRET",
        ],
    );
    for (value, problem) in [
        ("keys.example", "is not a URL that begins with https://"),
        ("http://keys.example/", "is of plain http, which is spoken with 127.0.0.1, [::1] and localhost alone"),
        ("http://localhost/", "is of plain http, which needs FETCH_ALLOW_PRIVATE=true"),
        ("https://u:hunter2@keys.example/", "has credentials, a fragment, or no path before its query"),
        ("https://10.0.0.1/", "leads to 10.0.0.1, which is not public: FETCH_ALLOW_PRIVATE does not permit it"),
    ] {
        check(&with(&[("ROUTE_A_JWKS_URL", value)]), &[&format!("ROUTE_A_JWKS_URL: {problem}")]);
    }
    check(&[("FETCH_ALLOW_PRIVATE", "true")], &["FETCH_ALLOW_PRIVATE: is set, but no route fetches anything"]);
    check(&with(&[("FETCH_ALLOW_PRIVATE", "true")]), &[]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = text(file.path());
    check(&with(&[("FETCH_CA_FILE", path)]), &[&format!("FETCH_CA_FILE: {path} holds no certificates in PEM")]);
    for name in ["CLIENT_ID", "CLIENT_SECRET_FILE"] {
        let name = format!("ROUTE_A_{name}");
        check(&with(&[(&name, path)]), &[&format!("{name}: is set, but there is no INTROSPECTION_URL")]);
    }
    let introspection = ("ROUTE_A_INTROSPECTION_URL", "https://id.example/introspect");
    let found = faults(&environment(&[introspection]));
    assert!(found.iter().any(|fault| fault.contains("sends no tokens of an authorization server")), "{found:#?}");
}

#[test]
fn tokens_are_checked_with_an_issuers_keys_or_asked_about() {
    let oauth = |changes: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
        let base = [("ROUTE_A_PROVIDER", "oauth"), ("ROUTE_A_SECRET", ""), ("ROUTE_A_AUDIENCE", "hooks")];
        base.into_iter().chain(changes.iter().copied()).collect()
    };
    let issuer = ("ROUTE_A_ISSUER", "https://id.example/realms/a");
    let route = |changes: &[(&'static str, &'static str)]| {
        loaded(&oauth(changes)).policy.routes.get(0).expect("a route").clone()
    };
    let source = |changes: &[_]| route(changes).network.keys.as_ref().map(|keys| keys.source().to_string());
    assert_eq!(source(&[issuer]).as_deref(), Some("https://id.example/realms/a, by its own document"));
    let url = ("ROUTE_A_JWKS_URL", "https://keys.example/set");
    assert_eq!(source(&[issuer, url]).as_deref(), Some("https://keys.example/set"));
    assert_eq!(source(&[("ROUTE_A_ISSUER", "*"), url]).as_deref(), Some("https://keys.example/set"));
    // Where several issue, or any, nobody's document is asked for.
    for several in ["*", "https://id.example,https://other.example", "acme", "https://10.0.0.1"] {
        let found = faults(&environment(&oauth(&[("ROUTE_A_ISSUER", several)])));
        let told = found.len() == 1 && found[0].contains("JWKS_URL or JWKS_FILE says where they are");
        assert!(told, "{several}: {found:#?}");
    }
    let secret = tempfile::NamedTempFile::new().expect("a file");
    write(secret.path(), "hunter2\n");
    let path = text(secret.path()).to_owned();
    let asking = |more: &[(&'static str, &'static str)]| {
        let mut changes = oauth(&[issuer, ("ROUTE_A_INTROSPECTION_URL", "https://id.example/introspect")]);
        changes.extend(more);
        let mut environment = environment(&changes);
        environment.set("HOOKWARDEN_ROUTE_A_CLIENT_SECRET_FILE", &path);
        environment
    };
    let (config, _) = load(&asking(&[("ROUTE_A_CLIENT_ID", "warden")])).expect("loads");
    let network = &config.policy.routes.get(0).expect("a route").network;
    assert!(network.keys.is_none() && network.tokens.is_some());
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(faults(&asking(&[])), ["ROUTE_A_CLIENT_ID: is required, and not set"]);
    let both = faults(&asking(&[("ROUTE_A_CLIENT_ID", "warden"), url]));
    let problem = "is set, and keys too: tokens are either asked about or checked with keys";
    assert_eq!(both, [format!("ROUTE_A_INTROSPECTION_URL: {problem}")]);
}

#[test]
fn what_is_fetched_outlives_a_reload() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    write(&file, "https://keys.example/set");
    let file_of = |name: &str| format!("ROUTE_A_{name}_FILE");
    let name = file_of("JWKS_URL");
    let (config, mut watch) =
        load(&environment(&with(&[(&name, text(&file)), ("ROUTE_A_OWNER", "me")]))).expect("loads");
    let keys = |config: &crate::policy::Policy| config.routes.get(0).and_then(|route| route.network.keys.clone());
    let before = keys(&config.policy).expect("keys");
    // The very same, written again, and then another.
    for (written, is_same) in [("https://keys.example/set\n", true), ("https://keys.example/other", false)] {
        write(&file, written);
        let policy = good(&mut watch);
        let after = keys(&policy).expect("keys");
        assert_eq!(Arc::ptr_eq(&before, &after), is_same, "{written}");
    }
}
