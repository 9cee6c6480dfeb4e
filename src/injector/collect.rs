//! What the scheduled audit and review look at, read from the API server into a file: a namespace's objects, or the
//! records in its sidecars' logs. The image has neither a shell nor `kubectl`, and needs none for this.
//!
//! All that is read has a bound, and goes on as it comes: a page of objects or one pod's log is in memory at a time.
//! Deliberately absent: Secrets, which no rule of the audit wants to see; other namespaces; logs that the nodes have
//! rotated away, as for `kubectl logs`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime;

use crate::fetch::client::Ask;
use crate::fetch::client::call::Reply;
use crate::inject::CONTAINER;

use super::cluster::{Cluster, segment, told};

/// What the audit has rules for, by group and version.
const KINDS: &[(&str, &[&str])] = &[
    ("/api/v1", &["pods", "services", "configmaps"]),
    ("/apis/apps/v1", &["deployments", "statefulsets", "daemonsets"]),
    ("/apis/batch/v1", &["cronjobs"]),
    ("/apis/networking.k8s.io/v1", &["networkpolicies", "ingresses"]),
];

/// Objects in a page, and its bytes: an API server stores none of more than 1.5 MiB, so that a page always fits.
const PAGE: usize = 20;
const MAX_PAGE: u64 = 32 << 20;

/// What `audit -f` reads at most.
const MAX_OBJECTS: usize = 64 << 20;

/// One pod's log. A kubelet rotates logs at 10 MiB where nobody told it otherwise.
const MAX_LOG: u64 = 64 << 20;

/// How long one answer may take. Nobody waits for a job at night.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whom to ask, and about what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API server is.
    pub api_server: String,
    /// The directory with a service account's `token`, `ca.crt` and `namespace`.
    pub service_account: PathBuf,
    /// The namespace; `None`: the service account's.
    pub namespace: Option<String>,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The objects that the audit has rules for: a YAML stream, a document each.
    Objects,
    /// What the sidecars' logs have of this last while: a line each.
    Records(Duration),
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Objects, or pods whose log was read.
    pub count: usize,
    /// Pods whose log could not be had, and why: one that has not started, say.
    pub left_out: Vec<String>,
}

/// Why it was not read.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// This runs in no cluster, or not as anybody.
    #[error("there is no service account in {}", .0.display())]
    NoAccount(PathBuf),
    /// The API server does not answer, or not with what was asked for.
    #[error("{0}")]
    Cluster(String),
    /// There are more objects than the audit reads.
    #[error("the objects of {0} have more than {MAX_OBJECTS} bytes: audit its kinds one by one, from a file")]
    TooMany(String),
    /// It cannot be written down, or the system refused something.
    #[error("it cannot be written: {0}")]
    Write(#[from] io::Error),
}

impl From<String> for Failed {
    fn from(problem: String) -> Self {
        Self::Cluster(problem)
    }
}

/// Reads it, and writes it down.
///
/// # Errors
/// [`Failed`]. What was written by then is no whole.
pub fn collect(settings: &Settings, what: What, out: &mut dyn Write) -> Result<Collected, Failed> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(read(settings, what, out))
}

async fn read(settings: &Settings, what: What, out: &mut dyn Write) -> Result<Collected, Failed> {
    let account = &settings.service_account;
    let cluster = Cluster::new(&settings.api_server, account)?.ok_or_else(|| Failed::NoAccount(account.clone()))?;
    let namespace = match &settings.namespace {
        Some(name) => name.clone(),
        None => own_namespace(account)?,
    };
    let namespace = segment(&namespace)?;
    match what {
        What::Objects => objects(&cluster, namespace, out).await,
        What::Records(since) => records(&cluster, namespace, since, out).await,
    }
}

fn own_namespace(account: &Path) -> Result<String, Failed> {
    let path = account.join("namespace");
    let text = std::fs::read_to_string(&path);
    text.map(|text| text.trim().to_owned()).map_err(|error| Failed::Cluster(format!("{}: {error}", path.display())))
}

async fn objects(cluster: &Cluster, namespace: &str, out: &mut dyn Write) -> Result<Collected, Failed> {
    let (mut count, mut written) = (0, 0);
    for (group, kinds) in KINDS {
        for kind in *kinds {
            let mut pages = Pages::new(format!("{group}/namespaces/{namespace}/{kind}"));
            while let Some(page) = pages.next(cluster).await? {
                for object in page {
                    let text = format!("---\n{object}\n");
                    written += text.len();
                    if written > MAX_OBJECTS {
                        return Err(Failed::TooMany(namespace.to_owned()));
                    }
                    out.write_all(text.as_bytes())?;
                    count += 1;
                }
            }
        }
    }
    Ok(Collected { count, left_out: Vec::new() })
}

async fn records(
    cluster: &Cluster,
    namespace: &str,
    since: Duration,
    out: &mut dyn Write,
) -> Result<Collected, Failed> {
    let mut collected = Collected::default();
    let mut pages = Pages::new(format!("/api/v1/namespaces/{namespace}/pods"));
    while let Some(page) = pages.next(cluster).await? {
        for pod in page.iter().filter(|pod| has_sidecar(pod)) {
            let name = segment(pod["metadata"]["name"].as_str().unwrap_or_default())?;
            let seconds = since.as_secs();
            let path =
                format!("/api/v1/namespaces/{namespace}/pods/{name}/log?container={CONTAINER}&sinceSeconds={seconds}");
            let Reply { status, body } = cluster.call(&path, Ask::get(MAX_LOG, PATIENCE)).await?;
            match status {
                200 => {
                    out.write_all(&body)?;
                    // A pod that is killed in the middle of a line must not lose another's first.
                    if body.last().is_some_and(|last| *last != b'\n') {
                        out.write_all(b"\n")?;
                    }
                    collected.count += 1;
                }
                // It has not started yet, or is gone by now.
                400 | 404 => collected.left_out.push(format!("{name}: {}", told(&Reply { status, body }))),
                _ => return Err(Failed::Cluster(format!("the log of {name}: {}", told(&Reply { status, body })))),
            }
        }
    }
    Ok(collected)
}

fn has_sidecar(pod: &Value) -> bool {
    let lists = ["initContainers", "containers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
    lists.flatten().any(|container| container["name"] == CONTAINER)
}

/// A list, a page at a time.
struct Pages {
    path: String,
    /// Where the next one begins; `None`: there is none.
    from: Option<String>,
}

impl Pages {
    fn new(path: String) -> Self {
        Self { path, from: Some(String::new()) }
    }

    /// The next page's objects, each with its kind: in a list they say none.
    async fn next(&mut self, cluster: &Cluster) -> Result<Option<Vec<Value>>, Failed> {
        let Some(from) = self.from.take() else { return Ok(None) };
        let path = format!("{}?limit={PAGE}&continue={from}", self.path);
        let mut list = cluster.object(&path, Ask::get(MAX_PAGE, PATIENCE)).await?;
        let (version, kind) = (list["apiVersion"].clone(), list["kind"].as_str().unwrap_or_default());
        let kind = kind.strip_suffix("List").map(str::to_owned);
        let kind = kind.ok_or_else(|| Failed::Cluster(format!("GET {}: the answer is no list", self.path)))?;
        self.from = match list["metadata"]["continue"].as_str() {
            None | Some("") => None,
            Some(token) if token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=.~".contains(&b)) => {
                Some(token.to_owned())
            }
            Some(_) => return Err(Failed::Cluster(format!("GET {}: the next page has no readable name", self.path))),
        };
        let mut items = match list["items"].take() {
            Value::Array(items) => items,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
        };
        for item in &mut items {
            if let Value::Object(item) = item {
                item.insert("apiVersion".to_owned(), version.clone());
                item.insert("kind".to_owned(), kind.clone().into());
            }
            if let Some(metadata) = item["metadata"].as_object_mut() {
                // Longer than the object, and of no use to the audit.
                metadata.remove("managedFields");
            }
        }
        Ok(Some(items))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode, Uri};
    use serde_json::json;

    use super::*;
    use crate::govern::manifests::Manifests;

    /// An API server that knows answers by path and query; all lists that it does not know are empty.
    #[derive(Default)]
    struct Api {
        answers: HashMap<String, (u16, String)>,
        asked: Mutex<Vec<String>>,
    }

    async fn answer(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap) -> (StatusCode, String) {
        assert_eq!(headers["authorization"], "Bearer the-token");
        let asked = uri.to_string();
        api.asked.lock().expect("whole").push(asked.clone());
        let empty = || (200, json!({"apiVersion": "v1", "kind": "EmptyList", "items": null}).to_string());
        let (status, body) = api.answers.get(&asked).cloned().unwrap_or_else(empty);
        (StatusCode::from_u16(status).expect("a status"), body)
    }

    fn api(answers: &[(&str, u16, &str)]) -> Arc<Api> {
        let answers = answers.iter().map(|(path, status, body)| ((*path).to_owned(), (*status, (*body).to_owned())));
        Arc::new(Api { answers: answers.collect(), ..Api::default() })
    }

    fn collected(api: &Arc<Api>, what: What, namespace: Option<&str>) -> (Result<Collected, Failed>, String) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("token", "the-token\n"), ("ca.crt", ""), ("namespace", "shop")] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut out = Vec::new();
        let result = tokio::task::LocalSet::new().block_on(&runtime, async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let api_server = format!("http://{}", listener.local_addr().expect("an address"));
            let router = Router::new().fallback(answer).with_state(api.clone());
            tokio::task::spawn_local(async move { axum::serve(listener, router).await });
            let service_account = folder.path().to_owned();
            let settings = Settings { api_server, service_account, namespace: namespace.map(str::to_owned) };
            read(&settings, what, &mut out).await
        });
        (result, String::from_utf8(out).expect("text"))
    }

    const PODS: &str = "/api/v1/namespaces/shop/pods?limit=20&continue=";
    const LOG: &str = "log?container=hookwarden&sinceSeconds=3600";
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn objects_come_page_by_page_with_their_kinds() {
        let first = r#"{"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": "eyJ2Ijo_"}, "items": [
            {"metadata": {"name": "one", "namespace": "shop", "managedFields": [{"manager": "x"}]}}]}"#;
        let second = r#"{"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": ""}, "items": [
            {"metadata": {"name": "two", "namespace": "shop"}}]}"#;
        let ingresses = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "IngressList", "items": [
            {"metadata": {"name": "hooks", "namespace": "shop"}}]}"#;
        let api = api(&[
            (PODS, 200, first),
            (&format!("{PODS}eyJ2Ijo_"), 200, second),
            ("/apis/networking.k8s.io/v1/namespaces/shop/ingresses?limit=20&continue=", 200, ingresses),
        ]);
        let (result, text) = collected(&api, What::Objects, None);
        assert_eq!(result.expect("read"), Collected { count: 3, left_out: vec![] });
        assert!(text.contains(r#""kind":"Ingress""#) && text.contains(r#""apiVersion":"networking.k8s.io/v1""#));
        assert!(text.contains(r#""kind":"Pod""#) && !text.contains("managedFields"), "{text}");
        assert_eq!(api.asked.lock().expect("whole").len(), 10, "nine kinds, one of them in two pages");
        let mut manifests = Manifests::default();
        manifests.add("objects", &text).expect("what the audit reads");
        assert!(!manifests.is_empty());
    }

    #[test]
    fn records_are_those_of_pods_with_a_sidecar() {
        let pods = json!({"apiVersion": "v1", "kind": "PodList", "items": [
            {"metadata": {"name": "native"}, "spec": {"initContainers": [{"name": "hookwarden"}], "containers": [{"name": "app"}]}},
            {"metadata": {"name": "none"}, "spec": {"containers": [{"name": "app"}]}},
            {"metadata": {"name": "waiting"}, "spec": {"containers": [{"name": "app"}, {"name": "hookwarden"}]}},
            {"metadata": {"name": "plain"}, "spec": {"containers": [{"name": "app"}, {"name": "hookwarden"}]}},
        ]});
        let log = |pod: &str| format!("/api/v1/namespaces/shop/pods/{pod}/{LOG}");
        let known = api(&[
            (PODS, 200, &pods.to_string()),
            (&log("native"), 200, "{\"a\":1}\n{\"a\":2}"),
            (&log("waiting"), 400, "{\"message\": \"container is waiting to start\"}"),
            (&log("plain"), 200, "{\"a\":3}\n"),
        ]);
        let (result, text) = collected(&known, What::Records(HOUR), Some("shop"));
        let left_out = vec!["waiting: status 400: container is waiting to start".to_owned()];
        assert_eq!(result.expect("read"), Collected { count: 2, left_out });
        assert_eq!(text, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let refused = r#"{"kind": "Status", "message": "pods is forbidden"}"#;
        let odd = r#"{"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": "a&limit=0"}}"#;
        for (answer, namespace, said) in [
            ((403, refused), None, "pods is forbidden"),
            ((200, "{}"), None, "no list"),
            ((200, "nonsense"), None, "no JSON"),
            ((200, odd), None, "next page"),
            ((200, "{}"), Some("../shop"), "no object's name"),
        ] {
            let (result, _) = collected(&api(&[(PODS, answer.0, answer.1)]), What::Objects, namespace);
            let problem = result.expect_err("refused").to_string();
            assert!(problem.contains(said), "{said}: {problem}");
        }
        let nowhere = Settings {
            api_server: "https://kubernetes.default.svc".into(),
            service_account: "nowhere".into(),
            namespace: None,
        };
        let problem = collect(&nowhere, What::Objects, &mut Vec::new()).expect_err("no account").to_string();
        assert!(problem.contains("no service account"), "{problem}");
    }
}
