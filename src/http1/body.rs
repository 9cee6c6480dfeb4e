//! A request's body, gathered behind its head in the connection's buffer: contiguous, so that it is forwarded as it
//! stands, and handed out part by part as it arrives, so that it can be hashed meanwhile.

use tokio::io::AsyncRead;

use crate::deny::Reason;

use super::buffer::{Buffer, Span};
use super::chunked::Decoder;
use super::framing::Framing;

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    /// Where it begins.
    start: usize,
    /// Where the part handed out so far ends.
    end: usize,
    /// Where bytes that have not been looked at begin.
    raw: usize,
    limit: u64,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Done,
    Length(u64),
    Chunked(Decoder),
}

impl Body {
    /// A body that begins at `start` and may have at most `limit` bytes.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`], if the head says so already.
    pub fn new(framing: Framing, start: usize, limit: u64) -> Result<Self, Reason> {
        let rest = match framing {
            Framing::Length(length) if length > limit => return Err(Reason::BodyTooLarge),
            Framing::None | Framing::Length(0) => Rest::Done,
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => Rest::Chunked(Decoder::default()),
        };
        Ok(Self { start, end: start, raw: start, limit, rest })
    }

    /// The body so far.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::new(self.start, self.end)
    }

    /// Where the next request begins, once the body is whole.
    #[must_use]
    pub fn next_request(&self) -> usize {
        self.raw
    }

    /// Whether all of it is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self.rest, Rest::Done)
    }

    /// How many bytes are still to come, where that is known.
    #[must_use]
    pub fn missing(&self) -> Option<u64> {
        match self.rest {
            Rest::Done => Some(0),
            Rest::Length(left) => Some(left),
            Rest::Chunked(_) => None,
        }
    }

    /// Takes what the buffer holds already; gives the part of the body that it brought.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`]; [`Reason::MalformedRequest`] for broken chunks.
    pub fn take(&mut self, buffer: &mut Buffer) -> Result<Span, Reason> {
        let from = self.end;
        match &mut self.rest {
            Rest::Done => {}
            Rest::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len().saturating_sub(self.raw));
                *left -= here as u64;
                self.end += here;
                self.raw = self.end;
                if *left == 0 {
                    self.rest = Rest::Done;
                }
            }
            Rest::Chunked(decoder) => {
                let input = buffer.bytes_mut().get_mut(self.raw..).unwrap_or_default();
                let decoded = decoder.decode(input).map_err(|_| Reason::MalformedRequest)?;
                let (at, read) = (self.raw, self.raw + decoded.read);
                buffer.bytes_mut().copy_within(at..at + decoded.written, self.end);
                self.end += decoded.written;
                self.raw = read;
                if decoded.done {
                    self.rest = Rest::Done;
                } else {
                    buffer.truncate(self.end);
                    self.raw = self.end;
                }
            }
        }
        let announced = if let Rest::Chunked(decoder) = &self.rest { decoder.missing() } else { 0 };
        if announced.saturating_add((self.end - self.start) as u64) > self.limit {
            Err(Reason::BodyTooLarge)
        } else {
            Ok(Span::new(from, self.end))
        }
    }

    /// How many bytes head and body take, where that is known.
    #[must_use]
    pub fn total(&self) -> Option<usize> {
        let missing = usize::try_from(self.missing()?).ok()?;
        self.end.checked_add(missing)
    }

    /// Reads once and takes what came.
    ///
    /// # Errors
    /// [`Reason::BodyIncomplete`] when the stream ends, and those of [`Self::take`].
    pub async fn read<IO: AsyncRead + Unpin>(&mut self, io: &mut IO, buffer: &mut Buffer) -> Result<Span, Reason> {
        match buffer.fill(io).await {
            Ok(1..) => self.take(buffer),
            Ok(0) | Err(_) => Err(Reason::BodyIncomplete),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(framing: Framing, parts: &[&str], expected: Result<(&str, &str), Reason>) {
        let mut script = tokio_test_io(parts);
        let (mut buffer, mut gathered) = (Buffer::new(), Vec::new());
        let result = async {
            let mut body = Body::new(framing, 0, 16)?;
            while !body.is_whole() {
                let part = body.read(&mut script, &mut buffer).await?;
                gathered.extend_from_slice(part.get(buffer.bytes()));
            }
            let rest = buffer.bytes()[body.next_request()..].to_vec();
            Ok((body.span().get(buffer.bytes()).to_vec(), rest))
        };
        let result = result.await;
        if let Ok((body, _)) = &result {
            assert_eq!(body, &gathered, "the parts are the body");
        }
        assert_eq!(result, expected.map(|(body, rest)| (body.as_bytes().to_vec(), rest.as_bytes().to_vec())));
    }

    /// A stream that gives one part a read.
    fn tokio_test_io(parts: &[&str]) -> impl AsyncRead + Unpin + use<> {
        struct Script(std::collections::VecDeque<Vec<u8>>);
        impl AsyncRead for Script {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                if let Some(part) = self.0.pop_front() {
                    buf.put_slice(&part);
                }
                std::task::Poll::Ready(Ok(()))
            }
        }
        Script(parts.iter().map(|part| part.as_bytes().to_vec()).collect())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn bodies() {
        check(Framing::Length(5), &["he", "lloPO", "ST"], Ok(("hello", "PO"))).await;
        check(Framing::Length(5), &["he"], Err(Reason::BodyIncomplete)).await;
        check(Framing::Length(17), &[], Err(Reason::BodyTooLarge)).await;
        check(Framing::Chunked, &["3\r\nhel\r\n2", "\r\nlo\r\n0\r", "\n\r\nPOST"], Ok(("hello", "POST"))).await;
        check(Framing::Chunked, &["3\r\nhel\r\n", "2\nlo"], Err(Reason::MalformedRequest)).await;
        check(Framing::Chunked, &["10\r\n0123456789abcdef\r\n", "1\r\nx\r\n0\r\n\r\n"], Err(Reason::BodyTooLarge))
            .await;
        check(Framing::Chunked, &["ffffffffffffffff\r\nhe"], Err(Reason::BodyTooLarge)).await;
        check(Framing::Chunked, &["3\r\nhel"], Err(Reason::BodyIncomplete)).await;
    }
}
