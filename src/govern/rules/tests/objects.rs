//! Kubernetes objects: a sound set, and changes to its text.

use std::collections::BTreeMap;

use super::*;
use crate::govern::audit::{Scope, audit};
use crate::govern::manifests::Manifests;

/// What no rule on objects finds anything in.
const SOUND: &str = r"apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop}
spec:
  replicas: 1
  template:
    metadata:
      labels: {app: orders}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 40
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      initContainers:
        - name: hookwarden
          image: ghcr.io/hookwarden/hookwarden:99.0.0
          restartPolicy: Always
          ports:
            - {name: webhooks, containerPort: 8443}
            - {name: metrics, containerPort: 9464}
          env:
            - {name: HOOKWARDEN_TLS_CERT_FILE, value: /tls/tls.crt}
            - {name: HOOKWARDEN_TLS_KEY_FILE, value: /tls/tls.key}
            - {name: HOOKWARDEN_ROUTE_PAY_PATH, value: /hooks/pay}
            - {name: HOOKWARDEN_ROUTE_PAY_PROVIDER, value: stripe}
            - {name: HOOKWARDEN_ROUTE_PAY_SECRET_FILE, value: /keys}
          readinessProbe: {httpGet: {path: /readyz, port: 9464}}
          resources: {limits: {memory: 128Mi}}
          securityContext:
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: keys, mountPath: /keys}
      containers:
        - name: app
          image: shop/orders:1.2.3
          ports: [{name: http, containerPort: 8080}]
      volumes:
        - {name: keys, secret: {secretName: pay, defaultMode: 0440}}
---
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: shop}
spec:
  selector: {app: orders}
  ports:
    - {name: https, port: 443, targetPort: webhooks}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: orders, namespace: shop}
spec:
  podSelector: {matchLabels: {app: orders}}
  policyTypes: [Ingress]
  ingress:
    - ports: [{port: 8443}, {port: metrics}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: orders, namespace: shop}
spec:
  tls: [{hosts: [hooks.example.com], secretName: tls}]
  rules:
    - http: {paths: [{path: /hooks, backend: {service: {name: orders, port: {number: 443}}}}]}
";

fn found(text: &str) -> BTreeMap<&'static str, Vec<String>> {
    let mut manifests = Manifests::default();
    manifests.add("a.yaml", text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    let cluster = Cluster::of(&manifests);
    let look = |row: &'static Row| Some((row.rule.code, row.of_objects(&cluster)?));
    let shown =
        |found: Vec<Finding>| found.iter().map(|finding| format!("{}: {}", finding.place, finding.evidence)).collect();
    all().filter_map(look).filter(|(_, found)| !found.is_empty()).map(|(code, found)| (code, shown(found))).collect()
}

#[test]
fn sound_objects_have_nothing() {
    let found = found(SOUND);
    assert!(found.is_empty(), "{found:#?}");
}

/// A rule, what of the sound text is changed to what (nothing: it is added), and what is told.
type Has = (&'static str, &'static str, &'static str, &'static str);

const ROWS: &[Has] = &[
    (
        "HW110",
        "",
        "---\nkind: Pod\nmetadata: {name: a, namespace: b, uid: x, labels: {hookwarden.io/inject: enabled}}\nspec: {containers: []}\n",
        "Pod b/a",
    ),
    (
        "HW110",
        "",
        "---\nkind: Deployment\nmetadata: {name: a, namespace: b}\nspec:\n  template:\n    metadata: {annotations: {hookwarden.io/upstream-port: '80'}}\n    spec: {containers: []}\n",
        "nothing asks for the sidecar",
    ),
    (
        "HW110",
        "",
        "---\nkind: Namespace\nmetadata: {name: b, labels: {hookwarden.io/inject: enabled}}\n---\nkind: Job\nmetadata: {name: a, namespace: b}\nspec: {template: {metadata: {labels: {hookwarden.io/inject: disabled}}, spec: {containers: []}}}\n",
        "Job b/a",
    ),
    ("HW111", "runAsNonRoot: true, ", "", "a.yaml:14 (Deployment shop/orders)"),
    ("HW111", "runAsNonRoot: true, ", "runAsUser: 0, ", "runAsUser: 0"),
    ("HW112", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "a.yaml:14"),
    ("HW113", "limits: {memory: 128Mi}", "requests: {memory: 128Mi}", "limits.memory"),
    ("HW114", ":99.0.0", ":latest", "the tag latest"),
    ("HW114", ":99.0.0", "", "without a version"),
    ("HW115", "drop: [ALL]", "drop: [NET_RAW]", "does not drop"),
    ("HW115", "allowPrivilegeEscalation: false", "privileged: true", "is privileged"),
    ("HW115", "drop: [ALL]", "drop: [ALL], add: [NET_ADMIN]", "NET_ADMIN"),
    ("HW116", ", seccompProfile: {type: RuntimeDefault}", "", "seccompProfile"),
    ("HW117", "readinessProbe", "livenessProbe", "readinessProbe"),
    ("HW118", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "a.yaml:10"),
    ("HW119", ":99.0.0", ":0.0.9", "version 0.0.9"),
    (
        "HW120",
        "targetPort: webhooks",
        "targetPort: 8080",
        "a.yaml:47 (Service shop/orders): its port leads to port 8080",
    ),
    ("HW120", "targetPort: webhooks", "targetPort: http", "\"http\""),
    (
        "HW121",
        "podSelector: {matchLabels: {app: orders}}",
        "podSelector: {matchLabels: {app: other}}",
        "no NetworkPolicy",
    ),
    ("HW121", "- ports: [{port: 8443}, {port: metrics}]", "- from: [{podSelector: {}}]", "every port"),
    ("HW121", "{port: metrics}", "{port: http}", "port http"),
    (
        "HW122",
        "automountServiceAccountToken: false",
        "automountServiceAccountToken: false\n      hostNetwork: true",
        "hostNetwork",
    ),
    ("HW122", "containerPort: 8080", "containerPort: 8080, hostPort: 8080", "hostPort 8080"),
    (
        "HW123",
        "  selector: {app: orders}\n  ports:",
        "  type: LoadBalancer\n  selector: {app: orders}\n  ports:\n    - {port: 9464, targetPort: metrics}",
        "LoadBalancer",
    ),
    (
        "HW123",
        "  ports:\n    - {name: https, port: 443, targetPort: webhooks}",
        "  ports:\n    - {port: 443, targetPort: 9464}",
        "an Ingress leads to it",
    ),
    ("HW124", "  tls: [{hosts: [hooks.example.com], secretName: tls}]\n", "", "spec.tls"),
    ("HW125", "terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 5", "5 seconds"),
    (
        "HW130",
        "          env:\n",
        "          env:\n            - {name: HOOKWARDEN_ROUTE_PAY_SECRET, value: never-to-be-seen}\n",
        "a.yaml:21",
    ),
    (
        "HW131",
        "",
        "---\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  HOOKWARDEN_ROUTE_PAY_SECRET: never-to-be-seen\n",
        "ConfigMap",
    ),
    (
        "HW132",
        "",
        "---\nkind: Secret\nmetadata: {name: pay, namespace: shop}\ndata: {a: bmV2ZXItdG8tYmUtc2Vlbg==}\n",
        "1 values",
    ),
    ("HW133", ", defaultMode: 0440", "", "0644"),
    ("HW133", "defaultMode: 0440", "defaultMode: 292", "0444"),
    (
        "HW134",
        "",
        "---\nkind: MutatingWebhookConfiguration\nmetadata: {name: hookwarden-injector}\nwebhooks: [{name: a, failurePolicy: Ignore}]\n",
        "Ignore",
    ),
];

#[test]
fn each_rule_is_found_where_it_is() {
    for (code, from, to, told) in ROWS {
        let text = if from.is_empty() { format!("{SOUND}{to}") } else { SOUND.replacen(from, to, 1) };
        assert_ne!(text, SOUND, "{code}: {from} is not in the sound text");
        let found = found(&text);
        let lines = found.get(code).cloned().unwrap_or_default();
        assert!(lines.iter().any(|line| line.contains(told)), "{code} {told}: {found:#?}");
        assert!(!format!("{found:?}").contains("never-to-be-seen"));
    }
}

#[test]
fn no_rule_on_objects_is_left_out() {
    for row in all().filter(|row| matches!(row.look, Objects(_))) {
        let code = row.rule.code;
        assert!(code == "HW135" || ROWS.iter().any(|(known, ..)| *known == code), "{code} has no row");
    }
}

#[test]
fn what_makes_up_for_it() {
    for (code, text) in [
        (
            "HW134",
            "---\nkind: MutatingWebhookConfiguration\nmetadata: {name: hookwarden}\nwebhooks: [{failurePolicy: Ignore}]\n---\nkind: ValidatingAdmissionPolicy\nmetadata: {name: hookwarden}\n",
        ),
        // What a cluster has made is no file of somebody's repository.
        ("HW132", "---\nkind: Secret\nmetadata: {name: pay, namespace: shop, uid: x}\ndata: {a: bm8=}\n"),
        ("HW132", "---\nkind: Secret\nmetadata: {name: other, namespace: shop}\ndata: {a: bm8=}\n"),
        ("HW131", "---\nkind: ConfigMap\nmetadata: {name: a}\ndata: {HOOKWARDEN_ROUTE_PAY_SECRET_FILE: /keys}\n"),
        ("HW131", "---\nkind: ConfigMap\nmetadata: {name: a}\ndata: {HOOKWARDEN_REPLAY_URL: 'rediss://a@redis'}\n"),
        (
            "HW110",
            "---\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {metadata: {labels: {hookwarden.io/inject: enabled}, annotations: {hookwarden.io/upstream-port: '80'}}, spec: {}}}\n",
        ),
    ] {
        let found = found(&format!("{SOUND}{text}"));
        assert!(!found.contains_key(code), "{code}: {found:#?}");
    }
}

fn whole(text: &str) -> crate::govern::finding::Report {
    let mut manifests = Manifests::default();
    manifests.add("a.yaml", text).expect("good");
    audit("a.yaml", Scope { manifests: Some(&manifests), now: NOW, ..Scope::default() })
}

/// The sidecar's own settings are audited too, at the manifest's lines, as far as they are known.
#[test]
fn settings_in_a_manifest() {
    let report = whole(SOUND);
    let at = |code: &str| {
        let of_code = report.findings.iter().filter(|finding| finding.rule.code == code);
        of_code.map(|finding| finding.place.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(at("HW061"), ["a.yaml:14 (Deployment shop/orders, HOOKWARDEN_ROUTE_PAY_OWNER)"]);
    // Certificates and keys are not known, so that nothing is said of them.
    for code in ["HW001", "HW020", "HW021", "HW022", "HW024", "HW135"] {
        assert!(at(code).is_empty(), "{code}: {report:#?}");
    }
    let three = whole(&SOUND.replace("replicas: 1", "replicas: 3"));
    assert!(three.findings.iter().any(|finding| finding.rule.code == "HW052"));
    let scaled = format!(
        "{SOUND}---\nkind: HorizontalPodAutoscaler\nmetadata: {{name: a, namespace: shop}}\nspec: {{scaleTargetRef: {{kind: Deployment, name: orders}}, maxReplicas: 9}}\n"
    );
    assert!(whole(&scaled).findings.iter().any(|finding| finding.evidence.contains("up to 9 pods")));
}

#[test]
fn settings_that_stand_elsewhere() {
    let map = "---\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata:\n  HOOKWARDEN_ROUTE_PAY_MODE: monitor\n";
    let from_map =
        SOUND.replace("          env:\n", "          envFrom: [{configMapRef: {name: settings}}]\n          env:\n");
    let report = whole(&format!("{from_map}{map}"));
    assert!(report.findings.iter().any(|finding| finding.rule.code == "HW060"), "{report:#?}");
    let unknown: String = SOUND.split_inclusive('\n').filter(|line| !line.contains("ROUTE_PAY")).collect();
    assert!(whole(&unknown).notes.iter().any(|note| note.contains("set elsewhere")));
    let from_secret = SOUND.replace(
        "{name: HOOKWARDEN_ROUTE_PAY_SECRET_FILE, value: /keys}",
        "{name: HOOKWARDEN_ROUTE_PAY_SECRET, valueFrom: {secretKeyRef: {name: pay, key: a}}}",
    );
    assert!(
        whole(&from_secret).findings.iter().any(|finding| finding.rule.code == "HW024"),
        "it is in the environment"
    );
}

#[test]
fn settings_that_would_be_refused() {
    let report = whole(&SOUND.replace("value: stripe", "value: stripes"));
    let refused = report.findings.iter().find(|finding| finding.rule.code == "HW135").expect("it is refused");
    assert_eq!(refused.place.to_string(), "a.yaml:24 (Deployment shop/orders, HOOKWARDEN_ROUTE_PAY_PROVIDER)");
    assert!(refused.evidence.contains("did you mean stripe?"), "{}", refused.evidence);
}

#[test]
fn lists_and_json_are_read() {
    let json = r#"{"kind": "List", "items": [
        {"kind": "Deployment", "metadata": {"name": "a", "uid": "x"}, "spec": {"template": {"spec": {"containers": [
            {"name": "hookwarden", "image": "hookwarden:latest"}]}}}}]}"#;
    let found = found(json);
    assert!(
        found["HW114"][0].starts_with("a.yaml:3 (Deployment default/a): container hookwarden has the tag latest"),
        "{found:#?}"
    );
}
