//! Telling the server how an exchange ended: at once, for as long as a sender may be kept waiting, or else soon.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

use tokio::time::timeout;

use crate::clock::Now;
use crate::replay::ClaimKey;

use super::connect::ANSWER;
use super::scripts::{Change, Token, bucket};
use super::{Becomes, Connection, NoAnswer, Store, Waiting};

/// Changes of keys that share a bucket.
type Group = (usize, Vec<(ClaimKey, Change)>);

impl Store {
    /// Writes what becomes of one claim's keys, and waits for the server's word. False: it did not come, and the keeper
    /// writes them as soon as it can.
    pub(in crate::replay) async fn settle(&self, keys: Vec<(ClaimKey, Becomes)>) -> bool {
        if let Some(link) = self.link.load_full() {
            match timeout(ANSWER, self.write(&link, &keys)).await {
                Ok(Ok(())) => return true,
                Ok(Err(NoAnswer)) => {}
                Err(_) => {
                    self.errors.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        for (key, becomes) in keys {
            self.later(key, becomes);
        }
        false
    }

    /// Has a change written soon.
    pub(in crate::replay) fn later(&self, key: ClaimKey, becomes: Becomes) {
        if self.changes.try_send(Waiting { key, becomes }).is_err() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The release of a claim that is still held here: what is written back from now on is not this claim.
    pub(in crate::replay) fn released(&self, key: &ClaimKey, number: u64, until: Instant) -> Becomes {
        let token = Token { process: self.process, number };
        let told = self.told(bucket(key, self.epochs.len())).load(Ordering::SeqCst);
        Becomes::Released { token, written_back: self.written_back(told), until }
    }

    /// One round trip: all buckets at once.
    async fn write(&self, link: &Connection, keys: &[(ClaimKey, Becomes)]) -> Result<(), NoAnswer> {
        let now = Now::read();
        let mut groups: Vec<Group> = Vec::new();
        for (key, becomes) in keys {
            let (of, Some(change)) = (bucket(key, self.epochs.len()), becomes.now(now)) else { continue };
            match groups.iter_mut().find(|(other, _)| *other == of) {
                Some((_, group)) => group.push((*key, change)),
                None => groups.push((of, vec![(*key, change)])),
            }
        }
        let scripts: Vec<_> = groups.iter().map(|(bucket, group)| self.scripts.change(*bucket, group)).collect();
        let answers = all(scripts.iter().map(|script| link.invoke::<i64>(script))).await;
        answers.into_iter().try_for_each(|answer| self.heard(answer).map(drop))
    }
}

impl Becomes {
    /// The change as it has to be written now; `None` when it is over.
    pub(super) fn now(self, now: Now) -> Option<Change> {
        let (until, change) = match self {
            Self::Done { until } => (until, Change::Done(until.saturating_duration_since(now.instant))),
            Self::Released { token, written_back, until } => (until, Change::Released(token, written_back)),
        };
        (until > now.instant).then_some(change)
    }
}

/// Waits for all of them at the same time.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs = Vec::with_capacity(running.len());
    poll_fn(|cx| {
        running.retain_mut(|future| match future.as_mut().poll(cx) {
            Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}
