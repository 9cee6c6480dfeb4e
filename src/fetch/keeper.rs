//! The thread that fetches what the policy in force names, and keeps it fresh.
//!
//! It looks once a second at what is due. Nothing waits for it: a message that comes before its keys is refused, and the
//! sender retries.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Now;

use super::by_id::ById;
use super::client::Client;
use super::named::Named;
use super::source::Fetched;

/// How often it looks: a message with a new key that is retried finds the key after little more than that.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the policy in force names, and the client that it has.
#[derive(Debug)]
pub struct InForce {
    /// What asks.
    pub client: Client,
    /// Sets of keys.
    pub fetched: Vec<Arc<Fetched>>,
    /// What messages name.
    pub named: Vec<Arc<Named>>,
    /// Keys that come one by one.
    pub by_id: Vec<Arc<ById>>,
}

/// Keeps fresh what the policy in force names, with the client that it has; looks at once when it is woken. Never ends;
/// wants to be polled within a `LocalSet`.
pub async fn keep(in_force: impl Fn() -> Option<InForce>, wake: &Notify) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = wake.notified() => {}
        }
        let Some(InForce { client, fetched, named, by_id }) = in_force() else { continue };
        for named in named {
            if let Some(task) = named.take_task(Now::read()) {
                let client = client.clone();
                spawn_local(async move { task.run(&client).await });
            }
        }
        for by_id in by_id {
            if let Some(task) = by_id.take_task(Now::read(), getrandom::u64().unwrap_or_default()) {
                let client = client.clone();
                spawn_local(async move { task.run(&client).await });
            }
        }
        for fetched in fetched {
            // Of each at most one is open at a time, whatever number of routes names it.
            if let Some(task) = fetched.take_task(Now::read()) {
                let client = client.clone();
                spawn_local(async move { task.run(&client).await });
            }
        }
    }
}
