//! The lesson of an attack: what its row says, with how to try it, and how its traces look.

use crate::assess::NONCE_HEADER;
use crate::assess::attack::Attack;
use crate::govern::lesson::Lesson;

/// The lesson of an attack.
pub(super) fn lesson(attack: &'static Attack) -> Lesson {
    let (rule, code) = (&attack.rule, attack.rule.code);
    let mut reasons: Vec<_> = attack.reasons.iter().copied().flatten().map(|reason| reason.code()).collect();
    reasons.dedup();
    let seen = match reasons.as_slice() {
        [] => String::new(),
        some => format!(" Where Hookwarden holds, its records say {}.", some.join(" or ")),
    };
    let references = rule.references.join(", ");
    Lesson {
        what: attack.sent.into(),
        why: rule.why.into(),
        see: format!(
            "`hookwarden assess --target URL --provider ID --secret-file FILE --only {code}` tries it on an endpoint of \
             yours; its requests carry {NONCE_HEADER}.{seen}"
        )
        .into(),
        now: rule.remedy.into(),
        prevent: format!(
            "Assess the endpoint after each change of what stands in front of it. Holding looks so: {} What it is \
             measured by: {references}.",
            attack.holds
        )
        .into(),
    }
}
