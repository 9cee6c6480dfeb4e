//! What a connection begins with, where a PROXY header is expected: it is gathered piece by piece, and never a byte of
//! what comes behind it is taken.
#![no_main]

use std::net::IpAddr;

use hookwarden::listen::proxy_protocol::{Header, Parsed, parse};
use hookwarden::policy::ProxyProtocol;
use libfuzzer_sys::fuzz_target;

/// More than the longest header.
const LONGEST: usize = 16 + 4096;

fuzz_target!(|input: &[u8]| {
    let Some((version, stream)) = input.split_first() else { return };
    let version = if version % 2 == 1 { ProxyProtocol::V1 } else { ProxyProtocol::V2 };
    if let Some((header, length)) = gather(version, stream) {
        assert_eq!(parse(version, &stream[..length]), Ok(Parsed::Whole(header)));
        for end in 0..length {
            assert_ne!(parse(version, &stream[..end]), Ok(Parsed::Whole(header)), "a header within the header");
        }
    }
    if let Some(address) = stream.first_chunk::<16>() {
        check_written(IpAddr::from(*address));
    }
});

/// The header that a stream begins with, and its length.
fn gather(version: ProxyProtocol, stream: &[u8]) -> Option<(Header, usize)> {
    let mut taken = 0;
    loop {
        match parse(version, stream.get(..taken)?) {
            Ok(Parsed::Whole(header)) => return Some((header, taken)),
            Ok(Parsed::Needs(count)) => {
                assert!(count > 0 && taken + count <= LONGEST);
                taken += count;
            }
            Err(_) => return None,
        }
    }
}

fn check_written(address: IpAddr) {
    let line = format!("PROXY TCP6 {address} ::1 1 2\r\nbehind");
    let expected = Header { source: Some(address), tls: false };
    assert_eq!(gather(ProxyProtocol::V1, line.as_bytes()), Some((expected, line.len() - 6)));
}
