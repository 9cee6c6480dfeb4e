//! Signatures, times and captures taken out of a value, by grammar: strict, bounded, without an allocation.

use std::borrow::Cow;
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::http1::framing::digits;
use crate::json;

use super::mac::MAX_TAG;
use super::scheme::{Encoding, Signature, TimeUnit, Timestamp};

/// The most signatures in one message. A rotation needs two; senders with a key for each region stay under ten.
pub const MAX_CANDIDATES: usize = 16;

/// The most captures that templates read.
pub const MAX_CAPTURES: usize = 4;

/// The grammar of a signature's value: items set apart by a separator, as in `t={timestamp},v1={signature}`.
#[derive(Debug, Clone, Default)]
pub struct Format {
    /// What stands between items; `None` where the whole value is one item.
    pub separator: Option<u8>,
    /// What stands between groups of items, each in the whole grammar.
    pub group: Option<u8>,
    /// The known items. Others (another version's signature, say) are passed over, so they can never be downgraded to.
    pub items: Box<[Item]>,
    /// Whether several signature items may stand there, as in a key rotation.
    pub many: bool,
    /// Whether items are known by their position, not by their text.
    pub positional: bool,
}

/// One item of a signature's value: text and values in turn.
#[derive(Debug, Clone)]
pub struct Item {
    /// Text before the first value.
    pub prefix: Box<str>,
    /// What the first value is.
    pub value: ItemValue,
    /// Further values, each with the text before it.
    pub more: Box<[(Box<str>, ItemValue)]>,
    /// Text after the last value.
    pub suffix: Box<str>,
    /// Whether it may be empty or missing.
    pub optional: bool,
}

/// What the value of an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemValue {
    /// The encoded signature, or the token.
    Signature,
    /// The signed time.
    Timestamp,
    /// A capture that templates read, by its index.
    Capture(usize),
    /// Something that nobody reads.
    Ignored,
    /// A part of the secret that the sender names, which nobody reads: every key is tried.
    Part(usize),
    /// No value: the item's text alone, which must stand there.
    Text,
}

/// What a signature's value says.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'b> {
    candidates: [&'b [u8]; MAX_CANDIDATES],
    count: usize,
    /// The time's text, where the value carries it.
    pub timestamp: Option<&'b [u8]>,
    /// The captures; empty where there was none.
    pub captures: [&'b [u8]; MAX_CAPTURES],
    texts: usize,
}

impl<'b> Presented<'b> {
    pub(super) const NOTHING: Self =
        Self { candidates: [b""; MAX_CANDIDATES], count: 0, timestamp: None, captures: [b""; MAX_CAPTURES], texts: 0 };

    /// The encoded signatures.
    #[must_use]
    pub fn candidates(&self) -> &[&'b [u8]] {
        &self.candidates[..self.count]
    }

    /// Forgets what was read; candidates that do not count stay where they are.
    fn clear(&mut self) {
        (self.count, self.texts, self.timestamp, self.captures) = (0, 0, None, [&b""[..]; MAX_CAPTURES]);
    }

    fn keep(&mut self, format: &Format, value: ItemValue, text: &'b [u8]) -> Option<()> {
        match value {
            ItemValue::Text => self.texts += 1,
            ItemValue::Ignored | ItemValue::Part(_) => {}
            ItemValue::Timestamp => match self.timestamp.replace(text) {
                Some(other) if format.group.is_none() || other != text => return None,
                _ => {}
            },
            ItemValue::Capture(index) => {
                let slot = self.captures.get_mut(index)?;
                if !slot.is_empty() && *slot != text {
                    return None;
                }
                *slot = text;
            }
            ItemValue::Signature if self.count > 0 && !format.may_repeat() => return None,
            ItemValue::Signature => {
                *self.candidates.get_mut(self.count)? = text;
                self.count += 1;
            }
        }
        Some(())
    }
}

impl Format {
    /// The whole value is the signature.
    #[must_use]
    pub fn whole() -> Self {
        let item = Item {
            prefix: "".into(),
            value: ItemValue::Signature,
            more: Box::new([]),
            suffix: "".into(),
            optional: false,
        };
        Self { items: Box::new([item]), ..Self::default() }
    }

    /// Whether a value of that kind stands in it.
    #[must_use]
    pub fn has(&self, value: ItemValue) -> bool {
        self.values().any(|other| other == value)
    }

    /// All its values.
    pub fn values(&self) -> impl Iterator<Item = ItemValue> {
        self.items.iter().flat_map(|item| std::iter::once(item.value).chain(item.more.iter().map(|(_, value)| *value)))
    }

    /// Several signature items: of one kind repeated, of groups, or of different kinds that may be empty.
    fn may_repeat(&self) -> bool {
        self.many || self.group.is_some() || self.items.iter().any(|item| item.optional)
    }
}

/// Reads a signature's value by its grammar. `None`: it does not follow it, or says something twice that may stand once.
#[must_use]
pub fn presented<'b>(format: &Format, value: &'b [u8]) -> Option<Presented<'b>> {
    let mut presented = Presented::NOTHING;
    present(format, value, &mut presented).then_some(presented)
}

/// Does the same in place of what was read before: some 400 bytes that need not be moved.
pub(super) fn present<'b>(format: &Format, value: &'b [u8], presented: &mut Presented<'b>) -> bool {
    presented.clear();
    let taken = match format.group {
        None => take_group(format, value, presented),
        Some(separator) => value
            .split(|&byte| byte == separator)
            .filter(|group| !group.is_empty())
            .try_for_each(|group| take_group(format, group, presented)),
    };
    let wants_time = format.has(ItemValue::Timestamp);
    let texts = format.values().filter(|value| *value == ItemValue::Text).count();
    let is_whole = presented.count > 0 && wants_time == presented.timestamp.is_some() && presented.texts >= texts;
    taken.is_some() && is_whole
}

fn take_group<'b>(format: &Format, value: &'b [u8], presented: &mut Presented<'b>) -> Option<()> {
    let Some(separator) = format.separator else { return take(format, &format.items, value, presented) };
    for (index, text) in value.split(|&byte| byte == separator).enumerate() {
        let items = match format.positional {
            false => &*format.items,
            true if index < format.items.len() => format.items.get(index..=index)?,
            true if format.many => format.items.get(format.items.len() - 1..)?,
            true => return None,
        };
        take(format, items, text.trim_ascii(), presented)?;
    }
    Some(())
}

/// Takes one item. Items that the grammar does not know are passed over in a list, and refused where there is none.
fn take<'b>(format: &Format, items: &[Item], text: &'b [u8], presented: &mut Presented<'b>) -> Option<()> {
    let known = items.iter().find_map(|item| match read(item, text) {
        Read::Other => None,
        read @ (Read::Empty | Read::Values(_)) => Some((item, read)),
    });
    match known {
        None => format.separator.filter(|_| !format.positional).map(|_| ()),
        Some((item, Read::Empty)) => item.optional.then_some(()),
        Some((item, Read::Values(values))) => {
            let kinds = std::iter::once(item.value).chain(item.more.iter().map(|(_, value)| *value));
            kinds.zip(values).try_for_each(|(kind, value)| presented.keep(format, kind, value))
        }
        Some((_, Read::Other)) => None,
    }
}

/// The most values of one item.
const MAX_VALUES: usize = 4;

enum Read<'b> {
    /// Another item.
    Other,
    /// This item, with an empty value.
    Empty,
    /// This item.
    Values([&'b [u8]; MAX_VALUES]),
}

fn read<'b>(item: &Item, text: &'b [u8]) -> Read<'b> {
    let Some(mut rest) = text.strip_prefix(item.prefix.as_bytes()) else { return Read::Other };
    if item.value == ItemValue::Text {
        return if rest.is_empty() { Read::Values([b""; MAX_VALUES]) } else { Read::Other };
    }
    let mut values = [&b""[..]; MAX_VALUES];
    let mut slots = values.iter_mut();
    for (literal, _) in &item.more {
        let (Some(at), Some(slot)) = (memchr::memmem::find(rest, literal.as_bytes()), slots.next()) else {
            return Read::Other;
        };
        *slot = rest.get(..at).unwrap_or_default();
        rest = rest.get(at + literal.len()..).unwrap_or_default();
    }
    let (Some(last), Some(slot)) = (rest.strip_suffix(item.suffix.as_bytes()), slots.next()) else {
        return Read::Other;
    };
    *slot = last;
    let count = item.more.len() + 1;
    if values.iter().take(count).any(|value| value.is_empty()) { Read::Empty } else { Read::Values(values) }
}

/// What the grammar reads: the value itself, or the members of the envelope that it is. `None`: it is no envelope.
#[must_use]
pub fn opened<'v>(signature: &Signature, value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
    if signature.envelope.is_empty() {
        return Some(Cow::Borrowed(value));
    }
    if value.len() > MAX_ENVELOPE || has_inner_padding(value) {
        return None;
    }
    let object = BASE64.decode(value).ok()?;
    let wanted: Vec<_> = signature.envelope.iter().map(Some).collect();
    let mut found = vec![None; wanted.len()];
    json::locate(&object, &wanted, &mut found).ok()?;
    let mut text = Vec::new();
    for (index, member) in found.iter().enumerate() {
        let member = json::scalar(member.as_ref()?.get(&object))?;
        // What stands between members stands in none of them.
        if member.contains(&b';') {
            return None;
        }
        text.extend_from_slice(if index > 0 { b";" } else { b"" });
        text.extend_from_slice(&member);
    }
    Some(Cow::Owned(text))
}

/// The longest envelope, in bytes: eBay's have some three hundred.
const MAX_ENVELOPE: usize = 4096;

/// Decodes a signature of exactly `len` bytes. Anything else, and every second way to write the same bytes but hex's
/// upper case, is none.
#[must_use]
pub fn decode(encoding: Encoding, text: &[u8], len: usize) -> Option<[u8; MAX_TAG]> {
    let codec = match encoding {
        Encoding::Hex | Encoding::HexUpper => return decode_hex(text, len),
        Encoding::Base64 => &BASE64,
        Encoding::Base64Url if text.ends_with(b"=") => &BASE64URL,
        Encoding::Base64Url => &BASE64URL_NOPAD,
        Encoding::Base64Hex => return decode_base64_hex(text, len),
    };
    if has_inner_padding(text) {
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

/// Decodes a signature of any length that there is room for, in the same strict way.
pub(super) fn decode_any<'r>(encoding: Encoding, text: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
    let codec = match encoding {
        Encoding::Hex | Encoding::HexUpper => &HEXLOWER_PERMISSIVE,
        Encoding::Base64 => &BASE64,
        Encoding::Base64Url if text.ends_with(b"=") => &BASE64URL,
        Encoding::Base64Url => &BASE64URL_NOPAD,
        // No sender writes a signature so.
        Encoding::Base64Hex => return None,
    };
    if has_inner_padding(text) {
        return None;
    }
    let space = room.get_mut(..codec.decode_len(text.len()).ok()?)?;
    let written = codec.decode_mut(text, space).ok()?;
    room.get(..written)
}

/// A decoder would let padding stand between quads as well, as in texts that were put together from several.
fn has_inner_padding(text: &[u8]) -> bool {
    let mut after = text.iter().skip_while(|byte| **byte != b'=');
    after.any(|byte| *byte != b'=')
}

/// Most signatures are hex, and of a length that is known: by a table that costs half of what a general decoder does.
fn decode_hex(text: &[u8], len: usize) -> Option<[u8; MAX_TAG]> {
    let ((pairs, []), mut decoded, mut seen) = (text.as_chunks::<2>(), [0; MAX_TAG], 0) else { return None };
    if pairs.len() != len {
        return None;
    }
    for (byte, [high, low]) in decoded.get_mut(..len)?.iter_mut().zip(pairs) {
        let (high, low) = (HEX_DIGITS[usize::from(*high)], HEX_DIGITS[usize::from(*low)]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < 16).then_some(decoded)
}

/// What each byte is as a hex digit; 255 for one that is none.
const HEX_DIGITS: [u8; 256] = {
    let (mut table, mut digit) = ([u8::MAX; 256], 0);
    while digit < 16 {
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        table[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};

fn decode_base64_hex(text: &[u8], len: usize) -> Option<[u8; MAX_TAG]> {
    if has_inner_padding(text) {
        return None;
    }
    let mut room = [0; 2 * MAX_TAG + 3];
    let space = room.get_mut(..BASE64.decode_len(text.len()).ok()?)?;
    let written = BASE64.decode_mut(text, space).ok()?;
    let hex = room.get(..written).filter(|hex| hex.len() == 2 * len)?;
    let mut decoded = [0; MAX_TAG];
    HEXLOWER.decode_mut(hex, decoded.get_mut(..len)?).ok()?;
    Some(decoded)
}

/// Reads a time since the Unix epoch. No sign, no fraction of a whole unit, no time before 1970.
#[must_use]
pub fn time(timestamp: &Timestamp, text: &[u8]) -> Option<Duration> {
    match timestamp.unit {
        TimeUnit::Seconds => digits(text).map(Duration::from_secs),
        TimeUnit::Milliseconds => digits(text).map(Duration::from_millis),
        TimeUnit::Microseconds => digits(text).map(Duration::from_micros),
        TimeUnit::SecondsOrMilliseconds => digits(text).map(|count| match count {
            0..=MOST_SECONDS => Duration::from_secs(count),
            _ => Duration::from_millis(count),
        }),
        TimeUnit::Rfc3339 => {
            let time: jiff::Timestamp = str::from_utf8(text).ok()?.parse().ok()?;
            Duration::try_from(time.as_duration()).ok()
        }
        TimeUnit::HttpDate => {
            let text = str::from_utf8(text).ok()?;
            let time = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S GMT", text).ok()?.to_datetime().ok()?;
            since_epoch(time, 0)
        }
        TimeUnit::DateTime => {
            let (date, rest) = str::from_utf8(text).ok()?.split_at_checked(10)?;
            let time = rest.strip_prefix([' ', 'T', '.'])?;
            since_epoch(format!("{date}T{time}").parse().ok()?, timestamp.offset)
        }
    }
}

/// The last second of the year 4999: a larger count is one of milliseconds.
const MOST_SECONDS: u64 = 95_617_583_999;

fn since_epoch(time: jiff::civil::DateTime, offset: i32) -> Option<Duration> {
    let time = jiff::tz::Offset::from_seconds(offset).ok()?.to_timestamp(time).ok()?;
    Duration::try_from(time.as_duration()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::scheme::TimestampFrom;

    fn format(items: &[(&str, ItemValue)], separator: Option<u8>, many: bool) -> Format {
        let item = |(prefix, value): &(&str, ItemValue)| Item {
            prefix: (*prefix).into(),
            value: *value,
            more: Box::new([]),
            suffix: "".into(),
            optional: false,
        };
        Format { separator, items: items.iter().map(item).collect(), many, ..Format::default() }
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
            let timestamp = Timestamp { from: TimestampFrom::Signature, unit, offset: 7 * 3600 };
            assert_eq!(time(&timestamp, text.as_bytes()).map(|time| time.as_secs()), expected, "{unit:?} {text}");
        };
        check(TimeUnit::Seconds, "1700000000", Some(1_700_000_000));
        check(TimeUnit::Seconds, "18446744073709551615", Some(u64::MAX));
        check(TimeUnit::Milliseconds, "1700000000123", Some(1_700_000_000));
        check(TimeUnit::Rfc3339, "2023-11-14T22:13:20Z", Some(1_700_000_000));
        check(TimeUnit::Rfc3339, "2023-11-14T23:13:20.5+01:00", Some(1_700_000_000));
        check(TimeUnit::Microseconds, "1700000000123456", Some(1_700_000_000));
        check(TimeUnit::SecondsOrMilliseconds, "1700000000", Some(1_700_000_000));
        check(TimeUnit::SecondsOrMilliseconds, "1700000000123", Some(1_700_000_000));
        check(TimeUnit::HttpDate, "Tue, 14 Nov 2023 22:13:20 GMT", Some(1_700_000_000));
        check(TimeUnit::DateTime, "2023-11-15 05:13:20", Some(1_700_000_000));
        check(TimeUnit::DateTime, "2023-11-15.05:13:20", Some(1_700_000_000));
        check(TimeUnit::DateTime, "2023-11-15T05:13:20.999", Some(1_700_000_000));
        for bad in ["", "Tue, 14 Nov 2023 22:13:20", "Mon, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:20 UTC"] {
            check(TimeUnit::HttpDate, bad, None);
        }
        for bad in ["", "2023-11-15", "2023-11-15 05:13:20Z", "2023-11-15/05:13:20", "2023-13-15 05:13:20"] {
            check(TimeUnit::DateTime, bad, None);
        }
        for bad in ["", "+5", "-1", "1.5", " 1", "1 ", "0x1", "1e9", "18446744073709551616", "٣"] {
            check(TimeUnit::Seconds, bad, None);
        }
        for bad in ["2023-11-14", "1969-12-31T23:59:59Z", "x", "2023-11-14T22:13:20"] {
            check(TimeUnit::Rfc3339, bad, None);
        }
    }
}
