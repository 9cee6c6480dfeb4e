//! Where a message ends: RFC 9112 section 6, without its leniencies.
//!
//! Once a [`Framing`] exists, nobody looks at Content-Length or Transfer-Encoding again.

use crate::deny::Reason;

/// How the end of a request's body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Neither field was there: no body.
    None,
    /// Content-Length: this many bytes.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// What the head's fields said of its length, gathered field by field.
#[derive(Debug, Default)]
pub struct Gathered {
    length: Option<u64>,
    chunked: bool,
}

impl Gathered {
    /// Takes one Content-Length value.
    ///
    /// # Errors
    /// A second one, even of the same value, or anything but digits.
    pub fn content_length(&mut self, value: &[u8]) -> Result<(), Reason> {
        let length = digits(value).ok_or(Reason::MalformedRequest)?;
        self.length.replace(length).map_or(Ok(()), |_| Err(Reason::MalformedRequest))
    }

    /// Takes one Transfer-Encoding value.
    ///
    /// # Errors
    /// Any coding but `chunked`, and `chunked` twice.
    pub fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Reason::UnsupportedTransferCoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// The verdict.
    ///
    /// # Errors
    /// Both fields at once.
    pub fn finish(&self) -> Result<Framing, Reason> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Reason::MalformedRequest),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, true) => Ok(Framing::Chunked),
            (None, false) => Ok(Framing::None),
        }
    }
}

/// Digits alone: the standard parser would take a leading `+`.
#[must_use]
pub fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_a_length() {
        assert_eq!(digits(b"0"), Some(0));
        assert_eq!(digits(b"0042"), Some(42));
        assert_eq!(digits(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "+5", "-1", " 5", "5 ", "5,5", "0x5", "18446744073709551616", "5\t"] {
            assert_eq!(digits(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
