//! Receivers that check with the providers' own Python libraries, behind nginx: an assessment finds nothing that is not
//! there. And the sidecar behind nginx, as behind an ingress.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hookwarden::assess::target::Target;
use hookwarden::assess::{self, Assessment, Options, Outcome, Subject, Verdict};
use hookwarden::auth::keys::{Key, KeyText};
use hookwarden::auth::sign::sample_secret;
use hookwarden::govern::finding::Severity;
use hookwarden::providers;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::fronts::{haproxy, nginx, nginx_of};
use crate::harness::{Authority, Sidecar, Upstream, replace, secret_of};
use crate::programs::{Port, Program};

/// What cannot be told from outside where known events are acknowledged with another text.
const ACKNOWLEDGED: &[&str] = &["HA034", "HA035", "HA036", "HA037"];

fn attack(provider: &str, secret: &str, url: &str) -> Assessment {
    assess::run(&subject(provider, secret, url, None), &options(), &mut |_| {}).expect("an assessment")
}

fn options() -> Options {
    // Beyond nginx's own limit of 1 MiB.
    Options { rate: 1000, oversize: 2 << 20, patience: Duration::from_secs(180), ..Options::default() }
}

fn subject(provider: &str, secret: &str, url: &str, connect: Option<&str>) -> Subject {
    let scheme = providers::find(provider).expect("in the catalogue").scheme.clone();
    let secret = KeyText::new("1", secret.as_bytes());
    Subject {
        provider: provider.into(),
        key: Key::for_signing(&scheme, &secret).expect("a key"),
        secret,
        scheme,
        public: None,
        target: Target::resolve(url, connect).expect("an address"),
        signed_url: None,
        headers: Vec::new(),
        body: None,
    }
}

fn broken(assessment: &Assessment) -> Vec<&'static str> {
    let broken = assessment.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Broken);
    broken.map(|outcome| outcome.attack.rule.code).collect()
}

#[test]
fn a_receiver_with_an_official_library_behind_nginx_holds() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv/bin/python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/receiver.py");
    // Stripe's library looks backwards alone: a time from the future is a finding, and a true one, of the least weight.
    for (provider, expected) in [("standard_webhooks", &[][..]), ("svix", &[]), ("slack", &[]), ("stripe", &["HA033"])]
    {
        let secret = sample_secret(&providers::find(provider).expect("in the catalogue").scheme, 7);
        let mut receiver = Program::start(Command::new(python).args([script, provider, &secret]));
        let port = receiver.wait_for("listening").rsplit(' ').next().and_then(|port| port.parse().ok());
        let receiving = SocketAddr::from(([127, 0, 0, 1], port.expect("a port")));
        let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
        let front = nginx(folder.path(), &port, receiving, "");
        let assessment = attack(provider, &secret, &format!("http://{}/hooks", port.address()));
        assert!(assessment.unheard.is_none() && assessment.notes.is_empty(), "{provider}: {assessment:#?}");
        assert_eq!(broken(&assessment), expected, "{provider}: {assessment:#?}");
        let mut severities = assessment.outcomes.iter().filter_map(Outcome::severity);
        assert!(severities.all(|severity| severity == Severity::Low), "{provider}: {assessment:#?}");
        let held = assessment.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Held).count();
        assert!(held >= 45 && !assessment.hookwarden, "{provider}: {held} held: {assessment:#?}");
        let is_open = |code: &&str| {
            let found = assessment.outcomes.iter().find(|outcome| outcome.attack.rule.code == *code);
            found.is_some_and(|outcome| outcome.verdict == Verdict::Inconclusive)
        };
        assert!(ACKNOWLEDGED.iter().all(is_open), "{provider}: {assessment:#?}");
        drop((front, receiver));
    }
}

/// Ingress controllers are nginx and `HAProxy` underneath. TLS ends at them, or there is none.
#[test]
fn the_sidecar_behind_an_ingress_holds() {
    let authority = Authority::new("authority");
    let identity = authority.issue(&[HOST]);
    let authorities = CertificateDer::pem_slice_iter(authority.pem().as_bytes()).collect::<Result<Vec<_>, _>>();
    let authorities = authorities.expect("certificates");
    for (is_nginx, is_tls) in [(true, false), (true, true), (false, false), (false, true)] {
        let upstream = Upstream::start();
        let tls = if is_tls { "forwarded" } else { "off" };
        let proxy = Sidecar::before(&upstream).provider("github").set("TRUSTED_PROXIES", "127.0.0.1").set("TLS", tls);
        let proxy = proxy.start();
        let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
        identity.put(folder.path(), "tls");
        replace(&folder.path().join("both.pem"), &format!("{}{}", identity.certificate, identity.key));
        let front = if is_nginx {
            in_nginx(folder.path(), &port, is_tls, proxy.address())
        } else {
            in_haproxy(folder.path(), &port, is_tls, proxy.address())
        };
        let scheme = if is_tls { "https" } else { "http" };
        let (url, connect) = (format!("{scheme}://{HOST}/hooks/github"), port.address().to_string());
        let subject = subject("github", &secret_of("github"), &url, Some(&connect));
        let options = Options { authorities: authorities.clone(), ..options() };
        let assessment = assess::run(&subject, &options, &mut |_| {}).expect("an assessment");
        let what = format!("nginx {is_nginx}, TLS {is_tls}");
        assert!(assessment.hookwarden && assessment.notes.is_empty(), "{what}: {assessment:#?}");
        assert_eq!(broken(&assessment), if is_nginx { &[][..] } else { REPAIRS }, "{what}: {assessment:#?}");
        let held: Vec<_> = assessment
            .outcomes
            .iter()
            .filter(|one| one.verdict == Verdict::Held)
            .map(|one| one.attack.rule.code)
            .collect();
        let of_tls = ["HA068", "HA069", "HA070"].iter().filter(|code| held.contains(code)).count();
        assert!(held.len() >= 45 && of_tls == if is_tls { 3 } else { 0 }, "{what}: {held:?}: {assessment:#?}");
        drop(front);
        proxy.end();
    }
}

const HOST: &str = "hooks.test";

/// What `HAProxy` makes good and passes on, as RFC 9112 section 6.3 lets it: chunks beside a length, a list of one length
/// twice, and a version that there is not. That an endpoint does so is what these attacks ask, whoever is behind it.
const REPAIRS: &[&str] = &["HA052", "HA055", "HA062"];

fn in_nginx(folder: &Path, port: &Port, is_tls: bool, sidecar: SocketAddr) -> Program {
    let lines = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;";
    if !is_tls {
        return nginx(folder, port, sidecar, lines);
    }
    let lines = format!(
        "{lines} }} ssl_certificate {at}/tls.crt; ssl_certificate_key {at}/tls.key; ssl_protocols TLSv1.2 TLSv1.3; location /never {{ ",
        at = folder.display()
    );
    nginx_of(folder, port, "ssl", sidecar, &lines)
}

fn in_haproxy(folder: &Path, port: &Port, is_tls: bool, sidecar: SocketAddr) -> Program {
    let at = folder.display();
    let tls = format!(" ssl crt {at}/both.pem\n            http-request set-header X-Forwarded-Proto https");
    let bind = if is_tls { tls.as_str() } else { "" };
    haproxy(folder, port, bind, "http", "option forwardfor", sidecar, "")
}
