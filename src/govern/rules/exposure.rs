//! The ways to a pod in a cluster: whether any leads past the sidecar.

use crate::govern::finding::Severity;
use crate::govern::manifests::yaml::Node;
use crate::govern::manifests::{Cluster, Container, Object, Reached, TargetPort, Workload};

use super::{High, Hits, Low, Medium, Objects, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW120",
        High,
        "A Service leads past the sidecar",
        "Whoever calls that port talks to the service itself: nothing is verified, limited or recorded.",
        "Let the Service's targetPort be the sidecar's (8443), or move the app's port name to it with hookwarden.io/take-port.",
        &["NIST SP 800-53 AC-4", "NIST SP 800-53 SC-7", "CWE-306"],
        Objects(past),
    ),
    row(
        "HW121",
        Medium,
        "Other pods can reach the service beside the sidecar",
        "One compromised pod anywhere in the cluster calls the app's port at the pod's address and leaves the sidecar out.",
        "Add a NetworkPolicy for the pod whose ingress permits the sidecar's port (8443) alone, and 9464 for the scraper; and have the service listen on 127.0.0.1.",
        &["NIST SP 800-53 AC-4", "NIST SP 800-53 SC-7", "OWASP API8:2023"],
        Objects(open_network),
    ),
    row(
        "HW122",
        High,
        "A pod with the sidecar opens ports on the node",
        "The node's address leads to the service, past every Service and NetworkPolicy.",
        "Remove hostPort from the containers and hostNetwork from the pod.",
        &["NIST SP 800-53 SC-7", "NIST SP 800-53 CM-7"],
        Objects(host),
    ),
    row(
        "HW123",
        High,
        "The admin port can be reached from outside the cluster",
        "Metrics tell the names of routes, their traffic, and how often authentication fails.",
        "Take the admin port (9464) out of Services of type LoadBalancer or NodePort and out of Ingresses; scrape the pods.",
        &["OWASP API8:2023", "NIST SP 800-53 SC-7"],
        Objects(public_admin),
    ),
    row(
        "HW124",
        High,
        "An Ingress takes webhooks in plaintext",
        "Bodies and tokens cross the Internet readable, and can be changed where the proof does not bind them.",
        "Set spec.tls of the Ingress with a host and a secretName, and redirect nothing: refuse plaintext.",
        &["NIST SP 800-53 SC-8", "CWE-319", "OWASP API8:2023"],
        Objects(plain_ingress),
    ),
    row(
        "HW125",
        Low,
        "The pod ends before its exchanges do",
        "Kubernetes ends the pod while webhooks are on their way to the service: some are lost, some delivered and never acknowledged.",
        "Set terminationGracePeriodSeconds to more than HOOKWARDEN_DRAIN_DELAY and HOOKWARDEN_SHUTDOWN_GRACE together: 30 or more.",
        &["NIST SP 800-53 SC-5"],
        Objects(short_grace),
    ),
];

/// The ports of a service: which it leads to, and where it says so.
fn ports<'m>(service: &Object<'m>) -> impl Iterator<Item = (TargetPort<'m>, &'m Node)> {
    let of = |port: &'m Node| Some((TargetPort::of(port.get("targetPort").or_else(|| port.get("port"))?)?, port));
    service.node.items_at(&["spec", "ports"]).iter().filter_map(of)
}

fn past(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (service, workload, sidecar) in cluster.services() {
        for (target, node) in ports(service) {
            if workload.reached(&sidecar, target) == Reached::Past {
                let evidence = format!("its port leads to {} of {}", shown(target), workload.object.name);
                hits.object(service, node.line, evidence);
            }
        }
    }
}

fn shown(port: TargetPort<'_>) -> String {
    match port {
        TargetPort::Number(number) => format!("port {number}"),
        TargetPort::Name(name) => format!("port {name:?}"),
    }
}

fn open_network(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, sidecar) in cluster.sidecars() {
        let mut policies = cluster.policies(workload).peekable();
        if policies.peek().is_none() {
            hits.workload(workload, workload.spec.line, "no NetworkPolicy holds for it");
        }
        for policy in policies {
            for rule in policy.node.items_at(&["spec", "ingress"]) {
                if let Some((evidence, severity)) = opens(rule, workload, &sidecar) {
                    hits.object(policy, rule.line, evidence).severity = severity;
                }
            }
        }
    }
}

/// What a rule of a network policy opens beside the sidecar.
fn opens(rule: &Node, workload: &Workload<'_>, sidecar: &Container<'_>) -> Option<(String, Severity)> {
    let ports = rule.items_at(&["ports"]);
    let name = workload.object.name;
    if ports.is_empty() {
        return Some((format!("it permits every port of {name}"), Medium));
    }
    let target = |port: &'_ Node| TargetPort::of(port.get("port")?).map(|target| workload.reached(sidecar, target));
    let past = ports.iter().find(|port| port.get("endPort").is_some() || target(port) == Some(Reached::Past));
    let port = past?.text_at(&["port"]).unwrap_or("?");
    Some((format!("it permits port {port} of {name}"), High))
}

fn host(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, _) in cluster.sidecars() {
        if let Some(node) = workload.spec.get("hostNetwork").filter(|node| node.is_true()) {
            hits.workload(workload, node.line, "it has hostNetwork: true");
        }
        for container in workload.containers() {
            for port in container.node.items_at(&["ports"]).iter().filter_map(|port| port.get("hostPort")) {
                let evidence = format!("container {} has hostPort {}", container.name, port.text().unwrap_or("?"));
                let finding = hits.workload(workload, port.line, evidence);
                if container.is_proxy() {
                    finding.severity = Low;
                }
            }
        }
    }
}

/// The names of services that Ingresses lead to, by port: name or number.
fn backends<'m>(ingress: &Object<'m>) -> Vec<(&'m str, Option<&'m str>, usize)> {
    let of = |backend: &'m Node| {
        let service = backend.get("service")?;
        let port = service.text_at(&["port", "number"]).or_else(|| service.text_at(&["port", "name"]));
        Some((service.text_at(&["name"])?, port, backend.line))
    };
    let rules = ingress.node.items_at(&["spec", "rules"]).iter();
    let paths = rules.flat_map(|rule| rule.items_at(&["http", "paths"])).filter_map(|path| path.get("backend"));
    ingress.node.at(&["spec", "defaultBackend"]).into_iter().chain(paths).filter_map(of).collect()
}

fn public_admin(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (service, workload, sidecar) in cluster.services() {
        let kind = service.node.text_at(&["spec", "type"]).unwrap_or("ClusterIP");
        let admin = ports(service).filter(|(target, _)| workload.reached(&sidecar, *target) == Reached::Admin);
        for (_, port) in admin {
            if matches!(kind, "LoadBalancer" | "NodePort") {
                hits.object(service, port.line, format!("a Service of type {kind} leads to it"));
            }
            let (number, name) = (port.text_at(&["port"]), port.text_at(&["name"]));
            for ingress in cluster.of_kind("Ingress").filter(|ingress| ingress.namespace == service.namespace) {
                let leads = |(to, port, _): &&(&str, Option<&str>, usize)| {
                    *to == service.name && port.is_some() && (*port == number || *port == name)
                };
                if let Some((.., line)) = backends(ingress).iter().find(leads) {
                    hits.object(ingress, *line, "an Ingress leads to it");
                }
            }
        }
    }
}

fn plain_ingress(cluster: &Cluster<'_>, hits: &mut Hits) {
    for ingress in cluster.of_kind("Ingress") {
        let leads = cluster.services().any(|(service, ..)| {
            let namespace = service.namespace == ingress.namespace;
            namespace && backends(ingress).iter().any(|(name, ..)| *name == service.name)
        });
        if leads && ingress.node.items_at(&["spec", "tls"]).is_empty() {
            let line = ingress.node.get("spec").map_or(ingress.node.line, |spec| spec.line);
            hits.object(ingress, line, "it has no spec.tls");
        }
    }
}

/// What Kubernetes gives a pod that says nothing, in seconds.
const GRACE: u64 = 30;

fn short_grace(cluster: &Cluster<'_>, hits: &mut Hits) {
    for (workload, _) in cluster.sidecars() {
        if let Some(node) = workload.spec.get("terminationGracePeriodSeconds")
            && let Some(seconds) = node.number().filter(|seconds| *seconds < GRACE)
        {
            hits.workload(workload, node.line, format!("it has {seconds} seconds"));
        }
    }
}
