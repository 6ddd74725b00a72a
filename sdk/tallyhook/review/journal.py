"""The journal of a review: what was declared, what was sent, and which charges on the invoice are ours.

`add_charge` is the one write of a review that must not be repeated blindly. So each one is written down
twice: `Adding`, with a mark and the ids that stood before, ahead of the request, and `Added`, with the new
id, once it is seen. Quantities and deletions are written down ahead of their requests too, in `Declared`:
until they are waited out, they can still arrive. `docs/review.md` builds its proof on these entries.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
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
    "GivenUp",
    "Gone",
    "Journal",
    "Refused",
    "Resolved",
    "Running",
    "Verified",
    "decode",
    "encode",
    "is_marked",
]


PLAN_TYPES = ("recurring", "setup", "item")
"""The types of the charges that a plan makes (recorded; setup inferred)."""


class DeclaredCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge that the invoice should hold. A negative `each_amount` is a credit."""

    code: str
    each_amount: Decimal
    quantity: int = 1
    description: str = ""

    def costs_the_same(self, charge: Charge) -> bool:
        """Whether a charge has our quantity and price, whatever its words."""
        return charge.quantity == self.quantity and charge.each_amount == self.each_amount

    def is_same(self, charge: Charge) -> bool:
        """Whether this charge has our content: white space, the code's case and a review's mark don't count.

        Its type may be anything but that of a plan's line.
        """
        unmarked = _MARK.sub("", charge.description)
        return (
            charge.type.strip().lower() not in PLAN_TYPES
            and charge.id != ""
            and charge.code.strip().casefold() == self.code.strip().casefold()
            and self.costs_the_same(charge)
            and _words(self.description) in (_words(charge.description), _words(unmarked))
        )

    @property
    def price(self) -> str:
        """How many at how much each, in words: `1 × -5.00`."""
        return money.line_text(self.quantity, self.each_amount)

    def __str__(self) -> str:
        text = f"{self.code}  {self.price}"
        return f"{text}  {self.description}" if self.description else text


_MARK = re.compile(r"\s*\(ref [0-9a-f]{10}\)\s*$", re.IGNORECASE)


def is_marked(description: str) -> bool:
    """Whether a description ends in the mark of some review."""
    return _MARK.search(description) is not None


def _words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What the outstanding invoice should hold: quantities by item code, and charges."""

    quantities: dict[str, Decimal] = {}
    charges: tuple[DeclaredCharge, ...] = ()
    run_when_done: bool = False


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag="declared"):
    """What was declared, and the writes that leave next, because of it.

    `changes` tells all of them in words; `quantities` are the ones to set, `deletions` the ids of the charges
    to delete. An attempt writes one ahead of each round of writes, and another when a round takes long.
    """

    declaration: Declaration
    changes: tuple[str, ...] = ()
    at: datetime | None = None
    quantities: dict[str, Decimal] = {}
    deletions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "declared: " + ("; ".join(self.changes) or "nothing to change")


class Adding(msgspec.Struct, frozen=True, kw_only=True, tag="adding"):
    """A charge is about to be added.

    `before` are the ids of the charges that stood on the customer's unpaid invoices. `mark` travels at the
    end of the charge's description; it is empty where marks are switched off.
    """

    number: int
    charge: DeclaredCharge
    before: tuple[str, ...]
    mark: str = ""
    at: datetime | None = None

    @property
    def description(self) -> str:
        """The description as it is sent."""
        return (
            f"{self.charge.description} (ref {self.mark})".lstrip() if self.mark else self.charge.description
        )

    def __str__(self) -> str:
        return f"adding {self.number}: {self.charge}" + (f"  (ref {self.mark})" if self.mark else "")


class Added(msgspec.Struct, frozen=True, kw_only=True, tag="added"):
    """The charge with this id came of the adding with this number; `marked`: it showed the adding's mark.

    One adding has several where the network repeated its request. All are ours.
    """

    number: int
    charge_id: str
    marked: bool = False

    def __str__(self) -> str:
        return f"added {self.number}: as {self.charge_id}"


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The adding with this number certainly didn't happen: the API said no, or the request never left.

    Number 0 is the run of the invoice.
    """

    number: int

    def __str__(self) -> str:
        return f"refused {self.number}: it was not added" if self.number else "refused: it was not run"


class GivenUp(msgspec.Struct, frozen=True, kw_only=True, tag="given_up"):
    """The request of this adding is too old to arrive, and its charge isn't there: it may be added again."""

    number: int
    at: datetime

    def __str__(self) -> str:
        return f"given up {self.number}: it can't arrive any more"


class Running(msgspec.Struct, frozen=True, kw_only=True, tag="running"):
    """The invoice is about to be run."""

    at: datetime

    def __str__(self) -> str:
        return "running the invoice"


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag="verified"):
    """A document showed exactly what was declared, and no write of ours could change it any more.

    `look_again`: a second look at the invoice is due, because something on the way had an unknown outcome.
    """

    at: datetime
    look_again: bool = False

    def __str__(self) -> str:
        return "verified" + (", to be looked at again" if self.look_again else "")


class Gone(msgspec.Struct, frozen=True, kw_only=True, tag="gone"):
    """An attempt didn't find the customer, or the customer's document didn't hold the invoice."""

    at: datetime

    def __str__(self) -> str:
        return "not found"


class Resolved(msgspec.Struct, frozen=True, kw_only=True, tag="resolved"):
    """A person's word, where neither id nor mark decides.

    The charge of the adding `number` is the one with `charge_id`; with None it was certainly never added. Or,
    with `accept`, the invoice is right as it stands, and the review ends with it.
    """

    number: int = 0
    charge_id: str | None = None
    accept: bool = False
    at: datetime | None = None
    note: str = ""

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        if self.accept:
            return f"resolved: the invoice is right as it stands{note}"
        what = "was never added" if self.charge_id is None else f"is {self.charge_id}"
        return f"resolved {self.number}: {what}{note}"


Entry = Declared | Adding | Added | Refused | GivenUp | Running | Verified | Gone | Resolved


class Journal(Protocol):
    """Where the entries about one invoice are kept, over all attempts."""

    async def entries(self) -> Sequence[Entry]:
        """All entries, in the order in which they were appended."""

    async def append(self, entry: Entry) -> None:
        """Keep an entry; raises if it can't be kept, or if somebody else may work on the invoice by now.

        Returns only once it, and all before it, would survive a power cut.
        """

    def check(self) -> None:
        """Asked right before each request leaves: raises if somebody else may work on the invoice by now."""


_decoder = msgspec.json.Decoder[Entry](Entry)


def encode(entry: Entry) -> bytes:
    """An entry as JSON."""
    return msgspec.json.encode(entry, enc_hook=_plain)


def _plain(value: object) -> str:
    """A moment of a kind of its own, as freezegun makes them."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise NotImplementedError(type(value).__name__)


def decode(entry: bytes) -> Entry:
    """What `encode` wrote."""
    return cast(Entry, _decoder.decode(entry))
