//! SHA-256 of many short messages: `hashes sha2|ring BYTES MILLISECONDS` prints how many MB a second.
//!
//! `sha2` takes the processor's instructions for SHA where it finds them at run time; built with
//! `--cfg sha2_256_backend="soft"` it never does. `ring` decides at run time too, and has assembly for processors without
//! them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// Of "abc", from FIPS 180-2, appendix B.1.
const ABC: [u8; 4] = [0xba, 0x78, 0x16, 0xbf];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [library, length, time] = &arguments[..] else { panic!("usage: hashes sha2|ring BYTES MILLISECONDS") };
    let hash = match library.as_str() {
        "sha2" => sha2,
        "ring" => ring,
        _ => panic!("no such library"),
    };
    assert_eq!(hash(b"abc"), ABC, "a wrong hash");
    let message = vec![b'x'; length.parse().expect("a number of bytes")];
    let time = Duration::from_millis(time.parse().expect("a number of milliseconds"));
    println!("{:.1}", rate(hash, &message, time));
}

/// Megabytes a second, of the fastest of many short stretches: other work on the machine only ever makes one slower.
fn rate(hash: fn(&[u8]) -> [u8; 4], message: &[u8], time: Duration) -> f64 {
    let at_once = (64 << 10) / message.len() + 1;
    let (start, mut fastest) = (Instant::now(), Duration::MAX);
    while start.elapsed() < time {
        let began = Instant::now();
        for _ in 0..at_once {
            black_box(hash(black_box(message)));
        }
        fastest = fastest.min(began.elapsed());
    }
    (at_once * message.len()) as f64 / 1e6 / fastest.as_secs_f64()
}

/// The digest's first bytes: enough to tell that it is right, and that it was made.
fn sha2(message: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest(message);
    [digest[0], digest[1], digest[2], digest[3]]
}

fn ring(message: &[u8]) -> [u8; 4] {
    let digest = ring::digest::digest(&ring::digest::SHA256, message);
    let digest = digest.as_ref();
    [digest[0], digest[1], digest[2], digest[3]]
}
