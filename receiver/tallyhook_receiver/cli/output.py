"""Print tables for people, tab-separated columns for pipes, and JSON."""

import io
import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len
from rich.text import Text

from tallyhook_receiver.cli.command import CONTROL, clean

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# The width for a file or a pipe. It is large, so that no line is wrapped.
_ENDLESS = 10_000
# JSON itself escapes the others.
_ESCAPED = {sign: f"\\u{sign:04x}" for sign in CONTROL if sign > 126}
_MARKS = ">~?"  # characters that set a column's format; see `table`


def table(
    columns: Iterable[str],
    rows: Iterable[Iterable[str | Text]],
    *,
    empty: str = "",
    footer: Iterable[str] = (),
) -> None:
    """Print a table. If there are no rows, print the sentence that is passed as `empty`.

    The first character of a column's name may set the column's format. `>amount` is right-aligned. `~note`
    may wrap between words; other columns don't wrap. `?product` is left out if all its cells are equal. If
    the table is still too wide for the terminal, each row is printed on several lines. In a pipe or file, all
    columns are printed, separated by tabs. `footer` is printed below the rows.
    """
    listed = [[plain(cell) for cell in row] for row in rows]
    below = [[Text(cell, "bold") for cell in footer]] if footer else []
    if not listed:
        click.echo(empty)
        return
    names, made = list(columns), console()
    if made.width == _ENDLESS:
        for line in ([Text(name.lstrip(_MARKS)) for name in names], *listed, *below):
            cells = ("; ".join(cell.plain.splitlines()).replace("\t", " ") for cell in line)
            click.echo("\t".join(cells))
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
            min_width=_least(name, [row[place] for row in (*listed, *below)]),
            no_wrap=name[0] != "~",
        )
    for row in listed:
        drawn.add_row(*row)
    say(drawn)


def _differ(rows: list[list[Text]], place: int) -> bool:
    return len({row[place].plain for row in rows}) > 1


def _width(names: list[str], rows: list[list[Text]]) -> int:
    """Return the minimum width of the table."""
    widths = [_least(name, [row[place] for row in rows]) for place, name in enumerate(names)]
    return sum(widths) + 3 * len(widths)


def _least(name: str, cells: list[Text]) -> int:
    """Return the minimum width of a column: its longest word if it may wrap, else its longest line."""
    parts = (cell.plain.split() if name[0] == "~" else cell.plain.splitlines() for cell in cells)
    return max([len(name.lstrip(_MARKS)), *(cell_len(part) for each in parts for part in each)])


def _say_folded(names: list[str], rows: list[list[Text]], width: int) -> None:
    """Print each row as a paragraph: its first cell, then the other cells with their column names."""
    for first, *others in rows:
        say(Text.assemble(first, style="bold"), soft_wrap=True)
        lines: list[Text] = []
        for name, cell in zip(names[1:], others, strict=True):
            if cell.plain.strip():
                _add(lines, Text.assemble((f"{name.lstrip(_MARKS)} ", "dim"), cell), width - 2)
        for line in lines:
            say(Text.assemble("  ", line), soft_wrap=True)


def _add(lines: list[Text], part: Text, width: int) -> None:
    """Append `part` to the last of `lines` if it fits, else start a new line.

    Lines are wrapped only between words.
    """
    if lines and lines[-1].cell_len + 2 + part.cell_len <= width and "\n" not in part.plain:
        lines[-1].append("  ").append_text(part)
        return
    for row in part.split("\n"):
        lines.append(Text())
        for word in row.split(" "):
            # A word that is longer than a line isn't broken, so that a URL can be copied.
            if lines[-1] and lines[-1].cell_len + 1 + word.cell_len > width:
                lines.append(Text())
            lines[-1].append(" " if lines[-1] else "").append_text(word)


def grid(rows: Iterable[tuple[str, str | Text]]) -> None:
    """Print names and values in two columns. In a pipe or file, they are separated by tabs."""
    if console().width == _ENDLESS:
        for name, value in rows:
            click.echo(f"{name}\t{plain(value).plain}")
        return
    from rich.table import Table

    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in rows:
        shown.add_row(name, plain(value))
    say(shown)


def say(what: "RenderableType", *, soft_wrap: bool = False) -> None:
    """Print text or a table, in colours on a terminal.

    Elsewhere, print it without colours and without trailing spaces. If `soft_wrap` is True, the terminal
    wraps long lines.
    """
    if isinstance(what, str | Text):
        what = plain(what)
    made = console()
    if made.is_terminal:
        made.print(what, soft_wrap=soft_wrap)
        return
    with made.capture() as captured:
        made.print(what, soft_wrap=soft_wrap)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def can_write(text: str) -> bool:
    """Return whether stdout can print this text.

    Also makes stdout replace any characters that it can't print.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console() -> "Console":
    """Return the console to print to.

    It is as wide as the terminal, or as the environment variable COLUMNS says. In a pipe or file without
    COLUMNS, lines don't wrap.
    """
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _ENDLESS
    return made


def echo(text: str, *, end: str = "\n", err: bool = False) -> None:
    """Print text as it is, but without characters that a terminal would obey."""
    click.echo(clean(text) + end, nl=False, err=err)


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON. Characters that a terminal would obey are escaped."""
    return json.dumps(value, indent=indent, ensure_ascii=False).translate(_ESCAPED)


def print_json(value: Any) -> None:
    click.echo(json_text(value, 2))


def plain(cell: str | Text) -> Text:
    """Return a cell as `clean` Text, because rich would read a str with brackets as markup."""
    text = cell.copy() if isinstance(cell, Text) else Text(cell)
    text.plain = clean(text.plain)
    return text
