//! Tokens that bring their certificates along: the example of Apple's App Store Server Library, under that library's own
//! test authority, and what is wrong with others.

use super::tokens::{bearing, judged};
use super::*;
use crate::auth::keyring::KeyRing;
use crate::auth::scheme::{JsonPath, Proof};
use crate::auth::x509::roots::Roots;
use crate::providers;

/// The test authority, and the notification (`tests/resources/mock_signed_data/testNotification` of
/// <https://github.com/apple/app-store-server-library-python>).
const ROOT: &str = "MIIBgjCCASmgAwIBAgIJALUc5ALiH5pbMAoGCCqGSM49BAMDMDYxCzAJBgNVBAYTAlVTMRMwEQYDVQQIDApDYWxpZm9ybmlhMRIwEAYDVQQHDAlDdXBlcnRpbm8wHhcNMjMwMTA1MjEzMDIyWhcNMzMwMTAyMjEzMDIyWjA2MQswCQYDVQQGEwJVUzETMBEGA1UECAwKQ2FsaWZvcm5pYTESMBAGA1UEBwwJQ3VwZXJ0aW5vMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEc+/Bl+gospo6tf9Z7io5tdKdrlN1YdVnqEhEDXDShzdAJPQijamXIMHf8xWWTa1zgoYTxOKpbuJtDplz1XriTaMgMB4wDAYDVR0TBAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwMDRwAwRAIgemWQXnMAdTad2JDJWng9U4uBBL5mA7WI05H7oH7c6iQCIHiRqMjNfzUAyiu9h6rOU/K+iTR0I/3Y/NSWsXHX+acc";
const BODY: &str = r#"{"signedPayload":"eyJ4NWMiOlsiTUlJQm9EQ0NBVWFnQXdJQkFnSUJDekFLQmdncWhrak9QUVFEQWpCTk1Rc3dDUVlEVlFRR0V3SlZVekVUTUJFR0ExVUVDQXdLUTJGc2FXWnZjbTVwWVRFU01CQUdBMVVFQnd3SlEzVndaWEowYVc1dk1SVXdFd1lEVlFRS0RBeEpiblJsY20xbFpHbGhkR1V3SGhjTk1qTXdNVEEwTVRZek56TXhXaGNOTXpJeE1qTXhNVFl6TnpNeFdqQkZNUXN3Q1FZRFZRUUdFd0pWVXpFVE1CRUdBMVVFQ0F3S1EyRnNhV1p2Y201cFlURVNNQkFHQTFVRUJ3d0pRM1Z3WlhKMGFXNXZNUTB3Q3dZRFZRUUtEQVJNWldGbU1Ga3dFd1lIS29aSXpqMENBUVlJS29aSXpqMERBUWNEUWdBRTRyV0J4R21GYm5QSVBRSTB6c0JLekx4c2o4cEQydnFicjB5UElTVXgyV1F5eG1yTnFsOWZoSzhZRUV5WUZWNysrcDVpNFlVU1Ivbzl1UUlnQ1BJaHJLTWZNQjB3Q1FZRFZSMFRCQUl3QURBUUJnb3Foa2lHOTJOa0Jnc0JCQUlUQURBS0JnZ3Foa2pPUFFRREFnTklBREJGQWlFQWtpRVprb0ZNa2o0Z1huK1E5alhRWk1qWjJnbmpaM2FNOE5ZcmdmVFVpdlFDSURKWVowRmFMZTduU0lVMkxXTFRrNXRYVENjNEU4R0pTWWYvc1lSeEVGaWUiLCJNSUlCbHpDQ0FUMmdBd0lCQWdJQkJqQUtCZ2dxaGtqT1BRUURBakEyTVFzd0NRWURWUVFHRXdKVlV6RVRNQkVHQTFVRUNBd0tRMkZzYVdadmNtNXBZVEVTTUJBR0ExVUVCd3dKUTNWd1pYSjBhVzV2TUI0WERUSXpNREV3TkRFMk1qWXdNVm9YRFRNeU1USXpNVEUyTWpZd01Wb3dUVEVMTUFrR0ExVUVCaE1DVlZNeEV6QVJCZ05WQkFnTUNrTmhiR2xtYjNKdWFXRXhFakFRQmdOVkJBY01DVU4xY0dWeWRHbHViekVWTUJNR0ExVUVDZ3dNU1c1MFpYSnRaV1JwWVhSbE1Ga3dFd1lIS29aSXpqMENBUVlJS29aSXpqMERBUWNEUWdBRUZRM2xYMnNxTjlHSXdBaWlNUURRQy9reW5TZ1g0N1J3dmlET3RNWFh2eUtkUWU2Q1BzUzNqbzJ1UkR1RXFBeFdlT2lDcmpsRFdzeXo1d3dkVTBndGFxTWxNQ013RHdZRFZSMFRCQWd3QmdFQi93SUJBREFRQmdvcWhraUc5Mk5rQmdJQkJBSVRBREFLQmdncWhrak9QUVFEQWdOSUFEQkZBaUVBdm56TWNWMjY4Y1JiMS9GcHlWMUVoVDNXRnZPenJCVVdQNi9Ub1RoRmF2TUNJRmJhNXQ2WUt5MFIySkR0eHF0T2pKeTY2bDZWN2QvUHJBRE5wa21JUFcraSIsIk1JSUJYRENDQVFJQ0NRQ2ZqVFVHTERuUjlqQUtCZ2dxaGtqT1BRUURBekEyTVFzd0NRWURWUVFHRXdKVlV6RVRNQkVHQTFVRUNBd0tRMkZzYVdadmNtNXBZVEVTTUJBR0ExVUVCd3dKUTNWd1pYSjBhVzV2TUI0WERUSXpNREV3TkRFMk1qQXpNbG9YRFRNek1ERXdNVEUyTWpBek1sb3dOakVMTUFrR0ExVUVCaE1DVlZNeEV6QVJCZ05WQkFnTUNrTmhiR2xtYjNKdWFXRXhFakFRQmdOVkJBY01DVU4xY0dWeWRHbHViekJaTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEEwSUFCSFB2d1pmb0tMS2FPclgvV2U0cU9iWFNuYTVUZFdIVlo2aElSQTF3MG9jM1FDVDBJbzJwbHlEQjMvTVZsazJ0YzRLR0U4VGlxVzdpYlE2WmM5VjY0azB3Q2dZSUtvWkl6ajBFQXdNRFNBQXdSUUloQU1USGhXdGJBUU4waFN4SVhjUDRDS3JEQ0gvZ3N4V3B4NmpUWkxUZVorRlBBaUIzNW53azVxMHpjSXBlZnZZSjBNVS95R0dIU1dlejBicTBwRFlVTy9ubUR3PT0iXSwidHlwIjoiSldUIiwiYWxnIjoiRVMyNTYifQ.eyJkYXRhIjp7ImFwcEFwcGxlSWQiOjEyMzQsImVudmlyb25tZW50IjoiU2FuZGJveCIsImJ1bmRsZUlkIjoiY29tLmV4YW1wbGUifSwibm90aWZpY2F0aW9uVVVJRCI6IjlhZDU2YmQyLTBiYzYtNDJlMC1hZjI0LWZkOTk2ZDg3YTFlNiIsInNpZ25lZERhdGUiOjE2ODEzMTQzMjQwMDAsIm5vdGlmaWNhdGlvblR5cGUiOiJURVNUIn0.VVXYwuNm2Y3XsOUva-BozqatRCsDuykA7xIe_CCRw6aIAAxJ1nb2sw871jfZ6dcgNhUuhoZ93hfbc1v_5zB7Og"}"#;

fn pem(der: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
}

/// When the example's certificates are valid, and when the tests of the whole room are.
const THEN: u64 = 1_700_000_000;

fn verdict(scheme: &Scheme, ring: Option<&KeyRing>, body: &str, seconds: u64) -> Result<Verified, Reason> {
    let keys = Keys::none();
    let draft = Draft { body: body.into(), headers: Vec::new(), ..bearing("", "") };
    judged(&Site { key_ring: ring, ..site(scheme, &keys) }, &draft, seconds)
}

#[test]
fn apples_own_example() {
    let scheme = &providers::find("apple_app_store").expect("in the catalogue").scheme;
    let ring = KeyRing::for_chains(Roots::from_pem(pem(ROOT).as_bytes()).expect("an authority"));
    let verified = verdict(scheme, Some(&ring), BODY, THEN).expect("a good notification");
    assert_eq!((verified.key_index(), verified.message_keys().len()), (None, 1));
    let Proof::Jwt(jwt) = &scheme.proof else { panic!("a token") };
    assert!(jwt.claim_paths.contains(&JsonPath::parse("notificationUUID").expect("a path")));
    // The members of the body beside the token are not signed, but a claim remembers the whole.
    assert!(scheme.claims_body);
}

#[test]
fn what_a_chain_must_be() {
    let scheme = &providers::find("apple_app_store").expect("in the catalogue").scheme;
    let ring = |der: &str| KeyRing::for_chains(Roots::from_pem(pem(der).as_bytes()).expect("an authority"));
    let (apple, token) = (ring(ROOT), &BODY[BODY.find("eyJ").expect("a token")..]);
    let header = token.split_once('.').expect("a token").0;
    let decoded = data_encoding::BASE64URL_NOPAD.decode(header.as_bytes()).expect("base64url");
    let decoded: serde_json::Value = serde_json::from_slice(&decoded).expect("JSON");
    let with_chain = |chain: serde_json::Value| {
        let mut other = decoded.clone();
        other["x5c"] = chain;
        BODY.replace(header, &data_encoding::BASE64URL_NOPAD.encode(other.to_string().as_bytes()))
    };
    let certificate = |at: usize| decoded["x5c"][at].clone();
    let leaf = certificate(0).as_str().expect("text").to_owned();
    for (what, ring, body, seconds, expected) in [
        ("no authority", None, BODY.to_owned(), THEN, Reason::KeysUnavailable),
        ("another's authority", Some(ring(&leaf)), BODY.to_owned(), THEN, Reason::CredentialInvalid),
        (
            "public authorities",
            Some(KeyRing::for_chains(Roots::public())),
            BODY.to_owned(),
            THEN,
            Reason::CredentialInvalid,
        ),
        ("before it is valid", None, BODY.to_owned(), 1_000_000_000, Reason::CredentialInvalid),
        ("after it was valid", None, BODY.to_owned(), 2_000_000_000, Reason::CredentialInvalid),
        ("no chain", None, with_chain(serde_json::json!([])), THEN, Reason::CredentialInvalid),
        ("a text", None, with_chain(certificate(0)), THEN, Reason::CredentialInvalid),
        ("the leaf alone", None, with_chain(serde_json::json!([certificate(0)])), THEN, Reason::CredentialInvalid),
        (
            "an authority as the leaf",
            None,
            with_chain(serde_json::json!([certificate(1)])),
            THEN,
            Reason::CredentialInvalid,
        ),
        ("too long", None, with_chain(serde_json::json!(vec![certificate(0); 6])), THEN, Reason::CredentialInvalid),
        ("numbers", None, with_chain(serde_json::json!([1, 2, 3])), THEN, Reason::CredentialInvalid),
        (
            "another header",
            None,
            with_chain(serde_json::json!([certificate(0), certificate(1)])),
            THEN,
            Reason::CredentialInvalid,
        ),
    ] {
        let ring = match (what, &ring) {
            ("no authority", _) => None,
            (_, Some(ring)) => Some(ring),
            (_, None) => Some(&apple),
        };
        assert_eq!(verdict(scheme, ring, &body, seconds).map(|_| ()), Err(expected), "{what}");
    }
}
