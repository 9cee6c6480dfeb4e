//! What is published: RFC 8032 for Ed25519, RFC 6979 for ECDSA; RSA as openssl makes it.

use super::*;

#[test]
fn ed25519_of_rfc_8032() {
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ] {
        let key = private(SignatureAlgorithm::Ed25519, seed);
        let made = key.sign(SignatureAlgorithm::Ed25519, EcdsaForm::Der, &hex(message)).expect("signs");
        assert_eq!(made, hex(signature));
        let public_key = PublicKey::from_text(public, Strength::Usual).expect("a key");
        assert!(public_key.is_same(&key.public().expect("its public key")));
        assert!(public_key.verify(SignatureAlgorithm::Ed25519, EcdsaForm::Der, &hex(message), &made));
        assert!(!public_key.verify(SignatureAlgorithm::Ed25519, EcdsaForm::Der, b"other", &made));
    }
}

/// Appendix A.2.5 to A.2.7, message "sample".
#[test]
fn ecdsa_of_rfc_6979() {
    use SignatureAlgorithm as A;
    let p256 = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
    for (algorithm, number, r, s) in [
        (
            A::EcdsaP256Sha256,
            p256,
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            A::EcdsaP384Sha384,
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ),
        (
            A::EcdsaP521Sha512,
            "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
            "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
            "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
        ),
    ] {
        let key = private(algorithm, number);
        let made = key.sign(algorithm, EcdsaForm::Raw, b"sample").expect("signs");
        assert_eq!(made, hex(&format!("{r}{s}")), "{algorithm:?}");
        let public = key.public().expect("its public key");
        for form in [EcdsaForm::Raw, EcdsaForm::Der] {
            let made = key.sign(algorithm, form, b"sample").expect("signs");
            assert!(public.verify(algorithm, form, b"sample", &made), "{algorithm:?} {form:?}");
            assert!(!public.verify(algorithm, form, b"simple", &made), "{algorithm:?} {form:?}");
        }
    }
    // A hash that is not the curve's own: the vector's numbers are made with that hash throughout, so that only the
    // check of them is compared.
    let public = private(A::EcdsaP256Sha1, p256).public().expect("its public key");
    let r = "61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D32";
    let s = "6D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB";
    let published = hex(&format!("{r}{s}"));
    assert!(public.verify(A::EcdsaP256Sha1, EcdsaForm::Raw, b"sample", &published));
    assert!(!public.verify(A::EcdsaP256Sha256, EcdsaForm::Raw, b"sample", &published));
}

/// A public key of 1024 bits, and signatures over "sample" by algorithm, as openssl makes them.
pub(super) const SMALL: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDucO0RFLDTVcZ3755jaurLfpRTKXViVIbzJlZA1R2RGjPNBRaN0YSLry0QLd+IHRjhPQw8W8Fc1C5qAo1eNoaaZvf7XQwCNhvEWAeQAqw2yBXfuLTHP3lwcloXAhpkXUboYPmA82EjEi7DTAalGURt8jVxcp78yelukPfJzF6ExwIDAQAB";
const BY_SMALL: [(SignatureAlgorithm, &str); 3] = [
    (
        SignatureAlgorithm::RsaPkcs1Sha1,
        "GjQPfbZawUCyWlWZn5zbXzPx92+cJE7l1YDGVKS8nt9K8EE9Jmx60botboMQH2G7tUJCzJmjyB880uSEm4pqaI7J7DpKTys1eEEZZqSL/ok3j2Q6aUT9WhTdjElhncHigPI1b1SRlNsN96YS9migCommo6X47+RAcBdo5zZyUek=",
    ),
    (
        SignatureAlgorithm::RsaPkcs1Sha256,
        "r2Gt1UKiBvkyVTyWASKg4WxnttjKXgnFqVzAi/rwVcrKj14YIiAtX8/BRKQkWyW/zUyHUkDnA3+ivsyZiJPKj56bDbrPy9GKLU2NI6QmWBJIylv19namRpbe2FzBRZ5FlAWIQHuOzdnv4UDozdMT665Frh4aOaAx6VOQeM7EfX8=",
    ),
    (
        SignatureAlgorithm::RsaPkcs1Sha512,
        "sxIEuHp9mhOrh/Z/geMx5GKhEjg0a5sCjYEvVeTDZHD0to4brcR0DlfBJ1eNNzch/e+kXtGhLdWer97aw8qivOgA6017siquvEI01vOyiVmbTFKEpyAO5AL6sxL7i324Ur09kAa6LTGXtg3BtSTGfsiz2vhm6FryJ8zAT7oGhGM=",
    ),
];

#[test]
fn rsa_of_openssl_with_a_small_key() {
    let key = PublicKey::from_text(SMALL, Strength::Legacy).expect("a small key");
    for (algorithm, signature) in BY_SMALL {
        assert!(key.verify(algorithm, EcdsaForm::Der, b"sample", &base64(signature)), "{algorithm:?}");
        assert!(!key.verify(algorithm, EcdsaForm::Der, b"simple", &base64(signature)), "{algorithm:?}");
    }
    let usual = PublicKey::from_text(SMALL, Strength::Usual).expect_err("too small");
    assert_eq!(usual, PublicKeyFault::RsaSize { bits: 1024, least: 2048 });
}

#[test]
fn each_algorithm_signs_and_verifies_and_none_is_another() {
    for algorithm in SignatureAlgorithm::all() {
        let (private, public) = pair(algorithm);
        let signature = private.sign(algorithm, EcdsaForm::Der, b"sample").expect("signs");
        for other in SignatureAlgorithm::all() {
            let (_, key) = pair(other);
            for (key, name) in [(&public, "its own key"), (&key, "another's")] {
                let expected = other == algorithm;
                let verified = key.verify(other, EcdsaForm::Der, b"sample", &signature);
                assert_eq!(verified, expected, "{algorithm:?} as {other:?} with {name}");
            }
        }
        assert_eq!(SignatureAlgorithm::named(algorithm.name()), Some(algorithm));
        assert_eq!(
            algorithm.jose_name().map(SignatureAlgorithm::jose_named),
            algorithm.jose_name().map(|_| Some(algorithm))
        );
    }
    for name in ["none", "None", "HS256", "ES256K", "", "rs256"] {
        assert_eq!(SignatureAlgorithm::jose_named(name), None, "{name}");
    }
}
