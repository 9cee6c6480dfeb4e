//! A worker's turn: first everything that is ready is read and judged, then all that comes of it is written.
//!
//! A write that follows upon each judgement would find the peer asleep again each time, since a peer on another core
//! needs less time for a message than we do; waking it is the dearest part of a write. Written in a row, the first write
//! wakes the peer and the others find it awake. A connection that is alone goes on at once.

use std::future::poll_fn;
use std::mem;
use std::task::Poll;

/// Lets the connections that are ready go first.
pub(super) async fn after_the_others() {
    let mut had_their_turn = false;
    poll_fn(|cx| {
        if mem::replace(&mut had_their_turn, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
