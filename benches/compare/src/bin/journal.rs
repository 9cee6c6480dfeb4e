//! A replay journal that holds claims in batches, as if as many webhooks had come just now: a sidecar that starts with it has
//! them in its store. Each batch is a number of claims, the seconds that they hold, and how often each is written; more
//! than one record of a claim changes nothing, and is what a journal has between two of its generations.
//!
//! Whether the sidecar took them all is asked of its metric `hookwarden_replay_entries`, so a record's form that is another
//! by now does not go unseen.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

const USAGE: &str = "usage: journal FOLDER CLAIMS:SECONDS[:TIMES]...";

/// That a claim may give way, as one of GitHub's may.
const GIVES_WAY: u32 = 1 << 31;

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, batches @ ..] = &arguments[..] else { panic!("{USAGE}") };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let now = u32::try_from(now).expect("before 2106");
    let mut file = BufWriter::new(File::create_new(Path::new(folder).join("0000000000000001.claims"))?);
    let mut first = 1;
    for batch in batches {
        let numbers: Vec<u32> = batch.split(':').map(|number| number.parse().expect(USAGE)).collect();
        let [claims, seconds, times @ ..] = &numbers[..] else { panic!("{USAGE}") };
        for _ in 0..times.first().copied().unwrap_or(1) {
            for number in first..first + claims {
                file.write_all(&record(number, now, *seconds))?;
            }
        }
        first += claims;
    }
    file.flush()
}

/// The key, when it was written, how long it holds, a checksum.
fn record(number: u32, now: u32, seconds: u32) -> [u8; 32] {
    let mut record = [0; 32];
    // Keys are parts of MACs: all bits count.
    let key = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    record[..16].copy_from_slice(&(key ^ (key >> 61)).to_le_bytes());
    record[16..20].copy_from_slice(&now.to_le_bytes());
    record[20..24].copy_from_slice(&(seconds | GIVES_WAY).to_le_bytes());
    let sum = checksum(&record[..24]);
    record[24..].copy_from_slice(&sum.to_le_bytes());
    record
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).fold(0x686f_6f6b_7761_7264, |sum: u64, word| {
        let mixed = (sum ^ u64::from_le_bytes(word.try_into().expect("eight"))).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31)
    })
}
