//! Introspection between itself and a scripted server on loopback, over real TLS.

use super::{End, Server};
use crate::clock::Now;
use crate::deny::Reason;
use crate::fetch::address::Reach;
use crate::fetch::introspect::{AT_ONCE, Claims, Counts, Introspector};

fn introspector(server: &Server) -> Introspector {
    Introspector::new(server.url("/introspect"), "warden", b"hunter2")
}

fn response(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn shown(answer: Result<Option<Claims>, crate::deny::Denial>) -> Result<Option<String>, Reason> {
    let text = |claims: Claims| String::from_utf8(claims.to_vec()).expect("text");
    answer.map(|claims| claims.map(text)).map_err(|denial| denial.reason)
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_server_says_counts_and_nothing_else() {
    let server = Server::named("localhost").await;
    let client = server.client(Reach::Private);
    let active = r#"{"active":true,"iss":"https://id.example","scope":"webhooks:write"}"#;
    let unavailable = Err(Reason::KeysUnavailable);
    let huge = format!(r#"{{"active":true,"x":"{}"}}"#, "x".repeat(20_000));
    for (answer, end, expected) in [
        (response(active), End::Farewell, Ok(Some(active.to_owned()))),
        (response(r#"{"active":false}"#), End::Farewell, Ok(None)),
        (response(r#"{"active":"true"}"#), End::Farewell, unavailable.clone()),
        (response("<html>sign in</html>"), End::Farewell, unavailable.clone()),
        (response(&huge), End::Farewell, unavailable.clone()),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".into(), End::Farewell, unavailable.clone()),
        ("HTTP/1.1 302 Found\r\nLocation: /in\r\nContent-Length: 0\r\n\r\n".into(), End::Farewell, unavailable.clone()),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".into(), End::Cut, unavailable.clone()),
        (String::new(), End::Cut, unavailable.clone()),
    ] {
        let introspector = introspector(&server);
        let now = Now::read();
        let (said, request) =
            tokio::join!(introspector.ask(&client, b"opaque.token", now), server.serve(answer.as_bytes(), end));
        assert_eq!(shown(said), expected, "{}", answer.chars().take(80).collect::<String>());
        let request = request.expect("a request");
        assert!(request.starts_with("POST /introspect HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("Authorization: Basic d2FyZGVuOmh1bnRlcjI=\r\n"), "{request}");
        // What was said is known now; what was not is asked again, and nobody is there.
        if expected.is_ok() {
            assert_eq!(shown(introspector.ask(&client, b"opaque.token", now).await), expected);
            assert_eq!(introspector.counts().remembered, 1);
        } else {
            assert_eq!(introspector.counts(), Counts { failed: 1, ..Counts::default() });
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_is_silent_or_gone_makes_tokens_unavailable() {
    let server = Server::named("localhost").await;
    let client = server.client(Reach::Private);
    let introspector = introspector(&server);
    let now = Now::read();
    tokio::select! {
        said = introspector.ask(&client, b"token", now) => assert_eq!(shown(said), Err(Reason::KeysUnavailable)),
        _ = server.serve(b"HTTP/1.1 200 OK\r\n", End::Silence) => unreachable!("it is silent for ever"),
    }
    drop(server);
    assert_eq!(shown(introspector.ask(&client, b"token", now).await), Err(Reason::KeysUnavailable));
    assert_eq!(introspector.counts(), Counts { failed: 2, ..Counts::default() });
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_no_token_is_not_asked_about() {
    let server = Server::named("localhost").await;
    let client = server.client(Reach::Private);
    let introspector = introspector(&server);
    for token in [&b""[..], b"a b", b"a\r\nb", &[b'a'; 5000]] {
        tokio::select! {
            biased;
            _ = server.listener.accept() => panic!("it was asked about {token:?}"),
            said = introspector.ask(&client, token, Now::read()) => assert_eq!(shown(said), Ok(None)),
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_that_comes_twice_at_once_is_asked_about_once() {
    let server = Server::named("localhost").await;
    let client = server.client(Reach::Private);
    let introspector = introspector(&server);
    let (now, answer) = (Now::read(), response(r#"{"active":true}"#));
    let ask = || introspector.ask(&client, b"token", now);
    let (one, other, third, _) = tokio::join!(ask(), ask(), ask(), server.serve(answer.as_bytes(), End::Farewell));
    for said in [one, other, third] {
        assert!(shown(said).is_ok_and(|claims| claims.is_some()));
    }
    assert_eq!(introspector.counts(), Counts { active: 1, ..Counts::default() });
}

#[tokio::test(flavor = "current_thread")]
async fn beyond_the_bound_requests_are_refused_at_once() {
    let server = Server::named("localhost").await;
    let client = server.client(Reach::Private);
    let introspector = introspector(&server);
    let now = Now::read();
    let names: Vec<String> = (0..AT_ONCE).map(|number| format!("token{number}")).collect();
    let mut open: Vec<_> = names.iter().map(|name| Box::pin(introspector.ask(&client, name.as_bytes(), now))).collect();
    // Each is polled until it waits for the server.
    for ask in &mut open {
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(ask.as_mut().poll(cx))).await.is_pending());
    }
    assert_eq!(shown(introspector.ask(&client, b"one-more", now).await), Err(Reason::KeysUnavailable));
    // Those who give up make room, and their tokens can be asked about again.
    drop(open);
    let answer = response(r#"{"active":true}"#);
    let (said, ()) =
        tokio::join!(introspector.ask(&client, b"token0", now), server.serve_until_asked(answer.as_bytes()));
    assert!(shown(said).is_ok_and(|claims| claims.is_some()));
}

#[tokio::test(flavor = "current_thread")]
async fn a_connection_serves_several_questions_and_is_made_anew_when_it_was_closed() {
    let server = Server::named("localhost").await;
    let client = server.client(Reach::Private);
    let introspector = introspector(&server);
    let (now, active) = (Now::read(), response(r#"{"active":true}"#));
    let ask = async |token: &[u8]| shown(introspector.ask(&client, token, now).await).is_ok_and(|said| said.is_some());
    let closing = active.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let (said, served) = tokio::join!(
        async {
            // Two over the first; the server closes it, and the third finds out; the fourth has to be another.
            let mut said = Vec::new();
            for token in [&b"one"[..], b"two", b"three", b"four"] {
                said.push(ask(token).await);
            }
            said
        },
        async {
            let mut served = Vec::new();
            served.push(server.serve_all(&[&active, &active]).await);
            served.push(server.serve_all(&[&closing]).await);
            served.push(server.serve_all(&[&active]).await);
            served
        }
    );
    assert_eq!((said, served), (vec![true; 4], vec![2, 1, 1]));
    assert_eq!(introspector.counts(), Counts { active: 4, ..Counts::default() });
    // Whoever trusts others makes a connection of its own, and what comes behind an answer spoils the connection.
    let other = server.client(Reach::Private);
    let spoilt = format!("{active}HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{{\"active\":true}}");
    let (spoilt, inactive) = ([&*spoilt], response(r#"{"active":false}"#));
    let (said, served) = tokio::join!(introspector.ask(&other, b"five", now), server.serve_all(&spoilt));
    assert_eq!((shown(said).map(|said| said.is_some()), served), (Ok(true), 1));
    let inactive = [&*inactive];
    let (said, served) = tokio::join!(introspector.ask(&other, b"six", now), server.serve_all(&inactive));
    assert_eq!((shown(said), served), (Ok(None), 1));
}
