//! What a token's claims must say (RFC 7519 section 4.1), and what of it depends on the time.
//!
//! Claims are judged once the signature has been: before, they say nothing. What depends on the time is given back as a
//! [`Validity`], which the gate that knows the time asks. Deliberately absent: a claim that is read in more than one
//! way. A date is a number, an issuer a string, an audience a string or a list of them, and anything else is refused.

use std::time::Duration;

use crate::auth::feed::Members;
use crate::auth::scheme::JsonPath;
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::http1::framing::digits;
use crate::json;

/// How far clocks may differ where nobody says otherwise: what most libraries allow.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// The most audiences of one token. Issuers write one to five.
const MAX_AUDIENCES: usize = 64;

/// The claims that are judged of every token: they stand first among those that are looked for.
pub const STANDARD: [&str; 5] = ["exp", "nbf", "iat", "iss", "aud"];

/// Where each stands among them.
const EXP: usize = 0;
const NBF: usize = 1;
const IAT: usize = 2;
const ISS: usize = 3;
const AUD: usize = 4;

/// What claims must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRules {
    /// Whether a token must say when it ends. One that says so ends then in any case.
    pub must_expire: bool,
    /// Who may have issued it, one of these; empty asks nothing.
    pub issuers: Box<[Box<str>]>,
    /// Whom it must be for, one of these; empty asks nothing.
    pub audiences: Box<[Box<str>]>,
    /// What else it must say.
    pub required: Box<[Required]>,
    /// How far the issuer's clock may be from ours.
    pub leeway: Duration,
}

impl Default for ClaimRules {
    /// Nothing is asked but that a token ends.
    fn default() -> Self {
        let none = || Box::new([]);
        Self { must_expire: true, issuers: none(), audiences: none(), required: Box::new([]), leeway: LEEWAY }
    }
}

/// A claim that must be there, and perhaps what it must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// Which claim.
    pub claim: JsonPath,
    /// What it says: a string's text, a number or literal as it is written; of a list, one of its elements; of `scope`
    /// and `scp`, one of its words (RFC 8693 section 4.2). `None`: it is there, and not null.
    pub says: Option<Box<str>>,
}

impl Required {
    /// Reads `name` or `name=value`. A name is that of a claim as it stands, or a pointer to one further in
    /// (`/realm_access/roles`).
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, says) = text.split_once('=').map_or((text, None), |(name, says)| (name, Some(says)));
        let bad = || format!("{text:?} is not like sub, sub=value or /pointer/to/claim=value");
        let claim = match name.trim() {
            "" => return Err(bad()),
            pointer if pointer.starts_with('/') => JsonPath::parse(pointer).ok_or_else(bad)?,
            // Names have dots and slashes of their own: `https://example.com/role`.
            name => JsonPath(Box::new([name.into()])),
        };
        match says.map(str::trim) {
            Some("") => Err(bad()),
            says => Ok(Self { claim, says: says.map(Into::into) }),
        }
    }

    fn holds(&self, members: &Members<'_>) -> bool {
        let Some(text) = members.text(&self.claim).filter(|text| *text != b"null") else { return false };
        let Some(wanted) = self.says.as_deref() else { return true };
        let is_scope = matches!(self.claim.0.last().map(|name| &**name), Some("scope" | "scp"));
        let one = |text: &[u8]| {
            let said = json::scalar(text);
            said.is_some_and(|said| {
                let mut words = said.split(|byte| *byte == b' ');
                *said == *wanted.as_bytes() || is_scope && words.any(|word| word == wanted.as_bytes())
            })
        };
        match text.first() {
            Some(b'[') => elements(text).any(one),
            _ => one(text),
        }
    }
}

/// When a token holds. It is no proof before it has been asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    /// From when on, since the Unix epoch, with the leeway taken off; `None` for ever.
    pub not_before: Option<Duration>,
    /// Until before when, since the Unix epoch, with the leeway added; `None` for ever.
    pub expires: Option<Duration>,
}

impl Validity {
    /// Does it hold now?
    ///
    /// # Errors
    /// [`Reason::TimestampStale`], [`Reason::TimestampFuture`].
    pub fn check(&self, now: Now) -> Result<(), Denial> {
        match (self.not_before, self.expires) {
            (_, Some(end)) if now.wall >= end => Err(Reason::TimestampStale.into()),
            (Some(start), _) if now.wall < start => Err(Reason::TimestampFuture.into()),
            _ => Ok(()),
        }
    }
}

/// Judges claims, among which the [`STANDARD`] ones stand first. `may_ask_end`: whether the rules may ask that they say
/// when they end.
///
/// # Errors
/// [`Reason::CredentialInvalid`].
pub fn judge(rules: &ClaimRules, members: &Members<'_>, may_ask_end: bool) -> Result<Validity, Denial> {
    let invalid = || Denial::from(Reason::CredentialInvalid);
    if members.broken {
        return Err(invalid());
    }
    let date = |index| match members.at(index) {
        None => Ok(None),
        Some(text) => numeric_date(text).map(Some).ok_or_else(invalid),
    };
    let (expires, not_before, issued) = (date(EXP)?, date(NBF)?, date(IAT)?);
    let good = (expires.is_some() || !rules.must_expire || !may_ask_end)
        && is_one_of(&rules.issuers, members.at(ISS), false)
        && is_one_of(&rules.audiences, members.at(AUD), true)
        && rules.required.iter().all(|required| required.holds(members));
    if !good {
        return Err(invalid());
    }
    Ok(Validity {
        // A token from the future was not made yet, whatever it says of its start.
        not_before: not_before.max(issued).map(|start| start.saturating_sub(rules.leeway)),
        expires: expires.map(|end| end.saturating_add(rules.leeway)),
    })
}

/// A time since the Unix epoch as a JSON number (RFC 7519 section 2): digits, and perhaps a fraction. `None` for a
/// string, a sign or an exponent.
#[must_use]
pub fn numeric_date(text: &[u8]) -> Option<Duration> {
    let dot = memchr::memchr(b'.', text);
    let seconds = digits(text.get(..dot.unwrap_or(text.len()))?)?;
    let Some(fraction) = dot.and_then(|dot| text.get(dot + 1..)) else { return Some(Duration::from_secs(seconds)) };
    let mut nanos = [b'0'; 9];
    nanos.iter_mut().zip(fraction).for_each(|(slot, digit)| *slot = *digit);
    let whole = !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit);
    let nanos = u32::try_from(digits(&nanos).filter(|_| whole)?).ok()?;
    Some(Duration::new(seconds, nanos))
}

/// Whether a claim is one of the texts, or a list that has one. Nothing asked is always so.
fn is_one_of(accepted: &[Box<str>], claim: Option<&[u8]>, may_be_list: bool) -> bool {
    let is_string = |text: &&[u8]| text.first() == Some(&b'"');
    let one = |text: &[u8]| {
        let said = Some(text).filter(is_string).and_then(json::scalar);
        said.is_some_and(|said| accepted.iter().any(|accepted| *accepted.as_bytes() == *said))
    };
    match claim {
        _ if accepted.is_empty() => true,
        Some(list @ [b'[', ..]) => may_be_list && elements(list).any(one),
        Some(text) => one(text),
        None => false,
    }
}

/// The elements of a list; none of one that is too long.
fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    json::elements(list, MAX_AUDIENCES).unwrap_or_default().into_iter().map(|span| span.get(list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::feed::find_members;

    fn boxed(texts: &[&str]) -> Box<[Box<str>]> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    fn judged(rules: &ClaimRules, claims: &str) -> Option<Validity> {
        let standard = STANDARD.map(|name| JsonPath(Box::new([name.into()])));
        let paths: Vec<_> = standard.into_iter().chain(rules.required.iter().map(|one| one.claim.clone())).collect();
        let mut found = Vec::new();
        let broken = !find_members(claims.as_bytes(), &paths, &mut found);
        judge(rules, &Members { document: claims.as_bytes(), paths: &paths, found: &found, broken }, true).ok()
    }

    #[test]
    fn dates_are_numbers() {
        let check =
            |text: &str, expected: Option<Duration>| assert_eq!(numeric_date(text.as_bytes()), expected, "{text}");
        check("1700000000", Some(Duration::from_secs(1_700_000_000)));
        check("0", Some(Duration::ZERO));
        check("1700000000.5", Some(Duration::new(1_700_000_000, 500_000_000)));
        check("1.1234567891", Some(Duration::new(1, 123_456_789)));
        check("18446744073709551615", Some(Duration::from_secs(u64::MAX)));
        for bad in
            ["", "-1", "+1", "1e9", "1.", ".5", "1.5e3", "\"1700000000\"", "null", "true", "18446744073709551616"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn a_token_holds_from_its_start_to_before_its_end() {
        let rules = ClaimRules::default();
        let at = |seconds| Now { wall: Duration::from_secs(seconds), ..Now::read() };
        let check = |claims: &str, now: u64, expected: Result<(), Reason>| {
            let validity = judged(&rules, claims).expect("good claims");
            assert_eq!(validity.check(at(now)), expected.map_err(Into::into), "{claims} at {now}");
        };
        check(r#"{"exp":1000}"#, 1059, Ok(()));
        check(r#"{"exp":1000}"#, 1060, Err(Reason::TimestampStale));
        check(r#"{"exp":1000.5}"#, 1060, Ok(()));
        check(r#"{"exp":1000.5}"#, 1061, Err(Reason::TimestampStale));
        check(r#"{"exp":9000,"nbf":1000}"#, 940, Ok(()));
        check(r#"{"exp":9000,"nbf":1000}"#, 939, Err(Reason::TimestampFuture));
        check(r#"{"exp":9000,"iat":1000}"#, 939, Err(Reason::TimestampFuture));
        check(r#"{"exp":9000,"iat":500,"nbf":1000}"#, 939, Err(Reason::TimestampFuture));
        check(r#"{"exp":18446744073709551615,"nbf":0}"#, 0, Ok(()));
    }

    #[test]
    fn what_claims_must_say() {
        let issuer = ClaimRules { issuers: boxed(&["https://a", "b"]), ..ClaimRules::default() };
        let audience = ClaimRules { audiences: boxed(&["x", "y"]), ..ClaimRules::default() };
        let open = ClaimRules { must_expire: false, ..ClaimRules::default() };
        let many = format!(r#"{{"exp":9,"aud":[{}"x"]}}"#, "\"a\",".repeat(MAX_AUDIENCES));
        for (rules, claims, expected) in [
            (&issuer, r#"{"exp":9,"iss":"https://a"}"#, true),
            (&issuer, r#"{"exp":9,"iss":"https:\/\/a"}"#, true),
            (&issuer, r#"{"exp":9,"iss":"b"}"#, true),
            (&issuer, r#"{"exp":9,"iss":"https://a/"}"#, false),
            (&issuer, r#"{"exp":9,"iss":"HTTPS://A"}"#, false),
            (&issuer, r#"{"exp":9,"iss":["b"]}"#, false),
            (&issuer, r#"{"exp":9}"#, false),
            (&issuer, r#"{"iss":"b"}"#, false),
            (&issuer, r#"{"exp":"9","iss":"b"}"#, false),
            (&issuer, r#"{"exp":9,"exp":99,"iss":"b"}"#, false),
            (&issuer, r#"{"exp":9,"\u0069ss":"c","iss":"b"}"#, false),
            (&audience, r#"{"exp":9,"aud":"y"}"#, true),
            (&audience, r#"{"exp":9,"aud":["a","x"]}"#, true),
            (&audience, r#"{"exp":9,"aud":[["x"]]}"#, false),
            (&audience, r#"{"exp":9,"aud":{"x":"x"}}"#, false),
            (&audience, r#"{"exp":9,"aud":[]}"#, false),
            (&audience, r#"{"exp":9,"aud":"x y"}"#, false),
            (&audience, &many, false),
            (&open, "{}", true),
            (&open, r#"{"nbf":null}"#, false),
            (&open, r#"{"iat":"1"}"#, false),
            (&open, "[]", true),
            (&open, "{", false),
        ] {
            assert_eq!(judged(rules, claims).is_some(), expected, "{claims}");
        }
    }

    #[test]
    fn claims_that_are_asked_for() {
        let claims = r#"{"exp":9,"sub":"a","n":1,"ok":true,"none":null,"scope":"read webhooks:write","scp":["a","b c"],
            "https://x/role":"in","realm_access":{"roles":["hook"]},"a.b":"dot"}"#;
        for (text, expected) in [
            ("sub", true),
            ("sub=a", true),
            ("sub=b", false),
            ("n=1", true),
            ("ok=true", true),
            ("none", false),
            ("missing", false),
            ("scope=webhooks:write", true),
            ("scope=read webhooks:write", true),
            ("scope=webhooks", false),
            ("scp=a", true),
            ("scp=c", true),
            ("sub=a a", false),
            ("https://x/role=in", true),
            ("/realm_access/roles=hook", true),
            ("/realm_access/roles=ho", false),
            ("a.b=dot", true),
        ] {
            let required = Required::parse(text).expect("good");
            let rules = ClaimRules { required: Box::new([required]), ..ClaimRules::default() };
            assert_eq!(judged(&rules, claims).is_some(), expected, "{text}");
        }
        for bad in ["", "=a", "sub=", "/", "/a//b=c"] {
            assert!(Required::parse(bad).is_err(), "{bad}");
        }
    }
}
