//! An admission review (`admission.k8s.io/v1`) in, and its answer out. Pure: whoever serves it hands in what is known of the
//! namespace.
//!
//! What is no pod that is being created is allowed as it is: the webhook is asked for less than it can be sent, and to
//! stand in the way of the rest would be worse than to be of no use. <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::pod::{Context, Outcome, inject};
use super::{ENABLED, LABEL, json_patch};

const VERSION: &str = "admission.k8s.io/v1";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No JSON, or not of that shape.
    #[error("not an AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    /// No text: a field that nobody reads may hold anything else.
    #[error("not an AdmissionReview: {0}")]
    Text(#[from] std::str::Utf8Error),
    /// Of another version.
    #[error("an AdmissionReview of {0:?}: only admission.k8s.io/v1 is known")]
    Version(String),
    /// An answer, or nothing.
    #[error("an AdmissionReview without a request")]
    Empty,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    api_version: String,
    kind: String,
    request: Option<Request>,
}

/// What is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    uid: String,
    kind: Kind,
    #[serde(default)]
    sub_resource: String,
    operation: String,
    /// The namespace of the object.
    #[serde(default)]
    pub namespace: String,
    #[serde(default)]
    object: Value,
}

#[derive(Debug, Clone, Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    version: String,
    #[serde(rename = "kind")]
    name: String,
}

/// What is known of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Whether its label opts in.
    pub opted_in: bool,
    /// Its annotations.
    pub annotations: Map<String, Value>,
}

impl Namespace {
    /// That of a namespace object.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let metadata = &object["metadata"];
        Self {
            opted_in: metadata["labels"][LABEL] == ENABLED,
            annotations: metadata["annotations"].as_object().cloned().unwrap_or_default(),
        }
    }
}

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The pod gets the sidecar.
    Injected,
    /// It has it already.
    Unchanged,
    /// It is to stay as it is.
    NotOurs,
    /// It is not let in.
    Refused,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Injected, Self::Unchanged, Self::NotOurs, Self::Refused];

    /// As metrics and logs call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Unchanged => "unchanged",
            Self::NotOurs => "not_ours",
            Self::Refused => "refused",
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How the review ended.
    pub verdict: Verdict,
    /// Why, where the pod was refused or is none of ours.
    pub why: String,
    /// The review that is sent back.
    pub body: Value,
}

impl Request {
    /// Reads a review.
    ///
    /// # Errors
    /// It is none, or one of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let Envelope { api_version, kind, request } = serde_json::from_str(std::str::from_utf8(bytes)?)?;
        if api_version != VERSION || kind != "AdmissionReview" {
            return Err(Unreadable::Version(api_version));
        }
        request.ok_or(Unreadable::Empty)
    }

    /// Whether the namespace makes a difference, so that it is worth looking up.
    #[must_use]
    pub fn is_of_a_new_pod(&self) -> bool {
        let pod = self.kind.group.is_empty() && self.kind.version == "v1" && self.kind.name == "Pod";
        pod && self.operation == "CREATE" && self.sub_resource.is_empty()
    }

    /// Answers.
    #[must_use]
    pub fn answer(&self, namespace: &Namespace, own_namespace: &str, image: &str) -> Answer {
        if !self.is_of_a_new_pod() {
            return self.allowed(Verdict::NotOurs, "it is no pod that is being created".to_owned());
        }
        let context = Context {
            namespace: &self.namespace,
            own_namespace,
            opted_in: namespace.opted_in,
            annotations: Some(&namespace.annotations),
            image,
        };
        match inject(&self.object, context) {
            Outcome::NotOurs(why) => self.allowed(Verdict::NotOurs, why),
            Outcome::Injected(pod) if *pod == self.object => self.allowed(Verdict::Unchanged, String::new()),
            Outcome::Injected(pod) => self.patched(&json_patch::diff(&self.object, &pod)),
            Outcome::Refused(faults) => self.refused(&faults),
        }
    }

    fn allowed(&self, verdict: Verdict, why: String) -> Answer {
        Answer { verdict, why, body: review(&json!({ "uid": self.uid, "allowed": true })) }
    }

    fn patched(&self, operations: &[Value]) -> Answer {
        // A list of JSON values does not fail to be written.
        let patch = serde_json::to_vec(operations).unwrap_or_default();
        let body = review(&json!({
            "uid": self.uid,
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": BASE64.encode(&patch),
            "auditAnnotations": { "injected": env!("CARGO_PKG_VERSION") },
        }));
        Answer { verdict: Verdict::Injected, why: String::new(), body }
    }

    /// 422, as the API server itself answers an object that is not valid.
    fn refused(&self, faults: &[String]) -> Answer {
        let why = faults.join("\n");
        let status = json!({
            "status": "Failure",
            "code": 422,
            "reason": "Invalid",
            "message": format!("hookwarden: {why}"),
        });
        let body = review(&json!({ "uid": self.uid, "allowed": false, "status": status }));
        Answer { verdict: Verdict::Refused, why, body }
    }
}

fn review(response: &Value) -> Value {
    json!({ "apiVersion": VERSION, "kind": "AdmissionReview", "response": response })
}
