//! Which port the sidecar takes webhooks on, which one it forwards to, and what follows from that for the rest of the pod.
//!
//! With `take-port` the app's port gives its name to the sidecar's, so that a Service whose `targetPort` is the name needs
//! no change; what used the name inside the pod uses the number. A Service with a number as its `targetPort` would go on
//! past the sidecar: that cannot be seen from a pod, so a number as `take-port` is refused with what to change.

use serde_json::{Value, json};

use super::annotations::{Port, Wishes};
use super::sidecar::{ADMIN_PORT_NAME, PORT_NAME};
use super::undo::Record;

/// What the ports of a pod come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports {
    /// Where the service listens; `None`: the settings say it.
    pub upstream: Option<u16>,
    /// The container that it is in, where that is known.
    pub service: Option<String>,
    /// Values that change, by their places.
    pub changes: Vec<(String, Value)>,
}

/// One port of one container.
#[derive(Debug, Clone, Copy)]
struct Declared<'p> {
    container: Container<'p>,
    index: usize,
    name: Option<&'p str>,
    number: u16,
    tcp: bool,
    on_host: bool,
}

/// One container that runs beside the sidecar, or before it.
#[derive(Debug, Clone, Copy)]
struct Container<'p> {
    list: &'static str,
    name: &'p str,
    value: &'p Value,
    stays: bool,
}

impl Container<'_> {
    fn place(&self) -> String {
        format!("/spec/{}/{}", self.list, self.name)
    }
}

/// Works it out. What was found out when the pod was injected `before` holds where its owner says nothing else: another
/// webhook may have added containers and ports since.
///
/// # Errors
/// All that stands in the way.
pub fn resolve(pod: &Value, wishes: &Wishes, before: &Record) -> Result<Ports, Vec<String>> {
    let declared: Vec<_> = containers(pod).flat_map(declared).collect();
    let mut faults = Vec::new();
    let mut ports = match (&wishes.take_port, &wishes.upstream_port, before.upstream) {
        (None, None, Some(port)) => Ports { upstream: Some(port), ..Ports::default() },
        _ => upstream(pod, &declared, wishes, &mut faults),
    };
    ports.service = ports.service.or_else(|| before.service.clone());
    if let Some(name) = &wishes.take_port
        && let Some(port) = declared.iter().find(|port| port.name == Some(name))
    {
        ports.changes = taken(port, name, &declared);
    }
    collisions(&declared, wishes, &mut faults);
    if faults.is_empty() { Ok(ports) } else { Err(faults) }
}

fn containers(pod: &Value) -> impl Iterator<Item = Container<'_>> {
    ["initContainers", "containers"].into_iter().flat_map(move |list| {
        let all = pod["spec"][list].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(move |value| {
            let stays = list == "containers" || value["restartPolicy"].as_str() == Some("Always");
            Some(Container { list, name: value["name"].as_str()?, value, stays })
        })
    })
}

fn declared(container: Container<'_>) -> impl Iterator<Item = Declared<'_>> {
    let ports = container.value["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    ports.iter().enumerate().filter_map(move |(index, port)| {
        let number = u16::try_from(port["containerPort"].as_u64()?).ok()?;
        let tcp = port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP");
        let on_host = port["hostPort"].as_u64().is_some_and(|port| port > 0);
        Some(Declared { container, index, name: port["name"].as_str(), number, tcp, on_host })
    })
}

fn upstream(pod: &Value, declared: &[Declared<'_>], wishes: &Wishes, faults: &mut Vec<String>) -> Ports {
    let found = match (&wishes.take_port, &wishes.upstream_port) {
        (Some(name), None) => named(declared, name, "take-port"),
        (Some(name), Some(other)) => named(declared, name, "take-port").and_then(|port| {
            let same = match other {
                Port::Number(number) => port.number == *number,
                Port::Name(other) => other == name,
            };
            let problem = || {
                format!(
                    "hookwarden.io/upstream-port: is set, and take-port is port {} of {}: leave it out",
                    port.number, port.container.name
                )
            };
            same.then_some(port).ok_or_else(problem)
        }),
        (None, Some(Port::Name(name))) => named(declared, name, "upstream-port"),
        (None, Some(Port::Number(number))) => {
            let port = declared.iter().find(|port| port.number == *number && port.tcp && port.container.stays);
            let service = port.map(|port| port.container.name).or_else(|| only_container(pod));
            return Ports { upstream: Some(*number), service: service.map(str::to_owned), changes: Vec::new() };
        }
        (None, None) => return only_port(pod, declared, wishes, faults),
    };
    match found {
        Ok(port) => {
            Ports { upstream: Some(port.number), service: Some(port.container.name.to_owned()), changes: Vec::new() }
        }
        Err(fault) => {
            faults.push(fault);
            Ports::default()
        }
    }
}

/// Without a word: the settings may say it, and a pod with one port leaves no doubt.
fn only_port(pod: &Value, declared: &[Declared<'_>], wishes: &Wishes, faults: &mut Vec<String>) -> Ports {
    let mut ports = declared.iter().filter(|port| port.tcp && port.container.stays);
    let said = !wishes.config.is_empty() || !wishes.config_secret.is_empty();
    match (ports.next(), ports.next()) {
        (Some(port), None) if !said => {
            let service = Some(port.container.name.to_owned());
            Ports { upstream: Some(port.number), service, changes: Vec::new() }
        }
        _ if said => Ports { service: only_container(pod).map(str::to_owned), ..Ports::default() },
        _ => {
            faults.push(
                "hookwarden.io/upstream-port: neither it nor hookwarden.io/take-port is set, and the pod's ports do not \
                 tell which one the service listens on"
                    .to_owned(),
            );
            Ports::default()
        }
    }
}

fn only_container(pod: &Value) -> Option<&str> {
    match pod["spec"]["containers"].as_array().map(Vec::as_slice) {
        Some([container]) => container["name"].as_str(),
        _ => None,
    }
}

fn named<'d, 'p>(declared: &'d [Declared<'p>], name: &str, annotation: &str) -> Result<&'d Declared<'p>, String> {
    let mut ports = declared.iter().filter(|port| port.name == Some(name) && port.container.stays);
    let (first, second) = (ports.next(), ports.next());
    let problem = |what: String| Err(format!("hookwarden.io/{annotation}: {what}"));
    match (first, second) {
        (None, _) => problem(format!("no container has a port of the name {name:?}; {}", ports_of(declared))),
        (Some(one), Some(two)) => {
            problem(format!("{} and {} both have a port of the name {name:?}", one.container.name, two.container.name))
        }
        (Some(port), None) if !port.tcp => problem(format!("the port {name:?} is not TCP")),
        (Some(port), None) if port.on_host && annotation == "take-port" => {
            problem(format!("the port {name:?} has a hostPort, which leads past the sidecar: take it out"))
        }
        (Some(port), None) => Ok(port),
    }
}

fn ports_of(declared: &[Declared<'_>]) -> String {
    let names: Vec<_> = declared.iter().filter_map(|port| port.name).collect();
    if names.is_empty() {
        "none has a name: give the container's port one, and make it the Service's targetPort".to_owned()
    } else {
        format!("there are {}", names.join(", "))
    }
}

/// The port goes by another name, and what used the old one by the number.
fn taken(port: &Declared<'_>, name: &str, declared: &[Declared<'_>]) -> Vec<(String, Value)> {
    let place = port.container.place();
    let renamed = (format!("{place}/ports/{}/name", port.index), json!(other_name(name, port.number, declared)));
    let uses = USES.iter().flat_map(|(outer, inner)| {
        let handlers = ["httpGet", "tcpSocket"].map(|handler| format!("{outer}{inner}/{handler}/port"));
        handlers.into_iter().filter(|use_| port.container.value.pointer(use_).and_then(Value::as_str) == Some(name))
    });
    let numbers = uses.map(|use_| (format!("{place}{use_}"), json!(port.number)));
    [renamed].into_iter().chain(numbers).collect()
}

/// Where a container uses its own ports by name.
const USES: &[(&str, &str)] = &[
    ("/startupProbe", ""),
    ("/readinessProbe", ""),
    ("/livenessProbe", ""),
    ("/lifecycle", "/postStart"),
    ("/lifecycle", "/preStop"),
];

/// `app-http` for `http`; by the number where that is too long or taken.
fn other_name(name: &str, number: u16, declared: &[Declared<'_>]) -> String {
    let free = |name: &String| name.len() <= 15 && declared.iter().all(|port| port.name != Some(name));
    Some(format!("app-{name}")).filter(free).unwrap_or_else(|| format!("app-port-{number}"))
}

fn collisions(declared: &[Declared<'_>], wishes: &Wishes, faults: &mut Vec<String>) {
    let own = [("listen-port", wishes.listen_port), ("admin-port", wishes.admin_port)];
    if wishes.listen_port == wishes.admin_port {
        faults.push(format!("hookwarden.io/admin-port: is {} as listen-port is", wishes.admin_port));
    }
    for (annotation, number) in own {
        let holder = declared.iter().find(|port| port.number == number && port.tcp && port.container.stays);
        if let Some(holder) = holder {
            faults.push(format!(
                "hookwarden.io/{annotation}: {number} is a port of {} already; set another",
                holder.container.name
            ));
        }
        if let Some(Port::Number(upstream)) = wishes.upstream_port
            && upstream == number
        {
            faults.push(format!("hookwarden.io/upstream-port: {number} is the sidecar's own {annotation}"));
        }
    }
    let own_names = [ADMIN_PORT_NAME, PORT_NAME].into_iter().take(if wishes.take_port.is_some() { 1 } else { 2 });
    for name in own_names {
        if let Some(holder) = declared.iter().find(|port| port.name == Some(name)) {
            faults.push(format!(
                "{} has a port of the name {name:?}, which is the sidecar's; rename it",
                holder.container.name
            ));
        }
    }
}
