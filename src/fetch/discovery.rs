//! Where an issuer's keys are, by the document that it publishes about itself (`OpenID` Connect Discovery 1.0 section 4,
//! RFC 8414 section 3).
//!
//! The document comes from the issuer's own host over TLS, and must name the very issuer that was configured: else one
//! tenant of a server could speak for another (the mix-up that RFC 8414 section 3.3 is about). The keys' URL may be on any
//! host that the document names: it is asked under the same rules as every other.

use serde::Deserialize;

use super::client::Fault;
use super::url::Url;

/// The path of an `OpenID` provider's document, behind the issuer.
const OPENID: &str = "/.well-known/openid-configuration";

/// The path of an authorization server's document, between the issuer's host and path.
const OAUTH: &str = "/.well-known/oauth-authorization-server";

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// Where an issuer's document may be, in the order in which it is looked for: what `OpenID` providers publish is known to
/// nearly all servers.
///
/// # Errors
/// The issuer is no URL that can be fetched, in words.
pub fn places(issuer: &str) -> Result<[Url; 2], String> {
    let url = Url::parse(issuer)?;
    if issuer.contains('?') {
        return Err("has a query, which an issuer never has".into());
    }
    // A terminating slash is no part of what the path is put behind.
    let bare = issuer.strip_suffix('/').unwrap_or(issuer);
    let path = url.target().strip_suffix('/').unwrap_or(url.target());
    let origin = bare.strip_suffix(path).unwrap_or(bare);
    Ok([Url::parse(&format!("{bare}{OPENID}"))?, Url::parse(&format!("{origin}{OAUTH}{path}"))?])
}

/// Where the keys are, by the document of `issuer`.
///
/// # Errors
/// It is no such document, is of another issuer, or names no URL that can be fetched.
pub fn keys_of(issuer: &str, document: &[u8]) -> Result<Url, Fault> {
    let content = |what: &str| Fault::Content(what.to_owned());
    let document: Document =
        serde_json::from_slice(document).map_err(|_| content("is no JSON object with an issuer and a jwks_uri"))?;
    if document.issuer != issuer {
        return Err(content("is of another issuer than the configured one"));
    }
    Url::parse(&document.jwks_uri).map_err(|problem| Fault::Content(format!("has a jwks_uri that {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_documents() {
        for (issuer, expected) in [
            (
                "https://id.example",
                Some((
                    "https://id.example/.well-known/openid-configuration",
                    "https://id.example/.well-known/oauth-authorization-server",
                )),
            ),
            (
                "https://id.example/",
                Some((
                    "https://id.example/.well-known/openid-configuration",
                    "https://id.example/.well-known/oauth-authorization-server",
                )),
            ),
            (
                "https://id.example:8443/realms/a",
                Some((
                    "https://id.example:8443/realms/a/.well-known/openid-configuration",
                    "https://id.example:8443/.well-known/oauth-authorization-server/realms/a",
                )),
            ),
            (
                "https://id.example/realms/a/",
                Some((
                    "https://id.example/realms/a/.well-known/openid-configuration",
                    "https://id.example/.well-known/oauth-authorization-server/realms/a",
                )),
            ),
            ("https://id.example/?a", None),
            ("https://id.example/#a", None),
            ("http://id.example/", None),
            ("id.example", None),
        ] {
            let found = places(issuer).ok();
            let found = found.as_ref().map(|[one, other]| (one.as_str(), other.as_str()));
            assert_eq!(found, expected, "{issuer}");
        }
    }

    #[test]
    fn documents() {
        let check = |document: &str, expected: Result<&str, &str>| match (
            keys_of("https://id.example", document.as_bytes()),
            expected,
        ) {
            (Ok(url), Ok(expected)) => assert_eq!(url.as_str(), expected, "{document}"),
            (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{document}: {fault}"),
            (found, _) => panic!("{document}: {found:?}"),
        };
        let with = |issuer: &str, keys: &str| format!(r#"{{"x":[1],"issuer":"{issuer}","jwks_uri":"{keys}"}}"#);
        check(&with("https://id.example", "https://id.example/k"), Ok("https://id.example/k"));
        check(&with("https://id.example", "https://keys.example/k"), Ok("https://keys.example/k"));
        // A tenant is not another, however alike.
        for other in ["https://id.example/", "https://ID.example", "https://id.example/b", "http://id.example"] {
            check(&with(other, "https://id.example/k"), Err("another issuer"));
        }
        for url in ["http://id.example/k", "file:///etc/passwd", "/k", "", "https://u:p@id.example/k"] {
            check(&with("https://id.example", url), Err("jwks_uri that"));
        }
        check("<html>", Err("no JSON object"));
        check("[]", Err("no JSON object"));
        check(r#"{"issuer":"https://id.example"}"#, Err("no JSON object"));
        let twice =
            r#"{"issuer":"https://id.example","issuer":"https://id.example","jwks_uri":"https://id.example/k"}"#;
        check(twice, Err("no JSON object"));
    }
}
