//! The files that settings name. All are read through one place, so that what is watched is what was read: a fingerprint
//! is taken of the very bytes that went into the policy, and a later look that finds another one means a change.
//!
//! Bounded: a file of a setting is small, and one that is not is a mistake.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The largest file. Keys, certificates and schemas are a few KiB.
const MAX_FILE: u64 = 1 << 20;

/// The most files in a key directory: far more than can be active, so that the count is told by the keys themselves.
const MAX_FILES: usize = 64;

/// The most files of certificates and keys in a directory and those in it: a look reads all of them.
const MAX_HALVES: usize = 2 * MAX_FILES;

/// A file as it was found.
#[derive(Clone)]
pub(super) struct Content {
    /// Its bytes.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// When it was written, in seconds since the Unix epoch, where the file system knows.
    pub(super) modified: Option<u64>,
}

/// What stood at a path.
#[derive(Clone)]
pub(super) enum Found {
    /// A file.
    File(Content),
    /// A directory's files by name, in order. Names that start with a dot are left out: Kubernetes keeps the versions of
    /// a mounted Secret behind such names.
    Directory(Vec<(String, Content)>),
}

/// Why a path cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// The system said so.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// More than [`MAX_FILE`].
    #[error("is larger than 1MiB")]
    TooLarge,
    /// A device, a pipe or a socket, which would block or never end.
    #[error("is not a regular file")]
    Special,
    /// A directory inside a key directory.
    #[error("holds {0:?}, which is not a regular file")]
    Nested(String),
    /// More than [`MAX_FILES`] or [`MAX_HALVES`].
    #[error("holds more than {0} files")]
    TooMany(usize),
}

/// How a path is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// A file, or a directory of files.
    Plain,
    /// A file, or the certificates and keys of a directory: its files, and those of the directories in it, whose names end in
    /// `.crt` or `.key`. They are named by their path inside of it; a Secret that is mounted for each certificate has its
    /// own directory. Other files are not looked at.
    Pairs,
}

impl Look {
    pub(super) fn at(self, path: &Path) -> Result<Found, Unreadable> {
        match self {
            Self::Plain => look(path),
            Self::Pairs => pairs(path),
        }
    }
}

/// Stands for what was found at a path.
type Fingerprint = [u8; 32];

/// A path, and how it is looked at.
pub(super) type Place = (PathBuf, Look);

/// What was found at each place.
pub(super) type Seen = BTreeMap<Place, Fingerprint>;

/// What was used of each place.
pub(super) type Used = BTreeMap<Place, Found>;

/// The places that one load asked for.
#[derive(Default)]
pub(super) struct Files {
    /// What is there.
    pub(super) seen: Seen,
    /// What the load went on with.
    pub(super) used: Used,
    /// What it is to go on with whatever is there.
    pub(super) held: Used,
    /// Which variable asked for which place.
    pub(super) asked: Vec<(String, Place)>,
}

impl Files {
    /// Reads what a variable names, and remembers what was found.
    pub(super) fn read(&mut self, variable: &str, path: &Path, look: Look) -> Result<Found, Unreadable> {
        let place = (path.to_owned(), look);
        self.asked.push((variable.to_owned(), place.clone()));
        let now = look.at(path);
        // The first look stays: if a second one in the same load finds something else, the next poll finds a change.
        self.seen.entry(place.clone()).or_insert_with(|| fingerprint(&now));
        let found = self.held.get(&place).map_or(now, |held| Ok(held.clone()))?;
        self.used.insert(place, found.clone());
        Ok(found)
    }
}

/// The same places, as they are now.
pub(super) fn again(seen: &Seen) -> Seen {
    seen.keys().map(|place| (place.clone(), fingerprint(&place.1.at(&place.0)))).collect()
}

fn look(path: &Path) -> Result<Found, Unreadable> {
    if fs::metadata(path)?.is_dir() { directory(path).map(Found::Directory) } else { file(path).map(Found::File) }
}

fn file(path: &Path) -> Result<Content, Unreadable> {
    // Before it is opened: to open a pipe blocks.
    if !fs::metadata(path)?.is_file() {
        return Err(Unreadable::Special);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > MAX_FILE {
        return Err(Unreadable::TooLarge);
    }
    // Room for all of it from the start: a vector that grows leaves copies of a secret behind.
    let room = usize::try_from(metadata.len().saturating_add(1)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    if file.take(MAX_FILE + 1).read_to_end(&mut bytes)? as u64 > MAX_FILE {
        return Err(Unreadable::TooLarge);
    }
    Ok(Content { bytes, modified: modified(&metadata) })
}

fn names(path: &Path) -> Result<Vec<OsString>, Unreadable> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(name);
        }
        if names.len() > MAX_FILES {
            return Err(Unreadable::TooMany(MAX_FILES));
        }
    }
    names.sort();
    Ok(names)
}

fn pairs(path: &Path) -> Result<Found, Unreadable> {
    if !fs::metadata(path)?.is_dir() {
        return file(path).map(Found::File);
    }
    let mut found = Vec::new();
    for name in names(path)? {
        let inside = path.join(&name);
        let name = name.to_string_lossy();
        if fs::metadata(&inside)?.is_dir() {
            let below = names(&inside)?;
            let below = below.iter().map(|file| (format!("{name}/{}", file.to_string_lossy()), inside.join(file)));
            read_halves(below, &mut found)?;
        } else {
            read_halves([(name.into_owned(), inside)], &mut found)?;
        }
    }
    Ok(Found::Directory(found))
}

fn read_halves(
    files: impl IntoIterator<Item = (String, PathBuf)>,
    found: &mut Vec<(String, Content)>,
) -> Result<(), Unreadable> {
    for (name, path) in files {
        if matches!(name.rsplit_once('.'), Some((_, "crt" | "key"))) {
            found.push((name, file(&path)?));
        }
        if found.len() > MAX_HALVES {
            return Err(Unreadable::TooMany(MAX_HALVES));
        }
    }
    Ok(())
}

fn directory(path: &Path) -> Result<Vec<(String, Content)>, Unreadable> {
    let read = |name: OsString| {
        let shown = name.to_string_lossy().into_owned();
        match file(&path.join(&name)) {
            Ok(content) => Ok((shown, content)),
            Err(Unreadable::Special) => Err(Unreadable::Nested(shown)),
            Err(other) => Err(other),
        }
    };
    names(path)?.into_iter().map(read).collect()
}

fn modified(metadata: &Metadata) -> Option<u64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// Content and time of writing, which is a key's age; sizes and counts frame the parts.
fn fingerprint(found: &Result<Found, Unreadable>) -> Fingerprint {
    let mut hash = Sha256::new();
    let mut add = |name: &str, content: &Content| {
        for part in [name.as_bytes(), &content.modified.unwrap_or_default().to_be_bytes(), &content.bytes] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    };
    match found {
        Ok(Found::File(content)) => add("file", content),
        Ok(Found::Directory(files)) => files.iter().for_each(|(name, content)| add(name, content)),
        Err(unreadable) => hash.update(unreadable.to_string()),
    }
    hash.finalize().into()
}
