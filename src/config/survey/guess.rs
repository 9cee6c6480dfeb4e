//! How hard a secret is to guess, estimated from itself alone. Pure; what comes out says nothing of what went in but its
//! length and how varied it is.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

/// An estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guess {
    /// The bytes that it is worth: what hexadecimal or base64 decodes to, else its characters.
    pub bytes: usize,
    /// The bits of entropy that it has at most.
    pub bits: usize,
    /// Whether it is a word that stands in documentation, or made of such.
    pub placeholder: bool,
    /// Whether it is a PEM block: a key or certificate, whose strength its own kind has.
    pub pem: bool,
}

/// What examples are written with, in lower case. What is left of a secret without them must be long enough by itself.
const WORDS: [&str; 34] = [
    "supersecret",
    "topsecret",
    "mysecret",
    "my-secret",
    "my_secret",
    "secret",
    "password",
    "passw0rd",
    "changeme",
    "change-me",
    "change_me",
    "changeit",
    "letmein",
    "hunter2",
    "qwerty",
    "welcome",
    "default",
    "example",
    "sample",
    "placeholder",
    "replace",
    "your",
    "here",
    "dummy",
    "foobar",
    "admin",
    "token",
    "webhook",
    "signing",
    "shared",
    "test",
    "demo",
    "todo",
    "key",
];

/// How many characters must be left without the words: fewer are the decoration of an example.
const LEFT: usize = 10;

/// The longest secret that is looked at, in bytes; what follows does not make it weaker.
const LOOKED_AT: usize = 4096;

impl Guess {
    /// Of a secret as it is written.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        if text.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Self { bytes: text.len(), bits: 8 * text.len().min(32), placeholder: false, pem: true };
        }
        let text = &text[..text.len().min(LOOKED_AT)];
        let bare = without_prefix(text);
        let (bytes, most) = room(bare);
        Self { bytes, bits: entropy(unit(bare)).min(most), placeholder: is_placeholder(text), pem: false }
    }
}

/// Without what marks its kind, such as `whsec_` or `sk_live_`.
fn without_prefix(text: &[u8]) -> &[u8] {
    let head = &text[..text.len().min(12)];
    let is_mark = |mark: &[u8]| mark.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
    match head.iter().rposition(|byte| *byte == b'_') {
        Some(at) if is_mark(&head[..at]) && text.len() > at + 1 => &text[at + 1..],
        _ => text,
    }
}

/// How many bytes it stands for, and the most bits that many can hold.
fn room(text: &[u8]) -> (usize, usize) {
    let decoded = |bytes: Result<Vec<u8>, _>| bytes.ok().map(|bytes| bytes.len());
    // Short words are valid base64 by accident.
    let encoded = text.len() >= 24;
    let hex = if encoded { decoded(HEXLOWER_PERMISSIVE.decode(text)) } else { None };
    let base64 =
        || [&BASE64, &BASE64_NOPAD, &BASE64URL_NOPAD].iter().find_map(|encoding| decoded(encoding.decode(text)));
    let bytes = hex.or_else(|| if encoded { base64() } else { None }).unwrap_or(text.len());
    (bytes, 8 * bytes)
}

/// The shortest text that it is a repetition of, or itself.
fn unit(text: &[u8]) -> &[u8] {
    let repeats = |period: &usize| text.iter().zip(&text[*period..]).all(|(one, other)| one == other);
    let period = (1..=text.len() / 2).find(repeats).unwrap_or(text.len());
    &text[..period]
}

/// Shannon's entropy of the characters, over the characters that do not merely go on in a row (`abcd`, `4321`).
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate of at most some thousand bits"
)]
fn entropy(text: &[u8]) -> usize {
    let step = |pair: &[u8]| i16::from(pair[1]) - i16::from(pair[0]);
    let in_row = text.windows(3).filter(|three| step(&three[..2]) == step(&three[1..]) && step(&three[..2]).abs() <= 1);
    let free = text.len().saturating_sub(in_row.count());
    let mut counts = [0_usize; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let total = text.len() as f64;
    let share = |count: &usize| *count as f64 / total;
    let each: f64 = counts.iter().filter(|count| **count > 0).map(|count| -share(count) * log2(share(count))).sum();
    (each * free as f64) as usize
}

/// The binary logarithm of a normal number above zero, digit by digit. `f64::log2` is the C library's: for this estimate
/// alone every sidecar would load libm, and keep half a megabyte of it.
fn log2(of: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = of.to_bits();
    let exponent = i16::try_from(bits >> 52).unwrap_or_default() - 1023;
    let mut rest = f64::from_bits((bits & FRACTION) | (1023 << 52));
    let (mut digit, mut sum) = (0.5, f64::from(exponent));
    for _ in 0..52 {
        rest *= rest;
        if rest >= 2.0 {
            rest /= 2.0;
            sum += digit;
        }
        digit /= 2.0;
    }
    sum
}

fn is_placeholder(text: &[u8]) -> bool {
    let mut left = String::from_utf8_lossy(text).to_lowercase();
    let length = left.len();
    for word in WORDS {
        left = left.replace(word, " ");
    }
    let rest = left.chars().filter(|char| char.is_alphanumeric()).count();
    left.len() < length && rest < LEFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_c_library() {
        for length in 1_u16..=300 {
            for count in 1..=length {
                let share = f64::from(count) / f64::from(length);
                assert!((log2(share) - share.log2()).abs() < 1e-12, "{count}/{length}");
            }
        }
        assert_eq!([0.125, 0.5, 1.0].map(|exact| log2(exact).to_bits()), [-3.0, -1.0, 0.0].map(f64::to_bits));
    }

    #[test]
    fn what_is_strong_and_what_is_not() {
        let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let base64 = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (text, bytes, least, most) in [
            (hex, 32, 200, 256),
            (base64, 24, 110, 192),
            ("hunter2", 7, 10, 30),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 16, 0, 0),
            ("abcdefghijklmnopqrstuvwxyz", 26, 0, 20),
            ("01010101010101010101010101010101", 16, 0, 8),
            ("correct horse battery staple", 28, 80, 110),
            ("", 0, 0, 0),
        ] {
            let guess = Guess::of(text.as_bytes());
            assert_eq!(guess.bytes, bytes, "{text}");
            assert!((least..=most).contains(&guess.bits), "{text}: {}", guess.bits);
        }
    }

    #[test]
    fn what_examples_are_written_with() {
        for (text, expected) in [
            ("changeme", true),
            ("hunter2", true),
            ("my_webhook_secret", true),
            ("YOUR-SECRET-HERE", true),
            ("test1234", true),
            ("It's a Secret to Everybody", false),
            ("9f86d081884c7d659a2feaa0c55ad015", false),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
            ("sk_test_9f86d081884c7d659a2feaa0", false),
        ] {
            assert_eq!(Guess::of(text.as_bytes()).placeholder, expected, "{text}");
        }
    }
}
