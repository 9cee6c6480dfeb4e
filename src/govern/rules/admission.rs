//! Secrets in manifests, and whether the cluster holds to what was asked of it.

use crate::config;
use crate::govern::manifests::yaml::Node;
use crate::govern::manifests::{Cluster, Object};

use super::{High, Hits, Low, Medium, Objects, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW130",
        High,
        "A secret's value stands in a pod's specification",
        "Whoever may read pods, or the repository, has it; it is in every copy and in the history.",
        "Put it into a Secret, mount that as a file and name it in the variable's _FILE form; then rotate it, since it was seen.",
        &["ASVS 5.0 13.3.1", "NIST SP 800-53 IA-5", "CWE-798"],
        Objects(literal),
    ),
    row(
        "HW131",
        High,
        "A secret's value stands in a ConfigMap",
        "ConfigMaps are read by many and encrypted nowhere.",
        "Put it into a Secret, mount that as a file and name it in the variable's _FILE form; then rotate it, since it was seen.",
        &["ASVS 5.0 13.3.1", "NIST SP 800-53 IA-5", "NIST SP 800-53 SC-28"],
        Objects(in_config_map),
    ),
    row(
        "HW132",
        Medium,
        "A Secret's value stands in a manifest",
        "base64 hides nothing: whoever may read the repository or the rendered files has the secret, now and in its history.",
        "Have it made in the cluster from a vault (External Secrets, Sealed Secrets, SOPS), or by hand with kubectl create secret; then rotate it.",
        &["ASVS 5.0 13.3.1", "NIST SP 800-53 IA-5", "CWE-798"],
        Objects(in_manifest),
    ),
    row(
        "HW133",
        Low,
        "Secrets are mounted so that every process in the container can read them",
        "A second process there, of whatever user, can take the secret and sign with it.",
        "Set defaultMode: 0440 on the volume, with fsGroup in the pod's securityContext.",
        &["ASVS 5.0 13.3.2", "NIST SP 800-53 AC-6"],
        Objects(open_mount),
    ),
    row(
        "HW134",
        Medium,
        "A pod that asks for the sidecar can start without it",
        "While the injector does not answer, pods are admitted as they are, and stay so when it is back.",
        "Add the ValidatingAdmissionPolicy that refuses opted-in pods without the sidecar (k8s/), or set failurePolicy: Fail.",
        &["NIST SP 800-53 CM-6", "ASVS 5.0 16.5.3", "CWE-306"],
        Objects(admitted),
    ),
    row(
        "HW135",
        High,
        "A sidecar's configuration would be refused",
        "The sidecar does not start, and the pod never becomes ready; in a hurry people then take the sidecar out.",
        "Correct the setting; `hookwarden check` lists all faults at once.",
        &["NIST SP 800-53 CM-6"],
        Objects(refused),
    ),
];

/// Whether a variable's value is a secret: a URL without a password is none.
fn is_secret(variable: &str, value: &str) -> bool {
    let has_password = value.split_once('@').is_some_and(|(credentials, _)| credentials.matches(':').count() > 1);
    config::is_secret(variable) && (!variable.ends_with("_URL") || has_password) && !value.is_empty()
}

fn literal(cluster: &Cluster<'_>, hits: &mut Hits) {
    for workload in &cluster.workloads {
        for container in workload.containers() {
            for entry in container.node.items_at(&["env"]) {
                let name = entry.text_at(&["name"]).unwrap_or_default();
                if is_secret(name, entry.text_at(&["value"]).unwrap_or_default()) {
                    hits.workload(workload, entry.line, format!("container {} has {name}", container.name));
                }
            }
        }
    }
}

fn in_config_map(cluster: &Cluster<'_>, hits: &mut Hits) {
    for map in cluster.of_kind("ConfigMap") {
        for (name, line, value) in map.node.get("data").map_or(&[][..], Node::members) {
            if is_secret(name, value.text().unwrap_or_default()) {
                hits.object(map, *line, format!("it has {name}"));
            }
        }
    }
}

fn in_manifest(cluster: &Cluster<'_>, hits: &mut Hits) {
    for secret in cluster.of_kind("Secret").filter(|secret| !secret.is_live() && is_used(cluster, secret)) {
        let values = ["data", "stringData"].into_iter().filter_map(|name| secret.node.get(name));
        let count: usize = values.clone().map(|values| values.members().len()).sum();
        if let Some(values) = values.filter(|values| !values.members().is_empty()).min_by_key(|values| values.line) {
            hits.object(secret, values.line, format!("it holds {count} values"));
        }
    }
}

/// Whether a sidecar uses a Secret.
fn is_used(cluster: &Cluster<'_>, secret: &Object<'_>) -> bool {
    cluster.sidecars().filter(|(workload, _)| workload.object.namespace == secret.namespace).any(
        |(workload, sidecar)| {
            let mounted =
                workload.spec.items_at(&["volumes"]).iter().flat_map(secrets_of).any(|name| name == secret.name);
            let entries = sidecar.node.items_at(&["env"]).iter();
            let mut named = entries.filter_map(|entry| entry.text_at(&["valueFrom", "secretKeyRef", "name"]));
            let sources = sidecar.node.items_at(&["envFrom"]).iter();
            let mut all = sources.filter_map(|source| source.text_at(&["secretRef", "name"]));
            mounted || named.any(|name| name == secret.name) || all.any(|name| name == secret.name)
        },
    )
}

/// The Secrets that a volume brings.
fn secrets_of(volume: &Node) -> impl Iterator<Item = &str> {
    let projected = volume.items_at(&["projected", "sources"]).iter();
    let projected = projected.filter_map(|source| source.text_at(&["secret", "name"]));
    volume.text_at(&["secret", "secretName"]).into_iter().chain(projected)
}

fn open_mount(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, sidecar) in cluster.sidecars() {
        let mounts = sidecar.node.items_at(&["volumeMounts"]).iter();
        let mounted: Vec<_> = mounts.filter_map(|mount| mount.text_at(&["name"])).collect();
        for volume in workload.spec.items_at(&["volumes"]) {
            let name = volume.text_at(&["name"]).unwrap_or_default();
            let source = volume.get("secret").or_else(|| volume.get("projected"));
            let Some(source) = source.filter(|_| secrets_of(volume).next().is_some() && mounted.contains(&name)) else {
                continue;
            };
            // Kubernetes' default is 0644.
            let mode = source.text_at(&["defaultMode"]).and_then(mode).unwrap_or(0o644);
            if mode & 0o004 != 0 {
                hits.workload(workload, volume.line, format!("volume {name} has the mode {mode:04o}"));
            }
        }
    }
}

/// A mode as YAML 1.1 and 1.2 write octal numbers, or as JSON writes it: in decimal.
fn mode(text: &str) -> Option<u32> {
    match text.strip_prefix("0o").or_else(|| text.strip_prefix('0')) {
        Some(octal) => u32::from_str_radix(octal, 8).ok(),
        None => text.parse().ok(),
    }
}

fn admitted(cluster: &Cluster<'_>, hits: &mut Hits) {
    let is_ours = |object: &&Object<'_>| object.name.contains("hookwarden");
    if cluster.of_kind("ValidatingAdmissionPolicy").any(|policy| is_ours(&policy)) {
        return;
    }
    for configuration in cluster.of_kind("MutatingWebhookConfiguration").filter(is_ours) {
        for webhook in configuration.node.items_at(&["webhooks"]) {
            if webhook.text_at(&["failurePolicy"]) == Some("Ignore") {
                hits.object(configuration, webhook.line, "failurePolicy is Ignore, and no policy refuses such pods");
            }
        }
    }
}

fn refused(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (place, fault) in &cluster.refused {
        hits.push(crate::govern::finding::Finding::new(hits.rule, place.clone(), fault.clone()));
    }
}
