//! What a provider's own library signs gets through, what we sign its library accepts, and neither takes what was
//! changed on the way.

use hookwarden::auth::signature::{PublicKey, Strength};

use crate::harness::{Builder, KeyApi, Outcome, Sidecar, Signer, Upstream};
use crate::libraries::{MESSAGES, NODE, NODE_TOKENS, PUBLIC_KEYS, PYTHON, TOKENS};
use crate::sdks::{Headers, KEY_ID, Language, Library, Message, ORIGIN};

/// What is signed with private keys is checked with the keys that the providers' own APIs give to an account, by id.
#[test]
fn what_is_signed_is_forwarded_with_keys_that_the_provider_gives_one_by_one() {
    for (language, provider) in [(&PUBLIC_KEYS, "ebay"), (&PUBLIC_KEYS, "circle"), (&TOKENS, "plaid")] {
        let library = language.library(provider);
        let (genuine, of_stranger) = (Message::sample(library, 1), Message::sample(library, 101));
        let api = KeyApi::of(provider);
        api.put(KEY_ID, PublicKey::from_text(&genuine.secret, Strength::Usual).expect("a key"));
        let upstream = Upstream::start();
        let builder = with_route(Sidecar::before(&upstream), &genuine);
        let proxy = api.on(builder.unset(&format!("ROUTE_{}_SECRET", provider.to_uppercase())), provider).start();
        let signed = language.sign(&[genuine, of_stranger]);
        let [genuine, of_stranger] = [0, 1].map(|index| signed[index].0.request(&signed[index].1).bytes());
        proxy.check(&genuine, &Outcome::of("keys_unavailable").on(provider));
        proxy.wait_for_log("a key was fetched");
        let refused = Outcome::of("credential_invalid").on(provider);
        proxy.check(&of_stranger, &refused);
        proxy.check(&signed[0].0.tampered().request(&signed[0].1).bytes(), &refused);
        proxy.check(&genuine, &Outcome::forwarded(provider));
        assert_eq!(upstream.last().values("x-hookwarden-key-id"), [KEY_ID]);
        proxy.finish();
    }
}

#[test]
fn what_python_libraries_sign_is_forwarded() {
    signed_by_the_library_is_forwarded(&PYTHON);
}

#[test]
fn what_node_libraries_sign_is_forwarded() {
    signed_by_the_library_is_forwarded(&NODE);
}

#[test]
fn what_is_signed_with_private_keys_is_forwarded() {
    signed_by_the_library_is_forwarded(&PUBLIC_KEYS);
}

#[test]
fn what_we_sign_with_private_keys_verifies() {
    signed_by_us_is_accepted(&PUBLIC_KEYS);
}

#[test]
fn what_senders_of_tokens_sign_is_forwarded() {
    signed_by_the_library_is_forwarded(&TOKENS);
}

#[test]
fn tokens_that_we_sign_verify() {
    signed_by_us_is_accepted(&TOKENS);
}

#[test]
fn what_senders_of_tokens_sign_with_jose_is_forwarded() {
    signed_by_the_library_is_forwarded(&NODE_TOKENS);
}

#[test]
fn tokens_that_we_sign_verify_with_jose() {
    signed_by_us_is_accepted(&NODE_TOKENS);
}

#[test]
fn what_is_signed_as_messages_and_under_certificates_is_forwarded() {
    signed_by_the_library_is_forwarded(&MESSAGES);
}

#[test]
fn what_we_sign_as_messages_and_under_certificates_verifies() {
    signed_by_us_is_accepted(&MESSAGES);
}

#[test]
fn what_we_sign_python_libraries_accept() {
    signed_by_us_is_accepted(&PYTHON);
}

#[test]
fn what_we_sign_node_libraries_accept() {
    signed_by_us_is_accepted(&NODE);
}

#[test]
fn what_is_signed_anew_both_standard_webhooks_libraries_accept() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("resign");
    std::fs::write(&file, secret).expect("a file");
    let upstream = Upstream::start();
    let proxy =
        Sidecar::before(&upstream).provider("github").provider("stripe").set("RESIGN_SECRET_FILE", &file).start();
    let mut forwarded = Vec::new();
    for provider in ["github", "stripe"] {
        let request = Signer::new(provider).sign(r#"{"id":"evt_1","type":"a","amount":1010}"#);
        proxy.check(&request.bytes(), &Outcome::forwarded(provider));
        let received = upstream.last();
        forwarded.push((String::from_utf8(received.body().to_vec()).expect("text"), received.fields()));
    }
    proxy.finish();
    for language in [&PYTHON, &NODE] {
        let library = language.library("standard_webhooks");
        let message = |(body, fields): &(String, Headers)| (Message::of(library, secret, body), fields.clone());
        accepted_unless_changed(language, &forwarded.iter().map(message).collect::<Vec<_>>());
    }
}

fn signed_by_the_library_is_forwarded(language: &Language) {
    let signers = |seed| samples(language, seed, |library| library.signs);
    let (genuine, of_strangers) = (signers(1), signers(101));
    let upstream = Upstream::start();
    let proxy = genuine.iter().fold(Sidecar::before(&upstream), with_route).start();
    for (message, headers) in language.sign(&of_strangers) {
        let refused = Outcome::of("credential_invalid").on(message.library.provider);
        proxy.check(&message.request(&headers).bytes(), &refused);
    }
    for (message, headers) in language.sign(&genuine) {
        let refused = Outcome::of("credential_invalid").on(message.library.provider);
        proxy.check(&message.tampered().request(&headers).bytes(), &refused);
        proxy.check(&message.request(&headers).bytes(), &Outcome::forwarded(message.library.provider));
        assert_eq!(upstream.last().body(), message.body.as_bytes());
    }
    proxy.finish();
}

/// One message for each such library. Each has a secret of its own, or else two that are signed alike are each other's
/// replay.
fn samples(language: &Language, seed: u8, such: impl Fn(&Library) -> bool) -> Vec<Message> {
    let libraries = (seed..).zip(language.libraries).filter(|(_, library)| such(library));
    libraries.map(|(seed, library)| Message::sample(library, seed)).collect()
}

/// A route for a message. The window is wide, so that no slow machine decides the test.
fn with_route(builder: Builder, message: &Message) -> Builder {
    let (provider, scheme) = (message.library.provider, message.library.scheme());
    let builder = builder.provider_as(provider, provider, &[("SECRET", &message.secret)]);
    let window = scheme.timestamp.is_some().then_some(("TOLERANCE", "600s"));
    let url = scheme.needs_public_url().then_some(("PUBLIC_URL", ORIGIN));
    let verified = scheme.challenges.iter().any(|challenge| challenge.verify_required);
    let token = verified.then_some(("VERIFY_TOKEN", "a-verify-token"));
    builder.route(provider, &window.into_iter().chain(url).chain(token).collect::<Vec<_>>())
}

fn signed_by_us_is_accepted(language: &Language) {
    let signed: Vec<_> = samples(language, 1, |library| library.verifies).iter().map(Message::signed_by_us).collect();
    accepted_unless_changed(language, &signed);
}

fn accepted_unless_changed(language: &Language, signed: &[(Message, Headers)]) {
    all_answer(true, language, signed);
    let changed: Vec<_> = signed.iter().map(|(message, headers)| (message.tampered(), headers.clone())).collect();
    all_answer(false, language, &changed);
}

/// Names the providers whose library answers otherwise.
fn all_answer(expected: bool, language: &Language, messages: &[(Message, Headers)]) {
    let answers = language.verify(messages);
    let other = messages.iter().zip(answers).filter(|(_, answer)| *answer != expected);
    let other: Vec<_> = other.map(|(message, _)| message).collect();
    assert!(other.is_empty(), "not {expected}: {other:?}");
}
