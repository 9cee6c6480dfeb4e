//! Stopping without losing anything, as three phases that every connection hears of.
//!
//! A connection asks for the phase where it would otherwise wait: for the next request (an idle connection closes when
//! draining begins) and for the service (whose caller is told so by a 504 when the grace is over).

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::sync::watch;

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

/// One connection's ear for the phase.
#[derive(Debug)]
pub struct Signals {
    phase: Cell<Phase>,
}

impl Default for Signals {
    fn default() -> Self {
        Self { phase: Cell::new(Phase::Running) }
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
            let mut changed = pin!(phase.changed());
            // The phase first: what the connection does next, it does in the knowledge of it.
            let next = poll_fn(|cx| match changed.as_mut().poll(cx) {
                Poll::Ready(changed) => Poll::Ready(Step::Changed(changed)),
                Poll::Pending => connection.as_mut().poll(cx).map(Step::Ended),
            });
            match next.await {
                Step::Ended(output) => return output,
                Step::Changed(Ok(())) => {}
                // Whoever would tell of the next phase is gone: there will be none.
                Step::Changed(Err(_)) => return connection.await,
            }
        }
    }

    /// Runs `future`, but gives up once draining begins.
    pub async fn unless_draining<F: Future>(&self, future: F) -> Option<F::Output> {
        self.unless(Phase::Draining, future).await
    }

    /// Runs `future`, but gives up once the grace is over.
    pub async fn unless_stopping<F: Future>(&self, future: F) -> Option<F::Output> {
        self.unless(Phase::Stopping, future).await
    }

    async fn unless<F: Future>(&self, limit: Phase, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.phase.get() >= limit => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
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
        let signals = Signals::default();
        let connection = async {
            let idle = signals.unless_draining(std::future::pending::<()>()).await;
            let stopped = signals.unless_stopping(std::future::pending::<()>()).await;
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
        assert_eq!(output, (None, None));
    }
}
