//! What the sender presents, taken out of the message: signatures, captures and the time, by place and grammar.
//!
//! Values are copied into one scratch that serves every request, so that those that had to be decoded and those that had
//! not are read alike.

use std::borrow::Cow;
use std::time::Duration;

use subtle::Choice;

use crate::deny::{Denial, Reason};
use crate::http1::head::Repeated;
use crate::http1::{Message, Span};
use crate::json;

use super::extract::{self, MAX_CANDIDATES, MAX_CAPTURES, Presented};
use super::feed::Members;
use super::form;
use super::http_signature::{self, NotChosen, Rules};
use super::mac::Tag;
use super::scheme::{Encoding, JsonPath, Scheme, SignaturePlace, TimestampFrom};

/// The most header fields that must each carry a signature.
const MAX_GROUPS: usize = 8;

/// The most bytes of room that the scratch keeps between two messages.
const MAX_KEPT: usize = 64 * 1024;

/// What was taken out of one message.
#[derive(Debug, Default)]
pub(super) struct Taken {
    text: Vec<u8>,
    candidates: [Span; MAX_CANDIDATES],
    /// The header field of each candidate, where each field must match.
    groups: [u8; MAX_CANDIDATES],
    count: usize,
    group_count: u8,
    captures: [Span; MAX_CAPTURES],
    timestamp: Option<Span>,
    /// The signed time, once it is known.
    pub signed_time: Option<Duration>,
    /// When the signature ends, where it says.
    pub expires: Option<Duration>,
}

impl Taken {
    /// Forgets everything; the scratch's room stays.
    pub(super) fn clear(&mut self) {
        self.clear_signature();
        self.text.clear();
        // A token in a body may have been as large as that.
        self.text.shrink_to(MAX_KEPT);
        (self.timestamp, self.signed_time, self.expires) = (None, None, None);
    }

    /// Forgets the signature, but not the time.
    pub(super) fn clear_signature(&mut self) {
        (self.count, self.group_count) = (0, 1);
        self.captures = [Span::default(); MAX_CAPTURES];
    }

    /// Takes the signatures or tokens.
    pub(super) fn take(&mut self, scheme: &Scheme, message: &Message<'_>, members: &Members<'_>) -> Result<(), Denial> {
        match &scheme.signature.place {
            SignaturePlace::Header => {
                let value = message.field(&scheme.signature.header);
                self.take_one(scheme, value.map(|value| value.map(Cow::Borrowed)), 0)
            }
            SignaturePlace::Headers { names, all } => self.take_headers(scheme, names, *all, message),
            SignaturePlace::RepeatedHeader => self.take_repeated(scheme, message),
            SignaturePlace::NumberedHeaders(prefix) => self.take_numbered(scheme, prefix, message),
            SignaturePlace::Query(name) => self.take_one(scheme, form::query_parameter(message, name), 0),
            SignaturePlace::Form(name) => self.take_one(scheme, form::field(message, name), 0),
            SignaturePlace::Json(path) => self.take_member(scheme, path, members),
            SignaturePlace::HttpSignature(rules) => self.take_http_signature(scheme, rules, message),
            SignaturePlace::PathSegment => {
                let segment = message.path().rsplit(|&byte| byte == b'/').next();
                self.take_one(scheme, Ok(segment.map(Cow::Borrowed)), 0)
            }
            // It is read where it stands.
            SignaturePlace::Body | SignaturePlace::Nowhere => Ok(()),
        }
    }

    /// The one signature or token; `None` where there are several.
    pub(super) fn single(&self) -> Option<&[u8]> {
        (self.count == 1).then(|| self.candidates.first().map(|span| span.get(&self.text)))?
    }

    fn take_one(
        &mut self,
        scheme: &Scheme,
        value: Result<Option<Cow<'_, [u8]>>, Repeated>,
        group: u8,
    ) -> Result<(), Denial> {
        match value {
            Err(Repeated) => Err(Reason::CredentialInvalid.into()),
            Ok(Some(value)) if !value.is_empty() => {
                self.take_value(scheme, &value, group).ok_or(Reason::CredentialInvalid.into())
            }
            Ok(_) => Err(Reason::CredentialMissing.into()),
        }
    }

    fn take_headers(
        &mut self,
        scheme: &Scheme,
        names: &[Box<str>],
        all: bool,
        message: &Message<'_>,
    ) -> Result<(), Denial> {
        for (index, name) in names.iter().take(MAX_GROUPS).enumerate() {
            let value = message.field(name);
            if !all && matches!(value, Ok(None | Some(b""))) {
                continue;
            }
            let group = if all { u8::try_from(index).unwrap_or_default() } else { 0 };
            self.take_one(scheme, value.map(|value| value.map(Cow::Borrowed)), group)?;
            self.group_count = group + 1;
        }
        if self.count > 0 { Ok(()) } else { Err(Reason::CredentialMissing.into()) }
    }

    fn take_repeated(&mut self, scheme: &Scheme, message: &Message<'_>) -> Result<(), Denial> {
        let name = scheme.signature.header.as_bytes();
        for (_, value) in message.fields().filter(|(found, _)| found.eq_ignore_ascii_case(name)) {
            self.take_one(scheme, Ok(Some(Cow::Borrowed(value))), 0)?;
        }
        if self.count > 0 { Ok(()) } else { Err(Reason::CredentialMissing.into()) }
    }

    fn take_numbered(&mut self, scheme: &Scheme, prefix: &str, message: &Message<'_>) -> Result<(), Denial> {
        for (name, value) in message.fields() {
            let number = name.split_at_checked(prefix.len());
            let number =
                number.filter(|(start, _)| start.eq_ignore_ascii_case(prefix.as_bytes())).map(|(_, rest)| rest);
            if !number.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)) {
                continue;
            }
            let name = str::from_utf8(name).unwrap_or_default();
            message.field(name).map_err(|Repeated| Reason::CredentialInvalid)?;
            self.take_one(scheme, Ok(Some(Cow::Borrowed(value))), 0)?;
        }
        if self.count > 0 { Ok(()) } else { Err(Reason::CredentialMissing.into()) }
    }

    /// Takes the one signature that counts, its time, its end, and those of its parameters that templates read.
    fn take_http_signature(&mut self, scheme: &Scheme, rules: &Rules, message: &Message<'_>) -> Result<(), Denial> {
        let chosen = http_signature::choose(rules, message).map_err(|not_chosen| match not_chosen {
            NotChosen::Missing => Reason::CredentialMissing,
            NotChosen::Invalid => Reason::CredentialInvalid,
        })?;
        self.take_one(scheme, Ok(chosen.signature.map(|text| Cow::Borrowed(text.as_bytes()))), 0)?;
        self.timestamp = chosen.created().map(|digits| self.keep(digits.as_bytes()));
        self.expires = chosen.expires();
        for (index, name) in scheme.signature.captures.iter().enumerate().take(MAX_CAPTURES) {
            self.captures[index] = self.keep(chosen.says(name).as_bytes());
        }
        Ok(())
    }

    fn keep(&mut self, text: &[u8]) -> Span {
        let base = self.text.len();
        self.text.extend_from_slice(text);
        Span::new(base, self.text.len())
    }

    fn take_member(&mut self, scheme: &Scheme, path: &JsonPath, members: &Members<'_>) -> Result<(), Denial> {
        if members.broken {
            return Err(Reason::CredentialInvalid.into());
        }
        let text = members.text(path).filter(|text| *text != b"null").ok_or(Reason::CredentialMissing)?;
        self.take_one(scheme, Ok(Some(json::scalar(text).ok_or(Reason::CredentialInvalid)?)), 0)
    }

    /// Reads one value by the first grammar that fits.
    fn take_value(&mut self, scheme: &Scheme, value: &[u8], group: u8) -> Option<()> {
        let signature = &scheme.signature;
        let opened = extract::opened(signature, value)?;
        let value = &*opened;
        let mut formats = std::iter::once(&signature.format).chain(&signature.other_formats);
        let mut presented = Presented::NOTHING;
        if !formats.any(|format| extract::present(format, value, &mut presented)) {
            return None;
        }
        let base = self.text.len();
        self.text.extend_from_slice(value);
        let kept = |part: &[u8]| {
            let at = Span::of(part, value);
            Span::new(base + at.start(), base + at.end())
        };
        for candidate in presented.candidates() {
            *self.candidates.get_mut(self.count)? = kept(candidate);
            *self.groups.get_mut(self.count)? = group;
            self.count += 1;
        }
        for (slot, capture) in self.captures.iter_mut().zip(presented.captures).filter(|(_, text)| !text.is_empty()) {
            *slot = kept(capture);
        }
        if let Some(text) = presented.timestamp {
            self.timestamp = Some(kept(text));
        }
        Some(())
    }

    /// Takes the time from where it stands.
    pub(super) fn take_time(
        &mut self,
        scheme: &Scheme,
        message: &Message<'_>,
        members: &Members<'_>,
    ) -> Result<(), Denial> {
        let Some(timestamp) = &scheme.timestamp else { return Ok(()) };
        let text = match &timestamp.from {
            TimestampFrom::Signature => None,
            TimestampFrom::Header(name) => message.field(name).ok().flatten().map(Cow::Borrowed),
            TimestampFrom::Query(name) => form::query_parameter(message, name).ok().flatten(),
            TimestampFrom::Form(name) => form::field(message, name).ok().flatten(),
            TimestampFrom::Json(path) => members.text(path).and_then(json::scalar),
            // It is read with the token.
            TimestampFrom::Claim(_) | TimestampFrom::Jose(_) => return Ok(()),
        };
        if let Some(text) = text {
            let base = self.text.len();
            self.text.extend_from_slice(&text);
            self.timestamp = Some(Span::new(base, self.text.len()));
        }
        let text = self.timestamp.ok_or(Reason::TimestampMissing)?.get(&self.text);
        self.signed_time = Some(extract::time(timestamp, text).ok_or(Reason::TimestampMissing)?);
        Ok(())
    }

    /// The time's text.
    pub(super) fn timestamp(&self) -> &[u8] {
        self.timestamp.map_or(b"", |span| span.get(&self.text))
    }

    /// The captures' texts.
    pub(super) fn captures(&self) -> [&[u8]; MAX_CAPTURES] {
        self.captures.map(|span| span.get(&self.text))
    }

    /// Whether the candidates hold this tag, in each of the fields that must. All are looked at, whatever the outcome.
    pub(super) fn matches(&self, encoding: Encoding, tag: &Tag) -> Choice {
        let len = tag.as_bytes().len();
        self.in_every_group(|candidate| {
            // Whether a candidate can be decoded is known to whoever wrote it.
            let decoded = extract::decode(encoding, candidate, len);
            decoded.map_or(Choice::from(0), |decoded| tag.is(&decoded))
        })
    }

    /// Whether `matches` holds of a candidate in every group.
    pub(super) fn in_every_group(&self, mut matches: impl FnMut(&[u8]) -> Choice) -> Choice {
        let mut groups = [Choice::from(0); MAX_GROUPS];
        for (candidate, group) in self.candidates.iter().zip(self.groups).take(self.count) {
            if let Some(group) = groups.get_mut(usize::from(group)) {
                *group |= matches(candidate.get(&self.text));
            }
        }
        groups.iter().take(usize::from(self.group_count)).fold(Choice::from(1), |all, group| all & *group)
    }
}
