//! `inject` as a filter: what goes in and comes out, what is said beside it, and how it ends.

use std::fs;

use super::{code, run, stderr, stdout, with_input};

const POD: &str = "\
# A pod.
apiVersion: v1
kind: Pod
metadata:
  name: shop
  labels: {hookwarden.io/inject: enabled}
spec:
  containers:
  - name: shop
    ports: [{containerPort: 8080}] # the app's
";

#[test]
fn manifests_go_through_a_pipe_and_back() {
    let injected = with_input(&["inject", "-f", "-"], POD.as_bytes());
    assert_eq!((code(&injected), stderr(&injected)), (0, String::new()));
    let injected = stdout(&injected);
    assert!(injected.starts_with("# A pod.") && injected.contains("# the app's"), "{injected}");
    assert!(injected.contains("\n  initContainers:\n  - name: hookwarden\n"), "{injected}");
    let back = with_input(&["inject", "-f", "-", "--uninject"], injected.as_bytes());
    assert_eq!((code(&back), stdout(&back)), (0, POD.to_owned()));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pod.yaml");
    fs::write(&path, POD).expect("a file");
    let path = path.to_str().expect("UTF-8");
    assert_eq!(stdout(&run(&["inject", "-f", path], &[])), injected);
    let diff = stdout(&run(&["inject", "-f", path, "--diff"], &[]));
    assert!(diff.contains("+  initContainers:") && !diff.contains("\n-"), "only lines that are added: {diff}");
    assert!(diff.starts_with(&format!("--- {path}\n+++ {path}\n@@ -")), "{diff}");
    assert!(diff.contains("\n   labels: {hookwarden.io/inject: enabled}\n"), "what is left stands around it: {diff}");
    fs::write(path, &injected).expect("a file");
    assert_eq!(stdout(&run(&["inject", "-f", path, "--diff"], &[])), "", "what has a sidecar is left as it is");
    fs::write(path, POD.trim_end()).expect("a file");
    let diff = stdout(&run(&["inject", "-f", path, "--diff"], &[]));
    assert!(diff.contains("\\ No newline at end of file\n"), "a patch that applies: {diff}");
    fs::write(path, POD).expect("a file");
    let image = stdout(&run(&["inject", "-f", path, "--image", "mirror.example.com/hookwarden:1"], &[]));
    assert!(image.contains("image: \"mirror.example.com/hookwarden:1\""), "{image}");
}

#[test]
fn what_is_left_is_told_and_what_is_refused_prints_nothing() {
    let other = POD.replace("enabled", "disabled");
    let left = with_input(&["inject", "-f", "-"], other.as_bytes());
    assert_eq!((code(&left), stdout(&left)), (0, other.clone()));
    assert!(stderr(&left).contains("left as it is: Pod shop: its label hookwarden.io/inject says disabled"));
    assert_eq!(stderr(&with_input(&["inject", "-q", "-f", "-"], other.as_bytes())), "");

    let refused = POD.replace("containerPort: 8080", "containerPort: 8443");
    let refused = with_input(&["inject", "-f", "-"], format!("{POD}---\n{refused}").as_bytes());
    assert_eq!((code(&refused), stdout(&refused)), (1, String::new()));
    assert!(stderr(&refused).contains("Pod shop: hookwarden.io/listen-port: 8443 is a port of shop already"));
    assert_eq!(code(&run(&["inject", "-f", "/nowhere.yaml"], &[])), 69);
    assert_eq!(code(&run(&["inject"], &[])), 2);
    assert_eq!(code(&with_input(&["inject", "-f", "-"], b"\xff")), 2);
}

#[test]
fn an_injector_without_certificates_or_a_cluster_refuses_to_start() {
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--service-account", "/nowhere"];
    for (arguments, said) in [
        (&["injector", "--certificates", "files", "--cert-file", "/nowhere.crt"][..], "/nowhere.crt"),
        (&["injector"], "there is no service account's token in /nowhere"),
    ] {
        let output = run(&[arguments, &ports].concat(), &[]);
        assert_eq!(code(&output), 78, "{output:?}");
        assert!(stderr(&output).contains(said), "{output:?}");
    }
    assert_eq!(code(&run(&["injector", "--certificates", "none"], &[])), 2);
}
