//! The XML of `JUnit`, as test dashboards read it: a suite, a case a rule and place. What was found fails, what was accepted or
//! could not be judged is skipped, and every other rule passes, so that a dashboard shows what was looked at.
//!
//! There is no standard; the elements are those of the Ant task's schema that all readers know.

use std::fmt::Write;

use crate::govern::finding::{Finding, Report, Rule, time};

/// The report as one suite. Findings below `fails` do not fail their case; they are told in its output.
#[must_use]
pub fn render(report: &Report, fails: impl Fn(&Finding) -> bool) -> String {
    let (mut cases, mut failures) = (String::new(), 0);
    for finding in &report.findings {
        let body = if fails(finding) {
            failures += 1;
            format!(
                "<failure message=\"{}\" type=\"{}\">{}</failure>",
                escape(&finding.evidence),
                finding.severity,
                escape(&story(finding))
            )
        } else {
            format!("<system-out>{}</system-out>", escape(&story(finding)))
        };
        case(&mut cases, finding.rule, &finding.place.to_string(), &body);
    }
    for accepted in &report.accepted {
        let why = format!("accepted by {} until {}: {}", accepted.owner, accepted.until, accepted.reason);
        let body = format!("<skipped message=\"{}\"/>", escape(&why));
        case(&mut cases, accepted.finding.rule, &accepted.finding.place.to_string(), &body);
    }
    for (rule, why) in &report.skipped {
        case(&mut cases, rule, "", &format!("<skipped message=\"{}\"/>", escape(why)));
    }
    for rule in &report.passed {
        case(&mut cases, rule, "", "");
    }
    let skipped = report.accepted.len() + report.skipped.len();
    let tests = report.findings.len() + skipped + report.passed.len();
    let name = format!("hookwarden {}", report.kind);
    let counts = format!("name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\"");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts} time=\"0\">\n<testsuite {counts} skipped=\"{skipped}\" \
         time=\"0\" timestamp=\"{}\" hostname=\"\">\n{cases}</testsuite>\n</testsuites>\n",
        time(report.at).trim_end_matches('Z')
    )
}

fn case(out: &mut String, rule: &Rule, place: &str, body: &str) {
    let name = if place.is_empty() { rule.title.to_owned() } else { format!("{}: {place}", rule.title) };
    // Writing to a text does not fail.
    let _ = writeln!(
        out,
        "<testcase classname=\"hookwarden.{}\" name=\"{}\" time=\"0\">{body}</testcase>",
        escape(rule.code),
        escape(&name)
    );
}

fn story(finding: &Finding) -> String {
    let (rule, references) = (finding.rule, finding.rule.references.join(", "));
    format!(
        "{} {}: {}\nwhere: {}\nwhy: {}\ndo: {}\nsee: {references}\n",
        rule.code, finding.severity, finding.evidence, finding.place, rule.why, finding.remedy
    )
}

/// Text for an element or an attribute (XML 1.0 sections 2.2 and 2.4): characters that XML cannot hold are replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => out.push(char),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::finding::Severity;
    use crate::govern::finding::tests::report;

    #[test]
    fn what_was_found_fails_and_the_rest_is_there() {
        let text = render(&report(), |finding| finding.severity >= Severity::High);
        assert!(text.contains("tests=\"5\" failures=\"2\""), "{text}");
        assert!(text.contains("skipped=\"1\""), "{text}");
        assert!(text.contains("Something &lt;bad&gt;: a.yaml:3 (Pod a/&lt;c&gt;)"), "{text}");
        assert_eq!(text.matches("<testcase ").count(), 5);
    }

    #[test]
    fn characters_that_xml_cannot_hold_are_replaced() {
        assert_eq!(escape("a\u{1}\u{ffff}<\u{1f600}"), "a\u{fffd}\u{fffd}&lt;\u{1f600}");
    }
}
