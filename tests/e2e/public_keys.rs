//! Senders with private keys before the real binary: a set of keys in a file that changes, which key it was, and that a
//! second signature of the same message is a replay.

use std::path::Path;

use hookwarden::auth::signature::{PrivateKey, PublicKey, Strength};
use hookwarden::providers::{self, CustomFields};
use serde_json::json;

use super::harness::{Outcome, Request, Sidecar, Signer, Upstream};

const IN_FORCE: &str = "the new policy is in force";

fn fields(scheme: &str, more: CustomFields) -> CustomFields {
    CustomFields { scheme: Some(scheme.to_owned()), signature_header: Some("X-Proof".to_owned()), ..more }
}

/// A set of keys by id, each made of a number.
fn write_set(path: &Path, keys: &[(&str, u8)]) {
    let scheme = &providers::find("fal").expect("in the catalogue").scheme;
    let jwk = |(kid, seed): &(&str, u8)| {
        let pem = hookwarden::auth::sign::sample_secret(scheme, *seed);
        let key = PublicKey::from_text(&pem, Strength::Usual).expect("a key");
        key.labelled(Some(kid), None).to_jwk()
    };
    let set = json!({ "keys": keys.iter().map(jwk).collect::<Vec<_>>() });
    let new = path.with_extension("new");
    std::fs::write(&new, set.to_string()).expect("a file");
    std::fs::rename(new, path).expect("a file that moves");
}

#[test]
fn a_set_of_keys_in_a_file_is_used_and_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jwks.json");
    write_set(&file, &[("one", 1), ("two", 2)]);
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .provider_as("fal", "fal", &[("JWKS_FILE", file.to_str().expect("text"))])
        .unset("ROUTE_FAL_SECRET")
        .start();
    let scheme = &providers::find("fal").expect("in the catalogue").scheme;
    let signed = |seed| Signer::new("fal").secret(&hookwarden::auth::sign::sample_secret(scheme, seed)).sample();
    for (seed, kid) in [(1, "one"), (2, "two")] {
        let mut client = proxy.client();
        client.send(&signed(seed).bytes());
        let record = proxy.expect_answer(&client.read(), &Outcome::forwarded("fal"));
        assert_eq!((record.text("key_id"), record.text("binding")), (kid, "full"));
        assert_eq!(upstream.last().values("x-hookwarden-key-id"), [kid]);
    }
    let refused = Outcome::of("credential_invalid").on("fal");
    proxy.check(&signed(3).bytes(), &refused);
    write_set(&file, &[("three", 3)]);
    proxy.wait_for_log(IN_FORCE);
    proxy.check(&signed(3).bytes(), &Outcome::forwarded("fal"));
    proxy.check(&signed(1).bytes(), &refused);
    proxy.finish();
}

#[test]
fn a_second_signature_of_the_same_message_is_a_replay() {
    let own = fields("ecdsa", CustomFields { ecdsa_form: Some("raw".to_owned()), ..CustomFields::default() });
    let scheme = providers::custom(&own).expect("a scheme");
    let secret = hookwarden::auth::sign::sample_secret(&scheme, 1);
    let upstream = Upstream::start();
    let settings = [("SCHEME", "ecdsa"), ("ECDSA_FORM", "raw"), ("SIGNATURE_HEADER", "X-Proof"), ("SECRET", &secret)];
    let proxy = Sidecar::before(&upstream)
        .route("own", &[("PATH", "/own"), ("PROVIDER", "custom")])
        .route("own", &settings)
        .start();
    let good = Signer::custom(scheme, &secret, "/own").sign("{\"a\":1}");
    let value = good.field("X-Proof").expect("a signature").to_owned();
    let with = |value: &str| good.clone().set("X-Proof", value);
    let check = |request: &Request, reason| proxy.check(&request.bytes(), &Outcome::of(reason).on("own"));
    check(&with(&value[..126]), "credential_invalid");
    check(&with(&"0".repeat(128)), "credential_invalid");
    check(&good.clone().body("{\"a\":2}"), "credential_invalid");
    check(&good.clone().without("X-Proof"), "credential_missing");
    proxy.check(&good.bytes(), &Outcome::forwarded("own"));
    check(&good, "replayed");
    // The same signature with the other `s`, which anybody can make of it.
    check(&with(&mirrored(&value)), "replayed");
    check(&with(&value.to_uppercase()), "replayed");
    proxy.finish();
}

/// `r` and `n - s`, in hexadecimal.
fn mirrored(signature: &str) -> String {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (r, s) = signature.split_at(64);
    let s = data_encoding::HEXLOWER.decode(s.as_bytes()).expect("hexadecimal");
    let (mut other, mut borrow) = ([0; 32], 0);
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(difference < 0);
        other[at] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    format!("{r}{}", data_encoding::HEXLOWER.encode(&other))
}

#[test]
fn a_private_key_in_the_place_of_the_public_one_is_refused_and_not_shown() {
    let discord = &providers::find("discord").expect("in the catalogue").scheme;
    let private = hookwarden::auth::sign::sample_private(discord, 1);
    assert!(PrivateKey::from_text(&private).is_ok());
    let upstream = Upstream::start();
    let output = Sidecar::before(&upstream).provider_as("discord", "discord", &[("SECRET", &private)]).refuse();
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("key 1 is a private key: the public one belongs here"), "{told}");
    let line = private.lines().nth(1).expect("its content");
    assert!(!told.contains(line) && output.stdout.is_empty(), "{told}");
}
