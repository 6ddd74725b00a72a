"""An app that uses every public part with its types, for the type checkers: nothing in here is run.

Each `assert_type` is what an editor would show. mypy --strict and pyright read this file in `make lint`.
"""

from datetime import timedelta
from decimal import Decimal
from typing import TypedDict, assert_type

from tallyhook import AsyncClient, Client, Customer, Id, Invoice, InvoicePeriod, Plan, cleverbridge, events
from tallyhook.cheddar.hooks import SubscriptionBillable
from tallyhook.cheddar.models import Charge, Item, Subscription
from tallyhook.review import Changes, Outcome, Period, Review, compare
from tallyhook_mock import (
    Fault,
    FaultKind,
    Life,
    Mode,
    Server,
    serve,
)
from tallyhook_receiver import Cheddar, Cleverbridge, Event, Notification, NotYet, Receiver, StandardWebhooks

client = AsyncClient("ACME", "ops@example.com", "password")
product = Cheddar("ACME", "the secret key", client)
receiver = Receiver(product, inbox="inbox.sqlite", max_age=timedelta(days=2))


@receiver.review
async def audit(review: Review) -> None:
    assert_type(review.customer, Customer)
    assert_type(review.period, Period)
    if not review.customer.code:
        raise NotYet(60)
    review.set_quantity("GB", Decimal("12.5"))
    review.charge("SETUP", Decimal("10.00"), "a desk")
    review.credit("SORRY", "5.00", "slow on the 16th")
    review.run_when_done()


@receiver.on(SubscriptionBillable)
async def billable(hook: SubscriptionBillable) -> None:
    assert_type(hook.subscription, Subscription)
    assert_type(hook.customer.code, str)


@receiver.on("somethingNew")
def anything(hook: events.Hook) -> None:
    assert_type(hook.activity_type, str)


class Reading(TypedDict):
    gigabytes: int


@receiver.on("meter.read", source=StandardWebhooks("meters", "whsec_AAECAwQFBgcICQoLDA0ODw=="))
async def read(event: Event[Reading]) -> None:
    assert_type(event.payload["gigabytes"], int)


@receiver.on("PaidOrderNotification")
def ordered(event: Event[Notification]) -> None:
    assert_type(event.payload.subscriptions, tuple[cleverbridge.Subscription, ...])


@receiver.review("ACME")
def one(review: Review) -> None:
    assert_type(review.customer, Customer)


notifications = Cleverbridge("cb", cleverbridge.AsyncClient("user", "pw"), networks=["192.0.2.0/24"])


def plain() -> None:
    with Client("ACME", "ops@example.com", "password") as client:
        assert_type(client.get_customer("C1"), Customer)
        assert_type(client.get_customer(Id("0f0f")), Customer)
        assert_type(client.get_plans(), tuple[Plan, ...])
        customer = client.set_item_quantity("C1", "GB", Decimal(3), invoice_period=InvoicePeriod.OUTSTANDING)
        assert_type(customer.subscription, Subscription)
        assert_type(customer.subscription.items, tuple[Item, ...])
        assert_type(customer.subscription.outstanding_invoice, Invoice | None)
        for charge in customer.subscription.invoices[0].charges:
            assert_type(charge, Charge)
            assert_type(charge.amount, Decimal)


async def asynchronous() -> Changes:
    """A review without a hook: what a scheduled job does."""
    async with client:
        customer = await client.get_customer("C1")
        assert_type(customer, Customer)
        assert_type(await client.get_plans(), tuple[Plan, ...])
        review = Review.of(customer)
        review.set_quantity("GB", 3)
        outcome = await review.aapply(client)
        assert_type(outcome, Outcome)
        return compare(review, customer)


def mocked() -> None:
    with serve(start="2026-01-01T00:00:00Z") as server:
        assert_type(server, Server)
        assert_type(server.advance("1mo")["transaction"], int)
        assert_type(server.timeline("C1"), Life)
        server.fault(Fault(FaultKind.DROP_AFTER, action="customers/add-charge"))
        assert_type(server.mock.clock.mode, Mode)
