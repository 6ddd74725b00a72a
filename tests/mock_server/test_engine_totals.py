"""What a total takes into account besides its charges: tax, and how often a coupon may be redeemed."""

from decimal import Decimal

import pytest

from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.systems.cheddar import signup, subscriptions
from tallyhook_mock.systems.cheddar.products import Coupon, Promotion
from tallyhook_mock.systems.cheddar.refusal import Refusal

from .engine_world import DAY, HOUR, START, World


def test_an_open_invoice_expects_the_tax_of_the_customer_and_a_closed_one_keeps_its_rate() -> None:
    world = World()
    world.product.bill_reminder_days = (1,)
    customer = world.customer("C1", world.plan("FLAT", "20.00"), tax_rate=Decimal("0.0825"))
    current = customer.subscription.current
    assert current is not None
    assert (current.tax, current.total) == (Decimal("1.65"), Decimal("21.65"))
    world.advance(add_months(START, 1) - HOUR)
    assert [event.note for event in world.events if event.kind == "billReminder"] == ["21.65 due 2026-02-01"]
    customer.is_tax_exempt = True
    assert current.total == Decimal("20.00")
    customer.is_tax_exempt, customer.tax_rate = False, Decimal("0.10")
    assert current.total == Decimal("22.00")
    world.advance(DAY)
    customer.tax_rate = Decimal("0.5")
    assert [(made.total, made.collected) for made in customer.invoices[:2]] == [
        (Decimal("21.65"), Decimal("21.65")),
        (Decimal("22.00"), Decimal("22.00")),
    ]


def test_a_coupon_is_redeemed_as_often_as_it_allows() -> None:
    world = World()
    ids = world.state.ids
    coupons = (Coupon(ids.next(), "TWICE", START, max_redemptions=2), Coupon(ids.next(), "ALWAYS", START))
    world.product.promotions["Half"] = Promotion(
        ids.next(), ids.next(), "Half", "", Decimal(50), START, coupons=coupons
    )
    plan = world.plan("FLAT", "20.00")
    with pytest.raises(Refusal, match="declined"):
        world.customer("C0", plan, coupon="TWICE", payment=world.card(zip_code="06000"))
    first = world.customer("C1", plan, coupon="TWICE")
    signup.delete_customer(world.state, first, world.now)  # a coupon stays redeemed
    second = world.customer("C2", plan)
    subscriptions.change(world.state, second, coupon="TWICE", at=world.now)
    with pytest.raises(Refusal, match="'TWICE' is not a valid coupon code"):
        world.customer("C3", plan, coupon="TWICE")
    with pytest.raises(Refusal, match="'TWICE' is not a valid coupon code"):
        subscriptions.change(world.state, second, coupon="TWICE", at=world.now)
    for number in range(3):
        world.customer(f"D{number}", plan, coupon="ALWAYS")
