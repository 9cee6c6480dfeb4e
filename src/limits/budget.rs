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

/// A share of the bodies' bytes.
#[derive(Debug)]
pub struct BufferedPermit {
    budgets: Arc<Budgets>,
    bytes: u64,
}

impl BufferedPermit {
    /// Takes `bytes` more, if there is room for them.
    #[must_use]
    pub fn try_grow(&mut self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.budgets.max_buffered);
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
        assert!(one.try_grow(6) && !other.try_grow(5) && other.try_grow(4));
        assert!(!one.try_grow(u64::MAX));
        drop(one);
        assert_eq!(budgets.buffered_bytes(), 4);
        assert!(other.try_grow(6));
    }
}
