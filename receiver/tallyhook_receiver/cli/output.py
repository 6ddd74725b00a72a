"""What commands print: tables for people, JSON for programs, and one line for what went wrong."""

import io
import json
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# In a file or a pipe nothing has to be broken.
_ENDLESS = 10_000
# What a column that may be broken has at least, if it has as much to show.
_BROKEN = 14
_MARKS = ">~?"  # what the name of a column begins with

_COLOURS = {
    "active": "green",
    "approved": "green",
    "delivered": "green",
    "paid": "green",
    "open": "cyan",
    "sending": "cyan",
    "released": "yellow",
    "unpaid": "red",
    "held": "yellow",
    "paused": "yellow",
    "pending": "yellow",
    "declined": "red",
    "failed": "red",
}


def table(
    columns: Iterable[str],
    rows: Iterable[Iterable[str | Text]],
    *,
    empty: str = "",
    footer: Iterable[str] = (),
) -> None:
    """A table, or a sentence if it has no rows.

    A column named `>amount` is set to the right, and only one named `~note` may be broken on a narrow
    terminal. One named `?product` is left out if all its cells are the same. Where the others have no room
    each row takes several lines. A pipe gets all columns, with tabs between them.
    """
    listed = [[_plain(cell) for cell in row] for row in rows]
    below = [[Text(cell, "bold") for cell in footer]] if footer else []
    if not listed:
        click.echo(empty)
        return
    names, made = list(columns), console()
    if made.width == _ENDLESS:
        for line in ([Text(name.lstrip(_MARKS)) for name in names], *listed, *below):
            click.echo("\t".join("; ".join(cell.plain.splitlines()) for cell in line))
        return
    shown = [place for place, name in enumerate(names) if name[0] != "?" or _differ(listed, place)]
    names = [names[place] for place in shown]
    listed, below = ([[row[place] for place in shown] for row in part] for part in (listed, below))
    if _width(names, [*listed, *below]) > made.width:
        _say_folded(names, [*listed, *below], made.width)
        return
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=bool(below))
    for place, name in enumerate(names):
        drawn.add_column(
            name.lstrip(_MARKS),
            footer=below[0][place] if below else "",
            justify="right" if name[0] == ">" else "left",
            overflow="fold",
            no_wrap=name[0] != "~",
        )
    for row in listed:
        drawn.add_row(*row)
    say(drawn)


def _differ(rows: list[list[Text]], place: int) -> bool:
    return len({row[place].plain for row in rows}) > 1


def _width(names: list[str], rows: list[list[Text]]) -> int:
    """The columns of a terminal that a table takes at least."""
    widths = []
    for place, name in enumerate(names):
        widest = max(_measured(row[place]) for row in rows)
        widths.append(max(len(name.lstrip(_MARKS)), min(widest, _BROKEN) if name[0] == "~" else widest))
    return sum(widths) + 3 * len(widths)


def _measured(cell: Text) -> int:
    return max((line.cell_len for line in cell.split("\n")), default=0)


def _say_folded(names: list[str], rows: list[list[Text]], width: int) -> None:
    """Each row as a paragraph: its first cell, and below that the others with their names."""
    for first, *others in rows:
        lines, line = [Text.assemble(first, style="bold")], Text("  ")
        for name, cell in zip(names[1:], others, strict=True):
            if not cell.plain.strip():
                continue
            part = Text.assemble((f"{name.lstrip(_MARKS)} ", "dim"), cell)
            if len(line) > 2 and (len(line) + 2 + part.cell_len > width or "\n" in part.plain):
                lines.append(line)
                line = Text("  ")
            line.append("  " if len(line) > 2 else "").append_text(part)
        for each in (*lines, *([line] if len(line) > 2 else [])):
            say(each)


def grid(rows: Iterable[tuple[str, str | Text]]) -> None:
    """Names and values."""
    from rich.table import Table

    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in rows:
        shown.add_row(name, _plain(value))
    say(shown)


def say(what: "RenderableType") -> None:
    """On the terminal, in colours if it is one; elsewhere without spaces at the ends of lines."""
    made = console()
    if made.is_terminal:
        made.print(what)
        return
    with made.capture() as captured:
        made.print(what)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def can_write(text: str) -> bool:
    """Whether the output's encoding has these characters; where it lacks others, they are replaced."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console() -> "Console":
    """Where a command prints, as wide as the terminal is, or as COLUMNS says."""
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _ENDLESS
    return made


def state(word: str) -> Text:
    """A state in its colour."""
    return Text(word, _COLOURS.get(word, "dim"))


def moment(written: str | None) -> str:
    """`2026-02-01 00:00:00`, in UTC as everything is."""
    return "" if written is None else f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M:%S}"


def short(id: str) -> str:
    """The part of an id that tells it from others."""
    return id.partition("-")[0]


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _plain(cell: str | Text) -> Text:
    # What stands in brackets is no markup.
    return cell if isinstance(cell, Text) else Text(cell)
