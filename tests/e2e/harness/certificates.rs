//! What providers sign with under certificates, as the samples' signer has it: in a directory, as `CERTIFICATES_DIR` wants
//! it, and the authority that vouches for it.

use std::path::PathBuf;

use hookwarden::auth::scheme::Scheme;
use hookwarden::auth::sign::sample_private;
use hookwarden::auth::signature::PrivateKey;
use hookwarden::auth::x509::Kind;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// A directory with one provider's certificate or key.
pub(crate) struct Kept(TempDir);

impl Kept {
    /// What the scheme's messages name; `None` where they name nothing.
    pub(crate) fn of(scheme: &Scheme) -> Option<Self> {
        let source = scheme.key_source.certificate.as_ref()?;
        let kept = Self(tempfile::tempdir().expect("a directory"));
        std::fs::create_dir(kept.certificates()).expect("a directory");
        let address = source.pins.first().expect("a pin").sample();
        let name = address.rsplit('/').next().expect("a last part");
        let text = match source.kind {
            Kind::PublicKey => private_key(scheme).public().expect("a public key").to_pem(),
            Kind::Certificate => certificate(scheme, &source.rules.names.first().expect("a name").sample()),
        };
        std::fs::write(kept.certificates().join(name), &text).expect("a file");
        if source.kind == Kind::Certificate {
            std::fs::write(kept.roots(), &text).expect("a file");
        }
        Some(kept)
    }

    /// Where it is.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.0.path().join("certificates")
    }

    /// The authority: the certificate itself. Of a bare key there is none.
    pub(crate) fn roots(&self) -> PathBuf {
        self.0.path().join("roots.pem")
    }
}

fn private_pem(scheme: &Scheme) -> String {
    let text = sample_private(scheme, 1);
    text[text.find("-----BEGIN").expect("a key")..].to_owned()
}

fn private_key(scheme: &Scheme) -> PrivateKey {
    PrivateKey::from_text(&private_pem(scheme)).expect("a good sample")
}

/// A certificate for a server of that name, over the samples' key.
pub(crate) fn certificate(scheme: &Scheme, name: &str) -> String {
    let key = KeyPair::from_pem(&private_pem(scheme)).expect("a key that is known");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.self_signed(&key).expect("a certificate").pem()
}
