//! Budgets of the whole process: connections, requests in flight, buffered bytes of bodies. A permit is a count that is
//! given back when it is dropped; there is no queue, since a sender that waits in one is worse off than one that is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The budgets and what is used of them.
#[derive(Debug)]
pub struct Budgets {
    connections: Count,
    in_flight: Count,
    buffered: AtomicU64,
    max_buffered: u64,
    spare: AtomicU64,
    shed: AtomicU64,
}

#[derive(Debug)]
struct Count {
    used: AtomicUsize,
    max: usize,
}

impl Count {
    fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    fn take(&self) -> bool {
        let one_more = |used: usize| (used < self.max).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Whether more than nine tenths are used.
    fn is_scarce(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.max - self.max / 10
    }

    fn give_back(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budgets {
    /// Budgets of that many connections, requests in flight, and bytes of bodies.
    #[must_use]
    pub fn new(max_connections: usize, max_in_flight: usize, max_buffered: u64) -> Arc<Self> {
        Arc::new(Self {
            connections: Count::new(max_connections),
            in_flight: Count::new(max_in_flight),
            buffered: AtomicU64::new(0),
            max_buffered,
            spare: AtomicU64::new(0),
            shed: AtomicU64::new(0),
        })
    }

    /// Room for one more connection.
    #[must_use]
    pub fn try_connection(self: &Arc<Self>) -> Option<ConnectionPermit> {
        self.connections.take().then(|| ConnectionPermit(self.clone()))
    }

    /// Room for one more request on its way to the service.
    #[must_use]
    pub fn try_in_flight(self: &Arc<Self>) -> Option<InFlightPermit> {
        self.in_flight.take().then(|| InFlightPermit(self.clone()))
    }

    /// A share of the bodies' bytes, empty at first.
    #[must_use]
    pub fn buffered(self: &Arc<Self>) -> BufferedPermit {
        BufferedPermit { budgets: self.clone(), bytes: 0 }
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.used.load(Ordering::Relaxed)
    }

    /// Whether so few connections are left that those who have proven nothing should give way.
    #[must_use]
    pub fn connections_are_scarce(&self) -> bool {
        self.connections.is_scarce()
    }

    /// How many connections may come while they are scarce until those that were called to give way must have had the
    /// time to: half of what is kept back.
    #[must_use]
    pub fn connections_at_once(&self) -> usize {
        (self.connections.max / 20).max(1)
    }

    /// The same of the bytes of bodies.
    #[must_use]
    pub fn buffers_are_scarce(&self) -> bool {
        self.buffered.load(Ordering::Relaxed) > self.max_buffered - self.max_buffered / 10
    }

    /// Takes `bytes` for room that is kept for later bodies: an eighth of what bodies may take, and nothing that they
    /// need. True: it may be kept.
    #[must_use]
    pub fn try_spare(&self, bytes: u64) -> bool {
        let free = (self.max_buffered - self.max_buffered / 10).saturating_sub(self.buffered_bytes());
        let most = free.min(self.max_buffered / 8);
        let more = |spare: u64| spare.checked_add(bytes).filter(|after| *after <= most);
        self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// So much of the room that was kept is in use again, or gone.
    pub fn spare_less(&self, bytes: u64) {
        self.spare.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of room that is kept.
    #[must_use]
    pub fn spare(&self) -> u64 {
        self.spare.load(Ordering::Relaxed)
    }

    /// Counts a connection that gave way.
    pub fn gave_way(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that gave way.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Requests on their way to the service.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.used.load(Ordering::Relaxed)
    }

    /// Bytes of bodies that are held.
    #[must_use]
    pub fn buffered_bytes(&self) -> u64 {
        self.buffered.load(Ordering::Relaxed)
    }
}

/// One connection.
#[derive(Debug)]
pub struct ConnectionPermit(Arc<Budgets>);

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.connections.give_back();
    }
}

/// One request on its way to the service.
#[derive(Debug)]
pub struct InFlightPermit(Arc<Budgets>);

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        self.0.in_flight.give_back();
    }
}

/// A small body, in bytes.
const SMALL: u64 = 64 * 1024;

/// A share of the bodies' bytes.
#[derive(Debug)]
pub struct BufferedPermit {
    budgets: Arc<Budgets>,
    bytes: u64,
}

impl BufferedPermit {
    /// Takes `bytes` more, if there is room for them. The last tenth is kept for those who have proven something before,
    /// and for small bodies, which most webhooks are: a few strangers with large ones must not shut everybody out.
    #[must_use]
    pub fn try_grow(&mut self, bytes: u64, proven: bool) -> bool {
        let (all, own) = (self.budgets.max_buffered, self.bytes);
        let may_take_all = proven || own.saturating_add(bytes) <= SMALL;
        let most = |used: u64| if may_take_all || used == own { all } else { all - all / 10 };
        let more = |used: u64| used.checked_add(bytes).filter(|after| *after <= most(used));
        let grown = self.budgets.buffered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.bytes += if grown { bytes } else { 0 };
        grown
    }
}

impl Drop for BufferedPermit {
    fn drop(&mut self) {
        self.budgets.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let budgets = Budgets::new(1, 1, 10);
        let connection = budgets.try_connection().expect("room");
        assert!(budgets.try_connection().is_none());
        drop(connection);
        assert!(budgets.try_connection().is_some());
        let in_flight = budgets.try_in_flight();
        assert!(budgets.try_in_flight().is_none() && budgets.in_flight() == 1);
        drop(in_flight);
        let (mut one, mut other) = (budgets.buffered(), budgets.buffered());
        assert!(one.try_grow(6, false) && !other.try_grow(5, false) && other.try_grow(4, false));
        assert!(!one.try_grow(u64::MAX, true));
        drop(one);
        assert_eq!(budgets.buffered_bytes(), 4);
        assert!(other.try_grow(6, false));
    }

    #[test]
    fn the_last_tenth_is_not_for_strangers_with_large_bodies() {
        let budgets = Budgets::new(1, 1, 100 * SMALL);
        let (mut alone, mut large, mut small, mut proven) =
            (budgets.buffered(), budgets.buffered(), budgets.buffered(), budgets.buffered());
        assert!(alone.try_grow(100 * SMALL, false), "nobody else is there to be kept room for");
        drop(alone);
        assert!(small.try_grow(SMALL, false) && large.try_grow(89 * SMALL, false) && !large.try_grow(1, false));
        assert!(budgets.buffered().try_grow(SMALL, false) && !small.try_grow(1, false));
        assert!(proven.try_grow(10 * SMALL, true) && budgets.buffers_are_scarce());
        assert!(!budgets.buffered().try_grow(1, true));
    }
}
