//! Whom client certificates must come from, and what has been revoked since.
//!
//! Fails closed: with revocation lists, each certificate in a client's chain needs one of its issuer that is current, or
//! the client is refused.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use crate::config::files::Content;
use crate::config::reader::Reader;
use crate::config::values;
use crate::policy::ClientTrust;

/// What only means something where clients are asked for certificates.
const FILES: [&str; 2] = ["TLS_CLIENT_CA_FILE", "TLS_CLIENT_CRL_FILE"];

/// A fault has been kept.
#[derive(Debug)]
pub(super) struct Faulted;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Off,
    Optional,
    Required,
}

/// Whether clients are asked.
pub(super) fn mode(reader: &mut Reader<'_, '_>) -> Option<Mode> {
    let modes = [("off", Mode::Off), ("optional", Mode::Optional), ("required", Mode::Required)];
    reader.value("TLS_CLIENT_AUTH", |text| values::word(text, &modes))
}

/// Refuses settings for clients where nobody asks them; `setting` is why.
pub(super) fn refuse(reader: &mut Reader<'_, '_>, mode: Option<Mode>, setting: &str) {
    if matches!(mode, Some(Mode::Optional | Mode::Required)) {
        reader.fault("TLS_CLIENT_AUTH", format!("is set, but {setting} asks no client for a certificate"));
    }
    for name in FILES {
        if reader.is_set(name) {
            reader.fault(name, format!("is set, but {setting} asks no client for a certificate"));
        }
    }
}

/// The authorities; `None` where clients are not asked.
///
/// # Errors
/// There is a fault.
pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<ClientTrust>, Faulted> {
    let mode = mode(reader);
    if mode == Some(Mode::Off) {
        refuse(reader, None, "TLS_CLIENT_AUTH=off");
        return Ok(None);
    }
    let required = mode == Some(Mode::Required);
    if mode.is_some() && !reader.is_set("TLS_CLIENT_CA_FILE") {
        reader.fault("TLS_CLIENT_CA_FILE", "is not set, and TLS_CLIENT_AUTH asks whom client certificates come from");
    }
    let mut digest = Sha256::new_with_prefix([u8::from(required)]);
    let roots = roots(reader, &mut digest);
    let lists = lists(reader, &mut digest);
    let (roots, lists) = (roots.ok_or(Faulted)?, lists.ok_or(Faulted)?);
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    if !lists.is_empty() {
        builder = builder.with_crls(lists).enforce_revocation_expiration();
    }
    if !required {
        builder = builder.allow_unauthenticated();
    }
    match builder.build() {
        Ok(verifier) => Ok(Some(ClientTrust { verifier, required, digest: digest.finalize().into() })),
        Err(error) => {
            let name = if reader.is_set("TLS_CLIENT_CRL_FILE") { "TLS_CLIENT_CRL_FILE" } else { "TLS_CLIENT_CA_FILE" };
            reader.fault(name, format!("cannot be used: {error}"));
            Err(Faulted)
        }
    }
}

fn roots(reader: &mut Reader<'_, '_>, digest: &mut Sha256) -> Option<RootCertStore> {
    let (path, content) = reader.file("TLS_CLIENT_CA_FILE")?;
    add(digest, &content);
    roots_of(&content.bytes)
        .map_err(|problem| reader.fault("TLS_CLIENT_CA_FILE", format!("{} {problem}", path.display())))
        .ok()
}

/// The authorities in a PEM file, of which there is one at least.
pub(in crate::config) fn roots_of(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is not valid PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("holds a certificate that is no authority's: {error}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".into()) } else { Ok(roots) }
}

/// Empty where the setting is not set.
fn lists(reader: &mut Reader<'_, '_>, digest: &mut Sha256) -> Option<Vec<CertificateRevocationListDer<'static>>> {
    if !reader.is_set("TLS_CLIENT_CRL_FILE") {
        return Some(Vec::new());
    }
    let (path, content) = reader.file("TLS_CLIENT_CRL_FILE")?;
    add(digest, &content);
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&content.bytes).collect();
    let problem = match lists {
        Ok(lists) if !lists.is_empty() => return Some(lists),
        Ok(_) => "holds no revocation list in PEM".to_owned(),
        Err(error) => format!("is not valid PEM: {error}"),
    };
    reader.fault("TLS_CLIENT_CRL_FILE", format!("{} {problem}", path.display()));
    None
}

fn add(digest: &mut Sha256, content: &Content) {
    digest.update((content.bytes.len() as u64).to_be_bytes());
    digest.update(&content.bytes);
}
