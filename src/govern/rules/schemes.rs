//! What a provider's proof is worth: what it binds, what it is made with, and what has to make up for the rest.

use crate::auth::scheme::{Algorithm, Binding, Proof};
use crate::auth::signature::SignatureAlgorithm;
use crate::govern::subject::Subject;
use crate::policy::Route;

use super::{High, Hits, Info, Low, Medium, Row, Settings, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW040",
        High,
        "A static token is the only proof",
        "The token is sent along with every webhook. Whoever sees one, in a log, a proxy or a screenshot, sends what he likes for as long as it lives.",
        "Set HOOKWARDEN_ROUTE_<NAME>_SOURCES to the networks that the provider publishes, or ask for a client certificate by HOOKWARDEN_ROUTE_<NAME>_CLIENT_SANS; better, a scheme that signs.",
        &["OWASP API2:2023", "NIST SP 800-53 IA-3", "CWE-294"],
        Settings(lone_token),
    ),
    row(
        "HW041",
        Medium,
        "The proof does not bind the body",
        "Whoever is on the way, or has one webhook, puts another body under the same proof: a paid amount becomes a larger one.",
        "Where the provider offers signatures, choose that: `hookwarden providers` lists what it has. Else fetch the event from the provider's API by its id, and set HOOKWARDEN_ROUTE_<NAME>_SOURCES.",
        &["ASVS 5.0 4.1.5", "NIST SP 800-53 SI-7", "CWE-347"],
        Settings(unbound_body),
    ),
    row(
        "HW042",
        Medium,
        "The proof does not bind the time",
        "A captured webhook is as good next year as today; only what is remembered of it keeps it out, and that ends with the replay window.",
        "Choose a scheme of the provider that signs a timestamp; else keep HOOKWARDEN_ROUTE_<NAME>_REPLAY=on with a HOOKWARDEN_ROUTE_<NAME>_REPLAY_WINDOW as long as your service would suffer, and claims that survive a restart (HOOKWARDEN_REPLAY_URL or HOOKWARDEN_REPLAY_JOURNAL).",
        &["ASVS 5.0 12.3.5", "NIST SP 800-53 SC-23", "CWE-294"],
        Settings(unbound_time),
    ),
    row(
        "HW043",
        Low,
        "The proof does not bind the delivery's id",
        "A genuine retry cannot be told from a new event: the service may act twice, and must make sure itself that it does not.",
        "Have the service remember the event's id. Where the signed body holds one, name it: HOOKWARDEN_ROUTE_<NAME>_DELIVERY_ID=json:id.",
        &["ASVS 5.0 12.3.5", "CWE-294"],
        Settings(unbound_id),
    ),
    row(
        "HW044",
        High,
        "MD5 is what the proof is made with",
        "Two messages with the same MD5 are made in seconds: a proof of one is a proof of the other.",
        "Choose a newer scheme of the provider (`hookwarden providers`), or ALGORITHM=sha256 with PROVIDER=custom; until then narrow the route by HOOKWARDEN_ROUTE_<NAME>_SOURCES.",
        &["NIST SP 800-53 SC-13", "CWE-327"],
        Settings(md5),
    ),
    row(
        "HW045",
        Medium,
        "SHA-1 is what the proof is made with",
        "Collisions of SHA-1 can be bought. In an HMAC it still holds; a signature over SHA-1 can be made to fit two messages.",
        "Choose SHA-256 at the provider, and with PROVIDER=custom set HOOKWARDEN_ROUTE_<NAME>_ALGORITHM=sha256.",
        &["NIST SP 800-53 SC-13", "CWE-327"],
        Settings(sha1),
    ),
    row(
        "HW046",
        Medium,
        "The proof is a plain hash over the secret",
        "A hash that begins with the secret can be continued by who does not know it (length extension), and one that ends with it falls to collisions.",
        "Choose a scheme of the provider that uses an HMAC; until then set HOOKWARDEN_ROUTE_<NAME>_SOURCES.",
        &["NIST SP 800-53 SC-13", "CWE-347"],
        Settings(plain_digest),
    ),
    row(
        "HW047",
        Medium,
        "A bearer token serves for many messages",
        "Whoever sees one token sends his own webhooks with it until it ends.",
        "Have the issuer make tokens that live for minutes, and set HOOKWARDEN_ROUTE_<NAME>_SOURCES or HOOKWARDEN_ROUTE_<NAME>_CLIENT_SANS.",
        &["OWASP API2:2023", "ASVS 5.0 12.3.5", "CWE-294"],
        Settings(reusable_token),
    ),
    row(
        "HW048",
        High,
        "Tokens of any issuer, or for anybody, are accepted",
        "A token that the same keys signed for another service, or another tenant, opens this route too.",
        "Set HOOKWARDEN_ROUTE_<NAME>_ISSUER and HOOKWARDEN_ROUTE_<NAME>_AUDIENCE to the exact texts.",
        &["OWASP API2:2023", "NIST SP 800-53 IA-5", "CWE-347"],
        Settings(any_token),
    ),
    row(
        "HW049",
        Info,
        "A verification of the endpoint is signed with the webhooks' key",
        "An answer that signs what the caller has chosen can make signatures of messages. Here its shape is restricted so that it never is one; other receivers of the same secret may not do that.",
        "Use the secret of HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE nowhere else.",
        &["NIST SP 800-53 SC-12", "CWE-347"],
        Settings(oracle),
    ),
];

/// What narrows who can use a stolen token.
fn has_second_factor(subject: &Subject<'_>, route: &Route) -> bool {
    !route.sources.is_empty() || !route.client_sans.is_empty() || subject.route_is_set(route, "CLIENT_SANS")
}

fn is_token(route: &Route) -> bool {
    matches!(route.scheme.proof, Proof::Token)
}

fn lone_token(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter().filter(|route| is_token(route) && !has_second_factor(subject, route)) {
        let evidence =
            format!("{} proves itself by a token alone, and neither SOURCES nor CLIENT_SANS is set", route.provider);
        hits.route(route, "PROVIDER", evidence);
    }
}

fn unbound_body(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter() {
        let (evidence, severity) = match route.scheme.binding {
            Binding::Full => continue,
            Binding::Partial => ("binds some of the body, but not all of it", Medium),
            // Of these another rule speaks, where nothing makes up for it.
            Binding::None if is_token(route) && has_second_factor(subject, route) => ("binds nothing of the body", Low),
            Binding::None => ("binds nothing of the body", Medium),
        };
        hits.route(route, "PROVIDER", format!("{}'s proof {evidence}", route.provider)).severity = severity;
    }
}

fn unbound_time(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter().filter(|route| route.scheme.timestamp.is_none()) {
        hits.route(route, "PROVIDER", format!("{} signs no time", route.provider));
    }
}

fn unbound_id(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter().filter(|route| !route.signs_delivery_id()) {
        let evidence = match &route.delivery_id {
            Some(_) => "the id of a delivery is not among what is signed",
            None => "where the id of a delivery stands is not known",
        };
        hits.route(route, "DELIVERY_ID", evidence);
    }
}

fn md5(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter() {
        if route.scheme.algorithm() == Some(Algorithm::Md5) {
            hits.route(route, "PROVIDER", format!("{} uses MD5", route.provider));
        }
    }
}

fn sha1(subject: &Subject<'_>, hits: &mut Hits) {
    let is_weak = |algorithm: &SignatureAlgorithm| {
        matches!(algorithm, SignatureAlgorithm::EcdsaP256Sha1 | SignatureAlgorithm::RsaPkcs1Sha1)
    };
    for route in subject.policy.routes.iter() {
        let scheme = &route.scheme;
        if scheme.public_algorithms().iter().any(is_weak) {
            let evidence = format!("{}'s signatures are over SHA-1", route.provider);
            hits.route(route, "PROVIDER", evidence).severity = High;
        } else if scheme.algorithm() == Some(Algorithm::Sha1) {
            hits.route(route, "PROVIDER", format!("{} uses SHA-1", route.provider));
        }
    }
}

fn plain_digest(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter() {
        if matches!(route.scheme.proof, Proof::Digest { .. }) {
            hits.route(route, "PROVIDER", format!("{} hashes secret and message, without HMAC", route.provider));
        }
    }
}

fn reusable_token(subject: &Subject<'_>, hits: &mut Hits) {
    let is_reusable = |route: &Route| matches!(&route.scheme.proof, Proof::Jwt(jwt) if !jwt.per_message);
    for route in subject.policy.routes.iter().filter(|route| is_reusable(route)) {
        let finding =
            hits.route(route, "PROVIDER", format!("{}'s tokens are not made for one message", route.provider));
        if has_second_factor(subject, route) {
            finding.severity = Low;
        }
    }
}

fn any_token(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter() {
        for setting in ["ISSUER", "AUDIENCE"] {
            if subject.route_text(route, setting) == Some("*") {
                hits.route(route, setting, "it is *");
            }
        }
    }
}

fn oracle(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter().filter(|route| route.scheme.oracle.is_some()) {
        hits.route(route, "PROVIDER", format!("{} has the endpoint sign a text of its choice", route.provider));
    }
}
