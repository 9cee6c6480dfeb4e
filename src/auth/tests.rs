//! Every provider of the catalogue: what is signed here verifies, and nothing that was changed does. That our signing is
//! the providers' own is shown by their published vectors and by their SDKs, not here.

use std::time::Duration;

use proptest::prelude::*;

use super::keys::{Key, KeyText, Keys};
use super::sign::{Draft, body_digest, sample_body, sign};
use super::*;
use crate::http1::{Head, Message};
use crate::providers::{self, Provider};

const NOW: Duration = Duration::from_secs(1_700_000_000);

fn now() -> Now {
    Now { wall: NOW, ..Now::read() }
}

fn secret(provider: &Provider, seed: u8) -> Vec<u8> {
    let bytes = [seed; 32];
    match provider.scheme.secret.encoding {
        scheme::SecretEncoding::Base64 => format!("whsec_{}", data_encoding::BASE64.encode(&bytes)).into_bytes(),
        scheme::SecretEncoding::Hex | scheme::SecretEncoding::Text => {
            data_encoding::HEXLOWER.encode(&bytes).into_bytes()
        }
    }
}

fn keys(provider: &Provider, seeds: &[u8]) -> Keys {
    let secrets: Vec<_> =
        seeds.iter().map(|seed| KeyText::new(&format!("key-{seed}"), &secret(provider, *seed))).collect();
    Keys::new(&provider.scheme, &secrets).expect("good secrets")
}

fn draft(provider: &Provider, body: Option<Vec<u8>>) -> Draft {
    let is_form = provider.id == "twilio";
    let content_type = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    Draft {
        method: "POST".into(),
        url: "https://example.com/hook?a=1".into(),
        headers: vec![("Content-Type".into(), content_type.into())],
        body: body.unwrap_or_else(|| sample_body(&provider.scheme, now())),
    }
}

fn signed(provider: &Provider, keys: &Keys, body: Option<Vec<u8>>) -> Draft {
    let key: &Key = keys.at(0).expect("a first key");
    sign(&provider.scheme, key, draft(provider, body), now()).unwrap_or_else(|fault| panic!("{}: {fault}", provider.id))
}

fn raw_head(draft: &Draft) -> Vec<u8> {
    let target = draft.url.split_once("example.com").expect("our own URL").1;
    let mut raw = format!("{} {target} HTTP/1.1\r\nHost: example.com\r\n", draft.method);
    for (name, value) in &draft.headers {
        raw.extend([name, ": ", value, "\r\n"]);
    }
    format!("{raw}\r\n").into_bytes()
}

/// Verifies a draft whose body arrives in parts of `part` bytes.
fn verify(provider: &Provider, keys: &Keys, draft: &Draft, part: usize) -> Result<Verified, Denial> {
    let raw = raw_head(draft);
    let head = Head::parse(&raw)?;
    let site = Site {
        scheme: &provider.scheme,
        keys,
        public_url: Some("https://example.com"),
        route_path: "/hook",
        prefix: false,
    };
    let mut verifier = Verifier::default();
    verifier.begin(&site, &Message { head: &head, bytes: &raw, body: b"" })?;
    draft.body.chunks(part).for_each(|part| verifier.update(part));
    let verified = verifier.finish(&site, &Message { head: &head, bytes: &raw, body: &draft.body })?;
    fresh(verified.signed_time(), provider.scheme.tolerance, now())?;
    Ok(verified)
}

#[test]
fn what_is_signed_verifies_with_its_key_alone() {
    for provider in providers::all() {
        let draft = signed(provider, &keys(provider, &[1]), None);
        for part in [1, 3, 1000] {
            let verified = verify(provider, &keys(provider, &[2, 1]), &draft, part);
            assert_eq!(verified.map(|verified| verified.key_index()), Ok(1), "{}", provider.id);
        }
        let denial = verify(provider, &keys(provider, &[2, 3]), &draft, 1000).map(|verified| verified.key_index());
        assert_eq!(denial, Err(Reason::CredentialInvalid.into()), "{}", provider.id);
    }
}

#[test]
fn no_changed_body_verifies() {
    for provider in providers::all().iter().filter(|provider| provider.scheme.signed().is_some()) {
        let keys = keys(provider, &[1]);
        // Without escapes: `%2B` and `%2b` are the same parameter to a scheme that signs decoded ones.
        let form = (provider.id == "twilio").then(|| b"From=15550100&To=15550199".to_vec());
        let draft = signed(provider, &keys, form);
        for bit in 0..draft.body.len() * 8 {
            let mut changed = draft.clone();
            changed.body[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(provider, &keys, &changed, 1000).is_err(), "{} bit {bit}", provider.id);
        }
    }
}

#[test]
fn no_changed_signed_header_verifies() {
    for provider in providers::all() {
        let keys = keys(provider, &[1]);
        let draft = signed(provider, &keys, None);
        let unsigned = ["content-type"];
        for (at, (name, value)) in draft.headers.iter().enumerate() {
            if unsigned.contains(&name.to_ascii_lowercase().as_str()) {
                continue;
            }
            for bit in 0..value.len() * 8 {
                let mut bytes = value.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let Ok(value) = String::from_utf8(bytes) else { continue };
                // Hex may be written in either case: the same bytes.
                if value.eq_ignore_ascii_case(&draft.headers[at].1) {
                    continue;
                }
                let mut changed = draft.clone();
                changed.headers[at].1 = value;
                assert!(verify(provider, &keys, &changed, 1000).is_err(), "{} {name} bit {bit}", provider.id);
            }
        }
    }
}

#[test]
fn a_signature_that_is_missing_or_stands_twice() {
    for provider in providers::all() {
        let keys = keys(provider, &[1]);
        let good = signed(provider, &keys, None);
        let header = &provider.scheme.signature.header;
        let mut without = good.clone();
        without.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(header));
        assert_eq!(verify(provider, &keys, &without, 9).map(|_| ()), Err(Reason::CredentialMissing.into()));
        let mut twice = good.clone();
        twice.headers.push(good.headers.last().expect("the signature").clone());
        assert_eq!(verify(provider, &keys, &twice, 9).map(|_| ()), Err(Reason::CredentialInvalid.into()));
    }
}

#[test]
fn times_at_the_edge() {
    let check = |offset: i64, expected: Result<(), Reason>| {
        let time = Duration::from_secs(NOW.as_secs().checked_add_signed(offset).expect("in range"));
        let verdict = fresh(Some(time), Duration::from_secs(300), now());
        assert_eq!(verdict.map_err(|denial| denial.reason), expected, "{offset}");
    };
    check(0, Ok(()));
    check(-300, Ok(()));
    check(300, Ok(()));
    check(-301, Err(Reason::TimestampStale));
    check(301, Err(Reason::TimestampFuture));
    assert!(fresh(Some(Duration::MAX), Duration::MAX, now()).is_ok());
    assert!(fresh(Some(Duration::MAX), Duration::ZERO, now()).is_err());
    assert!(fresh(None, Duration::ZERO, now()).is_ok());
}

/// A sender in the middle of a rotation signs with both keys. Each of the two signatures alone is the same message.
#[test]
fn two_signatures_are_one_message() {
    let provider = providers::find("stripe").expect("in the catalogue");
    let both = keys(provider, &[1, 2]);
    let body = Some(br#"{"id":"evt_1"}"#.to_vec());
    let value = |seed| signed(provider, &keys(provider, &[seed]), body.clone()).headers.pop().expect("a signature").1;
    let (first, second) = (value(1), value(2));
    let second_item = second.split_once(',').expect("two items").1;
    let with = |value: String| {
        let mut draft = draft(provider, body.clone());
        draft.headers.push(("Stripe-Signature".into(), value));
        verify(provider, &both, &draft, 100).expect("a good signature").message_keys().to_vec()
    };
    let all = with(format!("{first},{second_item}"));
    assert_eq!(all.len(), 2);
    assert_eq!(with(first), all);
    assert_eq!(with(second), all);
}

#[test]
fn twilio_binds_every_body() {
    let provider = providers::find("twilio").expect("in the catalogue");
    let keys = keys(provider, &[1]);
    let body = br#"{"a":1}"#.to_vec();
    let mut json = draft(provider, Some(body.clone()));
    json.headers = vec![("Content-Type".into(), "application/json".into())];
    let key = keys.at(0).expect("a first key");
    assert_eq!(sign(&provider.scheme, key, json.clone(), now()), Err(sign::SignFault::Unbound));
    json.url = format!("https://example.com/hook?bodySHA256={}", body_digest(&body));
    let mut json = sign(&provider.scheme, key, json, now()).expect("bound by its digest");
    assert!(verify(provider, &keys, &json, 3).is_ok());
    json.body[1] = b'b';
    assert!(verify(provider, &keys, &json, 3).is_err());
}

#[test]
fn challenges_sign_no_message() {
    let zoom = providers::find("zoom").expect("in the catalogue");
    let keys = keys(zoom, &[1]);
    let key = keys.at(0).expect("a first key");
    let ask = |token: &str| {
        let body =
            serde_json::json!({"event": "endpoint.url_validation", "payload": {"plainToken": token}}).to_string();
        let mut out = Vec::new();
        challenge::answer(&zoom.scheme, key, body.as_bytes(), &mut out).map(|answer| (answer.map(str::to_owned), out))
    };
    let (content_type, reply) = ask("qgg8vlvZRS6UYooatFL8Aw").expect("a challenge");
    assert_eq!(content_type.as_deref(), Ok("application/json"));
    let reply: serde_json::Value = serde_json::from_slice(&reply).expect("JSON");
    let mut mac = key.mac().expect("an HMAC key");
    mac.update(b"qgg8vlvZRS6UYooatFL8Aw");
    assert_eq!(reply["encryptedToken"], data_encoding::HEXLOWER.encode(mac.finish().as_bytes()));
    for oracle in ["v0:1700000000:{}", "", "a b", "a.b", "{\"a\":1}", &"a".repeat(257)] {
        let answer = ask(oracle).expect("a challenge").0;
        assert_eq!(answer, Err(Reason::PayloadInvalid.into()), "{oracle}");
    }
    let mut out = Vec::new();
    assert!(challenge::answer(&zoom.scheme, key, br#"{"event":"meeting.started"}"#, &mut out).is_none());
}

#[test]
fn secrets_never_show() {
    let provider = providers::find("github").expect("in the catalogue");
    let keys = Keys::new(&provider.scheme, &[KeyText::new("key-1", b"hunter2-hunter2")]).expect("a secret");
    let token = providers::find("gitlab").expect("by its alias");
    let tokens = Keys::new(&token.scheme, &[KeyText::new("key-1", b"hunter2-hunter2")]).expect("a token");
    assert!(!format!("{keys:?} {tokens:?}").contains("hunter2"));
    for (scheme, secrets, expected) in [
        ("github", vec![], "holds no key"),
        ("github", vec![("a", "")], "key a is empty"),
        ("github", vec![("a", "x"), ("b", "x")], "keys a and b are the same"),
        ("github", vec![("a b", "x")], "key id \"a b\" is not"),
        ("svix", vec![("a", "whsec_hunter2!")], "key a is not valid base64"),
    ] {
        let provider = providers::find(scheme).expect("in the catalogue");
        let secrets: Vec<_> = secrets.iter().map(|(id, text)| KeyText::new(id, text.as_bytes())).collect();
        let fault = Keys::new(&provider.scheme, &secrets).expect_err("a fault").to_string();
        assert!(fault.starts_with(expected) && !fault.contains("hunter2"), "{fault}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_split_of_any_body_gives_the_same_verdict(body in proptest::collection::vec(any::<u8>(), 1..300), part in 1_usize..300) {
        for id in ["github", "stripe", "standard_webhooks"] {
            let provider = providers::find(id).expect("in the catalogue");
            let keys = keys(provider, &[1]);
            let draft = signed(provider, &keys, Some(body.clone()));
            let whole = verify(provider, &keys, &draft, usize::MAX).expect("good");
            let split = verify(provider, &keys, &draft, part).expect("good");
            prop_assert_eq!(whole.message_keys(), split.message_keys());
        }
    }

    #[test]
    fn no_header_value_panics(value in "[ -~]{0,80}") {
        for provider in providers::all() {
            let keys = keys(provider, &[1]);
            let mut draft = draft(provider, None);
            draft.headers.push((provider.scheme.signature.header.to_string(), value.clone()));
            prop_assert!(verify(provider, &keys, &draft, 100).is_err());
        }
    }
}
