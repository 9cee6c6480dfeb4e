//! Path to route: a table sorted at start.
//!
//! Enforced simplifications: a path is matched as raw bytes (the wire room has refused everything that two readers could
//! take for different paths); a pattern is exact or a prefix that ends in `/*`; an exact match wins over a prefix, a
//! longer prefix over a shorter one; two routes never have the same pattern.

use std::fmt;
use std::sync::Arc;

use crate::policy::Route;

/// A route's path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// This path alone.
    Exact(Box<str>),
    /// Every path that starts with this text, which ends in `/`.
    Prefix(Box<str>),
}

impl fmt::Display for PathPattern {
    /// As it is configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// The permitted endpoints, in matching order.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    exact: Vec<(Box<str>, usize)>,
    prefixes: Vec<(Box<str>, usize)>,
}

impl RouteTable {
    /// Sorts the routes. Their patterns are distinct: the configuration has seen to that.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let mut table = Self { routes: routes.into_iter().map(Arc::new).collect(), ..Self::default() };
        for (index, route) in table.routes.iter().enumerate() {
            match &route.path {
                PathPattern::Exact(path) => table.exact.push((path.clone(), index)),
                PathPattern::Prefix(prefix) => table.prefixes.push((prefix.clone(), index)),
            }
        }
        table.exact.sort();
        table.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        table
    }

    /// The index of the route for a raw path.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        match self.exact.binary_search_by(|(known, _)| known.as_bytes().cmp(path)) {
            Ok(at) => self.exact.get(at).map(|(_, index)| *index),
            Err(_) => {
                self.prefixes.iter().find(|(prefix, _)| path.starts_with(prefix.as_bytes())).map(|(_, index)| *index)
            }
        }
    }

    /// The route at an index that [`Self::find`] gave.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Arc<Route>> {
        self.routes.get(index)
    }

    /// All routes, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}
