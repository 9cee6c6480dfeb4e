//! Header fields that are signed as a list: fixed ones, or those that the sender announces.

use std::borrow::Cow;

use crate::http1::Message;

use super::feed::Sources;
use super::scheme::JsonPath;

/// The most fields of a list. Senders announce up to a dozen.
const MAX_NAMES: usize = 32;

/// A list of header fields, and how each is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderList {
    /// Which fields.
    pub names: Names,
    /// How one is written.
    pub line: Box<[LinePiece]>,
    /// What stands between two.
    pub join: Box<str>,
    /// Whether names are written in lower case; else as the list has them.
    pub lower: bool,
}

/// Which fields a list has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// These; one with `true` may be missing.
    Fixed(Box<[(Box<str>, bool)]>),
    /// Those that the sender names.
    Announced {
        /// Where they are named.
        from: ListFrom,
        /// What stands between two names.
        split: Box<str>,
        /// Fields that must be among them.
        require: Box<[Box<str>]>,
    },
}

/// Where the names of signed fields stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListFrom {
    /// In a header field.
    Header(Box<str>),
    /// In the signature's capture of that index.
    Capture(usize),
    /// In a member of a token's header; where that is not there, no field is signed.
    Jose(JsonPath),
}

/// A piece of how one field is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinePiece {
    /// As it stands.
    Text(Box<str>),
    /// The field's name.
    Name,
    /// Its value.
    Value,
}

impl HeaderList {
    /// Feeds the list. False: a field is missing or stands there twice, or the list is not as it must be.
    pub(super) fn feed(&self, message: &Message<'_>, sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> bool {
        let Some(names) = self.names(message, sources) else { return false };
        let mut first = true;
        for (name, optional) in names {
            let value = match message.field(&name) {
                Ok(Some(value)) => value,
                Ok(None) if optional => continue,
                _ => return false,
            };
            if !std::mem::take(&mut first) {
                sink(self.join.as_bytes());
            }
            self.feed_line(&name, value, sink);
        }
        true
    }

    /// Whether every list has that field.
    #[must_use]
    pub fn binds(&self, name: &str) -> bool {
        match &self.names {
            Names::Fixed(names) => names.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)),
            Names::Announced { require, .. } => require.iter().any(|known| known.eq_ignore_ascii_case(name)),
        }
    }

    fn feed_line(&self, name: &str, value: &[u8], sink: &mut dyn FnMut(&[u8])) {
        for piece in &self.line {
            match piece {
                LinePiece::Text(text) => sink(text.as_bytes()),
                LinePiece::Name if self.lower => sink(name.to_ascii_lowercase().as_bytes()),
                LinePiece::Name => sink(name.as_bytes()),
                LinePiece::Value => sink(value),
            }
        }
    }

    fn names<'a>(&'a self, message: &Message<'a>, sources: &Sources<'a>) -> Option<Vec<(Cow<'a, str>, bool)>> {
        let (from, split, require) = match &self.names {
            Names::Fixed(names) => {
                return Some(names.iter().map(|(name, optional)| (Cow::Borrowed(&**name), *optional)).collect());
            }
            Names::Announced { from, split, require } => (from, split, require),
        };
        let announced = match from {
            ListFrom::Header(header) => message.field(header).ok()??,
            ListFrom::Capture(index) => sources.captures.get(*index).copied().filter(|text| !text.is_empty())?,
            ListFrom::Jose(path) => match sources.jose.text(path) {
                None | Some(b"\"\"") if require.is_empty() => return Some(Vec::new()),
                // Escapes would have to be undone, and a field's name has nothing to escape.
                text => text?.strip_prefix(b"\"")?.strip_suffix(b"\"").filter(|text| !text.contains(&b'\\'))?,
            },
        };
        let names: Vec<_> = str::from_utf8(announced).ok()?.split(&**split).map(str::trim).collect();
        let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        let repeats = |(at, name): (usize, &&str)| names[..at].iter().any(|other| other.eq_ignore_ascii_case(name));
        let good = names.len() <= MAX_NAMES && !names.iter().enumerate().any(repeats);
        (good && require.iter().all(|name| has(name)))
            .then(|| names.into_iter().map(|name| (Cow::Borrowed(name), false)).collect())
    }
}
