//! The client between itself and a scripted server on loopback, over real TLS.

mod introspection;
mod sources;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::address::Reach;
use super::client::{Answer, Ask, Client, FORM, Fault};
use super::url::Url;

/// How a scripted server ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// As TLS has it.
    Farewell,
    /// In the middle.
    Cut,
    /// Never.
    Silence,
}

struct Server {
    listener: TcpListener,
    tls: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

impl Server {
    async fn named(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a good pair");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self { listener, tls: TlsAcceptor::from(Arc::new(config)), certificate: made.cert.der().clone() }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    fn url(&self, rest: &str) -> Url {
        Url::parse(&format!("https://localhost:{}{rest}", self.address().port())).expect("a good URL")
    }

    fn client(&self, reach: Reach) -> Client {
        Client::new(Some(std::slice::from_ref(&self.certificate)), reach).expect("a client")
    }

    /// Serves one connection; gives the request, or nothing where there was none.
    async fn serve(&self, response: &[u8], end: End) -> Option<String> {
        let (stream, _) = self.listener.accept().await.expect("a connection");
        let mut stream = self.tls.accept(stream).await.ok()?;
        let mut request = Vec::new();
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut request).await.ok()? == 0 {
                return None;
            }
        }
        // A client that has seen enough may be gone.
        let _ = stream.write_all(response).await;
        let _ = stream.flush().await;
        match end {
            End::Farewell => drop(stream.shutdown().await),
            End::Cut => {}
            End::Silence => std::future::pending().await,
        }
        Some(String::from_utf8(request).expect("text"))
    }

    /// Serves one connection with an answer to each request on it, and closes it; gives how many there were.
    async fn serve_all(&self, responses: &[&str]) -> usize {
        let (stream, _) = self.listener.accept().await.expect("a connection");
        let mut stream = self.tls.accept(stream).await.expect("TLS");
        for (served, response) in responses.iter().enumerate() {
            let mut request = Vec::new();
            // A form stands behind the head.
            while !request.windows(15).any(|window| window == b"token_type_hint") {
                if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
                    return served;
                }
            }
            stream.write_all(response.as_bytes()).await.expect("somebody listens");
            stream.flush().await.expect("somebody listens");
        }
        // The client may be gone.
        let _ = stream.shutdown().await;
        responses.len()
    }

    /// Serves connections until one carries a request: those that were given up come first.
    async fn serve_until_asked(&self, response: &[u8]) {
        while self.serve(response, End::Farewell).await.is_none() {}
    }

    async fn ask(&self, ask: Ask<'_>, response: &[u8], end: End) -> (Result<Answer, Fault>, Option<String>) {
        let (client, url) = (self.client(Reach::Private), self.url("/keys?v=1"));
        let asking = client.ask(&url, ask);
        if end == End::Silence {
            // One that was given up before it was accepted still comes first.
            let silent = async {
                loop {
                    self.serve(response, end).await;
                }
            };
            tokio::select! {
                answer = asking => (answer, None),
                () = silent => unreachable!("it is silent for ever"),
            }
        } else {
            tokio::join!(asking, self.serve(response, end))
        }
    }
}

const GET: Ask<'_> = Ask::get(64, Duration::from_secs(20));

#[tokio::test(flavor = "current_thread")]
async fn answers() {
    let server = Server::named("localhost").await;
    let big = "x".repeat(65);
    let head = |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}");
    for (response, end, expected) in [
        (head("Content-Length: 2\r\n", "{}"), End::Farewell, Ok(("{}", None))),
        (head("Content-Length: 2\r\nCache-Control: public, max-age=60\r\n", "{}"), End::Cut, Ok(("{}", Some(60)))),
        (head("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), End::Cut, Ok(("{}", None))),
        (head("", "{}"), End::Farewell, Ok(("{}", None))),
        (format!("HTTP/1.1 103 Early Hints\r\n\r\n{}", head("Content-Length: 0\r\n", "")), End::Cut, Ok(("", None))),
        // What is cut is no answer, nor what is too long, nor what two servers would read differently.
        (head("", "{}"), End::Cut, Err("broke")),
        (head("Content-Length: 3\r\n", "{}"), End::Farewell, Err("broke")),
        (head("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n"), End::Farewell, Err("broke")),
        ("HTTP/1.1 200 OK\r\n".into(), End::Farewell, Err("broke")),
        (String::new(), End::Farewell, Err("broke")),
        (head("Content-Length: 65\r\n", ""), End::Farewell, Err("more than 64 bytes")),
        (head("Transfer-Encoding: chunked\r\n", "ffffffff\r\n"), End::Farewell, Err("more than 64 bytes")),
        (head("", &big), End::Farewell, Err("more than 64 bytes")),
        (head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "{}"), End::Farewell, Err("not one valid")),
        (head(&format!("X: {}\r\n", "x".repeat(20_000)), ""), End::Farewell, Err("not one valid")),
        ("SSH-2.0-x\r\n\r\n".into(), End::Farewell, Err("not one valid")),
        ("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9), End::Farewell, Err("not one valid")),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(), End::Farewell, Err("status 404")),
        ("HTTP/1.1 204 No Content\r\n\r\n".into(), End::Farewell, Err("status 204")),
        ("HTTP/1.1 302 Found\r\nLocation: /k\r\n\r\n".into(), End::Farewell, Err("redirects are not followed")),
        ("HTTP/1.1 301 X\r\nLocation: https://evil.example/\r\n\r\n".into(), End::Farewell, Err("redirects are not")),
    ] {
        let (answer, _) = server.ask(GET, response.as_bytes(), end).await;
        let about = response.chars().take(80).collect::<String>();
        match (answer, expected) {
            (Ok(answer), Ok((body, seconds))) => {
                let expected =
                    Answer { body: body.into(), max_age: seconds.map(Duration::from_secs), ..Answer::default() };
                assert_eq!(answer, expected, "{about:?}");
            }
            (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{about:?}: {fault}"),
            (answer, expected) => panic!("{about:?}: expected {expected:?}, got {answer:?}"),
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_request_is_as_it_should_be() {
    let server = Server::named("localhost").await;
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (answer, request) = server.ask(GET, response, End::Farewell).await;
    answer.expect("an answer");
    let (port, version) = (server.address().port(), env!("CARGO_PKG_VERSION"));
    let expected = format!(
        "GET /keys?v=1 HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: application/json, */*;q=0.5\r\nUser-Agent: hookwarden/{version}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(request.expect("a request"), expected);
    let form = Ask { authorization: Some("Basic eDp5"), ..GET }.posting(Some((b"token=abc", FORM)));
    let (answer, request) = server.ask(form, response, End::Farewell).await;
    answer.expect("an answer");
    let request = request.expect("a request");
    for part in ["POST /keys?v=1 HTTP/1.1\r\n", "Authorization: Basic eDp5\r\n", "Content-Length: 9\r\n"] {
        assert!(request.contains(part), "{part} in {request}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn patience_ends() {
    let server = Server::named("localhost").await;
    let brief = Ask { patience: Duration::from_millis(50), ..GET };
    for response in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
        let (answer, _) = server.ask(brief, response.as_bytes(), End::Silence).await;
        assert!(matches!(answer, Err(Fault::Slow(_))), "{response:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn certificates_are_checked_against_the_name_of_the_url() {
    for (server, trusted) in [
        // Another name, and another authority.
        (Server::named("other.example").await, None),
        (Server::named("localhost").await, Some(Server::named("localhost").await)),
    ] {
        let client = trusted.as_ref().unwrap_or(&server).client(Reach::Private);
        let url = server.url("/");
        let (answer, request) = tokio::join!(client.ask(&url, GET), server.serve(b"", End::Farewell));
        assert!(matches!(answer, Err(Fault::Tls(_))), "{answer:?}");
        assert_eq!(request, None, "nothing is said to a stranger");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_is_connected_to_that_is_not_permitted() {
    let server = Server::named("localhost").await;
    let port = server.address().port();
    for (reach, url) in [
        (Reach::Public, format!("https://localhost:{port}/")),
        (Reach::Public, format!("https://127.0.0.1:{port}/")),
        (Reach::Public, format!("https://[::ffff:127.0.0.1]:{port}/")),
        // What the resolver of the system reads as an address is looked at as one.
        (Reach::Public, format!("https://2130706433:{port}/")),
        (Reach::Public, format!("https://0x7f000001:{port}/")),
        (Reach::Public, format!("https://127.1:{port}/")),
        (Reach::Private, format!("https://0.0.0.0:{port}/")),
        (Reach::Private, "https://169.254.169.254/latest/meta-data".into()),
        (Reach::Networks([].into()), format!("https://localhost:{port}/")),
        (Reach::Public, format!("http://127.0.0.1:{port}/")),
    ] {
        let client = server.client(reach.clone());
        let url = Url::parse(&url).expect("a good URL");
        tokio::select! {
            biased;
            _ = server.listener.accept() => panic!("{reach:?} {url} was connected to"),
            answer = client.ask(&url, GET) => {
                let refused = matches!(answer, Err(Fault::Address(_) | Fault::Name(_)));
                assert!(refused, "{reach:?} {url}: {answer:?}");
            }
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn nobody_there_is_a_fault() {
    let server = Server::named("localhost").await;
    let (client, url) = (server.client(Reach::Private), server.url("/"));
    drop(server);
    assert!(matches!(client.ask(&url, GET).await, Err(Fault::Connection(_))));
    let url = Url::parse("https://no-such-host.invalid/").expect("a good URL");
    // A resolver may take its time to say so.
    assert!(matches!(client.ask(&url, GET).await, Err(Fault::Name(_) | Fault::Slow(_))));
}
