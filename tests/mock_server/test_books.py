"""The totals that are kept as things change, beside a count from the beginning."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import TypeAlias

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tallyhook_mock import serve
from tallyhook_mock.core.hooks import Attempt, Hooks
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cheddar import billing, payments, signup, subscriptions
from tallyhook_mock.systems.cheddar.model import Customer, Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.products import Coupon, Product, Promotion
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.state import State
from tallyhook_mock.systems.cheddar.totals import Totals

from .engine_world import START, World
from .loopback import Api, catalog
from .test_engine_properties import Commands

# Invoices by state, what they come to, and the ids of those that are due and not paid.
Count: TypeAlias = tuple[dict[str, int], dict[str, Decimal], set[int]]


def counted(customers: list[Customer]) -> Count:
    """From the beginning."""
    invoices = [invoice for customer in customers for invoice in customer.invoices]

    def in_state(state: InvoiceState) -> list[Invoice]:
        return [invoice for invoice in invoices if invoice.state is state]

    return (
        {state: len(in_state(state)) for state in InvoiceState},
        {state: sum((each.total for each in in_state(state)), Decimal(0)) for state in InvoiceState},
        {invoice.id for invoice in invoices if invoice.is_outstanding},
    )


def kept(totals: Totals, state: State, product: Product) -> Count:
    totals.refresh(state)
    books = totals.of(product)
    assert books.customers == len(list(state.customers(product)))
    return dict(books.counts), dict(books.totals), set(books.waiting)


class Booking(Commands):
    """All that happens to customers, with books that are kept beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.totals = Totals()
        for code in ("TEN", "HALF"):
            coupon = Coupon(self.world.state.ids.next(), code, START)
            percent = Decimal(10 if code == "TEN" else 50)
            self.world.product.promotions[code] = Promotion(
                self.world.state.ids.next(), 1, code, "", percent, START, coupons=(coupon,)
            )

    @rule(who=st.integers(0, 2), rate=st.sampled_from(["0", "0.0825", "0.2"]), exempt=st.booleans())
    def tax(self, who: int, rate: str, exempt: bool) -> None:
        signup.edit_customer(
            self.world.state,
            self.pick(who),
            details={"taxRate": rate},
            meta_data={},
            at=self.world.now,
            tax_rate=Decimal(rate),
            is_tax_exempt=exempt,
        )

    @rule(who=st.integers(0, 2), coupon=st.sampled_from(["TEN", "HALF"]))
    def redeem(self, who: int, coupon: str) -> None:
        self.attempt(self.pick(who), subscriptions.change, coupon=coupon)

    @rule(who=st.integers(0, 2))
    def card_expires(self, who: int) -> None:
        self.attempt(self.pick(who), subscriptions.change, payment=self.world.card(self.world.now.date()))

    @rule(who=st.integers(0, 2), which=st.integers(0, 9))
    def void(self, who: int, which: int) -> None:
        invoice = self.pick(who).invoices[which % len(self.pick(who).invoices)]
        self.attempt(self.pick(who), lambda state, _, at: payments.void(state, invoice, at))

    @rule()
    def delete_all(self) -> None:
        signup.delete_all(self.world.state, self.world.product, self.world.now)
        self.new_customer("FLAT", None)

    @invariant()
    def totals_are_what_a_count_gives(self) -> None:
        expected = counted(self.customers)
        assert kept(self.totals, self.world.state, self.world.product) == expected
        for customer in self.customers:
            self.world.state.touch(customer)
        assert kept(Totals(), self.world.state, self.world.product) == expected
        # What the others have taken is theirs no more: the kept ones are told again.
        for customer in self.customers:
            self.world.state.touch(customer)


Booking.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestBooking = Booking.TestCase


def test_what_a_refused_command_has_done_is_counted_too() -> None:
    world = World()
    totals = Totals()

    def count(state: str) -> int:
        return kept(totals, world.state, world.product)[0][state]

    world.listen("http://a", status=500)
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    world.advance(START.replace(month=2) - START)
    assert count("held") == 1
    subscriptions.cancel(world.state, customer, world.now)
    customer.subscription.payment = None
    with pytest.raises(Refusal):
        billing.run_outstanding(world.state, customer, world.now)
    assert count("held") == 0
    assert count("unpaid") == 1


@pytest.fixture
def customers() -> list[dict[str, str]]:
    return [{"code": f"C{number}", "planCode": "GLOW"} for number in range(3)]


def of(mock: Mock) -> Iterator[tuple[Count, Count]]:
    for product in mock.state.products.values():
        yield kept(mock.totals, mock.state, product), counted(list(mock.state.customers(product)))


def test_totals_are_right_after_calls_a_catalogue_deleting_everybody_a_restore_and_a_reset(
    customers: list[dict[str, str]],
) -> None:
    with serve(catalog(customers=customers)) as server:
        api = Api(server)

        def check(current: int) -> None:
            ((found, expected),) = server.call(lambda: list(of(server.mock)))
            assert found == expected
            assert found[0]["open"] == current

        check(3)
        api.subscribe("ida")
        server.advance("40d")
        check(4)
        snapshots = f"{server.url}/_mock/snapshots"
        assert httpx.post(snapshots, json={"name": "full"}, timeout=60).is_success
        api.call("customers/delete-all", confirm=str(int(time.time())))
        check(0)
        assert httpx.post(f"{snapshots}/full/restore", timeout=60).is_success
        check(4)
        api.call("customers/delete-all", confirm=str(int(time.time())))
        check(0)
        api.subscribe("late")
        check(1)
        server.reset()
        check(3)


def test_deliveries_are_counted_as_the_log_has_them() -> None:
    hooks = Hooks(Ids(), kept=2)
    listeners = [hooks.listen("ACME", f"http://{name}") for name in "ab"]
    at = START

    def check() -> None:
        found: dict[tuple[int, str], int] = {}
        for hook in hooks.log.values():
            for delivery in hook.deliveries:
                key = (delivery.listener.id, delivery.state)
                found[key] = found.get(key, 0) + 1
        assert {key: count for key, count in hooks.counts.items() if count} == found
        about = {(hook.product, hook.customer) for hook in hooks.log.values()}
        for product, customer in about | {("ACME", f"C{number}") for number in range(3)}:
            assert list(hooks.about(product, customer)) == [
                hook for hook in hooks.log.values() if (hook.product, hook.customer) == (product, customer)
            ]

    for number in range(9):
        sent = hooks.send("transaction", "ACME", f"C{number % 3}", 0, b"{}", at)
        assert sent is not None
        check()
        for delivery in hooks.due(at):
            check()
            status = 500 if number == 4 and delivery.listener is listeners[1] else 200
            hooks.record(delivery, Attempt(at, status, 0.0))
            check()
        if number == 5:
            hooks.replay(sent.deliveries[0], at)
            check()
        if number == 6:
            hooks.retry(sent.deliveries[0], at)
            check()
    hooks.forget(listeners[1])
    check()
