//! The user's own provider definitions: a directory of files in the catalogue's format, checked with the same errors and
//! watched like every other file.

use std::path::Path;

use crate::providers::{self, Provider};

use super::files::{Content, Found, Look};
use super::reader::Reader;

/// The definitions of `PROVIDERS_DIR`. What is wrong with any of them refuses the configuration.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Vec<Provider> {
    if !reader.is_set("PROVIDERS_DIR") {
        return Vec::new();
    }
    let (own, problems) = match reader.found("PROVIDERS_DIR") {
        None => return Vec::new(),
        Some((path, Found::File(_))) => (Vec::new(), vec![format!("{} is not a directory", path.display())]),
        Some((_, Found::Directory(files))) => compile(&files),
    };
    for problem in problems {
        reader.fault("PROVIDERS_DIR", problem);
    }
    own
}

/// The definitions in a directory, as `PROVIDERS_DIR` would read them.
///
/// # Errors
/// Everything that is wrong with them, a sentence each.
pub fn providers_at(path: &Path) -> Result<Vec<Provider>, Vec<String>> {
    let (own, problems) = match Look::Plain.at(path) {
        Err(unreadable) => (Vec::new(), vec![format!("{} {unreadable}", path.display())]),
        Ok(Found::File(_)) => (Vec::new(), vec![format!("{} is not a directory", path.display())]),
        Ok(Found::Directory(files)) => compile(&files),
    };
    if problems.is_empty() { Ok(own) } else { Err(problems) }
}

/// Definitions are files that end in `.toml`; others may lie beside them.
fn compile(files: &[(String, Content)]) -> (Vec<Provider>, Vec<String>) {
    let (mut own, mut problems) = (Vec::<Provider>::new(), Vec::new());
    let is_definition = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "toml");
    for (name, content) in files.iter().filter(|(name, _)| is_definition(name)) {
        let Ok(text) = std::str::from_utf8(&content.bytes) else {
            problems.push(format!("{name}: is not UTF-8"));
            continue;
        };
        match providers::parse(name, text) {
            Ok(provider) => {
                problems.extend(clashes(name, &provider, &own));
                own.push(provider);
            }
            Err(errors) => problems.extend(errors.iter().map(ToString::to_string)),
        }
    }
    (own, problems)
}

/// A name must mean one provider: a definition cannot take the catalogue's, or another's.
fn clashes(file: &str, provider: &Provider, others: &[Provider]) -> Vec<String> {
    let ids = provider.aliases.iter().chain([&provider.id]);
    let taken = |id: &&String| {
        let other = others.iter().any(|other| other.id == **id || other.aliases.contains(id));
        other || ["custom", "oauth", "mtls"].contains(&id.as_str()) || providers::ids().any(|known| known == **id)
    };
    let told = |id: &String| format!("{file}: id {id:?} is another provider's; choose a new one");
    let mut problems: Vec<_> = ids.filter(taken).map(told).collect();
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if provider.id.is_empty() || !provider.id.bytes().all(is_plain) {
        problems.push(format!("{file}: id {:?} is not of a-z 0-9 _", provider.id));
    }
    problems
}
