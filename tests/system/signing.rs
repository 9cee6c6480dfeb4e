//! What a provider's own library signs gets through, what we sign its library accepts, and neither takes what was
//! changed on the way.

use crate::harness::{Outcome, Sidecar, Signer, Upstream};
use crate::sdks::{Headers, Language, Message, NODE, PYTHON};

#[test]
fn what_python_libraries_sign_is_forwarded() {
    signed_by_the_library_is_forwarded(&PYTHON);
}

#[test]
fn what_node_libraries_sign_is_forwarded() {
    signed_by_the_library_is_forwarded(&NODE);
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
        let request = Signer::new(provider).sign(r#"{"id":"evt_1","type":"a","amount":10}"#);
        proxy.check(&request.bytes(), &Outcome::forwarded(provider));
        let received = upstream.last();
        let body = String::from_utf8(received.body().to_vec()).expect("text");
        let message = Message { library: "standardwebhooks", provider, secret: secret.to_owned(), body };
        forwarded.push((message, received.fields()));
    }
    proxy.finish();
    accepted_unless_changed(&PYTHON, &forwarded);
    accepted_unless_changed(&NODE, &forwarded);
}

fn signed_by_the_library_is_forwarded(language: &Language) {
    let upstream = Upstream::start();
    let providers = language.libraries.iter().map(|(_, provider)| *provider);
    let proxy = providers.fold(Sidecar::before(&upstream), crate::harness::Builder::provider).start();
    let genuine = Message::samples(language);
    let of_a_stranger: Vec<_> = genuine.iter().map(with_another_secret).collect();
    for (message, headers) in of_a_stranger.iter().zip(language.sign(&of_a_stranger)) {
        let refused = Outcome::of("credential_invalid").on(message.provider);
        proxy.check(&message.request(&headers).bytes(), &refused);
    }
    for (message, headers) in genuine.iter().zip(language.sign(&genuine)) {
        let refused = Outcome::of("credential_invalid").on(message.provider);
        proxy.check(&message.tampered().request(&headers).bytes(), &refused);
        proxy.check(&message.request(&headers).bytes(), &Outcome::forwarded(message.provider));
        assert_eq!(upstream.last().body(), message.body.as_bytes());
    }
    proxy.finish();
}

/// The same message, signed by someone who does not know the secret; still one of the provider's form.
fn with_another_secret(message: &Message) -> Message {
    let last = message.secret.trim_end_matches('=').len() - 4;
    let secret = format!("{}AAAA{}", &message.secret[..last], &message.secret[last + 4..]);
    assert_ne!(secret, message.secret);
    Message { secret, ..message.clone() }
}

fn signed_by_us_is_accepted(language: &Language) {
    let sign = |message: Message| {
        let fields = Signer::new(message.provider).sign(message.body.as_str()).fields;
        (message, fields)
    };
    let signed: Vec<_> = Message::samples(language).into_iter().map(sign).collect();
    accepted_unless_changed(language, &signed);
}

fn accepted_unless_changed(language: &Language, signed: &[(Message, Headers)]) {
    let all = |answer: bool| vec![answer; signed.len()];
    assert_eq!(language.verify(signed), all(true), "{signed:?}");
    let changed: Vec<_> = signed.iter().map(|(message, headers)| (message.tampered(), headers.clone())).collect();
    assert_eq!(language.verify(&changed), all(false), "{changed:?}");
}
