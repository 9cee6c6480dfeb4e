//! What is recorded, who could change that, and what the outside is told.

use tracing::level_filters::LevelFilter;

use crate::govern::subject::Subject;
use crate::observe::audit_log::Destination;
use crate::policy::ErrorDetail;

use super::{DAY, High, Hits, Info, Low, Medium, Row, Settings, row, span};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW090",
        High,
        "Nothing is recorded",
        "After an incident nobody can say what was let through, from where, and with which key.",
        "Unset HOOKWARDEN_AUDIT_LOG (standard output), or set it to a file's path.",
        &["ASVS 5.0 16.3.1", "NIST SP 800-53 AU-2", "NIST SP 800-53 AU-12", "CWE-778"],
        Settings(no_log),
    ),
    row(
        "HW091",
        Low,
        "Records can be changed unnoticed",
        "Who gets at the log takes out what he has done.",
        "Set HOOKWARDEN_AUDIT_CHAIN=true; `hookwarden verify-log` then shows what was changed or taken out.",
        &["ASVS 5.0 16.4.2", "NIST SP 800-53 AU-9", "NIST SP 800-53 AU-10"],
        Settings(no_chain),
    ),
    row(
        "HW092",
        Low,
        "The records' chain has no key",
        "Who can write the log can make a chain of his own from any line on.",
        "Set HOOKWARDEN_AUDIT_CHAIN_KEY_FILE to a key of at least 16 random bytes that those who write the log do not have.",
        &["ASVS 5.0 16.4.2", "NIST SP 800-53 AU-9"],
        Settings(keyless_chain),
    ),
    row(
        "HW093",
        Medium,
        "Denials tell the client which check failed",
        "An attacker learns how near he is: that the key was right but the time was not, or that a route exists.",
        "Unset HOOKWARDEN_ERROR_DETAIL or set it to minimal; the record has the precise reason.",
        &["ASVS 5.0 16.5.1", "OWASP API8:2023"],
        Settings(full_detail),
    ),
    row(
        "HW094",
        Medium,
        "The operational log is off, or says too little or too much",
        "Without warnings nobody hears of a broken key file or a full store; debug and trace are for a developer's machine.",
        "Unset HOOKWARDEN_LOG_LEVEL, or set it to info.",
        &["ASVS 5.0 16.2.1", "NIST SP 800-53 AU-2", "CWE-778"],
        Settings(log_level),
    ),
    row(
        "HW095",
        Info,
        "The service cannot tell that a request came by the sidecar",
        "Whoever reaches the service past the sidecar is believed.",
        "Set HOOKWARDEN_RESIGN_SECRET_FILE and have the service verify Standard Webhooks with that secret; or make sure that nobody else reaches it.",
        &["ASVS 5.0 12.3.5", "NIST SP 800-53 SC-8"],
        Settings(no_resigning),
    ),
    row(
        "HW096",
        Low,
        "Subscriptions are confirmed without a person",
        "Who has a key of the provider's, such as an account there, subscribes this endpoint to his own topic, and its messages are authentic then.",
        "Unset HOOKWARDEN_ROUTE_<NAME>_CONFIRM_SUBSCRIPTIONS once all subscriptions are confirmed.",
        &["OWASP API8:2023", "NIST SP 800-53 CM-7"],
        Settings(confirms),
    ),
    row(
        "HW097",
        Medium,
        "This version is old",
        "What was found and mended since is open here, and attackers read release notes.",
        "Update to the current release; `hookwarden --version` and hookwarden_build_info tell what runs.",
        &["NIST SP 800-53 SI-2", "NIST SP 800-53 RA-5", "OWASP API9:2023"],
        Settings(old),
    ),
];

fn no_log(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.process.audit_log == Destination::Off {
        hits.global("AUDIT_LOG", "it is off");
    }
}

fn no_chain(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.process.audit_chain.is_none() && subject.process.audit_log != Destination::Off {
        hits.global("AUDIT_CHAIN", "it is false");
    }
}

fn keyless_chain(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.process.audit_chain.is_some() && !subject.is_set("AUDIT_CHAIN_KEY_FILE") {
        hits.global("AUDIT_CHAIN_KEY_FILE", "it is not set");
    }
}

fn full_detail(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.policy.error_detail == ErrorDetail::Full {
        hits.global("ERROR_DETAIL", "it is full");
    }
}

fn log_level(subject: &Subject<'_>, hits: &mut Hits) {
    let level = subject.process.log_level;
    match level {
        LevelFilter::OFF | LevelFilter::ERROR => hits.global("LOG_LEVEL", format!("it is {level}")),
        LevelFilter::DEBUG | LevelFilter::TRACE => {
            let finding = hits.global("LOG_LEVEL", format!("it is {level}"));
            finding.severity = Low;
            finding
        }
        _ => return,
    };
}

fn no_resigning(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.policy.resign.is_none() && !subject.is_set("RESIGN_SECRET_FILE") {
        hits.global("RESIGN_SECRET_FILE", "it is not set");
    }
}

fn confirms(subject: &Subject<'_>, hits: &mut Hits) {
    for route in subject.policy.routes.iter() {
        if route.network.named.as_ref().is_some_and(|named| named.confirms()) {
            hits.route(route, "CONFIRM_SUBSCRIPTIONS", "it is true");
        }
    }
}

/// Half a year.
const OLD: u64 = 183 * DAY;

fn old(subject: &Subject<'_>, hits: &mut Hits) {
    if let Some(age) = subject.built.map(|built| subject.now.saturating_sub(built)).filter(|age| *age > OLD) {
        let version = env!("CARGO_PKG_VERSION");
        let finding = hits.whole("hookwarden", format!("version {version} was made {} ago", span(age)));
        if age > 2 * OLD {
            finding.severity = High;
        }
    }
}
