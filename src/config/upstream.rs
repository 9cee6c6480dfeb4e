//! The services: where they listen and, over TLS, whom they must prove to be.
//!
//! The authorities of `UPSTREAM_CA_FILE` stand in the place of the system's: a service of one's own needs no other. The
//! system's are found by `rustls-native-certs`, of the rustls project, which is there for the replay store already.

use std::cell::OnceCell;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::http1::target;
use crate::policy::{TlsUpstream, TrustDigest, Upstream};

use super::reader::Reader;
use super::tls::roots_of;
use super::values::{self, Parsed};

/// The port of HTTPS.
const HTTPS: u16 = 443;

/// Whom services over TLS are believed by. Made when the first one is named.
pub(super) struct Authorities {
    own: Option<(RootCertStore, TrustDigest)>,
    made: OnceCell<Parsed<(Arc<ClientConfig>, TrustDigest)>>,
}

/// Asks for `UPSTREAM_CA_FILE`.
pub(super) fn authorities(reader: &mut Reader<'_, '_>) -> Authorities {
    let file = reader.is_set("UPSTREAM_CA_FILE").then(|| reader.file("UPSTREAM_CA_FILE")).flatten();
    let own = file.and_then(|(path, content)| match roots_of(&content.bytes) {
        Ok(roots) => Some((roots, Sha256::digest(&content.bytes).into())),
        Err(problem) => {
            reader.fault("UPSTREAM_CA_FILE", format!("{} {problem}", path.display()));
            None
        }
    });
    Authorities { own, made: OnceCell::new() }
}

/// Refuses authorities that nothing is believed by.
pub(super) fn refuse_unused(reader: &mut Reader<'_, '_>, upstreams: &[Upstream]) {
    let is_tls = |upstream: &Upstream| matches!(upstream, Upstream::Tls(_));
    if reader.is_set("UPSTREAM_CA_FILE") && !upstreams.iter().any(is_tls) {
        reader.fault("UPSTREAM_CA_FILE", "is set, but no UPSTREAM begins with https://");
    }
}

impl Authorities {
    /// Reads where a service listens.
    pub(super) fn upstream(&self, text: &str) -> Parsed<Upstream> {
        let Some(authority) = text.strip_prefix("https://") else { return values::upstream(text) };
        let (address, host) = https(authority.trim_end_matches('/')).ok_or_else(|| {
            format!("{text:?} is not a service such as https://app.example.com or https://app.example.com:8443")
        })?;
        let name =
            ServerName::try_from(host).map_err(|_| format!("{text:?} has a host that no certificate can name"))?;
        let (config, trust) = self.made.get_or_init(|| self.make()).clone()?;
        Ok(Upstream::Tls(TlsUpstream { address, name, config, trust }))
    }

    fn make(&self) -> Parsed<(Arc<ClientConfig>, TrustDigest)> {
        let (roots, trust) = match &self.own {
            Some(own) => own.clone(),
            None => systems()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((Arc::new(config), trust))
    }
}

/// The system's authorities, which any of the installed ones may be; those that cannot be parsed are left out, as other
/// programs do.
fn systems() -> Parsed<(RootCertStore, TrustDigest)> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("is called over TLS, but this system has no authorities: set UPSTREAM_CA_FILE".into());
    }
    Ok((roots, [0; 32]))
}

/// `host:port` and the bare host of an authority.
fn https(authority: &str) -> Option<(Box<str>, String)> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{HTTPS}") };
    let (host, port) = address.rsplit_once(':')?;
    let good = target::is_valid_host(address.as_bytes()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
    good.then(|| (address.into(), bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_of_urls() {
        for (authority, expected) in [
            ("app.test", Some(("app.test:443", "app.test"))),
            ("app.test:8443", Some(("app.test:8443", "app.test"))),
            ("192.0.2.7", Some(("192.0.2.7:443", "192.0.2.7"))),
            ("[2001:db8::7]", Some(("[2001:db8::7]:443", "2001:db8::7"))),
            ("[2001:db8::7]:1", Some(("[2001:db8::7]:1", "2001:db8::7"))),
            ("", None),
            ("app.test:", None),
            ("app.test:0", None),
            ("app.test:65536", None),
            ("app.test/path", None),
            ("user@app.test", None),
            ("2001:db8::7", None),
        ] {
            let found = https(authority);
            assert_eq!(found.as_ref().map(|(address, host)| (&**address, host.as_str())), expected, "{authority}");
        }
    }
}
