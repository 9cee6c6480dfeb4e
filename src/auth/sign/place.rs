//! Where a signature is put into a draft: a header field, a parameter, a member, a field of the form, the path.

use serde_json::Value;

use crate::auth::form::{self, is_unreserved};
use crate::auth::scheme::{JsonPath, Scheme, SignaturePlace};

use super::{Draft, SignFault};

const JSON: SignFault = SignFault::Body("JSON with a place for it");

/// Makes room in a JSON body for a signature that stands in it, so that content which is made of the body has it.
pub(super) fn reserve(scheme: &Scheme, draft: &mut Draft) -> Result<(), SignFault> {
    if let (SignaturePlace::Json(path), None) = (&scheme.signature.place, &scheme.each) {
        return put_member(scheme, draft, path, "");
    }
    Ok(())
}

/// Puts the signature where it stands.
pub(super) fn put(scheme: &Scheme, draft: &mut Draft, value: &str) -> Result<(), SignFault> {
    let sealed = (!scheme.signature.envelope.is_empty()).then(|| sealed(&scheme.signature.envelope, value));
    let value = sealed.as_deref().unwrap_or(value);
    match &scheme.signature.place {
        SignaturePlace::Header | SignaturePlace::RepeatedHeader => {
            draft.headers.push((scheme.signature.header.to_string(), value.to_owned()));
        }
        SignaturePlace::Headers { names, all } => {
            let count = if *all { names.len() } else { 1 };
            names.iter().take(count).for_each(|name| draft.headers.push((name.to_string(), value.to_owned())));
        }
        SignaturePlace::NumberedHeaders(prefix) => draft.headers.push((format!("{prefix}1"), value.to_owned())),
        SignaturePlace::Query(name) => set_query(draft, name, value),
        SignaturePlace::Form(name) => set_form(draft, name, value),
        SignaturePlace::Json(path) => return put_member(scheme, draft, path, value),
        SignaturePlace::HttpSignature(rules) => {
            draft.headers.push(("Signature".to_owned(), format!("{}=:{value}:", rules.new_label())));
        }
        SignaturePlace::Body => draft.body = value.as_bytes().to_vec(),
        SignaturePlace::Nowhere => {}
        SignaturePlace::PathSegment => {
            let (path, query) = draft.url.split_at(draft.url.find('?').unwrap_or(draft.url.len()));
            draft.url = format!("{}/{value}{query}", path.trim_end_matches('/'));
        }
    }
    Ok(())
}

/// A value's parts as members of a JSON object in base64.
fn sealed(members: &[JsonPath], value: &str) -> String {
    let mut envelope = Value::Object(serde_json::Map::new());
    for (path, part) in members.iter().zip(value.split(';')) {
        insert(&mut envelope, &path.0, part.into());
    }
    data_encoding::BASE64.encode(envelope.to_string().as_bytes())
}

/// Signs every element of the body's array.
pub(super) fn each(
    array: &JsonPath,
    mut draft: Draft,
    place: &SignaturePlace,
    signature: impl Fn(&Draft, &[u8]) -> Result<String, SignFault>,
) -> Result<Draft, SignFault> {
    let SignaturePlace::Json(path) = place else { return Err(JSON) };
    let mut document: Value = serde_json::from_slice(&draft.body).map_err(|_| JSON)?;
    let mut at = &mut document;
    for part in &array.0 {
        at = at.as_object_mut().and_then(|object| object.get_mut(&**part)).ok_or(JSON)?;
    }
    for element in at.as_array_mut().ok_or(JSON)? {
        let text = element.to_string();
        let value = signature(&draft, text.as_bytes())?;
        insert(element, &path.0, value.into());
    }
    draft.body = document.to_string().into_bytes();
    Ok(draft)
}

fn put_member(scheme: &Scheme, draft: &mut Draft, path: &JsonPath, value: &str) -> Result<(), SignFault> {
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).ok().filter(|value| !is_scalar(value));
    match &scheme.document {
        None => {
            let mut document = parse(&draft.body).ok_or(JSON)?;
            insert(&mut document, &path.0, value.into());
            draft.body = document.to_string().into_bytes();
        }
        Some(name) => {
            let pairs = form::parse(&draft.body).find(|(found, _)| **found == *name.as_bytes());
            let mut document = pairs.and_then(|(_, text)| parse(&text)).ok_or(JSON)?;
            insert(&mut document, &path.0, value.into());
            set_form(draft, name, &document.to_string());
        }
    }
    Ok(())
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// Puts a value at a path, and makes the objects and arrays on the way.
pub(super) fn insert(at: &mut Value, path: &[Box<str>], value: Value) {
    let Some((part, rest)) = path.split_first() else {
        *at = value;
        return;
    };
    if is_scalar(at) {
        let is_index = part.bytes().all(|byte| byte.is_ascii_digit());
        *at = if is_index { Value::Array(Vec::new()) } else { Value::Object(serde_json::Map::new()) };
    }
    if let Value::Object(object) = at {
        insert(object.entry(&**part).or_insert(Value::Null), rest, value);
    } else if let Value::Array(array) = at {
        let index = part.parse().unwrap_or(0).min(MAX_INDEX);
        if array.len() <= index {
            array.resize(index + 1, Value::Null);
        }
        if let Some(element) = array.get_mut(index) {
            insert(element, rest, value);
        }
    }
}

/// The last element that is made for a path: definitions name the first ones.
const MAX_INDEX: usize = 16;

/// Sets a member of a JSON body that a sample left open.
pub(super) fn set_sampled(draft: &mut Draft, path: &JsonPath, value: &str) {
    let pointer: String = path.0.iter().flat_map(|part| ["/", part]).collect();
    let Ok(mut document) = serde_json::from_slice::<Value>(&draft.body) else { return };
    if let Some(member) = document.pointer_mut(&pointer).filter(|member| *member == SAMPLED) {
        *member = value.into();
        draft.body = document.to_string().into_bytes();
    }
}

/// What a sample says where nothing is known.
pub(super) const SAMPLED: &str = "1";

/// Whether the URL has a parameter.
pub(super) fn has_query(draft: &Draft, name: &str) -> bool {
    let query = draft.url.split_once('?').map_or("", |(_, query)| query);
    form::parse(query.as_bytes()).any(|(found, _)| *found == *name.as_bytes())
}

/// Sets a parameter of the URL.
pub(super) fn set_query(draft: &mut Draft, name: &str, value: &str) {
    let (path, query) = draft.url.split_once('?').unwrap_or((&draft.url, ""));
    draft.url = format!("{path}?{}", set(query, name, value));
}

/// Sets a field of the form.
pub(super) fn set_form(draft: &mut Draft, name: &str, value: &str) {
    draft.body = set(&String::from_utf8_lossy(&draft.body), name, value).into_bytes();
}

fn set(form: &str, name: &str, value: &str) -> String {
    let others = form.split('&').filter(|pair| !pair.is_empty());
    let is_other =
        |pair: &&str| form::parse(pair.as_bytes()).next().is_none_or(|(found, _)| *found != *name.as_bytes());
    let mut pairs: Vec<_> = others.filter(is_other).map(str::to_owned).collect();
    pairs.push(format!("{}={}", encoded(name), encoded(value)));
    pairs.join("&")
}

pub(super) fn encoded(text: &str) -> String {
    String::from_utf8_lossy(&form::encode(text.as_bytes(), is_unreserved)).into_owned()
}
