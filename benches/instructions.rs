//! Instructions a request, counted by callgrind, which does not depend on what else the machine does.
//!
//! `cargo bench --profile counted --bench instructions` runs itself under valgrind, twice a row: the two runs differ in
//! nothing but the number of requests that go over a warm connection, so what they differ in is a request's. Everything
//! of the way is the program's own (see `in_memory`); the client and the service of the exchange are counted too, and
//! stay the same. The hash's compression function stands apart: valgrind's processor has no SHA instructions, so there it
//! costs some forty times what it costs on a real one.
//!
//! The counts are compared with those in `instructions.txt`: one that is more than 3 % above fails. With `-- --write`
//! they are written there. A compiler or a dependency may move them; then that change's commit brings the new ones. They
//! are those of x86-64 with AVX2, which is what valgrind makes of every processor of the last ten years; others take
//! other ways through `memchr` and the C library, so there the counts are printed and compared with nothing.

#![allow(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says so")]
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "it runs itself again, and reads its own arguments")]

#[path = "../tests/in_memory/mod.rs"]
mod in_memory;

use std::path::Path;
use std::process::{Command, ExitCode};

use in_memory::{Sidecar, signed_requests};

/// Provider and length of the body.
const ROWS: [(&str, usize); 4] =
    [("github", 256), ("github", 1024), ("standard_webhooks", 1024), ("github", 16 * 1024)];

/// Requests of the shorter run, and of the longer one. Both sign as many.
const RUNS: [usize; 2] = [64, 320];

/// What a count may grow by before it counts as a fault, in percent.
const TOLERANCE: u64 = 3;

/// Where the known counts stand.
const KNOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

/// The first line there.
const HEADING: &str =
    "# Instructions a request: provider, bytes of body: the way, the hash's compression. See instructions.rs.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["run", provider, len, count] => {
            run(provider, len.parse().expect("a length"), count.parse().expect("a count"));
            ExitCode::SUCCESS
        }
        _ if arguments.contains(&"--write") => write(),
        _ => compare(),
    }
}

/// What valgrind looks at.
fn run(provider: &str, len: usize, count: usize) {
    let sidecar = Sidecar::new(&[]);
    let requests = signed_requests(provider, RUNS[1], len);
    sidecar.send_all(&requests[..count]);
}

fn write() -> ExitCode {
    let rows = ROWS.map(|(provider, len)| {
        let Counted { way, hash } = a_request(provider, len);
        format!("{provider} {len}: {way} {hash}\n")
    });
    let text = format!("{HEADING}\n{}", rows.concat());
    print!("{text}");
    std::fs::write(KNOWN, text).expect("written");
    ExitCode::SUCCESS
}

fn compare() -> ExitCode {
    let text = std::fs::read_to_string(KNOWN).expect("the known counts");
    let comparable = is_comparable();
    let mut good = true;
    for (provider, len) in ROWS {
        let Counted { way, hash } = a_request(provider, len);
        let name = format!("{provider} {len}:");
        let known = text.lines().find_map(|line| line.strip_prefix(&name)?.split_whitespace().next()?.parse().ok());
        let known: u64 = known.unwrap_or_else(|| panic!("no count of {name}"));
        let verdict = match way * 100 {
            _ if !comparable => "of another kind of processor",
            more if more > known * (100 + TOLERANCE) => "TOO MANY",
            less if less < known * (100 - TOLERANCE) => "fewer: write them down",
            _ => "as known",
        };
        good &= verdict != "TOO MANY";
        println!("{name} {way} and {hash} for the hash; known: {known}; {verdict}");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the machine is of the kind that the known counts are of.
fn is_comparable() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What one request more takes.
fn a_request(provider: &str, len: usize) -> Counted {
    let [few, many] = RUNS.map(|count| counted(provider, len, count));
    let requests = (RUNS[1] - RUNS[0]) as u64;
    let each = |few: u64, many: u64| many.saturating_sub(few) / requests;
    Counted { way: each(few.way, many.way), hash: each(few.hash, many.hash) }
}

/// Instructions of one run.
struct Counted {
    way: u64,
    hash: u64,
}

fn counted(provider: &str, len: usize, count: usize) -> Counted {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("callgrind.out");
    let own = std::env::current_exe().expect("its own path");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--compress-strings=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(own)
        .args(["run", provider, &len.to_string(), &count.to_string()])
        .status()
        .unwrap_or_else(|error| panic!("valgrind is needed: {error}"));
    assert!(status.success(), "the run under valgrind failed");
    read(&out)
}

/// Reads callgrind's file: the sum of all, and what the compression functions took themselves. After a `calls=` line
/// comes the cost of the call, which is the callee's.
fn read(path: &Path) -> Counted {
    let text = std::fs::read_to_string(path).expect("callgrind's file");
    let (mut all, mut hash, mut in_hash, mut is_call) = (0, 0, false, false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            in_hash = name.contains("sha2::") && name.contains("compress");
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '*')) {
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or(0);
            if !is_call {
                all += cost;
                hash += if in_hash { cost } else { 0 };
            }
            is_call = false;
        }
    }
    assert!(hash > 0, "no compression function is named in {}", path.display());
    Counted { way: all - hash, hash }
}
