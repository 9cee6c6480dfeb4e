//! What stands in front of the listener, and whose word on the sender is taken.

use std::net::IpAddr;

use ipnet::IpNet;

/// How requests are encrypted on their way here, and what proxies may say of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Front {
    /// Whether a request is refused unless it came encrypted as far as a trusted proxy, which says so.
    pub https_by_proxy: bool,
    /// The networks of proxies whose word is taken.
    pub proxies: Vec<IpNet>,
    /// Where proxies give their word.
    pub field: ForwardedField,
    /// What connections begin with, before TLS.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// The one kind of field that proxies are heard in. The other is what a client may have made up: few proxies remove
/// the kind that they do not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedField {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The version of the PROXY protocol that proxies speak. One alone: they are told apart by their first bytes, but who
/// speaks the other one is not the proxy that was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

impl Front {
    /// Whether that address is a trusted proxy's.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|network| network.contains(&address))
    }
}
