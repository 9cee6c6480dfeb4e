//! The commands as their users meet them: the real program, its arguments, environment, output and exit code.
#![allow(clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

mod audit;
mod check;
mod drill;
mod inject;
mod review;
mod running;
mod sign;
mod verify_log;
mod words;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// A secret that must never be seen.
const SECRET: &str = "hunter2-never-to-be-seen";

fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(arguments, variables).output().expect("the program runs")
}

fn with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = command(arguments, &[]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    child.stdin.take().expect("its input").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// An address that refuses every connection, for as long as the socket lives: it is bound, and nobody listens.
fn nobody() -> (SocketAddr, Socket) {
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    bound.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
    (bound.local_addr().expect("an address").as_socket().expect("an IP address"), bound)
}

/// What makes the least policy: one route, plaintext on loopback, ports that are free.
fn settings() -> Vec<(&'static str, &'static str)> {
    vec![
        ("HOOKWARDEN_LISTEN", "127.0.0.1:0"),
        ("HOOKWARDEN_ADMIN_LISTEN", "127.0.0.1:0"),
        ("HOOKWARDEN_TLS", "off"),
        ("HOOKWARDEN_ROUTE_HOOK_PATH", "/hooks/stripe"),
        ("HOOKWARDEN_ROUTE_HOOK_PROVIDER", "stripe"),
        ("HOOKWARDEN_ROUTE_HOOK_SECRET", SECRET),
        ("HOOKWARDEN_ROUTE_HOOK_OWNER", "payments"),
        ("HOOKWARDEN_ROUTE_HOOK_EXPIRES", "2099-12-31"),
    ]
}
