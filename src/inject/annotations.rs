//! What the owner of a pod asks for: its annotations, each with a row in one table, parsed to [`Wishes`] or to everything
//! that is wrong with them at once. An annotation of ours that has no row is a fault, too: a misspelt one would be a
//! wish that nobody hears.
//!
//! A namespace's annotations of the same names hold for the pods in it that say nothing else.

use serde_json::{Map, Value};

use crate::suggest;

use super::{IMAGE, LABEL, PREFIX, STATUS};

/// One annotation.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name behind [`PREFIX`].
    pub name: &'static str,
    /// What holds without it; empty for nothing.
    pub default: &'static str,
    /// What is accepted, in words.
    pub accepts: &'static str,
    /// What it does.
    pub help: &'static str,
}

const fn row(name: &'static str, default: &'static str, accepts: &'static str, help: &'static str) -> Row {
    Row { name, default, accepts, help }
}

/// All annotations, in the order in which they are documented.
pub const ANNOTATIONS: &[Row] = &[
    row(
        "take-port",
        "",
        "the name of a TCP port of one of the pod's containers",
        "The port that Services point at by its name: the name moves to the sidecar, which forwards to the port. Probes that used the name use the number.",
    ),
    row(
        "upstream-port",
        "",
        "1 to 65535, or the name of a port of one of the pod's containers",
        "Where the service listens in the pod, for Services that point at the sidecar by themselves. Without it and take-port: the only port that the pod has.",
    ),
    row("listen-port", "8443", "1 to 65535, and no port of the pod", "Where the sidecar takes webhooks."),
    row("admin-port", "9464", "1 to 65535, and no port of the pod", "Where the sidecar is probed and scraped."),
    row("config", "", "names of ConfigMaps, separated by commas", "Settings: their data become environment variables."),
    row(
        "config-secret",
        "",
        "names of Secrets, separated by commas",
        "Settings that are secrets themselves, such as HOOKWARDEN_REPLAY_URL: their data become environment variables.",
    ),
    row("env", "", "lines such as HOOKWARDEN_ROUTE_GITHUB_PATH=/hooks/github", "More settings. They win over config."),
    row(
        "secret",
        "",
        "NAME or ROUTE=NAME, separated by commas; NAME is a Secret's",
        "Secrets with a key a file, mounted at /run/hookwarden/secrets/NAME. With ROUTE, that is the route's SECRET_FILE.",
    ),
    row(
        "config-files",
        "",
        "NAME or ROUTE=NAME, separated by commas; NAME is a ConfigMap's",
        "ConfigMaps with public keys, schemas and so on, mounted at /run/hookwarden/config/NAME. With ROUTE, that is the route's SECRET_FILE.",
    ),
    row(
        "tls-secret",
        "",
        "the name of a Secret of type kubernetes.io/tls",
        "The listener's certificate and key. Without it, the settings must say where TLS ends.",
    ),
    row("image", IMAGE, "an image's reference", "The sidecar's image."),
    row("image-pull-policy", "", "Always, IfNotPresent or Never", "When the image is pulled."),
    row("cpu-request", "10m", "a quantity such as 10m", "What the scheduler sets aside."),
    row(
        "cpu-limit",
        "",
        "a quantity such as 500m",
        "What it may use. None, because a throttled sidecar is a slow one.",
    ),
    row("memory-request", "32Mi", "a quantity such as 32Mi", "What the scheduler sets aside."),
    row(
        "memory-limit",
        "1Gi",
        "a quantity such as 256Mi",
        "What it may use: the most that the default budgets can take (deploy/capacity.md). Less wants smaller budgets.",
    ),
    row(
        "sidecar",
        "native",
        "native or container",
        "native: an init container that stays. container: for clusters before 1.29.",
    ),
    row(
        "drain-seconds",
        "5",
        "0 to 300",
        "How long sidecar and service go on after the order to stop, until nobody sends to the pod any more.",
    ),
    row(
        "shutdown-seconds",
        "25",
        "1 to 300",
        "How long exchanges may take to end after that: the sidecar's SHUTDOWN_GRACE.",
    ),
];

/// A port, by number or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

/// A Secret or `ConfigMap` that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The route whose keys it holds, in upper case.
    pub route: Option<String>,
    /// Its name.
    pub name: String,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the row of its name")]
pub struct Wishes {
    pub take_port: Option<String>,
    pub upstream_port: Option<Port>,
    pub listen_port: u16,
    pub admin_port: u16,
    pub config: Vec<String>,
    pub config_secret: Vec<String>,
    pub env: Vec<(String, String)>,
    pub secret: Vec<Mount>,
    pub config_files: Vec<Mount>,
    pub tls_secret: Option<String>,
    pub image: String,
    pub image_pull_policy: Option<String>,
    pub cpu_request: Option<String>,
    pub cpu_limit: Option<String>,
    pub memory_request: Option<String>,
    pub memory_limit: Option<String>,
    pub native: bool,
    pub drain_seconds: u16,
    pub shutdown_seconds: u16,
}

/// Where annotations come from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Those of the pod.
    pub pod: Option<&'a Map<String, Value>>,
    /// Those of its namespace.
    pub namespace: Option<&'a Map<String, Value>>,
    /// The image where nobody names one.
    pub image: &'a str,
}

/// Reads them.
///
/// # Errors
/// All that is wrong, each a sentence that begins with the annotation's name.
pub fn read(sources: Sources<'_>) -> Result<Wishes, Vec<String>> {
    let mut reader = Reader { sources, faults: Vec::new() };
    reader.look_for_unknown();
    let wishes = reader.wishes();
    match wishes {
        Some(wishes) if reader.faults.is_empty() => Ok(wishes),
        _ => Err(reader.faults),
    }
}

struct Reader<'a> {
    sources: Sources<'a>,
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    fn wishes(&mut self) -> Option<Wishes> {
        let (take_port, upstream_port) = (self.value("take-port", port_name), self.value("upstream-port", port));
        let (listen_port, admin_port) = (self.value("listen-port", number), self.value("admin-port", number));
        let (config, config_secret) = (self.value("config", names), self.value("config-secret", names));
        let env = self.value("env", variables);
        let (secret, config_files) = (self.value("secret", mounts), self.value("config-files", mounts));
        let tls_secret = self.value("tls-secret", object_name);
        let (image, image_pull_policy) = (self.value("image", image), self.value("image-pull-policy", pull_policy));
        let (cpu_request, cpu_limit) = (self.value("cpu-request", quantity), self.value("cpu-limit", quantity));
        let (memory_request, memory_limit) =
            (self.value("memory-request", quantity), self.value("memory-limit", quantity));
        let native = self.value("sidecar", kind);
        let drain_seconds = self.value("drain-seconds", |text| seconds(text, 0));
        let shutdown_seconds = self.value("shutdown-seconds", |text| seconds(text, 1));
        Some(Wishes {
            take_port,
            upstream_port,
            listen_port: listen_port?,
            admin_port: admin_port?,
            config: config.unwrap_or_default(),
            config_secret: config_secret.unwrap_or_default(),
            env: env.unwrap_or_default(),
            secret: secret.unwrap_or_default(),
            config_files: config_files.unwrap_or_default(),
            tls_secret,
            image: image?,
            image_pull_policy,
            cpu_request,
            cpu_limit,
            memory_request,
            memory_limit,
            native: native?,
            drain_seconds: drain_seconds?,
            shutdown_seconds: shutdown_seconds?,
        })
    }

    /// The value that a pod, its namespace or the row's default has. `None`: none of them, or a fault.
    fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let row = ANNOTATIONS.iter().find(|row| row.name == name)?;
        let full = format!("{PREFIX}{name}");
        let written = [(self.sources.pod, ""), (self.sources.namespace, " (of the namespace)")];
        let written = written.into_iter().find_map(|(all, whose)| Some((all?.get(&full)?, whose)));
        let (value, whose) = match written {
            Some((value, whose)) => (value.as_str().map(str::trim), whose),
            None if name == "image" => (Some(self.sources.image), ""),
            None if row.default.is_empty() => return None,
            None => (Some(row.default), ""),
        };
        let parsed = match value {
            None => Err("is not text: numbers stand in quotes".to_owned()),
            Some("") => Err("is empty".to_owned()),
            Some(text) => parse(text),
        };
        parsed.map_err(|problem| self.faults.push(format!("{full}{whose}: {problem}; accepted: {}", row.accepts))).ok()
    }

    fn look_for_unknown(&mut self) {
        let unknown = |all: Option<&'a Map<String, Value>>, whose: &'static str| {
            let names = all.into_iter().flat_map(Map::keys).filter(|name| *name != STATUS);
            let bare = names.filter_map(|name| name.strip_prefix(PREFIX));
            bare.filter(|bare| ANNOTATIONS.iter().all(|row| row.name != *bare))
                .map(move |bare| told_unknown(bare, whose))
        };
        let found = unknown(self.sources.pod, "").chain(unknown(self.sources.namespace, " (of the namespace)"));
        self.faults.extend(found);
    }
}

fn told_unknown(bare: &str, whose: &str) -> String {
    let hint = match suggest::nearest(bare, ANNOTATIONS.iter().map(|row| row.name)) {
        _ if LABEL.strip_prefix(PREFIX) == Some(bare) => "it is a label".to_owned(),
        Some(near) => format!("did you mean {PREFIX}{near}?"),
        None => "`hookwarden explain` lists those that there are".to_owned(),
    };
    format!("{PREFIX}{bare}{whose}: is no annotation of Hookwarden's; {hint}")
}

fn number(text: &str) -> Result<u16, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| *port > 0 && plain);
    port.ok_or_else(|| format!("{text:?} is no port"))
}

fn port(text: &str) -> Result<Port, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(text).map(Port::Number);
    }
    is_port_name(text).then(|| Port::Name(text.to_owned())).ok_or_else(|| format!("{text:?} is no port"))
}

fn port_name(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "a port is taken by its name, and {text} is a number: a Service with targetPort: {text} would go past the \
             sidecar. Give the container's port a name, make it the Service's targetPort, and write it here"
        ));
    }
    is_port_name(text).then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no port's name"))
}

/// An `IANA_SVC_NAME` (RFC 6335 section 5.1), as Kubernetes names ports.
fn is_port_name(text: &str) -> bool {
    let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let letters = text.bytes().any(|byte| byte.is_ascii_lowercase());
    let dashes = text.starts_with('-') || text.ends_with('-') || text.contains("--");
    text.len() <= 15 && plain && letters && !dashes
}

fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(|item| parse(item.trim())).collect()
}

fn names(text: &str) -> Result<Vec<String>, String> {
    unique(list(text, object_name)?, |name| name)
}

fn mounts(text: &str) -> Result<Vec<Mount>, String> {
    unique(list(text, mount)?, |mount| &mount.name)
}

/// What stands twice would be mounted twice at one place.
fn unique<T>(all: Vec<T>, name: impl Fn(&T) -> &String) -> Result<Vec<T>, String> {
    let twice = all.iter().enumerate().find(|(at, item)| all.iter().take(*at).any(|before| name(before) == name(item)));
    match twice {
        Some((_, item)) => Err(format!("names {:?} twice", name(item))),
        None => Ok(all),
    }
}

fn mount(text: &str) -> Result<Mount, String> {
    match text.split_once('=') {
        None => Ok(Mount { route: None, name: object_name(text)? }),
        Some((route, name)) => {
            let route = route.trim_end();
            let plain = route.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if route.is_empty() || !plain {
                return Err(format!("{route:?} is no route's name: letters, digits and _"));
            }
            Ok(Mount { route: Some(route.to_ascii_uppercase()), name: object_name(name.trim_start())? })
        }
    }
}

/// A DNS subdomain (RFC 1123), as Kubernetes names Secrets and `ConfigMaps`.
fn object_name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        let plain = label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        !label.is_empty() && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    let good = text.len() <= 253 && text.split('.').all(label);
    good.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no object's name"))
}

fn variables(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let variables = lines.map(variable).collect::<Result<Vec<_>, _>>()?;
    unique(variables, |(name, _)| name)
}

fn variable(line: &str) -> Result<(String, String), String> {
    // What stands behind the = may be a secret that somebody wrote where it does not belong.
    let (name, value) = line.split_once('=').ok_or("has a line without =")?;
    let plain = name.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    if !plain || !name.starts_with("HOOKWARDEN_") {
        return Err(format!("{name:?} is no variable of Hookwarden's"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn image(text: &str) -> Result<String, String> {
    let good = text.len() <= 1024 && text.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no image's reference"))
}

fn pull_policy(text: &str) -> Result<String, String> {
    let good = matches!(text, "Always" | "IfNotPresent" | "Never");
    good.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no pull policy"))
}

/// A quantity as people write them: digits, at most one point, and a suffix.
fn quantity(text: &str) -> Result<String, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = text.get(digits.len()..).unwrap_or_default();
    let known = matches!(suffix, "" | "m" | "k" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti");
    let mut parts = digits.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let plain =
        number(parts.next()) && (digits.matches('.').count() == 0 || number(parts.next())) && parts.next().is_none();
    let good = known && plain && text.len() <= 32;
    good.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no quantity"))
}

fn kind(text: &str) -> Result<bool, String> {
    match text {
        "native" => Ok(true),
        "container" => Ok(false),
        _ => Err(format!("{text:?} is neither")),
    }
}

fn seconds(text: &str, least: u16) -> Result<u16, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|seconds| plain && (least..=300).contains(seconds));
    seconds.ok_or_else(|| format!("{text:?} is no such number of seconds"))
}
