//! Other programs: started with what they say on a channel, waited for by what they say, and ended with the test.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};

use crate::harness::GUARD;

/// A server that runs until it is dropped.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Program {
    /// Starts it; it logs to standard error.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| missing(command, &error));
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, lines) = channel();
        let read = move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        std::thread::Builder::new().name("log".to_owned()).spawn(read).expect("a thread");
        Self { child, lines, heard: Vec::new() }
    }

    /// Waits for a line that holds the text; gives it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(GUARD) else {
                panic!("it never said {text:?}, but {:#?}", self.heard);
            };
            self.heard.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Not killed outright: a master takes its workers with it only when it is asked to end.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// nginx in one process, with these lines in its `http` block; its files are in the folder. By then it listens.
pub(crate) fn nginx(folder: &Path, http: &str) -> Program {
    let at = folder.display();
    let configuration = format!(
        "daemon off;
        master_process off;
        pid {at}/pid;
        error_log stderr notice;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {at}/body-parts;
            proxy_temp_path {at}/proxy-parts;
            fastcgi_temp_path {at}/fastcgi;
            uwsgi_temp_path {at}/uwsgi;
            scgi_temp_path {at}/scgi;
            {http}
        }}"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration).expect("a file");
    let mut command = Command::new("nginx");
    let mut running = Program::start(command.arg("-p").arg(folder).args(["-e", "stderr", "-c"]).arg(&file));
    running.wait_for("event method");
    running
}

/// `HAProxy` with this configuration. By then it listens.
pub(crate) fn haproxy(folder: &Path, configuration: &str) -> Program {
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, configuration).expect("a file");
    let mut running = Program::start(Command::new("haproxy").args(["-W", "-db", "-f"]).arg(&file));
    running.wait_for("Loading success");
    running
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| missing(command, &error));
    let mut stdin = child.stdin.take().expect("a pipe");
    // All that these programs are given fits into a pipe, or is read before anything is written.
    stdin.write_all(input).expect("it reads its input");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// A port that nobody else gets while this lives: it is bound and does not listen, so that a server that shares ports
/// (`SO_REUSEPORT`) can take it, and gets all of its connections.
pub(crate) struct Port {
    address: SocketAddr,
    _bound: Socket,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        bound.set_reuse_port(true).expect("a port that can be shared");
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        let address = bound.local_addr().expect("an address").as_socket().expect("an IP address");
        Self { address, _bound: bound }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn missing(command: &Command, error: &std::io::Error) -> ! {
    panic!("{} does not start ({error}): run tests/run, which installs it", command.get_program().display())
}
