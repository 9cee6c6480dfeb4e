//! A provider's verifications of the endpoint, from a definition's texts.

use crate::auth::MAX_TOKEN_ROOM;
use crate::auth::challenge::{Challenge, Shape};
use crate::auth::filter::Filter;
use crate::auth::scheme::Field;
use crate::auth::template::{Names, Piece, Template};

use super::definition::{Fault, fault, json_path, template, word};
use super::grammar::header_name;
use super::text::{ChallengeText, Definition};

/// Compiles the challenges of a definition.
pub(super) fn compile(definition: &Definition, names: &Names<'_>) -> Result<Box<[Challenge]>, Fault> {
    let texts = definition.challenge.as_ref().map_or(&[][..], |challenges| &challenges.0);
    let names = Names {
        parts: names.parts,
        lets: names.lets.clone(),
        reply: true,
        public: &definition.secret.public,
        ..Names::default()
    };
    texts.iter().map(|text| challenge(text, &names)).collect()
}

fn challenge(text: &ChallengeText, names: &Names<'_>) -> Result<Challenge, Fault> {
    let method = text.method.as_deref().unwrap_or("POST");
    if !["POST", "GET", "HEAD", "OPTIONS"].contains(&method) {
        return Err(fault("challenge.method", "accepted are POST, GET, HEAD, OPTIONS"));
    }
    let shape = text.shape.as_deref().unwrap_or("word");
    let shapes = [("word", Shape::Word), ("base64", Shape::Base64), ("visible", Shape::Visible)];
    let status = |key, status: Option<u16>, known: &[u16]| match status {
        Some(status) if !known.contains(&status) => Err(fault(key, format!("accepted are {known:?}"))),
        status => Ok(status),
    };
    let max = text.max.unwrap_or(MAX_TOKEN_ROOM);
    if !(1..=MAX_TOKEN_ROOM).contains(&max) {
        return Err(fault("challenge.max", format!("1 to {MAX_TOKEN_ROOM} are accepted")));
    }
    let when = text.when.as_deref().map(|when| source("challenge.when", when)).transpose()?;
    if when.is_none() && text.equals.is_some() {
        return Err(fault("challenge.equals", "there is no challenge.when that it could be the value of"));
    }
    let reply = |key, text: &str| reply(key, text, names);
    let headers = text
        .headers
        .iter()
        .map(|(name, value)| Ok((header_name("challenge.headers", name)?, reply("challenge.headers", value)?)));
    let challenge = Challenge {
        method: method.into(),
        authenticated: text.authenticated.unwrap_or(method == "POST"),
        empty: text.empty,
        when: when.map(|when| (when, text.equals.as_deref().map(Into::into))),
        unless: text.unless.as_deref().map(|unless| source("challenge.unless", unless)).transpose()?,
        verify: text.verify.as_deref().map(|verify| source("challenge.verify", verify)).transpose()?,
        verify_required: text.verify_required,
        token: text.token.as_deref().map(|token| source("challenge.token", token)).transpose()?,
        shape: word("challenge.shape", shape, &shapes)?,
        max,
        reply: reply("challenge.reply", &text.reply)?,
        content_type: text.content_type.as_deref().unwrap_or("text/plain").into(),
        status: status("challenge.status", text.status, &[200, 202, 204])?.unwrap_or(200),
        headers: headers.collect::<Result<_, Fault>>()?,
        refused_status: status("challenge.refused_status", text.refused_status, &[401, 403, 404])?,
    };
    if challenge.token.is_none() && challenge.templates().any(|template| template.has(&Piece::Token)) {
        return Err(fault("challenge.token", "the reply gives it back, but where it stands is not said"));
    }
    if signs(&challenge) && challenge.shape == Shape::Visible {
        return Err(fault("challenge.shape", "a token that the key signs is word or base64"));
    }
    Ok(challenge)
}

/// A reply. What it says beside the token is known to us, and the key signs nothing but the token.
#[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
fn reply(key: &'static str, text: &str, names: &Names<'_>) -> Result<Template, Fault> {
    let template = Template::reply(text, names).map_err(|error| template(key, &error))?;
    let mut problem = None;
    template.visit(&mut |piece| match piece {
        Piece::Filtered(piece, filters) if filters.contains(&Filter::Hmac) => {
            let first = filters.first() == Some(&Filter::Hmac);
            let once = filters.iter().filter(|filter| **filter == Filter::Hmac).count() == 1;
            if **piece != Piece::Token || !first || !once {
                problem = Some("{{token|hmac|…}} is the only thing that the key signs in a reply");
            }
        }
        Piece::Literal(_)
        | Piece::Token
        | Piece::VerifyToken
        | Piece::SecretPart(_)
        | Piece::Url
        | Piece::UrlBase
        | Piece::Nested(_)
        | Piece::Filtered(..) => {}
        _ => problem = Some("a reply holds {{token}}, {{verify_token}}, {{secret:part}}, {{url}} and {{let:name}}"),
    });
    problem.map_or(Ok(template), |problem| Err(fault(key, problem)))
}

/// Whether the key signs the challenge's token.
pub(super) fn signs(challenge: &Challenge) -> bool {
    let mut signs = false;
    for template in challenge.templates() {
        template.visit(&mut |piece| {
            signs |= matches!(piece, Piece::Filtered(_, filters) if filters.contains(&Filter::Hmac));
        });
    }
    signs
}

/// `json:/type`, `header:X`, `query:x`, `form:x`; a bare name is a JSON member.
fn source(key: &'static str, text: &str) -> Result<Field, Fault> {
    Ok(match text.split_once(':') {
        Some(("header", name)) => Field::Header(header_name(key, name)?),
        Some(("query", name)) if !name.is_empty() => Field::Query(name.into()),
        Some(("form", name)) if !name.is_empty() => Field::Form(name.into()),
        Some(("json", path)) => Field::Json(json_path(key, path)?),
        None => Field::Json(json_path(key, text)?),
        Some(_) => return Err(fault(key, "accepted are json:/a/b, header:Name, query:name, form:name")),
    })
}
