#!/usr/bin/env python3
"""Hookwarden beside nginx, HAProxy and a plain hyper proxy, on this machine: CPU for each request, as ratios.

    benches/compare/run.py                    all of it: about 3 minutes after the builds
    benches/compare/run.py --scenarios 1KiB   one scenario
    benches/compare/run.py --svg FILE         draws the picture of the README too

Hookwarden and the hyper proxy verify a GitHub signature; nginx and HAProxy pass everything on and verify nothing.
Hookwarden has everything on: replay claims, limits, deadlines, metrics; with its audit log off and, as a row of its own,
to a file. Every proxy has one worker and a core of its own; the load and the service share another. Within a scenario
the proxies take turns, in each round in the opposite order, a second or so apart, so that whatever else the machine does
meets them all; the figures are medians over the rounds. What is counted is the CPU time of the proxy's processes, user
and system, from the kernel's scheduler statistics, divided by the requests that were answered as expected in a run: it
moves least with other work on the machine. Ratios of one run can be compared, absolute figures only on one machine.

nginx and HAProxy come from the distribution (`apt-get install nginx haproxy`); one that is missing is left out, and
`--install` installs it. Loopback only; everything ends by itself.
"""
import argparse
import contextlib
import json
import os
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


def hookwarden(port, service, work, audit):
    route = {"PATH": "/", "PROVIDER": "github", "SECRET": SECRET, "MAX_BODY": "2MiB"}
    settings = {"LISTEN": f"127.0.0.1:{port}", "ADMIN_LISTEN": "127.0.0.1:0", "UPSTREAM": f"127.0.0.1:{service}",
                "TLS": "off", "WORKERS": "1", "AUDIT_LOG": audit, "LOG_LEVEL": "error"}
    settings.update({f"ROUTE_ALL_{field}": value for field, value in route.items()})
    return {f"HOOKWARDEN_{name}": value for name, value in settings.items()}


class Peer:
    """A proxy: how it is started, and what its processes cost."""

    def __init__(self, name, verifies, command, environment=None):
        self.name, self.verifies, self.command, self.environment = name, verifies, command, environment or {}
        self.process = None

    def start(self, port):
        self.port = port
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(["taskset", "-c", str(PROXY_CORE), *self.command], env=environment,
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


def load(programs, port, scenario, seconds):
    size, mode = SCENARIOS[scenario]
    command = ["taskset", "-c", str(LOAD_CORE), programs / "load", str(port), SECRET, str(size), str(CONNECTIONS),
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
    parser.add_argument("--rounds", type=int, default=6, help="rounds of each scenario [6]")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a measured run [0.6]")
    parser.add_argument("--scenarios", type=lambda text: text.split(","), default=list(SCENARIOS), help="which, by comma [all]")
    parser.add_argument("--binary", help="a hookwarden that is built already [build this tree]")
    parser.add_argument("--target", type=Path, default=ROOT / "target", help="where to build [target]")
    parser.add_argument("--install", action="store_true", help="install nginx and HAProxy where they are missing")
    parser.add_argument("--svg", type=Path, help="draw a picture of the ratios there")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
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
        everyone, versions, ports = peers(programs, work, service, binary)
        for peer in everyone:
            cleanup.callback(peer.stop)
            peer.start(ports[peer.name])
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
