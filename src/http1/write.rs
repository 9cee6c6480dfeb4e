//! Several parts written as one: a head and a body leave in one system call, and neither is copied.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Writes all parts in order, and flushes.
///
/// # Errors
/// Those of the stream.
pub async fn write_all<IO: AsyncWrite + Unpin, const N: usize>(io: &mut IO, parts: [&[u8]; N]) -> io::Result<()> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let mut written = 0;
    std::future::poll_fn(|cx| {
        while written < total {
            let slices = rest(&parts, written);
            match poll_write(Pin::new(&mut *io), cx, &slices) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut *io).poll_flush(cx)
    })
    .await
}

/// Writes several parts, of which the last may be empty: one that is left alone goes the shorter way through the kernel.
pub(crate) fn poll_write<IO: AsyncWrite>(
    io: Pin<&mut IO>,
    cx: &mut Context<'_>,
    parts: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    match parts {
        [alone, rest @ ..] if rest.iter().all(|part| part.is_empty()) => io.poll_write(cx, alone),
        _ => io.poll_write_vectored(cx, parts),
    }
}

/// The parts without their first `written` bytes.
fn rest<'p, const N: usize>(parts: &[&'p [u8]; N], mut written: usize) -> [IoSlice<'p>; N] {
    parts.map(|part| {
        let here = written.min(part.len());
        written -= here;
        IoSlice::new(part.get(here..).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_several_parts() {
        let parts: [&[u8]; 3] = [b"ab", b"", b"cde"];
        for written in 0..=5 {
            let left: Vec<u8> = rest(&parts, written).iter().flat_map(|slice| slice.to_vec()).collect();
            assert_eq!(left, &b"abcde"[written..]);
        }
    }
}
