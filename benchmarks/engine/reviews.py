"""Invoices that are held, reviewed by a listener in the same process, and run an hour later."""

import json
import time
from collections.abc import Mapping
from decimal import Decimal

from benchmarks.engine.town import END, ITEM, Town
from tallyhook import signing
from tallyhook_mock.core.hooks import Attempt
from tallyhook_mock.sender import hook_headers
from tallyhook_mock.systems.cheddar import charges, review, usage
from tallyhook_mock.systems.cheddar.charges import NewCharge
from tallyhook_mock.systems.cheddar.hook_json import body

__all__ = ["play_reviews"]

_CREDIT = Decimal("-5.00")


def play_reviews(subscriptions: int) -> float:
    """Reviewed and paid invoices per second on one core. RuntimeError if the money does not add up.

    For every invoice this counts all that the mock and a listener have to do but for the network between
    them: the bill is held; its hook is written as JSON, signed, and put on its way; the listener verifies the
    signature, decodes the JSON, sets the quantity of the invoice and adds a credit; the answer is recorded,
    the invoice is released, and an hour later it is run. Making the customers is not counted.
    """
    town = Town(subscriptions)
    review = _Review(town)
    started = time.process_time()
    review.run()
    seconds = time.process_time() - started
    owed = sum(town.owed(number) + _CREDIT for number in range(subscriptions))
    if review.collected != owed:
        raise RuntimeError(f"{review.collected} was collected, and {owed} was owed")
    return subscriptions / seconds


class _Review:
    """The engine's hooks, carried by hand to a listener."""

    def __init__(self, town: Town) -> None:
        self.collected = Decimal(0)
        self._town = town
        self._state = town.state
        self._state.hooks.listen(town.product.code, "here", frozenset({"subscriptionBillable"}))

    def run(self) -> None:
        """Let the month go by, and the hour after it."""
        state, hooks = self._state, self._state.hooks
        end = END + review.RUN_AFTER
        while (due := state.next_due()) is not None and due <= end:
            state.step(due)
            self._announce()
            for delivery in hooks.due(due):
                hook = delivery.hook
                headers = hook_headers(hook, self._town.product)
                status = self._listen(headers, hook.body)
                settled = hooks.record(delivery, Attempt(due, status, 0.0, headers=headers))
                if settled is not None:
                    review.settled(state, settled, due)
                    self._announce()

    def _announce(self) -> None:
        for event in self._state.take_events():
            if event.transaction is not None:
                self.collected += event.transaction.amount
            if event.kind == "subscriptionBillable":
                review.announce(self._state, event, body(event))

    def _listen(self, headers: Mapping[str, str], raw: bytes) -> int:
        """The listener: what it answers."""
        town, state = self._town, self._state
        if not signing.verify(raw, headers[signing.SIGNATURE_HEADER], town.product.secret):
            return 401
        hook = json.loads(raw)
        customer = state.customer(town.product, hook["customer"]["code"])
        held = customer.subscription.outstanding
        if held is None or str(held.number) != hook["subscription"]["invoice"]["invoiceNumber"]:
            return 404
        at, number = held.billing_at, int(customer.code.rpartition("-")[2])
        usage.set_quantity(state, customer, ITEM, town.used(number), outstanding=True, at=at)
        credit = NewCharge("SORRY", Decimal(1), _CREDIT, "a night without light")
        charges.add_charge(state, customer, credit, outstanding=True, at=at)
        return 200
