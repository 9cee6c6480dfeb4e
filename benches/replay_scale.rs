//! A simulation of many sidecars before one shared replay store: how busy its shards are, how long claims take, and what
//! memory and connections it needs.
//!
//! `cargo bench --bench replay_scale [-- PODS RATE WINDOW]` (webhooks a second in all; seconds that a claim lasts). Each
//! shard is a queue with one server: claims and settlements come as a Poisson stream (many independent senders) and take
//! as long as the bench `replay` measures on a real server; the network's way is a constant. Nothing is fitted: the
//! numbers are at the top, to be replaced by one's own.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a command that prints")]

/// Processor time of one claim and of one settled key on the server, and a key's memory there, as `replay` measures them.
const CLAIM: f64 = 6.5e-6;
const SETTLE: f64 = 2.5e-6;
const KEY_BYTES: f64 = 150.0;

/// The network's way there and back within a zone.
const NETWORK: f64 = 250e-6;

/// How busy a shard may be: beyond two thirds, queues grow faster than traffic.
const BUSY: f64 = 0.66;

/// Connections that a server takes by default (`maxclients`).
const CONNECTIONS: f64 = 10_000.0;

fn main() {
    let given: Vec<f64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let rows = match given[..] {
        [pods, rate, window] => vec![(pods, rate, window)],
        _ => vec![
            (10.0, 1_000.0, 605.0),
            (100.0, 10_000.0, 605.0),
            (1_000.0, 100_000.0, 605.0),
            (10_000.0, 1_000_000.0, 605.0),
            (10_000.0, 1_000_000.0, 86_400.0),
        ],
    };
    println!("   pods  webhooks/s  window  shards   busy    p50 ms    p99 ms  p99.9 ms  memory/shard  keys in all");
    for (pods, rate, window) in rows {
        row(pods, rate, window);
    }
}

fn row(pods: f64, rate: f64, window: f64) {
    // One message key each; with an event key each number of keys doubles.
    let keys = rate * window;
    let by_work = (rate * (CLAIM + SETTLE) / BUSY).ceil();
    let by_memory = (keys * KEY_BYTES / 16e9).ceil();
    let by_connections = if pods > CONNECTIONS { (pods / CONNECTIONS).ceil() } else { 1.0 };
    let shards = by_work.max(by_memory).max(by_connections);
    let mut waits = waits(rate / shards);
    waits.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| waits[index(waits.len(), part)] * 1e3;
    println!(
        "{pods:>7} {rate:>11} {window:>7} {shards:>7} {:>5.1}% {:>9.3} {:>9.3} {:>9.3} {:>9.2} GiB {:>12.1} M",
        rate / shards * (CLAIM + SETTLE) * 100.0,
        at(0.5),
        at(0.99),
        at(0.999),
        keys / shards * KEY_BYTES / f64::from(1 << 30),
        keys / 1e6,
    );
}

/// The times of claims at one shard that gets that many webhooks a second: a queue, event by event.
fn waits(rate: f64) -> Vec<f64> {
    const CLAIMS: usize = 400_000;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut now, mut free_at) = (0.0_f64, 0.0_f64);
    let mut times = Vec::with_capacity(CLAIMS);
    while times.len() < CLAIMS {
        // Claims and settlements come equally often, each as independent of all others as many senders are.
        now += -random.unit().ln() / (2.0 * rate);
        let is_claim = random.unit() < 0.5;
        free_at = free_at.max(now) + if is_claim { CLAIM } else { SETTLE };
        if is_claim {
            times.push(free_at - now + NETWORK);
        }
    }
    times
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
fn index(len: usize, part: f64) -> usize {
    ((len as f64 * part) as usize).min(len - 1)
}

/// `SplitMix64` (Steele, Lea and Flood, 2014): the same numbers at each run.
struct Random(u64);

impl Random {
    /// Above 0, up to 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((value ^ (value >> 31)) >> 11) + 1) as f64 / 9_007_199_254_740_992.0
    }
}
