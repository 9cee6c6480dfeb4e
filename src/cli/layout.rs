//! Text laid out for people: tables and paragraphs. Pure, but for how wide the terminal is.

use super::terminal;

/// The widest line, in characters: two fit side by side on a common screen.
pub(super) const WIDTH: usize = 100;

/// The narrowest that is still laid out.
const NARROWEST: usize = 40;

/// What stands between two columns.
const GAP: &str = "  ";

/// Rows in aligned columns. The last column is not padded, and may be as wide as it likes.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| chars(&row[column]));
        cells.chain([chars(head[column])]).max().unwrap_or(0)
    });
    let mut text = line(&head.map(str::to_owned), &widths);
    for row in rows {
        text.push_str(&line(row, &widths));
    }
    text
}

/// Named values, one a line, each value wrapped beside its name.
pub(super) fn list(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| chars(name)).max().unwrap_or(0);
    let row = |(name, value): &(&str, String)| {
        let indent = 2 + width + GAP.len();
        let wrapped = wrap(value, indent);
        format!("  {name:width$}{GAP}{}", wrapped.trim_start())
    };
    rows.iter().filter(|(_, value)| !value.is_empty()).map(row).collect()
}

/// How wide lines may be: [`WIDTH`], or as wide as the terminal where that is narrower.
pub(super) fn width() -> usize {
    terminal::size().map_or(WIDTH, |(columns, _)| columns.clamp(NARROWEST, WIDTH))
}

/// A paragraph in lines of at most [`width`] characters, each indented. A longer word stands alone.
pub(super) fn wrap(text: &str, indent: usize) -> String {
    wrap_to(text, indent, width())
}

/// The same for another width.
pub(super) fn wrap_to(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent);
    let (mut wrapped, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && chars(&line) + 1 + chars(word) > room {
            push_line(&mut wrapped, &line, indent);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    push_line(&mut wrapped, &line, indent);
    wrapped
}

/// A value, or a dash for none.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A duration as it is written in a setting: in the largest unit that leaves no rest.
pub(super) fn duration(duration: std::time::Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    if millis > 0 {
        return format!("{}ms", duration.as_millis());
    }
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    match units.iter().find(|(unit, _)| seconds >= *unit && seconds % unit == 0) {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// A time in seconds since the Unix epoch, as RFC 3339.
pub(super) fn time(second: u64) -> String {
    let time = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    time.map_or_else(|| second.to_string(), |time| time.to_string())
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    format!("{}\n", padded.collect::<Vec<_>>().join(GAP).trim_end())
}

fn push_line(text: &mut String, line: &str, indent: usize) {
    text.push_str(&" ".repeat(indent));
    text.push_str(line);
    text.push('\n');
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "long cell".to_owned()], ["ääää".to_owned(), "b".to_owned()]];
        assert_eq!(table(["ID", "NAME"], &rows), "ID    NAME\na     long cell\nääää  b\n");
        assert_eq!(table(["ID", "NAME"], &[]), "ID  NAME\n");
    }

    #[test]
    fn paragraphs_fit_the_width() {
        let text = "word ".repeat(60);
        let wrapped = wrap(&text, 4);
        assert!(wrapped.lines().all(|line| line.starts_with("    w") && chars(line) <= WIDTH), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 60);
        assert_eq!(list(&[("a", "b".into()), ("none", String::new()), ("cc", "d".into())]), "  a     b\n  cc    d\n");
    }

    #[test]
    fn durations_read_as_they_are_written() {
        for (seconds, expected) in [(0, "0s"), (1, "1s"), (90, "90s"), (300, "5m"), (86_400, "1d"), (90_000, "25h")] {
            assert_eq!(duration(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(time(1_801_440_000), "2027-02-01T00:00:00Z");
    }
}
