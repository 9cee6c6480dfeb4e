//! Every object that is shipped, and every pod that is injected, read as the type that Kubernetes has for it and written
//! again: what the type does not know is not there any more, and that is how a misspelt field is found. An API server
//! drops it without a word. Kinds that others define are held against their published definitions in the same way, by
//! `tests/deploy/manifests.py`.
//!
//! The types are the newest Kubernetes'; for the oldest, `packaging` has the strict schemas.

use std::sync::OnceLock;

use hookwarden::inject::pod::{Context, Outcome, inject};
use hookwarden::inject::{IMAGE, NAMESPACE};
use k8s_openapi::Resource;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::{Eviction, PodDisruptionBudget};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::admission::reviews;
use crate::packaging::{judge, rendered};

/// What is read as a type and written again.
type Again = fn(&Value) -> serde_json::Result<Value>;

const fn kind<T: Resource + Serialize + DeserializeOwned>() -> (&'static str, &'static str, Again) {
    (T::API_VERSION, T::KIND, |object| serde_json::to_value(T::deserialize(object)?))
}

/// All kinds of ours. A new one is a row.
const KINDS: &[(&str, &str, Again)] = &[
    kind::<ClusterRole>(),
    kind::<ClusterRoleBinding>(),
    kind::<ConfigMap>(),
    kind::<CronJob>(),
    kind::<Deployment>(),
    kind::<Eviction>(),
    kind::<Ingress>(),
    kind::<MutatingWebhookConfiguration>(),
    kind::<Namespace>(),
    kind::<NetworkPolicy>(),
    kind::<Pod>(),
    kind::<PodDisruptionBudget>(),
    kind::<PriorityClass>(),
    kind::<Role>(),
    kind::<RoleBinding>(),
    kind::<Secret>(),
    kind::<Service>(),
    kind::<ServiceAccount>(),
    kind::<ValidatingAdmissionPolicy>(),
    kind::<ValidatingAdmissionPolicyBinding>(),
];

/// The groups of the Prometheus operator and of cert-manager.
const FOREIGN: &[&str] = &["cert-manager.io/v1", "monitoring.coreos.com/v1"];

/// Every object of every overlay and of the chart with every set of values, a line of JSON each.
fn objects() -> &'static [String] {
    static OBJECTS: OnceLock<Vec<String>> = OnceLock::new();
    OBJECTS.get_or_init(|| {
        let manifests: Vec<_> = rendered().into_iter().map(|(_, text)| text).collect();
        judge("everything", &["objects"], &manifests.join("\n---\n")).lines().map(str::to_owned).collect()
    })
}

fn is_foreign(object: &Value) -> bool {
    FOREIGN.iter().any(|group| object["apiVersion"] == *group)
}

/// What is wrong with an object, a line each.
fn faults(object: &Value) -> Vec<String> {
    // Of Kubernetes 1.29, with the same fields as what it became: types of today have but that.
    let mut object = object.clone();
    if object["apiVersion"] == "admissionregistration.k8s.io/v1beta1" {
        object["apiVersion"] = json!("admissionregistration.k8s.io/v1");
    }
    let name = format!("{} {} {}", object["apiVersion"], object["kind"], object["metadata"]["name"]);
    let known = KINDS.iter().find(|(version, kind, _)| object["apiVersion"] == *version && object["kind"] == *kind);
    let Some((_, _, again)) = known else { return vec![format!("{name}: no type for it")] };
    match again(&object) {
        Ok(again) => lost(&object, &again, "").into_iter().map(|place| format!("{name}: {place}")).collect(),
        Err(error) => vec![format!("{name}: {error}")],
    }
}

/// Where something of `before` is not the same `after`, as JSON pointers. A null says no more than nothing does.
fn lost(before: &Value, after: &Value, place: &str) -> Vec<String> {
    match (before, after) {
        (Value::Object(fields), Value::Object(_)) => {
            let told = fields.iter().filter(|(_, value)| !value.is_null());
            told.flat_map(|(name, value)| lost(value, &after[name], &format!("{place}/{name}"))).collect()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.flat_map(|(at, (one, other))| lost(one, other, &format!("{place}/{at}"))).collect()
        }
        _ if before == after => vec![],
        _ => vec![place.to_owned()],
    }
}

#[test]
fn everything_shipped_is_what_its_type_says() {
    let ours: Vec<Value> = objects().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let faults: Vec<_> = ours.iter().filter(|object| !is_foreign(object)).flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(ours.len() > 150, "all is rendered: {}", ours.len());
}

#[test]
fn what_others_define_is_as_they_define_it() {
    let is_one = |line: &&String| is_foreign(&serde_json::from_str(line).expect("JSON"));
    let foreign: Vec<_> = objects().iter().filter(is_one).map(String::as_str).collect();
    assert!(foreign.len() >= 10, "those of overlays and chart: {}", foreign.len());
    judge("what others define", &["foreign"], &foreign.join("\n---\n"));
}

#[test]
fn every_injected_pod_is_a_pod() {
    let mut injected = 0;
    for (name, review) in reviews() {
        let object = &review["request"]["object"];
        assert_eq!(faults(object), Vec::<String>::new(), "{name}");
        let context = Context {
            namespace: review["request"]["namespace"].as_str().unwrap_or_default(),
            own_namespace: NAMESPACE,
            opted_in: false,
            annotations: None,
            image: IMAGE,
        };
        if let Outcome::Injected(pod) = inject(object, context) {
            assert_eq!(faults(&pod), Vec::<String>::new(), "{name}, injected");
            injected += 1;
        }
    }
    assert!(injected >= 6, "{injected}");
}

#[test]
fn a_misspelt_field_is_found() {
    let pod = |container: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}});
    for (container, place) in [
        (json!({"name": "a", "imagePullPolcy": "Always"}), "/spec/containers/0/imagePullPolcy"),
        (json!({"name": "a", "resources": {"limit": {"cpu": "1"}}}), "/spec/containers/0/resources/limit"),
        (json!({"name": "a", "ports": [{"containerPort": "http"}]}), "invalid type"),
    ] {
        let found = faults(&pod(container));
        assert!(found.len() == 1 && found[0].contains(place), "{place}: {found:?}");
    }
    assert!(faults(&json!({"apiVersion": "v1", "kind": "Pods"}))[0].contains("no type"));
    let misspelt = "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: a}, spec: {selfSined: {}}}";
    let said = crate::packaging::refusal(&["foreign"], misspelt);
    assert!(said.contains("/spec/selfSined"), "{said}");
}
