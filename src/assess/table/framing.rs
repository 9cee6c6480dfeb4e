//! Requests whose end two programs see in different places (RFC 9112 sections 6 and 11.2). Each is signed for one of the
//! readings, so that a program which has that reading accepts it.

use super::{Attack, Forge, Message, NOT_READ, PROOF, Probe, REFUSED, Rule, SIZE, Severity, Shot, Skip, WIRE};

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA051",
            severity: Severity::Critical,
            title: "A length and chunks, read by the length (CL.TE)",
            why: "One hop ends the request by its length, the next by its chunks: what lies between is a request that nobody checked, or the beginning of somebody else's.",
            remedy: "Refuse a request with both Content-Length and Transfer-Encoding, and close; keep every hop at one server's reading.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "Content-Length over all of the body, and Transfer-Encoding: chunked whose last chunk comes first; a second request behind it.",
        holds: NOT_READ,
        reasons: &[WIRE],
        probe: Probe::Ambiguous(|forge| {
            let smuggled = smuggled(forge)?;
            let body = [b"0\r\n\r\n", smuggled.as_slice()].concat();
            let message = forge.genuine_of(body)?.kept();
            let framing = format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", message.body.len());
            let turned = format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", message.body.len());
            Ok(vec![
                message.shot_framed("the length first", &framing, &message.body),
                message.shot_framed("the coding first", &turned, &message.body),
            ])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA052",
            severity: Severity::Critical,
            title: "Chunks and a length, read by the chunks (TE.CL)",
            why: "One hop ends the request by its chunks, the next by its length: the rest of the body becomes a request that nobody checked.",
            remedy: "Refuse a request with both Content-Length and Transfer-Encoding, and close; keep every hop at one server's reading.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "Transfer-Encoding: chunked over a genuine body, and a Content-Length that ends within its first line.",
        holds: NOT_READ,
        reasons: &[WIRE],
        probe: Probe::Ambiguous(|forge| {
            let message = forge.genuine()?.kept();
            let size = format!("{:x}", message.body.len());
            let framing = format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", size.len() + 2);
            Ok(vec![message.shot_framed("both", &framing, &message.chunked(&size))])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA053",
            severity: Severity::High,
            title: "A transfer coding in disguise (TE.TE)",
            why: "A coding that one hop recognises and the other passes over makes their ends differ, with both of them sure of theirs.",
            remedy: "Refuse every Transfer-Encoding but a single, plain chunked.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "A genuine message with Content-Length, and a Transfer-Encoding written as xchunked, as two codings, in quotes, with a blank before the colon, behind a control, and folded.",
        holds: NOT_READ,
        reasons: &[WIRE],
        probe: Probe::Ambiguous(|forge| {
            let message = forge.genuine()?.kept();
            let length = format!("Content-Length: {}\r\n", message.body.len());
            let one = |(label, line): &(&str, &str)| {
                message.shot_framed(label, &format!("{length}{line}\r\n"), &message.body)
            };
            Ok(CODINGS.iter().map(one).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA054",
            severity: Severity::Critical,
            title: "Two lengths",
            why: "One hop takes the first of two lengths and the next the last: what lies between them is a request that nobody checked.",
            remedy: "Refuse a request with more than one Content-Length, and close.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "A genuine message with its length and a length of 0, in both orders.",
        holds: NOT_READ,
        reasons: &[WIRE],
        probe: Probe::Ambiguous(|forge| {
            let message = forge.genuine()?.kept();
            let length = message.body.len();
            let two = |first: usize, last: usize| format!("Content-Length: {first}\r\nContent-Length: {last}\r\n");
            Ok(vec![
                message.shot_framed("the right one first", &two(length, 0), &message.body),
                message.shot_framed("the right one last", &two(0, length), &message.body),
            ])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA055",
            severity: Severity::High,
            title: "A length that is no plain number",
            why: "What one hop reads as a number (a sign, a prefix, a list, an underscore) another passes over or reads as a part of it.",
            remedy: "Refuse a Content-Length that is anything but digits, and a blank before the colon.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "A genuine message whose length is written with a sign, as hexadecimal, as a list, with an underscore, with a fraction, and with a blank before the colon.",
        holds: NOT_READ,
        reasons: &[WIRE],
        probe: Probe::Ambiguous(|forge| {
            let message = forge.genuine()?.kept();
            let length = message.body.len().to_string();
            let (start, end) = length.split_at(1);
            let lines = [
                ("a sign", format!("Content-Length: +{length}")),
                ("hexadecimal", format!("Content-Length: 0x{:x}", message.body.len())),
                ("a list", format!("Content-Length: {length}, {length}")),
                ("an underscore", format!("Content-Length: {start}_{end}")),
                ("a fraction", format!("Content-Length: {length}.0")),
                ("a blank before the colon", format!("Content-Length : {length}")),
            ];
            let one =
                |(label, line): &(&str, String)| message.shot_framed(label, &format!("{line}\r\n"), &message.body);
            Ok(lines.iter().map(one).collect())
        }),
    },
    Attack {
        rule: Rule {
            code: "HA056",
            severity: Severity::High,
            title: "A field behind a bare line end",
            why: "What one hop reads as one field another reads as two: the hidden one is a second length, or a verdict.",
            remedy: "Refuse a bare CR or LF in the head.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "A genuine message with a field whose value holds a bare LF, and one that holds a bare CR, and a second length behind it.",
        holds: NOT_READ,
        reasons: &[WIRE],
        probe: Probe::Ambiguous(|forge| {
            let message = forge.genuine()?.kept();
            let hidden =
                |end: &str| format!("X-Filler: a{end}Content-Length: 0\r\nContent-Length: {}\r\n", message.body.len());
            Ok(vec![
                message.shot_framed("LF", &hidden("\n"), &message.body),
                message.shot_framed("CR", &hidden("\r"), &message.body),
            ])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA057",
            severity: Severity::High,
            title: "A chunk size that is no plain number",
            why: "A size with a sign, a prefix or too many digits is one number here and another there, and the difference is a request.",
            remedy: "Take a chunk size for hexadecimal digits and nothing else, bounded, and its data for exactly as long.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "A genuine message in one chunk, whose size has 0x, a sign, a blank before it, 17 digits that overflow, or whose data lacks its line end.",
        holds: NOT_READ,
        reasons: &[WIRE, SIZE],
        probe: Probe::Ambiguous(|forge| {
            let message = forge.genuine()?.kept();
            let length = message.body.len();
            let sizes = [
                ("0x", format!("0x{length:x}")),
                ("a sign", format!("+{length:x}")),
                ("a minus", format!("-{length:x}")),
                ("a blank", format!(" {length:x}")),
                ("an overflow", format!("1{length:016x}")),
            ];
            let one = |(label, size): &(&str, String)| message.shot_framed(label, CHUNKED, &message.chunked(size));
            let mut shots: Vec<_> = sizes.iter().map(one).collect();
            let unended = [format!("{length:x}\r\n").as_bytes(), &message.body, b"0\r\n\r\n"].concat();
            shots.push(message.shot_framed("no line end", CHUNKED, &unended));
            Ok(shots)
        }),
    },
    Attack {
        rule: Rule {
            code: "HA058",
            severity: Severity::High,
            title: "A signature behind the body",
            why: "Fields that come after the body (trailers) and are merged with the head bring in what the head was not allowed to say (RFC 9110 section 6.5.1).",
            remedy: "Drop trailers, or keep them apart from the head's fields.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.2", "NIST SP 800-53 SI-10"],
        },
        sent: "A message in chunks without a signature, and the signature and a verdict as trailers.",
        holds: REFUSED,
        reasons: &[PROOF, WIRE],
        probe: Probe::Refused(|forge| {
            let message = forge.genuine()?;
            let signature = forge.signature(&message)?;
            let bare = forge.stripped(message)?.kept();
            let size = format!("{:x}", bare.body.len());
            let mut tail = [size.as_bytes(), b"\r\n", &bare.body, b"\r\n0\r\n"].concat();
            let trailers = format!("{}: {}\r\nX-Hookwarden-Verified: true\r\n\r\n", signature.field, signature.value);
            tail.extend_from_slice(trailers.as_bytes());
            Ok(vec![bare.shot_framed("trailers", CHUNKED, &tail)])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA059",
            severity: Severity::Critical,
            title: "A second message on a checked connection",
            why: "A check once a connection, or a proxy that passes on what follows the first body, lets everything behind one genuine message through.",
            remedy: "Check every request; pass on exactly the bytes of the body that was checked.",
            references: &["CWE-444", "CWE-306", "OWASP ASVS 5.0 4.2.1"],
        },
        sent: "A genuine message, and right behind it on the same connection one without a signature.",
        holds: "The first is taken, and the second is refused, or the connection ends.",
        reasons: &[PROOF],
        probe: Probe::Second(|forge| {
            let bytes = [forge.genuine()?.kept().bytes(), forge.unsigned()?.bytes()].concat();
            Ok(vec![Shot::raw("both", bytes)])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA060",
            severity: Severity::Medium,
            title: "A message that is not all there",
            why: "A server that acts on what came before the connection broke acts on half a message; and who can break connections chooses the half.",
            remedy: "Act on a body only when all of it has arrived.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "A message that announces more than it brings, signed over what it brings; and one in chunks without the last.",
        holds: REFUSED,
        reasons: &[WIRE, PROOF],
        probe: Probe::Refused(|forge| {
            let message = forge.genuine()?;
            let longer = format!("Content-Length: {}\r\n", message.body.len() + 64);
            let size = format!("{:x}\r\n", message.body.len());
            let chunk = [size.as_bytes(), &message.body, b"\r\n"].concat();
            Ok(vec![
                message.shot_framed("too short", &longer, &message.body).ending(),
                message.shot_framed("no last chunk", CHUNKED, &chunk).ending(),
            ])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA061",
            severity: Severity::Medium,
            title: "No host, and two",
            why: "Of two hosts one hop routes by the first and another by the last: a message passes the rules of one name and arrives at another (RFC 9112 section 3.2).",
            remedy: "Refuse a request without exactly one valid Host.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1", "NIST SP 800-53 SI-10"],
        },
        sent: "A genuine message without Host, and with two.",
        holds: NOT_READ,
        reasons: &[WIRE],
        probe: Probe::Refused(|forge| {
            let message = forge.genuine()?;
            let length = format!("Content-Length: {}\r\n", message.body.len());
            let one = |label: &str, host: &str| {
                Shot::raw(label, [message.head(&length, host).as_bytes(), &message.body].concat())
            };
            let two = format!("Host: {}\r\nHost: elsewhere.invalid\r\n", message.host);
            Ok(vec![one("none", ""), one("two", &two)])
        }),
    },
    Attack {
        rule: Rule {
            code: "HA062",
            severity: Severity::Low,
            title: "Another version of HTTP",
            why: "A server that reads 2.0 or 0.9 as if it were 1.1 frames it otherwise than the hop before it does.",
            remedy: "Refuse every version but 1.1, and 1.0 where a sender needs it.",
            references: &["CWE-444", "OWASP ASVS 5.0 4.2.1"],
        },
        sent: "A genuine message that says HTTP/2.0, HTTP/1.1 with a letter, and HTTP/1.0 with chunks.",
        holds: NOT_READ,
        reasons: &[WIRE],
        probe: Probe::Refused(|forge| {
            let mut message = forge.genuine()?;
            let mut shots = Vec::new();
            for version in ["HTTP/2.0", "HTTP/1.1a"] {
                message.version = version;
                shots.push(message.shot(version));
            }
            message.version = "HTTP/1.0";
            let size = format!("{:x}", message.body.len());
            shots.push(message.shot_framed("chunks in HTTP/1.0", CHUNKED, &message.chunked(&size)));
            Ok(shots)
        }),
    },
];

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// A coding as it is written to be read by one and passed over by another.
const CODINGS: [(&str, &str); 6] = [
    ("xchunked", "Transfer-Encoding: xchunked"),
    ("two codings", "Transfer-Encoding: chunked, identity"),
    ("quotes", "Transfer-Encoding: \"chunked\""),
    ("a blank before the colon", "Transfer-Encoding : chunked"),
    ("a control", "Transfer-Encoding: \u{b}chunked"),
    ("a folded line", "Transfer-Encoding:\r\n chunked"),
];

/// A request that nobody signed, for a path that nobody has.
fn smuggled(forge: &Forge<'_>) -> Result<Vec<u8>, Skip> {
    let message: Message = forge.unsigned()?.by("GET").to("/hookwarden-assess-smuggled").with_body("").kept();
    Ok(message.framed("", b""))
}
