//! Rates, locks and the like, as they are written.

use std::time::Duration;

use crate::http1::framing::digits;
use crate::limits::Terms;
use crate::limits::lockout::Rule;
use crate::limits::rate::{MAX_COUNT, Rate};
use crate::policy::RouteLimits;

use super::reader::Reader;
use super::values::{self, Parsed};

/// Asks for the limits of the process.
pub(super) fn terms(reader: &mut Reader<'_, '_>) -> Terms {
    let rate_per_source = reader.value("RATE_PER_SOURCE", |text| or_off(text, rate)).flatten();
    let lockout = reader.value("LOCKOUT", |text| or_off(text, lockout)).flatten();
    let max_sources = reader.value("MAX_SOURCES", values::count).unwrap_or_default();
    Terms {
        rate_per_source,
        lockout,
        max_sources,
        connections_per_source: reader
            .value("MAX_CONNECTIONS_PER_SOURCE", |text| or_off(text, values::count))
            .flatten(),
        requests_per_connection: reader.value("MAX_REQUESTS_PER_CONNECTION", values::count).unwrap_or_default() as u64,
    }
}

/// Asks for the limits of a route.
pub(super) fn of_route(reader: &mut Reader<'_, '_>) -> RouteLimits {
    RouteLimits {
        rate: reader.value("RATE", |text| or_off(text, rate)).flatten(),
        rate_per_credential: reader.value("RATE_PER_CREDENTIAL", |text| or_off(text, rate)).flatten(),
        lockout: reader.value("LOCKOUT", |text| values::word(text, &[("on", true), ("off", false)])).unwrap_or(true),
    }
}

/// A setting that can be `off`.
fn or_off<T>(text: &str, parse: impl Fn(&str) -> Parsed<T>) -> Parsed<Option<T>> {
    if text == "off" { Ok(None) } else { parse(text).map(Some) }
}

/// `100/s burst 200`; without a burst, as many at once as in a whole second, minute or hour.
fn rate(text: &str) -> Parsed<Rate> {
    let bad = || format!("{text:?} is not a rate such as 100/s burst 200, with numbers from 1 to {MAX_COUNT}");
    let (count, burst) = match text.split_once(" burst ") {
        Some((count, burst)) => (count, Some(burst)),
        None => (text, None),
    };
    let (count, unit) = count.split_once('/').ok_or_else(bad)?;
    let per = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(bad()),
    };
    let count = number(count).ok_or_else(bad)?;
    let burst = burst.map_or(Some(count), number).ok_or_else(bad)?;
    Rate::new(count, Duration::from_secs(per), burst).ok_or_else(bad)
}

/// `20/1m for 15m`.
fn lockout(text: &str) -> Parsed<Rule> {
    let bad = || format!("{text:?} is not a rule such as 20/1m for 15m");
    let (count, lasts) = text.split_once(" for ").ok_or_else(bad)?;
    let (failures, within) = count.split_once('/').ok_or_else(bad)?;
    let failures = number(failures).filter(|failures| *failures > 0).ok_or_else(bad)?;
    let duration = |text| values::positive_duration(text).map_err(|_| bad());
    Ok(Rule { failures, within: duration(within)?, lasts: duration(lasts)? })
}

fn number(text: &str) -> Option<u32> {
    digits(text.as_bytes()).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let rate_of = |count, per, burst| Rate::new(count, Duration::from_secs(per), burst);
        for (text, expected) in [
            ("100/s burst 200", rate_of(100, 1, 200)),
            ("100/s", rate_of(100, 1, 100)),
            ("5/m burst 1", rate_of(5, 60, 1)),
            ("1000000/h", rate_of(1_000_000, 3600, 1_000_000)),
            ("0/s", None),
            ("1000001/s", None),
            ("1/s burst 0", None),
            ("1/d", None),
            ("1", None),
            ("+1/s", None),
            ("1/s burst", None),
            ("1/s  burst 2", None),
            ("", None),
        ] {
            assert_eq!(rate(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn locks() {
        let (minute, quarter) = (Duration::from_secs(60), Duration::from_secs(900));
        let rule = Rule { failures: 20, within: minute, lasts: quarter };
        assert_eq!(lockout("20/1m for 15m"), Ok(rule));
        for text in ["20/1m", "0/1m for 15m", "20/0s for 1m", "20/1m for 0s", "20/m for 15m", "20/1m  for 15m", "on"] {
            assert!(lockout(text).is_err(), "{text}");
        }
        assert_eq!(or_off("off", lockout), Ok(None));
    }
}
