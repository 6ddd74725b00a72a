"""Compare programs: run their rounds alternately, take medians, and print a table and a line of JSON."""

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["alternate", "median", "ratio", "report"]


def alternate(rounds: int, **sides: Callable[[], float]) -> dict[str, list[float]]:
    """Call each side's function once per round, and return the results of each side.

    Every second round uses the reverse order, so that changes in the machine's speed affect all sides alike.
    Keep rounds short, because a virtual machine's speed can change by half within seconds. The first round is
    a warm-up, and its results are dropped.
    """
    measured: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds + 1):
        for name in names if number % 2 else reversed(names):
            value = sides[name]()
            if number:
                measured[name].append(value)
    return measured


def ratio(of: Iterable[float], to: Iterable[float]) -> float:
    """Return the ratio of two sides in each round, as the median over all rounds."""
    return median(one / other for one, other in zip(of, to, strict=True))


def median(values: Iterable[float]) -> float:
    """Return the median. If the number of values is even, it is the mean of the two middle values."""
    return statistics.median(values)


def report(
    title: str,
    rows: Sequence[tuple[str, ...]],
    columns: Sequence[str],
    figures: dict[str, float | bool | int],
) -> None:
    """Print the rows as a table, then the figures as a line of JSON.

    Only the first column is aligned to the left. In the JSON, floats are rounded to four significant digits.
    """
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(file=sys.stdout, soft_wrap=True)
    console.print(table)
    sys.stdout.write(json.dumps({name: _rounded(value) for name, value in figures.items()}) + "\n")
    sys.stdout.flush()


def _rounded(value: float | bool | int) -> float | bool | int:
    return float(f"{value:.4g}") if isinstance(value, float) else value
