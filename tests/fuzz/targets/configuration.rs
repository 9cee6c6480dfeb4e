//! Settings: whatever is written in them, all that comes is a policy that holds what it promises, or faults that name a
//! variable and never a secret. Each line of the input is `NAME=value`, without the prefix. No file is read: every path
//! names none.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use hookwarden::config::{Config, Environment, Fault, PREFIX, load};
use libfuzzer_sys::fuzz_target;

/// Long enough that it stands in no message by chance.
const SECRET: &str = "correct-horse-battery-staple";

/// A folder that no machine has.
const NOWHERE: &str = "/nonexistent/fuzz/";

fuzz_target!(|text: &[u8]| {
    let mut environment = base();
    for line in text.split(|&byte| byte == b'\n') {
        let (name, value) = line.split_at(line.iter().position(|&byte| byte == b'=').unwrap_or(line.len()));
        set(&mut environment, &String::from_utf8_lossy(name), value.get(1..).unwrap_or_default());
    }
    let first = load(&environment).map(|(config, _)| config);
    let second = load(&environment).map(|(config, _)| config);
    match (first, second) {
        (Ok(first), Ok(second)) => {
            check(&first, &environment);
            assert_eq!(format!("{first:?}"), format!("{second:?}"), "the same settings, the same policy");
        }
        (Err(first), Err(second)) => {
            check_faults(&first);
            assert_eq!(first, second, "the same settings, the same faults");
        }
        (first, second) => panic!("{first:?} and then {second:?}"),
    }
});

/// Sets a variable. The value of one that names a file becomes a path that exists nowhere.
fn set(environment: &mut Environment, name: &str, value: &[u8]) {
    let is_path = ["_FILE", "_DIR", "_JOURNAL"].iter().any(|end| name.ends_with(end));
    let folder = if is_path { NOWHERE } else { "" };
    let value = [folder.as_bytes(), value].concat();
    environment.set(format!("{PREFIX}{name}"), OsString::from_vec(value));
}

/// What starts, so that what is changed in it is what is judged.
fn base() -> Environment {
    let mut environment = Environment::default();
    for (name, value) in [
        ("LISTEN", "127.0.0.1:0"),
        ("ADMIN_LISTEN", "127.0.0.1:0"),
        // Without it, the machine would be asked each time.
        ("WORKERS", "1"),
        ("TLS", "off"),
        ("ROUTE_A_PATH", "/a"),
        ("ROUTE_A_PROVIDER", "github"),
        ("ROUTE_A_SECRET", SECRET),
    ] {
        environment.set(format!("{PREFIX}{name}"), value);
    }
    environment
}

fn check(config: &Config, environment: &Environment) {
    let policy = &config.policy;
    assert!(policy.routes.iter().next().is_some() && !policy.upstreams.is_empty());
    for route in policy.routes.iter() {
        assert!((!route.keys.is_empty() || route.key_ring.is_some()) && !route.methods.is_empty());
        assert!(route.upstream < policy.upstreams.len());
        assert!(route.max_body <= config.process.max_buffered);
        assert!(route.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
    }
    assert!(config.process.workers > 0 && config.process.max_connections > 0);
    let allowed = environment.get("HOOKWARDEN_ALLOW_PLAINTEXT").is_some_and(|value| value == "true");
    assert!(policy.tls.is_some() || config.process.listen.ip().is_loopback() || allowed, "plaintext unasked for");
    assert!(!format!("{config:?}{environment:?}").contains(SECRET));
}

fn check_faults(faults: &[Fault]) {
    assert!(!faults.is_empty());
    for fault in faults {
        assert!(fault.variable.starts_with(PREFIX) && !fault.problem.is_empty());
        assert!(!fault.to_string().contains(SECRET), "{fault}");
    }
}
