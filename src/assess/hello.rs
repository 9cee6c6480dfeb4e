//! The first message of TLS versions and ciphers that our own TLS does not speak, and what a server says to it: a server
//! that answers with its own hello would have gone on (RFC 5246 section 7.4.1, RFC 2246, RFC 6101).
//!
//! Deliberately absent: the rest of any handshake. Nothing is sent under such a protocol.

/// What a server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    /// What it is, for the evidence.
    pub(super) label: &'static str,
    /// The newest version that is offered, as it stands on the wire.
    version: u16,
    suites: &'static [u16],
}

/// Suites that servers of the time took: AES and 3DES under RSA, DHE and ECDHE.
const OLD_SUITES: &[u16] = &[0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033, 0x0035, 0x002f, 0x000a];

/// Without encryption, without a certificate, of export strength, RC4 and triple DES (RFC 7465, RFC 8429, RFC 9325
/// section 4.1).
const WEAK_SUITES: &[u16] = &[
    0x0001, 0x0002, 0x003b, 0x0034, 0x001b, 0x0018, 0x0003, 0x0006, 0x0008, 0x0014, 0x0004, 0x0005, 0xc011, 0xc007,
    0x000a, 0xc012, 0xc008,
];

/// Versions before 1.2 (RFC 8996).
pub(super) const OLD: &[Hello] = &[
    Hello { label: "SSL 3.0", version: 0x0300, suites: OLD_SUITES },
    Hello { label: "TLS 1.0", version: 0x0301, suites: OLD_SUITES },
    Hello { label: "TLS 1.1", version: 0x0302, suites: OLD_SUITES },
];

/// TLS 1.2 with nothing but weak ciphers.
pub(super) const WEAK: &[Hello] = &[Hello { label: "TLS 1.2 with weak ciphers", version: 0x0303, suites: WEAK_SUITES }];

/// What a server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Its own hello: it would go on.
    Hello,
    /// An alert, or nothing and the end.
    No,
    /// Something that is no TLS.
    Other,
}

impl Hello {
    /// The record to send: curves, point formats, signature algorithms and the server's name are offered, so that only
    /// version and ciphers are a reason to refuse.
    pub(super) fn bytes(self, host: &str) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        let mut random = [0; 32];
        // A hello without randomness is as good for this question.
        let _ = getrandom::fill(&mut random);
        body.extend_from_slice(&random);
        body.push(0);
        let suites: Vec<u8> = self.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        with_length(&mut body, &suites);
        body.extend_from_slice(&[1, 0]);
        // SSL 3.0 knows no extensions, and servers of its time refused them.
        if self.version > 0x0300 {
            with_length(&mut body, &extensions(self.version, host));
        }
        let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
        let handshake = [&[1], &length[1..], &body].concat();
        let mut record = vec![0x16];
        record.extend_from_slice(&self.version.min(0x0301).to_be_bytes());
        with_length(&mut record, &handshake);
        record
    }
}

/// What a server's first bytes are (RFC 5246 section 6.2.1). SSL 2 has no answer to such a hello.
pub(super) fn said(bytes: &[u8]) -> Said {
    match bytes {
        [] | [0x15, ..] => Said::No,
        [0x16, 3, _, _, _, 2, ..] => Said::Hello,
        _ => Said::Other,
    }
}

fn extensions(version: u16, host: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut add = |kind: u16, content: &[u8]| {
        all.extend_from_slice(&kind.to_be_bytes());
        with_length(&mut all, content);
    };
    // Literal addresses are no names (RFC 6066 section 3).
    if host.parse::<std::net::IpAddr>().is_err() {
        let mut name = vec![0];
        with_length(&mut name, host.as_bytes());
        let mut list = Vec::new();
        with_length(&mut list, &name);
        add(0, &list);
    }
    add(10, &[0, 6, 0, 29, 0, 23, 0, 24]);
    add(11, &[1, 0]);
    if version >= 0x0303 {
        add(13, &[0, 10, 4, 1, 5, 1, 4, 3, 2, 1, 2, 3]);
    }
    all
}

fn with_length(into: &mut Vec<u8>, content: &[u8]) {
    into.extend_from_slice(&u16::try_from(content.len()).unwrap_or_default().to_be_bytes());
    into.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_say_what_follows() {
        for hello in OLD.iter().chain(WEAK) {
            let bytes = hello.bytes("hooks.test");
            let length = |at: usize| usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1]);
            assert_eq!(length(3), bytes.len() - 5, "{}", hello.label);
            assert_eq!(length(7), bytes.len() - 9, "{}", hello.label);
            assert_eq!(&bytes[9..11], hello.version.to_be_bytes(), "{}", hello.label);
        }
    }

    #[test]
    fn what_a_server_says() {
        for (bytes, expected) in [
            (&b""[..], Said::No),
            (b"\x15\x03\x01\x00\x02\x02\x46", Said::No),
            (b"\x16\x03\x01\x00\x31\x02\x00\x00\x2d", Said::Hello),
            (b"HTTP/1.1 400 Bad Request", Said::Other),
        ] {
            assert_eq!(said(bytes), expected, "{bytes:?}");
        }
    }
}
