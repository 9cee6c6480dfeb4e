//! The certificates (and bare keys) of a route, by address: those that were brought, at most [`MOST`], and those of a
//! directory, where the user keeps them.
//!
//! A sender names the address, so that only pinned ones are ever wanted, and what is not valid takes no room. When all
//! room is taken, one that is no longer valid goes, else the one that was used least recently: whoever can make a
//! provider's host serve further valid ones can make us fetch again, and nothing else.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::auth::signature::{PublicKey, Strength};
use crate::clock::Now;

use super::roots::Roots;
use super::{Certified, Fault, Kind, MAX_CERTIFICATE, MAX_CHAIN, Source, verify_chain};

/// The most that are kept. A provider signs with one or two at a time, and one for each region.
pub const MOST: usize = 16;

/// The largest answer that may hold a chain, in bytes.
pub const MAX_ANSWER: usize = 2 * MAX_CHAIN * MAX_CERTIFICATE;

/// How long a bare key is used: Adobe's advice, since it has no end of its own.
const BARE_KEY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of a route's certificates.
pub struct Certificates {
    source: Source,
    roots: Roots,
    /// Those of the directory, by the last segment of their addresses; `None`: there is no directory, and they are
    /// brought.
    kept: Option<Box<[File]>>,
    known: ArcSwap<Vec<Arc<Entry>>>,
    uses: AtomicU64,
}

/// A file by its name.
type File = (Box<str>, Vec<u8>);

struct Entry {
    address: Box<str>,
    certified: Certified,
    used: AtomicU64,
}

impl Certificates {
    /// Of such a source: with the files of a directory by their names, or none yet.
    #[must_use]
    pub fn new(source: Source, roots: Roots, directory: Option<Vec<(String, Vec<u8>)>>) -> Self {
        let kept = directory.map(|files| files.into_iter().map(|(name, text)| (name.into(), text)).collect());
        Self { source, roots, kept, known: ArcSwap::default(), uses: AtomicU64::new(0) }
    }

    /// Where they are, and what they must be.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether they come from a directory, so that nothing is asked of the network.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether they are of the same source, and chains lead to the same authorities, so that what is known of one is
    /// known of the other.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let same =
            |one: &Source, other: &Source| one.kind == other.kind && one.pins == other.pins && one.rules == other.rules;
        same(&self.source, &other.source) && self.roots.is_like(&other.roots) && self.kept == other.kept
    }

    /// Where they come from, in words.
    #[must_use]
    pub fn whence(&self) -> String {
        let places: Vec<_> = self.source.pins.iter().map(ToString::to_string).collect();
        if self.is_offline() { "CERTIFICATES_DIR".to_owned() } else { places.join(" or ") }
    }

    /// How many are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.as_ref().map_or_else(|| self.known.load().len(), |kept| kept.len())
    }

    /// Whether that address is one that is asked.
    #[must_use]
    pub fn permits(&self, address: &str) -> bool {
        self.source.pins.iter().any(|pin| pin.fits(address))
    }

    /// The key at a permitted address, where it is there and valid.
    pub(super) fn find(&self, address: &str, now: Now) -> Option<PublicKey> {
        let known = self.known.load();
        if let Some(entry) = known.iter().find(|entry| *entry.address == *address && entry.certified.is_valid(now)) {
            entry.used.store(self.tick(), Ordering::Relaxed);
            return Some(entry.certified.key.clone());
        }
        drop(known);
        let name = address.rsplit('/').next()?;
        let (_, text) = self.kept.as_ref()?.iter().find(|(known, _)| **known == *name)?;
        // It is looked at when it is asked for, since only then the time is known.
        self.put(address, text, now).ok()
    }

    /// Keeps what stands at an address, where it is what it must be.
    ///
    /// # Errors
    /// A [`Fault`]; then nothing changes.
    pub fn put(&self, address: &str, text: &[u8], now: Now) -> Result<PublicKey, Fault> {
        let certified = self.certified(text, now)?;
        let key = certified.key.clone();
        let new = Arc::new(Entry { address: address.into(), certified, used: AtomicU64::new(self.tick()) });
        self.known.rcu(|known| {
            let mut entries: Vec<_> = known.iter().filter(|entry| *entry.address != *address).cloned().collect();
            if entries.len() >= MOST
                && let Some(index) = least(&entries, now)
            {
                entries.swap_remove(index);
            }
            entries.push(new.clone());
            entries
        });
        Ok(key)
    }

    fn certified(&self, text: &[u8], now: Now) -> Result<Certified, Fault> {
        if text.len() > MAX_ANSWER {
            return Err(Fault::TooLarge);
        }
        if self.source.kind == Kind::PublicKey {
            let text = str::from_utf8(text).map_err(|_| Fault::Malformed("it is no text"))?;
            let key = PublicKey::from_text(text.trim(), Strength::Usual).map_err(Fault::Key)?;
            return Ok(Certified { key, from: Duration::ZERO, to: now.wall + BARE_KEY });
        }
        let certificates = CertificateDer::pem_slice_iter(text).take(MAX_CHAIN + 1).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|_| Fault::Malformed("its PEM"))?;
        let chain: Vec<&[u8]> = certificates.iter().map(AsRef::as_ref).collect();
        verify_chain(&chain, &self.roots, &self.source.rules, now)
    }

    fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }
}

/// The one that makes room: one that is no longer valid, else the one that was used least recently.
fn least(entries: &[Arc<Entry>], now: Now) -> Option<usize> {
    let rank = |entry: &Entry| (entry.certified.is_valid(now), entry.used.load(Ordering::Relaxed));
    (0..entries.len()).min_by_key(|index| entries.get(*index).map(|entry| rank(entry)))
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("count", &self.count()).finish_non_exhaustive()
    }
}
