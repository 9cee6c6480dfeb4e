//! Where a signature stands and the grammar of its value, from a definition's texts.

use crate::auth::extract::{Format, Item, ItemValue, MAX_CAPTURES};
use crate::auth::scheme::{Encoding, Signature, SignaturePlace};
use crate::auth::template::Names;

use super::definition::{Fault, fault, json_path, word};
use super::text::SignatureText;

/// The most values of one item, and the most header fields with signatures.
const MOST: (usize, usize) = (4, 8);

/// Compiles the signature of a definition.
pub(super) fn compile(
    text: &SignatureText,
    algorithm: &str,
    names: &Names<'_>,
    is_token: bool,
) -> Result<Signature, Fault> {
    let (header, place) = place(text)?;
    if place == SignaturePlace::PathSegment && !is_token {
        return Err(fault("signature.path", "only a token stands in the path"));
    }
    let texts = text.format.as_ref().map_or_else(|| vec!["{signature}"], |formats| formats.texts());
    let format = |format: &&str| self::format(text, &format.replace("{algorithm}", algorithm), names);
    let mut formats = texts.iter().map(format).collect::<Result<Vec<_>, _>>()?.into_iter();
    let none = || fault("signature.format", "the list is empty");
    let format = formats.next().ok_or_else(none)?;
    let encoding = word(
        "signature.encoding",
        text.encoding.as_deref().unwrap_or("hex"),
        &[
            ("hex", Encoding::Hex),
            ("hex_upper", Encoding::HexUpper),
            ("base64", Encoding::Base64),
            ("base64url", Encoding::Base64Url),
            ("base64_hex", Encoding::Base64Hex),
        ],
    )?;
    let captures: Box<[Box<str>]> = names.captures.borrow().iter().map(|name| name.as_str().into()).collect();
    if captures.len() > MAX_CAPTURES {
        return Err(fault("signature.format", format!("at most {MAX_CAPTURES} captures can be read")));
    }
    let envelope = text.envelope.iter().map(|path| json_path("signature.envelope", path));
    let envelope = envelope.collect::<Result<_, _>>()?;
    let (other_formats, written) = (formats.collect(), texts.join(" or ").into());
    Ok(Signature { header, place, format, other_formats, envelope, encoding, written, captures })
}

/// A token: it has an encoding of its own.
pub(super) fn token(text: &SignatureText, names: &Names<'_>) -> Result<Signature, Fault> {
    if text.encoding.is_some() {
        return Err(fault("signature.encoding", "a token has its own"));
    }
    let mut signature = compile(text, "", names, true)?;
    if matches!(signature.place, SignaturePlace::RepeatedHeader | SignaturePlace::NumberedHeaders(_)) {
        return Err(fault("signature", "a message has one token"));
    }
    if signature.place == SignaturePlace::Body && text.format.is_some() {
        return Err(fault("signature.format", "the body is the token itself"));
    }
    signature.encoding = Encoding::Base64Url;
    Ok(signature)
}

/// No signature: the connection is the proof.
pub(super) fn nowhere(text: Option<&SignatureText>) -> Result<Signature, Fault> {
    if text.is_some() {
        return Err(fault("signature", "a client's certificate is shown to TLS, and stands in no message"));
    }
    Ok(Signature {
        header: "".into(),
        place: SignaturePlace::Nowhere,
        format: Format::whole(),
        other_formats: Box::new([]),
        encoding: Encoding::Hex,
        written: "".into(),
        captures: Box::new([]),
        envelope: Box::new([]),
    })
}

/// HTTP Basic (RFC 7617).
pub(super) fn basic(text: Option<&SignatureText>) -> Result<Signature, Fault> {
    if text.is_some() {
        return Err(fault(
            "signature",
            "scheme = \"basic\" stands in Authorization; use scheme = \"token\" for others",
        ));
    }
    let text = SignatureText { header: Some("Authorization".into()), ..SignatureText::default() };
    let mut signature = compile(&text, "", &Names::default(), true)?;
    if let [item] = &mut *signature.format.items {
        item.prefix = "Basic ".into();
    }
    signature.written = "Basic {token}".into();
    Ok(signature)
}

fn place(text: &SignatureText) -> Result<(Box<str>, SignaturePlace), Fault> {
    let SignatureText { header, headers, require, query, json, form, path, body, .. } = text;
    let all = require
        .as_deref()
        .map_or(Ok(false), |text| word("signature.require", text, &[("any", false), ("all", true)]))?;
    let mut places = Vec::new();
    if let Some(name) = header.as_deref() {
        places.push(match name.strip_suffix('*') {
            Some(prefix) => {
                let prefix = header_name("signature.header", prefix)?;
                (prefix.clone(), SignaturePlace::NumberedHeaders(prefix))
            }
            None if text.repeated => (header_name("signature.header", name)?, SignaturePlace::RepeatedHeader),
            None => (header_name("signature.header", name)?, SignaturePlace::Header),
        });
    }
    if let Some(first) = headers.first() {
        if headers.len() > MOST.1 {
            return Err(fault("signature.headers", format!("at most {} are accepted", MOST.1)));
        }
        let names = headers.iter().map(|name| header_name("signature.headers", name)).collect::<Result<_, _>>()?;
        places.push((first.as_str().into(), SignaturePlace::Headers { names, all }));
    }
    places.extend(query.as_deref().map(|name| ("".into(), SignaturePlace::Query(name.into()))));
    places.extend(form.as_deref().map(|name| ("".into(), SignaturePlace::Form(name.into()))));
    if let Some(path) = json {
        places.push(("".into(), SignaturePlace::Json(json_path("signature.json", path)?)));
    }
    places.extend(path.then(|| ("".into(), SignaturePlace::PathSegment)));
    places.extend(body.then(|| ("".into(), SignaturePlace::Body)));
    match <[_; 1]>::try_from(places) {
        Ok([place]) => Ok(place),
        Err(places) if places.is_empty() => {
            Err(fault("signature.header", "the name of the header field that carries the signature is missing"))
        }
        Err(_) => Err(fault("signature", "exactly one of header, headers, query, json, form, path, body is accepted")),
    }
}

/// A header field's name (RFC 9110 section 5.6.2).
pub(super) fn header_name(key: &'static str, name: &str) -> Result<Box<str>, Fault> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        return Ok(name.into());
    }
    let problem = if name.is_empty() {
        "the name of the header field that carries the signature is missing".to_owned()
    } else {
        format!("{name:?} is not a header field's name")
    };
    Err(fault(key, problem))
}

fn format(text: &SignatureText, format: &str, names: &Names<'_>) -> Result<Format, Fault> {
    // `v1,{signature}[ v1,{signature}...]` says in one text that the item may be repeated, and after what.
    let (once, repeated) = match format.split_once('[') {
        Some((once, tail)) => (once, tail.bytes().next()),
        None => (format, None),
    };
    let many = text.many || repeated.is_some();
    let explicit = one_byte("signature.separator", text.separator.as_deref())?;
    let separator = explicit.or(repeated).or_else(|| inferred_separator(once, many));
    let parts = match (explicit, separator) {
        // One that is stated stands between items wherever it stands.
        (Some(separator), _) => split_outside(once, separator),
        (None, Some(separator)) if splits(once, separator) => once.split(char::from(separator)).collect(),
        _ => vec![once],
    };
    let items = parts.iter().map(|part| item(part.trim(), names)).collect::<Result<Box<[_]>, _>>()?;
    let built = Format {
        separator,
        group: one_byte("signature.groups", text.groups.as_deref())?,
        positional: items.iter().filter(|item| item.prefix.is_empty()).count() > 1,
        many,
        items,
    };
    let signatures = built.values().filter(|value| *value == ItemValue::Signature).count();
    let optional = built.items.iter().filter(|item| item.optional).count();
    if signatures == 0 || signatures > 1 && optional < signatures {
        return Err(fault("signature.format", "exactly one {signature} is needed, or several that may be empty"));
    }
    Ok(built)
}

fn one_byte(key: &'static str, text: Option<&str>) -> Result<Option<u8>, Fault> {
    match text.map(str::as_bytes) {
        None => Ok(None),
        Some([byte]) => Ok(Some(*byte)),
        Some(_) => Err(fault(key, "one character is accepted")),
    }
}

/// Parts between separators that stand outside of placeholders and quotes.
fn split_outside(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut braced) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'{' => braced = true,
            b'}' => braced = false,
            _ if byte == separator && !quoted && !braced => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    // A separator that leaves a part without a placeholder is that part's own text: `v1,{signature}` in a list by blanks.
    parts
}

/// `,` where it leaves every part with a placeholder of its own, a blank where items may be repeated, or nothing.
fn inferred_separator(format: &str, many: bool) -> Option<u8> {
    if splits(format, b',') && (many || format.contains(',')) {
        return Some(b',');
    }
    many.then_some(b' ')
}

fn splits(format: &str, separator: u8) -> bool {
    format.split(char::from(separator)).all(|item| item.matches('{').count() == 1)
}

/// Text and placeholders in turn.
fn item(text: &str, names: &Names<'_>) -> Result<Item, Fault> {
    let bad = || {
        let accepted = "an item is text and then {signature} or {timestamp}, as in t={timestamp},v1={signature}";
        fault("signature.format", format!("{text:?} is not an item; {accepted}"))
    };
    let Some((prefix, mut rest)) = text.split_once('{') else {
        if text.is_empty() {
            return Err(bad());
        }
        let (prefix, value) = (text.into(), ItemValue::Text);
        return Ok(Item { prefix, value, more: Box::new([]), suffix: "".into(), optional: false });
    };
    let (mut values, mut literal, mut optional) = (Vec::new(), "", false);
    let suffix = loop {
        let (name, after) = rest.split_once('}').ok_or_else(bad)?;
        let bare = name.strip_suffix('?').unwrap_or(name);
        optional |= bare != name;
        values.push((literal.into(), value(bare, names).ok_or_else(bad)?));
        match after.split_once('{') {
            // Two values without text between them cannot be told apart.
            Some(("", _)) => return Err(bad()),
            Some((between, next)) => (literal, rest) = (between, next),
            None => break after,
        }
    };
    if values.len() > MOST.0 {
        return Err(fault("signature.format", format!("an item has at most {} values", MOST.0)));
    }
    let (_, value): (Box<str>, _) = values.remove(0);
    Ok(Item { prefix: prefix.into(), value, more: values.into(), suffix: suffix.into(), optional })
}

fn value(name: &str, names: &Names<'_>) -> Option<ItemValue> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
    match name {
        "signature" | "token" => Some(ItemValue::Signature),
        "timestamp" => Some(ItemValue::Timestamp),
        // A misspelt one would be passed over in silence.
        _ if !is_name || ["sig", "hash", "ts", "time"].contains(&name) => None,
        _ => Some(match names.captures.borrow().iter().position(|capture| capture == name) {
            Some(index) => ItemValue::Capture(index),
            None => names.parts.iter().position(|part| part == name).map_or(ItemValue::Ignored, ItemValue::Part),
        }),
    }
}
