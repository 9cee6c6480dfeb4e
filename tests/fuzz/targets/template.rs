//! Templates: compiled to pieces that say the same, and fed as a plain substitution would.
#![no_main]

use hookwarden::auth::feed::{Sources, feed};
use hookwarden::auth::template::{Piece, Template};
use hookwarden::http1::{Head, Message};
use libfuzzer_sys::fuzz_target;

const HEAD: &[u8] = b"POST /a/b?c=d HTTP/1.1\r\nHost: h\r\nX-Id: 7\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n";

fuzz_target!(|input: (&str, &[u8])| {
    let (text, body) = input;
    let Ok(template) = Template::parse(text) else { return };
    assert_eq!(template.text(), text);
    let pieces: Vec<Piece> = [template.before(), &[Piece::Body][..usize::from(template.has_body())], template.after()]
        .concat();
    assert!(pieces.iter().any(|piece| !matches!(piece, Piece::Literal(_))), "a constant proves nothing");

    let head = Head::parse(HEAD).expect("a good head");
    let message = Message { head: &head, bytes: HEAD, body };
    let fed = fed(&pieces, &message);
    // A signed field that is missing leaves nothing to prove.
    if pieces.iter().any(|piece| matches!(piece, Piece::Header(name) if matches!(message.field(name), Ok(None)))) {
        assert_eq!(fed, None);
    }
    if let Some(written) = pieces.iter().map(written).collect::<Option<String>>() {
        assert_eq!(written, text);
        let expected = pieces.iter().map(|piece| substitute(piece, &message)).collect::<Option<Vec<_>>>();
        assert_eq!(fed, expected.map(|parts| parts.concat()));
    }
    // The order in which a form's parameters arrive is not signed.
    let reads_order = template.has_body()
        || pieces.iter().any(|piece| !matches!(piece, Piece::Literal(_) | Piece::FormSorted | Piece::Form(_)));
    if !reads_order {
        let mut parameters: Vec<_> = body.split(|&byte| byte == b'&').collect();
        parameters.reverse();
        let reversed = parameters.join(&b'&');
        assert_eq!(self::fed(&pieces, &Message { body: &reversed, ..message }), fed);
    }
});

fn fed(pieces: &[Piece], message: &Message<'_>) -> Option<Vec<u8>> {
    let sources = Sources {
        message: Some(message),
        timestamp: b"1700000000",
        url: (b"https://h", b"/a/b"),
        ..Sources::default()
    };
    let mut out = Vec::new();
    feed(pieces, &sources, &mut |part: &[u8]| out.extend_from_slice(part)).then_some(out)
}

/// What the plain pieces say.
fn substitute(piece: &Piece, message: &Message<'_>) -> Option<Vec<u8>> {
    Some(match piece {
        Piece::Literal(text) => text.as_bytes().to_vec(),
        Piece::Timestamp => b"1700000000".to_vec(),
        Piece::Body => message.body.to_vec(),
        Piece::Header(name) => message.field(name).ok()??.to_vec(),
        Piece::Method => b"POST".to_vec(),
        Piece::Url => b"https://h/a/b?c=d".to_vec(),
        Piece::UrlBase => b"https://h/a/b".to_vec(),
        Piece::Path => b"/a/b".to_vec(),
        Piece::Query => b"c=d".to_vec(),
        Piece::Target => b"/a/b?c=d".to_vec(),
        _ => return None,
    })
}

/// How the plain pieces are written; none for others.
fn written(piece: &Piece) -> Option<String> {
    Some(match piece {
        Piece::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
        Piece::Timestamp => "{timestamp}".to_owned(),
        Piece::Body => "{body}".to_owned(),
        Piece::Header(name) => format!("{{header:{name}}}"),
        Piece::Method => "{method}".to_owned(),
        Piece::Url => "{url}".to_owned(),
        Piece::UrlBase => "{url_base}".to_owned(),
        Piece::Path => "{path}".to_owned(),
        Piece::Query => "{query}".to_owned(),
        Piece::Target => "{target}".to_owned(),
        _ => return None,
    })
}
