//! What single keys of a definition cannot tell: whether they make sense together, and what follows from all of them.

use crate::auth::challenge::Shape;
use crate::auth::extract::ItemValue;
use crate::auth::feed::MAX_MEMBERS;
use crate::auth::scheme::{Binding, JsonPath, Proof, Scheme, SignaturePlace, Timestamp, TimestampFrom};
use crate::auth::special::Special;
use crate::auth::template::{Names, Piece, Template};

use super::definition::{Fault, fault, members_of, word};
use super::handshake::signs;
use super::jwt;

/// Fills in what follows: the members that are read, what the proof binds, what a token may not be.
pub(super) fn complete(scheme: &mut Scheme, binding: Option<&str>, claim: Option<&str>) -> Result<(), Fault> {
    scheme.members = members(scheme);
    scheme.oracle = oracle(scheme);
    jwt::complete(scheme);
    let words = [("none", Binding::None), ("partial", Binding::Partial), ("full", Binding::Full)];
    let stated = binding.map(|text| word("binding", text, &words)).transpose()?;
    let computed = computed_binding(scheme);
    scheme.binding = match stated {
        Some(Binding::Full | Binding::Partial) if computed == Binding::None => {
            return Err(fault("binding", "a token binds nothing"));
        }
        Some(Binding::Full) if computed != Binding::Full && !reads_body(scheme) => {
            return Err(fault("binding", "nothing that is signed or checked reads the body, so it is not bound"));
        }
        stated => stated.unwrap_or(computed),
    };
    // Where a part of the body is signed and no time, two genuine messages may be signed alike.
    let words = [("signed", Some(false)), ("signed_and_body", Some(true)), ("none", None)];
    let stated = claim.map(|text| word("claim", text, &words)).transpose()?;
    let usual = scheme.binding == Binding::Partial && scheme.timestamp.is_none();
    scheme.claims_body = stated.map_or(usual, |stated| stated == Some(true));
    if let Proof::Jwt(jwt) = &mut scheme.proof {
        // A token that binds nothing of its message is sent along with many.
        jwt.per_message = stated.map_or(scheme.binding != Binding::None, |stated| stated.is_some());
    } else if stated == Some(None) {
        return Err(fault("claim", "none is for scheme = \"jwt\""));
    }
    Ok(())
}

fn templates(scheme: &Scheme) -> impl Iterator<Item = &Template> {
    let checks = scheme.checks.iter().flat_map(|check| [&check.value, &check.equals]);
    let addresses = scheme.key_source.certificate.iter().flat_map(|source| &source.addresses);
    scheme.contents().iter().chain(checks).chain(&scheme.secret.key).chain(addresses)
}

fn members(scheme: &Scheme) -> Box<[JsonPath]> {
    let mut members = Vec::new();
    templates(scheme).for_each(|template| members_of(template, &mut members));
    let place = if let SignaturePlace::Json(path) = &scheme.signature.place { Some(path) } else { None };
    let time = match scheme.timestamp.as_ref().map(|timestamp| &timestamp.from) {
        Some(TimestampFrom::Json(path)) => Some(path),
        _ => None,
    };
    let confirm = scheme.confirm.iter().flat_map(|confirm| [&confirm.when, &confirm.address]);
    for path in place.into_iter().chain(time).chain(&scheme.each).chain(confirm) {
        if !members.contains(path) {
            members.push(path.clone());
        }
    }
    members.into()
}

fn computed_binding(scheme: &Scheme) -> Binding {
    match scheme.contents() {
        _ if matches!(scheme.proof, Proof::Jwt(_)) => jwt::binding(scheme),
        [] => Binding::None,
        contents if scheme.each.is_none() && contents.iter().all(Template::binds_body) => Binding::Full,
        _ => Binding::Partial,
    }
}

fn reads_body(scheme: &Scheme) -> bool {
    templates(scheme).any(|template| {
        template.has_body() || {
            let mut reads = false;
            template.visit(&mut |piece| {
                reads |= matches!(piece, Piece::Body | Piece::Form(_) | Piece::Raw(_) | Piece::Special(_));
            });
            reads
        }
    })
}

/// What a signed content may not be, so that no challenge's answer is the signature of a message. Literals that no token
/// can hold make the question needless.
fn oracle(scheme: &Scheme) -> Option<(Shape, usize)> {
    let signing = || scheme.challenges.iter().filter(|challenge| signs(challenge));
    let shape = signing().map(|challenge| challenge.shape).max()?;
    let max = signing().map(|challenge| challenge.max).max()?;
    let excluded = scheme.contents().iter().all(|content| content.excludes_tokens(shape));
    (!excluded).then_some((shape, max))
}

/// What a signature under a certificate must not be without, and what goes without one.
fn certificate_faults(scheme: &Scheme) -> Vec<Fault> {
    let (is_certified, mut faults) = (scheme.key_source.certificate.is_some(), Vec::new());
    if is_certified && !scheme.keeps_secret() {
        let problem = "anybody can have such a signature made: a check must compare something with {secret}";
        faults.push(fault("certificate", problem));
    }
    if is_certified && scheme.each.is_some() {
        faults.push(fault("each", "goes without a certificate"));
    }
    if !is_certified && scheme.confirm.is_some() {
        faults.push(fault("confirm", "goes with a certificate"));
    }
    faults
}

/// Every contradiction.
pub(super) fn faults(scheme: &Scheme, names: &Names<'_>) -> Vec<Fault> {
    let mut faults = certificate_faults(scheme);
    let mut must = |holds: bool, key, problem: &str| {
        if !holds {
            faults.push(fault(key, problem));
        }
    };
    let formats = || std::iter::once(&scheme.signature.format).chain(&scheme.signature.other_formats);
    // An HTTP message signature says in a parameter of its own when it was made.
    let in_format = formats().any(|format| format.has(ItemValue::Timestamp))
        || scheme.signature.rules().is_some() && scheme.timestamp.is_some();
    let from_format = matches!(&scheme.timestamp, Some(Timestamp { from: TimestampFrom::Signature, .. }));
    must(
        in_format == from_format,
        "timestamp",
        "{timestamp} in signature.format and timestamp.from = \"signature\" go together",
    );
    for (index, name) in names.captures.borrow().iter().enumerate() {
        let captured = formats().any(|format| format.has(ItemValue::Capture(index)))
            || scheme.signature.rules().is_some() && SIGNATURE_PARAMETERS.contains(&name.as_str());
        must(captured, "signed", &format!("{{item:{name}}} is read, but signature.format does not capture it"));
    }
    let reads_time = templates(scheme).any(|template| template.has(&Piece::Timestamp));
    match &scheme.timestamp {
        Some(timestamp) => must(
            binds_time(scheme, timestamp),
            "timestamp",
            "a time that is not signed proves nothing; leave it out, or sign it",
        ),
        None => must(!reads_time, "signed", "{timestamp} is signed, but where it stands is not said"),
    }
    must(scheme.members.len() <= MAX_MEMBERS, "signed", "too many JSON members are read; at most 30 are accepted");
    if scheme.each.is_some() {
        let in_json = matches!(scheme.signature.place, SignaturePlace::Json(_));
        must(in_json && scheme.timestamp.is_none(), "each", "goes with signature.json, and without a timestamp");
        let many = formats().any(|format| format.many);
        must(!many, "each", "an element has one signature");
    }
    if let Proof::Jwt(jwt) = &scheme.proof {
        faults.extend(jwt::faults(scheme, jwt));
        return faults;
    }
    if let Proof::PublicKey { .. } = scheme.proof {
        must(scheme.each.is_none(), "each", "is not for schemes with public keys");
    }
    let must_sign = scheme.challenges.iter().any(signs);
    let key_is_known = scheme.secret.key.as_ref().is_none_or(Template::is_constant);
    let can_sign = matches!(scheme.proof, Proof::Hmac { .. }) && key_is_known && scheme.each.is_none();
    must(
        !must_sign || can_sign,
        "challenge.reply",
        "the key of an HMAC can sign a token; this scheme has none that is known ahead",
    );
    faults
}

/// What `{item:name}` can read of an HTTP message signature.
const SIGNATURE_PARAMETERS: [&str; 4] = ["keyid", "label", "nonce", "tag"];

/// Whether every acceptable content, or the key, holds the time.
fn binds_time(scheme: &Scheme, timestamp: &Timestamp) -> bool {
    let in_key = scheme.secret.key.as_ref().is_some_and(|key| key.has(&Piece::Timestamp));
    let has_special =
        |content: &Template, known: &[Special]| known.iter().any(|special| content.has(&Piece::Special(*special)));
    let holds = |content: &Template| match &timestamp.from {
        _ if content.has(&Piece::Timestamp) => true,
        TimestampFrom::Signature => scheme.signature.rules().is_some(),
        TimestampFrom::Claim(_) | TimestampFrom::Jose(_) => false,
        TimestampFrom::Header(name) => {
            let listed = scheme.header_list.as_ref().is_some_and(|list| list.binds(name));
            let in_list = content.has(&Piece::HeaderList) && listed;
            content.binds_header(name) || in_list
        }
        TimestampFrom::Json(path) => {
            let by_rule = has_special(content, &[Special::Sns]) && Special::Sns.signs(path);
            content.binds_body() || content.has(&Piece::Json(path.clone())) || by_rule
        }
        TimestampFrom::Form(name) => content.binds_body() || content.has(&Piece::Form(name.clone())),
        TimestampFrom::Query(name) => {
            content.binds_query()
                || content.has(&Piece::QueryParameter(name.clone()))
                || has_special(content, &[Special::Wechat, Special::Vonage, Special::PlivoV3])
        }
    };
    let in_token = match (&scheme.proof, &timestamp.from) {
        (Proof::Jwt(jwt), TimestampFrom::Claim(_)) => jwt.has_claims(),
        (Proof::Jwt(_), TimestampFrom::Jose(_)) => true,
        (Proof::Jwt(_), TimestampFrom::Json(_)) => scheme.binding == Binding::Full,
        _ => false,
    };
    in_token || in_key || !scheme.contents().is_empty() && scheme.contents().iter().all(holds)
}
