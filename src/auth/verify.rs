//! Verification: the candidates that the sender presents against the tags that the active keys make.

use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::deny::{Denial, Reason};
use crate::http1::{Message, Span};
use crate::json;

use super::extract::{self, MAX_CANDIDATES};
use super::keys::{Key, Keys, MAX_KEYS};
use super::mac::{Mac, Tag};
use super::scheme::{Proof, Scheme, Timestamp, TimestampFrom};
use super::template::{Sources, Template, feed};

/// What verification needs to know of a route.
#[derive(Debug, Clone, Copy)]
pub struct Site<'p> {
    /// How the provider proves a message.
    pub scheme: &'p Scheme,
    /// The active keys.
    pub keys: &'p Keys,
    /// The URL that the provider calls, where its scheme signs it.
    pub public_url: Option<&'p str>,
    /// The route's path; for a prefix route the prefix, which ends in `/`.
    pub route_path: &'p str,
    /// Whether the route's path is a prefix.
    pub prefix: bool,
}

/// Proof that the holder of a key sent this message. Only [`Verifier::finish`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Verified {
    key: usize,
    signed_time: Option<Duration>,
    message_keys: [[u8; 16]; MAX_KEYS],
    count: usize,
}

impl Verified {
    /// The index of the key among the route's.
    #[must_use]
    pub fn key_index(&self) -> usize {
        self.key
    }

    /// The signed time, since the Unix epoch.
    #[must_use]
    pub fn signed_time(&self) -> Option<Duration> {
        self.signed_time
    }

    /// What a claim remembers of these signed bytes: 128 bits of the MAC under *each* active key, or else a message that
    /// carries two signatures could be sent again with the other one alone. Empty for a scheme that signs nothing.
    #[must_use]
    pub fn message_keys(&self) -> &[[u8; 16]] {
        self.message_keys.get(..self.count).unwrap_or_default()
    }
}

/// One message's verification in progress. It belongs to a connection, and its scratch serves every request, so that in
/// steady state nothing is allocated.
#[derive(Debug, Default)]
pub struct Verifier {
    macs: Vec<Mac>,
    /// Whether the body goes into the hashes as it arrives.
    streams: bool,
    candidates: [Span; MAX_CANDIDATES],
    count: usize,
    timestamp: Span,
    signed_time: Option<Duration>,
}

impl Verifier {
    /// Takes from the head what the sender presents, and feeds the hashes with what is signed before the body. Gives the
    /// signed time that the head claims, so that a stale one can be refused before the body is read.
    ///
    /// # Errors
    /// [`Reason::CredentialMissing`], [`Reason::CredentialInvalid`] (a field that stands twice, or does not follow its
    /// grammar) and [`Reason::TimestampMissing`].
    pub fn begin(&mut self, site: &Site<'_>, message: &Message<'_>) -> Result<Option<Duration>, Denial> {
        (self.count, self.timestamp, self.signed_time, self.streams) = (0, Span::default(), None, false);
        self.macs.clear();
        let value = match message.field(&site.scheme.signature.header) {
            Err(_) => return Err(Reason::CredentialInvalid.into()),
            Ok(None | Some(b"")) => return Err(Reason::CredentialMissing.into()),
            Ok(Some(value)) => value,
        };
        let presented = extract::presented(&site.scheme.signature.format, value).ok_or(Reason::CredentialInvalid)?;
        for (slot, candidate) in self.candidates.iter_mut().zip(presented.candidates()) {
            *slot = Span::of(candidate, message.bytes);
            self.count += 1;
        }
        if let Some(timestamp) = &site.scheme.timestamp {
            self.take_time(timestamp, presented.timestamp, message)?;
        }
        if let Proof::Hmac { signed, .. } = &site.scheme.proof {
            self.macs.extend(site.keys.iter().filter_map(Key::mac));
            self.streams = signed.has_body() && !signed.waits_for_body();
            if !signed.waits_for_body() {
                self.feed_before(site, signed, message)?;
            }
        }
        Ok(self.signed_time)
    }

    /// Takes the next part of the decoded body.
    pub fn update(&mut self, part: &[u8]) {
        if self.streams {
            self.feed_body(part);
        }
    }

    fn feed_body(&mut self, part: &[u8]) {
        self.macs.iter_mut().for_each(|mac| mac.update(part));
    }

    /// Decides, now that `message.body` is whole.
    ///
    /// # Errors
    /// [`Reason::CredentialInvalid`]; [`Reason::TimestampMissing`] where the time stands in the body.
    pub fn finish(&mut self, site: &Site<'_>, message: &Message<'_>) -> Result<Verified, Denial> {
        let verdict = match &site.scheme.proof {
            Proof::Token => self.match_token(site, message),
            Proof::Hmac { signed, .. } => self.match_macs(site, signed, message)?,
        };
        if !bool::from(verdict.matched) {
            return Err(Reason::CredentialInvalid.into());
        }
        let mut verified = verdict.verified;
        verified.signed_time = match &site.scheme.timestamp {
            Some(Timestamp { from: TimestampFrom::Json(path), unit }) => {
                let mut found = [None];
                let scanned = json::scan(message.body, &[Some(path)], &mut found);
                let text = found[0].filter(|_| scanned.is_ok()).map(|span| span.get(message.body));
                Some(text.and_then(|text| extract::time(*unit, text)).ok_or(Reason::TimestampMissing)?)
            }
            _ => self.signed_time,
        };
        Ok(verified)
    }

    fn take_time(
        &mut self,
        timestamp: &Timestamp,
        in_signature: Option<&[u8]>,
        message: &Message<'_>,
    ) -> Result<(), Denial> {
        let text = match &timestamp.from {
            TimestampFrom::Json(_) => return Ok(()),
            TimestampFrom::Signature => in_signature,
            TimestampFrom::Header(name) => message.field(name).ok().flatten(),
        };
        let text = text.ok_or(Reason::TimestampMissing)?;
        self.signed_time = Some(extract::time(timestamp.unit, text).ok_or(Reason::TimestampMissing)?);
        self.timestamp = Span::of(text, message.bytes);
        Ok(())
    }

    fn feed_before(&mut self, site: &Site<'_>, signed: &Template, message: &Message<'_>) -> Result<(), Denial> {
        let sources = Sources { timestamp: self.timestamp.get(message.bytes), url: site.url(message) };
        let macs = &mut self.macs;
        let mut sink = |bytes: &[u8]| macs.iter_mut().for_each(|mac| mac.update(bytes));
        // A signed field that is not there is a part of the credential that is missing.
        if feed(signed.before(), message, &sources, &mut sink) { Ok(()) } else { Err(Reason::CredentialMissing.into()) }
    }

    fn match_macs(&mut self, site: &Site<'_>, signed: &Template, message: &Message<'_>) -> Result<Verdict, Denial> {
        if signed.waits_for_body() {
            self.feed_before(site, signed, message).map_err(|_| Reason::CredentialInvalid)?;
            if signed.has_body() {
                self.feed_body(message.body);
            }
        }
        let sources = Sources { timestamp: self.timestamp.get(message.bytes), url: site.url(message) };
        let macs = &mut self.macs;
        let mut sink = |bytes: &[u8]| macs.iter_mut().for_each(|mac| mac.update(bytes));
        if !feed(signed.after(), message, &sources, &mut sink) {
            return Err(Reason::CredentialInvalid.into());
        }
        let mut verdict = Verdict::none();
        let mut macs = std::mem::take(&mut self.macs);
        for (index, mac) in macs.drain(..).enumerate() {
            let tag = mac.finish();
            verdict.take(index, self.matches(site, &tag, message.bytes));
            verdict.remember(tag.claim_key());
        }
        // Given back empty: its room serves the next request.
        self.macs = macs;
        Ok(verdict)
    }

    /// Whether any candidate is this tag. All are looked at, whatever the outcome.
    fn matches(&self, site: &Site<'_>, tag: &Tag, bytes: &[u8]) -> Choice {
        let expected = tag.as_bytes();
        let mut matched = Choice::from(0);
        for candidate in self.candidates.iter().take(self.count) {
            // Whether a candidate can be decoded is known to whoever wrote it.
            let decoded = extract::decode(site.scheme.signature.encoding, candidate.get(bytes), expected.len());
            if let Some(decoded) = decoded {
                matched |= expected.ct_eq(decoded.get(..expected.len()).unwrap_or_default());
            }
        }
        matched
    }

    fn match_token(&self, site: &Site<'_>, message: &Message<'_>) -> Verdict {
        let presented = Sha256::digest(self.candidates[0].get(message.bytes));
        let mut verdict = Verdict::none();
        for (index, digest) in site.keys.iter().filter_map(Key::token_digest).enumerate() {
            verdict.take(index, digest.ct_eq(presented.as_slice()));
        }
        verdict
    }
}

/// A verdict that grows key by key, in the same time whichever matches.
struct Verdict {
    matched: Choice,
    verified: Verified,
}

impl Verdict {
    fn none() -> Self {
        let verified = Verified { key: 0, signed_time: None, message_keys: [[0; 16]; MAX_KEYS], count: 0 };
        Self { matched: Choice::from(0), verified }
    }

    fn take(&mut self, index: usize, matched: Choice) {
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        let current = u8::try_from(self.verified.key).unwrap_or(u8::MAX);
        self.verified.key = usize::from(u8::conditional_select(&current, &index, matched));
        self.matched |= matched;
    }

    fn remember(&mut self, key: [u8; 16]) {
        if let Some(slot) = self.verified.message_keys.get_mut(self.verified.count) {
            *slot = key;
            self.verified.count += 1;
        }
    }
}

impl Site<'_> {
    /// The URL that the provider called, without its query: a part that is the same for all requests, then one that is
    /// the request's own.
    fn url<'m>(&'m self, message: &Message<'m>) -> (&'m [u8], &'m [u8]) {
        let Some(url) = self.public_url else { return (b"", message.path()) };
        let authority = url.find("://").map_or(0, |at| at + 3);
        let has_path = url[authority..].find('/').is_some_and(|at| url.len() > authority + at + 1);
        match (has_path, self.prefix) {
            (false, _) => (url.trim_end_matches('/').as_bytes(), message.path()),
            (true, false) => (url.as_bytes(), b""),
            (true, true) => {
                let rest = message.path().get(self.route_path.len().saturating_sub(1)..).unwrap_or_default();
                (url.trim_end_matches('/').as_bytes(), rest)
            }
        }
    }
}
