//! Follows the chain of audit logs from their first line to their last. Pure: lines come in, what they show comes out.
//!
//! What the chain shows: a record that was changed, taken out, put in or moved. What it cannot show, and the report
//! therefore says: records before the first line, a tail that was cut off (the last hash must be known from elsewhere),
//! records that were dropped before they were written (a metric counts them), and, without a key, a chain that somebody
//! made anew from a line on.

use crate::observe::chain::{GENESIS, Hash, Hasher, Link};

/// The longest line that is read, in bytes. A record is shorter: five texts of at most 1 KiB, each byte at most six when
/// escaped, and a little.
pub const LONGEST_LINE: usize = 64 * 1024;

/// One pass over logs, oldest first.
#[derive(Debug)]
pub struct Walk {
    hasher: Hasher,
    last: Option<Hash>,
    seen: Seen,
}

/// What a log has shown so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Lines, empty ones too.
    pub lines: u64,
    /// Records whose place in the chain holds.
    pub records: u64,
    /// Lines before the chain begins: the log was not chained then, and nothing is known of them.
    pub unchained: u64,
    /// Lines that a crash or a full disk broke off: they are no record, and the chain goes on after them.
    pub torn: u64,
    /// Further beginnings: a process that writes to a pipe begins a chain of its own.
    pub restarts: u64,
    /// The hash of a record that came before the first one here, where the chain did not begin here.
    pub continues: Option<String>,
    /// The hash of the last record.
    pub last: Option<String>,
}

/// Why the chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The content is not what was hashed.
    #[error("the record was changed, or its hash was made with another key: the hash is not that of the line")]
    Changed,
    /// It does not follow the line before.
    #[error("records were taken out, put in or moved before this one: it follows another than the one before")]
    Gap,
    /// A record without links within the chain.
    #[error("a record without a hash within the chain: it was put in, or the chain was switched off for a while")]
    Unlinked,
    /// No record is so long.
    #[error("a line of more than {LONGEST_LINE} bytes is no record")]
    TooLong,
}

impl Walk {
    /// A pass that knows the chain's key, where it has one.
    #[must_use]
    pub fn new(hasher: Hasher) -> Self {
        Self { hasher, last: None, seen: Seen::default() }
    }

    /// What was seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let text = |hash: Hash| String::from_utf8_lossy(&hash).into_owned();
        Seen { last: self.last.map(text), ..self.seen.clone() }
    }

    /// Takes the next line, without its line feed.
    ///
    /// # Errors
    /// The chain is broken at this line.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        self.seen.lines += 1;
        if line.len() > LONGEST_LINE {
            return Err(Broken::TooLong);
        }
        match Link::of(line) {
            Some(link) => self.follow(&link),
            None if line.iter().all(u8::is_ascii_whitespace) => Ok(()),
            None => self.unlinked(line),
        }
    }

    fn follow(&mut self, link: &Link<'_>) -> Result<(), Broken> {
        if !self.hasher.holds(link) {
            return Err(Broken::Changed);
        }
        match self.last {
            Some(last) if last == link.prev => {}
            Some(_) if link.prev == GENESIS => self.seen.restarts += 1,
            Some(_) => return Err(Broken::Gap),
            None if link.prev == GENESIS => {}
            None => self.seen.continues = Some(String::from_utf8_lossy(&link.prev).into_owned()),
        }
        self.last = Some(link.hash);
        self.seen.records += 1;
        Ok(())
    }

    fn unlinked(&mut self, line: &[u8]) -> Result<(), Broken> {
        let whole = serde_json::from_slice::<serde_json::Value>(line).is_ok();
        match (whole, self.last) {
            (false, _) => self.seen.torn += 1,
            (true, None) => self.seen.unchained += 1,
            (true, Some(_)) => return Err(Broken::Unlinked),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a chain, with their line feeds.
    fn chain(hasher: &Hasher, count: usize) -> Vec<String> {
        let mut last = GENESIS;
        let line = |at: usize| {
            let mut out = Vec::new();
            hasher.link(format!("{{\"at\":{at}}}\n").as_bytes(), &mut last, &mut out);
            String::from_utf8(out).expect("text")
        };
        (1..=count).map(line).collect()
    }

    fn walk(hasher: &Hasher, lines: &[String]) -> Result<Seen, (u64, Broken)> {
        let mut walk = Walk::new(hasher.clone());
        for line in lines {
            walk.line(line.trim_end_matches('\n').as_bytes()).map_err(|broken| (walk.seen.lines, broken))?;
        }
        Ok(walk.seen())
    }

    /// What is done to a log, and how many records hold then, or at which line it breaks.
    type Row = (&'static str, fn(&mut Vec<String>), Result<u64, (u64, Broken)>);

    #[test]
    fn each_change_shows_at_its_line() {
        let rows: &[Row] = &[
            ("untouched", |_| {}, Ok(5)),
            (
                "a record changed",
                |lines| lines[2] = lines[2].replace("\"at\":3", "\"at\":4"),
                Err((3, Broken::Changed)),
            ),
            ("a record taken out", |lines| drop(lines.remove(2)), Err((3, Broken::Gap))),
            ("a record twice", |lines| lines.insert(2, lines[1].clone()), Err((3, Broken::Gap))),
            ("two swapped", |lines| lines.swap(1, 2), Err((2, Broken::Gap))),
            ("a record put in", |lines| lines.insert(3, "{\"at\":9}\n".to_owned()), Err((4, Broken::Unlinked))),
            ("a line too long", |lines| lines.insert(3, "x".repeat(LONGEST_LINE + 1)), Err((4, Broken::TooLong))),
            ("a torn line", |lines| lines.insert(3, "{\"at\":9,\"pre".to_owned()), Ok(5)),
            ("a record torn", |lines| lines[2].truncate(9), Err((4, Broken::Gap))),
            ("an empty line", |lines| lines.insert(3, "\n".to_owned()), Ok(5)),
            ("records before the chain", |lines| lines.insert(0, "{\"at\":0}\n".to_owned()), Ok(5)),
            ("the head cut off", |lines| drop(lines.remove(0)), Ok(4)),
            ("the tail cut off", |lines| drop(lines.pop()), Ok(4)),
        ];
        for hasher in [Hasher::new(None), Hasher::new(Some(b"a key of 16 byte"))] {
            for (what, change, expected) in rows {
                let mut lines = chain(&hasher, 5);
                change(&mut lines);
                assert_eq!(walk(&hasher, &lines).map(|seen| seen.records), *expected, "{what}");
            }
        }
    }

    #[test]
    fn what_is_no_break_is_told_all_the_same() {
        let hasher = Hasher::new(None);
        let lines = chain(&hasher, 3);
        let whole = walk(&hasher, &lines).expect("holds");
        assert_eq!((whole.continues, whole.restarts, whole.torn, whole.unchained), (None, 0, 0, 0));
        let later = walk(&hasher, &lines[1..]).expect("holds");
        assert!(lines[0].contains(&later.continues.expect("the hash of the first")));
        assert_eq!(later.last, whole.last);
        assert_ne!(walk(&hasher, &lines[..2]).expect("holds").last, whole.last);
        let twice = [&lines[..], &lines[..]].concat();
        assert_eq!(walk(&hasher, &twice).expect("holds").restarts, 1);
        let old = [&["{}\n".to_owned(), "torn".to_owned()], &lines[..]].concat();
        let old = walk(&hasher, &old).expect("holds");
        assert_eq!((old.unchained, old.torn, old.records), (1, 1, 3));
    }

    /// Without the key nobody makes a chain that holds, nor does a keyed one hold without it.
    #[test]
    fn a_chain_made_anew_needs_the_key() {
        let (keyed, plain) = (Hasher::new(Some(b"a key of 16 byte")), Hasher::new(None));
        assert_eq!(walk(&keyed, &chain(&plain, 2)), Err((1, Broken::Changed)));
        assert_eq!(walk(&plain, &chain(&keyed, 2)), Err((1, Broken::Changed)));
    }
}
