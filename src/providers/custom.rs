//! A definition by environment: a provider of one's own, or a catalogue's with the settings that its file leaves open.

use super::definition::{Fault, fault};
use super::text::{Definition, OneOrMany, SignatureText, TimestampText};
use crate::auth::scheme::Scheme;

/// A route's own definition, by environment. Empty fields have the usual values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomFields {
    /// `SCHEME`: hmac (default) or token.
    pub scheme: Option<String>,
    /// `ALGORITHM`.
    pub algorithm: Option<String>,
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
    if !["hmac", "token"].contains(&scheme.as_str()) {
        return Err(vec![fault("scheme", format!("{scheme:?} is not known; accepted are hmac, token"))]);
    }
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
        algorithm: fields.algorithm.clone(),
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
    let mut faults = Vec::new();
    faults.extend(unknown("algorithm", fields.algorithm.as_deref(), &["sha1", "sha256", "sha384", "sha512"]));
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
        set(&mut with.algorithm, &fields.algorithm);
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
