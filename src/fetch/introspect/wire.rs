//! The question and its answer as bytes: a form with credentials (RFC 7662 section 2.1), and a JSON object.

use std::fmt::Write as _;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Answer, Claims, Fault};

/// The longest token that is asked about.
const MAX_TOKEN: usize = 4096;

/// What the server said of an active token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) claims: Claims,
    /// When the token ends, since the Unix epoch, where it says.
    pub(super) expires: Option<Duration>,
}

#[derive(Deserialize)]
struct Response {
    active: bool,
    exp: Option<serde_json::Value>,
}

/// Reads an answer (RFC 7662 section 2.2): one that does not say is none.
pub(super) fn read(answer: Answer) -> Result<Option<Said>, Fault> {
    let content = |what: &str| Fault::Content(what.to_owned());
    let response: Response = serde_json::from_slice(&answer.body)
        .map_err(|_| content("is no JSON object that says whether the token is active"))?;
    if !response.active {
        return Ok(None);
    }
    let expires = match response.exp {
        None => None,
        Some(exp) => match exp.as_f64().map(Duration::try_from_secs_f64) {
            Some(Ok(expires)) => Some(expires),
            _ => return Err(content("says that the token ends at a time that is no number")),
        },
    };
    Ok(Some(Said { claims: answer.body.into(), expires }))
}

/// Whether it could be a bearer token (RFC 6750 section 2.1): what is none is not asked about.
pub(super) fn is_token(token: &[u8]) -> bool {
    let bare = token.trim_ascii_end();
    let without_padding = bare.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    (1..=MAX_TOKEN).contains(&token.len())
        && bare.len() == token.len()
        && without_padding > 0
        && token.iter().take(without_padding).all(is_plain)
}

pub(super) fn form(token: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(String::with_capacity(32 + token.len() * 3));
    text.push_str("token=");
    encode(&mut text, token);
    text.push_str("&token_type_hint=access_token");
    Zeroizing::new(text.as_bytes().to_vec())
}

pub(in crate::fetch) fn basic(client_id: &str, client_secret: &[u8]) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::with_capacity(1 + (client_id.len() + client_secret.len()) * 3));
    encode(&mut pair, client_id.as_bytes());
    pair.push(':');
    encode(&mut pair, client_secret);
    let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", *encoded))
}

/// As forms are encoded (`application/x-www-form-urlencoded`): what is not plain is escaped.
pub(in crate::fetch) fn encode(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._".contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        for (token, expected) in [
            ("mF_9.B5f-4.1JqM", true),
            ("abc==", true),
            ("a+/~", true),
            ("", false),
            ("==", false),
            ("a=b", false),
            ("a b", false),
            (" a", false),
            ("a ", false),
            ("a\r\nX: y", false),
            ("\u{e4}", false),
        ] {
            assert_eq!(is_token(token.as_bytes()), expected, "{token:?}");
        }
        assert!(is_token(&[b'a'; MAX_TOKEN]) && !is_token(&[b'a'; MAX_TOKEN + 1]));
    }

    #[test]
    fn credentials_and_forms_are_encoded() {
        // The client of RFC 6749 section 2.3.1.
        assert_eq!(
            *basic("s6BhdRkqt3", b"7Fjfp0ZBr1KtDRbnfVdmIw"),
            "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"
        );
        assert_eq!(*basic("a:b", b"c d\xff"), format!("Basic {}", BASE64.encode(b"a%3Ab:c%20d%FF")));
        assert_eq!(*form(b"a+b/c="), b"token=a%2Bb%2Fc%3D&token_type_hint=access_token");
    }

    #[test]
    fn answers() {
        let check = |body: &str, expected: Result<Option<Option<u64>>, &str>| {
            let found = read(Answer { body: body.into(), ..Answer::default() });
            let found = found.map(|said| said.map(|said| said.expires.map(|expires| expires.as_secs())));
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{body}"),
                (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{body}: {fault}"),
                (found, _) => panic!("{body}: {found:?}"),
            }
        };
        check(r#"{"active":true}"#, Ok(Some(None)));
        check(r#"{"active":true,"exp":1700000000,"scope":"a b"}"#, Ok(Some(Some(1_700_000_000))));
        check(r#"{"active":false}"#, Ok(None));
        check(r#"{"active":false,"exp":"x"}"#, Ok(None));
        for body in ["", "<html>", "[]", "{}", r#"{"active":"true"}"#, r#"{"active":1}"#, r#"{"active":null}"#] {
            check(body, Err("no JSON object"));
        }
        check(r#"{"active":false,"active":true}"#, Err("no JSON object"));
        check(r#"{"active":true,"exp":1,"exp":9}"#, Err("no JSON object"));
        check(r#"{"active":true,"exp":"1"}"#, Err("no number"));
        check(r#"{"active":true,"exp":-1}"#, Err("no number"));
    }
}
