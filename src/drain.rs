//! Stopping without losing anything, as three phases that every connection hears of.
//!
//! A connection asks for the phase where it would otherwise wait: for the next request (an idle connection closes when
//! draining begins) and for the service (whose caller is told so by a 504 when the grace is over).
//!
//! Each of these waits has a deadline too. A connection waits for one thing at a time, so it has one timer for all of
//! them, which is set only when the deadline at hand comes before the time that it is set for: some ten times a minute,
//! instead of twice a request.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{Sleep, sleep_until, timeout};

/// How far the stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// No new connections; idle ones close; exchanges end.
    Draining,
    /// The grace is over: what still waits is answered at once.
    Stopping,
}

/// Why a wait ended without what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The deadline has passed.
    Late,
    /// The stop has come as far as the wait allows.
    Stopped,
}

/// One connection's ear for the phase, and its alarm.
#[derive(Debug)]
pub struct Signals {
    phase: Cell<Phase>,
    /// The deadline of the wait at hand.
    deadline: Cell<Option<Instant>>,
    /// That deadline has passed.
    late: Cell<bool>,
}

impl Default for Signals {
    fn default() -> Self {
        Self { phase: Cell::new(Phase::Running), deadline: Cell::new(None), late: Cell::new(false) }
    }
}

impl Signals {
    /// Whether no further request is taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase.get() >= Phase::Draining
    }

    /// Runs a connection to its end while it listens for the phase. The receiver's future is made once a connection,
    /// so a request pays nothing for it; the connection is borrowed, so that it takes its room but once.
    pub async fn accompany<F: Future>(
        &self,
        mut phase: watch::Receiver<Phase>,
        mut connection: Pin<&mut F>,
    ) -> F::Output {
        loop {
            self.phase.set(*phase.borrow_and_update());
            let (seen, mut waker) = (phase.clone(), None::<Waker>);
            let mut changed = pin!(phase.changed());
            // The phase first: what the connection does next, it does in the knowledge of it. Whether it has changed is a
            // look at a number; to be woken by it takes a lock, so that is asked for once. Only before the first change,
            // though: the channel counts a change before it wakes, so that who has seen it at once and waits for the
            // next can be woken by the last, and then has to ask anew.
            let before_any = self.phase.get() == Phase::Running;
            let next = poll_fn(|cx| {
                let is_heard = before_any && waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
                if !is_heard || !matches!(seen.has_changed(), Ok(false)) {
                    if let Poll::Ready(changed) = changed.as_mut().poll(cx) {
                        return Poll::Ready(Step::Changed(changed));
                    }
                    waker = Some(cx.waker().clone());
                }
                connection.as_mut().poll(cx).map(Step::Ended)
            });
            match next.await {
                Step::Ended(output) => return output,
                Step::Changed(Ok(())) => {}
                // Whoever would tell of the next phase is gone: there will be none.
                Step::Changed(Err(_)) => return connection.await,
            }
        }
    }

    /// Runs a connection to its end, and rings when the deadline of the wait at hand passes. Without it around them, the
    /// waits below end by the phase alone.
    pub async fn on_time<F: Future>(&self, connection: F) -> F::Output {
        let (mut connection, mut alarm) = (pin!(connection), Alarm::default());
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                    return Poll::Ready(output);
                }
                // What was waited for may have been dropped meanwhile: then this wakes nobody, and is over.
                match self.deadline.get().map_or(Poll::Pending, |deadline| alarm.poll(deadline, cx)) {
                    Poll::Ready(()) => (self.deadline.set(None), self.late.set(true)),
                    Poll::Pending => return Poll::Pending,
                };
            }
        })
        .await
    }

    /// Runs `future`, but gives up once draining begins, and at the deadline.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn unless_draining<F: Future>(&self, deadline: Instant, future: F) -> Result<F::Output, Ended> {
        self.unless(Some(Phase::Draining), deadline, future).await
    }

    /// Runs `future`, but gives up once the grace is over, and at the deadline.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn unless_stopping<F: Future>(&self, deadline: Instant, future: F) -> Result<F::Output, Ended> {
        self.unless(Some(Phase::Stopping), deadline, future).await
    }

    /// Runs `future`, but gives up at the deadline; `None` then.
    pub async fn unless_late<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        self.unless(None, deadline, future).await.ok()
    }

    async fn unless<F: Future>(&self, limit: Option<Phase>, deadline: Instant, future: F) -> Result<F::Output, Ended> {
        let mut future = pin!(future);
        self.late.set(false);
        let output = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if limit.is_some_and(|limit| self.phase.get() >= limit) => Poll::Ready(Err(Ended::Stopped)),
            Poll::Pending if self.late.get() => Poll::Ready(Err(Ended::Late)),
            Poll::Pending => {
                self.deadline.set(Some(deadline));
                Poll::Pending
            }
        });
        let output = output.await;
        self.deadline.set(None);
        output
    }
}

/// One timer for waits that come one after the other.
#[derive(Default)]
struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
    /// When the timer rings, and whom it wakes.
    set: Option<(Instant, Waker)>,
}

impl Alarm {
    /// Ready once the deadline has passed. A timer that rings earlier is left as it is, and set anew when it has rung.
    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        loop {
            let in_time = |(at, waker): &(Instant, Waker)| *at <= deadline && waker.will_wake(cx.waker());
            if self.set.as_ref().is_some_and(in_time) && !timer.is_elapsed() {
                return Poll::Pending;
            }
            let at = self.set.take().map(|(at, _)| at).filter(|_| timer.is_elapsed());
            if at.is_some_and(|at| at >= deadline) {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline.into());
            self.set = Some((deadline, cx.waker().clone()));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// Runs `future` for `patience` from the moment on that it has to wait. One that need not wait, as nearly every write,
/// costs no timer. `None`: it took longer.
pub async fn patiently<F: Future>(patience: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(output) => Some(output),
        Poll::Pending => timeout(patience, future).await.ok(),
    }
}

enum Step<T> {
    Ended(T),
    Changed(Result<(), watch::error::RecvError>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_waiting_connection_hears_of_each_phase() {
        let (sender, receiver) = watch::channel(Phase::Running);
        let (signals, far) = (Signals::default(), now() + HOUR);
        let connection = async {
            let idle = signals.unless_draining(far, std::future::pending::<()>()).await;
            let stopped = signals.unless_stopping(far, std::future::pending::<()>()).await;
            (idle, stopped)
        };
        let stop = async {
            tokio::task::yield_now().await;
            sender.send_replace(Phase::Draining);
            tokio::task::yield_now().await;
            sender.send_replace(Phase::Stopping);
        };
        let connection = pin!(connection);
        let (output, ()) = tokio::join!(signals.accompany(receiver, connection), stop);
        assert_eq!(output, (Err(Ended::Stopped), Err(Ended::Stopped)));
    }

    #[test]
    fn a_change_that_is_seen_before_it_wakes_hides_no_later_one() {
        for _ in 0..2000 {
            let (sender, receiver) = watch::channel(Phase::Running);
            let (heard, first) = std::sync::mpsc::channel();
            let stop = std::thread::Builder::new().spawn(move || {
                sender.send_replace(Phase::Draining);
                first.recv().expect("a connection that hears");
                sender.send_replace(Phase::Stopping);
                sender
            });
            let (signals, far) = (Signals::default(), now() + HOUR);
            let connection = async {
                // Busy, so that it looks at the phase whenever it can, and then still.
                while !signals.is_draining() {
                    tokio::task::yield_now().await;
                }
                heard.send(()).expect("a thread that listens");
                signals.unless_stopping(far, std::future::pending::<()>()).await
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            let ended = runtime.block_on(async {
                let connection = pin!(connection);
                tokio::select! {
                    // Looked at first: the other branch would see the change once it is polled at all.
                    biased;
                    () = tokio::time::sleep(Duration::from_secs(180)) => None,
                    ended = signals.accompany(receiver, connection) => Some(ended),
                }
            });
            assert_eq!(ended, Some(Err(Ended::Stopped)));
            stop.expect("a thread").join().expect("one that ends");
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> Instant {
        crate::clock::Now::read().instant
    }

    #[tokio::test(flavor = "current_thread")]
    async fn each_wait_ends_at_its_own_deadline() {
        let (signals, start) = (Signals::default(), now());
        let waits = async {
            // A later deadline after an earlier one, an earlier after a later one that was not used up, one that is past.
            for milliseconds in [2, 4, 3_600_000, 6, 0] {
                let deadline = start + Duration::from_millis(milliseconds);
                if milliseconds > 1000 {
                    let soon = tokio::time::sleep(Duration::from_millis(1));
                    assert_eq!(signals.unless_stopping(deadline, soon).await, Ok(()));
                    continue;
                }
                let ended = signals.unless_stopping(deadline, std::future::pending::<()>()).await;
                assert_eq!((ended, now() >= deadline), (Err(Ended::Late), true));
            }
        };
        signals.on_time(waits).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn patience_begins_with_the_wait() {
        assert_eq!(patiently(Duration::ZERO, async { 1 }).await, Some(1));
        assert_eq!(patiently(HOUR, tokio::task::yield_now()).await, Some(()));
        assert_eq!(patiently(Duration::from_millis(1), std::future::pending::<()>()).await, None);
    }
}
