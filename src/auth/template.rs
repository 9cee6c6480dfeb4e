//! What a provider signs, as a template: `{timestamp}.{body}`, compiled once into pieces.
//!
//! The pieces before `{body}` are fed to the hash when the head is there, the body streams into it as it arrives, and
//! only what comes after waits for its end. A template with a piece that must be found in the body waits as a whole.

mod parse;

use super::challenge::Shape;
use super::filter::Filter;
use super::scheme::JsonPath;
use super::special::Special;

pub use parse::{Names, TemplateFault};

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    before: Box<[Piece]>,
    body: bool,
    after: Box<[Piece]>,
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Literal(Box<str>),
    /// The timestamp, as the sender wrote it.
    Timestamp,
    /// The body.
    Body,
    /// The value of a header field.
    Header(Box<str>),
    /// The method.
    Method,
    /// The full URL that the provider called.
    Url,
    /// The same without its query.
    UrlBase,
    /// The raw path.
    Path,
    /// The raw query.
    Query,
    /// The path, and the query with its `?`.
    Target,
    /// A decoded parameter of the query.
    QueryParameter(Box<str>),
    /// A field of the form.
    Form(Box<str>),
    /// What a scalar member of the JSON document says.
    Json(JsonPath),
    /// The JSON text of a member.
    Raw(JsonPath),
    /// What a scalar claim of the token says.
    Claim(JsonPath),
    /// What a scalar member of the token's header says.
    Jose(JsonPath),
    /// The secret.
    Secret,
    /// A part of the secret, by its index.
    SecretPart(usize),
    /// A capture of the signature's grammar, by its index.
    Item(usize),
    /// The list of header fields.
    HeaderList,
    /// Decoded form parameters, sorted (Twilio).
    FormSorted,
    /// What kind of body it is, in a word.
    BodyKind,
    /// What an HTTP message signature signs (RFC 9421 section 2.5).
    SignatureBase,
    /// A provider's own rule.
    Special(Special),
    /// A challenge's token; in replies alone.
    Token,
    /// The route's verify token; in replies alone.
    VerifyToken,
    /// A template of its own.
    Nested(Box<[Piece]>),
    /// Nothing where the piece cannot be had.
    Optional(Box<Piece>),
    /// The piece, filtered.
    Filtered(Box<Piece>, Box<[Filter]>),
}

impl Template {
    /// The template as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The pieces that stand before the body.
    #[must_use]
    pub fn before(&self) -> &[Piece] {
        &self.before
    }

    /// Whether the raw body stands in it, so that it can be hashed as it arrives.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.body
    }

    /// The pieces that stand after the body.
    #[must_use]
    pub fn after(&self) -> &[Piece] {
        &self.after
    }

    /// Whether a piece stands in it, filtered or not.
    #[must_use]
    pub fn has(&self, piece: &Piece) -> bool {
        self.any_of(&|other| other == piece)
    }

    /// Whether the whole of the body is signed, raw or decoded.
    #[must_use]
    pub fn binds_body(&self) -> bool {
        self.body
            || self.any_of(&|piece| {
                matches!(piece, Piece::Body | Piece::FormSorted | Piece::SignatureBase) || piece.binds_by_rule()
            })
    }

    /// Whether a header field's value is signed, wherever it stands in the request.
    #[must_use]
    pub fn binds_header(&self, name: &str) -> bool {
        self.any_of(&|piece| matches!(piece, Piece::Header(signed) if signed.eq_ignore_ascii_case(name)))
    }

    /// Whether the whole query is signed.
    #[must_use]
    pub fn binds_query(&self) -> bool {
        self.any_of(&|piece| matches!(piece, Piece::Url | Piece::Query | Piece::Target | Piece::SignatureBase))
    }

    /// Whether the URL that the provider calls is read.
    #[must_use]
    #[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
    pub fn reads_url(&self) -> bool {
        self.any_of(&|piece| match piece {
            Piece::Url | Piece::UrlBase => true,
            Piece::Special(special) => special.reads_url(),
            _ => false,
        })
    }

    /// Whether the secret is read.
    #[must_use]
    #[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
    pub fn reads_secret(&self) -> bool {
        self.any_of(&|piece| match piece {
            Piece::Secret | Piece::SecretPart(_) => true,
            Piece::Special(special) => special.reads_secret(),
            _ => false,
        })
    }

    /// Whether something of a token is read.
    #[must_use]
    pub fn reads_token(&self) -> bool {
        self.any_of(&|piece| matches!(piece, Piece::Claim(_) | Piece::Jose(_)))
    }

    /// The header fields whose values are signed.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let mut names = Vec::new();
        self.visit(&mut |piece| {
            if let Piece::Header(name) = piece {
                names.push(&**name);
            }
        });
        names.into_iter()
    }

    /// Whether a piece before the body can be known only when the body is there.
    #[must_use]
    pub fn waits_for_body(&self) -> bool {
        self.before.iter().any(|piece| any_within(piece, &Piece::is_in_body))
    }

    /// Whether it says the same of every message.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        let constant = |piece: &Piece| {
            matches!(
                piece,
                Piece::Literal(_)
                    | Piece::Secret
                    | Piece::SecretPart(_)
                    | Piece::Nested(_)
                    | Piece::Optional(_)
                    | Piece::Filtered(..)
            )
        };
        !self.body && !self.any_of(&|piece| !constant(piece))
    }

    /// Whether its literals have a byte that no token of that shape has, so that no token is ever a signed content.
    #[must_use]
    pub fn excludes_tokens(&self, shape: Shape) -> bool {
        let pieces = self.before.iter().chain(&self.after);
        pieces
            .into_iter()
            .any(|piece| matches!(piece, Piece::Literal(text) if !text.bytes().all(|byte| shape.has(byte))))
    }

    /// Calls `take` for every piece, those within others too.
    pub fn visit<'t>(&'t self, take: &mut dyn FnMut(&'t Piece)) {
        static BODY: Piece = Piece::Body;
        self.before.iter().for_each(|piece| within(piece, take));
        if self.body {
            take(&BODY);
        }
        self.after.iter().for_each(|piece| within(piece, take));
    }

    /// Whether `holds` for a piece, those within others too.
    pub fn any_of(&self, holds: &dyn Fn(&Piece) -> bool) -> bool {
        let mut any = false;
        self.visit(&mut |piece| any |= holds(piece));
        any
    }
}

impl Piece {
    /// Whether it is known only when the body is there.
    fn is_in_body(&self) -> bool {
        matches!(
            self,
            Self::Body
                | Self::Form(_)
                | Self::Json(_)
                | Self::Raw(_)
                | Self::Claim(_)
                | Self::Jose(_)
                | Self::FormSorted
                | Self::BodyKind
                | Self::SignatureBase
                | Self::Special(_)
        )
    }

    fn binds_by_rule(&self) -> bool {
        matches!(self, Self::Special(special) if special.binds_body())
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
fn within<'t>(piece: &'t Piece, take: &mut dyn FnMut(&'t Piece)) {
    take(piece);
    match piece {
        Piece::Nested(pieces) => pieces.iter().for_each(|piece| within(piece, take)),
        Piece::Optional(piece) | Piece::Filtered(piece, _) => within(piece, take),
        _ => {}
    }
}

fn any_within(piece: &Piece, holds: &dyn Fn(&Piece) -> bool) -> bool {
    let mut any = false;
    within(piece, &mut |piece| any |= holds(piece));
    any
}
