//! The lesson of a rule of the audit: what its row says, with how to see it and how to keep it from coming back, by what
//! it looks at.

use crate::govern::finding::Rule;
use crate::govern::lesson::Lesson;
use crate::govern::rules::{self, About};

/// The lesson of a rule.
pub(super) fn lesson(rule: &'static Rule) -> Lesson {
    let (see, prevent) = match rules::about(rule) {
        About::Settings => (
            "`hookwarden audit` names each place; the running sidecar looks hourly and counts in `hookwarden_audit_findings`.",
            "Run `hookwarden audit --env-file FILE --fail-on medium` before each deployment, and put an alert on `hookwarden_audit_findings`.",
        ),
        About::Objects => (
            "`kubectl get deploy,sts,ds,pod,svc,netpol,ing,cm -A -o yaml | hookwarden audit -f -` names each object and line.",
            "Run `hookwarden audit -f rendered.yaml --fail-on medium` on what is about to be applied, and once a week on what the cluster has.",
        ),
        About::Practice => (
            "`hookwarden audit --records FILE` compares the last record with the calendar.",
            "Put the next date into the team's calendar, and the record into the repository that the audit runs in.",
        ),
    };
    let references = rule.references.join(", ");
    Lesson {
        what: format!("{} (rule {} of the audit, usually {}).", rule.title, rule.code, rule.severity).into(),
        why: rule.why.into(),
        see: see.into(),
        now: rule.remedy.into(),
        prevent: format!("{prevent} What it is measured by: {references}.").into(),
    }
}
