//! A draft written as bytes.

use std::fmt::Write;

use data_encoding::HEXLOWER;

use crate::auth::sign::Draft;
use crate::http1::Head;

use super::http::Url;

/// Adds what a provider sends beside what it signs.
pub(super) use crate::auth::sign::complete_sample as complete;

/// The fields that say where the request goes and where it ends; they are made from the URL and the body.
const MADE: [&str; 5] = ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect"];

/// Whether a field is made from the URL and the body, so that nobody else may set it.
pub(super) fn is_made(name: &str) -> bool {
    MADE.iter().any(|made| made.eq_ignore_ascii_case(name))
}

/// The draft as the bytes of one request.
///
/// # Errors
/// It is not valid HTTP/1.1; the text says so.
pub(super) fn to_bytes(draft: &Draft) -> Result<Vec<u8>, String> {
    let url = Url::parse(&draft.url)?;
    let mut bytes = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", draft.method, url.target, url.authority);
    for (name, value) in &draft.headers {
        let _ = write!(bytes, "{name}: {value}\r\n");
    }
    let _ = write!(bytes, "Content-Length: {}\r\nConnection: close\r\n\r\n", draft.body.len());
    let invalid = |_| "the method, URL or headers do not make a valid HTTP/1.1 request".to_owned();
    Head::parse(bytes.as_bytes()).map_err(invalid)?;
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(&draft.body);
    Ok(bytes)
}

/// 128 random bits as text. Without the system's random numbers there is nothing to fall back on but zeros, which the
/// other side will take for a repetition.
pub(super) fn random_hex() -> String {
    HEXLOWER.encode(&random())
}

/// 128 random bits.
pub(super) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes);
    bytes
}
