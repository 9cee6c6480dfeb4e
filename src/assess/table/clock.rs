//! What only a clock tells.

use super::{Attack, PROOF, Probe, Rule, Severity};
use crate::assess::trials::Trial;

pub(super) static ATTACKS: &[Attack] = &[Attack {
    rule: Rule {
        code: "HA079",
        severity: Severity::Medium,
        title: "A comparison that takes the longer the more is right",
        why: "Who can measure how far a comparison came finds the signature piece by piece, in a few thousand tries, without the key.",
        remedy: "Compare in constant time, with the function that the language has for it (hmac.compare_digest, crypto.timingSafeEqual, subtle).",
        references: &["CWE-208", "OWASP ASVS 5.0 11.2.4", "OWASP API2:2023"],
    },
    sent: "One message many times, with a signature that is wrong at its start or near its end, in random order, and how long the answers take.",
    holds: "No difference of a millisecond or more that chance would not make. Smaller ones cannot be seen from here: that it holds says little, and that it does not says much.",
    reasons: &[PROOF],
    probe: Probe::Trial(Trial::Stopwatch),
}];
