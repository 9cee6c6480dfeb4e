//! What a route asks of its tokens, and of its clients.

use super::*;
use crate::auth::jwt::ClaimRules;
use crate::auth::scheme::Proof;
use crate::auth::sign::sample_secret;
use crate::auth::signature::{PublicKey, Strength};
use crate::providers;

/// A set with one key, in a file.
fn jwks(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("jwks");
    let key = sample_secret(&providers::find("oauth").expect("in the catalogue").scheme, 1);
    let jwk = PublicKey::from_text(&key, Strength::Usual).expect("a key").to_jwk();
    write(&path, serde_json::json!({ "keys": [jwk] }).to_string());
    text(&path).to_owned()
}

/// The settings of a route with tokens.
fn route<'s>(provider: &'s str, jwks: &'s str, more: &[(&'s str, &'s str)]) -> Vec<(&'s str, &'s str)> {
    let least = [("ROUTE_A_PROVIDER", provider), ("ROUTE_A_SECRET", ""), ("ROUTE_A_JWKS_FILE", jwks)];
    [&least[..], more].concat()
}

fn rules(changes: &[(&str, &str)]) -> ClaimRules {
    let route = loaded(changes).policy.routes.get(0).expect("a route").clone();
    let Proof::Jwt(jwt) = &route.scheme.proof else { panic!("a token") };
    jwt.rules().expect("claims").clone()
}

#[test]
fn what_claims_must_say_arrives() {
    let folder = tempfile::tempdir().expect("a folder");
    let jwks = jwks(&folder);
    let more = [
        ("ROUTE_A_ISSUER", "https://a.example,https://b.example"),
        ("ROUTE_A_AUDIENCE", "hooks"),
        ("ROUTE_A_REQUIRED_CLAIMS", "scope=webhooks:write, /realm_access/roles=hook,sub"),
        ("ROUTE_A_LEEWAY", "5s"),
        ("ROUTE_A_ALGORITHM", "ES256,EdDSA"),
    ];
    let rules = rules(&route("oauth", &jwks, &more));
    assert_eq!(
        rules.issuers.iter().map(|text| &**text).collect::<Vec<_>>(),
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(rules.audiences.iter().map(|text| &**text).collect::<Vec<_>>(), ["hooks"]);
    let required: Vec<_> = rules.required.iter().map(|one| (one.claim.to_string(), one.says.as_deref())).collect();
    let expected = [("scope", Some("webhooks:write")), ("realm_access.roles", Some("hook")), ("sub", None)];
    assert_eq!(required, expected.map(|(claim, says)| (claim.to_owned(), says)));
    assert_eq!((rules.leeway.as_secs(), rules.must_expire), (5, true));
    let any = self::rules(&route("oauth", &jwks, &[("ROUTE_A_ISSUER", "*"), ("ROUTE_A_AUDIENCE", "*")]));
    assert!(any.issuers.is_empty() && any.audiences.is_empty());
}

#[test]
fn what_is_missing_or_makes_no_sense_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let jwks = jwks(&folder);
    let issuer =
        "ROUTE_A_ISSUER: is not set, and who issues this provider's tokens is not known otherwise; * accepts any";
    let audience =
        "ROUTE_A_AUDIENCE: is not set, and a token that the issuer made for somebody else would do; * accepts any";
    check(&route("oauth", &jwks, &[]), &[audience, issuer]);
    let both = [("ROUTE_A_ISSUER", "https://a"), ("ROUTE_A_AUDIENCE", "b")];
    for (setting, told) in [
        (("ROUTE_A_ISSUER", "a,*"), "ROUTE_A_ISSUER: has * beside others; * alone accepts any"),
        (("ROUTE_A_LEEWAY", "11m"), "ROUTE_A_LEEWAY: 11m is more than 10m"),
        (
            ("ROUTE_A_REQUIRED_CLAIMS", "=a"),
            "ROUTE_A_REQUIRED_CLAIMS: \"=a\" is not like sub, sub=value or /pointer/to/claim=value",
        ),
        (
            ("ROUTE_A_ALGORITHM", "none"),
            "ROUTE_A_ALGORITHM: \"none\" is not known; accepted are HS256, HS384, HS512, EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512",
        ),
    ] {
        check(&route("oauth", &jwks, &[&both[..], &[setting]].concat()), &[told]);
    }
    // A shared key where public ones come from: the attack by configuration.
    let told = faults(&environment(&route("oauth", &jwks, &[&both[..], &[("ROUTE_A_ALGORITHM", "HS256")]].concat())));
    assert!(told.iter().any(|fault| fault.contains("HS… takes shared ones")), "{told:?}");
    let google = [("ROUTE_A_AUDIENCE", "https://a/hook")];
    let email = "ROUTE_A_REQUIRED_CLAIMS: says nothing of email, and without email=… the tokens of others would do";
    check(&route("google_pubsub_push", &jwks, &google), &[email]);
    let named = [google[0], ("ROUTE_A_REQUIRED_CLAIMS", "email=push@p.iam.gserviceaccount.com")];
    check(&route("google_pubsub_push", &jwks, &named), &[]);
    let known =
        "ROUTE_A_ISSUER: is set, but for this provider it is known: https://accounts.google.com or accounts.google.com";
    check(&route("google_pubsub_push", &jwks, &[&named[..], &[("ROUTE_A_ISSUER", "x")]].concat()), &[known]);
    let none = "ROUTE_A_ISSUER: is set, but this provider sends no tokens with claims";
    check(&[("ROUTE_A_ISSUER", "x")], &[none]);
    let public = sample_secret(&providers::find("oauth").expect("in the catalogue").scheme, 1);
    let told = "ROUTE_A_SECRET: key 1 is a public key or certificate; tokens of this kind take a shared secret that nobody else knows";
    check(&[("ROUTE_A_PROVIDER", "netlify"), ("ROUTE_A_SECRET", &public)], &[told]);
}

#[test]
fn schemes_of_one_s_own_may_be_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let jwks = jwks(&folder);
    let custom = [("ROUTE_A_PROVIDER", "custom"), ("ROUTE_A_SCHEME", "jwt"), ("ROUTE_A_SIGNATURE_HEADER", "X-Token")];
    check(&[&custom[..], &[("ROUTE_A_ALGORITHM", "HS256")]].concat(), &[]);
    check(
        &custom,
        &["ROUTE_A_ALGORITHM: is missing: what a token itself says is never believed, so it must be said here"],
    );
    let public = [("ROUTE_A_SECRET", ""), ("ROUTE_A_JWKS_FILE", &*jwks), ("ROUTE_A_ALGORITHM", "RS256")];
    let told = faults(&environment(&[&custom[..], &public].concat()));
    assert_eq!(told.len(), 2, "issuer and audience: {told:?}");
    let both = [("ROUTE_A_ISSUER", "https://a"), ("ROUTE_A_AUDIENCE", "b")];
    check(&[&custom[..], &public, &both].concat(), &[]);
}

#[test]
fn client_certificates_need_an_authority_and_no_secret() {
    let no_ca = "ROUTE_A_PROVIDER: proves itself by its client's certificate, and TLS_CLIENT_CA_FILE is not set";
    check(&[("ROUTE_A_PROVIDER", "mtls"), ("ROUTE_A_SECRET", "")], &[no_ca]);
    let secret = "ROUTE_A_SECRET: is set, but this provider proves itself by its client's certificate";
    check(&[("ROUTE_A_PROVIDER", "mtls")], &[no_ca, secret]);
}

#[test]
fn tokens_that_bring_certificates_need_an_authority_and_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("roots");
    let app = ("ROUTE_A_REQUIRED_CLAIMS", "/data/bundleId=com.example");
    let apple = [("ROUTE_A_PROVIDER", "apple_app_store"), ("ROUTE_A_SECRET", ""), app];
    let none = "ROUTE_A_TRUST_ROOTS_FILE: is not set, and whom the certificates must lead to that this provider's tokens bring is not known";
    check(&apple, &[none]);
    write(&path, "nothing");
    let roots = ("ROUTE_A_TRUST_ROOTS_FILE", text(&path));
    check(
        &[&apple[..], &[roots]].concat(),
        &[&format!("ROUTE_A_TRUST_ROOTS_FILE: {} holds no certificate", path.display())],
    );
    let told = faults(&environment(&[&apple[..2], &[roots]].concat()));
    assert!(told.iter().any(|fault| fault.contains("says nothing of /data/bundleId")), "{told:?}");
}
