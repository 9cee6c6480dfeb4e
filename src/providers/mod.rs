//! The catalogue: providers by name, one file each, embedded in the binary.
//!
//! Adding a provider whose scheme the engine can express takes a file in `catalogue/`, which the build script finds, and
//! no Rust. A file holds the scheme, the documentation link, how retries behave, the endpoint verification, what it
//! cannot protect against, and the published test vector where there is one: every file is its own test.
//!
//! A file is parsed when its provider is asked for: a sidecar with two routes does not read three hundred.

mod certificate;
mod coherence;
mod custom;
mod definition;
mod grammar;
mod handshake;
mod http_signature;
mod jwt;
mod key_api;
mod public_key;
mod text;

use std::sync::{Arc, LazyLock, OnceLock};

use serde::Deserialize;

use crate::auth::scheme::{Proof, Scheme};

pub use custom::{CustomFields, custom, custom_field};
pub use definition::{Fault, TOLERANCE, json_path};
pub use jwt::Asks;
use text::Definition;
pub use text::Vector;

/// The route settings that a file may leave open.
const CONFIGURABLE: [&str; 5] =
    ["ALGORITHM", "SIGNATURE_HEADER", "TIMESTAMP_HEADER", "SECRET_ENCODING", "SIGNATURE_ENCODING"];

/// A provider of the catalogue.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its id in `PROVIDER`.
    pub id: String,
    /// Other ids that mean the same.
    pub aliases: Vec<String>,
    /// Its name.
    pub name: String,
    /// The page that describes its scheme.
    pub docs: String,
    /// What it is for, in a word; empty where nobody said.
    pub category: String,
    /// How sure the facts are: `docs` (its page was read), `source` (its SDK or server was read), `unconfirmed`.
    pub confidence: String,
    /// Its scheme.
    pub scheme: Arc<Scheme>,
    /// The route settings that its file leaves open.
    pub configurable: Vec<String>,
    /// How it retries.
    pub retry: String,
    /// What to set, there and here.
    pub setup: String,
    /// What its scheme cannot protect against.
    pub limits: String,
    /// Published examples.
    pub vectors: Vec<Vector>,
    is_basic: bool,
    definition: Box<Definition>,
}

impl Provider {
    /// What the proof is made of, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.scheme.proof {
            Proof::Hmac { .. } => "hmac",
            Proof::Digest { .. } => "digest",
            Proof::PublicKey { ref algorithms, .. } => algorithms.first().map_or("", |one| one.family().name()),
            Proof::Jwt(_) => "jwt",
            Proof::ClientCertificate => "mtls",
            Proof::Token if self.is_basic => "basic",
            Proof::Token => "token",
        }
    }

    /// The hash or the signature's algorithm, where there is one; of several the first.
    #[must_use]
    pub fn algorithm(&self) -> Option<&'static str> {
        match &self.scheme.proof {
            Proof::PublicKey { algorithms, .. } => algorithms.first().map(|algorithm| algorithm.name()),
            Proof::Hmac { algorithm, .. } | Proof::Digest { algorithm, .. } => Some(algorithm.name()),
            Proof::Jwt(jwt) => jwt.algorithms.names().next(),
            Proof::Token | Proof::ClientCertificate => None,
        }
    }

    /// What its file leaves to the routes that use it.
    #[must_use]
    pub fn asks(&self) -> Asks {
        self.definition.asks()
    }

    /// Its scheme with a route's own settings for what its file leaves open.
    ///
    /// # Errors
    /// Every [`Fault`] of it.
    pub fn scheme_with(&self, fields: &CustomFields) -> Result<Arc<Scheme>, Vec<Fault>> {
        if *fields == CustomFields::default() {
            return Ok(self.scheme.clone());
        }
        self.definition.with(fields).compile().map(Arc::new)
    }
}

/// Why a definition file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct DefinitionError {
    /// The file.
    pub file: String,
    /// What is wrong, with line or key, and what is accepted.
    pub problem: String,
}

/// Parses one definition file.
///
/// # Errors
/// Every fault of the file.
pub fn parse(file: &str, text: &str) -> Result<Provider, Vec<DefinitionError>> {
    let error = |problem: String| DefinitionError { file: file.to_owned(), problem };
    let definition: Definition = toml::from_str(text).map_err(|fault| {
        let line = fault.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        vec![error(format!("line {line}: {}", fault.message()))]
    })?;
    let at_line = |fault: &Fault| match line_of(text, fault.key) {
        Some(line) => error(format!("line {line}: {fault}")),
        None => error(fault.to_string()),
    };
    let scheme = definition.compile().map_err(|faults| faults.iter().map(at_line).collect::<Vec<_>>())?;
    if let Some(other) = definition.configurable.iter().find(|field| !CONFIGURABLE.contains(&field.as_str())) {
        return Err(vec![error(format!(
            "configurable: {other:?} is not known; accepted are {}",
            CONFIGURABLE.join(", ")
        ))]);
    }
    let whole = Box::new(definition.clone());
    let is_basic = definition.scheme == "basic";
    let Definition {
        id, aliases, name, docs, category, confidence, configurable, retry, setup, limits, vectors, ..
    } = definition;
    let scheme = Arc::new(scheme);
    Ok(Provider {
        id,
        aliases,
        name,
        docs,
        category,
        confidence,
        scheme,
        configurable,
        retry,
        setup,
        limits,
        vectors,
        is_basic,
        definition: whole,
    })
}

/// The line of a key, or of the table that it stands in.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let first = key.split('.').next().unwrap_or(key);
    let begins = |line: &str| {
        let name = line.trim_start().trim_start_matches('[');
        name.strip_prefix(first).is_some_and(|rest| rest.starts_with([' ', '=', ']', '.']))
    };
    text.lines().position(begins).map(|index| index + 1)
}

/// All providers, by id.
pub fn all() -> &'static [Provider] {
    static ALL: LazyLock<Vec<Provider>> = LazyLock::new(|| (0..CATALOGUE.len()).filter_map(at).cloned().collect());
    &ALL
}

/// The provider with that id or alias.
#[must_use]
pub fn find(id: &str) -> Option<&'static Provider> {
    let by_id = CATALOGUE.iter().position(|(file, ..)| file.strip_suffix(".toml") == Some(id));
    at(by_id.or_else(|| CATALOGUE.iter().position(|(_, aliases, _)| aliases.contains(&id)))?)
}

/// Every id and alias.
pub fn ids() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().flat_map(|(file, aliases, _)| aliases.iter().copied().chain(file.strip_suffix(".toml")))
}

/// A provider, parsed once. A file that does not compile is left out here, and found by the test that compiles them all.
fn at(index: usize) -> Option<&'static Provider> {
    // Boxed: nearly all of the places stay empty.
    static PARSED: LazyLock<Vec<OnceLock<Option<Box<Provider>>>>> =
        LazyLock::new(|| CATALOGUE.iter().map(|_| OnceLock::new()).collect());
    let (file, _, text) = CATALOGUE.get(index)?;
    PARSED.get(index)?.get_or_init(|| parse(file, text).ok().map(Box::new)).as_deref()
}

// The files, sorted, each with its aliases: `static CATALOGUE: &[(&str, &[&str], &str)]`.
include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// A provider that is known by name, and why it is not in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsupported {
    /// The id that it would have.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}

/// The providers that are not supported, and why.
pub fn unsupported() -> &'static [Unsupported] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        #[serde(default)]
        unsupported: Vec<Unsupported>,
    }
    static TABLE: LazyLock<Vec<Unsupported>> = LazyLock::new(|| {
        toml::from_str::<Table>(include_str!("unsupported.toml")).map(|table| table.unsupported).unwrap_or_default()
    });
    &TABLE
}

#[cfg(test)]
mod tests;
