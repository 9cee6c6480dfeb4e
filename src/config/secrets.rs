//! A route's secret, from the variable itself, a file of lines, or a directory of files as Kubernetes mounts a Secret;
//! or its sender's public keys, in the same places or in a file with a set of them.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::auth::keyring::KeyRing;
use crate::auth::keys::{KeyText, Keys};
use crate::auth::scheme::{Jwks, Proof, Scheme};
use crate::auth::signature::{KeySet, pem_blocks};
use crate::policy::Network;

use super::files::{Content, Found, Look};
use super::reader::{Reader, without_newline};
use super::{certificates, key_api};

/// The keys of a route, and the ring of those that come as a set.
pub(super) fn keys_and_ring(
    reader: &mut Reader<'_, '_>,
    scheme: Option<&Scheme>,
    network: &Network,
) -> Option<(Keys, Option<Arc<KeyRing>>)> {
    if scheme.is_some_and(|scheme| matches!(scheme.proof, Proof::ClientCertificate)) {
        refuse_keys(reader);
        return Some((Keys::none(), None));
    }
    if scheme.is_some_and(|scheme| scheme.key_source.chain.is_some()) {
        return certificates::chains(reader).map(|ring| (Keys::none(), Some(ring)));
    }
    if network.keys.is_some() || network.tokens.is_some() {
        return Some((Keys::none(), network.keys.as_ref().map(|fetched| fetched.ring().clone())));
    }
    if let Some(named) = &network.named {
        // The keys are the provider's; what is configured says for whom it must have signed.
        return keys(reader, scheme).map(|keys| (keys, Some(named.ring().clone())));
    }
    if let Some(by_id) = &network.by_id {
        return Some((Keys::none(), Some(by_id.ring().clone())));
    }
    if key_api::is_wanted(reader, scheme) {
        // What is wrong with it has been told.
        return None;
    }
    if reader.is_set("JWKS_URL") || reader.is_set("INTROSPECTION_URL") {
        // What is wrong with it has been told; the others are asked for the sake of their own faults.
        if ["JWKS_FILE", "SECRET", "SECRET_FILE"].iter().any(|name| reader.is_set(name)) {
            configured(reader, scheme);
        }
        return None;
    }
    if reader.has_fault("ISSUER") && !["JWKS_FILE", "SECRET", "SECRET_FILE"].iter().any(|name| reader.is_set(name)) {
        // So has what is wrong with that, where keys were looked for.
        return None;
    }
    configured(reader, scheme)
}

/// The keys that stand in the environment or in files.
fn configured(reader: &mut Reader<'_, '_>, scheme: Option<&Scheme>) -> Option<(Keys, Option<Arc<KeyRing>>)> {
    if !reader.is_set("JWKS_FILE") {
        return keys(reader, scheme).map(|keys| (keys, None));
    }
    if reader.is_set("SECRET") || reader.is_set("SECRET_FILE") {
        keys(reader, scheme);
        reader.fault("JWKS_FILE", "is set, and SECRET or SECRET_FILE too; only one of them is accepted");
    }
    if scheme.is_some_and(|scheme| scheme.key_source.jwks == Jwks::None) {
        reader.fault("JWKS_FILE", "is set, but this provider publishes no set of keys: its key is the SECRET");
    }
    let (path, content) = reader.file("JWKS_FILE")?;
    let set = KeySet::from_jwks(&content.bytes, scheme?.key_source.strength);
    let set = set.map_err(|fault| reader.fault("JWKS_FILE", format!("{} {fault}", path.display()))).ok()?;
    Some((Keys::none(), Some(Arc::new(KeyRing::of(set)))))
}

/// A route whose sender proves itself by the connection has none.
fn refuse_keys(reader: &mut Reader<'_, '_>) {
    for name in ["SECRET", "SECRET_FILE", "JWKS_FILE"] {
        if reader.is_set(name) {
            reader.fault(name, "is set, but this provider proves itself by its client's certificate");
        }
    }
}

/// The keys of a route. Without a scheme they are read all the same, for their faults and for the watch.
fn keys(reader: &mut Reader<'_, '_>, scheme: Option<&Scheme>) -> Option<Keys> {
    let (name, secrets) = match (reader.is_set("SECRET"), reader.is_set("SECRET_FILE")) {
        (true, false) => ("SECRET", inline(reader)?),
        (false, true) => ("SECRET_FILE", from_files(reader)?),
        (true, true) => {
            let other = reader.variable("SECRET_FILE");
            reader.fault("SECRET", format!("is set, and {other} too; only one of them is accepted"));
            return None;
        }
        (false, false) => {
            let other = reader.variable("SECRET");
            let or_set = match scheme.map(|scheme| &scheme.key_source.jwks) {
                Some(Jwks::Somewhere | Jwks::At(_)) => {
                    "; this provider's set of keys may stand in JWKS_FILE or at JWKS_URL instead"
                }
                Some(Jwks::None) | None => "",
            };
            let or_api = key_api::hint(scheme);
            let problem = format!("neither it nor {other} is set, and a route needs a secret{or_set}{or_api}");
            reader.fault("SECRET_FILE", problem);
            return None;
        }
    };
    Keys::new(scheme?, &secrets).map_err(|fault| reader.fault(name, fault.to_string())).ok()
}

/// One key, or one for each PEM block. A newline at its end is an accident of how the variable was made, never a part of
/// it.
fn inline(reader: &mut Reader<'_, '_>) -> Option<Vec<KeyText>> {
    let text = reader.value("SECRET", |text| Ok(Zeroizing::new(text.as_bytes().to_vec())))?;
    Some(keys_of_pem(&text).unwrap_or_else(|| vec![KeyText::new("1", without_newline(&text))]))
}

fn from_files(reader: &mut Reader<'_, '_>) -> Option<Vec<KeyText>> {
    reader.found("SECRET_FILE").map(|(_, found)| of_found(found))
}

/// The keys at a path, as `SECRET_FILE` would read them.
///
/// # Errors
/// Why the path cannot be read, in a sentence.
pub fn keys_at(path: &Path) -> Result<Vec<KeyText>, String> {
    let found = Look::Plain.at(path);
    found.map(of_found).map_err(|unreadable| format!("{} {unreadable}", path.display()))
}

/// The keys of a file that has one a line, or one for each PEM block, numbered from 1. Empty lines are passed over.
#[must_use]
pub fn keys_of_lines(bytes: &[u8]) -> Vec<KeyText> {
    if let Some(keys) = keys_of_pem(bytes) {
        return keys;
    }
    // To sign with: what is signed for, and the private key after it.
    if memchr::memmem::find(bytes, b"PRIVATE KEY-----").is_some() {
        return vec![KeyText::new("1", bytes)];
    }
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let keys = lines.filter(|line| !line.is_empty()).enumerate();
    keys.map(|(index, line)| KeyText::new(&(index + 1).to_string(), line)).collect()
}

/// The PEM blocks of a text that begins with one. What openssl writes before a key of a curve is none.
fn keys_of_pem(bytes: &[u8]) -> Option<Vec<KeyText>> {
    let text = str::from_utf8(bytes.trim_ascii_start()).ok().filter(|text| text.starts_with("-----BEGIN "))?;
    let blocks = pem_blocks(text).filter(|block| !block.starts_with("-----BEGIN EC PARAMETERS"));
    Some(blocks.enumerate().map(|(index, block)| KeyText::new(&(index + 1).to_string(), block.as_bytes())).collect())
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
