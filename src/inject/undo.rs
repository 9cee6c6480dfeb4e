//! What was done to a pod, kept in its annotation [`STATUS`], and how it is undone.
//!
//! Undoing is what makes injecting idempotent: a pod that was injected before is brought back first, and then injected as
//! if it were new. The record is text that anybody who may write the pod may write, so nothing is believed of it but
//! what injecting does: see [`permitted`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CONTAINER, STATUS, VOLUMES};

/// What was done. Places are JSON pointers (RFC 6901) in which the items of lists stand by their name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// By which version.
    pub version: String,
    /// The list that the sidecar is in.
    pub sidecar: String,
    /// Where the service listens, where that was found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<u16>,
    /// The container that it is in: others may have come to the pod since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The volumes that were added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// Lists and objects that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// Values that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Values that were changed, as they were.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub was: Map<String, Value>,
    /// Of those the ones that a manifest wrote in its own way, as they were written.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub text: Map<String, Value>,
}

/// Why a pod cannot be brought back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hookwarden.io/status: {0}; take the annotation and the sidecar out by hand")]
pub struct NotOurs(pub String);

impl Record {
    /// The record of a pod; `None`: it was never injected.
    ///
    /// # Errors
    /// There is one that injecting never writes.
    pub fn of(pod: &Value) -> Result<Option<Self>, NotOurs> {
        let Some(text) = annotations(pod).and_then(|all| all.get(STATUS)) else { return Ok(None) };
        let text = text.as_str().ok_or_else(|| NotOurs("is not text".to_owned()))?;
        let record: Self =
            serde_json::from_str(text).map_err(|_| NotOurs("is not what Hookwarden writes".to_owned()))?;
        if !matches!(record.sidecar.as_str(), "initContainers" | "containers") {
            return Err(NotOurs("names a list that no sidecar is in".to_owned()));
        }
        if record.service.as_ref().is_some_and(|service| service.contains('/')) {
            return Err(NotOurs("names a container that cannot be".to_owned()));
        }
        let places = record.created.iter().chain(&record.added).chain(record.was.keys()).chain(record.text.keys());
        match places.into_iter().find(|place| !permitted(place)) {
            Some(place) => Err(NotOurs(format!("names {place:?}, which injecting never changes"))),
            None => Ok(Some(record)),
        }
    }

    /// As it stands in the annotation.
    #[must_use]
    pub fn text(&self) -> String {
        // Maps of text do not fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The annotations of a pod.
#[must_use]
pub fn annotations(pod: &Value) -> Option<&Map<String, Value>> {
    pod.pointer("/metadata/annotations")?.as_object()
}

/// Whether injecting ever changes what is at a place.
#[must_use]
pub fn permitted(place: &str) -> bool {
    let tokens: Vec<_> = place.split('/').skip(1).collect();
    match tokens.as_slice() {
        ["metadata"]
        | ["metadata", "annotations"]
        | ["spec", "volumes" | "initContainers" | "terminationGracePeriodSeconds"] => true,
        ["spec", "containers" | "initContainers", _, rest @ ..] => matches!(
            rest,
            ["ports", _, "name"]
                | ["startupProbe" | "readinessProbe" | "livenessProbe", "httpGet" | "tcpSocket", "port"]
                | ["lifecycle"]
                | ["lifecycle", "preStop"]
                | ["lifecycle", "preStop" | "postStart", "httpGet" | "tcpSocket", "port"]
        ),
        _ => false,
    }
}

/// The pod as it was; `None`: it was never injected.
///
/// # Errors
/// Its record is none of ours.
pub fn undo(pod: &Value) -> Result<Option<Value>, NotOurs> {
    let Some(record) = Record::of(pod)? else { return Ok(None) };
    let mut pod = pod.clone();
    let by_name = |item: &Value, wanted: &str| item["name"].as_str() == Some(wanted);
    if let Some(list) = list_mut(&mut pod, &record.sidecar) {
        list.retain(|container| !by_name(container, CONTAINER));
    }
    if let Some(list) = list_mut(&mut pod, "volumes") {
        let ours =
            |volume: &Value| record.volumes.iter().any(|name| name.starts_with(VOLUMES) && by_name(volume, name));
        list.retain(|volume| !ours(volume));
    }
    if let Some(all) = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        all.shift_remove(STATUS);
    }
    for place in record.added.iter().rev() {
        take(&mut pod, place, |_| true);
    }
    for place in record.created.iter().rev() {
        take(&mut pod, place, is_empty);
    }
    for (place, value) in &record.was {
        // Null stood for a list or object that was there without anything in it.
        match at(&mut pod, place) {
            Some(there) if !value.is_null() || is_empty(there) => *there = value.clone(),
            _ => {}
        }
    }
    Ok(Some(pod))
}

fn list_mut<'p>(pod: &'p mut Value, name: &str) -> Option<&'p mut Vec<Value>> {
    pod.get_mut("spec")?.get_mut(name)?.as_array_mut()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Takes a field out, if what it holds may go.
fn take(pod: &mut Value, place: &str, may_go: impl Fn(&Value) -> bool) {
    let Some((parent, key)) = place.rsplit_once('/') else { return };
    let Some(parent) = at(pod, parent).and_then(Value::as_object_mut) else { return };
    if parent.get(key).is_some_and(may_go) {
        parent.shift_remove(key);
    }
}

/// What is at a place.
pub fn at<'p>(pod: &'p mut Value, place: &str) -> Option<&'p mut Value> {
    place.split('/').skip(1).try_fold(pod, |value, token| match value {
        Value::Array(items) => {
            let index = index(items, token)?;
            items.get_mut(index)
        }
        Value::Object(map) => map.get_mut(token),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// The same place by indices alone, as a JSON pointer.
#[must_use]
pub fn pointer(pod: &Value, place: &str) -> Option<String> {
    let mut value = pod;
    let mut pointer = String::new();
    for token in place.split('/').skip(1) {
        let token = match value {
            Value::Array(items) => index(items, token)?.to_string(),
            Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => token.to_owned(),
        };
        pointer.push('/');
        pointer.push_str(&token);
        value = pod.pointer(&pointer)?;
    }
    Some(pointer)
}

fn index(items: &[Value], token: &str) -> Option<usize> {
    let named = items.iter().position(|item| item["name"].as_str() == Some(token));
    named.or_else(|| token.parse().ok())
}
