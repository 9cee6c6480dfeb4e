//! Published vectors, what strict readers refuse, and that no algorithm is taken for another.

mod keys;
mod malformed;
mod vectors;

use data_encoding::{BASE64, HEXLOWER};

use super::*;

/// Bytes of hexadecimal.
fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).expect("hexadecimal")
}

fn base64(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).expect("base64")
}

/// The key whose number is that, for an algorithm of a curve.
fn private(algorithm: SignatureAlgorithm, number: &str) -> PrivateKey {
    let mut bytes = [0; 66];
    let number = hex(number);
    bytes[..number.len()].copy_from_slice(&number);
    PrivateKey::of_scalar(algorithm, &bytes).expect("a key")
}

/// A pair of keys for an algorithm.
fn pair(algorithm: SignatureAlgorithm) -> (PrivateKey, PublicKey) {
    let private = match algorithm.family() {
        Family::Rsa => PrivateKey::from_text(include_str!("rsa.pem")).expect("a key"),
        Family::Ed25519 | Family::Ecdsa => PrivateKey::of_scalar(algorithm, &[0x17; 66]).expect("a key"),
    };
    let public = private.public().expect("its public key");
    (private, public)
}
