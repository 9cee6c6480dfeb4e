//! Messages that came before.

use super::{AGAIN, Attack, PROOF, Probe, Rule, Severity};
use crate::assess::trials::Trial;
use crate::auth::scheme::Field;

/// What these rows expect.
const ONCE: &str = "The first is taken; what comes after it is refused (409), or acknowledged and not acted on.";

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA034",
            severity: Severity::High,
            title: "The same message again",
            why: "Whoever has seen one genuine message has it carried out again: a second payout, a second delivery, a second licence.",
            remedy: "Remember the ids or signatures of accepted messages for longer than the window; with Hookwarden, leave REPLAY on, shared between replicas.",
            references: &["CWE-294", "OWASP API2:2023", "OWASP ASVS 5.0 12.3.5", "NIST SP 800-53 SC-23"],
        },
        sent: "A genuine message, and then the same bytes again.",
        holds: ONCE,
        reasons: &[AGAIN],
        probe: Probe::Trial(Trial::Again(|_, message| Ok(vec![message.shot("the same bytes")]))),
    },
    Attack {
        rule: Rule {
            code: "HA035",
            severity: Severity::High,
            title: "The same message under a new id",
            why: "An id that is not signed is the attacker's to choose: a memory of ids alone takes every repetition for new.",
            remedy: "Know messages by what is signed: by the signature itself, or by an id within the signed content.",
            references: &["CWE-294", "OWASP API2:2023", "NIST SP 800-53 SC-23"],
        },
        sent: "A genuine message, and then the same with another delivery id in an unsigned field.",
        holds: ONCE,
        reasons: &[AGAIN, PROOF],
        probe: Probe::Trial(Trial::Again(|forge, message| {
            let field = forge.scheme().delivery_id.as_ref();
            let named = match field {
                Some(field @ Field::Header(name)) if !forge.scheme().signs(field) => Some(&**name),
                _ => None,
            };
            let names = named.into_iter().chain(["X-Request-Id", "Idempotency-Key"]);
            let shots = names.map(|name| message.clone().with(name, "hookwarden-assess-2").shot(name));
            Ok(shots.collect())
        })),
    },
    Attack {
        rule: Rule {
            code: "HA036",
            severity: Severity::High,
            title: "The same message with other wrapping",
            why: "A memory of whole requests takes a message for new when anything around what is signed is another.",
            remedy: "Know messages by what is signed, not by the request around it.",
            references: &["CWE-294", "OWASP API2:2023", "NIST SP 800-53 SC-23"],
        },
        sent: "A genuine message, and then the same with a field more, with its fields in another order, and with a query.",
        holds: ONCE,
        reasons: &[AGAIN, PROOF],
        probe: Probe::Trial(Trial::Again(|forge, message| {
            let mut turned = message.clone();
            turned.fields.reverse();
            let mut shots =
                vec![message.clone().and("X-Filler", "1").shot("a field more"), turned.shot("another order")];
            if !forge.scheme().needs_public_url() {
                shots.push(message.clone().and_query("hookwarden_assess=2").shot("a query"));
            }
            Ok(shots)
        })),
    },
    Attack {
        rule: Rule {
            code: "HA037",
            severity: Severity::High,
            title: "The same message several times at once",
            why: "A memory that is asked first and written afterwards is asked by all before any has written: the race doubles payouts.",
            remedy: "Claim a message in one atomic step before acting on it (SET NX, INSERT … ON CONFLICT), in a store that all replicas share.",
            references: &["CWE-294", "OWASP API2:2023", "NIST SP 800-53 SC-23"],
        },
        sent: "One genuine message on four connections, whose last bytes are sent together.",
        holds: "One is taken; the others are refused (409), or acknowledged and not acted on.",
        reasons: &[AGAIN],
        probe: Probe::Trial(Trial::Together),
    },
];
