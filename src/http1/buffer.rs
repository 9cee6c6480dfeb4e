//! One connection's bytes, and [`Span`], the only way to point into them.
//!
//! A parsed head holds offsets instead of slices: no self-reference, no copy, and the buffer may grow while the body
//! arrives. Its room is used again for later requests.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Room for the head and body of most webhooks, so that a connection allocates once.
pub const INITIAL: usize = 16 * 1024;

/// The least room that a read is given: smaller reads would cost more system calls than the memory is worth.
const READ_MIN: usize = 4 * 1024;

/// A range of bytes in a connection's buffer. 4 GiB is far beyond any body that may be configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end) }
    }

    /// Where `inner`, a part of `whole`, stands in it.
    #[must_use]
    pub fn of(inner: &[u8], whole: &[u8]) -> Self {
        let start = (inner.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        Self::new(start, start.wrapping_add(inner.len()))
    }

    /// The bytes themselves; empty if the span does not lie in `bytes`.
    #[must_use]
    pub fn get(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Offset of the first byte.
    #[must_use]
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// Offset after the last byte.
    #[must_use]
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// How many bytes.
    #[must_use]
    pub fn len(self) -> usize {
        (self.end as usize).saturating_sub(self.start as usize)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// What a connection has read and not yet used up.
///
/// The default one has no room yet.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: BytesMut,
}

impl Buffer {
    /// An empty buffer of the usual size.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "the default has no room, and so costs nothing")]
    pub fn new() -> Self {
        Self::with_room(INITIAL)
    }

    /// An empty buffer with room for so many bytes.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(bytes) }
    }

    /// How many bytes it has room for, those that are there included.
    #[must_use]
    pub fn room(&self) -> usize {
        self.bytes.capacity()
    }

    /// All bytes read and not used up.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends a copy of `bytes`.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets all bytes from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Appends what one read gives. `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn fill<IO: AsyncRead + Unpin>(&mut self, io: &mut IO) -> io::Result<usize> {
        if self.bytes.capacity() - self.bytes.len() == 0 {
            self.bytes.reserve(READ_MIN);
        }
        io.read_buf(&mut self.bytes).await
    }

    /// Drops the first `used` bytes; what follows (a pipelined request) moves to the front.
    pub fn consume(&mut self, used: usize) {
        let rest = self.bytes.len().saturating_sub(used);
        if rest > 0 {
            self.bytes.copy_within(used.., 0);
        }
        self.bytes.truncate(rest);
    }
}
