"""`python -m benchmarks.receive`: hooks received, beside a route that only reads their bodies."""

import argparse
import tempfile
import time
from collections.abc import Callable

from benchmarks.load import Load, press
from benchmarks.measure import alternate, median, report
from benchmarks.receive.hooks import requests
from benchmarks.receive.servers import Server, serving

CONNECTIONS = 32
# From here on are the numbers of the hooks that come again; all others are new.
KNOWN = 1 << 30
_SETTLED = 1.0  # seconds after which nothing is left to do of what came before


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receive", description=__doc__)
    parser.add_argument("--hooks", type=int, default=5000, help="a round and side (default 5000)")
    parser.add_argument("--rounds", type=int, default=5, help="that count (default 5)")
    parser.add_argument(
        "--memory", type=int, metavar="HOOKS", help="instead: the memory of a receiver over so many hooks"
    )
    options = parser.parse_args()
    if options.memory:
        with tempfile.TemporaryDirectory() as directory, serving(f"{directory}/inbox.sqlite") as server:
            _watch(server, options.memory)
    else:
        _compare(options.hooks, options.rounds)


def _compare(hooks: int, rounds: int) -> None:
    """Every side has a new process in every round: one that is slow from its start on is so only once."""
    loads: dict[str, list[Load]] = {}
    cpu: dict[str, list[float]] = {}
    known, fresh = requests(KNOWN, hooks), _Fresh(hooks)

    def side(name: str, inbox: str) -> Callable[[], float]:
        def run() -> float:
            waiting = known if name == "repeat" else fresh()
            with (
                tempfile.TemporaryDirectory() as directory,
                serving(inbox.format(directory=directory)) as server,
            ):
                press(server.port, known if name == "repeat" else fresh()[: hooks // 5], CONNECTIONS)
                time.sleep(_SETTLED)
                spent = server.cpu
                load = press(server.port, waiting, CONNECTIONS)
                loads.setdefault(name, []).append(load)
                cpu.setdefault(name, []).append((server.cpu - spent) / hooks)
            return load.rate

        return run

    runs = {
        "reads": side("reads", ""),
        "memory": side("memory", ":memory:"),
        "sqlite": side("sqlite", "{directory}/inbox.sqlite"),
        "repeat": side("repeat", "{directory}/inbox.sqlite"),
    }
    rates = {name: median(measured) for name, measured in alternate(rounds, **runs).items()}
    p99 = {name: median(load.p99 for load in measured[1:]) for name, measured in loads.items()}
    spent = {name: median(measured[1:]) for name, measured in cpu.items()}
    report(
        f"Hooks of 4 KB over {CONNECTIONS} connections, one worker",
        [
            (
                what,
                f"{rates[name]:.0f}",
                f"{rates[name] / rates['reads']:.2f}",
                f"{p99[name] * 1e3:.1f}",
                f"{p99[name] / p99['reads']:.1f}",
                f"{spent[name] * 1e6:.0f}",
            )
            for name, what in (
                ("reads", "a route that only reads"),
                ("memory", "receiver, in memory"),
                ("sqlite", "receiver, SQLite"),
                ("repeat", "receiver, SQLite, repeats"),
            )
        ],
        ["", "hooks/s", "ratio", "p99 ms", "times", "CPU µs a hook"],
        {
            "ratio_sqlite": rates["sqlite"] / rates["reads"],
            "p99_sqlite": p99["sqlite"] / p99["reads"],
            "ratio_memory": rates["memory"] / rates["reads"],
            "ratio_repeat": rates["repeat"] / rates["reads"],
        },
    )


class _Fresh:
    """So many requests that nobody has seen yet, at each call."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._next = 0

    def __call__(self) -> list[bytes]:
        first, self._next = self._next, self._next + self._count
        return requests(first, self._count)


def _watch(server: Server, hooks: int) -> None:
    """The receiver's resident memory in ten steps; the first of them warms up."""
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
