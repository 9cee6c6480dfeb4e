//! Room for requests' bytes, which a worker's connections lend each other.
//!
//! A connection that waits for a request holds no room: it is lent some when bytes are there, and gives it back when it
//! has used them up. So an idle connection costs next to nothing, and the room that is lent next is the one used last,
//! which is still in the processor's caches. Room for large bodies is kept too: given back to the system after each
//! request, it would come back page by page, each zeroed by the kernel, which costs as much as hashing what goes in.
//!
//! What is kept for large bodies counts beside the bodies themselves ([`Budgets`]): no more than an eighth of them, none
//! where they are scarce, and what nobody asked for is given back within two seconds.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::AsyncRead;

use crate::http1::buffer::{Buffer, INITIAL};
use crate::limits::budget::Budgets;

/// The most rooms of the usual size that are kept: 2 MiB.
const MAX_SMALL: usize = 128;

/// The most rooms for large bodies that are kept.
const MAX_LARGE: usize = 64;

/// Large rooms come in multiples of this, so that bodies of nearly the same size use each other's.
const STEP: usize = 64 * 1024;

/// One worker's rooms that nobody uses.
#[derive(Debug)]
pub(super) struct Rooms {
    small: RefCell<Vec<Buffer>>,
    large: RefCell<Vec<Buffer>>,
    /// The fewest large ones that were left at one time since the last look.
    least: Cell<usize>,
    budgets: Arc<Budgets>,
}

impl Rooms {
    /// None yet.
    pub(super) fn new(budgets: Arc<Budgets>) -> Self {
        Self { small: RefCell::default(), large: RefCell::default(), least: Cell::new(0), budgets }
    }

    /// Waits for the first bytes of a request, without room meanwhile. Where the last one was long, room that is there
    /// for as long a one is taken.
    pub(super) async fn first<IO: AsyncRead + Unpin>(
        &self,
        buffer: &mut Buffer,
        usual: usize,
        io: &mut IO,
    ) -> io::Result<usize> {
        poll_fn(|cx| {
            if buffer.room() == 0 {
                *buffer = self.lend(usual);
            }
            let read = pin!(buffer.fill(io)).poll(cx);
            if read.is_pending() {
                self.take_back(buffer);
            }
            read
        })
        .await
    }

    /// Room for a request that has only begun: what it will hold is not counted yet, so it gets no large room.
    pub(super) fn shrink(&self, buffer: &mut Buffer) {
        self.fit(buffer, 0);
    }

    /// Room for a request of `total` bytes: all at once, instead of growing step by step, and no more than is counted for
    /// it, give or take what small ones have.
    pub(super) fn fit(&self, buffer: &mut Buffer, total: usize) {
        let is_large = total > INITIAL;
        let wanted = if is_large { large(total) } else { INITIAL };
        if buffer.room() < total || (buffer.room() > wanted && buffer.len() < wanted) {
            let kept = if is_large { self.take_large(total) } else { self.small.borrow_mut().pop() };
            let mut room = kept.unwrap_or_else(|| Buffer::with_room(wanted));
            room.append(buffer.bytes());
            std::mem::swap(buffer, &mut room);
            room.truncate(0);
            self.keep(room);
        }
    }

    /// Takes back the room of a connection that has used up all bytes; one with the beginning of the next request keeps
    /// room for that.
    pub(super) fn take_back(&self, buffer: &mut Buffer) {
        if buffer.is_empty() {
            self.keep(std::mem::take(buffer));
        } else {
            self.shrink(buffer);
        }
    }

    /// Gives the system what nobody has asked for since the last look; called about once a second.
    pub(super) fn tidy(&self) {
        let mut large = self.large.borrow_mut();
        let unused = self.least.get().min(large.len());
        self.budgets.spare_less(large.drain(..unused).map(|room| room.room() as u64).sum());
        self.least.set(large.len());
    }

    /// Gives the system all large rooms: bodies need the memory.
    pub(super) fn clear(&self) {
        let rooms = self.large.take();
        self.budgets.spare_less(rooms.iter().map(|room| room.room() as u64).sum());
        self.least.set(0);
    }

    /// Room of the usual size, or larger where there is some that serves `usual` bytes.
    fn lend(&self, usual: usize) -> Buffer {
        let large = if usual > INITIAL { self.take_large(usual) } else { None };
        large.or_else(|| self.small.borrow_mut().pop()).unwrap_or_else(|| Buffer::with_room(INITIAL))
    }

    /// The room for so many bytes that was used last. A larger one does not serve: what a body takes would be more than
    /// what is counted for it.
    fn take_large(&self, total: usize) -> Option<Buffer> {
        let mut rooms = self.large.borrow_mut();
        let index = rooms.iter().rposition(|room| room.room() == large(total))?;
        let room = rooms.remove(index);
        self.least.set(self.least.get().min(rooms.len()));
        self.budgets.spare_less(room.room() as u64);
        Some(room)
    }

    fn keep(&self, room: Buffer) {
        let (mut small, mut large) = (self.small.borrow_mut(), self.large.borrow_mut());
        match room.room() {
            INITIAL if small.len() < MAX_SMALL => small.push(room),
            // Of a body of unknown length, whose room has grown.
            size if size % STEP > 0 => {}
            size @ STEP.. if large.len() < MAX_LARGE && self.budgets.try_spare(size as u64) => large.push(room),
            _ => {}
        }
    }
}

/// How much room is made for `total` bytes. Always some more: a read that fills all of it would be followed by one in
/// vain, to see whether there is more.
fn large(total: usize) -> usize {
    total.saturating_add(1).checked_next_multiple_of(STEP).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(max_buffered: u64) -> Rooms {
        Rooms::new(Budgets::new(1, 1, max_buffered))
    }

    fn lengths(rooms: &Rooms) -> (usize, usize) {
        (rooms.small.borrow().len(), rooms.large.borrow().len())
    }

    #[test]
    fn room_is_used_again_and_keeps_what_stands_in_it() {
        let rooms = rooms(1 << 30);
        let mut buffer = rooms.lend(0);
        buffer.append(b"head");
        rooms.fit(&mut buffer, 100_000);
        assert_eq!((buffer.bytes(), buffer.room()), (&b"head"[..], 2 * STEP));
        assert_eq!(lengths(&rooms), (1, 0));
        // What follows in the same room stays; the rest of the room is given back.
        rooms.take_back(&mut buffer);
        assert_eq!((buffer.bytes(), buffer.room(), lengths(&rooms)), (&b"head"[..], INITIAL, (0, 1)));
        buffer.truncate(0);
        rooms.take_back(&mut buffer);
        assert_eq!((buffer.room(), lengths(&rooms)), (0, (1, 1)));
        for (usual, room) in [(90_000, 2 * STEP), (90_000, INITIAL), (10, INITIAL)] {
            assert_eq!(rooms.lend(usual).room(), room, "{usual}");
        }
    }

    #[test]
    fn a_large_room_serves_bodies_of_nearly_its_size() {
        let rooms = rooms(1 << 30);
        rooms.keep(Buffer::with_room(large(1 << 20)));
        for (total, serves) in [(STEP, false), (1 << 19, false), (1 << 21, false), ((1 << 20) + 1000, true)] {
            assert_eq!(rooms.take_large(total).is_some(), serves, "{total}");
        }
    }

    #[test]
    fn a_request_has_no_more_room_than_is_counted_for_it() {
        let rooms = rooms(1 << 30);
        for (before, len, total, after) in [
            (1 << 20, 300, 1000, INITIAL),
            (1 << 20, 300, 50_000, STEP),
            (1 << 20, 300, 1 << 20, 1 << 20),
            (1 << 20, 300, (1 << 20) + 1, (1 << 20) + STEP),
            // The next request stands behind it: nothing is copied to and fro.
            (1 << 20, STEP, 1000, 1 << 20),
            (STEP, 300, 50_000, STEP),
        ] {
            let mut buffer = Buffer::with_room(before);
            buffer.append(&vec![b'x'; len]);
            rooms.fit(&mut buffer, total);
            assert_eq!((buffer.len(), buffer.room()), (len, after), "{before} {len} {total}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_counted_and_given_back() {
        let rooms = rooms(80 * STEP as u64);
        for _ in 0..20 {
            rooms.keep(Buffer::with_room(STEP));
        }
        assert_eq!((lengths(&rooms), rooms.budgets.spare()), ((0, 10), 10 * STEP as u64));
        rooms.tidy();
        assert_eq!(lengths(&rooms), (0, 10), "they are new");
        assert!(rooms.take_large(STEP - 1).is_some(), "none is full to the brim, or a read would ask in vain");
        rooms.tidy();
        assert_eq!(lengths(&rooms), (0, 0), "the fewest that were left are those that nobody needs");
        assert_eq!(rooms.budgets.spare(), 0);
        rooms.keep(Buffer::with_room(STEP));
        rooms.clear();
        assert_eq!((lengths(&rooms), rooms.budgets.spare()), ((0, 0), 0));
    }

    #[test]
    fn nothing_is_kept_while_bodies_need_the_memory() {
        let rooms = rooms(100 * STEP as u64);
        let mut held = rooms.budgets.buffered();
        assert!(held.try_grow(90 * STEP as u64, true));
        rooms.keep(Buffer::with_room(STEP));
        assert_eq!(lengths(&rooms), (0, 0));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_waits_holds_no_room() {
        let (rooms, mut buffer) = (rooms(1 << 30), Buffer::default());
        let (mut near, mut far) = tokio::io::duplex(64);
        {
            let mut waiting = pin!(rooms.first(&mut buffer, 0, &mut near));
            poll_fn(|cx| {
                assert!(waiting.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            assert_eq!(lengths(&rooms), (1, 0));
            tokio::io::AsyncWriteExt::write_all(&mut far, b"POST").await.expect("room");
            assert_eq!(waiting.await.expect("bytes"), 4);
        }
        assert_eq!((buffer.bytes(), lengths(&rooms)), (&b"POST"[..], (0, 0)));
    }
}
