//! The certificates of a route whose messages name such: whom they must lead to, and where they are kept when nothing is
//! fetched.

use std::sync::Arc;

use crate::auth::keyring::KeyRing;
use crate::auth::scheme::Scheme;
use crate::auth::x509::certificates::Certificates;
use crate::auth::x509::roots::Roots;
use crate::fetch::named::Named;

use super::files::Found;
use super::reader::Reader;
use super::values;

/// What only means something where messages name certificates.
const ALONE: [&str; 2] = ["TRUST_ROOTS_FILE", "CERTIFICATES_DIR"];

/// The certificates, and what brings them.
pub(super) fn named(reader: &mut Reader<'_, '_>, scheme: Option<&Scheme>) -> Option<Named> {
    let source = scheme.and_then(|scheme| scheme.key_source.certificate.as_deref());
    let brings_chain = scheme.is_some_and(|scheme| scheme.key_source.chain.is_some());
    if source.is_none() && scheme.is_some() {
        for name in ALONE {
            if reader.is_set(name) && !(brings_chain && name == "TRUST_ROOTS_FILE") {
                reader.fault(name, "is set, but this provider's messages name no certificate");
            }
        }
    }
    let roots = trust_roots(reader);
    let directory = directory(reader);
    let confirms = confirms(reader, scheme);
    Some(Named::new(Certificates::new(source?.clone(), roots, directory), confirms))
}

/// Whether subscriptions are confirmed.
fn confirms(reader: &mut Reader<'_, '_>, scheme: Option<&Scheme>) -> bool {
    let confirms = reader.value("CONFIRM_SUBSCRIPTIONS", values::boolean).unwrap_or_default();
    if confirms && scheme.is_some_and(|scheme| scheme.confirm.is_none()) {
        reader.fault("CONFIRM_SUBSCRIPTIONS", "is true, but this provider asks for no confirmation");
    }
    confirms
}

/// A ring for certificates that messages bring along. They prove something where it is said whom they must lead to, and
/// nothing else is configured.
pub(super) fn chains(reader: &mut Reader<'_, '_>) -> Option<Arc<KeyRing>> {
    for name in ["SECRET", "SECRET_FILE", "JWKS_FILE", "JWKS_URL"] {
        if reader.is_set(name) {
            reader.fault(name, "is set, but this provider's tokens bring their certificates along");
        }
    }
    if !reader.is_set("TRUST_ROOTS_FILE") {
        let problem =
            "is not set, and whom the certificates must lead to that this provider's tokens bring is not known";
        reader.fault("TRUST_ROOTS_FILE", problem);
        return None;
    }
    Some(Arc::new(KeyRing::for_chains(trust_roots(reader))))
}

/// Whom certificates must lead to.
fn trust_roots(reader: &mut Reader<'_, '_>) -> Roots {
    let Some((path, content)) = reader.file("TRUST_ROOTS_FILE") else { return Roots::public() };
    Roots::from_pem(&content.bytes).unwrap_or_else(|fault| {
        reader.fault("TRUST_ROOTS_FILE", format!("{} {fault}", path.display()));
        Roots::public()
    })
}

/// The files of the directory, by name.
fn directory(reader: &mut Reader<'_, '_>) -> Option<Vec<(String, Vec<u8>)>> {
    match reader.found("CERTIFICATES_DIR")? {
        (_, Found::Directory(files)) => {
            Some(files.into_iter().map(|(name, content)| (name, content.bytes.to_vec())).collect())
        }
        (path, Found::File(_)) => {
            reader.fault("CERTIFICATES_DIR", format!("{} is no directory", path.display()));
            None
        }
    }
}
