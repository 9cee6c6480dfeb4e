//! `inject -f`: a stream of manifests in, the same stream with sidecars out. What is not changed is not touched, to the
//! byte: comments, order, blank lines, other kinds; and undoing it gives the bytes back.
//!
//! A stream with one object that cannot be injected is refused as a whole: half of it behind a pipe into `kubectl apply`
//! would be worse than none.

mod edit;
mod emit;
mod tree;

use serde_json::{Value, json};

use super::pod::{Context, Outcome, inject};
use super::review::Namespace;
use super::undo::{self, Record};
use super::{LABEL, STATUS, workload};
use edit::Spellings;
use tree::{Document, Node};

/// What is done to a stream.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Whether sidecars are taken out, not put in.
    pub undo: bool,
    /// Whether pods without the label are injected, too.
    pub all: bool,
    /// The namespace of objects that name none.
    pub namespace: &'a str,
    /// The namespace that the injector is in.
    pub own_namespace: &'a str,
    /// The sidecar's image where nobody names one.
    pub image: &'a str,
}

/// What has become of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filtered {
    /// The stream.
    pub text: String,
    /// The objects that were changed.
    pub changed: Vec<String>,
    /// The pods that were left as they are, and why.
    pub left: Vec<String>,
}

/// Injects all that a stream holds, or undoes it.
///
/// # Errors
/// All that stands in the way, each with the object that it is about.
pub fn filter(text: &str, options: Options<'_>) -> Result<Filtered, Vec<String>> {
    let documents = tree::read(text).map_err(|fault| vec![fault])?;
    let values: Vec<_> = documents.iter().map(|document| document.root.as_ref().map(Node::value)).collect();
    let objects: Vec<_> = values.iter().flatten().flat_map(|value| objects(value)).map(|(_, object)| object).collect();
    let mut stream = Stream { text, options, objects, filtered: Filtered::default(), faults: Vec::new() };
    let mut changes = Vec::new();
    for (document, value) in documents.iter().zip(&values) {
        if let (Some(root), Some(value)) = (&document.root, value)
            && let Some((wanted, spellings)) = stream.document(document, root, value)
        {
            changes.push((root, wanted, spellings));
        }
    }
    let Stream { mut filtered, mut faults, .. } = stream;
    let changes: Vec<_> = changes.iter().map(|(root, wanted, spellings)| (*root, wanted, spellings)).collect();
    match edit::edit(text, &changes).and_then(|text| checked(text, &documents, &changes)) {
        Ok(text) if faults.is_empty() => {
            filtered.text = text;
            Ok(filtered)
        }
        Ok(_) => Err(faults),
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

/// The edited text, if it says what it was to say: whatever odd way something was written in, nothing else comes out.
fn checked(text: String, before: &[Document], changes: &[(&Node, &Value, &Spellings)]) -> Result<String, String> {
    let after = tree::read(&text).unwrap_or_default();
    let says = |before: &Document, after: &Document| {
        let wanted = before.root.as_ref().map(|root| {
            let change = changes.iter().find(|(changed, ..)| std::ptr::eq(*changed, root));
            change.map_or_else(|| root.value(), |(_, wanted, _)| (*wanted).clone())
        });
        after.root.as_ref().map(Node::value) == wanted
    };
    let same = before.len() == after.len() && before.iter().zip(&after).all(|(before, after)| says(before, after));
    same.then_some(text).ok_or_else(|| "is written in a way that cannot be edited; write it as kubectl does".to_owned())
}

/// The objects of a document, those of a list one by one, by their JSON pointers.
fn objects(value: &Value) -> Vec<(String, &Value)> {
    if !workload::is_list(value) {
        return vec![(String::new(), value)];
    }
    let items = value["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().enumerate().map(|(at, item)| (format!("/items/{at}"), item)).collect()
}

struct Stream<'t> {
    text: &'t str,
    options: Options<'t>,
    objects: Vec<&'t Value>,
    filtered: Filtered,
    faults: Vec<String>,
}

impl Stream<'_> {
    /// What a document is to say, if that is something else, and how its values are spelt.
    fn document(&mut self, document: &Document, root: &Node, value: &Value) -> Option<(Value, Spellings)> {
        let (mut wanted, mut spellings) = (value.clone(), Spellings::new());
        for (place, object) in objects(value) {
            let Some(inside) = workload::pod_of(object) else { continue };
            let place = format!("{place}{inside}");
            let (Some(pod), Some(node)) = (value.pointer(&place), root.at(&place)) else { continue };
            let title = workload::title(object);
            let after = if self.options.undo { self.undo(pod, &title) } else { self.inject(object, pod, node, &title) };
            let Some(after) = after.filter(|after| after != pod) else { continue };
            if let Some(hindrance) = &document.hindrance {
                self.faults.push(format!("{title}: {hindrance}: what is edited has to be written out"));
                return None;
            }
            if self.options.undo {
                spellings.extend(spellings_of(pod, &after, &place));
            }
            if let Some(there) = wanted.pointer_mut(&place) {
                *there = after;
            }
            self.filtered.changed.push(title);
        }
        (wanted != *value).then_some((wanted, spellings))
    }

    fn undo(&mut self, pod: &Value, title: &str) -> Option<Value> {
        match undo::undo(pod) {
            Ok(Some(pod)) => Some(pod),
            Ok(None) => {
                self.filtered.left.push(format!("{title}: it was never injected"));
                None
            }
            Err(fault) => {
                self.faults.push(format!("{title}: {fault}"));
                None
            }
        }
    }

    fn inject(&mut self, object: &Value, pod: &Value, node: &Node, title: &str) -> Option<Value> {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(self.options.namespace);
        let known = self.namespace(namespace);
        let context = Context {
            namespace,
            own_namespace: self.options.own_namespace,
            opted_in: known.opted_in || self.options.all,
            annotations: Some(&known.annotations),
            image: self.options.image,
        };
        match inject(pod, context) {
            Outcome::Injected(injected) => {
                let mut injected = *injected;
                self.look_at_services(namespace, pod, &injected, title);
                self.keep_spellings(pod, node, &mut injected);
                Some(injected)
            }
            Outcome::NotOurs(why) => {
                let on_workload = !std::ptr::eq(object, pod) && object["metadata"]["labels"].get(LABEL).is_some();
                let hint = if on_workload { "; the label belongs on the pod template" } else { "" };
                self.filtered.left.push(format!("{title}: {why}{hint}"));
                None
            }
            Outcome::Refused(faults) => {
                self.faults.extend(faults.into_iter().map(|fault| format!("{title}: {fault}")));
                None
            }
        }
    }

    /// What the stream itself says of a namespace.
    fn namespace(&self, name: &str) -> Namespace {
        let is_it = |object: &&&Value| object["kind"] == "Namespace" && object["metadata"]["name"] == name;
        self.objects.iter().find(is_it).map(|object| Namespace::of(object)).unwrap_or_default()
    }

    /// A Service of the stream that sends past the sidecar by a number: with take-port it cannot be meant.
    fn look_at_services(&mut self, namespace: &str, pod: &Value, injected: &Value, title: &str) {
        let services = self.objects.iter().filter(|object| {
            let own = object["metadata"]["namespace"].as_str().unwrap_or(self.options.namespace);
            object["kind"] == "Service" && own == namespace && selects(object, pod)
        });
        let Some((name, number)) = taken(injected) else { return };
        for service in services {
            let ports = service["spec"]["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
            let to = |port: &Value| {
                if port["targetPort"].is_null() { port["port"].as_u64() } else { port["targetPort"].as_u64() }
            };
            if ports.iter().any(|port| to(port) == Some(number)) {
                self.faults.push(format!(
                    "{title}: {} has targetPort: {number}, which leads past the sidecar; make it targetPort: {name}",
                    workload::title(service)
                ));
            }
        }
    }

    /// Keeps how changed values were written, where that is not how they would be written back.
    fn keep_spellings(&self, pod: &Value, node: &Node, injected: &mut Value) {
        if undo::annotations(pod).is_some_and(|all| all.contains_key(STATUS)) {
            return;
        }
        let Ok(Some(mut record)) = Record::of(injected) else { return };
        for (place, value) in &record.was {
            let there = undo::pointer(pod, place).and_then(|pointer| node.at(&pointer));
            let Some(there) = there else { continue };
            let written = self.text.get(there.span.clone()).unwrap_or_default();
            if written != edit::spelt(self.text, there, value) {
                record.text.insert(place.clone(), json!(written));
            }
        }
        if let Some(all) = injected.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            all.insert(STATUS.to_owned(), json!(record.text()));
        }
    }
}

/// How the values that come back were written, by their JSON pointers in the document.
fn spellings_of(pod: &Value, after: &Value, place: &str) -> Spellings {
    let Ok(Some(record)) = Record::of(pod) else { return Spellings::new() };
    let found = record.text.into_iter().filter_map(|(at, text)| Some((undo::pointer(after, &at)?, text)));
    found.map(|(pointer, text)| (format!("{place}{pointer}"), text)).collect()
}

fn selects(service: &Value, pod: &Value) -> bool {
    let labels = &pod["metadata"]["labels"];
    let selector = service["spec"]["selector"].as_object();
    selector.is_some_and(|selector| !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value))
}

/// The port that was taken over: its name and the number of the one behind it.
fn taken(injected: &Value) -> Option<(String, u64)> {
    let record = Record::of(injected).ok()??;
    record.was.iter().find_map(|(place, name)| {
        let port = place.strip_suffix("/name")?;
        let number = injected.pointer(&format!("{}/containerPort", undo::pointer(injected, port)?))?.as_u64()?;
        Some((name.as_str()?.to_owned(), number))
    })
}
