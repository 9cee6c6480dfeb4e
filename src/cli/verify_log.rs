//! `verify-log`: reads audit logs, oldest first, and says whether their chain holds.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Serialize;

use crate::config::{Secret, chain_key};
use crate::govern::verify_log::{Broken, LONGEST_LINE, Seen, Walk};
use crate::observe::chain::Hasher;

use super::layout::list;
use super::terminal::{FormatFlag, Paint};
use super::{Exit, Failure, terminal};

/// How much is read at once.
const READ: usize = 256 * 1024;

#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 the chain holds, 1 it is broken (the first broken line is named) or does not end as expected, 2 there is
no chained record, 69 a file cannot be read.

The chain cannot show that its last records were cut off: keep the last hash elsewhere, and give it as --expect-last.

Examples:
  hookwarden verify-log audit.log.2.gz audit.log.1 audit.log
  kubectl logs deploy/shop -c hookwarden | hookwarden verify-log -
  hookwarden verify-log --key-file chain.key --expect-last 5f2c… audit.log")]
pub(super) struct VerifyLog {
    /// The logs, oldest first, as they are or gzipped; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The file that `HOOKWARDEN_AUDIT_CHAIN_KEY_FILE` named when the log was written
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The hash that the last record must have: shows whether a tail was cut off
    #[arg(long, value_name = "HASH")]
    expect_last: Option<String>,
    #[command(flatten)]
    format: FormatFlag,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    broken: Option<Place>,
    records: u64,
    restarts: u64,
    torn: u64,
    unchained: u64,
    continues: Option<String>,
    last: Option<String>,
}

/// Where the chain breaks, and why.
#[derive(Serialize)]
struct Place {
    file: String,
    line: u64,
    problem: String,
}

impl VerifyLog {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let mut walk = Walk::new(Hasher::new(self.key()?.as_ref().map(Secret::expose)));
        let mut broken = None;
        for file in &self.files {
            broken =
                read(file, &mut walk).map_err(|error| Failure::unavailable(format!("{}: {error}", file.display())))?;
            if broken.is_some() {
                break;
            }
        }
        let seen = walk.seen();
        if broken.is_none() && seen.records == 0 {
            return Err(Failure::usage(
                "there is no chained record: the log is empty, or was written without HOOKWARDEN_AUDIT_CHAIN=true",
            ));
        }
        let broken = broken.or_else(|| self.other_end(&seen));
        let exit = if broken.is_some() { Exit::Negative } else { Exit::Fine };
        let report = Report::new(seen, broken);
        if self.format.is_json() {
            return Ok(terminal::print_json(&report, exit));
        }
        Ok(terminal::print(&report.text(Paint::for_stdout()), exit))
    }

    fn key(&self) -> Result<Option<Secret>, Failure> {
        let Some(path) = &self.key_file else { return Ok(None) };
        let failed = |why: String| Failure::usage(format!("--key-file: {} {why}", path.display()));
        let content = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        chain_key(&content).map(Some).map_err(failed)
    }

    /// A log that does not end as it should.
    fn other_end(&self, seen: &Seen) -> Option<Place> {
        let expected = self.expect_last.as_ref()?;
        (seen.last.as_ref() != Some(expected)).then(|| Place {
            file: self.files.last().map(|file| file.display().to_string()).unwrap_or_default(),
            line: seen.lines,
            problem: format!("records are missing at the end: the last one should have the hash {expected}"),
        })
    }
}

impl Report {
    fn new(seen: Seen, broken: Option<Place>) -> Self {
        let Seen { records, restarts, torn, unchained, continues, last, .. } = seen;
        Self { ok: broken.is_none(), broken, records, restarts, torn, unchained, continues, last }
    }

    fn text(&self, paint: Paint) -> String {
        let verdict = match &self.broken {
            None => paint.good("the chain holds"),
            Some(Place { file, line, problem }) => paint.bad(&format!("broken at {file}:{line}: {problem}")),
        };
        let counted = |count: u64, what: &str| if count == 0 { String::new() } else { format!("{count} {what}") };
        let facts = [
            ("records", format!("{} whose place in the chain holds", self.records)),
            (
                "begins",
                match &self.continues {
                    Some(hash) => format!("after a record that is not here, with the hash {hash}"),
                    None => String::new(),
                },
            ),
            ("restarts", counted(self.restarts, "further beginnings: what came between two of them is not known")),
            ("torn", counted(self.torn, "lines that are no record, as a crash or a full disk leaves them")),
            ("unchained", counted(self.unchained, "records before the chain begins, of which nothing is known")),
            ("last", self.last.clone().unwrap_or_default()),
        ];
        format!("{verdict}\n{}", list(&facts))
    }
}

/// Reads one log. `Some` is where it breaks.
fn read(path: &Path, walk: &mut Walk) -> io::Result<Option<Place>> {
    let input: Box<dyn Read> = if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut input = BufReader::with_capacity(READ, input);
    // The magic number of gzip (RFC 1952 section 2.3.1).
    if input.fill_buf()?.starts_with(b"\x1f\x8b") {
        return lines(&mut BufReader::with_capacity(READ, MultiGzDecoder::new(input)), path, walk);
    }
    lines(&mut input, path, walk)
}

fn lines(input: &mut dyn BufRead, path: &Path, walk: &mut Walk) -> io::Result<Option<Place>> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        // One byte more than a line may have shows that it is too long, and its rest is never asked for.
        if input.take(LONGEST_LINE as u64 + 2).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Err(broken) = walk.line(text) {
            return Ok(Some(Place::new(path, number, text, broken)));
        }
    }
    Ok(None)
}

impl Place {
    /// The place of a broken line, with the request's id where that can be read.
    fn new(path: &Path, line: u64, text: &[u8], broken: Broken) -> Self {
        let id = serde_json::from_slice::<serde_json::Value>(text)
            .ok()
            .and_then(|record| record.get("request_id")?.as_str().map(str::to_owned));
        let problem = match id {
            Some(id) => format!("{broken} (request_id {:?})", id.chars().take(64).collect::<String>()),
            None => broken.to_string(),
        };
        Self { file: path.display().to_string(), line, problem }
    }
}
