"""Each type of hook when its event occurs, sent over HTTP and decoded by the client."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from tests.end_to_end.wire import PASSWORD, SECRET, USER, Wire, card
from tests.mock_server.loopback import Received, listening

from tallyhook import events, signing
from tallyhook_mock import Server, serve

PLANS = [
    {
        "code": "NEST",
        "recurringChargeAmount": "20.00",
        "items": [{"code": "EGG", "quantityIncluded": 2, "overageAmount": "2.50", "isPeriodic": True}],
    },
    {"code": "LOFT", "recurringChargeAmount": "35.00"},
]
PRODUCT = {"code": "DOVE", "secret": SECRET, "billReminderDays": [7, 2], "plans": PLANS}
CATALOG = {"users": [{"email": USER, "password": PASSWORD}], "products": [PRODUCT]}


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG) as running:
        yield running


@pytest.fixture
def nobody(server: Server) -> Iterator[Wire]:
    wire = Wire(server, "DOVE")
    with wire.client:
        yield wire


@pytest.fixture
def wire(nobody: Wire) -> Wire:
    nobody.client.new_customer("D1", "Ada", "Dove", "ada@dove.example", "NEST", payment=card())
    return nobody


@contextmanager
def hooks(wire: Wire, *types: str) -> Iterator[list[events.Hook]]:
    """Collects the hooks of these types, verified and decoded. The list is filled when the block ends."""
    heard: list[Received] = []
    decoded: list[events.Hook] = []

    def hear(received: Received) -> int:
        heard.append(received)
        return 200

    with listening(hear) as listener:
        wire.server.listen(listener.url, types)
        yield decoded
        wire.server.settle()
    for received in heard:
        assert signing.verify(received.body, received.headers["x-cg-signature"], SECRET)
        decoded.append(events.decode(received.body))


def test_a_new_subscription(nobody: Wire) -> None:
    with hooks(nobody, "newSubscription") as heard:
        made = nobody.client.new_customer("D2", "Bo", "Dove", "bo@dove.example", "NEST", payment=card())
    (hook,) = heard
    assert type(hook) is events.NewSubscription
    assert (hook.customer.code, hook.customer.id, hook.activity_actor) == ("D2", made.id, USER)
    assert hook.subscription.plan.code == "NEST"
    assert hook.subscription.invoice is not None
    assert (hook.subscription.invoice.is_initial, hook.subscription.invoice.is_paid) == (True, True)


def test_a_change_names_the_subscription_before(wire: Wire) -> None:
    before = wire.client.get_customer("D1").subscription
    with hooks(wire, "subscriptionChanged") as heard:
        wire.client.edit_subscription("D1", plan_code="LOFT")
    (hook,) = heard
    assert type(hook) is events.SubscriptionChanged
    assert hook.subscription.plan.code == "LOFT"
    assert (hook.previous_subscription.id, hook.previous_subscription.plan.code) == (before.id, "NEST")


def test_a_cancellation(wire: Wire) -> None:
    with hooks(wire, "subscriptionCanceled") as heard:
        wire.client.cancel("D1")
    (hook,) = heard
    assert type(hook) is events.SubscriptionCanceled
    assert (hook.subscription.cancel_type, hook.subscription.canceled_datetime) == (
        "customer",
        wire.server.now,
    )


def test_a_cancellation_for_want_of_payment_is_the_engines(wire: Wire) -> None:
    with hooks(wire, "subscriptionCanceled") as heard:
        wire.server.decline("D1", 5)
        wire.server.advance("1mo8d")
    (hook,) = heard
    assert (hook.activity_actor, hook.subscription.cancel_type) == ("system", "non-payment")


def test_a_reactivation(wire: Wire) -> None:
    wire.client.cancel("D1")
    with hooks(wire, "subscriptionReactivated") as heard:
        wire.client.edit_subscription("D1", payment=card(cc_number="370000000000002"))
    (hook,) = heard
    assert type(hook) is events.SubscriptionReactivated
    assert hook.subscription.canceled_datetime is None
    assert hook.subscription.cc_last_four == "0002"


def test_a_deletion_tells_no_customer(wire: Wire) -> None:
    with hooks(wire, "customerDeleted") as heard:
        wire.client.delete_customer("D1")
    (hook,) = heard
    assert type(hook) is events.CustomerDeleted
    assert set(hook.customer.raw.values()) == {""}
    assert "subscription" not in hook.raw


def test_a_transaction_is_told_when_it_is_executed_and_when_it_is_settled(wire: Wire) -> None:
    with hooks(wire, "transaction") as heard:
        wire.server.advance("1mo")
        wire.server.advance("1d")
    executed, settled = heard
    assert type(executed) is events.TransactionHook
    assert executed.activity_datetime is not None
    assert settled.activity_datetime is not None
    assert (settled.activity_datetime - executed.activity_datetime).days == 1
    assert executed.subscription.invoice is not None
    assert settled.subscription.invoice == executed.subscription.invoice
    (made,) = executed.subscription.invoice.transactions
    assert (made.amount, made.response) == (Decimal("20.00"), "approved")


def test_a_decline_is_a_transaction_too_and_is_never_settled(wire: Wire) -> None:
    with hooks(wire, "transaction") as heard:
        wire.server.decline("D1", 1)
        wire.server.advance("1mo")
        wire.server.advance("1d")
    (hook,) = heard
    assert hook.subscription.invoice is not None
    assert [made.response for made in hook.subscription.invoice.transactions] == ["declined"]


def test_a_billable_invoice_carries_the_quantities_of_its_period(wire: Wire) -> None:
    with hooks(wire, "subscriptionBillable") as heard:
        wire.client.set_item_quantity("D1", "EGG", "4.5")
        wire.server.advance("1mo")
    (hook,) = heard
    assert type(hook) is events.SubscriptionBillable
    invoice = hook.subscription.invoice
    assert invoice is not None
    assert [(item.code, item.quantity) for item in invoice.items] == [("EGG", Decimal("4.5"))]
    assert (invoice.is_paid, invoice.billing_datetime) == (False, wire.server.now)
    assert invoice.total == Decimal("26.25")


def test_a_bill_is_announced_up_to_two_times_with_the_total_to_expect(wire: Wire) -> None:
    with hooks(wire, "billReminder") as heard:
        wire.server.advance_to("2026-01-26")
        wire.client.set_item_quantity("D1", "EGG", 4)
        wire.server.advance("33d")
    first, second, *next_month = heard
    assert type(first) is events.BillReminder
    told = [
        (str(hook.activity_datetime)[:10], hook.subscription.invoice.transactions[0].amount)
        for hook in (first, second)
        if hook.subscription.invoice
    ]
    assert told == [("2026-01-25", Decimal("20.00")), ("2026-01-30", Decimal("25.00"))]
    assert len(next_month) == 2
