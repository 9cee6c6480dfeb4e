//! Pods as API servers send them, and manifests as people write them: what becomes of each.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::pod::{Context, Outcome, inject};
use super::review::{Answer, Namespace, Request, Unreadable, Verdict};
use super::text::{Filtered, Options, filter};
use super::{CONTAINER, IMAGE, NAMESPACE, STATUS, undo};

const REVIEWS: &[(&str, &str)] = &[
    ("deployment", include_str!("../../tests/admission/deployment.json")),
    ("job", include_str!("../../tests/admission/job.json")),
    ("bare", include_str!("../../tests/admission/bare.json")),
    ("init-containers", include_str!("../../tests/admission/init-containers.json")),
    ("restricted", include_str!("../../tests/admission/restricted.json")),
    ("windows", include_str!("../../tests/admission/windows.json")),
    ("host-network", include_str!("../../tests/admission/host-network.json")),
    ("dry-run", include_str!("../../tests/admission/dry-run.json")),
    ("mirror", include_str!("../../tests/admission/mirror.json")),
    ("kube-system", include_str!("../../tests/admission/kube-system.json")),
    ("own-namespace", include_str!("../../tests/admission/own-namespace.json")),
    ("not-opted-in", include_str!("../../tests/admission/not-opted-in.json")),
    ("opted-out", include_str!("../../tests/admission/opted-out.json")),
    ("collisions", include_str!("../../tests/admission/collisions.json")),
    ("bad-annotations", include_str!("../../tests/admission/bad-annotations.json")),
    ("update", include_str!("../../tests/admission/update.json")),
    ("eviction", include_str!("../../tests/admission/eviction.json")),
];

fn review(name: &str) -> Value {
    let (_, text) = REVIEWS.iter().find(|(known, _)| *known == name).expect("a review of that name");
    serde_json::from_str(text).expect("JSON")
}

fn answer(review: &Value, namespace: &Namespace) -> Answer {
    let request = Request::parse(review.to_string().as_bytes()).expect("a review");
    request.answer(namespace, NAMESPACE, IMAGE)
}

/// The answer, and the pod that the API server makes of it.
fn admitted(review: &Value) -> (Answer, Value) {
    let answer = answer(review, &Namespace::default());
    let mut pod = review["request"]["object"].clone();
    let response = &answer.body["response"];
    assert_eq!(response["uid"], review["request"]["uid"]);
    if let Some(patch) = response["patch"].as_str() {
        assert_eq!(response["patchType"], "JSONPatch");
        apply(&mut pod, &serde_json::from_slice(&BASE64.decode(patch.as_bytes()).expect("base64")).expect("JSON"));
    }
    (answer, pod)
}

/// RFC 6902, as far as our patches go.
fn apply(document: &mut Value, patch: &Value) {
    for operation in patch.as_array().expect("a list") {
        let path = operation["path"].as_str().expect("a path");
        let (parent, key) = path.rsplit_once('/').expect("not the root");
        let key = key.replace("~1", "/").replace("~0", "~");
        let value = operation["value"].clone();
        match (document.pointer_mut(parent).expect("a parent"), operation["op"].as_str()) {
            (Value::Object(parent), Some("add" | "replace")) => drop(parent.insert(key, value)),
            (Value::Object(parent), Some("remove")) => drop(parent.shift_remove(&key).expect("it is there")),
            (Value::Array(parent), Some("add")) => parent.insert(key.parse().expect("an index"), value),
            (Value::Array(parent), Some("replace")) => parent[key.parse::<usize>().expect("an index")] = value,
            (Value::Array(parent), Some("remove")) => drop(parent.remove(key.parse().expect("an index"))),
            other => panic!("{other:?}"),
        }
    }
}

fn sidecar(pod: &Value) -> &Value {
    let all = ["initContainers", "containers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
    all.flatten().find(|container| container["name"] == CONTAINER).expect("a sidecar")
}

#[test]
fn what_becomes_of_each_review() {
    for (name, verdict, why) in [
        ("deployment", Verdict::Injected, ""),
        ("job", Verdict::Injected, ""),
        ("bare", Verdict::Injected, ""),
        ("init-containers", Verdict::Injected, ""),
        ("restricted", Verdict::Injected, ""),
        ("dry-run", Verdict::Injected, ""),
        ("windows", Verdict::Refused, "Windows"),
        ("host-network", Verdict::Refused, "hostNetwork"),
        ("collisions", Verdict::Refused, "container \"hookwarden\""),
        ("bad-annotations", Verdict::Refused, "take-port"),
        ("mirror", Verdict::NotOurs, "mirror"),
        ("kube-system", Verdict::NotOurs, "cluster's own"),
        ("own-namespace", Verdict::NotOurs, "injector's own"),
        ("not-opted-in", Verdict::NotOurs, "label"),
        ("opted-out", Verdict::NotOurs, "disabled"),
        ("update", Verdict::NotOurs, "created"),
        ("eviction", Verdict::NotOurs, "created"),
    ] {
        let review = review(name);
        let (answer, pod) = admitted(&review);
        assert_eq!(answer.verdict, verdict, "{name}: {}", answer.why);
        assert!(answer.why.contains(why), "{name}: {}", answer.why);
        assert_eq!(answer.body["response"]["allowed"], verdict != Verdict::Refused, "{name}");
        let changed = pod != review["request"]["object"];
        assert_eq!(changed, verdict == Verdict::Injected, "{name}");
    }
}

#[test]
fn a_pod_of_a_deployment_in_every_field() {
    let expected: Value =
        serde_json::from_str(include_str!("../../tests/admission/deployment.pod.json")).expect("JSON");
    let (_, pod) = admitted(&review("deployment"));
    // The version moves on with each release.
    let text = pod.to_string().replace(env!("CARGO_PKG_VERSION"), "VERSION");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), expected, "{text}");
}

#[test]
fn an_injected_pod_stays_as_it_is() {
    for name in ["deployment", "job", "bare", "init-containers", "restricted"] {
        let mut again = review(name);
        let before = again["request"]["object"].clone();
        let (_, pod) = admitted(&again);
        assert_eq!(undo::undo(&pod).expect("ours"), Some(before), "{name}");
        again["request"]["object"] = pod;
        assert_eq!(answer(&again, &Namespace::default()).verdict, Verdict::Unchanged, "{name}");

        // The API server fills in defaults, and mounts the token; another webhook adds a container and a volume.
        let spec = &mut again["request"]["object"]["spec"];
        let sidecar = spec["initContainers"].as_array_mut().and_then(|all| all.last_mut()).expect("a sidecar");
        sidecar["terminationMessagePath"] = json!("/dev/termination-log");
        sidecar["imagePullPolicy"] = json!("IfNotPresent");
        sidecar["readinessProbe"]["successThreshold"] = json!(1);
        let mut mounts = sidecar["volumeMounts"].as_array().cloned().unwrap_or_default();
        mounts.push(json!({"name": "kube-api-access-7kq2m", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}));
        sidecar["volumeMounts"] = Value::Array(mounts);
        spec["containers"].as_array_mut().expect("a list").insert(0, json!({"name": "mesh", "image": "mesh:1"}));
        spec["initContainers"].as_array_mut().expect("a list").push(json!({"name": "late", "image": "late:1"}));
        let found = answer(&again, &Namespace::default());
        let (fixed, _) = admitted(&again);
        let order = |pod: &Value| pod["spec"]["initContainers"].as_array().map(Vec::len);
        assert_eq!(order(&admitted(&again).1), order(&again["request"]["object"]), "{name}");
        // What was made by injecting and is in use by others now is no longer undone: at most the record says so.
        if found.verdict == Verdict::Injected {
            let patch = fixed.body["response"]["patch"].as_str().expect("a patch");
            let patch: Value = serde_json::from_slice(&BASE64.decode(patch.as_bytes()).expect("base64")).expect("JSON");
            assert_eq!(patch[0]["path"], "/metadata/annotations/hookwarden.io~1status", "{name} {patch}");
            assert_eq!(patch.as_array().map(Vec::len), Some(1), "{name} {patch}");
        }
    }
}

#[test]
fn a_sidecar_that_was_tampered_with_is_written_anew() {
    type Tamper = fn(&mut Value);
    let tampered: &[(&str, Tamper)] = &[
        ("an override", |sidecar| {
            sidecar["env"].as_array_mut().expect("a list").push(json!({"name": "HOOKWARDEN_TLS", "value": "off"}));
        }),
        ("another program", |sidecar| sidecar["command"] = json!(["/bin/true"])),
        ("root", |sidecar| sidecar["securityContext"]["runAsUser"] = json!(0)),
        ("a capability", |sidecar| sidecar["securityContext"]["capabilities"]["add"] = json!(["NET_ADMIN"])),
        ("another image", |sidecar| sidecar["image"] = json!("evil")),
        ("keys of its own", |sidecar| {
            sidecar["volumeMounts"] = json!([{"name": "x", "mountPath": "/run/hookwarden/secrets/github-keys/x"}]);
        }),
        ("no probe", |sidecar| drop(sidecar.as_object_mut().expect("an object").shift_remove("livenessProbe"))),
    ];
    let (_, good) = admitted(&review("deployment"));
    for (what, tamper) in tampered {
        let mut again = review("deployment");
        let mut pod = good.clone();
        tamper(&mut pod["spec"]["initContainers"][0]);
        assert_ne!(pod, good, "{what}");
        again["request"]["object"] = pod;
        let (answer, pod) = admitted(&again);
        assert_eq!(answer.verdict, Verdict::Injected, "{what}");
        assert_eq!(pod, good, "{what}");
    }
}

#[test]
fn a_record_is_believed_only_what_injecting_does() {
    for record in [
        json!("no record"),
        json!({"version": "1", "sidecar": "initContainers", "was": {"/spec/containers/shop/image": "evil"}})
            .to_string()
            .into(),
        json!({"version": "1", "sidecar": "initContainers", "added": ["/spec/securityContext"]}).to_string().into(),
        json!({"version": "1", "sidecar": "ephemeralContainers"}).to_string().into(),
        json!({"version": "1", "sidecar": "containers", "more": 1}).to_string().into(),
        json!({"version": "1", "sidecar": "containers"}),
    ] {
        let mut review = review("bare");
        review["request"]["object"]["metadata"]["annotations"][STATUS] = record;
        let answer = answer(&review, &Namespace::default());
        assert_eq!((answer.verdict, answer.why.contains(STATUS)), (Verdict::Refused, true), "{}", answer.why);
    }
}

#[test]
fn all_bad_annotations_are_told_at_once_by_name() {
    let answer = answer(&review("bad-annotations"), &Namespace::default());
    let message = answer.body["response"]["status"]["message"].as_str().expect("a message");
    for part in [
        "hookwarden.io/take-port: a port is taken by its name, and 8080 is a number: a Service with targetPort: 8080",
        "hookwarden.io/listen-prt: is no annotation of Hookwarden's; did you mean hookwarden.io/listen-port?",
        "hookwarden.io/admin-port: \"0\" is no port; accepted: 1 to 65535",
        "hookwarden.io/memory-limit: \"lots\" is no quantity",
        "hookwarden.io/secret: \"git hub\" is no route's name",
        "hookwarden.io/env: \"PATH\" is no variable of Hookwarden's",
        "hookwarden.io/inject: is no annotation of Hookwarden's; it is a label",
    ] {
        assert!(message.contains(part), "{part}\n{message}");
    }
    assert_eq!(answer.body["response"]["status"]["code"], 422);
}

#[test]
fn all_collisions_are_told_at_once() {
    let why = answer(&review("collisions"), &Namespace::default()).why;
    for part in [
        "a container \"hookwarden\" that was not injected",
        "a volume \"hookwarden-tls\"",
        "hookwarden.io/listen-port: 8443 is a port of shop already",
        "hookwarden.io/admin-port: 9464 is a port of exporter already",
        "exporter has a port of the name \"hw-admin\"",
    ] {
        assert!(why.contains(part), "{part}\n{why}");
    }
}

#[test]
fn the_namespace_speaks_for_its_pods() {
    let mut review = review("not-opted-in");
    let labels = json!({"metadata": {
        "labels": {"hookwarden.io/inject": "enabled"},
        "annotations": {"hookwarden.io/image": "mirror.example.com/hookwarden:2", "hookwarden.io/cpu-request": "5m"},
    }});
    let namespace = Namespace::of(&labels);
    review["request"]["object"]["metadata"]["annotations"]["hookwarden.io/cpu-request"] = json!("7m");
    let answered = answer(&review, &namespace);
    assert_eq!(answered.verdict, Verdict::Injected, "{}", answered.why);
    let pod = &review["request"]["object"];
    let annotations = Some(&namespace.annotations);
    let context = Context { namespace: "shop", own_namespace: NAMESPACE, opted_in: true, annotations, image: IMAGE };
    let Outcome::Injected(pod) = inject(pod, context) else { panic!("injected") };
    assert_eq!(sidecar(&pod)["image"], "mirror.example.com/hookwarden:2");
    assert_eq!(sidecar(&pod)["resources"]["requests"]["cpu"], "7m");
    let wrong = Namespace::of(&json!({"metadata": {
        "labels": {"hookwarden.io/inject": "enabled"}, "annotations": {"hookwarden.io/cpu-request": "x", "hookwarden.io/imag": "x"},
    }}));
    review["request"]["object"]["metadata"]["annotations"] = json!({"hookwarden.io/take-port": "http"});
    let why = answer(&review, &wrong).why;
    assert!(why.contains("hookwarden.io/cpu-request (of the namespace)"), "{why}");
    assert!(why.contains("hookwarden.io/imag (of the namespace): is no annotation"), "{why}");
    for (value, verdict) in [(json!("disabled"), Verdict::NotOurs), (json!("maybe"), Verdict::Refused)] {
        review["request"]["object"]["metadata"]["labels"]["hookwarden.io/inject"] = value;
        assert_eq!(answer(&review, &namespace).verdict, verdict);
    }
}

/// What annotations make of the pod `bare`, or why they make nothing of it.
fn with(annotations: Value, change: impl FnOnce(&mut Value)) -> Result<Value, String> {
    let mut review = review("bare");
    review["request"]["object"]["metadata"]["annotations"] = annotations;
    change(&mut review["request"]["object"]);
    let (answer, pod) = admitted(&review);
    if answer.verdict == Verdict::Injected { Ok(pod) } else { Err(answer.why) }
}

fn variable<'p>(pod: &'p Value, name: &str) -> Option<&'p str> {
    sidecar(pod)["env"].as_array()?.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}

#[test]
fn where_the_service_listens() {
    let upstream = |annotations: Value| {
        with(annotations, |_| {}).map(|pod| variable(&pod, "HOOKWARDEN_UPSTREAM").map(str::to_owned))
    };
    let http = Ok(Some("127.0.0.1:8080".to_owned()));
    assert_eq!(upstream(json!({})), http, "the only port");
    assert_eq!(upstream(json!({"hookwarden.io/upstream-port": "http"})), http);
    assert_eq!(upstream(json!({"hookwarden.io/upstream-port": "9000"})), Ok(Some("127.0.0.1:9000".to_owned())));
    assert_eq!(upstream(json!({"hookwarden.io/take-port": "http", "hookwarden.io/upstream-port": "8080"})), http);
    assert_eq!(upstream(json!({"hookwarden.io/config": "a"})), Ok(None), "the settings say it");
    for (annotations, problem) in [
        (json!({"hookwarden.io/take-port": "http", "hookwarden.io/upstream-port": "9000"}), "leave it out"),
        (json!({"hookwarden.io/take-port": "web"}), "no container has a port of the name \"web\"; there are http"),
        (json!({"hookwarden.io/upstream-port": "web"}), "no container has a port of the name"),
        (json!({"hookwarden.io/upstream-port": "8443"}), "the sidecar's own listen-port"),
        (json!({"hookwarden.io/admin-port": "8443"}), "is 8443 as listen-port is"),
        (json!({"hookwarden.io/env": "HOOKWARDEN_LISTEN=0.0.0.0:1"}), "HOOKWARDEN_LISTEN follows from"),
        (
            json!({"hookwarden.io/secret": "a=x", "hookwarden.io/config-files": "A=y"}),
            "route A has keys from two places",
        ),
        (json!({"hookwarden.io/secret": "x,x"}), "names \"x\" twice"),
        (json!({"hookwarden.io/drain-seconds": 5}), "is not text"),
    ] {
        let why = upstream(annotations).expect_err(problem);
        assert!(why.contains(problem), "{problem}\n{why}");
    }
    let two = with(json!({}), |pod| {
        pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 1}, {"containerPort": 2}]);
    });
    assert!(two.expect_err("no answer").contains("neither it nor hookwarden.io/take-port is set"));
    let on_host = with(json!({"hookwarden.io/take-port": "http"}), |pod| {
        pod["spec"]["containers"][0]["ports"][0]["hostPort"] = json!(80);
    });
    assert!(on_host.expect_err("past the sidecar").contains("hostPort"));
    let udp = with(json!({"hookwarden.io/take-port": "http"}), |pod| {
        pod["spec"]["containers"][0]["ports"][0]["protocol"] = json!("UDP");
    });
    assert!(udp.expect_err("not TCP").contains("is not TCP"));
}

#[test]
fn what_used_a_port_by_name_uses_the_number() {
    let pod = with(json!({"hookwarden.io/take-port": "http"}), |pod| {
        let container = &mut pod["spec"]["containers"][0];
        container["startupProbe"] = json!({"tcpSocket": {"port": "http"}});
        container["readinessProbe"] = json!({"httpGet": {"port": "http"}});
        container["livenessProbe"] = json!({"httpGet": {"port": "other"}});
        container["lifecycle"] =
            json!({"postStart": {"httpGet": {"port": "http"}}, "preStop": {"httpGet": {"port": "http"}}});
    });
    let pod = pod.expect("injected");
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["name"], "app-http");
    for used in [
        "/startupProbe/tcpSocket",
        "/readinessProbe/httpGet",
        "/lifecycle/postStart/httpGet",
        "/lifecycle/preStop/httpGet",
    ] {
        assert_eq!(container.pointer(used).expect("it is there")["port"], 8080, "{used}");
    }
    assert_eq!(container["livenessProbe"]["httpGet"]["port"], "other");
    assert_eq!(sidecar(&pod)["ports"][0]["name"], "http");
    let long = with(json!({"hookwarden.io/take-port": "a-long-port-nam"}), |pod| {
        pod["spec"]["containers"][0]["ports"][0]["name"] = json!("a-long-port-nam");
    });
    assert_eq!(long.expect("injected")["spec"]["containers"][0]["ports"][0]["name"], "app-port-8080");
}

#[test]
fn how_it_stops() {
    let grace = |annotations: Value, seconds: Option<u64>| {
        let pod = with(annotations, |pod| match seconds {
            Some(seconds) => pod["spec"]["terminationGracePeriodSeconds"] = json!(seconds),
            None => drop(pod["spec"].as_object_mut().expect("an object").shift_remove("terminationGracePeriodSeconds")),
        });
        let pod = pod.expect("injected");
        let service = pod["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
        (pod["spec"]["terminationGracePeriodSeconds"].as_u64(), service)
    };
    assert_eq!(grace(json!({}), Some(30)), (Some(35), Some(5)));
    assert_eq!(grace(json!({}), None), (Some(35), Some(5)));
    assert_eq!(grace(json!({}), Some(60)), (Some(60), Some(5)));
    assert_eq!(grace(json!({"hookwarden.io/drain-seconds": "0"}), None), (None, None));
    assert_eq!(grace(json!({"hookwarden.io/drain-seconds": "20"}), None), (Some(50), Some(20)));
    assert_eq!(grace(json!({"hookwarden.io/shutdown-seconds": "100"}), Some(30)), (Some(110), Some(5)));
}

#[test]
fn a_plain_container_on_request() {
    let pod = with(json!({"hookwarden.io/sidecar": "container"}), |_| {}).expect("injected");
    assert_eq!(pod["spec"]["initContainers"], Value::Null);
    assert_eq!(pod["spec"]["containers"][1]["name"], CONTAINER);
    assert_eq!(pod["spec"]["containers"][1]["restartPolicy"], Value::Null);
    let ends =
        with(json!({"hookwarden.io/sidecar": "container"}), |pod| pod["spec"]["restartPolicy"] = json!("OnFailure"));
    assert!(ends.expect_err("it would never end").contains("use native"));
}

#[test]
fn settings_keep_their_dollars() {
    let pod =
        with(json!({"hookwarden.io/env": "HOOKWARDEN_A=$(B) $C\n\n HOOKWARDEN_B=x=y"}), |_| {}).expect("injected");
    assert_eq!(variable(&pod, "HOOKWARDEN_A"), Some("$$(B) $$C"));
    assert_eq!(variable(&pod, "HOOKWARDEN_B"), Some("x=y"));
}

#[test]
fn what_is_no_review() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}"#,
        r#"{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": null}"#,
        r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": 1}}"#,
    ] {
        assert!(Request::parse(text.as_bytes()).is_err(), "{text}");
    }
    // Also where nobody reads on: JSON is text (RFC 8259 section 8.1).
    let mut bytes = review("bare").to_string().into_bytes();
    let at = bytes.windows(3).position(|three| three == b"dry").expect("a field that is passed over");
    bytes[at] = 0xff;
    assert!(matches!(Request::parse(&bytes), Err(Unreadable::Text(_))));
    // Pods of any shape are answered.
    for pod in [
        json!(null),
        json!({}),
        json!({"metadata": 1, "spec": 2}),
        json!({"metadata": {"labels": {"hookwarden.io/inject": "enabled"}}, "spec": {"containers": 1}}),
    ] {
        let mut review = review("bare");
        review["request"]["object"] = pod;
        assert_ne!(answer(&review, &Namespace { opted_in: true, ..Namespace::default() }).verdict, Verdict::Injected);
    }
}

const OPTIONS: Options<'static> =
    Options { undo: false, all: false, namespace: "", own_namespace: NAMESPACE, image: IMAGE };

fn filtered(text: &str) -> Filtered {
    filter(text, OPTIONS).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"))
}

/// Injects, injects again and takes it out again.
#[track_caller]
fn there_and_back(text: &str) -> String {
    let injected = filtered(text);
    assert_ne!(injected.text, text);
    assert_eq!(filtered(&injected.text).text, injected.text, "again");
    let back = filter(&injected.text, Options { undo: true, ..OPTIONS }).expect("undone");
    assert_eq!(back.text, text, "{}", injected.text);
    injected.text
}

const DEPLOYMENT: &str = r#"# The shop's own.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop   # the name
spec:
  template:
    metadata:
      labels: {app: shop, hookwarden.io/inject: enabled}
      annotations:
        hookwarden.io/take-port: "http"
        hookwarden.io/secret: github=github-keys
    spec:
      terminationGracePeriodSeconds: 10 # quick
      containers:
        - name: shop
          image: 'shop:1'
          ports: [{name: "http", containerPort: 8080}, {name: metrics, containerPort: 9090}]
          livenessProbe:
            httpGet:
              port: "http"   # by name
              path: /live
          args:
            - |
              one

              two

        # behind the containers

      # at the end
---
# Another kind, untouched: &anchors too.
apiVersion: v1
kind: ConfigMap
metadata: &a {name: x}
data: {again: *a}
...
"#;

#[test]
fn manifests_go_there_and_back_to_the_byte() {
    let injected = there_and_back(DEPLOYMENT);
    for kept in
        ["# The shop's own.", "name: shop   # the name", "35 # quick", "port: 8080   # by name", "data: {again: *a}"]
    {
        assert!(injected.contains(kept), "{kept}\n{injected}");
    }
    there_and_back(&DEPLOYMENT.replace('\n', "\r\n"));
    // A lone CR ends a line, too.
    there_and_back(&format!("{DEPLOYMENT}\r"));
    let bare = DEPLOYMENT.split("        # behind").next().expect("a part").trim_end();
    there_and_back(bare);
    there_and_back(&format!("{bare}\n"));
    for annotations in ["{}", "{ }", "null", "~", "", " # none yet"] {
        let start = DEPLOYMENT.find("      annotations:").expect("there");
        let end = DEPLOYMENT.find("    spec:\n").expect("there");
        let text = format!("{}      annotations: {annotations}\n{}", &DEPLOYMENT[..start], &DEPLOYMENT[end..]);
        there_and_back(
            &text.replace(", {name: metrics, containerPort: 9090}", "").replace("annotations: \n", "annotations:\n"),
        );
    }
}

#[test]
fn json_goes_there_and_back_to_the_byte() {
    let review = review("deployment");
    let pod = &review["request"]["object"];
    there_and_back(&pod.to_string());
    let pretty = serde_json::to_string_pretty(pod).expect("JSON");
    let injected = there_and_back(&pretty);
    assert_eq!(serde_json::from_str::<Value>(&injected).expect("JSON")["spec"]["initContainers"][0]["name"], CONTAINER);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret"}, pod, pod]});
    there_and_back(&list.to_string());
    there_and_back(&serde_json::to_string_pretty(&list).expect("JSON"));
}

#[test]
fn every_kind_that_holds_pods() {
    let template = "
  template:
    metadata:
      labels:
        hookwarden.io/inject: enabled
    spec:
      containers:
      - name: a
        ports:
        - containerPort: 80
";
    let of = |api: &str, kind: &str| format!("apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: a\nspec:{template}");
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
        there_and_back(&of("apps/v1", kind));
        assert_eq!(filtered(&of("other/v1", kind)).text, of("other/v1", kind));
    }
    there_and_back(&of("batch/v1", "Job"));
    let cron =
        of("batch/v1", "CronJob").replace("spec:\n  template", "spec:\n  jobTemplate:\n    spec:\n      template");
    let (head, tail) = cron.split_once("      template:\n").expect("a template");
    let tail = tail.lines().fold(String::new(), |tail, line| tail + "    " + line + "\n");
    there_and_back(&format!("{head}      template:\n{tail}"));
    let pod = template.replace("\n  template:\n", "\n").replace("\n    ", "\n");
    there_and_back(&format!("apiVersion: v1\nkind: Pod{pod}"));
    let list = of("apps/v1", "Deployment").replace('\n', "\n  ");
    there_and_back(&format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", list.trim_end()));
    let other = of("v1", "ReplicationController");
    assert_eq!(filtered(&other).text, other);
}

#[test]
fn what_is_not_opted_in_is_left_and_told() {
    let text = DEPLOYMENT.replace(", hookwarden.io/inject: enabled", "");
    let left = filtered(&text);
    assert_eq!((left.text.as_str(), left.changed.len()), (text.as_str(), 0));
    assert!(left.left[0].contains("Deployment shop: neither it nor its namespace has the label"), "{:?}", left.left);
    assert_eq!(filter(&text, Options { all: true, ..OPTIONS }).expect("injected").changed, ["Deployment shop"]);
    let namespaced = text.replace("name: shop   #", "namespace: prod\n  name: shop   #");
    let namespace =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod, labels: {hookwarden.io/inject: enabled}}\n---\n";
    assert_eq!(filtered(&format!("{namespace}{namespaced}")).changed, ["Deployment prod/shop"]);
}

#[test]
fn streams_that_are_refused() {
    let refused = |text: &str| filter(text, OPTIONS).expect_err(text).join("\n");
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}\n";
    let deployment = DEPLOYMENT.split("---").next().expect("a document");
    let why = refused(&format!("{deployment}{service}"));
    assert!(
        why.contains("Service web has targetPort: 8080, which leads past the sidecar; make it targetPort: http"),
        "{why}"
    );
    there_and_back(&format!("{deployment}{}", service.replace("targetPort: 8080", "targetPort: http")));
    for (text, problem) in [
        (
            DEPLOYMENT.replace("      containers:", "      dnsPolicy: &p Default\n      containers:"),
            "line 15: an anchor",
        ),
        (DEPLOYMENT.replace("'shop:1'", "!!str 'shop:1'"), "a tag"),
        (
            DEPLOYMENT.replace("        # behind the containers\n\n      # at the end\n", "            - |\n"),
            "cannot be edited",
        ),
        (DEPLOYMENT.replace("github-keys", "GitHub"), "Deployment shop: hookwarden.io/secret: \"GitHub\""),
        (DEPLOYMENT.replace("image: 'shop:1'", "name: again"), "has the key \"name\" twice"),
        ("a: [".to_owned(), "is no YAML"),
        ("[".repeat(200), "is"),
    ] {
        let why = refused(&text);
        assert!(why.contains(problem), "{problem}\n{why}");
    }
    for text in ["", "\n", "# nothing\n", "---\n---\n", "a: 1\n---\n- b\n"] {
        assert_eq!(filtered(text).text, text);
    }
}
