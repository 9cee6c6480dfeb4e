//! Certificates and their keys: from two files, or from a directory of pairs.
//!
//! In a directory `NAME.crt` belongs to `NAME.key`, in it or in a directory inside of it: so a mounted `kubernetes.io/tls`
//! Secret is a pair, and a projected volume of several is several. A `ca.crt` without a key is left out: cert-manager
//! writes the authority's there. A certificate that has ended is used all the same (a fault would keep a revoked key of
//! a route in force, and clients refuse it anyway); the metric of its end says so.

use std::collections::BTreeMap;
use std::path::Path;

use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::config::files::{Content, Found};
use crate::config::reader::Reader;
use crate::policy::Certificates;

/// All certificates, and when the first of them ends, in seconds since the Unix epoch.
pub(super) struct Pairs {
    pub(super) certificates: Certificates,
    pub(super) expires: u64,
}

impl Pairs {
    fn empty() -> Self {
        Self { certificates: Certificates::default(), expires: u64::MAX }
    }

    fn add(&mut self, chain: &Chain, key: CertifiedKey) {
        self.expires = self.expires.min(chain.expires);
        self.certificates.add(key, &chain.names);
    }
}

/// Reads them. `None`: there is a fault.
pub(super) fn read(reader: &mut Reader<'_, '_>, provider: &CryptoProvider) -> Option<Pairs> {
    require(reader, "TLS_CERT_FILE");
    let found = reader.is_set("TLS_CERT_FILE").then(|| reader.pairs("TLS_CERT_FILE")).flatten();
    match found {
        Some((path, Found::Directory(files))) => {
            if reader.is_set("TLS_KEY_FILE") {
                reader.fault("TLS_KEY_FILE", "is set, but TLS_CERT_FILE is a directory, which holds the keys too");
            }
            let pairs = directory(files, provider).map_err(|problem| format!("{} {problem}", path.display()));
            pairs.map_err(|problem| reader.fault("TLS_CERT_FILE", problem)).ok()
        }
        Some((path, Found::File(content))) => {
            let chain = chain(&content.bytes).map_err(|problem| format!("{} {problem}", path.display()));
            let chain = chain.map_err(|problem| reader.fault("TLS_CERT_FILE", problem)).ok();
            file(reader, &path, chain, provider)
        }
        None => file(reader, Path::new(""), None, provider),
    }
}

fn require(reader: &mut Reader<'_, '_>, name: &str) {
    if !reader.is_set(name) {
        reader.fault(name, "is required, and not set; for a trial, TLS=off serves plaintext on a loopback LISTEN");
    }
}

/// One pair; the key is asked for even if there is no certificate, to find its faults.
fn file(reader: &mut Reader<'_, '_>, path: &Path, chain: Option<Chain>, provider: &CryptoProvider) -> Option<Pairs> {
    require(reader, "TLS_KEY_FILE");
    let (key_path, content) = reader.is_set("TLS_KEY_FILE").then(|| reader.file("TLS_KEY_FILE")).flatten()?;
    let key = private_key(&content).map_err(|problem| format!("{} {problem}", key_path.display()));
    let (chain, key) = (chain, key.map_err(|problem| reader.fault("TLS_KEY_FILE", problem)).ok());
    let (chain, key) = (chain?, key?);
    let mut pairs = Pairs::empty();
    match CertifiedKey::from_der(chain.certificates.clone(), key, provider) {
        Ok(key) => pairs.add(&chain, key),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let problem = format!("{} is not the key of the certificate in {}", key_path.display(), path.display());
            reader.fault("TLS_KEY_FILE", problem);
            return None;
        }
        Err(error) => {
            reader.fault("TLS_KEY_FILE", format!("{} cannot be used: {error}", key_path.display()));
            return None;
        }
    }
    Some(pairs)
}

/// A certificate's file and a key's, by the name that they have in common.
#[derive(Default)]
struct Halves {
    certificate: Option<Content>,
    key: Option<Content>,
}

fn directory(files: Vec<(String, Content)>, provider: &CryptoProvider) -> Result<Pairs, String> {
    let mut halves = BTreeMap::<String, Halves>::new();
    for (name, content) in files {
        if let Some(name) = name.strip_suffix(".crt") {
            halves.entry(name.to_owned()).or_default().certificate = Some(content);
        } else if let Some(name) = name.strip_suffix(".key") {
            halves.entry(name.to_owned()).or_default().key = Some(content);
        }
    }
    let mut pairs = Pairs::empty();
    for (name, halves) in halves {
        match halves {
            Halves { certificate: Some(certificate), key: Some(key) } => {
                let (chain, key) = pair(&name, &certificate, &key, provider)?;
                pairs.add(&chain, key);
            }
            Halves { key: None, .. } if name == "ca" || name.ends_with("/ca") => {}
            Halves { key: None, .. } => return Err(format!("holds {name}.crt, but no {name}.key")),
            Halves { certificate: None, .. } => return Err(format!("holds {name}.key, but no {name}.crt")),
        }
    }
    if pairs.expires == u64::MAX { Err("holds no pair such as tls.crt and tls.key".into()) } else { Ok(pairs) }
}

fn pair(
    name: &str,
    certificate: &Content,
    key: &Content,
    provider: &CryptoProvider,
) -> Result<(Chain, CertifiedKey), String> {
    let chain = chain(&certificate.bytes).map_err(|problem| format!("has a {name}.crt that {problem}"))?;
    let key = private_key(key).map_err(|problem| format!("has a {name}.key that {problem}"))?;
    match CertifiedKey::from_der(chain.certificates.clone(), key, provider) {
        Ok(key) => Ok((chain, key)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(format!("has a {name}.key that is not the key of the certificate in {name}.crt"))
        }
        Err(error) => Err(format!("has a {name}.key that cannot be used: {error}")),
    }
}

/// A chain, with what the first certificate says of itself.
struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    names: Vec<String>,
    expires: u64,
}

fn chain(pem: &[u8]) -> Result<Chain, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| format!("is not valid PEM: {error}"))?;
    let first = certificates.first().ok_or("holds no certificate")?;
    let (names, expires) = facts(first).ok_or("holds a certificate that cannot be parsed")?;
    Ok(Chain { certificates, names, expires })
}

/// The hosts that a certificate is for, and when it ends.
fn facts(certificate: &[u8]) -> Option<(Vec<String>, u64)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let expires = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    let names = certificate.subject_alternative_name().ok()?;
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let host =
        |name: &GeneralName<'_>| if let GeneralName::DNSName(host) = name { Some((*host).to_owned()) } else { None };
    Some((names.filter_map(host).collect(), expires))
}

/// What the parser says is left out: it quotes the file.
fn private_key(content: &Content) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(&content.bytes).map_err(|_| "holds no private key that is not encrypted")
}
