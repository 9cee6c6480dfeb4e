//! The settings of a sidecar that is not here, made loadable: what its files and Secrets hold is not known, so something
//! that loads stands in for each, and a list tells which. What is known is taken as it is, with its faults.
//!
//! No path is read: it would be another machine's.

use std::collections::{BTreeMap, BTreeSet};

use crate::auth::sign;
use crate::providers;

use super::names::route_setting;
use super::{Environment, PREFIX};

/// What stands in for a secret of a scheme that is not known.
const SECRET: &str = "2c61a9f47be0538d9f64be210ac75d38e1b7f0964d3c85a27e19fb406d5c83a2";

/// Where nobody is asked: a configuration that is only looked at fetches nothing.
const NOWHERE: &str = "https://keys.example.com/jwks.json";

/// What TLS takes: where certificates are unknown, the listener is taken for a plain one.
const TLS: [&str; 6] = [
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TLS_CLIENT_AUTH",
    "TLS_CLIENT_CA_FILE",
    "TLS_CLIENT_CRL_FILE",
    "TLS_MIN_VERSION",
];

/// Settings that load, of variables whose values may not be known, and the names of those that something stands in for.
#[must_use]
pub fn stand_in(variables: &BTreeMap<String, Option<String>>) -> (Environment, BTreeSet<String>) {
    let mut made = Made { variables, environment: Environment::default(), unknown: BTreeSet::new() };
    for (name, value) in variables {
        match value {
            Some(value) if !names_a_path(name) => made.environment.set(name, value),
            _ => made.unknown(name),
        }
    }
    made.tls();
    made.sources();
    (made.environment, made.unknown)
}

/// A file form, too, stands for a value that is not known.
fn names_a_path(name: &str) -> bool {
    name.ends_with("_FILE") || name.ends_with("_DIR")
}

struct Made<'v> {
    variables: &'v BTreeMap<String, Option<String>>,
    environment: Environment,
    unknown: BTreeSet<String>,
}

impl Made<'_> {
    /// Puts something that loads in the place of a variable, or leaves it out.
    fn unknown(&mut self, variable: &str) {
        self.unknown.insert(variable.to_owned());
        match route_setting(variable) {
            Some((route, setting)) => self.of_route(&format!("{PREFIX}ROUTE_{route}_"), &setting),
            None => self.of_all(variable.strip_prefix(PREFIX).unwrap_or_default()),
        }
    }

    fn of_route(&mut self, prefix: &str, setting: &str) {
        match setting {
            "SECRET" | "SECRET_FILE" => {
                self.put(&format!("{prefix}SECRET"), &self.secret(prefix));
                self.leave_out(&format!("{prefix}SECRET_MAX_AGE"));
            }
            "JWKS_FILE" => self.put(&format!("{prefix}JWKS_URL"), NOWHERE),
            // Whoever is asked about tokens needs it; so somebody else stands in.
            "CLIENT_SECRET_FILE" => {
                for name in ["INTROSPECTION_URL", "CLIENT_ID"] {
                    self.leave_out(&format!("{prefix}{name}"));
                }
                self.put(&format!("{prefix}JWKS_URL"), NOWHERE);
            }
            "VERIFY_TOKEN" | "VERIFY_TOKEN_FILE" => self.put(&format!("{prefix}VERIFY_TOKEN"), SECRET),
            "PATH" | "PATH_FILE" => self.put(&format!("{prefix}PATH"), &format!("/{prefix}")),
            "PUBLIC_URL" | "PUBLIC_URL_FILE" => self.put(&format!("{prefix}PUBLIC_URL"), "https://hooks.example.com"),
            _ => {}
        }
    }

    fn of_all(&mut self, setting: &str) {
        match setting {
            "REPLAY_URL" | "REPLAY_URL_FILE" => {
                self.put(&format!("{PREFIX}REPLAY_URL"), "rediss://redis.example.com");
                self.unknown.insert(format!("{PREFIX}REPLAY_PASSWORD"));
            }
            "REPLAY_PASSWORD" | "REPLAY_PASSWORD_FILE" => self.put(&format!("{PREFIX}REPLAY_PASSWORD"), SECRET),
            _ => {}
        }
    }

    /// A secret that the route's provider could have.
    fn secret(&self, prefix: &str) -> String {
        let id = self.variables.get(&format!("{prefix}PROVIDER")).cloned().flatten();
        let provider = id.as_deref().and_then(providers::find);
        provider.map_or_else(|| SECRET.to_owned(), |provider| sign::sample_secret(&provider.scheme, 1))
    }

    fn put(&mut self, variable: &str, value: &str) {
        self.environment.set(variable, value);
        self.unknown.insert(variable.to_owned());
    }

    fn leave_out(&mut self, variable: &str) {
        if self.environment.0.remove(variable).is_some() {
            self.unknown.insert(variable.to_owned());
        }
    }

    /// Certificates cannot be made up, so that a listener with them becomes a plain one.
    fn tls(&mut self) {
        let mode = self.environment.get(&format!("{PREFIX}TLS")).and_then(|mode| mode.to_str());
        if !matches!(mode, None | Some("terminate")) {
            return;
        }
        for name in TLS {
            self.leave_out(&format!("{PREFIX}{name}"));
        }
        self.put(&format!("{PREFIX}TLS"), "off");
        self.put(&format!("{PREFIX}ALLOW_PLAINTEXT"), "true");
        let names: Vec<_> =
            self.environment.names().filter(|name| name.ends_with("_CLIENT_SANS")).map(str::to_owned).collect();
        for name in names {
            self.leave_out(&name);
        }
    }

    /// Networks that have names in a file that is not here.
    fn sources(&mut self) {
        let is_named = |name: &&str| name.ends_with("_SOURCES");
        let names: Vec<_> = self.environment.names().filter(is_named).map(str::to_owned).collect();
        for name in names {
            let has_names = self.environment.get(&name).is_some_and(|value| value.as_encoded_bytes().contains(&b'@'));
            if has_names {
                self.put(&name, "192.0.2.0/24");
            }
        }
    }
}
