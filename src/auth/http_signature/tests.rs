//! The RFC's own examples, and what must not count.

use data_encoding::BASE64;

use super::*;
use crate::auth::mac::Mac;
use crate::auth::scheme::Algorithm;
use crate::auth::signature::{EcdsaForm, PublicKey, SignatureAlgorithm, Strength};
use crate::http1::Head;

/// `test-request` of appendix B.2, with further lines of the head.
fn with_request<T>(target: &str, lines: &str, body: &[u8], read: impl FnOnce(&Message<'_>) -> T) -> T {
    let raw = format!("POST {target} HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n");
    let head = Head::parse(raw.as_bytes()).unwrap_or_else(|denial| panic!("{denial:?}: {raw}"));
    read(&Message { head: &head, bytes: raw.as_bytes(), body })
}

const TARGET: &str = "/foo?param=Value&Pet=dog";

const LINES: &str = "Date: Tue, 20 Apr 2021 02:07:55 GMT\r\nContent-Type: application/json\r\nContent-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\r\nContent-Length: 18\r\n";

const BODY: &[u8] = br#"{"hello": "world"}"#;

const URL: (&[u8], &[u8]) = (b"https://example.com", b"/foo");

/// The base of the one signature that the request announces, without asking what it must cover.
fn base(target: &str, lines: &str, input: &str) -> Option<String> {
    let lines = format!("{lines}Signature-Input: {input}\r\n");
    with_request(target, &lines, BODY, |message| {
        let mut members = dictionary(message, "signature-input").ok()??.0;
        let chosen = Chosen { member: members.remove(0), signature: None };
        let mut out = Vec::new();
        let url = (URL.0, message.path());
        let fed = if covers_digest(chosen.items()) {
            chosen.feed_base(message, url, &mut |bytes| out.extend_from_slice(bytes))
        } else {
            let bare = Message { body: b"", ..*message };
            chosen.feed_base(&bare, url, &mut |bytes| out.extend_from_slice(bytes))
        };
        fed.map(|()| String::from_utf8(out).expect("ASCII"))
    })
}

/// Appendix B.2: the bases of the requests' signatures, line by line.
#[test]
fn bases_of_the_rfcs_examples() {
    for (input, lines) in [
        (
            "sig-b21=();created=1618884473;keyid=\"test-key-rsa-pss\";nonce=\"b3k2pp5k7z-50gnwp.yemd\"",
            &[
                "\"@signature-params\": ();created=1618884473;keyid=\"test-key-rsa-pss\";nonce=\"b3k2pp5k7z-50gnwp.yemd\"",
            ][..],
        ),
        (
            "sig-b22=(\"@authority\" \"content-digest\" \"@query-param\";name=\"Pet\");created=1618884473;keyid=\"test-key-rsa-pss\";tag=\"header-example\"",
            &[
                "\"@authority\": example.com",
                "\"content-digest\": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
                "\"@query-param\";name=\"Pet\": dog",
                "\"@signature-params\": (\"@authority\" \"content-digest\" \"@query-param\";name=\"Pet\");created=1618884473;keyid=\"test-key-rsa-pss\";tag=\"header-example\"",
            ],
        ),
        (
            "sig-b23=(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"",
            &[
                "\"date\": Tue, 20 Apr 2021 02:07:55 GMT",
                "\"@method\": POST",
                "\"@path\": /foo",
                "\"@query\": ?param=Value&Pet=dog",
                "\"@authority\": example.com",
                "\"content-type\": application/json",
                "\"content-digest\": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
                "\"content-length\": 18",
                "\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"",
            ],
        ),
        (
            "sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
            &[
                "\"date\": Tue, 20 Apr 2021 02:07:55 GMT",
                "\"@authority\": example.com",
                "\"content-type\": application/json",
                "\"@signature-params\": (\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
            ],
        ),
    ] {
        assert_eq!(base(TARGET, LINES, input), Some(lines.join("\n")), "{input}");
    }
}

/// Sections 2.1 and 2.2: one component each.
#[test]
fn components() {
    let check = |target: &str, lines: &str, component: &str, expected: Option<&str>| {
        let input = format!("sig1=({component});created=1");
        let got = base(target, lines, &input).map(|base| {
            let (line, _) = base.split_once("\n\"@signature-params\"").expect("its last line");
            line.strip_prefix(&format!("{component}: ")).expect("its name").to_owned()
        });
        assert_eq!(got.as_deref(), expected, "{component} of {target} {lines}");
    };
    let plain = |component, expected| check(TARGET, "", component, expected);
    plain("\"@method\"", Some("POST"));
    plain("\"@target-uri\"", Some("https://example.com/foo?param=Value&Pet=dog"));
    plain("\"@authority\"", Some("example.com"));
    plain("\"@scheme\"", Some("https"));
    plain("\"@request-target\"", Some("/foo?param=Value&Pet=dog"));
    plain("\"@path\"", Some("/foo"));
    plain("\"@query\"", Some("?param=Value&Pet=dog"));
    plain("\"@query-param\";name=\"param\"", Some("Value"));
    for refused in [
        "\"@status\"",
        "\"@signature-params\"",
        "\"@Method\"",
        "\"@method\";req",
        "\"@method\";tr",
        "\"@path\";sf",
        "\"@query-param\"",
        "\"@query-param\";name=\"none\"",
        "\"@query-param\";name=\"Pet\";sf",
        "\"Host\"",
        "host",
        "\"host\";sf",
        "\"host\";tr",
        "\"host\";req",
        "\"host\";bs;sf",
        "\"host\";bs;key=\"a\"",
        "\"host\";other",
        "\"host\";bs=?0",
        "\"none\"",
        "1",
        ":aGk=:",
    ] {
        plain(refused, None);
    }
    check("/path", "", "\"@query\"", Some("?"));
    check("/path?", "", "\"@query\"", Some("?"));
    check("/path?", "", "\"@request-target\"", Some("/path?"));
    // Section 2.2.8's example.
    let parameters = "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&x=1&x=2&e=";
    for (name, expected) in [
        ("var", Some("this%20is%20a%20big%0Amultiline%20value")),
        ("bar", Some("with%20plus%20whitespace")),
        ("fa%C3%A7ade%22%3A%20", Some("something")),
        ("e", Some("")),
        ("x", None),
    ] {
        check(parameters, "", &format!("\"@query-param\";name=\"{name}\""), expected);
    }
    // Sections 2.1 to 2.1.3.
    let lines = "X-OWS-Header:   Leading and trailing whitespace.   \r\nCache-Control: max-age=60\r\nCache-Control:    must-revalidate\r\nExample-Dict:  a=1,    b=2;x=1;y=2,   c=(a   b   c), d\r\nX-Empty-Header:\r\nPriority:  u=1,   i\r\n";
    for (component, expected) in [
        ("\"x-ows-header\"", Some("Leading and trailing whitespace.")),
        ("\"cache-control\"", Some("max-age=60, must-revalidate")),
        ("\"example-dict\"", Some("a=1,    b=2;x=1;y=2,   c=(a   b   c), d")),
        ("\"x-empty-header\"", Some("")),
        ("\"example-dict\";key=\"a\"", Some("1")),
        ("\"example-dict\";key=\"d\"", Some("?1")),
        ("\"example-dict\";key=\"b\"", Some("2;x=1;y=2")),
        ("\"example-dict\";key=\"c\"", Some("(a b c)")),
        ("\"example-dict\";key=\"c\";sf", Some("(a b c)")),
        ("\"example-dict\";key=\"z\"", None),
        ("\"example-dict\";sf", None),
        ("\"priority\";sf", Some("u=1, i")),
        ("\"cache-control\";bs", Some(":bWF4LWFnZT02MA==:, :bXVzdC1yZXZhbGlkYXRl:")),
        ("\"cache-control\";key=\"max-age\"", Some("60")),
    ] {
        check("/", lines, component, expected);
    }
}

#[test]
fn authorities_are_normalised() {
    for (url, expected) in [
        ("https://WWW.Example.com", "www.example.com"),
        ("https://example.com:443/base", "example.com"),
        ("https://example.com:8443", "example.com:8443"),
        ("http://example.com:80", "example.com"),
        ("http://example.com:443", "example.com:443"),
        ("https://[2001:db8::7]:443", "[2001:db8::7]"),
    ] {
        let got = with_request("/foo", "Signature-Input: s=(\"@authority\");created=1\r\n", b"", |message| {
            let mut out = Vec::new();
            let member = dictionary(message, "signature-input").expect("good").expect("there").0.remove(0);
            let chosen = Chosen { member, signature: None };
            chosen.feed_base(message, (url.as_bytes(), b""), &mut |bytes| out.extend_from_slice(bytes)).expect("good");
            String::from_utf8(out).expect("ASCII")
        });
        assert!(got.starts_with(&format!("\"@authority\": {expected}\n")), "{url}: {got}");
    }
}

fn rules(label: Option<&str>, tag: Option<&str>) -> Rules {
    Rules {
        label: label.map(Into::into),
        tag: tag.map(Into::into),
        algorithm: Some("hmac-sha256"),
        cover: Rules::COVER.map(Into::into).into(),
    }
}

/// Which label counts, of a request with these two fields.
fn chosen(rules: &Rules, input: &str, signature: &str) -> Result<String, NotChosen> {
    let lines = format!("{LINES}Signature-Input: {input}\r\nSignature: {signature}\r\n");
    with_request(TARGET, &lines, b"", |message| choose(rules, message).map(|chosen| chosen.says("label").to_owned()))
}

const GOOD: &str = "(\"@method\" \"@target-uri\" \"content-digest\");created=1";

#[test]
fn what_must_be_covered() {
    let any = rules(None, None);
    let check = |announced: &str, expected: bool| {
        let got = chosen(&any, &format!("s={announced}"), "s=:AA==:");
        assert_eq!(got.is_ok(), expected, "{announced}: {got:?}");
    };
    check(GOOD, true);
    check("(\"@method\" \"@authority\" \"@request-target\" \"content-digest\")", true);
    check("(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\")", true);
    check("(\"@method\" \"@target-uri\" \"content-digest\";sf)", true);
    check("(\"@method\" \"@target-uri\" \"content-digest\";bs)", true);
    check("(\"@method\" \"@target-uri\" \"content-digest\";key=\"sha-512\")", true);
    // A digest that nobody looks at binds nothing.
    check("(\"@method\" \"@target-uri\" \"content-digest\";key=\"md5\")", false);
    check("(\"@method\" \"@authority\" \"@path\" \"content-digest\")", false);
    check("(\"@method\" \"@target-uri\")", false);
    check("(\"@target-uri\" \"content-digest\")", false);
    check("(\"@method\" \"content-digest\")", false);
    check("(\"@method\";req \"@target-uri\" \"content-digest\")", false);
    check("(\"@method\" \"@method\" \"@target-uri\" \"content-digest\")", false);
    check("(\"x\";sf;bs \"x\";bs;sf \"@method\" \"@target-uri\" \"content-digest\")", false);
    check("()", false);
    check("1", false);
    let get = |announced: &str| {
        let lines = format!("Signature-Input: s={announced}\r\nSignature: s=:AA==:\r\n");
        with_request(TARGET, &lines, b"", |message| choose(&any, message).is_ok())
    };
    assert!(get("(\"@method\" \"@target-uri\");created=1"), "without a body there is nothing to digest");
}

#[test]
fn which_signature_counts() {
    let check = |rules: &Rules, input: &str, signature: &str, expected: Result<&str, NotChosen>| {
        assert_eq!(chosen(rules, input, signature), expected.map(str::to_owned), "{input} {signature}");
    };
    let (any, labelled, tagged) = (rules(None, None), rules(Some("b"), None), rules(None, Some("t")));
    let both = format!("a={GOOD}, b={GOOD};tag=\"t\"");
    let two = "a=:AA==:, b=:AQ==:";
    check(&any, &both, two, Err(NotChosen::Invalid));
    check(&labelled, &both, two, Ok("b"));
    check(&tagged, &both, two, Ok("b"));
    // One that covers too little is passed over, and so is one that is announced and not there.
    check(&any, &format!("a=(\"@method\");created=1, b={GOOD}"), two, Ok("b"));
    check(&any, &both, "b=:AQ==:", Ok("b"));
    check(&any, &format!("a={GOOD}"), "b=:AQ==:", Err(NotChosen::Invalid));
    check(&labelled, &format!("a={GOOD}"), "a=:AQ==:", Err(NotChosen::Invalid));
    check(&tagged, &format!("a={GOOD}"), "a=:AQ==:", Err(NotChosen::Invalid));
    check(&tagged, &format!("a={GOOD};tag=t"), "a=:AQ==:", Err(NotChosen::Invalid));
    check(&any, "", "a=:AQ==:", Err(NotChosen::Missing));
    check(&any, &format!("a={GOOD}"), "", Err(NotChosen::Missing));
    for (parameter, expected) in [
        (";alg=\"hmac-sha256\"", true),
        (";alg=\"ed25519\"", false),
        (";alg=hmac-sha256", false),
        (";expires=2;nonce=\"n\";keyid=\"k\"", true),
        (";expires=\"2\"", false),
        (";expires=-2", false),
        (";expires=2.5", false),
        (";nonce=1", false),
        (";keyid=k", false),
        (";private=@1", true),
    ] {
        let got = chosen(&any, &format!("a={GOOD}{parameter}"), "a=:AQ==:");
        assert_eq!(got.is_ok(), expected, "{parameter}");
    }
    for signature in ["a=AQ", "a=\"AQ==\"", "a=(:AQ==:)", "a=:AQ==:;x", "a=:AQ:", "a", "a=:AQ==:, a=:AQ==:"] {
        assert!(chosen(&any, &format!("a={GOOD}"), signature).is_err(), "{signature}");
    }
    let unnamed = Rules { algorithm: None, ..rules(None, None) };
    assert!(chosen(&unnamed, &format!("a={GOOD};alg=\"hmac-sha512\""), "a=:AQ==:").is_err(), "no registered name");
}

/// The base holds what the rules asked for only if the body is the one that was digested.
#[test]
fn digests() {
    let check = |digest: &str, body: &[u8], expected: bool| {
        let lines = format!("Content-Digest: {digest}\r\n");
        assert_eq!(with_request("/", &lines, body, digest::holds), expected, "{digest}");
    };
    let sha256 = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    let sha512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
    check(sha256, BODY, true);
    check(sha512, BODY, true);
    check(&format!("{sha256}, {sha512}, md5=:AA==:"), BODY, true);
    check(&format!("{sha256},\t{}", sha512.replace("WZ", "WY")), BODY, false);
    check(sha256, b"", false);
    check("", b"", false);
    check("md5=:AA==:", b"", false);
    check(&sha256.replace("sha-256", "SHA-256"), BODY, false);
    check("sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", BODY, false);
    let twice = format!("{sha256}\r\nContent-Digest: {sha256}");
    check(&twice, BODY, false);
}

/// Appendix B.1.2, in one line.
const RSA_PSS: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB";

/// Appendix B.1.4.
const ED25519: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";

/// Appendix B.1.5.
const SHARED: &str = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

/// Appendix B.2: the signatures of requests. That of B.2.4 is of a response.
#[test]
fn signatures_of_the_rfcs_examples() {
    let decoded = |text: &str| BASE64.decode(text.as_bytes()).expect("base64");
    let made = |input: &str| base(TARGET, LINES, input).expect("a base");
    for (input, signature) in [
        (
            "sig-b21=();created=1618884473;keyid=\"test-key-rsa-pss\";nonce=\"b3k2pp5k7z-50gnwp.yemd\"",
            "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
        ),
        (
            "sig-b22=(\"@authority\" \"content-digest\" \"@query-param\";name=\"Pet\");created=1618884473;keyid=\"test-key-rsa-pss\";tag=\"header-example\"",
            "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
        ),
        (
            "sig-b23=(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"",
            "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
        ),
    ] {
        let key = PublicKey::from_text(RSA_PSS, Strength::Usual).expect("the RFC's key");
        let verify = |content: &str| {
            key.verify(SignatureAlgorithm::RsaPssSha512, EcdsaForm::Raw, content.as_bytes(), &decoded(signature))
        };
        assert!(verify(&made(input)), "{input}");
        assert!(!verify(&made(&input.replace("1618884473", "1618884474"))), "{input}");
    }
    let input = "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    let signature = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    let key = PublicKey::from_text(ED25519, Strength::Usual).expect("the RFC's key");
    let content = made(input);
    assert!(key.verify(SignatureAlgorithm::Ed25519, EcdsaForm::Raw, content.as_bytes(), &decoded(signature)));
    let content =
        made("sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"");
    let mut mac = Mac::new(Algorithm::Sha256, &decoded(SHARED)).expect("any length");
    mac.update(content.as_bytes());
    assert_eq!(BASE64.encode(mac.finish().as_bytes()), "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
}
