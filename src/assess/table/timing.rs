//! Messages from another time.

use std::time::Duration;

use super::{Attack, Forge, PROOF, Probe, REFUSED, Rule, Severity, Shot, Skip, TIME};
use crate::auth::scheme::TimestampFrom;
use crate::clock::Now;

/// How far outside the window a message is: far enough for every clock and every tolerance that somebody would set.
const HOUR: Duration = Duration::from_secs(3600);

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) static ATTACKS: &[Attack] = &[
    Attack {
        rule: Rule {
            code: "HA030",
            severity: Severity::High,
            title: "A message without its time",
            why: "A check that passes over a missing time has none: leaving it out makes captured messages fresh.",
            remedy: "Refuse a message that lacks the time that its scheme signs.",
            references: &["CWE-294", "OWASP API2:2023", "NIST SP 800-53 SI-10"],
        },
        sent: "A genuine message without the field that holds its signed time, and with that field empty.",
        holds: REFUSED,
        reasons: &[PROOF, TIME],
        probe: Probe::Refused(|forge| {
            forge.needs_time()?;
            match forge.scheme().timestamp.as_ref().map(|time| &time.from) {
                Some(TimestampFrom::Header(name)) => {
                    let message = forge.genuine()?;
                    let empty = message.clone().with(name, "").shot("an empty time");
                    Ok(vec![message.without(name).shot("no time"), empty])
                }
                _ => Err(Skip::because("the signed time stands in no field of its own")),
            }
        }),
    },
    Attack {
        rule: Rule {
            code: "HA031",
            severity: Severity::High,
            title: "A message of an hour ago",
            why: "A captured message (from a log, a proxy, a backup) can be sent again for as long as the window is open, and ids are remembered for less.",
            remedy: "Refuse what was signed more than five minutes ago; keep clocks in step.",
            references: &["CWE-294", "CWE-613", "OWASP API2:2023", "NIST SP 800-53 SC-23"],
        },
        sent: "A message that is signed correctly, an hour and twice the scheme's tolerance ago.",
        holds: REFUSED,
        reasons: &[TIME, PROOF],
        probe: Probe::Refused(|forge| earlier(forge, HOUR, "an hour ago")),
    },
    Attack {
        rule: Rule {
            code: "HA032",
            severity: Severity::High,
            title: "A message of last year",
            why: "Without a limit on age every message that was ever captured works for ever, through every leak of an old log.",
            remedy: "Refuse what was signed more than five minutes ago.",
            references: &["CWE-294", "CWE-613", "OWASP API2:2023", "NIST SP 800-53 SC-23"],
        },
        sent: "A message that is signed correctly, a year ago.",
        holds: REFUSED,
        reasons: &[TIME, PROOF],
        probe: Probe::Refused(|forge| earlier(forge, YEAR, "a year ago")),
    },
    Attack {
        rule: Rule {
            code: "HA033",
            severity: Severity::Low,
            title: "A message from the future",
            why: "What is dated ahead stays fresh for longer than the window says, and longer than ids are remembered.",
            remedy: "Refuse what was signed more than five minutes from now.",
            references: &["CWE-294", "OWASP API2:2023", "NIST SP 800-53 SC-23"],
        },
        sent: "A message that is signed correctly, an hour and twice the scheme's tolerance from now.",
        holds: REFUSED,
        reasons: &[TIME, PROOF],
        probe: Probe::Refused(|forge| {
            forge.needs_time()?;
            let then = forge.now.plus(HOUR + forge.scheme().tolerance.saturating_mul(2));
            Ok(vec![forge.genuine_at(then)?.shot("an hour from now")])
        }),
    },
];

fn earlier(forge: &Forge<'_>, by: Duration, label: &str) -> Result<Vec<Shot>, Skip> {
    forge.needs_time()?;
    let by = by + forge.scheme().tolerance.saturating_mul(2);
    let then = Now { wall: forge.now.wall.saturating_sub(by), ..forge.now };
    Ok(vec![forge.genuine_at(then)?.shot(label)])
}
