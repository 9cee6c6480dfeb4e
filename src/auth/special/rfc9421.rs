//! The signature base of RFC 9421 section 2.5, for one signature that binds the whole request.
//!
//! Of what the standard allows, that is taken which a webhook needs: plain field components, the derived components of
//! a request, no component parameters. What a signature must cover here: the method, where it goes, and the body by
//! `content-digest` (RFC 9530), which is checked. Anything else is refused rather than half understood.

use data_encoding::BASE64;

use crate::auth::mac::hash;
use crate::auth::scheme::Algorithm;
use crate::http1::Message;

/// The most components. Webhook senders cover up to ten.
const MAX_COMPONENTS: usize = 32;

/// Feeds the base. `None`: the announcement is not understood, or leaves something out.
pub(super) fn feed_base(message: &Message<'_>, url: (&[u8], &[u8]), sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let input = str::from_utf8(message.field("signature-input").ok()??).ok()?;
    let (label, rest) = input.split_once('=')?;
    let (list, parameters) = rest.strip_prefix('(')?.split_once(')')?;
    let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte);
    // A second signature's announcement starts with a comma, and no parameter that is known here has one.
    if label.is_empty() || !label.bytes().all(is_key) || parameters.contains(',') || !parameters.starts_with(';') {
        return None;
    }
    // The one signature must be the one that is announced; while it is being made there is none.
    let signature = message.field("signature").ok()?;
    let is_announced =
        |signature: &[u8]| signature.strip_prefix(label.as_bytes()).is_some_and(|rest| rest.starts_with(b"=:"));
    if !signature.is_none_or(is_announced) {
        return None;
    }
    let components: Vec<_> = list.split(' ').filter(|component| !component.is_empty()).collect();
    if components.len() > MAX_COMPONENTS || !covers_enough(&components, message) {
        return None;
    }
    for (index, component) in components.iter().enumerate() {
        let name = component.strip_prefix('"')?.strip_suffix('"')?;
        if components[..index].contains(component) || name.contains('"') {
            return None;
        }
        sink(component.as_bytes());
        sink(b": ");
        feed_component(name, message, url, sink)?;
        sink(b"\n");
    }
    sink(b"\"@signature-params\": ");
    sink(rest.as_bytes());
    Some(())
}

fn covers_enough(components: &[&str], message: &Message<'_>) -> bool {
    let covers = |name: &str| components.iter().any(|component| component.trim_matches('"') == name);
    let place = covers("@target-uri")
        || (covers("@authority") && (covers("@request-target") || covers("@path") && covers("@query")))
        || (covers("@authority") && covers("@path") && message.query().is_none());
    // A digest that is covered is checked even if no body came: it may have been cut off.
    let body = if covers("content-digest") { digest_holds(message) } else { message.body.is_empty() };
    covers("@method") && place && body
}

/// Whether the one `Content-Digest` is that of the body. Unknown digests beside it do not count.
fn digest_holds(message: &Message<'_>) -> bool {
    let Some(text) = message.field("content-digest").ok().flatten().and_then(|text| str::from_utf8(text).ok()) else {
        return false;
    };
    let digests = text.split(',').map(str::trim).filter_map(|member| {
        let (name, value) = member.split_once('=')?;
        let algorithm = match name {
            "sha-256" => Algorithm::Sha256,
            "sha-512" => Algorithm::Sha512,
            _ => return None,
        };
        Some((algorithm, BASE64.decode(value.strip_prefix(':')?.strip_suffix(':')?.as_bytes()).ok()))
    });
    let held: Vec<bool> = digests
        .map(|(algorithm, digest)| digest.is_some_and(|digest| digest == hash(algorithm, message.body).as_bytes()))
        .collect();
    !held.is_empty() && held.iter().all(|held| *held)
}

fn feed_component(name: &str, message: &Message<'_>, url: (&[u8], &[u8]), sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let whole = [url.0, url.1].concat();
    let after_scheme = || {
        let at = memchr::memmem::find(&whole, b"://")?;
        Some((whole.get(..at)?, whole.get(at + 3..)?))
    };
    let query = |sink: &mut dyn FnMut(&[u8])| {
        if let Some(query) = message.query() {
            sink(b"?");
            sink(query);
        }
    };
    match name {
        "@method" => sink(message.method()),
        "@path" => sink(message.path()),
        "@query" => {
            sink(b"?");
            sink(message.query().unwrap_or_default());
        }
        "@request-target" => {
            sink(message.path());
            query(sink);
        }
        "@target-uri" => {
            sink(&whole);
            query(sink);
        }
        "@scheme" => sink(&after_scheme()?.0.to_ascii_lowercase()),
        "@authority" => {
            let rest = after_scheme()?.1;
            let authority = rest.split(|&byte| byte == b'/').next()?.to_ascii_lowercase();
            sink(authority.strip_suffix(b":443").unwrap_or(&authority));
        }
        _ if name.starts_with('@') || name.bytes().any(|byte| byte.is_ascii_uppercase()) => return None,
        field => sink(message.field(field).ok()??),
    }
    Some(())
}
