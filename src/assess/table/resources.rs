//! Requests that cost more than they should: too large, too many fields, too slow. One of each, and never a flood.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Attack, CONTENT, Forge, Message, PROOF, Probe, Rule, SIZE, Severity, Skip, WIRE};
use crate::assess::trials::{Part, Trial};

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA063",
            severity: Severity::Medium,
            title: "A body that is far too large",
            why: "Memory and hashing for whatever is announced is a way to stop the endpoint, and it takes no key where the body is read first.",
            remedy: "Set the limit to what the provider sends (MAX_BODY), and refuse by the announced length.",
            references: &["CWE-770", "OWASP API4:2023", "NIST SP 800-53 SC-5"],
        },
        sent: "A genuine message whose body is larger than any provider's (--oversize).",
        holds: "A 413 answer or the connection's end, at best before the body is sent.",
        reasons: &[SIZE, PROOF],
        probe: Probe::Refused(|forge| Ok(vec![large(forge)?.shot("a length")])),
    },
    Attack {
        rule: Rule {
            code: "HA064",
            severity: Severity::Medium,
            title: "A body that never says how large it is",
            why: "A limit on the announced length alone is none for a body in chunks.",
            remedy: "Count what arrives, and end the connection at the limit.",
            references: &["CWE-770", "OWASP API4:2023", "NIST SP 800-53 SC-5"],
        },
        sent: "The same in chunks, without a length.",
        holds: "A 413 or 411 answer or the connection's end, before all of it was sent.",
        reasons: &[SIZE, WIRE, PROOF],
        probe: Probe::Refused(|forge| {
            let message = large(forge)?;
            let mut chunks = Vec::with_capacity(message.body.len() + message.body.len() / CHUNK * 8 + 16);
            for part in message.body.chunks(CHUNK) {
                chunks.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                chunks.extend_from_slice(part);
                chunks.extend_from_slice(b"\r\n");
            }
            chunks.extend_from_slice(b"0\r\n\r\n");
            Ok(vec![message.shot_framed("chunks", "Transfer-Encoding: chunked\r\n", &chunks)])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA065",
            severity: Severity::Low,
            title: "A head that is far too large",
            why: "A head is read before anything is known of its sender: what it may hold, anybody may make the endpoint hold.",
            remedy: "Bound the head in bytes and in fields (8 to 32 KiB, about 100 fields).",
            references: &["CWE-770", "OWASP API4:2023", "NIST SP 800-53 SC-5"],
        },
        sent: "A genuine message with 200 fields of 1000 bytes.",
        holds: "A 431 or 400 answer, or the connection's end.",
        reasons: &[SIZE, WIRE],
        probe: Probe::Refused(|forge| {
            let message = forge.genuine()?;
            let mut framing = format!("Content-Length: {}\r\n", message.body.len());
            for number in 0..200 {
                // Writing to a text does not fail.
                let _ = write!(framing, "X-Filler-{number}: {:a>1000}\r\n", "");
            }
            Ok(vec![message.shot_framed("200 fields", &framing, &message.body)])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA066",
            severity: Severity::Low,
            title: "A head that arrives byte by byte",
            why: "Connections that wait for ever are a limited good: a few hundred slow senders use all of them up, without a key.",
            remedy: "Bound the time for the whole head (HEADER_TIMEOUT), not only that between two bytes.",
            references: &["CWE-770", "OWASP API4:2023", "NIST SP 800-53 SC-5"],
        },
        sent: "The head of a message, without its end, and then a byte now and then, for as long as --slow says is too long.",
        holds: "An answer, or the connection's end, before that time.",
        reasons: &[WIRE, CONTENT],
        probe: Probe::Trial(Trial::Slow(Part::Head)),
    },
    Attack {
        rule: Rule {
            code: "HA067",
            severity: Severity::Low,
            title: "A body that arrives byte by byte",
            why: "A body that never ends holds a connection, its buffers, and often a worker of the service behind.",
            remedy: "Bound the time for the whole body (BODY_TIMEOUT, BODY_MIN_RATE), and give the service nothing before it is whole.",
            references: &["CWE-770", "OWASP API4:2023", "NIST SP 800-53 SC-5"],
        },
        sent: "The head of a genuine message that announces 100,000 bytes, and then a byte now and then, for as long as --slow says is too long.",
        holds: "An answer, or the connection's end, before that time.",
        reasons: &[WIRE, CONTENT],
        probe: Probe::Trial(Trial::Slow(Part::Body)),
    },
];

const CHUNK: usize = 64 << 10;

/// A genuine message of the size that is too large.
pub(super) fn large(forge: &Forge<'_>) -> Result<Message, Skip> {
    let padding = "a".repeat(forge.oversize);
    let body = forge.body(forge.now);
    let body = match serde_json::from_slice(&body) {
        Ok(Value::Object(mut object)) => {
            object.insert("padding".into(), padding.into());
            Value::Object(object).to_string().into_bytes()
        }
        _ => [&body, &b"&padding="[..], padding.as_bytes()].concat(),
    };
    forge.genuine_of(body)
}
