"""Collects everything that a customer's timeline picture shows: periods, payments, hooks and so on."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from tallyhook_mock.core.hooks import Attempt, Delivery, Hook
from tallyhook_mock.core.money import ZERO, amount_text, quantity_text, total
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.bills import COMING
from tallyhook_mock.picture.story import (
    AHEAD,
    Count,
    Lane,
    Mark,
    Period,
    Review,
    Row,
    Sign,
    Span,
    Step,
    Story,
    Tally,
    dated,
    day,
    moment,
    near,
    pauses,
    signed,
    to_come,
)
from tallyhook_mock.systems.cheddar.forecast import forecast
from tallyhook_mock.systems.cheddar.model import Customer, Invoice, InvoiceState, InvoiceType, Transaction
from tallyhook_mock.timeline import FAULT, Entry

__all__ = ["tell"]

_CHARGES = {"charge": "added", "chargeDeleted": "deleted", "creditForward": "carried forward"}


def tell(mock: Mock, customer: Customer) -> Story:
    """Return everything that a customer's timeline picture shows."""
    return _Teller(mock, customer).story()


class _Teller:
    def __init__(self, mock: Mock, customer: Customer) -> None:
        self.customer, self.product = customer, customer.product
        self.now = mock.clock.now()
        self.entries = [*mock.timeline.entries(customer.code, product=self.product.code)]
        self.hooks = mock.state.hooks.about(self.product.code, customer.code)
        self.invoices = sorted(customer.invoices, key=lambda invoice: invoice.number)
        self.start = min(subscription.created for subscription in customer.subscriptions)
        end = self._end()
        coming = forecast(mock.state, customer, COMING, self.now)
        self.coming = near(coming, self.start, end, self.now)
        self.end = max([end, *(each.at for each in self.coming)])

    def story(self) -> Story:
        details = self.customer.details
        name = " ".join(filter(None, (details.get("firstName"), details.get("lastName"))))
        lanes = (
            Lane("Hooks", tuple(mark for hook in self.hooks for mark in _attempts(hook))),
            Lane("Charges", tuple(self._charges())),
            Lane("Payments", tuple(_payment(i, made) for i in self.invoices for made in i.transactions)),
            to_come(self.coming),
            Lane("Faults", tuple(Mark(e.at, Sign.FAULT, dated(e.at, e.note)) for e in self._of(FAULT))),
        )
        return Story(
            title=f"{self.customer.code} · {name}" if name else self.customer.code,
            summary=self._summary(),
            start=self.start,
            end=self.end,
            now=self.now,
            plans=tuple(self._plans()),
            pauses=tuple(pauses(self.entries, self.customer.subscription.canceled_at, self.end)),
            turns=tuple(self._turns()),
            rows=(Row("Periods", "invoice, total", tuple(self._periods())),),
            tallies=tuple(self._tallies()),
            lanes=tuple(lane for lane in lanes if lane.marks),
            reviews=tuple(self._reviews()),
        )

    def _of(self, *kinds: str) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.kind in kinds)

    def _end(self) -> datetime:
        current = self.customer.subscription.current
        lived = self.now - self.start
        coming = current.billing_at if current else self.now
        end = min(max(coming, self.now), self.now + max(lived / 3, AHEAD))
        return max(end, self.start + timedelta(hours=1))

    def _summary(self) -> str:
        paid = [invoice for invoice in self.invoices if invoice.state is InvoiceState.PAID]
        collected = total(invoice.collected for invoice in self.invoices)
        invoices = "1 invoice" if len(paid) == 1 else f"{len(paid)} invoices"
        since = f"{self.start.day} {self.start:%B %Y}"
        return f"{self.product.name}, since {since}: {invoices} paid, {amount_text(collected)} collected"

    # -- the subscription

    def _plans(self) -> Iterator[Span]:
        oldest_first = self.customer.subscriptions[::-1]
        ends = [subscription.created for subscription in oldest_first[1:]] + [self.end]
        for subscription, end in zip(oldest_first, ends, strict=True):
            plan = subscription.plan
            price = f"{amount_text(plan.recurring_charge_amount)} {plan.frequency.name}"
            label = f"{plan.name or plan.code} · {'free' if plan.is_free else price}"
            since = moment(subscription.created)
            yield Span(subscription.created, end, label, f"Plan {plan.code} from {since}: {label}")

    def _turns(self) -> Iterator[Mark]:
        signs = {
            "newSubscription": (Sign.BEGAN, "the subscription begins"),
            "subscriptionChanged": (Sign.CHANGED, "the subscription is changed"),
            "subscriptionCanceled": (Sign.CANCELED, "the subscription is canceled"),
            "subscriptionReactivated": (Sign.REACTIVATED, "the subscription is reactivated"),
        }
        for entry in self._of(*signs):
            sign, words = signs[entry.kind]
            yield Mark(entry.at, sign, dated(entry.at, words))

    # -- periods

    def _periods(self) -> Iterator[Period]:
        for invoice in self._cycle():
            start, state = _begins(invoice), _state(invoice)
            words = f"Invoice #{invoice.number}, {moment(start)} to {moment(invoice.billing_at)}"
            title = f"{words}: {amount_text(invoice.total)}, {state}"
            yield Period(start, invoice.billing_at, invoice.number, invoice.total, state, title)

    def _cycle(self) -> Iterable[Invoice]:
        """Return the invoices that bill a period. An initial invoice that is due at sign-up bills none."""
        return (
            invoice
            for invoice in self.invoices
            if invoice.type is InvoiceType.SUBSCRIPTION and _begins(invoice) < invoice.billing_at
        )

    def _tallies(self) -> Iterator[Tally]:
        codes = dict.fromkeys(code for invoice in self._cycle() for code in invoice.usage)
        for code in codes:
            updates = [
                Count(e.at, e.quantity, dated(e.at, f"{e.note}, invoice #{e.invoice}"))
                for e in self._of("usage")
                if e.item == code and e.quantity is not None
            ]
            yield Tally(code, tuple(self._steps(code)), tuple(updates), tuple(self._billed(code)))

    def _steps(self, code: str) -> Iterator[Step]:
        """Yield the values of an item's counter over all periods, starting with the first known value."""
        carried: Decimal | None = None
        for invoice in self._cycle():
            counted = [
                (entry.at, entry.quantity)
                for entry in self._of("usage")
                if (entry.item, entry.invoice) == (code, invoice.number)
                and entry.quantity is not None
                and entry.at < invoice.billing_at  # later changes are corrections of an ended period
            ]
            first = _quantity_at_start(invoice, code, counted) if carried is None else carried
            if first is not None:
                counted.insert(0, (_begins(invoice), first))
            ends = [at for at, _ in counted[1:]] + [min(invoice.billing_at, self.now)]
            for (at, quantity), end in zip(counted, ends, strict=False):
                if end > at:
                    yield Step(at, end, quantity)
            planned = invoice.plan.item(code)
            is_lasting = planned is not None and not planned.is_periodic
            carried = Decimal(0) if not is_lasting else counted[-1][1] if counted else None

    def _billed(self, code: str) -> Iterator[Count]:
        for invoice in self._cycle():
            at, quantity = invoice.billing_at, invoice.quantity(code)
            if at <= self.now:
                words = f"invoice #{invoice.number} bills {code} = {quantity_text(quantity)}"
                yield Count(at, quantity, dated(at, words))

    # -- money

    def _charges(self) -> Iterator[Mark]:
        for entry in self._of(*_CHARGES):
            amount = entry.amount or ZERO
            name = "credit" if amount < 0 else "charge"
            words = f"{name} {_CHARGES[entry.kind]}: {entry.note}, invoice #{entry.invoice}"
            label = f"deleted {signed(amount)}" if entry.kind == "chargeDeleted" else signed(amount)
            sign = Sign.CREDIT if amount < 0 else Sign.CHARGE
            yield Mark(entry.at, sign, dated(entry.at, words), label)

    # -- from the bill date on

    def _reviews(self) -> Iterator[Review]:
        for invoice in self.invoices:
            attempts = tuple(
                mark
                for hook in self.hooks
                if hook.type == "subscriptionBillable" and hook.subject == invoice.id
                for mark in _attempts(hook)
                if mark.at >= invoice.billing_at
            )
            payments = [made for made in invoice.transactions if not made.parent]
            is_held = invoice.state is InvoiceState.HELD
            went_smoothly = all(made.approved for made in payments) and payments
            if invoice.state is not InvoiceState.OPEN and (attempts or is_held or not went_smoothly):
                yield self._review(invoice, attempts, payments)

    def _review(self, invoice: Invoice, attempts: tuple[Mark, ...], payments: list[Transaction]) -> Review:
        paid_first = payments[0].at if payments else None
        released = next((e.at for e in self._of("released") if e.invoice == invoice.number), None)
        waits = invoice.state is InvoiceState.HELD
        if released is None and attempts:
            released = paid_first or (self.now if waits else None)
        declined = next((made.at for made in payments if not made.approved), None)
        return Review(
            number=invoice.number,
            at=invoice.billing_at,
            released=released,
            runs=None if waits else paid_first or invoice.run_at,
            tried_until=None if declined is None else invoice.run_at or payments[-1].at,
            attempts=attempts,
            adjustments=tuple(self._adjustments(invoice)),
            payments=tuple(_payment(invoice, made) for made in payments),
            outcome=self._outcome(invoice, payments),
        )

    def _adjustments(self, invoice: Invoice) -> Iterator[Mark]:
        for entry in self._of("usage", "charge", "chargeDeleted"):
            if entry.invoice != invoice.number or entry.at < invoice.billing_at:
                continue
            if entry.kind == "usage":
                yield Mark(entry.at, Sign.USED, dated(entry.at, f"set {entry.note}"), entry.note)
                continue
            amount = entry.amount or ZERO
            label = f"{'without ' if entry.kind == 'chargeDeleted' else ''}{entry.item} {signed(amount)}"
            sign = Sign.CREDIT if amount < 0 else Sign.CHARGE
            yield Mark(entry.at, sign, dated(entry.at, f"{_CHARGES[entry.kind]} {entry.note}"), label)

    def _outcome(self, invoice: Invoice, payments: list[Transaction]) -> str:
        amount = amount_text(invoice.total)
        declines = sum(not made.approved for made in payments)
        after = f", {declines} declined" if declines else ""
        if invoice.state is InvoiceState.PAID:
            return f"{amount_text(payments[-1].amount)} paid{after}"
        if invoice.run_at is not None:
            return f"{amount}{', next try' if declines else ' runs'} {day(invoice.run_at)}"
        return f"{amount} {_state(invoice)}{after}"


def _begins(invoice: Invoice) -> datetime:
    return invoice.previous_at or invoice.created


def _state(invoice: Invoice) -> str:
    return "current" if invoice.state is InvoiceState.OPEN else invoice.state.value


def _quantity_at_start(
    invoice: Invoice, code: str, counted: list[tuple[datetime, Decimal]]
) -> Decimal | None:
    """Return the value of an item's counter at the start of a period, or None if it is no longer known."""
    known = invoice.usage.get(code)
    if known is None or (counted and known.created == counted[0][0]):
        return Decimal(0)
    if known.modified >= invoice.billing_at:  # changed by the review
        return Decimal(0) if known.created >= invoice.billing_at else None
    return None if counted else known.quantity


def _attempts(hook: Hook) -> Iterator[Mark]:
    for delivery in hook.deliveries:
        to = f" to {delivery.listener.url}" if len(hook.deliveries) > 1 else ""
        for count, attempt in enumerate(delivery.attempts, 1):
            sign = Sign.ACKNOWLEDGED if attempt.acknowledged else Sign.FAILED
            words = f"{hook.type}{to}, {_ordinal(delivery, count)}: {_answer(attempt)}"
            yield Mark(attempt.at, sign, dated(attempt.at, words))


def _ordinal(delivery: Delivery, count: int) -> str:
    return f"attempt {count} of {len(delivery.attempts)}" if len(delivery.attempts) > 1 else "attempt 1"


def _answer(attempt: Attempt) -> str:
    answer = "no answer" if attempt.status is None else f"answered {attempt.status}"
    return f"{answer} (fault: {attempt.fault})" if attempt.fault else answer


def _payment(invoice: Invoice, made: Transaction) -> Mark:
    amount = amount_text(made.amount)
    if made.parent:
        return Mark(
            made.at, Sign.GIVEN_BACK, dated(made.at, f"invoice #{invoice.number}: {made.memo}"), amount
        )
    sign, words = (Sign.PAID, "paid") if made.approved else (Sign.DECLINED, "declined")
    return Mark(made.at, sign, dated(made.at, f"invoice #{invoice.number}: {amount} {words}"), amount)
