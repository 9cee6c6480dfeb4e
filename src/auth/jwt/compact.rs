//! The compact serialisation (RFC 7515 section 7.1): three parts of base64url with a dot between each two, in one
//! spelling alone.
//!
//! What decoders let pass and two readers could take for different tokens is refused: padding, blanks, bits that say
//! nothing at the end of a part, a fourth part. Deliberately absent: the JSON serialisation and encryption (five parts).

use data_encoding::BASE64URL_NOPAD;

/// The longest token in a request's head, in bytes. Identity providers stay below 8 KiB; a chain of certificates in the
/// header takes 5.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The longest protected header, in bytes as it is written: that of the longest token, wherever the token stands.
pub const MAX_PROTECTED: usize = MAX_TOKEN;

/// The longest signature, in bytes: that of an RSA key of 8192 bits.
pub const MAX_SIGNATURE: usize = 1024;

/// A token, cut at its dots. Nothing of it has been decoded or believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compact<'t> {
    token: &'t [u8],
    /// The protected header.
    pub protected: &'t [u8],
    /// The payload; empty where it is detached (RFC 7515 appendix F).
    pub payload: &'t [u8],
    /// The signature; never empty.
    pub signature: &'t [u8],
}

impl<'t> Compact<'t> {
    /// Cuts a token. `None`: it has not exactly three parts, no header, or no signature.
    #[must_use]
    pub fn parse(token: &'t [u8]) -> Option<Self> {
        let mut dots = memchr::memchr_iter(b'.', token);
        let (first, second) = (dots.next()?, dots.next()?);
        if dots.next().is_some() {
            return None;
        }
        let (protected, payload, signature) =
            (token.get(..first)?, token.get(first + 1..second)?, token.get(second + 1..)?);
        let good = (1..=MAX_PROTECTED).contains(&protected.len()) && !signature.is_empty();
        good.then_some(Self { token, protected, payload, signature })
    }

    /// What is signed where the payload is attached: everything before the second dot.
    #[must_use]
    pub fn signing_input(&self) -> &'t [u8] {
        self.token.get(..self.protected.len() + 1 + self.payload.len()).unwrap_or_default()
    }
}

/// Decodes a part into `room`, whose room it uses again. False: it is not base64url in its one spelling.
pub fn decode(part: &[u8], room: &mut Vec<u8>) -> bool {
    room.clear();
    let Ok(len) = BASE64URL_NOPAD.decode_len(part.len()) else { return false };
    room.resize(len, 0);
    let good = BASE64URL_NOPAD.decode_mut(part, room).is_ok();
    if !good {
        room.clear();
    }
    good
}

/// Decodes a signature. `None`: it is too long, or not base64url in its one spelling.
#[must_use]
pub fn decode_signature<'r>(part: &[u8], room: &'r mut [u8; MAX_SIGNATURE]) -> Option<&'r [u8]> {
    let len = BASE64URL_NOPAD.decode_len(part.len()).ok()?;
    let room = room.get_mut(..len)?;
    BASE64URL_NOPAD.decode_mut(part, room).ok()?;
    Some(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts() {
        let token = Compact::parse(b"aa.bb.cc").expect("three parts");
        assert_eq!((token.protected, token.payload, token.signature), (&b"aa"[..], &b"bb"[..], &b"cc"[..]));
        assert_eq!(token.signing_input(), b"aa.bb");
        assert_eq!(Compact::parse(b"aa..cc").map(|token| token.signing_input()), Some(&b"aa."[..]));
        for bad in ["", ".", "..", "aa", "aa.bb", "aa.bb.", ".bb.cc", "aa..", "aa.bb.cc.", "aa.bb.cc.dd", "a.b.c.d.e"] {
            assert_eq!(Compact::parse(bad.as_bytes()), None, "{bad}");
        }
        let long = [&vec![b'a'; MAX_PROTECTED + 1][..], b".b.c"].concat();
        assert_eq!(Compact::parse(&long), None);
        assert!(Compact::parse(&long[1..]).is_some());
    }

    #[test]
    fn one_spelling() {
        let mut room = Vec::new();
        assert!(decode(b"AQL-_w", &mut room) && room == [1, 2, 254, 255]);
        assert!(decode(b"", &mut room) && room.is_empty());
        // The last has bits at its end that say nothing.
        for bad in ["AQL-_w==", "AQL-_w=", "AQL+/w", "AQL-_w\n", " AQL-_w", "AQL-_", "A", "AQL_-x%", "AQL-_x"] {
            assert!(!decode(bad.as_bytes(), &mut room) && room.is_empty(), "{bad}");
            assert_eq!(decode_signature(bad.as_bytes(), &mut [0; MAX_SIGNATURE]), None, "{bad}");
        }
        let longest = BASE64URL_NOPAD.encode(&[7; MAX_SIGNATURE]);
        assert!(decode_signature(longest.as_bytes(), &mut [0; MAX_SIGNATURE]).is_some());
        let longer = BASE64URL_NOPAD.encode(&[7; MAX_SIGNATURE + 1]);
        assert_eq!(decode_signature(longer.as_bytes(), &mut [0; MAX_SIGNATURE]), None);
    }
}
