"""Latency at a fixed rate: requests become due at random, and each one's counts from when it was due."""
import statistics

from harness import in_turn, is_good, load, ratio_of, table
from peers import plain, start

RATES = 1000, 8000
PARTS = "p50", "p99"
NONE = "no proxy"


def run(bench, cleanup):
    everyone = start(bench, cleanup, plain(bench))
    ways = [(NONE, bench.service), *((peer.name, peer.port) for peer in everyone)]
    taken = {(name, rate): [] for name, _ in ways for rate in RATES}
    for rate in RATES:
        for at in bench.rounds:
            bench.say(f"{rate} a second", at)
            for name, port in in_turn(ways, at):
                taken[name, rate].append(one(bench, name, port, rate))
    report(bench, everyone, taken)
    return everyone


def one(bench, name, port, rate):
    """A run's quantiles; None where an answer was unexpected, or where it went too slowly to speak of that rate."""
    seconds = max(2, bench.seconds)
    result = load(bench, port, f"poisson:{rate}", seconds)
    kept = result["expected"] > 0.9 * rate * seconds and result["seconds"] < 1.5 * seconds
    bench.check(kept, f"{name}: {rate} a second could not be kept: {result['expected']} in {result['seconds']} s")
    return result if is_good(bench, name, f"{rate} a second", result) and kept else None


def report(bench, everyone, taken):
    columns = [(rate, part) for rate in RATES for part in PARTS]
    heads = ["", *(f"{part} at {rate:,}/s" for rate, part in columns)]
    names = [peer.name for peer in everyone]

    def quantiles(name, rate, part):
        return [run and run[part] for run in taken[name, rate]]

    def added(name, rate, part):
        runs, bases = quantiles(name, rate, part), quantiles(NONE, rate, part)
        if None in runs or None in bases:
            return "failed"
        return f"{statistics.median(run - base for run, base in zip(runs, bases)):,.0f}"

    def beside(name, other, rate, part):
        value = ratio_of(quantiles(name, rate, part), quantiles(other, rate, part))
        return "failed" if value is None else f"{value:.2f}"

    rounds = f"Poisson arrivals, medians of {bench.arguments.rounds} rounds"
    bench.tell(f"Latency of a request of 1 KiB in µs, {rounds}",
               table(heads, [[name, *(absolute(quantiles(name, *column)) for column in columns)] for name in [NONE, *names]]))
    bench.tell("What a proxy adds to no proxy's in the same round, in µs",
               table(heads, [[name, *(added(name, *column) for column in columns)] for name in names]))
    others = [name for name in names if not name.startswith("hookwarden")]
    bench.tell("Hookwarden's latency as a ratio to another's in the same round",
               table(heads, [[f"to {name}", *(beside(names[0], name, *column) for column in columns)] for name in others]))


def absolute(quantiles):
    return "failed" if None in quantiles else f"{statistics.median(quantiles):,.0f}"
