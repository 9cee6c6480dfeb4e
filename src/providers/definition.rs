//! A provider's definition, as its file or the environment writes it, compiled to a scheme with errors that name the
//! place and what is accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::auth::MAX_CONTENTS;
use crate::auth::list::{HeaderList, LinePiece, ListFrom, Names as ListNames};
use crate::auth::scheme::{
    Algorithm, Binding, Check, Encoding, Field, JsonPath, Proof, Replies, Scheme, SecretEncoding, SecretForm,
    Signature, TimeUnit, Timestamp, TimestampFrom,
};
use crate::auth::template::{Names, Piece, Template, TemplateFault};

use super::text::{Definition, FieldText, HeaderListText, SecretText, TimestampText};
use super::{certificate, coherence, grammar, handshake, http_signature, jwt, public_key};

/// How far a signed time may be from now where nobody says otherwise.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// What is wrong with one key of a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Fault {
    /// The key, as in the file; `algorithm`, say, or `signature.format`.
    pub key: &'static str,
    /// What is wrong, and what is accepted.
    pub problem: String,
}

pub(super) fn fault(key: &'static str, problem: impl Into<String>) -> Fault {
    Fault { key, problem: problem.into() }
}

/// A word of a closed list.
pub(super) fn word<T: Copy>(key: &'static str, text: &str, known: &[(&str, T)]) -> Result<T, Fault> {
    known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        fault(key, format!("{text:?} is not known; accepted are {}", words.join(", ")))
    })
}

/// Collects faults, so that all are told at once.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn keep<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.0.push(fault)).ok()
    }
}

impl Definition {
    /// Compiles the definition.
    ///
    /// # Errors
    /// Every [`Fault`] of it.
    pub(super) fn compile(&self) -> Result<Scheme, Vec<Fault>> {
        let names = self.names();
        let mut faults = Faults::default();
        // Templates first: they tell which captures the grammar must have.
        let proof = faults.keep(self.proof(&names));
        let checks = faults.keep(self.checks(&names));
        let secret = faults.keep(self.secret_form(&names));
        let header_list = faults.keep(self.header_list(&names));
        let challenges = faults.keep(handshake::compile(self, &names));
        let key_source = faults.keep(public_key::key_source(self, &names));
        let signature = faults.keep(self.signature(&names));
        let timestamp = faults.keep(self.timestamp());
        let tolerance = faults.keep(self.tolerance());
        let delivery_id = faults.keep(field("delivery_id", self.delivery_id.as_ref()));
        let event = faults.keep(field("event", self.event.as_ref()));
        let each = faults.keep(self.each.as_deref().map(|path| json_path("each", path)).transpose());
        let reply = faults.keep(self.replies());
        let what = (proof, checks, secret, header_list, challenges, signature);
        let (Some(proof), Some(checks), Some(secret), Some(header_list), Some(challenges), Some(signature)) = what
        else {
            return Err(faults.0);
        };
        let rest = (timestamp, tolerance, delivery_id, event, each, reply);
        let (Some(timestamp), Some(tolerance), Some(delivery_id), Some(event), Some(each), Some(reply)) = rest else {
            return Err(faults.0);
        };
        let confirm = faults.keep(certificate::confirm(self));
        let (Some(key_source), Some(confirm)) = (key_source, confirm) else { return Err(faults.0) };
        let document = self.document_field().map_err(|fault| vec![fault])?;
        let mut scheme = Scheme {
            proof,
            signature,
            checks,
            each,
            document,
            members: Box::new([]),
            header_list,
            timestamp,
            tolerance,
            delivery_id,
            event,
            secret,
            key_source,
            confirm,
            challenges,
            oracle: None,
            binding: Binding::None,
            claims_body: false,
            repeats: self.repeats,
            reply,
        };
        let stated = (self.binding.as_deref(), self.claim.as_deref());
        coherence::complete(&mut scheme, stated.0, stated.1).map_err(|fault| vec![fault])?;
        let faults = coherence::faults(&scheme, &names);
        if faults.is_empty() { Ok(scheme) } else { Err(faults) }
    }

    fn names(&self) -> Names<'_> {
        Names {
            parts: &self.secret.parts,
            lets: self.lets.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect(),
            has_list: self.header_list.is_some(),
            has_rules: self.http_signature.is_some(),
            has_token: self.scheme == "jwt",
            ..Names::default()
        }
    }

    fn proof(&self, names: &Names<'_>) -> Result<Proof, Fault> {
        let token = ["token", "basic", "mtls"].contains(&self.scheme.as_str());
        for (key, is_set) in [("signed", self.signed.is_some()), ("algorithm", self.algorithm.is_some())] {
            if token && is_set {
                return Err(fault(key, "a token signs nothing"));
            }
        }
        let of_tokens =
            [("payload", self.payload.is_some()), ("b64", self.b64.is_some()), ("claims", self.claims.is_some())];
        if let Some((key, _)) = of_tokens.iter().find(|(_, is_set)| *is_set && self.scheme != "jwt") {
            return Err(fault(key, "is for scheme = \"jwt\""));
        }
        if self.scheme != "jwt" && self.signature.as_ref().is_some_and(|signature| signature.body) {
            return Err(fault("signature.body", "is for scheme = \"jwt\""));
        }
        match self.scheme.as_str() {
            "hmac" => {
                let algorithm = self.algorithm()?;
                if matches!(algorithm, Algorithm::Sha3 | Algorithm::Keccak256) {
                    return Err(fault("algorithm", "is for scheme = \"digest\"; no provider makes HMACs with it"));
                }
                Ok(Proof::Hmac { algorithm, signed: self.contents(names)? })
            }
            "digest" => {
                let signed = self.contents(names)?;
                if !signed.iter().all(Template::reads_secret) {
                    return Err(fault("signed", "a digest without {secret} proves nothing: anybody can make it"));
                }
                Ok(Proof::Digest { algorithm: self.algorithm()?, signed })
            }
            "token" | "basic" => Ok(Proof::Token),
            "jwt" => jwt::proof(self, names),
            "mtls" => Ok(Proof::ClientCertificate),
            scheme => {
                let Some(family) = public_key::family(scheme) else {
                    let accepted = "accepted are hmac, digest, token, basic, ed25519, ecdsa, rsa, jwt, mtls";
                    return Err(fault("scheme", format!("{scheme:?} is not known; {accepted}")));
                };
                public_key::proof(self, family, self.contents(names)?)
            }
        }
    }

    /// The hash.
    pub(super) fn algorithm(&self) -> Result<Algorithm, Fault> {
        let texts = self.algorithm.as_ref().map_or_else(|| vec!["sha256"], |algorithms| algorithms.texts());
        let [text] = *texts else { return Err(fault("algorithm", "one is accepted")) };
        Algorithm::named(text).ok_or_else(|| {
            let accepted = "accepted are sha1, sha256, sha384, sha512, md5, sha3_256, keccak256";
            fault("algorithm", format!("{text:?} is not known; {accepted}"))
        })
    }

    fn contents(&self, names: &Names<'_>) -> Result<Box<[Template]>, Fault> {
        let usual = if self.http_signature.is_some() { "{signature_base}" } else { "{body}" };
        if self.http_signature.is_some() && self.signed.is_some() {
            return Err(fault(
                "signed",
                "an HTTP message signature signs what it announces; http_signature.cover says what it must",
            ));
        }
        let texts = self.signed.as_ref().map_or_else(|| vec![usual], |signed| signed.texts());
        if texts.is_empty() || texts.len() > MAX_CONTENTS {
            return Err(fault("signed", format!("one to {MAX_CONTENTS} templates are accepted")));
        }
        texts.iter().map(|text| Template::signed(text, names).map_err(|error| template("signed", &error))).collect()
    }

    fn checks(&self, names: &Names<'_>) -> Result<Box<[Check]>, Fault> {
        let any = |text: &str| Template::any(text, names).map_err(|error| template("check", &error));
        let check = |text: &super::text::CheckText| Ok(Check { value: any(&text.value)?, equals: any(&text.equals)? });
        self.check.iter().map(check).collect()
    }

    fn signature(&self, names: &Names<'_>) -> Result<Signature, Fault> {
        if self.scheme == "basic" {
            return grammar::basic(self.signature.as_ref());
        }
        if let Some(text) = &self.http_signature {
            return http_signature::compile(text, self, names);
        }
        if self.scheme == "mtls" {
            return grammar::nowhere(self.signature.as_ref());
        }
        let missing =
            || fault("signature.header", "the name of the header field that carries the signature is missing");
        let text = self.signature.as_ref().ok_or_else(missing)?;
        if self.scheme == "jwt" {
            return grammar::token(text, names);
        }
        let is_public_key = public_key::family(&self.scheme).is_some();
        let hash = if is_public_key { "" } else { self.algorithm()?.name() };
        let signature = grammar::compile(text, hash, names, self.scheme == "token")?;
        if is_public_key && signature.encoding == Encoding::Base64Hex {
            return Err(fault("signature.encoding", "accepted are hex, hex_upper, base64, base64url"));
        }
        Ok(signature)
    }

    fn secret_form(&self, names: &Names<'_>) -> Result<SecretForm, Fault> {
        let SecretText { encoding, strip_prefix, parts, join, key, ascii, .. } = &self.secret;
        let (encoding, url_safe, only_if_prefixed) = word(
            "secret.encoding",
            encoding.as_deref().unwrap_or("text"),
            &[
                ("text", (SecretEncoding::Text, false, false)),
                ("hex", (SecretEncoding::Hex, false, false)),
                ("base64", (SecretEncoding::Base64, false, false)),
                ("base64url", (SecretEncoding::Base64, true, false)),
                ("base64_if_prefixed", (SecretEncoding::Base64, false, true)),
            ],
        )?;
        let any = |key: &'static str, text: &str| Template::any(text, names).map_err(|error| template(key, &error));
        let made = |name: &'static str, text: Option<&str>| text.map(|text| any(name, text)).transpose();
        let (key, mut sent) = (made("secret.key", key.as_deref())?, made("token", self.token.as_deref())?);
        if key.is_some() && !["hmac", "jwt"].contains(&self.scheme.as_str()) {
            return Err(fault("secret.key", "is for scheme = \"hmac\" and \"jwt\""));
        }
        if self.scheme == "jwt" && key.as_ref().is_some_and(|key| !key.is_constant()) {
            return Err(fault("secret.key", "of a token is made of the secret alone"));
        }
        if sent.is_some() && self.scheme != "token" {
            return Err(fault("token", "is for scheme = \"token\""));
        }
        if sent.as_ref().is_some_and(|sent| !sent.is_constant() || !sent.reads_secret()) {
            return Err(fault("token", "is made of the secret alone"));
        }
        let mut parts: Box<[Box<str>]> = parts.iter().map(|part| part.as_str().into()).collect();
        if self.scheme == "basic" {
            sent = Some(any("token", "{secret|base64}")?);
            parts = Box::new(["user".into(), "password".into()]);
        }
        if parts.len() == 1 || !parts.is_empty() && encoding != SecretEncoding::Text {
            return Err(fault("secret.parts", "two or more are accepted, and their encoding is undone by filters"));
        }
        let mut prefixes = strip_prefix.as_ref().map_or_else(Vec::new, |prefixes| prefixes.texts()).into_iter();
        Ok(SecretForm {
            strip_prefix: prefixes.next().unwrap_or_default().into(),
            other_prefixes: prefixes.map(Into::into).collect(),
            encoding,
            url_safe,
            only_if_prefixed,
            parts,
            join: join.filter(char::is_ascii).unwrap_or(':'),
            ascii: *ascii,
            key,
            sent,
        })
    }

    fn header_list(&self, names: &Names<'_>) -> Result<Option<HeaderList>, Fault> {
        let Some(text) = &self.header_list else { return Ok(None) };
        let HeaderListText { names: fixed, from, split, line, join, case, require } = text;
        let names = match (fixed.is_empty(), from) {
            (false, None) => ListNames::Fixed(
                fixed
                    .iter()
                    .map(|name| match name.strip_suffix('?') {
                        Some(name) => (name.into(), true),
                        None => (name.as_str().into(), false),
                    })
                    .collect(),
            ),
            (true, Some(from)) => ListNames::Announced {
                from: match from.split_once(':') {
                    Some(("header", name)) => ListFrom::Header(name.into()),
                    Some(("item", name)) => ListFrom::Capture(names.capture(name)),
                    Some(("jose", path)) if names.has_token => ListFrom::Jose(json_path("header_list.from", path)?),
                    _ => {
                        return Err(fault(
                            "header_list.from",
                            "accepted are header:Name, item:name, and jose:name of a token",
                        ));
                    }
                },
                split: split.as_deref().filter(|split| !split.is_empty()).unwrap_or(",").into(),
                require: require.iter().map(|name| name.as_str().into()).collect(),
            },
            _ => return Err(fault("header_list", "either names or from is accepted")),
        };
        Ok(Some(HeaderList {
            names,
            line: line_pieces(line.as_deref().unwrap_or("{value}"))?,
            join: join.as_str().into(),
            lower: word("header_list.case", case.as_deref().unwrap_or("as_is"), &[("lower", true), ("as_is", false)])?,
        }))
    }

    fn timestamp(&self) -> Result<Option<Timestamp>, Fault> {
        let Some(TimestampText { from, unit, offset }) = &self.timestamp else { return Ok(None) };
        let unit = word(
            "timestamp.unit",
            unit.as_deref().unwrap_or("s"),
            &[
                ("s", TimeUnit::Seconds),
                ("ms", TimeUnit::Milliseconds),
                ("us", TimeUnit::Microseconds),
                ("s_or_ms", TimeUnit::SecondsOrMilliseconds),
                ("rfc3339", TimeUnit::Rfc3339),
                ("http_date", TimeUnit::HttpDate),
                ("datetime", TimeUnit::DateTime),
            ],
        )?;
        let from = match (from.as_str(), from.split_once(':')) {
            ("signature", _) => TimestampFrom::Signature,
            (_, Some(("header", name))) if !name.is_empty() => TimestampFrom::Header(name.into()),
            (_, Some(("query", name))) if !name.is_empty() => TimestampFrom::Query(name.into()),
            (_, Some(("form", name))) if !name.is_empty() => TimestampFrom::Form(name.into()),
            (_, Some(("json", path))) => TimestampFrom::Json(json_path("timestamp.from", path)?),
            (_, Some(("claim", path))) => TimestampFrom::Claim(json_path("timestamp.from", path)?),
            (_, Some(("jose", path))) => TimestampFrom::Jose(json_path("timestamp.from", path)?),
            (other, _) => {
                let accepted =
                    "accepted are signature, header:Name, json:member, query:name, form:name, claim:name, jose:name";
                return Err(fault("timestamp.from", format!("{other:?} is not known; {accepted}")));
            }
        };
        Ok(Some(Timestamp { from, unit, offset: offset.as_deref().map_or(Ok(0), zone)? }))
    }

    fn tolerance(&self) -> Result<Duration, Fault> {
        let Some(text) = &self.tolerance else { return Ok(TOLERANCE) };
        seconds("tolerance", text)
    }

    fn replies(&self) -> Result<Replies, Fault> {
        let Some(text) = &self.reply else { return Ok(Replies::default()) };
        let denied_empty =
            text.denied.as_deref().map_or(Ok(false), |text| word("reply.denied", text, &[("empty", true)]))?;
        Ok(Replies {
            denied_empty,
            acknowledged: text.acknowledged.as_deref().map(Into::into),
            echo: text.echo.as_deref().map(|name| grammar::header_name("reply.echo", name)).transpose()?,
        })
    }

    fn document_field(&self) -> Result<Option<Box<str>>, Fault> {
        match self.document.as_deref().map(|text| text.split_once(':')) {
            None => Ok(None),
            Some(Some(("form", name))) if !name.is_empty() => Ok(Some(name.into())),
            Some(_) => Err(fault("document", "accepted is form:field")),
        }
    }
}

/// `300s`.
pub(super) fn seconds(key: &'static str, text: &str) -> Result<Duration, Fault> {
    let seconds = text.strip_suffix('s').and_then(|digits| digits.parse().ok());
    seconds.map(Duration::from_secs).ok_or_else(|| fault(key, format!("{text:?} is not like 300s")))
}

pub(super) fn template(key: &'static str, error: &TemplateFault) -> Fault {
    fault(key, error.to_string())
}

/// `{name}` and `{value}` with text between.
fn line_pieces(text: &str) -> Result<Box<[LinePiece]>, Fault> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) =
            after.split_once('}').ok_or_else(|| fault("header_list.line", "a brace without a partner"))?;
        pieces.extend((!before.is_empty()).then(|| LinePiece::Text(before.into())));
        pieces.push(match name {
            "name" => LinePiece::Name,
            "value" => LinePiece::Value,
            other => {
                return Err(fault(
                    "header_list.line",
                    format!("{{{other}}} is not known; accepted are {{name}}, {{value}}"),
                ));
            }
        });
        rest = after;
    }
    pieces.extend((!rest.is_empty()).then(|| LinePiece::Text(rest.into())));
    Ok(pieces.into())
}

/// `+07:00` in seconds.
fn zone(text: &str) -> Result<i32, Fault> {
    let bad = || fault("timestamp.offset", format!("{text:?} is not like +07:00"));
    let (sign, rest) = text.split_at_checked(1).ok_or_else(bad)?;
    let (hours, minutes) = rest.split_once(':').ok_or_else(bad)?;
    let number = |text: &str| text.parse::<i32>().ok().filter(|_| text.len() == 2).ok_or_else(bad);
    let seconds = number(hours)? * 3600 + number(minutes)? * 60;
    match sign {
        "+" => Ok(seconds),
        "-" => Ok(-seconds),
        _ => Err(bad()),
    }
}

fn field(key: &'static str, text: Option<&FieldText>) -> Result<Option<Field>, Fault> {
    let Some(FieldText { header, json, form, query, claim }) = text else { return Ok(None) };
    if let (Some(path), None, None, None, None) = (claim, header, json, form, query) {
        return Ok(Some(Field::Claim(json_path(key, path)?)));
    }
    if claim.is_some() {
        return Err(fault(key, ONE_FIELD));
    }
    Ok(Some(match (header.as_deref(), json, form.as_deref(), query.as_deref()) {
        (Some(name), None, None, None) if !name.is_empty() => Field::Header(name.into()),
        (None, Some(path), None, None) => Field::Json(json_path(key, path)?),
        (None, None, Some(name), None) if !name.is_empty() => Field::Form(name.into()),
        (None, None, None, Some(name)) if !name.is_empty() => Field::Query(name.into()),
        _ => return Err(fault(key, ONE_FIELD)),
    }))
}

const ONE_FIELD: &str =
    "one of header = \"Name\", json = \"member\", form = \"field\", query = \"name\", claim = \"name\" is accepted";

/// A member's path, as in `event.type` or `/event/type`.
///
/// # Errors
/// A part of it is empty.
pub fn json_path(key: &'static str, text: &str) -> Result<JsonPath, Fault> {
    JsonPath::parse(text).ok_or_else(|| fault(key, format!("{text:?} is not a member's path such as event.type")))
}

/// A definition's parts that a template reads, with the members that its rules read.
#[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
pub(super) fn members_of(template: &Template, members: &mut Vec<JsonPath>) {
    let mut add = |path: JsonPath| {
        if !members.contains(&path) {
            members.push(path);
        }
    };
    template.visit(&mut |piece| match piece {
        Piece::Json(path) | Piece::Raw(path) => add(path.clone()),
        Piece::Special(special) => special.members().iter().filter_map(|path| JsonPath::parse(path)).for_each(&mut add),
        _ => {}
    });
}

/// A definition's named templates.
pub(super) type Lets = BTreeMap<String, String>;
