//! Settings, with what stands in their files.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;
use crate::config::{self, Environment};

/// A strong secret, as the provider of the route has them.
const STRONG: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8dEC7yBkXq1";

const OTHER: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A configuration that no rule finds anything in, and changes to it.
struct Bench {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    replicas: Option<u64>,
    built: Option<u64>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bench = Self { folder, variables: BTreeMap::new(), replicas: None, built: Some(NOW - DAY) };
        bench.certificate("hooks.example.com", (2027, 6, 1));
        for (name, content) in [
            ("secret", STRONG),
            ("resign", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
            ("chain", OTHER),
            ("schema", "{}"),
        ] {
            bench.file(name, content, 0o400, NOW - 10 * DAY);
        }
        for (name, value) in [
            ("LISTEN", "0.0.0.0:8443"),
            ("ADMIN_LISTEN", "127.0.0.1:9464"),
            ("TLS_CERT_FILE", "@cert"),
            ("TLS_KEY_FILE", "@key"),
            ("TLS_MIN_VERSION", "1.3"),
            ("LOCKOUT", "20/1m for 15m"),
            ("AUDIT_CHAIN", "true"),
            ("AUDIT_CHAIN_KEY_FILE", "@chain"),
            ("RESIGN_SECRET_FILE", "@resign"),
            ("REPLAY_JOURNAL", "/var/run/journal"),
            ("ROUTE_PAY_PATH", "/hooks/pay"),
            ("ROUTE_PAY_PROVIDER", "stripe"),
            ("ROUTE_PAY_SECRET_FILE", "@secret"),
            ("ROUTE_PAY_SECRET_MAX_AGE", "365d"),
            ("ROUTE_PAY_PUBLIC_URL", "https://hooks.example.com"),
            ("ROUTE_PAY_OWNER", "payments"),
            ("ROUTE_PAY_EXPIRES", "2027-06-30"),
            ("ROUTE_PAY_CONTENT_TYPES", "application/json"),
            ("ROUTE_PAY_EVENTS", "invoice.paid"),
            ("ROUTE_PAY_SOURCES", "192.0.2.0/24"),
            ("ROUTE_PAY_SCHEMA_FILE", "@schema"),
            ("ROUTE_PAY_RATE", "50/s"),
        ] {
            bench.set(name, value);
        }
        bench
    }

    /// Sets a variable; `@name` is a file's path, and an empty text takes the variable away.
    fn set(&mut self, name: &str, value: &str) {
        let value = match value.strip_prefix('@') {
            Some(file) if !file.contains('/') => self.at(file).to_str().expect("a plain path").to_owned(),
            _ => value.to_owned(),
        };
        self.variables.insert(format!("HOOKWARDEN_{name}"), value);
        self.variables.retain(|_, value| !value.is_empty());
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: &str, mode: u32, modified: u64) {
        let path = self.at(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, content).expect("a file");
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(UNIX_EPOCH + Duration::from_secs(modified)))
            .expect("a time");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
    }

    /// A certificate of an authority.
    fn certificate(&self, host: &str, end: (i32, u8, u8)) {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "authority");
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(end.0, end.1, end.2);
        params.distinguished_name.push(rcgen::DnType::CommonName, host);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        self.file("cert", &certificate.pem(), 0o444, NOW);
        self.file("key", &key.serialize_pem(), 0o400, NOW);
    }

    /// A certificate of an authority behind the listener's own, in its file.
    fn behind(&self, issuer: &str) {
        let own = fs::read_to_string(self.at("cert")).expect("a certificate");
        self.file("cert", &(own + issuer), 0o444, NOW);
    }

    fn self_signed(&self) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["hooks.example.com".to_owned()]).expect("a name");
        self.file("cert", &params.self_signed(&key).expect("a certificate").pem(), 0o444, NOW);
        self.file("key", &key.serialize_pem(), 0o400, NOW);
    }

    /// What each rule on settings has found, by code.
    fn found(&self) -> BTreeMap<&'static str, Vec<Finding>> {
        let mut environment = Environment::default();
        for (name, value) in &self.variables {
            environment.set(name, value);
        }
        let (config, _) = config::load(&environment).expect("it loads");
        let survey = config::survey(&environment);
        let subject = Subject {
            process: &config.process,
            policy: &config.policy,
            environment: &environment,
            survey: &survey,
            unknown: &BTreeSet::new(),
            replicas: self.replicas,
            built: self.built,
            now: NOW,
        };
        let found = all().filter_map(|row| Some((row.rule.code, row.of_settings(&subject)?)));
        found.filter(|(_, found)| !found.is_empty()).collect()
    }
}

#[test]
fn a_sound_configuration_has_nothing() {
    let found = Bench::new().found();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_chain_is_as_weak_as_its_weakest_certificate() {
    let bench = Bench::new();
    bench.behind(SOUND);
    let found = bench.found();
    assert!(found.is_empty(), "{found:#?}");
    bench.behind(&[WEAK_KEY, WEAK_HASH].concat());
    let found: Vec<_> = bench
        .found()
        .into_iter()
        .flat_map(|(code, found)| found.into_iter().map(move |one| (code, one.evidence)))
        .collect();
    let ends =
        [r#"for "CN=weak key" has a key of RSA with 1024 bits"#, r#"for "CN=weak hash" is signed over SHA-1 or MD5"#];
    assert!(
        found.len() == 2 && found.iter().zip(ends).all(|((code, told), end)| *code == "HW005" && told.ends_with(end)),
        "{found:#?}"
    );
}

/// An authority with an RSA key of 1024 bits.
const WEAK_KEY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBZzCCAQwCFGJkS5v3cs4h+zLcFplEpuKDbZ4hMAoGCCqGSM49BAMCMA8xDTAL
BgNVBAMMBHJvb3QwIBcNMjYxMTI1MjA1MDM4WhgPMjEyNjExMDEyMDUwMzhaMBMx
ETAPBgNVBAMMCHdlYWsga2V5MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCr
apa5h3ZNZW7PRVCEDpGZ9JwKdRapPRMNUuJ2kJk0w99xmZlCpZpWX4npCUpCh03d
w2J9yB/JdZS+FsmUi/hC16iu9egJz63Fo7wc7QP7VV6rTRMf14jDVNV8iCB+Owt3
oFFi02Bl8017JDiK9NsI8M9ZDzX8/rGBloiWFFWZYQIDAQABMAoGCCqGSM49BAMC
A0kAMEYCIQD52afHaI5YAof560qvSvpc3Va2lH3aXtO5rpVLHXY7aAIhAK5f5VQV
W7yGF/cpDpGBJbZHJ7q6qC62wNO2BxnPL8wC
-----END CERTIFICATE-----
";

/// An authority that was certified over SHA-1.
const WEAK_HASH: &str = "\
-----BEGIN CERTIFICATE-----
MIIBHDCBxQIUYmRLm/dyziH7MtwWmUSm4oNtniIwCQYHKoZIzj0EATAPMQ0wCwYD
VQQDDARyb290MCAXDTI2MTEyNTIwNTAzOVoYDzIxMjYxMTAxMjA1MDM5WjAUMRIw
EAYDVQQDDAl3ZWFrIGhhc2gwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR1K+HF
FHozsPWMbfbxrfpezZyOGPy1c8FDWweXycC9s4WInSbjpl8CmnNc38FgP/hiauuQ
LgqypeRJl/EG4Z/EMAkGByqGSM49BAEDRwAwRAIgPIIPS6KTY5xvKLDv4VOe9rHg
MQRcXtZ89FrQ4Vesi6QCIGc0Eyed72z3sOP4kxJwixl/GYvFUvpb9HADncJ1ROJJ
-----END CERTIFICATE-----
";

/// A root.
const SOUND: &str = "\
-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUKYOfSbbP+S/APdJVzjM0AzgjEO8wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEcm9vdDAgFw0yNjExMjUyMDUwMzhaGA8yMTI2MTEwMTIwNTAz
OFowDzENMAsGA1UEAwwEcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGIT
FzTVX60RQIIK2nKX/Lbn/XFMA90ULkiP3L4RQl0EV/9nJ720LqDMD8OMcvCiTql4
sACtN/FGzepmWYrb0EWjUzBRMB0GA1UdDgQWBBTFI7c/wgDvqtoIQjPHPmF0gjap
JTAfBgNVHSMEGDAWgBTFI7c/wgDvqtoIQjPHPmF0gjapJTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQC5SJVe/QfAL6TcBAyvZIdZbCHJHRLi/LOp
X5WO0MkwxgIhAMT5ms2KB68KCwkx78f6ky2ShRZMLfMoZlIt97to0bYa
-----END CERTIFICATE-----
";

/// What makes the sound configuration have a rule, and where it is found.
type Has = (&'static str, &'static str, fn(&mut Bench));

fn sets(bench: &mut Bench, changes: &[(&str, &str)]) {
    for (name, value) in changes {
        bench.set(name, value);
    }
}

/// Settings of another provider in the place of the sound route's.
fn provider(bench: &mut Bench, id: &str) {
    sets(bench, &[("ROUTE_PAY_PROVIDER", id), ("ROUTE_PAY_EVENTS", ""), ("ROUTE_PAY_SOURCES", "")]);
}

fn secret(bench: &mut Bench, content: &str) {
    bench.file("secret", content, 0o400, NOW - DAY);
}

fn client_certificates(bench: &mut Bench) {
    let authority = fs::read_to_string(bench.at("cert")).expect("a certificate");
    bench.file("authority", &authority, 0o444, NOW);
    sets(bench, &[("TLS_CLIENT_AUTH", "optional"), ("TLS_CLIENT_CA_FILE", "@authority")]);
}

fn plaintext(bench: &mut Bench, listen: &str) {
    let off =
        [("TLS", "off"), ("TLS_CERT_FILE", ""), ("TLS_KEY_FILE", ""), ("ALLOW_PLAINTEXT", "true"), ("LISTEN", listen)];
    sets(bench, &off);
}

const REDIS: (&str, &str) = ("REPLAY_URL", "rediss://hookwarden:Yx9-kTq3Wm7_Zr5vBn2L@redis.example.com");

const ROWS: &[Has] = &[
    ("HW001", "TLS", |bench| plaintext(bench, "0.0.0.0:8443")),
    ("HW001", "TLS", |bench| plaintext(bench, "127.0.0.1:8443")),
    ("HW002", "TLS", |bench| {
        let cert = [("TLS_CERT_FILE", ""), ("TLS_KEY_FILE", ""), ("TRUSTED_PROXIES", "10.0.0.1/32")];
        sets(bench, &[("TLS", "forwarded")]);
        sets(bench, &cert);
    }),
    ("HW003", "TLS_MIN_VERSION", |bench| bench.set("TLS_MIN_VERSION", "")),
    ("HW004", "TLS_CERT_FILE", |bench| bench.certificate("hooks.example.com", (2027, 1, 20))),
    ("HW004", "TLS_CERT_FILE", |bench| bench.certificate("hooks.example.com", (2027, 1, 1))),
    ("HW005", "TLS_CERT_FILE", |bench| bench.behind(WEAK_KEY)),
    ("HW005", "TLS_CERT_FILE", |bench| bench.behind(WEAK_HASH)),
    ("HW006", "ROUTE_PAY_PUBLIC_URL", |bench| bench.set("ROUTE_PAY_PUBLIC_URL", "https://other.example.com:8443/a")),
    ("HW007", "TLS_CERT_FILE", |bench| bench.self_signed()),
    ("HW008", "TRUSTED_PROXIES", |bench| bench.set("TRUSTED_PROXIES", "10.0.0.0/8")),
    ("HW009", "ADMIN_LISTEN", |bench| bench.set("ADMIN_LISTEN", "")),
    ("HW010", "UPSTREAM", |bench| bench.set("UPSTREAM", "app.shop.svc:8080")),
    ("HW010", "ROUTE_PAY_UPSTREAM", |bench| bench.set("ROUTE_PAY_UPSTREAM", "10.0.0.7:8080")),
    ("HW011", "TLS_CLIENT_CRL_FILE", client_certificates),
    ("HW012", "ROUTE_PAY_CLIENT_SANS", client_certificates),
    ("HW013", "FETCH_ALLOW_PRIVATE", |bench| {
        provider(bench, "oauth");
        let fetched =
            [("ROUTE_PAY_SECRET_FILE", ""), ("ROUTE_PAY_SECRET_MAX_AGE", ""), ("FETCH_ALLOW_PRIVATE", "true")];
        sets(bench, &fetched);
        sets(
            bench,
            &[
                ("ROUTE_PAY_JWKS_URL", "https://id.example.com/jwks"),
                ("ROUTE_PAY_ISSUER", "a"),
                ("ROUTE_PAY_AUDIENCE", "b"),
            ],
        );
    }),
    ("HW020", "ROUTE_PAY_SECRET_FILE", |bench| secret(bench, "x7Rk2mQp9")),
    ("HW021", "ROUTE_PAY_SECRET_FILE", |bench| secret(bench, "abababababababababababababababababab")),
    ("HW022", "ROUTE_PAY_SECRET_FILE", |bench| secret(bench, "my-webhook-secret")),
    ("HW023", "ROUTE_PAY_SECRET_FILE", |bench| secret(bench, OTHER)),
    ("HW024", "ROUTE_PAY_SECRET", |bench| {
        sets(bench, &[("ROUTE_PAY_SECRET_FILE", ""), ("ROUTE_PAY_SECRET", STRONG), ("ROUTE_PAY_SECRET_MAX_AGE", "")]);
    }),
    ("HW024", "REPLAY_URL", |bench| sets(bench, &[REDIS, ("REPLAY_JOURNAL", "")])),
    ("HW025", "ROUTE_PAY_SECRET_FILE", |bench| bench.file("secret", STRONG, 0o644, NOW)),
    ("HW026", "ROUTE_PAY_SCHEMA_FILE", |bench| bench.file("schema", "{}", 0o666, NOW)),
    ("HW027", "ROUTE_PAY_SECRET_FILE", |bench| bench.file("secret", STRONG, 0o400, NOW - 360 * DAY)),
    ("HW027", "RESIGN_SECRET_FILE", |bench| {
        bench.file("resign", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", 0o400, NOW - 400 * DAY);
    }),
    ("HW028", "ROUTE_PAY_SECRET_MAX_AGE", |bench| bench.set("ROUTE_PAY_SECRET_MAX_AGE", "")),
    ("HW029", "ROUTE_PAY_SECRET_FILE", |bench| secret(bench, &format!("{STRONG}\n{STRONG}2\n{STRONG}3\n"))),
    ("HW030", "RESIGN_SECRET_FILE", |bench| bench.file("resign", "whsec_C2FVsBQIhrscChlQIMV+bw==", 0o400, NOW)),
    ("HW040", "ROUTE_PAY_PROVIDER", |bench| provider(bench, "gitlab_token")),
    ("HW041", "ROUTE_PAY_PROVIDER", |bench| provider(bench, "gitlab_token")),
    ("HW042", "ROUTE_PAY_PROVIDER", |bench| provider(bench, "github")),
    ("HW043", "ROUTE_PAY_DELIVERY_ID", |bench| provider(bench, "github")),
    ("HW045", "ROUTE_PAY_PROVIDER", |bench| {
        provider(bench, "custom");
        sets(bench, &[("ROUTE_PAY_ALGORITHM", "sha1"), ("ROUTE_PAY_SIGNATURE_HEADER", "X-Signature")]);
    }),
    ("HW047", "ROUTE_PAY_PROVIDER", |bench| oauth(bench, "a", "b")),
    ("HW048", "ROUTE_PAY_AUDIENCE", |bench| oauth(bench, "a", "*")),
    ("HW050", "ROUTE_PAY_TOLERANCE", |bench| bench.set("ROUTE_PAY_TOLERANCE", "11m")),
    ("HW051", "ROUTE_PAY_REPLAY", |bench| bench.set("ROUTE_PAY_REPLAY", "off")),
    ("HW052", "REPLAY_URL", |bench| bench.replicas = Some(3)),
    ("HW053", "REPLAY_UNAVAILABLE", |bench| sets(bench, &[REDIS, ("REPLAY_UNAVAILABLE", "local")])),
    ("HW054", "REPLAY_URL", |bench| bench.set("REPLAY_URL", "redis://redis.example.com")),
    ("HW055", "REPLAY_PASSWORD", |bench| bench.set("REPLAY_URL", "rediss://redis.example.com")),
    ("HW056", "REPLAY_JOURNAL", |bench| bench.set("REPLAY_JOURNAL", "")),
    ("HW057", "REPLAY_FULL", |bench| bench.set("REPLAY_FULL", "evict")),
    ("HW058", "ROUTE_PAY_REPLAY_WINDOW", |bench| {
        provider(bench, "github");
        bench.set("ROUTE_PAY_REPLAY_WINDOW", "10m");
    }),
    ("HW060", "ROUTE_PAY_MODE", |bench| bench.set("ROUTE_PAY_MODE", "monitor")),
    ("HW061", "ROUTE_PAY_OWNER", |bench| bench.set("ROUTE_PAY_OWNER", "")),
    ("HW062", "ROUTE_PAY_EXPIRES", |bench| bench.set("ROUTE_PAY_EXPIRES", "")),
    ("HW063", "ROUTE_PAY_EXPIRES", |bench| bench.set("ROUTE_PAY_EXPIRES", "2026-12-31")),
    ("HW064", "ROUTE_PAY_EXPIRES", |bench| bench.set("ROUTE_PAY_EXPIRES", "2027-01-20")),
    ("HW065", "ROUTE_PAY_PATH", |bench| bench.set("ROUTE_PAY_PATH", "/*")),
    ("HW066", "ROUTE_PAY_METHODS", |bench| bench.set("ROUTE_PAY_METHODS", "POST,PUT")),
    ("HW067", "ROUTE_PAY_CONTENT_TYPES", |bench| bench.set("ROUTE_PAY_CONTENT_TYPES", "")),
    ("HW068", "ROUTE_PAY_EVENTS", |bench| bench.set("ROUTE_PAY_EVENTS", "")),
    ("HW069", "ROUTE_PAY_SOURCES", |bench| bench.set("ROUTE_PAY_SOURCES", "")),
    ("HW070", "ROUTE_PAY_SCHEMA_FILE", |bench| bench.set("ROUTE_PAY_SCHEMA_FILE", "")),
    ("HW071", "ROUTE_PAY_SOURCES", |bench| bench.set("ROUTE_PAY_SOURCES", "0.0.0.0/0")),
    ("HW080", "ROUTE_PAY_RATE", |bench| bench.set("ROUTE_PAY_RATE", "")),
    ("HW081", "LOCKOUT", |bench| bench.set("LOCKOUT", "")),
    ("HW082", "ROUTE_PAY_MAX_BODY", |bench| bench.set("ROUTE_PAY_MAX_BODY", "32MiB")),
    ("HW083", "HEADER_TIMEOUT", |bench| bench.set("HEADER_TIMEOUT", "2m")),
    ("HW083", "BODY_MIN_RATE", |bench| bench.set("BODY_MIN_RATE", "0")),
    ("HW084", "MAX_BUFFERED", |bench| bench.set("MAX_BUFFERED", "2GiB")),
    ("HW085", "MAX_IN_FLIGHT", |bench| bench.set("MAX_IN_FLIGHT", "100000")),
    ("HW090", "AUDIT_LOG", |bench| {
        sets(bench, &[("AUDIT_LOG", "off"), ("AUDIT_CHAIN", ""), ("AUDIT_CHAIN_KEY_FILE", "")]);
    }),
    ("HW091", "AUDIT_CHAIN", |bench| sets(bench, &[("AUDIT_CHAIN", ""), ("AUDIT_CHAIN_KEY_FILE", "")])),
    ("HW092", "AUDIT_CHAIN_KEY_FILE", |bench| bench.set("AUDIT_CHAIN_KEY_FILE", "")),
    ("HW093", "ERROR_DETAIL", |bench| bench.set("ERROR_DETAIL", "full")),
    ("HW094", "LOG_LEVEL", |bench| bench.set("LOG_LEVEL", "off")),
    ("HW095", "RESIGN_SECRET_FILE", |bench| bench.set("RESIGN_SECRET_FILE", "")),
    ("HW096", "ROUTE_PAY_CONFIRM_SUBSCRIPTIONS", |bench| {
        provider(bench, "aws_sns");
        bench.file("secret", "arn:aws:sns:eu-west-1:123456789012:orders", 0o400, NOW);
        bench.set("ROUTE_PAY_CONFIRM_SUBSCRIPTIONS", "true");
    }),
    ("HW097", "hookwarden", |bench| bench.built = Some(NOW - 200 * DAY)),
];

fn oauth(bench: &mut Bench, issuer: &str, audience: &str) {
    provider(bench, "oauth");
    sets(bench, &[("ROUTE_PAY_SECRET_FILE", ""), ("ROUTE_PAY_SECRET_MAX_AGE", "")]);
    let asked = [("ROUTE_PAY_JWKS_URL", "https://id.example.com/jwks"), ("ROUTE_PAY_ISSUER", issuer)];
    sets(bench, &asked);
    bench.set("ROUTE_PAY_AUDIENCE", audience);
}

#[test]
fn each_rule_is_found_where_it_is() {
    for (code, place, change) in ROWS {
        let mut bench = Bench::new();
        change(&mut bench);
        let found = bench.found();
        let places: Vec<_> = found.get(code).into_iter().flatten().map(|finding| finding.place.to_string()).collect();
        let full = format!("HOOKWARDEN_{place}");
        assert!(places.iter().any(|known| *known == full || known == place), "{code} at {place}: {found:#?}");
        // What is found tells no secret.
        let secrets = ["secret", "resign", "chain"].map(|name| fs::read_to_string(bench.at(name)).expect("a file"));
        let told = format!("{found:?}");
        assert!(
            !secrets.iter().flat_map(|text| text.lines()).any(|line| line.len() > 4 && told.contains(line)),
            "{code}: {told}"
        );
    }
}

/// Schemes that only few providers have: each of the catalogue is looked at.
#[test]
fn providers_with_weak_schemes() {
    let mut found = BTreeSet::new();
    for provider in crate::providers::all() {
        let mut environment = Environment::default();
        for (name, value) in [
            ("LISTEN", "127.0.0.1:0"),
            ("TLS", "off"),
            ("ROUTE_A_PATH", "/a/*"),
            ("ROUTE_A_PROVIDER", &provider.id),
            ("ROUTE_A_SECRET", &crate::auth::sign::sample_secret(&provider.scheme, 1)),
            ("ROUTE_A_PUBLIC_URL", "https://hooks.example.com"),
        ] {
            environment.set(format!("HOOKWARDEN_{name}"), value);
        }
        // What needs more settings than that is of no interest here.
        let Ok((config, _)) = config::load(&environment) else { continue };
        let survey = config::survey(&environment);
        let subject = Subject {
            process: &config.process,
            policy: &config.policy,
            environment: &environment,
            survey: &survey,
            unknown: &BTreeSet::new(),
            replicas: None,
            built: None,
            now: NOW,
        };
        let of_provider = all().filter(|row| row.of_settings(&subject).is_some_and(|found| !found.is_empty()));
        found.extend(of_provider.map(|row| row.rule.code));
    }
    for code in ["HW031", "HW044", "HW045", "HW046", "HW049"] {
        assert!(found.contains(code), "{code}: no provider of the catalogue has it");
    }
}

#[test]
fn no_rule_on_settings_is_left_out() {
    let by_catalogue = ["HW031", "HW044", "HW046", "HW049"];
    for row in all().filter(|row| matches!(row.look, Settings(_))) {
        let code = row.rule.code;
        assert!(ROWS.iter().any(|(known, ..)| *known == code) || by_catalogue.contains(&code), "{code} has no row");
    }
}

#[test]
fn how_bad_it_is_depends() {
    let worst = |code: &str, change: fn(&mut Bench)| {
        let mut bench = Bench::new();
        change(&mut bench);
        bench.found()[code].iter().map(|finding| finding.severity).max()
    };
    for (code, expected, change) in [
        ("HW001", Critical, (|bench| plaintext(bench, "0.0.0.0:1")) as fn(&mut Bench)),
        ("HW001", Low, |bench| plaintext(bench, "[::1]:1")),
        ("HW004", Critical, |bench| bench.certificate("hooks.example.com", (2027, 1, 15))),
        ("HW004", High, |bench| bench.certificate("hooks.example.com", (2027, 1, 20))),
        ("HW004", Medium, |bench| bench.certificate("hooks.example.com", (2027, 2, 1))),
        ("HW008", High, |bench| bench.set("TRUSTED_PROXIES", "10.0.0.0/8")),
        ("HW008", Medium, |bench| bench.set("TRUSTED_PROXIES", "10.1.0.0/20")),
        ("HW020", Critical, |bench| secret(bench, "x7Rk2mQ")),
        ("HW027", High, |bench| bench.file("secret", STRONG, 0o400, NOW - 366 * DAY)),
        ("HW041", Low, |bench| {
            provider(bench, "gitlab_token");
            bench.set("ROUTE_PAY_SOURCES", "192.0.2.0/24");
        }),
        ("HW050", High, |bench| bench.set("ROUTE_PAY_TOLERANCE", "2h")),
        ("HW065", Low, |bench| bench.set("ROUTE_PAY_PATH", "/hooks/*")),
        ("HW071", High, |bench| bench.set("ROUTE_PAY_SOURCES", "0.0.0.0/0")),
        ("HW097", High, |bench| bench.built = Some(NOW - 400 * DAY)),
    ] {
        assert_eq!(worst(code, change), Some(expected), "{code}");
    }
}
