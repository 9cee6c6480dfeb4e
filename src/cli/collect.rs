//! `collect`: what the scheduled audit and review look at, read from inside the cluster into a file.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::config::values;
use crate::injector::collect::{Failed, Settings, What, collect};

use super::{Exit, Failure, terminal};

#[derive(clap::Args)]
#[command(after_help = "\
It asks as the pod's service account, which needs `list` on what is read, and for records `get` on pods/log.

Examples:
  hookwarden collect objects --output /data/objects.yaml
  hookwarden collect records --since 31d --output /data/records.jsonl

Exit codes: 0 fine, 2 usage, 69 the API server has no answer, or the file cannot be written.")]
pub(super) struct Collect {
    /// What is read
    #[arg(value_enum)]
    what: Choice,
    /// The file that it is written to
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How far back records go, such as 31d
    #[arg(long, value_name = "AGE", default_value = "31d", value_parser = age)]
    since: Duration,
    /// The namespace; without it, the pod's own
    #[arg(short, long)]
    namespace: Option<String>,
    /// Where the API server is
    #[arg(long, value_name = "URL", default_value = "https://kubernetes.default.svc")]
    api_server: String,
    /// The directory with the service account's token, ca.crt and namespace
    #[arg(long, value_name = "DIR", default_value = "/var/run/secrets/kubernetes.io/serviceaccount")]
    service_account: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// The objects that the audit has rules for; no Secrets
    Objects,
    /// The logs of all pods that have the sidecar
    Records,
}

fn age(text: &str) -> Result<Duration, String> {
    values::positive_duration(text)
}

impl Collect {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let file = File::create(&self.output);
        let file = file.map_err(|error| Failure::unavailable(format!("{}: {error}", self.output.display())))?;
        let mut out = BufWriter::new(file);
        let what = match self.what {
            Choice::Objects => What::Objects,
            Choice::Records => What::Records(self.since),
        };
        let settings =
            Settings { api_server: self.api_server, service_account: self.service_account, namespace: self.namespace };
        let collected = collect(&settings, what, &mut out).and_then(|collected| {
            // What a buffer holds back would be lost without a word.
            out.into_inner().map_err(|error| Failed::Write(error.into_error()))?.sync_all()?;
            Ok(collected)
        });
        let collected = collected.map_err(Failure::unavailable)?;
        collected.left_out.iter().for_each(|pod| terminal::complain(pod));
        if collected.count == 0 {
            terminal::complain("nothing was found: no object, or no pod that has the sidecar");
        }
        Ok(Exit::Fine)
    }
}
