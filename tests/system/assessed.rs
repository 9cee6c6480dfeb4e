//! Receivers that check with the providers' own Python libraries, behind nginx: an assessment finds nothing that is not
//! there. And the sidecar behind nginx, as behind an ingress.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use hookwarden::assess::target::Target;
use hookwarden::assess::{self, Assessment, Options, Subject, Verdict};
use hookwarden::auth::keys::{Key, KeyText};
use hookwarden::auth::sign::sample_secret;
use hookwarden::providers;

use crate::fronts::nginx;
use crate::harness::{Sidecar, Upstream, secret_of};
use crate::programs::{Port, Program};

/// What cannot be told from outside where known events are acknowledged with another text.
const ACKNOWLEDGED: &[&str] = &["HA034", "HA035", "HA036", "HA037"];

fn attack(provider: &str, secret: &str, url: &str) -> Assessment {
    let scheme = providers::find(provider).expect("in the catalogue").scheme.clone();
    let secret = KeyText::new("1", secret.as_bytes());
    let subject = Subject {
        provider: provider.into(),
        key: Key::for_signing(&scheme, &secret).expect("a key"),
        secret,
        scheme,
        public: None,
        target: Target::resolve(url, None).expect("an address"),
        signed_url: None,
        headers: Vec::new(),
        body: None,
    };
    // Beyond nginx's own limit of 1 MiB.
    let options = Options { rate: 1000, oversize: 2 << 20, patience: Duration::from_secs(180), ..Options::default() };
    assess::run(&subject, &options, &mut |_| {}).expect("an assessment")
}

fn broken(assessment: &Assessment) -> Vec<&'static str> {
    let broken = assessment.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Broken);
    broken.map(|outcome| outcome.attack.rule.code).collect()
}

#[test]
fn a_receiver_with_an_official_library_behind_nginx_holds() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv/bin/python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/receiver.py");
    // Stripe's library looks backwards alone: a time from the future is a finding, and a true one.
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

#[test]
fn the_sidecar_behind_an_ingress_holds() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").set("TRUSTED_PROXIES", "127.0.0.1").start();
    let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
    let lines = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
    let front = nginx(folder.path(), &port, proxy.address(), lines);
    let assessment = attack("github", &secret_of("github"), &format!("http://{}/hooks/github", port.address()));
    assert!(assessment.hookwarden && assessment.notes.is_empty(), "{assessment:#?}");
    assert_eq!(broken(&assessment), [""; 0], "{assessment:#?}");
    let held = assessment.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Held).count();
    assert!(held >= 45, "{held} held: {assessment:#?}");
    drop(front);
    proxy.end();
}
