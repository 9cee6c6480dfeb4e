"""SHA-256 by library and back-end: the same program built with and without what `sha2` finds at run time."""
import os
import re
import subprocess
from pathlib import Path

from harness import HERE, LOAD_CORE, build, found, in_turn, locked, median, ratio, table

SIZES = 64, 1024, 64 << 10

# Bits of CPUID leaf 7, register EBX, as OpenSSL's variable of that name masks them: SHA, and SHA with AVX2.
MASKS = {"OpenSSL": None, "OpenSSL, SHA-NI masked": ":~0x20000000", "OpenSSL, SHA-NI and AVX2 masked": ":~0x20000020"}


def run(bench):
    """Each row's MB a second, in turn."""
    rows = {**ours(bench.arguments.target), **openssl()}
    taken = {(name, size): [] for name in rows for size in SIZES}
    for at in bench.rounds:
        bench.say("SHA-256", at)
        for name in in_turn(list(rows), at):
            for size in SIZES:
                figure = rows[name](size)
                bench.check(figure, f"{name} told no speed for {size} bytes")
                taken[name, size].append(figure)
    report(bench, rows, taken)


def report(bench, rows, taken):
    heads, base = ["", *(f"{size:,} bytes" for size in SIZES)], next(iter(rows))
    sha = "has SHA instructions" if has_sha() else "has no SHA instructions"
    bench.tell(f"SHA-256 in MB/s, medians of {bench.arguments.rounds} rounds",
               table(heads, [[name, *(median(taken[name, size], ",.0f") for size in SIZES)] for name in rows]),
               keep=False)
    bench.tell(f"Throughput of SHA-256 as a ratio to {base}'s in the same round (more is better), on a processor that {sha}; "
               f"sha2 {locked('sha2')}, ring {locked('ring')}",
               table(heads, [[name, *(ratio(taken[name, size], taken[base, size]) for size in SIZES)] for name in rows]))


def ours(target):
    detected = build(target, HERE / "hashes") / "hookwarden-hashes"
    soft = build(target / "soft", HERE / "hashes", flags='--cfg sha2_256_backend="soft"') / "hookwarden-hashes"

    def row(program, library):
        return lambda size: float(output(["taskset", "-c", str(LOAD_CORE), program, library, str(size), "100"]))

    return {"sha2": row(detected, "sha2"), "sha2, soft": row(soft, "sha2"), "ring": row(detected, "ring")}


def openssl():
    """Stands for ring's assembly on processors without SHA instructions: of the same origin, and it lets itself be masked.
    What a call costs it makes the short messages slow."""
    program = found("openssl")
    if not program or "x86" not in os.uname().machine:
        return {}

    def row(mask):
        environment = {**os.environ, **({"OPENSSL_ia32cap": mask} if mask else {})}
        command = ["taskset", "-c", str(LOAD_CORE), program, "speed", "-mr", "-seconds", "1", "-evp", "sha256", "-bytes"]
        return lambda size: speed(output([*command, str(size)], environment))

    return {name: row(mask) for name, mask in MASKS.items()}


def speed(text):
    """From `+F:22:sha256:BYTES-A-SECOND`; None where it had no time on the processor to tell of."""
    told = re.search(r"^\+F:\d+:[^:]*:([\d.]+)$", text, re.MULTILINE)
    return float(told[1]) / 1e6 if told else None


def output(command, environment=None):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment).stdout


def has_sha():
    words = set(Path("/proc/cpuinfo").read_text().split())
    return bool(words & {"sha_ni", "sha2"})
