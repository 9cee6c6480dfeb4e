//! Templates and JSON paths out of their texts, with faults that say what is known.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Piece, Template};
use crate::auth::filter::Filter;
use crate::auth::scheme::JsonPath;
use crate::auth::special::Special;

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// A placeholder is unknown.
    #[error(
        "unknown placeholder {{{0}}}; known are {{timestamp}}, {{body}}, {{header:Name}}, {{method}}, {{url}}, \
         {{url_base}}, {{path}}, {{query}}, {{target}}, {{query:name}}, {{form:name}}, {{json:/a/b}}, {{raw:/a/b}}, \
         {{claim:/a/b}}, {{jose:/a/b}}, {{secret}}, {{secret:part}}, {{item:name}}, {{let:name}}, {{header_list}}, \
         {{form_sorted}}, {{body_kind}}, {{signature_base}}, {{special:name}}"
    )]
    Unknown(String),
    /// A filter is unknown.
    #[error("unknown filter {0:?}")]
    Filter(String),
    /// A piece that has no place there.
    #[error("{{{0}}} has no place here")]
    Misplaced(String),
    /// A brace has no partner.
    #[error("a brace without a partner; write {{{{ or }}}} for a brace itself")]
    Brace,
    /// The body stands twice.
    #[error("{{body}} stands there twice")]
    TwoBodies,
    /// Nothing of the message is in it.
    #[error("nothing of the message is signed: every message would have the same signature")]
    Constant,
    /// A named template names itself.
    #[error("{{let:{0}}} is not defined, or leads back to itself")]
    Let(String),
}

/// What the names in a template mean.
#[derive(Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is asked by itself: whether one kind of name has a meaning there"
)]
pub struct Names<'n> {
    /// The parts of the secret.
    pub parts: &'n [String],
    /// The named templates.
    pub lets: BTreeMap<&'n str, &'n str>,
    /// Whether header fields are signed as a list.
    pub has_list: bool,
    /// Whether the signature is one of HTTP messages.
    pub has_rules: bool,
    /// Whether there is a token with claims and a header.
    pub has_token: bool,
    /// Whether it is a reply: tokens stand there, and what a reply may not tell does not.
    pub reply: bool,
    /// Parts of the secret that a reply may tell.
    pub public: &'n [String],
    /// The captures that templates read, in the order in which they were met.
    pub captures: RefCell<Vec<String>>,
}

impl Template {
    /// Compiles a template of signed content. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// The first [`TemplateFault`].
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        Self::signed(text, &Names::default())
    }

    /// Compiles a template of signed content.
    ///
    /// # Errors
    /// The first [`TemplateFault`].
    pub fn signed(text: &str, names: &Names<'_>) -> Result<Self, TemplateFault> {
        let template = Self::any(text, names)?;
        if template.is_constant() { Err(TemplateFault::Constant) } else { Ok(template) }
    }

    /// Compiles a template of anything.
    ///
    /// # Errors
    /// The first [`TemplateFault`].
    pub fn any(text: &str, names: &Names<'_>) -> Result<Self, TemplateFault> {
        let pieces = pieces(text, names, MAX_NESTING)?;
        let mut sides = pieces.split(|piece| *piece == Piece::Body);
        let before = sides.next().unwrap_or_default().into();
        let after: Option<Box<[Piece]>> = sides.next().map(Into::into);
        if sides.next().is_some() {
            return Err(TemplateFault::TwoBodies);
        }
        Ok(Self { text: text.into(), before, body: after.is_some(), after: after.unwrap_or_default() })
    }

    /// Compiles a reply, in which `{{name}}` stands for a value and single braces for themselves.
    ///
    /// # Errors
    /// The first [`TemplateFault`].
    pub fn reply(text: &str, names: &Names<'_>) -> Result<Self, TemplateFault> {
        let (mut turned, mut rest) = (String::new(), text);
        let literal = |text: &str| text.replace('{', "{{").replace('}', "}}");
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or(TemplateFault::Brace)?;
            let name = if name == "token_hmac" { "token|hmac|hex" } else { name };
            turned.extend([&literal(before), "{", name, "}"]);
            rest = after;
        }
        turned.push_str(&literal(rest));
        Self::any(&turned, names).map(|template| Self { text: text.into(), ..template })
    }
}

/// How deep named templates may name others.
const MAX_NESTING: usize = 4;

fn pieces(text: &str, names: &Names<'_>, depth: usize) -> Result<Vec<Piece>, TemplateFault> {
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
        pieces.push(placeholder(name, names, depth)?);
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Ok(pieces)
}

/// `source`, `source?` or `source|filter|filter`.
fn placeholder(text: &str, names: &Names<'_>, depth: usize) -> Result<Piece, TemplateFault> {
    let mut steps = text.split('|');
    let source = steps.next().unwrap_or_default();
    let piece = match source.strip_suffix('?') {
        Some(source) => Piece::Optional(Box::new(self::source(source, names, depth)?)),
        None => self::source(source, names, depth)?,
    };
    let filter = |name: &str| match Filter::named(name) {
        Some(Filter::Hmac) if !names.reply => Err(TemplateFault::Misplaced(text.to_owned())),
        Some(filter) => Ok(filter),
        None => Err(TemplateFault::Filter(name.to_owned())),
    };
    let filters = steps.map(filter).collect::<Result<Box<[_]>, _>>()?;
    Ok(if filters.is_empty() { piece } else { Piece::Filtered(Box::new(piece), filters) })
}

#[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
fn source(text: &str, names: &Names<'_>, depth: usize) -> Result<Piece, TemplateFault> {
    let unknown = || TemplateFault::Unknown(text.to_owned());
    let misplaced = || TemplateFault::Misplaced(text.to_owned());
    let Some((kind, name)) = text.split_once(':') else {
        return match plain(text).ok_or_else(unknown)? {
            Piece::Token | Piece::VerifyToken if !names.reply => Err(misplaced()),
            Piece::Secret if names.reply => Err(misplaced()),
            Piece::HeaderList if !names.has_list => Err(misplaced()),
            Piece::SignatureBase if !names.has_rules => Err(misplaced()),
            piece => Ok(piece),
        };
    };
    if name.is_empty() {
        return Err(unknown());
    }
    Ok(match kind {
        "header" => Piece::Header(name.into()),
        "query" => Piece::QueryParameter(name.into()),
        "form" => Piece::Form(name.into()),
        "json" => Piece::Json(JsonPath::parse(name).ok_or_else(unknown)?),
        "raw" => Piece::Raw(JsonPath::parse(name).ok_or_else(unknown)?),
        "claim" | "jose" if !names.has_token || names.reply => return Err(misplaced()),
        "claim" => Piece::Claim(JsonPath::parse(name).ok_or_else(unknown)?),
        "jose" => Piece::Jose(JsonPath::parse(name).ok_or_else(unknown)?),
        "special" => Piece::Special(Special::named(name).ok_or_else(unknown)?),
        "secret" => {
            let index = names.parts.iter().position(|part| part == name).ok_or_else(unknown)?;
            if names.reply && !names.public.iter().any(|part| part == name) {
                return Err(misplaced());
            }
            Piece::SecretPart(index)
        }
        "item" => Piece::Item(names.capture(name)),
        "let" => {
            let fault = || TemplateFault::Let(name.to_owned());
            let text = names.lets.get(name).filter(|_| depth > 0).ok_or_else(fault)?;
            Piece::Nested(pieces(text, names, depth - 1)?.into())
        }
        _ => return Err(unknown()),
    })
}

fn plain(name: &str) -> Option<Piece> {
    Some(match name {
        "timestamp" => Piece::Timestamp,
        "body" => Piece::Body,
        "method" => Piece::Method,
        "url" => Piece::Url,
        "url_base" => Piece::UrlBase,
        "path" => Piece::Path,
        "query" => Piece::Query,
        "target" => Piece::Target,
        "secret" => Piece::Secret,
        "header_list" => Piece::HeaderList,
        "form_sorted" => Piece::FormSorted,
        "body_kind" => Piece::BodyKind,
        "signature_base" => Piece::SignatureBase,
        "token" => Piece::Token,
        "verify_token" => Piece::VerifyToken,
        _ => return None,
    })
}

impl Names<'_> {
    /// The index of a capture that a template reads.
    pub(crate) fn capture(&self, name: &str) -> usize {
        let mut captures = self.captures.borrow_mut();
        captures.iter().position(|known| known == name).unwrap_or_else(|| {
            captures.push(name.to_owned());
            captures.len() - 1
        })
    }
}

impl JsonPath {
    /// A member's path: `/event/type` (RFC 6901) or `event.type`. `None`: a part of it is empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Box<[Box<str>]> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~").into()).collect(),
            None => text.split('.').map(Into::into).collect(),
        };
        (!parts.iter().any(|part| part.is_empty())).then_some(Self(parts))
    }
}

impl std::fmt::Display for JsonPath {
    /// As a definition writes it: `event.type`, or a pointer where a name has a dot or slash of its own.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.iter().any(|part| part.contains(['.', '/'])) {
            return self.0.iter().try_for_each(|part| write!(f, "/{}", part.replace('~', "~0").replace('/', "~1")));
        }
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::challenge::Shape;

    #[test]
    fn templates() {
        let template = Template::parse("v0:{timestamp}:{body}").expect("good");
        assert_eq!(template.before(), [Piece::Literal("v0:".into()), Piece::Timestamp, Piece::Literal(":".into())]);
        assert!(template.has_body() && template.after().is_empty() && template.excludes_tokens(Shape::Word));
        let template = Template::parse("{{{method}}}{url}").expect("good");
        assert_eq!(
            template.before(),
            [Piece::Literal("{".into()), Piece::Method, Piece::Literal("}".into()), Piece::Url]
        );
        assert!(!template.has_body() && template.reads_url());
        assert!(Template::parse("{header:webhook-id}.{body}").expect("good").binds_header("Webhook-Id"));
        for (bad, fault) in [
            ("", TemplateFault::Constant),
            ("secret", TemplateFault::Constant),
            ("{secret|md5}", TemplateFault::Constant),
            ("{body}{body}", TemplateFault::TwoBodies),
            ("{body", TemplateFault::Brace),
            ("body}", TemplateFault::Brace),
            ("{bdoy}", TemplateFault::Unknown("bdoy".into())),
            ("{header:}", TemplateFault::Unknown("header:".into())),
            ("{json:/a//b}", TemplateFault::Unknown("json:/a//b".into())),
            ("{secret:key}", TemplateFault::Unknown("secret:key".into())),
            ("{body|sha2}", TemplateFault::Filter("sha2".into())),
            ("{body|hmac}", TemplateFault::Misplaced("body|hmac".into())),
            ("{token}", TemplateFault::Misplaced("token".into())),
            ("{header_list}", TemplateFault::Misplaced("header_list".into())),
            ("{let:a}", TemplateFault::Let("a".into())),
        ] {
            assert_eq!(Template::parse(bad), Err(fault), "{bad}");
        }
    }

    #[test]
    fn what_waits_for_the_body() {
        for (text, waits, has_body) in [
            ("{header:a}.{body}", false, true),
            ("{body}{json:/a}", false, true),
            ("{json:/a}{body}", true, true),
            ("{body|sha256|hex}", true, false),
            ("{form:a?}", true, false),
            ("{url}", false, false),
        ] {
            let template = Template::parse(text).expect("good");
            assert_eq!((template.waits_for_body(), template.has_body()), (waits, has_body), "{text}");
        }
    }

    #[test]
    fn named_templates() {
        let names = |lets: &'static [(&'static str, &'static str)]| Names {
            lets: lets.iter().copied().collect(),
            ..Names::default()
        };
        let template =
            Template::signed("{let:inner|md5|hex}x", &names(&[("inner", "{form:a}{form:b}")])).expect("good");
        assert!(template.has(&Piece::Form("b".into())) && template.waits_for_body() && !template.binds_body());
        let fault = Template::signed("{let:a}", &names(&[("a", "{let:b}"), ("b", "{let:a}")]));
        assert!(matches!(fault, Err(TemplateFault::Let(_))));
    }

    #[test]
    fn replies() {
        let names = Names { reply: true, ..Names::default() };
        let template = Template::reply(r#"{"a":"{{token}}","b":"{{token_hmac}}"}"#, &names).expect("good");
        assert_eq!(template.before().len(), 5);
        assert_eq!(Template::reply("{{secret}}", &names), Err(TemplateFault::Misplaced("secret".into())));
        assert_eq!(Template::reply("{{token", &names), Err(TemplateFault::Brace));
    }
}
