//! What stands in the files and variables that hold secrets and certificates, as facts that an audit can judge: how long,
//! how guessable, whose else, how old, and who else on the machine may read it. No secret leaves this place.
//!
//! How guessable a secret is can only be estimated from one sample. The estimate is on the generous side: what it calls
//! weak is weak. Deliberately absent: lists of leaked passwords, which would be larger than the program.

mod guess;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::files::{self, Content, Found};
use super::knobs::{GLOBAL, Knob, ROUTE};
use super::reader::{Loading, Reader};
use super::secrets::keys_of_lines;
use super::{Environment, PREFIX, names};

pub use guess::Guess;

/// The most links that are followed from a name to a file: as many as Linux follows.
const MAX_DEPTH: usize = 40;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Each secret, by its variable and the key in it.
    pub secrets: Vec<SecretFacts>,
    /// The files that settings name.
    pub files: Vec<FileFacts>,
    /// The listener's certificates, the first of each chain.
    pub certificates: Vec<CertificateFacts>,
    /// Those that stand behind it in its file: the authorities between it and the one that senders know.
    pub issuers: Vec<CertificateFacts>,
}

/// One secret, without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFacts {
    /// The variable that holds it or names its file.
    pub variable: String,
    /// The route, in lower case, where it is one's.
    pub route: Option<String>,
    /// The name of its setting, without prefix and `_FILE`.
    pub setting: &'static str,
    /// The key's id, where there may be several.
    pub key: String,
    /// Whether its value stands in the environment itself.
    pub in_environment: bool,
    /// When its file was written, in seconds since the Unix epoch.
    pub modified: Option<u64>,
    /// How hard it is to guess.
    pub guess: Guess,
    /// The variables that hold the same.
    pub shared_with: Vec<String>,
}

/// A file that a setting names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// The variable.
    pub variable: String,
    /// The route, in lower case, where it is one's.
    pub route: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// Whether it holds a secret.
    pub secret: bool,
    /// Its permission bits.
    pub mode: u32,
}

/// A certificate that clients are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its file.
    pub path: PathBuf,
    /// Whom it is for, as it says itself.
    pub subject: String,
    /// The first second of its life, since the Unix epoch.
    pub begins: i64,
    /// The last one.
    pub ends: i64,
    /// The hosts that it is for, in lower case.
    pub hosts: Vec<String>,
    /// Its key, such as `RSA`.
    pub kind: &'static str,
    /// How long that is, in bits.
    pub bits: usize,
    /// Whether it was signed over SHA-1 or MD5.
    pub weak_hash: bool,
    /// Whether it was signed with its own key.
    pub self_signed: bool,
}

/// Whether a variable, by its full name, holds a secret itself and not the path of one.
#[must_use]
pub fn is_secret(variable: &str) -> bool {
    let is_one =
        |name: &str, knobs: &[Knob]| knobs.iter().any(|knob| knob.secret && knob.name == name && !names_a_path(knob));
    match names::route_setting(variable) {
        Some((_, setting)) => is_one(&setting, ROUTE),
        None => variable.strip_prefix(PREFIX).is_some_and(|name| is_one(name, GLOBAL)),
    }
}

/// Looks at all that the settings name. What cannot be read is left out: the loader tells of it.
#[must_use]
pub fn survey(environment: &Environment) -> Survey {
    let mut look = Look { loading: Loading::new(environment), survey: Survey::default(), seen: Vec::new() };
    look.of_knobs(None, GLOBAL);
    for route in names::routes(environment) {
        look.of_knobs(Some(route), ROUTE);
    }
    look.certificates();
    look.share();
    look.survey
}

struct Look<'e> {
    loading: Loading<'e>,
    survey: Survey,
    /// The secrets themselves, in the order of their facts.
    seen: Vec<zeroize::Zeroizing<Vec<u8>>>,
}

impl<'e> Look<'e> {
    fn reader(&mut self, route: Option<&str>) -> Reader<'_, 'e> {
        match route {
            Some(name) => self.loading.route(name),
            None => self.loading.global(),
        }
    }

    fn of_knobs(&mut self, route: Option<&str>, knobs: &'static [Knob]) {
        for knob in knobs {
            let prefix = route.map_or_else(|| PREFIX.to_owned(), |name| format!("{PREFIX}ROUTE_{name}_"));
            let variable = format!("{prefix}{}", knob.name);
            let by_file = format!("{variable}_FILE");
            let environment = self.loading.environment();
            if knob.has_file_form() && environment.get(&by_file).is_some() {
                self.file(route, knob, &by_file);
            } else if environment.get(&variable).is_some() {
                match names_a_path(knob) {
                    true => self.file(route, knob, &variable),
                    false if knob.secret => self.value(route, knob, &variable),
                    false => {}
                }
            }
        }
    }

    /// A secret in the environment. Of a URL only the password is one.
    fn value(&mut self, route: Option<&str>, knob: &'static Knob, variable: &str) {
        let text = self.loading.environment().get(variable).map(|value| value.as_encoded_bytes().to_vec());
        let mut text = zeroize::Zeroizing::new(text.unwrap_or_default());
        if knob.name == "REPLAY_URL" {
            match password(&text) {
                Some(password) => text = password,
                None => return,
            }
        }
        self.secret(route, knob, variable, "1", &text, None);
    }

    fn file(&mut self, route: Option<&str>, knob: &'static Knob, variable: &str) {
        let Some(path) = self.loading.environment().get(variable).map(PathBuf::from) else { return };
        let is_key = knob.secret;
        let found = files::Look::Plain.at(&path);
        self.modes(route, variable, &path, is_key);
        if !is_key || knob.name == "TLS_KEY_FILE" {
            return;
        }
        match found {
            Ok(Found::File(content)) if knob.name == "SECRET_FILE" => {
                for key in keys_of_lines(&content.bytes) {
                    self.secret(route, knob, variable, &key.id, &key.text, content.modified);
                }
            }
            Ok(Found::File(content)) => self.content(route, knob, variable, "1", &content),
            Ok(Found::Directory(files)) => {
                for (name, content) in &files {
                    self.content(route, knob, variable, name, content);
                }
            }
            Err(_) => {}
        }
    }

    fn content(&mut self, route: Option<&str>, knob: &'static Knob, variable: &str, key: &str, content: &Content) {
        let text = super::reader::without_newline(&content.bytes);
        self.secret(route, knob, variable, key, text, content.modified);
    }

    fn secret(
        &mut self,
        route: Option<&str>,
        knob: &'static Knob,
        variable: &str,
        key: &str,
        text: &[u8],
        modified: Option<u64>,
    ) {
        self.survey.secrets.push(SecretFacts {
            variable: variable.to_owned(),
            route: route.map(str::to_ascii_lowercase),
            setting: knob.name.strip_suffix("_FILE").unwrap_or(knob.name),
            key: key.to_owned(),
            in_environment: modified.is_none() && !variable.ends_with("_FILE"),
            modified,
            guess: Guess::of(text),
            shared_with: Vec::new(),
        });
        self.seen.push(zeroize::Zeroizing::new(text.to_vec()));
    }

    /// The permission bits of a file, or of each file in a directory.
    fn modes(&mut self, route: Option<&str>, variable: &str, path: &Path, secret: bool) {
        let mut of = |path: PathBuf| {
            if let Ok(metadata) = fs::metadata(&path) {
                let (variable, route) = (variable.to_owned(), route.map(str::to_ascii_lowercase));
                self.survey.files.push(FileFacts { variable, route, path, secret, mode: metadata.mode() & 0o7777 });
            }
        };
        match fs::read_dir(path) {
            Ok(entries) => {
                let files = entries.filter_map(Result::ok).map(|entry| entry.path());
                let mut files: Vec<_> = files.filter(|path| path.is_file()).take(MAX_DEPTH).collect();
                files.sort();
                files.into_iter().for_each(of);
            }
            Err(_) => of(path.to_owned()),
        }
    }

    fn certificates(&mut self) {
        let mut reader = self.reader(None);
        let Some((path, found)) = reader.is_set("TLS_CERT_FILE").then(|| reader.pairs("TLS_CERT_FILE")).flatten()
        else {
            return;
        };
        let files = match found {
            Found::File(content) => vec![(path, content)],
            Found::Directory(files) => {
                let is_chain =
                    |name: &str| name.strip_suffix(".crt").is_some_and(|bare| bare != "ca" && !bare.ends_with("/ca"));
                files
                    .into_iter()
                    .filter(|(name, _)| is_chain(name))
                    .map(|(name, file)| (path.join(name), file))
                    .collect()
            }
        };
        for (path, content) in &files {
            let mut chain = CertificateDer::pem_slice_iter(&content.bytes).take(LONGEST_CHAIN).flatten();
            let mut facts = chain.by_ref().map(|der| certificate(path, &der));
            self.survey.certificates.extend(facts.next().flatten());
            self.survey.issuers.extend(facts.flatten());
        }
    }

    /// Which secrets are the same. What stands in one variable twice is refused elsewhere.
    fn share(&mut self) {
        for index in 0..self.seen.len() {
            let same = |other: &usize| {
                let (one, two) = (&self.survey.secrets[index], &self.survey.secrets[*other]);
                one.variable != two.variable && self.seen[index] == self.seen[*other]
            };
            let others: Vec<_> = (0..self.seen.len()).filter(same).collect();
            let names = others.into_iter().map(|other| self.survey.secrets[other].variable.clone());
            self.survey.secrets[index].shared_with = names.collect();
        }
    }
}

/// Whether what is written for a setting is the path of a file or directory.
fn names_a_path(knob: &Knob) -> bool {
    knob.name.ends_with("_FILE") || knob.name.ends_with("_DIR")
}

/// The password in a URL.
fn password(url: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(url).ok()?;
    let (_, rest) = text.split_once("://")?;
    let (credentials, _) = rest.split_once('@')?;
    let (_, password) = credentials.split_once(':')?;
    (!password.is_empty()).then(|| zeroize::Zeroizing::new(password.as_bytes().to_vec()))
}

/// The most certificates of a chain that are looked at: clients give up on longer ones.
const LONGEST_CHAIN: usize = 16;

#[allow(clippy::wildcard_enum_match_arm, reason = "other names and keys are alike here")]
fn certificate(path: &Path, der: &[u8]) -> Option<CertificateFacts> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        _ => None,
    };
    let (kind, bits) = match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => ("RSA", key.key_size()),
        PublicKey::EC(point) => ("EC", point.key_size()),
        _ => ("other", 256),
    };
    let signed = certificate.signature_algorithm.algorithm.to_id_string();
    Some(CertificateFacts {
        path: path.to_owned(),
        subject: certificate.subject().to_string(),
        begins: certificate.validity().not_before.timestamp(),
        ends: certificate.validity().not_after.timestamp(),
        hosts: names.filter_map(host).collect(),
        kind,
        bits,
        weak_hash: WEAK_HASHES.contains(&signed.as_str()),
        self_signed: certificate.issuer() == certificate.subject(),
    })
}

/// RSA over MD5 and SHA-1, DSA and ECDSA over SHA-1 (RFC 3279 section 2.2).
const WEAK_HASHES: [&str; 4] =
    ["1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10040.4.3", "1.2.840.10045.4.1"];
