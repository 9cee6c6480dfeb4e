//! Bodies that somebody has packed: a receiver that unpacks before it checks works for strangers, and checks other bytes
//! than were sent (RFC 9110 section 8.4).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::resources::large;
use super::{Attack, CONTENT, Message, PROOF, Probe, REFUSED, Rule, SIZE, Severity, Skip};

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA077",
            severity: Severity::Low,
            title: "A body that was packed on the way",
            why: "Who unpacks a body before its signature is checked runs a decompressor on what strangers send, and the checked bytes are not those that arrived.",
            remedy: "Check the signature over the bytes as they arrived, and refuse a Content-Encoding that the provider does not send.",
            references: &["CWE-409", "CWE-696", "OWASP API4:2023"],
        },
        sent: "A genuine message whose body was compressed (Content-Encoding: gzip), with its signature as it was.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT],
        probe: Probe::Refused(|forge| {
            forge.needs_bound_body()?;
            Ok(vec![packed(forge.genuine()?)?.shot("gzip")])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA078",
            severity: Severity::Medium,
            title: "A body that grows when it is unpacked",
            why: "A limit on what arrives is none on what it becomes: a thousandth of the bytes fills the memory.",
            remedy: "Bound what unpacking may give, while it unpacks; or unpack nothing.",
            references: &["CWE-409", "CWE-770", "OWASP API4:2023", "NIST SP 800-53 SC-5"],
        },
        sent: "A message that is signed correctly over a body larger than any provider's (--oversize), which was compressed afterwards.",
        holds: "A 4xx answer, or the connection's end.",
        reasons: &[SIZE, PROOF, CONTENT],
        probe: Probe::Refused(|forge| {
            forge.needs_bound_body()?;
            Ok(vec![packed(large(forge)?)?.shot("gzip")])
        }),
    },
];

fn packed(message: Message) -> Result<Message, Skip> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let body = encoder.write_all(&message.body).and_then(|()| encoder.finish());
    let body = body.map_err(|error| Skip::because(error.to_string()))?;
    Ok(message.with_body(body).with("Content-Encoding", "gzip"))
}
