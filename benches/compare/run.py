#!/usr/bin/env python3
"""Hookwarden beside nginx, HAProxy and a plain hyper proxy, on this machine, as ratios.

    benches/compare/run.py                    CPU for each request, seven scenarios
    benches/compare/run.py --scenarios 1KiB   one scenario
    benches/compare/run.py --svg FILE         draws the picture of the README too
    benches/compare/run.py tls                the same over TLS 1.3: kept alive, full handshakes, resumed ones
    benches/compare/run.py latency            what each proxy adds to a request's latency, at a fixed rate
    benches/compare/run.py scale              Hookwarden alone: connections, routes, keys, workers, claims, idle memory
    benches/compare/run.py stalls             Hookwarden alone: how long a worker is held up by our own other work
    benches/compare/run.py hashes             SHA-256 of `sha2`, with SHA instructions and without, beside ring's

Each takes up to 3 minutes after the builds, and ends by itself. Loopback only. Answers are looked at: before they are
measured the proxies are asked with a genuine, a forged and a repeated webhook, and in each run every single answer must be
the expected one. Else the command says what was wrong, puts `failed` for the figure, and ends with 1. `--readme README.md` puts the tables
where the README has them, unless something was wrong.

Hookwarden and the hyper proxy verify a GitHub signature; nginx and HAProxy pass everything on and verify nothing.
Hookwarden has everything on: replay claims, limits, deadlines, metrics; with its audit log off and, as a row of its own,
to a file. Every proxy has one worker and a core of its own; the load and the service share another. Within a scenario
the proxies take turns, in each round in the opposite order, a second or so apart, so that whatever else the machine does
meets them all; the figures are medians over the rounds. What is counted is the CPU time of the proxy's processes, user
and system, from the kernel's scheduler statistics, divided by the requests that were answered as expected in a run: it
moves least with other work on the machine. Ratios of one run can be compared, absolute figures only on one machine.

`tls`: one certificate (ECDSA P-256) for all, and one cipher suite and key exchange (AES-128-GCM, X25519). hyper and rustls
stand there twice: on AWS-LC, rustls's default, and on ring, which Hookwarden uses too. The load checks the certificate,
and that each handshake was the full or the resumed one that it should be. How many handshakes a core could do in a
second is told from the CPU of a connection that is opened, used for one request, and closed.

`latency`: requests become due at random (Poisson), 1,000 and 8,000 a second, and each one's latency counts from when it
was due, so one that had to wait for others tells so. Each round also sends them to the service without a proxy; what a
proxy adds is the difference.

`scale`: one number of Hookwarden's is raised at a time (of more than 32 connections 32 are busy at one time, in turn), and
the CPU of a request is told as a ratio to the first row of the same round. `replay`: claims that the store holds already,
from a journal; what they do to a claim alone, without a network, `cargo bench --bench replay -- local_scale` tells.

`stalls`: one sidecar with 500 routes, a million and a half claims, a journal and an audit log under 2,000 requests a second.
All its threads share one core here, which is the hardest case: with a core to spare none of them waits behind another.
First nothing else, then by turns scrapes of /metrics (5 a second), a changed secret (each second), a rotated audit log
(each second), the end of a million claims at once with a new generation of the journal, and all of that together. `perf`
traces the worker's thread: a turn is from when `epoll_wait` returns until it is called again, and what other requests
can wait for. Told are the longest turns by our own doing: the thread's own time on the processor, its waits in other
system calls (locks, disk), and its waits for the core while another thread of ours has it. Waits for the core while
another process has it are not ours and stand apart. After such a wait a turn handles what has piled up,
so on a busy machine turns grow too. Interrupts, and a host that takes the core away, cannot be told from
our own time: compare with the first row. The latencies that the load saw, noise and all, stand beside. Needs root.

`hashes`: `sha2` picks at run time; its portable code is what it falls back to. ring picks too, and where a processor has no
SHA instructions its assembly is what the last rows stand for: OpenSSL's, of the same origin, with those instructions
masked.

nginx and HAProxy come from the distribution (`apt-get install nginx haproxy`); one that is missing is left out, and
`--install` installs it.
"""
import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

# This folder is sources alone.
sys.dont_write_bytecode = True

import hashes
import latency
import ratios
import scale
import stalls
import tls
from harness import HERE, LOAD_CORE, ROOT, SCENARIOS, Bench, Peer, await_port, build, free_port, install, processor, write_section

MEASUREMENTS = {"ratios": ratios.run, "tls": tls.run, "latency": latency.run, "scale": scale.run, "stalls": stalls.run}

# As many, and as long ones, as make three minutes.
ROUNDS = {"ratios": 6, "tls": 6, "latency": 5, "scale": 3, "stalls": 1, "hashes": 3}
SECONDS = {"scale": 0.4}


def names_of(known):
    def names(text):
        unknown = [name for name in text.split(",") if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r}; there are {', '.join(known)}")
        return text.split(",")
    return names


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=[*MEASUREMENTS, "hashes"], default="ratios", help="what to measure [ratios]")
    parser.add_argument("--scenarios", type=names_of(SCENARIOS), default=list(SCENARIOS), help="which of `ratios`, by comma [all]")
    parser.add_argument("--sweeps", type=names_of(scale.SWEEPS), default=list(scale.SWEEPS), help="which of `scale`, by comma [all]")
    parser.add_argument("--rounds", type=int, help="rounds of each row [6; latency 5, scale and hashes 3]")
    parser.add_argument("--seconds", type=float, help="length of a measured run [0.6; scale 0.4, latency at least 2]")
    parser.add_argument("--binary", help="a hookwarden that is built already [build this tree]")
    parser.add_argument("--target", type=Path, default=ROOT / "target", help="where to build [target]")
    parser.add_argument("--install", action="store_true", help="install nginx and HAProxy where they are missing")
    parser.add_argument("--svg", type=Path, help="draw a picture of the ratios there")
    parser.add_argument("--readme", type=Path, help="put the tables into that file, between its marks for this measurement")
    given = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("two cores are needed: one for the proxy, one for the load and the service")
    given.rounds = given.rounds or ROUNDS[given.what]
    given.seconds = given.seconds or SECONDS.get(given.what, 0.6)
    return given


def raise_descriptors():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def service(bench, cleanup):
    backend = Peer("service", False, [])
    backend.process = subprocess.Popen(["taskset", "-c", str(LOAD_CORE), bench.programs / "service", str(bench.service)],
                                       start_new_session=True)
    cleanup.callback(backend.stop)
    await_port(bench.service, backend.process, "the service")


def measured(given):
    """What was measured, and what was wrong."""
    if given.what == "hashes":
        bench = Bench(None, None, None, None, given)
        hashes.run(bench)
        return bench
    programs = build(given.target, HERE, "--bins")
    if not given.binary:
        build(given.target, ROOT, "--bins")
    binary = given.binary or str(programs / "hookwarden")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as cleanup:
        bench = Bench(programs, binary, Path(folder), free_port(), given)
        service(bench, cleanup)
        everyone = MEASUREMENTS[given.what](bench, cleanup) or []
    about = "".join(f"- {peer.name}: {peer.about}\n" for peer in everyone)
    print(about)
    bench.kept += [about] if about else []
    return bench


def main():
    given = arguments()
    raise_descriptors()
    if given.install:
        install(["nginx", "haproxy"])
    bench = measured(given)
    if bench.faults:
        sys.exit(f"{len(bench.faults)} wrong: " + "; ".join(bench.faults))
    if given.readme:
        how = f"`benches/compare/run.py {given.what}` on one core of: {processor()}.\n"
        write_section(given.readme, given.what, ["\n" + how, *bench.kept])


if __name__ == "__main__":
    main()
