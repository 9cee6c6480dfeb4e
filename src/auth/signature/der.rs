//! The little of DER (X.690) that keys and signatures need: definite lengths in their one spelling, nothing after the
//! end. Whatever else is there is none.

/// A sequence.
pub(super) const SEQUENCE: u8 = 0x30;
/// A whole number.
pub(super) const INTEGER: u8 = 0x02;
/// A string of bits; in keys always of whole bytes.
pub(super) const BIT_STRING: u8 = 0x03;
/// A string of bytes.
pub(super) const OCTET_STRING: u8 = 0x04;
/// Nothing.
pub(super) const NULL: u8 = 0x05;
/// An object's identifier.
pub(super) const OID: u8 = 0x06;

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next value, which has that tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (len, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(len)?;
        if *found != tag {
            return None;
        }
        self.0 = rest;
        Some(content)
    }

    /// The content of the next value if it has that tag.
    pub(super) fn take_if(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.take(tag) } else { None }
    }

    /// What is inside the next value, a sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// The bytes of the next value, a string of whole bytes in bits.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.strip_prefix(&[0])
    }

    /// The bytes of the next value, a number that is not negative, without leading zeros; zero has none.
    pub(super) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.take(INTEGER)? {
            [0] => Some(&[]),
            // A zero stands first only where the number would be a negative one without it.
            [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Some(rest),
            number @ [1..=0x7f, ..] => Some(number),
            _ => None,
        }
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A length, and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match *first {
        short @ ..=0x7f => Some((usize::from(short), rest)),
        // The long form is for what the short one cannot say, with as few bytes as will do.
        0x81 => rest.split_first().filter(|(len, _)| **len >= 0x80).map(|(len, rest)| (usize::from(*len), rest)),
        0x82 => {
            let (len, rest) = rest.split_first_chunk()?;
            let len = u16::from_be_bytes(*len);
            (len >= 0x100).then_some((usize::from(len), rest))
        }
        _ => None,
    }
}

/// One value.
pub(super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let len = u16::try_from(content.len()).unwrap_or(u16::MAX);
    match len {
        0..=0x7f => bytes.push(len.to_be_bytes()[1]),
        0x80..=0xff => bytes.extend([0x81, len.to_be_bytes()[1]]),
        _ => bytes.extend([&[0x82][..], &len.to_be_bytes()].concat()),
    }
    bytes.extend(content);
    bytes
}

/// A sequence of values.
pub(super) fn sequence(values: &[Vec<u8>]) -> Vec<u8> {
    value(SEQUENCE, &values.concat())
}

/// A number that is not negative.
pub(super) fn unsigned(number: &[u8]) -> Vec<u8> {
    let number = without_zeros(number);
    let zero: &[u8] = if number.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    value(INTEGER, &[zero, number].concat())
}

/// A string of whole bytes in bits.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    value(BIT_STRING, &[&[0], bytes].concat())
}

/// A number's bytes without leading zeros.
pub(super) fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The two numbers of an ECDSA signature side by side, each of `len` bytes.
pub(super) fn signature_to_raw(signature: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut whole = Reader(signature);
    let mut numbers = whole.sequence()?;
    whole.end()?;
    let (r, s) = (numbers.unsigned()?, numbers.unsigned()?);
    numbers.end()?;
    let mut raw = Vec::new();
    for number in [r, s] {
        raw.resize(raw.len() + len.checked_sub(number.len())?, 0);
        raw.extend(number);
    }
    Some(raw)
}

/// The same the other way round.
pub(super) fn signature_from_raw(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    sequence(&[unsigned(r), unsigned(s)])
}
