//! A pod in, and the injected pod out; or that it is none of ours, or all the reasons why it cannot be.
//!
//! Total and idempotent: an injected pod is first brought back to what it was, so that injecting it again gives the same
//! one, and an override of the sidecar that somebody smuggled in is written over.

use serde_json::{Map, Value, json};

use super::annotations::{self, Sources, Wishes};
use super::ports::{self, Ports};
use super::undo::{self, Record};
use super::{CONTAINER, DISABLED, ENABLED, LABEL, STATUS, VOLUMES, sidecar};

/// Namespaces of the cluster's own, whose pods must start before any injector can.
const SYSTEM: &[&str] = &["kube-system", "kube-node-lease", "kube-public"];

/// What the kubelet sets on a pod that it runs from a file of the node: the API server has but its mirror image.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// How long a pod may take to stop where nothing is said.
const GRACE: u64 = 30;

/// What the sidecar needs after its grace, to answer the last clients and settle the last claims.
const LAST: u64 = 5;

/// What is known of a pod beside itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The namespace that it is to be in; empty where that is not known.
    pub namespace: &'a str,
    /// The namespace that the injector itself is in.
    pub own_namespace: &'a str,
    /// Whether the namespace opts in.
    pub opted_in: bool,
    /// The namespace's annotations.
    pub annotations: Option<&'a Map<String, Value>>,
    /// The sidecar's image where nobody names one.
    pub image: &'a str,
}

/// What comes of a pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It has the sidecar now, or had it already.
    Injected(Box<Value>),
    /// It is to stay as it is, and why.
    NotOurs(String),
    /// It asks for the sidecar and cannot have it: all the reasons.
    Refused(Vec<String>),
}

/// Puts the sidecar into a pod.
#[must_use]
pub fn inject(pod: &Value, context: Context<'_>) -> Outcome {
    match is_ours(pod, context) {
        Ok(None) => {}
        Ok(Some(why)) => return Outcome::NotOurs(why),
        Err(fault) => return Outcome::Refused(vec![fault]),
    }
    let (base, before) = match undo::undo(pod).and_then(|base| Ok((base, Record::of(pod)?))) {
        Ok((base, record)) => (base.unwrap_or_else(|| pod.clone()), record.unwrap_or_default()),
        Err(fault) => return Outcome::Refused(vec![fault.to_string()]),
    };
    let sources = Sources { pod: undo::annotations(&base), namespace: context.annotations, image: context.image };
    let mut faults = unfit(&base);
    let wishes = annotations::read(sources).map_err(|found| faults.extend(found)).ok();
    let ports = wishes.as_ref().and_then(|wishes| {
        faults.extend(conflicts(&base, wishes));
        ports::resolve(&base, wishes, &before).map_err(|found| faults.extend(found)).ok()
    });
    match (wishes, ports) {
        (Some(wishes), Some(ports)) if faults.is_empty() => {
            let mut injected = Injection::new(base, before.text, &wishes).run(&wishes, ports);
            settle(pod, &mut injected);
            Outcome::Injected(Box::new(injected))
        }
        _ => Outcome::Refused(faults),
    }
}

/// `Some`: why it is not.
fn is_ours(pod: &Value, context: Context<'_>) -> Result<Option<String>, String> {
    let no = |why: &str| Ok(Some(why.to_owned()));
    if SYSTEM.contains(&context.namespace) {
        return no("its namespace is the cluster's own");
    }
    if context.namespace == context.own_namespace {
        return no("its namespace is the injector's own");
    }
    if undo::annotations(pod).is_some_and(|all| all.contains_key(MIRROR)) {
        return no("it is the mirror of a pod that the kubelet runs from a file");
    }
    match &pod["metadata"]["labels"][LABEL] {
        Value::String(value) if value == ENABLED => Ok(None),
        Value::String(value) if value == DISABLED => no("its label hookwarden.io/inject says disabled"),
        Value::Null if context.opted_in => Ok(None),
        Value::Null => no("neither it nor its namespace has the label hookwarden.io/inject: enabled"),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(format!("label {LABEL}: {other} is neither {ENABLED} nor {DISABLED}"))
        }
    }
}

/// Pods that no sidecar can stand in, whatever they ask for.
fn unfit(pod: &Value) -> Vec<String> {
    let spec = &pod["spec"];
    let leave_out = "; to leave the pod out, label it hookwarden.io/inject: disabled";
    let mut faults = Vec::new();
    if !spec["containers"].is_array() {
        faults.push("the pod has no containers".to_owned());
    }
    let metadata = [&pod["metadata"], &pod["metadata"]["annotations"]];
    let lists = [&spec["initContainers"], &spec["volumes"]];
    let shapes = metadata.iter().all(|value| value.is_object() || value.is_null())
        && lists.iter().all(|value| value.is_array() || value.is_null());
    if !shapes {
        faults
            .push("the pod's metadata, annotations, initContainers or volumes are not what they are to be".to_owned());
    }
    let windows = spec["os"]["name"] == "windows" || spec["nodeSelector"]["kubernetes.io/os"] == "windows";
    if windows {
        faults.push(format!("the pod is for Windows, and the sidecar's image for Linux{leave_out}"));
    }
    if spec["hostNetwork"] == true {
        faults.push(format!(
            "the pod has hostNetwork: its service's port is the node's, and nothing makes callers go through the sidecar{leave_out}"
        ));
    }
    if spec["ephemeralContainers"].as_array().is_some_and(|all| !all.is_empty()) {
        faults.push("the pod has ephemeral containers already".to_owned());
    }
    faults
}

/// What stands in a pod where the sidecar's parts are to be.
fn conflicts(pod: &Value, wishes: &Wishes) -> Vec<String> {
    let mut faults = Vec::new();
    let list = |name: &str| pod["spec"][name].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |items: &[Value], wanted: &str| items.iter().any(|item| item["name"].as_str() == Some(wanted));
    if ["initContainers", "containers"].into_iter().any(|all| named(list(all), CONTAINER)) {
        faults.push(format!("the pod has a container {CONTAINER:?} that was not injected; rename it or take it out"));
    }
    let taken = |volume: &&Value| volume["name"].as_str().is_some_and(|name| name.starts_with(VOLUMES));
    let volumes = list("volumes").iter().filter(taken).filter_map(|volume| volume["name"].as_str());
    faults.extend(
        volumes.map(|name| format!("the pod has a volume {name:?}: names that begin with {VOLUMES} are the sidecar's")),
    );
    let ends = pod["spec"]["restartPolicy"].as_str().is_some_and(|policy| policy != "Always");
    if ends && !wishes.native {
        faults.push(
            "hookwarden.io/sidecar: a pod that is to end would never, beside a plain container that stays; use native"
                .to_owned(),
        );
    }
    let given = |name: &str| {
        let mut mounts = wishes.secret.iter().chain(&wishes.config_files);
        sidecar::GIVEN.contains(&name) || mounts.any(|mount| sidecar::key_variable(mount).as_deref() == Some(name))
    };
    let set_twice = wishes.env.iter().filter(|(name, _)| given(name));
    faults.extend(
        set_twice
            .map(|(name, _)| format!("hookwarden.io/env: {name} follows from the other annotations; leave it out")),
    );
    faults.extend(routes_twice(wishes));
    faults
}

fn routes_twice(wishes: &Wishes) -> Option<String> {
    let routes: Vec<_> =
        wishes.secret.iter().chain(&wishes.config_files).filter_map(|mount| mount.route.as_ref()).collect();
    let twice = routes.iter().enumerate().find(|(at, route)| routes.iter().take(*at).any(|before| before == *route));
    twice.map(|(_, route)| format!("hookwarden.io/secret: route {route} has keys from two places; a route has one"))
}

/// A pod that is being changed, and what was done to it.
struct Injection {
    pod: Value,
    record: Record,
}

impl Injection {
    fn new(pod: Value, text: Map<String, Value>, wishes: &Wishes) -> Self {
        let sidecar = if wishes.native { "initContainers" } else { "containers" };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { pod, record: Record { version, sidecar: sidecar.to_owned(), text, ..Record::default() } }
    }

    fn run(mut self, wishes: &Wishes, ports: Ports) -> Value {
        (self.record.upstream, self.record.service) = (ports.upstream, ports.service.clone());
        for (place, value) in ports.changes {
            self.change(&place, value);
        }
        if wishes.drain_seconds > 0
            && let Some(service) = &ports.service
        {
            self.drain_service(service, wishes.drain_seconds);
        }
        self.lengthen_grace(u64::from(wishes.drain_seconds) + u64::from(wishes.shutdown_seconds) + LAST);
        let sidecars = format!("/spec/{}", self.record.sidecar);
        self.append(&sidecars, [sidecar::container(wishes, ports.upstream)]);
        let volumes = sidecar::volumes(wishes);
        let name = |volume: &Value| volume["name"].as_str().unwrap_or_default().to_owned();
        self.record.volumes = volumes.iter().map(name).collect();
        self.append("/spec/volumes", volumes);
        self.ensure("/metadata", json!({}));
        self.ensure("/metadata/annotations", json!({}));
        let was = std::mem::take(&mut self.record.was);
        self.record.text.retain(|place, _| was.contains_key(place));
        self.record.was = was;
        let record = self.record.text();
        if let Some(all) = self.pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            all.insert(STATUS.to_owned(), json!(record));
        }
        self.pod
    }

    fn change(&mut self, place: &str, value: Value) {
        if let Some(there) = undo::at(&mut self.pod, place) {
            self.record.was.insert(place.to_owned(), std::mem::replace(there, value));
        }
    }

    /// The service stays for as long as others may still send to it: it would turn away what the sidecar forwards. One
    /// that has a hook of its own knows what it does.
    fn drain_service(&mut self, service: &str, seconds: u16) {
        let place = format!("/spec/containers/{service}");
        let hook = sidecar::drain(seconds)["preStop"].take();
        let lifecycle = format!("{place}/lifecycle");
        match undo::at(&mut self.pod, &place) {
            Some(container) if container["lifecycle"]["preStop"].is_null() => {}
            _ => return,
        }
        self.ensure(&lifecycle, json!({}));
        if let Some(lifecycle) = undo::at(&mut self.pod, &lifecycle).and_then(Value::as_object_mut)
            && lifecycle.insert("preStop".to_owned(), hook).is_none()
        {
            self.record.added.push(format!("{place}/lifecycle/preStop"));
        }
    }

    fn lengthen_grace(&mut self, least: u64) {
        const PLACE: &str = "/spec/terminationGracePeriodSeconds";
        let there = self.pod.pointer(PLACE).cloned();
        match there.as_ref().map(Value::as_u64) {
            Some(Some(seconds)) if seconds >= least => {}
            Some(Some(_)) => self.change(PLACE, json!(least)),
            Some(None) => {}
            None if GRACE >= least => {}
            None => {
                if let Some(spec) = self.pod.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.insert("terminationGracePeriodSeconds".to_owned(), json!(least));
                    self.record.added.push(PLACE.to_owned());
                }
            }
        }
    }

    /// Appends to a list, which comes to be only if there is something to append.
    fn append(&mut self, place: &str, items: impl IntoIterator<Item = Value>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.ensure(place, json!([]));
            if let Some(list) = self.pod.pointer_mut(place).and_then(Value::as_array_mut) {
                list.extend(items);
            }
        }
    }

    /// Makes sure that there is something at a place. Null counts for nothing, and comes back when it is undone.
    fn ensure(&mut self, place: &str, empty: Value) {
        let Some((parent, key)) = place.rsplit_once('/') else { return };
        let Some(parent) = undo::at(&mut self.pod, parent).and_then(Value::as_object_mut) else { return };
        match parent.get_mut(key) {
            None => {
                parent.insert(key.to_owned(), empty);
                self.record.created.push(place.to_owned());
            }
            Some(there @ Value::Null) => {
                *there = empty;
                self.record.was.insert(place.to_owned(), Value::Null);
            }
            Some(_) => {}
        }
    }
}

/// Of a pod that was injected before, what is still right stays as it stands, in its place: with the defaults that the API
/// server has filled in, and behind or before what others have added since.
fn settle(before: &Value, injected: &mut Value) {
    for list in ["initContainers", "containers", "volumes"] {
        let Some(before) = before["spec"][list].as_array() else { continue };
        let Some(after) = injected.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut) else {
            continue;
        };
        let mut rest = std::mem::take(after);
        for there in before {
            let Some(at) = rest.iter().position(|item| item["name"] == there["name"]) else { continue };
            let ours = rest.remove(at);
            let covered = match list {
                "volumes" => sidecar::contains(there, &ours),
                _ => there["name"] == CONTAINER && sidecar::covers(there, &ours),
            };
            after.push(if covered { there.clone() } else { ours });
        }
        after.append(&mut rest);
    }
}
