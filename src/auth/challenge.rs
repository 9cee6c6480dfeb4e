//! Endpoint verifications that the sidecar answers itself.
//!
//! A provider that asks us to sign a token of its choosing with the webhook's own key offers a signing oracle: who can
//! send such a request gets any text signed. So a request is answered only after its own signature has been verified,
//! and a token may hold nothing but `A-Za-z0-9_-`: every signed content of these providers has other characters (a
//! definition whose template has none is refused), so the answer is never the signature of a message.

use data_encoding::HEXLOWER;

use crate::deny::{Denial, Reason};
use crate::json;

use super::keys::Key;
use super::scheme::{ReplyPiece, Scheme};

/// The longest token. Those that providers send have 20 to 80 bytes.
const MAX_TOKEN: usize = 256;

/// Answers a verified request if it is a verification of the endpoint: puts the reply into `out` and gives its
/// Content-Type. `None`: it is an ordinary message.
///
/// # Errors
/// [`Reason::PayloadInvalid`] for a token of another shape.
pub fn answer<'s>(scheme: &'s Scheme, key: &Key, body: &[u8], out: &mut Vec<u8>) -> Option<Result<&'s str, Denial>> {
    let challenge = scheme.challenge.as_ref()?;
    let mut found = [None; 2];
    json::scan(body, &[Some(&challenge.when), Some(&challenge.token)], &mut found).ok()?;
    let value = |at: usize| found[at].map(|span| span.get(body));
    if value(0)? != challenge.equals.as_bytes() {
        return None;
    }
    let token =
        value(1).filter(|token| (1..=MAX_TOKEN).contains(&token.len()) && token.iter().copied().all(is_token_byte));
    let Some(token) = token else { return Some(Err(Reason::PayloadInvalid.into())) };
    for piece in &challenge.reply {
        match piece {
            ReplyPiece::Text(text) => out.extend_from_slice(text.as_bytes()),
            ReplyPiece::Token => out.extend_from_slice(token),
            ReplyPiece::TokenHmac => {
                let mut mac = key.mac()?;
                mac.update(token);
                out.extend_from_slice(HEXLOWER.encode(mac.finish().as_bytes()).as_bytes());
            }
        }
    }
    Some(Ok(&challenge.content_type))
}

/// Whether a byte may stand in a token.
#[must_use]
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
