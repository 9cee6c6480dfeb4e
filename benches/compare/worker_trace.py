"""A worker's turns, from `perf`: how long each kept the others waiting, and why."""
import re
import subprocess
from dataclasses import dataclass

from harness import LOAD_CORE, PROXY_CORE, found

EPOLL = {"x86_64": {232, 281, 441}, "aarch64": {22, 441}}

LINE = re.compile(r"^\s*(\d+) +\[(\d+)\] +(\d+)\.(\d{9}): +\w+:(sys_enter|sys_exit|sched_switch|sched_wakeup): +(.*)$")
NUMBER = re.compile(r"NR (-?\d+)")
SWITCH = re.compile(r"prev_pid=(\d+) .*prev_state=(\S+) ==> .*next_pid=(\d+)")


@dataclass
class Turn:
    """Nanoseconds between two waits for events: on the processor, behind another thread of the process, in a system call
    that waits (for a lock, a disk), and behind other processes."""

    running: int = 0
    behind_ours: int = 0
    blocked: int = 0
    behind_others: int = 0

    @property
    def own(self):
        return self.running + self.behind_ours + self.blocked


def command(output, worker):
    """To be put before the command that the trace is to last as long as; None where there is no `perf`."""
    perf = found("perf")
    if not perf:
        return None
    events = ["-e", "sched:sched_switch", "-e", "sched:sched_wakeup", "--filter", f"pid=={worker}"]
    for event in ("sys_enter", "sys_exit"):
        events += ["-e", f"raw_syscalls:{event}", "--filter", f"common_pid=={worker}"]
    return [perf, "record", "-q", "-m", "4M", "-C", f"{PROXY_CORE},{LOAD_CORE}", "-o", output, *events, "--"]


def works(folder):
    """Whether this user may trace on this machine."""
    prefix = command(folder / "try.data", 1)
    return bool(prefix) and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0


def turns(file, worker, ours, machine):
    """The turns of the thread `worker`, one of the threads `ours`, on the core that all of them are on."""
    script = [found("perf"), "script", "--ns", "-F", "tid,cpu,time,event,trace", "-i", file]
    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield from Reader(worker, ours, EPOLL[machine]).turns(process.stdout)


class Reader:
    """What the worker does at the time: on the processor, ready to be, asleep in a call, or waiting for events."""

    def __init__(self, worker, ours, epoll):
        self.worker, self.ours, self.epoll = worker, ours, epoll
        self.turn, self.state, self.since = None, "waiting", 0
        self.runs, self.in_epoll = None, True

    def turns(self, lines):
        for line in lines:
            if match := LINE.search(line):
                tid, cpu, seconds, fraction, event, rest = match.groups()
                now = int(seconds) * 1_000_000_000 + int(fraction)
                done = self.step(int(tid), int(cpu), now, event, rest)
                if done:
                    yield done

    def step(self, tid, cpu, now, event, rest):
        if event == "sched_switch":
            if cpu == PROXY_CORE:
                self.switch(now, *SWITCH.search(rest).groups())
        elif event == "sched_wakeup":
            if self.state in ("asleep", "waiting"):
                self.account(now)
                self.state = "ready"
        elif tid == self.worker and int(NUMBER.search(rest)[1]) in self.epoll:
            return self.wait_begins(now) if event == "sys_enter" else self.wait_ends(now)
        return None

    def wait_begins(self, now):
        """The end of a turn. The next begins here, for who was woken may have to wait for the core."""
        self.account(now)
        done, self.turn, self.in_epoll = self.turn, Turn(), True
        return done

    def wait_ends(self, now):
        # What the call itself took, and going to sleep, is no part of a turn.
        if self.turn:
            self.turn.running = 0
        self.state, self.since, self.in_epoll = "running", now, False

    def switch(self, now, before, state, after):
        if int(before) == self.worker:
            self.account(now)
            self.state = "ready" if state.startswith("R") else "waiting" if self.in_epoll else "asleep"
        elif self.state == "ready":
            self.account(now)
        self.runs = int(after)
        if self.runs == self.worker:
            self.account(now)
            self.state = "running"

    def account(self, now):
        """Adds the time since the last event to what it went to."""
        took, self.since = now - self.since, now
        if not self.turn:
            return
        if self.state == "running":
            self.turn.running += took
        elif self.state == "asleep":
            self.turn.blocked += took
        elif self.state == "ready":
            if self.runs in self.ours:
                self.turn.behind_ours += took
            else:
                self.turn.behind_others += took
