//! HTTP message signatures through the verifier: several of them, their end, and what a claim remembers of them.

use super::*;

const HMAC: &str = "scheme = \"hmac\"\nhttp_signature = {}\ntimestamp = { from = \"signature\" }\n";

fn header<'d>(draft: &'d Draft, name: &str) -> &'d str {
    draft.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// The draft with another announcement, signed anew by the first key.
fn announcing(scheme: &Scheme, keys: &Keys, draft: &Draft, input: &str) -> Draft {
    let mut draft = draft.clone();
    draft.headers.retain(|(name, _)| !name.starts_with("Signature"));
    draft.headers.push(("Signature-Input".into(), input.into()));
    let mut mac = keys.at(0).and_then(Key::mac).expect("an HMAC key");
    let raw = raw_head(&draft);
    let head = Head::parse(&raw).expect("a good head");
    let message = Message { head: &head, bytes: &raw, body: &draft.body };
    let rules = scheme.signature.rules().expect("rules");
    let url = (&b"https://example.com"[..], message.path());
    // What does not count has no base.
    let _ = http_signature::feed_base(rules, &message, url, &mut |bytes| mac.update(bytes));
    let signature = data_encoding::BASE64.encode(mac.finish().as_bytes());
    let label = input.split_once('=').expect("a label").0;
    draft.headers.push(("Signature".into(), format!("{label}=:{signature}:")));
    draft
}

#[test]
fn times_are_those_of_the_signature() {
    let scheme = scheme(HMAC);
    let keys = keys(&scheme, &[1]);
    let draft = signed(&scheme, &keys, None);
    let check = |parameters: &str, expected: Result<Option<u64>, Reason>| {
        let input = format!("s=(\"@method\" \"@target-uri\" \"content-digest\"){parameters}");
        let verdict = verify(&scheme, &keys, &announcing(&scheme, &keys, &draft, &input), 9);
        let verdict = verdict.and_then(|verified| {
            verified.validity().check(now())?;
            Ok(verified.validity().expires.map(|end| end.as_secs()))
        });
        assert_eq!(verdict.map_err(|denial| denial.reason), expected, "{parameters}");
    };
    let now = NOW.as_secs();
    check(&format!(";created={now}"), Ok(None));
    // Its last second counts.
    check(&format!(";created={now};expires={now}"), Ok(Some(now + 1)));
    check(&format!(";created={};expires={}", now - 10, now - 1), Err(Reason::TimestampStale));
    check(&format!(";created={}", now - 301), Err(Reason::TimestampStale));
    check(&format!(";created={}", now + 301), Err(Reason::TimestampFuture));
    check(&format!(";expires={now}"), Err(Reason::TimestampMissing));
    check(&format!(";created=\"{now}\""), Err(Reason::CredentialInvalid));
    check(";created=99999999999999", Err(Reason::TimestampFuture));
    check(&format!(";created={now};alg=\"hmac-sha256\""), Ok(None));
    check(&format!(";created={now};alg=\"ed25519\""), Err(Reason::CredentialInvalid));
}

/// A label is not signed: under another one it is the same message.
#[test]
fn another_label_is_a_replay() {
    let scheme = scheme(HMAC);
    let keys = keys(&scheme, &[1]);
    let draft = signed(&scheme, &keys, None);
    let claims = |draft: &Draft| verify(&scheme, &keys, draft, 9).expect("good").message_keys().to_vec();
    let mut other = draft.clone();
    for (name, value) in other.headers.iter_mut().filter(|(name, _)| name.starts_with("Signature")) {
        *value = value.replace("sig1=", "other=");
        assert!(value.starts_with("other="), "{name}");
    }
    assert_eq!(claims(&draft), claims(&other));
    let spaced = header(&draft, "Signature-Input").replace("(\"@method\" ", "( \"@method\"   ");
    for (name, value) in &mut other.headers {
        if name == "Signature-Input" {
            value.clone_from(&spaced);
        }
    }
    other.headers.iter_mut().filter(|(name, _)| name == "Signature").for_each(|(_, value)| {
        *value = value.replace("other=", "sig1=");
    });
    assert_eq!(claims(&draft), claims(&other), "blanks are no other message");
}

/// One for us and one for somebody else: ours is told by its tag, or by being the only one that covers enough.
#[test]
fn several_signatures() {
    let plain = scheme(HMAC);
    let tagged = scheme(&HMAC.replace("{}", "{ tag = \"ours\" }"));
    let keys = keys(&plain, &[1]);
    let draft = signed(&plain, &keys, None);
    let now = NOW.as_secs();
    let covered = "(\"@method\" \"@target-uri\" \"content-digest\")";
    let one = announcing(&plain, &keys, &draft, &format!("a={covered};created={now};tag=\"ours\""));
    let with = |announced: &str, signature: &str| {
        let mut draft = one.clone();
        for (name, value) in &mut draft.headers {
            let more = match name.as_str() {
                "Signature-Input" => announced,
                "Signature" => signature,
                _ => continue,
            };
            *value = format!("{more}, {value}");
        }
        draft
    };
    let proxys = with(&format!("p=(\"@method\");created={now};keyid=\"proxy\""), "p=:AAAA:");
    let rivals = with(&format!("p={covered};created={now}"), "p=:AAAA:");
    let verdict =
        |scheme: &Scheme, draft: &Draft| verify(scheme, &keys, draft, 9).map(|_| ()).map_err(|denial| denial.reason);
    assert_eq!(verdict(&plain, &proxys), Ok(()));
    assert_eq!(verdict(&plain, &rivals), Err(Reason::CredentialInvalid));
    assert_eq!(verdict(&tagged, &rivals), Ok(()));
    assert_eq!(verdict(&tagged, &signed(&plain, &keys, None)), Err(Reason::CredentialInvalid), "without the tag");
    let untagged = announcing(&plain, &keys, &draft, &format!("a={covered};created={now}"));
    assert_eq!(verdict(&tagged, &untagged), Err(Reason::CredentialInvalid));
}

/// `{item:…}` reads what is signed with the signature.
#[test]
fn parameters_can_be_asked_for() {
    let scheme = scheme(&format!("{HMAC}check = [{{ value = \"{{item:keyid}}\", equals = \"k1\" }}]"));
    let keys = keys(&scheme, &[1]);
    let draft = signed(&self::scheme(HMAC), &keys, None);
    let with = |keyid: &str| {
        let input = format!("a=(\"@method\" \"@target-uri\" \"content-digest\");created={}{keyid}", NOW.as_secs());
        verify(&scheme, &keys, &announcing(&scheme, &keys, &draft, &input), 9).map(|_| ())
    };
    assert_eq!(with(";keyid=\"k1\""), Ok(()));
    assert_eq!(with(";keyid=\"k2\""), Err(Reason::CredentialInvalid.into()));
    assert_eq!(with(""), Err(Reason::CredentialInvalid.into()));
}

#[test]
fn definitions_that_bind_too_little_are_refused() {
    let about = "id = \"test\"\nname = \"Test\"\ndocs = \"https://example.com\"\nconfidence = \"docs\"\n";
    for (keys, expected) in [
        ("http_signature = { cover = [\"@method\", \"content-digest\"] }", "must have @target-uri or @request-target"),
        ("http_signature = { cover = [\"@method\", \"@target-uri\"] }", "must have content-digest"),
        ("http_signature = { cover = [\"@status\", \"@target-uri\", \"content-digest\"] }", "\"@status\" is not known"),
        ("http_signature = { label = \"Sig 1\" }", "is not such a text"),
        ("http_signature = { tag = \"a\\\"b\" }", "is not such a text"),
        ("http_signature = {}\nsigned = \"{body}\"", "signs what it announces"),
        ("http_signature = {}\nsignature = { header = \"X\" }", "goes without http_signature"),
        ("http_signature = {}\ncheck = [{ value = \"{item:sub}\", equals = \"x\" }]", "does not capture it"),
        ("signature = { header = \"X\" }\nsigned = \"{signature_base}\"", "has no place here"),
    ] {
        let errors = crate::providers::parse("test.toml", &format!("{about}scheme = \"hmac\"\n{keys}"));
        let told = errors.expect_err("a fault").iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected), "{keys}: {told}");
    }
}
