//! A route's secret, from the variable itself, a file of lines, or a directory of files as Kubernetes mounts a Secret.

use std::path::Path;

use zeroize::Zeroizing;

use crate::auth::keys::{KeyText, Keys};
use crate::auth::scheme::Scheme;

use super::files::{Content, Files, Found};
use super::reader::{Reader, without_newline};

/// The keys of a route. Without a scheme they are read all the same, for their faults and for the watch.
pub(super) fn keys(reader: &mut Reader<'_, '_>, scheme: Option<&Scheme>) -> Option<Keys> {
    let (name, secrets) = match (reader.is_set("SECRET"), reader.is_set("SECRET_FILE")) {
        (true, false) => ("SECRET", vec![inline(reader)?]),
        (false, true) => ("SECRET_FILE", from_files(reader)?),
        (true, true) => {
            let other = reader.variable("SECRET_FILE");
            reader.fault("SECRET", format!("is set, and {other} too; only one of them is accepted"));
            return None;
        }
        (false, false) => {
            let other = reader.variable("SECRET");
            reader.fault("SECRET_FILE", format!("neither it nor {other} is set, and a route needs a secret"));
            return None;
        }
    };
    Keys::new(scheme?, &secrets).map_err(|fault| reader.fault(name, fault.to_string())).ok()
}

/// One key. A newline at its end is an accident of how the variable was made, never a part of it.
fn inline(reader: &mut Reader<'_, '_>) -> Option<KeyText> {
    let text = reader.value("SECRET", |text| Ok(Zeroizing::new(text.as_bytes().to_vec())))?;
    Some(KeyText::new("1", without_newline(&text)))
}

fn from_files(reader: &mut Reader<'_, '_>) -> Option<Vec<KeyText>> {
    reader.found("SECRET_FILE").map(|(_, found)| of_found(found))
}

/// The keys at a path, as `SECRET_FILE` would read them.
///
/// # Errors
/// Why the path cannot be read, in a sentence.
pub fn keys_at(path: &Path) -> Result<Vec<KeyText>, String> {
    let found = Files::default().read(path);
    found.map(of_found).map_err(|unreadable| format!("{} {unreadable}", path.display()))
}

/// The keys of a file that has one a line, numbered from 1. Empty lines are passed over.
#[must_use]
pub fn keys_of_lines(bytes: &[u8]) -> Vec<KeyText> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let keys = lines.filter(|line| !line.is_empty()).enumerate();
    keys.map(|(index, line)| KeyText::new(&(index + 1).to_string(), line)).collect()
}

fn of_found(found: Found) -> Vec<KeyText> {
    let aged = |key: KeyText, content: &Content| KeyText { since: content.modified, ..key };
    match found {
        Found::File(content) => keys_of_lines(&content.bytes).into_iter().map(|key| aged(key, &content)).collect(),
        Found::Directory(files) => {
            let key = |(name, content): &(String, Content)| {
                aged(KeyText::new(name, without_newline(&content.bytes)), content)
            };
            files.iter().map(key).collect()
        }
    }
}
