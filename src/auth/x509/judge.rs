//! Verification under a certificate: did its owner sign this, and for somebody who is configured?
//!
//! A provider signs for all of its customers with the same key, so that a good signature says little by itself: each
//! configured secret is a pin (a topic, a webhook's id, a client's id), which the content or a condition must name. What
//! is compared here is no secret.

use subtle::Choice;

use crate::auth::feed::render;
use crate::auth::keyring::{KeyRing, Wanted};
use crate::auth::mac::hash;
use crate::auth::public_key::{Terms, content};
use crate::auth::scheme::{Algorithm, Proof};
use crate::auth::signature::PublicKey;
use crate::auth::verify::{Case, Verdict};
use crate::clock::Now;
use crate::deny::{Denial, Reason};

use super::Source;
use super::certificates::Certificates;

/// What stands at the addresses that a message names.
#[derive(Default)]
struct Named {
    keys: Vec<PublicKey>,
    missing: Vec<String>,
}

impl Case<'_> {
    /// Judges a message under a certificate. `room` is for content that does not stand in one piece.
    ///
    /// A certificate that is not there is asked for only by a message that could be for a configured pin.
    pub(in crate::auth) fn judge_certified(&self, room: &mut Vec<u8>, now: Option<Now>) -> Result<Verdict, Denial> {
        let scheme = self.site.scheme;
        let (Proof::PublicKey { algorithms, form, signed }, Some(source)) =
            (&scheme.proof, &scheme.key_source.certificate)
        else {
            return Err(Reason::CredentialInvalid.into());
        };
        let ring = self.site.key_ring.ok_or(Reason::KeysUnavailable)?;
        let (certificates, now) =
            (ring.certificates().ok_or(Reason::KeysUnavailable)?, now.ok_or(Reason::KeysUnavailable)?);
        let named = self.named(source, certificates, now)?;
        let (terms, captures) = (Terms::new(algorithms, *form), self.taken.captures());
        let (mut verdict, mut could_be) = (Verdict::none(Choice::from(0)), false);
        for (index, pin) in self.site.keys.iter().enumerate() {
            let sources = self.sources(Some(pin), &captures);
            if !bool::from(self.checks(&sources)) {
                continue;
            }
            for template in signed {
                let Some(content) = content(template, &sources, room) else { continue };
                could_be = true;
                if named.keys.iter().any(|key| self.signed_by(&terms, key, content)) {
                    verdict.matched = Choice::from(1);
                    verdict.verified.key = Some(index);
                    verdict.remember(hash(Algorithm::Sha256, content).claim_key());
                    return Ok(verdict);
                }
            }
        }
        if could_be && !named.missing.is_empty() {
            return Err(ask(ring, certificates, named.missing));
        }
        Ok(verdict)
    }

    /// The keys at the addresses that the message names. One that is not pinned is none.
    fn named(&self, source: &Source, certificates: &Certificates, now: Now) -> Result<Named, Denial> {
        let captures = self.taken.captures();
        let (mut named, mut is_pinned, mut is_there) = (Named::default(), false, false);
        for template in &source.addresses {
            let Some(address) = render(template, &self.sources(None, &captures)) else { continue };
            is_there = true;
            let Some(address) = str::from_utf8(&address).ok().filter(|address| certificates.permits(address)) else {
                continue;
            };
            is_pinned = true;
            match certificates.find(address, now) {
                Some(key) => named.keys.push(key),
                None => named.missing.push(address.to_owned()),
            }
        }
        match (is_there, is_pinned) {
            (false, _) => Err(Reason::CredentialMissing.into()),
            (true, false) => Err(Reason::CredentialInvalid.into()),
            (true, true) => Ok(named),
        }
    }
}

/// Asks for what is missing. The sender will retry.
fn ask(ring: &KeyRing, certificates: &Certificates, missing: Vec<String>) -> Denial {
    if !certificates.is_offline() {
        for address in missing {
            ring.ask(Wanted::Certificate(address.into()));
        }
    }
    Reason::KeysUnavailable.into()
}
