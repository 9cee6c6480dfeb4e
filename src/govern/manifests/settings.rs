//! The settings of a sidecar in a manifest: its variables, from the container itself and from each `ConfigMap` that was given.
//!
//! What stands in Secrets is left out even where one was given: its name alone is known then, as it is when it was not.

use std::collections::BTreeMap;

use crate::config::PREFIX;
use crate::govern::manifests::yaml::Node;

use super::{Cluster, Container, Workload};

/// A variable in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What it is set to; `None` where that stands elsewhere.
    pub value: Option<String>,
    /// Its line in the workload's file, where it stands there.
    pub line: Option<usize>,
}

/// The variables of a sidecar that are ours, by name.
#[must_use]
pub fn of(cluster: &Cluster<'_>, workload: &Workload<'_>, sidecar: &Container<'_>) -> BTreeMap<String, Setting> {
    let mut settings = BTreeMap::new();
    for source in sidecar.node.items_at(&["envFrom"]) {
        let prefix = source.text_at(&["prefix"]).unwrap_or_default();
        let Some(name) = source.text_at(&["configMapRef", "name"]) else { continue };
        let map = cluster.find("ConfigMap", workload.object.namespace, name);
        for (name, _, value) in map.and_then(|map| map.node.get("data")).map_or(&[][..], Node::members) {
            let value = value.text().map(str::to_owned);
            settings.insert(format!("{prefix}{name}"), Setting { value, line: None });
        }
    }
    // A variable of the container itself goes before one of a source.
    for entry in sidecar.node.items_at(&["env"]) {
        let Some(name) = entry.text_at(&["name"]) else { continue };
        let value = entry.text_at(&["value"]).map(str::to_owned).or_else(|| from_map(cluster, workload, entry));
        settings.insert(name.to_owned(), Setting { value, line: Some(entry.line) });
    }
    settings.retain(|name, _| name.starts_with(PREFIX));
    settings
}

fn from_map(cluster: &Cluster<'_>, workload: &Workload<'_>, entry: &Node) -> Option<String> {
    let source = entry.at(&["valueFrom", "configMapKeyRef"])?;
    let map = cluster.find("ConfigMap", workload.object.namespace, source.text_at(&["name"])?)?;
    map.node.at(&["data", source.text_at(&["key"])?])?.text().map(str::to_owned)
}
