"""Words that all pictures use alike."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from tallyhook_mock.core.money import amount_text
from tallyhook_mock.picture.story import Span
from tallyhook_mock.timeline import Entry

__all__ = ["dated", "day", "entry_words", "moment", "pause", "signed", "words"]

_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")


def words(name: str) -> str:
    """`subscriptionBillable` as people say it: subscription billable."""
    return _CAPITAL.sub(" ", name).lower()


def entry_words(entry: Entry) -> str:
    """What happened, to which item, and what is noted of it."""
    item = "" if not entry.item or entry.note.startswith(entry.item) else f", {entry.item}"
    return f"{words(entry.kind)}{item}{': ' if entry.note else ''}{entry.note}"


def signed(amount: Decimal) -> str:
    """What it adds, with a real minus."""
    return f"{'−' if amount < 0 else '+'}{amount_text(abs(amount))}"


def day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def moment(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M}"


def dated(at: datetime, words: str) -> str:
    """An event as a title has it."""
    return f"{moment(at)} · {words}"


def pause(start: datetime, end: datetime) -> Span:
    """The time after a cancellation."""
    return Span(start, end, "canceled", f"Canceled from {moment(start)}")
