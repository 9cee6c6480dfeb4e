//! `inject`: the sidecar put into manifests, or taken out of them, as a filter: text in, the same text out, changed where it
//! has to be.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use diffy::{DiffOptions, PatchFormatter};

use crate::inject::annotations::ANNOTATIONS;
use crate::inject::text::{Filtered, Options, filter};
use crate::inject::{IMAGE, NAMESPACE, PREFIX};

use super::layout::list;
use super::{Exit, Failure, terminal};

/// The largest stream. A rendered cluster has some megabytes.
const MAX_INPUT: u64 = 64 << 20;

#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = after_help())]
pub(super) struct Inject {
    /// The manifests, YAML or JSON; `-` is standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    file: PathBuf,
    /// Take sidecars out, and give back what was there before
    #[arg(long)]
    uninject: bool,
    /// Print what would change, not the manifests
    #[arg(long)]
    diff: bool,
    /// Inject pods without the label `hookwarden.io/inject: enabled`, too
    #[arg(long, conflicts_with = "uninject")]
    all: bool,
    /// The namespace of objects that name none
    #[arg(short, long, default_value = "", hide_default_value = true)]
    namespace: String,
    /// The injector's own namespace, which is left as it is
    #[arg(long, default_value = NAMESPACE)]
    injector_namespace: String,
    /// The sidecar's image, where no annotation names one
    #[arg(long, default_value = IMAGE)]
    image: String,
    /// Say nothing of pods that are left as they are
    #[arg(short, long)]
    quiet: bool,
}

impl Inject {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let text = self.read()?;
        let options = Options {
            undo: self.uninject,
            all: self.all,
            namespace: &self.namespace,
            own_namespace: &self.injector_namespace,
            image: &self.image,
        };
        match filter(&text, options) {
            Ok(filtered) => Ok(self.tell(&text, &filtered)),
            Err(faults) => {
                for fault in &faults {
                    terminal::complain(fault);
                }
                Ok(Exit::Negative)
            }
        }
    }

    fn read(&self) -> Result<String, Failure> {
        let name = self.file.display();
        let bytes = read(&self.file).map_err(|error| Failure::unavailable(format!("{name}: {error}")))?;
        if bytes.len() as u64 > MAX_INPUT {
            return Err(Failure::usage(format!("{name}: is larger than 64MiB")));
        }
        String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{name}: is not UTF-8")))
    }

    /// What was left goes to standard error: standard output is the manifests'.
    fn tell(&self, text: &str, filtered: &Filtered) -> Exit {
        if !self.quiet {
            for line in &filtered.left {
                terminal::complain(&format!("left as it is: {line}"));
            }
        }
        if !self.diff {
            return terminal::print(&filtered.text, Exit::Fine);
        }
        let name = self.file.display().to_string();
        terminal::print(&difference(&name, text, &filtered.text), Exit::Fine)
    }
}

/// A unified diff, or nothing where nothing changes.
fn difference(name: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let mut options = DiffOptions::new();
    options.set_original_filename(name.to_owned()).set_modified_filename(name.to_owned());
    let format = PatchFormatter::new().suppress_blank_empty(false);
    format.fmt_patch(&options.create_patch(before, after)).to_string()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(path)?.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn after_help() -> String {
    let rows: Vec<_> = ANNOTATIONS.iter().map(|row| (row.name, told(row.help, row.accepts, row.default))).collect();
    let mut text = format!("Annotations of the pod template, each after {PREFIX}\n{}", list(&rows));
    let _ = write!(text, "\n{EXAMPLES}");
    text
}

fn told(help: &str, accepts: &str, default: &str) -> String {
    let default = if default.is_empty() { String::new() } else { format!(" [default: {default}]") };
    format!("{help} Accepted: {accepts}.{default}")
}

const EXAMPLES: &str = "\
A stream with one pod that cannot be injected is refused as a whole, and nothing is printed.

Examples:
  hookwarden inject -f app.yaml | kubectl apply -f -
  kubectl kustomize overlays/production | hookwarden inject -f - | kubectl apply -f -
  hookwarden inject -f app.yaml --diff
  hookwarden inject -f injected.yaml --uninject

Exit codes: 0 fine, 1 refused, 2 usage, 69 the file cannot be read.";
