//! Signatures, times and fields taken out of a message, by grammar: strict, bounded, without an allocation.

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

use crate::http1::framing::digits;

use super::mac::MAX_TAG;
use super::scheme::{Encoding, Format, Item, ItemValue, TimeUnit};

/// The most signatures in one header. A rotation needs two; senders with a key for each region stay under ten.
pub const MAX_CANDIDATES: usize = 16;

/// What a signature header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented<'b> {
    candidates: [&'b [u8]; MAX_CANDIDATES],
    count: usize,
    /// The time's text, where the header carries it.
    pub timestamp: Option<&'b [u8]>,
}

impl<'b> Presented<'b> {
    /// The encoded signatures.
    #[must_use]
    pub fn candidates(&self) -> &[&'b [u8]] {
        &self.candidates[..self.count]
    }
}

/// Reads a signature header by its grammar. `None`: it does not follow it, or says something twice that may stand once.
#[must_use]
pub fn presented<'b>(format: &Format, value: &'b [u8]) -> Option<Presented<'b>> {
    let mut presented = Presented { candidates: [b""; MAX_CANDIDATES], count: 0, timestamp: None };
    match format.separator {
        None => take(format, value, &mut presented)?,
        Some(separator) => {
            for item in value.split(|&byte| byte == separator) {
                take(format, item.trim_ascii(), &mut presented)?;
            }
        }
    }
    let wants_time = format.items.iter().any(|item| item.value == ItemValue::Timestamp);
    (presented.count > 0 && wants_time == presented.timestamp.is_some()).then_some(presented)
}

/// Takes one item. Items that the grammar does not know are passed over in a list, and refused where there is none.
fn take<'b>(format: &Format, text: &'b [u8], presented: &mut Presented<'b>) -> Option<()> {
    let known = |item: &Item| text.strip_prefix(item.prefix.as_bytes()).map(|value| (item.value, value));
    match format.items.iter().find_map(known) {
        None => format.separator.map(|_| ()),
        Some((_, b"")) => None,
        Some((ItemValue::Timestamp, value)) => presented.timestamp.replace(value).is_none().then_some(()),
        Some((ItemValue::Signature, _)) if presented.count > 0 && !format.many => None,
        Some((ItemValue::Signature, value)) => {
            *presented.candidates.get_mut(presented.count)? = value;
            presented.count += 1;
            Some(())
        }
    }
}

/// Decodes a signature of exactly `len` bytes. Anything else, and every second way to write the same bytes but hex's
/// upper case, is none.
#[must_use]
pub fn decode(encoding: Encoding, text: &[u8], len: usize) -> Option<[u8; MAX_TAG]> {
    let codec = match encoding {
        Encoding::Hex => &HEXLOWER_PERMISSIVE,
        Encoding::Base64 => &BASE64,
        Encoding::Base64Url if text.ends_with(b"=") => &BASE64URL,
        Encoding::Base64Url => &BASE64URL_NOPAD,
    };
    // A decoder would let padding stand between quads as well, as in texts that were put together from several.
    let unpadded = text.split(|&byte| byte == b'=').next().unwrap_or_default().len();
    if text[unpadded..].iter().any(|&byte| byte != b'=') {
        return None;
    }
    // Room for the padding that a decoder counts in.
    let mut room = [0; MAX_TAG + 3];
    let space = room.get_mut(..codec.decode_len(text.len()).ok()?)?;
    let written = codec.decode_mut(text, space).ok()?;
    let mut decoded = [0; MAX_TAG];
    decoded.get_mut(..len)?.copy_from_slice(room.get(..written).filter(|bytes| bytes.len() == len)?);
    Some(decoded)
}

/// Reads a time since the Unix epoch. No sign, no fraction of a whole unit, no time before 1970.
#[must_use]
pub fn time(unit: TimeUnit, text: &[u8]) -> Option<Duration> {
    match unit {
        TimeUnit::Seconds => digits(text).map(Duration::from_secs),
        TimeUnit::Milliseconds => digits(text).map(Duration::from_millis),
        TimeUnit::Rfc3339 => {
            let time: jiff::Timestamp = str::from_utf8(text).ok()?.parse().ok()?;
            Duration::try_from(time.as_duration()).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(items: &[(&str, ItemValue)], separator: Option<u8>, many: bool) -> Format {
        let item = |(prefix, value): &(&str, ItemValue)| Item { prefix: (*prefix).into(), value: *value };
        Format { separator, items: items.iter().map(item).collect(), many }
    }

    #[test]
    fn signature_headers() {
        use ItemValue::{Signature, Timestamp};
        let stripe = format(&[("t=", Timestamp), ("v1=", Signature)], Some(b','), true);
        let check = |format: &Format, value: &str, expected: Option<(&[&str], Option<&str>)>| {
            let presented = presented(format, value.as_bytes());
            let got = presented.as_ref().map(|presented| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("ASCII");
                let candidates: Vec<_> = presented.candidates().iter().map(|bytes| text(bytes)).collect();
                (candidates, presented.timestamp.map(text))
            });
            let expected = expected.map(|(candidates, time)| {
                (candidates.iter().map(ToString::to_string).collect(), time.map(ToOwned::to_owned))
            });
            assert_eq!(got, expected, "{value}");
        };
        check(&stripe, "t=1,v1=aa", Some((&["aa"], Some("1"))));
        check(&stripe, "t=1, v1=aa,v0=bb,v1=cc", Some((&["aa", "cc"], Some("1"))));
        check(&stripe, "t=1,v0=bb", None);
        check(&stripe, "v1=aa", None);
        check(&stripe, "t=1,t=1,v1=aa", None);
        check(&stripe, "t=,v1=aa", None);
        check(&stripe, "t=1,v1=", None);
        check(&stripe, "", None);
        check(&stripe, &format!("t=1{}", ",v1=aa".repeat(17)), None);
        let standard = format(&[("v1,", Signature)], Some(b' '), true);
        check(&standard, "v1,aa v1a,zz v1,bb", Some((&["aa", "bb"], None)));
        check(&standard, "v1a,zz", None);
        let github = format(&[("sha256=", Signature)], None, false);
        check(&github, "sha256=aa", Some((&["aa"], None)));
        check(&github, "sha1=aa", None);
        check(&github, "aa", None);
    }

    #[test]
    fn signatures_are_whole_and_written_one_way() {
        let check = |encoding, text: &str, expected: Option<&[u8]>| {
            let decoded = decode(encoding, text.as_bytes(), 4).map(|bytes| bytes[..4].to_vec());
            assert_eq!(decoded.as_deref(), expected, "{encoding:?} {text}");
        };
        check(Encoding::Hex, "0102feff", Some(&[1, 2, 254, 255]));
        check(Encoding::Hex, "0102FEFF", Some(&[1, 2, 254, 255]));
        check(Encoding::Base64, "AQL+/w==", Some(&[1, 2, 254, 255]));
        check(Encoding::Base64Url, "AQL-_w", Some(&[1, 2, 254, 255]));
        check(Encoding::Base64Url, "AQL-_w==", Some(&[1, 2, 254, 255]));
        for (encoding, bad) in [
            (Encoding::Hex, "0102fe"),
            (Encoding::Hex, "0102feff00"),
            (Encoding::Hex, "0102fef"),
            (Encoding::Hex, "0102fefg"),
            (Encoding::Hex, ""),
            (Encoding::Base64, "AQL+/w"),
            (Encoding::Base64, "AQL+/x=="),
            (Encoding::Base64, "AQL+/w==\n"),
            (Encoding::Base64, "AQL-_w=="),
            (Encoding::Base64, "AQ==Av7/"),
            (Encoding::Base64, "AQI=/v8="),
            (Encoding::Base64Url, "AQI=_v8="),
            (Encoding::Base64Url, "AQL+/w"),
            (Encoding::Base64Url, "AQL-_w="),
        ] {
            check(encoding, bad, None);
        }
        let long = "a".repeat(4000);
        check(Encoding::Hex, &long, None);
    }

    #[test]
    fn times() {
        let check = |unit, text: &str, expected: Option<u64>| {
            assert_eq!(time(unit, text.as_bytes()).map(|time| time.as_secs()), expected, "{unit:?} {text}");
        };
        check(TimeUnit::Seconds, "1700000000", Some(1_700_000_000));
        check(TimeUnit::Seconds, "18446744073709551615", Some(u64::MAX));
        check(TimeUnit::Milliseconds, "1700000000123", Some(1_700_000_000));
        check(TimeUnit::Rfc3339, "2023-11-14T22:13:20Z", Some(1_700_000_000));
        check(TimeUnit::Rfc3339, "2023-11-14T23:13:20.5+01:00", Some(1_700_000_000));
        for bad in ["", "+5", "-1", "1.5", " 1", "1 ", "0x1", "1e9", "18446744073709551616", "٣"] {
            check(TimeUnit::Seconds, bad, None);
        }
        for bad in ["2023-11-14", "1969-12-31T23:59:59Z", "x", "2023-11-14T22:13:20"] {
            check(TimeUnit::Rfc3339, bad, None);
        }
    }
}
