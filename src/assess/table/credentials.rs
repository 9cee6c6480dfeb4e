//! No proof, somebody else's, or one that anybody could make.

use super::{Attack, CONTENT, Forge, Message, PROOF, Probe, REFUSED, Rule, Severity, Skip, TIME};
use crate::auth::keys::{Key, KeyText};
use crate::auth::sign::sample_private;

/// Words that are tried as secrets: what examples, tutorials and defaults use.
const GUESSES: [&str; 8] = ["secret", "password", "changeme", "test", "webhook", "whsec_test", "123456", "your-secret"];

/// Values that sloppy checks take for a match: empty variables printed, loose comparisons.
const WORDS: [&str; 7] = ["null", "undefined", "true", "0", "0e0", "[]", "*"];

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA001",
            severity: Severity::Critical,
            title: "A message without proof",
            why: "Whoever knows the address can send any event: paid orders that nobody paid, builds that nobody pushed. Addresses stand in logs, repositories and scanners' lists.",
            remedy: "Verify the provider's signature before anything else reads the message; with Hookwarden, give the path a route with PROVIDER and SECRET_FILE.",
            references: &["CWE-306", "OWASP API2:2023", "OWASP ASVS 5.0 4.1.5", "NIST SP 800-53 IA-3"],
        },
        sent: "A message as the provider sends it, without its signature or token.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT],
        probe: Probe::Refused(|forge| Ok(vec![forge.unsigned()?.shot("unsigned")])),
    },
    Attack {
        rule: Rule {
            code: "HA002",
            severity: Severity::Critical,
            title: "An empty signature",
            why: "A check that compares as many bytes as were sent, or that skips empty values, takes nothing for a match.",
            remedy: "Refuse a signature whose length is not that of the algorithm before comparing it.",
            references: &["CWE-347", "OWASP API2:2023", "NIST SP 800-53 SI-10"],
        },
        sent: "The signature's field with nothing in it, and the signature's grammar with an empty signature.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let message = forge.genuine()?;
            let signature = forge.signature(&message)?;
            Ok(vec![
                message.clone().with(&signature.field, "").shot("an empty field"),
                message.with(&signature.field, &signature.replaced("")).shot("an empty signature in its grammar"),
            ])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA003",
            severity: Severity::Critical,
            title: "A signature under another key",
            why: "A check that looks at the form of a signature and not at its value takes anybody's.",
            remedy: "Compute the signature over the raw body under the endpoint's own key, and compare all of it in constant time.",
            references: &["CWE-347", "OWASP API2:2023", "OWASP ASVS 5.0 4.1.5"],
        },
        sent: "A message that is signed correctly, with a key that the endpoint has never seen.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let (_, key) = stranger(forge)?;
            Ok(vec![forge.signed(forge.scheme(), &key, forge.now, forge.body(forge.now))?.shot("another key")])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA004",
            severity: Severity::Critical,
            title: "A signature under an empty secret",
            why: "A variable that is not set in one environment makes the key empty, and then anybody can sign.",
            remedy: "Refuse to start without a secret; never fall back to an empty one.",
            references: &["CWE-521", "CWE-1188", "OWASP API2:2023", "NIST SP 800-53 IA-5"],
        },
        sent: "A message that is signed correctly, under a key of no bytes.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| Ok(vec![under(forge, "")?.shot("an empty key")])),
    },
    Attack {
        rule: Rule {
            code: "HA005",
            severity: Severity::Critical,
            title: "A secret that can be guessed",
            why: "Secrets of examples and defaults are the first that are tried, and one captured message lets them be tried offline.",
            remedy: "Make the secret of at least 32 random bytes, and keep it in a file that only the receiver reads.",
            references: &["CWE-521", "CWE-798", "OWASP API2:2023", "NIST SP 800-53 IA-5"],
        },
        sent: "Messages that are signed correctly under secrets that examples and defaults use.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            GUESSES.iter().map(|guess| Ok(under(forge, guess)?.shot(&format!("the secret {guess:?}")))).collect()
        }),
    },
    Attack {
        rule: Rule {
            code: "HA006",
            severity: Severity::Critical,
            title: "A word in place of the signature",
            why: "Loose comparison (0e0 equals another 0e…), a printed null, or a wildcard make a word a match.",
            remedy: "Decode the signature strictly, then compare bytes with bytes; compare nothing as numbers or as loose types.",
            references: &["CWE-347", "OWASP API2:2023", "NIST SP 800-53 SI-10"],
        },
        sent: "The signature's field with null, undefined, true, 0, 0e0, [] and * in place of the signature.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let message = forge.genuine()?;
            let signature = forge.signature(&message)?;
            let one = |word: &&str| message.clone().with(&signature.field, &signature.replaced(word)).shot(word);
            Ok(WORDS.iter().map(one).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA007",
            severity: Severity::High,
            title: "The signature in another place",
            why: "A check that finds the signature in the query or in a cookie as well is one that links, forms and logs can feed.",
            remedy: "Read the signature from the one field that the provider names.",
            references: &["CWE-347", "OWASP API2:2023", "NIST SP 800-53 SI-10"],
        },
        sent: "A correct signature in a query parameter and in a cookie, and not in its field.",
        holds: REFUSED,
        reasons: &[PROOF, TIME],
        probe: Probe::Refused(|forge| {
            let message = forge.genuine()?;
            let signature = forge.signature(&message)?;
            let (bare, text) = (forge.stripped(message)?, signature.text());
            let parameter = format!("signature={}", percent(text));
            Ok(vec![
                bare.clone().and_query(&parameter).shot("in the query"),
                bare.and("Cookie", &format!("{}={text}", signature.field)).shot("in a cookie"),
            ])
        }),
    },
];

/// The seed of a key that nobody has configured.
const OTHER: u8 = 0x5a;

/// Such a key, as it is written and ready to sign.
pub(super) fn stranger(forge: &Forge<'_>) -> Result<(KeyText, Key), Skip> {
    let secret = KeyText::new("1", sample_private(forge.scheme(), OTHER).as_bytes());
    let key = Key::for_signing(forge.scheme(), &secret).map_err(|fault| Skip::because(fault.to_string()))?;
    Ok((secret, key))
}

fn under(forge: &Forge<'_>, secret: &str) -> Result<Message, Skip> {
    let key = Key::of_bytes(forge.scheme(), secret.as_bytes());
    let key = key.ok_or_else(|| Skip::because("the scheme's keys cannot be such"))?;
    forge.signed(forge.scheme(), &key, forge.now, forge.body(forge.now))
}

/// For a query (RFC 3986 section 2.3).
pub(super) fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
