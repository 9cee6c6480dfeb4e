//! What says where to ask, and for how long an answer holds: a URL, an issuer's document, a `Cache-Control`.
#![no_main]

use hookwarden::fetch::discovery;
use hookwarden::fetch::schedule::max_age;
use hookwarden::fetch::url::Url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, bytes) = input;
    let _ = max_age(bytes);
    for found in [Url::parse(text).ok(), discovery::keys_of(text, bytes).ok()].into_iter().flatten() {
        check(&found);
    }
    if let Ok(places) = discovery::places(text) {
        let issuer = Url::parse(text).expect("an issuer is a URL");
        for place in places {
            check(&place);
            let same = (place.host(), place.port(), place.is_tls()) == (issuer.host(), issuer.port(), issuer.is_tls());
            assert!(same, "{text:?} is asked at {place:?}, which is somewhere else");
        }
    }
});

/// A URL is its parts, and they can stand in a request.
fn check(url: &Url) {
    let (scheme, authority) = (if url.is_tls() { "https" } else { "http" }, url.authority());
    let whole = format!("{scheme}://{authority}{}", url.target());
    assert!(whole == url.as_str() || whole == format!("{}/", url.as_str()), "{url:?}");
    assert!(url.target().starts_with('/') && url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{url:?}");
    assert!(!authority.contains(['@', '/', '?', '#']) && !url.target().contains('#'), "{url:?}");
    assert!(url.is_tls() || url.host() == "localhost" || url.host().parse::<std::net::IpAddr>().is_ok(), "{url:?}");
    assert!(!url.to_string().contains('?') || url.to_string().ends_with("?…"), "{url} shows its query");
}
