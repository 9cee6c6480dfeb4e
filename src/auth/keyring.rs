//! Keys that come from elsewhere and change while requests are served: a handle that the verifier reads and somebody
//! else fills. The verifier never waits: it takes what is there, and leaves a note of what it missed.
//!
//! Deliberately absent: where the keys come from, and how often.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;

use super::key_book::KeyBook;
use super::signature::KeySet;
use super::x509::certificates::Certificates;
use super::x509::roots::Roots;

/// The most notes that are kept. Whoever sends requests chooses what is missed, so that more are dropped.
const MAX_ASKED: usize = 16;

/// The keys of one source.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: ArcSwapOption<KeySet>,
    asked: Mutex<Vec<Wanted>>,
    /// The certificates by address, where messages name such.
    certificates: Option<Certificates>,
    /// Whom the certificates lead to that messages bring along.
    roots: Option<Roots>,
    /// The keys by id, where they come one by one.
    book: Option<KeyBook>,
}

/// What a verifier missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A newer set: a message named a key that is not in this one, or there is none yet.
    Keys,
    /// The key of this id, which looks like one.
    Key(Box<str>),
    /// The certificate at this address, which has been compared with what is permitted.
    Certificate(Box<str>),
    /// That the address be asked once, which confirms a subscription. It has been compared with what is permitted.
    Visit(Box<str>),
}

impl KeyRing {
    /// A ring with keys in it.
    #[must_use]
    pub fn of(keys: KeySet) -> Self {
        let ring = Self::default();
        ring.put(keys);
        ring
    }

    /// A ring for certificates.
    #[must_use]
    pub fn for_certificates(certificates: Certificates) -> Self {
        Self { certificates: Some(certificates), ..Self::default() }
    }

    /// The certificates, where messages name such.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// A ring for certificates that messages bring along.
    #[must_use]
    pub fn for_chains(roots: Roots) -> Self {
        Self { roots: Some(roots), ..Self::default() }
    }

    /// Whom certificates lead to that messages bring along.
    #[must_use]
    pub fn roots(&self) -> Option<&Roots> {
        self.roots.as_ref()
    }

    /// A ring for keys that come one by one.
    #[must_use]
    pub fn for_book(book: KeyBook) -> Self {
        Self { book: Some(book), ..Self::default() }
    }

    /// The keys by id, where they come one by one.
    #[must_use]
    pub fn book(&self) -> Option<&KeyBook> {
        self.book.as_ref()
    }

    /// The keys; `None` while there never were any.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// Replaces the keys.
    pub fn put(&self, keys: KeySet) {
        self.keys.store(Some(Arc::new(keys)));
    }

    /// Leaves a note, once. It is dropped where there are too many, or somebody is reading them right now; false then.
    pub fn ask(&self, what: Wanted) -> bool {
        let Ok(mut asked) = self.asked.try_lock() else { return false };
        let there = asked.contains(&what);
        if !there && asked.len() < MAX_ASKED {
            asked.push(what);
            return true;
        }
        there
    }

    /// Takes the notes.
    pub fn take_asked(&self) -> Vec<Wanted> {
        self.asked.lock().map(|mut asked| std::mem::take(&mut *asked)).unwrap_or_default()
    }
}
