//! The injector as an API server calls it: over HTTPS, with the reviews of `tests/admission`, its patches applied by a
//! library of somebody else's; and what it makes of a pod, run as a kubelet would run it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Authority, Client, Response, Signer, Upstream, secret_of};
use crate::programs::{Program, run};
use crate::server::free_port;

const HOOKWARDEN: &str = env!("CARGO_BIN_EXE_hookwarden");

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv/bin/python");

/// Applies each patch to its pod.
const APPLY: &str = "
import json, sys, jsonpatch
for line in sys.stdin.readlines():
    given = json.loads(line)
    print(json.dumps(jsonpatch.apply_patch(given['pod'], given['patch'])))
";

/// What an API server calls it by.
const HOST: &str = "hookwarden-injector.hookwarden.svc";

struct Injector {
    program: Program,
    authority: Authority,
    files: TempDir,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Injector {
    fn start() -> Self {
        let (authority, files) = (Authority::new("cluster"), tempfile::tempdir().expect("a folder"));
        authority.issue(&[HOST]).put(files.path(), "tls");
        let file = |name: &str| files.path().join(name);
        let mut command = Command::new(HOOKWARDEN);
        command.env_clear().args(["injector", "--certificates", "files"]);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--service-account", "nowhere"]);
        command.arg("--cert-file").arg(file("tls.crt")).arg("--key-file").arg(file("tls.key"));
        let mut program = Program::start(&mut command);
        let line = program.wait_for("listening");
        let address = |name: &str| {
            let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line:?}"))
        };
        let (listen, admin) = (address("listen"), address("admin"));
        Self { program, authority, files, listen, admin }
    }

    fn client(&self) -> Client {
        self.authority.client().ready().connect_to(self.listen, HOST).expect("a connection").0
    }

    fn admin(&self, path: &str) -> Response {
        get(self.admin, path)
    }
}

fn get(address: SocketAddr, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    Client::connect(address).send(request.as_bytes()).read()
}

fn post(client: &mut Client, path: &str, body: &[u8]) -> Response {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    client.send(&[head.as_bytes(), body].concat()).read()
}

/// The documents of `tests/admission`, by name.
pub(crate) fn reviews() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/admission");
    let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let reviews = names.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let mut reviews: Vec<_> = reviews
        .map(|path| {
            let review = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
            (path.file_stem().expect("a name").to_string_lossy().into_owned(), review)
        })
        .filter(|(_, review): &(_, Value)| review["kind"] == "AdmissionReview")
        .collect();
    reviews.sort_by(|one, other| one.0.cmp(&other.0));
    reviews
}

/// What `hookwarden inject` makes of a pod.
fn offline(pod: &Value, namespace: &str) -> Value {
    let mut command = Command::new(HOOKWARDEN);
    command.env_clear().args(["inject", "-f", "-", "--namespace", namespace]);
    let output = run(&mut command, pod.to_string().as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON goes in, and JSON comes out")
}

#[test]
fn an_injector_answers_an_api_server() {
    let injector = Injector::start();
    assert_eq!(injector.admin("/readyz").status, 200);
    let (mut client, mut patched, mut expected) = (injector.client(), Vec::new(), Vec::new());
    let reviews = reviews();
    for (name, review) in &reviews {
        // All over one connection, as an API server does.
        let answer = post(&mut client, "/mutate", review.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{name}");
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(answer["response"]["uid"], review["request"]["uid"], "{name}");
        if let Some(patch) = answer["response"]["patch"].as_str() {
            let patch = data_encoding::BASE64.decode(patch.as_bytes()).expect("base64");
            let patch: Value = serde_json::from_slice(&patch).expect("JSON");
            let pod = &review["request"]["object"];
            patched.push(json!({ "pod": pod, "patch": patch }).to_string());
            expected.push((name, offline(pod, review["request"]["namespace"].as_str().expect("text"))));
        }
    }
    let applied = run(Command::new(PYTHON).args(["-c", APPLY]), patched.join("\n").as_bytes());
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let applied = String::from_utf8(applied.stdout).expect("text");
    assert_eq!((applied.lines().count(), expected.len()), (6, 6));
    for (line, (name, expected)) in applied.lines().zip(expected) {
        assert_eq!(serde_json::from_str::<Value>(line).expect("JSON"), expected, "{name}");
    }

    let metrics = String::from_utf8(injector.admin("/metrics").body).expect("text");
    let reviewed = |verdict: &str, count: usize| {
        let line = format!("hookwarden_injector_reviews_total{{verdict=\"{verdict}\"}} {count}");
        assert!(metrics.lines().any(|known| known == line), "{line}\n{metrics}");
    };
    reviewed("injected", 6);
    reviewed("refused", 4);
    reviewed("not_ours", reviews.len() - 10);
    reviewed("unchanged", 0);
    assert!(metrics.contains("\nhookwarden_injector_certificate_expiry_timestamp_seconds "), "{metrics}");
}

#[test]
fn what_is_no_review_is_refused() {
    let injector = Injector::start();
    for (path, body, status) in [
        ("/mutate", &b"{}"[..], 400),
        ("/mutate", b"", 400),
        ("/elsewhere", b"{}", 404),
        ("/mutate", &vec![b' '; (4 << 20) + 1], 413),
    ] {
        assert_eq!(post(&mut injector.client(), path, body).status, status, "{path} {}", body.len());
    }
    let metrics = String::from_utf8(injector.admin("/metrics").body).expect("text");
    assert!(metrics.contains("hookwarden_injector_unanswered_total{reason=\"malformed\"} 2"), "{metrics}");
    assert!(metrics.contains("hookwarden_injector_unanswered_total{reason=\"too_large\"} 1"), "{metrics}");
}

#[test]
fn a_certificate_is_changed_while_it_serves() {
    let mut injector = Injector::start();
    let mut before = injector.client();
    let review = reviews().remove(0).1.to_string();
    fs::write(injector.files.path().join("tls.crt"), "half of one").expect("a file");
    injector.program.wait_for("the old one is shown on");
    assert_eq!(post(&mut injector.client(), "/mutate", review.as_bytes()).status, 200);
    let other = Authority::new("another");
    other.issue(&[HOST]).put(injector.files.path(), "tls");
    injector.program.wait_for("the new one is shown");
    assert!(
        injector.authority.client().ready().connect_to(injector.listen, HOST).is_err(),
        "the old authority's is gone"
    );
    let (mut after, _) = other.client().ready().connect_to(injector.listen, HOST).expect("a connection");
    assert_eq!(post(&mut after, "/mutate", review.as_bytes()).status, 200);
    assert_eq!(post(&mut before, "/mutate", review.as_bytes()).status, 200, "connections are kept");
}

/// An API server that keeps the injector's Secret and its webhook configuration, and tells of each write.
const API_SERVER: &str = r#"
import http.server, json, ssl, sys
store = {
    "/api/v1/namespaces/hookwarden/secrets/hookwarden-injector-tls":
        {"kind": "Secret", "metadata": {"resourceVersion": "1"}, "type": "Opaque"},
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/hookwarden-injector":
        {"metadata": {"resourceVersion": "1"}, "webhooks": [{"clientConfig": {"service": {"path": "/mutate"}}}]},
    "/api/v1/namespaces/shop": {"metadata": {"labels": {"hookwarden.io/inject": "enabled"}}},
}
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments): pass
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.headers["Authorization"] != "Bearer of-the-account":
            return self.answer(401, {})
        self.answer(200 if self.path in store else 404, store.get(self.path, {}))
    def do_PUT(self):
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        there = store[self.path]["metadata"]["resourceVersion"]
        if value["metadata"]["resourceVersion"] != there:
            return self.answer(409, {})
        value["metadata"]["resourceVersion"] = str(int(there) + 1)
        store[self.path] = value
        self.answer(200, value)
        print("PUT", json.dumps(value), file=sys.stderr, flush=True)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("port", server.server_address[1], file=sys.stderr, flush=True)
server.serve_forever()
"#;

#[test]
fn its_own_certificate_is_what_the_webhook_configuration_trusts() {
    let (cluster, account) = (Authority::new("cluster"), tempfile::tempdir().expect("a folder"));
    cluster.issue(&["127.0.0.1"]).put(account.path(), "api");
    let file = |name: &str| account.path().join(name);
    fs::write(file("ca.crt"), cluster.pem()).expect("a file");
    fs::write(file("token"), "of-the-account").expect("a file");
    let mut command = Command::new(PYTHON);
    let mut api = Program::start(command.args(["-c", API_SERVER]).arg(file("api.crt")).arg(file("api.key")));
    let port = api.wait_for("port ").split_whitespace().last().expect("a port").to_owned();

    let mut command = Command::new(HOOKWARDEN);
    command.env_clear().args(["injector", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.arg("--api-server").arg(format!("https://127.0.0.1:{port}")).arg("--service-account").arg(account.path());
    let mut injector = Program::start(&mut command);
    let line = injector.wait_for("listening");
    let listen = line.split_whitespace().find_map(|word| word.strip_prefix("listen=")).expect("an address").to_owned();
    let written =
        |line: String| serde_json::from_str::<Value>(line.strip_prefix("PUT ").expect("a write")).expect("JSON");
    let secret = written(api.wait_for("PUT "));
    let webhook = written(api.wait_for("PUT "));
    let bundle = webhook["webhooks"][0]["clientConfig"]["caBundle"].as_str().expect("text");
    assert_eq!(secret["data"]["ca.crt"], bundle);
    injector.wait_for("another certificate is shown");

    // curl stands for the API server: it trusts the bundle, and nothing else.
    fs::write(file("bundle.pem"), data_encoding::BASE64.decode(bundle.as_bytes()).expect("base64")).expect("a file");
    let (_, mut review) = reviews().into_iter().find(|(name, _)| name == "not-opted-in").expect("a review");
    review["request"]["object"]["metadata"]["annotations"]["hookwarden.io/take-port"] = json!("http");
    let port = listen.rsplit_once(':').expect("a port").1;
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--fail",
        "--connect-to",
        &format!("{HOST}:443:127.0.0.1:{port}"),
        "--cacert",
    ]);
    curl.arg(file("bundle.pem")).args(["--data-binary", "@-", "-H", "Content-Type: application/json"]);
    let answer = run(curl.arg(format!("https://{HOST}/mutate")), review.to_string().as_bytes());
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let answer: Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert!(answer["response"]["patch"].is_string(), "its namespace has opted in: {answer}");
}

/// A volume as a kubelet makes it: files behind links that are changed all at once.
fn mount(folder: &Path, data: &[(&str, &str)], mode: u64) {
    let version = folder.join("..2026_11_25");
    fs::create_dir_all(&version).expect("a folder");
    symlink("..2026_11_25", folder.join("..data")).expect("a link");
    for (name, text) in data {
        fs::write(version.join(name), text).expect("a file");
        let mode = fs::Permissions::from_mode(u32::try_from(mode).expect("a mode"));
        fs::set_permissions(version.join(name), mode).expect("its mode");
        symlink(format!("..data/{name}"), folder.join(name)).expect("a link");
    }
}

#[test]
fn the_sidecar_of_an_injected_pod_runs() {
    let (upstream, authority) = (Upstream::start(), Authority::new("public"));
    let identity = authority.issue(&["localhost"]);
    let service: SocketAddr = upstream.address().parse().expect("an address");
    let (listen, admin) = (free_port(), free_port());
    let pod = offline(
        &json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "shop",
                "labels": { "hookwarden.io/inject": "enabled" },
                "annotations": {
                    "hookwarden.io/take-port": "http",
                    "hookwarden.io/listen-port": listen.to_string(),
                    "hookwarden.io/admin-port": admin.to_string(),
                    "hookwarden.io/config": "shop-hooks",
                    "hookwarden.io/secret": "github=github-keys",
                    "hookwarden.io/tls-secret": "shop-tls",
                },
            },
            "spec": { "containers": [{
                "name": "shop",
                "ports": [{ "name": "http", "containerPort": service.port() }],
                "readinessProbe": { "tcpSocket": { "port": "http" } },
            }] },
        }),
        "shop",
    );
    assert_eq!(pod["spec"]["containers"][0]["readinessProbe"]["tcpSocket"]["port"], service.port());
    let sidecar = &pod["spec"]["initContainers"][0];

    // What stands in the cluster.
    let secret = secret_of("github");
    let objects = [
        ("github-keys", vec![("2026", secret.as_str())]),
        ("shop-tls", vec![("tls.crt", identity.certificate.as_str()), ("tls.key", identity.key.as_str())]),
    ];
    let settings = [("HOOKWARDEN_ROUTE_GITHUB_PATH", "/hooks/github"), ("HOOKWARDEN_ROUTE_GITHUB_PROVIDER", "github")];

    let root = tempfile::tempdir().expect("a folder");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut mounted = Vec::new();
    for place in list(&sidecar["volumeMounts"]) {
        let volumes = list(&pod["spec"]["volumes"]);
        let volume = volumes.iter().find(|volume| volume["name"] == place["name"]).expect("a volume");
        let object = objects.iter().find(|(name, _)| volume["secret"]["secretName"] == *name).expect("an object");
        let folder = root.path().join(text(&place["name"]));
        mount(&folder, &object.1, volume["secret"]["defaultMode"].as_u64().expect("a mode"));
        mounted.push((text(&place["mountPath"]), folder));
    }
    assert_eq!(mounted.len(), 2);
    let inside = |value: String| {
        let found = mounted
            .iter()
            .find_map(|(at, folder)| Some(format!("{}{}", folder.display(), value.strip_prefix(at.as_str())?)));
        found.unwrap_or(value)
    };
    let mut command = Command::new(HOOKWARDEN);
    command.env_clear().args(list(&sidecar["args"]).iter().map(text));
    assert_eq!(sidecar["envFrom"], json!([{ "configMapRef": { "name": "shop-hooks" } }]));
    command.envs(settings);
    command
        .envs(list(&sidecar["env"]).iter().map(|variable| (text(&variable["name"]), inside(text(&variable["value"])))));
    let mut program = Program::start(&mut command);
    program.wait_for("listening");

    // As a kubelet probes it.
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let http = &sidecar[probe]["httpGet"];
        let port = u16::try_from(http["port"].as_u64().expect("a number")).expect("a port");
        assert_eq!(port, admin);
        assert_eq!(get(SocketAddr::from(([127, 0, 0, 1], port)), &text(&http["path"])).status, 200, "{probe}");
    }
    // As a Service sends to it: to the port of the name that was the app's.
    let port = list(&sidecar["ports"]).into_iter().find(|port| port["name"] == "http").expect("the name has moved");
    let address = SocketAddr::from((
        [127, 0, 0, 1],
        u16::try_from(port["containerPort"].as_u64().expect("a number")).expect("a port"),
    ));
    let (mut client, _) = authority.client().ready().connect_to(address, "localhost").expect("a connection");
    let request = Signer::new("github").path("/hooks/github").sample();
    assert_eq!(client.send(&request.bytes()).read().status, 200);
    assert_eq!(client.send(&request.clone().without("X-Hub-Signature-256").bytes()).read().status, 401);
    let received = upstream.wait_for(1);
    assert_eq!(received[0].values("X-Hookwarden-Verified"), ["true"]);
    assert_eq!(received[0].values("X-Hookwarden-Key-Id"), ["2026"]);
}
