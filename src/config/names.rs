//! Which variables are settings, which routes they speak of, and what the others were probably meant to be.
//!
//! An unknown name is refused, because a setting that is misspelt is a protection that is off. Kubernetes, though, adds
//! variables of its own for each Service of a namespace: those of a Service whose name begins with `hookwarden` look like
//! ours, and are told apart by their names' and values' form.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::suggest::{near, nearest};

use super::knobs::{GLOBAL, Knob, ROUTE};
use super::{Environment, Fault, PREFIX};

/// The names of the routes that the variables speak of, as they are written, in order.
pub(super) fn routes(environment: &Environment) -> BTreeSet<&str> {
    environment.names().filter_map(|variable| route_setting(variable).map(|(route, _)| route)).collect()
}

/// The variables that set up a route (by its name, in either case), each with the name of its setting.
pub fn variables_of<'e>(environment: &'e Environment, route: &str) -> Vec<(&'e str, String)> {
    let setting = |variable: &'e str| {
        let (name, form) = route_setting(variable)?;
        name.eq_ignore_ascii_case(route).then_some((variable, form))
    };
    environment.names().filter_map(setting).collect()
}

/// Every variable that is no setting.
pub(super) fn unknown(environment: &Environment) -> Vec<Fault> {
    let routes = routes(environment);
    let is_unknown = |variable: &&str| {
        !is_global(variable) && route_setting(variable).is_none() && !is_service_link(environment, variable)
    };
    let fault = |variable: &str| Fault {
        // A name may hold anything but `=` and NUL, line ends among it.
        variable: variable.escape_debug().to_string(),
        problem: "is not a setting".into(),
        accepted: String::new(),
        hint: meant(variable, &routes),
    };
    environment.names().filter(is_unknown).map(fault).collect()
}

/// The forms in which a setting can be written: by itself, and by a file.
fn forms(knobs: &'static [Knob]) -> impl Iterator<Item = String> {
    knobs.iter().flat_map(|knob| {
        let by_file = knob.has_file_form().then(|| format!("{}_FILE", knob.name));
        std::iter::once(knob.name.to_owned()).chain(by_file)
    })
}

fn is_global(variable: &str) -> bool {
    variable.strip_prefix(PREFIX).is_some_and(|name| forms(GLOBAL).any(|form| form == name))
}

/// Route and setting of a variable: the setting is the longest known ending that leaves a name.
pub(super) fn route_setting(variable: &str) -> Option<(&str, String)> {
    let rest = variable.strip_prefix(PREFIX)?.strip_prefix("ROUTE_")?;
    let split = |form: String| {
        let name = rest.strip_suffix(&form)?.strip_suffix('_')?;
        is_route_name(name).then_some((name, form))
    };
    forms(ROUTE).filter_map(split).max_by_key(|(_, form)| form.len())
}

fn is_route_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// What an unknown variable was probably meant to be.
fn meant(variable: &str, routes: &BTreeSet<&str>) -> Option<String> {
    let name = variable.strip_prefix(PREFIX)?.to_ascii_uppercase();
    let suggest = |name: String| format!("did you mean {PREFIX}{name}?");
    if let Some(rest) = name.strip_prefix("ROUTE_") {
        return match near_route_setting(rest, routes) {
            Some(name) => Some(suggest(format!("ROUTE_{name}"))),
            None => {
                Some(format!("a route's setting is {PREFIX}ROUTE_<NAME>_<SETTING>, as in {PREFIX}ROUTE_GITHUB_PATH"))
            }
        };
    }
    if let Some(known) = nearest(&name, forms(GLOBAL).collect::<Vec<_>>().iter().map(String::as_str)) {
        return Some(suggest(known.to_owned()));
    }
    forms(ROUTE).find(|form| *form == name).map(|form| suggest(format!("ROUTE_<NAME>_{form}")))
}

/// The nearest setting over all places where the route's name may end; a known route's name goes first.
fn near_route_setting(rest: &str, routes: &BTreeSet<&str>) -> Option<String> {
    let forms: Vec<_> = forms(ROUTE).collect();
    let splits = rest.match_indices('_').map(|(at, _)| (&rest[..at], &rest[at + 1..]));
    let candidates = splits.filter(|(route, _)| is_route_name(route)).filter_map(|(route, setting)| {
        let (distance, known) = near(setting, forms.iter().map(String::as_str))?;
        Some(((!routes.contains(route), distance), format!("{route}_{known}")))
    });
    candidates.min().map(|(_, name)| name)
}

/// Whether Kubernetes made this variable: `HOOKWARDEN_SERVICE_HOST`, `HOOKWARDEN_INJECTOR_PORT_443_TCP_ADDR` and such.
fn is_service_link(environment: &Environment, variable: &str) -> bool {
    let name = variable.strip_prefix(PREFIX).map(|rest| format!("_{rest}")).unwrap_or_default();
    let value = environment.get(variable).and_then(|value| value.to_str()).unwrap_or_default();
    if name.ends_with("_SERVICE_HOST") {
        return is_address(value);
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_port(value);
    }
    match name.split_once("_PORT_").and_then(|(_, port)| port.split_once("_TCP")) {
        Some((port, part)) => is_port(port) && is_link_part(part, value),
        None => name.ends_with("_PORT") && is_link(value),
    }
}

/// What Kubernetes says of one port, beside its number.
fn is_link_part(part: &str, value: &str) -> bool {
    match part {
        "" => is_link(value),
        "_PROTO" => value == "tcp",
        "_PORT" => is_port(value),
        "_ADDR" => is_address(value),
        _ => false,
    }
}

fn is_link(value: &str) -> bool {
    value.starts_with("tcp://")
}

fn is_port(value: &str) -> bool {
    value.parse::<u16>().is_ok()
}

fn is_address(value: &str) -> bool {
    value.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment.set(*name, *value);
        }
        environment
    }

    #[test]
    fn the_setting_is_the_longest_known_ending() {
        for (variable, expected) in [
            ("HOOKWARDEN_ROUTE_A_PATH", Some(("A", "PATH"))),
            ("HOOKWARDEN_ROUTE_A_UPSTREAM_PATH", Some(("A", "UPSTREAM_PATH"))),
            ("HOOKWARDEN_ROUTE_A_SECRET_FILE", Some(("A", "SECRET_FILE"))),
            ("HOOKWARDEN_ROUTE_A_PATH_FILE", Some(("A", "PATH_FILE"))),
            ("HOOKWARDEN_ROUTE_A_B2_MAX_BODY", Some(("A_B2", "MAX_BODY"))),
            ("HOOKWARDEN_ROUTE_UPSTREAM_PATH", Some(("UPSTREAM", "PATH"))),
            ("HOOKWARDEN_ROUTE_A_SECRET_FILE_FILE", None),
            ("HOOKWARDEN_ROUTE_PATH", None),
            ("HOOKWARDEN_ROUTE__PATH", None),
            ("HOOKWARDEN_ROUTE_a_PATH", None),
            ("HOOKWARDEN_ROUTE_A-B_PATH", None),
            ("HOOKWARDEN_LISTEN", None),
        ] {
            let found = route_setting(variable);
            assert_eq!(found.as_ref().map(|(route, setting)| (*route, setting.as_str())), expected, "{variable}");
        }
    }

    #[test]
    fn unknown_names_say_what_was_meant() {
        for (variable, expected) in [
            ("HOOKWARDEN_LISTNE", Some("did you mean HOOKWARDEN_LISTEN?")),
            ("HOOKWARDEN_listen", Some("did you mean HOOKWARDEN_LISTEN?")),
            ("HOOKWARDEN_TLS_CERT", Some("did you mean HOOKWARDEN_TLS_CERT_FILE?")),
            ("HOOKWARDEN_MAX_CONECTIONS_FILE", Some("did you mean HOOKWARDEN_MAX_CONNECTIONS_FILE?")),
            ("HOOKWARDEN_SECRET_FILE", Some("did you mean HOOKWARDEN_ROUTE_<NAME>_SECRET_FILE?")),
            ("HOOKWARDEN_ROUTE_PAY_SECERT", Some("did you mean HOOKWARDEN_ROUTE_PAY_SECRET?")),
            ("HOOKWARDEN_ROUTE_pay_PATH", Some("did you mean HOOKWARDEN_ROUTE_PAY_PATH?")),
            ("HOOKWARDEN_ROUTE_PAY_LOAD_PROVIDR", Some("did you mean HOOKWARDEN_ROUTE_PAY_LOAD_PROVIDER?")),
            (
                "HOOKWARDEN_ROUTE_PATH",
                Some("a route's setting is HOOKWARDEN_ROUTE_<NAME>_<SETTING>, as in HOOKWARDEN_ROUTE_GITHUB_PATH"),
            ),
            ("HOOKWARDEN_COLOUR", None),
            ("HOOKWARDEN_", None),
        ] {
            let faults = unknown(&environment(&[(variable, "hunter2"), ("HOOKWARDEN_ROUTE_PAY_PATH", "/")]));
            assert_eq!(faults.len(), 1, "{variable}");
            assert_eq!(faults[0].hint.as_deref(), expected, "{variable}");
            assert_eq!((faults[0].variable.as_str(), faults[0].problem.as_str()), (variable, "is not a setting"));
        }
    }

    #[test]
    fn a_line_end_in_a_name_does_not_make_a_second_line() {
        let faults = unknown(&environment(&[("HOOKWARDEN_A\nB", "1")]));
        assert_eq!(faults[0].variable, r"HOOKWARDEN_A\nB");
    }

    #[test]
    fn a_name_without_the_prefix_is_unknown() {
        for name in ["", "X", "HOOKWARDEN", "HOOKWARDENX_PORT"] {
            assert_eq!(unknown(&environment(&[(name, "tcp://x")])).len(), 1, "{name}");
        }
    }

    #[test]
    fn what_kubernetes_says_of_services_is_no_setting_and_no_fault() {
        let links = [
            ("HOOKWARDEN_SERVICE_HOST", "10.0.0.7"),
            ("HOOKWARDEN_SERVICE_PORT", "8443"),
            ("HOOKWARDEN_SERVICE_PORT_HTTPS", "8443"),
            ("HOOKWARDEN_PORT", "tcp://10.0.0.7:8443"),
            ("HOOKWARDEN_PORT_8443_TCP", "tcp://10.0.0.7:8443"),
            ("HOOKWARDEN_PORT_8443_TCP_PROTO", "tcp"),
            ("HOOKWARDEN_PORT_8443_TCP_PORT", "8443"),
            ("HOOKWARDEN_PORT_8443_TCP_ADDR", "10.0.0.7"),
            ("HOOKWARDEN_INJECTOR_SERVICE_HOST", "fd00::7"),
            ("HOOKWARDEN_INJECTOR_PORT_443_TCP_ADDR", "10.0.0.8"),
        ];
        assert_eq!(unknown(&environment(&links)), []);
        for (name, value) in [("HOOKWARDEN_PORT", "8080"), ("HOOKWARDEN_SERVICE_HOST", "app")] {
            assert_eq!(unknown(&environment(&[(name, value)])).len(), 1, "{name}={value}");
        }
    }
}
