//! The sidecar's container and pod: whether it is there, and what it may do.

use crate::govern::manifests::yaml::Node;
use crate::govern::manifests::{Cluster, Container, Workload};

use super::{Critical, High, Hits, Low, Medium, Objects, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW110",
        High,
        "A pod that asks for the sidecar does not have it",
        "Nothing checks what comes to it; its owners believe that something does.",
        "Label the pod (spec.template.metadata.labels) hookwarden.io/inject: enabled, restart it so that it passes the injector, or use `hookwarden inject -f`.",
        &["NIST SP 800-53 CM-6", "NIST SP 800-53 AC-3", "CWE-306"],
        Objects(missing),
    ),
    row(
        "HW111",
        High,
        "The sidecar may run as root",
        "A fault in it, or in the runtime, gives an attacker root's rights in the container, and a shorter way to the node.",
        "Set runAsNonRoot: true in the sidecar's securityContext, and runAsUser: 65532.",
        &["NIST SP 800-53 AC-6", "OWASP API8:2023"],
        Objects(root),
    ),
    row(
        "HW112",
        Medium,
        "The sidecar's file system can be written",
        "Who gets into the container can leave programs there and change files that are read again.",
        "Set readOnlyRootFilesystem: true in the sidecar's securityContext; a journal has an emptyDir of its own.",
        &["NIST SP 800-53 CM-7", "NIST SP 800-53 SI-7"],
        Objects(writable),
    ),
    row(
        "HW113",
        Medium,
        "The sidecar's memory is not limited",
        "A flood takes memory from its neighbours on the node, the service among them.",
        "Set resources.limits.memory (64Mi more than HOOKWARDEN_MAX_BUFFERED; see deploy/capacity.md) and requests.",
        &["OWASP API4:2023", "NIST SP 800-53 SC-5", "CWE-770"],
        Objects(unlimited),
    ),
    row(
        "HW114",
        Medium,
        "Which version runs is left to chance",
        "A tag such as latest means another program tomorrow: nobody decided for it, and who takes the registry over decides.",
        "Name the image by a version, better by its digest: ghcr.io/hookwarden/hookwarden:<version>@sha256:….",
        &["NIST SP 800-53 CM-6", "NIST SP 800-53 SR-11"],
        Objects(latest),
    ),
    row(
        "HW115",
        Medium,
        "The sidecar may gain or keep privileges that it does not need",
        "What the kernel lets a process do is what an attacker in it can do.",
        "Set allowPrivilegeEscalation: false and capabilities: {drop: [ALL]} in the sidecar's securityContext, and never privileged.",
        &["NIST SP 800-53 AC-6", "NIST SP 800-53 CM-7"],
        Objects(privileges),
    ),
    row(
        "HW116",
        Low,
        "System calls are not filtered",
        "Most faults in kernels are reached by calls that a proxy never makes.",
        "Set seccompProfile: {type: RuntimeDefault} in the sidecar's or the pod's securityContext.",
        &["NIST SP 800-53 CM-7", "NIST SP 800-53 AC-6"],
        Objects(unfiltered),
    ),
    row(
        "HW117",
        Low,
        "Nobody asks the sidecar whether it is ready",
        "Webhooks come to a pod that cannot take them yet or any more, and are lost to senders that do not retry.",
        "Set a readinessProbe with httpGet on /readyz of the admin port (9464), and a startupProbe on /startupz.",
        &["NIST SP 800-53 SI-4", "NIST SP 800-53 SC-5"],
        Objects(unprobed),
    ),
    row(
        "HW118",
        Low,
        "The pod has a token for the Kubernetes API",
        "The sidecar does not need one; who gets into any container of the pod can use it.",
        "Set automountServiceAccountToken: false on the pod, unless the service itself calls the API.",
        &["NIST SP 800-53 AC-6", "OWASP API8:2023"],
        Objects(token),
    ),
    row(
        "HW119",
        Low,
        "The sidecar is older than the program that looks at it",
        "What was found and mended since is open there.",
        "Update the image to the version of this program, or later.",
        &["NIST SP 800-53 SI-2", "NIST SP 800-53 RA-5", "OWASP API9:2023"],
        Objects(older),
    ),
];

fn missing(cluster: &Cluster<'_>, hits: &mut Hits) {
    for workload in cluster.workloads.iter().filter(|workload| workload.sidecar().is_none()) {
        let namespace = cluster.namespace_is_opted_in(workload.object.namespace);
        let mut configured = workload.annotations.iter().filter(|(name, _)| name.starts_with("hookwarden.io/"));
        let line = workload.spec.line;
        // A description need not have it: the injector adds it to the pods.
        match workload.injection() {
            Some("enabled") if workload.is_running() => {
                hits.workload(workload, line, "the pod runs without it");
            }
            Some("enabled") => {}
            Some(value) if namespace => {
                let evidence = format!("its namespace asks for it, and the pod says {value}");
                hits.workload(workload, line, evidence).severity = Medium;
            }
            None if namespace && workload.is_running() => {
                hits.workload(workload, line, "its namespace asks for it, and the pod runs without it");
            }
            None if !namespace => {
                if let Some((name, _)) = configured.next() {
                    hits.workload(workload, line, format!("it has {name}, but nothing asks for the sidecar"));
                }
            }
            _ => {}
        }
    }
}

/// The containers of the program, whatever it does there.
fn ours<'c, 'm>(cluster: &'c Cluster<'m>) -> impl Iterator<Item = (&'c Workload<'m>, Container<'m>)> {
    let of = |workload: &'c Workload<'m>| workload.containers().map(move |container| (workload, container));
    cluster.workloads.iter().flat_map(of).filter(|(_, container)| container.is_ours())
}

fn hit(hits: &mut Hits, workload: &Workload<'_>, container: &Container<'_>, evidence: &str) {
    hits.workload(workload, container.node.line, format!("container {} {evidence}", container.name));
}

fn root(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, container) in ours(cluster) {
        let user = workload.security(&container, &["runAsUser"]).and_then(Node::number);
        let is_required = workload.security(&container, &["runAsNonRoot"]).is_some_and(Node::is_true);
        match user {
            Some(0) => hit(hits, workload, &container, "has runAsUser: 0"),
            _ if !is_required => hit(hits, workload, &container, "has no runAsNonRoot: true"),
            _ => {}
        }
    }
}

fn writable(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, container) in ours(cluster) {
        let context = container.node.at(&["securityContext", "readOnlyRootFilesystem"]);
        if !context.is_some_and(Node::is_true) {
            hit(hits, workload, &container, "has no readOnlyRootFilesystem: true");
        }
    }
}

fn unlimited(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, container) in ours(cluster) {
        if container.node.at(&["resources", "limits", "memory"]).is_none() {
            hit(hits, workload, &container, "has no resources.limits.memory");
        }
    }
}

fn latest(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, container) in ours(cluster).filter(|(_, container)| !container.has_digest()) {
        match container.tag() {
            None => hit(hits, workload, &container, "names its image without a version"),
            Some(tag @ ("latest" | "main" | "master" | "edge" | "nightly" | "dev" | "stable")) => {
                hit(hits, workload, &container, &format!("has the tag {tag}"));
            }
            Some(_) => {}
        }
    }
}

fn privileges(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, container) in ours(cluster) {
        let at = |field: &[&str]| container.node.get("securityContext").and_then(|context| context.at(field));
        if at(&["privileged"]).is_some_and(Node::is_true) {
            let evidence = format!("container {} is privileged", container.name);
            hits.workload(workload, container.node.line, evidence).severity = Critical;
        }
        if !at(&["allowPrivilegeEscalation"]).is_some_and(Node::is_false) {
            hit(hits, workload, &container, "has no allowPrivilegeEscalation: false");
        }
        let dropped = at(&["capabilities", "drop"]).map_or(&[][..], Node::items);
        if !dropped.iter().any(|name| name.text() == Some("ALL")) {
            hit(hits, workload, &container, "does not drop all capabilities");
        }
        for added in at(&["capabilities", "add"]).map_or(&[][..], Node::items) {
            let name = added.text().unwrap_or_default();
            hit(hits, workload, &container, &format!("adds the capability {name}"));
        }
    }
}

fn unfiltered(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, container) in ours(cluster) {
        let kind = workload.security(&container, &["seccompProfile", "type"]).and_then(Node::text);
        if !matches!(kind, Some("RuntimeDefault" | "Localhost")) {
            hit(hits, workload, &container, "has no seccompProfile");
        }
    }
}

fn unprobed(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, container) in cluster.sidecars() {
        if container.node.get("readinessProbe").is_none() {
            hit(hits, workload, &container, "has no readinessProbe");
        }
    }
}

fn token(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, _) in cluster.sidecars() {
        if !workload.spec.get("automountServiceAccountToken").is_some_and(Node::is_false) {
            hits.workload(workload, workload.spec.line, "it has no automountServiceAccountToken: false");
        }
    }
}

fn older(cluster: &Cluster<'_>, hits: &mut Hits) {
    let this = numbers(env!("CARGO_PKG_VERSION"));
    for (workload, container) in ours(cluster) {
        let Some(tag) = container.tag() else { continue };
        if numbers(tag).is_some_and(|other| Some(other) < this) {
            hit(hits, workload, &container, &format!("has version {tag}; this is {}", env!("CARGO_PKG_VERSION")));
        }
    }
}

/// A version's three numbers; none for a tag that is no version.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let plain = version.strip_prefix('v').unwrap_or(version);
    let mut parts = plain.split(['-', '+']).next()?.split('.').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some([next()?, next()?, next().unwrap_or_default()])
}
