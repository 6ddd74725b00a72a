"""The journal of a review: what was declared, and which charges on the invoice are ours.

`add_charge` is the one write of a review that must not be repeated blindly. So each one is written down
twice: `Adding`, with the ids that stood on the invoice, before the call leaves, and `Added`, with the new id,
once it is seen. Whatever happens in between, the entries and a fresh document tell whether the charge was
applied.
"""

import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol, cast

import msgspec

from tallyhook import money
from tallyhook.cheddar.models import Charge

__all__ = [
    "Added",
    "Adding",
    "Declaration",
    "Declared",
    "DeclaredCharge",
    "Entry",
    "Journal",
    "Refused",
    "decode",
    "encode",
]


class DeclaredCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge that the invoice should hold. A negative `each_amount` is a credit."""

    code: str
    each_amount: Decimal
    quantity: int = 1
    description: str = ""

    def is_like(self, charge: Charge) -> bool:
        """Whether this custom charge has our code, quantity and price, however they are written."""
        return (
            charge.type in ("custom", "")
            and charge.id != ""
            and charge.code.strip() == self.code.strip()
            and charge.quantity == self.quantity
            and charge.each_amount == self.each_amount
        )

    def is_same(self, charge: Charge) -> bool:
        """Like ours, and described in the same words; white space doesn't count."""
        return self.is_like(charge) and _words(charge.description) == _words(self.description)

    @property
    def price(self) -> str:
        """How many at how much each, in words: `1 × -5.00`."""
        return money.line_text(self.quantity, self.each_amount)

    def __str__(self) -> str:
        text = f"{self.code}  {self.price}"
        return f"{text}  {self.description}" if self.description else text


def _words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What the outstanding invoice should hold: quantities by item code, and charges."""

    quantities: dict[str, Decimal] = {}
    charges: tuple[DeclaredCharge, ...] = ()
    run_when_done: bool = False


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag="declared"):
    """An attempt began: what was declared, and the changes that this asked for, in words."""

    declaration: Declaration
    changes: tuple[str, ...]


class Adding(msgspec.Struct, frozen=True, kw_only=True, tag="adding"):
    """A charge is about to be added; `before` are the ids of the charges that were on the invoice."""

    number: int
    charge: DeclaredCharge
    before: tuple[str, ...]


class Added(msgspec.Struct, frozen=True, kw_only=True, tag="added"):
    """The charge of the adding with this number is on the invoice, under this id."""

    number: int
    charge_id: str


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The adding with this number certainly didn't happen: the server said no, or the call never left."""

    number: int


Entry = Declared | Adding | Added | Refused


class Journal(Protocol):
    """Where the entries about one invoice are kept, over all attempts."""

    async def entries(self) -> Sequence[Entry]:
        """All entries, in the order in which they were appended."""

    async def append(self, entry: Entry) -> None:
        """Keep an entry; raises if it can't be kept.

        Returns only once it, and all before it, would survive a power cut. `Declared` alone may get there
        with the next one: which charges are ours doesn't go by it.
        """

    def check(self) -> None:
        """Asked each time a call is to be sent: raises if somebody else may work on the invoice by now."""


_decoder = msgspec.json.Decoder[Entry](Entry)


def encode(entry: Entry) -> bytes:
    """An entry as JSON."""
    return msgspec.json.encode(entry)


def decode(entry: bytes) -> Entry:
    """What `encode` wrote."""
    return cast(Entry, _decoder.decode(entry))
