//! A token against the keys of its route: header, signature, claims, in that order, and nothing of a later step before
//! the one before it has held.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use subtle::{Choice, ConstantTimeEq};

use crate::auth::extract;
use crate::auth::feed::{Members, Sources, feed_all, find_members};
use crate::auth::keyring::{KeyRing, Wanted};
use crate::auth::keys::Key;
use crate::auth::mac::hash;
use crate::auth::public_key::Signer;
use crate::auth::scheme::{Algorithm, JsonPath, SignaturePlace, TimeUnit, Timestamp, TimestampFrom};
use crate::auth::signature::{EcdsaForm, KeySet, PublicKey, SignatureAlgorithm};
use crate::auth::verify::{Case, Verdict};
use crate::auth::x509::{MAX_CHAIN, Rules, verify_chain};
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::http1::Span;
use crate::json;

use super::claims::{self, Validity};
use super::compact::{self, Compact, MAX_SIGNATURE, MAX_TOKEN};
use super::{Algorithms, Jwt, Payload};

/// Where each stands among [`super::STANDARD_HEADER`].
const ALG: usize = 0;
const KID: usize = 1;
const CRIT: usize = 2;
const B64: usize = 3;
const X5C: usize = 4;

/// The most members of a header and of claims. Identity providers stay below fifty.
const MAX_NAMES: usize = 256;

/// The most extensions that a header may call critical: one is known here.
const MAX_CRITICAL: usize = 4;

/// What was decoded of one token. It belongs to a connection, and its room serves every request.
#[derive(Debug, Default)]
pub struct Room {
    header: Part,
    claims: Part,
}

/// The most bytes of room that are kept between two messages: a token in a body may be as large as that.
const MAX_KEPT: usize = 64 * 1024;

/// A decoded JSON object, and where what is looked for stands in it.
#[derive(Debug, Default)]
struct Part {
    bytes: Vec<u8>,
    found: Vec<Option<Span>>,
    broken: bool,
}

/// Which algorithm a token was made with, as far as it may be.
#[derive(Debug, Clone, Copy)]
enum Chosen {
    Shared(Algorithm),
    Public(SignatureAlgorithm),
}

impl Room {
    /// Forgets the token.
    pub fn clear(&mut self) {
        for part in [&mut self.header, &mut self.claims] {
            part.bytes.clear();
            part.bytes.shrink_to(MAX_KEPT);
            part.found.clear();
        }
    }

    /// What a scalar claim says, once the token has been judged.
    #[must_use]
    pub fn claim(&self, jwt: &Jwt, path: &JsonPath) -> Option<Cow<'_, [u8]>> {
        let index = jwt.claim_paths.iter().position(|known| known == path)?;
        json::scalar(self.claims.found.get(index).copied().flatten()?.get(&self.claims.bytes))
    }
}

impl Part {
    /// Finds what is looked for in the decoded bytes. False: they are no JSON object, or name a member twice.
    fn find(&mut self, paths: &[JsonPath]) -> bool {
        self.broken = !find_members(&self.bytes, paths, &mut self.found) || !has_unique_names(&self.bytes);
        if self.broken {
            self.found.fill(None);
        }
        !self.broken
    }

    fn members<'p>(&'p self, paths: &'p [JsonPath]) -> Members<'p> {
        Members { document: &self.bytes, paths, found: &self.found, broken: self.broken }
    }
}

/// Whether an object names each of its members once, however the names are written (RFC 7515 section 4, RFC 7519
/// section 4). False too for what is no object, or has too many.
fn has_unique_names(object: &[u8]) -> bool {
    let Some(entries) = json::entries(object, MAX_NAMES) else { return false };
    let names = entries.iter().map(|(name, _)| json::scalar(name.get(object)));
    let Some(mut names) = names.collect::<Option<Vec<_>>>() else { return false };
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1])
}

impl Case<'_> {
    /// Judges a message with a token. `room` keeps what was decoded of it, `content` what was signed where that does not
    /// stand in one piece.
    ///
    /// # Errors
    /// [`Reason::CredentialInvalid`], [`Reason::TimestampMissing`] for a signed time that is not there, and
    /// [`Reason::KeysUnavailable`].
    pub(in crate::auth) fn judge_jwt(
        &self,
        jwt: &Jwt,
        room: &mut Room,
        content: &mut Vec<u8>,
        now: Option<Now>,
    ) -> Result<Verdict, Denial> {
        let invalid = || Denial::from(Reason::CredentialInvalid);
        let token = self.token().ok_or_else(invalid)?;
        if token.is_empty() {
            return Err(Reason::CredentialMissing.into());
        }
        let token = Compact::parse(token).filter(|token| token.payload.is_empty() != jwt.has_claims());
        let token = token.ok_or_else(invalid)?;
        let chosen = read_header(jwt, &token, &mut room.header).ok_or_else(invalid)?;
        let input = match &jwt.payload {
            Payload::Claims(_) => token.signing_input(),
            Payload::Detached { encoded, .. } => {
                self.detached(jwt, &token, room, *encoded, content).ok_or_else(invalid)?
            }
        };
        let header = room.header.members(&jwt.header_paths);
        let signer = match &self.site.scheme.key_source.chain {
            None => {
                let kid = header.at(KID).and_then(json::scalar);
                self.signer_of(chosen, kid.as_deref(), input, token.signature)?
            }
            Some(rules) => self.signer_by_chain(rules, chosen, header.at(X5C), input, token.signature, now)?,
        };
        let signer = signer.ok_or_else(invalid)?;
        if jwt.has_claims() && !(compact::decode(token.payload, &mut room.claims.bytes)) {
            return Err(invalid());
        }
        let key = match &signer {
            Signer::Configured(index) => self.site.keys.at(*index),
            Signer::OfRing(_) => None,
        };
        let mut verdict = self.judge_claims(jwt, room, key)?;
        if jwt.per_message {
            verdict.remember(hash(Algorithm::Sha256, input).claim_key());
        }
        (verdict.verified.key, verdict.verified.ring_key) = match signer {
            Signer::Configured(index) => (Some(index), None),
            Signer::OfRing(key) => (None, Some(key)),
        };
        Ok(verdict)
    }

    /// Judges what the issuer says of an opaque token, as if the token said it.
    ///
    /// # Errors
    /// As [`Self::judge_jwt`].
    pub(in crate::auth) fn judge_introspected(
        &self,
        jwt: &Jwt,
        room: &mut Room,
        claims: &[u8],
    ) -> Result<Verdict, Denial> {
        room.clear();
        room.claims.bytes.extend_from_slice(claims);
        let mut verdict = self.judge_claims(jwt, room, None)?;
        verdict.verified.key = None;
        Ok(verdict)
    }

    /// The token, where there is exactly one.
    fn token(&self) -> Option<&[u8]> {
        let place = &self.site.scheme.signature.place;
        if *place == SignaturePlace::Body {
            return Some(self.message.body);
        }
        self.taken.single().filter(|token| token.len() <= MAX_TOKEN || !place.is_in_head())
    }

    /// The signing input of a detached payload.
    fn detached<'c>(
        &self,
        jwt: &Jwt,
        token: &Compact<'_>,
        room: &mut Room,
        encoded: bool,
        content: &'c mut Vec<u8>,
    ) -> Option<&'c [u8]> {
        let [signed] = jwt.detached() else { return None };
        let captures = self.taken.captures();
        let header = room.header.members(&jwt.header_paths);
        let sources = Sources { jose: header, ..self.sources(None, &captures) };
        content.clear();
        content.extend_from_slice(token.protected);
        content.push(b'.');
        if !encoded {
            return feed_all(signed, &sources, &mut |bytes| content.extend_from_slice(bytes)).then_some(content);
        }
        let payload = &mut room.claims.bytes;
        payload.clear();
        feed_all(signed, &sources, &mut |bytes| payload.extend_from_slice(bytes)).then_some(())?;
        let at = content.len();
        content.resize(at + BASE64URL_NOPAD.encode_len(payload.len()), 0);
        BASE64URL_NOPAD.encode_mut(payload, content.get_mut(at..)?);
        payload.clear();
        Some(content)
    }

    /// Whose signature it is. `None`: nobody's whose key is here.
    fn signer_of(
        &self,
        chosen: Chosen,
        kid: Option<&[u8]>,
        input: &[u8],
        signature: &[u8],
    ) -> Result<Option<Signer>, Denial> {
        let mut room = [0; MAX_SIGNATURE];
        let signature = compact::decode_signature(signature, &mut room).ok_or(Reason::CredentialInvalid)?;
        match chosen {
            Chosen::Shared(hash) => Ok(self.shared_signer(hash, input, signature)),
            Chosen::Public(algorithm) => {
                let ring = self.ring_keys()?;
                let verifies = |key: &PublicKey| key.verify(algorithm, EcdsaForm::Raw, input, signature);
                let mut keys = self.site.keys.iter();
                if let Some(index) = keys.position(|key| key.public_key().is_some_and(verifies)) {
                    return Ok(Some(Signer::Configured(index)));
                }
                if let Some(book) = self.site.key_ring.and_then(KeyRing::book) {
                    return self.signer_by_id(book, kid, verifies);
                }
                Ok(ring.and_then(|ring| self.ring_signer(&ring, kid, verifies)))
            }
        }
    }

    /// Whose signature it is by the certificates that the token brings, where they lead to whom the user trusts.
    fn signer_by_chain(
        &self,
        rules: &Rules,
        chosen: Chosen,
        chain: Option<&[u8]>,
        input: &[u8],
        signature: &[u8],
        now: Option<Now>,
    ) -> Result<Option<Signer>, Denial> {
        let Chosen::Public(algorithm) = chosen else { return Ok(None) };
        let roots = self.site.key_ring.and_then(KeyRing::roots).ok_or(Reason::KeysUnavailable)?;
        let now = now.ok_or(Reason::KeysUnavailable)?;
        let certificates = chain.and_then(certificates).ok_or(Reason::CredentialInvalid)?;
        let chain: Vec<_> = certificates.iter().map(Vec::as_slice).collect();
        let key = verify_chain(&chain, roots, rules, now).map_err(|_| Reason::CredentialInvalid)?.key;
        let mut room = [0; MAX_SIGNATURE];
        let signature = compact::decode_signature(signature, &mut room).ok_or(Reason::CredentialInvalid)?;
        let verifies = key.verify(algorithm, EcdsaForm::Raw, input, signature);
        Ok(verifies.then_some(Signer::OfRing(key)))
    }

    /// All keys are tried, in the same time whichever it is.
    fn shared_signer(&self, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> Option<Signer> {
        let mut verdict = Verdict::none(Choice::from(0));
        for (index, key) in self.site.keys.iter().enumerate() {
            let Some(mut mac) = key.token_mac(algorithm) else { continue };
            mac.update(input);
            verdict.take(index, mac.finish().as_bytes().ct_eq(signature));
        }
        verdict.verified.key.filter(|_| verdict.matched.into()).map(Signer::Configured)
    }

    /// The key of the ring that verifies. Where none does that the token could mean, there may be newer ones.
    fn ring_signer(&self, ring: &KeySet, kid: Option<&[u8]>, verifies: impl Fn(&PublicKey) -> bool) -> Option<Signer> {
        let (mut candidates, is_known) = ring.candidates(kid);
        let found = candidates.find(|key| verifies(key)).filter(|_| is_known);
        let may_be_newer = !is_known || kid.is_none() && found.is_none();
        if let Some(ring) = self.site.key_ring.filter(|_| may_be_newer) {
            ring.ask(Wanted::Keys);
        }
        found.cloned().map(Signer::OfRing)
    }

    /// Judges the claims and every condition, now that the signature has held.
    fn judge_claims(&self, jwt: &Jwt, room: &mut Room, key: Option<&Key>) -> Result<Verdict, Denial> {
        // An opaque token's end is known to whoever says that it is active.
        let must_expire = !room.header.bytes.is_empty();
        let mut validity = Validity::default();
        if let Some(rules) = jwt.rules() {
            room.claims.find(&jwt.claim_paths);
            validity = claims::judge(rules, &room.claims.members(&jwt.claim_paths), must_expire)?;
        }
        let captures = self.taken.captures();
        let sources = Sources {
            claims: room.claims.members(if jwt.has_claims() { &jwt.claim_paths } else { &[] }),
            jose: room.header.members(&jwt.header_paths),
            ..self.sources(key, &captures)
        };
        let mut verdict = Verdict::none(self.checks(&sources));
        if bool::from(verdict.matched) {
            verdict.verified.signed_time = self.signed_time(&sources)?;
        }
        verdict.verified.validity = validity;
        Ok(verdict)
    }

    /// The signed time, where it stands in the token.
    fn signed_time(&self, sources: &Sources<'_>) -> Result<Option<std::time::Duration>, Denial> {
        let Some(timestamp) = &self.site.scheme.timestamp else { return Ok(None) };
        let text = match &timestamp.from {
            TimestampFrom::Claim(path) => sources.claims.text(path),
            TimestampFrom::Jose(path) => sources.jose.text(path),
            TimestampFrom::Header(_)
            | TimestampFrom::Signature
            | TimestampFrom::Json(_)
            | TimestampFrom::Query(_)
            | TimestampFrom::Form(_) => return Ok(None),
        };
        let time = text.and_then(|text| time(timestamp, text));
        time.map(Some).ok_or(Reason::TimestampMissing.into())
    }
}

/// A time in a token: a number where it counts seconds (RFC 7519 section 2), else as it is written elsewhere.
fn time(timestamp: &Timestamp, text: &[u8]) -> Option<std::time::Duration> {
    if timestamp.unit == TimeUnit::Seconds {
        return claims::numeric_date(text);
    }
    extract::time(timestamp, &json::scalar(text)?)
}

/// The certificates of an `x5c`: a list of texts in base64, not base64url, of DER.
fn certificates(list: &[u8]) -> Option<Vec<Vec<u8>>> {
    let certificate = |text: &[u8]| BASE64.decode(&json::scalar(text).filter(|_| text.first() == Some(&b'"'))?).ok();
    json::elements(list, MAX_CHAIN)?.into_iter().map(|span| certificate(span.get(list))).collect()
}

/// Reads the protected header. `None`: it is not one that may be believed.
fn read_header(jwt: &Jwt, token: &Compact<'_>, header: &mut Part) -> Option<Chosen> {
    let decoded = compact::decode(token.protected, &mut header.bytes) && header.find(&jwt.header_paths);
    let members = decoded.then(|| header.members(&jwt.header_paths))?;
    let is_string = |text: &[u8]| text.first() == Some(&b'"');
    let encoded = !matches!(jwt.payload, Payload::Detached { encoded: false, .. });
    let says_so = match members.at(B64) {
        None | Some(b"true") => encoded,
        Some(b"false") => !encoded,
        Some(_) => false,
    };
    if !says_so || !is_understood(members.at(CRIT), encoded) || !members.at(KID).is_none_or(is_string) {
        return None;
    }
    let name = members.at(ALG).filter(|text| is_string(text)).and_then(json::scalar)?;
    match &jwt.algorithms {
        Algorithms::Shared(hashes) => {
            let known = |hash: &&Algorithm| hash.jose_name().is_some_and(|known| known.as_bytes() == &*name);
            hashes.iter().find(known).copied().map(Chosen::Shared)
        }
        Algorithms::Public(algorithms) => {
            let named = str::from_utf8(&name).ok().and_then(SignatureAlgorithm::jose_named)?;
            algorithms.iter().find(|known| **known == named).copied().map(Chosen::Public)
        }
    }
}

/// Whether everything that a header calls critical is known here (RFC 7515 section 4.1.11): that is `b64`, which must be
/// called so where the payload is not encoded (RFC 7797 section 6).
fn is_understood(critical: Option<&[u8]>, encoded: bool) -> bool {
    let Some(list) = critical else { return encoded };
    let Some(names) = json::elements(list, MAX_CRITICAL) else { return false };
    let [name] = &*names else { return false };
    !encoded && json::scalar(name.get(list)).as_deref() == Some(b"b64")
}
