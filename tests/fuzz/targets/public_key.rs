//! Keys and signatures as strangers and operators write them: what is read is a key that is written and read again as
//! itself, a signature that nobody made verifies under none, and one changed bit of a good one makes it bad.
#![no_main]

use std::sync::LazyLock;

use hookwarden::auth::signature::{EcdsaForm, KeySet, PrivateKey, PublicKey, SignatureAlgorithm, Strength};
use libfuzzer_sys::fuzz_target;

const MESSAGE: &[u8] = b"message";

/// A good signature, and the key that it verifies under.
struct Sample {
    algorithm: SignatureAlgorithm,
    form: EcdsaForm,
    key: PublicKey,
    signature: Vec<u8>,
}

/// One for each algorithm but RSA, in each form, made once: to sign takes a thousand times as long as to read.
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let of = |algorithm, form| {
        let private = PrivateKey::of_scalar(algorithm, &[0x17; 66])?;
        let signature = private.sign(algorithm, form, MESSAGE).expect("signs");
        Some(Sample { algorithm, form, key: private.public().ok()?, signature })
    };
    let forms = [EcdsaForm::Raw, EcdsaForm::Der];
    let all = SignatureAlgorithm::all().flat_map(|algorithm| forms.map(|form| of(algorithm, form)));
    let samples: Vec<_> = all.flatten().collect();
    assert!(samples.iter().all(|sample| sample.verifies(&sample.signature)));
    samples
});

impl Sample {
    fn verifies(&self, signature: &[u8]) -> bool {
        self.key.verify(self.algorithm, self.form, MESSAGE, signature)
    }
}

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

/// Nobody made these bytes, so that they are no signature; and neither is a good one with a bit changed. An input is for
/// one of the samples, and one in sixteen for the changed bit, which costs a whole verification: the slowest curve would
/// else set the pace of all.
fn check_signatures(bytes: &[u8]) {
    let Some(([which, bit @ ..], rest)) = bytes.split_first_chunk::<3>() else { return };
    let sample = &SAMPLES[usize::from(which & 15) % SAMPLES.len()];
    assert!(!sample.verifies(bytes) && !sample.verifies(rest));
    if which >> 4 != 0 {
        return;
    }
    let mut changed = sample.signature.clone();
    let bit = usize::from(u16::from_be_bytes(*bit)) % (changed.len() * 8);
    changed[bit / 8] ^= 1 << (bit % 8);
    assert!(!sample.verifies(&changed));
}
