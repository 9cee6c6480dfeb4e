//! An authority, and the certificate of a server on this machine, in files.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// The files' folder ends with the test.
pub(crate) struct Authority {
    folder: TempDir,
    pub(crate) ca: String,
    cert: String,
    key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority =
            CertifiedIssuer::self_signed(params(), KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &authority);
        let text = [authority.pem(), certificate.expect("a certificate").pem(), key.serialize_pem()];
        let [ca, cert, key] =
            [("ca", &text[0]), ("cert", &text[1]), ("key", &text[2])].map(|(name, text)| put(&folder, name, text));
        Self { folder, ca, cert, key }
    }

    /// A file beside the certificates.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        put(&self.folder, name, text)
    }

    /// What tells a server to use it, in pairs: a name, and its value.
    pub(crate) fn arguments(&self) -> [[&str; 2]; 4] {
        [
            ["tls-cert-file", &self.cert],
            ["tls-key-file", &self.key],
            ["tls-ca-cert-file", &self.ca],
            ["tls-auth-clients", "no"],
        ]
    }

    /// The same as words of a command line.
    pub(crate) fn command_line(&self) -> Vec<String> {
        self.arguments().iter().flat_map(|[name, value]| [format!("--{name}"), (*value).to_owned()]).collect()
    }
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::new([]).expect("a name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Servers take a certificate whose issuer has its own name for one that has signed itself.
    params.distinguished_name.push(DnType::CommonName, "authority");
    params
}

fn put(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}
