//! How a setting is asked for: by its row's name. The [`Reader`] finds the variable or the file that stands for it, applies
//! the parser and keeps every fault, so that those who ask write down what they want and nothing else.
//!
//! After a fault it does not matter what the asker goes on with: nothing that was read is used then. So they go on with
//! anything, and find the other faults.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::fetch::source::Known;

use super::files::{Content, Files, Found, Look, Unreadable};
use super::knobs::{GLOBAL, Knob, ROUTE};
use super::tls::Resumption;
use super::values::Parsed;
use super::{Environment, Fault, PREFIX};

/// One load: what is asked, and what was found so far.
pub(super) struct Loading<'e> {
    environment: &'e Environment,
    /// What was read.
    pub(super) files: Files,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
    /// What is fetched already, for an earlier policy.
    pub(super) known: Known,
    /// What TLS sessions are resumed by: the last load's, and then this one's.
    pub(super) resumption: Option<Resumption>,
}

/// The settings under one prefix.
pub(super) struct Reader<'l, 'e> {
    loading: &'l mut Loading<'e>,
    prefix: String,
    knobs: &'static [Knob],
}

/// A fault has been kept.
struct Faulted;

impl<'e> Loading<'e> {
    pub(super) fn new(environment: &'e Environment) -> Self {
        let (files, faults) = (Files::default(), Vec::new());
        Self { environment, files, faults, known: Known::default(), resumption: None }
    }

    pub(super) fn environment(&self) -> &'e Environment {
        self.environment
    }

    /// The global settings.
    pub(super) fn global(&mut self) -> Reader<'_, 'e> {
        Reader { loading: self, prefix: PREFIX.to_owned(), knobs: GLOBAL }
    }

    /// The settings of the route of that name, as variables write it.
    pub(super) fn route(&mut self, name: &str) -> Reader<'_, 'e> {
        Reader { loading: self, prefix: format!("{PREFIX}ROUTE_{name}_"), knobs: ROUTE }
    }

    /// The faults by variable, each once.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by(|one, other| one.variable.cmp(&other.variable));
        self.faults.dedup();
        self.faults
    }
}

impl Reader<'_, '_> {
    /// A setting's value, or its default's. `None`: neither, or a fault.
    pub(super) fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let text = match self.text(name) {
            Err(Faulted) => return None,
            Ok(Some(text)) => text,
            Ok(None) => match self.knob(name).map_or("", |knob| knob.default) {
                "" => return None,
                default => Zeroizing::new(default.to_owned()),
            },
        };
        parse(&text).map_err(|problem| self.fault(name, problem)).ok()
    }

    /// The same, for a setting that must be there.
    pub(super) fn required<T>(&mut self, name: &str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        if self.is_set(name) {
            return self.value(name, parse);
        }
        self.fault(name, "is required, and not set");
        None
    }

    /// The content of the file that a setting names, and its path.
    pub(super) fn file(&mut self, name: &str) -> Option<(PathBuf, Content)> {
        match self.found(name)? {
            (path, Found::File(content)) => Some((path, content)),
            (path, Found::Directory(_)) => {
                self.fault(name, format!("{} is a directory", path.display()));
                None
            }
        }
    }

    /// The file or directory that a setting names, and its path.
    pub(super) fn found(&mut self, name: &str) -> Option<(PathBuf, Found)> {
        self.look(name, Look::Plain)
    }

    /// The file, or the directory of certificates and keys, that a setting names, and its path.
    pub(super) fn pairs(&mut self, name: &str) -> Option<(PathBuf, Found)> {
        self.look(name, Look::Pairs)
    }

    fn look(&mut self, name: &str, look: Look) -> Option<(PathBuf, Found)> {
        let path = PathBuf::from(self.value(name, |text| Ok(text.to_owned()))?);
        match self.loading.files.read(&self.variable(name), &path, look) {
            Ok(found) => Some((path, found)),
            Err(unreadable) => {
                let secret = self.knob(name).is_some_and(|knob| knob.secret);
                self.fault(name, told(&path, &unreadable, secret));
                None
            }
        }
    }

    /// What sessions are resumed by, which outlives a load: see [`Resumption`].
    pub(super) fn resumption(&mut self) -> &mut Option<Resumption> {
        &mut self.loading.resumption
    }

    /// Whether a setting is set, by itself or by a file.
    pub(super) fn is_set(&self, name: &str) -> bool {
        let variable = self.variable(name);
        self.loading.environment.get(&variable).is_some() || self.file_form(name).is_some()
    }

    /// Keeps a fault.
    pub(super) fn fault(&mut self, name: &str, problem: impl Into<String>) {
        self.fault_with(name, problem, None);
    }

    /// Keeps a fault, with what was probably meant.
    pub(super) fn fault_with(&mut self, name: &str, problem: impl Into<String>, hint: Option<String>) {
        let variable = self.file_form(name).unwrap_or_else(|| self.variable(name));
        let accepted = self.knob(name).map_or("", |knob| knob.accepts).to_owned();
        self.loading.faults.push(Fault { variable, problem: problem.into(), accepted, hint });
    }

    /// Whether a fault of a setting has been kept.
    pub(super) fn has_fault(&self, name: &str) -> bool {
        let (variable, file) = (self.variable(name), self.file_form(name));
        self.loading.faults.iter().any(|fault| fault.variable == variable || Some(&fault.variable) == file.as_ref())
    }

    /// Takes over what is fetched already.
    pub(super) fn take_known(&mut self) -> Known {
        std::mem::take(&mut self.loading.known)
    }

    /// The full name of a setting's variable.
    pub(super) fn variable(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn knob(&self, name: &str) -> Option<&'static Knob> {
        self.knobs.iter().find(|knob| knob.name == name)
    }

    /// The variable that names a file in a setting's stead, where it is set.
    fn file_form(&self, name: &str) -> Option<String> {
        self.knob(name).filter(|knob| knob.has_file_form())?;
        Some(format!("{}_FILE", self.variable(name)))
            .filter(|variable| self.loading.environment.get(variable).is_some())
    }

    /// What is written for a setting.
    fn text(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Faulted> {
        let variable = self.variable(name);
        let text = match (self.loading.environment.get(&variable), self.file_form(name)) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => Err(format!("stands for {variable}, which is set too; only one of them is accepted")),
            (Some(value), None) => value.to_str().map(|text| Zeroizing::new(text.to_owned())).ok_or_else(not_utf8),
            (None, Some(by_file)) => self.text_of_file(&by_file),
        };
        let text = text.and_then(|text| if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text) });
        text.map(Some).map_err(|problem| {
            self.fault(name, problem);
            Faulted
        })
    }

    fn text_of_file(&mut self, variable: &str) -> Parsed<Zeroizing<String>> {
        let path = self.loading.environment.get(variable).map(PathBuf::from).unwrap_or_default();
        match self.loading.files.read(variable, &path, Look::Plain) {
            Ok(Found::File(content)) => match std::str::from_utf8(without_newline(&content.bytes)) {
                Ok(text) => Ok(Zeroizing::new(text.to_owned())),
                Err(_) => Err(format!("{} {}", path.display(), not_utf8())),
            },
            Ok(Found::Directory(_)) => Err(format!("{} is a directory", path.display())),
            Err(unreadable) => Err(told(&path, &unreadable, false)),
        }
    }
}

/// Bytes without the one newline that editors put at the end of a file.
pub(super) fn without_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r\n").or_else(|| bytes.strip_suffix(b"\n")).unwrap_or(bytes)
}

fn not_utf8() -> String {
    "is not UTF-8".to_owned()
}

/// What is wrong with a file. The path of a secret is named only where something stands there: else it may be the secret
/// itself, written in the place of its path.
fn told(path: &Path, unreadable: &Unreadable, secret: bool) -> String {
    if let Unreadable::Io(error) = unreadable
        && secret
        && error.kind() != std::io::ErrorKind::PermissionDenied
    {
        return format!("the file that it names cannot be read: {error}");
    }
    format!("{} {unreadable}", path.display())
}
