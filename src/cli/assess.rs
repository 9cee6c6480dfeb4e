//! `assess`: attacks on an endpoint that its owner wants tried, made by [`assess`](crate::assess) and printed here.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::assess::target::Target;
use crate::assess::{
    self, Assessment, DEFAULT_MOST, DEFAULT_OVERSIZE, DEFAULT_RATE, Options, Outcome, Subject, Verdict,
};
use crate::auth::keys::Key;
use crate::auth::scheme::Scheme;
use crate::auth::signature::PrivateKey;
use crate::govern::finding::Report;
use crate::govern::job::{Ended, Job};

use super::findings::{Face, FindingFlags};
use super::layout::{list, wrap};
use super::report_to::ReportFlags;
use super::sign::{SenderFlags, header, read, read_key};
use super::terminal::Paint;
use super::{Exit, Failure, terminal};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Assess {
    /// The endpoint: the URL that the provider is told
    #[arg(long, value_name = "URL")]
    target: String,
    /// You own the endpoint and may attack it; needed for any but this machine
    #[arg(long)]
    i_own_this: bool,
    #[command(flatten)]
    sender: SenderFlags,
    #[command(flatten)]
    secret: Secrets,
    /// Which key of the file: its line's number among the keys, or its file's name [default: the first]
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
    #[command(flatten)]
    finding: FindingFlags,
    #[command(flatten)]
    message: MessageFlags,
    #[command(flatten)]
    way: WayFlags,
    #[command(flatten)]
    bounds: BoundFlags,
    #[command(flatten)]
    told: ReportFlags,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Secrets {
    /// The secret's file, as `SECRET_FILE`; - is standard input. Where the provider signs with a private key: a private
    /// key whose public one the endpoint accepts
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The secret itself; it shows in the process list and the shell's history, so a file is better
    #[arg(long, value_name = "TEXT")]
    secret: Option<String>,
}

#[derive(clap::Args)]
#[command(next_help_heading = "What genuine messages are")]
struct MessageFlags {
    /// A header field of every message, such as the event's type; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body's file; ids and times in it are made new [default: a sample that has what the scheme reads]
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// The URL that is signed, where the scheme signs it and it is another than the target
    #[arg(long, value_name = "URL")]
    signed_url: Option<String>,
}

#[derive(clap::Args)]
#[command(next_help_heading = "How the endpoint is reached")]
struct WayFlags {
    /// Connect there, whatever the URL's host leads to: to an ingress, say
    #[arg(long, value_name = "HOST:PORT")]
    connect: Option<String>,
    /// Certificate authorities to believe beside Mozilla's, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The sidecar's metrics, to hold its counters against its answers
    #[arg(long, value_name = "URL")]
    metrics: Option<String>,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Bounds")]
struct BoundFlags {
    /// Try these attacks alone, by their codes
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    only: Vec<String>,
    /// The most requests a second
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_RATE, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// The most requests in all
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_MOST)]
    max_requests: u32,
    /// How long an answer may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// The body that ought to be too large, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_OVERSIZE)]
    oversize: usize,
    /// How long a request may take that arrives byte by byte, in seconds [default: not tried]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    slow: Option<u64>,
    /// The endpoint answers a message that it has had before with 2xx, and does not act on it
    #[arg(long)]
    acknowledges_replays: bool,
}

impl Assess {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let target = Target::resolve(&self.target, self.way.connect.as_deref()).map_err(Failure::usage)?;
        let metrics = self.way.metrics.as_deref().map(|url| Target::resolve(url, None)).transpose();
        let metrics = metrics.map_err(Failure::usage)?;
        let is_here = target.is_loopback() && metrics.as_ref().is_none_or(Target::is_loopback);
        if !is_here && !self.i_own_this {
            return Err(Failure::usage(format!(
                "{} is not on this machine: attack nothing but what is yours, and say so with --i-own-this",
                target.shown()
            )));
        }
        let (options, reporter) = (self.options(metrics)?, self.told.reporter()?);
        let subject = self.subject(target)?;
        let all = if options.only.is_empty() { assess::all().count() } else { options.only.len() };
        let mut done = 0;
        let mut told = |outcome: &Outcome| {
            done += 1;
            terminal::progress(&format!("[{done}/{all}] {} {}", outcome.attack.rule.code, outcome.verdict.word()));
        };
        let assessment = assess::run(&subject, &options, &mut told);
        terminal::progress("");
        let assessment = assessment.map_err(|fault| match fault {
            assess::Fault::System(_) => Failure::unavailable(fault),
            assess::Fault::Name(_) | assess::Fault::Unsigned(_) | assess::Fault::NoAttack(..) => Failure::usage(fault),
        })?;
        let exit = self.print(&assessment);
        // What could not be assessed is no assessment.
        Ok(match reporter.filter(|_| assessment.unheard.is_none()) {
            Some(reporter) => reporter.tell(Ended::with(Job::Assess, &assess::report(&assessment)), exit),
            None => exit,
        })
    }

    fn options(&self, metrics: Option<Target>) -> Result<Options, Failure> {
        let authorities = match &self.way.ca_file {
            Some(path) => authorities(&read(path)?)
                .map_err(|fault| Failure::usage(format!("--ca-file {}: {fault}", path.display())))?,
            None => Vec::new(),
        };
        Ok(Options {
            rate: self.bounds.rate,
            most: self.bounds.max_requests,
            patience: Duration::from_secs(self.bounds.timeout),
            oversize: self.bounds.oversize,
            slow: self.bounds.slow.map(Duration::from_secs),
            acknowledges: self.bounds.acknowledges_replays,
            metrics,
            authorities,
            only: self.bounds.only.clone(),
        })
    }

    fn subject(&self, target: Target) -> Result<Subject, Failure> {
        let scheme = self.sender.scheme()?;
        let id = self.key_id.as_deref();
        let secret = read_key(self.secret.secret.as_deref(), self.secret.secret_file.as_deref(), id)?;
        if let Some(url) = &self.message.signed_url {
            super::http::Url::parse(url).map_err(Failure::usage)?;
        }
        Ok(Subject {
            provider: self.sender.provider.clone(),
            key: Key::for_signing(&scheme, &secret).map_err(Failure::usage)?,
            public: public(&scheme, &secret.text),
            secret,
            scheme,
            target,
            signed_url: self.message.signed_url.clone(),
            headers: self.message.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?,
            body: self.message.body_file.as_deref().map(read).transpose()?.map(|body| body.to_vec()),
        })
    }

    fn print(&self, assessment: &Assessment) -> Exit {
        let report = assess::report(assessment);
        let exit = match self.finding.format {
            Face::Text => {
                let exit = if report.fails_on(self.finding.fail_on.least()) { Exit::Negative } else { Exit::Fine };
                terminal::print(&as_text(assessment, Paint::for_stdout()), exit)
            }
            Face::Json => {
                let exit = if report.fails_on(self.finding.fail_on.least()) { Exit::Negative } else { Exit::Fine };
                terminal::print_json(&as_json(assessment, &report), exit)
            }
            Face::Sarif | Face::Junit | Face::Html => self.finding.print(&report),
        };
        // That nothing is known must not pass for that all is well.
        if assessment.unheard.is_some() && exit == Exit::Fine { Exit::Unavailable } else { exit }
    }
}

/// The public key of a pair.
fn public(scheme: &Scheme, secret: &[u8]) -> Option<String> {
    if scheme.public_algorithms().is_empty() {
        return None;
    }
    let key = PrivateKey::from_text(str::from_utf8(secret).ok()?).ok()?;
    key.public().ok().map(|key| key.to_pem())
}

fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("there is no certificate".into()),
        found => found.map_err(|error| error.to_string()),
    }
}

fn count(assessment: &Assessment, verdict: Verdict) -> usize {
    assessment.outcomes.iter().filter(|outcome| outcome.verdict == verdict).count()
}

fn as_json(assessment: &Assessment, report: &Report) -> Value {
    let mut value = report.as_json();
    value["target"] = assessment.subject.as_str().into();
    value["nonce"] = assessment.nonce.as_str().into();
    value["hookwarden"] = assessment.hookwarden.into();
    value["control"] = if assessment.unheard.is_none() { "accepted" } else { "refused" }.into();
    value["requests"] = assessment.requests.into();
    let counts = [Verdict::Held, Verdict::Broken, Verdict::Inconclusive];
    value["counts"] =
        counts.iter().map(|verdict| (verdict.word().to_owned(), json!(count(assessment, *verdict)))).collect();
    value["attacks"] = assessment.outcomes.iter().map(attack_as_json).collect();
    value
}

fn attack_as_json(outcome: &Outcome) -> Value {
    let rule = &outcome.attack.rule;
    json!({
        "code": rule.code,
        "name": rule.title,
        "result": outcome.verdict.word(),
        "severity": rule.severity.name(),
        "evidence": outcome.evidence,
        "requests": outcome.requests,
        "sent": outcome.attack.sent,
        "holds": outcome.attack.holds,
        "why": rule.why,
        "remedy": rule.remedy,
        "references": rule.references,
    })
}

fn as_text(assessment: &Assessment, paint: Paint) -> String {
    let who = if assessment.hookwarden { "Hookwarden" } else { "not Hookwarden, or not saying so" };
    let mut text = format!("assess: {} ({who}), nonce {}\n\n", assessment.subject, assessment.nonce);
    for outcome in &assessment.outcomes {
        text += &outcome_as_text(outcome, paint);
    }
    for note in &assessment.notes {
        text += &wrap(&format!("note: {note}"), 0);
    }
    if let Some(seen) = &assessment.unheard {
        text += &wrap(&format!("{}: {seen}", paint.bad("the endpoint does not take a genuine message")), 0);
        text += "Check target, provider, key, and with --header and --body-file what events it permits.\n";
    }
    let broken = count(assessment, Verdict::Broken);
    let told = format!("{broken} broken");
    let told = if broken > 0 { paint.bad(&told) } else { paint.good(&told) };
    let (held, open) = (count(assessment, Verdict::Held), count(assessment, Verdict::Inconclusive));
    text + &format!("\n{told}, {held} held, {open} inconclusive; {} requests\n", assessment.requests)
}

fn outcome_as_text(outcome: &Outcome, paint: Paint) -> String {
    let rule = &outcome.attack.rule;
    let mark = format!("{:12}", outcome.verdict.word());
    match outcome.verdict {
        Verdict::Held => format!("{}  {}  {}\n", paint.good(&mark), rule.code, rule.title),
        Verdict::Inconclusive => {
            let line = format!("{}  {}  {}\n", paint.faint(&mark), rule.code, rule.title);
            line + &wrap(&outcome.evidence, 14)
        }
        Verdict::Broken => {
            let facts = [
                ("severity", rule.severity.name().to_owned()),
                ("sent", outcome.attack.sent.to_owned()),
                ("seen", outcome.evidence.clone()),
                ("why", rule.why.to_owned()),
                ("do", rule.remedy.to_owned()),
                ("see", rule.references.join(", ")),
            ];
            format!("{}  {}  {}\n{}", paint.bad(&mark), rule.code, paint.strong(rule.title), list(&facts))
        }
    }
}

const AFTER_HELP: &str = "\
Genuine messages are sent too, and reach the service: a sample, or what --body-file holds. Every
request carries X-Hookwarden-Assess and a User-Agent that says what it is.

Exit codes: 0 nothing at or above --fail-on broke; 1 something did; 2 the arguments make no
sense; 69 the endpoint does not take a genuine message, so nothing is known, or --report-to could not
be told.

Examples:
  hookwarden assess --target http://127.0.0.1:8443/hooks/github --provider github --secret-file key
  hookwarden assess --target https://hooks.example.com/stripe --provider stripe --secret-file key \\
    --i-own-this --fail-on medium --format sarif
  hookwarden assess --target https://hooks.example.com/stripe --connect 10.0.0.7:443 …
  hookwarden explain HA034";
