//! Sources between themselves and a scripted server on loopback, over real TLS.

use std::sync::Arc;
use std::time::Duration;

use super::{End, Server};
use crate::auth::keyring::Wanted;
use crate::auth::signature::Strength;
use crate::clock::Now;
use crate::fetch::address::Reach;
use crate::fetch::schedule::{ASKED_EVERY, USUAL};
use crate::fetch::source::{Fetched, Health, Known, Source};
use crate::fetch::url::Url;

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn keys_at(url: Url) -> Source {
    Source::Keys { url, strength: Strength::Usual }
}

/// A set of that many keys.
fn keys(count: usize) -> String {
    format!(r#"{{"keys":[{}]}}"#, (0..count).map(key).collect::<Vec<_>>().join(","))
}

fn key(number: usize) -> String {
    let pair = rcgen::KeyPair::generate().expect("a key");
    // An uncompressed point: a byte that says so, and two coordinates.
    let (x, y) = pair.public_key_raw()[1..].split_at(32);
    let [x, y] = [x, y].map(|number| data_encoding::BASE64URL_NOPAD.encode(number));
    format!(r#"{{"kty":"EC","crv":"P-256","kid":"{number}","x":"{x}","y":"{y}"}}"#)
}

/// One round: the source is due at `now`, and the server answers each of its questions.
async fn round(server: &Server, fetched: &Arc<Fetched>, now: Now, answers: &[(&str, End)]) -> Vec<String> {
    let client = server.client(Reach::Private);
    let task = fetched.take_task(now).expect("it is due");
    assert!(fetched.take_task(now).is_none(), "one at a time");
    let serve = async {
        let mut asked = Vec::new();
        for (answer, end) in answers {
            let request = server.serve(answer.as_bytes(), *end).await.expect("a request");
            asked.push(request.split(' ').nth(1).unwrap_or_default().to_owned());
        }
        asked
    };
    tokio::join!(task.run(&client), serve).1
}

fn later(by: Duration) -> Now {
    Now::read().plus(by)
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_known_stays_until_something_better_comes() {
    let server = Server::named("localhost").await;
    let fetched = Known::default().of(keys_at(server.url("/keys")));
    let ring = fetched.ring().clone();
    let count = || ring.keys().map(|keys| keys.len());
    let bad = [
        (String::new(), End::Cut),
        (answer("<html>"), End::Farewell),
        (answer("{}"), End::Farewell),
        (answer(r#"{"keys":[]}"#), End::Farewell),
        (answer(&keys(65)), End::Farewell),
        (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 << 20), End::Farewell),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".into(), End::Farewell),
        ("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".into(), End::Farewell),
        ("HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n".into(), End::Farewell),
    ];
    for known in [None, Some(2)] {
        if let Some(count) = known {
            round(&server, &fetched, later(USUAL * 2), &[(&answer(&keys(count)), End::Farewell)]).await;
        }
        for (answer, end) in &bad {
            round(&server, &fetched, later(USUAL * 2), &[(answer, *end)]).await;
            assert_eq!(count(), known, "{}", answer.chars().take(60).collect::<String>());
        }
    }
    round(&server, &fetched, later(USUAL * 2), &[(&answer(&keys(3)), End::Farewell)]).await;
    assert_eq!(count(), Some(3));
    let Health { answers, failures, keys, since } = fetched.health();
    assert_eq!((answers, failures, keys, since.is_some()), (2, 18, 3, true));
}

#[tokio::test(flavor = "current_thread")]
async fn an_unknown_key_has_it_asked_again_but_not_at_once() {
    let server = Server::named("localhost").await;
    let fetched = Known::default().of(keys_at(server.url("/keys")));
    let (good, ring, start) = (answer(&keys(1)), fetched.ring().clone(), Now::read());
    round(&server, &fetched, start, &[(&good, End::Farewell)]).await;
    assert!(fetched.take_task(start.plus(ASKED_EVERY * 2)).is_none(), "nobody asked");
    ring.ask(Wanted::Keys);
    assert!(fetched.take_task(start.plus(ASKED_EVERY / 2)).is_none(), "asked too soon");
    // What was asked is not forgotten meanwhile.
    round(&server, &fetched, later(ASKED_EVERY * 2), &[(&good, End::Farewell)]).await;
    assert!(fetched.take_task(later(ASKED_EVERY * 10)).is_none(), "asked once");
}

#[tokio::test(flavor = "current_thread")]
async fn an_issuer_says_where_its_keys_are() {
    let server = Server::named("localhost").await;
    let issuer = server.url("/realms/a");
    let document = |issuer: &str, keys: &str| answer(&format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"}}"#));
    let good = document(issuer.as_str(), server.url("/keys").as_str());
    let not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
    let (openid, oauth) =
        ("/realms/a/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/realms/a");
    let fresh = || Known::default().of(Source::Issuer(issuer.as_str().into()));
    let keys = answer(&keys(2));
    for (answers, asked, found) in [
        (vec![&good, &keys], vec![openid, "/keys"], true),
        (vec![&not_found, &good, &keys], vec![openid, oauth, "/keys"], true),
        (vec![&not_found, &not_found], vec![openid, oauth], false),
        (vec![&document(server.url("/realms/b").as_str(), server.url("/keys").as_str())], vec![openid], false),
        (vec![&document(issuer.as_str(), "https://169.254.169.254/keys")], vec![openid], false),
        (vec![&document(issuer.as_str(), "http://id.example/keys")], vec![openid], false),
    ] {
        let fetched = fresh();
        let answers: Vec<_> = answers.iter().map(|answer| (answer.as_str(), End::Farewell)).collect();
        assert_eq!(round(&server, &fetched, Now::read(), &answers).await, asked);
        assert_eq!(fetched.ring().keys().is_some(), found, "{asked:?}");
    }
}

#[test]
fn the_next_policy_finds_what_the_one_before_fetched() {
    let source = |path: &str| keys_at(Url::parse(path).expect("a good URL"));
    let mut known = Known::default();
    let one = known.of(source("https://id.example/a"));
    let again = known.of(source("https://id.example/a"));
    let other = known.of(source("https://id.example/b"));
    assert!(Arc::ptr_eq(&one, &again) && !Arc::ptr_eq(&one, &other));
    let ring = Arc::downgrade(one.ring());
    drop((one, again));
    assert!(ring.upgrade().is_none(), "what no policy names is given back");
    drop(other);
}

#[tokio::test(flavor = "current_thread")]
async fn what_has_not_changed_is_not_sent_again() {
    let server = Server::named("localhost").await;
    let fetched = Known::default().of(keys_at(server.url("/keys")));
    let client = server.client(Reach::Private);
    let tagged = |tag: &str, count| {
        let body = keys(count);
        format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let same = "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=600\r\n\r\n".to_owned();
    let too_long = format!("\"{}\"", "x".repeat(300));
    // Each answer, what was sent to ask for it, and how many keys there are then.
    for (answer, tag, count) in [
        (same.clone(), None, 0),
        (tagged("\"one\"", 2), None, 2),
        (same.clone(), Some("\"one\""), 2),
        (tagged("W/\"two\"", 3), Some("\"one\""), 3),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(), Some("W/\"two\""), 3),
        (same.clone(), Some("W/\"two\""), 3),
        (tagged("two", 1), Some("W/\"two\""), 1),
        // What is no tag is none, so that an answer that refers to one is of no use.
        (same.clone(), None, 1),
        (tagged(&too_long, 1), None, 1),
        (tagged("\"a b\"", 1), None, 1),
        (tagged("\"one\"", 2), None, 2),
    ] {
        fetched.hurry();
        let task = fetched.take_task(Now::read()).expect("it is due");
        let ((), request) = tokio::join!(task.run(&client), server.serve(answer.as_bytes(), End::Farewell));
        let request = request.expect("a request");
        let sent = request.lines().find_map(|line| line.strip_prefix("If-None-Match: "));
        assert_eq!((sent, fetched.health().keys), (tag, count), "{answer}");
        assert_eq!(fetched.ring().keys().map_or(0, |keys| keys.len()), count);
    }
    let Health { answers, failures, .. } = fetched.health();
    assert_eq!((answers, failures), (8, 3));
}
