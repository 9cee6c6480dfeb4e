//! Prometheus as it would watch a sidecar: it scrapes, its queries give the numbers that the records tell of, and its
//! alerts fire on them.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use hookwarden::clock::Now;
use serde_json::Value;

use crate::harness::{Client, GUARD, Outcome, Sidecar, Signer, Upstream};
use crate::programs::{Program, run};

/// The alert says when everything has been scraped: there is nothing to ask for again and again.
const RULES: &str = r#"
groups:
  - name: test
    rules:
      - alert: AllForwarded
        expr: hookwarden_requests_total{route="github",decision="forwarded",reason="forwarded"} >= 3
"#;

#[test]
fn promtool_finds_nothing_to_better_in_the_metrics() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    proxy.check(&Signer::new("github").sample().bytes(), &Outcome::forwarded("github"));
    let metrics = proxy.ask_admin("/metrics").body;
    let output = run(Command::new("promtool").args(["check", "metrics"]), &metrics);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    proxy.finish();
}

#[test]
fn prometheus_scrapes_answers_and_alerts() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    for _ in 0..3 {
        proxy.check(&Signer::new("github").sample().bytes(), &Outcome::forwarded("github"));
    }
    let unsigned = Signer::new("github").sample().without("X-Hub-Signature-256");
    proxy.check(&unsigned.bytes(), &Outcome::of("credential_missing").on("github"));

    // Prometheus sends its alerts here.
    let alertmanager = Upstream::start();
    let folder = tempfile::tempdir().expect("a folder");
    let (running, address) = prometheus(folder.path().to_str().expect("UTF-8"), &proxy, &alertmanager);
    let alerts = alertmanager.wait_for(1).remove(0);
    let alerts: Value = serde_json::from_slice(alerts.body()).expect("JSON");
    assert_eq!(alerts[0]["labels"]["alertname"], "AllForwarded", "{alerts}");

    for (query, expected) in [
        (r#"hookwarden_requests_total{decision="forwarded",route="github"}"#, "3"),
        (r#"hookwarden_requests_total{decision="denied",reason="credential_missing",route="github"}"#, "1"),
        ("sum(hookwarden_requests_total)", "4"),
        (r#"hookwarden_request_duration_seconds_count{route="github"}"#, "4"),
        ("up", "1"),
    ] {
        wait_for(address, query, expected);
    }
    drop(running);
    proxy.finish();
}

fn prometheus(folder: &str, proxy: &Sidecar, alertmanager: &Upstream) -> (Program, SocketAddr) {
    let rules = format!("{folder}/rules.yml");
    fs::write(&rules, RULES).expect("a file");
    start_prometheus(folder, &[rules], &[proxy.admin()], alertmanager)
}

/// Starts a Prometheus in that folder that scrapes each second, as it would in a pod's namespace; gives its address.
pub(crate) fn start_prometheus(
    folder: &str,
    rules: &[String],
    targets: &[SocketAddr],
    alertmanager: &Upstream,
) -> (Program, SocketAddr) {
    let target = |(index, target): (usize, &SocketAddr)| {
        format!("{{targets: [\"{target}\"], labels: {{namespace: test, pod: test-{index}}}}}")
    };
    let targets: Vec<_> = targets.iter().enumerate().map(target).collect();
    let configuration = format!(
        r#"
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: {rules:?}
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{}"]}}]}}]}}
scrape_configs: [{{job_name: test/hookwarden, static_configs: [{}]}}]
"#,
        alertmanager.address(),
        targets.join(", ")
    );
    fs::write(format!("{folder}/prometheus.yml"), configuration).expect("a file");
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={folder}/prometheus.yml"));
    command.arg(format!("--storage.tsdb.path={folder}/data"));
    let mut running = Program::start(command.arg("--web.listen-address=127.0.0.1:0"));
    let line = running.wait_for("msg=\"Listening on\"");
    let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    (running, address.unwrap_or_else(|| panic!("an address in {line:?}")))
}

/// Waits until the one value that an instant query gives is as expected. A scrape that takes longer than a second, as it may
/// on a busy machine, leaves nothing behind.
fn wait_for(address: SocketAddr, query: &str, expected: &str) {
    let began = Now::read().instant;
    loop {
        let result = ask(address, query);
        match result.as_slice() {
            [one] if one["value"][1] == expected => return,
            other => assert!(began.elapsed() < GUARD, "{query}: {other:?}"),
        }
    }
}

/// All series that an instant query gives.
pub(crate) fn ask(address: SocketAddr, query: &str) -> Vec<Value> {
    let mut client = Client::connect(address);
    let body = format!("query={}", percent_encoded(query));
    let head = "POST /api/v1/query HTTP/1.1\r\nHost: prometheus\r\nContent-Type: application/x-www-form-urlencoded";
    client.send(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    let response = client.read();
    assert_eq!(response.status, 200, "{query}: {response:?}");
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    answer["data"]["result"].as_array().expect("a vector").clone()
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"))
}
