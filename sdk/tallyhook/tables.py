"""Tables that can be shown as text, by rich, in a notebook or on a web page.

HTML is built as a tree of elements, so a cell's text can't inject markup.
"""

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
from lxml import etree

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

Element = etree._Element

Row = tuple[str, ...]

# There are no colours here, because the notebook's own colours fit its light and dark themes.
_STYLE = (
    ".tallyhook caption, .tallyhook th, .tallyhook td { text-align: left; }"
    " .tallyhook .number { text-align: right; font-variant-numeric: tabular-nums; }"
)


class Column(NamedTuple):
    """A column's heading. If `is_number` is True, the column is aligned to the right."""

    name: str
    is_number: bool = False


class HasTable(Protocol):
    def table(self) -> "Table": ...


class Shown:
    """A base class that shows an object as its table, in `str()`, in rich and in a notebook."""

    __slots__ = ()

    def __str__(self: HasTable) -> str:
        return self.table().text()

    def _repr_html_(self: HasTable) -> str:
        return written(element("div", element("style", _STYLE), self.table().element(), class_="tallyhook"))

    def __rich_console__(self: HasTable, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        return self.table().render()


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table with a title, rows, rows of sums below them, and remarks at the end.

    Empty columns aren't shown. Cells may contain untrusted text, because every output format escapes it.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    sums: tuple[Row, ...] = ()
    remarks: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the table as plain text, aligned for a monospaced font, without a trailing line break."""
        used = self._used()
        head, rows, sums = ([column.name for column in self.columns],), self.rows, self.sums
        cells = [[[printable(row[at]) for at in used] for row in part] for part in (head, rows, sums)]
        every = (row for part in cells for row in part)
        widths = [max(map(_width, column)) for column in zip(*every, strict=True)]
        numeric = [self.columns[at].is_number for at in used]

        def lines(part: list[list[str]]) -> Iterator[str]:
            for row in part:
                padded = map(_padded, row, widths, numeric)
                yield f"  {'  '.join(padded)}".rstrip()

        rule = ["  " + "─" * (sum(widths) + 2 * len(widths) - 2)] if sums and rows else []
        shown = [*lines(cells[0]), *lines(cells[1]), *rule, *lines(cells[2])] if rows or sums else []
        return "\n".join([printable(self.title), *shown, *(f"  {printable(it)}" for it in self.remarks)])

    def element(self) -> Element:
        """Return the table as HTML without styles. Cells in number columns have the class `number`."""
        used = self._used()

        def cells(tag: str, row: Row, **attributes: str) -> Iterator[Element]:
            for at in used:
                numeric = {"class_": "number"} if self.columns[at].is_number else {}
                yield element(tag, row[at], **attributes, **numeric)

        def lines(part: tuple[Row, ...]) -> Iterator[Element]:
            return (element("tr", *cells("td", row)) for row in part)

        head = element("tr", *cells("th", tuple(column.name for column in self.columns), scope="col"))
        span = str(max(1, len(used)))
        remarks = (element("tr", element("td", remark, colspan=span)) for remark in self.remarks)
        return element(
            "table",
            element("caption", self.title),
            element("thead", head),
            element("tbody", *lines(self.rows)),
            element("tfoot", *lines(self.sums), *remarks),
        )

    def render(self) -> "RenderResult":
        """Yield the objects with which rich displays the table. Rich must be installed."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        used = self._used()
        yield Text(printable(self.title), style="bold")
        if self.rows or self.sums:
            shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
            for at in used:
                name, is_number = self.columns[at]
                shown.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
            for row in self.rows:
                shown.add_row(*(Text(printable(row[at])) for at in used))
            shown.add_section()
            for row in self.sums:
                shown.add_row(*(Text(printable(row[at])) for at in used), style="bold")
            yield shown
        for remark in self.remarks:
            yield Text(printable(remark))

    def _used(self) -> list[int]:
        """Return the indexes of the columns that aren't empty."""
        rows = (*self.rows, *self.sums)
        return [at for at in range(len(self.columns)) if any(row[at] for row in rows)]


def _width(text: str) -> int:
    """Return the number of terminal columns that a string takes.

    A wide East Asian character takes two, a combining accent none.
    """
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def _padded(text: str, width: int, is_number: bool) -> str:
    spaces = " " * (width - _width(text))
    return spaces + text if is_number else text + spaces


def printable(text: str) -> str:
    """Return the text on one line, safe for any terminal and document.

    Each run of white space becomes one space. Characters that control a terminal, change the writing
    direction or aren't allowed in a document become U+FFFD.
    """
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))


def element(tag: str, *content: str | Element, **attributes: str) -> Element:
    """Return a new HTML element. Text is made `printable`, and is never parsed as markup.

    The attribute `class` must be passed as `class_`.
    """
    made = etree.Element(tag, {name.rstrip("_"): printable(value) for name, value in attributes.items()})
    last: Element | None = None
    for part in content:
        if not isinstance(part, str):
            made.append(part)
            last = part
        elif last is None:
            made.text = (made.text or "") + printable(part)
        else:
            last.tail = (last.tail or "") + printable(part)
    return made


def written(root: Element) -> str:
    """Return the element as HTML text."""
    return etree.tostring(root, method="html", encoding="unicode")
