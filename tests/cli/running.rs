//! What runs: the sidecar, the question whether it is ready, the demo.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use hookwarden::deny::Reason;

use super::{code, command, json, nobody, run, settings, stderr, stdout};

/// A running program; killed when the test is over, whatever its end.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"))
    }

    /// Sends a signal and waits for the end.
    fn end(mut self, signal: &str) -> i32 {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        self.0.wait().expect("it ends").code().expect("it ended by itself")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lines up to one that holds `text`, which is the last.
fn lines_until(source: impl Read, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(source).lines() {
        lines.push(line.expect("text"));
        if lines.last().is_some_and(|line| line.contains(text)) {
            return lines;
        }
    }
    panic!("{text:?} was not among {lines:#?}");
}

/// A whole run that refuses as many requests for a route that there is not.
pub(super) fn refused_requests(variables: &[(&str, &str)], count: usize) {
    let mut running = Running::start(command(&["run"], &[&settings()[..], variables].concat()));
    let lines = lines_until(running.0.stderr.take().expect("its log"), "listening listen=");
    let ready = lines.last().expect("the ready line");
    let listen = ready.split("listen=").nth(1).and_then(|rest| rest.split(' ').next()).expect("its address");
    let mut stream = TcpStream::connect(listen).expect("it listens");
    for _ in 0..count {
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        let mut answer = BufReader::new(&stream);
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            answer.read_line(&mut line).expect("a head");
            length = line
                .to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map_or(length, |n| n.trim().parse().expect("digits"));
        }
        answer.read_exact(&mut vec![0; length]).expect("a body");
    }
    assert_eq!(running.end("-TERM"), 0);
}

#[test]
fn run_serves_until_it_is_told_to_stop() {
    let mut running = Running::start(command(&["run"], &settings()));
    let lines = lines_until(running.0.stderr.take().expect("its log"), "listening listen=");
    let ready = lines.last().expect("the ready line");
    let admin = ready.split("admin=").nth(1).and_then(|rest| rest.split(' ').next()).expect("its address");
    assert!(!ready.contains('\x1b'), "no colours in a pipe: {ready}");
    // A probe waits for two seconds, which a busy machine may need: then it is sent again, as a kubelet does.
    let is_late = |output: &Output| [stdout(output), stderr(output)].iter().any(|told| told.contains("in time"));
    let probe = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut probes = std::iter::repeat_with(|| run(arguments, variables)).take(20);
        probes.find(|output| !is_late(output)).expect("an answer in time")
    };
    let healthy = probe(&["healthcheck"], &[("HOOKWARDEN_ADMIN_LISTEN", admin)]);
    assert_eq!(code(&healthy), 0, "{healthy:?}");
    let url = format!("http://{admin}/nowhere");
    let lost = probe(&["healthcheck", "--url", &url, "--format", "json"], &[]);
    assert_eq!((code(&lost), json(&lost)["status"].as_u64()), (1, Some(404)), "{lost:?}");
    // Whoever read the log has gone away by now, which is no reason to fail.
    assert_eq!(running.end("-TERM"), 0);
}

#[test]
fn run_says_that_its_port_is_taken() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = run(&["run", "--listen", &address], &settings());
    assert_eq!(code(&output), 69, "{output:?}");
    assert!(stderr(&output).contains("HOOKWARDEN_LISTEN") && stderr(&output).contains(&address), "{output:?}");
}

#[test]
fn healthcheck_finds_nobody() {
    let (address, _bound) = nobody();
    let url = format!("http://{address}/readyz");
    let output = run(&["healthcheck", "--url", &url], &[]);
    assert_eq!((code(&output), stderr(&output).lines().count()), (1, 1), "{output:?}");
    let health = json(&run(&["healthcheck", "--url", &url, "--format", "json"], &[]));
    assert_eq!((health["ok"].as_bool(), health["status"].is_null()), (Some(false), true));
}

#[test]
fn the_demo_ends_as_it_should() {
    let output = run(&["demo", "--once"], &[("HOOKWARDEN_LISTEN", "the demo reads no settings")]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{output:?}");
    for reason in [
        Reason::Forwarded,
        Reason::Duplicate,
        Reason::Replayed,
        Reason::CredentialMissing,
        Reason::CredentialInvalid,
        Reason::TimestampStale,
        Reason::TimestampFuture,
        Reason::RouteUnknown,
        Reason::MethodNotAllowed,
        Reason::BodyTooLarge,
        Reason::MalformedRequest,
    ] {
        assert!(text.contains(&format!(" {reason} ")), "{reason}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("; 5 requests reached the service") && !text.contains('\x1b'), "{text}");
}

#[test]
fn the_demo_s_commands_can_be_pasted() {
    let mut running = Running::start(command(&["demo"], &[]));
    let lines = lines_until(running.0.stdout.take().expect("its output"), "Ctrl-C ends it");
    let first = lines.iter().position(|line| line.contains("hookwarden sign ")).expect("a command");
    let pasted = lines[first..].iter().take(2).map(|line| line.trim()).collect::<Vec<_>>().join("\n");
    let program = Path::new(env!("CARGO_BIN_EXE_hookwarden")).parent().expect("a folder");
    for _ in 0..2 {
        let output = Command::new("/bin/sh").args(["-c", &pasted]).env("PATH", program).output().expect("a shell");
        assert_eq!(code(&output), 0, "each is signed anew: {output:?}");
        assert!(stdout(&output).contains("received"), "{output:?}");
    }
    assert_eq!(running.end("-INT"), 0);
}
