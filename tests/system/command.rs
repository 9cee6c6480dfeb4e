//! What `hookwarden sign` prints, a shell and curl send as it is meant, whatever stands in the body.

use std::collections::HashSet;
use std::fs;
use std::mem::discriminant;
use std::path::Path;
use std::process::Command;

use hookwarden::auth::scheme::SignaturePlace;
use hookwarden::auth::sign::{content_type, sample_body, sample_private, sample_secret};
use hookwarden::clock::Now;
use hookwarden::providers::{self, Asks, Provider};

use crate::harness::{Builder, Outcome, Sidecar, Upstream};
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
fn the_printed_command_sends_a_genuine_webhook_of_every_kind_of_provider() {
    let home = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let kinds = kinds();
    let proxy = kinds.iter().copied().fold(Sidecar::before(&upstream), with_route).start();
    direct_curl(home.path(), &proxy);
    for provider in kinds {
        let command = sign(home.path(), provider, None);
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
    let github = providers::find("github").expect("in the catalogue");
    let proxy = with_route(Sidecar::before(&upstream), github).start();
    direct_curl(home.path(), &proxy);
    for body in AWKWARD {
        let command = sign(home.path(), github, Some(body));
        send(home.path(), &command);
        proxy.expect(&Outcome::forwarded("github"));
        assert_eq!(upstream.last().body(), *body, "{command}");
    }
    proxy.finish();
}

/// One provider for each combination of what makes a command look otherwise: where the signature stands, what the body
/// is, and whether the URL is signed. That all of them are forwarded, the end-to-end tests show without a process each.
fn kinds() -> Vec<&'static Provider> {
    let mut seen = HashSet::new();
    let kind = |Provider { scheme, .. }: &Provider| {
        let body = sample_body(scheme, Now::read());
        (discriminant(&scheme.signature.place), content_type(scheme, &body), scheme.needs_public_url())
    };
    providers::all().iter().filter(|provider| needs_its_key_alone(provider) && seen.insert(kind(provider))).collect()
}

/// Not those whose route needs more than a key: a client's certificate, somebody else's, an issuer.
fn needs_its_key_alone(provider: &Provider) -> bool {
    let source = &provider.scheme.key_source;
    let has_key = provider.kind() != "mtls" && source.chain.is_none() && source.certificate.is_none();
    has_key && provider.asks() == Asks::default()
}

/// The provider's route, with all that its scheme asks for.
fn with_route(builder: Builder, provider: &'static Provider) -> Builder {
    let Provider { id, scheme, .. } = provider;
    let (secret, mut path) = (secret_of(provider), format!("/hooks/{id}"));
    if scheme.signature.place == SignaturePlace::PathSegment {
        path += "/*";
    }
    let mut fields = vec![("PATH", path.as_str()), ("PROVIDER", id), ("SECRET", &secret)];
    if scheme.needs_public_url() {
        // The URL that curl is given.
        fields.push(("PUBLIC_URL", "http://hooks.test"));
    }
    if scheme.challenges.iter().any(|challenge| challenge.verify_required) {
        fields.push(("VERIFY_TOKEN", "a-verify-token"));
    }
    builder.route(id, &fields)
}

fn secret_of(provider: &Provider) -> String {
    sample_secret(&provider.scheme, 1)
}

/// Lets curl find the sidecar under the name that is signed, by the file that it reads at its start.
fn direct_curl(home: &Path, proxy: &Sidecar) {
    let settings = format!("connect-to = \"hooks.test:80:{}\"\nnoproxy = \"*\"\nsilent\nfail\n", proxy.address());
    fs::write(home.join(".curlrc"), settings).expect("a file");
}

fn sign(home: &Path, provider: &Provider, body: Option<&[u8]>) -> String {
    let secret = home.join("secret");
    fs::write(&secret, sample_private(&provider.scheme, 1)).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
    command.args(["sign", "--provider", &provider.id, "--url", &url_of(provider)]);
    command.arg("--secret-file").arg(secret);
    if body.is_some() {
        command.args(["--body-file", "-"]);
    }
    let output = run(&mut command, body.unwrap_or_default());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What the provider calls. A token in the path is the last segment under the route's prefix.
fn url_of(Provider { id, scheme, .. }: &Provider) -> String {
    let end = if scheme.signature.place == SignaturePlace::PathSegment { "/token" } else { "" };
    format!("http://hooks.test/hooks/{id}{end}")
}

fn send(home: &Path, command: &str) {
    let output = run(Command::new("sh").args(["-c", command]).env("CURL_HOME", home), b"");
    assert!(output.status.success(), "{command}\n{output:?}");
}
