"""`python -m benchmarks.engine`: measure virtual months of the mock's engine, without a server."""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from benchmarks.engine.month import Month, play_month
from benchmarks.engine.reviews import play_reviews
from benchmarks.measure import median, report

MILLION = 1_000_000
REVIEWED = 20_000

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument(
        "--subscriptions", type=int, default=MILLION, help="the most of them; 1/10 and 1/100 go before"
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    most = max(options.subscriptions, 100)
    sizes = (most // 100, most // 10, most)
    months: dict[int, list[Month]] = {size: [] for size in sizes}
    growth, reviewed = [], []
    for _ in range(options.rounds):
        for size in sizes:
            months[size].append(_alone(play_month, size))
        # Once more afterwards, because the machine's speed may change during the largest month.
        months[most // 10].append(_alone(play_month, most // 10))
        before, after = months[most // 10][-2:]
        growth.append(months[most][-1].seconds * 2 / (before.seconds + after.seconds))
        reviewed.append(_alone(play_reviews, min(REVIEWED, most)))
    seconds = {size: median(month.seconds for month in months[size]) for size in sizes}
    weight = {size: median(month.bytes_each for month in months[size]) for size in sizes}
    rows = [
        (f"{size:,}", f"{seconds[size]:.2f}", f"{size / seconds[size]:,.0f}", f"{weight[size]:,.0f}")
        for size in sizes
    ]
    figures = {
        "subscriptions": most,
        "seconds": seconds[most],
        "growth": median(growth),
        "bytes_each": weight[most],
        "reviewed_per_s": median(reviewed),
    }
    if most == MILLION:
        figures["seconds_1m"] = seconds[most]
    rows.append((f"{min(REVIEWED, most):,} reviewed", "", f"{figures['reviewed_per_s']:,.0f}", ""))
    report(
        f"One virtual month (medians of {options.rounds} rounds)",
        rows,
        ("subscriptions", "seconds", "invoices a second", "bytes each"),
        figures,
    )


def _alone(play: Callable[[int], T], subscriptions: int) -> T:
    """Run `play` in a new process, which has nothing else in its memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(play, subscriptions).result()


if __name__ == "__main__":
    main()
