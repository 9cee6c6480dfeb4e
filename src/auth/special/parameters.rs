//! Sorted parameters, each provider's own way.

use std::borrow::Cow;

use crate::auth::form;
use crate::http1::Message;
use crate::json;

type Pairs<'m> = Vec<(Cow<'m, [u8]>, Cow<'m, [u8]>)>;

fn sorted(form: &[u8]) -> Option<Pairs<'_>> {
    if form::is_too_long(form) {
        return None;
    }
    let mut pairs: Pairs<'_> = form::parse(form).collect();
    pairs.sort();
    Some(pairs)
}

/// Plivo V3: the URL without its query; the query's sorted parameters; for a form its sorted fields.
///
/// A body that is no form is bound by nothing, so it is refused.
pub(super) fn plivo_v3(message: &Message<'_>, url: (&[u8], &[u8]), sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let query = sorted(message.query().unwrap_or_default())?;
    let fields = match message.body {
        b"" => Vec::new(),
        body if form::is_urlencoded(message) && message.method() != b"GET" => sorted(body)?,
        _ => return None,
    };
    sink(url.0);
    sink(url.1);
    if !query.is_empty() || !fields.is_empty() {
        sink(b"?");
    }
    for (index, (name, value)) in query.iter().enumerate() {
        if index > 0 {
            sink(b"&");
        }
        sink(name);
        sink(b"=");
        sink(value);
    }
    if !query.is_empty() && !fields.is_empty() {
        sink(b".");
    }
    for (name, value) in &fields {
        sink(name);
        sink(value);
    }
    Some(())
}

/// Paddle Classic: `a:2:{s:1:"a";s:1:"1";s:1:"b";s:1:"2";}`, lengths in bytes, sorted by name, without `p_signature`.
///
/// A name that stands twice or would be an array's to PHP is refused: it would not be signed as it is read.
pub(super) fn paddle_classic(message: &Message<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    if !form::is_urlencoded(message) {
        return None;
    }
    let mut pairs = sorted(message.body)?;
    let twice = pairs.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other));
    if twice || pairs.iter().any(|(name, _)| name.contains(&b'[')) {
        return None;
    }
    pairs.retain(|(name, _)| **name != *b"p_signature");
    sink(format!("a:{}:{{", pairs.len()).as_bytes());
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        sink(format!("s:{}:\"", text.len()).as_bytes());
        sink(text);
        sink(b"\";");
    }
    sink(b"}");
    Some(())
}

/// `MessageBird`: `name=value`, encoded as forms are, sorted by name.
pub(super) fn messagebird_query(message: &Message<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let encode = |text: &[u8]| {
        let mut text = form::encode(text, |byte| form::is_unreserved(byte) || byte == b' ');
        text.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'+');
        text
    };
    for (index, (name, value)) in sorted(message.query().unwrap_or_default())?.iter().enumerate() {
        if index > 0 {
            sink(b"&");
        }
        sink(&encode(name));
        sink(b"=");
        sink(&encode(value));
    }
    Some(())
}

/// Atlassian Connect: the method, the path without a slash at its end, and the query in the order of names without `jwt`,
/// each value escaped as RFC 3986 has it and several of one name joined by commas.
pub(super) fn atlassian_qsh(message: &Message<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let path = message.path();
    let path = path.strip_suffix(b"/").filter(|path| !path.is_empty()).unwrap_or(path);
    sink(message.method());
    sink(b"&");
    for (index, part) in path.split(|&byte| byte == b'&').enumerate() {
        if index > 0 {
            sink(b"%26");
        }
        sink(part);
    }
    sink(b"&");
    let pairs = sorted(message.query().unwrap_or_default())?;
    let mut last: Option<&[u8]> = None;
    for (name, value) in pairs.iter().filter(|(name, _)| **name != *b"jwt") {
        if last == Some(&**name) {
            sink(b",");
        } else {
            if last.is_some() {
                sink(b"&");
            }
            sink(&form::encode(name, form::is_unreserved));
            sink(b"=");
        }
        sink(&form::encode(value, form::is_unreserved));
        last = Some(name);
    }
    Some(())
}

/// Vonage: `&name=value` in the order of names, of the form, the JSON object or, without a body, the query; `&` and `=`
/// in values are `_`. A name that stands twice is refused.
pub(super) fn vonage(message: &Message<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let mut pairs = match message.body {
        b"" => sorted(message.query().unwrap_or_default())?,
        body if form::is_urlencoded(message) => sorted(body)?,
        body => scalars(body)?,
    };
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return None;
    }
    pairs.retain(|(name, _)| **name != *b"sig");
    for (name, value) in &pairs {
        sink(b"&");
        sink(name);
        sink(b"=");
        let plain: Vec<u8> = value.iter().map(|byte| if b"&=".contains(byte) { b'_' } else { *byte }).collect();
        sink(&plain);
    }
    Some(())
}

fn scalars(object: &[u8]) -> Option<Pairs<'_>> {
    json::scan(object, &[], &mut []).ok()?;
    let object = object.trim_ascii();
    let mut pairs = Vec::new();
    for (name, value) in json::entries(object, form::MAX_PARAMETERS)? {
        pairs.push((json::scalar(name.get(object))?, json::scalar(value.get(object))?));
    }
    pairs.sort();
    Some(pairs)
}
