"""Measuring side by side: rounds in alternation, medians, a table and one line of JSON."""

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["alternate", "median", "ratio", "report"]


def alternate(rounds: int, **sides: Callable[[], float]) -> dict[str, list[float]]:
    """What each side returned in each round: its seconds, or its rate.

    The sides take turns, in the reverse order every other round, so that what the machine does meanwhile
    falls on all of them alike. The shorter a round the better: a virtual machine's speed changes by half
    within seconds. A first round warms up and is not counted.
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
    """One side beside another: the median of what it is in each round, where both met the same machine."""
    return median(one / other for one, other in zip(of, to, strict=True))


def median(values: Iterable[float]) -> float:
    """The middle value; of an even number of values, the mean of the two in the middle."""
    return statistics.median(values)


def report(
    title: str,
    rows: Sequence[tuple[str, ...]],
    columns: Sequence[str],
    figures: dict[str, float | bool | int],
) -> None:
    """Print the rows as a table, all columns but the first on the right, and last the line of JSON.

    Figures are rounded to four significant digits, integers and truths aside.
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
