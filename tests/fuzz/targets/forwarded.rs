//! What clients and proxies write of whom a proxy speaks for: whatever a client puts first, the element that a trusted
//! proxy adds behind it is read as that element, or not at all.
#![no_main]

use std::net::IpAddr;

use hookwarden::http1::forwarded::{Hop, address, addresses, hops};
use libfuzzer_sys::fuzz_target;

/// What proxies add, in the forms that they use.
const ADDED: [&[u8]; 4] = [
    b"for=192.0.2.1",
    b"for=192.0.2.1;proto=https",
    b"by=203.0.113.1;for=\"192.0.2.1:443\";host=hooks.test;proto=https",
    b"for=\"192.0.2.1\";host=\"hooks.test\"",
];

fuzz_target!(|value: &[u8]| {
    let proxy = IpAddr::from([192, 0, 2, 1]);
    if let Some(found) = address(value) {
        assert_eq!(address(found.to_string().as_bytes()), Some(found));
    }
    let list = [value, b", 192.0.2.1"].concat();
    assert_eq!(addresses(&list).last(), Some(Some(proxy)));
    for added in ADDED {
        let list = [value, b", ", added].concat();
        let found: Vec<_> = hops(&list).collect();
        assert!(found.iter().rev().skip(1).all(Option::is_some), "nothing follows what is malformed");
        if let Some(Some(Hop { client, .. })) = found.last() {
            assert_eq!(*client, Some(proxy), "{}", list.escape_ascii());
        }
    }
});
