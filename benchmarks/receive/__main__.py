"""`python -m benchmarks.receive`: hooks received, beside a route that only reads their bodies."""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Load, press
from benchmarks.measure import alternate, median, report
from benchmarks.receive.hooks import requests
from benchmarks.receive.servers import Server, serving

CONNECTIONS = 32
# Numbers of hooks that all sides but one have never seen.
KNOWN = 1 << 30


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receive", description=__doc__)
    parser.add_argument("--hooks", type=int, default=5000, help="a round and side (default 5000)")
    parser.add_argument("--rounds", type=int, default=5, help="that count (default 5)")
    parser.add_argument(
        "--memory", type=int, metavar="HOOKS", help="instead: the memory of a receiver over so many hooks"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallyhook-receive-") as directory, ExitStack() as stack:
        inbox = str(Path(directory) / "inbox.sqlite")
        if options.memory:
            _watch(stack.enter_context(serving(inbox)), options.memory)
        else:
            sides = {
                "reads": stack.enter_context(serving("")),
                "memory": stack.enter_context(serving(":memory:")),
                "sqlite": stack.enter_context(serving(inbox)),
                "repeat": stack.enter_context(serving(str(Path(directory) / "known.sqlite"))),
            }
            _compare(sides, options.hooks, options.rounds)


def _compare(sides: dict[str, Server], hooks: int, rounds: int) -> None:
    loads: dict[str, list[Load]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    known = requests(KNOWN, hooks)
    press(sides["repeat"].port, known, CONNECTIONS)

    def side(name: str, server: Server) -> Callable[[], float]:
        fresh = _Fresh(hooks)

        def run() -> float:
            waiting = known if name == "repeat" else fresh()
            spent = server.cpu
            load = press(server.port, waiting, CONNECTIONS)
            loads[name].append(load)
            cpu[name].append((server.cpu - spent) / hooks)
            return load.rate

        return run

    runs = {name: side(name, server) for name, server in sides.items()}
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
