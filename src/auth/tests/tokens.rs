//! Signed tokens: each algorithm, place and payload through the whole battery; the RFCs' own examples; and the attacks
//! of RFC 8725, each a row.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::battery::battery;
use super::*;
use crate::auth::client::ClientIdentity;
use crate::auth::keyring::{KeyRing, Wanted};
use crate::auth::keys::KeyFault;
use crate::auth::mac::Mac;
use crate::auth::scheme::{Algorithm, Binding, Field, JsonPath};
use crate::auth::signature::{EcdsaForm, KeySet, PrivateKey, PublicKey, SignatureAlgorithm, Strength};

const BEARER: &str = "signature = { header = \"Authorization\", format = \"Bearer {token}\" }\n";
const BOUND: &str = "check = [{ value = \"{claim:/hash}\", equals = \"{body|sha256|hex}\" }]\n";

fn jwt(algorithm: &str, rest: &str) -> Scheme {
    scheme(&format!("scheme = \"jwt\"\nalgorithm = \"{algorithm}\"\n{rest}"))
}

#[test]
fn every_algorithm() {
    for algorithm in
        ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
    {
        battery(algorithm, &jwt(algorithm, &format!("{BEARER}{BOUND}")));
    }
}

#[test]
fn every_place_and_payload() {
    for rest in [
        "signature = { header = \"X-Sig\" }\ncheck = [{ value = \"{claim:/h|unbase64url}\", equals = \"{body|sha256}\" }]",
        "signature = { query = \"jwt\" }\ncheck = [{ value = \"{claim:/body/hash?}\", equals = \"{body|unless_empty|sha256|base64}\" }]",
        "signature = { header = \"X-Sig\" }\ncheck = [{ value = \"{claim:/u}\", equals = \"{url}\" }, { value = \"{claim:/m}\", equals = \"{method}\" }]",
        "signature = { header = \"X-Sig\" }\ncheck = [{ value = \"{claim:/iss}\", equals = \"{secret:id}\" }]\nsecret = { parts = [\"id\", \"key\"], key = \"{secret:key}\" }",
        "signature = { header = \"X-Sig\" }\nclaims = { issuer = \"me\", audience = [\"you\", \"them\"], required = [\"ok=true\", \"scope=a\", \"sub\"] }",
        "signature = { header = \"X-Sig\" }\npayload = \"{body}\"",
        "signature = { header = \"X-Sig\" }\npayload = \"{body}\"\nb64 = false\ntimestamp = { from = \"jose:ts\" }",
        "signature = { header = \"X-Sig\" }\npayload = \"{method} {path}\\n{header:X-Id}{body}\"\ncheck = [{ value = \"{jose:/v}\", equals = \"2\" }]",
        "signature = { body = true }\nclaims = { expires = \"optional\" }\ntimestamp = { from = \"claim:/at\", unit = \"rfc3339\" }\ndelivery_id = { claim = \"id\" }\nevent = { claim = \"/data/type\" }",
        "signature = { json = \"/signedPayload\" }\nclaims = { expires = \"optional\" }\ntimestamp = { from = \"claim:signedDate\", unit = \"ms\" }\nevent = { claim = \"type\" }",
        "signature = { form = \"token\" }\ntimestamp = { from = \"claim:iat\" }",
    ] {
        battery(rest, &jwt("HS256", rest));
    }
    battery("ES256", &jwt("ES256", "signature = { body = true }"));
}

/// A request with a token in `Authorization`, or as its body.
pub(super) fn bearing(token: &str, body: &str) -> Draft {
    let headers = vec![("Authorization".into(), format!("Bearer {token}"))];
    Draft { method: "POST".into(), url: "https://example.com/hook".into(), headers, body: body.into() }
}

/// What a route says of a request, at a time.
pub(super) fn judged(site: &Site<'_>, draft: &Draft, seconds: u64) -> Result<Verified, Reason> {
    let raw = raw_head(draft);
    let head = Head::parse(&raw).expect("a good head");
    let now = Now { wall: Duration::from_secs(seconds), ..Now::read() };
    let mut verifier = Verifier::default();
    verifier.at(now);
    let verdict = verifier
        .begin(site, &Message { head: &head, bytes: &raw, body: b"" })
        .and_then(|_| verifier.finish(site, &Message { head: &head, bytes: &raw, body: &draft.body }));
    let verified = verdict.map_err(|denial| denial.reason)?;
    fresh(verified.signed_time(), site.scheme.tolerance, now).map_err(|denial| denial.reason)?;
    verified.validity().check(now).map_err(|denial| denial.reason)?;
    Ok(verified)
}

fn keys_of(scheme: &Scheme, secret: &str) -> Keys {
    Keys::new(scheme, &[KeyText::new("1", secret.as_bytes())]).expect("a good key")
}

/// RFC 7515 appendices A.1 to A.4, RFC 8037 appendix A.4, RFC 7797 sections 4.1 and 4.2.
#[test]
fn the_rfcs_own_examples() {
    const SHARED: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const RSA: &str = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
    const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const P521: &str = r#"{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#;
    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let claims = format!(
        "{BEARER}claims = {{ issuer = \"joe\", required = [\"http://example.com/is_root=true\"] }}\nsecret = {{ encoding = \"base64url\" }}"
    );
    let plain = claims.replace("\nsecret = { encoding = \"base64url\" }", "");
    let detached = |secret: &str| format!("{BEARER}payload = \"{{body}}\"\n{secret}");
    let shared = "secret = { encoding = \"base64url\" }\n";
    for (algorithm, rest, key, token, body) in [
        ("HS256", claims.clone(), SHARED, format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), ""),
        ("RS256", plain.clone(), RSA, format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"), ""),
        ("ES256", plain, P256, format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"), ""),
        ("ES512", detached(""), P521, "eyJhbGciOiJFUzUxMiJ9..AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn".into(), "Payload"),
        ("EdDSA", detached(""), ED25519, "eyJhbGciOiJFZERTQSJ9..hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg".into(), "Example of Ed25519 signing"),
        ("HS256", detached(shared), SHARED, "eyJhbGciOiJIUzI1NiJ9..5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ".into(), "$.02"),
        ("HS256", detached(&format!("b64 = false\n{shared}")), SHARED, "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY".into(), "$.02"),
    ] {
        let scheme = jwt(algorithm, &rest);
        let keys = keys_of(&scheme, key);
        let site = site(&scheme, &keys);
        let verdict = judged(&site, &bearing(&token, body), 1_300_819_379);
        assert!(verdict.is_ok(), "{algorithm}: {verdict:?}");
        let changed = judged(&site, &bearing(&token, "another body"), 1_300_819_379).map(|_| ());
        let expected = if scheme.binding == Binding::Full { Err(Reason::CredentialInvalid) } else { Ok(()) };
        assert_eq!(changed, expected, "{algorithm}");
    }
}

/// A token of these very texts under a shared secret.
fn hs256(secret: &[u8], header: &str, claims: &str) -> String {
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let input = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Mac::new(Algorithm::Sha256, secret).expect("any length");
    mac.update(input.as_bytes());
    format!("{input}.{}", BASE64URL_NOPAD.encode(mac.finish().as_bytes()))
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"exp":1700000300,"sub":"a"}"#;

/// What the one spelling of a token becomes, each a row: only the first is accepted.
#[test]
#[allow(clippy::too_many_lines, reason = "rows")]
fn tokens_that_are_not_what_they_should_be() {
    let scheme = jwt("HS256", BEARER);
    let keys = keys_of(&scheme, "a shared secret");
    let site = site(&scheme, &keys);
    let sign = |header: &str, claims: &str| hs256(b"a shared secret", header, claims);
    let good = sign(HEADER, CLAIMS);
    let (input, signature) = good.rsplit_once('.').expect("three parts");
    let (header, claims) = input.split_once('.').expect("two parts");
    let deep = format!("{{\"exp\":1700000300,\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let wide =
        format!("{{\"exp\":1700000300,{}}}", (0..300).map(|at| format!("\"c{at}\":1")).collect::<Vec<_>>().join(","));
    let huge = format!("{{\"exp\":1700000300,\"a\":\"{}\"}}", "a".repeat(16 * 1024));
    let none = |alg: &str| format!("{}.{claims}.", BASE64URL_NOPAD.encode(format!(r#"{{"alg":"{alg}"}}"#).as_bytes()));
    let accepted = [
        good.clone(),
        sign(
            r#"{"alg":"HS256","kid":"../../etc/passwd","jku":"https://evil.example","jwk":{"kty":"oct","k":"AA"},"x5u":"https://evil.example","x5c":["AA"]}"#,
            CLAIMS,
        ),
        sign(r#"{"\u0061lg":"HS256"}"#, CLAIMS),
        sign(HEADER, r#" {"exp":1700000300, "nested":{"a":1,"a":2}} "#),
    ];
    for token in accepted {
        assert!(judged(&site, &bearing(&token, ""), 1_700_000_000).is_ok(), "{token}");
    }
    let refused = [
        // No signature, or none that is one.
        none("none"),
        none("None"),
        none("NONE"),
        none("nOnE"),
        none("HS256"),
        none(""),
        format!("{input}."),
        input.to_owned(),
        format!("{input}.{}", &signature[..42]),
        format!("{input}.{signature}AA"),
        // Other spellings.
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{good}="),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}=.{signature}"),
        good.replace('.', ".."),
        format!("{header} .{claims}.{signature}"),
        format!("{input}.{}", other_end(signature)),
        format!("{}.{claims}.{signature}", header.to_lowercase()),
        // Headers that may not be believed.
        sign(r#"{"alg":"HS384"}"#, CLAIMS),
        sign(r#"{"alg":"hs256"}"#, CLAIMS),
        sign(r#"{"alg":" HS256"}"#, CLAIMS),
        sign(r#"{"alg":["HS256"]}"#, CLAIMS),
        sign(r#"{"alg":256}"#, CLAIMS),
        sign(r#"{"typ":"JWT"}"#, CLAIMS),
        sign("{}", CLAIMS),
        sign(r#"{"alg":"HS256","alg":"HS256"}"#, CLAIMS),
        sign(r#"{"alg":"none","\u0061lg":"HS256"}"#, CLAIMS),
        sign(r#"{"alg":"HS256","typ":"a","typ":"b"}"#, CLAIMS),
        sign(r#"{"alg":"HS256","kid":1}"#, CLAIMS),
        sign(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, CLAIMS),
        sign(r#"{"alg":"HS256","crit":[]}"#, CLAIMS),
        sign(r#"{"alg":"HS256","crit":"exp"}"#, CLAIMS),
        sign(r#"{"alg":"HS256","crit":["b64"],"b64":true}"#, CLAIMS),
        sign(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, CLAIMS),
        sign(r#"{"alg":"HS256","b64":false}"#, CLAIMS),
        sign(r#"["alg","HS256"]"#, CLAIMS),
        sign(r#""HS256""#, CLAIMS),
        sign("", CLAIMS),
        sign("{\"alg\":\"HS256\"", CLAIMS),
        sign("{\"alg\":\"HS256\",\"a\":\"\u{0}\"}", CLAIMS),
        // Claims that may not be believed.
        sign(HEADER, "{}"),
        sign(HEADER, ""),
        sign(HEADER, "[]"),
        sign(HEADER, "null"),
        sign(HEADER, r#"{"exp":"1700000300"}"#),
        sign(HEADER, r#"{"exp":null}"#),
        sign(HEADER, r#"{"exp":-1}"#),
        sign(HEADER, r#"{"exp":1e10}"#),
        sign(HEADER, r#"{"exp":true}"#),
        sign(HEADER, r#"{"exp":1700000300,"nbf":"0"}"#),
        sign(HEADER, r#"{"exp":1700000300,"iat":{}}"#),
        sign(HEADER, r#"{"exp":1700000300,"sub":"a","sub":"b"}"#),
        sign(HEADER, r#"{"exp":1,"exp":1700000300}"#),
        sign(HEADER, r#"{"exp":1700000300,"\u0065xp":1}"#),
        sign(HEADER, r#"{"exp":1700000300}x"#),
        sign(HEADER, &deep),
        sign(HEADER, &wide),
        sign(HEADER, &huge),
    ];
    for token in refused {
        let verdict = judged(&site, &bearing(&token, ""), 1_700_000_000).map(|_| ());
        assert_eq!(verdict, Err(Reason::CredentialInvalid), "{token}");
    }
    for (draft, expected) in [
        (Draft { headers: Vec::new(), ..bearing("", "") }, Reason::CredentialMissing),
        (
            Draft { headers: vec![("Authorization".into(), format!("Basic {good}"))], ..bearing("", "") },
            Reason::CredentialInvalid,
        ),
        (
            Draft { headers: [bearing(&good, "").headers, bearing(&good, "").headers].concat(), ..bearing("", "") },
            Reason::CredentialInvalid,
        ),
    ] {
        assert_eq!(judged(&site, &draft, 1_700_000_000).map(|_| ()), Err(expected), "{draft:?}");
    }
}

/// The same 32 bytes with other bits at the end, which say nothing.
fn other_end(signature: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = signature.as_bytes().to_vec();
    let last = bytes.last_mut().expect("a signature");
    let at = alphabet.iter().position(|byte| byte == last).expect("base64url");
    *last = alphabet[at ^ 1];
    String::from_utf8(bytes).expect("ASCII")
}

/// RFC 8725 section 2.1: the public key, in every spelling that a library could have fed to an HMAC, is no secret.
#[test]
fn a_public_key_is_no_shared_one() {
    let scheme = jwt("RS256", BEARER);
    let pem = sample_secret(&scheme, 1);
    let keys = keys_of(&scheme, &pem);
    let site = site(&scheme, &keys);
    let der = pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    let bytes = data_encoding::BASE64.decode(der.as_bytes()).expect("DER");
    for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), der.as_bytes(), &bytes, b""] {
        for header in [HEADER, r#"{"alg":"RS256"}"#] {
            let token = hs256(secret, header, CLAIMS);
            let verdict = judged(&site, &bearing(&token, ""), 1_700_000_000).map(|_| ());
            assert_eq!(verdict, Err(Reason::CredentialInvalid), "{header}");
        }
    }
    let fault = Keys::new(&jwt("HS256", BEARER), &[KeyText::new("1", pem.as_bytes())]).expect_err("a public key");
    assert_eq!(fault, KeyFault::NotSecret("1".into()));
}

/// An ECDSA signature is the two numbers side by side (RFC 7518 section 3.4), never DER, and never zeros (CVE-2022-21449).
#[test]
fn ecdsa_is_raw() {
    let scheme = jwt("ES256", BEARER);
    let keys = keys(&scheme, &[1]);
    let site = site(&scheme, &keys);
    let private = PrivateKey::from_text(&sample_private(&scheme, 1)).expect("a sample");
    let input =
        format!("{}.{}", BASE64URL_NOPAD.encode(br#"{"alg":"ES256"}"#), BASE64URL_NOPAD.encode(CLAIMS.as_bytes()));
    let signed = |form| private.sign(SignatureAlgorithm::EcdsaP256Sha256, form, input.as_bytes()).expect("signs");
    for (signature, expected) in [
        (signed(EcdsaForm::Raw), true),
        (signed(EcdsaForm::Der), false),
        (vec![0; 64], false),
        (vec![0; 63], false),
        ([&[0][..], &signed(EcdsaForm::Raw)].concat(), false),
    ] {
        let token = format!("{input}.{}", BASE64URL_NOPAD.encode(&signature));
        assert_eq!(judged(&site, &bearing(&token, ""), 1_700_000_000).is_ok(), expected, "{signature:?}");
    }
}

#[test]
fn a_set_of_keys_and_what_a_token_says_of_it() {
    let scheme = jwt("ES256", &format!("{BEARER}keys = {{ jwks = true }}"));
    let none = Keys::none();
    let sample = |seed| PublicKey::from_text(&sample_secret(&scheme, seed), Strength::Usual);
    let labelled = |seed, kid| sample(seed).expect("a sample").labelled(kid, None);
    let token = |seed, kid: Option<&str>| {
        let private = PrivateKey::from_text(&sample_private(&scheme, seed)).expect("a sample");
        let mut header = json!({ "alg": "ES256" });
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let input = format!("{}.{}", encode(&header.to_string()), encode(CLAIMS));
        let signature = private.sign(SignatureAlgorithm::EcdsaP256Sha256, EcdsaForm::Raw, input.as_bytes());
        format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.expect("signs")))
    };
    let ring = KeyRing::default();
    let check = |token: &str, expected: Result<Option<&str>, Reason>, asks: bool| {
        let site = Site { key_ring: Some(&ring), ..site(&scheme, &none) };
        let verdict = judged(&site, &bearing(token, ""), 1_700_000_000);
        let kid = verdict.as_ref().map(|verified| verified.ring_key().and_then(PublicKey::kid));
        assert_eq!(kid.map_err(|reason| *reason), expected, "{token}");
        assert_eq!(ring.take_asked() == [Wanted::Keys], asks, "{token}");
    };
    check(&token(1, Some("a")), Err(Reason::KeysUnavailable), true);
    check("no.token", Err(Reason::CredentialInvalid), false);
    ring.put(KeySet::new(vec![labelled(1, Some("a")), labelled(2, Some("b"))]).expect("two keys"));
    check(&token(1, Some("a")), Ok(Some("a")), false);
    check(&token(2, Some("b")), Ok(Some("b")), false);
    check(&token(2, None), Ok(Some("b")), false);
    check(&token(2, Some("a")), Err(Reason::CredentialInvalid), false);
    check(&token(3, Some("a")), Err(Reason::CredentialInvalid), false);
    check(&token(1, Some("c")), Err(Reason::CredentialInvalid), true);
    check(&token(3, None), Err(Reason::CredentialInvalid), true);
    for kid in ["", "a/../a", "A", "a\u{0}", "/dev/null", "https://evil.example/keys", "' or '1'='1"] {
        check(&token(1, Some(kid)), Err(Reason::CredentialInvalid), true);
    }
    ring.put(KeySet::new(vec![labelled(1, None), labelled(2, None)]).expect("two keys"));
    check(&token(2, None), Ok(None), false);
    check(&token(2, Some("any")), Ok(None), false);
}

#[test]
fn when_a_token_holds() {
    let scheme = jwt(
        "HS256",
        &format!(
            "{BEARER}timestamp = {{ from = \"claim:iat\" }}\ntolerance = \"30s\"\nclaims = {{ expires = \"optional\", leeway = \"5s\" }}"
        ),
    );
    let keys = keys_of(&scheme, "s");
    for (claims, now, expected) in [
        (r#"{"iat":1000}"#, 1000, Ok(())),
        (r#"{"iat":1000.5}"#, 1030, Ok(())),
        (r#"{"iat":1000}"#, 1031, Err(Reason::TimestampStale)),
        (r#"{"iat":1000}"#, 994, Err(Reason::TimestampFuture)),
        (r#"{"iat":1000}"#, 995, Ok(())),
        (r#"{"iat":1000,"exp":1010}"#, 1014, Ok(())),
        (r#"{"iat":1000,"exp":1010}"#, 1015, Err(Reason::TimestampStale)),
        (r#"{"iat":1000,"nbf":1010}"#, 1004, Err(Reason::TimestampFuture)),
        (r#"{"iat":1000,"nbf":1010}"#, 1005, Ok(())),
        (r#"{"iat":"1000"}"#, 1000, Err(Reason::CredentialInvalid)),
        ("{}", 1000, Err(Reason::TimestampMissing)),
        (r#"{"iat":18446744073709551615,"exp":18446744073709551615}"#, 1000, Err(Reason::TimestampFuture)),
    ] {
        let verdict = judged(&site(&scheme, &keys), &bearing(&hs256(b"s", HEADER, claims), ""), now);
        assert_eq!(verdict.map(|_| ()), expected, "{claims} at {now}");
    }
}

#[test]
fn what_a_token_binds_and_what_a_claim_remembers() {
    let check = |rest: &str, binding: Binding, per_message: bool, claims_body: bool| {
        let scheme = jwt("HS256", rest);
        let got = (scheme.binding, scheme.is_per_message(), scheme.claims_body);
        assert_eq!(got, (binding, per_message, claims_body), "{rest}");
        scheme
    };
    let json = Field::Json(JsonPath::parse("id").expect("a path"));
    let query = Field::Query("a".into());
    let claim = Field::Claim(JsonPath::parse("id").expect("a path"));
    let bearer = check(BEARER, Binding::None, false, false);
    assert!(!bearer.signs(&json) && !bearer.signs(&query) && bearer.signs(&claim));
    let whole = check(&format!("{BEARER}{BOUND}"), Binding::Full, true, false);
    assert!(whole.signs(&json) && !whole.signs(&query));
    let url = check(
        &format!("{BEARER}check = [{{ value = \"{{claim:/u}}\", equals = \"{{url}}\" }}]"),
        Binding::Partial,
        true,
        true,
    );
    assert!(!url.signs(&json) && url.signs(&query));
    check(&format!("{BEARER}check = [{{ value = \"{{claim:/v}}\", equals = \"1\" }}]"), Binding::None, false, false);
    check("signature = { body = true }", Binding::Full, true, false);
    check("signature = { json = \"/t\" }", Binding::Partial, true, true);
    check(&format!("{BEARER}payload = \"{{body}}\""), Binding::Full, true, false);
    check(&format!("{BEARER}payload = \"{{header:X-Id}}\""), Binding::Partial, true, true);
    check(&format!("{BEARER}{BOUND}claim = \"none\""), Binding::Full, false, false);
    check(&format!("{BEARER}claim = \"signed\""), Binding::None, true, false);
}

#[test]
fn facts_that_stand_in_claims() {
    let scheme = jwt(
        "HS256",
        "signature = { body = true }\ndelivery_id = { claim = \"id\" }\nevent = { claim = \"/data/type\" }",
    );
    let keys = keys_of(&scheme, "s");
    let body = hs256(b"s", HEADER, r#"{"exp":1700000300,"id":"a\u00e9","data":{"type":"made"}}"#);
    let draft = Draft { body: body.into_bytes(), headers: Vec::new(), ..bearing("", "") };
    let raw = raw_head(&draft);
    let head = Head::parse(&raw).expect("a head");
    let (site, message) = (site(&scheme, &keys), Message { head: &head, bytes: &raw, body: &draft.body });
    let mut verifier = Verifier::default();
    verifier.begin(&site, &message).expect("nothing in the head");
    verifier.finish(&site, &message).expect("a good token");
    let said = |verifier: &Verifier, path| {
        let path = JsonPath::parse(path).expect("a path");
        verifier.claim(&scheme, &path).map(std::borrow::Cow::into_owned)
    };
    assert_eq!(said(&verifier, "id").as_deref(), Some("aé".as_bytes()));
    assert_eq!(said(&verifier, "/data/type").as_deref(), Some(&b"made"[..]));
    assert_eq!(said(&verifier, "other"), None);
    verifier.begin(&site, &message).expect("nothing in the head");
    assert_eq!(said(&verifier, "id"), None, "another message's claims");
}

/// What an authorization server says of an opaque token is judged as a token's own claims are, but that it ends.
#[test]
fn opaque_tokens() {
    let scheme = jwt(
        "RS256",
        &format!("{BEARER}keys = {{ jwks = true }}\nclaims = {{ issuer = \"me\", required = [\"scope=write\"] }}"),
    );
    let (keys, draft) = (Keys::none(), bearing("opaque", ""));
    let raw = raw_head(&draft);
    let head = Head::parse(&raw).expect("a head");
    let (site, message) = (site(&scheme, &keys), Message { head: &head, bytes: &raw, body: b"" });
    for (claims, expected) in [
        (r#"{"active":true,"iss":"me","scope":"read write"}"#, Ok(())),
        (r#"{"active":true,"iss":"me","scope":"read"}"#, Err(Reason::CredentialInvalid)),
        (r#"{"active":true,"scope":"write"}"#, Err(Reason::CredentialInvalid)),
        (r#"{"active":true,"iss":"me","scope":"write","exp":"soon"}"#, Err(Reason::CredentialInvalid)),
        (r#"{"active":true,"iss":"me","iss":"me","scope":"write"}"#, Err(Reason::CredentialInvalid)),
        ("[]", Err(Reason::CredentialInvalid)),
    ] {
        let mut verifier = Verifier::default();
        verifier.begin(&site, &message).expect("a token");
        assert_eq!(verifier.token(), Some(&b"opaque"[..]));
        verifier.hear(claims.as_bytes().into());
        let verdict = verifier.finish(&site, &message);
        assert_eq!(verdict.map(|_| ()).map_err(|denial| denial.reason), expected, "{claims}");
    }
}

#[test]
fn a_client_certificate() {
    let scheme = scheme("scheme = \"mtls\"");
    let (keys, draft) = (Keys::none(), bearing("", "{}"));
    let client = ClientIdentity { sans: Box::new(["sender.example".into()]) };
    let without = site(&scheme, &keys);
    assert_eq!(judged(&without, &draft, 1).map(|_| ()), Err(Reason::CredentialMissing));
    let verified = judged(&Site { client: Some(&client), ..without }, &draft, 1).expect("the client is known");
    assert!(verified.key_index().is_none() && verified.message_keys().is_empty());
}

/// `TrueLayer`'s list of signed header fields stands in the token's header.
#[test]
fn header_fields_that_a_token_names() {
    let scheme = jwt(
        "HS256",
        &format!(
            "{BEARER}payload = \"{{method}} {{path}}\\n{{header_list}}{{body}}\"\nheader_list = {{ from = \"jose:names\", split = \",\", line = \"{{name}}: {{value}}\\n\", join = \"\" }}"
        ),
    );
    let keys = keys_of(&scheme, "s");
    let sign = |header: Value, signed: &str| {
        let protected = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        let input = format!("{protected}.{}", BASE64URL_NOPAD.encode(signed.as_bytes()));
        let mut mac = Mac::new(Algorithm::Sha256, b"s").expect("any length");
        mac.update(input.as_bytes());
        format!("{protected}..{}", BASE64URL_NOPAD.encode(mac.finish().as_bytes()))
    };
    for (names, signed, expected) in [
        (Some("X-Id,x-Other"), "POST /hook\nX-Id: 1\nx-Other: 2\n{}", true),
        (Some("X-Id"), "POST /hook\nX-Id: 1\n{}", true),
        (Some(""), "POST /hook\n{}", true),
        (None, "POST /hook\n{}", true),
        (Some("X-Id,X-ID"), "POST /hook\nX-Id: 1\nX-ID: 1\n{}", false),
        (Some("X-Missing"), "POST /hook\nX-Missing: \n{}", false),
    ] {
        let header = names.map_or_else(|| json!({ "alg": "HS256" }), |names| json!({ "alg": "HS256", "names": names }));
        let mut draft = bearing(&sign(header, signed), "{}");
        draft.headers.extend([("X-Id".into(), "1".into()), ("X-Other".into(), "2".into())]);
        assert_eq!(judged(&site(&scheme, &keys), &draft, 1).is_ok(), expected, "{names:?}");
    }
}

#[test]
fn definitions_that_make_no_sense() {
    let about =
        "id = \"test\"\nname = \"Test\"\ndocs = \"https://example.com\"\nconfidence = \"docs\"\nscheme = \"jwt\"\n";
    let at = "signature = { header = \"X\" }\n";
    for (keys, expected) in [
        (at.to_owned(), "algorithm: is missing"),
        (format!("algorithm = \"none\"\n{at}"), "accepted are HS256, HS384, HS512, EdDSA"),
        (format!("algorithm = [\"HS256\", \"RS256\"]\n{at}"), "a public key could then serve as a shared one"),
        (format!("algorithm = \"HS256,ES256\"\n{at}"), "a public key could then serve as a shared one"),
        (format!("algorithm = \"HS256\"\n{at}signed = \"{{body}}\""), "signed: a token signs its claims"),
        (format!("algorithm = \"HS256\"\n{at}b64 = false"), "b64: is for a payload"),
        (
            format!("algorithm = \"HS256\"\n{at}payload = \"{{body}}\"\nclaims = {{ issuer = \"a\" }}"),
            "carries no claims",
        ),
        (format!("algorithm = \"HS256\"\n{at}payload = \"{{claim:/a}}\""), "the token carries no claims"),
        (
            format!(
                "algorithm = \"HS256\"\n{at}payload = \"{{body}}\"\ncheck = [{{ value = \"{{claim:/a}}\", equals = \"1\" }}]"
            ),
            "the token carries no claims",
        ),
        (
            format!("algorithm = \"HS256\"\n{at}check = [{{ value = \"1\", equals = \"{{claim:/a}}\" }}]"),
            "stand in value",
        ),
        (format!("algorithm = \"HS256\"\n{at}keys = {{ jwks = true }}"), "keys: "),
        (
            format!("algorithm = \"RS256\"\n{at}keys = {{ jwks = true, key_id = \"header:X-Kid\" }}"),
            "a token says it itself",
        ),
        (format!("algorithm = \"RS256\"\n{at}timestamp = {{ from = \"header:X-Time\" }}"), "a time that is not signed"),
        ("algorithm = \"RS256\"\nsignature = { header = \"X\", encoding = \"hex\" }".into(), "a token has its own"),
        ("algorithm = \"RS256\"\nsignature = { header = \"X\", many = true }".into(), "a message has one token"),
        ("algorithm = \"RS256\"\nsignature = { body = true }\nevent = { json = \"type\" }".into(), "use claim"),
        (
            "algorithm = \"RS256\"\nsignature = { body = true }\npayload = \"{path}\"".into(),
            "the body is the token itself",
        ),
        (format!("algorithm = \"RS256\"\n{at}claims = {{ required = [\"=a\"] }}"), "claims.required: "),
    ] {
        let errors = crate::providers::parse("test.toml", &format!("{about}{keys}")).expect_err("a fault");
        let told = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected), "{keys}: {told}");
    }
}
