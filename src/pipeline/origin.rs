//! Who sends a request, and whether it came encrypted: the connection's other end, or what a trusted proxy says there.
//!
//! Each proxy adds to a list whom it was called by, so only its last element is the connection's other end's own word;
//! one before it is that of whoever the last one names, and so on. The list is therefore believed from its end as far as
//! trusted proxies go: the sender is the last one named who is none. Where the chain breaks (an element is missing or
//! no address) it is the proxy last reached, whose network no list of senders has.

use std::net::IpAddr;

use crate::http1::Message;
use crate::http1::forwarded::{addresses, hops};
use crate::policy::{ForwardedField, Front};

use super::connection::Peer;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The sender's address.
    pub(super) source: IpAddr,
    /// Whether it came encrypted as far as the last hop that can be believed.
    pub(super) encrypted: bool,
}

/// Finds out where a request comes from.
pub(super) fn origin(front: &Front, peer: &Peer, message: &Message<'_>) -> Origin {
    let own = Origin { source: peer.address, encrypted: peer.is_encrypted() };
    if !front.trusts(peer.address) {
        return own;
    }
    let (chain, https) = match front.field {
        ForwardedField::XForwarded => x_forwarded(front, message),
        ForwardedField::Forwarded => forwarded(front, message),
    };
    Origin { source: chain.sender.unwrap_or(own.source), encrypted: own.encrypted || https }
}

/// Follows the list in its own direction: a sender is set aside for each one named behind it that may be one.
struct Chain<'f> {
    front: &'f Front,
    sender: Option<IpAddr>,
}

impl Chain<'_> {
    fn name(&mut self, client: Option<IpAddr>) {
        match client {
            Some(client) if self.sender.is_some() && self.front.trusts(client) => {}
            named => self.sender = named,
        }
    }
}

/// The last hop's scheme is a field of its own, which the proxy sets: it is believed if it stands there once and alone.
fn x_forwarded<'f>(front: &'f Front, message: &Message<'_>) -> (Chain<'f>, bool) {
    let mut chain = Chain { front, sender: None };
    values(message, b"x-forwarded-for").flat_map(addresses).for_each(|client| chain.name(client));
    let https = message.field("x-forwarded-proto").is_ok_and(|proto| proto.is_some_and(is_https));
    (chain, https)
}

fn forwarded<'f>(front: &'f Front, message: &Message<'_>) -> (Chain<'f>, bool) {
    let (mut chain, mut https) = (Chain { front, sender: None }, false);
    for hop in values(message, b"forwarded").flat_map(hops) {
        chain.name(hop.and_then(|hop| hop.client));
        https = hop.and_then(|hop| hop.proto).is_some_and(is_https);
    }
    (chain, https)
}

fn is_https(proto: &[u8]) -> bool {
    proto.eq_ignore_ascii_case(b"https")
}

/// The values of every field of that name, in their order.
fn values<'m>(message: &Message<'m>, name: &'static [u8]) -> impl Iterator<Item = &'m [u8]> {
    message.fields().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Head;

    fn check(field: ForwardedField, fields: &str, expected: &str, encrypted: bool) {
        let proxies = ["127.0.0.0/8", "10.0.0.0/8", "2001:db8::/64"].map(|network| network.parse().expect("a network"));
        let front = Front { proxies: proxies.into(), field, ..Front::default() };
        let bytes = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let head = Head::parse(bytes.as_bytes()).expect("a good head");
        let message = Message { head: &head, bytes: bytes.as_bytes(), body: b"" };
        let found = origin(&front, &Peer::new(IpAddr::from([127, 0, 0, 1])), &message);
        assert_eq!((found.source.to_string().as_str(), found.encrypted), (expected, encrypted), "{fields:?}");
        let stranger = Peer::new(IpAddr::from([192, 0, 2, 1]));
        let own = Origin { source: stranger.address, encrypted: false };
        assert_eq!(origin(&front, &stranger, &message), own, "nobody believes a stranger");
    }

    #[test]
    fn the_sender_is_the_last_who_is_no_proxy() {
        for (fields, expected) in [
            ("", "127.0.0.1"),
            ("X-Forwarded-For: 192.0.2.9\r\n", "192.0.2.9"),
            ("X-Forwarded-For: 1.1.1.1, 192.0.2.9\r\n", "192.0.2.9"),
            ("X-Forwarded-For: 1.1.1.1, 192.0.2.9, 10.0.0.1, 10.0.0.2\r\n", "192.0.2.9"),
            ("X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 192.0.2.9\r\n", "192.0.2.9"),
            ("X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 10.0.0.1\r\n", "192.0.2.9"),
            ("X-Forwarded-For: 10.0.0.9, 10.0.0.1\r\n", "10.0.0.9"),
            ("X-Forwarded-For: ::ffff:192.0.2.9\r\n", "192.0.2.9"),
            ("X-Forwarded-For: 1.1.1.1, [2001:db8:1::9]:443, 2001:db8::1\r\n", "2001:db8:1::9"),
            // Broken chains end at the proxy last reached.
            ("X-Forwarded-For: 192.0.2.9, unknown\r\n", "127.0.0.1"),
            ("X-Forwarded-For: 192.0.2.9,\r\n", "127.0.0.1"),
            ("X-Forwarded-For: 192.0.2.9, x, 10.0.0.1, 10.0.0.2\r\n", "10.0.0.1"),
            ("X-Forwarded-For:\r\n", "127.0.0.1"),
            // Other spellings and the other kind are the client's.
            ("X_Forwarded_For: 1.1.1.1\r\n", "127.0.0.1"),
            ("Forwarded: for=1.1.1.1\r\n", "127.0.0.1"),
        ] {
            check(ForwardedField::XForwarded, fields, expected, false);
        }
        for (fields, expected) in [
            ("Forwarded: for=192.0.2.9\r\n", "192.0.2.9"),
            ("Forwarded: for=1.1.1.1, for=192.0.2.9\r\nForwarded: for=10.0.0.1\r\n", "192.0.2.9"),
            ("Forwarded: for=\"1.1.1.1\r\nForwarded: for=192.0.2.9\r\n", "192.0.2.9"),
            ("Forwarded: for=\"1.1.1.1, for=192.0.2.9\r\n", "127.0.0.1"),
            ("Forwarded: for=192.0.2.9, proto=https, for=10.0.0.1\r\n", "10.0.0.1"),
            ("X-Forwarded-For: 1.1.1.1\r\n", "127.0.0.1"),
        ] {
            check(ForwardedField::Forwarded, fields, expected, false);
        }
    }

    #[test]
    fn encrypted_is_what_the_last_hop_says_once() {
        for (fields, encrypted) in [
            ("X-Forwarded-Proto: https\r\n", true),
            ("X-Forwarded-Proto: HTTPS\r\n", true),
            ("X-Forwarded-Proto: http\r\n", false),
            ("X-Forwarded-Proto: https, https\r\n", false),
            ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n", false),
            ("X_Forwarded_Proto: https\r\n", false),
            ("Forwarded: proto=https\r\n", false),
        ] {
            check(ForwardedField::XForwarded, fields, "127.0.0.1", encrypted);
        }
        for (fields, encrypted) in [
            ("Forwarded: for=192.0.2.9;proto=https\r\n", true),
            ("Forwarded: for=1.1.1.1;proto=http, for=192.0.2.9;proto=https\r\n", true),
            ("Forwarded: for=1.1.1.1;proto=https, for=192.0.2.9\r\n", false),
            ("Forwarded: for=1.1.1.1;proto=https\r\nForwarded: for=192.0.2.9;proto=http\r\n", false),
        ] {
            check(ForwardedField::Forwarded, fields, "192.0.2.9", encrypted);
        }
    }
}
