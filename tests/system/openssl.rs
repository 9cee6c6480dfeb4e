//! The openssl command: the keys that it makes are read, what it signs verifies, what we sign it accepts.

use std::path::Path;
use std::process::Command;

use hookwarden::auth::signature::{EcdsaForm, PrivateKey, PublicKey, SignatureAlgorithm, Strength};

use crate::programs::run;

/// `(algorithm, how its key is made, how it signs)`.
const ROWS: &[(SignatureAlgorithm, &[&str], &[&str])] = {
    use SignatureAlgorithm as A;
    const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    const P521: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"];
    const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    const PSS: &[&str] = &["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"];
    &[
        (A::Ed25519, &["-algorithm", "ED25519"], &[]),
        (A::EcdsaP256Sha256, P256, &["-digest", "sha256"]),
        (A::EcdsaP256Sha1, P256, &["-digest", "sha1"]),
        (A::EcdsaP384Sha384, P384, &["-digest", "sha384"]),
        (A::EcdsaP521Sha512, P521, &["-digest", "sha512"]),
        (A::RsaPkcs1Sha1, RSA, &["-digest", "sha1"]),
        (A::RsaPkcs1Sha256, RSA, &["-digest", "sha256"]),
        (A::RsaPkcs1Sha384, RSA, &["-digest", "sha384"]),
        (A::RsaPkcs1Sha512, RSA, &["-digest", "sha512"]),
        (A::RsaPssSha256, RSA, &["-digest", "sha256", PSS[0], PSS[1], PSS[2], PSS[3]]),
        (A::RsaPssSha384, RSA, &["-digest", "sha384", PSS[0], PSS[1], PSS[2], PSS[3]]),
        (A::RsaPssSha512, RSA, &["-digest", "sha512", PSS[0], PSS[1], PSS[2], PSS[3]]),
    ]
};

const MESSAGE: &[u8] = b"{\"type\":\"sample.created\",\"amount\":1010}";

/// What openssl says; it must say that all is well.
fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = run(Command::new("openssl").current_dir(folder).args(arguments), b"");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn openssl_and_we_take_each_other_s_keys_and_signatures() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let read = |name: &str| std::fs::read_to_string(at(name)).expect("text");
    std::fs::write(at("message"), MESSAGE).expect("a file");
    for (algorithm, make, how) in ROWS {
        let signs = [&["pkeyutl", "-sign", "-rawin", "-inkey", "key", "-in", "message", "-out", "signature"][..], how];
        openssl(folder.path(), &[&["genpkey", "-out", "key"][..], make].concat());
        openssl(folder.path(), &["pkey", "-in", "key", "-pubout", "-out", "public"]);
        openssl(folder.path(), &signs.concat());
        let public = PublicKey::from_text(&read("public"), Strength::Usual).expect("a key");
        let private = PrivateKey::from_text(&read("key")).expect("a key");
        assert!(private.public().expect("its public key").is_same(&public), "{algorithm:?}");
        assert_eq!(public.to_pem(), read("public"), "{algorithm:?}");
        let signature = std::fs::read(at("signature")).expect("a signature");
        assert!(public.verify(*algorithm, EcdsaForm::Der, MESSAGE, &signature), "{algorithm:?}");
        assert!(!public.verify(*algorithm, EcdsaForm::Der, b"other", &signature), "{algorithm:?}");

        let ours = PrivateKey::generate(*algorithm).expect("a key");
        let signature = ours.sign(*algorithm, EcdsaForm::Der, MESSAGE).expect("signs");
        std::fs::write(at("signature"), signature).expect("a file");
        std::fs::write(at("ours"), &*ours.to_pem()).expect("a file");
        openssl(folder.path(), &["pkey", "-in", "ours", "-check", "-noout"]);
        openssl(folder.path(), &["pkey", "-in", "ours", "-pubout", "-out", "public"]);
        assert_eq!(ours.public().expect("its public key").to_pem(), read("public"), "{algorithm:?}");
        let verifies = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "public", "-in", "message"];
        openssl(folder.path(), &[&verifies[..], &["-sigfile", "signature"], how].concat());
    }
}

/// The spellings of before PKCS#8, which openssl still writes when it is asked.
#[test]
fn older_spellings_of_private_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("text");
    openssl(folder.path(), &["ecparam", "-name", "prime256v1", "-genkey", "-out", "ec"]);
    openssl(folder.path(), &["genpkey", "-algorithm", "RSA", "-out", "key"]);
    openssl(folder.path(), &["rsa", "-in", "key", "-traditional", "-out", "rsa"]);
    openssl(folder.path(), &["rsa", "-in", "key", "-RSAPublicKey_out", "-out", "public"]);
    assert!(read("ec").contains("BEGIN EC PARAMETERS") && read("rsa").contains("BEGIN RSA PRIVATE KEY"));
    assert!(PrivateKey::from_text(&read("ec")).is_ok());
    let private = PrivateKey::from_text(&read("rsa")).expect("a key");
    let public = PublicKey::from_text(&read("public"), Strength::Usual).expect("a key");
    assert!(private.public().expect("its public key").is_same(&public));
}
