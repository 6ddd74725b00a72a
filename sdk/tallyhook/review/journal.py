"""A review's journal: what was declared, what was sent, and which charges the review has added.

Of the requests that a review sends, only `add_charge` can't be repeated safely. So the journal gets two
entries for each such request. `Adding`, which has a mark and the ids of the existing charges, is written
before the request. `Added`, which has the new charge's id, is written as soon as a document shows the charge.
Before the other requests are sent, `Declared` records which quantities they set and which charges they
delete, because one of these requests may arrive late. The proof in `docs/review.md` relies on these entries.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import msgspec

from tallyhook import money
from tallyhook.cheddar.models import Charge, canonical

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
    """A charge that the invoice should have. If `each_amount` is negative, it is a credit."""

    code: str
    each_amount: Decimal
    quantity: int = 1
    description: str = ""

    def costs_the_same(self, charge: Charge) -> bool:
        """Return whether a charge on an invoice has the same quantity and price as the declared charge."""
        return charge.quantity == self.quantity and charge.each_amount == self.each_amount

    def is_same(self, charge: Charge) -> bool:
        """Return whether a charge on an invoice has the same content as the declared charge.

        Differences in white space and in the code's case are ignored, and so is a mark in the description.
        Charges that come from a plan never match.
        """
        unmarked = _MARK.sub("", charge.description)
        return (
            canonical(charge.type) not in PLAN_TYPES
            and charge.id != ""
            and canonical(charge.code) == canonical(self.code)
            and self.costs_the_same(charge)
            and _words(self.description) in (_words(charge.description), _words(unmarked))
        )

    @property
    def price(self) -> str:
        """The quantity and price as text, such as `1 × -5.00`."""
        return money.line_text(self.quantity, self.each_amount)

    def __str__(self) -> str:
        text = f"{self.code}  {self.price}"
        return f"{text}  {self.description}" if self.description else text


_MARK = re.compile(r"\s*\(ref [0-9a-f]{10}\)\s*$", re.IGNORECASE)


def is_marked(description: str) -> bool:
    """Return whether a description ends in a mark. It can be any review's mark."""
    return _MARK.search(description) is not None


def _words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What an outstanding invoice should have: charges, and quantities by item code.

    If `run_when_done` is True, the review also runs the invoice.
    """

    quantities: dict[str, Decimal] = {}
    charges: tuple[DeclaredCharge, ...] = ()
    run_when_done: bool = False


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag="declared"):
    """A journal entry with the declaration and the requests that are sent next.

    `changes` describes all these requests as text. `quantities` are the quantities to set, by item code, and
    `deletions` are the ids of the charges to delete. An attempt writes this entry before each round of
    requests, and again if a round takes long. These requests may arrive for as long as `unknown_for`, which
    is stored because another receiver may have a different setting.
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
    """A journal entry that is written before the request to add a charge.

    `number` identifies the request in later entries. `before` has the ids of the charges that are already on
    the customer's unpaid invoices. `mark` is appended to the charge's description; it is empty if marks are
    switched off.
    """

    number: int
    charge: DeclaredCharge
    before: tuple[str, ...]
    mark: str = ""
    at: datetime | None = None

    @property
    def description(self) -> str:
        """The charge's description as it is sent. If there is a mark, it is at the end."""
        return (
            f"{self.charge.description} (ref {self.mark})".lstrip() if self.mark else self.charge.description
        )

    def __str__(self) -> str:
        return f"adding {self.number}: {self.charge}" + (f"  (ref {self.mark})" if self.mark else "")


class Added(msgspec.Struct, frozen=True, kw_only=True, tag="added"):
    """A journal entry that is written when a document shows a charge that the review has added.

    `number` is the number of the request's `Adding` entry. `marked` is True if the charge shows the mark from
    that entry. If the network repeated the request, there are several `Added` entries with the same number.
    The review has added all of their charges.
    """

    number: int
    charge_id: str
    marked: bool = False

    def __str__(self) -> str:
        return f"added {self.number}: as {self.charge_id}"


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """A journal entry for a request that the API has refused or that was never sent.

    `number` is the number of the request's `Adding` entry, or 0 for the request to run the invoice.
    """

    number: int

    def __str__(self) -> str:
        return f"refused {self.number}: it was not added" if self.number else "refused: it was not run"


class GivenUp(msgspec.Struct, frozen=True, kw_only=True, tag="given_up"):
    """A journal entry for a request that is too old to arrive. Its charge may be added again.

    `number` is the number of the request's `Adding` entry. The charge isn't on the invoice.
    """

    number: int
    at: datetime

    def __str__(self) -> str:
        return f"given up {self.number}: it can no longer arrive"


class Running(msgspec.Struct, frozen=True, kw_only=True, tag="running"):
    """A journal entry that is written before the request to run the invoice."""

    at: datetime

    def __str__(self) -> str:
        return "running the invoice"


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag="verified"):
    """A journal entry: a document showed exactly what was declared, and all earlier requests are answered or
    too old to arrive.

    If `look_again` is True, the answer to a request was lost, so the invoice is checked once more to be safe.
    `is_second_look` is True if that check wrote the entry.
    """

    at: datetime
    look_again: bool = False
    is_second_look: bool = False

    def __str__(self) -> str:
        return "verified" + (", but needs a second look" if self.look_again else "")


class Gone(msgspec.Struct, frozen=True, kw_only=True, tag="gone"):
    """A journal entry: an attempt didn't find the customer, or didn't find the customer's invoice."""

    at: datetime

    def __str__(self) -> str:
        return "not found"


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag="asked"):
    """A journal entry that is written when a person must decide.

    `stands` describes the invoice's content at this time, in lines of text. `is_second_look` is True if a
    second look asked.
    """

    declaration: Declaration
    stands: tuple[str, ...]
    at: datetime | None = None
    is_second_look: bool = False

    def __str__(self) -> str:
        return f"asked a person; the invoice: {'; '.join(self.stands)}"


class Resolved(msgspec.Struct, frozen=True, kw_only=True, tag="resolved"):
    """A journal entry with a person's decision, for cases that ids and marks can't decide.

    `number` is the number of a request's `Adding` entry. `charge_id` is the id of the charge that the request
    has added; None if it certainly added none. If `accept` is True, the person has accepted the invoice's
    content for the declaration, both as recorded in the preceding `Asked` entry. The review then ends, unless
    the content or the declaration has changed since.
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
    """Stores the journal entries of all attempts to review one invoice."""

    async def entries(self) -> Sequence[Entry]:
        """Return all entries, in the order in which they were appended."""

    async def append(self, entry: Entry) -> None:
        """Append an entry, and return once this entry and all earlier ones would survive a power cut.

        Raises an exception if the entry can't be stored, or if another worker may have taken over the
        invoice.
        """

    def check(self) -> None:
        """Raise an exception if another worker may have taken over the invoice.

        This is called right before each request is sent.
        """


_decoder = msgspec.json.Decoder[Entry](Entry)


def encode(entry: Entry) -> bytes:
    """Return an entry as JSON."""
    return msgspec.json.encode(entry, enc_hook=_plain)


def _plain(value: object) -> str:
    """Return a datetime as text. This is for subclasses of datetime, such as freezegun's.

    Raises TypeError for any other value.
    """
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"an entry can't contain a {type(value).__name__}")


def decode(entry: bytes) -> Entry:
    """Return the entry from the JSON that `encode` made."""
    found: Entry = _decoder.decode(entry)
    return found
