//! Secrets: how hard they are to guess, where they stand, who else has them, and for how long.

use crate::auth::scheme::{Proof, SecretEncoding};
use crate::auth::signature::Strength;
use crate::config::survey::SecretFacts;
use crate::govern::finding::Finding;
use crate::govern::subject::Subject;

use super::{Critical, DAY, High, Hits, Info, Low, Medium, Row, Settings, row, span};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW020",
        High,
        "A secret is short",
        "One captured webhook is enough to try secrets offline, by the billion a second, with nobody noticing; with the secret an attacker signs what he likes.",
        "Make a new secret of at least 32 random bytes (openssl rand -hex 32), set it at the provider, and put it into HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE beside the old one until the provider signs with it.",
        &["OWASP API2:2023", "NIST SP 800-53 IA-5", "CWE-521", "CWE-326"],
        Settings(short),
    ),
    row(
        "HW021",
        High,
        "A secret is easy to guess",
        "It is long but repeats itself or follows a pattern, so that far fewer have to be tried than its length promises.",
        "Make a new secret of at least 32 random bytes (openssl rand -hex 32) and rotate: add it to HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE, then at the provider, then remove the old one.",
        &["OWASP API2:2023", "NIST SP 800-53 IA-5", "CWE-521"],
        Settings(guessable),
    ),
    row(
        "HW022",
        Critical,
        "A secret is a placeholder from documentation",
        "Words such as changeme or secret are what attackers try first: whoever tries them signs webhooks as the provider.",
        "Replace it with at least 32 random bytes (openssl rand -hex 32), at the provider and in HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE.",
        &["OWASP API2:2023", "NIST SP 800-53 IA-5", "CWE-798", "CWE-1188"],
        Settings(placeholder),
    ),
    row(
        "HW023",
        High,
        "One secret serves several purposes",
        "Who leaks one of them leaks all: a sender of one route can send to the other, and one cannot be revoked without the other.",
        "Give each route and purpose a secret of its own, in its own HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE.",
        &["NIST SP 800-53 IA-5", "NIST SP 800-53 AC-6", "ASVS 5.0 13.3.2"],
        Settings(shared),
    ),
    row(
        "HW024",
        Medium,
        "A secret stands in the environment",
        "Variables show in pod specifications, crash reports, child processes and debug pages, and a new value needs a restart, so that rotation is put off.",
        "Mount the secret as a file and name it in HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE.",
        &["ASVS 5.0 13.3.1", "NIST SP 800-53 IA-5", "OWASP API8:2023"],
        Settings(in_environment),
    ),
    row(
        "HW025",
        Medium,
        "A secret's file can be read by everybody on the machine",
        "Any other process there, of whatever user, can take the secret and sign with it.",
        "chmod 0400 the file, or set defaultMode: 0440 and fsGroup on the Secret's volume.",
        &["ASVS 5.0 13.3.2", "NIST SP 800-53 AC-6"],
        Settings(readable),
    ),
    row(
        "HW026",
        High,
        "A file that decides what is accepted can be written by others",
        "Who can write it adds a key, a provider or a schema of his own; it is live within seconds.",
        "chmod go-w the file and its directory, and mount it read-only.",
        &["NIST SP 800-53 AC-6", "NIST SP 800-53 SI-7"],
        Settings(writable),
    ),
    row(
        "HW027",
        Medium,
        "A secret is over age",
        "The longer a secret is in use, the more people, backups and logs have seen it.",
        "Rotate: add a new secret to HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE, set it at the provider, then remove the old one. HOOKWARDEN_ROUTE_<NAME>_SECRET_MAX_AGE enforces it.",
        &["ASVS 5.0 13.3.4", "NIST SP 800-53 IA-5", "NIST SP 800-53 SC-12"],
        Settings(over_age),
    ),
    row(
        "HW028",
        Info,
        "A secret never has to be rotated",
        "A forgotten secret stays good for ever, also in the hands of somebody who has left.",
        "Set HOOKWARDEN_ROUTE_<NAME>_SECRET_MAX_AGE, such as 365d, and rotate before that.",
        &["ASVS 5.0 13.3.4", "NIST SP 800-53 IA-5", "CWE-613"],
        Settings(ageless),
    ),
    row(
        "HW029",
        Low,
        "Many keys are accepted at once",
        "Old keys that were left over from rotations are keys that nobody watches.",
        "Remove from HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE what hookwarden_credential_last_used_timestamp_seconds shows to be unused; two are enough for a rotation.",
        &["NIST SP 800-53 IA-5", "NIST SP 800-53 AC-6", "OWASP API9:2023"],
        Settings(many),
    ),
    row(
        "HW030",
        Low,
        "A Standard Webhooks key is shorter than the standard says",
        "The standard asks for 24 to 64 bytes, so that nobody can find the key by trying.",
        "Make a new one (printf whsec_; openssl rand -base64 32), set it at the sender and in HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE.",
        &["NIST SP 800-53 IA-5", "CWE-326"],
        Settings(short_standard),
    ),
    row(
        "HW031",
        Medium,
        "RSA keys of 1024 bits are accepted",
        "Such a key can be factored by those with means; they then sign as the provider.",
        "Ask the provider for a key of at least 2048 bits; until then narrow the route with HOOKWARDEN_ROUTE_<NAME>_SOURCES.",
        &["NIST SP 800-53 SC-12", "NIST SP 800-53 SC-13", "CWE-326"],
        Settings(weak_rsa),
    ),
];

/// 128 bits: what nobody guesses.
const SHORT: usize = 16;

/// What can be tried in a lifetime by somebody with very many machines, and a margin.
const GUESSABLE: usize = 80;

/// The secrets whose strength is a matter of their text: not public keys, nor what a certificate must name, nor user
/// names.
fn shared_keys<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = &'s SecretFacts> {
    subject.survey.secrets.iter().filter(|secret| {
        let route = secret.route.as_deref().and_then(|name| subject.route(name));
        let is_public = route.is_some_and(|route| {
            !route.scheme.public_algorithms().is_empty() || route.scheme.key_source.certificate.is_some()
        });
        !(secret.guess.pem || is_public && secret.setting == "SECRET")
    })
}

fn hit<'h>(hits: &'h mut Hits, subject: &Subject<'_>, secret: &SecretFacts, evidence: &str) -> &'h mut Finding {
    let several = subject.survey.secrets.iter().filter(|other| other.variable == secret.variable).count() > 1;
    let key = if several { format!("key {} ", secret.key) } else { "it ".to_owned() };
    let finding = hits.variable(secret.variable.clone(), format!("{key}{evidence}"));
    let remedy = match &secret.route {
        Some(route) => finding.remedy.replace("<NAME>", &route.to_ascii_uppercase()),
        // Of a secret of the whole sidecar the same holds by its own name.
        None => finding.remedy.replace("HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE", &by_file(&secret.variable)),
    };
    finding.remedy = remedy.into();
    finding
}

fn by_file(variable: &str) -> String {
    if variable.ends_with("_FILE") { variable.to_owned() } else { format!("{variable}_FILE") }
}

fn short(subject: &Subject<'_>, hits: &mut Hits) {
    for secret in shared_keys(subject).filter(|secret| secret.guess.bytes < SHORT) {
        let finding = hit(hits, subject, secret, &format!("is worth {} bytes", secret.guess.bytes));
        if secret.guess.bytes < SHORT / 2 {
            finding.severity = Critical;
        }
        if secret.setting == "VERIFY_TOKEN" {
            // It proves nothing of a message: it only keeps others from having the endpoint verified.
            finding.severity = Low;
        }
    }
}

fn guessable(subject: &Subject<'_>, hits: &mut Hits) {
    let is_long = |secret: &&SecretFacts| secret.guess.bytes >= SHORT && !secret.guess.placeholder;
    for secret in shared_keys(subject).filter(is_long).filter(|secret| secret.guess.bits < GUESSABLE) {
        hit(hits, subject, secret, &format!("has at most {} bits of entropy", secret.guess.bits));
    }
}

fn placeholder(subject: &Subject<'_>, hits: &mut Hits) {
    for secret in shared_keys(subject).filter(|secret| secret.guess.placeholder) {
        hit(hits, subject, secret, "is made of words that stand in documentation");
    }
}

fn shared(subject: &Subject<'_>, hits: &mut Hits) {
    // Of each pair the later one is told.
    let others = |secret: &SecretFacts| -> Vec<_> {
        secret.shared_with.iter().filter(|other| **other < secret.variable).cloned().collect()
    };
    for secret in shared_keys(subject) {
        let mut others = others(secret);
        others.dedup();
        if !others.is_empty() {
            hit(hits, subject, secret, &format!("is the same as in {}", others.join(", ")));
        }
    }
}

fn in_environment(subject: &Subject<'_>, hits: &mut Hits) {
    for secret in shared_keys(subject).filter(|secret| secret.in_environment) {
        let finding = hit(hits, subject, secret, "stands in the variable itself");
        let file = by_file(&secret.variable);
        finding.remedy = format!("Mount the secret as a file and name it in {file}.").into();
        if secret.setting == "VERIFY_TOKEN" {
            finding.severity = Low;
        }
    }
}

fn readable(subject: &Subject<'_>, hits: &mut Hits) {
    for file in subject.survey.files.iter().filter(|file| file.secret && file.mode & 0o004 != 0) {
        let public = file.route.as_deref().and_then(|name| subject.route(name));
        if public.is_some_and(|route| !route.scheme.public_algorithms().is_empty()) {
            continue;
        }
        hits.variable(file.variable.clone(), format!("{} has the mode {:04o}", file.path.display(), file.mode));
    }
}

fn writable(subject: &Subject<'_>, hits: &mut Hits) {
    for file in subject.survey.files.iter().filter(|file| file.mode & 0o022 != 0) {
        let finding =
            hits.variable(file.variable.clone(), format!("{} has the mode {:04o}", file.path.display(), file.mode));
        if file.mode & 0o002 == 0 {
            finding.severity = Medium;
        }
    }
}

/// A year: what most rules on secrets ask for at the latest.
const OLD: u64 = 365 * DAY;

fn over_age(subject: &Subject<'_>, hits: &mut Hits) {
    for secret in shared_keys(subject) {
        let Some(age) = secret.modified.map(|since| subject.now.saturating_sub(since)) else { continue };
        let most = secret.route.as_deref().and_then(|name| subject.route(name)?.secret_max_age);
        match most.map(|most| most.as_secs()) {
            Some(most) if age > most => {
                hit(hits, subject, secret, &format!("is {} old, and no longer accepted", span(age))).severity = High;
            }
            // What is left is less than a tenth.
            Some(most) if age > most - most / 10 => {
                hit(hits, subject, secret, &format!("is {} old; at {} it is refused", span(age), span(most)));
            }
            _ if age > OLD => {
                hit(hits, subject, secret, &format!("is {} old", span(age)));
            }
            _ => {}
        }
    }
}

fn ageless(subject: &Subject<'_>, hits: &mut Hits) {
    let has_file = |route: &&std::sync::Arc<_>| subject.route_is_set(route, "SECRET_FILE");
    for route in subject.policy.routes.iter().filter(has_file) {
        if !subject.route_is_set(route, "SECRET_MAX_AGE") {
            hits.route(route, "SECRET_MAX_AGE", "it is not set");
        }
    }
}

fn many(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter().filter(|route| route.keys.len() > 2) {
        hits.route(route, "SECRET_FILE", format!("it holds {} keys", route.keys.len()));
    }
}

fn short_standard(subject: &Subject<'_>, hits: &mut Hits) {
    for secret in shared_keys(subject).filter(|secret| (SHORT..24).contains(&secret.guess.bytes)) {
        let route = secret.route.as_deref().and_then(|name| subject.route(name));
        let is_standard = route.is_some_and(|route| {
            let form = &route.scheme.secret;
            form.encoding == SecretEncoding::Base64 && &*form.strip_prefix == "whsec_"
        });
        if secret.setting == "RESIGN_SECRET" || secret.setting == "SECRET" && is_standard {
            hit(hits, subject, secret, &format!("has {} bytes", secret.guess.bytes));
        }
    }
}

fn weak_rsa(subject: &Subject<'_>, hits: &mut Hits) {
    let takes_rsa = |proof: &Proof| matches!(proof, Proof::PublicKey { .. } | Proof::Jwt(_));
    for route in subject.policy.routes.iter() {
        if takes_rsa(&route.scheme.proof) && route.scheme.key_source.strength == Strength::Legacy {
            hits.route(route, "PROVIDER", format!("{} signs with RSA keys of 1024 bits", route.provider));
        }
    }
}
