//! Each rule: a configuration that has it, and one that has not. The one that has none of all is the same for all.

mod objects;
mod settings;

use std::collections::BTreeSet;

use crate::config::knobs::{GLOBAL, ROUTE};
use crate::govern::subject::{Practice, Record};

use super::*;

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

#[test]
fn codes_are_unique_and_in_order() {
    let codes: Vec<_> = all().map(|row| row.rule.code).collect();
    assert!(codes.is_sorted_by(|one, other| one < other), "{codes:?}");
    assert!(codes.len() >= 45, "{}", codes.len());
    for code in codes {
        assert!(
            code.len() == 5 && code.starts_with("HW") && code[2..].bytes().all(|byte| byte.is_ascii_digit()),
            "{code}"
        );
        assert_eq!(find(&code.to_ascii_lowercase()).map(|rule| rule.code), Some(code));
    }
}

/// A number that nobody has looked up proves nothing: these are the ones that were.
#[test]
fn references_are_of_known_catalogues() {
    let asvs = [
        "2.4.1", "4.1.3", "4.1.4", "4.1.5", "11.2.4", "12.3.5", "13.3.1", "13.3.2", "13.3.3", "13.3.4", "15.3.4",
        "16.1.1", "16.2.1", "16.3.1", "16.4.1", "16.4.2", "16.4.3", "16.5.1", "16.5.2", "16.5.3",
    ];
    let nist = [
        "AC-3", "AC-4", "AC-6", "AT-2", "AT-3", "AU-2", "AU-3", "AU-6", "AU-8", "AU-9", "AU-10", "AU-11", "AU-12",
        "CA-2", "CA-7", "CM-6", "CM-7", "IA-3", "IA-5", "RA-5", "SC-5", "SC-7", "SC-8", "SC-12", "SC-13", "SC-17",
        "SC-23", "SC-28", "SI-2", "SI-4", "SI-7", "SI-10", "SR-11",
    ];
    let cwe = [
        "294", "444", "347", "208", "306", "319", "326", "327", "521", "798", "532", "613", "770", "778", "117", "918",
        "1188",
    ];
    let api = ["API2", "API4", "API5", "API7", "API8", "API9", "API10"].map(|name| format!("{name}:2023"));
    for rule in all().map(|row| &row.rule) {
        assert!(!rule.references.is_empty(), "{}", rule.code);
        for reference in rule.references {
            let known = match *reference {
                text if text.starts_with("OWASP ") => api.iter().any(|name| text[6..] == **name),
                text if text.starts_with("ASVS 5.0 ") => asvs.contains(&&text[9..]),
                text if text.starts_with("NIST SP 800-53 ") => nist.contains(&&text[15..]),
                text if text.starts_with("CWE-") => cwe.contains(&&text[4..]),
                _ => false,
            };
            assert!(known, "{}: {reference}", rule.code);
        }
    }
}

/// A remedy that names a setting that is none would be refused at the next start.
#[test]
fn remedies_name_settings_that_exist() {
    let global: BTreeSet<_> = GLOBAL.iter().map(|knob| format!("HOOKWARDEN_{}", knob.name)).collect();
    let route: BTreeSet<_> = ROUTE.iter().map(|knob| format!("HOOKWARDEN_ROUTE_<NAME>_{}", knob.name)).collect();
    for rule in all().map(|row| &row.rule) {
        assert!(!rule.why.is_empty() && rule.why.ends_with('.') && rule.remedy.ends_with('.'), "{}", rule.code);
        assert!(!rule.title.ends_with('.') && !rule.why.contains("<NAME>"), "{}", rule.code);
        let is_part = |char: char| {
            char.is_ascii_uppercase() || char == '_' || char == '<' || char == '>' || char.is_ascii_digit()
        };
        let words = rule
            .remedy
            .match_indices("HOOKWARDEN_")
            .map(|(at, _)| rule.remedy[at..].split(|char| !is_part(char)).next());
        for word in words.flatten() {
            let bare = word.strip_suffix("_FILE").unwrap_or(word);
            let known = [word, bare].iter().any(|name| global.contains(*name) || route.contains(*name));
            assert!(known, "{}: {word}", rule.code);
        }
    }
}

#[test]
fn what_people_have_done() {
    let day = |days: u64| NOW - days * DAY;
    let record = |kind: &str, at| Record { kind: kind.into(), at, by: "ann".into() };
    let check = |records: Option<Vec<Record>>, required: Option<u64>, expected: [Option<usize>; 2]| {
        let practice = Practice { records, require_training: required.map(|days| days * DAY), now: NOW };
        let found = practice::ROWS.iter().map(|row| row.of_practice(&practice).map(|found| found.len()));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{practice:?}");
    };
    check(None, None, [None, None]);
    check(None, Some(365), [None, Some(1)]);
    check(Some(vec![]), None, [Some(1), None]);
    check(Some(vec![record("review", day(89)), record("review", day(400))]), None, [Some(0), None]);
    check(Some(vec![record("review", day(91))]), None, [Some(1), None]);
    check(Some(vec![record("review", NOW + 9)]), None, [Some(1), None]);
    check(Some(vec![record("review", day(1)), record("training", day(364))]), Some(365), [Some(0), Some(0)]);
    check(Some(vec![record("review", day(1)), record("training", day(366))]), Some(365), [Some(0), Some(1)]);
}
