//! The chunked coding: the same whatever the split, nothing beyond the end is touched, and what is accepted is what a
//! reader that knows no leniency accepts.
#![no_main]

use bytes::BytesMut;
use hookwarden::http1::chunked::{Broken, Decoder};
use hookwarden::http1::encode::chunk_size;
use libfuzzer_sys::fuzz_target;

/// A whole message: its data, and how many raw bytes it took.
type Whole = (Vec<u8>, usize);

fuzz_target!(|input: (u8, &[u8])| {
    let (seed, raw) = input;
    let step = usize::from(seed) + 1;
    let decoded = decode(raw, raw.len().max(1));
    assert_eq!(decode(raw, step), decoded, "in parts of {step}");
    let (simple, bare) = read_simply(raw).unzip();
    if let Ok(Some(decoded)) = &decoded {
        assert_eq!(simple.as_ref(), Some(decoded));
    }
    if bare == Some(true) {
        assert_eq!(decoded, Ok(simple), "without extensions and trailers there is nothing more to refuse");
    }
    round_trip(raw, step);
});

fn decode(raw: &[u8], step: usize) -> Result<Option<Whole>, Broken> {
    let (mut decoder, mut data, mut taken) = (Decoder::default(), Vec::new(), 0);
    for part in raw.chunks(step) {
        let mut part = part.to_vec();
        let before = part.clone();
        let decoded = decoder.decode(&mut part)?;
        assert!(decoded.written <= decoded.read && decoded.read <= part.len());
        assert_eq!(part[decoded.read..], before[decoded.read..], "what was not read is as it was");
        assert!(decoded.done || decoded.read == part.len());
        data.extend_from_slice(&part[..decoded.written]);
        taken += decoded.read;
        if decoded.done {
            return Ok(Some((data, taken)));
        }
    }
    Ok(None)
}

/// RFC 9112 section 7.1, line by line, with no bounds; also tells whether there was neither extension nor trailer.
fn read_simply(raw: &[u8]) -> Option<(Whole, bool)> {
    let (mut data, mut rest, mut bare) = (Vec::new(), raw, true);
    loop {
        let line = take_line(&mut rest)?;
        let digits = line.split(|&byte| byte == b';').next()?;
        bare &= digits == line;
        if !(1..=16).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = usize::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            while !take_line(&mut rest)?.is_empty() {
                bare = false;
            }
            return Some(((data, raw.len() - rest.len()), bare));
        }
        let (chunk, after) = rest.split_at_checked(size)?;
        data.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
}

fn take_line<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let at = rest.iter().position(|&byte| byte == b'\n')?;
    let line = rest[..at].strip_suffix(b"\r")?;
    *rest = &rest[at + 1..];
    (!line.contains(&b'\r')).then_some(line)
}

/// What we write ourselves is read back.
fn round_trip(data: &[u8], step: usize) {
    let mut raw = BytesMut::new();
    for part in data.chunks(step) {
        chunk_size(&mut raw, part.len());
        raw.extend_from_slice(part);
        raw.extend_from_slice(b"\r\n");
    }
    chunk_size(&mut raw, 0);
    raw.extend_from_slice(b"\r\n");
    let message = raw.len();
    raw.extend_from_slice(b"POST");
    assert_eq!(decode(&raw, step), Ok(Some((data.to_vec(), message))));
}
