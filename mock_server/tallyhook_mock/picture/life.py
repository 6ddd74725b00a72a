"""A customer's history as an object that terminals and Jupyter can display."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

from tallyhook_mock.core.base import Entity
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.picture.story import Story
from tallyhook_mock.systems import SYSTEMS, part
from tallyhook_mock.systems.cheddar.picture import tell
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.timeline import Entry

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Life", "life_at", "life_of", "story_of"]

_COLUMNS = ("when (UTC)", "what", "invoice", "amount", "note")


class Life(Sequence[Entry]):
    """A customer's history: a sequence of timeline entries, oldest first.

    A terminal shows the history as a table, and Jupyter shows it as a picture. `svg` is the picture, or None
    if the customer is deleted.
    """

    def __init__(self, entries: Iterable[Entry], story: Story | None) -> None:
        self._entries = tuple(entries)
        self._story = story

    @property
    def svg(self) -> str | None:
        return None if self._story is None else paint(self._story)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        return self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def __str__(self) -> str:
        rows = [_COLUMNS, *self._rows()]
        widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def __rich__(self) -> "Table":
        from rich.table import Table  # only needed in terminals
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for name in _COLUMNS:
            table.add_column(name, justify="right" if name in ("invoice", "amount") else "left")
        for row in self._rows():
            table.add_row(*(Text(cell) for cell in row))
        return table

    def _repr_svg_(self) -> str | None:
        return self.svg

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for entry in self:
            invoice = "" if entry.invoice is None else f"#{entry.invoice}"
            amount = "" if entry.amount is None else amount_text(entry.amount)
            yield f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.kind, invoice, amount, entry.note


def life_of(mock: Mock, product: Product, customer: str) -> Life:
    """Return the history of the customer with this code, even if the customer is deleted."""
    is_there = mock.state.has_customer(product, customer)
    story = tell(mock, mock.state.customer(product, customer)) if is_there else None
    return Life(mock.timeline.entries(customer, product=product.code), story)


def life_at(mock: Mock, system: str, account: str) -> Life:
    """Return the history of the account with this id, in a billing system other than Cheddar.

    Raises ValueError if the system is unknown.
    """
    if system not in mock.systems.others:
        raise ValueError(f"{system!r} is not one of {', '.join(SYSTEMS)}")
    try:
        story = story_of(mock, system, mock.systems.others[system].account(account))
    except (LookupError, ValueError):
        story = None
    return Life(mock.timeline.entries(account, system=system), story)


def story_of(mock: Mock, system: str, account: Entity) -> Story:
    """Return the data of an account's picture, in a billing system other than Cheddar.

    Raises LookupError if the system has no pictures.
    """
    picture = part(system, "picture")
    if picture is None:
        raise LookupError(f"{system} has no pictures")
    story: Story = picture.tell(mock, account)
    return story
