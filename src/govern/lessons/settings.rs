//! The lesson of a setting, from its row: what it is, what it accepts, how it is set and how its effect is seen.

use crate::config::knobs::Knob;

use super::super::lesson::Lesson;

/// The lesson of a setting with that full name.
pub(super) fn lesson(knob: &'static Knob, name: &str) -> Lesson {
    let default = match knob.default {
        "" => "It has no default: where it is not set, what the text above says holds.".to_owned(),
        default => format!("Where it is not set, `{default}` holds."),
    };
    let file = if knob.has_file_form() { format!(" A path in `{name}_FILE` may stand for it.") } else { String::new() };
    let hidden = if knob.secret { " Its value is never shown." } else { "" };
    Lesson {
        what: knob.help.into(),
        why: default.into(),
        see: format!("`hookwarden check` says what is in effect, and lists every fault at once.{hidden}").into(),
        now: format!("Set `{name}` to {}.{file}", knob.accepts).into(),
        prevent: "Run `hookwarden check` before each rollout: it refuses what the sidecar would refuse.".into(),
    }
}
