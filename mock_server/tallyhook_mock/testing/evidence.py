"""The text that a failed assert method shows: the bill, its hooks, and the latest events."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from tallyhook_mock.core.hooks import Attempt, DeliveryState, Hook
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cheddar.model import Customer, Invoice
from tallyhook_mock.testing.bill import Bill, aligned
from tallyhook_mock.timeline import DELIVERED, NOT_DELIVERED, Entry

__all__ = ["evidence"]

_LAST = 12  # entries of the timeline
_ANSWER = 80  # characters


def evidence(mock: Mock, customer: Customer, invoice: Invoice | None) -> str:
    """Return the text that a failed assert method shows about a customer and one of its invoices."""
    product = customer.product.code
    entries = mock.timeline.entries(customer.code, product=product)
    hooks = mock.state.hooks.about(product, customer.code)
    parts: list[list[str]] = []
    if invoice is not None:
        about = [hook for hook in hooks if hook.subject == invoice.id]
        parts.append([str(Bill.of(invoice, entries)), *_period_that_runs(customer, invoice)])
        parts.append(
            ["its hooks", *aligned([*_deliveries(about)])] if about else ["no listener was notified"]
        )
    events = [entry for entry in entries if entry.kind not in (DELIVERED, NOT_DELIVERED)]
    if events:
        last = events[-_LAST:]
        heading = "what happened" if last == events else f"the last {_LAST} of what happened"
        parts.append([heading, *aligned([*map(_row, last)], numbers=(3,))])
    return "\n\n".join("\n".join(part) for part in parts)


def _period_that_runs(customer: Customer, invoice: Invoice) -> Iterator[str]:
    """Yield a line with the current period's usage, in case usage was reported there by mistake."""
    current = customer.subscription.current
    if current is not None and current is not invoice and current.usage:
        counted = (f"{code} {quantity_text(usage.quantity)}" for code, usage in current.usage.items())
        yield f"  the current period, invoice #{current.number}, counts {', '.join(counted)}"


def _deliveries(hooks: Sequence[Hook]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each delivery attempt. Repetitions of an attempt share one row, which counts them."""
    for hook in hooks:
        for delivery in hook.deliveries:
            where = f"{hook.type} to {delivery.listener.url}"
            for outcome, row in groupby(delivery.attempts, _outcome):
                first, *others = row
                yield _moment(first.at), where, *outcome
                if others:
                    yield _moment(others[-1].at), f"and {len(others)} more up to here", *outcome
            if delivery.state is DeliveryState.PENDING:
                yield _moment(delivery.next_at), where, "next attempt", ""


def _outcome(attempt: Attempt) -> tuple[str, str]:
    status = "no answer" if attempt.status is None else str(attempt.status)
    answer = _shortened(attempt.answer)
    return status, f"{answer} (fault {attempt.fault})" if attempt.fault else answer


def _row(entry: Entry) -> tuple[str, ...]:
    invoice = "" if entry.invoice is None else f"#{entry.invoice}"
    amount = "" if entry.amount is None else amount_text(entry.amount)
    return _moment(entry.at), entry.kind, invoice, amount, entry.note, entry.actor


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _shortened(answer: str) -> str:
    line = " ".join(answer.split())
    return line if len(line) <= _ANSWER else f"{line[:_ANSWER]}…"
