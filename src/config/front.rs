//! What stands in front of the listener: whose word on the sender is taken, and how it is given.

use ipnet::IpNet;

use crate::policy::{ForwardedField, Front, ProxyProtocol};

use super::reader::Reader;
use super::values::{self, Parsed};

/// Asks for every setting of what stands in front. `https_by_proxy`: a proxy ends TLS.
pub(super) fn read(reader: &mut Reader<'_, '_>, https_by_proxy: bool) -> Front {
    let proxies = reader.value("TRUSTED_PROXIES", |text| values::list(text, proxy)).unwrap_or_default();
    let field = reader.value("FORWARDED_HEADER", field).unwrap_or_default();
    let proxy_protocol = reader.value("PROXY_PROTOCOL", proxy_protocol).flatten();
    if !reader.is_set("TRUSTED_PROXIES") {
        if https_by_proxy {
            reader.fault("TRUSTED_PROXIES", "is not set, and TLS=forwarded takes nobody else's word");
        }
        for (name, changed) in
            [("FORWARDED_HEADER", field != ForwardedField::default()), ("PROXY_PROTOCOL", proxy_protocol.is_some())]
        {
            if changed {
                reader.fault(name, "is set, but there are no TRUSTED_PROXIES to take the word of");
            }
        }
    }
    Front { https_by_proxy, proxies, field, proxy_protocol }
}

/// A network of proxies. All of the internet is none: whoever is believed can be anybody.
fn proxy(text: &str) -> Parsed<IpNet> {
    match values::network(text)? {
        network if network.prefix_len() == 0 => Err(format!("{text} would take everybody's word")),
        network => Ok(network),
    }
}

fn field(text: &str) -> Parsed<ForwardedField> {
    let fields = [("x-forwarded", ForwardedField::XForwarded), ("forwarded", ForwardedField::Forwarded)];
    values::word(text, &fields)
}

fn proxy_protocol(text: &str) -> Parsed<Option<ProxyProtocol>> {
    values::word(text, &[("off", None), ("v1", Some(ProxyProtocol::V1)), ("v2", Some(ProxyProtocol::V2))])
}
