//! The lesson of a setting: its row, and beside it what goes wrong where it is set carelessly, and where that shows.

mod global;
mod route;

use crate::config::knobs::{GLOBAL, Knob};

use super::super::lesson::Lesson;

/// What a lesson adds to the row of its setting: the setting's name, why it matters, and where its effect shows.
type More = (&'static str, &'static str, &'static str);

/// The lesson of a setting with that full name.
pub(super) fn lesson(knob: &'static Knob, name: &str) -> Lesson {
    let (why, shows) = more(knob);
    let default = match knob.default {
        "" => "It has no default.".to_owned(),
        default => format!("Where it is not set, `{default}` holds."),
    };
    let file = if knob.has_file_form() { format!(" A path in `{name}_FILE` may stand for it.") } else { String::new() };
    let hidden = if knob.secret { " Its value is never shown." } else { "" };
    Lesson {
        what: knob.help.into(),
        why: why.into(),
        see: format!("{shows} `hookwarden check` says what is in effect.{hidden}").into(),
        now: format!("Set `{name}` to {}.{file} {default}", knob.accepts).into(),
        prevent:
            "Run `hookwarden check` before each rollout: it lists every fault at once, and refuses what the sidecar \
                  would refuse."
                .into(),
    }
}

fn more(knob: &'static Knob) -> (&'static str, &'static str) {
    // Some names are settings of both: they are told apart by where their rows stand.
    let is_global = GLOBAL.iter().any(|row| std::ptr::eq(row, knob));
    let rows = if is_global { global::ROWS } else { route::ROWS };
    rows.iter().find(|(name, ..)| *name == knob.name).map_or((knob.help, ""), |(_, why, shows)| (*why, *shows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::knobs::ROUTE;

    #[test]
    fn every_setting_has_its_row_and_every_row_its_setting() {
        for (knobs, rows) in [(GLOBAL, global::ROWS), (ROUTE, route::ROWS)] {
            for knob in knobs {
                assert_eq!(rows.iter().filter(|(name, ..)| *name == knob.name).count(), 1, "{}", knob.name);
            }
            for (name, ..) in rows {
                assert!(knobs.iter().any(|knob| knob.name == *name), "{name}");
            }
        }
    }
}
