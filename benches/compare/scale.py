"""Hookwarden alone, while one number is raised."""
import contextlib
import json
import subprocess
import time
import urllib.request

from harness import (CONNECTIONS, LOAD_CORE, PROXY_CORE, Peer, await_port, free_port, in_turn, load, load_command, measure_warm,
                     median, part, ratio, table)
from peers import hookwarden, probe

# What is raised, to what.
SWEEPS = {
    "connections": (10, 32, 100, 1000, 10_000),
    "routes": (1, 10, 100, 500),
    "keys": (1, 2, 4, 8),
    "workers": (1, 2),
    "replay": (0, 10_000, 1_000_000, 10_000_000),
    "idle": (100, 1000, 10_000),
}

# Room for all that a sweep preloads and all that it sends, the same for each row.
MOST_ENTRIES = 16_000_000


def run(bench, cleanup):
    for name in bench.arguments.sweeps:
        with contextlib.ExitStack() as ends:
            idle(bench, ends) if name == "idle" else sweep(bench, ends, name)


def sweep(bench, cleanup, name):
    """CPU of a request of 1 KiB. Two workers have two cores, one of which the load is on too."""
    rows = [row(bench, cleanup, name, count) for count in SWEEPS[name]]
    taken, starts = {count: [] for count, _ in rows}, {count: peer.resident() for count, peer in rows}
    for at in bench.rounds:
        bench.say(name, at)
        for count, peer in in_turn(rows, at):
            connections = count if name == "connections" else CONNECTIONS
            # Time for each connection to be busy a few times.
            seconds = max(bench.seconds, connections / 10_000)
            taken[count].append(measure_warm(bench, peer, "keep-alive", seconds, connections))
    base = part(taken[rows[0][0]], "micros")
    what = "claims held" if name == "replay" else name
    bench.tell(f"Hookwarden by {what}, requests of 1 KiB, medians of {bench.arguments.rounds} rounds", table(
        [what, "µs a request", "ratio", "requests a second", "MiB at the start", "MiB at most"],
        [[f"{count:,}", median(part(taken[count], "micros")), ratio(part(taken[count], "micros"), base),
          median(part(taken[count], "rate"), ",.0f"), f"{starts[count]:.1f}", f"{peer.resident('VmHWM'):.1f}"]
         for count, peer in rows]))


def row(bench, cleanup, name, count):
    settings = {name: count} if name in ("routes", "keys", "workers") else {}
    if name == "replay":
        settings["more"] = remembering(bench, count)
    cores = f"{PROXY_CORE},{LOAD_CORE}" if settings.get("workers", 1) > 1 else PROXY_CORE
    return count, sidecar(bench, cleanup, f"hookwarden, {name}: {count:,}", cores, count if name == "replay" else 0, settings)


def sidecar(bench, cleanup, name, cores, entries, settings):
    port, admin = free_port(), free_port()
    settings["more"] = {"ADMIN_LISTEN": f"127.0.0.1:{admin}", **settings.get("more", {})}
    peer = Peer(name, True, [bench.binary, "run"], hookwarden(port, bench.service, bench.work, **settings), cores)
    cleanup.callback(peer.stop)
    peer.start(port)
    await_port(admin, peer.process, name)
    held = metric(admin, "hookwarden_replay_entries")
    bench.check(held == entries, f"{name}: the store holds {held:,.0f} entries at the start, not {entries:,}")
    probe(bench, peer)
    return peer


def remembering(bench, entries):
    """A store with that many claims of an earlier life, and a journal in each row, so that all do the same."""
    folder = bench.work / f"journal-{entries}"
    folder.mkdir()
    if entries:
        subprocess.run([bench.programs / "journal", folder, f"{entries}:86400"], check=True)
    return {"REPLAY_JOURNAL": str(folder), "REPLAY_MAX_ENTRIES": str(MOST_ENTRIES)}


def metric(admin, name):
    """The sum over all its series."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + " ", name + "{")))


def idle(bench, cleanup):
    """What a connection takes that was of use once and idles since."""
    peer = sidecar(bench, cleanup, "hookwarden, idle connections", PROXY_CORE, 0, {})
    load(bench, peer.port, "keep-alive", bench.seconds)
    before = settled(peer)
    rows = []
    for count in SWEEPS["idle"]:
        with held_open(bench, peer, count):
            after = settled(peer)
        rows.append([f"{count:,}", f"{after:.1f}", f"{(after - before) * 1024 / count:.2f}"])
    bench.tell(f"Idle connections, over the {before:.1f} MiB of a sidecar that has served 32",
               table(["idle connections", "MiB", "KiB each"], rows))


@contextlib.contextmanager
def held_open(bench, peer, count):
    command = load_command(bench, peer.port, "idle", 0, connections=count)
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        result = json.loads(holder.stdout.readline() or '{"expected":0,"others":0}')
        bench.check(result["expected"] == count, f"{count} connections: {result['expected']} answered as expected")
        yield
    finally:
        holder.stdin.close()
        holder.wait(60)


def settled(peer, patience=5):
    """Its memory once it has given back what nobody needs: the least that it comes to within some seconds."""
    least, end = peer.resident(), time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(0.1)
        least = min(least, peer.resident())
    return least
