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
    assert!(watch.poll().is_some_and(|policy| policy.is_err()));
    assert!(watch.poll().is_none(), "told once");
    write(&key, new.1);
    assert!(watch.poll().is_some_and(|policy| policy.is_ok()));
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
