//! What stands in front of the listener.

use super::*;
use crate::policy::{ForwardedField, ProxyProtocol};

#[test]
fn nobody_is_trusted_unless_named() {
    let front = loaded(&[]).policy.front;
    assert!(front.proxies.is_empty() && !front.https_by_proxy && front.proxy_protocol.is_none());
    let front = loaded(&[
        ("TLS", "forwarded"),
        ("LISTEN", "0.0.0.0:0"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/64,192.0.2.7"),
        ("FORWARDED_HEADER", "forwarded"),
        ("PROXY_PROTOCOL", "v2"),
    ])
    .policy
    .front;
    assert!(front.https_by_proxy);
    assert_eq!((front.field, front.proxy_protocol), (ForwardedField::Forwarded, Some(ProxyProtocol::V2)));
    for (address, trusted) in [
        ("10.255.0.1", true),
        ("::ffff:10.0.0.1", true),
        ("2001:db8::ffff", true),
        ("2001:db8:0:1::1", false),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
    ] {
        assert_eq!(front.trusts(address.parse().expect("an address")), trusted, "{address}");
    }
}

#[test]
fn contradictions() {
    check(
        &[("TLS", "forwarded"), ("TLS_CERT_FILE", "/a"), ("FORWARDED_HEADER", "forwarded"), ("PROXY_PROTOCOL", "v1")],
        &[
            "FORWARDED_HEADER: is set, but there are no TRUSTED_PROXIES to take the word of",
            "PROXY_PROTOCOL: is set, but there are no TRUSTED_PROXIES to take the word of",
            "TLS_CERT_FILE: is set, but TLS=forwarded uses no certificate",
            "TRUSTED_PROXIES: is not set, and TLS=forwarded takes nobody else's word",
        ],
    );
    check(&[("PROXY_PROTOCOL", "off")], &[]);
    for (value, problem) in [
        ("0.0.0.0/0", "0.0.0.0/0 would take everybody's word"),
        ("10.0.0.0/8,::/0", "::/0 would take everybody's word"),
        ("10.0.0.1/8", "10.0.0.1/8 has host bits; 10.0.0.0/8 is meant?"),
        ("proxy", "\"proxy\" is not a network such as 192.0.2.0/24 or 2001:db8::/32"),
    ] {
        check(&[("TRUSTED_PROXIES", value)], &[&format!("TRUSTED_PROXIES: {problem}")]);
    }
}
