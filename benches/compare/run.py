#!/usr/bin/env python3
"""Hookwarden beside nginx, HAProxy and a plain hyper proxy, on this machine: CPU for each request, as ratios.

    benches/compare/run.py                    all of it: about 3 minutes after the builds
    benches/compare/run.py --scenarios 1KiB   one scenario
    benches/compare/run.py --svg FILE         draws the picture of the README too
    benches/compare/run.py latency            what each proxy adds to a request's latency, at a fixed rate
    benches/compare/run.py scale              Hookwarden alone: connections, routes, keys, workers

Hookwarden and the hyper proxy verify a GitHub signature; nginx and HAProxy pass everything on and verify nothing.
Hookwarden has everything on: replay claims, limits, deadlines, metrics; with its audit log off and, as a row of its own,
to a file. Every proxy has one worker and a core of its own; the load and the service share another. Within a scenario
the proxies take turns, in each round in the opposite order, a second or so apart, so that whatever else the machine does
meets them all; the figures are medians over the rounds. What is counted is the CPU time of the proxy's processes, user
and system, from the kernel's scheduler statistics, divided by the requests that were answered as expected in a run: it
moves least with other work on the machine. Ratios of one run can be compared, absolute figures only on one machine.

`latency`: requests become due at random (Poisson), 1,000 and 8,000 a second, and each one's latency counts from when it
was due. Each round also sends them to the service without a proxy; what a proxy adds is the difference. `scale`: one
number of Hookwarden's is raised at a time (of more than 32 connections 32 are busy at one time, in turn), and the CPU of a request is told as a ratio to the first row of the same
round. What the size of the replay store does to a claim is measured without a network, by `cargo bench --bench
replay`.

nginx and HAProxy come from the distribution (`apt-get install nginx haproxy`); one that is missing is left out, and
`--install` installs it. Loopback only; everything ends by itself.
"""
import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECRET = "compare-secret"
CONNECTIONS = 32
PROXY_CORE, LOAD_CORE = 0, 1
RATES = 1000, 8000

# name -> (bytes of a body, how the load behaves)
SCENARIOS = {
    "256B": (256, "keep-alive"),
    "1KiB": (1024, "keep-alive"),
    "16KiB": (16 << 10, "keep-alive"),
    "256KiB": (256 << 10, "keep-alive"),
    "1MiB": (1 << 20, "keep-alive"),
    "new connection": (1024, "new-connections"),
    "invalid signature": (1024, "invalid"),
}

NGINX = """
worker_processes 1; daemon off; pid {work}/nginx.pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
    access_log off; client_max_body_size 2m; client_body_buffer_size 2m; keepalive_requests 1000000000;
    client_body_temp_path {work}/body; proxy_temp_path {work}/proxy;
    upstream service {{ server 127.0.0.1:{service}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend hooks
    bind 127.0.0.1:{port}
    default_backend service
backend service
    server one 127.0.0.1:{service}
"""


def hookwarden(port, service, work, audit="off", workers=1, routes=1, keys=1):
    """Its settings. The route that the load asks for comes last, and so does the key that the load signs with."""
    file = work / f"{keys}.keys"
    if not file.exists():
        file.touch(0o600)
        file.write_text("".join(f"another-secret-{at}\n" for at in range(1, keys)) + SECRET + "\n")
    route = {"PATH": "/", "PROVIDER": "github", "SECRET_FILE": str(file), "MAX_BODY": "2MiB"}
    settings = {"LISTEN": f"127.0.0.1:{port}", "ADMIN_LISTEN": "127.0.0.1:0", "UPSTREAM": f"127.0.0.1:{service}",
                "TLS": "off", "WORKERS": str(workers), "AUDIT_LOG": audit, "LOG_LEVEL": "error", "MAX_CONNECTIONS": "20000"}
    for at in range(1, routes):
        settings.update({f"ROUTE_R{at}_{field}": value for field, value in {**route, "PATH": f"/another/{at}"}.items()})
    settings.update({f"ROUTE_ZZ_{field}": value for field, value in route.items()})
    return {f"HOOKWARDEN_{name}": value for name, value in settings.items()}


class Peer:
    """A proxy: how it is started, and what its processes cost."""

    def __init__(self, name, verifies, command, environment=None, cores=PROXY_CORE):
        self.name, self.verifies, self.command, self.environment = name, verifies, command, environment or {}
        self.process, self.cores = None, cores

    def start(self, port):
        self.port = port
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(["taskset", "-c", str(self.cores), *self.command], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        await_port(port, self.process, self.name)

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def resident(self, what="VmRSS"):
        """Its memory in MiB: now, or the most so far (`VmHWM`)."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024

    def cpu_ns(self):
        """CPU time of the process, its children and all their threads so far."""
        return sum(thread_ns(pid) for pid in family(self.process.pid))


def family(pid):
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def thread_ns(pid):
    total = 0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


def await_port(port, process, name, patience=10):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"{name} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    sys.exit(f"{name} does not listen on port {port}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def load(programs, port, scenario, seconds, connections=CONNECTIONS):
    size, mode = SCENARIOS.get(scenario) or (1024, scenario)
    command = ["taskset", "-c", str(LOAD_CORE), programs / "load", str(port), SECRET, str(size), str(connections),
               str(seconds), mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        sys.exit(f"the load against port {port} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(programs, peer, scenario, seconds):
    """CPU of a request in µs; None where not every answer was the expected one."""
    load(programs, peer.port, scenario, min(0.2, seconds))
    before = peer.cpu_ns()
    result = load(programs, peer.port, scenario, seconds)
    spent = peer.cpu_ns() - before
    if result["others"] or not result["expected"]:
        return None
    return spent / 1000 / result["expected"]


def measure_warm(programs, peer, connections, seconds):
    """The same of requests of 1 KiB, without what opening the connections costs: a longer run less a shorter one."""
    runs = []
    for length in (seconds, 3 * seconds):
        before = peer.cpu_ns()
        result = load(programs, peer.port, "1KiB", length, connections)
        if result["others"]:
            return None
        runs.append((peer.cpu_ns() - before, result["expected"]))
    (few_ns, few), (many_ns, many) = runs
    return (many_ns - few_ns) / 1000 / (many - few) if many > few else None


def latencies(programs, everyone, service, arguments):
    """Two tables: the latency of a request, and what a proxy adds to it."""
    taken = {}
    for rate in RATES:
        for at in range(arguments.rounds):
            print(f"{rate} a second: round {at + 1} of {arguments.rounds}", file=sys.stderr)
            ways = [("no proxy", service), *((peer.name, peer.port) for peer in everyone)]
            for name, port in ways if at % 2 == 0 else reversed(ways):
                result = load(programs, port, f"poisson:{rate}", max(2, arguments.seconds))
                bad = result["others"] or not result["expected"]
                taken.setdefault((name, rate), []).append(None if bad else (result["p50"], result["p99"]))
    names = ["no proxy", *(peer.name for peer in everyone)]
    heads = [f"p{part} at {rate:,}/s" for rate in RATES for part in (50, 99)]

    def row(name, base):
        cells = []
        for rate in RATES:
            runs, bases = taken[name, rate], taken["no proxy", rate]
            for part in (0, 1):
                if None in runs or None in bases:
                    cells.append("failed")
                else:
                    cells.append(f"{statistics.median(run[part] - (other[part] if base else 0) for run, other in zip(runs, bases)):,.0f}")
        return f"| {name} | " + " | ".join(cells) + " |"

    head = ["| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    print(f"Latency of a request of 1 KiB in µs, Poisson arrivals, medians of {arguments.rounds} rounds\n")
    print("\n".join(head + [row(name, False) for name in names]))
    print("\nWhat a proxy adds to it in the same round\n")
    print("\n".join(head + [row(name, True) for name in names[1:]]))


def scale(programs, service, binary, work, arguments):
    """CPU of a request of 1 KiB while one number is raised. Two workers have two cores, one of which the load is on too."""
    sweeps = {
        "connections": [(count, {}, count) for count in (10, 32, 100, 1000, 10000)],
        "routes": [(count, {"routes": count}, CONNECTIONS) for count in (1, 10, 100, 500)],
        "keys": [(count, {"keys": count}, CONNECTIONS) for count in (1, 2, 4, 8)],
        "workers": [(count, {"workers": count}, CONNECTIONS) for count in (1, 2)],
    }
    for name in arguments.sweeps:
        taken = {}
        with contextlib.ExitStack() as cleanup:
            rows = []
            for count, settings, connections in sweeps[name]:
                port = free_port()
                cores = f"{PROXY_CORE},{LOAD_CORE}" if settings.get("workers", 1) > 1 else PROXY_CORE
                peer = Peer(f"{count:,}", True, [binary, "run"], hookwarden(port, service, work, **settings), cores)
                cleanup.callback(peer.stop)
                peer.start(port)
                rows.append((peer, connections, peer.resident()))
            for at in range(arguments.rounds):
                print(f"{name}: round {at + 1} of {arguments.rounds}", file=sys.stderr)
                for peer, connections, _ in rows if at % 2 == 0 else reversed(rows):
                    # Time for each connection to be busy a few times.
                    seconds = max(arguments.seconds, connections / 5000)
                    taken.setdefault(peer.name, []).append(measure_warm(programs, peer, connections, seconds))
            print(f"\n| {name} | µs a request | ratio | MiB at the start | MiB at most |\n|---:|---:|---:|---:|---:|")
            base = taken[rows[0][0].name]
            for peer, _, resident in rows:
                own, most = taken[peer.name], peer.resident("VmHWM")
                print(f"| {peer.name} | {micros(own, None)} | {ratio(own, base)} | {resident:.1f} | {most:.1f} |")


def build(target, folders):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    for folder in folders:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--bins"], cwd=folder, env=environment, check=True)
    return target / "release"


def install(names):
    missing = [name for name in names if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        subprocess.run(["apt-get", "install", "-y", "-q", *missing], check=True,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL)


def version(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def peers(programs, work, service, binary):
    """Every proxy that is there, with its version."""
    found, versions, ports = [], {}, {}

    def add(name, verifies, command, environment, about):
        found.append(Peer(name, verifies, command, environment))
        versions[name] = about

    def port(name):
        return ports.setdefault(name, free_port())

    ours = version([binary, "--version"])
    for name, audit in (("hookwarden", "off"), ("hookwarden, audit log to a file", f"{work}/audit.log")):
        add(name, True, [binary, "run"], hookwarden(port(name), service, work, audit), ours)
    command = [programs / "hyper_proxy", str(port("hyper proxy")), str(service), SECRET]
    add("hyper proxy", True, command, {}, "source beside this script; hyper " + locked("hyper"))
    path = os.environ["PATH"] + ":/usr/sbin"
    if nginx := shutil.which("nginx", path=path):
        config = work / "nginx.conf"
        config.write_text(NGINX.format(work=work, port=port("nginx"), service=service))
        add("nginx", False, [nginx, "-e", "/dev/null", "-c", str(config)], {}, version([nginx, "-v"]))
    if haproxy := shutil.which("haproxy", path=path):
        config = work / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=port("haproxy"), service=service))
        add("haproxy", False, [haproxy, "-db", "-q", "-f", str(config)], {}, version([haproxy, "-v"]))
    return found, versions, ports


def locked(crate):
    lines = (HERE / "Cargo.lock").read_text().splitlines()
    return lines[lines.index(f'name = "{crate}"') + 1].split('"')[1]


def rounds(programs, everyone, arguments):
    """scenario -> proxy -> a figure for each round."""
    figures = {}
    for scenario in arguments.scenarios:
        able = [peer for peer in everyone if peer.verifies or scenario != "invalid signature"]
        taken = figures[scenario] = {peer.name: [] for peer in able}
        for at in range(arguments.rounds):
            print(f"{scenario}: round {at + 1} of {arguments.rounds}", file=sys.stderr)
            for peer in able if at % 2 == 0 else reversed(able):
                taken[peer.name].append(measure(programs, peer, scenario, arguments.seconds))
    return figures


def table(figures, everyone, base, cell):
    lines = ["| | " + " | ".join(figures) + " |", "|---|" + "---:|" * len(figures)]
    for peer in everyone:
        cells = [cell(taken.get(peer.name), taken.get(base)) for taken in figures.values()]
        lines.append(f"| {peer.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def micros(taken, _):
    if not taken:
        return ""
    return "failed" if None in taken else f"{statistics.median(taken):,.1f}"


def ratio(taken, base):
    value = ratio_of(taken, base)
    return "" if value is None else f"{value:.2f}"


def ratio_of(taken, base):
    if not taken or not base or None in taken or None in base:
        return None
    return statistics.median(one / other for one, other in zip(taken, base))


def picture(figures, everyone, base):
    """Bars: CPU of a request, the hyper proxy's being 1. No fonts, colours or scripts from elsewhere."""
    colours = {"hookwarden": "#0f766e", "hookwarden, audit log to a file": "#5eead4", "hyper proxy": "#94a3b8",
               "nginx": "#f59e0b", "haproxy": "#a78bfa"}
    bar, gap, left, width = 14, 22, 150, 760
    most = max(filter(None, (ratio_of(taken.get(peer.name), taken.get(base)) for taken in figures.values() for peer in everyone)))
    scale = (width - left - 60) / most
    parts, y = [], 64
    for index, peer in enumerate(everyone):
        x = 20 + index * 148
        label = peer.name if len(peer.name) < 20 else "with audit log"
        parts.append(f'<rect x="{x}" y="34" width="12" height="12" fill="{colours[peer.name]}"/>'
                     f'<text x="{x + 17}" y="44">{label}{"" if peer.verifies else " (no check)"}</text>')
    for scenario, taken in figures.items():
        top = y
        for peer in everyone:
            value = ratio_of(taken.get(peer.name), taken.get(base))
            if value is None:
                continue
            parts.append(f'<rect x="{left}" y="{y}" width="{value * scale:.1f}" height="{bar - 2}" fill="{colours[peer.name]}"/>'
                         f'<text x="{left + value * scale + 6:.1f}" y="{y + bar - 4}">{value:.2f}</text>')
            y += bar
        parts.append(f'<text x="{left - 10}" y="{(top + y) / 2 + 3:.0f}" text-anchor="end" font-weight="600">{scenario}</text>')
        y += gap
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" font-family="sans-serif" font-size="11" '
            f'fill="#334155" role="img" aria-label="CPU of a request beside other proxies">'
            f'<rect width="{width}" height="{y}" fill="#ffffff"/>'
            f'<text x="20" y="20" font-size="14" font-weight="600">CPU time of a request, the hyper proxy being 1 (less is better)</text>'
            + "".join(parts) + "</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["ratios", "latency", "scale"], default="ratios", help="what to measure [ratios]")
    parser.add_argument("--sweeps", type=lambda text: text.split(","), default=["connections", "routes", "keys", "workers"],
                        help="what of `scale`, by comma [all]")
    parser.add_argument("--rounds", type=int, default=6, help="rounds of each scenario [6]")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a measured run [0.6]")
    parser.add_argument("--scenarios", type=lambda text: text.split(","), default=list(SCENARIOS), help="which, by comma [all]")
    parser.add_argument("--binary", help="a hookwarden that is built already [build this tree]")
    parser.add_argument("--target", type=Path, default=ROOT / "target", help="where to build [target]")
    parser.add_argument("--install", action="store_true", help="install nginx and HAProxy where they are missing")
    parser.add_argument("--svg", type=Path, help="draw a picture of the ratios there")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.scenarios if name not in SCENARIOS]
    unknown_sweeps = set(arguments.sweeps) - {"connections", "routes", "keys", "workers"}
    if unknown_sweeps:
        parser.error(f"no sweep {min(unknown_sweeps)!r}")
    if unknown:
        parser.error(f"no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("two cores are needed: one for the proxy, one for the load and the service")
    if arguments.install:
        install(["nginx", "haproxy"])
    programs = build(arguments.target, [HERE] if arguments.binary else [ROOT, HERE])
    binary = arguments.binary or str(programs / "hookwarden")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as cleanup:
        work, service = Path(folder), free_port()
        backend = Peer("service", False, [])
        backend.process = subprocess.Popen(["taskset", "-c", str(LOAD_CORE), programs / "service", str(service)],
                                           start_new_session=True)
        cleanup.callback(backend.stop)
        await_port(service, backend.process, "the service")
        if arguments.what == "scale":
            return scale(programs, service, binary, work, arguments)
        everyone, versions, ports = peers(programs, work, service, binary)
        for peer in everyone:
            cleanup.callback(peer.stop)
            peer.start(ports[peer.name])
        if arguments.what == "latency":
            return latencies(programs, everyone, service, arguments)
        figures = rounds(programs, everyone, arguments)
    print(f"CPU of a request in µs, medians of {arguments.rounds} rounds of {arguments.seconds} s, {CONNECTIONS} connections\n")
    print(table(figures, everyone, "hyper proxy", micros))
    print("\nThe same as a ratio to the hyper proxy in the same round\n")
    print(table(figures, everyone, "hyper proxy", ratio))
    print("\n" + "\n".join(f"- {name}: {about}" for name, about in versions.items()))
    if arguments.svg:
        arguments.svg.write_text(picture(figures, everyone, "hyper proxy"))


if __name__ == "__main__":
    main()
