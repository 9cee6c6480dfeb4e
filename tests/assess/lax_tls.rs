//! A server that speaks TLS as it should, and beside that whatever it is asked to: the first messages of old versions and
//! weak ciphers are answered with a hello, and what comes without TLS is served.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use hookwarden::assess::{self, Options, Verdict};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::faults::{options, subject};
use crate::harness::{Authority, Identity};
use crate::receiver::named;

const HOST: &str = "hooks.test";

fn start(identity: &Identity) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let certificates = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificates.collect::<Result<_, _>>().expect("certificates"), key)
        .expect("a certificate");
    let config = Arc::new(config);
    named("lax", move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = config.clone();
            named("connection", move || serve(stream, config));
        }
    });
    address
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>) {
    let mut start = [0; 512];
    // A first message is one segment; nobody here sends less.
    let count = stream.peek(&mut start).unwrap_or(0);
    match &start[..count] {
        // The version of the hello, and the first suite behind an empty session id.
        [0x16, _, _, _, _, 1, _, _, _, 3, 0..=2, ..] => hello(stream),
        [0x16, rest @ ..] if rest.get(43..47) == Some(&[0, 34, 0, 1]) => hello(stream),
        [0x16, ..] => {
            let session = ServerConnection::new(config).expect("a session");
            answer(StreamOwned::new(session, stream));
        }
        _ => answer(stream),
    }
}

/// As far as a server would have to go for the attack to have succeeded.
fn hello(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 512]);
    let _ = stream.write_all(b"\x16\x03\x01\x00\x31\x02\x00\x00\x2d\x03\x01");
}

fn answer(mut stream: impl Read + Write) {
    let (mut read, mut part) = (Vec::new(), [0; 4096]);
    while !is_whole(&read) {
        match stream.read(&mut part) {
            Ok(count) if count > 0 => read.extend_from_slice(&part[..count]),
            _ => return,
        }
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    let _ = stream.flush();
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
    length.and_then(|length| length.parse().ok()).is_none_or(|length: usize| body.len() >= length)
}

#[test]
fn what_is_spoken_beside_good_tls_is_found() {
    let authority = Authority::new("authority");
    let address = start(&authority.issue(&[HOST]));
    let authorities = CertificateDer::pem_slice_iter(authority.pem().as_bytes()).collect::<Result<_, _>>();
    let subject = subject("github", &format!("https://{HOST}/hooks"), Some(&address.to_string()));
    let only = ["HA068", "HA069", "HA070"].map(str::to_owned).to_vec();
    let options = Options { only, authorities: authorities.expect("certificates"), ..options() };
    let assessment = assess::run(&subject, &options, &mut |_| {}).expect("an assessment");
    assert!(assessment.unheard.is_none(), "{assessment:#?}");
    let fell = assessment.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Broken).count();
    assert_eq!(fell, 3, "{assessment:#?}");
}

#[test]
fn nothing_is_sent_to_somebody_else() {
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let address = start(&stranger.issue(&[HOST]));
    let authorities = CertificateDer::pem_slice_iter(authority.pem().as_bytes()).collect::<Result<_, _>>();
    let subject = subject("github", &format!("https://{HOST}/hooks"), Some(&address.to_string()));
    let options = Options { authorities: authorities.expect("certificates"), ..options() };
    let assessment = assess::run(&subject, &options, &mut |_| {}).expect("an assessment");
    assert!(assessment.unheard.as_deref().is_some_and(|seen| seen.contains("certificate")), "{assessment:#?}");
}
