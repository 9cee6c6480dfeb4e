//! Kubernetes objects as an audit reads them: rendered manifests or what a cluster has, YAML or JSON, in any mixture.
//!
//! An object is read by its names alone, never by its version, so that a new API version is no blind spot. Pure: texts come
//! in. Deliberately absent: an API client (what runs is read by `kubectl get -o yaml`) and defaults that a cluster's
//! admission may add.

pub mod settings;
pub mod yaml;

mod network;
mod workload;

use super::finding::Place;
use yaml::Node;

pub use network::{Reached, TargetPort};
pub use workload::{Container, Workload};

/// The label by which a pod or namespace asks for the sidecar.
pub const INJECT: &str = "hookwarden.io/inject";

/// The files that were given, parsed.
#[derive(Debug, Default)]
pub struct Manifests(Vec<(String, Node)>);

impl Manifests {
    /// Adds the documents of a file.
    ///
    /// # Errors
    /// It is no YAML; with the line.
    pub fn add(&mut self, path: &str, text: &str) -> Result<(), String> {
        let documents = yaml::parse(text)?;
        self.0.extend(documents.into_iter().map(|document| (path.to_owned(), document)));
        Ok(())
    }

    /// Whether nothing was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'m> {
    /// Its file.
    pub path: &'m str,
    /// All of it.
    pub node: &'m Node,
    /// Its kind.
    pub kind: &'m str,
    /// Its namespace; `default` where it says none.
    pub namespace: &'m str,
    /// Its name.
    pub name: &'m str,
}

impl<'m> Object<'m> {
    fn of(path: &'m str, node: &'m Node) -> Option<Self> {
        let kind = node.text_at(&["kind"])?;
        let namespace = node.text_at(&["metadata", "namespace"]).unwrap_or("default");
        let named = node.text_at(&["metadata", "name"]).or_else(|| node.text_at(&["metadata", "generateName"]));
        Some(Self { path, node, kind, namespace, name: named.unwrap_or("?") })
    }

    /// Something at a line of it.
    #[must_use]
    pub fn place(&self, line: usize) -> Place {
        let object = format!("{} {}/{}", self.kind, self.namespace, self.name);
        Place::File { path: self.path.to_owned(), line, object }
    }

    /// Whether a cluster has made it, so that it is no file of somebody's repository.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.node.at(&["metadata", "uid"]).is_some() || self.node.at(&["metadata", "resourceVersion"]).is_some()
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> Vec<(&'m str, &'m str)> {
        pairs(self.node.at(&["metadata", "labels"]))
    }
}

/// The texts in a map.
fn pairs(node: Option<&Node>) -> Vec<(&str, &str)> {
    let members = node.map_or(&[][..], Node::members);
    members.iter().filter_map(|(name, _, value)| Some((name.as_str(), value.text()?))).collect()
}

/// All objects, and what belongs together among them.
#[derive(Debug, Default)]
pub struct Cluster<'m> {
    /// All, in the order in which they were given.
    pub objects: Vec<Object<'m>>,
    /// Those that make pods, and pods.
    pub workloads: Vec<Workload<'m>>,
    /// What is wrong with configurations in them that would be refused.
    pub refused: Vec<(Place, String)>,
}

impl<'m> Cluster<'m> {
    /// Finds the objects; lists are opened.
    #[must_use]
    pub fn of(manifests: &'m Manifests) -> Self {
        let mut objects = Vec::new();
        for (path, node) in &manifests.0 {
            collect(path, node, &mut objects);
        }
        let workloads = objects.iter().filter_map(Workload::of).collect();
        Self { objects, workloads, refused: Vec::new() }
    }

    /// The objects of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object<'m>> {
        self.objects.iter().filter(move |object| object.kind == kind)
    }

    /// The pods that have the sidecar, with its container.
    pub fn sidecars(&self) -> impl Iterator<Item = (&Workload<'m>, Container<'m>)> {
        self.workloads.iter().filter_map(|workload| Some((workload, workload.sidecar()?)))
    }

    /// Whether a namespace asks for the sidecar for all its pods, as far as it was given.
    #[must_use]
    pub fn namespace_is_opted_in(&self, name: &str) -> bool {
        let named = self.of_kind("Namespace").filter(|object| object.name == name);
        named.flat_map(Object::labels).any(|label| label == (INJECT, "enabled"))
    }

    /// An object by kind, namespace and name.
    #[must_use]
    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object<'m>> {
        self.of_kind(kind).find(|object| object.namespace == namespace && object.name == name)
    }
}

fn collect<'m>(path: &'m str, node: &'m Node, objects: &mut Vec<Object<'m>>) {
    // A list holds no lists.
    let items = node.items_at(&["items"]);
    if node.text_at(&["kind"]).is_some_and(|kind| kind.ends_with("List")) && node.get("items").is_some() {
        objects.extend(items.iter().filter_map(|item| Object::of(path, item)));
    } else {
        objects.extend(Object::of(path, node));
    }
}
