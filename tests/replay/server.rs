//! Real servers: one, with TLS and users, under Sentinels, and as a Cluster; on ports and in folders of their own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};

use hookwarden::clock::Now;
use redis::{Connection, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::GUARD;

/// Valkey's server, where `tests/run` puts it; else wherever the system finds it.
pub(crate) fn valkey() -> String {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv/bin/valkey-server");
    if std::path::Path::new(installed).exists() { installed } else { "valkey-server" }.to_owned()
}

/// A `redis-server`, or another one, that ends with the test. What it is told is kept in its folder alone.
pub(crate) struct Server {
    program: String,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    running: Option<Running>,
}

struct Running {
    child: Child,
}

impl Server {
    /// Starts one that holds all in memory alone.
    pub(crate) fn start() -> Self {
        Self::with(|_, _| Vec::new())
    }

    /// Starts one with further arguments, which may depend on its port and folder.
    pub(crate) fn with(further: impl Fn(u16, &TempDir) -> Vec<String>) -> Self {
        Self::of("redis-server", further)
    }

    /// The same with another program.
    pub(crate) fn of(program: &str, further: impl Fn(u16, &TempDir) -> Vec<String>) -> Self {
        // A port is free until somebody else takes it: then another one is.
        for _ in 0..8 {
            let port = free_port();
            let folder = tempfile::tempdir().expect("a folder");
            let arguments = further(port, &folder);
            let mut server = Self { program: program.to_owned(), port, arguments, folder, running: None };
            if server.try_start() {
                return server;
            }
        }
        panic!("no {program} could be started: run tests/run, which installs it");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its port for TLS, among its arguments.
    pub(crate) fn tls_port(&self) -> u16 {
        let at = self.arguments.iter().position(|argument| argument == "--tls-port").expect("a server with TLS");
        self.arguments[at + 1].parse().expect("a port")
    }

    /// Its address as `REPLAY_URL` takes it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it at once; what it held in memory is gone.
    pub(crate) fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }

    /// Starts it again, on the same port.
    pub(crate) fn start_again(&mut self) {
        self.stop();
        assert!(self.try_start(), "port {} is taken", self.port);
    }

    /// Its replicas hear no more of what it does; clients notice nothing.
    pub(crate) fn cut_off_replicas(&self) {
        let _: () = self.run(&["ACL", "SETUSER", "default", "-psync", "-sync"]);
        let _: () = self.run(&["CLIENT", "KILL", "TYPE", "replica"]);
    }

    /// Makes it stand still, or go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let running = self.running.as_ref().expect("it runs");
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_child(&running.child), signal).expect("it runs");
    }

    /// A connection to it, for the test's own purposes.
    pub(crate) fn connection(&self) -> Connection {
        redis::Client::open(self.url()).and_then(|client| client.get_connection()).expect("it answers")
    }

    /// Runs one command there.
    pub(crate) fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same, where connections may end: a server that changes its role closes them.
    pub(crate) fn try_run<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut redis::Client::open(self.url())?.get_connection()?)
    }

    /// Waits until a command's answer is as wanted.
    pub(crate) fn wait_until(&self, words: &[&str], wanted: impl Fn(&str) -> bool) {
        let began = Now::read().instant;
        loop {
            let answer = self.try_run::<String>(words);
            if answer.as_ref().is_ok_and(|answer| wanted(answer)) {
                return;
            }
            assert!(began.elapsed() < GUARD, "{words:?} still says {answer:?}");
        }
    }

    fn try_start(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new(&self.program);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(self.folder.path()).args(&self.arguments);
        self.running = launch(command);
        self.running.is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A Sentinel that watches a server under the name `claims`.
pub(crate) struct Sentinel {
    pub(crate) port: u16,
    _folder: TempDir,
    running: Running,
}

impl Sentinel {
    pub(crate) fn watching(server: &Server) -> Self {
        Self::with(server.port(), "")
    }

    /// Watches the server at that port, with further lines of configuration.
    pub(crate) fn with(watched: u16, further: &str) -> Self {
        for _ in 0..8 {
            let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
            let path = folder.path().join("sentinel.conf");
            let text = format!(
                "port {port}\nbind 127.0.0.1\n{further}\nsentinel monitor claims 127.0.0.1 {watched} 1\n\
                 sentinel down-after-milliseconds claims 1000\nsentinel failover-timeout claims 5000\n"
            );
            std::fs::write(&path, text).expect("a file");
            let mut command = Command::new("redis-server");
            command.arg(path).arg("--sentinel");
            if let Some(running) = launch(command) {
                return Self { port, _folder: folder, running };
            }
        }
        panic!("no Sentinel could be started");
    }

    /// Waits until it knows a replica that could be promoted.
    pub(crate) fn wait_for_replica(&self) {
        while !format!("{:?}", self.run(&["SENTINEL", "REPLICAS", "claims"])).contains("slave-priority") {}
    }

    /// Runs one command there.
    pub(crate) fn run(&self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).expect("a URL");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut client.get_connection().expect("it answers"))
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.running.child.kill();
        let _ = self.running.child.wait();
    }
}

/// A Cluster: masters that share all slots, and a replica of some of them.
pub(crate) struct Cluster {
    pub(crate) masters: Vec<Server>,
    pub(crate) replicas: Vec<Server>,
}

impl Cluster {
    /// Three masters alone.
    pub(crate) fn start() -> Self {
        Self::of("redis-server", 0, &[])
    }

    /// Three masters, and a replica of each of the first ones; every node with those arguments.
    pub(crate) fn of(program: &str, replicas: usize, further: &[&str]) -> Self {
        let node = |_| Server::of(program, |port, _| node_arguments(port, further));
        let masters: Vec<_> = (0..3).map(node).collect();
        for (at, node) in masters.iter().enumerate() {
            let (first, last) = (at * 16384 / 3, (at + 1) * 16384 / 3 - 1);
            let _: () = node.run(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            let _: () = node.run(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        let replicas: Vec<_> = (0..replicas).map(node).collect();
        let cluster = Self { masters, replicas };
        cluster.meet();
        for (master, replica) in cluster.masters.iter().zip(&cluster.replicas) {
            let id: String = master.run(&["CLUSTER", "MYID"]);
            let _: () = replica.run(&["CLUSTER", "REPLICATE", &id]);
            replica.wait_until(&["INFO", "replication"], |info| info.contains("master_link_status:up"));
        }
        cluster
    }

    /// Its masters' addresses, as `REPLAY_URL` takes them.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self.masters.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    fn nodes(&self) -> impl Iterator<Item = &Server> {
        self.masters.iter().chain(&self.replicas)
    }

    fn meet(&self) {
        let first = &self.masters[0];
        let (port, bus) = (bus_of(first).0.to_string(), bus_of(first).1.to_string());
        for node in self.nodes().skip(1) {
            let _: () = node.run(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let known = format!("cluster_known_nodes:{}", self.nodes().count());
        for node in self.nodes() {
            node.wait_until(&["CLUSTER", "INFO"], |info| {
                info.contains("cluster_state:ok") && info.contains(&known) && info.contains("cluster_size:3")
            });
        }
    }
}

/// A node that is missing for a second has failed, and its replica may stand in for it however old its data are.
fn node_arguments(port: u16, further: &[&str]) -> Vec<String> {
    let bus = (port + BUS).to_string();
    let own = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1000"];
    let replica = ["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"];
    let mut arguments: Vec<_> = own.iter().chain(&replica).chain(further).map(|word| (*word).to_owned()).collect();
    if further.contains(&"--tls-cluster") {
        arguments.extend(["--tls-port".to_owned(), free_port().to_string()]);
    }
    arguments
}

/// The ports that nodes meet at: with TLS between them its own.
fn bus_of(node: &Server) -> (u16, u16) {
    let bus = node.arguments.iter().position(|argument| argument == "--cluster-port").expect("a Cluster's node");
    let is_tls = node.arguments.iter().any(|argument| argument == "--tls-cluster");
    (if is_tls { node.tls_port() } else { node.port() }, node.arguments[bus + 1].parse().expect("a port"))
}

/// A port for a server that is told its port, and may be stopped and started again on it. It lies below those that the
/// system gives to whoever does not care, clients among them: one of these could be taken by anybody meanwhile. Each is
/// given once.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() % u32::from(PORTS.1 - PORTS.0);
    let next = || (first + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(PORTS.1 - PORTS.0);
    let port = || PORTS.0 + u16::try_from(next()).expect("a port");
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(port).take(usize::from(PORTS.1 - PORTS.0)).find(is_free).expect("a free port")
}

/// The ports that are tried. Nodes of a Cluster meet at those that lie [`BUS`] higher.
const PORTS: (u16, u16) = (11_000, 20_000);
const BUS: u16 = 10_000;

/// Starts a server, and waits until it answers. `None`: it ended.
fn launch(mut command: Command) -> Option<Running> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the server is there: tests/run installs it");
    let (sender, lines) = channel();
    let text = BufReader::new(child.stdout.take().expect("a pipe"));
    let read = move || {
        for line in text.lines().map_while(Result::ok) {
            // Whoever listens may have heard enough; the pipe must not fill all the same.
            let _ = sender.send(line);
        }
    };
    std::thread::Builder::new().name("server".to_owned()).spawn(read).expect("a thread");
    let mut heard = Vec::new();
    loop {
        match lines.recv_timeout(GUARD) {
            Ok(line) if line.contains("Ready to accept connections") || line.contains("+monitor master") => break,
            Ok(line) => heard.push(line),
            Err(RecvTimeoutError::Disconnected) => {
                let _ = child.wait();
                return None;
            }
            Err(RecvTimeoutError::Timeout) => panic!("it never became ready, but said {heard:#?}"),
        }
    }
    Some(Running { child })
}
