"""`python -m benchmarks.crash`: test what a review promises while receivers die and other faults happen."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from tests.postgres import Postgres

from benchmarks.crash.disk import Disk
from benchmarks.crash.faults import KINDS, NO_SCENE, SCENES
from benchmarks.crash.harness import Harness, Options, Tally, summed
from benchmarks.crash.mutants import MUTANTS

_WRONG = ("double", "lost", "quantity", "early", "stuck")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="periods, each with a kill (default 50)")
    parser.add_argument("--seed", type=int, default=1, help="of usage, faults and deaths (default 1)")
    parser.add_argument("--inbox", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--receivers", type=int, default=1, help="behind one address (default 1)")
    parser.add_argument("--hooks", type=int, default=1, help="customers billed at once (default 1)")
    parser.add_argument(
        "--lanes",
        type=int,
        default=1,
        help="runs at once, each lane with a seed, a mock, receivers and an inbox of its own (default 1)",
    )
    parser.add_argument(
        "--faults",
        default="all",
        metavar="KIND,…",
        help="beside deaths and a bad network: all (default), none, or some of "
        + "; ".join(f"{kind}: {what}" for kind, what in KINDS.items()),
    )
    parser.add_argument("--no-deaths", action="store_true", help="no receiver is killed")
    parser.add_argument("--no-marks", action="store_true", help="charges carry no mark")
    parser.add_argument(
        "--scene",
        choices=list(SCENES),
        help="in place of all of these: " + "; ".join(f"{name}: {it.what}" for name, it in SCENES.items()),
    )
    parser.add_argument(
        "--mutant",
        choices=list(MUTANTS),
        default="",
        help="for the harness's own test: code without one of its safeguards",
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # otherwise the receivers would keep running
    started = time.monotonic()
    tally = asyncio.run(_run(given))
    _show(tally)
    figures = vars(tally) | {"seconds": round(time.monotonic() - started, 1)}
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.exit(0 if tally.is_clean else 1)


def _options(given: argparse.Namespace) -> Options:
    names = {"all": list(KINDS), "none": []}.get(given.faults, given.faults.split(","))
    if unknown := [name for name in names if name not in KINDS]:
        sys.exit(f"--faults: {', '.join(unknown)} is none of {', '.join(KINDS)}")
    scene = SCENES[given.scene] if given.scene else NO_SCENE
    if given.scene:
        names = []
    return Options(
        seed=given.seed,
        receivers=max(2, given.receivers) if scene.sleeps_at else given.receivers,
        hooks=given.hooks,
        kinds=frozenset(names),
        mutant=given.mutant,
        marks=not given.no_marks,
        deaths=not (given.no_deaths or given.scene),
        scene=scene,
    )


async def _run(given: argparse.Namespace) -> Tally:
    options, lanes = _options(given), min(given.lanes, given.runs)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tallies: list[Tally] = []
    with bar:
        task = bar.add_task("billing and killing", total=given.runs)

        async def run(lane: int) -> None:
            """Do every `lanes`-th run, starting with run `lane`, with a separate mock and inbox."""
            seed = options.seed if lanes == 1 else options.seed * 1000 + lane
            async with (
                _inbox(given.inbox) as (inbox, database),
                Harness.opened(replace(options, seed=seed), inbox, database) as harness,
            ):
                tallies.append(harness.tally)
                for _ in range(lane, given.runs, lanes):
                    try:
                        await harness.run()
                    except RuntimeError as error:  # the results of the other lanes are still reported
                        harness.tally.stuck += 1
                        harness.tally.what += str(error).splitlines()
                        return
                    tally = summed(tallies)
                    wrong = " ".join(f"{it} {getattr(tally, it)}" for it in _WRONG if getattr(tally, it))
                    bar.update(task, advance=1, description=wrong or "billing and killing")
                    if not bar.console.is_terminal:  # the progress bar isn't shown
                        bar.console.print(
                            f"run {tally.runs} of {given.runs}: {tally.invoices} invoices,"
                            f" {tally.kills} kills, {tally.stops} stops, {tally.cuts} cuts,"
                            f" {tally.asked} asked {wrong}"
                        )

        async with asyncio.TaskGroup() as group:
            for lane in range(lanes):
                group.create_task(run(lane))
    return summed(tallies)


def _show(tally: Tally) -> None:
    table = Table("figure", "count")
    for name, count in vars(tally).items():
        if name not in ("what", "reasons"):
            table.add_row(name, str(count), style="bold red" if name in _WRONG and count else "")
    console = Console(stderr=True)
    console.print(table)
    for reason, count in tally.reasons.most_common():
        console.print(f"{count} asked: {reason}")
    for line in tally.what:
        console.print(line)


@asynccontextmanager
async def _inbox(kind: str) -> AsyncIterator[tuple[str, Postgres | Disk]]:
    if kind == "postgres":
        with Postgres() as server:
            yield server.url(), server
    else:
        with tempfile.TemporaryDirectory(prefix="tallyhook-crash-") as directory:
            file = Path(directory) / "inbox.sqlite"
            yield str(file), Disk(file)


if __name__ == "__main__":
    main()
