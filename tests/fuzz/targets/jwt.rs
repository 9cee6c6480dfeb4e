//! Tokens as strangers write them: nobody's signature verifies, no time and no claim of a token that nobody signed is
//! believed, and of a good token no other text is one.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use hookwarden::auth::jwt::claims::{self, Required};
use hookwarden::auth::jwt::compact::{self, Compact};
use hookwarden::auth::keys::{Key, KeyText, Keys};
use hookwarden::auth::scheme::Scheme;
use hookwarden::auth::sign::{Draft, sample_private, sample_secret, sign};
use hookwarden::auth::{Site, Verifier};
use hookwarden::clock::Now;
use hookwarden::http1::{Head, Message};
use hookwarden::providers;
use libfuzzer_sys::fuzz_target;

/// A scheme whose token is the body, with a shared key and with a public one.
static SCHEMES: LazyLock<Vec<(Scheme, Keys, Vec<u8>)>> = LazyLock::new(|| {
    let about = "id = \"x\"\nname = \"X\"\ndocs = \"https://x\"\nconfidence = \"docs\"\nscheme = \"jwt\"\n";
    let made = |algorithm: &str| {
        let text = format!("{about}algorithm = \"{algorithm}\"\nsignature = {{ body = true }}\n");
        let scheme = Scheme::clone(&providers::parse("x.toml", &text).expect("a good definition").scheme);
        let keys = Keys::new(&scheme, &[KeyText::new("1", sample_secret(&scheme, 1).as_bytes())]).expect("a key");
        let private = KeyText::new("1", sample_private(&scheme, 1).as_bytes());
        let key = Key::for_signing(&scheme, &private).expect("a key");
        let (method, url) = ("POST".to_owned(), "https://x/hook".to_owned());
        let draft = Draft { method, url, headers: Vec::new(), body: b"{\"a\":{\"b\":1}}".to_vec() };
        let token = sign(&scheme, &key, draft, now()).expect("signs").body;
        (scheme, keys, token)
    };
    vec![made("HS256"), made("EdDSA"), made("ES256")]
});

fn now() -> Now {
    Now { wall: Duration::from_secs(1_700_000_000), ..Now::read() }
}

fuzz_target!(|bytes: &[u8]| {
    check_parts(bytes);
    for (scheme, keys, token) in &*SCHEMES {
        assert!(verifies(scheme, keys, token));
        assert!(bytes == &token[..] || !verifies(scheme, keys, bytes));
        if let Some((at, rest)) = bytes.split_first_chunk::<2>() {
            let at = usize::from(u16::from_be_bytes(*at)) % token.len();
            let spliced = [&token[..at], rest, &token[(at + rest.len()).min(token.len())..]].concat();
            assert!(spliced == *token || !verifies(scheme, keys, &spliced));
        }
        // The same header and payload, signed by these bytes.
        let unsigned = token.rsplitn(2, |byte| *byte == b'.').last().expect("two parts");
        let signed = [unsigned, b".", bytes].concat();
        assert!(signed == *token || !verifies(scheme, keys, &signed));
    }
});

/// What is read of a token is all of it, and written again it is the same.
fn check_parts(bytes: &[u8]) {
    if let Some(token) = Compact::parse(bytes) {
        let parts = [token.protected, token.payload, token.signature];
        assert_eq!(parts.join(&b'.'), bytes);
        assert_eq!([token.signing_input(), b".", token.signature].concat(), bytes);
        for part in parts {
            let mut room = Vec::new();
            if compact::decode(part, &mut room) {
                assert_eq!(data_encoding::BASE64URL_NOPAD.encode(&room).as_bytes(), part);
            }
        }
    }
    if let Some(time) = claims::numeric_date(bytes) {
        let number: f64 = str::from_utf8(bytes).expect("digits").parse().expect("a number");
        assert!((time.as_secs_f64() - number).abs() <= number * 1e-9 + 1e-9);
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = Required::parse(text);
    }
}

fn verifies(scheme: &Scheme, keys: &Keys, body: &[u8]) -> bool {
    let raw = format!("POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let head = Head::parse(raw.as_bytes()).expect("a good head");
    let site =
        Site { scheme, keys, key_ring: None, client: None, public_url: None, route_path: "/hook", prefix: false };
    let mut verifier = Verifier::default();
    let begun = verifier.begin(&site, &Message { head: &head, bytes: raw.as_bytes(), body: b"" });
    let message = Message { head: &head, bytes: raw.as_bytes(), body };
    let verdict = begun.and_then(|_| verifier.finish(&site, &message));
    verdict.is_ok_and(|verified| verified.validity().check(now()).is_ok())
}
