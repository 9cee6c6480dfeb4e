//! `--report-to`: a scheduled `audit`, `assess` or `review` tells a sidecar how it ended, which shows it as metrics.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::govern::job::Ended;

use super::http::Url;
use super::sign::read;
use super::{Exit, Failure, terminal};

/// How long the sidecar may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it listens for that.
const PLACE: &str = "/jobs";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metrics of a scheduled run")]
pub(super) struct ReportFlags {
    /// Tell a sidecar's admin port how this ended, such as <http://shop-hookwarden:9464>: it shows it as metrics. In
    /// plaintext, as that port is: within the cluster
    #[arg(long, value_name = "URL", requires = "report_token_file")]
    report_to: Option<String>,
    /// The file with that sidecar's admin token
    #[arg(long, value_name = "FILE", requires = "report_to")]
    report_token_file: Option<PathBuf>,
}

/// Who is told, with all that it takes: known to be sound before the work begins.
pub(super) struct Reporter {
    authority: String,
    token: Zeroizing<Vec<u8>>,
}

impl ReportFlags {
    /// Who is told, if anybody.
    pub(super) fn reporter(&self) -> Result<Option<Reporter>, Failure> {
        let (Some(url), Some(file)) = (&self.report_to, &self.report_token_file) else { return Ok(None) };
        let parsed = Url::parse(url).map_err(|problem| Failure::usage(format!("--report-to: {problem}")))?;
        if !parsed.is_plain() || !matches!(parsed.target, "/" | PLACE) {
            return Err(Failure::usage("--report-to: it is an admin port's http://HOST:PORT, and nothing behind it"));
        }
        let mut token = read(file)?;
        while token.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            token.pop();
        }
        // What stands in a header field must not end it.
        if token.is_empty() || !token.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            let what = "there is no token of printable ASCII in it";
            return Err(Failure::usage(format!("--report-token-file: {}: {what}", file.display())));
        }
        Ok(Some(Reporter { authority: parsed.authority.to_owned(), token }))
    }
}

impl Reporter {
    /// Tells it. Where that fails, it is said, and the command did not do all that it was asked to.
    pub(super) fn tell(&self, ended: Ended, exit: Exit) -> Exit {
        match self.send(ended) {
            Ok(()) => exit,
            Err(problem) => {
                terminal::complain(&format!("--report-to: http://{}{PLACE}: {problem}", self.authority));
                if exit == Exit::Fine { Exit::Unavailable } else { exit }
            }
        }
    }

    fn send(&self, ended: Ended) -> Result<(), String> {
        let (host, body) = (&self.authority, ended.write());
        let length = body.len();
        let mut request = Zeroizing::new(format!("POST {PLACE} HTTP/1.1\r\nHost: {host}\r\n").into_bytes());
        request.extend_from_slice(b"Authorization: Bearer ");
        request.extend_from_slice(&self.token);
        let rest = format!(
            "\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        request.extend_from_slice(rest.as_bytes());
        let url = format!("http://{host}{PLACE}");
        let answer = Url::parse(&url)?.exchange("POST", &request, PATIENCE).map_err(|error| error.to_string())?;
        match answer.status {
            204 => Ok(()),
            status => {
                let said: String = String::from_utf8_lossy(&answer.body).trim().chars().take(200).collect();
                Err(format!("status {status}: {}", said.escape_debug()))
            }
        }
    }
}
