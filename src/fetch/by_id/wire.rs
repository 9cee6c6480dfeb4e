//! The questions and answers of APIs of keys, as bytes. Pure.

use serde_json::{Map, Value};
use std::time::Duration;
use zeroize::Zeroizing;

use crate::auth::key_api::{KeyApi, KeyIn, Question};
use crate::auth::signature::{PublicKey, Strength};
use crate::fetch::client::Fault;
use crate::fetch::introspect::wire::encode;
use crate::fetch::url::Url;

/// The longest token. eBay's have some 2 KiB.
const MAX_TOKEN: usize = 8 * 1024;

/// How long a token is used, at least and at most, whatever it says; a little less than it says, since the way to the
/// server takes time.
const TOKEN_BOUNDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(2 * 3600));

/// How much earlier a token is thought to have ended.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);

/// A key, and when it ends where its provider says.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) key: PublicKey,
    /// Since the Unix epoch.
    pub(super) ends: Option<Duration>,
}

/// An address of an API.
pub(super) fn place(base: &str, path: &str) -> Result<Url, Fault> {
    Url::parse(&format!("{base}{path}")).map_err(|problem| Fault::Content(format!("cannot come: its URL {problem}")))
}

/// Where the key of an id is asked for. The id looks like one, so that it is a part of the path.
pub(super) fn place_of(api: &KeyApi, base: &str, id: &str) -> Result<Url, Fault> {
    match &api.question {
        Question::Get(path) => place(base, &path.replace("{kid}", id)),
        Question::Post(path) => place(base, path),
    }
}

/// What is sent by POST for the key of an id, with an id and a secret where those belong there.
pub(super) fn body(client: Option<(&str, &str)>, id: &str) -> Zeroizing<Vec<u8>> {
    let credentials = client.map_or(0, |(name, secret)| name.len() + secret.len());
    // Room for all of it, escaped: a text that grows leaves copies of a credential behind.
    let mut body = Zeroizing::new(Vec::with_capacity(64 + id.len() + 6 * credentials));
    body.push(b'{');
    if let Some((name, secret)) = client {
        member(&mut body, "client_id", name);
        body.push(b',');
        member(&mut body, "secret", secret);
        body.push(b',');
    }
    member(&mut body, "key_id", id);
    body.push(b'}');
    body
}

fn member(body: &mut Vec<u8>, name: &str, value: &str) {
    // Writing to memory does not fail, nor does a text have no JSON form.
    let _ = serde_json::to_writer(&mut *body, name);
    body.push(b':');
    let _ = serde_json::to_writer(&mut *body, value);
}

/// The form that asks for a token (RFC 6749 section 4.4.2).
pub(super) fn token_form(scope: Option<&str>) -> String {
    let mut form = "grant_type=client_credentials".to_owned();
    if let Some(scope) = scope {
        form.push_str("&scope=");
        encode(&mut form, scope.as_bytes());
    }
    form
}

/// Reads a token, and how long it is used (RFC 6749 section 5.1).
pub(super) fn read_token(body: &[u8]) -> Result<(Zeroizing<String>, Duration), Fault> {
    #[derive(serde::Deserialize)]
    struct Response {
        access_token: String,
        expires_in: Option<u64>,
    }
    let content = |what: &str| Fault::Content(what.to_owned());
    let Ok(Response { access_token, expires_in }) = serde_json::from_slice(body) else {
        return Err(content("is no JSON object with a token"));
    };
    let access_token = Zeroizing::new(access_token);
    if !is_plain(&access_token) || access_token.len() > MAX_TOKEN {
        return Err(content("has a token that no header field can carry"));
    }
    let holds = expires_in.map_or(TOKEN_BOUNDS.0, Duration::from_secs).saturating_sub(TOKEN_MARGIN);
    Ok((access_token, holds.clamp(TOKEN_BOUNDS.0, TOKEN_BOUNDS.1)))
}

/// Whether a credential can stand in a header field: eBay's tokens have `^` and `#`, which bearer tokens should not.
pub(in crate::fetch) fn is_plain(credential: &str) -> bool {
    !credential.is_empty() && credential.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads the key of an id.
pub(super) fn read_key(api: &KeyApi, id: &str, body: &[u8], strength: Strength) -> Result<Got, Fault> {
    let content = |what: String| Fault::Content(what);
    let of_text = |text: &str| PublicKey::from_text(text.trim(), strength).map(|key| key.labelled(Some(id), None));
    let key_fault = |fault| content(format!("holds no key of use: {fault}"));
    if api.key == KeyIn::Whole {
        let text = std::str::from_utf8(body).map_err(|_| content("is no text".to_owned()))?;
        return Ok(Got { key: of_text(text).map_err(key_fault)?, ends: None });
    }
    let document: Value = serde_json::from_slice(body).map_err(|_| content("is no JSON".to_owned()))?;
    let key = match &api.key {
        KeyIn::Text(place) => of_text(document.pointer(place).and_then(Value::as_str).unwrap_or_default()),
        KeyIn::Jwk(place) => {
            let jwk = document
                .pointer(place)
                .and_then(Value::as_object)
                .ok_or_else(|| content(format!("has no object at {place}")))?;
            PublicKey::from_jwk(&named(jwk, id)?, strength)
        }
        KeyIn::Whole => of_text(""),
    };
    let ends = api.ends.as_deref().and_then(|place| document.pointer(place)).filter(|ends| !ends.is_null());
    Ok(Got { key: key.map_err(key_fault)?, ends: ends.map(time).transpose()? })
}

/// A JWK with the id that was asked for: one with another is not what was asked for.
fn named(jwk: &Map<String, Value>, id: &str) -> Result<Map<String, Value>, Fault> {
    if jwk.get("kid").is_some_and(|kid| kid != id) {
        return Err(Fault::Content("holds the key of another id".to_owned()));
    }
    let mut jwk = jwk.clone();
    jwk.insert("kid".to_owned(), id.into());
    Ok(jwk)
}

fn time(value: &Value) -> Result<Duration, Fault> {
    let seconds = value.as_f64().map(Duration::try_from_secs_f64);
    seconds
        .and_then(Result::ok)
        .ok_or_else(|| Fault::Content("says that the key ends at a time that is no number".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::key_api::{Credential, IdShape};

    const KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn api(key: KeyIn) -> KeyApi {
        let question = Question::Get("/keys/{kid}".into());
        let (base, credential) = ("https://api.example".into(), Credential::None);
        KeyApi { base, question, credential, key, ends: Some("/key/expired_at".into()), ids: IdShape::Word }
    }

    /// When the key ends that an answer holds, or what is wrong with it.
    fn check(key: KeyIn, body: &str, expected: Result<Option<u64>, &str>) {
        match (read_key(&api(key), "a", body.as_bytes(), Strength::Usual), expected) {
            (Ok(got), Ok(ends)) => {
                assert_eq!((got.ends.map(|ends| ends.as_secs()), got.key.kid()), (ends, Some("a")), "{body}");
            }
            (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{body}: {fault}"),
            (found, _) => panic!("{body}: {found:?}"),
        }
    }

    #[test]
    fn answers() {
        check(KeyIn::Whole, &format!("\n{KEY}\n"), Ok(None));
        check(KeyIn::Whole, "<html>", Err("no key of use"));
        let text = || KeyIn::Text("/data/key".into());
        check(text(), &format!(r#"{{"data":{{"key":"{KEY}"}}}}"#), Ok(None));
        for body in [r#"{"data":{"key":7}}"#, r#"{"data":{"key":"x"}}"#, r#"{"key":"x"}"#, "[]", "7"] {
            check(text(), body, Err("no key of use"));
        }
        check(text(), "<html>", Err("no JSON"));
        let jwk = || KeyIn::Jwk("/key".into());
        let x = KEY.replace('/', "_").replace('=', "");
        let of = |more: &str| format!(r#"{{"key":{{"kty":"OKP","crv":"Ed25519","x":"{x}"{more}}}}}"#);
        check(jwk(), &of(""), Ok(None));
        check(jwk(), &of(r#","kid":"a","alg":"EdDSA","use":"sig","expired_at":null"#), Ok(None));
        check(jwk(), &of(r#","expired_at":1700000000"#), Ok(Some(1_700_000_000)));
        check(jwk(), &of(r#","expired_at":"soon""#), Err("no number"));
        check(jwk(), &of(r#","expired_at":-1"#), Err("no number"));
        check(jwk(), &of(r#","kid":"b""#), Err("another id"));
        check(jwk(), &of(r#","d":"AA""#), Err("no key of use"));
        check(jwk(), &of(r#","use":"enc""#), Err("no key of use"));
        check(jwk(), r#"{"key":[]}"#, Err("no object at /key"));
    }

    #[test]
    fn questions() {
        let place = place_of(&api(KeyIn::Whole), "https://api.example/v2", "a-b");
        assert_eq!(place.expect("a URL").as_str(), "https://api.example/v2/keys/a-b");
        assert_eq!(**body(None, "a"), *br#"{"key_id":"a"}"#);
        let whole = body(Some(("me", "s\"e\ncret")), "a");
        assert_eq!(**whole, *br#"{"client_id":"me","secret":"s\"e\ncret","key_id":"a"}"#);
        assert_eq!(token_form(None), "grant_type=client_credentials");
        let form = "grant_type=client_credentials&scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope";
        assert_eq!(token_form(Some("https://api.ebay.com/oauth/api_scope")), form);
    }

    #[test]
    fn tokens() {
        for (body, expected) in [
            (r#"{"access_token":"v^1.1#i^1","expires_in":7200,"token_type":"Application Access Token"}"#, Some(7140)),
            (r#"{"access_token":"t"}"#, Some(60)),
            (r#"{"access_token":"t","expires_in":1}"#, Some(60)),
            (r#"{"access_token":"t","expires_in":999999}"#, Some(7200)),
            (r#"{"access_token":""}"#, None),
            (r#"{"access_token":"a b"}"#, None),
            (r#"{"access_token":"a\r\nX: y"}"#, None),
            (r#"{"access_token":7}"#, None),
            ("{}", None),
            ("<html>", None),
        ] {
            assert_eq!(read_token(body.as_bytes()).ok().map(|(_, holds)| holds.as_secs()), expected, "{body}");
        }
    }
}
