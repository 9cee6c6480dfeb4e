//! Keys and signatures as strangers and operators write them: what is read is a key that is written and read again as
//! itself, a signature that nobody made verifies under none, and one changed bit of a good one makes it bad.
#![no_main]

use std::sync::LazyLock;

use hookwarden::auth::signature::{EcdsaForm, KeySet, PrivateKey, PublicKey, SignatureAlgorithm, Strength};
use libfuzzer_sys::fuzz_target;

const MESSAGE: &[u8] = b"message";

/// A pair for each algorithm that makes its keys in no time.
static PAIRS: LazyLock<Vec<(SignatureAlgorithm, PrivateKey, PublicKey)>> = LazyLock::new(|| {
    let pair = |algorithm| {
        let private = PrivateKey::of_scalar(algorithm, &[0x17; 66])?;
        let public = private.public().ok()?;
        Some((algorithm, private, public))
    };
    SignatureAlgorithm::all().filter_map(pair).collect()
});

fuzz_target!(|bytes: &[u8]| {
    check_key(PublicKey::from_spki(bytes, Strength::Legacy).ok());
    if let Ok(text) = str::from_utf8(bytes) {
        check_key(PublicKey::from_text(text, Strength::Legacy).ok());
        let pem = format!("-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----");
        check_key(PublicKey::from_text(&pem, Strength::Legacy).ok());
        if let Ok(private) = PrivateKey::from_text(text) {
            check_private(&private);
        }
    }
    if let Ok(set) = KeySet::from_jwks(bytes, Strength::Usual) {
        set.iter().for_each(|key| check_key(Some(key.clone())));
    }
    check_signatures(bytes);
});

/// Each spelling that we write is read as the same key.
fn check_key(key: Option<PublicKey>) {
    let Some(key) = key else { return };
    let again = PublicKey::from_text(&key.to_pem(), Strength::Legacy).expect("our own PEM");
    assert!(again.is_same(&key));
    let again = PublicKey::from_jwk(&key.to_jwk(), Strength::Legacy).expect("our own JWK");
    assert!(again.is_same(&key) && again.kid() == key.kid());
    for algorithm in SignatureAlgorithm::all() {
        assert!(!key.verify(algorithm, EcdsaForm::Der, MESSAGE, &[0; 64]));
    }
}

fn check_private(private: &PrivateKey) {
    let again = PrivateKey::from_text(&private.to_pem()).expect("our own PEM");
    match (private.public(), again.public()) {
        (Ok(one), Ok(other)) => assert!(one.is_same(&other)),
        (one, other) => assert_eq!(one.is_ok(), other.is_ok()),
    }
}

/// Nobody made these bytes, so that they are no signature; and neither is a good one with a bit changed.
fn check_signatures(bytes: &[u8]) {
    for (algorithm, private, public) in &*PAIRS {
        for form in [EcdsaForm::Raw, EcdsaForm::Der] {
            assert!(!public.verify(*algorithm, form, MESSAGE, bytes));
            let Some((bit, _)) = bytes.split_first_chunk::<2>() else { continue };
            let mut changed = private.sign(*algorithm, form, MESSAGE).expect("signs");
            assert!(public.verify(*algorithm, form, MESSAGE, &changed));
            let bit = usize::from(u16::from_be_bytes(*bit)) % (changed.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!public.verify(*algorithm, form, MESSAGE, &changed));
        }
    }
}
