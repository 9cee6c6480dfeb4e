//! Where secrets come from, and that no fault ever shows one.

use super::*;
use crate::auth::keys::Key;

/// Ids and ages of the keys that a path gives route `A`.
fn keys(path: &Path) -> Vec<(String, bool)> {
    let policy = loaded(&[("ROUTE_A_SECRET", ""), ("ROUTE_A_SECRET_FILE", text(path))]).policy;
    let route = policy.routes.get(0).expect("a route");
    route.keys.iter().map(|key| (key.id.to_string(), key.since.is_some_and(|since| since > 0))).collect()
}

/// Asserts the one fault of the path.
fn check_path(path: &Path, problem: &str) {
    let changes = [("ROUTE_A_SECRET", ""), ("ROUTE_A_SECRET_FILE", text(path))];
    check(&changes, &[&format!("ROUTE_A_SECRET_FILE: {problem}")]);
}

#[test]
fn a_file_has_one_key_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    write(&path, "one\r\n\ntwo\nthree");
    assert_eq!(keys(&path), ["1", "2", "3"].map(|id| (id.to_owned(), true)));
    let texts: Vec<_> = keys_at(&path).expect("keys").iter().map(|key| key.text.to_vec()).collect();
    assert_eq!(texts, [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    for (content, problem) in [
        ("", "holds no key"),
        ("\r\n\n", "holds no key"),
        ("a\na\n", "keys 1 and 2 are the same"),
        ("1\n2\n3\n4\n5\n6\n7\n8\n9", "holds 9 keys; at most 8 can be active"),
    ] {
        write(&path, content);
        check_path(&path, problem);
    }
    write(&path, vec![b'a'; (1 << 20) + 1]);
    check_path(&path, &format!("{} is larger than 1MiB", path.display()));
}

#[test]
fn a_directory_has_one_key_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    check_path(folder.path(), "holds no key");
    for (name, content) in [("2026-07", "new\n"), ("2026-01", "old"), (".hidden", "not this one")] {
        write(&folder.path().join(name), content);
    }
    assert_eq!(keys(folder.path()), ["2026-01", "2026-07"].map(|id| (id.to_owned(), true)));
    let texts: Vec<_> = keys_at(folder.path()).expect("keys").iter().map(|key| key.text.to_vec()).collect();
    assert_eq!(texts, [b"old".to_vec(), b"new".to_vec()]);
    std::fs::create_dir(folder.path().join("sub")).expect("a folder");
    let problem = format!("{} holds \"sub\", which is not a regular file", folder.path().display());
    check_path(folder.path(), &problem);
}

#[test]
fn a_directory_of_many_files_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in 0..65 {
        write(&folder.path().join(name.to_string()), name.to_string());
    }
    check_path(folder.path(), &format!("{} holds more than 64 files", folder.path().display()));
}

#[test]
fn a_device_is_refused_unopened() {
    check_path(Path::new("/dev/zero"), "/dev/zero is not a regular file");
}

#[test]
fn a_missing_file_is_named_by_its_variable_alone() {
    check_path(
        Path::new("/nowhere/key"),
        "the file that it names cannot be read: No such file or directory (os error 2)",
    );
}

#[test]
fn one_source_of_secrets_a_route() {
    let problem = "ROUTE_A_SECRET: is set, and HOOKWARDEN_ROUTE_A_SECRET_FILE too; only one of them is accepted";
    check(&[("ROUTE_A_SECRET_FILE", "/keys")], &[problem]);
}

#[test]
fn an_inline_secret_loses_one_newline_at_its_end() {
    for (written, same) in [("hunter2\n", true), ("hunter2\n\n", false)] {
        let key = |secret| {
            let policy = loaded(&[("ROUTE_A_SECRET", secret)]).policy;
            let mut mac = policy.routes.get(0).and_then(|route| route.keys.at(0)).and_then(Key::mac).expect("a MAC");
            mac.update(b"message");
            mac.finish().as_bytes().to_vec()
        };
        assert_eq!(key(written) == key("hunter2"), same, "{written:?}");
    }
    check(&[("ROUTE_A_SECRET", "\n")], &["ROUTE_A_SECRET: key 1 is empty"]);
}

#[test]
fn the_secrets_of_the_sidecar_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let (token, resign) = (folder.path().join("token"), folder.path().join("resign"));
    write(&token, "a token\n");
    write(&resign, "whsec_c2VjcmV0\n");
    let changes = [("ADMIN_TOKEN_FILE", text(&token)), ("RESIGN_SECRET_FILE", text(&resign))];
    let Config { process, policy } = loaded(&changes);
    assert_eq!(process.admin_token.as_ref().map(Secret::expose), Some(b"a token".as_slice()));
    assert!(policy.resign.is_some());
    write(&token, "\n");
    write(&resign, "not base64!\n");
    check(
        &changes,
        &[
            &format!("ADMIN_TOKEN_FILE: {} is empty", token.display()),
            &format!("RESIGN_SECRET_FILE: {}: key resign is not valid base64", resign.display()),
        ],
    );
}
