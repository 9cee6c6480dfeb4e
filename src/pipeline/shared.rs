//! What connections share: one worker's own part, and the part that all workers have in common.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::Now;
use crate::forward::Pool;
use crate::http1::Head;
use crate::limits::budget::Budgets;
use crate::limits::{Limits, Terms};
use crate::observe;
use crate::observe::anomaly::Anomalies;
use crate::observe::audit_log::AuditLog;
use crate::observe::metrics::{Metrics, RouteMeters};
use crate::policy::{Mode, Policy, Route, Timeouts};
use crate::replay::Replay;

use super::rooms::Rooms;
use super::strangers::{Queue, Strangers};

/// A policy with the meters of its routes, swapped as one.
#[derive(Debug)]
pub struct Live {
    /// The policy.
    pub policy: Policy,
    /// The meters of each route, by its index.
    pub meters: Vec<RouteMeters>,
    /// The meters of requests that no route was found for.
    pub strangers: RouteMeters,
}

impl Live {
    /// Resolves the meters of a policy.
    #[must_use]
    pub fn new(policy: Policy, metrics: &Metrics) -> Self {
        let meters = policy
            .routes
            .iter()
            .map(|route| metrics.route(&route.name, route.mode == Mode::Monitor, route.keys.ids()))
            .collect();
        Self { policy, meters, strangers: metrics.strangers() }
    }

    /// The route at an index, if there is one.
    #[must_use]
    pub fn route(&self, index: Option<usize>) -> Option<&Arc<Route>> {
        self.policy.routes.get(index?)
    }

    /// The meters of the route at an index, or those of strangers.
    #[must_use]
    pub fn meters(&self, index: Option<usize>) -> &RouteMeters {
        index.and_then(|index| self.meters.get(index)).unwrap_or(&self.strangers)
    }
}

/// What all workers have in common.
#[derive(Debug)]
pub struct Shared {
    live: ArcSwap<Live>,
    /// The claims.
    pub replay: Replay,
    /// The budgets.
    pub budgets: Arc<Budgets>,
    /// The limits of sources, routes and credentials.
    pub limits: Limits,
    /// What is usual, and what is not.
    pub anomalies: Anomalies,
    /// The registry of all meters.
    pub metrics: Metrics,
    /// The audit log.
    pub audit: AuditLog,
}

impl Shared {
    /// Puts the parts together.
    #[must_use]
    pub fn new(live: Live, replay: Replay, budgets: Arc<Budgets>, metrics: Metrics, audit: AuditLog) -> Self {
        let (now, routes) = (Now::read(), live.policy.routes.len());
        let (limits, anomalies) = (Limits::new(&Terms::default(), routes, now), Anomalies::new(routes, now));
        Self { live: ArcSwap::from_pointee(live), replay, budgets, limits, anomalies, metrics, audit }
    }

    /// The same, with limits.
    #[must_use]
    pub fn with_limits(mut self, terms: &Terms, now: Now) -> Self {
        self.limits = Limits::new(terms, self.live().policy.routes.len(), now);
        self
    }

    /// The policy in force. A request keeps the one that it began with.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Tells of what shows by nothing happening.
    pub fn look_for_silence(&self, now: Now) {
        for (index, anomaly) in self.anomalies.look(now) {
            let live = self.live();
            let route = live.route(Some(index)).map(|route| &*route.name);
            observe::anomaly(live.meters(Some(index)), &self.audit, route, &anomaly, now);
        }
    }

    /// The time limits of the policy in force.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.live.load().policy.timeouts
    }

    /// Puts another policy in force, for every request that begins from now on.
    pub fn replace(&self, live: Live) {
        self.live.store(Arc::new(live));
    }
}

/// One worker's own part; never shared with another thread.
#[derive(Debug)]
pub struct Worker {
    /// What all workers have in common.
    pub shared: Arc<Shared>,
    /// Idle connections to the services.
    pub pool: Pool,
    /// Connections that have proven nothing yet, and may have to give way.
    pub(super) strangers: Strangers,
    /// Room for requests' bytes.
    pub(super) rooms: Rooms,
    came: Cell<usize>,
    ids: Cell<(u64, u64)>,
    #[allow(clippy::vec_box, reason = "a head is over 1 KiB, and is lent and given back with each request")]
    heads: RefCell<Vec<Box<Head>>>,
    refusals: Rc<()>,
}

/// The most connections that are being told at one time that there is no room for them.
const MAX_REFUSALS: usize = 64;

/// The most heads whose room is kept; a request has its own only while it is served, and beyond that many at one time
/// an allocation costs little beside the waiting.
const MAX_HEADS: usize = 128;

/// One connection that is being told so; counts until it is dropped.
#[derive(Debug)]
pub struct Refusal(#[expect(dead_code, reason = "held for its count")] Rc<()>);

/// A request's id: 32 lower-case hex digits.
pub(super) type RequestId = [u8; 32];

impl Worker {
    /// A worker. `seed` is random, and differs from that of every other worker and process.
    #[must_use]
    pub fn new(shared: Arc<Shared>, seed: [u64; 2]) -> Self {
        Self {
            rooms: Rooms::new(shared.budgets.clone()),
            shared,
            pool: Pool::default(),
            strangers: Strangers::default(),
            came: Cell::new(0),
            ids: Cell::new((seed[0], seed[1])),
            heads: RefCell::default(),
            refusals: Rc::new(()),
        }
    }

    /// A connection came. Where few are left, one that has proven nothing and waits gives way. True: so many have been
    /// called that they should be let go first.
    #[must_use]
    pub fn make_room(&self) -> bool {
        if !self.shared.budgets.connections_are_scarce() {
            return false;
        }
        self.strangers.waiting.call();
        self.came.set((self.came.get() + 1) % self.shared.budgets.connections_at_once());
        self.came.get() == 0
    }

    /// Gives back what has been idle for too long; called about once a second.
    pub fn tidy(&self, now: Now) {
        self.pool.expire(now.instant);
        self.rooms.tidy();
    }

    /// Room for a body was asked for. Where little or none is left, one of somebody who has proven nothing gives way.
    pub(super) fn spare_buffers(&self, granted: bool) {
        if !granted || self.shared.budgets.buffers_are_scarce() {
            self.rooms.clear();
            self.strangers.sending.call();
        }
    }

    /// Does something for a connection. `None`: it has proven nothing, and gives way.
    pub(super) async fn unless_shed<F: Future>(
        &self,
        queue: &Queue,
        proven: bool,
        work: Pin<&mut F>,
    ) -> Option<F::Output> {
        if proven {
            return Some(work.await);
        }
        let done = queue.unless_called(work).await;
        if done.is_none() {
            self.shared.budgets.gave_way();
        }
        done
    }

    /// Room for one request's head, which an earlier request had.
    pub(super) fn spare_head(&self) -> Box<Head> {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a head's room for another request, unless there is enough of it.
    pub(super) fn spare(&self, head: Box<Head>) {
        let mut heads = self.heads.borrow_mut();
        if heads.len() < MAX_HEADS {
            heads.push(head);
        }
    }

    /// Room to tell one more connection that there is no room.
    #[must_use]
    pub fn try_refusal(&self) -> Option<Refusal> {
        (Rc::strong_count(&self.refusals) <= MAX_REFUSALS).then(|| Refusal(self.refusals.clone()))
    }

    /// The next request id: unique, and no secret.
    #[must_use]
    pub fn next_request_id(&self) -> RequestId {
        let (seed, count) = self.ids.get();
        self.ids.set((seed, count.wrapping_add(1)));
        let value = (u128::from(mix(seed ^ mix(count))) << 64) | u128::from(mix(count.wrapping_add(seed)));
        let mut id = [0; 32];
        for (pair, byte) in id.as_chunks_mut::<2>().0.iter_mut().zip(value.to_be_bytes()) {
            *pair = HEX_PAIRS[usize::from(byte)];
        }
        id
    }
}

/// Each byte in hex.
const HEX_PAIRS: [[u8; 2]; 256] = {
    let (mut pairs, mut byte) = ([[0; 2]; 256], 0);
    while byte < 256 {
        pairs[byte] = [b"0123456789abcdef"[byte >> 4], b"0123456789abcdef"[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014): a bijection whose output looks random.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
