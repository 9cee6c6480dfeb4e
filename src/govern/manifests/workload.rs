//! What makes pods, and the containers in them.

use crate::govern::manifests::yaml::Node;

use super::{INJECT, Object, pairs};

/// Where the pod's specification stands, by kind.
const PODS: [(&str, &[&str]); 8] = [
    ("Pod", &[]),
    ("Deployment", &["spec", "template"]),
    ("StatefulSet", &["spec", "template"]),
    ("DaemonSet", &["spec", "template"]),
    ("ReplicaSet", &["spec", "template"]),
    ("ReplicationController", &["spec", "template"]),
    ("Job", &["spec", "template"]),
    ("CronJob", &["spec", "jobTemplate", "spec", "template"]),
];

/// The words after the program's name that make it something else than the proxy.
const NO_PROXY: [&str; 12] = [
    "injector",
    "inject",
    "audit",
    "assess",
    "review",
    "verify-log",
    "check",
    "demo",
    "drill",
    "sign",
    "explain",
    "providers",
];

/// A pod, or what makes pods.
#[derive(Debug, Clone)]
pub struct Workload<'m> {
    /// The object.
    pub object: Object<'m>,
    /// The pod's specification.
    pub spec: &'m Node,
    /// The pods' labels.
    pub labels: Vec<(&'m str, &'m str)>,
    /// The pods' annotations.
    pub annotations: Vec<(&'m str, &'m str)>,
}

/// A container of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Container<'m> {
    /// All of it.
    pub node: &'m Node,
    /// Its name.
    pub name: &'m str,
    /// Its image.
    pub image: &'m str,
}

impl<'m> Workload<'m> {
    pub(super) fn of(object: &Object<'m>) -> Option<Self> {
        let (_, path) = PODS.iter().find(|(kind, _)| *kind == object.kind)?;
        let pod = object.node.at(path)?;
        let (labels, annotations) = (pod.at(&["metadata", "labels"]), pod.at(&["metadata", "annotations"]));
        let spec = pod.get("spec")?;
        Some(Self { object: *object, spec, labels: pairs(labels), annotations: pairs(annotations) })
    }

    /// All containers, those that start first first.
    pub fn containers(&self) -> impl Iterator<Item = Container<'m>> + use<'m> {
        let of = |node: &'m Node| {
            let (name, image) = (node.text_at(&["name"]), node.text_at(&["image"]));
            Container { node, name: name.unwrap_or("?"), image: image.unwrap_or_default() }
        };
        let spec = self.spec;
        spec.items_at(&["initContainers"]).iter().chain(spec.items_at(&["containers"])).map(of)
    }

    /// The container that is the proxy.
    #[must_use]
    pub fn sidecar(&self) -> Option<Container<'m>> {
        self.containers().find(Container::is_proxy)
    }

    /// What it says of the sidecar.
    #[must_use]
    pub fn injection(&self) -> Option<&'m str> {
        let asked =
            |pairs: &[(&'m str, &'m str)]| pairs.iter().find(|(name, _)| *name == INJECT).map(|(_, value)| *value);
        asked(&self.labels).or_else(|| asked(&self.annotations))
    }

    /// Whether it is a pod that exists, and not a description of ones that will.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.object.kind == "Pod" && self.object.is_live()
    }

    /// In how many pods it runs at most.
    #[must_use]
    pub fn replicas(&self) -> Option<u64> {
        match self.object.kind {
            "Pod" => Some(1),
            // One a node.
            "DaemonSet" => Some(2),
            _ => Some(self.object.node.at(&["spec", "replicas"]).map_or(Some(1), Node::number)?),
        }
    }

    /// Whether its pods have all these labels. No label asks for nothing.
    #[must_use]
    pub fn has_labels(&self, wanted: &[(&str, &str)]) -> bool {
        wanted.iter().all(|label| self.labels.contains(label))
    }

    /// A field of a container's security context, or of its pod's.
    #[must_use]
    pub fn security(&self, container: &Container<'m>, field: &[&str]) -> Option<&'m Node> {
        let own = container.node.get("securityContext").and_then(|context| context.at(field));
        own.or_else(|| self.spec.get("securityContext").and_then(|context| context.at(field)))
    }
}

impl<'m> Container<'m> {
    /// Whether its image is the program's.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.name == "hookwarden" || self.repository().rsplit('/').next() == Some("hookwarden")
    }

    /// Whether it is the proxy, and not another command of the program.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        let words = self.node.items_at(&["command"]).iter().chain(self.node.items_at(&["args"]));
        let mut words = words.filter_map(Node::text).filter(|word| word.rsplit('/').next() != Some("hookwarden"));
        self.is_ours() && !words.next().is_some_and(|word| NO_PROXY.contains(&word))
    }

    /// The image's name without tag and digest.
    #[must_use]
    pub fn repository(&self) -> &'m str {
        let name = self.image.split_once('@').map_or(self.image, |(name, _)| name);
        match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => name,
        }
    }

    /// The image's tag.
    #[must_use]
    pub fn tag(&self) -> Option<&'m str> {
        let name = self.image.split_once('@').map_or(self.image, |(name, _)| name);
        name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
    }

    /// Whether the image is named by its content.
    #[must_use]
    pub fn has_digest(&self) -> bool {
        self.image.contains("@sha256:")
    }

    /// Its ports: name and number.
    pub fn ports(&self) -> impl Iterator<Item = (Option<&'m str>, u64)> + use<'m> {
        let ports = self.node.items_at(&["ports"]).iter();
        ports.filter_map(|port| Some((port.text_at(&["name"]), port.get("containerPort")?.number()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::manifests::yaml;

    #[test]
    fn images() {
        for (image, repository, tag, digest) in [
            ("hookwarden", "hookwarden", None, false),
            ("ghcr.io/hookwarden/hookwarden:1.2", "ghcr.io/hookwarden/hookwarden", Some("1.2"), false),
            ("registry:5000/hookwarden", "registry:5000/hookwarden", None, false),
            ("a/hookwarden:1@sha256:00", "a/hookwarden", Some("1"), true),
        ] {
            let document = yaml::parse(&format!("name: x\nimage: {image}\n")).expect("good").remove(0);
            let container = Container { node: &document, name: "x", image: document.text_at(&["image"]).expect("one") };
            let found = (container.repository(), container.tag(), container.has_digest());
            assert_eq!(found, (repository, tag, digest), "{image}");
            assert!(container.is_ours() && container.is_proxy());
        }
    }

    #[test]
    fn other_commands_are_no_proxy() {
        for (words, expected) in [
            ("args: [injector]", false),
            ("command: [/hookwarden, audit]", false),
            ("command: [/hookwarden]\nargs: [run]", true),
            ("args: [--listen, a]", true),
        ] {
            let document = yaml::parse(&format!("name: hookwarden\n{words}\n")).expect("good").remove(0);
            let container = Container { node: &document, name: "hookwarden", image: "" };
            assert_eq!(container.is_proxy(), expected, "{words}");
        }
    }
}
