//! Whom a limit counts: an IPv4 address, or an IPv6 network of 64 bits, since a host has all of one to choose from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A sender's address, as limits see it. Eight bytes, so that tables of them stay small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(u64);

/// What stands before an IPv4 address: a multicast prefix (RFC 4291 section 2.7), which no sender has.
const V4: u64 = 0xffff_ffff_0000_0000;

impl Source {
    /// The bits that tell it from others.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl From<u64> for Source {
    /// The source of these [`Source::bits`].
    fn from(bits: u64) -> Self {
        Self(bits)
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(V4 | u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::try_from(self.0 ^ V4) {
            Ok(address) => write!(f, "{}", Ipv4Addr::from_bits(address)),
            Err(_) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(self.0) << 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_source_whatever_address_it_chooses() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::7", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
            ("0.0.0.0", "0.0.0.0"),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(Source::from(address).to_string(), expected);
        }
    }
}
