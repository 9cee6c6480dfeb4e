//! Settings of an account at a provider that gives its keys one by one.

use super::{check, loaded, text, write};

const EBAY: [(&str, &str); 4] = [
    ("ROUTE_A_PROVIDER", "ebay"),
    ("ROUTE_A_SECRET", ""),
    ("ROUTE_A_VERIFY_TOKEN", "chosen"),
    ("ROUTE_A_PUBLIC_URL", "https://hooks.example/a"),
];
const CIRCLE: [(&str, &str); 2] = [("ROUTE_A_PROVIDER", "circle"), ("ROUTE_A_SECRET", "")];
const PLAID: [(&str, &str); 2] = [("ROUTE_A_PROVIDER", "plaid"), ("ROUTE_A_SECRET", "")];
const ID: (&str, &str) = ("ROUTE_A_CLIENT_ID", "me");
const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESl76SZPBJemW0mJNN4KTvYkLT8bOT4UGhFhzNk3fJqf6iuPlLQLq533FelXwczJbjg2U1PHTvQTK7qOQnDL2Tg==";

fn file(content: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");
    write(&path, content);
    let path = text(&path).to_owned();
    (directory, path)
}

fn with<'c>(base: &[(&'c str, &'c str)], changes: &[(&'c str, &'c str)]) -> Vec<(&'c str, &'c str)> {
    base.iter().chain(changes).copied().collect()
}

#[test]
fn an_account_stands_in_the_place_of_a_key() {
    let (_directory, path) = file("hunter2\n");
    let (secret, key) = (("ROUTE_A_CLIENT_SECRET_FILE", path.as_str()), ("ROUTE_A_API_KEY_FILE", path.as_str()));
    let sandbox = ("ROUTE_A_KEYS_API_URL", "https://api.sandbox.example/v2");
    let base = |settings: &[(&str, &str)]| {
        let config = loaded(settings);
        assert!(config.policy.client.is_some() && !format!("{config:?}").contains("hunter2"));
        let route = config.policy.routes.get(0).expect("a route").clone();
        route.network.by_id.as_ref().map(|by_id| by_id.base().to_owned())
    };
    for (settings, expected) in [
        (with(&EBAY, &[ID, secret]), "https://api.ebay.com"),
        (with(&CIRCLE, &[key]), "https://api.circle.com/v2"),
        (with(&CIRCLE, &[key, sandbox]), "https://api.sandbox.example/v2"),
        (with(&PLAID, &[ID, secret]), "https://production.plaid.com"),
    ] {
        assert_eq!(base(&settings).as_deref(), Some(expected), "{settings:?}");
    }
    let own = loaded(&with(&CIRCLE[..1], &[("ROUTE_A_SECRET", KEY)]));
    assert!(own.policy.client.is_none(), "nothing is fetched where a key is set");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let (_directory, path) = file("hunter2\n");
    let (_other, two_lines) = file("hunter2\nhunter3\n");
    let (secret, key) = (("ROUTE_A_CLIENT_SECRET_FILE", path.as_str()), ("ROUTE_A_API_KEY_FILE", path.as_str()));
    let of_file = ("ROUTE_A_SECRET", KEY);
    for (settings, expected) in [
        (
            with(&CIRCLE, &[]),
            "ROUTE_A_SECRET_FILE: neither it nor HOOKWARDEN_ROUTE_A_SECRET is set, and a route needs a secret; with API_KEY_FILE this provider is asked for its keys instead",
        ),
        (with(&PLAID, &[ID]), "ROUTE_A_CLIENT_SECRET_FILE: is required, and not set"),
        (with(&PLAID, &[secret]), "ROUTE_A_CLIENT_ID: is required, and not set"),
        (with(&CIRCLE, &[key, ID]), "ROUTE_A_CLIENT_ID: is set, but there is no INTROSPECTION_URL"),
        (
            with(&PLAID, &[ID, secret, key]),
            "ROUTE_A_API_KEY_FILE: is set, but this provider's keys are given to CLIENT_ID, or to anybody",
        ),
        (
            with(&CIRCLE, &[("ROUTE_A_API_KEY_FILE", &two_lines)]),
            "ROUTE_A_API_KEY_FILE: names a file with more than one word: blanks, line ends or characters that no credential has",
        ),
        (
            with(&CIRCLE[..1], &[of_file, key]),
            "ROUTE_A_API_KEY_FILE: is set, and keys too; only one of them is accepted",
        ),
        (with(&[], &[key]), "ROUTE_A_API_KEY_FILE: is set, but this provider gives its keys to no account"),
        (
            with(&CIRCLE, &[key, ("ROUTE_A_KEYS_API_URL", "https://10.0.0.1")]),
            "ROUTE_A_KEYS_API_URL: leads to 10.0.0.1, which is not public: FETCH_ALLOW_PRIVATE does not permit it",
        ),
        (
            with(&CIRCLE, &[key, ("ROUTE_A_KEYS_API_URL", "https://api.example/")]),
            "ROUTE_A_KEYS_API_URL: has a slash at its end, or a query",
        ),
        (
            with(&CIRCLE, &[key, ("ROUTE_A_KEYS_API_URL", "http://api.example")]),
            "ROUTE_A_KEYS_API_URL: is of plain http, which is spoken with 127.0.0.1, [::1] and localhost alone",
        ),
    ] {
        check(&settings, &[expected]);
    }
}
