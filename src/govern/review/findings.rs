//! What the tally says of each permission, a finding each, with the settings that would be narrower.

mod keys;
mod lists;
mod routes;

use serde::Serialize;

use super::permissions::{Permission, Permissions};
use super::sign_off::LastReview;
use super::tally::{RouteTally, Tally, Use};

/// What is asked for. Times are in seconds since the Unix epoch, spans in seconds.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Now.
    pub now: u64,
    /// What was used at most so often since the date is barely used.
    pub barely: u64,
    /// A permission that ends within this is ending.
    pub ending: u64,
    /// A key that is older is over age.
    pub key_age: u64,
    /// What was signed off last.
    pub last: Option<LastReview>,
}

/// Something to decide on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is called in decisions: `route/finding`, the same in each review.
    pub id: String,
    /// The route.
    pub route: String,
    /// Which finding it is.
    pub finding: &'static str,
    /// What was seen.
    pub evidence: String,
    /// The settings that would be narrower; none where a person has to find them.
    pub changes: Vec<Change>,
    /// What to revoke or to do elsewhere.
    pub advice: String,
}

/// A variable and what would become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its full name.
    pub variable: String,
    /// What it is set to: nothing, or not shown because it is a secret.
    pub from: Option<String>,
    /// Whether it is set.
    pub is_set: bool,
    /// What it should be set to; nothing takes it out.
    pub to: Option<String>,
}

/// The whole review.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Uses count since then, in seconds since the Unix epoch.
    pub since: u64,
    /// The first and the last record's time.
    pub period: Option<(u64, u64)>,
    /// Records since that date.
    pub records: u64,
    /// Records before it.
    pub earlier: u64,
    /// Requests that no route was found for.
    pub strangers: u64,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was used, a row a route.
    pub routes: Vec<RouteUse>,
    /// What the records do not show, in words.
    pub not_seen: Vec<String>,
}

/// How a route was used.
#[derive(Debug, Serialize)]
pub struct RouteUse {
    /// Its name.
    pub route: String,
    /// Whether the configuration has it.
    pub configured: bool,
    /// Permitted requests since the date.
    pub used: u64,
    /// The last permitted one at all, in seconds since the Unix epoch.
    pub last: Option<u64>,
    /// Refused requests since the date.
    pub denied: u64,
}

/// A route in review: what it may, what it did, and what is asked.
struct Case<'c> {
    permission: &'c Permission,
    tally: &'c RouteTally,
    terms: &'c Terms,
    since: u64,
}

/// Reviews what was counted.
#[must_use]
pub fn report(tally: &Tally<Permissions>, terms: &Terms) -> Report {
    let idle = RouteTally::default();
    // Nothing is known of the time before the first record.
    let since = tally.since().max(tally.period.map_or(0, |(from, _)| from));
    let mut findings = Vec::new();
    for permission in tally.permits().iter() {
        let name = &permission.route.name;
        let case = Case { permission, tally: tally.route(name).unwrap_or(&idle), terms, since };
        findings.extend(case.findings());
    }
    findings.extend(routes::gone(tally));
    let row = |(route, used): (String, &RouteTally)| RouteUse {
        configured: tally.permits().has(&route),
        route,
        used: used.used.count,
        last: (used.used.last > 0).then_some(used.used.last),
        denied: used.denied.count,
    };
    Report {
        since,
        period: tally.period,
        records: tally.records,
        earlier: tally.earlier,
        strangers: tally.strangers.denied.count,
        findings,
        routes: tally.routes().into_iter().map(row).collect(),
        not_seen: tally.permits().names().filter_map(|name| untold(name, tally.route(name)?)).collect(),
    }
}

/// Says that a route's content types could not be judged.
fn untold(route: &str, tally: &RouteTally) -> Option<String> {
    let Use { count, last } = tally.untold;
    let (used, last) = (tally.used.count, day(last));
    let why = || {
        format!(
            "{route}: content types are not in {count} of {used} of these records, the last of {last}, which an older \
             version wrote; without these (--since) CONTENT_TYPES would be reviewed"
        )
    };
    (count > 0).then(why)
}

impl Case<'_> {
    fn findings(&self) -> Vec<Finding> {
        let always = [
            routes::unused(self),
            routes::ending(self),
            routes::failing(self),
            routes::unusual(self),
            keys::over_age(self),
        ];
        let mut findings: Vec<_> = always.into_iter().flatten().collect();
        // A route that is not used at all has nothing that is used.
        if self.tally.used.count > 0 {
            let rest = [
                routes::barely(self),
                routes::path(self),
                routes::body(self),
                routes::mode(self),
                routes::new_senders(self),
                keys::unused(self),
            ];
            findings.extend(rest.into_iter().flatten());
            findings.extend(lists::all(self));
        }
        findings
    }

    fn finding(&self, finding: &'static str, evidence: String, changes: Vec<Change>, advice: &str) -> Finding {
        let route = self.permission.route.name.to_string();
        Finding { id: format!("{route}/{finding}"), route, finding, evidence, changes, advice: advice.to_owned() }
    }

    /// A setting's new value, in the place of what it is written as now.
    fn change(&self, field: &str, to: String) -> Vec<Change> {
        let variable = self.permission.variable(field);
        let Some((written, value)) = self.permission.written(field) else {
            return vec![Change { variable, from: None, is_set: false, to: Some(to) }];
        };
        let from = value.map(str::to_owned);
        if written == variable {
            return vec![Change { variable, from, is_set: true, to: Some(to) }];
        }
        // The value is in a file: both cannot be set.
        let by_file = Change { variable: written.to_owned(), from, is_set: true, to: None };
        vec![by_file, Change { variable, from: None, is_set: false, to: Some(to) }]
    }
}

/// A time as its day.
fn day(second: u64) -> String {
    let time = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    time.map_or_else(|| second.to_string(), |time| time.to_string().chars().take(10).collect())
}

/// `1 request`, `2 requests`.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
