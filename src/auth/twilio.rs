//! Form parameters in the order in which Twilio signs them, and its rule for every other body.
//!
//! Source: <https://www.twilio.com/docs/usage/security#validating-requests>. Parameters are sorted by name, then by
//! distinct value; each name is followed by its decoded value. A body that is no form is signed only through the query
//! parameter `bodySHA256` of the signed URL; one without it is bound by nothing, so it is refused.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::http1::Message;

use super::form;

/// Feeds the parameters to `sink`. False: the body is not bound by the signature.
pub(super) fn feed_sorted(message: &Message<'_>, sink: &mut dyn FnMut(&[u8])) -> bool {
    if message.body.is_empty() {
        return true;
    }
    if !form::is_urlencoded(message) {
        return binds_by_digest(message);
    }
    if form::is_too_long(message.body) {
        return false;
    }
    let mut parameters: Vec<_> = form::parse(message.body).collect();
    parameters.sort();
    parameters.dedup();
    for (name, value) in parameters {
        sink(&name);
        sink(&value);
    }
    true
}

/// Whether the signed URL's one `bodySHA256` is the body's digest.
fn binds_by_digest(message: &Message<'_>) -> bool {
    let mut digests = form::parse(message.query().unwrap_or_default()).filter(|(name, _)| &**name == b"bodySHA256");
    let (Some((_, stated)), None) = (digests.next(), digests.next()) else { return false };
    // No secret: whoever sees the URL sees the digest.
    *stated == *HEXLOWER.encode(&Sha256::digest(message.body)).as_bytes()
}
