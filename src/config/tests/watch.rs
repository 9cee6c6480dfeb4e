//! Changed files: found, used, and survived where they are broken.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::tls::authority;
use super::*;
use crate::policy::Policy;

/// A watch on route `A`'s secret at `name` inside a folder.
struct Watched {
    folder: TempDir,
    watch: Watch,
}

impl Watched {
    fn new(prepare: impl FnOnce(&Path), name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path());
        let path = folder.path().join(name);
        let changes = [("ROUTE_A_SECRET", ""), ("ROUTE_A_SECRET_FILE", text(&path))];
        let (_, watch) = load(&environment(&changes)).expect("no faults");
        Self { folder, watch }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The key ids after a change.
    fn changed(&mut self) -> Vec<String> {
        ids(&good(&mut self.watch))
    }

    /// The problem of a change, in spite of which the keys stay those that they were.
    fn broken(&mut self, kept: &[&str]) -> String {
        let (policy, mut faults) = broken(&mut self.watch);
        assert_eq!(ids(&policy), kept);
        faults.remove(0).problem
    }

    fn assert_quiet(&mut self) {
        assert!(self.watch.poll().is_none(), "nothing has changed");
    }
}

fn ids(policy: &Policy) -> Vec<String> {
    policy.routes.get(0).expect("a route").keys.ids().map(str::to_owned).collect()
}

#[test]
fn a_changed_file_is_loaded_once() {
    let mut watched = Watched::new(|folder| write(&folder.join("keys"), "one"), "keys");
    watched.assert_quiet();
    assert_eq!(watched.watch.files().collect::<Vec<_>>(), [watched.at("keys")]);
    write(&watched.at("keys"), "one\ntwo");
    assert_eq!(watched.changed(), ["1", "2"]);
    watched.assert_quiet();
}

#[test]
fn a_change_shows_though_size_and_time_are_the_same() {
    let mut watched = Watched::new(|folder| write(&folder.join("keys"), "one"), "keys");
    let file = fs::File::open(watched.at("keys")).expect("a file");
    let before = file.metadata().and_then(|metadata| metadata.modified()).expect("a time");
    write(&watched.at("keys"), "two");
    file.set_modified(before).expect("the same time");
    assert_eq!(watched.changed(), ["1"]);
}

#[test]
fn a_broken_file_is_told_once_and_a_mended_one_is_loaded() {
    let mut watched = Watched::new(|folder| write(&folder.join("keys"), "one"), "keys");
    write(&watched.at("keys"), "");
    assert_eq!(watched.broken(&["1"]), "holds no key");
    watched.assert_quiet();
    fs::remove_file(watched.at("keys")).expect("gone");
    assert!(watched.broken(&["1"]).starts_with("the file that it names cannot be read"));
    watched.assert_quiet();
    write(&watched.at("keys"), "half\nhal");
    assert_eq!(watched.changed(), ["1", "2"]);
    write(&watched.at("keys"), "half\nhalf");
    assert_eq!(watched.broken(&["1", "2"]), "keys 1 and 2 are the same");
    write(&watched.at("keys"), "half\nhalf-and-half");
    assert_eq!(watched.changed(), ["1", "2"]);
    watched.assert_quiet();
}

/// A version of a mounted Secret, as kubelet lays it out.
fn version(folder: &Path, version: &str, files: &[(&str, &str)]) {
    fs::create_dir(folder.join(version)).expect("a folder");
    for (name, content) in files {
        write(&folder.join(version).join(name), content);
    }
    symlink(version, folder.join("..data_tmp")).expect("a link");
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("a swap");
}

#[test]
fn kubernetes_swaps_a_mounted_secret() {
    let prepare = |folder: &Path| {
        version(folder, "..2026_07_01", &[("old", "one")]);
        symlink("..data/old", folder.join("old")).expect("a link");
    };
    let mut watched = Watched::new(prepare, "");
    watched.assert_quiet();
    version(watched.folder.path(), "..2026_07_02", &[("old", "one"), ("new", "two")]);
    symlink("..data/new", watched.at("new")).expect("a link");
    fs::remove_dir_all(watched.at("..2026_07_01")).expect("gone");
    assert_eq!(watched.changed(), ["new", "old"]);
    watched.assert_quiet();
    // The old key is revoked: the swap leaves its link dangling until kubelet removes it.
    version(watched.folder.path(), "..2026_07_03", &[("new", "two")]);
    assert!(watched.broken(&["new", "old"]).contains("cannot be read"));
    fs::remove_file(watched.at("old")).expect("gone");
    assert_eq!(watched.changed(), ["new"]);
    watched.assert_quiet();
}

/// What another file is, what stands there first, and what then cannot be used.
const OTHERS: [(&str, &str, &str); 5] = [
    ("ROUTE_A_PATH_FILE", "/a", "a"),
    ("ROUTE_A_SCHEMA_FILE", r#"{"type":"object"}"#, "{"),
    ("ROUTE_B_SECRET_FILE", "of-another-route", ""),
    ("SOURCES_FILE", r#"{"home":["127.0.0.0/8"]}"#, r#"{"other":["127.0.0.0/8"]}"#),
    ("UPSTREAM_CA_FILE", "", "no certificate"),
];

#[test]
fn what_is_broken_elsewhere_keeps_no_revocation_back() {
    for (variable, first, then) in OTHERS {
        let folder = tempfile::tempdir().expect("a folder");
        let (keys, other) = (folder.path().join("keys"), folder.path().join("other"));
        write(&keys, "revoked\nkept");
        let first = if first.is_empty() { authority().0 } else { first.to_owned() };
        write(&other, &first);
        let mut changes = vec![("ROUTE_A_SECRET", ""), ("ROUTE_A_SECRET_FILE", text(&keys)), (variable, text(&other))];
        match variable {
            "ROUTE_A_PATH_FILE" => changes.push(("ROUTE_A_PATH", "")),
            "ROUTE_B_SECRET_FILE" => changes.extend([("ROUTE_B_PATH", "/b"), ("ROUTE_B_PROVIDER", "github")]),
            "SOURCES_FILE" => changes.push(("ROUTE_A_SOURCES", "@home")),
            "UPSTREAM_CA_FILE" => changes.push(("UPSTREAM", "https://localhost:1")),
            _ => {}
        }
        let (_, mut watch) = load(&environment(&changes)).unwrap_or_else(|faults| panic!("{variable}: {faults:?}"));
        write(&other, then);
        let (policy, _) = broken(&mut watch);
        assert_eq!(ids(&policy), ["1", "2"], "{variable}");
        assert!(watch.poll().is_none(), "told once");
        write(&keys, "kept");
        let (policy, faults) = broken(&mut watch);
        assert_eq!(ids(&policy), ["1"], "{variable}");
        assert!(faults.iter().all(|fault| !fault.variable.contains("ROUTE_A_SECRET")), "{faults:?}");
        // Both at once, and mended.
        write(&other, &first);
        write(&keys, "kept\nnew");
        assert_eq!(ids(&good(&mut watch)), ["1", "2"], "{variable}");
        assert!(watch.poll().is_none(), "nothing has changed");
    }
}

#[test]
fn a_file_that_a_broken_load_did_not_reach_stays_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let (keys, path) = (folder.path().join("keys"), folder.path().join("path"));
    write(&keys, "one");
    write(&path, "/a");
    let changes = [
        ("ROUTE_A_SECRET", ""),
        ("ROUTE_A_PATH", ""),
        ("ROUTE_A_PATH_FILE", text(&path)),
        ("ROUTE_A_SECRET_FILE", text(&keys)),
    ];
    let (_, mut watch) = load(&environment(&changes)).expect("no faults");
    assert_eq!(watch.files().collect::<Vec<_>>(), [keys.as_path(), path.as_path()]);
    write(&path, "a");
    write(&keys, "one\ntwo");
    let (policy, _) = broken(&mut watch);
    assert_eq!((ids(&policy).len(), policy.routes.find(b"/a")), (2, Some(0)), "the path as it was, and the new keys");
    assert!(watch.poll().is_none(), "told once, though two files have changed");
    write(&path, "/b");
    let policy = good(&mut watch);
    assert_eq!((ids(&policy).len(), policy.routes.find(b"/b")), (2, Some(0)));
}

#[test]
fn what_holds_for_the_process_keeps_no_revocation_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (keys, token) = (folder.path().join("keys"), folder.path().join("token"));
    write(&keys, "one\ntwo");
    write(&token, "token");
    let changes = [("ROUTE_A_SECRET", ""), ("ROUTE_A_SECRET_FILE", text(&keys)), ("ADMIN_TOKEN_FILE", text(&token))];
    let (_, mut watch) = load(&environment(&changes)).expect("no faults");
    fs::remove_file(&token).expect("gone");
    assert!(watch.poll().is_none());
    write(&keys, "two");
    assert_eq!(ids(&good(&mut watch)), ["1"]);
}

#[test]
fn a_watch_prints_paths_alone() {
    let watched = Watched::new(|folder| write(&folder.join("keys"), "hunter2"), "keys");
    assert_eq!(format!("{:?}", watched.watch), format!("{{{:?}}}", watched.at("keys")));
}
