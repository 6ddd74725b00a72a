"""`python -m benchmarks.crash`: the promises of the review, under SIGKILL."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track
from tests.postgres import Postgres

from benchmarks.crash.harness import Harness, Tally


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="periods, each with a kill (default 50)")
    parser.add_argument("--seed", type=int, default=1, help="of usage, faults and deaths (default 1)")
    parser.add_argument("--inbox", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--receivers", type=int, default=1, help="behind one address (default 1)")
    parser.add_argument(
        "--without-journal", action="store_true", help="for the harness's own test: doubles must be found"
    )
    options = parser.parse_args()
    started = time.monotonic()
    tally = asyncio.run(_run(options))
    figures = asdict(tally) | {"seconds": round(time.monotonic() - started, 1)}
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.exit(0 if tally.is_clean else 1)


async def _run(options: argparse.Namespace) -> Tally:
    async with (
        _inbox(options.inbox) as inbox,
        Harness.opened(inbox, options.seed, options.receivers, not options.without_journal) as harness,
    ):
        for _ in track(range(options.runs), "billing and killing", console=Console(stderr=True)):
            await harness.run()
        return harness.tally


@asynccontextmanager
async def _inbox(kind: str) -> AsyncIterator[str]:
    if kind == "postgres":
        with Postgres() as server:
            yield server.url()
    else:
        with tempfile.TemporaryDirectory(prefix="tallyhook-crash-") as directory:
            yield str(Path(directory) / "inbox.sqlite")


if __name__ == "__main__":
    main()
