//! The own certificate over its life, and an API server that is asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Router, body::Bytes};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use super::certificates::Shown;
use super::cluster::{Cluster, Put};
use super::metrics::Metrics;
use super::own::{Keeper, Stored};
use super::{Settings, Source};
use crate::clock::Now;

const HOUR: u64 = 60 * 60;

/// A day on which everything begins.
const START: u64 = 1_800_000_000;

fn names() -> Vec<String> {
    ["svc", "svc.cluster.local"].map(|end| format!("hookwarden-injector.hookwarden.{end}")).to_vec()
}

fn renewed(stored: &Stored, now: u64) -> Option<Stored> {
    stored.renewed(&names(), now).expect("random numbers")
}

#[test]
fn what_is_shown_is_always_trusted() {
    let mut stored = renewed(&Stored::default(), START).expect("made");
    assert_eq!(renewed(&stored, START), None, "what was made is good");
    let (mut authorities, mut certificates) = (0, 0);
    for step in 1..2 * 365 * 2 {
        let now = START + step * 12 * HOUR;
        assert!(stored.is_trusted_by(&stored.authorities, &names(), now), "at {step}");
        let Some(next) = renewed(&stored, now) else { continue };
        // A replica that has not looked yet shows the old one; an API server that has not looked trusts the old ones.
        assert!(stored.is_trusted_by(&next.authorities, &names(), now), "the old one by the new, at {step}");
        assert!(next.is_trusted_by(&stored.authorities, &names(), now), "the new one by the old, at {step}");
        assert_eq!(renewed(&next, now), None, "once is enough, at {step}");
        authorities += u64::from(next.authorities != stored.authorities);
        certificates += u64::from(next.certificate != stored.certificate);
        assert!(next.authorities.matches("BEGIN").count() <= 2, "at {step}");
        stored = next;
    }
    assert_eq!((authorities, certificates >= 2 * 12), (2, true), "{certificates}");
}

#[test]
fn what_cannot_be_used_is_made_anew() {
    let good = renewed(&Stored::default(), START).expect("made");
    let other = renewed(&Stored::default(), START).expect("made");
    let broken = [
        Stored { authorities: "nonsense".into(), ..good.clone() },
        Stored { authority_key: other.authority_key.clone(), ..good.clone() },
        Stored { authority_key: String::new(), ..good.clone() },
        Stored { certificate: other.certificate.clone(), ..good.clone() },
        Stored { certificate: String::new(), ..good.clone() },
        Stored { key: other.key.clone(), ..good.clone() },
        Stored { key: "nonsense".into(), ..good.clone() },
    ];
    for (at, broken) in broken.iter().enumerate() {
        let next = renewed(broken, START + HOUR).expect("something to do");
        assert!(next.is_trusted_by(&next.authorities, &names(), START + HOUR), "{at}");
        assert_eq!(renewed(&next, START + HOUR), None, "{at}");
    }
    // After a long sleep.
    let late = renewed(&good, START + 10 * 365 * 24 * HOUR).expect("something to do");
    assert_eq!(late.authorities.matches("BEGIN").count(), 1);
    // For another name.
    let names = ["elsewhere.hookwarden.svc".to_owned()];
    let next = good.renewed(&names, START + HOUR).expect("random numbers").expect("something to do");
    assert!(next.is_trusted_by(&good.authorities, &names, START + HOUR));
}

#[test]
fn a_secret_holds_it() {
    let good = renewed(&Stored::default(), START).expect("made");
    let mut secret = json!({"kind": "Secret", "metadata": {"name": "x"}});
    good.put_into(&mut secret);
    assert_eq!(Stored::of(&secret), good);
    assert_eq!(Stored::of(&json!({"data": {"ca.crt": "%", "tls.crt": 1}})), Stored::default());
}

/// An API server that keeps two objects, and answers for namespaces by their names.
#[derive(Debug, Default)]
struct Api {
    objects: Mutex<Vec<(String, Value)>>,
    conflicts: Mutex<usize>,
    writes: Mutex<Vec<String>>,
}

const SECRET: &str = "/api/v1/namespaces/hookwarden/secrets/hookwarden-injector-tls";
const WEBHOOK: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/hookwarden-injector";

impl Api {
    fn new() -> Arc<Self> {
        let secret = json!({"kind": "Secret", "metadata": {"resourceVersion": "1"}, "type": "Opaque"});
        let webhook = json!({"metadata": {"resourceVersion": "1"}, "webhooks": [{"clientConfig": {}}, {"clientConfig": {"caBundle": "b2xk"}}]});
        let api = Self::default();
        *api.objects.lock().expect("whole") = vec![(SECRET.to_owned(), secret), (WEBHOOK.to_owned(), webhook)];
        Arc::new(api)
    }

    fn object(&self, path: &str) -> Value {
        let objects = self.objects.lock().expect("whole");
        objects.iter().find(|(known, _)| known == path).expect("an object").1.clone()
    }
}

fn allowed(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == "Bearer the-token")
}

async fn read(State(api): State<Arc<Api>>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    assert!(allowed(&headers));
    let path = format!("/{path}");
    match path.strip_prefix("/api/v1/namespaces/").filter(|rest| !rest.contains('/')) {
        Some("shop") => Json(json!({"metadata": {"labels": {"hookwarden.io/inject": "enabled"}}})).into_response(),
        Some("secret") => (StatusCode::FORBIDDEN, Json(json!({"message": "no"}))).into_response(),
        Some(_) => (StatusCode::INTERNAL_SERVER_ERROR, "down").into_response(),
        None => Json(api.object(&path)).into_response(),
    }
}

async fn write(State(api): State<Arc<Api>>, Path(path): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    assert!(allowed(&headers));
    let (path, mut object): (_, Value) = (format!("/{path}"), serde_json::from_slice(&body).expect("JSON"));
    let mut conflicts = api.conflicts.lock().expect("whole");
    let mut objects = api.objects.lock().expect("whole");
    let there = &mut objects.iter_mut().find(|(known, _)| *known == path).expect("an object").1;
    let same = there["metadata"]["resourceVersion"] == object["metadata"]["resourceVersion"];
    if *conflicts > 0 || !same {
        *conflicts = conflicts.saturating_sub(1);
        return (StatusCode::CONFLICT, Json(json!({"message": "the object has been modified"}))).into_response();
    }
    let version: u64 = object["metadata"]["resourceVersion"].as_str().expect("text").parse().expect("a number");
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
    *there = object.clone();
    api.writes.lock().expect("whole").push(path);
    Json(object).into_response()
}

/// Runs something beside the API server.
fn beside<F: Future>(api: &Arc<Api>, test: impl FnOnce(String, PathBuf) -> F) -> F::Output {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("token"), "the-token\n").expect("a file");
    std::fs::write(folder.path().join("ca.crt"), "").expect("a file");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/{*path}", get(read).put(write)).with_state(api.clone());
        tokio::task::spawn_local(async move { axum::serve(listener, router).await });
        test(base, folder.path().to_owned()).await
    })
}

fn settings() -> Settings {
    let (listen, image) = (([127, 0, 0, 1], 0).into(), String::new());
    let own = Source::Own {
        secret: "hookwarden-injector-tls".into(),
        service: "hookwarden-injector".into(),
        webhook: "hookwarden-injector".into(),
    };
    Settings {
        listen,
        admin_listen: listen,
        certificates: own,
        namespace: "hookwarden".into(),
        image,
        api_server: String::new(),
        service_account: PathBuf::new(),
    }
}

#[test]
fn replicas_agree_by_the_secret() {
    let api = Api::new();
    *api.conflicts.lock().expect("whole") = 2;
    let shown: [Shown; 2] = std::array::from_fn(|_| Shown::default());
    beside(&api, async |base, account| {
        let cluster = Cluster::new(&base, &account).expect("an address").expect("an account");
        let keeper = || Keeper::new(&settings(), Some(cluster.clone())).expect("names").expect("one of its own");
        let (one, other, metrics) = (keeper(), keeper(), Metrics::new().expect("meters"));
        tokio::join!(one.keep(&shown[0], &metrics), other.keep(&shown[1], &metrics));
        tokio::join!(one.keep(&shown[0], &metrics), other.keep(&shown[1], &metrics));
    });
    let stored = Stored::of(&api.object(SECRET));
    let now = Now::read().unix_seconds();
    assert!(stored.is_trusted_by(&stored.authorities, &names(), now));
    for shown in &shown {
        assert!(shown.is_there());
        assert!(
            !shown.show(stored.certificate.as_bytes(), stored.key.as_bytes()).expect("good"),
            "it is shown already"
        );
    }
    let webhook = api.object(WEBHOOK);
    for at in 0..2 {
        assert_eq!(webhook["webhooks"][at]["clientConfig"]["caBundle"], api.object(SECRET)["data"]["ca.crt"]);
    }
    assert_eq!(api.object(SECRET)["type"], "Opaque", "the rest of it is as it was");
    let writes = api.writes.lock().expect("whole");
    assert_eq!((writes[0].as_str(), writes.len()), (SECRET, 2), "one made it, one wrote it down: {writes:?}");
}

#[test]
fn what_a_namespace_says() {
    beside(&Api::new(), async |base, account| {
        let cluster = Cluster::new(&base, &account).expect("an address").expect("an account");
        assert!(cluster.namespace("shop").await.expect("an answer").opted_in);
        assert!(!cluster.namespace("secret").await.expect("one that may not be read says nothing").opted_in);
        assert!(cluster.namespace("broken").await.expect_err("no answer").contains("500"));
        assert!(cluster.namespace("../secrets").await.expect_err("no name").contains("no object's name"));
        let mut secret = cluster.get(SECRET).await.expect("an object");
        secret["metadata"]["resourceVersion"] = json!("7");
        assert_eq!(cluster.put(SECRET, &secret).await, Ok(Put::Conflict));
    });
    let nowhere = PathBuf::from("nowhere");
    assert!(Cluster::new("https://kubernetes.default.svc", &nowhere).expect("none").is_none());
    assert!(Keeper::new(&settings(), None).expect_err("it needs one").contains("service account"));
}
