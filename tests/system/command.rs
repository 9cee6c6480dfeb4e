//! What `hookwarden sign` prints, a shell and curl send as it is meant, whatever stands in the body.

use std::fs;
use std::path::Path;
use std::process::Command;

use hookwarden::auth::template::Piece;
use hookwarden::providers::{self, Provider};

use crate::harness::{Outcome, Sidecar, Upstream, secret_of};
use crate::programs::run;

/// Bytes that shells, curl and terminals have ideas of their own about.
const AWKWARD: &[&[u8]] = &[
    b"{\"a\":\"it's \\\"$HOME\\\" `id` \\\\ %s !! caf\xc3\xa9\"}",
    b"@/etc/hostname",
    b"two lines\n and a trailing one\n",
    b"\x00\x01\xff\r\n\x1b[31m",
    b"",
];

#[test]
fn the_printed_command_sends_a_genuine_webhook_of_every_provider() {
    let home = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let names = providers::all().iter();
    let proxy = names.fold(Sidecar::before(&upstream), |builder, provider| {
        // The URL that some sign has to be the one that curl is given.
        let fields: &[_] = if signs_url(provider) { &[("PUBLIC_URL", "http://hooks.test")] } else { &[] };
        builder.provider_as(&provider.id, &provider.id, fields)
    });
    let proxy = proxy.start();
    direct_curl(home.path(), &proxy);
    for provider in providers::all() {
        let command = sign(home.path(), &provider.id, None);
        send(home.path(), &command);
        let record = proxy.expect(&Outcome::forwarded(&provider.id));
        assert_eq!(record.text("provider"), provider.id, "{command}");
    }
    proxy.finish();
}

#[test]
fn the_printed_command_sends_the_very_bytes_of_the_body() {
    let home = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    direct_curl(home.path(), &proxy);
    for body in AWKWARD {
        let command = sign(home.path(), "github", Some(body));
        send(home.path(), &command);
        proxy.expect(&Outcome::forwarded("github"));
        assert_eq!(upstream.last().body(), *body, "{command}");
    }
    proxy.finish();
}

fn signs_url(provider: &Provider) -> bool {
    provider.scheme.signed().is_some_and(|signed| signed.has(&Piece::Url))
}

/// Lets curl find the sidecar under the name that is signed, by the file that it reads at its start.
fn direct_curl(home: &Path, proxy: &Sidecar) {
    let settings = format!("connect-to = \"hooks.test:80:{}\"\nnoproxy = \"*\"\nsilent\nfail\n", proxy.address());
    fs::write(home.join(".curlrc"), settings).expect("a file");
}

fn sign(home: &Path, provider: &str, body: Option<&[u8]>) -> String {
    let secret = home.join("secret");
    fs::write(&secret, secret_of(provider)).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
    command.args(["sign", "--provider", provider, "--url", &format!("http://hooks.test/hooks/{provider}")]);
    command.arg("--secret-file").arg(secret);
    if body.is_some() {
        command.args(["--body-file", "-"]);
    }
    let output = run(&mut command, body.unwrap_or_default());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn send(home: &Path, command: &str) {
    let output = run(Command::new("sh").args(["-c", command]).env("CURL_HOME", home), b"");
    assert!(output.status.success(), "{command}\n{output:?}");
}
