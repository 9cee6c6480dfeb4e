//! Logs to be read: files as they are or gzipped, patterns of names, and standard input, line by line in bounded memory.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::Failure;

/// How much is read at once.
const READ: usize = 256 * 1024;

/// How much is read between two looks of the progress bar.
const STEP: u64 = 8 << 20;

/// How wide the bar is, in characters.
const BAR: u64 = 30;

/// The files that names and patterns stand for, in order; `-` is standard input.
pub(super) fn expand(names: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for name in names {
        match name.file_name().and_then(|file| file.to_str()).filter(|file| file.contains(['*', '?'])) {
            Some(pattern) if !name.exists() => paths.extend(matching(name, pattern)?),
            _ => paths.push(name.clone()),
        }
    }
    Ok(paths)
}

fn matching(name: &Path, pattern: &str) -> Result<Vec<PathBuf>, Failure> {
    let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: io::Error| Failure::unavailable(format!("{}: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_str().is_some_and(|file| matches(pattern.as_bytes(), file.as_bytes())) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    if paths.is_empty() { Err(Failure::usage(format!("{} matches no file", name.display()))) } else { Ok(paths) }
}

/// Whether a name is of a pattern: `*` stands for any characters, `?` for one. A hidden file has to be meant.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let is_hidden = name.starts_with(b".") && !pattern.starts_with(b".");
    !is_hidden && wild(pattern, name)
}

fn wild(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last star stands, and how much it has taken: it takes more whenever the rest does not fit.
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[of] => (at, of) = (at + 1, of + 1),
            _ => {
                let Some((star_at, taken)) = star else { return false };
                (at, of, star) = (star_at + 1, taken + 1, Some((star_at, taken + 1)));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Reads logs, and shows on a terminal how far it is.
pub(super) struct Reader {
    progress: Progress,
}

impl Reader {
    /// For these files.
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let sizes =
            paths.iter().map(|path| std::fs::metadata(path).ok().filter(Metadata::is_file).map(|file| file.len()));
        let total = sizes.sum::<Option<u64>>();
        let read = Arc::new(AtomicU64::new(0));
        Self { progress: Progress { read, total, shown: 0, on: io::stderr().is_terminal() } }
    }

    /// Gives each line of a file, without its line feed, with its number. A line is given up to `longest` bytes and one
    /// more, which shows that it is too long; its rest is left out.
    pub(super) fn lines(&mut self, path: &Path, longest: usize, mut take: impl FnMut(u64, &[u8])) -> io::Result<()> {
        let input: Box<dyn Read> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        let counted = Counted { input, read: self.progress.read.clone() };
        let mut input = BufReader::with_capacity(READ, counted);
        // The magic number of gzip (RFC 1952 section 2.3.1).
        let mut input: Box<dyn BufRead> = if input.fill_buf()?.starts_with(b"\x1f\x8b") {
            Box::new(BufReader::with_capacity(READ, MultiGzDecoder::new(input)))
        } else {
            Box::new(input)
        };
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if input.as_mut().take(longest as u64 + 1).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.len() > longest && line.last() != Some(&b'\n') {
                skip_line(&mut *input)?;
            }
            take(number, line.strip_suffix(b"\n").unwrap_or(&line));
            self.progress.show();
        }
        Ok(())
    }

    /// Takes the bar away.
    pub(super) fn finish(&mut self) {
        self.progress.clear();
    }
}

/// Reads on to the end of a line.
fn skip_line(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let part = input.fill_buf()?;
        let end = memchr::memchr(b'\n', part);
        let (used, is_over) = (end.map_or(part.len(), |at| at + 1), end.is_some() || part.is_empty());
        input.consume(used);
        if is_over {
            return Ok(());
        }
    }
}

/// Counts what is read of a file, before it is unpacked: the whole of that is known.
struct Counted {
    input: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buf)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

struct Progress {
    read: Arc<AtomicU64>,
    /// Bytes in all, where that is known.
    total: Option<u64>,
    shown: u64,
    on: bool,
}

impl Progress {
    fn show(&mut self) {
        let read = self.read.load(Ordering::Relaxed);
        if self.on && read >= self.shown + STEP {
            self.shown = read;
            // A terminal that cannot be written to is no reason to stop.
            let _ = write!(io::stderr().lock(), "\r\x1b[K{}", bar(read, self.total));
        }
    }

    fn clear(&mut self) {
        if self.on && self.shown > 0 {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// How far it is: `[######      ] 50 %  512 of 1024 MiB`.
fn bar(read: u64, total: Option<u64>) -> String {
    let Some(total) = total.filter(|total| *total > 0) else { return format!("{} MiB read", read >> 20) };
    let share = |of: u64| usize::try_from(read.min(total).saturating_mul(of) / total).unwrap_or_default();
    let width = usize::try_from(BAR).unwrap_or_default();
    format!("[{:width$}] {:3} %  {} of {} MiB", "#".repeat(share(BAR)), share(100), read >> 20, total >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_has_it() {
        for (pattern, name, expected) in [
            ("*.log", "audit.log", true),
            ("*.log", ".log", false),
            (".*", ".log", true),
            ("audit.log.?", "audit.log.1", true),
            ("audit.log.?", "audit.log.10", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("*", "", true),
            ("**a", "aaa", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn lines_of_every_length_keep_their_numbers() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        std::fs::write(&path, format!("one\n{}\nthree\n\nfive", "x".repeat(100))).expect("written");
        let mut seen = Vec::new();
        Reader::new(std::slice::from_ref(&path))
            .lines(&path, 10, |number, line| seen.push((number, line.len())))
            .expect("read");
        assert_eq!(seen, [(1, 3), (2, 11), (3, 5), (4, 0), (5, 4)]);
    }

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(1 << 20, Some(2 << 20)), format!("[{:30}]  50 %  1 of 2 MiB", "#".repeat(15)));
        assert_eq!(bar(3 << 20, None), "3 MiB read");
    }
}
