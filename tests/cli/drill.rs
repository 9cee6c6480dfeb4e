//! `drill` where nobody can be asked. How a person meets it, the system tests show in a terminal.

use super::{code, run, stderr, stdout};

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let output = run(&["drill"], &[]);
    assert!(code(&output) == 2 && stderr(&output).contains("--non-interactive"), "{output:?}");
    for (arguments, problem) in [
        (&["drill", "--record", "x"][..], "--by"),
        (&["drill", "--non-interactive", "--record", "x", "--by", "oncall"], "cannot be used with"),
        (&["drill", "--record", "x", "--by", " "], "by somebody"),
    ] {
        let output = run(arguments, &[]);
        assert!(code(&output) == 2 && stderr(&output).contains(problem), "{output:?}");
    }
}

#[test]
fn the_transcript_has_every_incident_with_its_records() {
    let output = run(&["drill", "--non-interactive"], &[]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{output:?}");
    for number in 1..=9 {
        assert!(text.contains(&format!("Incident {number} of 9: ")), "{text}");
    }
    for outcome in
        ["replayed", "credential_invalid", "route_unknown", "rate_limited", "timestamp_stale", "ANOMALY probing"]
    {
        assert!(text.contains(outcome), "{outcome}: {text}");
    }
    let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    assert!(text.contains("reason=\"permission_expired\""), "{text}");
}
