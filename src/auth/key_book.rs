//! Keys by id, of an API that gives them one by one: what is known of each id that a message has named.
//!
//! | what a message names | what it gets |
//! |---|---|
//! | an id whose key is here | its signature is checked |
//! | an id of which the API said that there is no such key, a while ago | 401 |
//! | an id that nobody has asked for yet | 503 with Retry-After, and a note that it be asked for |
//! | something that no id looks like | 401 |
//!
//! A genuine sender's first message, or its first with a new key, is thus sent again and not lost. Who makes up ids finds
//! out which ones are known here, which is no secret: each message says its own in plain.
//!
//! Bounded: [`MOST_KEYS`] keys, and [`MOST_STRANGERS`] ids without one. Of keys the oldest that has never proven a message
//! gives way, and one that has proven some only where all have: who makes up ids gets none in, and who knows some that
//! exist pushes out none that is in use.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::clock::Now;

use super::key_api::IdShape;
use super::signature::PublicKey;

/// The most keys. Providers sign with one or two at a time.
pub const MOST_KEYS: usize = 32;

/// The most ids that are known to be nobody's.
pub const MOST_STRANGERS: usize = 64;

/// How long an id is known to be nobody's: a key may come to be.
pub const NOBODY_FOR: Duration = Duration::from_secs(10 * 60);

/// What is known of ids. One writes, many read.
pub struct KeyBook {
    ids: IdShape,
    pages: ArcSwap<Vec<Arc<Page>>>,
}

/// What is known of one id.
pub struct Page {
    id: Box<str>,
    /// `None`: there is no such key.
    key: Option<PublicKey>,
    /// Whether it has proven a message.
    proven: AtomicBool,
    /// When it was fetched, since the Unix epoch.
    since: Duration,
    /// When it is asked for again, or forgotten where there is no key.
    due: Instant,
    /// When the key ends, since the Unix epoch.
    ends: Option<Duration>,
}

impl Page {
    /// The key; `None`: the API has said that there is none.
    #[must_use]
    pub fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// When it was fetched last, since the Unix epoch.
    #[must_use]
    pub fn since(&self) -> Duration {
        self.since
    }

    /// It has proven a message, and is one that is kept.
    pub(super) fn has_proven(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    fn due_at(&self, due: Instant) -> Self {
        let proven = AtomicBool::new(self.is_proven());
        Self { id: self.id.clone(), key: self.key.clone(), proven, due, ..*self }
    }
}

impl KeyBook {
    /// An empty one, for ids that look so.
    #[must_use]
    pub fn new(ids: IdShape) -> Self {
        Self { ids, pages: ArcSwap::default() }
    }

    /// The id that a message names, where it looks like one.
    #[must_use]
    pub fn id<'i>(&self, id: &'i [u8]) -> Option<&'i str> {
        self.ids.read(id)
    }

    /// What is known of an id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Page>> {
        self.pages.load().iter().find(|page| *page.id == *id).cloned()
    }

    /// Keeps a key that was fetched now, until it ends, to be asked for again after a while.
    pub fn put(&self, id: &str, key: PublicKey, now: Now, good_for: Duration, ends: Option<Duration>) {
        let proven = AtomicBool::new(self.find(id).is_some_and(|page| page.is_proven()));
        let due = now.plus(good_for).instant;
        let page = Page { id: id.into(), key: Some(key), proven, since: now.wall, due, ends };
        self.insert(page, MOST_KEYS);
    }

    /// There is no such key.
    pub fn put_nobody(&self, id: &str, now: Now) {
        let due = now.plus(NOBODY_FOR).instant;
        let proven = AtomicBool::new(false);
        self.insert(Page { id: id.into(), key: None, proven, since: now.wall, due, ends: None }, MOST_STRANGERS);
    }

    /// A page in the place of the one of its id, and, where there are too many of its kind, of the first that gives way.
    fn insert(&self, page: Page, most: usize) {
        let page = Arc::new(page);
        self.pages.rcu(|pages| {
            let mut pages: Vec<_> = pages.iter().filter(|known| known.id != page.id).cloned().collect();
            let alike = |known: &Arc<Page>| known.key.is_some() == page.key.is_some();
            let kind = || pages.iter().enumerate().filter(|(_, known)| alike(known));
            let first = kind().min_by_key(|(_, known)| (known.is_proven(), known.since)).map(|(index, _)| index);
            if let Some(first) = first.filter(|_| kind().count() >= most) {
                pages.remove(first);
            }
            pages.push(page.clone());
            pages
        });
    }

    /// Forgets keys that have ended, and after a while that an id is nobody's.
    pub fn sweep(&self, now: Now) {
        let is_over = |page: &Page| match page.key {
            Some(_) => page.ends.is_some_and(|ends| ends <= now.wall),
            None => page.due <= now.instant,
        };
        if self.pages.load().iter().any(|page| is_over(page)) {
            self.pages.rcu(|pages| pages.iter().filter(|page| !is_over(page)).cloned().collect::<Vec<_>>());
        }
    }

    /// The id whose key is to be asked for again, the longest due first.
    #[must_use]
    pub fn due(&self, now: Now) -> Option<Box<str>> {
        let pages = self.pages.load();
        let due = pages.iter().filter(|page| page.key.is_some() && page.due <= now.instant);
        due.min_by_key(|page| page.due).map(|page| page.id.clone())
    }

    /// Has every key asked for again now, and every id that was nobody's.
    pub fn hurry(&self, now: Now) {
        let keys = |pages: &Arc<Vec<Arc<Page>>>| -> Vec<_> {
            let keys = pages.iter().filter(|page| page.key.is_some());
            keys.map(|page| Arc::new(page.due_at(now.instant))).collect()
        };
        self.pages.rcu(keys);
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pages.load().iter().filter(|page| page.key.is_some()).count()
    }

    /// When the key was fetched that has not been fetched again for the longest time, since the Unix epoch.
    #[must_use]
    pub fn oldest(&self) -> Option<Duration> {
        self.pages.load().iter().filter(|page| page.key.is_some()).map(|page| page.since).min()
    }
}

impl fmt::Debug for KeyBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyBook").field("ids", &self.ids).field("count", &self.count()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::signature::Strength;

    const HOUR: Duration = Duration::from_secs(3600);

    fn key() -> PublicKey {
        let text = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        PublicKey::from_text(text, Strength::Usual).expect("a key")
    }

    fn book() -> (KeyBook, Now) {
        (KeyBook::new(IdShape::Word), Now::read())
    }

    fn put(book: &KeyBook, id: &str, now: Now) {
        book.put(id, key(), now, HOUR, None);
    }

    fn known(book: &KeyBook, id: &str) -> Option<bool> {
        book.find(id).map(|page| page.key().is_some())
    }

    #[test]
    fn an_id_is_somebodys_nobodys_or_not_known() {
        let (book, now) = book();
        put(&book, "a", now);
        book.put_nobody("b", now);
        assert_eq!(["a", "b", "c"].map(|id| known(&book, id)), [Some(true), Some(false), None]);
        assert_eq!((book.count(), book.oldest()), (1, Some(now.wall)));
        book.sweep(now.plus(NOBODY_FOR / 2));
        assert_eq!(known(&book, "b"), Some(false));
        book.sweep(now.plus(NOBODY_FOR));
        assert_eq!(["a", "b"].map(|id| known(&book, id)), [Some(true), None], "a key may have come to be");
        book.put_nobody("a", now);
        assert_eq!(known(&book, "a"), Some(false), "a key that the provider has taken back");
        assert_eq!(book.count(), 0);
    }

    #[test]
    fn a_key_is_asked_for_again_and_ends_when_it_ends() {
        let (book, now) = book();
        let ends = now.wall + HOUR * 2;
        book.put("a", key(), now, HOUR, Some(ends));
        put(&book, "b", now.plus(HOUR / 2));
        assert_eq!(book.due(now.plus(HOUR / 2)), None);
        assert_eq!(book.due(now.plus(HOUR * 2)).as_deref(), Some("a"));
        book.find("a").expect("known").has_proven();
        book.put("a", key(), now.plus(HOUR), HOUR * 9, Some(ends));
        assert!(book.find("a").expect("known").is_proven(), "it is still the one that has proven something");
        assert_eq!(book.due(now.plus(HOUR * 2)).as_deref(), Some("b"));
        book.sweep(now.plus(Duration::from_secs(2 * 3600 - 1)));
        assert_eq!(book.count(), 2);
        book.sweep(now.plus(HOUR * 2));
        assert_eq!(known(&book, "a"), None);
        book.put_nobody("c", now);
        book.hurry(now);
        assert_eq!((book.due(now).as_deref(), known(&book, "c")), (Some("b"), None));
    }

    #[test]
    fn what_is_in_use_gives_way_last() {
        let (book, now) = book();
        put(&book, "good", now);
        book.find("good").expect("known").has_proven();
        for number in 0..MOST_KEYS * 3 {
            put(&book, &format!("k{number}"), now.plus(Duration::from_secs(number as u64)));
        }
        assert_eq!((book.count(), known(&book, "good")), (MOST_KEYS, Some(true)));
        for number in 0..MOST_STRANGERS * 3 {
            book.put_nobody(&format!("s{number}"), now.plus(Duration::from_secs(number as u64)));
        }
        assert_eq!((book.count(), known(&book, "good")), (MOST_KEYS, Some(true)));
        assert_eq!(book.pages.load().len(), MOST_KEYS + MOST_STRANGERS);
        assert_eq!((known(&book, "s0"), known(&book, &format!("s{}", MOST_STRANGERS * 3 - 1))), (None, Some(false)));
    }
}
