//! Which addresses may be connected to.
//!
//! A URL that names a host inside the cluster, or a public name that somebody lets point there, would make the sidecar
//! knock on doors that its operator never meant (server-side request forgery, CWE-918). So every address that a name
//! has is looked at before one is connected to, in the form in which the packet would go out: an IPv4 address stays
//! itself in each of its IPv6 disguises. What is not known to be public is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Which addresses may be connected to beside public ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// None.
    #[default]
    Public,
    /// Private and loopback ones. Link-local ones are not among them: cloud metadata services listen there.
    Private,
    /// Those of these networks.
    Networks(Box<[IpNet]>),
}

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Private,
    /// Neither: link-local, or no single machine's.
    Special,
}

impl Reach {
    /// Whether this address may be connected to.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let Some(address) = plain(address) else { return false };
        match (kind(address), self) {
            (Kind::Public, _) | (Kind::Private, Self::Private) => true,
            (Kind::Private | Kind::Special, Self::Networks(networks)) => {
                is_one_machine(address) && networks.iter().any(|network| network.contains(&address))
            }
            (Kind::Private, Self::Public) | (Kind::Special, Self::Public | Self::Private) => false,
        }
    }

    /// Whether plaintext may be spoken with this address: on this machine alone, and only where that was asked for.
    #[must_use]
    pub fn permits_plaintext(&self, address: IpAddr) -> bool {
        plain(address).is_some_and(|address| address.is_loopback()) && self.permits(address)
    }
}

/// The address that is meant. `None` for Teredo, whose IPv4 address is behind a relay's choice.
fn plain(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return Some(address) };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
    };
    match segments {
        // `::` and `::1` are no IPv4 addresses, though they look like compatible ones.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Some(address),
        // IPv4-mapped (RFC 4291 section 2.5.5.2), -compatible (2.5.5.1), -translated (RFC 2765), and the well-known
        // prefix of NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0, ..] => None,
        _ => Some(address),
    }
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

/// By IANA's registry of special-purpose addresses (RFC 6890 and its successors).
fn kind_of_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        // Carrier-grade NAT (RFC 6598) is used for pods and services, too.
        [100, 64..=127, ..] => Kind::Private,
        _ if address.is_private() || address.is_loopback() => Kind::Private,
        octets if is_special_v4(octets) => Kind::Special,
        _ if address.is_documentation() => Kind::Special,
        _ => Kind::Public,
    }
}

fn is_special_v4(octets: [u8; 4]) -> bool {
    // This network, link-local, protocol assignments, 6to4 relays, benchmarks; multicast, reserved, broadcast.
    matches!(octets, [0 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..])
}

fn kind_of_v6(address: Ipv6Addr) -> Kind {
    match address.segments() {
        _ if address.is_loopback() || address.is_unique_local() => Kind::Private,
        // NAT64 of a local prefix (RFC 8215): what it leads to is the network's own business.
        [0x64, 0xff9b, 1, ..] => Kind::Private,
        // Protocol assignments and documentation, inside of what is global unicast.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Special,
        [0x2000..=0x3fff, ..] => Kind::Public,
        // Link-local, site-local, multicast, unspecified, and whatever is not assigned.
        _ => Kind::Special,
    }
}

/// No network that is listed makes a group, everybody or nobody a machine.
fn is_one_machine(address: IpAddr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, public: bool, private: bool) {
        let parsed: IpAddr = address.parse().expect("an address");
        let found = (Reach::Public.permits(parsed), Reach::Private.permits(parsed));
        assert_eq!(found, (public, private), "{address}");
    }

    #[test]
    fn addresses_in_every_disguise() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            check(address, true, true);
        }
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "127.0.0.1",
            "127.8.8.8",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:a00:1::1",
        ] {
            check(address, false, true);
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "3fff::1",
            "100::1",
            "5f00::1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            check(address, false, false);
        }
    }

    #[test]
    fn networks_permit_what_they_hold_and_no_more() {
        let networks = ["10.96.0.0/12", "169.254.0.0/16", "fd00::/8", "0.0.0.0/0", "::/0"];
        let reach = |count: usize| {
            Reach::Networks(networks.iter().take(count).map(|text| text.parse().expect("a network")).collect())
        };
        for (count, address, expected) in [
            (1, "10.96.0.1", true),
            (1, "10.112.0.1", false),
            (1, "::ffff:10.96.0.1", true),
            (1, "127.0.0.1", false),
            (1, "1.1.1.1", true),
            (1, "169.254.169.254", false),
            (2, "169.254.169.254", true),
            (3, "fd12::1", true),
            (5, "127.0.0.1", true),
            (5, "::1", true),
            (5, "255.255.255.255", false),
            (5, "224.0.0.1", false),
            (5, "ff02::1", false),
            (5, "0.0.0.0", false),
            (5, "2001::1", false),
        ] {
            let parsed = address.parse().expect("an address");
            assert_eq!(reach(count).permits(parsed), expected, "{count} {address}");
        }
    }

    #[test]
    fn plaintext_stays_on_this_machine() {
        for (reach, address, expected) in [
            (Reach::Public, "127.0.0.1", false),
            (Reach::Private, "127.0.0.1", true),
            (Reach::Private, "::1", true),
            (Reach::Private, "::ffff:127.0.0.1", true),
            (Reach::Private, "10.0.0.1", false),
            (Reach::Private, "1.1.1.1", false),
        ] {
            assert_eq!(reach.permits_plaintext(address.parse().expect("an address")), expected, "{reach:?} {address}");
        }
    }
}
