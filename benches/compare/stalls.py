"""How long a worker is held up by our own other work, under a steady load."""
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import worker_trace
from harness import LOAD_CORE, SECRET, Peer, await_port, free_port, is_good, load_command, table
from peers import hookwarden, probe
from scale import metric

RATE = 2000

# Claims that end at once within the last two rows, and others that stay. The journal's records are as many as make a new
# generation due once those of the first batch have gone, and not before: due are more than REPLAY_MAX_ENTRIES and the
# claims held.
ENDING, ENDING_LATER, STAYING, TIMES = 1_000_000, 300_000, 300_000, 5
MOST_ENTRIES = 2_000_000

# Seconds of a row; of the two in which claims end: they are swept a sixteenth a second.
SHORT, LONG = 8, 20

# Seconds from the making of the journal until its first claims end, and until the later ones do.
FIRST_END, SECOND_END = 75, 110


def run(bench, cleanup):
    # This process makes scrapes and rotations: it is not to take the worker's core.
    os.sched_setaffinity(0, {LOAD_CORE})
    traced = worker_trace.works(bench.work)
    if not traced:
        print("no perf here, or no right to trace: only the load's latencies are told", file=sys.stderr)
    stage = Stage(bench, cleanup)
    rows = []
    for name, seconds, begins, works in stage.rows():
        stage.wait(begins)
        print(f"{name}: {seconds} s", file=sys.stderr)
        before = {work: work.state() for work in works}
        seen = stage.under_load(name, seconds, works, traced)
        for work in works:
            work.check(before[work], seconds)
        rows.append((name, seen))
    report(bench, rows, traced)
    probe(bench, stage.peer)


def report(bench, rows, traced):
    bench.tell(f"Hookwarden, {RATE:,} requests of 1 KiB a second: latency in µs as the load saw it",
               table(["meanwhile", "requests", "p50", "p99", "p99.9", "most"],
                     [[name, f"{seen['expected']:,}", *(f"{seen[part]:,.0f}" for part in ("p50", "p99", "p999", "max"))]
                      for name, seen in rows]))
    if traced:
        bench.tell("The worker's turns in µs, by our own doing: p99.9, the longest and what that was made of, and how many took "
                   "over 1 ms; apart, the longest wait behind other processes",
                   table(["meanwhile", "turns", "p99.9", "longest", "running", "behind ours", "blocked", "over 1 ms",
                          "behind others"], [[name, *told(seen["turns"])] for name, seen in rows]))


def told(turns):
    turns.sort(key=lambda turn: turn.own)
    longest = turns[-1]
    times = (turns[int(len(turns) * 0.999)].own, longest.own, longest.running, longest.behind_ours, longest.blocked)
    over, others = sum(turn.own > 1_000_000 for turn in turns), max(turn.behind_others for turn in turns)
    return [f"{len(turns):,}", *(f"{nanoseconds / 1000:,.0f}" for nanoseconds in times), str(over), f"{others / 1000:,.0f}"]


class Stage:
    """The sidecar, and what is done to it."""

    def __init__(self, bench, cleanup):
        self.bench, self.made = bench, time.monotonic()
        self.admin, self.log = free_port(), bench.work / "audit.log"
        journal = bench.work / "journal"
        journal.mkdir()
        batches = f"{ENDING}:{FIRST_END}", f"{ENDING_LATER}:{SECOND_END}", f"{STAYING}:86400:{TIMES}"
        subprocess.run([bench.programs / "journal", journal, *batches], check=True)
        settings = {"ADMIN_LISTEN": f"127.0.0.1:{self.admin}", "REPLAY_JOURNAL": str(journal),
                    "REPLAY_MAX_ENTRIES": str(MOST_ENTRIES)}
        port = free_port()
        settings = hookwarden(port, bench.service, bench.work, str(self.log), routes=500, more=settings)
        self.peer = Peer("hookwarden", True, [bench.binary, "run"], settings)
        cleanup.callback(self.peer.stop)
        self.peer.start(port)
        await_port(self.admin, self.peer.process, "the admin port")
        held = metric(self.admin, "hookwarden_replay_entries")
        expected = ENDING + ENDING_LATER + STAYING
        bench.check(held == expected, f"the store holds {held:,.0f} entries at the start, not {expected:,}")
        probe(bench, self.peer)
        self.journal = journal

    def rows(self):
        scrapes, reloads = Scrapes(self), Reloads(self)
        rotations, ends = Rotations(self), Ends(self, ENDING, True)
        return [
            ("nothing else", SHORT, 0, []),
            ("scrapes", SHORT, 0, [scrapes]),
            ("reloads", SHORT, 0, [reloads]),
            ("rotations", SHORT, 0, [rotations]),
            ("claims end", LONG, FIRST_END - 1, [ends]),
            ("all of it", LONG, SECOND_END - 1, [scrapes, reloads, rotations, Ends(self, ENDING_LATER, False)]),
        ]

    def wait(self, begins):
        """Until so many seconds after the journal was made."""
        early = self.made + begins - time.monotonic()
        self.bench.check(not begins or early > 0, f"{-early:.0f} s too late for what was to happen next: a slow machine")
        time.sleep(max(0, early))

    def under_load(self, name, seconds, works, traced):
        file = self.bench.work / "trace.data"
        command = load_command(self.bench, self.peer.port, f"poisson:{RATE}", seconds)
        if traced:
            command = [*worker_trace.command(file, self.worker()), *command]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            threads = self.threads()
            until_it_ends(process, works)
            output, errors = process.communicate()
        if process.returncode != 0:
            sys.exit(f"the load failed: {errors.strip()}")
        seen = json.loads(output)
        is_good(self.bench, "hookwarden", name, seen)
        kept = seen["expected"] > 0.9 * RATE * seconds
        self.bench.check(kept, f"{name}: {seen['expected']:,} answers in {seconds} s, {RATE:,} a second were asked for")
        if traced:
            ours = (threads | self.threads()) - {self.worker()}
            seen["turns"] = list(worker_trace.turns(file, self.worker(), ours, os.uname().machine))
            # tokio looks for events after 61 steps at the latest, and a request takes more than one.
            enough = len(seen["turns"]) > seen["expected"] / 61
            self.bench.check(enough, f"{name}: {len(seen['turns'])} turns in the trace: it does not show the worker")
        return seen

    def threads(self):
        return {int(task.name) for task in self.tasks()}

    def worker(self):
        return next(int(task.name) for task in self.tasks() if (task / "comm").read_text().strip() == "worker-0")

    def tasks(self):
        return list(Path(f"/proc/{self.peer.process.pid}/task").iterdir())


def until_it_ends(process, works):
    """Does each work in its time until the process has ended."""
    start = time.monotonic()
    due = [[start + work.every, work] for work in works if work.every]
    while process.poll() is None:
        now = time.monotonic()
        for entry in due:
            if entry[0] <= now:
                entry[1].do()
                entry[0] += entry[1].every
        time.sleep(0.01)


class Work:
    """What goes on beside the requests: each so many seconds; `check` tells whether it did."""

    every = None

    def __init__(self, stage):
        self.stage, self.done = stage, 0

    def state(self):
        return self.done

    def check(self, before, seconds):
        least, name = seconds / self.every / 2, type(self).__name__.lower()
        done = self.state() - before
        self.stage.bench.check(done >= least, f"{name}: {done:.0f} in {seconds} s")


class Scrapes(Work):
    every = 0.2

    def do(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.stage.admin}/metrics", timeout=60) as answer:
            text = answer.read()
        self.done += b"hookwarden_requests_total{" in text and b'route="r499"' in text


class Reloads(Work):
    """A key more, and away with it. Counted is what the sidecar says it has taken over."""

    every = 1.0

    def state(self):
        return metric(self.stage.admin, "hookwarden_config_reloads_total")

    def do(self):
        self.done += 1
        file, new = self.stage.bench.work / "1.keys", self.stage.bench.work / "new"
        new.touch(0o600)
        new.write_text(SECRET + "\n" + (f"one-key-more-{self.done}\n" if self.done % 2 else ""))
        new.rename(file)


class Rotations(Work):
    """Copied and truncated, as logrotate's `copytruncate` does."""

    every = 1.0

    def do(self):
        log, copy = self.stage.log, self.stage.log.with_suffix(".1")
        copy.write_bytes(log.read_bytes())
        with contextlib.suppress(FileNotFoundError):
            os.truncate(log, 0)
        self.done += b'"decision":"forwarded"' in copy.read_bytes()


class Ends(Work):
    """Claims whose time is over: nothing to do but to see that they went."""

    def __init__(self, stage, claims, turns):
        super().__init__(stage)
        self.claims, self.turns = claims, turns

    def state(self):
        return metric(self.stage.admin, "hookwarden_replay_entries"), self.generation()

    def generation(self):
        return max(int(file.stem) for file in self.stage.journal.glob("*.claims"))

    def check(self, before, seconds):
        entries, generation = self.state()
        gone = before[0] + RATE * seconds - entries
        self.stage.bench.check(gone > 0.8 * self.claims, f"claims: {gone:,.0f} of {self.claims:,} went in {seconds} s")
        if self.turns:
            self.stage.bench.check(generation > before[1], "the journal began no new generation")
