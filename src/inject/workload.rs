//! Where pods are in other kinds of objects.

use serde_json::Value;

/// Kinds that hold a pod or its template, the API group that they must be of, and where it is.
const KINDS: &[(&str, &str, &str)] = &[
    ("Pod", "v1", ""),
    ("Deployment", "apps/v1", "/spec/template"),
    ("StatefulSet", "apps/v1", "/spec/template"),
    ("DaemonSet", "apps/v1", "/spec/template"),
    ("ReplicaSet", "apps/v1", "/spec/template"),
    ("Job", "batch/v1", "/spec/template"),
    ("CronJob", "batch/v1", "/spec/jobTemplate/spec/template"),
];

/// Kinds of lists: of anything, and of one kind.
const LISTS: &[&str] = &[
    "List",
    "PodList",
    "DeploymentList",
    "StatefulSetList",
    "DaemonSetList",
    "ReplicaSetList",
    "JobList",
    "CronJobList",
];

/// Where the pod of an object is, as a JSON pointer; `None`: it has none.
#[must_use]
pub fn pod_of(object: &Value) -> Option<&'static str> {
    let (kind, version) = (object["kind"].as_str()?, object["apiVersion"].as_str()?);
    let row = KINDS.iter().find(|(name, api, _)| *name == kind && *api == version)?;
    object.pointer(row.2).filter(|pod| pod.is_object()).map(|_| row.2)
}

/// Whether it is a list of objects.
#[must_use]
pub fn is_list(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| LISTS.contains(&kind)) && object["items"].is_array()
}

/// `Deployment shop/web`, for people.
#[must_use]
pub fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let metadata = &object["metadata"];
    let name = text(&metadata["name"]).or_else(|| text(&metadata["generateName"]).map(|name| name + "…"));
    let name = name.unwrap_or_else(|| "without a name".to_owned());
    let kind = object["kind"].as_str().unwrap_or("object");
    match metadata["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
