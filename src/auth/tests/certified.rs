//! Signatures under certificates, through the verifier: for whom they count, and when a certificate is asked for.

use data_encoding::BASE64;
use serde_json::Value;

use super::*;
use crate::auth::keyring::{KeyRing, Wanted};
use crate::auth::signature::{EcdsaForm, PrivateKey, SignatureAlgorithm};
use crate::auth::x509::certificates::Certificates;
use crate::auth::x509::roots::Roots;
use crate::providers;

fn find(id: &str) -> Scheme {
    Scheme::clone(&providers::find(id).expect("in the catalogue").scheme)
}

/// A ring that knows nothing yet, or never will.
fn empty_ring(scheme: &Scheme, directory: Option<Vec<(String, Vec<u8>)>>) -> KeyRing {
    let source = scheme.key_source.certificate.clone().expect("a certificate");
    KeyRing::for_certificates(Certificates::new(*source, Roots::public(), directory))
}

fn verify_with(scheme: &Scheme, keys: &Keys, ring: &KeyRing, draft: &Draft, now: Option<Now>) -> Result<usize, Reason> {
    let raw = raw_head(draft);
    let head = Head::parse(&raw).expect("a good head");
    let site = Site { key_ring: Some(ring), ..site(scheme, keys) };
    let mut verifier = Verifier::default();
    if let Some(now) = now {
        verifier.at(now);
    }
    let begun = verifier.begin(&site, &Message { head: &head, bytes: &raw, body: b"" });
    let verified = begun.and_then(|_| verifier.finish(&site, &Message { head: &head, bytes: &raw, body: &draft.body }));
    verified.map(|verified| verified.key_index().expect("a pin")).map_err(|denial| denial.reason)
}

#[test]
fn a_certificate_is_asked_for_by_messages_that_could_be_ours() {
    let scheme = find("aws_sns");
    let ours = keys(&scheme, &[1, 2]);
    let (message, foreign) = (signed(&scheme, &ours, None), signed(&scheme, &keys(&scheme, &[3]), None));
    let address = scheme.key_source.certificate.as_ref().expect("a source").pins[0].sample();
    let ring = empty_ring(&scheme, None);
    let check = |draft: &Draft, expected: Result<usize, Reason>, asked: &[&str]| {
        assert_eq!(verify_with(&scheme, &ours, &ring, draft, Some(now())), expected);
        let asked: Vec<_> = asked.iter().map(|address| Wanted::Certificate((*address).into())).collect();
        assert_eq!(ring.take_asked(), asked);
    };
    check(&message, Err(Reason::KeysUnavailable), &[&address]);
    check(&foreign, Err(Reason::CredentialInvalid), &[]);
    let replaced = |draft: &Draft, from: &str, to: &str| {
        let text = String::from_utf8(draft.body.clone()).expect("text");
        assert!(text.contains(from), "{text}");
        Draft { body: text.replace(from, to).into_bytes(), ..draft.clone() }
    };
    for (from, to) in
        [("https://", "http://"), ("amazonaws.com/", "amazonaws.com.evil.com/"), ("https://sns.", "https://x@sns.")]
    {
        check(&replaced(&message, from, to), Err(Reason::CredentialInvalid), &[]);
    }
    let known = sample_ring(&scheme, now()).expect("a ring");
    assert_eq!(verify_with(&scheme, &ours, &known, &message, Some(now())), Ok(0));
    assert_eq!(verify_with(&scheme, &keys(&scheme, &[2, 1]), &known, &message, Some(now())), Ok(1));
    assert_eq!(verify_with(&scheme, &ours, &known, &foreign, Some(now())), Err(Reason::CredentialInvalid));
    // Without a time no certificate is valid; a directory asks nobody.
    assert_eq!(verify_with(&scheme, &ours, &known, &message, None), Err(Reason::KeysUnavailable));
    let offline = empty_ring(&scheme, Some(Vec::new()));
    assert_eq!(verify_with(&scheme, &ours, &offline, &message, Some(now())), Err(Reason::KeysUnavailable));
    assert!(offline.take_asked().is_empty());
    let nowhere = KeyRing::default();
    assert_eq!(verify_with(&scheme, &ours, &nowhere, &message, Some(now())), Err(Reason::KeysUnavailable));
}

/// `SignatureVersion` 1 and 2, by the one key; a route may want the second alone.
#[test]
fn both_versions_of_sns() {
    let provider = providers::find("aws_sns").expect("in the catalogue");
    let scheme = Scheme::clone(&provider.scheme);
    let keys = keys(&scheme, &[1]);
    let message = signed(&scheme, &keys, None);
    let mut document: Value = serde_json::from_slice(&message.body).expect("JSON");
    let text = |name: &str| document[name].as_str().expect("text").to_owned();
    let names = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"];
    let content = names.map(|name| format!("{name}\n{}\n", text(name))).concat();
    let private = sample_private(&scheme, 1);
    let private = PrivateKey::from_text(&private[private.find("-----BEGIN").expect("a key")..]).expect("a key");
    document.as_object_mut().expect("an object").remove("Subject");
    let only_sha256 = providers::CustomFields { algorithm: Some("pkcs1_sha256".into()), ..Default::default() };
    let strict = provider.scheme_with(&only_sha256).expect("a choice that is open");
    for (algorithm, expected) in [
        (SignatureAlgorithm::RsaPkcs1Sha1, [true, false]),
        (SignatureAlgorithm::RsaPkcs1Sha256, [true, true]),
        (SignatureAlgorithm::RsaPkcs1Sha512, [false, false]),
    ] {
        let signature = private.sign(algorithm, EcdsaForm::Raw, content.as_bytes()).expect("a signature");
        document["Signature"] = BASE64.encode(&signature).into();
        let draft = Draft { body: document.to_string().into_bytes(), ..message.clone() };
        let got = [&scheme, &*strict].map(|scheme| verify(scheme, &keys, &draft, 9).is_ok());
        assert_eq!(got, expected, "{algorithm:?}");
    }
}

/// What `PayPal` signs of the body is a checksum: another body may have the same, but it is no new delivery.
#[test]
fn a_delivery_of_paypal_is_taken_once_whatever_comes_with_it() {
    let scheme = find("paypal");
    let keys = keys(&scheme, &[1]);
    let message = signed(&scheme, &keys, Some(b"plumless".to_vec()));
    let other = Draft { body: b"buckeroo".to_vec(), ..message.clone() };
    let claims = |draft: &Draft| verify(&scheme, &keys, draft, 9).map(|verified| verified.message_keys().to_vec());
    let claimed = claims(&message).expect("a good message");
    assert_eq!(claims(&other), Ok(claimed), "the same CRC-32");
    let third = Draft { body: b"plumlesS".to_vec(), ..message };
    assert!(claims(&third).is_err());
}

/// Adobe rolls its keys over: each of two signatures has an address of its own, and one that verifies is enough.
#[test]
fn one_of_two_signatures_is_enough() {
    let scheme = find("adobe_io_events");
    let keys = keys(&scheme, &[1]);
    let message = signed(&scheme, &keys, None);
    let path = |index: usize, file: &str| (format!("x-adobe-public-key{index}-path"), format!("/prod/keys/{file}"));
    let ring = sample_ring(&scheme, now()).expect("a ring");
    let check = |headers: Vec<(String, String)>, expected: Result<usize, Reason>| {
        let mut draft = message.clone();
        draft.headers.retain(|(name, _)| !name.starts_with("x-adobe-public-key"));
        draft.headers.extend(headers.clone());
        assert_eq!(verify_with(&scheme, &keys, &ring, &draft, Some(now())), expected, "{headers:?}");
    };
    check(vec![path(1, "pub-key-sample.pem")], Ok(0));
    check(vec![path(2, "pub-key-sample.pem")], Ok(0));
    check(vec![path(1, "pub-key-new.pem"), path(2, "pub-key-sample.pem")], Ok(0));
    check(vec![path(1, "pub-key-new.pem")], Err(Reason::KeysUnavailable));
    check(vec![], Err(Reason::CredentialMissing));
    for bad in ["../pub-key-sample.pem", "pub-key-sample.pem?x", "x/pub-key-sample.pem", "pub-key-.pem"] {
        check(vec![path(1, bad)], Err(Reason::CredentialInvalid));
    }
    check(
        vec![("x-adobe-public-key1-path".into(), "@evil.com/prod/keys/pub-key-sample.pem".into())],
        Err(Reason::CredentialInvalid),
    );
}

#[test]
fn definitions_without_a_pin_are_refused() {
    let about = "id = \"test\"\nname = \"Test\"\ndocs = \"https://example.com\"\nconfidence = \"docs\"\n";
    let certificate = |rest: &str| {
        format!(
            "scheme = \"rsa\"\nsignature = {{ header = \"X\" }}\ncheck = [{{ value = \"{{json:/id}}\", equals = \"{{secret}}\" }}]\ncertificate = {{ {rest} }}"
        )
    };
    let good = "url = \"{header:Y}\", pin = \"https://h/*.pem\", names = [\"h\"]";
    for (keys, expected) in [
        (certificate(good), ""),
        (certificate(good).replace("{secret}", "x"), "anybody can have such a signature made"),
        (certificate(good).replace("rsa", "hmac"), "is for scheme"),
        (certificate(&good.replace("https://h/", "http://h/")), "is not like https://host/path"),
        (certificate(&good.replace("https://h/", "https://*/")), "is not like https://host/path"),
        (certificate(&good.replace("https://h/*", "https://h*")), "is not like https://host/path"),
        (certificate(&good.replace("*.pem", "{x}.pem")), "has open places other than"),
        (certificate(&good.replace("[\"h\"]", "[]")), "whoever has a certificate could sign"),
        (certificate(&format!("{good}, kind = \"key\"")), "accepted are certificate, public_key"),
        (certificate(&format!("{good}, chain = \"no\"")), "accepted are required, if_present"),
        (format!("{}\nkeys = {{ jwks = true }}", certificate(good)), "goes without certificate"),
    ] {
        let parsed = providers::parse("test.toml", &format!("{about}{keys}"));
        let told = parsed.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert_eq!(told.is_empty(), expected.is_empty(), "{keys}: {told}");
        assert!(told.contains(expected), "{keys}: {told}");
    }
}
