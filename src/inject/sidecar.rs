//! The sidecar's container, its volumes and mounts, from what was asked for.
//!
//! Its security context is that of Pod Security's `restricted` in every field, so that it runs in any namespace
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>). What a webhook's owner sets goes into the
//! environment behind `ConfigMaps` and Secrets, so that what the pod's shape decides (ports, files) always wins.

use serde_json::{Map, Value, json};

use super::annotations::{Mount, Wishes};
use super::{CONTAINER, VOLUMES};

/// Where Secrets with keys are mounted, each in a directory of its name.
pub const SECRETS: &str = "/run/hookwarden/secrets";

/// Where `ConfigMaps` with files are mounted.
pub const CONFIG: &str = "/run/hookwarden/config";

/// Where the listener's certificate and key are mounted.
pub const TLS: &str = "/run/hookwarden/tls";

/// The user and group of the image: no name, no home, and never root.
const USER: u32 = 65_532;

/// Files are read by a user who does not own them, and written by nobody (0444): the volumes are the sidecar's alone.
const READABLE: u16 = 0o444;

/// The name of the port for webhooks, where it takes over no other.
pub const PORT_NAME: &str = "hookwarden";

/// The name of the port for probes and scrapes. A port's name has 15 characters at most.
pub const ADMIN_PORT_NAME: &str = "hw-admin";

/// Settings that follow from the pod's shape and from other annotations, and so cannot be set by `env`.
pub const GIVEN: &[&str] = &[
    "HOOKWARDEN_LISTEN",
    "HOOKWARDEN_ADMIN_LISTEN",
    "HOOKWARDEN_UPSTREAM",
    "HOOKWARDEN_SHUTDOWN_GRACE",
    "HOOKWARDEN_TLS_CERT_FILE",
    "HOOKWARDEN_TLS_KEY_FILE",
];

/// The container.
#[must_use]
pub fn container(wishes: &Wishes, upstream: Option<u16>) -> Value {
    let mut container = Map::new();
    let mut set = |name: &str, value: Value| container.insert(name.to_owned(), value);
    set("name", json!(CONTAINER));
    set("image", json!(wishes.image));
    if let Some(policy) = &wishes.image_pull_policy {
        set("imagePullPolicy", json!(policy));
    }
    set("args", json!(["run"]));
    if wishes.native {
        set("restartPolicy", json!("Always"));
    }
    set("ports", ports(wishes));
    if !wishes.config.is_empty() || !wishes.config_secret.is_empty() {
        set("envFrom", env_from(wishes));
    }
    set("env", env(wishes, upstream));
    let mounts = mounts(wishes);
    if !mounts.is_empty() {
        set("volumeMounts", Value::Array(mounts));
    }
    set("startupProbe", probe("/startupz", wishes, 1, 60));
    set("readinessProbe", probe("/readyz", wishes, 5, 2));
    set("livenessProbe", probe("/healthz", wishes, 10, 3));
    if wishes.drain_seconds > 0 {
        set("lifecycle", drain(wishes.drain_seconds));
    }
    set("resources", resources(wishes));
    set("securityContext", restricted());
    Value::Object(container)
}

/// What a container waits for before it is told to stop: Services still send to it for a moment.
#[must_use]
pub fn drain(seconds: u16) -> Value {
    json!({ "preStop": { "sleep": { "seconds": seconds } } })
}

fn ports(wishes: &Wishes) -> Value {
    let name = wishes.take_port.as_deref().unwrap_or(PORT_NAME);
    json!([
        { "name": name, "containerPort": wishes.listen_port, "protocol": "TCP" },
        { "name": ADMIN_PORT_NAME, "containerPort": wishes.admin_port, "protocol": "TCP" },
    ])
}

/// `ConfigMaps` first: of a variable that stands in several, the last one counts, and a Secret is the more deliberate.
fn env_from(wishes: &Wishes) -> Value {
    let maps = wishes.config.iter().map(|name| json!({ "configMapRef": { "name": name } }));
    maps.chain(wishes.config_secret.iter().map(|name| json!({ "secretRef": { "name": name } }))).collect()
}

fn env(wishes: &Wishes, upstream: Option<u16>) -> Value {
    let mut env = Vec::new();
    let mut set = |name: &str, value: String| env.push(json!({ "name": name, "value": value }));
    set("HOOKWARDEN_LISTEN", format!("0.0.0.0:{}", wishes.listen_port));
    set("HOOKWARDEN_ADMIN_LISTEN", format!("0.0.0.0:{}", wishes.admin_port));
    if let Some(port) = upstream {
        set("HOOKWARDEN_UPSTREAM", format!("127.0.0.1:{port}"));
    }
    set("HOOKWARDEN_SHUTDOWN_GRACE", format!("{}s", wishes.shutdown_seconds));
    if wishes.tls_secret.is_some() {
        set("HOOKWARDEN_TLS_CERT_FILE", format!("{TLS}/tls.crt"));
        set("HOOKWARDEN_TLS_KEY_FILE", format!("{TLS}/tls.key"));
    }
    for (root, mounts) in [(SECRETS, &wishes.secret), (CONFIG, &wishes.config_files)] {
        for mount in mounts {
            if let Some(variable) = key_variable(mount) {
                set(&variable, format!("{root}/{}", mount.name));
            }
        }
    }
    for (name, value) in &wishes.env {
        set(name, literal(value));
    }
    Value::Array(env)
}

/// The kubelet expands `$(NAME)` in values; `$$` stands for `$`.
fn literal(value: &str) -> String {
    value.replace('$', "$$")
}

/// The setting that a mount is the value of.
#[must_use]
pub fn key_variable(mount: &Mount) -> Option<String> {
    mount.route.as_ref().map(|route| format!("HOOKWARDEN_ROUTE_{route}_SECRET_FILE"))
}

/// The volumes.
#[must_use]
pub fn volumes(wishes: &Wishes) -> Vec<Value> {
    let secret = |volume: String, name: &str| json!({ "name": volume, "secret": { "secretName": name, "defaultMode": READABLE } });
    let map =
        |volume: String, name: &str| json!({ "name": volume, "configMap": { "name": name, "defaultMode": READABLE } });
    let tls = wishes.tls_secret.iter().map(|name| secret(tls_volume(), name));
    let secrets = wishes.secret.iter().enumerate().map(|(at, mount)| secret(secret_volume(at), &mount.name));
    let maps = wishes.config_files.iter().enumerate().map(|(at, mount)| map(config_volume(at), &mount.name));
    tls.chain(secrets).chain(maps).collect()
}

fn mounts(wishes: &Wishes) -> Vec<Value> {
    let mount = |volume: String, path: String| json!({ "name": volume, "mountPath": path, "readOnly": true });
    let tls = wishes.tls_secret.iter().map(|_| mount(tls_volume(), TLS.to_owned()));
    let secrets = wishes.secret.iter().enumerate();
    let secrets = secrets.map(|(at, keys)| mount(secret_volume(at), format!("{SECRETS}/{}", keys.name)));
    let maps = wishes.config_files.iter().enumerate();
    let maps = maps.map(|(at, files)| mount(config_volume(at), format!("{CONFIG}/{}", files.name)));
    tls.chain(secrets).chain(maps).collect()
}

fn tls_volume() -> String {
    format!("{VOLUMES}tls")
}

fn secret_volume(at: usize) -> String {
    format!("{VOLUMES}secret-{}", at + 1)
}

fn config_volume(at: usize) -> String {
    format!("{VOLUMES}config-{}", at + 1)
}

/// By number: a name would be looked up among this container's ports, and be one more thing to get wrong.
fn probe(path: &str, wishes: &Wishes, period: u8, failures: u8) -> Value {
    json!({
        "httpGet": { "path": path, "port": wishes.admin_port, "scheme": "HTTP" },
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    })
}

fn resources(wishes: &Wishes) -> Value {
    let pick = |cpu: &Option<String>, memory: &Option<String>| {
        let pairs = [("cpu", cpu), ("memory", memory)].into_iter();
        let set = pairs.filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
        set.collect::<Map<_, _>>()
    };
    json!({
        "requests": pick(&wishes.cpu_request, &wishes.memory_request),
        "limits": pick(&wishes.cpu_limit, &wishes.memory_limit),
    })
}

fn restricted() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] },
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsGroup": USER,
        "runAsNonRoot": true,
        "runAsUser": USER,
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// Whether a container that stands there does all that `ours` says, and nothing else that matters: the API server fills in
/// defaults, and other webhooks add what they add. What is not covered is written anew.
#[must_use]
pub fn covers(there: &Value, ours: &Value) -> bool {
    let (Some(there), Some(ours)) = (there.as_object(), ours.as_object()) else { return false };
    let known = there.keys().all(|key| ours.contains_key(key) || ADDED.contains(&key.as_str()));
    known && ours.iter().all(|(key, ours)| there.get(key).is_some_and(|there| field_covers(key, there, ours)))
}

/// Fields that may be there beside ours: none changes what the program does.
const ADDED: &[&str] = &["imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", "volumeMounts"];

fn field_covers(key: &str, there: &Value, ours: &Value) -> bool {
    match key {
        "startupProbe" | "readinessProbe" | "livenessProbe" | "resources" => contains(there, ours),
        // A token of a service account is mounted into every container, and hidden files of ours by none.
        "volumeMounts" => {
            let (there, ours) = (there.as_array(), ours.as_array());
            let (there, ours) =
                (there.map(Vec::as_slice).unwrap_or_default(), ours.map(Vec::as_slice).unwrap_or_default());
            let covered = ours.iter().all(|ours| there.iter().any(|there| contains(there, ours)));
            let inside =
                |mount: &Value| mount["mountPath"].as_str().is_some_and(|path| path.starts_with("/run/hookwarden"));
            covered && there.iter().filter(|mount| inside(mount)).count() == ours.len()
        }
        _ => there == ours,
    }
}

/// Whether an object has at least the fields of another, and those with the same values.
#[must_use]
pub fn contains(there: &Value, ours: &Value) -> bool {
    match (there, ours) {
        (Value::Object(there), Value::Object(ours)) => {
            ours.iter().all(|(key, ours)| there.get(key).is_some_and(|there| contains(there, ours)))
        }
        _ => there == ours,
    }
}
