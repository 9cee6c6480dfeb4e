//! Tokens that are signed as they should be, and are not for this endpoint or this moment; and tokens that say which key
//! they are to be checked with (RFC 8725 sections 2 and 3).

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::credentials::stranger;
use super::tokens::{encoded, token_in};
use super::{Attack, Forge, Message, PROOF, Probe, REFUSED, Rule, Severity, Shot, Skip, TIME};
use crate::auth::jwt::ClaimRules;
use crate::auth::mac::Mac;
use crate::auth::scheme::{Algorithm, Proof, Scheme};
use crate::auth::signature::{EcdsaForm, PrivateKey, SignatureAlgorithm};
use crate::clock::Now;

/// How long ago a token ended: longer than any receiver allows for clocks that differ.
const AGO: Duration = Duration::from_secs(2 * 60 * 60);

/// Who is not asked for here. The name can belong to nobody (RFC 2606).
const ELSEWHERE: &str = "https://elsewhere.invalid";

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA071",
            severity: Severity::High,
            title: "A token that has ended",
            why: "A token that stands in an old log, a backup or a dead browser tab is good for ever where nobody looks at its end.",
            remedy: "Have the library check exp, with a leeway of a minute, and refuse what has ended.",
            references: &["CWE-613", "OWASP API2:2023", "NIST SP 800-53 SC-23"],
        },
        sent: "A token that is signed correctly and ended about two hours ago.",
        holds: REFUSED,
        reasons: &[TIME, PROOF],
        probe: Probe::Refused(|forge| {
            rules_of_ending(forge)?;
            let then = Now { wall: forge.now.wall.saturating_sub(AGO), ..forge.now };
            Ok(vec![forge.genuine_at(then)?.shot("two hours ago")])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA072",
            severity: Severity::Medium,
            title: "A token that never ends",
            why: "Libraries check an end where there is one: a token that was made without, by a test or by mistake, is a key that nobody can take back.",
            remedy: "Have the library require exp, beside checking it.",
            references: &["CWE-613", "OWASP API2:2023", "NIST SP 800-53 SC-23"],
        },
        sent: "A token that is signed correctly and does not say when it ends.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let rules = rules_of_ending(forge)?;
            signed_under(forge, ClaimRules { must_expire: false, ..rules }, "without exp")
        }),
    },
    Attack {
        rule: Rule {
            code: "HA073",
            severity: Severity::Critical,
            title: "A token for somebody else",
            why: "Whoever is sent a token by the same issuer, for a service of its own, sends it on to this one and is believed.",
            remedy: "Name the audience that tokens for this endpoint have, and refuse any other (AUDIENCE).",
            references: &["CWE-287", "OWASP API2:2023", "OWASP API5:2023"],
        },
        sent: "A token that is signed correctly and says another audience.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let rules = rules(forge).filter(|rules| !rules.audiences.is_empty());
            let rules = rules.ok_or_else(|| Skip::because("no audience is asked for (--audience)"))?;
            signed_under(forge, ClaimRules { audiences: [ELSEWHERE.into()].into(), ..rules }, "another audience")
        }),
    },
    Attack {
        rule: Rule {
            code: "HA074",
            severity: Severity::High,
            title: "A token of another issuer",
            why: "Issuers share keys: tenants of one identity provider, stages of one system. Who may have tokens of one has them for all where the issuer is not looked at.",
            remedy: "Name the issuer, to the letter, and refuse any other (ISSUER).",
            references: &["CWE-287", "CWE-346", "OWASP API2:2023"],
        },
        sent: "A token that is signed correctly and says another issuer.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let rules = rules(forge).filter(|rules| !rules.issuers.is_empty());
            let rules = rules.ok_or_else(|| Skip::because("no issuer is asked for (--issuer)"))?;
            signed_under(forge, ClaimRules { issuers: [ELSEWHERE.into()].into(), ..rules }, "another issuer")
        }),
    },
    Attack {
        rule: Rule {
            code: "HA075",
            severity: Severity::Critical,
            title: "A token that brings its own key",
            why: "A check with the key that the token's header holds (jwk) proves that the token fits itself: anybody makes such tokens.",
            remedy: "Check with configured keys alone, and do not read jwk, jku, x5u or x5c from tokens.",
            references: &["CWE-347", "CWE-345", "OWASP API2:2023"],
        },
        sent: "A token that is signed correctly, with a key that the endpoint has never seen, and has that key in its header.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let add = |header: &mut Value, key: &PrivateKey| {
                let public = key.public().map_err(|fault| Skip::because(fault.to_string()))?;
                header["jwk"] = Value::Object(public.to_jwk());
                Ok(())
            };
            Ok(vec![of_stranger(forge, add)?.shot("jwk")])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA076",
            severity: Severity::Critical,
            title: "A token that says where its key is found",
            why: "A key id that becomes a file's name or part of a query gives the attacker a key that is known: an empty file's, or one from the query itself.",
            remedy: "Compare the id (kid) with those of configured keys, and use it for nothing else; refuse one that is not known.",
            references: &["CWE-22", "CWE-89", "CWE-347", "OWASP API2:2023"],
        },
        sent: "Tokens whose kid is a path to an empty file and a query, with an HMAC under what is found there; and a token of a strange key under an unknown kid.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let named = |header: &mut Value, _: &PrivateKey| {
                header["kid"] = "hookwarden-assess".into();
                Ok(())
            };
            let mut shots = vec![
                under_found(forge, "../../../../../../../../dev/null", b"")?.shot("a path"),
                under_found(forge, "x' UNION SELECT 'hookwarden", b"hookwarden")?.shot("a query"),
            ];
            if !forge.scheme().public_algorithms().is_empty() {
                shots.push(of_stranger(forge, named)?.shot("an unknown id"));
            }
            Ok(shots)
        }),
    },
];

/// What tokens must say, where they carry claims.
fn rules(forge: &Forge<'_>) -> Option<ClaimRules> {
    if let Proof::Jwt(jwt) = &forge.scheme().proof { jwt.rules().cloned() } else { None }
}

fn needs_claims(forge: &Forge<'_>) -> Result<(), Skip> {
    rules(forge).map(drop).ok_or_else(|| Skip::because("the provider sends no tokens that hold what is signed"))
}

/// The same, where a token must end.
fn rules_of_ending(forge: &Forge<'_>) -> Result<ClaimRules, Skip> {
    let rules = rules(forge).filter(|rules| rules.must_expire);
    rules.ok_or_else(|| Skip::because("the provider sends no signed tokens that say when they end"))
}

/// A message of the right key, by other rules.
fn signed_under(forge: &Forge<'_>, rules: ClaimRules, label: &str) -> Result<Vec<Shot>, Skip> {
    let mut scheme: Scheme = forge.scheme().clone();
    if let Proof::Jwt(jwt) = &mut scheme.proof {
        jwt.set_rules(rules);
    }
    Ok(vec![forge.signed(&scheme, &forge.subject.key, forge.now, forge.body(forge.now))?.shot(label)])
}

/// A message of a key that the endpoint does not know, with more in the token's header.
fn of_stranger(
    forge: &Forge<'_>,
    change: impl FnOnce(&mut Value, &PrivateKey) -> Result<(), Skip>,
) -> Result<Message, Skip> {
    needs_claims(forge)?;
    if forge.scheme().public_algorithms().is_empty() {
        return Err(Skip::because("the provider's keys are shared, so there is no public one to bring along"));
    }
    let (text, key) = stranger(forge)?;
    let message = forge.signed(forge.scheme(), &key, forge.now, forge.body(forge.now))?;
    let token = token_in(&message)?;
    let private = str::from_utf8(&text.text).ok().and_then(|text| PrivateKey::from_text(text).ok());
    let private = private.ok_or_else(|| Skip::because("there is no other key of that kind"))?;
    let mut header = token.header.clone();
    change(&mut header, &private)?;
    let signed = format!("{}.{}", encoded(&header), token.payload);
    let algorithm = header["alg"].as_str().and_then(SignatureAlgorithm::jose_named);
    let algorithm = algorithm.ok_or_else(|| Skip::because("the token's algorithm has no name"))?;
    let signature = private.sign(algorithm, EcdsaForm::Raw, signed.as_bytes());
    let signature = signature.map_err(|fault| Skip::because(fault.to_string()))?;
    Ok(token.put(&message, &format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))))
}

/// A message with an HMAC under what somebody would find who believed the key id.
fn under_found(forge: &Forge<'_>, kid: &str, found: &[u8]) -> Result<Message, Skip> {
    needs_claims(forge)?;
    let message = forge.genuine()?;
    let token = token_in(&message)?;
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": kid });
    let signed = format!("{}.{}", encoded(&header), token.payload);
    let mac = Mac::new(Algorithm::Sha256, found).map(|mut mac| {
        mac.update(signed.as_bytes());
        BASE64URL_NOPAD.encode(mac.finish().as_bytes())
    });
    let mac = mac.ok_or_else(|| Skip::because("there is no HMAC under no key"))?;
    Ok(token.put(&message, &format!("{signed}.{mac}")))
}
