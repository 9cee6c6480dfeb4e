//! APIs that give keys one by one, in a definition.

use crate::auth::key_api::{Credential, IdShape, KeyApi, KeyIn, Question};

use super::definition::{Fault, fault, word};
use super::text::KeyApiText;

/// Compiles an API of keys.
pub(super) fn compile(text: &KeyApiText) -> Result<KeyApi, Fault> {
    let base = text.base.as_str();
    if !base.starts_with("https://") || base.ends_with('/') || base.contains(['?', '#', '{']) {
        return Err(fault("keys.api.base", "accepted is an address with https://, without a slash at its end"));
    }
    let ids = [("word", IdShape::Word), ("uuid", IdShape::Uuid)];
    let question = question(text)?;
    Ok(KeyApi {
        base: base.into(),
        credential: credential(text, &question)?,
        question,
        key: key(text)?,
        ends: text.ends.as_deref().map(|ends| pointer("keys.api.ends", ends)).transpose()?,
        ids: word("keys.api.ids", text.ids.as_deref().unwrap_or("word"), &ids)?,
    })
}

fn question(text: &KeyApiText) -> Result<Question, Fault> {
    match (&text.get, &text.post) {
        (Some(get), None) if get.matches("{kid}").count() == 1 => Ok(Question::Get(path("keys.api.get", get)?)),
        (Some(_), None) => Err(fault("keys.api.get", "has {kid} once, where the key's id stands")),
        (None, Some(post)) => Ok(Question::Post(path("keys.api.post", post)?)),
        _ => Err(fault("keys.api", "needs either get or post")),
    }
}

fn credential(text: &KeyApiText, question: &Question) -> Result<Credential, Fault> {
    let words = [("none", 0), ("bearer", 1), ("client_credentials", 2), ("body", 3)];
    let which = word("keys.api.credential", text.credential.as_deref().unwrap_or("none"), &words)?;
    if which != 2 && (text.token.is_some() || text.scope.is_some()) {
        return Err(fault("keys.api.token", "and scope go with credential = \"client_credentials\""));
    }
    match which {
        1 => Ok(Credential::Bearer),
        2 => {
            let token = text.token.as_deref().ok_or_else(|| fault("keys.api.token", "is missing"))?;
            let scope = text.scope.as_deref().map(Into::into);
            Ok(Credential::ClientCredentials { token: path("keys.api.token", token)?, scope })
        }
        3 if matches!(question, Question::Get(_)) => Err(fault("keys.api.credential", "a GET has no body")),
        3 => Ok(Credential::InBody),
        _ => Ok(Credential::None),
    }
}

fn key(text: &KeyApiText) -> Result<KeyIn, Fault> {
    match (&text.key, &text.jwk) {
        (None, None) if text.ends.is_some() => Err(fault("keys.api.ends", "the answer is the key itself")),
        (None, None) => Ok(KeyIn::Whole),
        (Some(key), None) => pointer("keys.api.key", key).map(KeyIn::Text),
        (None, Some(jwk)) => pointer("keys.api.jwk", jwk).map(KeyIn::Jwk),
        (Some(_), Some(_)) => Err(fault("keys.api.jwk", "and key are two ways to say where the key stands")),
    }
}

/// A part of an address, as it is sent.
fn path(key: &'static str, text: &str) -> Result<Box<str>, Fault> {
    let open = text.replace("{kid}", "");
    let good = open.starts_with('/') && open.bytes().all(|byte| byte.is_ascii_graphic()) && !open.contains(['#', '{']);
    if good { Ok(text.into()) } else { Err(fault(key, "accepted is a path that begins with a slash")) }
}

fn pointer(key: &'static str, text: &str) -> Result<Box<str>, Fault> {
    if text.starts_with('/') { Ok(text.into()) } else { Err(fault(key, "accepted is a pointer such as /data/key")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an API's table, without its base.
    #[track_caller]
    fn check(text: &str, expected: Result<(Question, Credential, KeyIn), &str>) {
        let text = format!("base = \"https://api.example\"\n{text}");
        let text: KeyApiText = toml::from_str(&text).expect("known keys");
        let found = compile(&text).map(|api| (api.question, api.credential, api.key));
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(fault), Err(key)) => assert_eq!(fault.key, key, "{}", fault.problem),
            (found, _) => panic!("{text:?}: {found:?}"),
        }
    }

    #[test]
    fn questions_credentials_and_keys() {
        let get = || Question::Get("/keys/{kid}".into());
        check("get = '/keys/{kid}'", Ok((get(), Credential::None, KeyIn::Whole)));
        check(
            "get = '/keys/{kid}'\ncredential = 'bearer'\nkey = '/data/key'",
            Ok((get(), Credential::Bearer, KeyIn::Text("/data/key".into()))),
        );
        let credential = Credential::ClientCredentials { token: "/token".into(), scope: Some("all".into()) };
        check(
            "get = '/keys/{kid}'\ncredential = 'client_credentials'\ntoken = '/token'\nscope = 'all'",
            Ok((get(), credential, KeyIn::Whole)),
        );
        check(
            "post = '/key'\ncredential = 'body'\njwk = '/key'\nends = '/key/ends'",
            Ok((Question::Post("/key".into()), Credential::InBody, KeyIn::Jwk("/key".into()))),
        );
        for (text, key) in [
            ("", "keys.api"),
            ("get = '/a/{kid}'\npost = '/b'", "keys.api"),
            ("get = '/keys'", "keys.api.get"),
            ("get = '/{kid}/{kid}'", "keys.api.get"),
            ("get = 'keys/{kid}'", "keys.api.get"),
            ("get = '/keys/{kid}#a'", "keys.api.get"),
            ("get = '/keys/{kid}/{id}'", "keys.api.get"),
            ("get = '/keys/{kid} a'", "keys.api.get"),
            ("post = '/key'\ncredential = 'secret'", "keys.api.credential"),
            ("get = '/{kid}'\ncredential = 'body'", "keys.api.credential"),
            ("get = '/{kid}'\ncredential = 'client_credentials'", "keys.api.token"),
            ("get = '/{kid}'\ncredential = 'bearer'\nscope = 'a'", "keys.api.token"),
            ("get = '/{kid}'\nkey = 'key'", "keys.api.key"),
            ("get = '/{kid}'\nkey = '/key'\njwk = '/key'", "keys.api.jwk"),
            ("get = '/{kid}'\nends = '/ends'", "keys.api.ends"),
            ("get = '/{kid}'\nids = 'number'", "keys.api.ids"),
        ] {
            check(text, Err(key));
        }
    }

    #[test]
    fn the_base_is_an_address_that_goes_on() {
        for (base, good) in [
            ("https://api.example", true),
            ("https://api.example/v2", true),
            ("https://api.example/", false),
            ("http://api.example", false),
            ("https://api.example?a", false),
            ("https://{kid}.example", false),
        ] {
            let text: KeyApiText = toml::from_str(&format!("base = '{base}'\nget = '/{{kid}}'")).expect("known keys");
            assert_eq!(compile(&text).is_ok(), good, "{base}");
        }
    }
}
