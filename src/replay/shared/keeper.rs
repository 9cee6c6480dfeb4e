//! The thread that keeps the connection to the shared store: opens it, looks after it, joins the server's memory, and
//! writes what workers do not wait for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::Now;
use crate::replay::ClaimKey;
use crate::replay::local::{Local, State};

use super::scripts::{self, Change, Epoch, bucket};
use super::{Connection, Store, Waiting};

/// How often the server is looked at: a third of the time for which all wait when it has lost its memory.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a process that writes back makes others wait on: long before they would stop (`scripts::JOINING`).
const PROLONG: Duration = Duration::from_millis(500);

/// After how many rounds an epoch is joined again, so that it does not end while it is in use: within the hour.
const RENEW: u64 = 1000;

/// The pause before a connection is tried again: from the first failure on, doubled up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How long an ending process waits for what is still to be written.
const LAST_CHANGES: Duration = Duration::from_secs(2);

/// Changes in one command, at most: a script of a thousand takes the server about a millisecond.
const BATCH: usize = 512;

impl Store {
    /// Keeps the connection until [`Self::close`]. Does nothing when another thread does so already.
    pub(in crate::replay) async fn keep(&self, local: &Local) {
        let taken = self.waiting.lock().ok().and_then(|mut waiting| waiting.take());
        let Some(receiver) = taken else { return };
        let mut keeper = Keeper { store: self, local, receiver, backlog: VecDeque::new(), known: false };
        tokio::select! {
            () = keeper.run() => {}
            () = self.closing.notified() => {}
        }
        if let Some(link) = self.link.load_full() {
            while let Ok(waiting) = keeper.receiver.try_recv() {
                keeper.backlog.push_back(waiting);
            }
            let _ = tokio::time::timeout(LAST_CHANGES, keeper.write_backlog(&link)).await;
        }
        self.closed.store(true, Ordering::Release);
        self.all_written.notify_one();
    }

    /// Waits until the keeper has written what it could.
    pub(in crate::replay) async fn close(&self) {
        self.closing.notify_one();
        while !self.closed.load(Ordering::Acquire) {
            self.all_written.notified().await;
        }
    }
}

struct Keeper<'s> {
    store: &'s Store,
    local: &'s Local,
    receiver: mpsc::Receiver<Waiting>,
    /// What could not be written yet.
    backlog: VecDeque<Waiting>,
    /// Whether the server has been told what this process remembers from an earlier life.
    known: bool,
}

impl Keeper<'_> {
    async fn run(&mut self) {
        let mut pause = PAUSE.0;
        let mut said = false;
        loop {
            let began = Now::read().instant;
            let error = match self.serve().await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            self.store.link.store(None);
            self.store.errors.fetch_add(1, Ordering::Relaxed);
            if Now::read().instant.saturating_duration_since(began) > LOOK_EVERY {
                (pause, said) = (PAUSE.0, false);
            }
            if !said {
                let answer = self.store.unavailable.answer();
                tracing::error!(%error, answer, "the shared replay store does not answer");
                said = true;
            }
            self.take_waiting();
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// One connection's life.
    async fn serve(&mut self) -> RedisResult<std::convert::Infallible> {
        let (connection, mut referral) = Connection::open(&self.store.place).await?;
        let identity = connection.identity().await?;
        self.join_all(&connection, &identity).await?;
        tracing::info!(place = ?self.store.place, "the shared replay store is in use");
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut some = Vec::with_capacity(BATCH);
        for look in 1_u64.. {
            tokio::select! {
                _ = ticks.tick() => {
                    if look % RENEW == 0 || !self.is_as_known(&connection).await? || !self.store.is_up() {
                        self.join_all(&connection, &identity).await?;
                    }
                    if let Some(referral) = &mut referral && !referral.stands().await {
                        return Err((redis::ErrorKind::Io, "the Sentinels name another server").into());
                    }
                }
                () = self.store.suspicion.notified() => self.join_all(&connection, &identity).await?,
                _ = self.receiver.recv_many(&mut some, BATCH) => {
                    self.backlog.extend(some.drain(..));
                    self.write_backlog(&connection).await?;
                }
            }
        }
        Err((redis::ErrorKind::Io, "looked at for longer than any machine runs").into())
    }

    /// Whether the server still has the memory that this process knows. Cheap: every process asks each second.
    async fn is_as_known(&self, connection: &Connection) -> RedisResult<bool> {
        let buckets = self.store.epochs.len();
        let held: Vec<Option<String>> = connection.run(&scripts::epochs(buckets)).await?;
        let is_known = |(bucket, held): (usize, &Option<String>)| {
            let epoch = held.as_deref().and_then(scripts::epoch);
            epoch == Some(self.store.epoch(bucket).load(Ordering::Acquire))
        };
        Ok(held.len() == buckets && held.iter().enumerate().all(is_known))
    }

    /// Asks the server which memory it has, joins it where it is new, and closes the circuit.
    async fn join_all(&mut self, connection: &Connection, identity: &str) -> RedisResult<()> {
        self.write_backlog(connection).await?;
        let fresh = getrandom::u64().map_err(|_| RedisError::from((redis::ErrorKind::Client, "no random numbers")))?;
        let mut new = Vec::new();
        for bucket in 0..self.store.epochs.len() {
            let answer: String = connection.invoke(&self.store.scripts.join(bucket, identity, fresh.max(1))).await?;
            let epoch = scripts::epoch(&answer);
            let epoch = epoch.ok_or_else(|| RedisError::from((redis::ErrorKind::UnexpectedReturnType, "no epoch")))?;
            if !self.known || self.store.epoch(bucket).load(Ordering::Acquire) != epoch {
                self.store.epoch(bucket).store(0, Ordering::Release);
                new.push((bucket, epoch));
            }
        }
        if !new.is_empty() {
            for (bucket, epoch) in &new {
                self.store.told(*bucket).store(*epoch, Ordering::SeqCst);
            }
            self.store.memory.fetch_add(1, Ordering::SeqCst);
            self.tell(connection, &new).await?;
            for (bucket, epoch) in new {
                self.store.epoch(bucket).store(epoch, Ordering::Release);
            }
        }
        self.known = true;
        if !self.store.is_up() {
            self.store.failures.store(0, Ordering::Relaxed);
            self.store.link.store(Some(Arc::new(connection.clone())));
        }
        Ok(())
    }

    /// Writes to the server what this process knows of those buckets, in one pass over its own store. Those who wait for
    /// a new memory wait on meanwhile, in all of these buckets.
    async fn tell(&self, connection: &Connection, new: &[(usize, Epoch)]) -> RedisResult<()> {
        let mut waiting: Vec<Option<Vec<_>>> = vec![None; self.store.epochs.len()];
        for (bucket, _) in new {
            waiting[*bucket] = Some(Vec::new());
        }
        let (now, mut entries) = (Now::read(), Vec::new());
        let mut prolonged = self.prolong(connection, new).await?;
        for part in 0..self.local.parts() {
            self.local.entries_of(part, now, &mut entries);
            for entry in entries.iter().filter(|(_, state)| state.counts()) {
                let bucket = bucket(&entry.0, waiting.len());
                let Some(some) = &mut waiting[bucket] else { continue };
                some.push(self.told(bucket, entry, now));
                if some.len() == BATCH {
                    let _: i64 = connection.invoke(&self.store.scripts.change(bucket, some)).await?;
                    some.clear();
                }
            }
            if Now::read().instant.saturating_duration_since(prolonged) > PROLONG {
                prolonged = self.prolong(connection, new).await?;
            }
        }
        for (bucket, some) in waiting.iter().enumerate().filter_map(|(bucket, some)| Some((bucket, some.as_ref()?))) {
            if !some.is_empty() {
                let _: i64 = connection.invoke(&self.store.scripts.change(bucket, some)).await?;
            }
        }
        Ok(())
    }

    async fn prolong(&self, connection: &Connection, new: &[(usize, Epoch)]) -> RedisResult<Instant> {
        for (bucket, _) in new {
            let () = connection.run(&scripts::prolong(*bucket)).await?;
        }
        Ok(Now::read().instant)
    }

    /// A claim that was not confirmed is none yet, and never told: to write it could keep out the one that was.
    fn told(&self, bucket: usize, (key, state): &(ClaimKey, State), now: Now) -> (ClaimKey, Change) {
        let left = Duration::from_secs(state.until().saturating_sub(self.local.second(now)).into());
        let token = self.store.written_back(self.store.told(bucket).load(Ordering::SeqCst));
        (*key, if state.is_done() { Change::Done(left) } else { Change::Pending(token, left) })
    }

    /// Writes what waits; what could not be written waits on.
    async fn write_backlog(&mut self, connection: &Connection) -> RedisResult<()> {
        let buckets = self.store.epochs.len();
        while let Some(first) = self.backlog.front() {
            let of = bucket(&first.key, buckets);
            let now = Now::read();
            let some = self.backlog.iter().filter(|waiting| bucket(&waiting.key, buckets) == of).take(BATCH);
            let changes: Vec<_> = some.filter_map(|waiting| Some((waiting.key, waiting.becomes.now(now)?))).collect();
            if !changes.is_empty() {
                let _: i64 = connection.invoke(&self.store.scripts.change(of, &changes)).await?;
            }
            let mut left = BATCH;
            self.backlog.retain(|waiting| {
                let written = bucket(&waiting.key, buckets) == of && left > 0;
                left -= usize::from(written);
                !written
            });
        }
        Ok(())
    }

    /// Keeps the queue from filling while there is nobody to write to.
    fn take_waiting(&mut self) {
        while self.backlog.len() < super::WAITING
            && let Ok(waiting) = self.receiver.try_recv()
        {
            self.backlog.push_back(waiting);
        }
        let now = Now::read();
        self.backlog.retain(|waiting| waiting.becomes.now(now).is_some());
    }
}

impl super::Unavailable {
    /// What an operator is told that happens meanwhile.
    fn answer(self) -> &'static str {
        match self {
            Self::Deny => "signed webhooks are refused with 503 until it does",
            Self::Local => "webhooks are checked against this process's own claims alone until it does",
        }
    }
}
