//! HTTP Message Signatures of requests (RFC 9421), with the body bound by `Content-Digest` (RFC 9530).
//!
//! A message may carry several signatures, each under a label in `Signature-Input` and `Signature`. Which one counts is
//! the receiver's business, so it is told by [`Rules`]: by label, by tag, or, where neither is stated, by being the only
//! one that binds what must be bound. Two that could count are none: whoever picks one lets the sender of the other
//! choose. A signature that counts covers the method, where the message goes, and `content-digest` where there is a
//! body; `created` is its signed time, `expires` its end, and `alg`, where it stands, must be the configured algorithm,
//! which it never chooses.
//!
//! [`structured`] reads the two fields, `component` makes the lines of the signature base, `digest` looks at the
//! body. Not here: signatures of responses, trailers and related messages (`@status`, `tr`, `req`), which are refused.

mod component;
mod digest;
pub mod structured;

use std::time::Duration;

use crate::http1::framing::digits;
use crate::http1::head::Repeated;
use crate::http1::{Framing, Message};

use structured::{Dictionary, Item, Member, Parameters, Value};

/// What a signature must be to count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Its label, where the sender always uses the same. A label is not signed: a tag is the better choice.
    pub label: Option<Box<str>>,
    /// Its `tag` parameter.
    pub tag: Option<Box<str>>,
    /// The registered name of the configured algorithm; `None`: it has none, and a message may name none.
    pub algorithm: Option<&'static str>,
    /// The components that must be covered; `content-digest` only where there is a body.
    pub cover: Box<[Box<str>]>,
}

impl Rules {
    /// What must be covered where nobody says otherwise.
    pub const COVER: [&'static str; 3] = ["@method", "@target-uri", CONTENT_DIGEST];

    /// Whether the URL that the provider calls must be known to check what must be covered.
    #[must_use]
    pub fn needs_url(&self) -> bool {
        self.cover.iter().any(|name| ["@target-uri", "@authority", "@scheme"].contains(&&**name))
    }

    /// Whether a component is covered by every signature that counts.
    #[must_use]
    pub fn requires(&self, name: &str) -> bool {
        self.cover.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// The label of a new signature, as `sign` makes it.
    #[must_use]
    pub fn new_label(&self) -> &str {
        self.label.as_deref().unwrap_or("sig1")
    }

    /// The announcement of a new signature. Most verifiers want to know which key, and some which algorithm.
    #[must_use]
    pub fn announcement(&self, created: u64, keyid: &str, nonce: &str) -> String {
        let cover: Vec<_> = self.cover.iter().map(|name| format!("\"{name}\"")).collect();
        let tag = self.tag.as_ref().map_or_else(String::new, |tag| format!(";tag=\"{tag}\""));
        let algorithm = self.algorithm.map_or_else(String::new, |name| format!(";alg=\"{name}\""));
        let (label, cover) = (self.new_label(), cover.join(" "));
        format!("{label}=({cover});created={created};keyid=\"{keyid}\"{algorithm};nonce=\"{nonce}\"{tag}")
    }
}

/// The field that binds the body.
pub const CONTENT_DIGEST: &str = "content-digest";

/// The one signature of a message that counts.
#[derive(Debug)]
pub(super) struct Chosen<'m> {
    member: Member<'m>,
    /// Its base64; `None` while it is being made.
    pub(super) signature: Option<&'m str>,
}

/// Why a message has no signature that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotChosen {
    /// It has none at all.
    Missing,
    /// It has some, and none that counts, or two.
    Invalid,
}

/// Chooses the signature that counts, by what the head says. What the body must be is asked by [`Chosen::feed_base`].
pub(super) fn choose<'m>(rules: &Rules, message: &Message<'m>) -> Result<Chosen<'m>, NotChosen> {
    let signatures = dictionary(message, "signature")?.ok_or(NotChosen::Missing)?;
    let announced = dictionary(message, "signature-input")?.ok_or(NotChosen::Missing)?;
    let mut chosen = None;
    for member in announced.0.into_iter().filter(|member| rules.permit(member, message)) {
        let Some(Member { value: Value::Item(bare), parameters, .. }) = signatures.member(member.name) else {
            continue;
        };
        let signature = bare.base64().filter(|_| parameters.0.is_empty());
        let signature = Some(signature.ok_or(NotChosen::Invalid)?);
        if chosen.replace(Chosen { member, signature }).is_some() {
            return Err(NotChosen::Invalid);
        }
    }
    chosen.ok_or(NotChosen::Invalid)
}

/// The signature that is announced and not made yet.
fn announced<'m>(rules: &Rules, message: &Message<'m>) -> Option<Chosen<'m>> {
    let members = dictionary(message, "signature-input").ok()??.0;
    let member = members.into_iter().find(|member| rules.permit(member, message))?;
    Some(Chosen { member, signature: None })
}

/// Feeds the signature base of section 2.5. `None`: no signature counts, or it cannot be had.
pub(super) fn feed_base(
    rules: &Rules,
    message: &Message<'_>,
    url: (&[u8], &[u8]),
    sink: &mut dyn FnMut(&[u8]),
) -> Option<()> {
    let is_new = matches!(message.field("signature"), Ok(None));
    let chosen = if is_new { announced(rules, message)? } else { choose(rules, message).ok()? };
    chosen.feed_base(message, url, sink)
}

fn dictionary<'m>(message: &Message<'m>, name: &str) -> Result<Option<Dictionary<'m>>, NotChosen> {
    let value = message.field(name).map_err(|Repeated| NotChosen::Invalid)?;
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    Dictionary::parse(value).map(Some).ok_or(NotChosen::Invalid)
}

impl<'m> Chosen<'m> {
    /// When it was made, as its digits.
    pub(super) fn created(&self) -> Option<&'m str> {
        self.member.parameters.find("created")?.digits()
    }

    /// When it ends, since the Unix epoch.
    pub(super) fn expires(&self) -> Option<Duration> {
        digits(self.member.parameters.find("expires")?.digits()?.as_bytes()).map(Duration::from_secs)
    }

    /// What a parameter says, or its label.
    pub(super) fn says(&self, name: &str) -> &'m str {
        if name == "label" {
            return self.member.name;
        }
        let bare = self.member.parameters.find(name);
        bare.and_then(|bare| bare.plain_text().or_else(|| bare.digits())).unwrap_or_default()
    }

    fn items(&self) -> &[Item<'m>] {
        if let Value::List(items) = &self.member.value { items } else { &[] }
    }

    fn feed_base(&self, message: &Message<'_>, url: (&[u8], &[u8]), sink: &mut dyn FnMut(&[u8])) -> Option<()> {
        // A digest that is covered is checked even if no body came: it may have been cut off.
        let body = if covers_digest(self.items()) { digest::holds(message) } else { message.body.is_empty() };
        if !body {
            return None;
        }
        let mut line = Vec::new();
        for item in self.items() {
            line.clear();
            item.write(&mut line);
            line.extend_from_slice(b": ");
            component::write(item, message, url, &mut line)?;
            line.push(b'\n');
            sink(&line);
        }
        line.clear();
        line.extend_from_slice(b"\"@signature-params\": ");
        self.member.write_value(&mut line);
        sink(&line);
        Some(())
    }
}

impl Rules {
    /// Whether a signature that is announced like this counts.
    fn permit(&self, member: &Member<'_>, message: &Message<'_>) -> bool {
        let Value::List(items) = &member.value else { return false };
        self.label.as_ref().is_none_or(|label| member.name == &**label)
            && self.tag.as_ref().is_none_or(|tag| text(&member.parameters, "tag") == Some(tag))
            && self.permit_parameters(&member.parameters)
            && is_a_set(items)
            && self.cover.iter().all(|name| covers(items, name, message))
    }

    fn permit_parameters(&self, parameters: &Parameters<'_>) -> bool {
        let algorithm = match parameters.find("alg") {
            None => true,
            Some(name) => self.algorithm.is_some_and(|known| name.plain_text() == Some(known)),
        };
        let is_time = |name| parameters.find(name).is_none_or(|bare| bare.digits().is_some());
        let is_text = |name| parameters.find(name).is_none_or(|bare| bare.plain_text().is_some());
        algorithm && is_time("created") && is_time("expires") && is_text("nonce") && is_text("keyid") && is_text("tag")
    }
}

fn text<'t>(parameters: &Parameters<'t>, name: &str) -> Option<&'t str> {
    parameters.find(name)?.plain_text()
}

/// No component stands twice (section 2.5): the same name with the same parameters, in whatever order.
fn is_a_set(items: &[Item<'_>]) -> bool {
    let same = |one: &Item<'_>, other: &Item<'_>| {
        let holds = |(name, bare): &(&str, _)| other.parameters.find(name) == Some(*bare);
        one.bare == other.bare
            && one.parameters.0.len() == other.parameters.0.len()
            && one.parameters.0.iter().all(holds)
    };
    items.iter().enumerate().all(|(at, item)| !items.iter().take(at).any(|earlier| same(earlier, item)))
}

/// Whether the components cover one that must be, by itself or by what holds it.
fn covers(items: &[Item<'_>], name: &str, message: &Message<'_>) -> bool {
    let plain =
        |name: &str| items.iter().any(|item| item.bare.plain_text() == Some(name) && item.parameters.0.is_empty());
    let target = || plain("@request-target") || plain("@path") && (plain("@query") || message.query().is_none());
    match name {
        "@target-uri" => plain("@target-uri") || plain("@authority") && target(),
        "@request-target" => plain("@target-uri") || target(),
        "@authority" | "@scheme" => plain(name) || plain("@target-uri"),
        CONTENT_DIGEST => covers_digest(items) || !may_have_body(message),
        name => plain(name),
    }
}

/// Whether the digest of the body is covered: the whole field, or the member of an algorithm that is looked at.
fn covers_digest(items: &[Item<'_>]) -> bool {
    let is_looked_at = |item: &Item<'_>| match item.parameters.find("key") {
        None => true,
        Some(key) => matches!(key.plain_text(), Some("sha-256" | "sha-512")),
    };
    items.iter().any(|item| item.bare.plain_text() == Some(CONTENT_DIGEST) && is_looked_at(item))
}

/// Whether the head leaves room for a body, so that its digest must be covered.
fn may_have_body(message: &Message<'_>) -> bool {
    !matches!(message.head.framing, Framing::None | Framing::Length(0))
}

#[cfg(test)]
mod tests;
