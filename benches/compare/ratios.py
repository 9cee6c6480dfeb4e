"""CPU of a request, beside the other proxies."""
from harness import CONNECTIONS, in_turn, measure, median, ratio, table
from peers import plain, start
from picture import picture

BASE = "hyper proxy"


def run(bench, cleanup):
    everyone = start(bench, cleanup, plain(bench))
    figures = rounds(bench, everyone)
    what = f"{bench.arguments.rounds} rounds of {bench.seconds} s, {CONNECTIONS} connections"
    bench.tell(f"CPU of a request in µs, medians of {what}", told(figures, everyone, lambda taken, _: median(taken)), keep=False)
    bench.tell(f"CPU of a request as a ratio to the hyper proxy's in the same round, medians of {what}",
               told(figures, everyone, ratio))
    if bench.arguments.svg:
        bench.arguments.svg.write_text(picture(figures, everyone, BASE))
    return everyone


def rounds(bench, everyone):
    """scenario -> proxy -> a figure for each round."""
    figures = {}
    for scenario in bench.arguments.scenarios:
        able = [peer for peer in everyone if peer.verifies or scenario != "invalid signature"]
        taken = figures[scenario] = {peer.name: [] for peer in able}
        for at in bench.rounds:
            bench.say(scenario, at)
            for peer in in_turn(able, at):
                taken[peer.name].append(measure(bench, peer, scenario, bench.seconds))
    return figures


def told(figures, everyone, cell):
    rows = [[peer.name, *(cell(taken.get(peer.name), taken[BASE]) for taken in figures.values())] for peer in everyone]
    return table(["", *figures], rows)
