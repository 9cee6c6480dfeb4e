//! What the records show, counted in bounded memory.
//!
//! Per route and dimension (methods, events, media types, sources, keys, names of certificates, paths) at most [`DISTINCT`] different
//! values are told apart. When that many are known, a further one is counted together with all others like it: what is
//! permitted is found in use all the same, since each value is then held against the permissions one by one, but no list
//! of what was used is complete any more, and so none is proposed.

use std::collections::HashMap;

use super::record::Line;

/// The most different values of a dimension that are told apart on one route.
pub const DISTINCT: usize = 4096;

/// The most routes that are told apart, beside those of the policy: names in a log are somebody's word.
pub const ROUTES: usize = 1024;

/// How often something was used, and when last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// Times since the date that is asked about.
    pub count: u64,
    /// The last time in all that was read, in seconds since the Unix epoch; 0 for never.
    pub last: u64,
}

impl Use {
    fn add(&mut self, second: u64, counts: bool) {
        self.count += u64::from(counts);
        self.last = self.last.max(second);
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, last: self.last.max(other.last) }
    }
}

/// The values of one dimension.
#[derive(Debug, Default)]
pub struct Dimension {
    seen: HashMap<Box<[u8]>, Use>,
    /// Values for which there was no room, together.
    others: Use,
    /// Of these, what each permission was used for.
    by_permission: Vec<Use>,
}

/// Which permissions of a route (by their index) a value uses.
pub type Uses<'p> = &'p dyn Fn(&[u8]) -> Vec<usize>;

impl Dimension {
    fn add(&mut self, value: &[u8], second: u64, counts: bool, uses: Uses<'_>) {
        if let Some(known) = self.seen.get_mut(value) {
            return known.add(second, counts);
        }
        if self.seen.len() < DISTINCT {
            let mut first = Use::default();
            first.add(second, counts);
            self.seen.insert(value.into(), first);
            return;
        }
        self.others.add(second, counts);
        for index in uses(value) {
            if self.by_permission.len() <= index {
                self.by_permission.resize(index + 1, Use::default());
            }
            self.by_permission[index].add(second, counts);
        }
    }

    /// Whether every value was told apart.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.others == Use::default()
    }

    /// The values that were used since the date, in their order.
    #[must_use]
    pub fn used(&self) -> Vec<(String, Use)> {
        let recent = self.seen.iter().filter(|(_, used)| used.count > 0);
        let mut used: Vec<_> = recent.map(|(value, used)| (text(value), *used)).collect();
        used.sort();
        used
    }

    /// How much a permission was used.
    #[must_use]
    pub fn of_permission(&self, index: usize, uses: Uses<'_>) -> Use {
        let told = self.seen.iter().filter(|(value, _)| uses(value).contains(&index));
        let beside = self.by_permission.get(index).copied().unwrap_or_default();
        told.fold(beside, |sum, (_, used)| sum.and(*used))
    }
}

impl PartialOrd for Use {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Use {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.count, self.last).cmp(&(other.count, other.last))
    }
}

/// What is permitted, as far as the counting has to know it.
pub trait Permits {
    /// The permissions of a route (by its name) that an event, a source or a certificate's name uses.
    fn uses(&self, route: &str, what: What, value: &[u8]) -> Vec<usize>;
}

/// Nothing is permitted: the log alone is read.
impl Permits for () {
    fn uses(&self, _: &str, _: What, _: &[u8]) -> Vec<usize> {
        Vec::new()
    }
}

/// A dimension whose permissions are patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named for its setting")]
pub enum What {
    Methods,
    Events,
    ContentTypes,
    Sources,
    Keys,
    ClientSans,
}

/// What one route was used for.
#[derive(Debug, Default)]
pub struct RouteTally {
    /// Requests that were proven, new and permitted.
    pub used: Use,
    /// Requests that were refused, or would have been.
    pub denied: Use,
    /// Requests that a route in monitor mode let through though they would have been refused.
    pub monitored: Use,
    /// The largest body among those that were permitted, in bytes.
    pub largest: u64,
    /// Of those that were permitted.
    pub methods: Dimension,
    /// Of those that were permitted.
    pub events: Dimension,
    /// Of those that were permitted.
    pub content_types: Dimension,
    /// Those that were permitted and had a body of no media type.
    pub untyped: Use,
    /// Those that were permitted and whose records do not tell the media type.
    pub untold: Use,
    /// Of those that were permitted.
    pub sources: Dimension,
    /// Of those that were permitted.
    pub keys: Dimension,
    /// Of those that were permitted.
    pub client_sans: Dimension,
    /// Of those that were permitted.
    pub paths: Dimension,
    /// Why the others were refused.
    pub reasons: Dimension,
    /// Who was refused.
    pub failing: Dimension,
    /// What was unusual.
    pub anomalies: Dimension,
}

/// The whole.
#[derive(Debug)]
pub struct Tally<P> {
    permits: P,
    since: u64,
    places: HashMap<Box<[u8]>, usize>,
    tallies: Vec<RouteTally>,
    /// Requests that no route was found for.
    pub strangers: RouteTally,
    /// Records of requests since the date.
    pub records: u64,
    /// Records of requests before it.
    pub earlier: u64,
    /// Records of other kinds.
    pub other: u64,
    /// Records of routes for which there was no room.
    pub unnamed: u64,
    /// The first and the last time, in seconds since the Unix epoch.
    pub period: Option<(u64, u64)>,
}

impl<P: Permits> Tally<P> {
    /// Nothing read yet, with room for these routes whatever the log says. Uses count from `since`, in seconds since the
    /// Unix epoch.
    pub fn new<'n>(permits: P, since: u64, routes: impl IntoIterator<Item = &'n str>) -> Self {
        let places: HashMap<_, _> =
            routes.into_iter().zip(0..).map(|(name, at)| (name.as_bytes().into(), at)).collect();
        let tallies = places.iter().map(|_| RouteTally::default()).collect();
        let strangers = RouteTally::default();
        Self { permits, since, places, tallies, strangers, records: 0, earlier: 0, other: 0, unnamed: 0, period: None }
    }

    /// What is permitted.
    pub fn permits(&self) -> &P {
        &self.permits
    }

    /// The date from which uses count.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// What a route was used for.
    pub fn route(&self, name: &str) -> Option<&RouteTally> {
        self.tallies.get(*self.places.get(name.as_bytes())?)
    }

    /// The routes that were used or asked for, by name.
    pub fn routes(&self) -> Vec<(String, &RouteTally)> {
        let places = self.places.iter();
        let mut routes: Vec<_> =
            places.filter_map(|(name, place)| Some((text(name), self.tallies.get(*place)?))).collect();
        routes.sort_by(|a, b| a.0.cmp(&b.0));
        routes
    }

    /// Where a route is counted. `None`: there is no room for it.
    fn place(&mut self, name: &[u8]) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        let place = self.tallies.len();
        (place < ROUTES).then(|| {
            self.tallies.push(RouteTally::default());
            self.places.insert(name.into(), place);
            place
        })
    }

    /// Takes a line.
    pub fn take(&mut self, line: &Line<'_>) {
        let counts = line.second >= self.since;
        let place = match line.route.as_deref() {
            None => None,
            Some(name) => match self.place(name) {
                None => {
                    self.unnamed += 1;
                    return;
                }
                place => place,
            },
        };
        let tally = place.and_then(|place| self.tallies.get_mut(place)).unwrap_or(&mut self.strangers);
        if line.kind.is_some() {
            self.other += 1;
            return tally.unusual(line, counts);
        }
        *(if counts { &mut self.records } else { &mut self.earlier }) += 1;
        let (from, to) = self.period.unwrap_or((line.second, line.second));
        self.period = Some((from.min(line.second), to.max(line.second)));
        tally.take(line, counts, &self.permits);
    }
}

impl RouteTally {
    fn unusual(&mut self, line: &Line<'_>, counts: bool) {
        if let Some(anomaly) = &line.anomaly {
            self.anomalies.add(anomaly, line.second, counts, &|_| Vec::new());
        }
    }

    fn take(&mut self, line: &Line<'_>, counts: bool, permits: &impl Permits) {
        let permitted = matches!(line.decision.as_deref(), Some(b"forwarded" | b"answered"));
        if permitted { self.permitted(line, counts, permits) } else { self.refused(line, counts) }
    }

    fn permitted(&mut self, line: &Line<'_>, counts: bool, permits: &impl Permits) {
        self.used.add(line.second, counts);
        self.largest = self.largest.max(if counts { line.body_bytes } else { 0 });
        if !line.tells_content_type {
            self.untold.add(line.second, counts);
        } else if line.content_type.is_none() && has_body(line) {
            self.untyped.add(line.second, counts);
        }
        let route = line.route.as_deref().map(text_ref).unwrap_or_default();
        let of = |what| move |value: &[u8]| permits.uses(route, what, value);
        for (dimension, value, what) in [
            (&mut self.methods, &line.method, Some(What::Methods)),
            (&mut self.events, &line.event, Some(What::Events)),
            (&mut self.content_types, &line.content_type, Some(What::ContentTypes)),
            (&mut self.sources, &line.source, Some(What::Sources)),
            (&mut self.keys, &line.key_id, Some(What::Keys)),
            (&mut self.client_sans, &line.client_san, Some(What::ClientSans)),
            (&mut self.paths, &line.path, None),
        ] {
            let Some(value) = value.as_deref() else { continue };
            match what {
                Some(what) => dimension.add(value, line.second, counts, &of(what)),
                None => dimension.add(value, line.second, counts, &|_| Vec::new()),
            }
        }
    }

    fn refused(&mut self, line: &Line<'_>, counts: bool) {
        self.denied.add(line.second, counts);
        if line.decision.as_deref() == Some(b"monitored") {
            self.monitored.add(line.second, counts);
        }
        for (dimension, value) in [(&mut self.reasons, &line.reason), (&mut self.failing, &line.source)] {
            if let Some(value) = value.as_deref() {
                dimension.add(value, line.second, counts, &|_| Vec::new());
            }
        }
    }
}

/// Whether the media type was asked about: it is wherever a length was said, and these methods have to say one.
fn has_body(line: &Line<'_>) -> bool {
    line.body_bytes > 0 || matches!(line.method.as_deref(), Some(b"POST" | b"PUT" | b"PATCH"))
}

/// A route's name is ASCII; another name is nobody's.
fn text_ref(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

/// For people: what would steer a terminal does not.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything uses the first permission.
    struct First;

    impl Permits for First {
        fn uses(&self, _: &str, _: What, _: &[u8]) -> Vec<usize> {
            vec![0]
        }
    }

    #[test]
    fn a_dimension_stays_bounded_and_says_so() {
        let mut tally = Tally::new(First, 10, []);
        for at in 0..DISTINCT + 50 {
            let line = format!(r#"{{"ts":"2026-01-01T00:00:00Z","route":"a","decision":"forwarded","event":"{at}"}}"#);
            tally.take(&Line::read(line.as_bytes()).expect("a record"));
        }
        let events = &tally.route("a").expect("seen").events;
        assert_eq!((events.used().len(), events.is_complete(), events.others.count), (DISTINCT, false, 50));
        assert_eq!(events.of_permission(0, &|_| vec![0]).count, DISTINCT as u64 + 50);
        assert_eq!(events.of_permission(1, &|_| vec![0]), Use::default());
    }

    #[test]
    fn names_of_routes_are_bounded_too() {
        let mut tally = Tally::new((), 0, []);
        for at in 0..ROUTES + 5 {
            let line = format!(r#"{{"ts":"2026-01-01T00:00:00Z","route":"r{at}","decision":"denied"}}"#);
            tally.take(&Line::read(line.as_bytes()).expect("a record"));
        }
        assert_eq!((tally.routes().len(), tally.unnamed), (ROUTES, 5));
    }
}
