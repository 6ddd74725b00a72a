"""The journal of a review: what was declared, what was sent, and which charges on the invoice are ours.

`add_charge` is the one write of a review that can't be repeated safely. So the journal gets two entries for
each one: `Adding` before the request, with a mark and the ids of the charges that were there before, and
`Added` with the new id once it is seen. `Declared` has the quantities and deletions before their requests,
because a late request may still arrive. The proof in `docs/review.md` builds on these entries.
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
"""The types of the charges that a plan makes (recorded; setup inferred)."""


class DeclaredCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge that the invoice should have. A negative `each_amount` is a credit."""

    code: str
    each_amount: Decimal
    quantity: int = 1
    description: str = ""

    def costs_the_same(self, charge: Charge) -> bool:
        """Whether a charge has the same quantity and price, whatever its description."""
        return charge.quantity == self.quantity and charge.each_amount == self.each_amount

    def is_same(self, charge: Charge) -> bool:
        """Whether a charge has this content. White space, the code's case and a mark don't count.

        The charge may be of any type but those that a plan makes.
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
        """The quantity and price in words: `1 × -5.00`."""
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
    """What the outstanding invoice should have: quantities by item code, and charges."""

    quantities: dict[str, Decimal] = {}
    charges: tuple[DeclaredCharge, ...] = ()
    run_when_done: bool = False


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag="declared"):
    """The declaration, and the writes that are sent next because of it.

    `changes` describes all of them. `quantities` are the ones to set, and `deletions` are the ids of the
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

    `before` has the ids of the charges that are on the customer's unpaid invoices now. `mark` goes to the end
    of the charge's description; it is empty if marks are switched off.
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
    """The charge that an adding has created. `marked`: it shows the adding's mark.

    An adding has several of these entries if the network repeated its request. All the charges are ours.
    """

    number: int
    charge_id: str
    marked: bool = False

    def __str__(self) -> str:
        return f"added {self.number}: as {self.charge_id}"


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """An adding certainly didn't happen: the API refused it, or the request never left.

    Number 0 is the run of the invoice.
    """

    number: int

    def __str__(self) -> str:
        return f"refused {self.number}: it was not added" if self.number else "refused: it was not run"


class GivenUp(msgspec.Struct, frozen=True, kw_only=True, tag="given_up"):
    """An adding is too old to arrive, and its charge isn't there. The charge may be added again."""

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
    """A document showed exactly what was declared, and no request of ours can change it any more.

    `look_again`: something had an unknown outcome on the way, so the invoice needs a second look.
    """

    at: datetime
    look_again: bool = False

    def __str__(self) -> str:
        return "verified" + (", to be looked at again" if self.look_again else "")


class Gone(msgspec.Struct, frozen=True, kw_only=True, tag="gone"):
    """An attempt found no such customer, or no such invoice in the customer's document."""

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
    """A person's decision, where neither id nor mark decides.

    The charge of the adding `number` is `charge_id`, or was certainly never added if that is None. With
    `accept`, the invoice is right as it was when the person was asked, for what was declared then. If neither
    has changed, the review ends.
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


Entry = Declared | Adding | Added | Refused | GivenUp | Running | Verified | Gone | Asked | Resolved


class Journal(Protocol):
    """Where the entries about one invoice are kept, over all attempts."""

    async def entries(self) -> Sequence[Entry]:
        """All entries, in the order in which they were appended."""

    async def append(self, entry: Entry) -> None:
        """Add an entry. Raises if that fails, or if another worker may work on the invoice by now.

        Returns only once this entry and all earlier ones would survive a power cut.
        """

    def check(self) -> None:
        """Called before each request leaves. Raises if another worker may work on the invoice by now."""


_decoder = msgspec.json.Decoder[Entry](Entry)


def encode(entry: Entry) -> bytes:
    """An entry as JSON."""
    return msgspec.json.encode(entry, enc_hook=_plain)


def _plain(value: object) -> str:
    """Encode a datetime of another class, such as freezegun's."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise NotImplementedError(type(value).__name__)


def decode(entry: bytes) -> Entry:
    """The entry that `encode` wrote."""
    return cast(Entry, _decoder.decode(entry))
