"""The same over TLS 1.3: kept alive, with a full handshake for each request, and with a resumed one."""
from harness import in_turn, measure_warm, median, part, ratio, table
from peers import over_tls, start

MODES = {"1 KiB kept alive": "keep-alive", "full handshake": "new-connections", "resumed handshake": "resumed"}


def run(bench, cleanup):
    everyone = start(bench, cleanup, over_tls(bench))
    taken = {}
    for name, mode in MODES.items():
        for at in bench.rounds:
            bench.say(name, at)
            for peer in in_turn(everyone, at):
                # Two runs, the second three times as long: together twice as long as one of the other measurements.
                figure = measure_warm(bench, peer, mode, bench.seconds / 2)
                taken.setdefault((peer.name, name), []).append(figure)
    report(bench, everyone, taken)
    return everyone


def report(bench, everyone, taken):
    def micros(peer, name):
        return part(taken[peer.name, name], "micros")

    rounds = f"medians of {bench.arguments.rounds} rounds"
    bench.tell(f"CPU of a request of 1 KiB over TLS 1.3 in µs, {rounds}; and how many connections of one request each a core "
               "could serve in a second, were it doing nothing else",
               table(["", *MODES, "full handshakes a second", "resumed"],
                     [[peer.name, *(median(micros(peer, name)) for name in MODES),
                       *(a_second(micros(peer, name)) for name in list(MODES)[1:])] for peer in everyone]))
    ours = everyone[0]
    bench.tell("Hookwarden's CPU of a request over TLS 1.3 as a ratio to another's in the same round",
               table(["to", *MODES], [[peer.name, *(ratio(micros(ours, name), micros(peer, name)) for name in MODES)]
                                      for peer in everyone[1:]]))


def a_second(micros):
    return median([figure and 1e6 / figure for figure in micros], ",.0f")
