"""The journal of a review: what was declared, what was sent, and which charges on the invoice are ours.

`add_charge` is the only write of a review that can't be repeated safely. So the journal gets two entries for
each: `Adding` before the request, with a mark and the ids of the existing charges, and `Added` with the new
id once a document shows it. `Declared` records quantities and deletions before their requests, because a late
request may still arrive. The proof in `docs/review.md` builds on these entries.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, cast

import msgspec

from tallyhook import money
from tallyhook.cheddar.models import Charge

__all__ = [
    "Added",
    "Adding",
    "Asked",
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
"""The types of charges that come from a plan (recorded; setup inferred)."""


class DeclaredCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge that the invoice should have. A negative `each_amount` is a credit."""

    code: str
    each_amount: Decimal
    quantity: int = 1
    description: str = ""

    def costs_the_same(self, charge: Charge) -> bool:
        """Whether a charge has the same quantity and price."""
        return charge.quantity == self.quantity and charge.each_amount == self.each_amount

    def is_same(self, charge: Charge) -> bool:
        """Whether a charge has this content. White space, the code's case and a mark are ignored.

        Charges that come from a plan never match.
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
        """The quantity and price as text: `1 × -5.00`."""
        return money.line_text(self.quantity, self.each_amount)

    def __str__(self) -> str:
        text = f"{self.code}  {self.price}"
        return f"{text}  {self.description}" if self.description else text


_MARK = re.compile(r"\s*\(ref [0-9a-f]{10}\)\s*$", re.IGNORECASE)


def is_marked(description: str) -> bool:
    """Whether a description ends in the mark of any review."""
    return _MARK.search(description) is not None


def _words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """The quantities by item code and the charges that the outstanding invoice should have."""

    quantities: dict[str, Decimal] = {}
    charges: tuple[DeclaredCharge, ...] = ()
    run_when_done: bool = False


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag="declared"):
    """The declaration and the writes that are sent next.

    `changes` describes all writes. `quantities` are the quantities to set, and `deletions` are the ids of the
    charges to delete. An attempt writes this entry before each round of writes, and again if a round takes
    long. `unknown_for` is how long its requests may still arrive: another receiver may have another setting.
    """

    declaration: Declaration
    changes: tuple[str, ...] = ()
    at: datetime | None = None
    quantities: dict[str, Decimal] = {}
    deletions: tuple[str, ...] = ()
    unknown_for: timedelta = timedelta(0)

    def __str__(self) -> str:
        return "declared: " + ("; ".join(self.changes) or "nothing to change")


class Adding(msgspec.Struct, frozen=True, kw_only=True, tag="adding"):
    """A charge is about to be added.

    `before` has the ids of the charges on the customer's unpaid invoices at this time. `mark` is appended to
    the charge's description; it is empty if marks are switched off.
    """

    number: int
    charge: DeclaredCharge
    before: tuple[str, ...]
    mark: str = ""
    at: datetime | None = None

    @property
    def description(self) -> str:
        """The description that is sent."""
        return (
            f"{self.charge.description} (ref {self.mark})".lstrip() if self.mark else self.charge.description
        )

    def __str__(self) -> str:
        return f"adding {self.number}: {self.charge}" + (f"  (ref {self.mark})" if self.mark else "")


class Added(msgspec.Struct, frozen=True, kw_only=True, tag="added"):
    """A charge that an adding created. `marked` is True if the charge shows the adding's mark.

    If the network repeated the request, an adding has several of these entries. All these charges are ours.
    """

    number: int
    charge_id: str
    marked: bool = False

    def __str__(self) -> str:
        return f"added {self.number}: as {self.charge_id}"


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """An adding certainly didn't happen: the API refused it, or the request was never sent.

    Number 0 stands for the run of the invoice.
    """

    number: int

    def __str__(self) -> str:
        return f"refused {self.number}: it was not added" if self.number else "refused: it was not run"


class GivenUp(msgspec.Struct, frozen=True, kw_only=True, tag="given_up"):
    """An adding is too old to arrive, and its charge isn't on the invoice. The charge may be added again."""

    number: int
    at: datetime

    def __str__(self) -> str:
        return f"given up {self.number}: it can no longer arrive"


class Running(msgspec.Struct, frozen=True, kw_only=True, tag="running"):
    """The invoice is about to be run."""

    at: datetime

    def __str__(self) -> str:
        return "running the invoice"


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag="verified"):
    """A document showed exactly what was declared, and no request of ours can still change it.

    With `look_again`, a request had an unknown outcome, so the invoice needs a second look.
    """

    at: datetime
    look_again: bool = False

    def __str__(self) -> str:
        return "verified" + (", but needs a second look" if self.look_again else "")


class Gone(msgspec.Struct, frozen=True, kw_only=True, tag="gone"):
    """An attempt didn't find the customer, or didn't find the invoice in the customer's document."""

    at: datetime

    def __str__(self) -> str:
        return "not found"


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag="asked"):
    """A person is asked. `stands` has what was on the invoice, in lines, and `declaration` what was meant."""

    declaration: Declaration
    stands: tuple[str, ...]
    at: datetime | None = None

    def __str__(self) -> str:
        return f"asked a person; the invoice: {'; '.join(self.stands)}"


class Resolved(msgspec.Struct, frozen=True, kw_only=True, tag="resolved"):
    """A person's decision, for cases that ids and marks can't decide.

    `charge_id` is the charge that the adding `number` created; None if it was certainly never added. With
    `accept`, the invoice is right as it was shown to the person, for what was declared then. If neither has
    changed, the review ends.
    """

    number: int = 0
    charge_id: str | None = None
    accept: bool = False
    at: datetime | None = None
    note: str = ""

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        if self.accept:
            return f"resolved: the invoice is right as it is{note}"
        what = "was never added" if self.charge_id is None else f"is {self.charge_id}"
        return f"resolved {self.number}: {what}{note}"


Entry = Declared | Adding | Added | Refused | GivenUp | Running | Verified | Gone | Asked | Resolved


class Journal(Protocol):
    """Stores the entries of all attempts at one invoice."""

    async def entries(self) -> Sequence[Entry]:
        """All entries, in the order in which they were appended."""

    async def append(self, entry: Entry) -> None:
        """Add an entry. Raises if that fails, or if another worker may have taken over the invoice.

        Returns only once this entry and all earlier ones would survive a power cut.
        """

    def check(self) -> None:
        """Called before each request is sent. Raises if another worker may have taken over the invoice."""


_decoder = msgspec.json.Decoder[Entry](Entry)


def encode(entry: Entry) -> bytes:
    """An entry as JSON."""
    return msgspec.json.encode(entry, enc_hook=_plain)


def _plain(value: object) -> str:
    """Encode a subclass of datetime, such as freezegun's."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"an entry can't contain a {type(value).__name__}")


def decode(entry: bytes) -> Entry:
    """The entry that `encode` encoded."""
    return cast(Entry, _decoder.decode(entry))
