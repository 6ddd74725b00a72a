"""Words that all pictures use alike."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tallyhook_mock.core.forecast import Coming
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.picture.story import Lane, Mark, Sign, Span
from tallyhook_mock.timeline import Entry

__all__ = ["AHEAD", "dated", "day", "entry_words", "moment", "near", "pause", "signed", "to_come", "words"]

# How much of the time to come is shown, where little has been as yet.
AHEAD = timedelta(days=31)

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


def near(coming: Sequence[Coming], start: datetime, end: datetime, now: datetime) -> list[Coming]:
    """The invoices to come that have a place in a picture which is to end at `end`, or little later."""
    latest = max(end, now + max((now - start) / 12, AHEAD))
    return [each for each in coming if each.at <= latest]


def to_come(coming: Sequence[Coming]) -> Lane:
    """Invoices as a forecast has them."""
    return Lane("To come", tuple(_coming(each) for each in coming))


def _coming(invoice: Coming) -> Mark:
    lines = "; ".join(f"{line.description or line.item} {amount_text(line.amount)}" for line in invoice.lines)
    words = f"to come, as things stand: {amount_text(invoice.total)} ({lines})"
    return Mark(invoice.at, Sign.COMING, dated(invoice.at, words), amount_text(invoice.total))
