//! The PROXY protocol (`HAProxy`'s proxy-protocol.txt, versions 1 and 2): what a connection begins with, before TLS, when a
//! proxy passes on bytes and not requests.
//!
//! [`parse`] is pure. It says how many more bytes surely belong to the header, so that [`read`] never takes one of what
//! comes behind it. Read as strictly as it is written there; what a header says beside the sender's address and whether
//! that one's connection is encrypted is skipped, within bounds. Deliberately absent: telling the versions apart, UDP, the
//! checksum (TCP has its own, and the proxy is trusted).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::policy::ProxyProtocol;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The sender's address; `None` where the proxy speaks for itself or does not know it.
    pub source: Option<IpAddr>,
    /// Whether the proxy says that the sender's connection is encrypted.
    pub tls: bool,
}

/// Bytes, read as far as they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A whole header.
    Whole(Header),
    /// That many more bytes belong to it, at least.
    Needs(usize),
}

/// It is no header of that version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not begin with a PROXY header")]
pub struct Malformed;

/// The longest line of version 1 with its line end, as its authors count it.
const MAX_LINE: usize = 107;

/// The shortest line of version 1.
const MIN_LINE: usize = b"PROXY UNKNOWN\r\n".len();

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, command, family and length of version 2.
const FIXED: usize = 16;

/// The most bytes behind them. Addresses take 36 at most; load balancers add some hundred, and a client certificate's
/// facts a few hundred more.
const MAX_REST: usize = 4096;

/// The type of the record that tells of the sender's TLS, and its bit for a connection that is encrypted.
const PP2_TYPE_SSL: u8 = 0x20;
const PP2_CLIENT_SSL: u8 = 0x01;

/// Reads a header, and nothing behind it. The caller has a deadline.
///
/// # Errors
/// Those of the connection; [`io::ErrorKind::InvalidData`] with [`Malformed`].
pub async fn read(stream: &mut (impl AsyncRead + Unpin), version: ProxyProtocol) -> io::Result<Header> {
    let mut bytes = Vec::with_capacity(MAX_LINE);
    loop {
        match parse(version, &bytes).map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))? {
            Parsed::Whole(header) => return Ok(header),
            Parsed::Needs(count) => {
                let had = bytes.len();
                bytes.resize(had + count, 0);
                stream.read_exact(bytes.get_mut(had..).unwrap_or_default()).await?;
            }
        }
    }
}

/// Reads what is there of a header. `bytes` holds nothing of what comes behind it: it was gathered as [`Parsed::Needs`]
/// asked for.
///
/// # Errors
/// It is none.
pub fn parse(version: ProxyProtocol, bytes: &[u8]) -> Result<Parsed, Malformed> {
    match version {
        ProxyProtocol::V1 => v1(bytes),
        ProxyProtocol::V2 => v2(bytes),
    }
}

fn v1(bytes: &[u8]) -> Result<Parsed, Malformed> {
    begins_alike(bytes, b"PROXY ")?;
    if bytes.len() < MIN_LINE {
        return Ok(Parsed::Needs(MIN_LINE - bytes.len()));
    }
    let (line, left) = match bytes {
        [line @ .., b'\r', b'\n'] => (line, 0),
        [line @ .., b'\r'] => (line, 1),
        line => (line, 2),
    };
    if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) || bytes.len() + left > MAX_LINE {
        return Err(Malformed);
    }
    if left == 0 { line_v1(line).map(Parsed::Whole) } else { Ok(Parsed::Needs(left)) }
}

fn line_v1(line: &[u8]) -> Result<Header, Malformed> {
    let text = str::from_utf8(line).map_err(|_| Malformed)?;
    let mut words = text.split(' ').skip(1);
    let mut word = || words.next().ok_or(Malformed);
    let family = word()?;
    if family == "UNKNOWN" {
        return Ok(Header { source: None, tls: false });
    }
    let (source, _, _, _) = (address(family, word()?)?, address(family, word()?)?, port(word()?)?, port(word()?)?);
    match words.next() {
        None => Ok(Header { source: Some(source), tls: false }),
        Some(_) => Err(Malformed),
    }
}

fn address(family: &str, text: &str) -> Result<IpAddr, Malformed> {
    match family {
        "TCP4" => text.parse::<Ipv4Addr>().map(Into::into).map_err(|_| Malformed),
        "TCP6" => text.parse::<Ipv6Addr>().map(Into::into).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

fn port(text: &str) -> Result<u16, Malformed> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(Malformed)
}

fn v2(bytes: &[u8]) -> Result<Parsed, Malformed> {
    begins_alike(bytes, SIGNATURE)?;
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(Parsed::Needs(FIXED - bytes.len())) };
    let [.., command, family, high, low] = *fixed else { return Err(Malformed) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, 0x20 | 0x21) || length > MAX_REST || rest.len() > length {
        return Err(Malformed);
    }
    if rest.len() < length {
        return Ok(Parsed::Needs(length - rest.len()));
    }
    if command == 0x20 {
        // LOCAL: the proxy speaks for itself, to see whether we are there, and says nothing that counts.
        return Ok(Parsed::Whole(Header { source: None, tls: false }));
    }
    let (source, records) = match family {
        0x11 => split::<4>(rest, 12).map(|(source, records)| (Some(Ipv4Addr::from(source).into()), records))?,
        0x21 => split::<16>(rest, 36).map(|(source, records)| (Some(Ipv6Addr::from(source).into()), records))?,
        0x31 => (None, rest.get(216..).ok_or(Malformed)?),
        0x00 => (None, &[][..]),
        _ => return Err(Malformed),
    };
    Ok(Parsed::Whole(Header { source, tls: tells_of_tls(records)? }))
}

/// The first address of a block of addresses and ports, and what follows the block.
fn split<const N: usize>(rest: &[u8], block: usize) -> Result<([u8; N], &[u8]), Malformed> {
    let (addresses, records) = rest.split_at_checked(block).ok_or(Malformed)?;
    addresses.first_chunk().map(|source| (*source, records)).ok_or(Malformed)
}

/// Whether a record among the type-length-value ones says that the sender's connection is encrypted.
fn tells_of_tls(mut records: &[u8]) -> Result<bool, Malformed> {
    let mut tls = false;
    while let Some((&[kind, high, low], rest)) = records.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, next) = rest.split_at_checked(length).ok_or(Malformed)?;
        if kind == PP2_TYPE_SSL {
            tls = value.first().is_some_and(|client| client & PP2_CLIENT_SSL != 0);
        }
        records = next;
    }
    if records.is_empty() { Ok(tls) } else { Err(Malformed) }
}

fn begins_alike(bytes: &[u8], beginning: &[u8]) -> Result<(), Malformed> {
    if bytes.iter().zip(beginning).all(|(byte, expected)| byte == expected) { Ok(()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a stream, and how many bytes of it.
    fn gather(version: ProxyProtocol, stream: &[u8]) -> Result<(Header, usize), Option<Malformed>> {
        let mut taken = 0;
        loop {
            match parse(version, &stream[..taken]).map_err(Some)? {
                Parsed::Whole(header) => return Ok((header, taken)),
                Parsed::Needs(count) => {
                    assert!(count > 0, "it asks for nothing");
                    taken += count;
                    if taken > stream.len() {
                        return Err(None);
                    }
                }
            }
        }
    }

    /// `Some(Some(source))`, `Some(None)` for no source, `None` where it is malformed.
    fn check(version: ProxyProtocol, header: &[u8], expected: Option<(Option<&str>, bool)>) {
        let stream = [header, b"\x16\x03\x01 what comes behind"].concat();
        let found = gather(version, &stream);
        match expected {
            Some((source, tls)) => {
                let source = source.map(|source| source.parse().expect("an address"));
                assert_eq!(
                    found,
                    Ok((Header { source, tls }, header.len())),
                    "{:?}",
                    header.escape_ascii().to_string()
                );
                // Whatever is missing is waited for.
                assert_eq!(gather(version, &header[..header.len() - 1]), Err(None));
            }
            None => assert_eq!(found, Err(Some(Malformed)), "{:?}", header.escape_ascii().to_string()),
        }
    }

    #[test]
    fn version_1() {
        let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(MAX_LINE - 16));
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.9 127.0.0.1 56324 443\r\n", Some(Some("192.0.2.9"))),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some(Some("255.255.255.255"))),
            ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Some(Some("0.0.0.0"))),
            ("PROXY TCP6 2001:db8::9 ::1 1 2\r\n", Some(Some("2001:db8::9"))),
            ("PROXY UNKNOWN\r\n", Some(None)),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Some(None)),
            (&longest, Some(None)),
            ("PROXY TCP4 192.0.2.9 127.0.0.1 1 2 \r\n", None),
            ("PROXY TCP4 192.0.2.9 127.0.0.1 1\r\n", None),
            ("PROXY TCP4  192.0.2.9 127.0.0.1 1 2\r\n", None),
            ("PROXY TCP4 2001:db8::9 ::1 1 2\r\n", None),
            ("PROXY TCP6 192.0.2.9 127.0.0.1 1 2\r\n", None),
            ("PROXY TCP4 192.0.2.09 127.0.0.1 1 2\r\n", None),
            ("PROXY TCP4 192.0.2.9 127.0.0.1 01 2\r\n", None),
            ("PROXY TCP4 192.0.2.9 127.0.0.1 +1 2\r\n", None),
            ("PROXY TCP4 192.0.2.9 127.0.0.1 1 65536\r\n", None),
            ("PROXY TCP4 192.0.2.9 127.0.0.1 1 2\n\r\n", None),
            ("PROXY TCP4 192.0.2.9 127.0.0.1 1 2\r\r\n", None),
            ("PROXY UDP4 192.0.2.9 127.0.0.1 1 2\r\n", None),
            ("proxy TCP4 192.0.2.9 127.0.0.1 1 2\r\n", None),
            ("PROXY\tTCP4 192.0.2.9 127.0.0.1 1 2\r\n", None),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", None),
            (&longest.replace("\r\n", "f\r\n"), None),
            (&"PROXY TCP4 ".repeat(20), None),
        ] {
            check(ProxyProtocol::V1, line.as_bytes(), expected.map(|source| (source, false)));
        }
        check(ProxyProtocol::V1, SIGNATURE, None);
    }

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("a short one").to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    #[test]
    fn version_2() {
        let v4 = [192, 0, 2, 9, 127, 0, 0, 1, 0xdc, 4, 1, 0xbb];
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[9], &[0; 20]].concat();
        let with = |records: &[u8]| [&v4, records].concat();
        let (plain, tls) = (Some((Some("192.0.2.9"), false)), Some((Some("192.0.2.9"), true)));
        let long = with(&[&[4, 0x0f, 0xf1][..], &[0; 0xff1]].concat());
        for (command, family, rest, expected) in [
            (0x21, 0x11, &v4[..], plain),
            (0x21, 0x21, &v6, Some((Some("2001:db8::9"), false))),
            (0x21, 0x11, &with(&[1, 0, 2, b'h', b'2', 4, 0, 0]), plain),
            (0x21, 0x11, &with(&[0x20, 0, 5, 1, 0, 0, 0, 0]), tls),
            (0x21, 0x11, &with(&[4, 0, 1, 0, 0x20, 0, 8, 7, 0, 0, 0, 0, 0x21, 0, 0]), tls),
            (0x21, 0x11, &with(&[0x20, 0, 5, 6, 0, 0, 0, 0]), plain),
            (0x21, 0x11, &with(&[0x20, 0, 0]), plain),
            (0x21, 0x11, &long, plain),
            (0x20, 0x00, &[], Some((None, false))),
            (0x20, 0x11, &with(&[0x20, 0, 5, 1, 0, 0, 0, 0]), Some((None, false))),
            (0x21, 0x00, b"anything", Some((None, false))),
            (0x21, 0x31, &[0; 216], Some((None, false))),
            (0x21, 0x11, &v4[..11], None),
            (0x21, 0x21, &v6[..35], None),
            (0x21, 0x31, &[0; 215], None),
            (0x21, 0x11, &with(&[1, 0]), None),
            (0x21, 0x11, &with(&[1, 0, 9, 0]), None),
            (0x21, 0x12, &v4, None),
            (0x21, 0x41, &v4, None),
            (0x22, 0x11, &v4, None),
            (0x11, 0x11, &v4, None),
            (0x21, 0x11, &[&long[..], &[0]].concat(), None),
        ] {
            check(ProxyProtocol::V2, &header(command, family, rest), expected);
        }
        check(ProxyProtocol::V2, b"PROXY UNKNOWN\r\n", None);
        check(ProxyProtocol::V2, b"\x16\x03\x01\x02\x00\x01\x00", None);
    }
}
