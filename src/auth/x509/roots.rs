//! Whom chains lead to: the authorities of Mozilla's list, which `webpki-roots` brings as data, or those of a file.

use std::fmt;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, TrustAnchor};

/// The most authorities of a file. Public lists have some 150.
const MOST: usize = 256;

/// Trusted authorities.
#[derive(Clone, Default)]
pub struct Roots(Option<Box<[TrustAnchor<'static>]>>);

/// Why a file holds no authorities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootsFault {
    /// It is no PEM.
    #[error("is not valid PEM")]
    Pem,
    /// It holds none.
    #[error("holds no certificate")]
    None,
    /// It holds too many.
    #[error("holds more than {MOST} certificates")]
    TooMany,
    /// One cannot be read.
    #[error("holds a certificate (number {0}) that cannot be read")]
    Malformed(usize),
}

impl Roots {
    /// Those of Mozilla's list.
    #[must_use]
    pub fn public() -> Self {
        Self(None)
    }

    /// Those of a file in PEM. An authority between a root and what it signs may stand there, too: it is trusted as it
    /// is.
    ///
    /// # Errors
    /// A [`RootsFault`].
    pub fn from_pem(text: &[u8]) -> Result<Self, RootsFault> {
        let mut anchors = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(text) {
            let certificate = certificate.map_err(|_| RootsFault::Pem)?;
            if anchors.len() == MOST {
                return Err(RootsFault::TooMany);
            }
            let number = anchors.len() + 1;
            let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|_| RootsFault::Malformed(number))?;
            anchors.push(anchor.to_owned());
        }
        if anchors.is_empty() { Err(RootsFault::None) } else { Ok(Self(Some(anchors.into()))) }
    }

    /// Whether they are the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        self.0.as_deref().unwrap_or(webpki_roots::TLS_SERVER_ROOTS)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.anchors().len())
    }
}
