//! Which ports lead to the sidecar, and which past it.

use std::net::SocketAddr;

use crate::govern::manifests::yaml::Node;

use super::{Cluster, Container, Object, Workload, pairs};

/// Where the sidecar listens unless it is told otherwise.
const LISTEN: u64 = 8443;

/// Where its admin port is.
const ADMIN: u64 = 9464;

/// A port as services and policies name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetPort<'m> {
    /// By number.
    Number(u64),
    /// By a container's name for it.
    Name(&'m str),
}

/// What a port leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// The sidecar's door.
    Door,
    /// Its admin port.
    Admin,
    /// Another container, past the sidecar.
    Past,
}

impl<'m> TargetPort<'m> {
    /// It as a node has it.
    #[must_use]
    pub fn of(node: &'m Node) -> Option<Self> {
        let text = node.text()?;
        Some(text.parse().map_or(Self::Name(text), Self::Number))
    }
}

impl<'m> Workload<'m> {
    /// What a port of its pods leads to.
    #[must_use]
    pub fn reached(&self, sidecar: &Container<'m>, port: TargetPort<'_>) -> Reached {
        let number = match port {
            TargetPort::Number(number) => number,
            TargetPort::Name(wanted) => {
                let named = |container: &Container<'m>| {
                    container.ports().find(|(name, _)| *name == Some(wanted)).map(|(_, number)| number)
                };
                match named(sidecar) {
                    Some(number) => number,
                    // A name that nobody has leads nowhere yet; whoever takes it is not known to be the sidecar.
                    None => return Reached::Past,
                }
            }
        };
        let is_own = sidecar.ports().any(|(_, own)| own == number);
        match number {
            _ if number == listens_at(sidecar, "HOOKWARDEN_ADMIN_LISTEN", ADMIN) => Reached::Admin,
            _ if is_own || number == listens_at(sidecar, "HOOKWARDEN_LISTEN", LISTEN) => Reached::Door,
            _ => Reached::Past,
        }
    }
}

fn listens_at(sidecar: &Container<'_>, variable: &str, default: u64) -> u64 {
    let mut entries = sidecar.node.items_at(&["env"]).iter();
    let entry = entries.find(|entry| entry.text_at(&["name"]) == Some(variable));
    let address = entry.and_then(|entry| entry.text_at(&["value"])?.parse::<SocketAddr>().ok());
    address.map_or(default, |address| address.port().into())
}

impl<'m> Cluster<'m> {
    /// The services that lead to pods with the sidecar, with those.
    pub fn services(&self) -> impl Iterator<Item = (&Object<'m>, &Workload<'m>, Container<'m>)> {
        self.of_kind("Service").flat_map(move |service| {
            let selector = pairs(service.node.at(&["spec", "selector"]));
            // A service without a selector leads to what somebody else says.
            let selects = move |workload: &Workload<'m>| {
                !selector.is_empty() && workload.object.namespace == service.namespace && workload.has_labels(&selector)
            };
            let found = self.sidecars().filter(move |(workload, _)| selects(workload));
            found.map(move |(workload, sidecar)| (service, workload, sidecar))
        })
    }

    /// The network policies that hold for a pod's incoming connections.
    pub fn policies<'c>(&'c self, workload: &'c Workload<'m>) -> impl Iterator<Item = &'c Object<'m>> {
        self.of_kind("NetworkPolicy").filter(move |policy| {
            let types = policy.node.items_at(&["spec", "policyTypes"]);
            let is_ingress = types.is_empty() || types.iter().any(|kind| kind.text() == Some("Ingress"));
            let selector = policy.node.at(&["spec", "podSelector"]);
            is_ingress && policy.namespace == workload.object.namespace && selects(selector, workload)
        })
    }
}

/// Whether a label selector (`matchLabels`, `matchExpressions`) has a pod's labels. None is no selector.
fn selects(selector: Option<&Node>, workload: &Workload<'_>) -> bool {
    let Some(selector) = selector else { return false };
    let expressions = selector.items_at(&["matchExpressions"]);
    workload.has_labels(&pairs(selector.get("matchLabels"))) && expressions.iter().all(|one| holds(one, workload))
}

fn holds(expression: &Node, workload: &Workload<'_>) -> bool {
    let key = expression.text_at(&["key"]).unwrap_or_default();
    let value = workload.labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let listed = || expression.items_at(&["values"]).iter().any(|known| known.text() == value);
    match expression.text_at(&["operator"]) {
        Some("In") => value.is_some() && listed(),
        Some("NotIn") => value.is_none() || !listed(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}
