//! How keys are written, and what is none.

use serde_json::{Value, json};

use super::vectors::SMALL;
use super::*;

/// The public key of RFC 8032's second vector, bare and as `SubjectPublicKeyInfo`.
const BARE: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

fn parse(text: &str) -> Result<PublicKey, PublicKeyFault> {
    PublicKey::from_text(text, Strength::Usual)
}

#[test]
fn every_spelling_is_the_same_key() {
    for algorithm in [
        SignatureAlgorithm::Ed25519,
        SignatureAlgorithm::EcdsaP256Sha256,
        SignatureAlgorithm::EcdsaP384Sha384,
        SignatureAlgorithm::EcdsaP521Sha512,
        SignatureAlgorithm::RsaPkcs1Sha256,
    ] {
        let (private, public) = pair(algorithm);
        let pem = public.to_pem();
        let one_line = pem.replace('\n', "");
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let mut spellings = vec![
            pem.clone(),
            pem.replace('\n', "\r\n"),
            pem.trim_end().replace('\n', "\\n"),
            one_line,
            format!("  {pem}\n"),
            der.clone(),
            HEXLOWER.encode(&base64(&der)),
            Value::from(public.to_jwk()).to_string(),
        ];
        spellings.extend(public.to_raw().map(|raw| HEXLOWER.encode(raw).to_uppercase()));
        spellings.extend(public.to_raw().map(|raw| data_encoding::BASE64URL_NOPAD.encode(raw)));
        for spelling in spellings {
            let read = parse(&spelling).unwrap_or_else(|fault| panic!("{fault}: {spelling}"));
            assert!(read.is_same(&public), "{spelling}");
        }
        let pem = private.to_pem();
        let again = PrivateKey::from_text(&pem).expect("our own spelling");
        assert!(again.public().expect("its public key").is_same(&public));
        assert_eq!(parse(&pem).expect_err("private"), PublicKeyFault::Private);
        assert_eq!(format!("{again:?} {public:?}"), "PrivateKey(…) PublicKey { kid: None, .. }");
    }
}

#[test]
fn compressed_points() {
    let (_, public) = pair(SignatureAlgorithm::EcdsaP256Sha256);
    let point = public.to_raw().expect("a point");
    let compressed = [&[2 + (point[64] & 1)], &point[1..33]].concat();
    assert!(parse(&HEXLOWER.encode(&compressed)).expect("a point").is_same(&public));
    // The hybrid form, another sign, a point off the curve, and none.
    let hybrid = [&[6 + (point[64] & 1)], &point[1..]].concat();
    let off = [&point[..64], &[point[64] ^ 1]].concat();
    for wrong in [&hybrid[..], &off, &[0], &point[..64]] {
        assert!(parse(&HEXLOWER.encode(wrong)).is_err(), "{wrong:?}");
    }
}

/// What is wrong with a `SubjectPublicKeyInfo`, in hexadecimal.
#[test]
fn der_has_one_spelling() {
    use PublicKeyFault as F;
    let check = |text: &str, expected: Result<(), F>| {
        assert_eq!(PublicKey::from_spki(&hex(text), Strength::Usual).map(|_| ()), expected, "{text}");
    };
    check(&format!("302a300506032b6570032100{BARE}"), Ok(()));
    for (text, fault) in [
        (format!("302a300506032b6570032100{BARE}00"), F::Der),
        (format!("302b300506032b6570032100{BARE}00"), F::Der),
        (format!("30812a300506032b6570032100{BARE}"), F::Der),
        (format!("3080300506032b6570032100{BARE}0000"), F::Der),
        // Parameters where there are none; bits that are not whole bytes.
        (format!("302c300706032b65700500032100{BARE}"), F::Der),
        (format!("302a300506032b6570032107{BARE}"), F::Der),
        (format!("302a300506032b6570042100{BARE}"), F::Der),
        // X25519, Ed448, secp256k1, RSA without its NULL.
        (format!("302a300506032b656e032100{BARE}"), F::Kind),
        (format!("3043300506032b6571033a00{}", "00".repeat(57)), F::Kind),
        (format!("3056301006072a8648ce3d020106052b8104000a03420004{}", "11".repeat(64)), F::Kind),
        ("301c300b06092a864886f70d010101030d00300a020500c000000102 0101".replace(' ', ""), F::Der),
        (format!("3029300506032b6570032000{}", &BARE[2..]), F::Point),
        ("3000".into(), F::Der),
        (String::new(), F::Der),
    ] {
        check(&text, Err(fault));
    }
    // A point of another curve than the one that is named.
    let (_, p384) = pair(SignatureAlgorithm::EcdsaP384Sha384);
    let point = HEXLOWER.encode(p384.to_raw().expect("a point"));
    check(&format!("3076301006072a8648ce3d020106052b81040022036200{point}"), Ok(()));
    check(&format!("3076301006072a8648ce3d020106052b81040023036200{point}"), Err(F::Point));
}

/// Points that would verify what nobody signed, or that have a second spelling (RFC 8032 section 5.1.3).
#[test]
fn ed25519_keys_of_small_order_and_in_second_spellings() {
    let small = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let second = ["ed", "ee", "f0", "ff"].map(|first| format!("{first}{}7f", "ff".repeat(30)));
    for text in small.iter().map(|text| (*text).to_owned()).chain(second) {
        let mut signed = hex(&text);
        signed[31] |= 0x80;
        for text in [text, HEXLOWER.encode(&signed)] {
            assert_eq!(parse(&text).expect_err("no key"), PublicKeyFault::Point, "{text}");
        }
    }
    // They are refused for a reason: under the neutral point every message has this signature.
    let neutral = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, hex(small[1]));
    let mut forged = hex(small[1]);
    forged.resize(64, 0);
    assert!(neutral.verify(b"anything", &forged).is_ok() && neutral.verify(b"else", &forged).is_ok());
}

#[test]
fn rsa_keys_out_of_range() {
    use PublicKeyFault as F;
    let check = |n: Vec<u8>, e: &[u8], expected: Result<(), F>| {
        assert_eq!(PublicKey::rsa(&n, e, false, Strength::Usual).map(|_| ()), expected, "{e:?}");
    };
    let modulus = |bits: usize| {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        n
    };
    let f4: &[u8] = &[1, 0, 1];
    for (bits, good) in [(2047, false), (2048, true), (8192, true), (8193, false)] {
        let expected = if good { Ok(()) } else { Err(F::RsaSize { bits, least: 2048 }) };
        check(modulus(bits), f4, expected);
    }
    for (e, good) in [(&[3][..], true), (&[1], false), (&[0], false), (&[2], false), (&[1, 0, 0], false)] {
        check(modulus(2048), e, if good { Ok(()) } else { Err(F::RsaExponent) });
    }
    check(modulus(2048), &[2, 0, 0, 0, 1], Err(F::RsaExponent));
    check(modulus(2048), &[1, 0, 0, 0, 1], Ok(()));
    let mut even = modulus(2048);
    even[255] = 0xfe;
    check(even, f4, Err(F::RsaExponent));
    // Zeros in front change nothing.
    let small = PublicKey::rsa(&[&[0, 0][..], &modulus(2040)].concat(), f4, false, Strength::Usual);
    assert_eq!(small.expect_err("too small"), F::RsaSize { bits: 2040, least: 2048 });
    assert!(PublicKey::from_text(SMALL, Strength::Usual).is_err());
}

#[test]
fn texts_that_are_no_public_key() {
    use PublicKeyFault as F;
    let key = format!("302a300506032b6570032100{BARE}");
    let pem = |label: &str| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(&hex(&key)));
    for (text, fault) in [
        (String::new(), F::Text),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw==".into(), F::Text),
        (BARE[2..].to_owned(), F::Text),
        (pem("CERTIFICATE"), F::Label),
        (pem("OPENSSH PRIVATE KEY"), F::Private),
        (pem("ENCRYPTED PRIVATE KEY"), F::Private),
        (pem("EC PRIVATE KEY"), F::Private),
        (pem("RSA PUBLIC KEY"), F::Der),
        (pem("PUBLIC KEY").replace("END PUBLIC", "END RSA PUBLIC"), F::Text),
        (pem("PUBLIC KEY").replace("-----END PUBLIC KEY-----", ""), F::Text),
        (pem("PUBLIC KEY").replace('M', "!"), F::Text),
        ("{".into(), F::Jwk),
        ("{}".into(), F::Kind),
        ("[]".into(), F::Text),
    ] {
        assert_eq!(parse(&text).expect_err("no key"), fault, "{text}");
    }
    assert!(parse(&pem("PUBLIC KEY")).is_ok());
}

#[test]
fn jwks_are_what_rfc_7518_states() {
    use PublicKeyFault as F;
    let (_, ed25519) = pair(SignatureAlgorithm::Ed25519);
    let (_, p256) = pair(SignatureAlgorithm::EcdsaP256Sha256);
    let (_, rsa) = pair(SignatureAlgorithm::RsaPkcs1Sha256);
    let with = |key: &PublicKey, changes: Value| {
        let mut jwk = key.to_jwk();
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                jwk.remove(name);
            } else {
                jwk.insert(name.clone(), value.clone());
            }
        }
        PublicKey::from_jwk(&jwk, Strength::Usual)
    };
    for (key, changes, expected) in [
        (&ed25519, json!({}), None),
        (&ed25519, json!({ "use": null, "kid": "a" }), None),
        (&ed25519, json!({ "alg": "EdDSA" }), None),
        (&ed25519, json!({ "alg": "Ed25519" }), None),
        (&ed25519, json!({ "key_ops": ["verify"] }), None),
        (&rsa, json!({ "alg": "PS512" }), None),
        (&ed25519, json!({ "use": "enc" }), Some(F::Jwk)),
        (&ed25519, json!({ "use": 1 }), Some(F::Jwk)),
        (&ed25519, json!({ "key_ops": ["sign"] }), Some(F::Jwk)),
        (&ed25519, json!({ "key_ops": "verify" }), Some(F::Jwk)),
        (&ed25519, json!({ "alg": "ES256" }), Some(F::Jwk)),
        (&ed25519, json!({ "alg": "none" }), Some(F::Kind)),
        (&rsa, json!({ "alg": "HS256" }), Some(F::Kind)),
        (&rsa, json!({ "alg": 256 }), Some(F::Jwk)),
        (&rsa, json!({ "kid": 1 }), Some(F::Jwk)),
        (&rsa, json!({ "d": "AQAB" }), Some(F::Private)),
        (&rsa, json!({ "e": "AQ" }), Some(F::RsaExponent)),
        (&rsa, json!({ "n": null }), Some(F::Jwk)),
        (&rsa, json!({ "n": "AQAB" }), Some(F::RsaSize { bits: 17, least: 2048 })),
        (&ed25519, json!({ "x": "AA" }), Some(F::Point)),
        (&ed25519, json!({ "crv": "X25519" }), Some(F::Kind)),
        (&p256, json!({ "crv": "P-384" }), Some(F::Point)),
        (&p256, json!({ "crv": "secp256k1" }), Some(F::Kind)),
        (&p256, json!({ "y": null }), Some(F::Jwk)),
        (&p256, json!({ "x": "not base64url" }), Some(F::Jwk)),
        (&p256, json!({ "kty": "oct" }), Some(F::Kind)),
        (&p256, json!({ "kty": "oct", "k": "AA" }), Some(F::Private)),
    ] {
        assert_eq!(with(key, changes.clone()).err(), expected, "{changes}");
    }
    let only_pss = with(&rsa, json!({ "alg": "PS256" })).expect("a key");
    assert!(only_pss.fits(SignatureAlgorithm::RsaPssSha256) && !only_pss.fits(SignatureAlgorithm::RsaPkcs1Sha256));
}

#[test]
fn sets_of_keys() {
    let jwk = |seed: u8, kid: &str| {
        let key = PrivateKey::of_scalar(SignatureAlgorithm::Ed25519, &[seed; 66]).and_then(|key| key.public().ok());
        Value::from(key.expect("a key").labelled(Some(kid), None).to_jwk())
    };
    let read = |keys: Value| KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes(), Strength::Usual);
    let set = read(json!([jwk(1, "a"), { "kty": "EC", "crv": "brainpool" }, jwk(2, "b"), { "kty": "oct" }]));
    assert_eq!(set.expect("two keys").iter().map(PublicKey::kid).collect::<Vec<_>>(), [Some("a"), Some("b")]);
    assert_eq!(read(json!([])).expect_err("none"), KeySetFault::None);
    assert_eq!(read(json!([{ "kty": "oct" }])).expect_err("none"), KeySetFault::None);
    assert_eq!(read(json!([1])).expect_err("no objects"), KeySetFault::Json);
    assert_eq!(read(json!([jwk(1, "a"), { "kty": "oct", "k": "AA" }])).expect_err("shared"), KeySetFault::Private);
    let many = |count: u8| Value::Array((1..=count).map(|seed| jwk(seed, "a")).collect());
    assert_eq!(read(many(64)).map(|set| set.len()), Ok(64));
    assert_eq!(read(many(65)).expect_err("too many"), KeySetFault::TooMany(65));
    for text in ["", "[]", "{}", "{\"keys\":{}}", "<html>", "{\"keys\":[]"] {
        assert!(KeySet::from_jwks(text.as_bytes(), Strength::Usual).is_err(), "{text}");
    }
}

#[test]
fn names_for_headers_and_records_are_plain() {
    let (_, key) = pair(SignatureAlgorithm::Ed25519);
    for (kid, plain) in [("a-1", true), ("2024-01/eu:1", true), ("", false), ("a\r\nX: y", false), ("é", false)] {
        let labelled = key.clone().labelled(Some(kid), None);
        assert_eq!((labelled.kid(), labelled.name()), (Some(kid), Some(kid).filter(|_| plain)));
    }
    let long = "a".repeat(129);
    assert_eq!(key.labelled(Some(&long), None).name(), None);
}

#[test]
fn private_keys_as_others_write_them() {
    // `openssl ecparam -genkey` writes the curve before the key (SEC 1); Standard Webhooks puts the public key behind the
    // seed.
    let (private, public) = pair(SignatureAlgorithm::Ed25519);
    let seed = [0x17; 32];
    let both = [&seed[..], public.to_raw().expect("a key")].concat();
    for text in [HEXLOWER.encode(&seed), BASE64.encode(&seed), BASE64.encode(&both)] {
        let read = PrivateKey::from_text(&text).expect("a seed");
        assert!(read.public().expect("its public key").is_same(&public), "{text}");
    }
    let mut wrong = both;
    wrong[40] ^= 1;
    for (text, fault) in [
        (BASE64.encode(&wrong), PrivateKeyFault::Text),
        (public.to_pem(), PrivateKeyFault::Public),
        (private.to_pem().replace("PRIVATE", "ENCRYPTED PRIVATE"), PrivateKeyFault::Format),
        (private.to_pem().replace("PRIVATE", "OPENSSH PRIVATE"), PrivateKeyFault::Format),
        (private.to_pem().replace('M', "N"), PrivateKeyFault::Text),
        ("secret".into(), PrivateKeyFault::Text),
        ("{}".into(), PrivateKeyFault::Text),
    ] {
        assert_eq!(PrivateKey::from_text(&text).expect_err("no key"), fault, "{text}");
    }
    let ec = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let p256 = PrivateKey::of_scalar(SignatureAlgorithm::EcdsaP256Sha256, &[0x17; 66]).expect("a key");
    let sec1 = der::sequence(&[
        der::unsigned(&[1]),
        der::value(der::OCTET_STRING, &[0x17; 32]),
        der::value(0xa0, &hex("06082a8648ce3d030107")),
    ]);
    let text = format!("{ec}{}", text::to_pem("EC PRIVATE KEY", &sec1));
    let read = PrivateKey::from_text(&text).expect("SEC 1");
    assert!(read.public().expect("a key").is_same(&p256.public().expect("a key")));
}
