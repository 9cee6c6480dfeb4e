//! What a provider signs, as a template: `{timestamp}.{body}`, compiled once into pieces.
//!
//! The pieces before `{body}` are fed to the hash when the head is there, the body streams into it as it arrives, and
//! only what comes after waits for its end.

use super::form;
use crate::http1::Message;

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
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
    /// The raw path.
    Path,
    /// The raw query.
    Query,
    /// Decoded form parameters, sorted (Twilio).
    FormSorted,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// A placeholder is unknown.
    #[error(
        "unknown placeholder {{{0}}}; known are {{timestamp}}, {{body}}, {{header:Name}}, {{method}}, {{url}}, {{path}}, \
         {{query}}, {{form_sorted}}"
    )]
    Unknown(String),
    /// A brace has no partner.
    #[error("a brace without a partner; write {{{{ or }}}} for a brace itself")]
    Brace,
    /// The body stands twice.
    #[error("{{body}} stands there twice")]
    TwoBodies,
    /// Nothing of the message is in it.
    #[error("nothing of the message is signed: every message would have the same signature")]
    Constant,
}

impl Template {
    /// Compiles a template. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// The first [`TemplateFault`].
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        let pieces = pieces(text)?;
        if pieces.iter().all(|piece| matches!(piece, Piece::Literal(_))) {
            return Err(TemplateFault::Constant);
        }
        let mut sides = pieces.split(|piece| *piece == Piece::Body);
        let before = sides.next().unwrap_or_default().into();
        let after: Option<Box<[Piece]>> = sides.next().map(Into::into);
        if sides.next().is_some() {
            return Err(TemplateFault::TwoBodies);
        }
        Ok(Self { before, body: after.is_some(), after: after.unwrap_or_default() })
    }

    /// The pieces that stand before the body.
    #[must_use]
    pub fn before(&self) -> &[Piece] {
        &self.before
    }

    /// Whether the raw body is signed.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.body
    }

    /// The pieces that stand after the body.
    #[must_use]
    pub fn after(&self) -> &[Piece] {
        &self.after
    }

    /// Whether a piece stands in it.
    #[must_use]
    pub fn has(&self, piece: &Piece) -> bool {
        self.before.iter().chain(&self.after).any(|other| other == piece)
    }

    /// Whether what the body says is signed, raw or decoded.
    #[must_use]
    pub fn binds_body(&self) -> bool {
        self.body || self.has(&Piece::FormSorted)
    }

    /// Whether a header field's value is signed.
    #[must_use]
    pub fn binds_header(&self, name: &str) -> bool {
        self.headers().any(|signed| signed.eq_ignore_ascii_case(name))
    }

    /// The header fields whose values are signed.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.before
            .iter()
            .chain(&self.after)
            .filter_map(|piece| if let Piece::Header(name) = piece { Some(&**name) } else { None })
    }

    /// Whether a piece before the body can be known only when the body is there.
    #[must_use]
    pub fn waits_for_body(&self) -> bool {
        self.before.contains(&Piece::FormSorted)
    }

    /// Whether its literals have a byte that no challenge token has, so that no token is ever a signed content.
    #[must_use]
    pub fn excludes_tokens(&self) -> bool {
        self.before
            .iter()
            .chain(&self.after)
            .any(|piece| matches!(piece, Piece::Literal(text) if !text.bytes().all(super::challenge::is_token_byte)))
    }
}

/// What pieces read beside the message.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The timestamp's text.
    pub timestamp: &'a [u8],
    /// The public URL's part before the request's own path, and that path.
    pub url: (&'a [u8], &'a [u8]),
}

/// Feeds pieces to `sink`, in order. False: one of them cannot be had, so nothing can be proven.
pub fn feed(pieces: &[Piece], message: &Message<'_>, sources: &Sources<'_>, sink: &mut impl FnMut(&[u8])) -> bool {
    pieces.iter().all(|piece| feed_one(piece, message, sources, sink))
}

fn feed_one(piece: &Piece, message: &Message<'_>, sources: &Sources<'_>, sink: &mut impl FnMut(&[u8])) -> bool {
    match piece {
        Piece::Literal(text) => sink(text.as_bytes()),
        Piece::Timestamp => sink(sources.timestamp),
        Piece::Body => sink(message.body),
        Piece::Header(name) => match message.field(name) {
            Ok(Some(value)) => sink(value),
            _ => return false,
        },
        Piece::Method => sink(message.method()),
        Piece::Path => sink(message.path()),
        Piece::Query => sink(message.query().unwrap_or_default()),
        Piece::FormSorted => return form::feed_sorted(message, sink),
        Piece::Url => {
            sink(sources.url.0);
            sink(sources.url.1);
            if let Some(query) = message.query() {
                sink(b"?");
                sink(query);
            }
        }
    }
    true
}

fn pieces(text: &str) -> Result<Vec<Piece>, TemplateFault> {
    let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(escaped) = after.strip_prefix(brace) {
            literal.push_str(brace);
            rest = escaped;
            continue;
        }
        let (name, after) = after.split_once('}').filter(|_| brace == "{").ok_or(TemplateFault::Brace)?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
        }
        pieces.push(placeholder(name)?);
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Ok(pieces)
}

fn placeholder(name: &str) -> Result<Piece, TemplateFault> {
    Ok(match name {
        "timestamp" => Piece::Timestamp,
        "body" => Piece::Body,
        "method" => Piece::Method,
        "url" => Piece::Url,
        "path" => Piece::Path,
        "query" => Piece::Query,
        "form_sorted" => Piece::FormSorted,
        _ => match name.strip_prefix("header:") {
            Some(header) if !header.is_empty() => Piece::Header(header.into()),
            _ => return Err(TemplateFault::Unknown(name.to_owned())),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let template = Template::parse("v0:{timestamp}:{body}").expect("good");
        assert_eq!(template.before(), [Piece::Literal("v0:".into()), Piece::Timestamp, Piece::Literal(":".into())]);
        assert!(template.has_body() && template.after().is_empty() && template.excludes_tokens());
        let template = Template::parse("{{{method}}}{url}").expect("good");
        assert_eq!(
            template.before(),
            [Piece::Literal("{".into()), Piece::Method, Piece::Literal("}".into()), Piece::Url]
        );
        assert!(!template.has_body());
        assert!(Template::parse("{header:webhook-id}.{body}").expect("good").binds_header("Webhook-Id"));
        for (bad, fault) in [
            ("", TemplateFault::Constant),
            ("secret", TemplateFault::Constant),
            ("{body}{body}", TemplateFault::TwoBodies),
            ("{body", TemplateFault::Brace),
            ("body}", TemplateFault::Brace),
            ("{bdoy}", TemplateFault::Unknown("bdoy".into())),
            ("{header:}", TemplateFault::Unknown("header:".into())),
        ] {
            assert_eq!(Template::parse(bad), Err(fault), "{bad}");
        }
    }
}
