//! What carries the messages: TLS, and what still speaks without it or with less.

use super::{Attack, PROOF, Probe, Rule, Severity, WIRE};
use crate::assess::hello;
use crate::assess::trials::Trial;
use crate::deny::Reason;

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA068",
            severity: Severity::High,
            title: "Plaintext",
            why: "Whoever is on the way reads what the events say, and with a static token has the key to send any.",
            remedy: "Terminate TLS in the sidecar (TLS=terminate), or at a trusted proxy that says so (TLS=forwarded), and answer nothing else.",
            references: &["CWE-319", "OWASP API8:2023", "NIST SP 800-53 SC-8"],
        },
        sent: "A genuine message without TLS, to the port that speaks TLS; where the endpoint's own URL is http, the messages before this one.",
        holds: "No HTTP answer, a 4xx, or a redirect to https.",
        reasons: &[&[Reason::HttpsRequired], WIRE, PROOF],
        probe: Probe::Trial(Trial::Plaintext),
    },
    Attack {
        rule: Rule {
            code: "HA069",
            severity: Severity::Medium,
            title: "Versions of TLS before 1.2",
            why: "They rest on MD5 and SHA-1 and on constructions with known attacks; they are deprecated (RFC 8996).",
            remedy: "Set the least version to 1.2 (TLS_MIN_VERSION), better to 1.3.",
            references: &["CWE-326", "CWE-327", "NIST SP 800-53 SC-8"],
        },
        sent: "The first message of SSL 3.0, TLS 1.0 and TLS 1.1 handshakes.",
        holds: "An alert, or the connection's end.",
        reasons: &[],
        probe: Probe::Trial(Trial::Hello(hello::OLD)),
    },
    Attack {
        rule: Rule {
            code: "HA070",
            severity: Severity::High,
            title: "Weak ciphers",
            why: "Without encryption, without a certificate, of export strength, RC4 and 3DES: what is sent under them can be read or changed.",
            remedy: "Offer authenticated encryption with forward secrecy alone.",
            references: &["CWE-326", "CWE-327", "NIST SP 800-53 SC-13"],
        },
        sent: "The first message of a TLS 1.2 handshake that offers nothing else.",
        holds: "An alert, or the connection's end.",
        reasons: &[],
        probe: Probe::Trial(Trial::Hello(hello::WEAK)),
    },
];
