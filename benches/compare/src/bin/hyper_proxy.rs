//! The proxy that many would write themselves: hyper in, HMAC-SHA256 over the collected body, hyper out. One thread. It
//! has none of what Hookwarden does beside the signature: no replay claim, no limits, no deadlines, no metrics, no log.
//! With a certificate and a key it ends TLS 1.3 with rustls, which computes with `ring` or `aws-lc`, as the last word says.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{aws_lc_rs, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};

const USAGE: &str = "usage: hyper_proxy PORT SERVICE-PORT SECRET [CERTIFICATE KEY ring|aws-lc]";

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

struct Proxy {
    client: Client<HttpConnector, Full<Bytes>>,
    service: String,
    key: Hmac<Sha256>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, service, secret, tls @ ..] = &arguments[..] else { panic!("{USAGE}") };
    let acceptor = match tls {
        [] => None,
        [certificate, key, library] => Some(acceptor(certificate, key, library)),
        _ => panic!("{USAGE}"),
    };
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let proxy = Rc::new(Proxy {
        client: Client::builder(TokioExecutor::new()).build(connector),
        service: format!("127.0.0.1:{service}"),
        key: Hmac::new_from_slice(secret.as_bytes()).expect("any length"),
    });
    let port = port.parse().expect("a port");
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (proxy, acceptor) = (proxy.clone(), acceptor.clone());
            spawn_local(async move {
                match acceptor {
                    None => serve(stream, proxy).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, proxy).await;
                        }
                    }
                }
            });
        }
    };
    LocalSet::new().run_until(serve).await
}

/// rustls as it comes: sessions in memory, two tickets a handshake.
fn acceptor(certificate: &str, key: &str, library: &str) -> TlsAcceptor {
    let provider = match library {
        "ring" => ring::default_provider(),
        "aws-lc" => aws_lc_rs::default_provider(),
        _ => panic!("{USAGE}"),
    };
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, proxy: Rc<Proxy>) {
    let service = service_fn(move |request| {
        let proxy = proxy.clone();
        async move { Ok::<_, Infallible>(proxy.answer(request).await) }
    });
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

impl Proxy {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (mut head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return status(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes();
        let signature =
            head.headers.get("x-hub-signature-256").and_then(|value| value.as_bytes().strip_prefix(b"sha256="));
        let Some(signature) = signature.and_then(|hex| HEXLOWER_PERMISSIVE.decode(hex).ok()) else {
            return status(StatusCode::UNAUTHORIZED);
        };
        if self.key.clone().chain_update(&body).verify_slice(&signature).is_err() {
            return status(StatusCode::UNAUTHORIZED);
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let Ok(uri) = format!("http://{}{path}", self.service).parse::<Uri>() else {
            return status(StatusCode::BAD_REQUEST);
        };
        head.uri = uri;
        match self.client.request(Request::from_parts(head, Full::new(body))).await {
            Ok(response) => response.map(BodyExt::boxed),
            Err(_) => status(StatusCode::BAD_GATEWAY),
        }
    }
}

fn status(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}
