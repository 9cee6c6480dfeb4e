//! Messages that were changed on the way, under the signature that they had.

use serde_json::Value;

use super::{Attack, CONTENT, Forge, PROOF, Probe, REFUSED, Rule, Severity, Shot, Skip, TIME, WIRE};
use crate::assess::forge::object;
use crate::auth::scheme::Field;
use crate::auth::sign::{Draft, complete_sample, sign};

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA022",
            severity: Severity::Critical,
            title: "A body that was changed",
            why: "Whoever can see one message and reach the endpoint makes any other of it: another amount, another account.",
            remedy: "Compute the signature over the bytes of the body as they arrived, before anything parses them.",
            references: &["CWE-347", "OWASP API2:2023", "OWASP ASVS 5.0 4.1.5", "NIST SP 800-53 SI-7"],
        },
        sent: "A genuine message with one byte of its body another, and with something added to it.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT],
        probe: Probe::Refused(|forge| {
            forge.needs_bound_body()?;
            let message = forge.genuine()?;
            let mut body = message.body.clone();
            let at = body.iter().rposition(u8::is_ascii_alphanumeric).ok_or_else(|| Skip::because("no body"))?;
            body[at] = if body[at] == b'0' { b'1' } else { b'0' };
            let mut shots = vec![message.clone().with_body(body).shot("one byte")];
            if let Ok(mut object) = object(&message) {
                object.insert("amount".into(), Value::from(1));
                shots.push(message.with_body(Value::Object(object).to_string()).shot("one member more"));
            }
            Ok(shots)
        }),
    },
    Attack {
        rule: Rule {
            code: "HA023",
            severity: Severity::High,
            title: "A body that was written anew",
            why: "A check over the parsed and re-serialised body signs another text than the one that arrived. What parsers disagree on (members twice, large numbers) is then the attacker's, and genuine messages fail now and then.",
            remedy: "Keep the raw body (express.raw, request.get_data, io.ReadAll) and check the signature over that.",
            references: &["CWE-347", "OWASP ASVS 5.0 4.1.5", "NIST SP 800-53 SI-7"],
        },
        sent: "A genuine message whose JSON is the same value written otherwise: with blanks, and with a name escaped.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT],
        probe: Probe::Refused(|forge| {
            forge.needs_bound_body()?;
            let message = forge.genuine()?;
            let object = object(&message)?;
            let blank = format!("{} ", String::from_utf8_lossy(&message.body).replacen('{', "{ ", 1));
            let mut shots = vec![message.clone().with_body(blank).shot("blanks")];
            let first = object.keys().find(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
            if let Some(name) = first {
                let escaped = format!("\"\\u{:04x}{}\":", u32::from(name.as_bytes()[0]), &name[1..]);
                let text = String::from_utf8_lossy(&message.body).replacen(&format!("\"{name}\":"), &escaped, 1);
                shots.push(message.with_body(text).shot("an escape"));
            }
            Ok(shots)
        }),
    },
    Attack {
        rule: Rule {
            code: "HA024",
            severity: Severity::High,
            title: "A member that stands there twice",
            why: "Of two members of the same name one parser takes the first and another the last: the check sees the genuine one, the service the other.",
            remedy: "Check the signature over the raw body, and refuse JSON with a name twice.",
            references: &["CWE-347", "CWE-444", "NIST SP 800-53 SI-10"],
        },
        sent: "A genuine message with a member of its body put before the genuine one of the same name.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT],
        probe: Probe::Refused(|forge| {
            forge.needs_bound_body()?;
            let message = forge.genuine()?;
            let object = object(&message)?;
            let name = object.keys().next().cloned().unwrap_or_default();
            let twice = format!("{{{}:\"forged\",", Value::String(name));
            let text = String::from_utf8_lossy(&message.body).replacen('{', &twice, 1);
            Ok(vec![message.with_body(text).shot("twice")])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA025",
            severity: Severity::High,
            title: "A body that was taken out",
            why: "A check that is skipped for an empty body lets an empty event through, which services read as defaults.",
            remedy: "Check every message; an empty body has a signature too.",
            references: &["CWE-347", "OWASP API2:2023"],
        },
        sent: "A genuine message without its body, and an unsigned one without a body.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT, WIRE],
        probe: Probe::Refused(|forge| {
            forge.needs_bound_body()?;
            let message = forge.genuine()?.with_body("");
            Ok(vec![message.clone().shot("emptied"), forge.stripped(message)?.shot("empty and unsigned")])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA026",
            severity: Severity::High,
            title: "A body with more behind it",
            why: "A check over the part that a parser needed leaves the rest to the attacker, and lines of JSON make that rest another event.",
            remedy: "Check the signature over the whole body.",
            references: &["CWE-347", "NIST SP 800-53 SI-7"],
        },
        sent: "A genuine message with blanks, and with a second JSON document, behind its body.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT],
        probe: Probe::Refused(|forge| {
            forge.needs_bound_body()?;
            let message = forge.genuine()?;
            let and = |more: &[u8]| message.clone().with_body([&message.body, more].concat());
            Ok(vec![and(b"\n\n").shot("blanks"), and(b"\n{\"amount\":1}").shot("a second document")])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA027",
            severity: Severity::High,
            title: "Another delivery id under the same signature",
            why: "The id is what a receiver knows repetitions by: one that the signature does not cover makes every captured message new.",
            remedy: "Sign and check the id with the body, as the provider's scheme says.",
            references: &["CWE-347", "CWE-294", "OWASP API2:2023"],
        },
        sent: "A genuine message with another value in the id field that its scheme signs.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let field = forge.scheme().delivery_id.as_ref();
            let Some(Field::Header(name)) = field.filter(|field| forge.scheme().signs(field)) else {
                return Err(Skip::because("the provider's scheme signs no id in a field of its own"));
            };
            Ok(vec![forge.genuine()?.with(name, "msg_hookwardenassess").shot("another id")])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA028",
            severity: Severity::High,
            title: "A message that was signed for another address",
            why: "Where the scheme signs the address, a message for a test endpoint must not pass at the live one.",
            remedy: "Check the signature over the public URL that the provider calls, from the configuration, not from the request.",
            references: &["CWE-347", "OWASP ASVS 5.0 4.1.5"],
        },
        sent: "A message that is signed correctly for another path, sent to this one.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(elsewhere),
    },
    Attack {
        rule: Rule {
            code: "HA029",
            severity: Severity::High,
            title: "Another time under the same signature",
            why: "A time that the signature does not cover is whatever the attacker says: captured messages stay fresh for ever.",
            remedy: "Take the time into what is signed and checked, as the provider's scheme says.",
            references: &["CWE-347", "CWE-294", "OWASP API2:2023"],
        },
        sent: "A genuine message with its signed time moved, and its signature as it was.",
        holds: REFUSED,
        reasons: &[PROOF, TIME],
        probe: Probe::Refused(|forge| Ok(vec![forge.moved_time(forge.genuine()?)?.shot("another time")])),
    },
];

fn elsewhere(forge: &Forge<'_>) -> Result<Vec<Shot>, Skip> {
    if !forge.scheme().needs_public_url() || forge.signature_fields().is_empty() {
        return Err(Skip::because("the provider's scheme does not sign the address"));
    }
    let url = forge.subject.signed_url.clone().unwrap_or_else(|| forge.subject.target.url());
    let url = format!("{}/elsewhere", url.split('?').next().unwrap_or_default().trim_end_matches('/'));
    let headers = forge.subject.headers.clone();
    let mut draft = Draft { method: "POST".into(), url, headers, body: forge.body(forge.now) };
    complete_sample(forge.scheme(), &mut draft);
    let draft = sign(forge.scheme(), &forge.subject.key, draft, forge.now);
    let message = forge.message(&draft.map_err(|fault| Skip::because(fault.to_string()))?);
    let query = message.target.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    let path = forge.subject.target.path.split('?').next().unwrap_or_default().to_owned();
    Ok(vec![message.to(&format!("{path}{query}")).shot("another path")])
}
