//! Public keys as users have them, and sets of them.

use super::*;
use crate::auth::sign::{sample_private, sample_secret};
use crate::auth::signature::{PublicKey, Strength};
use crate::providers;

fn scheme(id: &str) -> &'static crate::auth::scheme::Scheme {
    &providers::find(id).expect("in the catalogue").scheme
}

/// A key of Discord's kind, in PEM.
fn key(seed: u8) -> String {
    sample_secret(scheme("discord"), seed)
}

/// A key of 1024 bits.
const SMALL_RSA: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDucO0RFLDTVcZ3755jaurLfpRTKXViVIbzJlZA1R2RGjPNBRaN0YSLry0QLd+IHRjhPQw8W8Fc1C5qAo1eNoaaZvf7XQwCNhvEWAeQAqw2yBXfuLTHP3lwcloXAhpkXUboYPmA82EjEi7DTAalGURt8jVxcp78yelukPfJzF6ExwIDAQAB";

const DISCORD: (&str, &str) = ("ROUTE_A_PROVIDER", "discord");

fn ids(changes: &[(&str, &str)]) -> Vec<String> {
    loaded(changes).policy.routes.get(0).expect("a route").keys.ids().map(str::to_owned).collect()
}

#[test]
fn a_secret_may_be_pem_in_one_line_or_many_and_each_block_is_a_key() {
    let (one, two) = (key(1), key(2));
    let in_one_line = one.trim_end().replace('\n', "\\n");
    let bare = PublicKey::from_text(&one, Strength::Usual).expect("a key");
    let bare = data_encoding::HEXLOWER.encode(bare.to_raw().expect("not RSA"));
    let both = format!("{one}{two}");
    for (secret, expected) in [(&one, &["1"][..]), (&in_one_line, &["1"]), (&bare, &["1"]), (&both, &["1", "2"])] {
        assert_eq!(ids(&[DISCORD, ("ROUTE_A_SECRET", secret)]), expected, "{secret}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    write(&path, format!("{both}\n{}", key(3)));
    assert_eq!(ids(&[DISCORD, ("ROUTE_A_SECRET", ""), ("ROUTE_A_SECRET_FILE", text(&path))]), ["1", "2", "3"]);
    write(&path, format!("{bare}\n{}\n", in_one_line.replace("\\n", "")));
    let told = "ROUTE_A_SECRET_FILE: keys 1 and 2 are the same";
    check(&[DISCORD, ("ROUTE_A_SECRET", ""), ("ROUTE_A_SECRET_FILE", text(&path))], &[told]);
    let of_ids = folder.path().join("by-id");
    std::fs::create_dir(&of_ids).expect("a folder");
    write(&of_ids.join("old.pem"), &one);
    write(&of_ids.join("new.pem"), &two);
    let changes = [DISCORD, ("ROUTE_A_SECRET", ""), ("ROUTE_A_SECRET_FILE", text(&of_ids))];
    assert_eq!(ids(&changes), ["new.pem", "old.pem"]);
}

#[test]
fn what_is_no_key_of_the_provider_s_kind_says_so_and_shows_nothing() {
    let private = sample_private(scheme("discord"), 1);
    let of_another = sample_secret(scheme("sendgrid"), 1);
    for (secret, problem) in [
        ("hunter2", "key 1 is no public key in PEM, DER in base64, a JWK, or a bare key in hexadecimal or base64"),
        (&private, "key 1 is a private key: the public one belongs here, and the private one stays with the sender"),
        (&of_another, "key 1 is of another kind than ed25519 needs"),
    ] {
        check(&[DISCORD, ("ROUTE_A_SECRET", secret)], &[&format!("ROUTE_A_SECRET: {problem}")]);
    }
    let small = ("ROUTE_A_SECRET", SMALL_RSA);
    let told = "ROUTE_A_SECRET: key 1 is an RSA key of 1024 bits; 2048 to 8192 are accepted";
    check(&[("ROUTE_A_PROVIDER", "wise"), small], &[told]);
    assert_eq!(ids(&[("ROUTE_A_PROVIDER", "postal"), small]), ["1"]);
}

#[test]
fn a_set_of_keys_stands_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jwks");
    let file = ("ROUTE_A_JWKS_FILE", text(&path));
    let (fal, without) = (("ROUTE_A_PROVIDER", "fal"), ("ROUTE_A_SECRET", ""));
    let set = |seeds: &[u8]| {
        let jwk = |seed: &u8| PublicKey::from_text(&key(*seed), Strength::Usual).expect("a key").to_jwk();
        serde_json::json!({ "keys": seeds.iter().map(jwk).collect::<Vec<_>>() }).to_string()
    };
    write(&path, set(&[1, 2]));
    let (config, mut watch) = load(&environment(&[fal, without, file])).expect("no faults");
    let count = |policy: &Policy| {
        let route = policy.routes.get(0).expect("a route");
        assert!(route.keys.is_empty());
        route.key_ring.as_ref().and_then(|ring| ring.keys()).map(|keys| keys.len())
    };
    assert_eq!(count(&config.policy), Some(2));
    write(&path, set(&[3]));
    assert_eq!(count(&good(&mut watch)), Some(1));
    write(&path, "<html>");
    let told = format!("{} is not a JSON object with an array of keys", path.display());
    assert_eq!(broken(&mut watch).1.remove(0).problem, told);
    write(&path, set(&[1]));
    let twice = "ROUTE_A_JWKS_FILE: is set, and SECRET or SECRET_FILE too; only one of them is accepted";
    check(&[fal, ("ROUTE_A_SECRET", &key(1)), file], &[twice]);
    let none = "ROUTE_A_JWKS_FILE: is set, but this provider publishes no set of keys: its key is the SECRET";
    check(&[DISCORD, without, file], &[none]);
    let neither = "ROUTE_A_SECRET_FILE: neither it nor HOOKWARDEN_ROUTE_A_SECRET is set, and a route needs a secret; \
                   this provider's set of keys may stand in JWKS_FILE or at JWKS_URL instead";
    let custom = [("ROUTE_A_PROVIDER", "custom"), ("ROUTE_A_SCHEME", "ed25519"), ("ROUTE_A_SIGNATURE_HEADER", "X-S")];
    check(&[&custom[..], &[without]].concat(), &[neither]);
    // A set at a known address is fetched.
    check(&[fal, without], &[]);
}

#[test]
fn schemes_of_one_s_own() {
    let custom =
        |scheme| [("ROUTE_A_PROVIDER", "custom"), ("ROUTE_A_SCHEME", scheme), ("ROUTE_A_SIGNATURE_HEADER", "X-S")];
    let check = |scheme, more: &[(&str, &str)], expected: &[&str]| {
        check(&[&custom(scheme), more].concat(), expected);
    };
    let ed25519 = key(1);
    let p384 = scheme_of("ecdsa", Some("p384_sha384"));
    check("ed25519", &[("ROUTE_A_SECRET", &ed25519)], &[]);
    let more = [("ROUTE_A_ALGORITHM", "p384_sha384"), ("ROUTE_A_ECDSA_FORM", "raw"), ("ROUTE_A_SECRET", &p384)];
    check("ecdsa", &more, &[]);
    let kinds = "p256_sha256, p384_sha384, p521_sha512";
    let known = format!("ROUTE_A_ALGORITHM: \"sha256\" is not known; accepted are {kinds}");
    check("ecdsa", &[("ROUTE_A_ALGORITHM", "sha256"), ("ROUTE_A_SECRET", &p384)], &[&known]);
    // Its keys may be a set as well, whose age nobody knows.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jwks");
    let jwk = PublicKey::from_text(&ed25519, Strength::Usual).expect("a key").to_jwk();
    write(&path, serde_json::json!({ "keys": [jwk] }).to_string());
    let set = [("ROUTE_A_SECRET", ""), ("ROUTE_A_JWKS_FILE", text(&path))];
    check("ed25519", &set, &[]);
    let age = "ROUTE_A_SECRET_MAX_AGE: is set, but the age of a key in a set is not known";
    check("ed25519", &[&set[..], &[("ROUTE_A_SECRET_MAX_AGE", "1h")]].concat(), &[age]);
    // What only old senders need is not offered.
    let weak = format!("ROUTE_A_ALGORITHM: \"p256_sha1\" is not known; accepted are {kinds}");
    check("ecdsa", &[("ROUTE_A_ALGORITHM", "p256_sha1"), ("ROUTE_A_SECRET", &p384)], &[&weak]);
    let form = "ROUTE_A_ECDSA_FORM: is for scheme = \"ecdsa\"";
    check("ed25519", &[("ROUTE_A_ECDSA_FORM", "raw"), ("ROUTE_A_SECRET", &ed25519)], &[form]);
}

fn scheme_of(scheme: &str, algorithm: Option<&str>) -> String {
    let fields = providers::CustomFields {
        scheme: Some(scheme.to_owned()),
        algorithm: algorithm.map(str::to_owned),
        signature_header: Some("X-S".to_owned()),
        ..Default::default()
    };
    sample_secret(&providers::custom(&fields).expect("a scheme"), 1)
}
