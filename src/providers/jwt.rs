//! Tokens in a definition: which algorithms, which payload, what claims must say.

use crate::auth::feed::MAX_MEMBERS;
use crate::auth::jwt::claims::{LEEWAY, STANDARD};
use crate::auth::jwt::{Algorithms, ClaimRules, Jwt, Payload, Required, STANDARD_HEADER, at_top};
use crate::auth::list::{ListFrom, Names as ListNames};
use crate::auth::scheme::{Algorithm, Binding, Field, JsonPath, Proof, Scheme, SignaturePlace, TimestampFrom};
use crate::auth::signature::SignatureAlgorithm;
use crate::auth::template::{Names, Piece, Template};

use super::definition::{Fault, fault, seconds, template, word};
use super::text::{ClaimText, ClaimsText, Definition};

/// What a definition leaves to its routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asks {
    /// Whether the route must say who issues tokens.
    pub issuer: bool,
    /// Whether it must say whom they are for.
    pub audience: bool,
    /// Claims that its `REQUIRED_CLAIMS` must have a value for.
    pub claims: Vec<String>,
}

impl Asks {
    /// What a route must say that defines its own scheme: whoever checks tokens with an issuer's public keys is one of
    /// many whom that issuer makes tokens for.
    #[must_use]
    pub fn of_custom(scheme: &Scheme) -> Self {
        let Proof::Jwt(jwt) = &scheme.proof else { return Self::default() };
        let is_public = !jwt.public_algorithms().is_empty();
        Self { issuer: is_public, audience: is_public, claims: Vec::new() }
    }
}

impl Definition {
    /// What this definition leaves to its routes.
    pub(super) fn asks(&self) -> Asks {
        let asked = |text: Option<&ClaimText>| matches!(text, Some(ClaimText::Asked(true)));
        let Some(claims) = &self.claims else { return Asks::default() };
        Asks {
            issuer: asked(claims.issuer.as_ref()),
            audience: asked(claims.audience.as_ref()),
            claims: claims.ask.clone(),
        }
    }
}

/// Compiles the proof of a scheme with tokens. Which claims are looked for is known once everything else is.
pub(super) fn proof(definition: &Definition, names: &Names<'_>) -> Result<Proof, Fault> {
    if definition.signed.is_some() {
        return Err(fault("signed", "a token signs its claims, or the payload"));
    }
    let algorithms = algorithms(definition)?;
    let payload = match &definition.payload {
        Some(text) => detached(definition, text, names)?,
        None if definition.b64.is_some() => return Err(fault("b64", "is for a payload that the token does not carry")),
        None => Payload::Claims(rules(definition.claims.as_ref())?),
    };
    let none = || Box::new([]);
    let (claim_paths, header_paths): (Box<[JsonPath]>, Box<[JsonPath]>) = (none(), none());
    Ok(Proof::Jwt(Box::new(Jwt { algorithms, payload, claim_paths, header_paths, per_message: false })))
}

/// One name, several, or several in one text with commas, as the environment has them.
fn algorithms(definition: &Definition) -> Result<Algorithms, Fault> {
    let texts = definition.algorithm.as_ref().map_or_else(Vec::new, |texts| texts.texts());
    let names: Vec<_> = texts.iter().flat_map(|text| text.split(',')).map(str::trim).collect();
    if names.is_empty() {
        return Err(fault(
            "algorithm",
            "is missing: what a token itself says is never believed, so it must be said here",
        ));
    }
    let shared: Vec<_> = names.iter().filter_map(|name| Algorithm::jose_named(name)).collect();
    let public: Vec<_> = names.iter().filter_map(|name| SignatureAlgorithm::jose_named(name)).collect();
    match (shared.len() == names.len(), public.len() == names.len()) {
        (true, _) => Ok(Algorithms::Shared(shared.into())),
        (_, true) => Ok(Algorithms::Public(public.into())),
        _ if shared.len() + public.len() == names.len() => {
            let problem = "has shared keys (HS…) beside public ones: a public key could then serve as a shared one";
            Err(fault("algorithm", problem))
        }
        _ => {
            let known = SignatureAlgorithm::all().filter_map(SignatureAlgorithm::jose_name);
            let known: Vec<_> = ["HS256", "HS384", "HS512"].into_iter().chain(known).collect();
            Err(fault("algorithm", format!("{:?} is not known; accepted are {}", names.join(","), known.join(", "))))
        }
    }
}

fn detached(definition: &Definition, text: &str, names: &Names<'_>) -> Result<Payload, Fault> {
    if definition.claims.is_some() {
        return Err(fault("claims", "a token whose payload stands elsewhere carries no claims"));
    }
    let signed = Template::signed(text, names).map_err(|error| template("payload", &error))?;
    if signed.any_of(&|piece| matches!(piece, Piece::Claim(_))) {
        return Err(fault("payload", "{claim:…} has no place here: the token carries no claims"));
    }
    Ok(Payload::Detached { signed, encoded: definition.b64.unwrap_or(true) })
}

fn rules(text: Option<&ClaimsText>) -> Result<ClaimRules, Fault> {
    let Some(text) = text else { return Ok(ClaimRules::default()) };
    let stated = |text: Option<&ClaimText>| -> Box<[Box<str>]> {
        match text {
            Some(ClaimText::One(text)) => Box::new([text.as_str().into()]),
            Some(ClaimText::Several(texts)) => texts.iter().map(|text| text.as_str().into()).collect(),
            Some(ClaimText::Asked(_)) | None => Box::new([]),
        }
    };
    let required = |text: &String| Required::parse(text).map_err(|problem| fault("claims.required", problem));
    let words = [("required", true), ("optional", false)];
    Ok(ClaimRules {
        must_expire: word("claims.expires", text.expires.as_deref().unwrap_or("required"), &words)?,
        issuers: stated(text.issuer.as_ref()),
        audiences: stated(text.audience.as_ref()),
        required: text.required.iter().map(required).collect::<Result<_, _>>()?,
        leeway: text.leeway.as_deref().map_or(Ok(LEEWAY), |text| seconds("claims.leeway", text))?,
    })
}

/// Fills in what follows: which claims and members of the header are looked for.
pub(super) fn complete(scheme: &mut Scheme) {
    let (mut claims, mut header) = (STANDARD.map(at_top).to_vec(), STANDARD_HEADER.map(at_top).to_vec());
    let add = |paths: &mut Vec<JsonPath>, path: &JsonPath| {
        if !paths.contains(path) {
            paths.push(path.clone());
        }
    };
    let checks = scheme.checks.iter().flat_map(|check| [&check.value, &check.equals]);
    for template in scheme.contents().iter().chain(checks) {
        template.visit(&mut |piece| {
            if let Piece::Claim(path) = piece {
                add(&mut claims, path);
            } else if let Piece::Jose(path) = piece {
                add(&mut header, path);
            }
        });
    }
    match scheme.timestamp.as_ref().map(|time| &time.from) {
        Some(TimestampFrom::Claim(path)) => add(&mut claims, path),
        Some(TimestampFrom::Jose(path)) => add(&mut header, path),
        _ => {}
    }
    for field in [&scheme.delivery_id, &scheme.event] {
        if let Some(Field::Claim(path)) = field {
            add(&mut claims, path);
        }
    }
    if let Some(ListNames::Announced { from: ListFrom::Jose(path), .. }) =
        scheme.header_list.as_ref().map(|list| &list.names)
    {
        add(&mut header, path);
    }
    let Proof::Jwt(jwt) = &mut scheme.proof else { return };
    jwt.rules().iter().flat_map(|rules| &rules.required).for_each(|required| add(&mut claims, &required.claim));
    jwt.claim_paths = if jwt.has_claims() { claims.into() } else { Box::new([]) };
    jwt.header_paths = header.into();
}

/// What a token binds of its message: all of it where it is the body, or signs it; what its claims speak of otherwise.
pub(super) fn binding(scheme: &Scheme) -> Binding {
    let whole = scheme.signature.place == SignaturePlace::Body
        || scheme.contents().iter().any(Template::binds_body)
        || scheme.bound_by_claims().any(Template::binds_body);
    let reads_message = |template: &Template| {
        template.has_body() || template.any_of(&|piece| !is_constant(piece) && !matches!(piece, Piece::Filtered(..)))
    };
    let some = matches!(scheme.signature.place, SignaturePlace::Json(_))
        || !scheme.contents().is_empty()
        || scheme.bound_by_claims().any(reads_message);
    match (whole, some) {
        (true, _) => Binding::Full,
        (false, true) => Binding::Partial,
        (false, false) => Binding::None,
    }
}

fn is_constant(piece: &Piece) -> bool {
    matches!(piece, Piece::Literal(_) | Piece::Secret | Piece::SecretPart(_) | Piece::Nested(_) | Piece::Optional(_))
}

/// Every contradiction.
pub(super) fn faults(scheme: &Scheme, jwt: &Jwt) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, key, problem: &str| {
        if !holds {
            faults.push(fault(key, problem));
        }
    };
    let formats = || std::iter::once(&scheme.signature.format).chain(&scheme.signature.other_formats);
    must(!formats().any(|format| format.many), "signature.many", "a message has one token");
    must(scheme.each.is_none(), "each", "is not for tokens");
    must(jwt.has_claims() || scheme.signature.place != SignaturePlace::Body, "payload", "the body is the token itself");
    let few = [&jwt.claim_paths, &jwt.header_paths].iter().all(|paths| paths.len() <= MAX_MEMBERS);
    must(few, "claims", "too many claims are read; at most 30 are accepted");
    let one_sided = scheme.checks.iter().all(|check| !check.equals.reads_token());
    must(one_sided, "check", "{claim:…} and {jose:…} stand in value, and equals says what they must say");
    let claims_are_there = jwt.has_claims() || !scheme.checks.iter().any(|check| reads_claim(&check.value));
    must(claims_are_there, "check", "{claim:…} has no place here: the token carries no claims");
    let body_is_token = scheme.signature.place == SignaturePlace::Body;
    must(!body_is_token || scheme.members.is_empty(), "check", "the body is a token: {json:…} has no place here");
    for (key, field) in [("delivery_id", &scheme.delivery_id), ("event", &scheme.event)] {
        let there = !matches!(field, Some(Field::Claim(_))) || jwt.has_claims();
        must(there, key, "the token carries no claims");
        must(!body_is_token || !matches!(field, Some(Field::Json(_))), key, "the body is a token: use claim = \"…\"");
    }
    faults
}

fn reads_claim(template: &Template) -> bool {
    template.any_of(&|piece| matches!(piece, Piece::Claim(_)))
}
