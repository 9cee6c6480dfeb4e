//! What is permitted, as a review asks about it: the routes in effect, and the variables that they were written as.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::{Environment, PREFIX, knobs, variables_of};
use crate::policy::{Policy, Route};

use super::tally::{Permits, What};

/// The permissions in effect.
#[derive(Debug, Default)]
pub struct Permissions {
    routes: BTreeMap<String, Permission>,
}

/// One route, and what it was written as.
#[derive(Debug)]
pub(super) struct Permission {
    pub(super) route: Arc<Route>,
    written: Vec<Written>,
}

/// A variable as it is set. A secret's value is not kept.
#[derive(Debug, Clone)]
struct Written {
    variable: String,
    field: String,
    value: Option<String>,
}

impl Permissions {
    /// Those of a policy, and of the environment that it was loaded from.
    #[must_use]
    pub fn new(policy: &Policy, environment: &Environment) -> Self {
        let permission = |route: &Arc<Route>| {
            let variables = variables_of(environment, &route.name);
            let written = variables.into_iter().map(|(variable, field)| Written::new(environment, variable, field));
            (route.name.to_string(), Permission { route: route.clone(), written: written.collect() })
        };
        Self { routes: policy.routes.iter().map(permission).collect() }
    }

    /// The routes' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.routes.keys().map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.routes.values()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.routes.contains_key(name)
    }
}

impl Written {
    fn new(environment: &Environment, variable: &str, field: String) -> Self {
        let knob = field.strip_suffix("_FILE").unwrap_or(&field);
        let is_secret = knobs::ROUTE.iter().any(|row| row.secret && (row.name == field || row.name == knob));
        let value = environment.get(variable).filter(|_| !is_secret).map(|value| value.to_string_lossy().into_owned());
        Self { variable: variable.to_owned(), field, value }
    }
}

impl Permission {
    /// The full name of the variable of a setting.
    pub(super) fn variable(&self, field: &str) -> String {
        format!("{PREFIX}ROUTE_{}_{field}", self.route.name.to_ascii_uppercase())
    }

    /// What a setting is written as, by its variable: by itself or by a file.
    pub(super) fn written(&self, field: &str) -> Option<(&str, Option<&str>)> {
        let is_it = |written: &&Written| written.field.strip_suffix("_FILE").unwrap_or(&written.field) == field;
        let written = self.written.iter().find(|written| written.field == field || is_it(written))?;
        Some((&written.variable, written.value.as_deref()))
    }

    /// All variables of the route. A secret's value is none.
    pub(super) fn all_written(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.written.iter().map(|written| (written.variable.as_str(), written.value.as_deref()))
    }

    /// The permissions, by their index in the route, that a value uses.
    pub(super) fn uses(&self, what: What, value: &[u8]) -> Vec<usize> {
        let Route { methods, events, content_types, sources, client_sans, keys, .. } = &*self.route;
        let text = str::from_utf8(value).unwrap_or_default();
        match what {
            What::Methods => indices(methods, |method| method.as_bytes() == value),
            What::ContentTypes => indices(content_types, |known| known.as_bytes() == value),
            What::Events => indices(events, |event| covers(event, value)),
            What::Sources => {
                let address: Option<IpAddr> = text.parse().ok();
                let holds = |network: &IpNet| address.is_some_and(|address| network.contains(&address.to_canonical()));
                indices(sources, holds)
            }
            What::ClientSans => indices(client_sans, |pattern| pattern.matches(text)),
            What::Keys => keys.ids().enumerate().filter(|(_, id)| *id == text).map(|(index, _)| index).collect(),
        }
    }
}

impl Permits for Permissions {
    fn uses(&self, route: &str, what: What, value: &[u8]) -> Vec<usize> {
        self.routes.get(route).map(|permission| permission.uses(what, value)).unwrap_or_default()
    }
}

/// Whether a permitted event, which may end in `*`, is that one: as the gate has it.
fn covers(permitted: &str, event: &[u8]) -> bool {
    match permitted.strip_suffix('*') {
        Some(prefix) => event.starts_with(prefix.as_bytes()),
        None => permitted.as_bytes() == event,
    }
}

fn indices<T>(permitted: &[T], is_used: impl Fn(&T) -> bool) -> Vec<usize> {
    permitted.iter().enumerate().filter(|(_, one)| is_used(one)).map(|(index, _)| index).collect()
}
