//! Scheduled jobs tell a sidecar how they ended: the real commands with `--report-to`, seen in the metrics, and what the
//! admin port takes for such a report and what it does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::harness::{Client, Response, Sidecar, Upstream, secret_of};

const TOKEN: &str = "opensesame";

/// As long as a report may be.
const LONGEST: usize = hookwarden::govern::job::LONGEST;

fn post(proxy: &Sidecar, fields: &str, body: &str) -> Response {
    let mut client = Client::connect(proxy.admin());
    let length = body.len();
    let head = format!("POST /jobs HTTP/1.1\r\nHost: admin.test\r\nContent-Length: {length}\r\n{fields}");
    // Who is refused early may not be read to the end.
    let _ = client.offer(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
    client.read()
}

fn report(job: &str) -> String {
    format!(r#"{{"job":"{job}","findings":{{"critical":1,"high":2,"medium":3,"low":4,"info":5}}}}"#)
}

/// The gauges of all jobs.
fn jobs(proxy: &Sidecar) -> Vec<(String, f64)> {
    let metrics = proxy.metrics();
    let jobs = metrics.samples().filter(|(series, _)| series.starts_with("hookwarden_job_"));
    jobs.map(|(series, value)| (series.to_owned(), value)).collect()
}

#[test]
fn a_jobs_report_is_taken_whole_and_with_the_token_or_not_at_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    fs::write(&token, TOKEN).expect("a file");
    let proxy = Sidecar::before(&Upstream::refusing()).provider("github").set("ADMIN_TOKEN_FILE", &token).start();
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let good = report("audit");
    for (fields, body, status) in [
        ("", good.clone(), 401),
        ("Authorization: Bearer wrong\r\n", good.clone(), 401),
        ("Authorization: Bearer wrong\r\n", "x".repeat(LONGEST + 1), 401),
        (&bearer, "x".repeat(LONGEST + 1), 413),
        (&bearer, "x".repeat(100 * LONGEST), 413),
        (&bearer, format!("{good}{}", " ".repeat(LONGEST)), 413),
        (&bearer, report("drill"), 400),
        (&bearer, report("audit\\u0022} 1\\nforged"), 400),
        (&bearer, good.replace("info", "grave"), 400),
        (&bearer, good.replace("{\"job\"", "{\"at\":1,\"job\""), 400),
        (&bearer, good.replace('5', "-5"), 400),
        (&bearer, String::new(), 400),
    ] {
        let answer = post(&proxy, fields, &body);
        assert_eq!(answer.status, status, "{fields:?} {body:.100}: {answer:?}");
        assert_eq!(answer.values("www-authenticate").is_empty(), status != 401, "{answer:?}");
    }
    assert_eq!(jobs(&proxy), [], "nothing was taken");
    assert_eq!(post(&proxy, &bearer, &good).status, 204);
    let seen = jobs(&proxy);
    assert_eq!(seen.len(), 6, "{seen:?}");
    for (severity, count) in [("critical", 1.0), ("high", 2.0), ("medium", 3.0), ("low", 4.0), ("info", 5.0)] {
        let series = format!(r#"hookwarden_job_findings{{command="audit",severity="{severity}"}}"#);
        assert!(seen.contains(&(series, count)), "{severity}: {seen:?}");
    }
    proxy.wait_for_log("a scheduled job has told its findings");
    proxy.finish();
}

/// Without a token nobody can show it, from this machine neither.
#[test]
fn where_no_token_is_set_nobody_reports() {
    let proxy = Sidecar::before(&Upstream::refusing()).provider("github").start();
    for fields in ["", "Authorization: Bearer \r\n", "Authorization: Bearer opensesame\r\n"] {
        assert_eq!(post(&proxy, fields, &report("audit")).status, 401, "{fields:?}");
    }
    assert_eq!(jobs(&proxy), []);
    proxy.finish();
}

/// The program, told to report to that sidecar.
fn job(proxy: &Sidecar, token: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
    command.args(arguments).env_clear();
    command.args(["--report-to", &format!("http://{}", proxy.admin())]).arg("--report-token-file").arg(token);
    command.output().expect("the program runs")
}

#[test]
fn the_three_commands_tell_how_they_ended() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let file = |name: &str, text: &str| {
        fs::write(path(name), text).expect("a file");
        path(name).to_str().expect("UTF-8").to_owned()
    };
    let (token, secret) = (path("token"), file("secret", &secret_of("github")));
    file("token", &format!("{TOKEN}\n"));
    let wrong = file("wrong", "closesesame");
    let settings = format!(
        "HOOKWARDEN_LISTEN=127.0.0.1:0\nHOOKWARDEN_TLS=off\nHOOKWARDEN_ROUTE_GITHUB_PATH=/hooks/github\n\
         HOOKWARDEN_ROUTE_GITHUB_PROVIDER=github\nHOOKWARDEN_ROUTE_GITHUB_SECRET_FILE={secret}\n"
    );
    let settings = file("settings.env", &settings);
    let log = file(
        "audit.log",
        r#"{"ts":"2026-01-01T00:00:00Z","route":"github","decision":"forwarded","method":"POST","body_bytes":2}"#,
    );
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").set("ADMIN_TOKEN_FILE", &token).start();
    let target = format!("http://{}/hooks/github", proxy.address());

    let audit = ["audit", "--env-file", &settings, "--format", "json", "--fail-on", "never"];
    let review = ["review", "--env-file", &settings, "--log", &log, "--format", "json"];
    let assess = ["assess", "--target", &target, "--provider", "github", "--secret-file", &secret, "--only", "HA001"];
    let assess = [&assess[..], &["--format", "json", "--fail-on", "never", "--rate", "1000"]].concat();
    for (command, arguments) in [("audit", &audit[..]), ("review", &review), ("assess", &assess)] {
        let output = job(&proxy, &token, arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
        let found = told["findings"].as_array().expect("a list");
        let metrics = proxy.metrics();
        for severity in ["critical", "high", "medium", "low", "info"] {
            // What a review finds has no severity.
            let of = |finding: &&serde_json::Value| finding["severity"].as_str().unwrap_or("info") == severity;
            let labels = [&*format!("command=\"{command}\""), &*format!("severity=\"{severity}\"")];
            let (seen, count) = (metrics.value("hookwarden_job_findings", &labels), found.iter().filter(of).count());
            assert_eq!(seen.to_string(), count.to_string(), "{command} {severity}: {told}");
        }
        let ended =
            metrics.value("hookwarden_job_last_success_timestamp_seconds", &[&*format!("command=\"{command}\"")]);
        assert!(ended > 1_700_000_000.0, "{command}: {ended}");
    }

    // The report is printed all the same, and the failure is told.
    for (token, arguments, expected, said) in [
        (Path::new(&wrong), &audit[..], 69, "/jobs: status 401: the admin token is required"),
        (&path("nowhere"), &audit, 2, "nowhere"),
        (Path::new(&settings), &audit, 2, "--report-token-file"),
    ] {
        let output = job(&proxy, token, arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(expected) && told.contains(said), "{output:?}");
        assert_eq!(output.stdout.is_empty(), expected == 2, "{output:?}");
        assert!(!told.contains("closesesame"), "{told}");
    }
    for url in ["https://127.0.0.1:1", "http://127.0.0.1:1/status", "127.0.0.1:1"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
        let arguments = ["audit", "--report-to", url, "--report-token-file"];
        let output = command.args(arguments).arg(&token).env_clear().output().expect("the program runs");
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{url}: {output:?}");
    }
    proxy.end();
}
