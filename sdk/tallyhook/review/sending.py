"""Send a review's changes. Each is recorded in the journal first, and is sent only once."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tallyhook import calls
from tallyhook.cheddar.models import InvoicePeriod
from tallyhook.errors import APIError, Error, NoAnswer, UnprocessableEntity
from tallyhook.review.compare import AddCharge, Change, DeleteCharge, SetQuantity
from tallyhook.review.journal import Declaration, Declared, DeclaredCharge, Refused, Running
from tallyhook.review.outcome import Standing, Unresolved
from tallyhook.review.reading import Reading, Steps

# How often one charge may be given up. After that, a person must decide.
_GIVEN_UP = 2

# The statuses that mean that the API did not apply a call (documented).
_REFUSALS = (400, 401, 404, 412, 422)

# A request must be sent within this time after its journal entry, or a tenth of `unknown_for` if that is
# longer.
_LEEWAY = timedelta(seconds=10)


class Sending:
    """Sends the changes of one attempt, and reads the invoice again after a lost answer.

    `lost` is True once an answer was lost in this attempt, and `lost_quantity` once the answer to setting a
    quantity was lost. `answered` has the quantities that the API has accepted, by item.
    """

    def __init__(
        self, reading: Reading, declaration: Declaration, unknown_for: timedelta, make_mark: Callable[[], str]
    ) -> None:
        self.lost = False
        self.lost_quantity = False
        self.answered: dict[str, Decimal] = {}
        self._reading = reading
        self._declaration = declaration
        self._make_mark = make_mark
        self._unknown_for = unknown_for
        self._leeway = max(unknown_for / 10, _LEEWAY)
        self._round = reading.now()  # when the changes of this round were written to the journal
        self._lost_in_round = False

    def check(self) -> None:
        """Raise NoAnswer if the next request's journal entry is too old.

        Call this right before sending the request.
        """
        announced = self._reading.announced
        if announced is not None and not self._is_fresh(announced, self._leeway):
            raise NoAnswer("the request was delayed for too long and not sent", maybe_applied=False)

    def announce(self, changes: Sequence[Change]) -> Steps[None]:
        """Record the declaration and the next changes in the journal, before they are sent."""
        self._round = self._reading.now()
        yield from self._reading.write(
            Declared(
                declaration=self._declaration,
                changes=tuple(map(str, changes)),
                at=self._round,
                quantities={it.item: it.quantity for it in changes if isinstance(it, SetQuantity)},
                deletions=tuple(it.charge_id for it in changes if isinstance(it, DeleteCharge)),
                unknown_for=self._unknown_for,
            )
        )

    def make(self, changes: Sequence[Change]) -> Steps[bool]:
        """Record a round of changes and send them. Return True if an answer was lost."""
        self._lost_in_round = False
        yield from self.announce(changes)
        for index, change in enumerate(changes):
            if isinstance(change, AddCharge):
                yield from self._add(change.charge)
                continue
            if not self._is_fresh(self._round, self._leeway / 2):
                yield from self.announce(changes[index:])
            if isinstance(change, SetQuantity):
                yield from self._set(change)
            else:
                yield from self._delete(change.charge_id)
        return self._lost_in_round

    def _set(self, change: SetQuantity) -> Steps[None]:
        reading = self._reading
        call = calls.set_item_quantity(
            reading.customer, change.item, change.quantity, invoice_period=InvoicePeriod.OUTSTANDING
        )
        try:
            document = yield from reading.send(call, self._round)
        except Error as error:
            if _is_refused(error):
                raise
            self._lose()
            self.lost_quantity = True
            yield from reading.look()
        else:
            self.answered[change.item] = change.quantity
            yield from reading.take_in(document)

    def _delete(self, charge_id: str) -> Steps[None]:
        reading = self._reading
        call = calls.delete_charge(reading.customer, charge_id, invoice_period=InvoicePeriod.OUTSTANDING)
        try:
            document = yield from reading.send(call, self._round)
        except Error as error:
            if not _is_refused(error):
                self._lose()
            # An earlier call or a person may have deleted the charge.
            yield from reading.look()
            if _is_refused(error) and any(charge.id == charge_id for charge in reading.invoice.charges):
                raise
        else:
            yield from reading.take_in(document)

    def _add(self, charge: DeclaredCharge) -> Steps[None]:
        reading, ledger = self._reading, self._reading.ledger
        if len(given_up := ledger.given_up(charge)) > _GIVEN_UP:
            numbers = ", ".join(str(adding.number) for adding in given_up)
            raise Unresolved(
                "a charge was added several times, but never appeared", f"adding {numbers}: {charge}"
            )
        adding = ledger.adding(charge, reading.document, reading.now(), self._make_mark())
        yield from reading.write(adding)
        call = calls.add_charge(
            reading.customer,
            charge.code,
            charge.quantity,
            charge.each_amount,
            adding.description,
            invoice_period=InvoicePeriod.OUTSTANDING,
        )
        cause: Error | None = None
        try:
            document = yield from reading.send(call, adding.at)
        except Error as error:
            if _is_refused(error):
                yield from reading.write(Refused(number=adding.number))
                raise
            cause = error
        else:
            yield from reading.take_in(document, sent=adding)
            if ledger.is_claimed(adding.number):
                return
        self._lose()
        yield from reading.look()
        if not ledger.is_claimed(adding.number):
            # Don't add the charge again yet, because this request may still arrive.
            reason = (
                "a charge was added, but the answer doesn't show it"
                if cause is None
                else "the answer to adding a charge was lost, and the charge isn't on the invoice (yet)"
            )
            left = ledger.wait_for_adding(adding, reading.now())
            raise reading.unknown(reason, left, charge.code) from cause

    def run(self) -> Steps[str]:
        """Run the invoice. Return an empty string if it is paid now, or else the reason why it isn't.

        The invoice is run before the hook is acknowledged, so that after a crash, the hook is delivered
        again and the review continues. If the run is declined, the review's changes stay on the invoice, and
        the billing system tries again. The invoice of a canceled subscription is not run, because that would
        charge the customer and undo the cancellation (documented).
        """
        reading = self._reading
        if reading.document.subscription.is_canceled:
            return "not run: the subscription is canceled"
        running = Running(at=reading.now())
        yield from reading.write(running)
        try:
            document = yield from reading.send(calls.run_outstanding(reading.customer), running.at)
        except Error as error:
            if _is_refused(error) or (isinstance(error, UnprocessableEntity) and error.documented):
                yield from reading.write(Refused(number=0))
                if isinstance(error, UnprocessableEntity):
                    return f"the run was declined ({error.aux_code})"
                raise
            self._lose()
            document = yield from reading.read()
        reading.show(document)
        if reading.standing() is not Standing.PAID:
            self._lose()
            left = reading.ledger.wait_for_run(reading.now())
            raise reading.unknown("the invoice was run, but isn't paid (yet)", left)
        return ""

    def _lose(self) -> None:
        self.lost = self._lost_in_round = True

    def _is_fresh(self, at: datetime, leeway: timedelta) -> bool:
        return abs(self._reading.now() - at) <= leeway


def _is_refused(error: Error) -> bool:
    """Return whether the API itself refused the call, or the request was never sent.

    If neither is true, the call may have been applied.
    """
    match error:
        case APIError():
            # An error inside a customer's document means that something was already applied.
            return error.documented and error.customer is None and error.status in _REFUSALS
        case NoAnswer():
            return not error.maybe_applied
    return False
