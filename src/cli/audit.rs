//! `audit`: the configuration in effect, or Kubernetes objects, held against every rule.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Now;
use crate::config::{self, Config, Environment, Survey, values};
use crate::govern::audit::{Scope, audit};
use crate::govern::baseline::Baseline;
use crate::govern::finding::Report;
use crate::govern::job::{Ended, Job};
use crate::govern::manifests::Manifests;
use crate::govern::report::html;
use crate::govern::subject::{Practice, Record, Subject};
use crate::govern::trend::Trend;
use crate::observe;

use super::findings::FindingFlags;
use super::report_to::ReportFlags;
use super::settings::Settings;
use super::{Exit, Failure, env_file, run};

/// The largest file that is read: the objects of a large cluster.
const MAX_FILE: u64 = 64 << 20;

#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 fine, 1 findings at or above --fail-on, 2 usage, 69 --report-to
could not be told, 78 the configuration is refused.

Examples:
  hookwarden audit
  hookwarden audit --env-file sidecar.env --fail-on medium
  kubectl get deploy,svc,netpol,cm,ing -A -o yaml | hookwarden audit -f -
  hookwarden audit -f rendered.yaml --format sarif > audit.sarif
  hookwarden audit --baseline accepted.json --since last.json --report html audit.html
  hookwarden explain HW040")]
pub(super) struct Audit {
    /// Read the settings from a file of NAME=value lines, and not from the environment
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Kubernetes objects to look at, YAML or JSON; - for standard input
    #[arg(short = 'f', long, visible_alias = "filename", alias = "manifests", value_name = "FILE", num_args = 1..)]
    file: Vec<PathBuf>,
    /// Findings that are accepted, with reason, owner and end
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// An earlier report (--format json) to compare with
    #[arg(long, value_name = "REPORT")]
    since: Option<PathBuf>,
    /// Records of reviews and trainings, as `review` and `drill` write them
    #[arg(long, value_name = "FILE")]
    records: Vec<PathBuf>,
    /// How old the last training may be, such as 365d
    #[arg(long, value_name = "AGE", value_parser = age)]
    require_training: Option<Duration>,
    /// Write a report for people who read and print, too: html and a file
    #[arg(long, num_args = 2, value_names = ["KIND", "FILE"])]
    report: Option<Vec<PathBuf>>,
    #[command(flatten)]
    flags: FindingFlags,
    #[command(flatten)]
    told: ReportFlags,
    #[command(flatten)]
    settings: Settings,
}

fn age(text: &str) -> Result<Duration, String> {
    values::positive_duration(text)
}

impl Audit {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let (html_file, reporter) = (self.html_file()?, self.told.reporter()?);
        let now = Now::read().unix_seconds();
        let (manifests, practice) = (self.manifests()?, self.practice(now)?);
        let loaded = match self.environment()?.map(Loaded::new).transpose() {
            Ok(loaded) => loaded,
            Err(faults) => return Ok(run::refuse(&faults)),
        };
        let unknown = BTreeSet::new();
        let scope = Scope {
            subject: loaded.as_ref().map(|loaded| loaded.subject(&unknown, now)),
            manifests: Some(&manifests).filter(|manifests| !manifests.is_empty()),
            practice: practice.as_ref(),
            now,
        };
        let mut report = audit(&self.subject(loaded.is_some()), scope);
        if let Some(path) = &self.baseline {
            let baseline = Baseline::parse(&read(path)?);
            baseline.map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))?.apply(&mut report);
        }
        report.trend = self.trend(&report)?;
        if let Some(path) = html_file {
            let written = fs::write(path, html::render(&report));
            written.map_err(|error| Failure::unavailable(format!("{}: {error}", path.display())))?;
        }
        let exit = self.flags.print(&report);
        Ok(reporter.map_or(exit, |reporter| reporter.tell(Ended::with(Job::Audit, &report), exit)))
    }

    fn html_file(&self) -> Result<Option<&Path>, Failure> {
        match self.report.as_deref() {
            None => Ok(None),
            Some([kind, file]) if kind.as_os_str() == "html" => Ok(Some(file)),
            Some(_) => Err(Failure::usage("--report takes html and a file")),
        }
    }

    /// The settings to look at. None where objects were given, and the environment has none of ours.
    fn environment(&self) -> Result<Option<Environment>, Failure> {
        let environment = match &self.env_file {
            Some(path) => {
                let variables = env_file::parse(&read(path)?);
                self.settings
                    .over(variables.map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))?)
            }
            None => self.settings.environment(),
        };
        let is_empty = environment.names().next().is_none();
        Ok(Some(environment).filter(|_| !is_empty || self.file.is_empty()))
    }

    fn manifests(&self) -> Result<Manifests, Failure> {
        let mut manifests = Manifests::default();
        for path in &self.file {
            let text = read(path)?;
            let added = manifests.add(&path.display().to_string(), &text);
            added.map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))?;
        }
        if !self.file.is_empty() && manifests.is_empty() {
            return Err(Failure::usage("there is no object in what -f names"));
        }
        Ok(manifests)
    }

    fn practice(&self, now: u64) -> Result<Option<Practice>, Failure> {
        if self.records.is_empty() && self.require_training.is_none() {
            return Ok(None);
        }
        let mut records = Vec::new();
        for path in &self.records {
            let read = Record::parse(&read(path)?);
            records.extend(read.map_err(|problem| Failure::usage(format!("{} {problem}", path.display())))?);
        }
        let records = Some(records).filter(|_| !self.records.is_empty());
        Ok(Some(Practice { records, require_training: self.require_training.map(|age| age.as_secs()), now }))
    }

    fn trend(&self, report: &Report) -> Result<Option<Trend>, Failure> {
        let Some(path) = &self.since else { return Ok(None) };
        let trend = Trend::of(report, &read(path)?);
        trend.map(Some).map_err(|problem| Failure::usage(format!("{} {problem}", path.display())))
    }

    /// What is looked at, in words.
    fn subject(&self, has_settings: bool) -> String {
        let settings = match &self.env_file {
            Some(path) => Some(format!("the settings in {}", path.display())),
            None => has_settings.then(|| "the settings in the environment".to_owned()),
        };
        let files = self.file.iter().map(|path| path.display().to_string());
        settings.into_iter().chain(files).collect::<Vec<_>>().join(", ")
    }
}

/// A configuration, with all that is known of it.
struct Loaded {
    environment: Environment,
    config: Config,
    survey: Survey,
}

impl Loaded {
    fn new(environment: Environment) -> Result<Self, Vec<config::Fault>> {
        let (config, _) = config::load(&environment)?;
        let survey = config::survey(&environment);
        Ok(Self { environment, config, survey })
    }

    fn subject<'a>(&'a self, unknown: &'a BTreeSet<String>, now: u64) -> Subject<'a> {
        Subject {
            process: &self.config.process,
            policy: &self.config.policy,
            environment: &self.environment,
            survey: &self.survey,
            unknown,
            replicas: None,
            built: observe::built(),
            now,
        }
    }
}

/// A file's text, or that of standard input.
fn read(path: &Path) -> Result<String, Failure> {
    let failed = |problem: &dyn std::fmt::Display| Failure::usage(format!("{}: {problem}", path.display()));
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_FILE + 1).read_to_string(&mut text)
    } else {
        let file = fs::File::open(path).map_err(|error| failed(&error))?;
        file.take(MAX_FILE + 1).read_to_string(&mut text)
    };
    match read {
        Ok(length) if length as u64 > MAX_FILE => Err(failed(&"is larger than 64MiB")),
        Ok(_) => Ok(text),
        Err(error) => Err(failed(&error)),
    }
}
