//! How fast `review` reads, and in how much memory: the command itself on logs as the sidecar writes them, with a chain,
//! and from more senders than it tells apart. The promise is a million lines a second of a core, and that memory does not
//! grow with the log.
//!
//! `cargo bench --bench review` reads a million lines of each; `-- 10000000` as many as that. A part of them is written to
//! a file once, which is then named so often that it makes them all: a log of ten million lines takes five gigabytes.
//!
//! Standard input is named last, and given nothing but blanks, more than a pipe holds: when they are written, all files
//! have been read, and the command, which waits for more, is asked of its processor time and of its memory. So neither
//! depends on what else the machine does, nor on how long the report takes.

#![allow(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says so")]
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "it runs the program, and reads its own arguments")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The most lines of one file.
const FILE: usize = 250_000;

/// Lines in all, where nothing else is said.
const USUAL: usize = 1_000_000;

/// More than a pipe holds.
const BLANKS: usize = 256 * 1024;

/// Clock ticks a second in `/proc`: the same on every Linux that Rust knows.
const TICKS: f64 = 100.0;

/// What the routes permit: each list is long enough for its lookups to count.
const SETTINGS: &str = "\
HOOKWARDEN_LISTEN=127.0.0.1:0
HOOKWARDEN_TLS=off
HOOKWARDEN_ROUTE_GITHUB_PATH=/hooks/github
HOOKWARDEN_ROUTE_GITHUB_PROVIDER=github
HOOKWARDEN_ROUTE_GITHUB_SECRET=a-secret-of-the-bench
HOOKWARDEN_ROUTE_GITHUB_EVENTS=push,release,issues
HOOKWARDEN_ROUTE_GITHUB_SOURCES=192.0.2.0/24,10.0.0.0/8
HOOKWARDEN_ROUTE_STRIPE_PATH=/hooks/stripe
HOOKWARDEN_ROUTE_STRIPE_PROVIDER=stripe
HOOKWARDEN_ROUTE_STRIPE_SECRET=whsec_another-of-the-bench
";

/// How the lines are written.
const SHAPES: [&str; 3] = ["plain", "chained", "many senders"];

fn main() {
    // Cargo says `--bench`.
    let count = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let lines: usize = count.map_or(USUAL, |text| text.parse().expect("a number of lines"));
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.env");
    fs::write(&settings, SETTINGS).expect("a file");
    println!(
        "{:14} {:>10} {:>8} {:>14} {:>8} {:>12}",
        "lines are", "lines", "MiB", "lines/s a core", "MiB/s", "peak RSS MiB"
    );
    for shape in SHAPES {
        let log = folder.path().join("audit.log");
        let file = lines.min(FILE);
        let bytes = write_log(&log, shape, file);
        measure(shape, &settings, &log, (file, lines.div_ceil(file)), bytes);
    }
}

/// Reads a file of so many lines so many times.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn measure(shape: &str, settings: &Path, log: &Path, (file, times): (usize, usize), bytes: u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
    command.arg("review").arg("--env-file").arg(settings).args(["--format", "json", "--log"]);
    command.args(vec![log; times]).arg("-").env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(&vec![b' '; BLANKS]).expect("it reads all files, and then its input");
    let (seconds, peak) = (cpu_seconds(&child), peak_mib(&child));
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let lines = file * times;
    assert_eq!(report["records"].as_u64(), Some(lines as u64), "every line is a record");
    let mib = bytes as f64 * times as f64 / f64::from(1 << 20);
    let (rate, speed) = (lines as f64 / seconds, mib / seconds);
    println!("{shape:14} {lines:>10} {mib:>8.0} {rate:>14.0} {speed:>8.0} {peak:>12.1}");
}

/// Processor time that a process has used, in its own code and in the kernel for it: `proc_pid_stat(5)`.
fn cpu_seconds(child: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it lives");
    // The fields are counted behind the name, which may hold blanks.
    let (_, fields) = stat.rsplit_once(')').expect("its name");
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / TICKS
}

/// The most memory that it ever had, in MiB: `proc_pid_status(5)`.
fn peak_mib(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// Writes a log of some routes, senders and events; gives its length.
fn write_log(path: &Path, shape: &str, lines: usize) -> u64 {
    let mut file = BufWriter::new(fs::File::create(path).expect("a file"));
    let mut line = String::new();
    for at in 0..lines {
        line.clear();
        write_line(&mut line, shape, at);
        file.write_all(line.as_bytes()).expect("written");
    }
    file.flush().expect("written");
    fs::metadata(path).expect("a file").len()
}

fn write_line(out: &mut String, shape: &str, at: usize) {
    let route = ["github", "stripe", "slack"][at % 3];
    let event = ["push", "invoice.paid", "message", "release"][at / 7 % 4];
    let (second, minute, hour) = (at % 60, at / 60 % 60, at / 3600 % 24);
    let source = match shape {
        "many senders" => format!("10.{}.{}.{}", at >> 16 & 255, at >> 8 & 255, at & 255),
        _ => format!("192.0.2.{}", at * 31 % 250),
    };
    let links =
        if shape == "chained" { format!(",\"prev\":\"{at:064x}\",\"hash\":\"{at:064x}\"") } else { String::new() };
    writeln!(
        out,
        r#"{{"ts":"2026-03-31T{hour:02}:{minute:02}:{second:02}.123Z","request_id":"01890a5dac96774bbcceb302099a8057","route":"{route}","provider":"{route}","decision":"forwarded","reason":"forwarded","status":200,"upstream_status":200,"method":"POST","path":"/hooks/{route}","source":"{source}","key_id":"1","delivery_id":"evt_{at:016x}","event":"{event}","content_type":"application/json","binding":"full","body_bytes":{},"verify_us":11,"upstream_us":812,"total_us":1033,"tls":"1.3","client_san":null{links}}}"#,
        at % 9973
    )
    .expect("a string");
}
