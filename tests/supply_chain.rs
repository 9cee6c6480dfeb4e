//! What comes with the binary: licences, C code, duplicates and banned crates among its dependencies, read offline from
//! `cargo metadata` and the lock file.
//!
//! Known vulnerabilities are deliberately not asked for here: the answer changes with the day, and a test's must not.
#![allow(clippy::expect_used, reason = "in a test a surprise ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that a dependency of the binary may be had under. All are permissive: what they ask for is the notice.
/// MPL-2.0 is left out: nothing needs it, and file-level copyleft in a binary deserves a decision of its own.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    // Of webpki-roots: a licence for data, permissive, with nothing asked of results.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are not even locked, on any platform, tests included.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "one TLS stack, and no C library to patch beside us"),
    ("openssl-sys", "one TLS stack, and no C library to patch beside us"),
    ("native-tls", "one TLS stack, the same on every platform"),
    ("aws-lc-sys", "ring is the one provider of cryptography for TLS"),
    ("serde_yaml", "unmaintained"),
];

/// Crates that may bring code that is not Rust or link a library of the system, and why.
const FOREIGN: &[(&str, &str)] = &[("ring", "the cryptography of rustls: assembly and C, vendored, no system library")];

/// Crates that may be there in several versions, and why that cannot be helped yet.
const DUPLICATES: &[(&str, &str)] = &[
    ("bit-vec", "rcgen (by yasna) is a version ahead of jsonschema (by fancy-regex)"),
    ("getrandom", "ring, ahash and we ask three generations of it; each is a call to the system"),
    ("hashbrown", "dashmap stays behind indexmap's"),
    ("synstructure", "at build time alone: derive macros move one after the other"),
    ("syn", "at build time alone: derive macros move one after the other"),
];

#[test]
fn licences_are_permissive() {
    let graph = Graph::read();
    let fault = |package: &Value| {
        let licence = package["license"].as_str().unwrap_or_default();
        (!permitted(licence)).then(|| format!("{}: {licence:?}", label(package)))
    };
    let faults: Vec<_> = graph.shipped().filter_map(fault).collect();
    assert!(faults.is_empty(), "not among the permitted licences:\n{}", faults.join("\n"));
}

#[test]
fn banned_crates_are_not_locked() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).expect("the lock file");
    let locked: BTreeSet<_> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    assert!(locked.contains("\"hookwarden\""), "the lock file is read as it is written");
    let faults: Vec<_> = BANNED.iter().filter(|(name, _)| locked.contains(format!("{name:?}").as_str())).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn foreign_code_is_stated() {
    let graph = Graph::read();
    let found: BTreeSet<_> = graph.shipped().filter(|package| brings_foreign_code(package)).map(name).collect();
    let stated = FOREIGN.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, stated, "crates that build or link what is not Rust, and those that FOREIGN states");
}

#[test]
fn duplicates_are_stated() {
    let graph = Graph::read();
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    for package in graph.shipped() {
        versions.entry(name(package)).or_default().insert(package["version"].as_str());
    }
    let found: BTreeSet<_> =
        versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| *name).collect();
    let stated = DUPLICATES.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, stated, "crates in several versions, and those that DUPLICATES states");
}

#[test]
fn sources_are_one_registry() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let graph = Graph::read();
    let other = graph.shipped().filter(|package| package["source"].as_str() != Some(registry));
    assert_eq!(other.map(name).collect::<Vec<_>>(), ["hookwarden"], "only we are not from the registry");
}

#[test]
fn licence_expressions_are_read() {
    let check = |expression: &str, expected: bool| assert_eq!(permitted(expression), expected, "{expression}");
    check("MIT", true);
    check("GPL-3.0-only", false);
    check("GPL-3.0-only OR MIT", true);
    check("MIT AND GPL-3.0-only", false);
    check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
    check("(MIT OR Apache-2.0) AND (GPL-2.0-only OR LGPL-3.0-only)", false);
    // AND binds more tightly than OR.
    check("MIT OR GPL-3.0-only AND GPL-2.0-only", true);
    check("Apache-2.0 WITH LLVM-exception", true);
    check("GPL-2.0-only WITH Classpath-exception-2.0", false);
    check("MIT/Apache-2.0", true);
    for unreadable in ["", "()", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT MIT"] {
        check(unreadable, false);
    }
}

/// The resolved dependencies of this package on this machine's platform.
struct Graph {
    packages: BTreeMap<String, Value>,
    shipped: BTreeSet<String>,
}

impl Graph {
    fn read() -> Self {
        let platform = host();
        // Offline and locked: what is on the machine is what was built, and nothing is fetched or changed.
        let arguments = ["metadata", "--offline", "--locked", "--format-version=1", "--filter-platform", &platform];
        let metadata: Value = serde_json::from_slice(&cargo(&arguments)).expect("JSON");
        let by_id = |value: &Value| (value["id"].as_str().unwrap_or_default().to_owned(), value.clone());
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let packages = list(&metadata["packages"]).iter().map(by_id).collect();
        let nodes: BTreeMap<_, _> = list(&metadata["resolve"]["nodes"]).iter().map(by_id).collect();
        let mut shipped = BTreeSet::new();
        let mut open = vec![metadata["resolve"]["root"].as_str().expect("a root").to_owned()];
        while let Some(id) = open.pop() {
            let needs = list(&nodes[&id]["deps"]);
            if shipped.insert(id) {
                let needed = needs.iter().filter(|needed| is_shipped(needed));
                open.extend(needed.filter_map(|needed| needed["pkg"].as_str().map(str::to_owned)));
            }
        }
        assert!(shipped.len() > 50, "the whole graph is read");
        Self { packages, shipped }
    }

    /// The packages that take part in building the binary: what only tests need is left out.
    fn shipped(&self) -> impl Iterator<Item = &Value> {
        self.shipped.iter().map(|id| &self.packages[id])
    }
}

/// Whether a dependency is more than one for tests: those have the kind `dev`, the others none or `build`.
fn is_shipped(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array().map(Vec::as_slice).unwrap_or_default();
    kinds.iter().any(|kind| kind["kind"] != "dev")
}

/// A crate that names a native library, or whose build needs a C compiler or looks for the system's libraries.
fn brings_foreign_code(package: &Value) -> bool {
    let builders = ["cc", "cmake", "bindgen", "pkg-config", "vcpkg"];
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut needed = dependencies.iter().filter(|needed| needed["kind"] == "build" && needed["optional"] != true);
    !package["links"].is_null() || needed.any(|needed| builders.contains(&name(needed)))
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap_or_default()
}

fn label(package: &Value) -> String {
    format!("{} {}", name(package), package["version"].as_str().unwrap_or_default())
}

fn host() -> String {
    let version = String::from_utf8(cargo(&["-vV"])).expect("text");
    version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Whether an SPDX expression can be fulfilled with [`LICENCES`] alone. What cannot be read is not permitted.
fn permitted(expression: &str) -> bool {
    // `/` is how OR was written before SPDX expressions.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest).is_some_and(|permitted| permitted && rest.is_empty())
}

fn either(rest: &mut &[&str]) -> Option<bool> {
    let mut permitted = both(rest)?;
    while let ["OR", after @ ..] = rest {
        *rest = after;
        permitted |= both(rest)?;
    }
    Some(permitted)
}

fn both(rest: &mut &[&str]) -> Option<bool> {
    let mut permitted = single(rest)?;
    while let ["AND", after @ ..] = rest {
        *rest = after;
        permitted &= single(rest)?;
    }
    Some(permitted)
}

fn single(rest: &mut &[&str]) -> Option<bool> {
    match *rest {
        ["(", inside @ ..] => {
            *rest = inside;
            let permitted = either(rest)?;
            *rest = rest.strip_prefix(&[")"])?;
            Some(permitted)
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            Some(LICENCES.contains(&format!("{licence} WITH {exception}").as_str()))
        }
        [licence, after @ ..] if !matches!(*licence, "AND" | "OR" | "WITH" | ")") => {
            *rest = after;
            Some(LICENCES.contains(licence))
        }
        _ => None,
    }
}
