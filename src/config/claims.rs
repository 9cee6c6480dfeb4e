//! What a route asks of its tokens, beside what its provider's definition does: who issued them, whom they are for, what
//! else they say.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::feed::MAX_MEMBERS;
use crate::auth::jwt::{Jwt, Required};
use crate::auth::scheme::{Proof, Scheme};
use crate::providers::Asks;

use super::reader::Reader;
use super::values::{self, Parsed};

/// The settings that only mean something where tokens have claims.
const SETTINGS: [&str; 4] = ["ISSUER", "AUDIENCE", "REQUIRED_CLAIMS", "LEEWAY"];

/// The widest leeway: clocks that are further apart are wrong, and a token would be good for much longer than it says.
const MAX_LEEWAY: Duration = Duration::from_secs(600);

/// A provider's id, its scheme, and what its definition leaves to the route.
pub(super) type Chosen = (Box<str>, Arc<Scheme>, Asks);

/// The provider's id, and its scheme with what the route asks of tokens.
pub(super) fn of_route(reader: &mut Reader<'_, '_>, provider: Option<Chosen>) -> Option<(Box<str>, Arc<Scheme>)> {
    let issuers = reader.value("ISSUER", any_of);
    let audiences = reader.value("AUDIENCE", any_of);
    let required = reader.value("REQUIRED_CLAIMS", |text| values::list(text, Required::parse));
    let leeway = reader.value("LEEWAY", leeway);
    let (id, scheme, asks) = provider?;
    let Some((jwt, rules)) = token(&scheme) else {
        for name in SETTINGS {
            if reader.is_set(name) {
                reader.fault(name, "is set, but this provider sends no tokens with claims");
            }
        }
        return Some((id, scheme));
    };
    refuse_known(reader, "ISSUER", &rules.issuers);
    refuse_known(reader, "AUDIENCE", &rules.audiences);
    refuse_missing(reader, &asks, required.as_deref().unwrap_or_default());
    let mut rules = rules.clone();
    rules.issuers = issuers.map_or(rules.issuers, Into::into);
    rules.audiences = audiences.map_or(rules.audiences, Into::into);
    rules.required = rules.required.into_iter().chain(required.unwrap_or_default()).collect();
    rules.leeway = leeway.unwrap_or(rules.leeway);
    let mut jwt = jwt.clone();
    jwt.set_rules(rules);
    if jwt.claim_paths.len() > MAX_MEMBERS {
        reader.fault("REQUIRED_CLAIMS", "asks for too many claims; a route can look at some twenty");
        return None;
    }
    Some((id, Arc::new(Scheme { proof: Proof::Jwt(Box::new(jwt)), ..Scheme::clone(&scheme) })))
}

fn token(scheme: &Scheme) -> Option<(&Jwt, &crate::auth::jwt::ClaimRules)> {
    let Proof::Jwt(jwt) = &scheme.proof else { return None };
    jwt.rules().map(|rules| (&**jwt, rules))
}

/// What the definition knows is not asked again: another answer would let in whom the provider is not.
fn refuse_known(reader: &mut Reader<'_, '_>, name: &str, known: &[Box<str>]) {
    if reader.is_set(name) && !known.is_empty() {
        reader.fault(name, format!("is set, but for this provider it is known: {}", known.join(" or ")));
    }
}

/// What the definition leaves to the route must be there.
fn refuse_missing(reader: &mut Reader<'_, '_>, asks: &Asks, required: &[Required]) {
    for (name, asked, what) in [
        ("ISSUER", asks.issuer, "who issues this provider's tokens is not known otherwise"),
        ("AUDIENCE", asks.audience, "a token that the issuer made for somebody else would do"),
    ] {
        if asked && !reader.is_set(name) {
            reader.fault(name, format!("is not set, and {what}; * accepts any"));
        }
    }
    for claim in &asks.claims {
        let wanted = Required::parse(claim).ok().map(|wanted| wanted.claim);
        let is_it = |required: &Required| Some(&required.claim) == wanted.as_ref() && required.says.is_some();
        if !required.iter().any(is_it) && !reader.has_fault("REQUIRED_CLAIMS") {
            let problem = format!("says nothing of {claim}, and without {claim}=… the tokens of others would do");
            reader.fault("REQUIRED_CLAIMS", problem);
        }
    }
}

/// Texts of which a claim must be one; none for `*`.
fn any_of(text: &str) -> Parsed<Vec<Box<str>>> {
    if text == "*" {
        return Ok(Vec::new());
    }
    let one = |text: &str| match text {
        "*" => Err("has * beside others; * alone accepts any".to_owned()),
        text if text.chars().any(char::is_control) => Err("holds control characters".to_owned()),
        text => Ok(text.into()),
    };
    values::list(text, one)
}

fn leeway(text: &str) -> Parsed<Duration> {
    let leeway = values::duration(text)?;
    if leeway <= MAX_LEEWAY { Ok(leeway) } else { Err(format!("{text} is more than 10m")) }
}
