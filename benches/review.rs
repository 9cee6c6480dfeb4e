//! How fast `review` reads: lines a second on one core, as the sidecar writes them, with a chain, and as another program
//! has formatted them. The promise is a million a second of the first two.

#![allow(clippy::expect_used, reason = "a bench that cannot go on says so")]

use std::fmt::Write as _;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use hookwarden::govern::review::{Line, Tally};

/// Lines in one go.
const LINES: usize = 100_000;

/// How the lines are written.
const SHAPES: [&str; 3] = ["plain", "chained", "spaced"];

fn main() {
    divan::main();
}

#[divan::bench(args = SHAPES)]
fn read_and_count(bencher: Bencher<'_, '_>, shape: &str) {
    let text = log(shape);
    let counters = (ItemsCount::new(LINES), BytesCount::new(text.len()));
    bencher.counter(counters.0).counter(counters.1).bench_local(|| {
        let mut tally = Tally::new((), 1_767_225_600, ["github", "stripe", "slack"]);
        for line in text.as_bytes().split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            tally.take(&Line::read(line).expect("a record"));
        }
        assert_eq!(tally.records, LINES as u64);
        tally
    });
}

/// A log of some routes, senders and events.
fn log(shape: &str) -> String {
    let mut text = String::new();
    for at in 0..LINES {
        let route = ["github", "stripe", "slack"][at % 3];
        let event = ["push", "invoice.paid", "message", "release"][at / 7 % 4];
        let (second, minute, host) = (at % 60, at / 60 % 60, at * 31 % 250);
        let links =
            if shape == "chained" { format!(",\"prev\":\"{at:064x}\",\"hash\":\"{at:064x}\"") } else { String::new() };
        writeln!(
            text,
            r#"{{"ts":"2026-03-31T12:{minute:02}:{second:02}.123Z","request_id":"01890a5d-ac96-774b-bcce-b302099a8057","route":"{route}","provider":"{route}","decision":"forwarded","reason":"forwarded","status":200,"upstream_status":200,"method":"POST","path":"/hooks/{route}","source":"192.0.2.{host}","key_id":"1","delivery_id":"evt_{at:016x}","event":"{event}","binding":"body","body_bytes":{at},"verify_us":11,"upstream_us":812,"total_us":1033,"tls":"1.3","client_san":null{links}}}"#
        )
        .expect("a string");
    }
    if shape == "spaced" { text.replace("\":", "\": ") } else { text }
}
