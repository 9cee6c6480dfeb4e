//! The proxy that many would write themselves: hyper in, HMAC-SHA256 over the collected body, hyper out. One thread. It
//! has none of what Hookwarden does beside the signature: no replay claim, no limits, no deadlines, no metrics, no log.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

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
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

struct Proxy {
    client: Client<HttpConnector, Full<Bytes>>,
    service: String,
    key: Hmac<Sha256>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, port, service, secret] = &arguments[..] else { panic!("usage: hyper_proxy PORT SERVICE-PORT SECRET") };
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
            let proxy = proxy.clone();
            spawn_local(async move {
                let service = service_fn(move |request| {
                    let proxy = proxy.clone();
                    async move { Ok::<_, Infallible>(proxy.answer(request).await) }
                });
                drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
            });
        }
    };
    LocalSet::new().run_until(serve).await
}

impl Proxy {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (mut head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return status(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes();
        let signature = head.headers.get("x-hub-signature-256").and_then(|value| value.as_bytes().strip_prefix(b"sha256="));
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
