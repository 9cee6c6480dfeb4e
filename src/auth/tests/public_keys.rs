//! Schemes with public keys: each algorithm and form through the whole battery, sets of keys, and what a claim remembers.

use super::battery::battery;
use super::*;
use crate::auth::key_api::IdShape;
use crate::auth::key_book::KeyBook;
use crate::auth::keyring::{KeyRing, Wanted};
use crate::auth::signature::{KeySet, PublicKey, Strength};

const ED25519: &str = "scheme = \"ed25519\"\nsignature = { header = \"X-Sig\" }\n";

#[test]
fn every_algorithm_and_form() {
    for rest in [
        "scheme = \"ed25519\"\nsignature = { header = \"X-Sig\" }\nsigned = \"{timestamp}{body}\"\ntimestamp = { from = \"header:X-Time\" }",
        "scheme = \"ecdsa\"\nsignature = { header = \"X-Sig\", encoding = \"base64\" }",
        "scheme = \"ecdsa\"\necdsa_form = \"raw\"\nsignature = { header = \"X-Sig\", encoding = \"base64url\" }",
        "scheme = \"ecdsa\"\nalgorithm = \"p256_sha1\"\nsignature = { header = \"X-Sig\" }",
        "scheme = \"ecdsa\"\nalgorithm = \"p384_sha384\"\nsignature = { header = \"X-Sig\" }",
        "scheme = \"ecdsa\"\nalgorithm = \"p384_sha384\"\necdsa_form = \"raw\"\nsignature = { header = \"X-Sig\" }",
        "scheme = \"rsa\"\nsignature = { header = \"X-Sig\", encoding = \"base64\" }\nsigned = \"{body|sha256}\"",
    ] {
        battery(rest, &scheme(rest));
    }
}

fn sample(seed: u8) -> PublicKey {
    PublicKey::from_text(&sample_secret(&scheme(ED25519), seed), Strength::Usual).expect("a good sample")
}

/// What a route with a ring says of a message.
fn verify_with(scheme: &Scheme, keys: &Keys, ring: &KeyRing, draft: &Draft) -> Result<Verified, Denial> {
    let raw = raw_head(draft);
    let head = Head::parse(&raw)?;
    let site = Site { key_ring: Some(ring), ..site(scheme, keys) };
    let mut verifier = Verifier::default();
    verifier.begin(&site, &Message { head: &head, bytes: &raw, body: b"" })?;
    verifier.update(&draft.body);
    verifier.finish(&site, &Message { head: &head, bytes: &raw, body: &draft.body })
}

#[test]
fn a_ring_of_keys() {
    let scheme = scheme(&format!("{ED25519}keys = {{ jwks = true, key_id = \"header:X-Kid\" }}"));
    let signed_by = |seed, kid: &str| {
        let mut draft = signed(&scheme, &keys(&scheme, &[seed]), None);
        draft.headers.retain(|(name, _)| name != "X-Kid");
        draft.headers.push(("X-Kid".into(), kid.into()));
        draft
    };
    let (ring, none) = (KeyRing::default(), Keys::none());
    let check = |ring: &KeyRing, draft: &Draft, expected: Result<Option<&str>, Reason>, asked: &[Wanted]| {
        let verdict = verify_with(&scheme, &none, ring, draft).map_err(|denial| denial.reason);
        let kid =
            verdict.as_ref().map(|verified| verified.ring_key().and_then(PublicKey::kid)).map_err(|reason| *reason);
        assert_eq!(kid, expected, "{draft:?}");
        assert_eq!(ring.take_asked(), asked);
    };
    check(&ring, &signed_by(1, "a"), Err(Reason::KeysUnavailable), &[Wanted::Keys]);
    let labelled = |seed, kid| sample(seed).labelled(Some(kid), None);
    ring.put(KeySet::new(vec![labelled(1, "a"), labelled(2, "b")]).expect("two keys"));
    check(&ring, &signed_by(1, "a"), Ok(Some("a")), &[]);
    check(&ring, &signed_by(2, "b"), Ok(Some("b")), &[]);
    // An id chooses a key; it cannot make another's signature good.
    check(&ring, &signed_by(1, "b"), Err(Reason::CredentialInvalid), &[]);
    // An unknown one asks for newer keys, even where one of those that are there would fit.
    check(&ring, &signed_by(1, "c"), Err(Reason::CredentialInvalid), &[Wanted::Keys]);
    check(&ring, &signed_by(1, "https://evil.example/jwks"), Err(Reason::CredentialInvalid), &[Wanted::Keys]);
    let mut without = signed_by(1, "a");
    without.headers.pop();
    check(&ring, &without, Err(Reason::CredentialMissing), &[]);
    // A key without an id is tried for every message.
    ring.put(KeySet::new(vec![sample(3), labelled(2, "b")]).expect("two keys"));
    check(&ring, &signed_by(3, "whatever"), Ok(None), &[]);
    check(&ring, &signed_by(1, "a"), Err(Reason::CredentialInvalid), &[]);
}

#[test]
fn a_claim_is_over_the_content_whoever_signed_it() {
    let scheme = scheme(&format!("{ED25519}signed = \"{{header:X-Id}}.{{body}}\""));
    let both = keys(&scheme, &[1, 2]);
    let mut draft = draft(&scheme, Some(b"{}".to_vec()));
    draft.headers.push(("X-Id".into(), "7".into()));
    let claims = [1, 2].map(|seed| {
        let key = signing_key(&scheme, &keys(&scheme, &[seed]));
        let draft = sign::sign(&scheme, &key, draft.clone(), now()).expect("signs");
        verify(&scheme, &both, &draft, 1).expect("verifies").message_keys().to_vec()
    });
    assert_eq!(claims[0], claims[1], "one message, two signatures");
    let digest = <sha2::Sha256 as sha2::Digest>::digest(b"7.{}");
    assert_eq!(claims[0].concat(), digest[..16]);
}

#[test]
fn what_a_stranger_can_make_it_cost_is_bounded() {
    let scheme =
        scheme("scheme = \"ed25519\"\nsignature = { header = \"X-Sig\", many = true }\nkeys = { jwks = true }");
    let ring = KeyRing::of(KeySet::new((1..=40).map(sample).collect()).expect("forty keys"));
    let good = signed(&scheme, &keys(&scheme, &[40]), None);
    assert!(verify_with(&scheme, &Keys::none(), &ring, &good).is_ok(), "every key is tried once");
    let value = good.headers.last().expect("the signature").1.clone();
    let mut padded = good.clone();
    let wrong = "00".repeat(64);
    padded.headers.last_mut().expect("the signature").1 = format!("{wrong} {wrong} {value}");
    let denial = verify_with(&scheme, &Keys::none(), &ring, &padded).expect_err("too much to ask");
    assert_eq!(denial.reason, Reason::CredentialInvalid);
}

#[test]
fn keys_by_id() {
    let scheme = scheme(&format!(
        "{ED25519}keys = {{ key_id = \"header:X-Kid\", api = {{ base = \"https://api.example\", get = \"/{{kid}}\" }} }}"
    ));
    let signed_by = |seed, kid: &str| {
        let mut draft = signed(&scheme, &keys(&scheme, &[seed]), None);
        draft.headers.retain(|(name, _)| name != "X-Kid");
        draft.headers.push(("X-Kid".into(), kid.into()));
        draft
    };
    let (ring, none, now) = (KeyRing::for_book(KeyBook::new(IdShape::Word)), Keys::none(), Now::read());
    let check = |draft: &Draft, expected: Result<Option<&str>, Reason>, asked: &[&str]| {
        let verdict = verify_with(&scheme, &none, &ring, draft).map_err(|denial| denial.reason);
        let kid =
            verdict.as_ref().map(|verified| verified.ring_key().and_then(PublicKey::kid)).map_err(|reason| *reason);
        assert_eq!(kid, expected, "{draft:?}");
        let asked: Vec<_> = asked.iter().map(|id| Wanted::Key((*id).into())).collect();
        assert_eq!(ring.take_asked(), asked);
    };
    check(&signed_by(1, "a"), Err(Reason::KeysUnavailable), &["a"]);
    let book = ring.book().expect("a book");
    let put = |seed, kid| book.put(kid, sample(seed).labelled(Some(kid), None), now, Duration::from_secs(3600), None);
    put(1, "a");
    put(2, "b");
    book.put_nobody("c", now);
    check(&signed_by(1, "a"), Ok(Some("a")), &[]);
    check(&signed_by(2, "b"), Ok(Some("b")), &[]);
    check(&signed_by(1, "b"), Err(Reason::CredentialInvalid), &[]);
    check(&signed_by(1, "c"), Err(Reason::CredentialInvalid), &[]);
    // Another id may be good, whatever is here: its sender comes again.
    check(&signed_by(1, "d"), Err(Reason::KeysUnavailable), &["d"]);
    for kid in ["../a", "a/b", "a?b", "a b", "https://evil.example"] {
        check(&signed_by(1, kid), Err(Reason::CredentialInvalid), &[]);
    }
    let mut without = signed_by(1, "a");
    without.headers.pop();
    check(&without, Err(Reason::CredentialMissing), &[]);
}
