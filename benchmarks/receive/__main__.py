"""`python -m benchmarks.receive`: receive hooks, compared with a route that only reads their bodies."""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.load import Load, press
from benchmarks.measure import alternate, median, ratio, report
from benchmarks.receive.hooks import requests
from benchmarks.receive.servers import Server, serving

CONNECTIONS = 32
# The first number of the hooks that are sent again. Hooks with lower numbers are sent only once.
KNOWN = 1 << 30
SIDES = {
    "reads": ("", "a route that only reads"),
    "memory": (":memory:", "receiver, in memory"),
    "sqlite": ("{directory}/new.sqlite", "receiver, SQLite"),
    "repeat": ("{directory}/known.sqlite", "receiver, SQLite, repeats"),
    "by_hand": ("by-hand:{directory}/hand.sqlite", "by hand, FastAPI and SQLAlchemy"),
}
_SETTLED = 0.3  # seconds after which a server has finished its earlier work


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receive", description=__doc__)
    parser.add_argument("--hooks", type=int, default=1000, help="a round and side (default 1000)")
    parser.add_argument("--rounds", type=int, default=25, help="that count (default 25)")
    parser.add_argument(
        "--memory", type=int, metavar="HOOKS", help="instead: the memory of a receiver over so many hooks"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if options.memory:
            with serving(f"{directory}/inbox.sqlite") as server:
                _watch(server, options.memory)
        else:
            _compare(options.hooks, options.rounds, directory)


def _compare(hooks: int, rounds: int, directory: str) -> None:
    """Compare the servers. They all run at the same time, but only one at a time gets requests."""
    loads: dict[str, list[Load]] = {name: [] for name in SIDES}
    known, fresh = requests(KNOWN, hooks), _Fresh(hooks)

    def side(name: str, server: Server) -> Callable[[], float]:
        press(server.port, known, CONNECTIONS)

        def run() -> float:
            waiting = known if name == "repeat" else fresh()
            time.sleep(_SETTLED)
            load = press(server.port, waiting, CONNECTIONS)
            loads[name].append(load)
            return load.rate

        return run

    with ExitStack() as running:
        servers = {
            name: running.enter_context(serving(inbox.format(directory=directory)))
            for name, (inbox, _) in SIDES.items()
        }
        runs = {name: side(name, server) for name, server in servers.items()}
        spent = {name: server.cpu for name, server in servers.items()}
        rates = alternate(rounds, **runs)
        cpu = {name: (server.cpu - spent[name]) / (rounds + 1) / hooks for name, server in servers.items()}
    p99 = {name: [load.p99 for load in measured[1:]] for name, measured in loads.items()}
    ratios = {name: ratio(rates[name], rates["reads"]) for name in SIDES}
    longer = {name: ratio(p99[name], p99["reads"]) for name in SIDES}
    report(
        f"Hooks of 4 KB over {CONNECTIONS} connections, one worker (medians of {rounds} rounds)",
        [
            (
                what,
                f"{median(rates[name]):.0f}",
                f"{ratios[name]:.2f}",
                f"{median(p99[name]) * 1e3:.1f}",
                f"{longer[name]:.1f}",
                f"{cpu[name] * 1e6:.0f}",
            )
            for name, (_, what) in SIDES.items()
        ],
        ["", "hooks/s", "ratio", "p99 ms", "times", "CPU µs a hook"],
        {
            "ratio_sqlite": ratios["sqlite"],
            "p99_sqlite": longer["sqlite"],
            "times_handwritten": ratio(rates["sqlite"], rates["by_hand"]),
            "ratio_memory": ratios["memory"],
            "ratio_repeat": ratios["repeat"],
        },
    )


class _Fresh:
    """Returns `count` new requests at each call."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._next = 0

    def __call__(self) -> list[bytes]:
        first, self._next = self._next, self._next + self._count
        return requests(first, self._count)


def _watch(server: Server, hooks: int) -> None:
    """Report the receiver's resident memory after each of ten steps. The first step is a warm-up."""
    take = _Fresh(hooks // 10)
    resident: list[int] = []
    for _ in range(10):
        press(server.port, take(), CONNECTIONS)
        resident.append(server.resident)
    first, last = resident[0] / 2**20, resident[-1] / 2**20
    report(
        f"Memory of a receiver over {hooks} hooks, inbox in SQLite",
        [(f"{number * (hooks // 10)}", f"{size / 2**20:.1f}") for number, size in enumerate(resident, 1)],
        ["hooks", "MB"],
        {"mb_first": first, "mb_last": last, "growth": last / first},
    )


if __name__ == "__main__":
    main()
