//! The audit log: one line a request, written by a thread of its own.
//!
//! Workers append whole lines to a shared buffer under a short lock; the writer takes the buffer away, leaves an empty
//! one, and writes at its leisure. So a slow disk or a full pipe never blocks a worker, and a line costs a worker no
//! allocation. The buffer is bounded: when the writer cannot keep up, lines are dropped, counted, and spoken of once in
//! the operational log.
//!
//! With a [`chain`](super::chain) a line that was changed, taken out or put in shows. A file that exists is continued, its
//! chain too.
//!
//! Deliberately absent: rotation (a file is opened for appending, so copy-and-truncate works) and network sinks.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Now;

use super::anomaly::Anomaly;
use super::chain::{GENESIS, Hash, Hasher, Link};
use super::line::Writer as LineWriter;
use super::{AuditChange, Record};

/// The most bytes that wait to be written: two to three thousand lines, the traffic of a tenth of a second at full load.
const MAX_WAITING: usize = 1 << 20;

/// How long the writer waits for more lines before it writes what is there: a wake-up for each line would cost the
/// workers more than the lines do.
const LINGER: Duration = Duration::from_millis(5);

/// How long an ending process waits for what is still to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How far back the last line of an existing file is looked for. A line is shorter: five texts of at most 1 KiB, each
/// byte at most six when escaped.
const TAIL: u64 = 64 * 1024;

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file that is appended to.
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    /// The file cannot be opened.
    #[error("cannot open {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system refused the writer's thread.
    #[error("the system refused a thread: {0}")]
    Thread(io::Error),
}

/// The log's end that workers write to.
#[derive(Debug)]
pub struct AuditLog(Option<Arc<Queue>>);

/// What the workers and the writer share.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    closing: bool,
    closed: bool,
}

impl AuditLog {
    /// Opens the log and starts its writer.
    ///
    /// # Errors
    /// The file cannot be opened or read, or the system refuses the writer's thread.
    pub fn open(destination: &Destination, chain: Option<Hasher>) -> Result<Self, CannotOpen> {
        let (sink, last) = match destination {
            Destination::Off => return Ok(Self(None)),
            Destination::Stdout => (Sink::Stdout(io::stdout()), None),
            Destination::File(path) => {
                let failed = |error| CannotOpen::File { path: path.clone(), error };
                let (file, last) = open(path).map_err(failed)?;
                (Sink::File(file), last)
            }
        };
        let chain = chain.map(|hasher| (hasher, last.unwrap_or(GENESIS)));
        Self::start(sink, chain).map_err(CannotOpen::Thread)
    }

    fn start(sink: Sink, chain: Option<(Hasher, Hash)>) -> io::Result<Self> {
        let waiting = Waiting { lines: Vec::with_capacity(MAX_WAITING), ..Waiting::default() };
        let queue = Arc::new(Queue { waiting: waiting.into(), changed: Condvar::new(), dropped: AtomicU64::new(0) });
        let output = Output { sink, chain, chained: Vec::new(), torn: false, failing: false };
        let theirs = queue.clone();
        std::thread::Builder::new().name("audit-log".into()).spawn(move || write_until_closed(&theirs, output))?;
        Ok(Self(Some(queue)))
    }

    /// Takes a record. When the log is too far behind, the record is dropped and counted.
    pub fn write(&self, record: &Record<'_>) {
        self.push(|writer, queue| queue.push(writer.line(record)));
    }

    /// Takes something unusual, on the same terms.
    pub fn write_anomaly(&self, route: Option<&str>, anomaly: &Anomaly, now: Now) {
        self.push(|writer, queue| queue.push(writer.anomaly(route, anomaly, now)));
    }

    /// Takes what an audit has found, on the same terms.
    pub fn write_audit(&self, change: &AuditChange<'_>, now: Now) {
        self.push(|writer, queue| queue.push(writer.audited(change, now)));
    }

    fn push(&self, write: impl FnOnce(&mut LineWriter, &Queue)) {
        thread_local! {
            static WRITER: RefCell<LineWriter> = RefCell::new(LineWriter::default());
        }
        if let Some(queue) = &self.0 {
            WRITER.with_borrow_mut(|writer| write(writer, queue));
        }
    }

    /// Records that were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |queue| queue.dropped.load(Ordering::Relaxed))
    }

    /// Waits until everything is written, but not for ever: whoever reads our output may have stopped doing so.
    pub fn close(&self) {
        let Some(queue) = &self.0 else { return };
        let mut waiting = queue.lock();
        waiting.closing = true;
        queue.changed.notify_all();
        drop(queue.changed.wait_timeout_while(waiting, LAST_LINES, |waiting| !waiting.closed));
    }
}

impl Queue {
    /// A panic while the lock was held cannot leave half a line: lines are appended in one step.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.closing || waiting.lines.len() + line.len() > MAX_WAITING {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if is_first {
            self.changed.notify_all();
        }
    }

    /// Waits for lines and takes them away, leaving an empty buffer. False: there will be none.
    fn take(&self, taken: &mut Vec<u8>) -> bool {
        taken.clear();
        let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.closing;
        let waiting = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let more = |waiting: &mut Waiting| !waiting.closing;
        let lingered = self.changed.wait_timeout_while(waiting, LINGER, more);
        let (mut waiting, _) = lingered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.lines, taken);
        !taken.is_empty() || !waiting.closing
    }
}

/// The writer's life.
fn write_until_closed(queue: &Queue, mut output: Output) {
    let mut lines = Vec::with_capacity(MAX_WAITING);
    let mut dropped = 0;
    while queue.take(&mut lines) {
        if let Err(lost) = output.write(&lines) {
            queue.dropped.fetch_add(lost, Ordering::Relaxed);
        }
        let now = queue.dropped.load(Ordering::Relaxed);
        if now > dropped {
            tracing::error!(records = now - dropped, "audit records were lost: the log cannot be written fast enough");
            dropped = now;
        }
    }
    queue.lock().closed = true;
    queue.changed.notify_all();
}

enum Sink {
    Stdout(io::Stdout),
    File(File),
}

struct Output {
    sink: Sink,
    /// Where lines are chained: how, and the hash of the last one.
    chain: Option<(Hasher, Hash)>,
    chained: Vec<u8>,
    /// Whether the last write may have ended within a line.
    torn: bool,
    failing: bool,
}

impl Output {
    /// Writes whole lines. The error is how many were lost.
    fn write(&mut self, lines: &[u8]) -> Result<(), u64> {
        self.chained.clear();
        let before = self.chain.as_ref().map(|(_, last)| *last);
        if let Some((hasher, last)) = &mut self.chain {
            lines.split_inclusive(|&byte| byte == b'\n').for_each(|line| hasher.link(line, last, &mut self.chained));
        }
        let whole = if self.chain.is_some() { &self.chained[..] } else { lines };
        let Err((written, error)) = put(&mut self.sink, self.torn, whole) else {
            (self.torn, self.failing) = (false, false);
            return Ok(());
        };
        if !self.failing {
            tracing::error!(%error, "HOOKWARDEN_AUDIT_LOG cannot be written; records are lost until it can");
        }
        (self.torn, self.failing) = (true, true);
        let (kept, lost) = whole.split_at(memchr::memrchr(b'\n', &whole[..written]).map_or(0, |at| at + 1));
        if let (Some((_, last)), Some(before)) = (&mut self.chain, before) {
            // What was lost is no link of the chain.
            *last = last_hash(kept).unwrap_or(before);
        }
        Err(memchr::memchr_iter(b'\n', lost).count() as u64)
    }
}

/// Writes as much as can be. The error has how much of `lines` was. After a torn line comes a line feed of its own, so
/// that the next line can be read.
fn put(sink: &mut Sink, torn: bool, lines: &[u8]) -> Result<(), (usize, io::Error)> {
    let sink: &mut dyn Write = match sink {
        Sink::Stdout(stdout) => stdout,
        Sink::File(file) => file,
    };
    if torn {
        sink.write_all(b"\n").map_err(|error| (0, error))?;
    }
    let mut written = 0;
    while written < lines.len() {
        match sink.write(&lines[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    sink.flush().map_err(|error| (written, error))
}

/// Opens a file for appending. Gives the hash of its last line, where that has one.
fn open(path: &PathBuf) -> io::Result<(File, Option<Hash>)> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    if !file.metadata()?.is_file() {
        // A pipe or a device has no past.
        return Ok((file, None));
    }
    let length = file.metadata()?.len();
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    (&mut file).take(TAIL).read_to_end(&mut tail)?;
    if tail.last().is_some_and(|&byte| byte != b'\n') {
        // The last run ended within a line.
        file.write_all(b"\n")?;
    }
    Ok((file, last_hash(&tail)))
}

/// The hash of the last chained line.
fn last_hash(lines: &[u8]) -> Option<Hash> {
    lines.split(|&byte| byte == b'\n').rev().find_map(Link::of).map(|link| link.hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::line::tests::record;

    fn to_file(path: &std::path::Path, chain: bool, paths: &[&str]) -> String {
        let chain = chain.then(|| Hasher::new(None));
        let log = AuditLog::open(&Destination::File(path.into()), chain).expect("opens");
        for path in paths {
            log.write(&record(path.as_bytes()));
        }
        // Each waits for a while for a writer that is not scheduled, and not at all for one that has ended.
        (0..30).for_each(|_| log.close());
        assert_eq!(log.dropped(), 0);
        std::fs::read_to_string(path).expect("text")
    }

    /// What a reader of the log would do.
    fn verify(text: &str) -> Result<(), usize> {
        let (hasher, mut last) = (Hasher::new(None), GENESIS);
        for (at, line) in text.lines().enumerate() {
            let link = Link::of(line.as_bytes()).ok_or(at)?;
            if !hasher.holds(&link) || link.prev != last {
                return Err(at);
            }
            last = link.hash;
        }
        Ok(())
    }

    #[test]
    fn lines_come_in_order_and_an_existing_file_is_continued() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("audit.log");
        to_file(&path, false, &["/a", "/b"]);
        OpenOptions::new().append(true).open(&path).expect("opens").write_all(b"{\"torn").expect("writes");
        let text = to_file(&path, false, &["/c"]);
        let paths: Vec<_> = text
            .lines()
            .map(|line| {
                serde_json::from_str(line).map_or("torn".into(), |line: serde_json::Value| line["path"].clone())
            })
            .collect();
        assert_eq!(paths, ["/a", "/b", "torn", "/c"]);
    }

    #[test]
    fn a_chain_survives_restarts_and_shows_every_change() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("audit.log");
        to_file(&path, true, &["/a", "/b"]);
        let text = to_file(&path, true, &["/c"]);
        assert_eq!(text.lines().count(), 3);
        assert_eq!(verify(&text), Ok(()));
        assert_eq!(verify(&text.replace("/b", "/x")), Err(1));
        let without: Vec<_> = text.lines().filter(|line| !line.contains("/b")).collect();
        assert_eq!(verify(&without.join("\n")), Err(1));
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let queue = Queue { waiting: Waiting::default().into(), changed: Condvar::new(), dropped: AtomicU64::new(0) };
        let line = vec![b'x'; MAX_WAITING / 2];
        (0..3).for_each(|_| queue.push(&line));
        assert_eq!((queue.lock().lines.len(), queue.dropped.load(Ordering::Relaxed)), (MAX_WAITING, 1));
    }

    #[test]
    fn a_log_that_cannot_be_opened_says_which() {
        let path = PathBuf::from("/nowhere/audit.log");
        let fault = AuditLog::open(&Destination::File(path), None).expect_err("no such directory");
        assert!(fault.to_string().starts_with("cannot open /nowhere/audit.log: "), "{fault}");
    }

    #[test]
    fn a_disk_that_is_full_loses_lines_but_not_the_chain() {
        let full = OpenOptions::new().append(true).open("/dev/full").expect("a device");
        let chain = Some((Hasher::new(None), GENESIS));
        let mut output = Output { sink: Sink::File(full), chain, chained: Vec::new(), torn: false, failing: false };
        assert_eq!(output.write(b"{\"a\":1}\n{\"a\":2}\n"), Err(2));
        assert!(output.torn && output.chain.is_some_and(|(_, last)| last == GENESIS));
    }

    /// A reader that stops reading: what it got whole stays a part of the chain, the rest is counted as lost.
    #[test]
    fn what_was_written_before_a_failure_stays_a_part_of_the_chain() {
        use std::os::fd::OwnedFd;
        use std::os::unix::net::UnixStream;
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("set");
        let (sink, chain) = (Sink::File(File::from(OwnedFd::from(ours))), Some((Hasher::new(None), GENESIS)));
        let mut output = Output { sink, chain, chained: Vec::new(), torn: false, failing: false };
        let lines = 20_000;
        let lost = output.write(&b"{\"a\":1}\n".repeat(lines)).expect_err("more than the socket holds");
        let last = output.chain.take().map(|(_, last)| last);
        drop(output);
        let mut text = Vec::new();
        theirs.read_to_end(&mut text).expect("read");
        let whole = memchr::memrchr(b'\n', &text).map_or(&[][..], |at| &text[..=at]);
        assert_eq!((verify(str::from_utf8(whole).expect("text")), last), (Ok(()), last_hash(whole)));
        let kept = memchr::memchr_iter(b'\n', whole).count();
        assert!(kept > 0 && kept as u64 + lost == lines as u64, "{kept} kept, {lost} lost");
    }
}
