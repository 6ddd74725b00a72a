"""What happened to each customer, in order: the engine's events and the deliveries of their hooks."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.engine.cheddar.state import Event
from tallyhook_mock.engine.hooks import Attempt, Delivery

__all__ = ["DELIVERED", "NOT_DELIVERED", "Entry", "Timeline"]

# The kinds of the two entries that are no events of the engine.
DELIVERED = "hookDelivered"
NOT_DELIVERED = "hookNotDelivered"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `invoice` is a number, `amount` that of the transaction; both None where there is none."""

    at: datetime
    kind: str
    note: str
    actor: str
    invoice: int | None = None
    amount: Decimal | None = None


class Timeline:
    """The latest entries of every customer, and how many of each kind there have been in all."""

    def __init__(self, kept: int = 1000) -> None:
        """`kept`: entries per customer; the oldest go first."""
        self.counts: Counter[str] = Counter()
        self._kept = kept
        self._entries: dict[tuple[str, str], deque[Entry]] = {}

    def entries(self, product: str, customer: str) -> Iterable[Entry]:
        """Oldest first; a deleted customer keeps its own."""
        return tuple(self._entries.get((product, customer), ()))

    def happened(self, event: Event) -> None:
        entry = Entry(
            event.at,
            event.kind,
            event.note,
            event.actor,
            event.invoice.number if event.invoice else None,
            event.transaction.amount if event.transaction else None,
        )
        self._add(event.customer.product.code, event.customer.code, entry)

    def attempted(self, delivery: Delivery, attempt: Attempt) -> None:
        hook = delivery.hook
        kind = DELIVERED if attempt.acknowledged else NOT_DELIVERED
        result = attempt.answer if attempt.status is None else str(attempt.status)
        note = f"{hook.type} to {delivery.listener.url}: {result}"
        self._add(hook.product, hook.customer, Entry(attempt.at, kind, note, "system"))

    def _add(self, product: str, customer: str, entry: Entry) -> None:
        self.counts[entry.kind] += 1
        entries = self._entries.get((product, customer))
        if entries is None:
            entries = self._entries[product, customer] = deque(maxlen=self._kept)
        entries.append(entry)
