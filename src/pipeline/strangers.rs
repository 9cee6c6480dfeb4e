//! Who gives way when room becomes scarce: connections that have proven nothing yet, those that have waited longest
//! first. An honest sender proves itself with its first request, within milliseconds; who only holds a place does not.
//!
//! One worker's, so nothing is shared with another thread. A call wakes exactly one connection; without one that waits
//! it does nothing, so that no later one has to answer for it.

use std::cell::Cell;
use std::pin::{Pin, pin};

use tokio::sync::Notify;

/// The two ways to hold room without a proof.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// Before a request's head is whole: a connection is held.
    pub(super) waiting: Queue,
    /// While a body is read: buffered bytes are held.
    pub(super) sending: Queue,
}

/// Connections that can be called to give way, in the order in which they began to wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Cell<usize>,
    called: Cell<usize>,
    notify: Notify,
}

impl Queue {
    /// Has the first one give way.
    pub(super) fn call(&self) {
        if self.waiting.get() > self.called.get() {
            self.called.set(self.called.get() + 1);
            self.notify.notify_one();
        }
    }

    /// Does something while it can be called. `None`: it was called, and gives way. The work is borrowed, so that a
    /// connection holds room for it but once.
    pub(super) async fn unless_called<F: Future>(&self, work: Pin<&mut F>) -> Option<F::Output> {
        let mut called = pin!(self.notify.notified());
        if self.waiting.get() == 0 {
            // A call that came to nobody, since the one that it was for went of itself meanwhile, is over.
            let _ = called.as_mut().enable();
            called.set(self.notify.notified());
        }
        let _place = Place::new(self);
        tokio::select! {
            biased;
            done = work => Some(done),
            () = called => {
                self.called.set(self.called.get().saturating_sub(1));
                None
            }
        }
    }
}

/// One that waits.
struct Place<'q>(&'q Queue);

impl<'q> Place<'q> {
    fn new(queue: &'q Queue) -> Self {
        queue.waiting.set(queue.waiting.get() + 1);
        Self(queue)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Self(queue) = self;
        queue.waiting.set(queue.waiting.get().saturating_sub(1));
        // Of those that are left, no more than all can have been called.
        queue.called.set(queue.called.get().min(queue.waiting.get()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_call_wakes_the_one_that_has_waited_longest_and_no_other() {
        let queue = Queue::default();
        let wait = || Box::pin(async { queue.unless_called(pin!(pending::<()>())).await });
        let (mut one, mut two, mut three) = (wait(), wait(), wait());
        for waiting in [&mut one, &mut two, &mut three] {
            assert!(poll(waiting.as_mut()).is_pending());
        }
        queue.call();
        assert_eq!(poll(one.as_mut()), Poll::Ready(None));
        assert!(poll(two.as_mut()).is_pending() && poll(three.as_mut()).is_pending());
        drop(one);
        for _ in 0..5 {
            queue.call();
        }
        assert!(poll(two.as_mut()).is_ready() && poll(three.as_mut()).is_ready());
        drop((two, three));
        assert_eq!((queue.waiting.get(), queue.called.get()), (0, 0));
    }

    #[test]
    fn a_call_that_comes_to_nobody_is_over() {
        let queue = Queue::default();
        queue.call();
        let wait = || Box::pin(async { queue.unless_called(pin!(pending::<()>())).await });
        let mut gone = wait();
        assert!(poll(gone.as_mut()).is_pending());
        queue.call();
        drop(gone);
        let mut next = wait();
        assert!(poll(next.as_mut()).is_pending());
        let mut done = Box::pin(async { queue.unless_called(pin!(async { 7 })).await });
        assert_eq!(poll(done.as_mut()), Poll::Ready(Some(7)));
    }
}
