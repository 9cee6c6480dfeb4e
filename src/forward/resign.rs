//! Every forwarded request signed anew with one key (Standard Webhooks 1.0.0), so that a service needs one verifier for
//! all providers and can tell that a request came through the sidecar.

use bytes::BytesMut;
use data_encoding::BASE64;

use crate::auth::keys::Key;
use crate::clock::Now;
use crate::http1::encode::{decimal, field};
use crate::http1::head::same_folded;

/// The fields that carry the new signature; a sender's fields of these names are replaced.
const FIELDS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

/// Length of a SHA-256 in base64.
const SIGNATURE: usize = 44;

/// The longest delivery id that is taken over; a longer one gives way to the request's own id.
const MAX_ID: usize = 128;

/// A new signature.
#[derive(Debug, Clone, Copy)]
pub struct Resigned {
    id: [u8; MAX_ID],
    id_len: usize,
    time: u64,
    signature: [u8; SIGNATURE],
}

impl Resigned {
    /// Signs `body` under the delivery's id where it can be one, and else under the request's. `None` for a key that
    /// makes no MAC, which [`Key::for_resigning`] never gives.
    #[must_use]
    pub fn new(key: &Key, delivery_id: Option<&[u8]>, request_id: &str, now: Now, body: &[u8]) -> Option<Self> {
        let chosen = delivery_id.filter(|id| is_plain_id(id)).unwrap_or(request_id.as_bytes());
        let (mut id, time) = ([0; MAX_ID], now.unix_seconds());
        let id_len = chosen.len().min(MAX_ID);
        id[..id_len].copy_from_slice(&chosen[..id_len]);
        let mut mac = key.mac()?;
        for part in [chosen, b".", decimal(time, &mut [0; 20]), b".", body] {
            mac.update(part);
        }
        let mut signature = [0; SIGNATURE];
        BASE64.encode_mut(mac.finish().as_bytes(), &mut signature);
        Some(Self { id, id_len, time, signature })
    }

    /// Whether a sender's field of this name is replaced.
    #[must_use]
    pub fn replaces(name: &[u8]) -> bool {
        FIELDS.iter().any(|known| same_folded(name, known))
    }

    /// Appends the fields.
    pub fn write(&self, out: &mut BytesMut) {
        field(out, b"webhook-id", &self.id[..self.id_len]);
        field(out, b"webhook-timestamp", decimal(self.time, &mut [0; 20]));
        let mut value = [0; 3 + SIGNATURE];
        value[..3].copy_from_slice(b"v1,");
        value[3..].copy_from_slice(&self.signature);
        field(out, b"webhook-signature", &value);
    }
}

/// An id that means the same to every reader: no `.`, which sets the signed parts apart, and nothing that needs quoting.
fn is_plain_id(id: &[u8]) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(byte))
}
