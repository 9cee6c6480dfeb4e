//! A definition by environment: a provider of one's own, or a catalogue's with the settings that its file leaves open.

use super::definition::{Fault, fault};
use super::public_key::family;
use super::text::{Definition, JwksText, KeysText, OneOrMany, SignatureText, TimestampText};
use crate::auth::scheme::Scheme;
use crate::auth::signature::SignatureAlgorithm;

/// A route's own definition, by environment. Empty fields have the usual values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomFields {
    /// `SCHEME`: hmac (default), token, ed25519, ecdsa, rsa or jwt.
    pub scheme: Option<String>,
    /// `ALGORITHM`.
    pub algorithm: Option<String>,
    /// `ECDSA_FORM`.
    pub ecdsa_form: Option<String>,
    /// `SIGNATURE_HEADER`.
    pub signature_header: Option<String>,
    /// `SIGNATURE_FORMAT`.
    pub signature_format: Option<String>,
    /// `SIGNATURE_ENCODING`.
    pub signature_encoding: Option<String>,
    /// `SIGNED_CONTENT`.
    pub signed_content: Option<String>,
    /// `TIMESTAMP_HEADER`.
    pub timestamp_header: Option<String>,
    /// `TIMESTAMP_UNIT`.
    pub timestamp_unit: Option<String>,
    /// `SECRET_ENCODING`.
    pub secret_encoding: Option<String>,
}

impl CustomFields {
    /// The names of those that are set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("SCHEME", &self.scheme),
            ("ALGORITHM", &self.algorithm),
            ("ECDSA_FORM", &self.ecdsa_form),
            ("SIGNATURE_HEADER", &self.signature_header),
            ("SIGNATURE_FORMAT", &self.signature_format),
            ("SIGNATURE_ENCODING", &self.signature_encoding),
            ("SIGNED_CONTENT", &self.signed_content),
            ("TIMESTAMP_HEADER", &self.timestamp_header),
            ("TIMESTAMP_UNIT", &self.timestamp_unit),
            ("SECRET_ENCODING", &self.secret_encoding),
        ];
        fields.map(|(name, value)| value.as_ref().map(|_| name)).into_iter().flatten()
    }
}

/// Compiles a route's own definition.
///
/// # Errors
/// Every [`Fault`], each with the key that a file would have; [`custom_field`] names the variable's field.
pub fn custom(fields: &CustomFields) -> Result<Scheme, Vec<Fault>> {
    let scheme = fields.scheme.clone().unwrap_or_else(|| "hmac".into());
    if !["hmac", "token", "ed25519", "ecdsa", "rsa", "jwt"].contains(&scheme.as_str()) {
        let accepted = "accepted are hmac, token, ed25519, ecdsa, rsa, jwt";
        return Err(vec![fault("scheme", format!("{scheme:?} is not known; {accepted}"))]);
    }
    let algorithms = algorithms(&scheme);
    // Public keys may come as a set; shared ones never do.
    let is_shared = fields.algorithm.as_ref().is_none_or(|text| text.starts_with("HS"));
    let keys = (scheme == "jwt" && !is_shared)
        .then(|| KeysText { jwks: Some(JwksText::Somewhere(true)), ..KeysText::default() });
    let format = fields.signature_format.clone();
    let from = match &fields.timestamp_header {
        Some(name) => Some(format!("header:{name}")),
        None => format.as_ref().is_some_and(|text| text.contains("{timestamp}")).then(|| "signature".to_owned()),
    };
    if fields.timestamp_unit.is_some() && from.is_none() {
        return Err(vec![fault("timestamp.unit", "there is no timestamp that it could be the unit of")]);
    }
    let mut definition = Definition {
        scheme,
        algorithm: fields.algorithm.clone().map(|algorithm| OneOrMany(vec![algorithm])),
        ecdsa_form: fields.ecdsa_form.clone(),
        keys,
        signature: Some(SignatureText {
            header: fields.signature_header.clone(),
            format: format.map(|format| OneOrMany(vec![format])),
            encoding: fields.signature_encoding.clone(),
            ..SignatureText::default()
        }),
        signed: fields.signed_content.clone().map(|signed| OneOrMany(vec![signed])),
        timestamp: from.map(|from| TimestampText { from, unit: fields.timestamp_unit.clone(), offset: None }),
        ..Definition::default()
    };
    definition.secret.encoding.clone_from(&fields.secret_encoding);
    if family(&definition.scheme).is_some() {
        // Where the user has the keys as a set; then all of them are tried.
        definition.keys = Some(KeysText { jwks: Some(JwksText::Somewhere(true)), ..KeysText::default() });
    }
    let mut faults = Vec::new();
    if definition.scheme != "jwt" {
        faults.extend(unknown("algorithm", fields.algorithm.as_deref(), &algorithms));
    }
    faults.extend(unknown("secret.encoding", fields.secret_encoding.as_deref(), &["text", "hex", "base64"]));
    match definition.compile() {
        Ok(scheme) if faults.is_empty() => Ok(scheme),
        Ok(_) => Err(faults),
        Err(others) => {
            let is_new = |fault: &Fault| !faults.iter().any(|known| known.key == fault.key);
            let new: Vec<_> = others.into_iter().filter(is_new).collect();
            faults.extend(new);
            Err(faults)
        }
    }
}

/// The algorithms that a new scheme may have.
fn algorithms(scheme: &str) -> Vec<&'static str> {
    match family(scheme) {
        None => vec!["sha1", "sha256", "sha384", "sha512"],
        Some(family) => {
            let of_family = SignatureAlgorithm::all().filter(|algorithm| algorithm.family() == family);
            of_family.map(SignatureAlgorithm::name).filter(|name| !name.ends_with("_sha1")).collect()
        }
    }
}

/// What the catalogue needs for providers that cannot do better is not offered to new schemes.
fn unknown(key: &'static str, text: Option<&str>, known: &[&str]) -> Option<Fault> {
    let text = text.filter(|text| !known.contains(text))?;
    Some(fault(key, format!("{text:?} is not known; accepted are {}", known.join(", "))))
}

impl Definition {
    /// The definition with the settings that it leaves open. What it does not leave open is not looked at.
    pub(super) fn with(&self, fields: &CustomFields) -> Self {
        let mut with = self.clone();
        let signature = with.signature.get_or_insert_default();
        let set = |place: &mut Option<String>, value: &Option<String>| {
            if value.is_some() {
                place.clone_from(value);
            }
        };
        if let Some(algorithm) = &fields.algorithm {
            with.algorithm = Some(OneOrMany(vec![algorithm.clone()]));
        }
        set(&mut signature.header, &fields.signature_header);
        set(&mut signature.encoding, &fields.signature_encoding);
        set(&mut with.secret.encoding, &fields.secret_encoding);
        if let (Some(timestamp), Some(name)) = (&mut with.timestamp, &fields.timestamp_header) {
            timestamp.from = format!("header:{name}");
        }
        if self.signature.is_none() && fields.signature_header.is_none() {
            with.signature = None;
        }
        with
    }
}

/// The route field that a definition's key is called in the environment.
#[must_use]
pub fn custom_field(key: &str) -> &'static str {
    match key {
        "algorithm" => "ALGORITHM",
        "ecdsa_form" => "ECDSA_FORM",
        "signature.header" => "SIGNATURE_HEADER",
        "signature.format" | "signature.separator" => "SIGNATURE_FORMAT",
        "signature.encoding" => "SIGNATURE_ENCODING",
        "signed" => "SIGNED_CONTENT",
        "timestamp" | "timestamp.from" => "TIMESTAMP_HEADER",
        "timestamp.unit" => "TIMESTAMP_UNIT",
        "secret.encoding" => "SECRET_ENCODING",
        _ => "SCHEME",
    }
}
