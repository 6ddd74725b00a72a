"""`python -m benchmarks.world`: compare the pages of a large and a small mock; save, restore and forecast."""

import argparse

from benchmarks.measure import median, ratio, report
from benchmarks.world.pages import PAGES, measure_pages
from benchmarks.world.saved import measure_saved

SMALL, LARGE = 1_000, 100_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.world", description=__doc__)
    parser.add_argument("--customers", type=int, default=LARGE, help=f"in the large world; {SMALL:,} before")
    parser.add_argument("--rounds", type=int, default=10, help="of looks at each page")
    options = parser.parse_args()
    sizes = (SMALL, max(options.customers, SMALL + 1))
    pages = measure_pages(sizes, options.rounds)
    growth = {name: ratio(of[sizes[1]], of[sizes[0]]) for name, of in pages.items()}
    saved = measure_saved(sizes[1])
    rows = [
        (f"{name}, ms", *(f"{median(of[size]) * 1000:.1f}" for size in sizes), f"{growth[name]:.2f}")
        for name, of in pages.items()
    ]
    rows += [
        ("forecast of one customer, ms", "", f"{saved['forecast_ms']:.1f}", ""),
        ("save, s", "", f"{saved['save_seconds']:.2f}", ""),
        ("restore, s", "", f"{saved['restore_seconds']:.2f}", ""),
        ("bytes a customer", "", f"{saved['bytes_each']:,.0f}", ""),
    ]
    figures: dict[str, float | bool | int] = {
        "customers": sizes[1],
        "page_growth": max(growth[name] for name in PAGES),
        **{f"page_growth_{name}": growth[name] for name in PAGES},
        **saved,
    }
    report(
        f"A mock's world (pages: medians of {options.rounds} rounds)",
        rows,
        ("what", f"{sizes[0]:,} customers", f"{sizes[1]:,} customers", "growth"),
        figures,
    )


if __name__ == "__main__":
    main()
