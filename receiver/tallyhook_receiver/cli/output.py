"""What commands print: tables for people, JSON for programs, and one line for what went wrong."""

import io
import json
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = [
    "BAD",
    "USAGE",
    "Json",
    "can_write",
    "console",
    "fail",
    "grid",
    "moment",
    "print_json",
    "say",
    "short",
    "state",
    "table",
]

# Exit codes: what was asked about is bad; it could not be asked.
BAD, USAGE = 1, 2

Json = Annotated[bool, typer.Option("--json", help="For programs.")]

# In a file or a pipe nothing has to be broken.
_ENDLESS = 10_000

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


def table(columns: Iterable[str], rows: Iterable[Iterable[str | Text]], *, empty: str) -> None:
    """A table, or a sentence if it has no rows.

    A column named `>amount` is set to the right; only one named `~note` may be broken on a narrow terminal.
    """
    listed = [list(row) for row in rows]
    if not listed:
        typer.echo(empty)
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        shown.add_column(
            name.lstrip(">~"),
            justify="right" if name[0] == ">" else "left",
            overflow="fold",
            no_wrap=name[0] != "~",
        )
    for row in listed:
        shown.add_row(*(_plain(cell) for cell in row))
    say(shown)


def grid(rows: Iterable[tuple[str, str | Text]]) -> None:
    """Names and values."""
    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in rows:
        shown.add_row(name, _plain(value))
    say(shown)


def say(what: RenderableType) -> None:
    """On the terminal, in colours if it is one."""
    console().print(what)


def can_write(text: str) -> bool:
    """Whether the output's encoding has these characters; where it lacks others, they are replaced."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console() -> Console:
    """Where a command prints, as wide as the terminal is, or as COLUMNS says."""
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
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def fail(why: str, code: int) -> NoReturn:
    """One line, and an exit code."""
    sys.stderr.write(f"tallyhook: {why}\n")
    sys.exit(code)


def _plain(cell: str | Text) -> Text:
    # What stands in brackets is no markup.
    return cell if isinstance(cell, Text) else Text(cell)
