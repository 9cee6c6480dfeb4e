//! The table is whole, and every row can be made for every kind of scheme.

use std::collections::BTreeSet;

use super::*;
use crate::assess::Subject;
use crate::assess::target::Target;
use crate::assess::trials::Trial;
use crate::auth::jwt::ClaimRules;
use crate::auth::keys::{Key, KeyText};
use crate::auth::scheme::{Proof, Scheme};
use crate::auth::sign::sample_private;
use crate::clock::Now;
use crate::providers;

const CONTROLS: [&str; 4] = ["CWE-", "OWASP API", "OWASP ASVS 5.0 ", "NIST SP 800-53 "];

pub(in crate::assess) fn subject(provider: &str) -> Subject {
    let mut scheme = Scheme::clone(&providers::find(provider).expect("in the catalogue").scheme);
    if let ("oauth", Proof::Jwt(jwt)) = (provider, &mut scheme.proof) {
        // As a route says it.
        let (issuers, audiences) = (["https://issuer.test".into()].into(), ["hooks".into()].into());
        jwt.set_rules(ClaimRules { issuers, audiences, ..ClaimRules::default() });
    }
    let secret = KeyText::new("1", sample_private(&scheme, 7).as_bytes());
    let key = Key::for_signing(&scheme, &secret).expect("a key");
    Subject {
        provider: provider.into(),
        key,
        secret,
        scheme: scheme.into(),
        public: Some("-----BEGIN PUBLIC KEY-----".into()),
        target: Target::resolve("http://127.0.0.1:1/hooks", None).expect("an address"),
        signed_url: None,
        headers: Vec::new(),
        body: None,
    }
}

#[test]
fn codes_are_in_order_and_rows_whole() {
    let attacks: Vec<_> = all().collect();
    assert!(attacks.len() >= 40, "{}", attacks.len());
    for (index, attack) in attacks.iter().enumerate() {
        let Attack { rule, sent, holds, reasons, .. } = attack;
        assert_eq!(rule.code, format!("HA{:03}", index + 1));
        for text in [rule.title, rule.why, rule.remedy, sent, holds] {
            assert!(text.len() > 8 && text.trim() == text && !text.contains("  "), "{}: {text:?}", rule.code);
        }
        assert!(!rule.references.is_empty(), "{}", rule.code);
        for reference in rule.references {
            assert!(CONTROLS.iter().any(|start| reference.starts_with(start)), "{}: {reference}", rule.code);
        }
        assert!(!reasons.is_empty() || matches!(attack.probe, Probe::Tells(_) | Probe::Reflects(_) | Probe::Trial(_)));
    }
    let titles: BTreeSet<_> = attacks.iter().map(|attack| attack.rule.title).collect();
    assert_eq!(titles.len(), attacks.len(), "each has a name of its own");
}

/// One provider of each kind of scheme, for signing is slow in tests.
const KINDS: &[&str] = &[
    "github",
    "stripe",
    "standard_webhooks",
    "slack",
    "twilio",
    "plaid",
    "x_twitter",
    "zoom",
    "discord",
    "gitlab_token",
    "adyen",
    "mailgun",
    "aws_sns",
    "mollie",
    "oauth",
];

/// Each attack is made, or says why it does not apply.
#[test]
fn every_attack_can_be_made_for_every_scheme() {
    let mut made = BTreeSet::new();
    for id in KINDS {
        let subject = subject(id);
        let forge = Forge { subject: &subject, nonce: "n".into(), now: Now::read(), oversize: 4096 };
        for attack in all() {
            let shots = match attack.probe {
                Probe::Refused(make)
                | Probe::Alike(make)
                | Probe::Ambiguous(make)
                | Probe::Second(make)
                | Probe::Tells(make)
                | Probe::Reflects(make) => make(&forge),
                Probe::Trial(Trial::Again(vary)) => forge.genuine().and_then(|message| vary(&forge, &message)),
                Probe::Trial(_) => continue,
            };
            match shots {
                Ok(shots) => {
                    assert!(!shots.is_empty(), "{id} {}", attack.rule.code);
                    made.insert(attack.rule.code);
                }
                Err(Skip(why)) => assert!(!why.is_empty(), "{id} {}", attack.rule.code),
            }
        }
    }
    let never: Vec<_> = all()
        .filter(|attack| !matches!(attack.probe, Probe::Trial(_)) && !made.contains(attack.rule.code))
        .map(|attack| attack.rule.code)
        .collect();
    assert!(never.is_empty(), "no provider of the catalogue: {never:?}");
}
