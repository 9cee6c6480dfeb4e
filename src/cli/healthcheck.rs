//! `healthcheck`: one question to the admin port, for a container's probe in an image without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use crate::config::{Environment, PREFIX, knobs, values};

use super::http::Url;
use super::settings::Settings;
use super::terminal::FormatFlag;
use super::{Exit, Failure, terminal};

/// How long an answer may take: a probe's usual time-out is a little longer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 ready, 1 not ready or no answer within 2 seconds, 2 no such address.

Examples:
  hookwarden healthcheck
  hookwarden healthcheck --url http://127.0.0.1:9464/healthz")]
pub(super) struct Healthcheck {
    /// What to ask for [default: /readyz at `HOOKWARDEN_ADMIN_LISTEN`, on this machine]
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    format: FormatFlag,
}

#[derive(Serialize)]
struct Health {
    ok: bool,
    url: String,
    status: Option<u16>,
    problem: Option<String>,
}

impl Healthcheck {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let url = match self.url {
            Some(url) => url,
            None => default_url(&Settings::default().environment()).map_err(Failure::usage)?,
        };
        let health = ask(url).map_err(Failure::usage)?;
        let exit = if health.ok { Exit::Fine } else { Exit::Negative };
        if self.format.is_json() {
            return Ok(terminal::print_json(&health, exit));
        }
        if let Some(problem) = &health.problem {
            terminal::complain(&format!("{}: {problem}", health.url));
        }
        Ok(exit)
    }
}

fn ask(url: String) -> Result<Health, String> {
    let parsed = Url::parse(&url)?;
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", parsed.target, parsed.authority);
    let answer = parsed.exchange("GET", request.as_bytes(), PATIENCE);
    let (status, problem) = match answer {
        Ok(response) if response.status == 200 => (Some(200), None),
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body);
            (Some(response.status), Some(format!("status {}: {}", response.status, body.trim().escape_debug())))
        }
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(Health { ok: problem.is_none(), url, status, problem })
}

/// Where a sidecar with this environment tells whether it is ready.
fn default_url(environment: &Environment) -> Result<String, String> {
    const NAME: &str = "ADMIN_LISTEN";
    let default = knobs::GLOBAL.iter().find(|knob| knob.name == NAME).map_or("", |knob| knob.default);
    let (variable, by_file) = (format!("{PREFIX}{NAME}"), format!("{PREFIX}{NAME}_FILE"));
    let text = match (environment.get(&variable), environment.get(&by_file)) {
        (Some(value), _) => value.to_string_lossy().into_owned(),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|error| format!("{by_file}: {error}"))?,
        (None, None) => default.to_owned(),
    };
    let address = values::address(text.trim_end()).map_err(|problem| format!("{variable}: {problem}"))?;
    Ok(format!("http://{}/readyz", reachable(address)))
}

/// An address that stands for all of the machine's is reached through the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_ask() {
        let check = |value: Option<&str>, expected: Option<&str>| {
            let mut environment = Environment::default();
            if let Some(value) = value {
                environment.set("HOOKWARDEN_ADMIN_LISTEN", value);
            }
            assert_eq!(default_url(&environment).ok().as_deref(), expected, "{value:?}");
        };
        check(None, Some("http://127.0.0.1:9464/readyz"));
        check(Some("0.0.0.0:1"), Some("http://127.0.0.1:1/readyz"));
        check(Some("[::]:1"), Some("http://[::1]:1/readyz"));
        check(Some("192.0.2.1:1"), Some("http://192.0.2.1:1/readyz"));
        check(Some("nowhere"), None);
    }
}
