//! nginx and `HAProxy` in front, as an ingress would be: what is signed passes through them unharmed, their connections
//! are kept open, and what they or a client say of the way is not believed until they are trusted.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::harness::{Client, Outcome, Sidecar, Signer, Upstream};
use crate::programs::{Port, Program};

#[test]
fn nginx_in_front() {
    check(nginx);
}

#[test]
fn haproxy_in_front() {
    check(haproxy);
}

/// What is started in front of `sidecar`, listening on `listen`; the folder is its own.
type Front = fn(folder: &str, listen: SocketAddr, sidecar: SocketAddr) -> Program;

fn check(front: Front) {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").provider("stripe").start();
    let folder = tempfile::tempdir().expect("a folder");
    let port = Port::reserve();
    let running = front(folder.path().to_str().expect("UTF-8"), port.address(), proxy.address());
    let mut client = Client::connect(port.address());
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
    assert_eq!(upstream.connections(), 1, "one connection carries all of them");
    drop(client);
    drop(running);
    proxy.finish();
}

fn nginx(folder: &str, listen: SocketAddr, sidecar: SocketAddr) -> Program {
    let configuration = format!(
        "daemon off;
        master_process off;
        pid {folder}/pid;
        error_log stderr notice;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            upstream sidecar {{
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
            }}
        }}"
    );
    let file = format!("{folder}/nginx.conf");
    fs::write(&file, configuration).expect("a file");
    let mut running = Program::start(Command::new("nginx").args(["-p", folder, "-e", "stderr", "-c", &file]));
    // By then the port is listened on.
    running.wait_for("event method");
    running
}

fn haproxy(folder: &str, listen: SocketAddr, sidecar: SocketAddr) -> Program {
    let configuration = format!(
        "defaults
            mode http
            timeout connect 20s
            timeout client 20s
            timeout server 20s
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
    let file = format!("{folder}/haproxy.cfg");
    fs::write(&file, configuration).expect("a file");
    let mut running = Program::start(Command::new("haproxy").args(["-W", "-db", "-f", &file]));
    running.wait_for("Loading success");
    running
}
