//! nginx and `HAProxy` in front, as an ingress would be: what is signed passes through them unharmed, their connections
//! are kept open, and what they or a client say of the way is not believed until they are trusted.

use std::net::SocketAddr;
use std::path::Path;

use hookwarden::clock::Now;

use crate::harness::{Client, Outcome, Sidecar, Signer, Upstream};
use crate::programs::{self, Port, Program};

#[test]
fn nginx_in_front() {
    check(nginx);
}

#[test]
fn haproxy_in_front() {
    check(haproxy);
}

/// What is started in front of `sidecar`, listening on `listen`; the folder is its own.
type Front = fn(folder: &Path, listen: SocketAddr, sidecar: SocketAddr) -> Program;

fn check(front: Front) {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").provider("stripe").start();
    let folder = tempfile::tempdir().expect("a folder");
    let port = Port::reserve();
    let running = front(folder.path(), port.address(), proxy.address());
    let (mut client, began) = (Client::connect(port.address()), Now::read().instant);
    let forged = |request: crate::harness::Request| {
        request
            .with("X-Forwarded-For", "203.0.113.9")
            .with("X-Forwarded-Proto", "https")
            .with("Forwarded", "for=203.0.113.9")
            .with("X-Hookwarden-Verified", "true")
    };

    for provider in ["github", "stripe"] {
        let genuine = forged(Signer::new(provider).sample());
        let body = genuine.body.clone();
        let refused = Outcome::of("credential_invalid").on(provider);
        let tampered = genuine.clone().body([&body[..], b" "].concat());
        proxy.exchange(&mut client, &tampered.bytes(), &refused);
        proxy.exchange(&mut client, &genuine.bytes(), &Outcome::forwarded(provider));
        let received = upstream.last();
        assert_eq!(received.body(), body);
        assert_eq!(received.values("x-forwarded-for"), ["127.0.0.1"], "nobody in front is trusted");
        assert_eq!(received.values("x-forwarded-proto"), ["http"]);
        assert_eq!(received.values("x-hookwarden-verified"), ["true"], "once, and ours");
        assert!(received.values("forwarded").is_empty());
    }

    // Chunks are passed on as such or gathered, as the server in front likes: the signature is over the body alone.
    let signed = Signer::new("github").sample();
    proxy.exchange(&mut client, &signed.chunked(7), &Outcome::forwarded("github"));
    assert_eq!(upstream.last().body(), signed.body);
    upstream.expect_one_connection(began);
    drop(client);
    drop(running);
    proxy.finish();
}

fn nginx(folder: &Path, listen: SocketAddr, sidecar: SocketAddr) -> Program {
    let http = format!(
        "upstream sidecar {{
            server {sidecar};
            keepalive 4;
        }}
        server {{
            listen {listen} reuseport;
            location / {{
                proxy_pass http://sidecar;
                proxy_http_version 1.1;
                proxy_request_buffering off;
                proxy_set_header Connection '';
                proxy_set_header Host $host;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                proxy_set_header X-Forwarded-Proto $scheme;
            }}
        }}"
    );
    programs::nginx(folder, &http)
}

fn haproxy(folder: &Path, listen: SocketAddr, sidecar: SocketAddr) -> Program {
    let configuration = format!(
        "defaults
            mode http
            timeout connect 180s
            timeout client 180s
            timeout server 180s
            option forwardfor
            option http-keep-alive
            http-reuse always
        frontend front
            bind {listen}
            http-request set-header X-Forwarded-Proto http
            default_backend sidecar
        backend sidecar
            server sidecar {sidecar}\n"
    );
    programs::haproxy(folder, &configuration)
}
