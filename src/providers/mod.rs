//! The catalogue: providers by name, one file each, embedded in the binary.
//!
//! Adding a provider whose scheme the engine can express takes a file in `catalogue/` and its line in the list below, and
//! no other Rust. A file holds the scheme, the documentation link, how retries behave, the endpoint verification, what it
//! cannot protect against, and the published test vector where there is one: every file is its own test.

mod definition;

use std::sync::{Arc, LazyLock};

use crate::auth::scheme::{Algorithm, Proof, Scheme};

use definition::Definition;
pub use definition::{CustomFields, Fault, TOLERANCE, Vector, custom, custom_field, json_path};

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
    /// How sure the facts are: `docs` (its page was read), `source` (its SDK or server was read), `unconfirmed`.
    pub confidence: String,
    /// Its scheme.
    pub scheme: Arc<Scheme>,
    /// How it retries.
    pub retry: String,
    /// What to set, there and here.
    pub setup: String,
    /// What its scheme cannot protect against.
    pub limits: String,
    /// Published examples.
    pub vectors: Vec<Vector>,
}

impl Provider {
    /// What the proof is made of, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.scheme.proof {
            Proof::Hmac { .. } => "hmac",
            Proof::Token => "token",
        }
    }

    /// The hash, where there is one.
    #[must_use]
    pub fn algorithm(&self) -> Option<&'static str> {
        match self.scheme.proof {
            Proof::Hmac { algorithm, .. } => Some(match algorithm {
                Algorithm::Sha1 => "sha1",
                Algorithm::Sha256 => "sha256",
                Algorithm::Sha384 => "sha384",
                Algorithm::Sha512 => "sha512",
            }),
            Proof::Token => None,
        }
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
    let scheme = definition
        .compile()
        .map_err(|faults| faults.iter().map(|fault| error(fault.to_string())).collect::<Vec<_>>())?;
    let Definition { id, aliases, name, docs, confidence, retry, setup, limits, vectors, .. } = definition;
    let scheme = Arc::new(scheme);
    Ok(Provider { id, aliases, name, docs, confidence, scheme, retry, setup, limits, vectors })
}

/// All providers, by id.
#[must_use]
pub fn all() -> &'static [Provider] {
    static ALL: LazyLock<Vec<Provider>> = LazyLock::new(|| {
        // A file that does not compile is left out here, and found by the test that compiles them all.
        CATALOGUE.iter().filter_map(|(file, text)| parse(file, text).ok()).collect()
    });
    &ALL
}

/// The provider with that id or alias.
#[must_use]
pub fn find(id: &str) -> Option<&'static Provider> {
    all().iter().find(|provider| provider.id == id || provider.aliases.iter().any(|alias| alias == id))
}

/// Includes catalogue files by id.
macro_rules! catalogue {
    ($($id:literal),* $(,)?) => {
        &[$((concat!($id, ".toml"), include_str!(concat!("catalogue/", $id, ".toml")))),*]
    };
}

/// The files, sorted. A test checks this list against the folder.
static CATALOGUE: &[(&str, &str)] = catalogue![
    "github",
    "gitlab_token",
    "linear",
    "pagerduty",
    "sentry",
    "shopify",
    "slack",
    "standard_webhooks",
    "stripe",
    "svix",
    "twilio",
    "zoom",
];

#[cfg(test)]
mod tests;
