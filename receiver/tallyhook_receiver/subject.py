"""The facts about a hook that the page may show, and how the page and the command line write them.

The page shows nothing else from the hook's body.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from tallyhook import events
from tallyhook.errors import DecodeError
from tallyhook.review import Outcome
from tallyhook_receiver.inbox import Record

_LONGEST = 300  # characters per value, because a hook may contain megabytes

# The names of Cheddar's fields about cards, in documents and hooks.
_CARD = frozenset(
    {"firstSix", "lastFour", "expirationDate", "ccLastFour", "ccExpirationDate", "ccNumber", "ccCardCode"}
)
_CARD_NUMBER = re.compile(r"\d(?:[ -]?\d){11,18}")
_HIDDEN = "•••"


class Subject(NamedTuple):
    """The identity of a hook, the reason why it failed or is waiting, and the outcome of its review."""

    record: Record
    type: str
    customer: str
    invoice: str
    reason: str
    outcome: Outcome | None


def subject(record: Record) -> Subject:
    """Return the facts about a hook that the page may show.

    `customer` is the customer's code, or the customer's id if there is no code. `invoice` is the invoice's
    number, or the invoice's id if there is no number. Both are `""` if unknown.
    """
    try:
        hook = events.decode(record.body)
    except DecodeError:
        hook = events.Hook()
    invoice = hook.subscription.invoice
    outcome = record.outcome
    return Subject(
        record=record,
        type=_short(record.type),
        customer=_short(hook.customer.code or hook.customer.id),
        invoice="" if invoice is None else _short(str(invoice.number or invoice.id)),
        reason="" if outcome is not None else _short(_reason(record.note, hook)),
        outcome=outcome,
    )


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _reason(note: str, hook: events.Hook) -> str:
    """Return the last line of a note, which is the error message, with all card data hidden."""
    reason = note.strip().rpartition("\n")[2]
    for value in sorted(set(_card(hook.raw)), key=len, reverse=True):
        reason = reason.replace(value, _HIDDEN)
    return _CARD_NUMBER.sub(_HIDDEN, reason)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _card(node: Any) -> Iterator[str]:
    """Yield the values of all card fields in a hook."""
    if isinstance(node, list):
        for entry in node:
            yield from _card(entry)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, list | dict):
                yield from _card(value)
            elif key in _CARD and len(text := str(value).strip()) > 1:
                yield text
