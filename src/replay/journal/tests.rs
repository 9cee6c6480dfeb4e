//! What comes back after an end at any byte, a full disk and clock steps, and how much stays on the disk.

use std::fs::OpenOptions;

use tempfile::TempDir;

use super::*;
use crate::replay::local::Taken;
use crate::replay::{Full, event_key};

const LASTING: Lasting = Lasting { lifetime: Duration::from_secs(600), may_give_way: true };

fn key(number: usize) -> ClaimKey {
    event_key("journal", &number.to_be_bytes())
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn later(now: Now, seconds: u64) -> Now {
    now.plus(Duration::from_secs(seconds))
}

/// A store with what the journal there holds.
fn open(directory: &Path, now: Now) -> (Local, Journal) {
    let local = Local::new(100_000, Full::Auto, now);
    let journal = Journal::open(directory, &local, now).expect("a directory that can be used");
    (local, journal)
}

fn put(local: &Local, journal: &Journal, numbers: std::ops::Range<usize>, now: Now) {
    for number in numbers {
        local.finish(key(number), LASTING, now);
        journal.append(std::iter::once((key(number), LASTING)), now);
    }
}

/// Which of the first `count` keys a store knows as done.
fn known(local: &Local, count: usize, now: Now) -> Vec<usize> {
    let deadline = local.tick(now, Duration::from_secs(1));
    (0..count).filter(|number| local.take(key(*number), deadline, now) == Taken::Done).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let found = generations(directory).expect("a directory");
    found.into_iter().map(|generation| name(directory, generation)).collect()
}

#[test]
fn what_was_done_comes_back_for_what_is_left_of_its_life() {
    let (dir, now) = (directory(), Now::read());
    {
        let (local, journal) = open(dir.path(), now);
        put(&local, &journal, 0..3, now);
        put(&local, &journal, 3..5, later(now, 300));
    }
    for (seconds, expected) in [(300, vec![0, 1, 2, 3, 4]), (601, vec![3, 4]), (901, vec![])] {
        let now = later(now, seconds);
        assert_eq!(known(&open(dir.path(), now).0, 5, now), expected, "after {seconds}s");
    }
}

#[test]
fn an_end_at_any_byte_loses_at_most_the_record_that_it_tore() {
    let (dir, now) = (directory(), Now::read());
    let (local, journal) = open(dir.path(), now);
    put(&local, &journal, 0..3, now);
    drop(journal);
    let file = files(dir.path()).remove(0);
    let whole = fs::read(&file).expect("a file");
    assert_eq!(whole.len(), 3 * RECORD);
    for end in 0..=whole.len() {
        let torn = directory();
        fs::write(name(torn.path(), 1), &whole[..end]).expect("a file");
        let (local, journal) = open(torn.path(), now);
        assert_eq!(known(&local, 3, now), (0..end / RECORD).collect::<Vec<_>>(), "torn at {end}");
        // What comes after the torn record is whole again.
        put(&local, &journal, 3..4, now);
        drop(journal);
        let expected: Vec<_> = (0..end / RECORD).chain([3]).collect();
        assert_eq!(known(&open(torn.path(), now).0, 4, now), expected, "torn at {end}, and gone on");
    }
}

#[test]
fn a_rotten_record_hides_no_other() {
    let (dir, now) = (directory(), Now::read());
    let (local, journal) = open(dir.path(), now);
    put(&local, &journal, 0..3, now);
    drop(journal);
    let file = files(dir.path()).remove(0);
    let whole = fs::read(&file).expect("a file");
    for bit in 0..RECORD * 8 {
        let mut rotten = whole.clone();
        rotten[RECORD + bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, rotten).expect("a file");
        let local = Local::new(100, Full::Auto, now);
        load(&file, &local, now).expect("a file");
        assert_eq!(known(&local, 3, now), [0, 2], "bit {bit}");
    }
    assert_eq!(read(&[0; RECORD], now), None, "a block of zeros, as file systems leave behind, is no record");
}

#[test]
fn generations_bound_the_disk_and_lose_nothing() {
    let (dir, start) = (directory(), Now::read());
    let local = Local::new(5_000, Full::Auto, start);
    let journal = Journal::open(dir.path(), &local, start).expect("a directory");
    let mut most = 0;
    for round in 0..40 {
        let now = later(start, round * 60);
        let first = usize::try_from(round).expect("small") * 1000;
        put(&local, &journal, first..first + 1000, now);
        (0..16).for_each(|_| local.purge(now));
        journal.turn_if_due(&local, now);
        let size: u64 = files(dir.path()).iter().map(|file| fs::metadata(file).expect("a file").len()).sum();
        most = most.max(size);
    }
    assert!(most <= 4 * 32 * 11_000, "{most} bytes");
    drop(journal);
    let now = later(start, 39 * 60);
    // The last ten rounds are within their life, and the eleventh ends now.
    let (local, _journal) = open(dir.path(), now);
    assert_eq!(known(&local, 40_000, now), (30_000..40_000).collect::<Vec<_>>());
    assert_eq!(files(dir.path()).len(), 2, "the last generation, and a new one");
}

#[test]
fn a_full_disk_is_counted_and_what_it_did_not_take_follows() {
    let (dir, now) = (directory(), Now::read());
    let (local, journal) = open(dir.path(), now);
    put(&local, &journal, 0..2, now);
    journal.current.lock().expect("a lock").file = OpenOptions::new().append(true).open("/dev/full").expect("a device");
    put(&local, &journal, 2..4, now);
    assert_eq!(journal.errors(), 2, "each message that was not taken");
    journal.turn_if_due(&local, now);
    assert_eq!((journal.errors(), files(dir.path()).len()), (2, 1), "a new generation holds all");
    put(&local, &journal, 4..5, now);
    drop(journal);
    assert_eq!(known(&open(dir.path(), now).0, 5, now), [0, 1, 2, 3, 4]);
}

#[test]
fn a_new_generation_that_cannot_be_written_leaves_the_old_ones() {
    let (dir, now) = (directory(), Now::read());
    let (local, journal) = open(dir.path(), now);
    put(&local, &journal, 0..2, now);
    journal.current.lock().expect("a lock").broken = true;
    // The next generation's file is a device that is always full.
    std::os::unix::fs::symlink("/dev/full", name(dir.path(), 2)).expect("a link");
    journal.turn_if_due(&local, now);
    assert!(journal.errors() > 0 && journal.current.lock().expect("a lock").broken);
    assert!(name(dir.path(), 1).exists());
    journal.turn_if_due(&local, now);
    assert_eq!(files(dir.path()), [name(dir.path(), 3)], "the third worked");
    drop(journal);
    assert_eq!(known(&open(dir.path(), now).0, 2, now), [0, 1]);
}

#[test]
fn clock_steps() {
    let (dir, now) = (directory(), Now::read());
    {
        let (local, journal) = open(dir.path(), now);
        // While it runs, the wall clock's steps are not even seen.
        put(&local, &journal, 0..1, Now { wall: Duration::ZERO, ..later(now, 10) });
    }
    let shifted = |wall: Duration| Now { wall, ..now };
    let set_back = shifted(now.wall.saturating_sub(Duration::from_secs(100_000)));
    let local = open(dir.path(), set_back).0;
    assert_eq!(known(&local, 1, Now { instant: later(now, 599).instant, ..set_back }), [0]);
    assert_eq!(known(&local, 1, Now { instant: later(now, 601).instant, ..set_back }), [0; 0], "its own life at most");
    assert_eq!(known(&open(dir.path(), shifted(later(now, 609).wall)).0, 1, shifted(later(now, 609).wall)), [0]);
    assert_eq!(known(&open(dir.path(), shifted(later(now, 700).wall)).0, 1, now), [0; 0]);
}

#[test]
fn a_directory_is_one_processs_own() {
    let (dir, now) = (directory(), Now::read());
    let (local, _journal) = open(dir.path(), now);
    let fault = Journal::open(dir.path(), &local, now).expect_err("locked");
    assert!(fault.to_string().contains("is in use by another process"), "{fault}");
}

#[test]
fn more_than_there_is_room_for_is_not_held() {
    let (dir, now) = (directory(), Now::read());
    {
        let (local, journal) = open(dir.path(), now);
        put(&local, &journal, 0..100, now);
    }
    let local = Local::new(10, Full::Reject, now);
    let _journal = Journal::open(dir.path(), &local, now).expect("a directory");
    assert_eq!(local.len(), 10);
}
