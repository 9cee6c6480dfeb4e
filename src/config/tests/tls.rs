//! The listener's certificate and key: good pairs, and a clear line for each bad one.

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A certificate for `localhost` that ends in 2031, and its key.
fn pair() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(2031, 1, 1);
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

/// The faults of a pair of files, with `CERT` and `KEY` for their paths.
fn faults_of(certificate: &str, key: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = [("CERT", certificate), ("KEY", key)].map(|(name, content)| {
        let path = folder.path().join(name);
        write(&path, content);
        (name, text(&path).to_owned())
    });
    let [(_, certificate), (_, key)] = &paths;
    let found = faults(&environment(&[("TLS", ""), ("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key)]));
    found.into_iter().map(|fault| paths.iter().fold(fault, |fault, (name, path)| fault.replace(path, name))).collect()
}

#[test]
fn a_pair_makes_a_listener() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let texts = pair();
    write(&certificate, texts.0);
    write(&key, texts.1);
    let mut changes =
        vec![("TLS", ""), ("LISTEN", "0.0.0.0:0"), ("TLS_CERT_FILE", text(&certificate)), ("TLS_KEY_FILE", text(&key))];
    let policy = loaded(&changes).policy;
    assert_eq!(policy.tls_expires, Some(1_924_992_000));
    let tls = policy.tls.expect("TLS");
    assert_eq!(tls.alpn_protocols, [b"http/1.1".to_vec()]);
    changes.push(("TLS_MIN_VERSION", "1.3"));
    assert!(loaded(&changes).policy.tls.is_some());
}

#[test]
fn a_pair_that_changes_one_file_at_a_time_is_taken_when_it_fits_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let (old, new) = (pair(), pair());
    write(&certificate, old.0);
    write(&key, old.1);
    let changes = [("TLS", ""), ("TLS_CERT_FILE", text(&certificate)), ("TLS_KEY_FILE", text(&key))];
    let (_, mut watch) = load(&environment(&changes)).expect("no faults");
    write(&certificate, new.0);
    let (policy, faults) = broken(&mut watch);
    assert!(policy.tls.is_some() && faults.len() == 1, "the old pair stays: {faults:?}");
    assert!(watch.poll().is_none(), "told once");
    write(&key, new.1);
    good(&mut watch);
}

#[test]
fn each_way_in_which_a_pair_is_unusable_has_its_line() {
    let ((certificate, key), (other, _)) = (pair(), pair());
    assert_eq!(faults_of(&certificate, &key), [""; 0]);
    assert_eq!(faults_of(&format!("{certificate}{other}"), &key), [""; 0], "a chain");
    for (certificate, key, expected) in [
        ("", key.as_str(), "TLS_CERT_FILE: CERT holds no certificate"),
        (&key, &key, "TLS_CERT_FILE: CERT holds no certificate"),
        (&certificate, "", "TLS_KEY_FILE: KEY holds no private key that is not encrypted"),
        (&certificate, &certificate, "TLS_KEY_FILE: KEY holds no private key that is not encrypted"),
        (&other, &key, "TLS_KEY_FILE: KEY is not the key of the certificate in CERT"),
        (
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
            &key,
            "TLS_CERT_FILE: CERT holds a certificate that cannot be parsed",
        ),
    ] {
        assert_eq!(faults_of(certificate, key), [expected]);
    }
}

#[test]
fn a_broken_key_is_not_shown() {
    let (certificate, key) = pair();
    let broken = key.replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\n!");
    assert_eq!(faults_of(&certificate, &broken), ["TLS_KEY_FILE: KEY holds no private key that is not encrypted"]);
}

#[test]
fn a_certificate_is_required_unless_plaintext_was_asked_for() {
    let problem = "is required, and not set; for a trial, TLS=off serves plaintext on a loopback LISTEN";
    check(&[("TLS", "")], &[&format!("TLS_CERT_FILE: {problem}"), &format!("TLS_KEY_FILE: {problem}")]);
    check(
        &[("TLS_CERT_FILE", "/a"), ("TLS_KEY_FILE", "/b")],
        &[
            "TLS_CERT_FILE: is set, but TLS=off uses no certificate",
            "TLS_KEY_FILE: is set, but TLS=off uses no certificate",
        ],
    );
    check(
        &[("TLS", ""), ("TLS_CERT_FILE", "/nowhere/a"), ("TLS_KEY_FILE", "/nowhere/b")],
        &[
            "TLS_CERT_FILE: /nowhere/a cannot be read: No such file or directory (os error 2)",
            "TLS_KEY_FILE: the file that it names cannot be read: No such file or directory (os error 2)",
        ],
    );
}

/// An authority's certificate and an empty revocation list of its.
pub(super) fn authority() -> (String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority =
        rcgen::CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an issuer");
    let list = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2025, 1, 1),
        next_update: rcgen::date_time_ymd(2099, 1, 1),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    (authority.pem(), list.signed_by(&authority).expect("a list").pem().expect("PEM"))
}

/// The faults of a directory with these files, with `DIR` for its path.
fn directory_faults(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        write(&path, content);
    }
    let found = faults(&environment(&[("TLS", ""), ("TLS_CERT_FILE", text(folder.path()))]));
    found.into_iter().map(|fault| fault.replace(text(folder.path()), "DIR")).collect()
}

#[test]
fn a_directory_holds_pairs_as_tools_lay_them_out() {
    let ((cert, key), (other, other_key)) = (pair(), pair());
    for files in [
        &[("tls.crt", cert.as_str()), ("tls.key", &key)][..],
        &[("tls.crt", &cert), ("tls.key", &key), ("ca.crt", &other), ("keystore.p12", "\0"), ("README", "")],
        &[("a.crt", &cert), ("a.key", &key), ("b.test.crt", &other), ("b.test.key", &other_key)],
        &[
            ("a/tls.crt", &cert),
            ("a/tls.key", &key),
            ("a/ca.crt", &other),
            ("b/tls.crt", &other),
            ("b/tls.key", &other_key),
        ],
        &[
            ("tls.crt", &cert),
            ("tls.key", &key),
            ("b/tls.crt", &other),
            ("b/tls.key", &other_key),
            ("..data/x.key", ""),
        ],
    ] {
        assert_eq!(directory_faults(files), [""; 0], "{:?}", files.iter().map(|(name, _)| name).collect::<Vec<_>>());
    }
    for (files, problem) in [
        (&[][..], "holds no pair such as tls.crt and tls.key"),
        (&[("ca.crt", cert.as_str())], "holds no pair such as tls.crt and tls.key"),
        (&[("tls.crt", &cert)], "holds tls.crt, but no tls.key"),
        (&[("a/tls.key", &key)], "holds a/tls.key, but no a/tls.crt"),
        (
            &[("tls.crt", &cert), ("tls.key", &other_key)],
            "has a tls.key that is not the key of the certificate in tls.crt",
        ),
        (&[("tls.crt", ""), ("tls.key", &key)], "has a tls.crt that holds no certificate"),
        (&[("a.crt", &cert), ("a.key", &cert)], "has a a.key that holds no private key that is not encrypted"),
    ] {
        assert_eq!(directory_faults(files), [format!("TLS_CERT_FILE: DIR {problem}")]);
    }
}

#[test]
fn a_directory_is_watched_as_deep_as_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("a");
    std::fs::create_dir(&inner).expect("a folder");
    let put = |(cert, key): (String, String)| {
        write(&inner.join("tls.crt"), cert);
        write(&inner.join("tls.key"), key);
    };
    put(pair());
    let (_, mut watch) = load(&environment(&[("TLS", ""), ("TLS_CERT_FILE", text(folder.path()))])).expect("no faults");
    assert!(watch.poll().is_none());
    put(pair());
    good(&mut watch);
    write(&folder.path().join("note.txt"), "no part of a pair");
    assert!(watch.poll().is_none());
    write(&folder.path().join("b.key"), "");
    assert_eq!(broken(&mut watch).1.len(), 1);
}

#[test]
fn settings_of_client_certificates_go_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, content: String| {
        let path = folder.path().join(name);
        write(&path, content);
        text(&path).to_owned()
    };
    let ((cert, key), (ca, crl)) = (pair(), authority());
    let (cert, key, ca, crl) = (put("c", cert), put("k", key), put("ca", ca), put("crl", crl));
    let faults_with = |changes: &[(&str, &str)]| {
        let base = [("TLS", ""), ("TLS_CERT_FILE", cert.as_str()), ("TLS_KEY_FILE", key.as_str())];
        let found = faults(&environment(&[&base, changes].concat()));
        found.into_iter().map(|fault| fault.replace(text(folder.path()), "DIR")).collect::<Vec<_>>()
    };
    let asked = |file: &str| format!("{file}: is set, but TLS_CLIENT_AUTH=off asks no client for a certificate");
    for (changes, expected) in [
        (&[("TLS_CLIENT_AUTH", "required"), ("TLS_CLIENT_CA_FILE", ca.as_str())][..], vec![]),
        (
            &[
                ("TLS_CLIENT_AUTH", "optional"),
                ("TLS_CLIENT_CA_FILE", &ca),
                ("TLS_CLIENT_CRL_FILE", &crl),
                ("ROUTE_A_CLIENT_SANS", "a.test,*.b.test"),
            ],
            vec![],
        ),
        (
            &[("TLS_CLIENT_CA_FILE", &ca), ("TLS_CLIENT_CRL_FILE", &crl)],
            vec![asked("TLS_CLIENT_CA_FILE"), asked("TLS_CLIENT_CRL_FILE")],
        ),
        (
            &[("TLS_CLIENT_AUTH", "required"), ("ROUTE_A_CLIENT_SANS", "a.test")],
            vec![
                "ROUTE_A_CLIENT_SANS: is set, but without TLS_CLIENT_CA_FILE no client is asked for a certificate"
                    .into(),
                "TLS_CLIENT_CA_FILE: is not set, and TLS_CLIENT_AUTH asks whom client certificates come from".into(),
            ],
        ),
        (
            &[("TLS_CLIENT_AUTH", "required"), ("TLS_CLIENT_CA_FILE", &key)],
            vec!["TLS_CLIENT_CA_FILE: DIR/k holds no certificate".into()],
        ),
        (
            &[("TLS_CLIENT_AUTH", "required"), ("TLS_CLIENT_CA_FILE", &ca), ("TLS_CLIENT_CRL_FILE", &ca)],
            vec!["TLS_CLIENT_CRL_FILE: DIR/ca holds no revocation list in PEM".into()],
        ),
    ] {
        assert_eq!(faults_with(changes), expected, "{changes:?}");
    }
    check(
        &[("TLS_CLIENT_AUTH", "required"), ("TLS_CLIENT_CA_FILE", &ca)],
        &[
            "TLS_CLIENT_AUTH: is set, but TLS=off asks no client for a certificate",
            "TLS_CLIENT_CA_FILE: is set, but TLS=off asks no client for a certificate",
        ],
    );
}
