//! Mixed load for a while: no error, no leaked descriptor, memory flat. A few seconds by default; for ten minutes:
//!
//! ```text
//! HOOKWARDEN_SOAK_SECONDS=600 cargo test --release --test attack soak -- --nocapture
//! ```

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hookwarden::clock::Now;

use crate::harness::{GUARD, Request, Sidecar, Signer, Upstream};
use crate::world::{PER_CONNECTION, alone, bound, check_recovery, connect, exchange, note, plain, send_honestly};

/// Honest requests between two looks at the process.
const ROUND: usize = 200;

#[test]
fn soak() {
    let _alone = alone();
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .with_shipped_deadlines()
        .set("AUDIT_LOG", "off")
        .set("RATE_PER_SOURCE", "1000000/s burst 1000000")
        // Soon full, so that memory can be flat; most claims give way, and those of signed times are few and short-lived.
        .set("REPLAY_MAX_ENTRIES", "20000")
        .provider("github")
        .provider_as("stripe", "stripe", &[("TOLERANCE", "10s")])
        .start();
    let (over, address) = (AtomicBool::new(false), proxy.address());
    let (samples, errors) = std::thread::scope(|scope| {
        scope.spawn(|| strangers(address, &over));
        let result = watch(&proxy, &upstream);
        over.store(true, Ordering::Relaxed);
        result
    });
    // The first third warms buffers, pools and tables up.
    let settled = &samples[samples.len() / 3..];
    note(&format!("soak: {} rounds of {ROUND}, {errors} errors, {:+.1} KiB a minute", samples.len(), slope(settled)));
    let tenths: Vec<_> = samples.chunks(samples.len().div_ceil(10)).map(|part| part[part.len() - 1].1).collect();
    note(&format!("soak: resident KiB at the end of each tenth {tenths:?}"));
    assert_eq!(errors, 0);
    check_recovery(&proxy, "soak", bound(100, false, 100, 64 * 1024, 65536));
    proxy.end();
}

/// Honest traffic for as long as was asked for. Gives seconds and KiB after each round, and how many requests failed.
fn watch(proxy: &Sidecar, upstream: &Upstream) -> (Vec<(f64, f64)>, usize) {
    let (start, lasts) = (Now::read(), lasts());
    let (mut samples, mut errors, mut first) = (Vec::new(), 0, None);
    let mut number = 0;
    while samples.len() < 10 || Now::read().instant - start.instant < lasts {
        for part in 0..ROUND / PER_CONNECTION {
            // Signed now: a signed time is good for ten seconds, and the whole round may take longer.
            let signers = ["github", "stripe"].map(Signer::new);
            let requests: Vec<_> = (part * PER_CONNECTION..(part + 1) * PER_CONNECTION)
                .map(|at| {
                    number += 1;
                    let size = [20, 2000, 60_000][at % 3];
                    signers[usize::from(at % 20 == 0)]
                        .sign(format!(r#"{{"id":"{number}","fill":"{}"}}"#, "x".repeat(size)))
                        .bytes()
                })
                .collect();
            let failed = send_honestly(&requests, &plain(proxy.address())).failed;
            for why in &failed {
                note(&format!("soak: {why}"));
            }
            errors += failed.len();
        }
        #[allow(clippy::cast_precision_loss, reason = "far smaller than 2^52")]
        samples.push(((Now::read().instant - start.instant).as_secs_f64(), proxy.status("VmRSS") as f64));
        upstream.forget();
        first.get_or_insert(proxy.descriptors());
    }
    // The strangers' connections, which it is about to close, come and go.
    let (first, began) = (first.unwrap_or_default(), Now::read().instant);
    let mut looks = std::iter::repeat_with(|| proxy.descriptors()).take_while(|_| began.elapsed() < GUARD);
    let last = looks.find(|count| *count <= first + 8).unwrap_or_else(|| proxy.descriptors());
    note(&format!("soak: {first} descriptors after the first round, {last} after the last"));
    assert!(last <= first + 8, "{first} descriptors became {last}");
    (samples, errors)
}

/// What strangers send meanwhile, over connections that they leave in every way.
fn strangers(address: SocketAddr, over: &AtomicBool) {
    let forged = Signer::new("github").sample().body("{}").bytes();
    let unknown = Request::post("/nowhere", "{}").bytes();
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = connect(address) else { continue };
        for request in [&forged[..], &unknown, b"nonsense\r\n\r\n", &forged[..40]] {
            if request.len() == 40 {
                // Half a head, and gone.
                let _ = std::io::Write::write_all(&mut stream, request);
            } else if exchange(&mut stream, request).is_err() {
                break;
            }
        }
    }
}

/// How long it was asked to last.
#[allow(clippy::disallowed_methods, reason = "whoever runs the test says how long")]
fn lasts() -> Duration {
    let asked = std::env::var("HOOKWARDEN_SOAK_SECONDS").ok();
    Duration::from_secs(asked.and_then(|text| text.parse().ok()).unwrap_or(3))
}

/// The slope of the line of least squares, in KiB a minute.
#[allow(clippy::cast_precision_loss, reason = "far smaller than 2^52")]
fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| samples.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let up: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    let across: f64 = samples.iter().map(|sample| (sample.0 - x).powi(2)).sum();
    60.0 * up / across.max(1e-9)
}
