//! What the sidecar refuses to start with, and how it says so: everything at once, by name, and never a secret.

use std::ffi::OsString;
use std::net::TcpListener;

use super::harness::{Builder, Outcome, Sidecar, Signer, Upstream};

/// A setting that is good but for what a test changes.
fn good() -> Builder {
    Sidecar::before(&Upstream::refusing()).provider("github")
}

/// What a refused start says, line by line, without the last line, which tells how many there were.
#[track_caller]
fn faults(builder: Builder) -> Vec<String> {
    let output = builder.refuse();
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(output.stdout.is_empty(), "standard output belongs to the audit records");
    let lines = text.lines().map(|line| line.strip_prefix("hookwarden: ").expect("who says so").to_owned());
    let mut lines: Vec<_> = lines.collect();
    let count = if lines.len() == 2 { "1 fault".to_owned() } else { format!("{} faults", lines.len() - 1) };
    assert_eq!(lines.pop(), Some(format!("the configuration is refused: {count}")), "{text}");
    lines
}

/// One wrong setting, the variable that the fault names, and what else its line says.
const WRONG: &[(&str, &str, &str, &str)] = &[
    // Names.
    ("UPSTREEM", "x", "UPSTREEM", "is not a setting; did you mean HOOKWARDEN_UPSTREAM?"),
    ("TLS_CERT", "x", "TLS_CERT", "did you mean HOOKWARDEN_TLS_CERT_FILE?"),
    ("SECRET_FILE", "x", "SECRET_FILE", "did you mean HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE?"),
    ("ROUTE_GITHUB_SECERT", "x", "ROUTE_GITHUB_SECERT", "did you mean HOOKWARDEN_ROUTE_GITHUB_SECRET?"),
    ("ROUTE_GITHUB", "x", "ROUTE_GITHUB", "is not a setting"),
    // Values.
    ("LISTEN", "localhost", "LISTEN", "accepted: an address and port"),
    ("ADMIN_LISTEN", "127.0.0.1", "ADMIN_LISTEN", "accepted: an address and port"),
    ("UPSTREAM", "https://app:0", "UPSTREAM", "accepted: host:port"),
    ("WORKERS", "0", "WORKERS", "accepted: 1 to 1024"),
    ("WORKERS", "", "WORKERS", "is empty"),
    ("MAX_BUFFERED", "64 MB", "MAX_BUFFERED", "accepted: a size"),
    ("HEADER_TIMEOUT", "10", "HEADER_TIMEOUT", "accepted: a duration"),
    ("IDLE_TIMEOUT", "0s", "IDLE_TIMEOUT", "accepted: a duration above zero"),
    ("TLS", "on", "TLS", "accepted: terminate, forwarded or off"),
    ("TLS", "forwarded", "TRUSTED_PROXIES", "takes nobody else's word"),
    ("ERROR_DETAIL", "verbose", "ERROR_DETAIL", "accepted: minimal or full"),
    ("AUDIT_LOG", "stduot", "AUDIT_LOG", "accepted: stdout, off, or a file's path"),
    ("LOG_LEVEL", "loud", "LOG_LEVEL", "accepted: off, error"),
    ("ROUTE_GITHUB_PATH", "hooks", "ROUTE_GITHUB_PATH", "accepted: a path such as /hooks/github"),
    ("ROUTE_GITHUB_PATH", "/hooks/../x", "ROUTE_GITHUB_PATH", "accepted: a path"),
    ("ROUTE_GITHUB_PROVIDER", "githib", "ROUTE_GITHUB_PROVIDER", "did you mean github?"),
    ("ROUTE_GITHUB_MAX_BODY", "1GB", "ROUTE_GITHUB_MAX_BODY", "accepted: a size"),
    ("ROUTE_GITHUB_MAX_BODY", "65MiB", "ROUTE_GITHUB_MAX_BODY", "MAX_BUFFERED"),
    ("ROUTE_GITHUB_SOURCES", "10.0.0.0/33", "ROUTE_GITHUB_SOURCES", "accepted: networks"),
    ("ROUTE_GITHUB_EXPIRES", "tomorrow", "ROUTE_GITHUB_EXPIRES", "accepted: a date"),
    ("ROUTE_GITHUB_MODE", "observe", "ROUTE_GITHUB_MODE", "accepted: enforce or monitor"),
    ("REPLAY_URL", "http://redis:6379", "REPLAY_URL", "accepted: redis://"),
    ("REPLAY_JOURNAL", "journal", "REPLAY_JOURNAL", "accepted: an absolute path"),
    ("REPLAY_UNAVAILABLE", "allow", "REPLAY_UNAVAILABLE", "accepted: deny or local"),
    // Contradictions.
    ("REPLAY_UNAVAILABLE", "local", "REPLAY_UNAVAILABLE", "there is no REPLAY_URL"),
    ("REPLAY_PASSWORD", "x", "REPLAY_PASSWORD", "there is no REPLAY_URL"),
    ("LISTEN", "0.0.0.0:0", "TLS", "would serve plaintext on 0.0.0.0:0, which is not loopback"),
    ("TLS_CERT_FILE", "/tls.crt", "TLS_CERT_FILE", "is set, but TLS=off uses no certificate"),
    ("ROUTE_GITHUB_TOLERANCE", "300s", "ROUTE_GITHUB_TOLERANCE", "signs no time"),
    ("ROUTE_GITHUB_SECRET_MAX_AGE", "90d", "ROUTE_GITHUB_SECRET_MAX_AGE", "not in a file"),
    ("ROUTE_GITHUB_SIGNATURE_HEADER", "X-Sig", "ROUTE_GITHUB_SIGNATURE_HEADER", "PROVIDER is github"),
    ("ROUTE_GITHUB_SECRET_FILE", "/x", "ROUTE_GITHUB_SECRET", "only one of them is accepted"),
    ("ROUTE_OTHER_PATH", "/hooks/github", "ROUTE_OTHER_PROVIDER", "is required"),
    ("LISTEN_FILE", "/x", "LISTEN_FILE", "which is set too; only one of them is accepted"),
];

#[test]
fn each_fault_names_its_variable_and_what_is_accepted_there() {
    for (name, value, variable, says) in WRONG {
        let faults = faults(good().set(name, *value));
        let named = format!("HOOKWARDEN_{variable}: ");
        let found = faults.iter().any(|fault| fault.starts_with(&named) && fault.contains(says));
        assert!(found, "{name}={value:?} should say {named}… {says}; it says {faults:#?}");
    }
}

#[test]
fn all_faults_are_listed_at_once() {
    let builder = good()
        .set("LISTEN", "localhost")
        .set("UPSTREEM", "x")
        .set("WORKERS", "many")
        .set("REPLAY_URL", "redis://127.0.0.1/x")
        .unset("ROUTE_GITHUB_SECRET")
        .set("ROUTE_GITHUB_METHODS", "PO ST")
        .set("ROUTE_PAY_PATH", "/hooks/github")
        .set("ROUTE_PAY_PROVIDER", "strype")
        .set("ROUTE_PAY_SECRET_FILE", "/none");
    let faults = faults(builder);
    let variables: Vec<_> = faults.iter().filter_map(|fault| fault.split(": ").next()).collect();
    assert_eq!(
        variables,
        [
            "HOOKWARDEN_LISTEN",
            "HOOKWARDEN_REPLAY_URL",
            "HOOKWARDEN_ROUTE_GITHUB_METHODS",
            "HOOKWARDEN_ROUTE_GITHUB_SECRET_FILE",
            "HOOKWARDEN_ROUTE_PAY_PATH",
            "HOOKWARDEN_ROUTE_PAY_PROVIDER",
            "HOOKWARDEN_ROUTE_PAY_SECRET_FILE",
            "HOOKWARDEN_UPSTREEM",
            "HOOKWARDEN_WORKERS",
        ],
        "{faults:#?}"
    );
}

#[test]
fn without_a_route_or_a_certificate_nothing_starts() {
    let bare = Sidecar::before(&Upstream::refusing());
    assert!(faults(bare)[0].starts_with("HOOKWARDEN_ROUTE_<NAME>_PATH: there is no route"));
    let faults = faults(good().unset("TLS"));
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].starts_with("HOOKWARDEN_TLS_CERT_FILE: is required"), "{faults:#?}");
    assert!(faults[1].starts_with("HOOKWARDEN_TLS_KEY_FILE: is required"), "{faults:#?}");
}

#[test]
fn no_fault_shows_a_secret() {
    const SECRET: &str = "hunter2-never-shown";
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"))
        .expect("a file");
    let builder = good()
        .unset("TLS")
        .set("TLS_CERT_FILE", file.as_os_str())
        .set("TLS_KEY_FILE", file.as_os_str())
        .set("ADMIN_TOKEN_FILE", SECRET)
        .set("RESIGN_SECRET_FILE", file.as_os_str())
        .set("ROUTE_GITHUB_SECERT", SECRET)
        .set("ROUTE_GITHUB_SECRET_FILE", SECRET)
        .set("TOKEN", SECRET)
        .set("ROUTE_FILE_PATH", "/file")
        .set("ROUTE_FILE_PROVIDER", "github")
        .set("ROUTE_FILE_SECRET_FILE", SECRET)
        .set("ROUTE_SW_PATH", "/sw")
        .set("ROUTE_SW_PROVIDER", "standard_webhooks")
        .set("ROUTE_SW_SECRET", format!("whsec_{SECRET}!"))
        .set("ROUTE_STRIPE_PATH", "/stripe")
        .set("ROUTE_STRIPE_PROVIDER", "stripe")
        .set("ROUTE_STRIPE_SECRET_FILE", format!("{}/{SECRET}", directory.path().display()));
    let faults = faults(builder);
    assert!(faults.len() >= 9, "{faults:#?}");
    assert!(faults.iter().all(|fault| !fault.contains(SECRET)), "{faults:#?}");
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("empty"), "").expect("a file");
    std::fs::write(path("text"), "no PEM, no JSON").expect("a file");
    std::fs::write(path("bytes"), [0xff, 0xfe]).expect("a file");
    std::fs::write(path("large"), vec![b'a'; (1 << 20) + 1]).expect("a file");
    std::fs::create_dir(path("none")).expect("a directory");
    let one = rcgen::generate_simple_self_signed(["hooks.test".to_owned()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(["hooks.test".to_owned()]).expect("a certificate");
    std::fs::write(path("tls.crt"), one.cert.pem()).expect("a file");
    std::fs::write(path("tls.key"), one.signing_key.serialize_pem()).expect("a file");
    std::fs::write(path("other.key"), other.signing_key.serialize_pem()).expect("a file");
    let tls = |certificate: &str, key: &str| {
        good().unset("TLS").set("TLS_CERT_FILE", path(certificate)).set("TLS_KEY_FILE", path(key))
    };
    let route = |setting: &str, name: &str| good().set(&format!("ROUTE_GITHUB_{setting}"), path(name));
    let secret = |name: &str| route("SECRET_FILE", name).unset("ROUTE_GITHUB_SECRET");
    for (builder, variable, says) in [
        (tls("missing", "tls.key"), "TLS_CERT_FILE", "missing cannot be read"),
        (tls("text", "tls.key"), "TLS_CERT_FILE", "holds no certificate"),
        (tls("tls.key", "tls.key"), "TLS_CERT_FILE", "holds no certificate"),
        (tls("none", "").unset("TLS_KEY_FILE"), "TLS_CERT_FILE", "holds no pair"),
        (tls("tls.crt", "text"), "TLS_KEY_FILE", "holds no private key"),
        (tls("tls.crt", "tls.crt"), "TLS_KEY_FILE", "holds no private key"),
        (tls("tls.crt", "other.key"), "TLS_KEY_FILE", "is not the key of the certificate"),
        (route("SCHEMA_FILE", "text"), "ROUTE_GITHUB_SCHEMA_FILE", "text"),
        (route("SCHEMA_FILE", "bytes"), "ROUTE_GITHUB_SCHEMA_FILE", "is not UTF-8"),
        (route("SCHEMA_FILE", "large"), "ROUTE_GITHUB_SCHEMA_FILE", "is larger than 1MiB"),
        (secret("missing"), "ROUTE_GITHUB_SECRET_FILE", "cannot be read"),
        (secret("empty"), "ROUTE_GITHUB_SECRET_FILE", ""),
        (secret("none"), "ROUTE_GITHUB_SECRET_FILE", ""),
        (route("OWNER_FILE", "bytes"), "ROUTE_GITHUB_OWNER_FILE", "is not UTF-8"),
        (good().set("ADMIN_TOKEN_FILE", path("empty")), "ADMIN_TOKEN_FILE", "is empty"),
        (good().set("RESIGN_SECRET_FILE", path("text")), "RESIGN_SECRET_FILE", "text: "),
    ] {
        let faults = faults(builder);
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].starts_with(&format!("HOOKWARDEN_{variable}: ")), "{variable}: {}", faults[0]);
        assert!(faults[0].contains(says), "{variable} should say {says}: {}", faults[0]);
    }
}

#[test]
fn what_kubernetes_says_of_services_is_passed_over() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .provider("github")
        .set("SERVICE_HOST", "10.0.0.7")
        .set("SERVICE_PORT_HTTPS", "8443")
        .set("PORT", "tcp://10.0.0.7:8443")
        .set("PORT_8443_TCP_ADDR", "10.0.0.7")
        .start();
    proxy.check(&Signer::new("github").sample().bytes(), &Outcome::forwarded("github"));
    proxy.finish();
}

#[test]
fn a_value_may_stand_in_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, secret) = (directory.path().join("path"), directory.path().join("secret"));
    std::fs::write(&path, "/from/file\n").expect("a file");
    std::fs::write(&secret, "one secret\n\nanother secret\r\n").expect("a file");
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .set("ROUTE_GITHUB_PATH_FILE", path)
        .set("ROUTE_GITHUB_PROVIDER", "github")
        .set("ROUTE_GITHUB_SECRET_FILE", secret)
        .start();
    for (key_id, text) in [("1", "one secret"), ("2", "another secret")] {
        let request = Signer::new("github").path("/from/file").secret(text).sample();
        let mut client = proxy.client();
        let response = client.send(&request.bytes()).read();
        assert_eq!(proxy.expect_answer(&response, &Outcome::forwarded("github")).text("key_id"), key_id);
    }
    proxy.finish();
}

#[test]
fn a_port_or_file_that_is_not_to_be_had_is_one_line_and_another_exit_code() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let elsewhere = OsString::from("/proc/none/audit.log");
    for (name, value, workers) in [
        ("LISTEN", OsString::from(&address), "1"),
        ("LISTEN", OsString::from(&address), "2"),
        ("ADMIN_LISTEN", OsString::from(&address), "1"),
        ("AUDIT_LOG", elsewhere, "1"),
    ] {
        let output = good().set("WORKERS", workers).set(name, &value).refuse();
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(69), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with(&format!("hookwarden: HOOKWARDEN_{name}: ")), "{text}");
        assert!(text.contains(value.to_str().expect("text")), "{text}");
        assert!(output.stdout.is_empty());
    }
}
