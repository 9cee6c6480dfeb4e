//! Signatures that are almost right: each is refused, by ring and by the crates beside it alike.

use rsa::Pkcs1v15Sign;
use sha2::{Digest, Sha256};

use super::*;

const MESSAGE: &[u8] = b"sample";

fn verifies(algorithm: SignatureAlgorithm, form: EcdsaForm, signature: &[u8]) -> bool {
    pair(algorithm).1.verify(algorithm, form, MESSAGE, signature)
}

fn made(algorithm: SignatureAlgorithm, form: EcdsaForm) -> Vec<u8> {
    pair(algorithm).0.sign(algorithm, form, MESSAGE).expect("signs")
}

#[test]
fn lengths() {
    for algorithm in SignatureAlgorithm::all() {
        for form in [EcdsaForm::Raw, EcdsaForm::Der] {
            let good = made(algorithm, form);
            assert!(verifies(algorithm, form, &good));
            let longer = [&good[..], &[0]].concat();
            let shifted = [&[0], &good[..]].concat();
            let doubled = good.repeat(2);
            for wrong in [&good[..good.len() - 1], &good[1..], &longer, &shifted, &doubled, b""] {
                assert!(!verifies(algorithm, form, wrong), "{algorithm:?} {form:?} {} bytes", wrong.len());
            }
            let zeros = vec![0; good.len()];
            assert!(!verifies(algorithm, form, &zeros) && !verifies(algorithm, form, &vec![0xff; good.len()]));
        }
    }
}

/// A number plus another, or minus it; little-endian and of one length.
fn add(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let sum = one.iter().zip(other).map(|(one, other)| {
        carry += u16::from(*one) + u16::from(*other);
        let byte = u8::try_from(carry & 0xff).expect("a byte");
        carry >>= 8;
        byte
    });
    sum.collect()
}

/// RFC 8032 section 5.1.7: `s` must be less than the group's order.
#[test]
fn an_ed25519_scalar_that_is_not_reduced() {
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let good = made(SignatureAlgorithm::Ed25519, EcdsaForm::Der);
    let mut s = good[32..].to_vec();
    // As often as there is room: each is the same number to a careless reader.
    for _ in 0..14 {
        s = add(&s, &order);
        let malleable = [&good[..32], &s].concat();
        assert!(!verifies(SignatureAlgorithm::Ed25519, EcdsaForm::Der, &malleable), "{s:?}");
    }
    for bit in [0x20, 0x40, 0x80] {
        let mut high = good.clone();
        high[63] |= bit;
        assert!(!verifies(SignatureAlgorithm::Ed25519, EcdsaForm::Der, &high));
    }
}

const CURVES: [(SignatureAlgorithm, &str); 4] = [
    (SignatureAlgorithm::EcdsaP256Sha256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (SignatureAlgorithm::EcdsaP256Sha1, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (
        SignatureAlgorithm::EcdsaP384Sha384,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    (
        SignatureAlgorithm::EcdsaP521Sha512,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ),
];

/// One minus another, big-endian and of one length.
fn subtract(one: &[u8], other: &[u8]) -> Vec<u8> {
    let complement: Vec<u8> = other.iter().rev().map(|byte| !byte).collect();
    let mut lowest = vec![0; one.len()];
    lowest[0] = 1;
    let one: Vec<u8> = one.iter().rev().copied().collect();
    let mut difference = add(&add(&one, &complement), &lowest);
    difference.reverse();
    difference
}

#[test]
fn ecdsa_numbers_out_of_range() {
    for (algorithm, order) in CURVES {
        let (order, good) = (hex(order), made(algorithm, EcdsaForm::Raw));
        let (r, s) = good.split_at(order.len());
        // The other `s` of the same signature is as good: a claim is over the content.
        let high = [r, &subtract(&order, s)].concat();
        assert!(verifies(algorithm, EcdsaForm::Raw, &high), "{algorithm:?}");
        let zero = vec![0; order.len()];
        for (r, s) in [(&zero[..], s), (r, &zero), (&zero, &zero), (&order, s), (r, &order), (s, r)] {
            let wrong = [r, s].concat();
            assert!(!verifies(algorithm, EcdsaForm::Raw, &wrong), "{algorithm:?} {wrong:?}");
            let wrong = der::signature_from_raw(&wrong);
            assert!(!verifies(algorithm, EcdsaForm::Der, &wrong), "{algorithm:?} {wrong:?}");
        }
    }
}

#[test]
fn ecdsa_in_der_has_one_spelling() {
    for (algorithm, order) in CURVES {
        let raw = made(algorithm, EcdsaForm::Raw);
        let (r, s) = raw.split_at(hex(order).len());
        let integer = |number: &[u8]| der::unsigned(number);
        let good = der::sequence(&[integer(r), integer(s)]);
        assert!(verifies(algorithm, EcdsaForm::Der, &good), "{algorithm:?}");
        assert!(!verifies(algorithm, EcdsaForm::Raw, &good) && !verifies(algorithm, EcdsaForm::Der, &raw));
        let bare = |number: &[u8]| der::without_zeros(number).to_vec();
        let padded = |number: &[u8]| der::value(der::INTEGER, &[&[0, 0], &bare(number)[..]].concat());
        let long = |value: &[u8]| [&value[..1], &[0x81], &value[1..]].concat();
        let content = [integer(r), integer(s)].concat();
        let length = u8::try_from(content.len()).expect("short");
        for (what, wrong) in [
            ("a leading zero", der::sequence(&[padded(r), integer(s)])),
            ("a leading zero", der::sequence(&[integer(r), padded(s)])),
            (
                "a negative number",
                der::sequence(&[der::value(der::INTEGER, &[&[0x80], &bare(r)[..]].concat()), integer(s)]),
            ),
            ("a long length", der::sequence(&[long(&integer(r)), integer(s)])),
            ("a longer length", [&[0x30, 0x82, 0, length], &content[..]].concat()),
            ("an indefinite length", [&[0x30, 0x80], &content[..], &[0, 0]].concat()),
            ("more inside", der::sequence(&[integer(r), integer(s), der::value(der::NULL, &[])])),
            ("more behind", [&good[..], &[5, 0]].concat()),
            ("one number", der::sequence(&[integer(r)])),
            ("no number", der::sequence(&[])),
            ("an empty number", der::sequence(&[der::value(der::INTEGER, &[]), integer(s)])),
            ("another tag", der::sequence(&[der::value(der::OCTET_STRING, &bare(r)), integer(s)])),
            ("a set", [&[0x31], &good[1..]].concat()),
            ("a number too long", der::sequence(&[integer(&[&[1], r].concat()), integer(s)])),
        ] {
            assert!(!verifies(algorithm, EcdsaForm::Der, &wrong), "{algorithm:?} with {what}");
        }
        for cut in 0..good.len() {
            assert!(!verifies(algorithm, EcdsaForm::Der, &good[..cut]), "{algorithm:?} cut at {cut}");
        }
    }
}

/// RFC 8017 section 9.2: the padded hash is compared whole, so that nothing hides in it.
#[test]
fn rsa_padding_is_compared_whole() {
    let rsa = SignatureAlgorithm::RsaPkcs1Sha256;
    let private = PrivateKey::from_text(include_str!("rsa.pem")).expect("a key");
    let hash = Sha256::digest(MESSAGE);
    let info = hex("3031300d060960864801650304020105000420");
    let sign = |content: &[u8]| private.rsa_sign_bare(Pkcs1v15Sign::new_unprefixed(), content).expect("signs");
    let good = [&info[..], &hash].concat();
    assert!(verifies(rsa, EcdsaForm::Der, &sign(&good)));
    let without_null = [&hex("302f300b0609608648016503040201 0420".replace(' ', "").as_str())[..], &hash].concat();
    let sha512 = [&hex("3031300d060960864801650304020305000420")[..], &hash].concat();
    let behind = [&good[..], &[0]].concat();
    for (what, wrong) in [
        ("without the hash's name", hash.to_vec()),
        ("without the parameters", without_null),
        ("with another hash's name", sha512),
        ("with something behind", behind),
        ("with a hash cut off", good[..good.len() - 1].to_vec()),
        ("empty", Vec::new()),
    ] {
        assert!(!verifies(rsa, EcdsaForm::Der, &sign(&wrong)), "{what}");
    }
    // A modulus more is the same number to a careless reader, and no signature.
    let (_, public) = pair(rsa);
    let jwk = public.to_jwk();
    let n = data_encoding::BASE64URL_NOPAD.decode(jwk["n"].as_str().expect("text").as_bytes()).expect("base64url");
    let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<_>>();
    let more = reversed(&add(&reversed(&[&[0], &sign(&good)[..]].concat()), &reversed(&[&[0], &n[..]].concat())));
    assert!(!verifies(rsa, EcdsaForm::Der, &more) && !verifies(rsa, EcdsaForm::Der, &more[1..]));
}

/// A salt of another length than the hash's, as openssl makes it with `rsa_pss_saltlen:20`.
#[test]
fn a_pss_salt_has_the_hash_s_length() {
    let signature = "QvO94yNp9d5cZrJv3cVVn0PyXJTPhdWmGW+kNbG8B3hOJUtGByACxJrrPNdbuspC4aZ1bBRAdH+EALg0IUHFRaQl0fgB+pMiUVRkzlUIJrqF/498kvabllPFEvVrKVUsSUZkSg82WOTkLnAidO3xRAxg8HQv+dOrr5vgXEamjsFuezoD3MIrUPksHB+pR4/SgraS/2zQi+vBdWk0jZR5PIpXusTnSKwsji9ljnqWuOm7rjaGV3OA7k5zSF9xe0Ge1knb2cBNM0irl0YfXEIZPkaGZdu33y0dl7lE6M9asgD/zQyY1yk2z9CbT/Q5QDVhyyveFnLrZrLFY+i7O9Jf8Q==";
    assert!(!verifies(SignatureAlgorithm::RsaPssSha256, EcdsaForm::Der, &base64(signature)));
    assert!(verifies(
        SignatureAlgorithm::RsaPssSha256,
        EcdsaForm::Der,
        &made(SignatureAlgorithm::RsaPssSha256, EcdsaForm::Der)
    ));
}

#[test]
fn no_bytes_panic() {
    let keys: Vec<_> = SignatureAlgorithm::all().map(|algorithm| (algorithm, pair(algorithm).1)).collect();
    proptest::proptest!(proptest::prelude::ProptestConfig::with_cases(64), |(bytes: Vec<u8>, text: String)| {
        for (algorithm, key) in &keys {
            for form in [EcdsaForm::Raw, EcdsaForm::Der] {
                assert!(!key.verify(*algorithm, form, MESSAGE, &bytes));
            }
        }
        let _ = PublicKey::from_spki(&bytes, Strength::Legacy);
        let _ = PublicKey::from_text(&text, Strength::Legacy);
        let _ = PublicKey::from_text(&format!("-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----"), Strength::Legacy);
        let _ = PrivateKey::from_text(&BASE64.encode(&bytes)).is_ok();
        let _ = KeySet::from_jwks(&bytes, Strength::Legacy);
    });
}
