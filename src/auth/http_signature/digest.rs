//! `Content-Digest` (RFC 9530): integrity alone, which counts because a signature covers it.
//!
//! SHA-256 and SHA-512 are the two that the registry calls active; others (md5, sha, unixsum, crc32c, adler) are passed
//! over, and count for nothing. `Repr-Digest` is of what the body represents, not of its bytes, and is not looked at.

use super::structured::{Bare, Dictionary, Value};
use crate::auth::mac::hash;
use crate::auth::scheme::Algorithm;
use crate::http1::Message;

use data_encoding::BASE64;

/// Whether the one `Content-Digest` is that of the body: each digest that is known here must be, and one must be there.
pub(super) fn holds(message: &Message<'_>) -> bool {
    let Some(Dictionary(members)) = message.field("content-digest").ok().flatten().and_then(Dictionary::parse) else {
        return false;
    };
    let mut known = 0;
    let all = members.iter().all(|member| {
        let algorithm = match member.name {
            "sha-256" => Algorithm::Sha256,
            "sha-512" => Algorithm::Sha512,
            _ => return true,
        };
        known += 1;
        let Value::Item(bare @ Bare::Bytes(_)) = &member.value else { return false };
        let digest = bare.base64().and_then(|text| BASE64.decode(text.as_bytes()).ok());
        digest.is_some_and(|digest| digest == hash(algorithm, message.body).as_bytes())
    });
    all && known > 0
}
