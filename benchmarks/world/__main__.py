"""`python -m benchmarks.world`: pages of the console in a small world and in a large one."""

import argparse

from benchmarks.measure import median, ratio, report
from benchmarks.world.pages import PAGES, measure_pages

SMALL, LARGE = 1_000, 100_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.world", description=__doc__)
    parser.add_argument("--customers", type=int, default=LARGE, help=f"in the large world; {SMALL:,} before")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    sizes = (SMALL, max(options.customers, SMALL + 1))
    pages = measure_pages(sizes, options.rounds)
    growth = {name: ratio(of[sizes[1]], of[sizes[0]]) for name, of in pages.items()}
    rows = [
        (name, *(f"{median(of[size]) * 1000:.1f}" for size in sizes), f"{growth[name]:.2f}")
        for name, of in pages.items()
    ]
    figures: dict[str, float | bool | int] = {
        "customers": sizes[1],
        "page_growth": max(growth[name] for name in PAGES),
        **{f"page_growth_{name}": growth[name] for name in PAGES},
        **{f"page_ms_{name}": median(pages[name][sizes[1]]) * 1000 for name in PAGES},
    }
    report(
        f"Pages of the console (medians of {options.rounds} rounds)",
        rows,
        ("page", f"ms at {sizes[0]:,} customers", f"ms at {sizes[1]:,}", "growth"),
        figures,
    )


if __name__ == "__main__":
    main()
