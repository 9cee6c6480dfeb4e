//! Single rules, and properties of any message.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::providers::{self, Provider};

fn find(id: &str) -> &'static Provider {
    providers::find(id).expect("in the catalogue")
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
    let scheme = &find("stripe").scheme;
    let both = keys(scheme, &[1, 2]);
    let body = Some(br#"{"id":"evt_1"}"#.to_vec());
    let value = |seed| signed(scheme, &keys(scheme, &[seed]), body.clone()).headers.pop().expect("a signature").1;
    let (first, second) = (value(1), value(2));
    let second_item = second.split_once(',').expect("two items").1;
    let with = |value: String| {
        let mut draft = draft(scheme, body.clone());
        draft.headers.push(("Stripe-Signature".into(), value));
        verify(scheme, &both, &draft, 100).expect("a good signature").message_keys().to_vec()
    };
    let all = with(format!("{first},{second_item}"));
    assert_eq!(all.len(), 2);
    assert_eq!(with(first), all);
    assert_eq!(with(second), all);
}

#[test]
fn twilio_binds_every_body() {
    let scheme = &find("twilio").scheme;
    let keys = keys(scheme, &[1]);
    let body = br#"{"a":1}"#.to_vec();
    let mut json = draft(scheme, Some(body.clone()));
    json.headers = vec![("Content-Type".into(), "application/json".into())];
    let key = keys.at(0).expect("a first key");
    assert_eq!(sign::sign(scheme, key, json.clone(), now()), Err(sign::SignFault::Unbound));
    json.url = format!("https://example.com/hook?bodySHA256={}", sign::body_digest(&body));
    let mut json = sign::sign(scheme, key, json, now()).expect("bound by its digest");
    assert!(verify(scheme, &keys, &json, 3).is_ok());
    json.body[1] = b'b';
    assert!(verify(scheme, &keys, &json, 3).is_err());
}

/// Of a batch every element must carry a proof, and each is claimed.
#[test]
fn batches() {
    let scheme = scheme(
        "scheme = \"hmac\"\nsignature = { json = \"/sig\" }\neach = \"/items\"\nsigned = \"{json:/id}\"\nevent = { json = \"/type\" }",
    );
    let keys = keys(&scheme, &[1, 2]);
    let body = |items: &str| Some(format!("{{\"items\":[{items}]}}").into_bytes());
    let two = signed(&scheme, &keys, body(r#"{"id":"1"},{"id":"2"}"#));
    let claims = |draft: &Draft| verify(&scheme, &keys, draft, 9).map(|verified| verified.message_keys().to_vec());
    let both = claims(&two).expect("two good elements");
    let one = claims(&signed(&scheme, &keys, body(r#"{"id":"2"}"#))).expect("a good element");
    assert_eq!((both.len(), &both[1..]), (2, &one[..]), "an element is known again, in whatever batch it comes");
    let text = String::from_utf8(two.body.clone()).expect("text");
    let third = text.replace("]}", r#",{"id":"3","sig":"00"}]}"#);
    assert_eq!(claims(&Draft { body: third.into_bytes(), ..two.clone() }), Err(Reason::CredentialInvalid.into()));
    for (items, reason) in [("", Reason::CredentialMissing), (r#"{"id":"1"}"#, Reason::CredentialMissing)] {
        let mut draft = draft(&scheme, body(items));
        draft.headers.push(("X".into(), "1".into()));
        assert_eq!(claims(&draft), Err(reason.into()), "{items}");
    }
    let many: Vec<_> = (0..9).map(|id| format!("{{\"id\":\"{id}\"}}")).collect();
    assert!(claims(&signed(&scheme, &keys, body(&many.join(",")))).is_err(), "more than a claim has room for");
}

/// Each of several contents is acceptable, and what a piece lacks makes no content of it.
#[test]
fn alternatives() {
    let scheme = scheme(
        "scheme = \"hmac\"\nsignature = { header = \"X-Sig\" }\nsigned = [\"{header:X-Id}.{body}\", \"{body}{method}\"]",
    );
    let keys = keys(&scheme, &[1]);
    let mut draft = signed(&scheme, &keys, None);
    let first = verify(&scheme, &keys, &draft, 9).expect("the first").message_keys().to_vec();
    draft.headers.retain(|(name, _)| name == "Content-Type");
    let mut mac = keys.at(0).and_then(Key::mac).expect("an HMAC key");
    mac.update(&draft.body);
    mac.update(b"POST");
    draft.headers.push(("X-Sig".into(), data_encoding::HEXLOWER.encode(mac.finish().as_bytes())));
    let second = verify(&scheme, &keys, &draft, 9).expect("the second").message_keys().to_vec();
    assert!(first.len() == 1 && second.len() == 1 && first != second);
}

/// `GetStream` and `QuickNode` sign what is compressed.
#[test]
fn compressed_bodies() {
    use std::io::Write;
    let scheme = scheme("scheme = \"hmac\"\nsignature = { header = \"X-Sig\" }\nsigned = \"{body|gunzip}\"");
    let keys = keys(&scheme, &[1]);
    let mut draft = signed(&scheme, &keys, Some(b"{\"a\":1}".to_vec()));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&draft.body).expect("memory");
    draft.body = encoder.finish().expect("memory");
    assert!(verify(&scheme, &keys, &draft, 9).is_ok());
    let last = draft.body.len() - 1;
    draft.body.truncate(last);
    assert!(verify(&scheme, &keys, &draft, 9).is_err());
}

#[test]
fn multipart_forms() {
    let scheme = scheme(
        "scheme = \"hmac\"\nsignature = { json = \"/event/hash\" }\ndocument = \"form:json\"\nsigned = \"{json:/event/time}\"",
    );
    let keys = keys(&scheme, &[1]);
    let draft = signed(&scheme, &keys, None);
    let json = form::parse(&draft.body).find(|(name, _)| **name == *b"json").expect("the field").1.into_owned();
    let part = format!(
        "--x\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{}\r\n",
        str::from_utf8(&json).expect("text")
    );
    let with = |body: String| Draft {
        headers: vec![("Content-Type".into(), "multipart/form-data; boundary=x".into())],
        body: body.into_bytes(),
        ..draft.clone()
    };
    assert!(verify(&scheme, &keys, &with(format!("{part}--x--\r\n")), 9).is_ok());
    assert!(verify(&scheme, &keys, &with(format!("{part}{part}--x--\r\n")), 9).is_err());
}

#[test]
fn secrets_never_show() {
    let github = &find("github").scheme;
    let keys = Keys::new(github, &[KeyText::new("key-1", b"hunter2-hunter2")]).expect("a secret");
    let token = &find("gitlab").scheme;
    let tokens = Keys::new(token, &[KeyText::new("key-1", b"hunter2-hunter2")]).expect("a token");
    let digest = scheme("scheme = \"digest\"\nsignature = { header = \"X-Sig\" }\nsigned = \"{body}{secret}\"");
    let digests = Keys::new(&digest, &[KeyText::new("key-1", b"hunter2-hunter2")]).expect("a secret");
    assert!(!format!("{keys:?} {tokens:?} {digests:?}").contains("hunter2"));
    let basic = scheme("scheme = \"basic\"");
    for (scheme, secrets, expected) in [
        (&**github, vec![], "holds no key"),
        (github, vec![("a", "")], "key a is empty"),
        (github, vec![("a", "x"), ("b", "x")], "keys a and b are the same"),
        (github, vec![("a b", "x")], "key id \"a b\" is not"),
        (&find("svix").scheme, vec![("a", "whsec_hunter2!")], "key a is not valid base64"),
        (&basic, vec![("a", "hunter2")], "key a is not written as user:password"),
    ] {
        let secrets: Vec<_> = secrets.iter().map(|(id, text)| KeyText::new(id, text.as_bytes())).collect();
        let fault = Keys::new(scheme, &secrets).expect_err("a fault").to_string();
        assert!(fault.starts_with(expected) && !fault.contains("hunter2"), "{fault}");
    }
}

/// A digest that is signed says nothing of a body that was cut off, unless it is compared with what is left.
#[test]
fn a_body_that_was_cut_off_is_refused() {
    for provider in providers::all().iter().filter(|provider| provider.scheme.binding == scheme::Binding::Full) {
        let keys = keys(&provider.scheme, &[1]);
        let genuine = signed(&provider.scheme, &keys, None);
        if !genuine.body.is_empty() {
            let cut = Draft { body: Vec::new(), ..genuine };
            assert!(verify(&provider.scheme, &keys, &cut, 7).is_err(), "{}", provider.id);
        }
    }
}

/// A message of each provider, made once: some signatures take a while.
static GENUINE: LazyLock<Vec<(&Provider, Keys, Draft)>> = LazyLock::new(|| {
    let genuine = |provider: &'static Provider| {
        let keys = keys(&provider.scheme, &[1]);
        let draft = signed(&provider.scheme, &keys, None);
        (provider, keys, draft)
    };
    signable().map(genuine).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_split_of_any_body_gives_the_same_verdict(body in proptest::collection::vec(any::<u8>(), 1..300), part in 1_usize..300) {
        for id in ["github", "stripe", "standard_webhooks"] {
            let scheme = &find(id).scheme;
            let keys = keys(scheme, &[1]);
            let draft = signed(scheme, &keys, Some(body.clone()));
            let whole = verify(scheme, &keys, &draft, usize::MAX).expect("good");
            let split = verify(scheme, &keys, &draft, part).expect("good");
            prop_assert_eq!(whole.message_keys(), split.message_keys());
        }
    }

    #[test]
    fn no_header_value_panics(value in "[ -~]{0,80}") {
        for provider in signable() {
            let keys = keys(&provider.scheme, &[1]);
            let mut draft = draft(&provider.scheme, None);
            draft.headers.push((provider.scheme.signature.header.to_string(), value.clone()));
            prop_assert!(verify(&provider.scheme, &keys, &draft, 100).is_err());
        }
    }

    #[test]
    fn no_body_panics(body in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'{'), Just(b'"'), Just(b'['), Just(b'&'), Just(b'%')], 0..80)) {
        for (provider, keys, genuine) in &*GENUINE {
            // Some messages have no body, and then none is the genuine one.
            let is_genuine = genuine.body == body;
            let draft = Draft { body: body.clone(), ..genuine.clone() };
            let verdict = verify(&provider.scheme, keys, &draft, 7);
            let may_verify = is_genuine || provider.scheme.binding != scheme::Binding::Full;
            prop_assert!(verdict.is_err() || may_verify, "{}", provider.id);
        }
    }
}
