"""Measure invoices that are held, reviewed by a listener in the same process, and run an hour later."""

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
    """Return how many invoices per second are reviewed and paid on one core.

    The time includes everything that the mock and a listener do for each invoice, except for the network
    between them: the mock holds the invoice, and writes and signs the hook; the listener verifies the
    signature, decodes the JSON, sets the invoice's quantity and adds a credit; the mock records the answer,
    releases the invoice, and runs it an hour later. The time doesn't include creating the customers.

    Raises RuntimeError if the collected sum is not the sum that was owed.
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
    """Passes the engine's hooks directly to a listener, without a network."""

    def __init__(self, town: Town) -> None:
        self.collected = Decimal(0)
        self._town = town
        self._state = town.state
        self._state.hooks.listen(town.product.code, "here", frozenset({"subscriptionBillable"}))

    def run(self) -> None:
        """Run everything that is due in the month and in the hour after it."""
        state, hooks = self._state, self._state.hooks
        end = END + review.RUN_AFTER
        while (due := state.next_due()) is not None and due <= end:
            state.step(due)
            self._announce()
            for delivery in hooks.due(due):
                hook = delivery.hook
                headers = hook_headers(hook.body, self._town.product, hook.id)
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
        """Handle a hook as a listener does, and return the status of its answer."""
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
