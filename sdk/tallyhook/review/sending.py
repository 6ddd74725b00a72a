"""How a review changes an invoice: each write is in the journal before it is sent, and is sent once."""

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

# How often one charge is given up before a person is asked.
_GIVEN_UP = 2

# The statuses by which the API says that it did not carry out a call (documented).
_REFUSALS = (400, 401, 404, 412, 422)

# A request has to leave within this time of its journal entry, or within a tenth of `unknown_for`.
_LEEWAY = timedelta(seconds=10)


class Sending:
    """Sends the writes of one attempt.

    After a lost answer the invoice is read again. `lost` is True once an answer was lost in this attempt.
    `answered` has the quantities that the API has accepted, by item.
    """

    def __init__(
        self, reading: Reading, declaration: Declaration, unknown_for: timedelta, make_mark: Callable[[], str]
    ) -> None:
        self.lost = False
        self.answered: dict[str, Decimal] = {}
        self._reading = reading
        self._declaration = declaration
        self._make_mark = make_mark
        self._unknown_for = unknown_for
        self._leeway = max(unknown_for / 10, _LEEWAY)
        self._round = reading.now()  # when the journal got the writes of this round
        self._lost_in_round = False

    def check(self) -> None:
        """Ask right before each request leaves. Raises NoAnswer if its journal entry is too old."""
        announced = self._reading.announced
        if announced is not None and not self._is_fresh(announced, self._leeway):
            raise NoAnswer("the request was held up before it left", maybe_applied=False)

    def announce(self, changes: Sequence[Change]) -> Steps[None]:
        """Write the declaration and the next changes into the journal."""
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
        """Announce a round of changes and send them. Returns whether an answer was lost on the way."""
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
            # The charge may be gone anyway, by an earlier call or by a person.
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
                "a charge was added several times, and is never there", f"addings {numbers}: {charge}"
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
            # Don't add it again before this one is waited out: the request may still be on its way.
            reason = (
                "a charge was added, but the answer doesn't show it"
                if cause is None
                else "the answer to adding a charge was lost, and it is not there (yet)"
            )
            left = ledger.wait_for_adding(adding, reading.now())
            raise reading.unknown(reason, left, charge.code) from cause

    def run(self) -> Steps[str]:
        """Run the invoice. Returns why the run was declined; empty if the invoice is paid.

        This comes before the hook is acknowledged, so that the next delivery repairs a crash in between. A
        decline doesn't undo the review: its changes are on the invoice, and the billing system tries again.
        """
        reading = self._reading
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
            raise reading.unknown("the invoice was run, and isn't paid (yet)", left)
        return ""

    def _lose(self) -> None:
        self.lost = self._lost_in_round = True

    def _is_fresh(self, at: datetime, leeway: timedelta) -> bool:
        return abs(self._reading.now() - at) <= leeway


def _is_refused(error: Error) -> bool:
    """Whether the API itself refused, or the request never left. After anything else it may be applied."""
    match error:
        case APIError():
            # With a customer's document around it, the error came after something was done.
            return error.documented and error.customer is None and error.status in _REFUSALS
        case NoAnswer():
            return not error.maybe_applied
    return False
