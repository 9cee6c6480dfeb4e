//! Ways around the check: verdicts that the sender writes itself, paths, methods and types that only one of two programs
//! knows, answers that give a signature away.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::json;

use super::credentials::percent;
use super::{Attack, CONTENT, Forge, Message, PROOF, Probe, REFUSED, Rule, Severity, Shot, Skip, WAY, WIRE};
use crate::auth::scheme::{Encoding, Field};
use crate::auth::sign::{sign, signed_content};

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA038",
            severity: Severity::Critical,
            title: "A verdict that the sender brings along",
            why: "A service that believes X-Hookwarden-Verified, and can be reached by more than the sidecar, believes anybody.",
            remedy: "Let only the sidecar reach the service (loopback, NetworkPolicy); the sidecar takes such fields out of what comes in.",
            references: &["CWE-306", "OWASP ASVS 5.0 4.1.3", "OWASP API2:2023"],
        },
        sent: "An unsigned message with the verdict fields that Hookwarden and others write behind a check.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| verdicts(forge, str::to_owned)),
    },
    Attack {
        rule: Rule {
            code: "HA039",
            severity: Severity::Critical,
            title: "A verdict with underscores in its name",
            why: "CGI, WSGI and many frameworks make - and _ the same: what a proxy passes by as another name arrives as the verdict.",
            remedy: "Drop fields with an underscore at the edge, and believe no verdict that could have come from outside.",
            references: &["CWE-306", "CWE-444", "OWASP ASVS 5.0 4.1.3"],
        },
        sent: "An unsigned message with the same verdict fields, written with _ for -.",
        holds: REFUSED,
        reasons: &[PROOF, WIRE],
        probe: Probe::Refused(|forge| verdicts(forge, |name| name.replace('-', "_"))),
    },
    Attack {
        rule: Rule {
            code: "HA040",
            severity: Severity::High,
            title: "A sender that says it is from inside",
            why: "A check that is skipped for internal addresses, and reads the address from a field, is skipped for everybody.",
            remedy: "Take the client's address from trusted hops alone, and check every message whatever its source.",
            references: &["CWE-306", "OWASP ASVS 5.0 15.3.4", "NIST SP 800-53 SC-7"],
        },
        sent: "An unsigned message that says it comes from 127.0.0.1, over HTTPS, from localhost.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let message = forge.unsigned()?;
            let one = |(name, value): &(&str, &str)| message.clone().and(name, value).shot(name);
            Ok(INSIDE.iter().map(one).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA041",
            severity: Severity::High,
            title: "A method in disguise",
            why: "A check that looks at POST alone is passed by a request that a framework turns into one behind it, or out of one before it.",
            remedy: "Turn method override off, and check every method that reaches a handler.",
            references: &["CWE-306", "OWASP ASVS 5.0 4.1.4", "OWASP API5:2023"],
        },
        sent: "Unsigned messages with X-HTTP-Method-Override and its like: POST that says GET, PUT and GET that say POST.",
        holds: REFUSED,
        reasons: &[PROOF, WAY, CONTENT],
        probe: Probe::Alike(|forge| {
            let message = forge.unsigned()?;
            let mut shots = Vec::new();
            for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
                for (method, says) in [("POST", "GET"), ("PUT", "POST"), ("GET", "POST")] {
                    let label = format!("{method}, {name}: {says}");
                    shots.push(message.clone().by(method).and(name, says).shot(&label));
                }
            }
            shots.push(message.and_query("_method=GET").shot("POST, ?_method=GET"));
            Ok(shots)
        }),
    },
    Attack {
        rule: Rule {
            code: "HA042",
            severity: Severity::High,
            title: "Another method",
            why: "A handler for all methods behind a check for one is an open door with another handle.",
            remedy: "Permit the methods that the provider uses, and no other.",
            references: &["CWE-306", "OWASP ASVS 5.0 4.1.4", "NIST SP 800-53 CM-7"],
        },
        sent: "Unsigned messages with PUT, PATCH, DELETE, GET and post in lower case.",
        holds: REFUSED,
        reasons: &[PROOF, WAY, WIRE, CONTENT],
        probe: Probe::Alike(|forge| {
            let message = forge.unsigned()?;
            let one = |method: &&str| message.clone().by(method).shot(method);
            Ok(["PUT", "PATCH", "DELETE", "GET", "post"].iter().map(one).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA043",
            severity: Severity::High,
            title: "Another spelling of the path",
            why: "Where the check matches the path as written and the service the path as understood, a spelling that only the service understands passes by the check.",
            remedy: "Match the path once, refuse spellings that need normalising, and check in the handler that acts.",
            references: &["CWE-306", "CWE-444", "OWASP API5:2023", "NIST SP 800-53 SI-10"],
        },
        sent: "Unsigned messages to the path with //, /./, /x/../, a trailing slash, escapes, capitals, ;x, a backslash and as an absolute URL.",
        holds: REFUSED,
        reasons: &[PROOF, WAY, WIRE],
        probe: Probe::Alike(|forge| {
            let message = forge.unsigned()?;
            let path = message.path().to_owned();
            let made = spellings(&path, &message.host).into_iter().filter(|spelling| *spelling != path);
            Ok(made.map(|spelling| message.clone().to(&spelling).shot(&spelling)).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA044",
            severity: Severity::High,
            title: "A switch in the query",
            why: "Switches of development (skip_verification, debug, test) stay in, and anybody can set them.",
            remedy: "Let nothing in a request decide whether it is checked.",
            references: &["CWE-306", "CWE-1188", "OWASP API8:2023"],
        },
        sent: "Unsigned messages with verified=true, skip_verification=1, debug=1, test=1 and an empty signature in the query.",
        holds: REFUSED,
        reasons: &[PROOF],
        probe: Probe::Refused(|forge| {
            let message = forge.unsigned()?;
            let one = |parameter: &&str| message.clone().and_query(parameter).shot(parameter);
            Ok(["verified=true", "skip_verification=1", "debug=1", "test=1", "signature="].iter().map(one).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA045",
            severity: Severity::High,
            title: "Another content type",
            why: "A check that runs behind the parser of one type is skipped with the type, and the handler guesses the content all the same.",
            remedy: "Check the signature whatever the type, and refuse types that the provider does not send.",
            references: &["CWE-306", "OWASP API8:2023", "NIST SP 800-53 SI-10"],
        },
        sent: "Unsigned messages as a form, as multipart, as text, as XML, and without a type.",
        holds: REFUSED,
        reasons: &[PROOF, CONTENT],
        probe: Probe::Refused(|forge| {
            let message = forge.unsigned()?;
            let types = [
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "text/plain",
                "application/xml",
            ];
            let mut shots: Vec<_> =
                types.iter().map(|kind| message.clone().with("Content-Type", kind).shot(kind)).collect();
            shots.push(message.without("Content-Type").shot("no type"));
            Ok(shots)
        }),
    },
    Attack {
        rule: Rule {
            code: "HA046",
            severity: Severity::Critical,
            title: "A challenge that signs what it is given",
            why: "An endpoint that proves itself by signing a text of the caller's choice under the webhook's key signs forged messages for whoever asks.",
            remedy: "Sign only tokens that can be no message (a narrow alphabet, a bound on length), or answer challenges for the provider's signed requests alone.",
            references: &["CWE-347", "OWASP API2:2023", "NIST SP 800-53 SC-12"],
        },
        sent: "Endpoint verifications, of this provider's kind and of others', whose token is the signed content of a forged message.",
        holds: "No answer holds the signature of that content, in hexadecimal or base64.",
        reasons: &[],
        probe: Probe::Tells(oracle),
    },
    Attack {
        rule: Rule {
            code: "HA047",
            severity: Severity::Medium,
            title: "A challenge that gives back a page",
            why: "A token that is given back as HTML runs as a script in the browser of whoever follows a link, with the endpoint's origin.",
            remedy: "Give tokens back as text/plain or JSON with nosniff, and only those of the provider's alphabet.",
            references: &["OWASP API8:2023", "NIST SP 800-53 SI-10"],
        },
        sent: "Endpoint verifications whose token is a script element.",
        holds: "No answer that a browser shows as a page holds it.",
        reasons: &[],
        probe: Probe::Reflects(|forge| {
            let script = format!("<script>{}</script>", forge.nonce);
            Ok(challenges(forge, &script)?.into_iter().map(|shot| shot.telling(vec![script.clone()])).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA048",
            severity: Severity::High,
            title: "A refusal that tells the right signature",
            why: "An error text that says what was expected signs for whoever asks: the next request carries it.",
            remedy: "Answer every failed check with the same few words; put details into the log, without the signature.",
            references: &["CWE-347", "OWASP ASVS 5.0 16.5.1", "OWASP API8:2023"],
        },
        sent: "A changed message under its old signature.",
        holds: "No answer holds the signature that would have been right.",
        reasons: &[],
        probe: Probe::Tells(refusal),
    },
    Attack {
        rule: Rule {
            code: "HA049",
            severity: Severity::Low,
            title: "A TRACE that repeats the request",
            why: "A server that repeats the request shows what proxies have added to it, credentials among them.",
            remedy: "Refuse TRACE.",
            references: &["OWASP ASVS 5.0 4.1.4", "NIST SP 800-53 CM-7"],
        },
        sent: "A TRACE request for the endpoint's path.",
        holds: "No answer repeats the request's fields.",
        reasons: &[],
        probe: Probe::Tells(|forge| {
            let message = forge.unsigned()?.by("TRACE").with_body("").and("X-Filler", "a-field-to-repeat");
            let shot = message.shot_framed("TRACE", "", b"");
            Ok(vec![shot.telling(vec!["a-field-to-repeat".into()])])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA050",
            severity: Severity::High,
            title: "An upgrade to another protocol",
            why: "After an upgrade that a proxy passes on, everything on the connection goes past its checks (h2c smuggling).",
            remedy: "Refuse or drop Upgrade for webhook paths.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1"],
        },
        sent: "Unsigned messages that ask for h2c and for a WebSocket.",
        holds: "No 101 answer, and no 2xx.",
        reasons: &[PROOF, WIRE, WAY],
        probe: Probe::Refused(|forge| {
            let message = forge.unsigned()?.kept();
            let h2c = message.clone().and("Connection", "Upgrade, HTTP2-Settings").and("Upgrade", "h2c");
            let socket = message.and("Connection", "Upgrade").and("Upgrade", "websocket");
            Ok(vec![
                h2c.and("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA").shot("h2c"),
                socket
                    .and("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
                    .and("Sec-WebSocket-Version", "13")
                    .shot("websocket"),
            ])
        }),
    },
];

/// Fields that say that somebody has checked already.
const VERDICTS: [(&str, &str); 6] = [
    ("X-Hookwarden-Verified", "true"),
    ("X-Webhook-Verified", "true"),
    ("X-Signature-Verified", "true"),
    ("X-Authenticated", "true"),
    ("X-Verified", "1"),
    ("X-Forwarded-User", "provider"),
];

/// Fields that say where a request comes from.
const INSIDE: [(&str, &str); 6] = [
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Real-IP", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1;proto=https"),
    ("X-Client-IP", "127.0.0.1"),
    ("X-Original-Host", "localhost"),
    ("X-Internal-Request", "true"),
];

fn verdicts(forge: &Forge<'_>, spelled: impl Fn(&str) -> String) -> Result<Vec<Shot>, Skip> {
    let message = forge.unsigned()?;
    let one = |(name, value): &(&str, &str)| message.clone().and(&spelled(name), value).shot(&spelled(name));
    let mut shots: Vec<_> = VERDICTS.iter().map(one).collect();
    let ours = [("X-Hookwarden-Verified", "true"), ("X-Hookwarden-Key-Id", "1"), ("X-Hookwarden-Route", "hooks")];
    let ours = ours.iter().fold(message, |message, (name, value)| message.and(&spelled(name), value));
    shots.push(ours.and(&spelled("X-Hookwarden-Provider"), &forge.subject.provider).shot("all of Hookwarden's"));
    Ok(shots)
}

fn spellings(path: &str, host: &str) -> Vec<String> {
    let (folder, last) = path.split_at(path.rfind('/').unwrap_or(0) + 1);
    let first = last.bytes().next().unwrap_or(b'x');
    let rest = last.get(1..).unwrap_or_default();
    let bare = path.trim_end_matches('/');
    vec![
        format!("/{path}"),
        format!("{bare}/"),
        format!("{bare}//"),
        format!("{folder}./{last}"),
        format!("{folder}x/../{last}"),
        format!("{folder}x/%2e%2e/{last}"),
        format!("{folder}%{first:02x}{rest}"),
        format!("{folder}%25{first:02x}{rest}"),
        format!("{bare}%2f"),
        format!("{bare}%00"),
        format!("{bare}%20"),
        format!("{bare};x"),
        format!("{bare}.json"),
        format!("{bare}/."),
        path.replacen('/', "/\\", 1),
        path.to_ascii_uppercase(),
        format!("http://{host}{path}"),
        format!("{path}#x"),
    ]
}

/// Requests for a proof that the endpoint is ours, with this token: as the provider's definition says, and as the most
/// usual ones are.
fn challenges(forge: &Forge<'_>, token: &str) -> Result<Vec<Shot>, Skip> {
    let message = forge.unsigned()?;
    let mut shots = Vec::new();
    for challenge in &forge.scheme().challenges {
        let mark = challenge.when.as_ref().and_then(|(field, value)| Some((field, value.as_deref()?)));
        let made = match &challenge.token {
            Some(Field::Query(name)) => {
                let asked = message.clone().with_body("").by(&challenge.method);
                let asked = asked.and_query(&format!("{name}={}", percent(token)));
                Some(match mark {
                    Some((Field::Query(name), value)) => asked.and_query(&format!("{name}={}", percent(value))),
                    _ => asked,
                })
            }
            Some(Field::Json(path)) => {
                let mut document = json!({});
                put(&mut document, &path.0, token);
                if let Some((Field::Json(path), value)) = mark {
                    put(&mut document, &path.0, value);
                }
                Some(message.clone().by(&challenge.method).with_body(document.to_string()))
            }
            Some(Field::Header(name)) => Some(message.clone().by(&challenge.method).with(name, token)),
            _ => None,
        };
        shots.extend(made.map(|message| message.shot("the provider's own")));
    }
    for name in ["crc_token", "challenge", "hub.challenge", "validationToken"] {
        let asked = message.clone().with_body("").by("GET").and_query("hub.mode=subscribe");
        shots.push(asked.and_query(&format!("{name}={}", percent(token))).shot(name));
    }
    let zoom = json!({ "event": "endpoint.url_validation", "payload": { "plainToken": token } });
    let slack = json!({ "type": "url_verification", "challenge": token, "token": token });
    for (label, document) in [("plainToken", zoom), ("url_verification", slack)] {
        shots
            .push(message.clone().with("Content-Type", "application/json").with_body(document.to_string()).shot(label));
    }
    Ok(shots)
}

fn put(document: &mut serde_json::Value, path: &[Box<str>], text: &str) {
    let mut at = document;
    for part in path {
        at = &mut at[&**part];
    }
    *at = text.into();
}

/// Asks for the signature of a forged message, which we know, for we have the key.
fn oracle(forge: &Forge<'_>) -> Result<Vec<Shot>, Skip> {
    let draft = forge.draft(forge.scheme(), &forge.subject.key, forge.now, forge.body(forge.now))?;
    let content = signed_content(forge.scheme(), &forge.subject.key, &draft, forge.now);
    let content = content.and_then(|content| String::from_utf8(content).ok());
    let content =
        content.ok_or_else(|| Skip::because("the provider's scheme signs no text that could be asked for"))?;
    let right = writings(forge, forge.signature(&forge.message(&draft))?.text());
    Ok(challenges(forge, &content)?.into_iter().map(|shot| shot.telling(right.clone())).collect())
}

/// A signature in every usual writing.
fn writings(forge: &Forge<'_>, text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let bytes = match forge.scheme().signature.encoding {
        Encoding::Hex | Encoding::HexUpper => HEXLOWER.decode(lower.as_bytes()).ok(),
        Encoding::Base64 | Encoding::Base64Hex => BASE64.decode(text.as_bytes()).ok(),
        Encoding::Base64Url => BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok(),
    };
    let others =
        bytes.iter().flat_map(|bytes| [HEXLOWER.encode(bytes), BASE64.encode(bytes), BASE64URL_NOPAD.encode(bytes)]);
    let mut all: Vec<_> = others.chain([text.to_owned()]).collect();
    all.sort();
    all.dedup();
    all
}

/// A changed message, with what would have been its signature as the text that no answer may hold.
fn refusal(forge: &Forge<'_>) -> Result<Vec<Shot>, Skip> {
    forge.needs_bound_body()?;
    let draft = forge.draft(forge.scheme(), &forge.subject.key, forge.now, forge.body(forge.now))?;
    let old = forge.signature(&forge.message(&draft))?;
    let mut changed = draft;
    changed.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&old.field));
    changed.body = forge.body(forge.now);
    let changed = sign(forge.scheme(), &forge.subject.key, changed, forge.now);
    let changed: Message = forge.message(&changed.map_err(|fault| Skip::because(fault.to_string()))?);
    let right = writings(forge, forge.signature(&changed)?.text());
    Ok(vec![changed.with(&old.field, &old.value).shot("another body").telling(right)])
}
