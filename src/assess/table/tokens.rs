//! Signed tokens (RFC 7515, RFC 7519), and the ways in which their checks are known to fail (RFC 8725 section 2).

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{Attack, CONTENT, Forge, Message, PROOF, Probe, REFUSED, Rule, Severity, Skip};
use crate::auth::mac::Mac;
use crate::auth::scheme::{Algorithm, Proof};

/// `none`, and how it is written where a check looks for that word alone.
const NONES: [&str; 4] = ["none", "None", "NONE", "nOnE"];

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA008",
            severity: Severity::Critical,
            title: "A token that says it is not signed",
            why: "Libraries that do what the token's own header says take alg none for a valid signature, so anybody makes tokens (RFC 8725 section 2.1).",
            remedy: "Name the accepted algorithms in the receiver, never take them from the token.",
            references: &["CWE-347", "OWASP API2:2023"],
        },
        sent: "The token with alg none, in four spellings, and no signature.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let (message, token) = token(forge)?;
            let one = |none: &&str| {
                let mut header = token.header.clone();
                header["alg"] = (*none).into();
                token.put(&message, &format!("{}.{}.", encoded(&header), token.payload)).shot(none)
            };
            Ok(NONES.iter().map(one).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA009",
            severity: Severity::Critical,
            title: "A token under the public key as a secret",
            why: "A check that takes HS256 from the header and uses the public key as the secret accepts tokens of everybody who has that key, and it is public (RFC 8725 section 2.1).",
            remedy: "Accept the one family of algorithms that the provider uses, and tie each key to its algorithm.",
            references: &["CWE-347", "CWE-327", "OWASP API2:2023"],
        },
        sent: "The token with alg HS256, and an HMAC under the text of the public key.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let (message, token) = token(forge)?;
            if forge.scheme().public_algorithms().is_empty() {
                return Err(Skip::because("the provider's keys are shared, so there is no public one"));
            }
            let public = forge.subject.public.as_deref().ok_or_else(|| Skip::because("the public key is not known"))?;
            let mut header = token.header.clone();
            header["alg"] = "HS256".into();
            let signed = format!("{}.{}", encoded(&header), token.payload);
            let one = |(label, key): (&str, &str)| {
                let tag = Mac::new(Algorithm::Sha256, key.as_bytes()).map(|mut mac| {
                    mac.update(signed.as_bytes());
                    BASE64URL_NOPAD.encode(mac.finish().as_bytes())
                })?;
                Some(token.put(&message, &format!("{signed}.{tag}")).shot(label))
            };
            let keys = [("the key's text", public), ("the same without its last line's end", public.trim_end())];
            Ok(keys.into_iter().filter_map(one).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA010",
            severity: Severity::Critical,
            title: "A token without its signature",
            why: "A receiver that decodes tokens and does not verify them takes any.",
            remedy: "Use the library's function that verifies, and treat a token without a signature as none.",
            references: &["CWE-347", "OWASP API2:2023"],
        },
        sent: "The token with its signature cut off, with and without the last dot.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let (message, token) = token(forge)?;
            let start = format!("{}.{}", encoded(&token.header), token.payload);
            Ok(vec![
                token.put(&message, &format!("{start}.")).shot("an empty signature"),
                token.put(&message, &start).shot("two parts"),
            ])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA011",
            severity: Severity::Critical,
            title: "A token with other claims",
            why: "Claims that are read before the signature is checked, or instead of it, say what the attacker wants.",
            remedy: "Verify first, and read claims from what the verification gives back.",
            references: &["CWE-347", "OWASP API2:2023"],
        },
        sent: "The token with one claim more, under the signature that it had.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT],
        probe: Probe::Refused(|forge| {
            let (message, token) = token(forge)?;
            let claims = BASE64URL_NOPAD.decode(token.payload.as_bytes()).ok();
            let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
            let mut claims = claims.ok_or_else(|| Skip::because("the token carries no claims"))?;
            claims["hookwarden_assess"] = json!(forge.nonce);
            let text = format!("{}.{}.{}", encoded(&token.header), encoded(&claims), token.signature);
            Ok(vec![token.put(&message, &text).shot("one claim more")])
        }),
    },
];

/// A token in its parts.
pub(super) struct Token {
    pub(super) header: Value,
    pub(super) payload: String,
    signature: String,
    /// Where it stands: a field, or the body.
    field: Option<(String, String)>,
    text: String,
}

impl Token {
    /// The message with another token in the place of this one.
    pub(super) fn put(&self, message: &Message, token: &str) -> Message {
        match &self.field {
            Some((name, value)) => message.clone().with(name, &value.replace(&self.text, token)),
            None => message.clone().with_body(token),
        }
    }
}

fn token(forge: &Forge<'_>) -> Result<(Message, Token), Skip> {
    if !matches!(forge.scheme().proof, Proof::Jwt(_)) {
        return Err(Skip::because("the provider sends no signed tokens"));
    }
    let message = forge.genuine()?;
    let token = token_in(&message)?;
    Ok((message, token))
}

/// The first token of a message.
pub(super) fn token_in(message: &Message) -> Result<Token, Skip> {
    let values =
        message.fields.iter().flat_map(|(name, value)| value.split([' ', '=', ';', ',']).map(move |word| (name, word)));
    let found = values
        .filter(|(_, word)| parts(word).is_some())
        .map(|(name, word)| (Some(name.clone()), word.to_owned()))
        .next();
    let body =
        || str::from_utf8(&message.body).ok().filter(|text| parts(text).is_some()).map(|text| (None, text.to_owned()));
    let (name, text) = found.or_else(body).ok_or_else(|| Skip::because("the token is not found"))?;
    let (header, payload, signature) = parts(&text).ok_or_else(|| Skip::because("the token is not found"))?;
    let field = name.map(|name| (name.clone(), message.value(&name).unwrap_or_default().to_owned()));
    Ok(Token { header, payload: payload.into(), signature: signature.into(), field, text: text.clone() })
}

fn parts(text: &str) -> Option<(Value, &str, &str)> {
    let mut parts = text.split('.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let header: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(header.as_bytes()).ok()?).ok()?;
    (parts.next().is_none() && header.is_object()).then_some((header, payload, signature))
}

pub(super) fn encoded(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}
