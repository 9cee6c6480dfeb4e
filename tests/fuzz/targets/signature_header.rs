//! Signature headers by the grammar of every provider of the catalogue: whole, bounded, and written in one way only.
#![no_main]

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use hookwarden::auth::extract::{Format, ItemValue, MAX_CANDIDATES, Presented, decode, presented, time};
use hookwarden::auth::mac::MAX_TAG;
use hookwarden::auth::scheme::{Encoding, TimeUnit, Timestamp, TimestampFrom};
use hookwarden::providers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (provider, len, value) = input;
    let all = providers::all();
    let signature = &all[usize::from(provider) % all.len()].scheme.signature;
    if let Some(presented) = presented(&signature.format, value) {
        check(&signature.format, value, &presented);
        for candidate in presented.candidates() {
            check_decoded(signature.encoding, candidate, usize::from(len) % (MAX_TAG + 1));
        }
    }
    for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url, Encoding::Base64Hex] {
        check_decoded(encoding, value, usize::from(len) % (MAX_TAG + 1));
    }
    check_times(value);
});

fn check(format: &Format, value: &[u8], presented: &Presented<'_>) {
    let candidates = presented.candidates();
    assert!((1..=MAX_CANDIDATES).contains(&candidates.len()));
    let may_repeat = format.many || format.group.is_some() || format.items.iter().any(|item| item.optional);
    assert!(may_repeat || candidates.len() == 1);
    for part in candidates.iter().chain(&presented.timestamp) {
        assert!(!part.is_empty() && is_within(part, value));
    }
    let wants_time = format.has(ItemValue::Timestamp);
    assert_eq!(wants_time, presented.timestamp.is_some());
    // Said twice, a time or a lone signature is no longer said at all.
    if let Some(separator) = format.separator {
        let twice = [value, &[separator], value].concat();
        let again = presented_again(format, &twice);
        assert!(again.is_none() || (may_repeat && !wants_time) || format.positional);
    }
}

fn presented_again(format: &Format, value: &[u8]) -> Option<usize> {
    presented(format, value).map(|presented| presented.candidates().len())
}

/// Two texts of one signature would be two messages to whoever compares texts: only hex's case may differ.
fn check_decoded(encoding: Encoding, text: &[u8], len: usize) {
    let Some(decoded) = decode(encoding, text, len) else { return };
    let (tag, rest) = decoded.split_at(len);
    assert!(rest.iter().all(|byte| *byte == 0));
    let written = match encoding {
        Encoding::Hex | Encoding::HexUpper => HEXLOWER.encode(tag),
        Encoding::Base64Hex => BASE64.encode(HEXLOWER.encode(tag).as_bytes()),
        Encoding::Base64 => BASE64.encode(tag),
        Encoding::Base64Url => BASE64URL_NOPAD.encode(tag),
    };
    let bare = match encoding {
        Encoding::Hex | Encoding::HexUpper => text.to_ascii_lowercase(),
        Encoding::Base64 | Encoding::Base64Hex => text.to_vec(),
        Encoding::Base64Url => text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text).to_vec(),
    };
    assert_eq!(bare, written.as_bytes());
}

fn check_times(text: &[u8]) {
    let significant = || str::from_utf8(text).unwrap_or_default().trim_start_matches('0');
    let plain = |number: u128| if number == 0 { String::new() } else { number.to_string() };
    let time = |unit, text: &[u8]| time(&Timestamp { from: TimestampFrom::Signature, unit, offset: 0 }, text);
    for unit in [TimeUnit::Microseconds, TimeUnit::HttpDate, TimeUnit::DateTime] {
        let _ = time(unit, text);
    }
    if let Some(seconds) = time(TimeUnit::Seconds, text) {
        assert_eq!(plain(seconds.as_secs().into()), significant());
        assert_eq!(seconds, Duration::from_secs(seconds.as_secs()));
    }
    if let Some(millis) = time(TimeUnit::Milliseconds, text) {
        assert_eq!(plain(millis.as_millis()), significant());
    }
    if let Some(since) = time(TimeUnit::Rfc3339, text) {
        let stamp = jiff::Timestamp::UNIX_EPOCH.checked_add(since).expect("a time that a calendar has");
        assert_eq!(time(TimeUnit::Rfc3339, stamp.to_string().as_bytes()), Some(since));
    }
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}
