//! nginx and `HAProxy` in front, and trusted: the sender is whom they were called by, in fields of requests or in PROXY
//! headers, and TLS may end at them.

use std::net::SocketAddr;
use std::path::Path;

use crate::harness::{Authority, Builder, Client, Outcome, Sidecar, Signer, Upstream, replace};
use crate::programs::{self, Port, Program};

const HOST: &str = "hooks.test";

fn forwarded() -> Outcome {
    Outcome::forwarded("github")
}

/// A sidecar that trusts programs on this machine, and lets in senders from another of its addresses alone.
fn behind(upstream: &Upstream) -> Builder {
    let builder = Sidecar::before(upstream).provider("github").set("TRUSTED_PROXIES", "127.0.0.1");
    builder.set("ROUTE_GITHUB_SOURCES", SENDER)
}

/// Where the tests' clients send from.
const SENDER: &str = "127.0.0.7";

fn from(source: &str, port: &Port) -> Client {
    Client::connect_from(SocketAddr::new(source.parse().expect("an address"), 0), port.address())
}

/// Sends from an address that may, and from one that may not, each with a lie about it.
fn check(proxy: &Sidecar, upstream: &Upstream, port: &Port) {
    let forged = |source: &str| Signer::new("github").sample().with("X-Forwarded-For", source).bytes();
    let response = from(SENDER, port).send(&forged("203.0.113.9")).read();
    let record = proxy.expect_answer(&response, &forwarded());
    assert_eq!(record.text("source"), SENDER);
    assert_eq!(upstream.last().values("x-forwarded-for"), [SENDER]);
    let response = from("127.0.0.8", port).send(&forged(SENDER)).read();
    let record = proxy.expect_answer(&response, &Outcome::of("source_not_allowed").on("github"));
    assert_eq!(record.text("source"), "127.0.0.8");
}

#[test]
fn nginx_names_the_sender_and_says_https() {
    for (field, lines) in [
        (
            "x-forwarded",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto https;",
        ),
        ("forwarded", "proxy_set_header Forwarded \"$http_forwarded, for=$remote_addr;proto=https\";"),
    ] {
        let upstream = Upstream::start();
        let proxy = behind(&upstream).set("TLS", "forwarded").set("FORWARDED_HEADER", field).start();
        let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
        let lines = format!("{lines} proxy_set_header Host $host;");
        let running = nginx(folder.path(), &port, proxy.address(), &lines);
        if field == "x-forwarded" {
            check(&proxy, &upstream, &port);
        } else {
            let lie = Signer::new("github").sample().with("Forwarded", "for=203.0.113.9;proto=https").bytes();
            let response = from(SENDER, &port).send(&lie).read();
            assert_eq!(proxy.expect_answer(&response, &forwarded()).text("source"), SENDER);
        }
        drop(running);
        proxy.finish();
    }
}

#[test]
fn nginx_that_says_nothing_of_https_gets_nowhere() {
    let upstream = Upstream::start();
    let proxy = behind(&upstream).set("TLS", "forwarded").start();
    let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
    let lines =
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;";
    let running = nginx(folder.path(), &port, proxy.address(), lines);
    let lie = Signer::new("github").sample().with("X-Forwarded-Proto", "https").bytes();
    let response = from(SENDER, &port).send(&lie).read();
    proxy.expect_answer(&response, &Outcome::of("https_required"));
    drop(running);
    proxy.finish();
}

#[test]
fn haproxy_names_the_sender_in_fields_and_in_both_kinds_of_header() {
    for (version, mode, option, server) in [
        (None, "http", "option forwardfor", ""),
        (Some("v1"), "tcp", "", "send-proxy"),
        (Some("v2"), "tcp", "", "send-proxy-v2"),
    ] {
        let upstream = Upstream::start();
        let builder = behind(&upstream);
        let proxy =
            version.into_iter().fold(builder, |builder, version| builder.set("PROXY_PROTOCOL", version)).start();
        let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
        let running = haproxy(folder.path(), &port, "", mode, option, proxy.address(), server);
        check(&proxy, &upstream, &port);
        drop(running);
        proxy.finish();
    }
}

#[test]
fn tls_passes_through_haproxy_or_ends_there() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().expect("a folder");
    let identity = authority.issue(&[HOST]);
    identity.put(folder.path(), "tls");
    replace(&folder.path().join("both.pem"), &format!("{}{}", identity.certificate, identity.key));
    let bind = format!(" ssl crt {}/both.pem", folder.path().display());
    let client = authority.client().ready();
    for (tls, bind, server) in [("terminate", "", "send-proxy-v2"), ("forwarded", bind.as_str(), "send-proxy-v2-ssl")] {
        let upstream = Upstream::start();
        let mut builder = behind(&upstream).set("TLS", tls).set("PROXY_PROTOCOL", "v2");
        if tls == "terminate" {
            builder = builder.set("TLS_CERT_FILE", folder.path().join("tls.crt"));
            builder = builder.set("TLS_KEY_FILE", folder.path().join("tls.key"));
        }
        let proxy = builder.start();
        let port = Port::reserve();
        let running = haproxy(folder.path(), &port, bind, "tcp", "", proxy.address(), server);
        let socket = Client::socket_from(SocketAddr::new(SENDER.parse().expect("an address"), 0), port.address());
        let (mut connection, _) = client.over(socket, HOST).expect("a handshake");
        let response = connection.send(&Signer::new("github").sample().bytes()).read();
        let record = proxy.expect_answer(&response, &forwarded());
        let said = if tls == "terminate" { "1.3" } else { "forwarded" };
        assert_eq!((record.text("source"), record.text("tls")), (SENDER, said));
        assert_eq!(upstream.last().values("x-forwarded-proto"), ["https"]);
        drop((connection, running));
        proxy.finish();
    }
}

pub(crate) fn nginx(folder: &Path, port: &Port, sidecar: SocketAddr, lines: &str) -> Program {
    nginx_of(folder, port, "", sidecar, lines)
}

/// With more in its `listen` line, and lines behind it.
pub(crate) fn nginx_of(folder: &Path, port: &Port, listens: &str, sidecar: SocketAddr, lines: &str) -> Program {
    let listen = port.address();
    let http = format!(
        "server {{
            listen {listen} reuseport {listens};
            location / {{
                proxy_pass http://{sidecar};
                proxy_http_version 1.1;
                {lines}
            }}
        }}"
    );
    programs::nginx(folder, &http)
}

pub(crate) fn haproxy(
    folder: &Path,
    port: &Port,
    bind: &str,
    mode: &str,
    option: &str,
    sidecar: SocketAddr,
    server: &str,
) -> Program {
    let listen = port.address();
    let configuration = format!(
        "defaults
            mode {mode}
            timeout connect 180s
            timeout client 180s
            timeout server 180s
            {option}
        frontend front
            bind {listen}{bind}
            default_backend sidecar
        backend sidecar
            server sidecar {sidecar} {server}\n"
    );
    programs::haproxy(folder, &configuration)
}
