//! The chunked transfer coding (RFC 9112 section 7.1), decoded in place.
//!
//! The decoder is our own because a lenient one is a smuggling tool: a chunk-size line begins with a hex digit, has at
//! most 16 of them, no sign, blank or `0x`; every line ends in CRLF; extensions and trailers are bounded, checked for
//! stray controls, and dropped.

use super::fields::is_token_byte;

/// The most bytes of one chunk extension. No webhook sender makes any; proxies that add some stay far below.
const MAX_EXTENSION: u16 = 256;

/// The most bytes of all trailer lines together.
const MAX_TRAILERS: u16 = 4096;

/// The most digits of a chunk size: 16 fill 64 bits.
const MAX_DIGITS: u8 = 16;

/// The framing was broken: the rest of the stream has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// What one call did to its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// How many bytes of the input were used up.
    pub read: usize,
    /// How many bytes of data now stand at the front of the input.
    pub written: usize,
    /// Whether the final chunk and its trailers have been seen.
    pub done: bool,
}

/// A decoder between two calls.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { size: u64, digits: u8 },
    Extension { size: u64, len: u16 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart { total: u16 },
    TrailerName { total: u16 },
    Trailer { total: u16 },
    TrailerLf { total: u16 },
    EndLf,
    Done,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Size { size: 0, digits: 0 } }
    }
}

impl Decoder {
    /// Decodes `input`, the next raw bytes; their data moves to the front of the same slice. Unless the message is
    /// done, all of the input is used up.
    ///
    /// # Errors
    /// [`Broken`] at the first byte that does not belong there.
    pub fn decode(&mut self, input: &mut [u8]) -> Result<Decoded, Broken> {
        let (mut read, mut written) = (0, 0);
        while self.state != State::Done {
            let Some(&byte) = input.get(read) else { break };
            if let State::Data { left } = self.state {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - read);
                input.copy_within(read..read + here, written);
                (read, written) = (read + here, written + here);
                let left = left - here as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
            } else {
                self.state = step(self.state, byte)?;
                read += 1;
            }
        }
        Ok(Decoded { read, written, done: self.state == State::Done })
    }

    /// How many bytes of the chunk that has begun are still to come.
    #[must_use]
    pub fn missing(&self) -> u64 {
        if let State::Data { left } = self.state { left } else { 0 }
    }
}

/// The machine: the state after one byte of framing.
fn step(state: State, byte: u8) -> Result<State, Broken> {
    match (state, byte) {
        (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => more_digits(size, digits, byte),
        (State::Size { digits: 0, .. }, _) => Err(Broken),
        (State::Size { size, .. }, b';') => Ok(State::Extension { size, len: 0 }),
        (State::Size { size, .. } | State::Extension { size, .. }, b'\r') => Ok(State::SizeLf { size }),
        (State::Extension { size, len }, _) if is_text(byte) && len < MAX_EXTENSION => {
            Ok(State::Extension { size, len: len + 1 })
        }
        (State::SizeLf { size: 0 }, b'\n') => Ok(State::TrailerStart { total: 0 }),
        (State::SizeLf { size }, b'\n') => Ok(State::Data { left: size }),
        (State::DataCr, b'\r') => Ok(State::DataLf),
        (State::DataLf, b'\n') => Ok(State::Size { size: 0, digits: 0 }),
        (State::TrailerStart { .. }, b'\r') => Ok(State::EndLf),
        // A trailer is a field: what has no name and colon is something else that a lenient reader swallows here.
        (State::TrailerStart { total } | State::TrailerName { total }, _) if is_token_byte(byte) => {
            more_trailer(total, |total| State::TrailerName { total })
        }
        (State::TrailerName { total }, b':') => more_trailer(total, |total| State::Trailer { total }),
        (State::Trailer { total }, b'\r') => Ok(State::TrailerLf { total }),
        (State::Trailer { total }, _) if is_text(byte) => more_trailer(total, |total| State::Trailer { total }),
        (State::TrailerLf { total }, b'\n') => Ok(State::TrailerStart { total }),
        (State::EndLf, b'\n') => Ok(State::Done),
        _ => Err(Broken),
    }
}

fn more_digits(size: u64, digits: u8, byte: u8) -> Result<State, Broken> {
    let digit = (byte as char).to_digit(16).ok_or(Broken)?;
    if digits >= MAX_DIGITS {
        return Err(Broken);
    }
    Ok(State::Size { size: (size << 4) | u64::from(digit), digits: digits + 1 })
}

fn more_trailer(total: u16, state: fn(u16) -> State) -> Result<State, Broken> {
    if total < MAX_TRAILERS { Ok(state(total + 1)) } else { Err(Broken) }
}

/// What may stand inside a line: visible bytes, blanks, and bytes beyond ASCII.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes in two parts, split at each place; the outcome is the same for all.
    fn check(input: &[u8], expected: Result<(&[u8], &[u8]), Broken>) {
        for split in 0..=input.len() {
            assert_eq!(decode_split(input, split), expected.map(|(a, b)| (a.to_vec(), b.to_vec())), "split {split}");
        }
    }

    fn decode_split(input: &[u8], split: usize) -> Result<(Vec<u8>, Vec<u8>), Broken> {
        let (mut decoder, mut data, mut rest) = (Decoder::default(), Vec::new(), Vec::new());
        let mut done = false;
        for part in [&input[..split], &input[split..]] {
            let mut part = part.to_vec();
            if done {
                rest.extend_from_slice(&part);
                continue;
            }
            let decoded = decoder.decode(&mut part)?;
            done = decoded.done;
            data.extend_from_slice(&part[..decoded.written]);
            rest.extend_from_slice(&part[decoded.read..]);
        }
        if done { Ok((data, rest)) } else { Err(Broken) }
    }

    #[test]
    fn chunked_bodies() {
        check(b"0\r\n\r\n", Ok((b"", b"")));
        check(b"5\r\nhello\r\n0\r\n\r\nPOST", Ok((b"hello", b"POST")));
        check(b"5;a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n000\r\nX: 1\r\nY: 2\r\n\r\n", Ok((b"hello0123456789", b"")));
        for broken in [
            "\r\n\r\n",
            ";\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\n",
            "5\r\nhello\r\n0\r\n X: 1\r\n\r\n",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
            "11111111111111111\r\n",
            "5\r\nhello\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\nX : x\r\n\r\n",
            "0\r\nGET / HTTP/1.1\r\n\r\n",
            "0\r\nX\r\n\r\n",
            "5\r\rhello\r\n0\r\n\r\n",
            "0\r\nX: 1\n\r\n",
        ] {
            check(broken.as_bytes(), Err(Broken));
        }
        let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(300));
        check(long.as_bytes(), Err(Broken));
    }
}
