//! A file of `NAME=value` lines, as `docker run --env-file`, Compose and systemd take them. Pure.
//!
//! Quotes around a value are taken off, as Compose and systemd do; nothing else is changed: no expansion, no escapes, so
//! that what is read is what is written.

use std::ffi::OsString;

use crate::config::Environment;

/// The variables that are ours.
///
/// # Errors
/// A line is no assignment; its number, and nothing of what it says.
pub(super) fn parse(text: &str) -> Result<Environment, String> {
    let mut variables: Vec<(OsString, OsString)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let (name, value) = line.split_once('=').ok_or_else(|| format!("line {} is no NAME=value", index + 1))?;
        variables.push((name.trim_end().into(), unquoted(value.trim()).into()));
    }
    Ok(Environment::capture(variables))
}

fn unquoted(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_they_are_commonly_written() {
        let text = "# a comment\n\nHOOKWARDEN_A=1\nexport HOOKWARDEN_B = \"x = y\" \nHOOKWARDEN_C='#'\nPATH=/bin\nHOOKWARDEN_D=\n";
        let environment = parse(text).expect("good");
        let get = |name: &str| environment.get(name).and_then(|value| value.to_str()).map(str::to_owned);
        let names: Vec<_> = environment.names().collect();
        assert_eq!(names, ["HOOKWARDEN_A", "HOOKWARDEN_B", "HOOKWARDEN_C", "HOOKWARDEN_D"]);
        let values = names.iter().map(|name| get(name).expect("set")).collect::<Vec<_>>();
        assert_eq!(values, ["1", "x = y", "#", ""]);
        assert_eq!(parse("A=1\nhunter2\n").expect_err("no assignment"), "line 2 is no NAME=value");
    }
}
