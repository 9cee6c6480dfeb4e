//! Signatures that are nearly right: for checks that look at part of one, at another writing of it, at the wrong one of
//! two, or at a weaker kind.

use super::{Attack, Forge, Message, PROOF, Probe, REFUSED, Rule, Severity, Skip, WIRE};
use crate::auth::keys::Key;
use crate::auth::scheme::{Algorithm, Encoding, Proof};

/// How many characters of a signature sloppy checks look at.
const START: usize = 8;

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA012",
            severity: Severity::Critical,
            title: "The beginning of a signature",
            why: "A check that the expected signature starts with what was sent is passed by one character, after a few tries.",
            remedy: "Refuse a signature of another length, and compare all of it in constant time.",
            references: &["CWE-347", "OWASP ASVS 5.0 11.2.4", "OWASP API2:2023"],
        },
        sent: "The first 8 characters, the first one, and the first half of the correct signature.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let cuts: [Way; 3] = [
                ("8 characters", |text| start(text).to_owned()),
                ("one character", |text| text.chars().take(1).collect()),
                ("half", |text| text.chars().take(text.len() / 2).collect()),
            ];
            rewritten(forge, &cuts)
        }),
    },
    Attack {
        rule: Rule {
            code: "HA013",
            severity: Severity::Critical,
            title: "A signature that is right at its start only",
            why: "A check of a prefix needs no more than a few thousand tries to pass.",
            remedy: "Compare the whole signature, byte by byte, in constant time.",
            references: &["CWE-347", "OWASP ASVS 5.0 11.2.4", "OWASP API2:2023"],
        },
        sent: "The correct signature with everything behind its 8th character replaced.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            rewritten(
                forge,
                &[("the rest replaced", |text| {
                    let rest = text.get(start(text).len()..).unwrap_or_default();
                    format!("{}{}", start(text), other(rest))
                })],
            )
        }),
    },
    Attack {
        rule: Rule {
            code: "HA014",
            severity: Severity::High,
            title: "A signature that is right at its end only",
            why: "A check that looks at the end alone (ends_with, a cut at the wrong side) is a check of a few characters.",
            remedy: "Compare the whole signature, byte by byte, in constant time.",
            references: &["CWE-347", "OWASP ASVS 5.0 11.2.4", "OWASP API2:2023"],
        },
        sent: "The correct signature with its first 8 characters replaced, and its last half alone.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            rewritten(
                forge,
                &[
                    ("the start replaced", |text| {
                        format!("{}{}", other(start(text)), text.get(start(text).len()..).unwrap_or_default())
                    }),
                    ("the last half", |text| text.chars().skip(text.len() / 2).collect()),
                ],
            )
        }),
    },
    Attack {
        rule: Rule {
            code: "HA015",
            severity: Severity::Medium,
            title: "A signature with more behind it",
            why: "A check that the value starts with the expected signature lets one captured value be changed at will: it passes caches and lists of what was seen.",
            remedy: "Refuse a signature of another length.",
            references: &["CWE-347", "NIST SP 800-53 SI-10"],
        },
        sent: "The correct signature with 8 characters behind it.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            rewritten(
                forge,
                &[("8 characters more", |text| {
                    // Behind padding lenient decoders of base64 read nothing any more.
                    format!("{}deadbeef", text.trim_end_matches('='))
                })],
            )
        }),
    },
    Attack {
        rule: Rule {
            code: "HA016",
            severity: Severity::High,
            title: "A signature in the other case",
            why: "In base64 another case is another value: a check that ignores it makes a signature worth a fraction of its bits.",
            remedy: "Decode base64 and compare bytes, not text without regard to case.",
            references: &["CWE-347", "NIST SP 800-53 SI-10"],
        },
        sent: "The correct signature in base64 with every letter's case swapped.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            if matches!(forge.scheme().signature.encoding, Encoding::Hex | Encoding::HexUpper) {
                return Err(Skip::because("the signature is hexadecimal, where both cases are the same value"));
            }
            rewritten(
                forge,
                &[("case swapped", |text| {
                    let swap =
                        |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
                    text.chars().map(swap).collect()
                })],
            )
        }),
    },
    Attack {
        rule: Rule {
            code: "HA017",
            severity: Severity::Medium,
            title: "A signature in full-width digits",
            why: "A check behind a normalisation of Unicode sees another text than the one in front of it: what one hop refuses, the next takes.",
            remedy: "Refuse a signature that is not ASCII; normalise nothing before a comparison.",
            references: &["CWE-347", "NIST SP 800-53 SI-10"],
        },
        sent: "The correct signature with its digits as U+FF10 to U+FF19, which compatibility normalisation makes digits again.",
        holds: REFUSED,
        reasons: &[PROOF, WIRE],
        probe: Probe::Refused(|forge| {
            rewritten(
                forge,
                &[("full-width digits", |text| {
                    let wide = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(0xff10 + digit)).unwrap_or(c);
                    text.chars().map(wide).collect()
                })],
            )
        }),
    },
    Attack {
        rule: Rule {
            code: "HA018",
            severity: Severity::Medium,
            title: "A weaker hash under the same key",
            why: "A check that takes the algorithm from the message is as strong as the weakest that it knows.",
            remedy: "Accept the one algorithm that the provider's current scheme uses.",
            references: &["CWE-327", "CWE-347", "NIST SP 800-53 SC-13"],
        },
        sent: "A message that is signed correctly, but with HMAC-SHA1 and HMAC-MD5, labelled so, in the current field and in that of older schemes.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(weaker),
    },
    Attack {
        rule: Rule {
            code: "HA019",
            severity: Severity::Medium,
            title: "The label of an older scheme",
            why: "A check that takes every version's label can be led back to a version that signs less.",
            remedy: "Pass over entries of every version but the current one.",
            references: &["CWE-347", "NIST SP 800-53 SC-13"],
        },
        sent: "The correct signature under the label of an older version of the scheme (v0 for v1, v1 for v2, none).",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let message = forge.genuine()?;
            let signature = forge.signature(&message)?;
            let before = &signature.value[..signature.at.start];
            let older =
                [("v1", "v0"), ("v2", "v1"), ("v0", "v"), ("sha256", "none"), ("sha512", "none"), ("sha1", "none")];
            let found = older.iter().find_map(|(now, then)| before.rfind(now).map(|at| (at, now, then)));
            let (at, now, then) = found.ok_or_else(|| Skip::because("the signature carries no label"))?;
            let value = format!("{}{then}{}", &signature.value[..at], &signature.value[at + now.len()..]);
            Ok(vec![message.with(&signature.field, &value).shot(then)])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA020",
            severity: Severity::Low,
            title: "Two signature fields, the genuine one first",
            why: "Where two programs on the way read different ones of two fields, one checks what the other does not use. Whoever takes the first cannot know what the next takes.",
            remedy: "Refuse a message with more than one field of the signature's name.",
            references: &["CWE-347", "CWE-444", "NIST SP 800-53 SI-10"],
        },
        sent: "The correct signature's field, and behind it a second one with a wrong signature.",
        holds: REFUSED,
        reasons: &[PROOF, WIRE],
        probe: Probe::Refused(|forge| doubled(forge, true)),
    },
    Attack {
        rule: Rule {
            code: "HA021",
            severity: Severity::Low,
            title: "Two signature fields, the genuine one last",
            why: "Where two programs on the way read different ones of two fields, one checks what the other does not use. Whoever takes the last cannot know what the one before took.",
            remedy: "Refuse a message with more than one field of the signature's name.",
            references: &["CWE-347", "CWE-444", "NIST SP 800-53 SI-10"],
        },
        sent: "A field with a wrong signature, and behind it the correct signature's field.",
        holds: REFUSED,
        reasons: &[PROOF, WIRE],
        probe: Probe::Refused(|forge| doubled(forge, false)),
    },
];

/// Another writing of a signature, and what it is called.
type Way = (&'static str, fn(&str) -> String);

/// Genuine messages whose signature is written otherwise.
fn rewritten(forge: &Forge<'_>, ways: &[Way]) -> Result<Vec<super::Shot>, Skip> {
    let message = forge.genuine()?;
    let signature = forge.signature(&message)?;
    let made = ways.iter().filter_map(|(label, way)| {
        let text = way(signature.text());
        let value = signature.replaced(&text);
        (text != signature.text()).then(|| message.clone().with(&signature.field, &value).shot(label))
    });
    let shots: Vec<_> = made.collect();
    if shots.is_empty() { Err(Skip::because("written so, the signature is the same")) } else { Ok(shots) }
}

fn weaker(forge: &Forge<'_>) -> Result<Vec<super::Shot>, Skip> {
    let Proof::Hmac { algorithm: strong, .. } = &forge.scheme().proof else {
        return Err(Skip::because("the proof is no HMAC"));
    };
    let mut shots = Vec::new();
    for (weak, name) in [(Algorithm::Sha1, "sha1"), (Algorithm::Md5, "md5")] {
        if weak == *strong {
            continue;
        }
        let mut scheme = forge.scheme().clone();
        if let Proof::Hmac { algorithm, .. } = &mut scheme.proof {
            *algorithm = weak;
        }
        let key = Key::for_signing(&scheme, &forge.subject.secret).map_err(|fault| Skip::because(fault.to_string()))?;
        let message = forge.signed(&scheme, &key, forge.now, forge.body(forge.now))?;
        let signature = forge.signature(&message)?;
        let labelled = signature.value.replace("sha256=", &format!("{name}=")).replace("sha512=", &format!("{name}="));
        shots.push(message.clone().with(&signature.field, &labelled).shot(name));
        let older = signature.field.replace("-SHA256", "").replace("-Sha256", "").replace("-256", "");
        if older != signature.field {
            shots.push(message.without(&signature.field).and(&older, &labelled).shot(&format!("{name} in {older}")));
        }
    }
    if shots.is_empty() { Err(Skip::because("the scheme has no stronger hash to fall back from")) } else { Ok(shots) }
}

fn doubled(forge: &Forge<'_>, genuine_first: bool) -> Result<Vec<super::Shot>, Skip> {
    let message = forge.genuine()?;
    let signature = forge.signature(&message)?;
    let wrong = signature.replaced(&other(signature.text()));
    let (first, last) = if genuine_first { (&signature.value, &wrong) } else { (&wrong, &signature.value) };
    let message: Message = message.without(&signature.field).and(&signature.field, first).and(&signature.field, last);
    Ok(vec![message.shot("two fields")])
}

/// The first characters.
fn start(text: &str) -> &str {
    text.get(..START).unwrap_or(text)
}

/// A text of the same form, with every letter and digit another.
fn other(text: &str) -> String {
    let turn = |c: char| match c {
        '0'..='8' | 'a'..='e' | 'A'..='Y' | 'g'..='y' => char::from_u32(u32::from(c) + 1).unwrap_or(c),
        '9' => '0',
        'f' => 'a',
        'Z' => 'A',
        'z' => 'g',
        _ => c,
    };
    text.chars().map(turn).collect()
}
