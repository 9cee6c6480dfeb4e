//! What the binary knows of its own making: the revision and the compiler, for the metric `hookwarden_build_info`, and the
//! time, for the audit. None is needed to build: a source archive without git is of revision `unknown`.
//!
//! And the list of the catalogue's files, so that a provider is one file and no line elsewhere.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Where the catalogue's files are.
const CATALOGUE: &str = "src/providers/catalogue";

#[allow(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    println!("cargo::rustc-env=HOOKWARDEN_BUILD_RUSTC={}", first_line(&rustc, &["--version"]));
    // An image is built from the sources alone, and told the revision.
    println!("cargo::rerun-if-env-changed=HOOKWARDEN_BUILD_REVISION");
    let told = std::env::var("HOOKWARDEN_BUILD_REVISION").ok().filter(|revision| !revision.is_empty());
    let revision = told.unwrap_or_else(|| first_line("git", &["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=HOOKWARDEN_BUILD_REVISION={revision}");
    // What builds reproducibly says so itself (<https://reproducible-builds.org/specs/source-date-epoch/>).
    let made = std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| first_line("git", &["log", "-1", "--format=%ct"]));
    println!("cargo::rustc-env=HOOKWARDEN_BUILD_TIME={made}");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=src/build.rs");
    // Its last line changes with each commit. Where it is missing, naming it would rebuild everything each time.
    let moves = ".git/logs/HEAD";
    if Path::new(moves).exists() {
        println!("cargo::rerun-if-changed={moves}");
    }
    println!("cargo::rerun-if-changed={CATALOGUE}");
    let out = std::env::var("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let root = std::env::var("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let written = catalogue(&root.join(CATALOGUE)).and_then(|list| fs::write(out.join("catalogue.rs"), list));
    if let Err(error) = written {
        println!("cargo::error={CATALOGUE}: {error}");
    }
    let told = |name: &str| std::env::var(name).unwrap_or_default();
    let here = told("TARGET") == told("HOST") && told("TARGET").contains("-linux-");
    if here && told("PROFILE") == "release" && runs_with(PACKED, &rustc, &told("CARGO_ENCODED_RUSTFLAGS"), &out) {
        println!("cargo::rustc-link-arg-bin=hookwarden={PACKED}");
    }
}

/// The list of addresses that are adjusted when the program starts, in a thirtieth of its room (`DT_RELR`): half a
/// megabyte of the file, and of memory, since it is read as a whole. It needs glibc 2.36 or musl 1.2.4, here and where
/// the program runs, and a linker that knows it.
const PACKED: &str = "-Wl,-z,pack-relative-relocs";

/// Whether a program that is linked so runs here: whoever builds where it does not goes without.
fn runs_with(argument: &str, rustc: &str, flags: &str, out: &Path) -> bool {
    let (source, program) = (out.join("probe.rs"), out.join("probe"));
    let mut build = Command::new(rustc);
    build.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    build.args(["-C", &format!("link-arg={argument}"), "-o"]).arg(&program).arg(&source);
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    fs::write(&source, "fn main() {}").is_ok() && succeeds(&mut build) && succeeds(&mut Command::new(&program))
}

/// The catalogue's files as a table: name, aliases, text.
fn catalogue(folder: &Path) -> io::Result<String> {
    let mut files =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut list = "static CATALOGUE: &[(&str, &[&str], &str)] = &[\n".to_owned();
    for file in files {
        let text = fs::read_to_string(&file)?;
        // On one line, as every file of the catalogue has it; a test compares them with what is parsed.
        let aliases = text.lines().find_map(|line| line.strip_prefix("aliases = ")).unwrap_or("[]");
        let (name, path) = (file.file_name().unwrap_or_default().to_string_lossy(), file.to_string_lossy());
        // Writing into a string does not fail.
        let _ = writeln!(list, "({name:?}, &{aliases}, include_str!({path:?})),");
    }
    Ok(list + "];\n")
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().filter(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
}
