//! `review`: reads audit logs and says which permissions are unused, wider than their use, failing, ending or new, and
//! which settings would be narrower. Signs a review off.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;

use crate::clock::Now;
use crate::config::{self, Environment, values};
use crate::govern::finding::Severity;
use crate::govern::job::{Ended, Job};
use crate::govern::review::{
    Change, Choice, Finding, LONGEST_LINE, LastReview, Line, Permissions, Report, RouteUse, SignOff, Tally, Terms,
    report,
};

use super::layout::{self, table, wrap};
use super::report_to::ReportFlags;
use super::settings::Settings;
use super::terminal::{FormatFlag, Paint};
use super::{Exit, Failure, env_file, logs, run, terminal};

/// A day, in seconds.
const DAY: u64 = 86_400;

/// The most broken lines that are named one by one.
const NAMED: usize = 10;

/// A log that covers less than this, in days, says little about what comes once a quarter.
const SHORT: u64 = 90;

#[derive(clap::Args)]
#[command(after_help = "\
The configuration that is compared with is that of the environment, as `run` would load it, or of --env-file alone.

Exit codes: 0 fine, 1 lines that are no records (they are named), or findings with --fail-on any, 2 usage, 69 a file
cannot be read or written or --report-to could not be told, 78 the configuration is refused.

Examples:
  hookwarden review --log 'audit.log*' --since 2026-01-01
  kubectl logs deploy/shop -c hookwarden --since=720h | hookwarden review --log - --env-file shop.env
  hookwarden review --log audit.log --by oncall --apply all --keep 'github/no_end=ends with the contract' \\
    --record review.json
  hookwarden review --log audit.log --last review.json --format json")]
pub(super) struct Review {
    /// The logs, in any order, as they are or gzipped; * and ? in a file's name; `-` is standard input
    #[arg(long = "log", value_name = "FILE", required = true, num_args = 1..)]
    logs: Vec<PathBuf>,
    /// Count uses since this date, such as 2026-01-31; without it, all
    #[arg(long, value_name = "DATE", value_parser = date)]
    since: Option<u64>,
    /// Read the settings from this file of NAME=value lines instead of the environment
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// What was used at most so often is barely used
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    barely: u64,
    /// Tell of permissions that end within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    ending: u64,
    /// Tell of keys that are older than so many days
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    key_age: u64,
    /// The record of the last review: tells of senders that are new since
    #[arg(long, value_name = "RECORD")]
    last: Option<PathBuf>,
    /// Write a signed-off record of this review; needs --by
    #[arg(long, value_name = "FILE", requires = "by")]
    record: Option<PathBuf>,
    /// Who reviews
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Decide that a finding's change is made, by its id; `all` decides so of each that is not kept
    #[arg(long, value_name = "ID", requires = "record")]
    apply: Vec<String>,
    /// Decide that all stays as it is for a finding, and why
    #[arg(long, value_name = "ID=REASON", requires = "record", value_parser = kept)]
    keep: Vec<(String, String)>,
    /// When to end with 1 beside lines that are no records
    #[arg(long, value_enum, default_value_t = FailOn::Never)]
    fail_on: FailOn,
    #[command(flatten)]
    format: FormatFlag,
    #[command(flatten)]
    told: ReportFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Findings are no failure
    Never,
    /// Any finding is
    Any,
}

/// What was read beside records.
#[derive(Default)]
struct BrokenLines {
    named: Vec<String>,
    count: u64,
}

impl Review {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let reporter = self.told.reporter()?;
        let environment = match &self.env_file {
            Some(path) => read_settings(path)?,
            None => Settings::default().environment(),
        };
        let permissions = match permissions(&environment) {
            Ok(permissions) => permissions,
            Err(faults) => return Ok(run::refuse(&faults)),
        };
        let last = self.last.as_deref().map(read_last).transpose()?;
        let names: Vec<_> = permissions.names().map(str::to_owned).collect();
        let mut tally = Tally::new(permissions, self.since.unwrap_or_default(), names.iter().map(String::as_str));
        let broken = self.read(&mut tally)?;
        if tally.records == 0 {
            // Of an empty log it would be said that nothing is used.
            return Err(Failure::usage("there is no record of a request in these logs since that date"));
        }
        let now = Now::read().unix_seconds();
        let terms = Terms {
            now,
            barely: self.barely,
            ending: self.ending.saturating_mul(DAY),
            key_age: self.key_age.saturating_mul(DAY),
            last,
        };
        let report = report(&tally, &terms);
        if let Some(path) = &self.record {
            self.sign_off(path, &tally, &report, now)?;
        }
        let fails = broken.count > 0 || (self.fail_on == FailOn::Any && !report.findings.is_empty());
        let exit = if fails { Exit::Negative } else { Exit::Fine };
        let exit = if self.format.is_json() {
            terminal::print_json(&as_json(&report, &broken), exit)
        } else {
            terminal::print(&as_text(&report, names.is_empty(), Paint::for_stdout()), exit)
        };
        // What is to be decided has no severity: it counts as worth knowing.
        let count = |severity| if severity == Severity::Info { report.findings.len() } else { 0 };
        Ok(reporter.map_or(exit, |reporter| reporter.tell(Ended::counted(Job::Review, count), exit)))
    }

    fn read(&self, tally: &mut Tally<Permissions>) -> Result<BrokenLines, Failure> {
        let paths = logs::expand(&self.logs)?;
        let (mut reader, mut broken) = (logs::Reader::new(&paths), BrokenLines::default());
        for path in &paths {
            let take = |number, line: &[u8]| match Line::read(line) {
                Ok(line) => tally.take(&line),
                // An empty line says nothing, and hides nothing.
                Err(_) if line.trim_ascii().is_empty() => {}
                Err(why) => broken.add(|| format!("{}:{number}: {why}", path.display())),
            };
            let read = reader.lines(path, LONGEST_LINE, take);
            read.map_err(|error| Failure::unavailable(format!("{}: {error}", path.display())))?;
        }
        reader.finish();
        broken.tell();
        Ok(broken)
    }

    fn sign_off(&self, path: &Path, tally: &Tally<Permissions>, report: &Report, now: u64) -> Result<(), Failure> {
        let by = self.by.as_deref().unwrap_or_default();
        if by.trim().is_empty() {
            return Err(Failure::usage("--by: a review is signed off by somebody"));
        }
        let choices = self.choices(report);
        let record = SignOff::new(tally, report, &choices, by, now).map_err(|unknown| {
            Failure::usage(format!("--apply, --keep: no such finding here: {}", unknown.join(", ")))
        })?;
        let failed = |error: String| Failure::unavailable(format!("--record: {} {error}", path.display()));
        let text = serde_json::to_string_pretty(&record).map_err(|error| failed(error.to_string()))?;
        std::fs::write(path, text + "\n").map_err(|error| failed(format!("cannot be written: {error}")))
    }

    fn choices(&self, report: &Report) -> BTreeMap<String, Choice> {
        let all = self.apply.iter().any(|id| id == "all");
        let every = report.findings.iter().filter(|_| all).map(|finding| (finding.id.clone(), Choice::Apply));
        let applied = self.apply.iter().filter(|id| *id != "all").map(|id| (id.clone(), Choice::Apply));
        let kept = self.keep.iter().map(|(id, reason)| (id.clone(), Choice::Keep(reason.clone())));
        every.chain(applied).chain(kept).collect()
    }
}

impl BrokenLines {
    fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(text());
        }
    }

    fn tell(&self) {
        for line in &self.named {
            terminal::complain(line);
        }
        let more = self.count - self.named.len() as u64;
        if more > 0 {
            terminal::complain(&format!("and {more} more lines that are no records"));
        }
    }
}

/// The permissions that are set: none where no route is, so that a log can be looked at by itself.
fn permissions(environment: &Environment) -> Result<Permissions, Vec<config::Fault>> {
    let has_route = environment.names().any(|name| name.starts_with("HOOKWARDEN_ROUTE_"));
    if !has_route {
        return Ok(Permissions::default());
    }
    config::load(environment).map(|(config, _)| Permissions::new(&config.policy, environment))
}

fn read_settings(path: &Path) -> Result<Environment, Failure> {
    let failed = |why: String| Failure::usage(format!("--env-file: {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    env_file::parse(&text).map_err(failed)
}

fn read_last(path: &Path) -> Result<LastReview, Failure> {
    let failed = |why: String| Failure::usage(format!("--last: {} {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    LastReview::read(&text).map_err(failed)
}

fn date(text: &str) -> Result<u64, String> {
    values::date(text).map_err(|_| "is not a date such as 2026-01-31 or 2026-01-31T12:00:00Z".to_owned())
}

fn kept(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(id, reason)| !id.is_empty() && !reason.trim().is_empty());
    let (id, reason) = parts.ok_or("is not ID=REASON, such as github/no_end=ends with the contract")?;
    Ok((id.to_owned(), reason.trim().to_owned()))
}

fn as_json(report: &Report, broken: &BrokenLines) -> serde_json::Value {
    json!({
        "since": layout::time(report.since),
        "from": report.period.map(|(from, _)| layout::time(from)),
        "to": report.period.map(|(_, to)| layout::time(to)),
        "records": report.records,
        "earlier": report.earlier,
        "no_route": report.strangers,
        "broken_lines": broken.count,
        "broken": broken.named,
        "routes": report.routes,
        "findings": report.findings,
        "diff": diff(&report.findings),
        "not_seen": report.not_seen,
    })
}

fn as_text(report: &Report, bare: bool, paint: Paint) -> String {
    let mut text = head(report);
    let row = |used: &RouteUse| {
        let name =
            if used.configured || bare { used.route.clone() } else { format!("{} (not configured)", used.route) };
        let last = used.last.map_or_else(|| "never".to_owned(), layout::time);
        [name, used.used.to_string(), used.denied.to_string(), last]
    };
    let rows: Vec<_> = report.routes.iter().map(row).collect();
    let _ = write!(text, "\n{}", table(["ROUTE", "PERMITTED", "REFUSED", "LAST PERMITTED"], &rows));
    if bare {
        text.push_str(
            "\nno route is configured here: set the sidecar's variables, or give --env-file, to compare them\n",
        );
        return text;
    }
    for Finding { id, evidence, advice, .. } in &report.findings {
        let _ = write!(text, "\n{}\n{}{}", paint.strong(id), wrap(evidence, 2), wrap(&format!("-> {advice}"), 2));
    }
    for note in &report.not_seen {
        let _ = write!(text, "\n{}", wrap(note, 0));
    }
    let diff = diff(&report.findings);
    let _ = match (report.findings.is_empty(), diff.is_empty()) {
        (true, _) => writeln!(text, "\n{}", paint.good("nothing is unused, wider than its use, failing or ending")),
        (false, true) => Ok(()),
        (false, false) => write!(text, "\n{}\n{diff}", paint.strong("Narrower settings")),
    };
    text
}

fn head(report: &Report) -> String {
    let Some((from, to)) = report.period else { return "there are no records of requests\n".to_owned() };
    let since = if report.since > from { report.since } else { from };
    let (first, last) = (layout::time(since), layout::time(to));
    let mut text = format!("{} records from {first} to {last}", report.records);
    if report.earlier > 0 {
        let _ = write!(text, ", and {} before", report.earlier);
    }
    text.push('\n');
    let days = to.saturating_sub(since) / DAY;
    if days < SHORT {
        let _ = writeln!(text, "they cover {days} days: what comes once a quarter may not be among them");
    }
    if report.strangers > 0 {
        let _ = writeln!(text, "{} requests were for no route", report.strangers);
    }
    text
}

/// The changes as a diff of variables. One that is proposed twice is narrowed by the more exact of both, which comes
/// later, and what a route that goes away would be set to is left out.
fn diff(findings: &[Finding]) -> String {
    let mut changes: BTreeMap<&str, &Change> = BTreeMap::new();
    for change in findings.iter().flat_map(|finding| &finding.changes) {
        changes.insert(&change.variable, change);
    }
    let line =
        |sign: char, variable: &str, value: Option<&str>| format!("{sign}{variable}={}\n", value.unwrap_or("..."));
    let both = |change: &&Change| {
        let before = change.is_set.then(|| line('-', &change.variable, change.from.as_deref()));
        let after = change.to.as_deref().map(|to| line('+', &change.variable, Some(to)));
        before.into_iter().chain(after).collect::<String>()
    };
    changes.values().map(both).collect()
}
