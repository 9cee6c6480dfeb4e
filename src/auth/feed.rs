//! A template's pieces, read from a message and fed to a hash, in order, without a copy where the bytes stand in the
//! message as they are signed.

use zeroize::Zeroizing;

use crate::http1::{Message, Span};
use crate::json;

use super::filter::{self, Filter};
use super::http_signature::{self, Rules};
use super::keys::Secret;
use super::list::HeaderList;
use super::mac::Mac;
use super::scheme::JsonPath;
use super::template::{Piece, Template};
use super::{form, twilio};

/// What pieces read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// The message; none while a key is prepared.
    pub message: Option<&'a Message<'a>>,
    /// The timestamp's text.
    pub timestamp: &'a [u8],
    /// The public URL's part before the request's own path, and that path.
    pub url: (&'a [u8], &'a [u8]),
    /// The signature's captures.
    pub captures: &'a [&'a [u8]],
    /// The members of the JSON document.
    pub members: Members<'a>,
    /// The claims of the token.
    pub claims: Members<'a>,
    /// The members of the token's header.
    pub jose: Members<'a>,
    /// The list of header fields.
    pub header_list: Option<&'a HeaderList>,
    /// What an HTTP message signature must be to count.
    pub rules: Option<&'a Rules>,
    /// The secret of the key at hand.
    pub secret: Option<&'a Secret>,
    /// The HMAC of the key at hand, for replies.
    pub mac: Option<&'a Mac>,
    /// A challenge's token.
    pub token: &'a [u8],
    /// The route's verify token.
    pub verify_token: &'a [u8],
}

/// The members of a JSON document that a scheme reads, found in one scan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Members<'a> {
    /// The document.
    pub document: &'a [u8],
    /// Which members.
    pub paths: &'a [JsonPath],
    /// Where their JSON text stands.
    pub found: &'a [Option<Span>],
    /// Whether the document is no JSON, or has one of them twice: then none is there, and none is missing either.
    pub broken: bool,
}

impl<'a> Members<'a> {
    /// The JSON text of a member.
    #[must_use]
    pub fn text(&self, path: &JsonPath) -> Option<&'a [u8]> {
        self.at(self.paths.iter().position(|known| known == path)?)
    }

    /// The JSON text of the member that is looked for at this place of the list.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&'a [u8]> {
        self.found.get(index).copied().flatten().map(|span| span.get(self.document))
    }
}

/// The most members that a scheme may read: the scanner has a bit for each.
pub const MAX_MEMBERS: usize = 30;

/// Finds the members of a document. False: it is no JSON, or one of them stands twice.
pub(super) fn find_members(document: &[u8], paths: &[JsonPath], found: &mut Vec<Option<Span>>) -> bool {
    let mut wanted = [None; MAX_MEMBERS];
    for (slot, path) in wanted.iter_mut().zip(paths) {
        *slot = Some(path);
    }
    found.clear();
    found.resize(paths.len(), None);
    let wanted = wanted.get(..paths.len()).unwrap_or_default();
    let good = paths.is_empty() || json::locate(document, wanted, found).is_ok();
    if !good {
        found.fill(None);
    }
    good
}

/// Feeds pieces to `sink`, in order. False: one of them cannot be had, so nothing can be proven.
pub fn feed(pieces: &[Piece], sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> bool {
    pieces.iter().all(|piece| feed_one(piece, sources, sink).is_some())
}

/// Feeds a whole template.
pub(super) fn feed_all(template: &Template, sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> bool {
    feed(template.before(), sources, sink)
        && (!template.has_body() || feed(&[Piece::Body], sources, sink))
        && feed(template.after(), sources, sink)
}

/// What a template says. It may hold the secret, so it is wiped.
pub(super) fn render(template: &Template, sources: &Sources<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let mut rendered = Zeroizing::new(Vec::new());
    feed_all(template, sources, &mut |bytes| rendered.extend_from_slice(bytes)).then_some(rendered)
}

/// `None`: it cannot be had.
#[allow(clippy::wildcard_enum_match_arm, reason = "what stands in the request is fed by the next function")]
fn feed_one(piece: &Piece, sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    match piece {
        Piece::Literal(text) => sink(text.as_bytes()),
        Piece::Timestamp => sink(some(sources.timestamp)?),
        Piece::Token => sink(some(sources.token)?),
        Piece::VerifyToken => sink(some(sources.verify_token)?),
        Piece::Secret => sink(sources.secret?.text()),
        Piece::SecretPart(index) => sink(sources.secret?.part(*index)?),
        Piece::Item(index) => sink(sources.captures.get(*index).copied().and_then(some)?),
        Piece::Json(path) => sink(&json::scalar(sources.members.text(path)?)?),
        Piece::Raw(path) => sink(sources.members.text(path)?),
        Piece::Claim(path) => sink(&json::scalar(sources.claims.text(path)?)?),
        Piece::Jose(path) => sink(&json::scalar(sources.jose.text(path)?)?),
        Piece::Nested(pieces) => return feed(pieces, sources, sink).then_some(()),
        Piece::Optional(piece) => return feed_optional(piece, sources, sink),
        Piece::Filtered(piece, filters) => return feed_filtered(piece, filters, sources, sink),
        Piece::Special(special) => return special.feed(sources, sink),
        _ => return feed_request(piece, sources, sources.message?, sink),
    }
    Some(())
}

/// What stands in the request as such.
#[allow(clippy::wildcard_enum_match_arm, reason = "what does not stand in the request was fed before")]
fn feed_request(
    piece: &Piece,
    sources: &Sources<'_>,
    message: &Message<'_>,
    sink: &mut dyn FnMut(&[u8]),
) -> Option<()> {
    match piece {
        Piece::Body => sink(message.body),
        Piece::Header(name) => sink(message.field(name).ok()??),
        Piece::Method => sink(message.method()),
        Piece::Path => sink(message.path()),
        Piece::Query => sink(message.query().unwrap_or_default()),
        Piece::Target => feed_target(message.path(), message, sink),
        Piece::QueryParameter(name) => sink(&form::query_parameter(message, name).ok()??),
        Piece::Form(name) => sink(&form::field(message, name).ok()??),
        Piece::FormSorted => return twilio::feed_sorted(message, sink).then_some(()),
        Piece::HeaderList => return sources.header_list?.feed(message, sources, sink).then_some(()),
        Piece::BodyKind => sink(body_kind(message)),
        Piece::SignatureBase => return http_signature::feed_base(sources.rules?, message, sources.url, sink),
        Piece::UrlBase => {
            sink(sources.url.0);
            sink(sources.url.1);
        }
        Piece::Url => {
            sink(sources.url.0);
            feed_target(sources.url.1, message, sink);
        }
        _ => return None,
    }
    Some(())
}

fn feed_target(path: &[u8], message: &Message<'_>, sink: &mut dyn FnMut(&[u8])) {
    sink(path);
    if let Some(query) = message.query() {
        sink(b"?");
        sink(query);
    }
}

/// A piece that is not there says nothing; one that is there twice is not had at all.
#[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
fn feed_optional(piece: &Piece, sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let missing = match piece {
        Piece::Header(name) => sources.message?.field(name).ok()?.is_none(),
        Piece::QueryParameter(name) => form::query_parameter(sources.message?, name).ok()?.is_none(),
        Piece::Form(name) => form::field(sources.message?, name).ok()?.is_none(),
        Piece::Json(_) | Piece::Raw(_) if sources.members.broken => return None,
        Piece::Json(path) => sources.members.text(path).is_none_or(|text| text == b"null"),
        Piece::Raw(path) => sources.members.text(path).is_none(),
        Piece::Claim(path) => sources.claims.text(path).is_none_or(|text| text == b"null"),
        Piece::Jose(path) => sources.jose.text(path).is_none_or(|text| text == b"null"),
        Piece::Item(index) => sources.captures.get(*index).is_none_or(|text| text.is_empty()),
        _ => false,
    };
    if missing { Some(()) } else { feed_one(piece, sources, sink) }
}

fn feed_filtered(piece: &Piece, filters: &[Filter], sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    if let (Piece::Body, [Filter::Gunzip]) = (piece, filters) {
        return filter::gunzip(sources.message?.body, sink).then_some(());
    }
    let mut value = Zeroizing::new(Vec::new());
    feed_one(piece, sources, &mut |bytes| value.extend_from_slice(bytes))?;
    sink(&filter::apply(filters, value, sources.mac)?);
    Some(())
}

fn some(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}

/// What kind of body it is. Only the first byte of JSON is looked at: a reader that takes an array for an object does
/// not exist.
fn body_kind(message: &Message<'_>) -> &'static [u8] {
    if form::is_form(message) {
        return b"form";
    }
    match message.body.trim_ascii_start().first() {
        Some(b'{') => b"object",
        Some(b'[') => b"array",
        None => b"empty",
        Some(_) => b"other",
    }
}
