//! TLS as other programs see it: `openssl s_client`, Python and Node as clients, curl with certificates of its own, and
//! sslscan, which must find nothing to complain about.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{Authority, Builder, Identity, Outcome, Request, Sidecar, Signer, Upstream, replace};
use crate::programs::{self, Port, Program, run};

const HOST: &str = "hooks.test";

fn forwarded() -> Outcome {
    Outcome::forwarded("github")
}

/// An authority for all, and its files.
struct Pki {
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let pki = Self { authority: Authority::new("authority"), folder: tempfile::tempdir().expect("a folder") };
        replace(&pki.path("ca.pem"), &pki.authority.pem());
        pki.authority.issue(&[HOST]).put(pki.folder.path(), "tls");
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn before(&self, upstream: &Upstream) -> Builder {
        let builder = Sidecar::before(upstream).provider("github").unset("TLS");
        builder.set("TLS_CERT_FILE", self.path("tls.crt")).set("TLS_KEY_FILE", self.path("tls.key"))
    }
}

#[test]
fn sslscan_finds_nothing_to_complain_about() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let proxy = pki.before(&upstream).start();
    let mut command = Command::new("sslscan");
    command.args(["--xml=-", &format!("--sni-name={HOST}"), &proxy.address().to_string()]);
    let output = run(&mut command, b"");
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    let elements = |name: &str| {
        let start = format!("<{name} ");
        report.lines().map(str::trim).filter(move |line| line.starts_with(&start)).collect::<Vec<_>>()
    };
    let enabled: Vec<_> = elements("protocol").into_iter().filter(|line| line.contains(r#"enabled="1""#)).collect();
    assert_eq!(enabled.len(), 2, "{report}");
    assert!(
        enabled.iter().all(|line| line.contains(r#"type="tls" version="1.2""#) || line.contains(r#"version="1.3""#))
    );
    let ciphers = elements("cipher");
    assert_eq!(ciphers.len(), 6, "{report}");
    for cipher in ciphers {
        let good = [r#"strength="strong""#, r#"strength="acceptable""#].iter().any(|grade| cipher.contains(grade));
        let modern = ["TLS_AES_", "TLS_CHACHA20", "ECDHE-"].iter().any(|name| cipher.contains(name));
        assert!(good && modern && !cipher.contains("CBC") && !cipher.contains("-SHA\""), "{cipher}");
    }
    let heartbleed = elements("heartbleed");
    assert!(heartbleed.iter().all(|line| line.contains(r#"vulnerable="0""#)), "{report}");
    assert!(elements("renegotiation").iter().all(|line| line.contains(r#"supported="0""#)), "{report}");
    assert!(elements("compression").iter().all(|line| line.contains(r#"supported="0""#)), "{report}");
    assert!(report.contains("<expired>false"), "{report}");
    proxy.finish();
}

fn s_client(pki: &Pki, proxy: &Sidecar, options: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    let (address, ca) = (proxy.address().to_string(), pki.text("ca.pem"));
    command.args(["s_client", "-connect", &address, "-servername", HOST, "-CAfile", &ca, "-verify_return_error"]);
    command.args(["-verify_hostname", HOST]).args(options);
    run(&mut command, b"Q\n")
}

#[test]
fn openssl_agrees_on_the_versions_and_the_protocol() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let proxy = pki.before(&upstream).start();
    for (options, good, said) in [
        (&["-tls1_2"][..], true, "TLSv1.2"),
        (&["-tls1_3"], true, "TLSv1.3"),
        (&["-alpn", "h2,http/1.1"], true, "ALPN protocol: http/1.1"),
        (&["-alpn", "h2"], false, "no application protocol"),
        // What the system's own policy forbids is asked for all the same.
        (&["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], false, "SSL alert number"),
        (&["-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"], false, "handshake failure"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"], false, "handshake failure"),
    ] {
        let output = s_client(&pki, &proxy, options);
        let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert_eq!(output.status.success(), good, "{options:?}: {text}");
        assert!(text.contains(said), "{options:?}: {text}");
    }
    // A session of 1.2 is resumed by a connection of its own.
    let session = pki.text("session");
    let first = s_client(&pki, &proxy, &["-tls1_2", "-sess_out", &session]);
    let again = s_client(&pki, &proxy, &["-tls1_2", "-sess_in", &session]);
    let text = [first, again].map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(text[0].contains("\nNew, ") && text[1].contains("\nReused, "), "{text:#?}");
    proxy.finish();
}

#[test]
fn of_two_certificates_of_a_host_the_client_is_shown_the_one_that_it_can_check() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let mut command = Command::new("openssl");
    let subject = ["-subj", "/CN=rsa", "-addext", "subjectAltName=DNS:hooks.test"];
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]).args(subject);
    command.args(["-keyout", &pki.text("rsa.key"), "-out", &pki.text("rsa.crt")]);
    assert!(run(&mut command, b"").status.success(), "an RSA certificate");
    let both = pki.authority.pem() + &fs::read_to_string(pki.path("rsa.crt")).expect("a file");
    fs::write(pki.path("ca.pem"), both).expect("a file");
    let proxy = pki.before(&upstream).set("TLS_CERT_FILE", pki.folder.path()).unset("TLS_KEY_FILE").start();
    for (options, said) in [
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "Peer signature type: RSA-PSS"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "Peer signature type: ECDSA"),
        (&["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"], "Peer signature type: RSA-PSS"),
        (&["-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"], "Peer signature type: ECDSA"),
    ] {
        let output = s_client(&pki, &proxy, options);
        let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(output.status.success() && text.contains(said), "{options:?}: {text}");
    }
    proxy.finish();
}

/// A request in the form that the scripts below read: a line each for method, target and every field, a blank one, and
/// the body.
fn as_input(request: &Request) -> Vec<u8> {
    let fields = request.fields.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let head = format!("{}\n{}\n{}\n", request.method, request.target, fields.collect::<String>());
    [head.as_bytes(), &request.body].concat()
}

const PYTHON: &str = r#"
import socket, ssl, sys, http.client
head, _, body = sys.stdin.buffer.read().partition(b"\n\n")
method, target, *fields = head.decode().split("\n")
port, ca, version = int(sys.argv[1]), sys.argv[2], getattr(ssl.TLSVersion, sys.argv[3])
context = ssl.create_default_context(cafile=ca)
context.minimum_version = context.maximum_version = version
stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="hooks.test")
connection = http.client.HTTPConnection("hooks.test")
connection.sock = stream
connection.request(method, target, body, dict(field.split(": ", 1) for field in fields))
print(connection.getresponse().status, stream.version(), end="")
"#;

const NODE: &str = r#"
const https = require("https"), fs = require("fs");
const [port, ca, version] = process.argv.slice(1);
const input = fs.readFileSync(0);
const at = input.indexOf("\n\n");
const [method, path, ...fields] = input.subarray(0, at).toString().split("\n");
const headers = Object.fromEntries(fields.map((field) => field.split(/: (.*)/s).slice(0, 2)));
const options = { host: "127.0.0.1", port, path, method, headers, servername: "hooks.test", ca: fs.readFileSync(ca),
    minVersion: version, maxVersion: version, agent: false };
const request = https.request(options, (response) => {
    process.stdout.write(`${response.statusCode} ${response.socket.getProtocol()}`);
    response.resume();
});
request.end(input.subarray(at + 2));
"#;

#[test]
fn python_and_node_send_over_both_versions() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let proxy = pki.before(&upstream).start();
    let (port, ca) = (proxy.address().port().to_string(), pki.text("ca.pem"));
    for (program, option, script, versions) in [
        ("python3", "-c", PYTHON, [("TLSv1_2", "1.2"), ("TLSv1_3", "1.3")]),
        ("node", "-e", NODE, [("TLSv1.2", "1.2"), ("TLSv1.3", "1.3")]),
    ] {
        for (name, version) in versions {
            let request = Signer::new("github").sample();
            let mut command = Command::new(program);
            command.args([option, script, &port, &ca, name]);
            let output = run(&mut command, &as_input(&request));
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(said, format!("200 TLSv{version}"), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(proxy.expect(&forwarded()).text("tls"), version);
            assert_eq!(upstream.last().body(), request.body);
        }
    }
    proxy.finish();
}

/// curl's exit code, and the status that it was answered with.
fn curl(pki: &Pki, proxy: &Sidecar, identity: Option<&str>, request: &Request) -> (Option<i32>, String) {
    let port = proxy.address().port();
    fs::write(pki.path("body"), &request.body).expect("a file");
    let mut command = Command::new("curl");
    command.args(["--disable", "-sS", "--noproxy", "*", "--max-time", "180", "--cacert", &pki.text("ca.pem")]);
    command.args(["--resolve", &format!("{HOST}:{port}:127.0.0.1"), "-o", "/dev/null", "-w", "%{http_code}"]);
    for (name, value) in request.fields.iter().filter(|(name, _)| name != "Host") {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    if let Some(name) = identity {
        command.args(["--cert", &pki.text(&format!("{name}.crt")), "--key", &pki.text(&format!("{name}.key"))]);
    }
    command.args([
        "--data-binary",
        &format!("@{}", pki.text("body")),
        &format!("https://{HOST}:{port}{}", request.target),
    ]);
    let output = run(&mut command, b"");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn curl_shows_certificates_that_are_good_foreign_revoked_or_of_somebody_else() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let named = |name: &str| -> Identity { pki.authority.issue(&[&format!("{name}.senders.test")]) };
    let (good, revoked, other) = (named("good"), named("revoked"), pki.authority.issue(&["other.test"]));
    let foreign = Authority::new("authority").issue(&["foreign.senders.test"]);
    for (identity, name) in [(&good, "good"), (&revoked, "revoked"), (&other, "other"), (&foreign, "foreign")] {
        identity.put(pki.folder.path(), name);
    }
    replace(&pki.path("crl.pem"), &pki.authority.revoking(&[&revoked]));
    let proxy = pki
        .before(&upstream)
        .set("TLS_CLIENT_AUTH", "required")
        .set("TLS_CLIENT_CA_FILE", pki.path("ca.pem"))
        .set("TLS_CLIENT_CRL_FILE", pki.path("crl.pem"))
        .set("ROUTE_GITHUB_CLIENT_SANS", "*.senders.test")
        .start();
    let sample = || Signer::new("github").sample();
    assert_eq!(curl(&pki, &proxy, Some("good"), &sample()), (Some(0), "200".to_owned()));
    assert_eq!(proxy.expect(&forwarded()).text("client_san"), "good.senders.test");
    assert_eq!(curl(&pki, &proxy, Some("other"), &sample()), (Some(0), "403".to_owned()));
    proxy.expect(&Outcome::of("client_certificate_not_allowed").on("github"));
    for identity in [Some("foreign"), Some("revoked"), None] {
        let (code, status) = curl(&pki, &proxy, identity, &sample());
        assert!(code != Some(0) && status == "000", "{identity:?}: {code:?} {status}");
    }
    proxy.finish();
}

#[test]
fn nginx_is_a_service_behind_tls() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    pki.authority.issue(&["localhost"]).put(pki.folder.path(), "service");
    let port = Port::reserve();
    let running = nginx(pki.folder.path(), &port, &upstream);
    let url = format!("https://localhost:{}", port.address().port());
    let builder = Sidecar::before(&upstream).provider("github").set("UPSTREAM", &url);
    let proxy = builder.set("UPSTREAM_CA_FILE", pki.path("ca.pem")).start();
    let mut client = proxy.client();
    for size in [10, 300_000] {
        let request = Signer::new("github").sign(vec![b'x'; size]);
        proxy.exchange(&mut client, &request.bytes(), &forwarded());
        assert_eq!(upstream.last().body(), request.body);
    }
    drop(running);
    proxy.finish();
}

fn nginx(folder: &Path, port: &Port, upstream: &Upstream) -> Program {
    let (at, listen, service) = (folder.display(), port.address(), upstream.address());
    let http = format!(
        "server {{
            listen {listen} ssl reuseport;
            ssl_certificate {at}/service.crt;
            ssl_certificate_key {at}/service.key;
            location / {{
                proxy_pass http://{service};
                proxy_http_version 1.1;
                proxy_set_header X-Request-Id $http_x_request_id;
            }}
        }}"
    );
    programs::nginx(folder, &http)
}
