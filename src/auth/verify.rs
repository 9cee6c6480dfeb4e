//! Verification: what the sender presents against what the active keys make of the message.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::http1::{Message, Span};
use crate::json;

use super::client::ClientIdentity;
use super::feed::{Members, Sources, feed, feed_all, find_members, render};
use super::form;
use super::jwt::{self, Validity};
use super::keyring::KeyRing;
use super::keys::{Key, Keys, MAX_KEYS};
use super::mac::{Mac, Tag};
use super::scheme::{Algorithm, Check, JsonPath, Proof, Scheme};
use super::signature::PublicKey;
use super::taken::Taken;
use super::template::Template;

/// The most alternatives of what may be signed.
pub const MAX_CONTENTS: usize = 4;

/// The most elements that carry tokens of their own; senders of such batches state far fewer.
const MAX_ELEMENTS: usize = 1000;

/// What verification needs to know of a route.
#[derive(Debug, Clone, Copy)]
pub struct Site<'p> {
    /// How the provider proves a message.
    pub scheme: &'p Scheme,
    /// The active keys.
    pub keys: &'p Keys,
    /// The keys that somebody else brings, where the route has such.
    pub key_ring: Option<&'p KeyRing>,
    /// Who the client is by its certificate, where TLS has checked one.
    pub client: Option<&'p ClientIdentity>,
    /// The URL that the provider calls, where its scheme signs it.
    pub public_url: Option<&'p str>,
    /// The route's path; for a prefix route the prefix, which ends in `/`.
    pub route_path: &'p str,
    /// Whether the route's path is a prefix.
    pub prefix: bool,
}

/// Proof that the holder of a key sent this message. Only [`Verifier::finish`] makes one.
#[derive(Debug, Clone)]
pub struct Verified {
    pub(super) key: Option<usize>,
    pub(super) ring_key: Option<PublicKey>,
    pub(super) signed_time: Option<Duration>,
    pub(super) validity: Validity,
    message_keys: [[u8; 16]; MAX_KEYS],
    count: usize,
}

impl Verified {
    /// The index of the key among the route's; `None` where it was one of the key ring.
    #[must_use]
    pub fn key_index(&self) -> Option<usize> {
        self.key
    }

    /// The key of the ring, where it was one of those.
    #[must_use]
    pub fn ring_key(&self) -> Option<&PublicKey> {
        self.ring_key.as_ref()
    }

    /// The signed time, since the Unix epoch.
    #[must_use]
    pub fn signed_time(&self) -> Option<Duration> {
        self.signed_time
    }

    /// When the token that proved it holds; at all times where it was none.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// What a claim remembers of these signed bytes: 128 bits of the MAC under *each* active key, or else a message that
    /// carries two signatures could be sent again with the other one alone. Of a batch, those of each element; of a
    /// scheme that signs the same for several messages, the body too. Empty for a scheme that signs nothing.
    #[must_use]
    pub fn message_keys(&self) -> &[[u8; 16]] {
        self.message_keys.get(..self.count).unwrap_or_default()
    }

    /// Makes each message key one of the body as well.
    fn bind_body(&mut self, body: &[u8]) {
        for key in self.message_keys.iter_mut().take(self.count) {
            let digest = Sha256::new_with_prefix(*key).chain_update(body).finalize();
            key.iter_mut().zip(digest).for_each(|(byte, other)| *byte = other);
        }
    }
}

/// One message's verification in progress. It belongs to a connection, and its scratch serves every request, so that in
/// steady state nothing is allocated.
#[derive(Debug, Default)]
pub struct Verifier {
    macs: Vec<Mac>,
    /// Whether the body goes into the hashes as it arrives.
    streams: bool,
    taken: Taken,
    found: Vec<Option<Span>>,
    /// What the authorization server says of the token, a JSON object; `None` where nobody was asked.
    introspected: Option<Arc<[u8]>>,
    /// What is signed, for those who check it as a whole.
    content: Vec<u8>,
    /// The time that certificates are judged by. While nobody has told it, none is valid.
    now: Option<Now>,
    token: jwt::Room,
}

impl Verifier {
    /// Takes from the head what the sender presents, and feeds the hashes with what is signed before the body. Gives the
    /// signed time that the head claims, so that a stale one can be refused before the body is read.
    ///
    /// # Errors
    /// [`Reason::CredentialMissing`], [`Reason::CredentialInvalid`] (a field that stands twice, or does not follow its
    /// grammar) and [`Reason::TimestampMissing`].
    pub fn begin(&mut self, site: &Site<'_>, message: &Message<'_>) -> Result<Option<Duration>, Denial> {
        let scheme = site.scheme;
        self.taken.clear();
        self.macs.clear();
        self.introspected = None;
        self.token.clear();
        self.content.shrink_to(MAX_KEPT);
        self.streams = false;
        if scheme.signature.place.is_in_head() {
            self.taken.take(scheme, message, &Members::default())?;
            if scheme.timestamp.as_ref().is_some_and(|time| time.from.is_in_head()) {
                self.taken.take_time(scheme, message, &Members::default())?;
            }
        }
        if matches!(scheme.proof, Proof::ClientCertificate) && site.client.is_none() {
            return Err(Reason::CredentialMissing.into());
        }
        if let (true, [signed]) = (scheme.streams(), scheme.contents()) {
            self.streams = true;
            self.feed_before(site, signed, message)?;
        }
        Ok(self.taken.signed_time)
    }

    /// Tells the time, by which certificates are judged.
    pub fn at(&mut self, now: Now) {
        self.now = Some(now);
    }

    /// The token that the head presents, where it is one alone: for those who ask somebody about it. To be called after
    /// [`Self::begin`].
    #[must_use]
    pub fn token(&self) -> Option<&[u8]> {
        self.taken.single()
    }

    /// Hears what the authorization server says of that token: a JSON object, as it came. To be called before
    /// [`Self::finish`].
    pub fn hear(&mut self, claims: Arc<[u8]>) {
        self.introspected = Some(claims);
    }

    /// Takes the next part of the decoded body.
    pub fn update(&mut self, part: &[u8]) {
        if self.streams {
            self.macs.iter_mut().for_each(|mac| mac.update(part));
        }
    }

    /// Decides, now that `message.body` is whole.
    ///
    /// # Errors
    /// [`Reason::CredentialInvalid`]; [`Reason::CredentialMissing`] and [`Reason::TimestampMissing`] where these stand in
    /// the body.
    pub fn finish(&mut self, site: &Site<'_>, message: &Message<'_>) -> Result<Verified, Denial> {
        let scheme = site.scheme;
        let document = document(scheme, message)?;
        let broken = !find_members(&document, &scheme.members, &mut self.found);
        let members = Members { document: &document, paths: &scheme.members, found: &self.found, broken };
        let verdict = if let Some(array) = &scheme.each {
            judge_each(&mut self.taken, site, message, &members, array)?
        } else {
            if !scheme.signature.place.is_in_head() {
                self.taken.take(scheme, message, &members)?;
            }
            // What is missing is told once the signature has been looked at.
            let time = match self.taken.signed_time {
                None => self.taken.take_time(scheme, message, &members),
                Some(_) => Ok(()),
            };
            let case = Case { site, message, members, taken: &self.taken };
            let verdict = match &scheme.proof {
                Proof::PublicKey { .. } if scheme.key_source.certificate.is_some() => {
                    case.judge_certified(&mut self.content, self.now)?
                }
                Proof::PublicKey { .. } => case.judge_public_key(&mut self.macs, &mut self.content)?,
                Proof::Jwt(jwt) => match self.introspected.take() {
                    Some(claims) => case.judge_introspected(jwt, &mut self.token, &claims)?,
                    None => case.judge_jwt(jwt, &mut self.token, &mut self.content, self.now)?,
                },
                Proof::ClientCertificate => case.judge_client()?,
                Proof::Hmac { .. } | Proof::Digest { .. } | Proof::Token if self.streams => {
                    case.judge_streamed(&mut self.macs)
                }
                Proof::Hmac { .. } | Proof::Digest { .. } | Proof::Token => case.judge(),
            };
            if bool::from(verdict.matched) {
                time?;
            }
            verdict
        };
        if !bool::from(verdict.matched) {
            return Err(Reason::CredentialInvalid.into());
        }
        let signed_time = self.taken.signed_time.or(verdict.verified.signed_time);
        let mut verified = Verified { signed_time, ..verdict.verified };
        if let Some(end) = self.taken.expires {
            // Its last second counts.
            verified.validity.expires = Some(end.saturating_add(Duration::from_secs(1)));
        }
        if scheme.claims_body && scheme.each.is_none() {
            verified.bind_body(message.body);
        }
        Ok(verified)
    }

    /// What a fact about the message says that stands in the token which has been judged.
    #[must_use]
    pub fn claim(&self, scheme: &Scheme, path: &JsonPath) -> Option<Cow<'_, [u8]>> {
        let Proof::Jwt(jwt) = &scheme.proof else { return None };
        self.token.claim(jwt, path)
    }

    fn feed_before(&mut self, site: &Site<'_>, signed: &Template, message: &Message<'_>) -> Result<(), Denial> {
        let case = Case { site, message, members: Members::default(), taken: &self.taken };
        let captures = self.taken.captures();
        // A signature is checked over the whole: what is hashed is what a claim remembers.
        if let Proof::PublicKey { .. } = &site.scheme.proof {
            let mut hash = Mac::plain(Algorithm::Sha256);
            let fed = feed(signed.before(), &case.sources(None, &captures), &mut |bytes| hash.update(bytes));
            self.macs.push(hash);
            return if fed { Ok(()) } else { Err(Reason::CredentialMissing.into()) };
        }
        for key in site.keys {
            let sources = case.sources(Some(key), &captures);
            let mut mac = key.mac_for(site.scheme, &sources).ok_or(Reason::CredentialInvalid)?;
            // A signed field that is not there is a part of the credential that is missing.
            if !feed(signed.before(), &sources, &mut |bytes| mac.update(bytes)) {
                return Err(Reason::CredentialMissing.into());
            }
            self.macs.push(mac);
        }
        Ok(())
    }
}

/// The JSON document that members are read from.
fn document<'m>(scheme: &Scheme, message: &Message<'m>) -> Result<Cow<'m, [u8]>, Denial> {
    let Some(field) = &scheme.document else { return Ok(Cow::Borrowed(message.body)) };
    let document = form::field(message, field).map_err(|_| Reason::CredentialInvalid)?;
    document.ok_or(Reason::CredentialMissing.into())
}

/// Every element of a batch must carry a proof of its own; one that does not refuses them all.
fn judge_each(
    taken: &mut Taken,
    site: &Site<'_>,
    message: &Message<'_>,
    members: &Members<'_>,
    array: &JsonPath,
) -> Result<Verdict, Denial> {
    let text = members.text(array).ok_or(Reason::CredentialMissing)?;
    // A claim has room for as many signed elements as for keys.
    let most = if site.scheme.contents().is_empty() { MAX_ELEMENTS } else { MAX_KEYS };
    let elements = json::elements(text, most).ok_or(Reason::CredentialInvalid)?;
    let (mut whole, mut found) = (Verdict::none(Choice::from(1)), Vec::new());
    for element in &elements {
        let document = element.get(text);
        let broken = !find_members(document, members.paths, &mut found);
        let members = Members { document, paths: members.paths, found: &found, broken };
        taken.clear_signature();
        taken.take(site.scheme, message, &members)?;
        let mut verdict = Case { site, message, members, taken }.judge();
        if site.scheme.claims_body {
            verdict.verified.bind_body(document);
        }
        whole.add(&verdict);
    }
    if elements.is_empty() { Err(Reason::CredentialMissing.into()) } else { Ok(whole) }
}

/// One message, or one element of a batch, with what it presents.
pub(super) struct Case<'c> {
    pub(super) site: &'c Site<'c>,
    pub(super) message: &'c Message<'c>,
    members: Members<'c>,
    pub(super) taken: &'c Taken,
}

impl<'c> Case<'c> {
    pub(super) fn sources(&'c self, key: Option<&'c Key>, captures: &'c [&'c [u8]]) -> Sources<'c> {
        Sources {
            message: Some(self.message),
            timestamp: self.taken.timestamp(),
            url: self.site.url(self.message),
            captures,
            members: self.members,
            header_list: self.site.scheme.header_list.as_ref(),
            rules: self.site.scheme.signature.rules(),
            secret: key.and_then(Key::secret),
            ..Sources::default()
        }
    }

    /// Judges with hashes that have the body already.
    fn judge_streamed(&self, macs: &mut Vec<Mac>) -> Verdict {
        let (scheme, captures) = (self.site.scheme, self.taken.captures());
        let mut verdict = Verdict::none(Choice::from(0));
        // Drained, the vector's room serves the next request.
        for ((index, key), mut mac) in self.site.keys.iter().enumerate().zip(macs.drain(..)) {
            let sources = self.sources(Some(key), &captures);
            let after = scheme.signed().map_or(&[][..], Template::after);
            let fed = feed(after, &sources, &mut |bytes| mac.update(bytes)) && !self.could_be_token(self.message.body);
            let tag = mac.finish();
            let matched = Choice::from(u8::from(fed)) & self.taken.matches(scheme.signature.encoding, &tag);
            verdict.take(index, matched & self.checks(&sources));
            verdict.remember(tag.claim_key());
        }
        verdict
    }

    fn judge(&self) -> Verdict {
        match &self.site.scheme.proof {
            Proof::Token => self.judge_token(),
            Proof::Hmac { signed, .. } | Proof::Digest { signed, .. } => self.judge_contents(signed),
            // Judged before: elements of a batch have none.
            Proof::PublicKey { .. } | Proof::Jwt(_) | Proof::ClientCertificate => Verdict::none(Choice::from(0)),
        }
    }

    /// Each key over each acceptable content. A claim remembers the content that matched, under every key.
    fn judge_contents(&self, contents: &[Template]) -> Verdict {
        let captures = self.taken.captures();
        let mut verdict = Verdict::none(Choice::from(0));
        let mut claims = [[[0; 16]; MAX_CONTENTS]; MAX_KEYS];
        let mut content_that_matched = 0_u8;
        for (index, key) in self.site.keys.iter().enumerate() {
            let sources = self.sources(Some(key), &captures);
            let checked = self.checks(&sources);
            for (at, content) in contents.iter().take(MAX_CONTENTS).enumerate() {
                let Some(tag) = self.tag(key, content, &sources) else { continue };
                let matched = checked & self.taken.matches(self.site.scheme.signature.encoding, &tag);
                verdict.take(index, matched);
                content_that_matched.conditional_assign(&u8::try_from(at).unwrap_or_default(), matched);
                claims[index.min(MAX_KEYS - 1)][at] = tag.claim_key();
            }
        }
        for claim in claims.iter().take(self.site.keys.len()) {
            verdict.remember(claim.get(usize::from(content_that_matched)).copied().unwrap_or_default());
        }
        verdict
    }

    /// What a key makes of a content; `None` where a piece of it cannot be had, or it could be a challenge's token.
    fn tag(&self, key: &Key, content: &Template, sources: &Sources<'_>) -> Option<Tag> {
        let mut mac = key.mac_for(self.site.scheme, sources)?;
        let (mut head, mut len) = ([0; MAX_TOKEN_ROOM], 0_usize);
        let watched = self.site.scheme.oracle.is_some();
        let fed = feed_all(content, sources, &mut |bytes| {
            if watched {
                let room = head.get_mut(len.min(MAX_TOKEN_ROOM)..).unwrap_or_default();
                room.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
                len = len.saturating_add(bytes.len());
            }
            mac.update(bytes);
        });
        let is_short = watched && len <= MAX_TOKEN_ROOM;
        let could_be_token = is_short && self.could_be_token(head.get(..len).unwrap_or_default());
        (fed && !could_be_token).then(|| mac.finish())
    }

    /// Whether a signed content could be a token that a challenge would sign.
    fn could_be_token(&self, content: &[u8]) -> bool {
        self.site.scheme.oracle.is_some_and(|(shape, max)| shape.could_be(content, max))
    }

    /// The connection has proven who the client is, or it has not.
    fn judge_client(&self) -> Result<Verdict, Denial> {
        self.site.client.ok_or(Reason::CredentialMissing)?;
        let mut verdict = Verdict::none(self.checks(&self.sources(None, &self.taken.captures())));
        verdict.verified.key = None;
        Ok(verdict)
    }

    fn judge_token(&self) -> Verdict {
        let captures = self.taken.captures();
        let mut verdict = Verdict::none(Choice::from(0));
        for (index, key) in self.site.keys.iter().enumerate() {
            let Some(expected) = key.token_digest() else { continue };
            let matched = self.taken.in_every_group(|token| expected.ct_eq(Sha256::digest(token).as_slice()));
            verdict.take(index, matched & self.checks(&self.sources(Some(key), &captures)));
        }
        verdict
    }

    /// Whether every condition beside the signature holds.
    pub(super) fn checks(&self, sources: &Sources<'_>) -> Choice {
        let holds = |Check { value, equals }: &Check| match (render(value, sources), render(equals, sources)) {
            (Some(value), Some(expected)) => value.ct_eq(&expected),
            _ => Choice::from(0),
        };
        self.site.scheme.checks.iter().fold(Choice::from(1), |all, check| all & holds(check))
    }
}

/// The most bytes of room for a signed content that are kept between two messages.
const MAX_KEPT: usize = 64 * 1024;

/// The most bytes of a content that are looked at for a token; definitions permit no longer ones.
pub const MAX_TOKEN_ROOM: usize = 256;

/// A verdict that grows key by key, in the same time whichever matches.
pub(super) struct Verdict {
    pub(super) matched: Choice,
    pub(super) verified: Verified,
}

impl Verdict {
    pub(super) fn none(matched: Choice) -> Self {
        let validity = Validity::default();
        let verified = Verified {
            key: Some(0),
            ring_key: None,
            signed_time: None,
            validity,
            message_keys: [[0; 16]; MAX_KEYS],
            count: 0,
        };
        Self { matched, verified }
    }

    pub(super) fn take(&mut self, index: usize, matched: Choice) {
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        let current = self.verified.key.and_then(|key| u8::try_from(key).ok()).unwrap_or(u8::MAX);
        self.verified.key = Some(usize::from(u8::conditional_select(&current, &index, matched)));
        self.matched |= matched;
    }

    pub(super) fn remember(&mut self, key: [u8; 16]) {
        if let Some(slot) = self.verified.message_keys.get_mut(self.verified.count) {
            *slot = key;
            self.verified.count += 1;
        }
    }

    /// Adds an element's verdict: all must match, and the claim remembers the MAC under the key that did.
    fn add(&mut self, element: &Self) {
        self.matched &= element.matched;
        self.verified.key = element.verified.key;
        if let Some(claim) = element.verified.key.and_then(|key| element.verified.message_keys().get(key)) {
            self.remember(*claim);
        }
    }
}

impl Site<'_> {
    /// The URL that the provider called, without its query: a part that is the same for all requests, then one that is
    /// the request's own.
    pub(super) fn url<'m>(&'m self, message: &Message<'m>) -> (&'m [u8], &'m [u8]) {
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
