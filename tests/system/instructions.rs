//! A request takes no more instructions than it did.

use std::process::Command;

use crate::programs::run;

/// Built and run as its users do: `benches/instructions.rs` counts with valgrind, and fails when there are more.
#[test]
fn a_request_takes_no_more_instructions_than_are_known() {
    let mut bench = Command::new(env!("CARGO"));
    bench.args(["bench", "--locked", "--quiet", "--profile", "counted", "--bench", "instructions"]);
    let output = run(bench.current_dir(env!("CARGO_MANIFEST_DIR")), b"");
    let [told, said] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{told}{said}");
}
