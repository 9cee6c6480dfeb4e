//! `review` on a generated year of records whose truth is known, and on what logs are like: gzipped, rotated, chained,
//! piped, broken.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::{SECRET, code, json, run, stderr, stdout, with_input};

/// The year that was: 2025, from its first second.
const YEAR: i64 = 1_735_689_600;
const DAY: i64 = 86_400;

/// What is permitted. Much of it is wider than what the year needs.
const SETTINGS: &[(&str, &str)] = &[
    ("LISTEN", "127.0.0.1:0"),
    ("ADMIN_LISTEN", "127.0.0.1:0"),
    ("TLS", "off"),
    ("ROUTE_SHOP_PATH", "/hooks/shop/*"),
    ("ROUTE_SHOP_PROVIDER", "stripe"),
    ("ROUTE_SHOP_SECRET", SECRET),
    ("ROUTE_SHOP_METHODS", "POST,PUT"),
    ("ROUTE_SHOP_CONTENT_TYPES", "application/json,text/xml,application/x-www-form-urlencoded"),
    ("ROUTE_SHOP_EVENTS", "invoice.*,customer.created,payout.paid"),
    ("ROUTE_SHOP_SOURCES", "192.0.2.0/24,198.51.100.0/24"),
    ("ROUTE_CODE_PATH", "/hooks/code"),
    ("ROUTE_CODE_PROVIDER", "github"),
    ("ROUTE_CODE_EXPIRES", "2099-12-31"),
    ("ROUTE_OLD_PATH", "/hooks/old"),
    ("ROUTE_OLD_PROVIDER", "github"),
    ("ROUTE_OLD_SECRET", SECRET),
    ("ROUTE_OLD_EXPIRES", "2025-06-30"),
];

/// The year, by a generator that is the same each time.
struct Year {
    state: u64,
    lines: Vec<String>,
}

impl Year {
    fn generate() -> Self {
        let mut year = Self { state: 7, lines: Vec::new() };
        for day in 0..365 {
            let start = YEAR + day * DAY;
            for _ in 0..4 {
                let event = ["invoice.paid", "invoice.created"][year.below(2)];
                year.permitted(start, "shop", "/hooks/shop/eu", "192.0.2", event);
                let event = ["push", "release"][year.below(2)];
                year.permitted(start, "code", "/hooks/code", "203.0.113", event);
            }
            if day < 100 {
                year.permitted(start, "old", "/hooks/old", "203.0.113", "push");
            }
            year.denied(start, "code", "credential_invalid", "198.51.100.9");
        }
        year.permitted(YEAR + 200 * DAY, "shop", "/hooks/shop/eu", "192.0.2", "customer.created");
        year.permitted(YEAR + 300 * DAY, "code", "/hooks/code", "100.64.7", "push");
        year.lines.sort();
        year
    }

    /// A number below another (xorshift).
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % limit as u64).expect("small")
    }

    fn time(&mut self, start: i64) -> String {
        let second = start + i64::try_from(self.below(86_400)).expect("small");
        format!("{:.3}", jiff::Timestamp::from_second(second).expect("a time"))
    }

    fn permitted(&mut self, start: i64, route: &str, path: &str, network: &str, event: &str) {
        let (ts, host, bytes) = (self.time(start), self.below(5) + 1, 200 + self.below(800));
        // The route that was given up in spring had an older version before it, whose records tell no content type.
        let content_type = match (route, event) {
            ("old", _) => "",
            (_, "customer.created") => r#""content_type":"application/x-www-form-urlencoded","#,
            _ => r#""content_type":"application/json","#,
        };
        let facts = format!(
            r#""decision":"forwarded","reason":"forwarded","status":200,"method":"POST","path":"{path}","source":"{network}.{host}","key_id":"1","event":"{event}",{content_type}"body_bytes":{bytes}"#
        );
        self.lines.push(format!(r#"{{"ts":"{ts}","request_id":"1","route":"{route}",{facts},"client_san":null}}"#));
    }

    fn denied(&mut self, start: i64, route: &str, reason: &str, source: &str) {
        let ts = self.time(start);
        let facts = format!(
            r#""decision":"denied","reason":"{reason}","status":401,"method":"POST","path":"/","source":"{source}","key_id":null,"event":null,"body_bytes":0"#
        );
        self.lines.push(format!(r#"{{"ts":"{ts}","request_id":"1","route":"{route}",{facts},"client_san":null}}"#));
    }

    fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// The settings as a file, with two keys in a folder for the route `code`: one that proves, one that never did.
fn settings(dir: &Path) -> PathBuf {
    let keys = dir.join("keys");
    fs::create_dir(&keys).expect("a directory");
    for (id, secret) in [("1", "a first secret of the route"), ("2", "a second secret of the route")] {
        let path = keys.join(id);
        fs::write(&path, secret).expect("written");
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(YEAR.unsigned_abs());
        fs::File::options().write(true).open(path).expect("opens").set_modified(old).expect("set");
    }
    let mut text = "# what is permitted\n".to_owned();
    for (name, value) in SETTINGS {
        writeln!(text, "export HOOKWARDEN_{name}='{value}'").expect("a string");
    }
    writeln!(text, "HOOKWARDEN_ROUTE_CODE_SECRET_FILE={}", keys.display()).expect("a string");
    let path = dir.join("settings.env");
    fs::write(&path, text).expect("written");
    path
}

fn review(dir: &Path, arguments: &[&str]) -> Output {
    let env_file = dir.join("settings.env");
    let env_file = env_file.to_str().expect("UTF-8");
    run(&[&["review", "--env-file", env_file][..], arguments].concat(), &[])
}

fn finding<'r>(report: &'r Value, id: &str) -> &'r Value {
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("{id} is not among {findings:#?}"))
}

#[test]
fn a_year_shows_what_is_wider_than_its_use() {
    let dir = tempfile::tempdir().expect("a directory");
    let (log, year) = (dir.path().join("audit.log"), Year::generate());
    settings(dir.path());
    fs::write(&log, year.text()).expect("written");
    let log = log.to_str().expect("UTF-8");
    let output = review(dir.path(), &["--log", log, "--since", "2025-05-01", "--format", "json"]);
    assert_eq!(code(&output), 0, "{output:?}");
    let report = json(&output);
    let total = report["records"].as_u64().expect("a number") + report["earlier"].as_u64().expect("a number");
    assert_eq!(total, year.lines.len() as u64);
    let mut ids: Vec<_> =
        report["findings"].as_array().expect("a list").iter().map(|f| f["id"].as_str().expect("text")).collect();
    ids.sort_unstable();
    let expected = [
        "code/body_wide",
        "code/content_type_open",
        "code/event_open",
        "code/failing",
        "code/key_over_age",
        "code/key_unused",
        "code/source_open",
        "old/ended",
        "old/route_unused",
        "shop/body_wide",
        "shop/content_type_barely_used",
        "shop/content_type_unused",
        "shop/event_barely_used",
        "shop/event_unused",
        "shop/event_wide",
        "shop/method_unused",
        "shop/no_end",
        "shop/path_wide",
        "shop/source_unused",
    ];
    assert_eq!(ids, expected, "{report:#}");
    for (id, variable, to) in [
        ("shop/path_wide", "SHOP_PATH", "/hooks/shop/eu"),
        ("shop/method_unused", "SHOP_METHODS", "POST"),
        ("shop/event_unused", "SHOP_EVENTS", "invoice.*,customer.created"),
        ("shop/event_wide", "SHOP_EVENTS", "customer.created,invoice.created,invoice.paid"),
        ("shop/source_unused", "SHOP_SOURCES", "192.0.2.0/24"),
        ("shop/body_wide", "SHOP_MAX_BODY", "16KiB"),
        ("code/event_open", "CODE_EVENTS", "push,release"),
        ("code/content_type_open", "CODE_CONTENT_TYPES", "application/json"),
        ("shop/content_type_unused", "SHOP_CONTENT_TYPES", "application/json,application/x-www-form-urlencoded"),
    ] {
        let change = &finding(&report, id)["changes"][0];
        assert_eq!((&change["variable"], &change["to"]), (&format!("HOOKWARDEN_ROUTE_{variable}").into(), &to.into()));
    }
    assert!(finding(&report, "old/route_unused")["evidence"].as_str().expect("text").contains("2025-04-1"));
    assert!(finding(&report, "code/key_unused")["evidence"].as_str().expect("text").ends_with(": 2"));
    assert!(!stdout(&output).contains(SECRET));
}

/// Records of an older version do not tell the content type: that is no use of none, and nothing is called unused by them.
#[test]
fn what_older_records_do_not_tell_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    settings(dir.path());
    let (log, mut lines) = (dir.path().join("audit.log"), Year::generate().lines);
    let told = lines.iter().filter(|line| line.contains(r#""route":"shop""#)).count();
    let older = lines.iter_mut().filter(|line| line.contains(r#""route":"shop""#)).take(2);
    for line in older {
        *line = line.replace(r#""content_type":"application/json","#, "");
    }
    // A body of no type is permitted on the route that permits all: what the others have is no whole list.
    let code = lines.iter_mut().rfind(|line| line.contains(r#""route":"code","decision":"forwarded""#)).expect("one");
    *code = code.replace(r#""content_type":"application/json""#, r#""content_type":null"#);
    fs::write(&log, lines.join("\n")).expect("written");
    let log = log.to_str().expect("UTF-8");
    let report = json(&review(dir.path(), &["--log", log, "--format", "json"]));
    let ids: Vec<_> = report["findings"].as_array().expect("a list").iter().map(|f| f["id"].to_string()).collect();
    assert!(!ids.iter().any(|id| id.contains("shop/content_type") || id.contains("old/content_type")), "{ids:?}");
    assert_eq!(finding(&report, "code/content_type_open")["changes"], serde_json::json!([]));
    let notes: Vec<_> =
        report["not_seen"].as_array().expect("a list").iter().map(|n| n.as_str().expect("text")).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    let shop = format!("shop: content types are not in 2 of {told} of these records, the last of 2025-01-01");
    assert!(
        notes[0].starts_with("old: content types are not in 100 of 100") && notes[1].starts_with(&shop),
        "{notes:?}"
    );
    let text = stdout(&review(dir.path(), &["--log", log]));
    assert!(text.contains("shop: content types are not in 2 of"), "{text}");
    // Since they ended, all is told.
    let report = json(&review(dir.path(), &["--log", log, "--since", "2025-05-01", "--format", "json"]));
    assert_eq!(report["not_seen"], serde_json::json!([]));
    finding(&report, "shop/content_type_unused");
}

/// What is proposed is a configuration: the diff, applied, is loaded, and leaves nothing more to narrow.
#[test]
fn the_narrower_settings_are_settings() {
    let dir = tempfile::tempdir().expect("a directory");
    let (log, env_file) = (dir.path().join("audit.log"), settings(dir.path()));
    fs::write(&log, Year::generate().text()).expect("written");
    let log = log.to_str().expect("UTF-8");
    let arguments = ["--log", log, "--since", "2025-05-01", "--format", "json"];
    let diff = json(&review(dir.path(), &arguments))["diff"].as_str().expect("text").to_owned();
    let mut lines: Vec<_> = fs::read_to_string(&env_file).expect("text").lines().map(str::to_owned).collect();
    for line in diff.lines() {
        let (sign, rest) = line.split_at(1);
        let name = rest.split('=').next().expect("a name");
        lines.retain(|line| !line.contains(&format!("{name}=")));
        if sign == "+" {
            lines.push(rest.to_owned());
        }
    }
    fs::write(&env_file, lines.join("\n")).expect("written");
    let after = json(&review(dir.path(), &arguments));
    assert_eq!(after["diff"], "", "{after:#}");
    let text = stdout(&review(dir.path(), &arguments[..4]));
    assert!(!text.contains("Narrower settings") && text.contains("code/failing"), "{text}");
}

#[test]
fn logs_are_read_however_they_are_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    settings(dir.path());
    let lines = Year::generate().lines;
    let (first, second) = lines.split_at(lines.len() / 2);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all((first.join("\n") + "\n").as_bytes()).expect("packed");
    fs::write(dir.path().join("audit.log.1.gz"), gzip.finish().expect("packed")).expect("written");
    fs::write(dir.path().join("audit.log"), second.join("\r\n")).expect("written");
    let records = |report: &Value| report["records"].as_u64().expect("a number");
    let pattern = dir.path().join("audit.log*");
    let globbed = json(&review(dir.path(), &["--log", pattern.to_str().expect("UTF-8"), "--format", "json"]));
    assert_eq!(records(&globbed), lines.len() as u64);
    let env_file = dir.path().join("settings.env");
    let env_file = env_file.to_str().expect("UTF-8");
    // Each line as a chain has it, and one that another program has written.
    let chained: String =
        lines.iter().map(|line| line.replace("null}", "null,\"prev\":\"00\",\"hash\":\"11\"}\n")).collect();
    let piped = with_input(&["review", "--log", "-", "--env-file", env_file, "--format", "json"], chained.as_bytes());
    assert_eq!(json(&piped)["findings"], globbed["findings"]);
    let nothing = dir.path().join("no*where");
    let output = review(dir.path(), &["--log", nothing.to_str().expect("UTF-8")]);
    assert!(code(&output) == 2 && stderr(&output).contains("matches no file"), "{output:?}");
}

#[test]
fn broken_lines_are_named_and_not_fatal() {
    let dir = tempfile::tempdir().expect("a directory");
    settings(dir.path());
    let lines = &Year::generate().lines[..20];
    let log = dir.path().join("audit.log");
    let torn = &lines[3][..40];
    let mixed = format!("{}\nlistening on 127.0.0.1\n\n{torn}\n{}\n", lines[..10].join("\n"), lines[10..].join("\n"));
    fs::write(&log, mixed).expect("written");
    let log = log.to_str().expect("UTF-8");
    let output = review(dir.path(), &["--log", log, "--format", "json"]);
    let report = json(&output);
    assert_eq!((code(&output), report["records"].as_u64(), report["broken_lines"].as_u64()), (1, Some(20), Some(2)));
    for line in [11, 13] {
        assert!(stderr(&output).contains(&format!("{log}:{line}: is no JSON object")), "{}", stderr(&output));
    }
}

#[test]
fn a_review_is_signed_off_and_the_next_one_knows_it() {
    let dir = tempfile::tempdir().expect("a directory");
    settings(dir.path());
    let (log, record) = (dir.path().join("audit.log"), dir.path().join("review.json"));
    let year = Year::generate();
    // Up to day 290: the new network of the route `code` comes on day 300.
    let early: Vec<_> = year.lines.iter().filter(|line| line.as_str() < "{\"ts\":\"2025-10-18").cloned().collect();
    fs::write(&log, early.join("\n")).expect("written");
    let (log_text, record_text) = (log.to_str().expect("UTF-8"), record.to_str().expect("UTF-8"));
    let sign = ["--log", log_text, "--by", "oncall", "--record", record_text];
    let choices = ["--apply", "all", "--keep", "shop/no_end=ends with the contract"];
    let output = review(dir.path(), &[&sign[..], &choices].concat());
    assert_eq!(code(&output), 0, "{output:?}");
    let written: Value = serde_json::from_slice(&fs::read(&record).expect("a record")).expect("JSON");
    assert_eq!((&written["kind"], &written["by"]), (&"review".into(), &"oncall".into()));
    let decisions = written["decisions"].as_array().expect("a list");
    let decided = |id: &str| decisions.iter().find(|decision| decision["id"] == id).expect("decided").clone();
    assert_eq!(decided("shop/no_end")["decision"], "keep");
    assert_eq!(decided("shop/no_end")["reason"], "ends with the contract");
    assert_eq!(decided("shop/method_unused")["decision"], "apply");
    assert_eq!(written["senders"]["code"], serde_json::json!(["203.0.113.0/24"]));
    assert!(!written.to_string().contains(SECRET));

    fs::write(&log, year.text()).expect("written");
    let report = json(&review(dir.path(), &["--log", log_text, "--last", record_text, "--format", "json"]));
    let new = finding(&report, "code/new_senders")["evidence"].as_str().expect("text").to_owned();
    assert!(new.ends_with(": 100.64.7.0/24"), "{new}");
    for (arguments, problem) in [
        (&["--apply", "shop/nothing"][..], "no such finding here: shop/nothing"),
        (&["--keep", "shop/no_end"], "ID=REASON"),
    ] {
        let output = review(dir.path(), &[&sign[..], arguments].concat());
        assert!(code(&output) == 2 && stderr(&output).contains(problem), "{output:?}");
    }
    let output = review(dir.path(), &["--log", log_text, "--last", log_text]);
    assert!(code(&output) == 2 && stderr(&output).contains("is no review record"), "{output:?}");
    let output = review(dir.path(), &["--log", log_text, "--fail-on", "any"]);
    assert_eq!(code(&output), 1);
}

#[test]
fn what_the_sidecar_writes_is_what_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("audit.log");
    let log_text = log.to_str().expect("UTF-8");
    super::running::refused_requests(&[("HOOKWARDEN_AUDIT_LOG", log_text), ("HOOKWARDEN_AUDIT_CHAIN", "true")], 3);
    // No route is configured here: the log alone is read.
    let report = json(&run(&["review", "--log", log_text, "--format", "json"], &[]));
    assert_eq!((&report["records"], &report["no_route"], &report["broken_lines"]), (&3.into(), &3.into(), &0.into()));
    let refused = run(&["review", "--log", log_text], &[("HOOKWARDEN_ROUTE_A_PATH", "/a")]);
    assert!(code(&refused) == 78 && stderr(&refused).contains("HOOKWARDEN_ROUTE_A_PROVIDER"), "{refused:?}");
}
