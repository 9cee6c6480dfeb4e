//! Endpoint verifications that the sidecar answers itself.
//!
//! A provider that asks us to sign a token of its choosing with the webhook's own key offers a signing oracle: who can
//! send such a request gets any text signed. So a token may hold nothing but its definition's [`Shape`], and where the
//! key signs it, no message whose signed content is such a text is accepted (`Scheme::oracle`): the answer is never the
//! signature of a message. What is only echoed is safe to echo in a reply of plain text or JSON.
//!
//! Deliberately absent: remembering anything, and asking the provider back.

use std::borrow::Cow;

use subtle::ConstantTimeEq;

use crate::deny::{Denial, Reason};
use crate::http1::{Framing, Message, Span};
use crate::json;

use super::feed::{Sources, render};
use super::form;
use super::keys::Key;
use super::scheme::{Field, JsonPath, Scheme};
use super::template::{Piece, Template};
use super::verify::Site;

/// An endpoint verification.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// Its method. It is admitted for the verification alone, whatever the route permits.
    pub method: Box<str>,
    /// Whether the request must have proven itself.
    pub authenticated: bool,
    /// Whether its body must be empty.
    pub empty: bool,
    /// What marks it, and its value then; `None`: the token's presence, or the method alone.
    pub when: Option<(Field, Option<Box<str>>)>,
    /// What tells that it is a message for all that, where it is there.
    pub unless: Option<Field>,
    /// What must be the route's verify token, where the route has one.
    pub verify: Option<Field>,
    /// Whether the route must have one.
    pub verify_required: bool,
    /// Where the text to give back stands.
    pub token: Option<Field>,
    /// What it may hold.
    pub shape: Shape,
    /// How long it may be.
    pub max: usize,
    /// The reply's body.
    pub reply: Template,
    /// Its Content-Type.
    pub content_type: Box<str>,
    /// Its status.
    pub status: u16,
    /// Its further fields.
    pub headers: Box<[(Box<str>, Template)]>,
    /// The status for a wrong verify token, where it is not that of a denial.
    pub refused_status: Option<u16>,
}

/// What a token may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// `A-Z a-z 0-9 _ -`.
    Word,
    /// A word's characters and `+ / =`.
    Base64,
    /// Printable ASCII but `" \ < > &`: harmless in plain text, JSON and HTML.
    Visible,
}

impl Shape {
    /// Whether a byte may stand in it.
    #[must_use]
    pub fn has(self, byte: u8) -> bool {
        let word = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        match self {
            Self::Word => word,
            Self::Base64 => word || matches!(byte, b'+' | b'/' | b'='),
            Self::Visible => matches!(byte, b' '..=b'~') && !b"\"\\<>&".contains(&byte),
        }
    }

    /// Whether a text could be a token.
    #[must_use]
    pub fn could_be(self, text: &[u8], max: usize) -> bool {
        text.len() <= max && text.iter().all(|byte| self.has(*byte))
    }
}

/// The answer to a verification.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its Content-Type.
    pub content_type: Box<str>,
    /// Its further fields.
    pub headers: Vec<(Box<str>, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether it says no: the verify token was wrong.
    pub refused: bool,
}

impl Reply {
    /// A 200 that says nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self { status: 200, content_type: "text/plain".into(), headers: Vec::new(), body: Vec::new(), refused: false }
    }
}

/// Answers a request if it is a verification of the endpoint. `proven` says whether it was proven, `key` with which of
/// the configured keys; unproven only those are answered that providers send so. `None`: it is an ordinary message.
///
/// # Errors
/// [`Reason::PayloadInvalid`] for a token of another shape, [`Reason::CredentialInvalid`] for a wrong verify token.
pub fn answer(
    site: &Site<'_>,
    verify_token: Option<&[u8]>,
    proven: bool,
    key: Option<&Key>,
    message: &Message<'_>,
) -> Option<Result<Reply, Denial>> {
    let mut challenges = site.scheme.challenges.iter();
    let challenge = challenges.find(|challenge| {
        challenge.has_method(message) && (proven || !challenge.authenticated) && challenge.is_marked(message, false)
    })?;
    Some(challenge.answer(site, verify_token, key.or(site.keys.at(0)), message))
}

/// Whether a request that has proven nothing may be a verification, as far as its head tells.
#[must_use]
pub fn may_be_open(site: &Site<'_>, message: &Message<'_>) -> bool {
    site.scheme.challenges.iter().any(|challenge| {
        !challenge.authenticated && challenge.has_method(message) && challenge.is_marked(message, true)
    })
}

/// Whether a method is admitted for a verification.
#[must_use]
pub fn admits_method(site: &Site<'_>, message: &Message<'_>) -> bool {
    site.scheme.challenges.iter().any(|challenge| challenge.has_method(message))
}

impl Challenge {
    /// The templates of its reply.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.reply).chain(self.headers.iter().map(|(_, value)| value))
    }

    /// Whether it has a use for the route's verify token.
    #[must_use]
    pub fn reads_verify_token(&self) -> bool {
        self.verify.is_some() || self.templates().any(|template| template.has(&Piece::VerifyToken))
    }

    fn has_method(&self, message: &Message<'_>) -> bool {
        message.method() == self.method.as_bytes()
    }

    /// Whether the request has what marks it. While there is only a head, what stands in the body may be there.
    fn is_marked(&self, message: &Message<'_>, head_only: bool) -> bool {
        if self.empty && !matches!(message.head.framing, Framing::None | Framing::Length(0)) {
            return false;
        }
        if self.unless.as_ref().is_some_and(|field| matches!(read(field, message, head_only), Some(Read::There(_)))) {
            return false;
        }
        let Some((field, equals)) = &self.when else {
            return self.token.as_ref().is_none_or(|token| read(token, message, head_only).is_some());
        };
        match (read(field, message, head_only), equals) {
            (None, _) => false,
            (Some(Read::Later), _) | (Some(_), None) => true,
            (Some(Read::There(value)), Some(equals)) => *value == *equals.as_bytes(),
        }
    }

    fn answer(
        &self,
        site: &Site<'_>,
        verify_token: Option<&[u8]>,
        key: Option<&Key>,
        message: &Message<'_>,
    ) -> Result<Reply, Denial> {
        if let Some(field) = &self.verify
            && !verifies(field, verify_token, self.verify_required, message)
        {
            return self.refused_status.map(Reply::refusal).ok_or(Reason::CredentialInvalid.into());
        }
        let token = self.token.as_ref().map(|token| value(token, message).unwrap_or_default());
        let good = |token: &Cow<'_, [u8]>| !token.is_empty() && self.shape.could_be(token, self.max);
        if !token.as_ref().is_none_or(good) {
            return Err(Reason::PayloadInvalid.into());
        }
        let mac = key.and_then(Key::mac);
        let sources = Sources {
            message: Some(message),
            url: site.url(message),
            secret: key.and_then(Key::secret),
            mac: mac.as_ref(),
            token: token.as_deref().unwrap_or_default(),
            verify_token: verify_token.unwrap_or_default(),
            ..Sources::default()
        };
        let make = |template| render(template, &sources).map(|text| text.to_vec()).ok_or(Reason::PayloadInvalid);
        let mut headers = Vec::new();
        for (name, template) in &self.headers {
            let value = make(template)?;
            if value.iter().any(u8::is_ascii_control) {
                return Err(Reason::PayloadInvalid.into());
            }
            headers.push((name.clone(), value));
        }
        let (content_type, body) = (self.content_type.clone(), make(&self.reply)?);
        Ok(Reply { status: self.status, content_type, headers, body, refused: false })
    }
}

impl Reply {
    fn refusal(status: u16) -> Self {
        Self { status, content_type: "text/plain".into(), headers: Vec::new(), body: Vec::new(), refused: true }
    }
}

/// Whether what the request says is the route's verify token. Without one there is nothing to ask, unless it is required.
fn verifies(field: &Field, expected: Option<&[u8]>, required: bool, message: &Message<'_>) -> bool {
    match (expected, value(field, message)) {
        (None, _) => !required,
        (Some(expected), Some(said)) => bool::from(said.ct_eq(expected)),
        (Some(_), None) => false,
    }
}

/// What a field says: what stands in the head now, in the body later.
enum Read<'m> {
    There(Cow<'m, [u8]>),
    Later,
}

fn read<'m>(field: &Field, message: &Message<'m>, head_only: bool) -> Option<Read<'m>> {
    if head_only && matches!(field, Field::Json(_) | Field::Form(_)) {
        return Some(Read::Later);
    }
    value(field, message).map(Read::There)
}

/// What a field of a message says, where it stands there once.
#[must_use]
pub fn value<'m>(field: &Field, message: &Message<'m>) -> Option<Cow<'m, [u8]>> {
    match field {
        Field::Header(name) => message.field(name).ok().flatten().map(Cow::Borrowed),
        Field::Query(name) => form::query_parameter(message, name).ok().flatten(),
        Field::Form(name) => form::field(message, name).ok().flatten(),
        Field::Json(path) => member(message.body, path),
        // A token is read by whoever checks it.
        Field::Claim(_) => None,
    }
}

/// What a field of a provider's message says. A member is one of the scheme's JSON document, which may stand in a form.
#[must_use]
pub fn fact<'m>(scheme: &Scheme, field: &Field, message: &Message<'m>) -> Option<Cow<'m, [u8]>> {
    match (field, &scheme.document) {
        (Field::Json(path), Some(form_field)) => {
            let document = form::field(message, form_field).ok().flatten()?;
            member(&document, path).map(|value| Cow::Owned(value.into_owned()))
        }
        _ => value(field, message),
    }
}

fn member<'b>(body: &'b [u8], path: &JsonPath) -> Option<Cow<'b, [u8]>> {
    let mut found: [Option<Span>; 1] = [None];
    json::locate(body, &[Some(path)], &mut found).ok()?;
    json::scalar(found[0]?.get(body))
}
