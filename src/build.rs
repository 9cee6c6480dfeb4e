//! What the binary knows of its own making, for the metric `hookwarden_build_info`: the revision and the compiler.
//!
//! Neither is needed to build: a source archive without git is of revision `unknown`.

use std::path::Path;
use std::process::Command;

#[allow(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    println!("cargo::rustc-env=HOOKWARDEN_BUILD_RUSTC={}", first_line(&rustc, &["--version"]));
    println!("cargo::rustc-env=HOOKWARDEN_BUILD_REVISION={}", first_line("git", &["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rerun-if-changed=src/build.rs");
    // Its last line changes with each commit. Where it is missing, naming it would rebuild everything each time.
    let moves = ".git/logs/HEAD";
    if Path::new(moves).exists() {
        println!("cargo::rerun-if-changed={moves}");
    }
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().filter(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
}
