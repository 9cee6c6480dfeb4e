//! Verification with public keys: whose signature is this, of those whose keys are here?
//!
//! Nothing that is compared here is secret, so that the first key that fits ends the search. What a stranger can make it
//! cost is bounded, and an id that nobody has costs as much as one that somebody has.

use std::cell::Cell;
use std::sync::Arc;

use subtle::Choice;

use crate::deny::{Denial, Reason};

use super::challenge;
use super::extract;
use super::feed::{Sources, feed_all};
use super::key_book::KeyBook;
use super::keyring::{KeyRing, Wanted};
use super::mac::{Mac, hash};
use super::scheme::{Algorithm, KeyIdFrom, Proof};
use super::signature::{EcdsaForm, KeySet, MAX_SIGNATURE, PublicKey, SignatureAlgorithm};
use super::template::Template;
use super::verify::{Case, Verdict};

/// The most signatures that are checked for one message: a whole set of keys, once.
const MAX_CHECKS: usize = super::signature::MAX_KEY_SET;

/// Who made a signature.
pub(super) enum Signer {
    /// A configured key, by its index.
    Configured(usize),
    /// A key of the ring.
    OfRing(PublicKey),
}

/// What signatures are checked with.
pub(super) struct Terms<'t> {
    algorithms: &'t [SignatureAlgorithm],
    form: EcdsaForm,
    /// How many more may be checked.
    left: Cell<usize>,
}

impl<'t> Terms<'t> {
    pub(super) fn new(algorithms: &'t [SignatureAlgorithm], form: EcdsaForm) -> Self {
        Self { algorithms, form, left: Cell::new(MAX_CHECKS) }
    }
}

impl Case<'_> {
    /// Judges a message with a signature. `hashes` holds that of the content where it came in a stream; `room` is for
    /// content that does not stand in one piece.
    pub(super) fn judge_public_key(&self, hashes: &mut Vec<Mac>, room: &mut Vec<u8>) -> Result<Verdict, Denial> {
        let Proof::PublicKey { algorithms, form, signed } = &self.site.scheme.proof else {
            return Err(Reason::CredentialInvalid.into());
        };
        let ring = self.ring_keys()?;
        let terms = Terms::new(algorithms, *form);
        let captures = self.taken.captures();
        let sources = self.sources(None, &captures);
        let streamed = hashes.pop();
        let mut verdict = Verdict::none(Choice::from(0));
        for template in signed {
            let Some(content) = content(template, &sources, room) else { continue };
            let Some(signer) = self.signer(&terms, ring.as_deref(), &sources, content)? else { continue };
            (verdict.verified.key, verdict.verified.ring_key) = match signer {
                Signer::Configured(index) => (Some(index), None),
                Signer::OfRing(key) => (None, Some(key)),
            };
            let tag = match streamed {
                Some(mut hash) => {
                    super::feed::feed(template.after(), &sources, &mut |bytes| hash.update(bytes));
                    hash.finish()
                }
                None => hash(Algorithm::Sha256, content),
            };
            verdict.remember(tag.claim_key());
            verdict.matched = self.checks(&sources);
            break;
        }
        Ok(verdict)
    }

    /// The ring's keys. A route without any key cannot say whose message it is.
    pub(super) fn ring_keys(&self) -> Result<Option<Arc<KeySet>>, Denial> {
        let Some(ring) = self.site.key_ring.filter(|ring| ring.book().is_none()) else { return Ok(None) };
        let keys = ring.keys();
        if keys.is_none() {
            ring.ask(Wanted::Keys);
            if self.site.keys.is_empty() {
                return Err(Reason::KeysUnavailable.into());
            }
        }
        Ok(keys)
    }

    /// Whether the key of that id, of those that come one by one, made a signature. An id that nobody has asked for yet is
    /// asked for, and the sender asked to come again.
    pub(super) fn signer_by_id(
        &self,
        book: &KeyBook,
        kid: Option<&[u8]>,
        verifies: impl Fn(&PublicKey) -> bool,
    ) -> Result<Option<Signer>, Denial> {
        let Some(id) = kid.and_then(|kid| book.id(kid)) else { return Ok(None) };
        let Some(page) = book.find(id) else {
            if let Some(ring) = self.site.key_ring {
                ring.ask(Wanted::Key(id.into()));
            }
            return Err(Reason::KeysUnavailable.into());
        };
        let key = page.key().filter(|key| verifies(key));
        if key.is_some() {
            page.has_proven();
        }
        Ok(key.cloned().map(Signer::OfRing))
    }

    /// Whose signature over the content the message carries.
    fn signer(
        &self,
        terms: &Terms<'_>,
        ring: Option<&KeySet>,
        sources: &Sources<'_>,
        content: &[u8],
    ) -> Result<Option<Signer>, Denial> {
        for (index, key) in self.site.keys.iter().enumerate() {
            if key.public_key().is_some_and(|key| self.signed_by(terms, key, content)) {
                return Ok(Some(Signer::Configured(index)));
            }
        }
        let book = self.site.key_ring.and_then(KeyRing::book);
        if ring.is_none() && book.is_none() {
            return Ok(None);
        }
        let kid = match &self.site.scheme.key_source.key_id {
            Some(from) => Some(self.key_id(from, sources).ok_or(Reason::CredentialMissing)?),
            None => None,
        };
        if let Some(book) = book {
            return self.signer_by_id(book, kid.as_deref(), |key| self.signed_by(terms, key, content));
        }
        let Some(ring) = ring else { return Ok(None) };
        let (mut candidates, is_known) = ring.candidates(kid.as_deref());
        let found = candidates.find(|key| self.signed_by(terms, key, content));
        // Without a key id a new key looks like a bad signature: both have the set looked at again.
        let is_missed = !is_known || kid.is_none() && found.is_none();
        if is_missed && let Some(ring) = self.site.key_ring {
            ring.ask(Wanted::Keys);
        }
        Ok(found.filter(|_| is_known).cloned().map(Signer::OfRing))
    }

    /// What the message says of which key it is for.
    fn key_id(&self, from: &KeyIdFrom, sources: &Sources<'_>) -> Option<Vec<u8>> {
        match from {
            KeyIdFrom::Field(field) => challenge::value(field, self.message).map(std::borrow::Cow::into_owned),
            KeyIdFrom::Capture(index) => {
                sources.captures.get(*index).filter(|text| !text.is_empty()).map(|text| text.to_vec())
            }
        }
    }

    /// Whether a key made the message's signature, in each place where there must be one.
    pub(super) fn signed_by(&self, terms: &Terms<'_>, key: &PublicKey, content: &[u8]) -> bool {
        let fitting = || terms.algorithms.iter().filter(|algorithm| key.fits(**algorithm));
        let mut room = [0; MAX_SIGNATURE + 3];
        bool::from(self.taken.in_every_group(|candidate| {
            let signature = extract::decode_any(self.site.scheme.signature.encoding, candidate, &mut room);
            let Some(signature) = signature else { return Choice::from(0) };
            let checks = |algorithm: &SignatureAlgorithm| {
                let left = terms.left.get();
                terms.left.set(left.saturating_sub(1));
                left > 0 && key.verify(*algorithm, terms.form, content, signature)
            };
            Choice::from(u8::from(fitting().any(checks)))
        }))
    }
}

/// What is signed: the body where it is that alone, else put together in `room`. `None`: a piece of it cannot be had.
pub(super) fn content<'c>(template: &Template, sources: &Sources<'c>, room: &'c mut Vec<u8>) -> Option<&'c [u8]> {
    if template.has_body() && template.before().is_empty() && template.after().is_empty() {
        return sources.message.map(|message| message.body);
    }
    room.clear();
    feed_all(template, sources, &mut |bytes| room.extend_from_slice(bytes)).then_some(room)
}
