//! The alerting rules and the Grafana dashboard, judged by a real Prometheus that scrapes real sidecars under traffic:
//! every rule tests as its cases say, and every query of the dashboard gives data.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use hookwarden::clock::Now;
use hookwarden::govern::job::{Ended, Job};
use serde_json::Value;

use crate::harness::{Certificate, Client, GUARD, Sidecar, Signer, Upstream};
use crate::monitoring::{ask, start_prometheus};
use crate::programs::run;
use crate::server::Server;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitoring");

/// Its name, where this version of the sidecar has it: then its panels are held to give data like all others.
const SELF_AUDIT: &str = "hookwarden_audit_findings";

/// Prometheus says by these alerts that it has seen the traffic: there is nothing to ask for again and again.
const SIGNS: &str = r#"
groups:
  - name: signs
    rules:
      - alert: Scraped
        expr: count(up == 1) == 2
      - alert: Recorded
        expr: namespace_route:hookwarden_requests_undelivered:ratio_rate5m{route="github"} >= 0
"#;

#[test]
fn alerts_fire_and_are_silent_as_their_cases_say() {
    for arguments in [&["check", "rules", "rules.yaml"][..], &["test", "rules", "rules.test.yaml", "days.test.yaml"]] {
        let output = run(Command::new("promtool").current_dir(FOLDER).args(arguments), b"");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn every_alert_has_a_case_that_fires_and_one_that_does_not() {
    let read = |name: &str| fs::read_to_string(format!("{FOLDER}/{name}")).expect("a file");
    let (rules, cases) = (read("rules.yaml"), read("rules.test.yaml") + &read("days.test.yaml"));
    for alert in rules.split("- alert: ").skip(1).filter_map(|text| text.lines().next()) {
        for what in ["fires", "is silent"] {
            assert!(cases.contains(&format!("name: '{alert}: {what}")), "{alert}: no case where it {what}");
        }
    }
}

#[test]
fn every_query_of_the_dashboard_gives_data() {
    let (upstream, beside, store) = (Upstream::start(), Upstream::start(), Server::start());
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("secret"), crate::harness::secret_of("github")).expect("a file");
    fs::write(path("token"), "opensesame").expect("a file");
    let secret_file = path("secret");
    let proxy = Sidecar::before(&upstream)
        .provider_as("github", "github", &[("EXPIRES", "2099-01-01"), ("SECRET_FILE", &secret_file)])
        .unset("ROUTE_GITHUB_SECRET")
        .set("REPLAY_URL", store.url())
        .set("LOCKOUT", "20/1m for 1m")
        .set("ADMIN_TOKEN_FILE", path("token"))
        .start();
    let ended = Ended::counted(Job::Audit, |_| 1).write();
    let head = format!("POST /jobs HTTP/1.1\r\nHost: admin\r\nContent-Length: {}", ended.len());
    let report = format!("{head}\r\nAuthorization: Bearer opensesame\r\n\r\n{ended}");
    assert_eq!(Client::connect(proxy.admin()).send(report.as_bytes()).read().status, 204);
    let certificate = Certificate::new();
    let with_tls = certificate.on(Sidecar::before(&beside).provider("github")).start();

    let alertmanager = Upstream::start();
    fs::write(path("signs.yml"), SIGNS).expect("a file");
    let rules = [format!("{FOLDER}/rules.yaml"), path("signs.yml")];
    let (running, address) = start_prometheus(&path(""), &rules, &[proxy.admin(), with_tls.admin()], &alertmanager);
    wait_for_alert(&alertmanager, "Scraped");
    wait_until_it_forwards(&proxy);
    let unsigned = Signer::new("github").sample().without("X-Hub-Signature-256");
    assert_eq!(proxy.client().send(&unsigned.bytes()).read().status, 401);
    wait_for_alert(&alertmanager, "Recorded");

    let exported = String::from_utf8(proxy.ask_admin("/metrics").body).expect("text");
    let (mut silent, began) = (queries(), Now::read().instant);
    silent.retain(|query| !query.contains(SELF_AUDIT) || exported.contains(SELF_AUDIT));
    // A scrape that takes longer than a second, as it may on a busy machine, leaves nothing behind: then the next one counts.
    while !silent.is_empty() {
        silent.retain(|query| !gives_data(address, query));
        assert!(silent.is_empty() || began.elapsed() < GUARD, "no data for {silent:#?}");
    }
    drop(running);
    proxy.end();
    with_tls.finish();
}

#[test]
fn an_incident_raises_its_alerts_and_no_others() {
    let (upstream, mut store) = (Upstream::start(), Server::start());
    let proxy = Sidecar::before(&upstream).provider("github").set("REPLAY_URL", store.url()).start();
    wait_until_it_forwards(&proxy);

    let (alertmanager, folder) = (Upstream::start(), tempfile::tempdir().expect("a folder"));
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("hasty.yml"), hasty()).expect("a file");
    let (running, _) = start_prometheus(&path(""), &[path("hasty.yml")], &[proxy.admin()], &alertmanager);
    // Plaintext, and a secret that stands in the environment: the sidecar finds fault with itself.
    wait_for_alert(&alertmanager, "HookwardenAuditFindings");
    store.stop();
    wait_for_alert(&alertmanager, "HookwardenReplayStoreDown");
    assert_eq!(proxy.client().send(&Signer::new("github").sample().bytes()).read().status, 503);
    wait_for_alert(&alertmanager, "HookwardenWebhooksFailing");
    proxy.end();
    wait_for_alert(&alertmanager, "HookwardenDown");
    drop(running);

    let sent: BTreeSet<_> = alertmanager.received().iter().flat_map(|request| names(request.body())).collect();
    let expected =
        ["HookwardenAuditFindings", "HookwardenDown", "HookwardenReplayStoreDown", "HookwardenWebhooksFailing"];
    assert_eq!(sent, expected.map(str::to_owned).into());
}

/// The rules as they are shipped, but for their patience: an alert that is due fires within seconds.
fn hasty() -> String {
    let rules = fs::read_to_string(format!("{FOLDER}/rules.yaml")).expect("a file");
    let lines = rules.lines().map(|line| if line.starts_with("        for: ") { "        for: 1s" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// The alerts of one message to an Alertmanager.
fn names(body: &[u8]) -> Vec<String> {
    let alerts: Value = serde_json::from_slice(body).expect("JSON");
    let name = |alert: &Value| alert["labels"]["alertname"].as_str().expect("a name").to_owned();
    alerts.as_array().expect("a list").iter().map(name).collect()
}

/// A store without memory keeps all waiting at first, so that every sidecar can write back what it knows.
fn wait_until_it_forwards(proxy: &Sidecar) {
    let (began, mut client) = (Now::read().instant, proxy.client());
    while client.send(&Signer::new("github").sample().bytes()).read().status != 200 {
        assert!(began.elapsed() < GUARD, "the store is not there");
    }
}

/// All queries of the dashboard's panels and notes, its variables filled in as Grafana would.
fn queries() -> Vec<String> {
    let text = fs::read_to_string(format!("{FOLDER}/dashboard.json")).expect("a file");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect();
    assert!(queries.len() > 30, "{queries:?}");
    let fill = |query: String| {
        let filled = [("$namespace", ".*"), ("$route", ".*"), ("$__rate_interval", "5m")];
        filled.iter().fold(query, |query, (name, value)| query.replace(name, value))
    };
    queries.into_iter().map(fill).collect()
}

/// Whether there is at least one series, and one of its numbers is a number.
fn gives_data(address: SocketAddr, query: &str) -> bool {
    let number = |series: &Value| series["value"][1].as_str().is_some_and(|text| text != "NaN");
    ask(address, query).iter().any(number)
}

/// Waits until Prometheus has sent that alert.
fn wait_for_alert(alertmanager: &Upstream, name: &str) {
    let mut count = 1;
    let holds = |count| {
        let sent = alertmanager.wait_for(count);
        sent.iter().any(|request| names(request.body()).iter().any(|sent| sent == name))
    };
    while !holds(count) {
        count += 1;
    }
}
