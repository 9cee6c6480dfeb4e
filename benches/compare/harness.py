"""What all measurements share: processes on their cores, the CPU they use, the load, faults, and figures as text."""
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
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PATH = os.environ.get("PATH", "") + ":/usr/sbin"
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


class Figure(NamedTuple):
    """What one round of one row gave."""

    micros: float
    rate: float


@dataclass
class Bench:
    """What a measurement works with."""

    programs: Path
    binary: str
    work: Path
    service: int
    arguments: argparse.Namespace
    faults: list = field(default_factory=list)
    kept: list = field(default_factory=list)

    @property
    def rounds(self):
        return range(self.arguments.rounds)

    @property
    def seconds(self):
        return self.arguments.seconds

    def check(self, good, fault):
        """Says at once what is wrong, and has the command fail at its end."""
        if not good:
            self.faults.append(fault)
            print(f"WRONG: {fault}", file=sys.stderr)
        return good

    def tell(self, title, lines, keep=True):
        """Prints a table under its title; what is kept can be put into the README."""
        text = f"{title}\n\n{lines}\n"
        print(text)
        if keep:
            self.kept.append(text)

    def say(self, what, at):
        print(f"{what}: round {at + 1} of {self.arguments.rounds}", file=sys.stderr)


class Peer:
    """A proxy: how it is started, and what its processes cost."""

    def __init__(self, name, verifies, command, environment=None, cores=PROXY_CORE, certificate=None, about=""):
        self.name, self.verifies, self.command, self.environment = name, verifies, command, environment or {}
        self.cores, self.certificate, self.about = cores, certificate, about
        self.process = self.port = None

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


def await_port(port, process, name, patience=300):
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


def load_command(bench, port, mode, seconds, size=1024, connections=CONNECTIONS, certificate=None):
    command = ["taskset", "-c", str(LOAD_CORE), bench.programs / "load", str(port), SECRET, str(size), str(connections),
               str(seconds), mode]
    return command + ([certificate] if certificate else [])


def load(bench, port, mode, seconds, **settings):
    """What the load saw, as a dictionary; ends the command where it could not go on."""
    command = load_command(bench, port, mode, seconds, **settings)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        sys.exit(f"the load against port {port} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(bench, peer, scenario, seconds):
    """CPU of a request in µs; None where not every answer was the expected one."""
    size, mode = SCENARIOS[scenario]
    load(bench, peer.port, mode, min(0.2, seconds), size=size)
    before = peer.cpu_ns()
    result = load(bench, peer.port, mode, seconds, size=size)
    return (peer.cpu_ns() - before) / 1000 / result["expected"] if is_good(bench, peer.name, scenario, result) else None


def measure_warm(bench, peer, mode, seconds, connections=CONNECTIONS):
    """CPU of a request in µs without what opening the connections and first sessions costs (a longer run less a shorter
    one), and the requests a second; None where not every answer was the expected one."""
    runs = []
    for length in (seconds, 3 * seconds):
        before = peer.cpu_ns()
        result = load(bench, peer.port, mode, length, connections=connections, certificate=peer.certificate)
        if not is_good(bench, peer.name, mode, result):
            return None
        runs.append((peer.cpu_ns() - before, result["expected"], result["expected"] / result["seconds"]))
    (few_ns, few, _), (many_ns, many, rate) = runs
    if not bench.check(many > few, f"{peer.name}, {mode}: three times as long, yet no more requests: is the machine busy?"):
        return None
    return Figure((many_ns - few_ns) / 1000 / (many - few), rate)


def is_good(bench, name, what, result):
    fault = f"{name}, {what}: {result['others']} unexpected answers or handshakes, {result['expected']} expected ones"
    return bench.check(result["expected"] and not result["others"], fault)


def build(target, folder, *which, flags=""):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "RUSTFLAGS": flags or os.environ.get("RUSTFLAGS", "")}
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", *which], cwd=folder, env=environment, check=True)
    return target / "release"


def found(program):
    return shutil.which(program, path=PATH)


def install(names):
    missing = [name for name in names if not found(name)]
    if missing:
        subprocess.run(["apt-get", "install", "-y", "-q", *missing], check=True,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL)


def version(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def locked(crate):
    lines = (HERE / "Cargo.lock").read_text().splitlines()
    return lines[lines.index(f'name = "{crate}"') + 1].split('"')[1]


def part(taken, name):
    """That part of each round's figures."""
    return [figure and getattr(figure, name) for figure in taken]


def in_turn(things, at):
    """In the opposite order each other round."""
    return things if at % 2 == 0 else list(reversed(things))


def median(taken, form=",.1f"):
    if not taken:
        return ""
    return "failed" if None in taken else format(statistics.median(taken), form)


def ratio(taken, base):
    value = ratio_of(taken, base)
    return "" if value is None else f"{value:.2f}"


def ratio_of(taken, base):
    """The median of the rounds' ratios; None where one is missing."""
    if not taken or not base or None in taken or None in base:
        return None
    return statistics.median(one / other for one, other in zip(taken, base))


def table(heads, rows):
    """Markdown; the first column is names, the others numbers."""
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def write_section(file, name, texts):
    """Puts the texts between the marks of that name."""
    opening, closing = f"<!-- measured {name} -->\n", f"<!-- /measured {name} -->"
    before, found_open, rest = file.read_text().partition(opening)
    _, found_close, after = rest.partition(closing)
    if not found_open or not found_close:
        sys.exit(f"{file} has no place for {name}: {opening.strip()} and {closing}")
    file.write_text(before + opening + "\n".join(texts) + closing + after)


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else os.uname().machine
