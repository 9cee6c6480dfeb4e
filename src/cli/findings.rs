//! How `audit` and `assess` print what they have found, and what they end with.

use clap::ValueEnum;

use crate::govern::finding::{Finding, Report, Severity};
use crate::govern::report::{html, junit, sarif};

use super::layout::{list, wrap};
use super::terminal::Paint;
use super::{Exit, terminal};

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Face {
    /// For people
    Text,
    /// For programs
    Json,
    /// SARIF 2.1.0, for code scanners
    Sarif,
    #[value(help = "JUnit XML, for test dashboards")]
    Junit,
    /// A page for people who read and print
    Html,
}

/// What makes the command fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Any finding
    Info,
    /// A finding of at least that severity
    Low,
    /// A finding of at least that severity
    Medium,
    /// A finding of at least that severity
    High,
    /// A finding of that severity
    Critical,
    /// Nothing
    #[value(alias = "none")]
    Never,
}

impl FailOn {
    /// The least severity that fails.
    pub(super) fn least(self) -> Option<Severity> {
        match self {
            Self::Info => Some(Severity::Info),
            Self::Low => Some(Severity::Low),
            Self::Medium => Some(Severity::Medium),
            Self::High => Some(Severity::High),
            Self::Critical => Some(Severity::Critical),
            Self::Never => None,
        }
    }
}

/// The flags that both commands have.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct FindingFlags {
    /// How to print
    #[arg(long, value_enum, default_value_t = Face::Text)]
    pub(super) format: Face,
    /// The least severity that ends with exit code 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::High)]
    pub(super) fail_on: FailOn,
}

impl FindingFlags {
    /// Prints the report.
    pub(super) fn print(self, report: &Report) -> Exit {
        let least = self.fail_on.least();
        let exit = if report.fails_on(least) { Exit::Negative } else { Exit::Fine };
        match self.format {
            Face::Text => terminal::print(&as_text(report, Paint::for_stdout()), exit),
            Face::Html => terminal::print(&html::render(report), exit),
            Face::Json => terminal::print_json(&report.as_json(), exit),
            Face::Sarif => terminal::print_json(&sarif::render(report), exit),
            Face::Junit => {
                let fails = |finding: &Finding| least.is_some_and(|least| finding.severity >= least);
                terminal::print(&junit::render(report, fails), exit)
            }
        }
    }
}

/// A report for people.
pub(super) fn as_text(report: &Report, paint: Paint) -> String {
    let mut text = format!("{}: {}\n\n", report.kind, report.subject);
    for group in report.groups() {
        text += &as_group(&group, paint);
    }
    for accepted in &report.accepted {
        let (finding, until) = (&accepted.finding, &accepted.until);
        let line = format!("accepted  {}  {} ({} until {until})", finding.rule.code, finding.place, accepted.owner);
        text += &paint.faint(&line);
        text.push('\n');
    }
    if let Some(trend) = &report.trend {
        let (new, gone) = (trend.new.len(), trend.gone.len());
        let lines = trend.gone.iter().map(|gone| format!("gone      {}", gone.id));
        let head = format!("since {}: {new} new, {gone} gone", trend.since);
        text += &[head].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
        text.push('\n');
    }
    for note in &report.notes {
        text += &wrap(&format!("note: {note}"), 0);
    }
    text + &summary(report, paint)
}

/// The findings of one rule that are equally bad.
fn as_group(group: &[&Finding], paint: Paint) -> String {
    let Some(first) = group.first() else { return String::new() };
    let mark = format!("{:8}", first.severity.name());
    let mark = if first.severity >= Severity::High { paint.bad(&mark) } else { paint.strong(&mark) };
    let mut facts: Vec<_> =
        group.iter().map(|finding| ("at", format!("{}: {}", finding.place, finding.evidence))).collect();
    let same = group.iter().all(|finding| finding.remedy == first.remedy);
    // Many places of one kind have many remedies that differ in a name.
    let remedy = if same { &first.remedy } else { first.rule.remedy };
    facts.extend([
        ("why", first.rule.why.to_owned()),
        ("do", remedy.to_owned()),
        ("see", first.rule.references.join(", ")),
    ]);
    format!("{mark}  {}  {}\n{}\n", first.rule.code, first.rule.title, list(&facts))
}

fn summary(report: &Report, paint: Paint) -> String {
    let judged = report.rules().len();
    let skipped = match report.skipped.len() {
        0 => String::new(),
        count => format!(", {count} could not be judged"),
    };
    let looked = format!("{judged} rules were judged{skipped}, {} findings are accepted", report.accepted.len());
    if report.findings.is_empty() {
        return format!("{}; {looked}\n", paint.good("nothing found"));
    }
    let counts = Severity::ALL.map(|severity| (report.count(severity), severity));
    let counts: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    format!("{}; {looked}\n", paint.bad(&counts.join(", ")))
}
