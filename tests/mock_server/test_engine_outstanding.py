"""What is outstanding, and what becomes of it when a subscription ends and begins again."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

import pytest
from msgspec.structs import replace

from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.systems.cheddar import billing, charges, subscriptions, usage
from tallyhook_mock.systems.cheddar.charges import NewCharge
from tallyhook_mock.systems.cheddar.model import (
    CREDIT_FORWARD,
    Customer,
    InvoiceState,
    InvoiceType,
    PaymentMethod,
)
from tallyhook_mock.systems.cheddar.refusal import Refusal

from .cheddar_face import CARD, Face
from .cheddar_face import START as FACE_START
from .engine_world import DAY, HOUR, START, World

SECOND_MONTH = add_months(START, 1)
CARD_AGAIN = {name[len("subscription[") : -1]: value for name, value in CARD.items()}


def test_a_declined_one_time_invoice_stands_behind_the_period_that_ended() -> None:
    world = World()
    customer = world.customer("C1", world.plan("ONE", "20.00", items={"GB": ("2", "2.50")}))
    customer.declines = 1
    with pytest.raises(Refusal, match="declined"):
        charges.one_time_invoice(
            world.state, customer, [NewCharge("ONCE", Decimal(1), Decimal(9))], world.now
        )
    once = customer.subscription.outstanding
    assert once is not None
    assert once.type is InvoiceType.ONE_TIME
    # It bills no period, so there is nothing on it that could be counted.
    with pytest.raises(Refusal, match="No outstanding invoice found"):
        usage.set_quantity(world.state, customer, "GB", Decimal(5), outstanding=True, at=world.now)
    assert once.usage == {}
    world.listen("http://a", status=500)
    world.advance(SECOND_MONTH + DAY)
    held = customer.subscription.outstanding
    assert held is not None
    assert (held.type, held.state) == (InvoiceType.SUBSCRIPTION, InvoiceState.HELD)
    usage.set_quantity(world.state, customer, "GB", Decimal(5), outstanding=True, at=world.now)
    assert held.total == Decimal("27.50")
    billing.run_outstanding(world.state, customer, world.now)
    assert customer.subscription.outstanding is once


def test_a_one_time_invoice_is_not_tried_again_and_costs_nobody_the_subscription() -> None:
    world = World()
    plan = world.plan("OPEN", "0.00", is_free=True)
    charge = NewCharge("ONCE", Decimal(1), Decimal(9))
    unable, declined = world.customer("C1", plan, payment=None), world.customer("C2", plan)
    declined.declines = 1
    for customer in (unable, declined):
        with pytest.raises(Refusal, match="declined"):
            charges.one_time_invoice(world.state, customer, [charge], world.now)
    world.advance(timedelta(days=20))
    for customer, tries in ((unable, 0), (declined, 1)):
        once = customer.subscription.outstanding
        assert once is not None
        assert len(once.transactions) == tries
        assert not customer.subscription.is_canceled
        subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
        assert once.collected == Decimal("9.00")


def test_the_period_that_ended_counts_the_items_of_the_plan_it_was_on() -> None:
    face = Face()
    customer = face.customer()
    face.state.hooks.listen("HARBOUR", "http://a")
    face.play(add_months(face.now, 1))
    assert face.on("customers/edit-subscription", "M1", {"planCode": "BUOY"}).status == 200
    held = {"itemCode": "crane", "quantity": "7"}
    assert face.on("customers/set-item-quantity", "M1", held).error == (
        404,
        "Item not found (code=crane)",
        "",
    )
    held["invoicePeriod"] = "outstanding"
    assert face.on("customers/set-item-quantity", "M1", held).status == 200
    invoice = customer.subscription.outstanding
    assert invoice is not None
    assert invoice.total == Decimal("32.50")  # 20.00, and 5 × 2.50 above the 2 included


def test_a_credit_from_the_time_of_a_cancellation_is_on_the_invoice_that_goes_on() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    subscriptions.cancel(world.state, customer, world.now)
    charges.one_time_invoice(world.state, customer, [NewCharge("SORRY", Decimal(1), Decimal(-5))], world.now)
    assert customer.carried == ()  # the pending invoice is still there to take it
    subscriptions.change(world.state, customer, payment=world.card(), at=world.now + DAY)
    current = customer.subscription.current
    assert current is not None
    assert [charge.code for charge in current.charges] == [CREDIT_FORWARD]
    assert (current.total, customer.carried) == (Decimal("15.00"), ())


def test_lasting_counters_carry_over_a_cancellation_and_periodic_ones_do_not() -> None:
    for periodic, expected in ((False, Decimal(3)), (True, Decimal(0))):
        world = World()
        plan = world.plan("SEATS", "20.00", items={"seat": ("5", "10.00")}, periodic=periodic)
        customer = world.customer("C1", plan)
        usage.set_quantity(world.state, customer, "seat", Decimal(3), outstanding=False, at=world.now)
        subscriptions.cancel(world.state, customer, world.now)
        world.advance(timedelta(days=100))
        subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
        current = customer.subscription.current
        assert current is not None
        assert current.previous_at == world.now
        assert current.quantity("seat") == expected


def test_what_becomes_due_after_a_cancellation_waits_until_it_is_run() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    new = NewCharge("EXTRA", Decimal(1), Decimal(4))
    charges.add_charge(world.state, customer, new, outstanding=False, at=world.now)
    subscriptions.cancel(world.state, customer, world.now)
    world.advance(SECOND_MONTH + HOUR)
    waiting = customer.subscription.outstanding
    assert waiting is not None
    assert (waiting.state, waiting.total) == (InvoiceState.LAPSED, Decimal("24.00"))
    billing.run_outstanding(world.state, customer, world.now)
    assert (waiting.state, waiting.collected) == (InvoiceState.PAID, Decimal("24.00"))
    assert not customer.subscription.is_canceled
    assert customer.subscription.current is not None
    assert customer.subscription.current.billing_at == add_months(world.now, 1)


@pytest.mark.parametrize("rule", ["each", "one"])
@pytest.mark.parametrize(
    ("is_waived", "later", "collected"),
    [
        (False, None, "24.00"),
        (True, None, "20.00"),
        (True, "3.00", "23.00"),
        (True, "-3.00", "17.00"),
    ],
)
def test_a_late_reactivation_takes_custom_charges_over_and_neither_usage_nor_what_was_waived(
    rule: Literal["each", "one"], is_waived: bool, later: str | None, collected: str
) -> None:
    world = World()
    world.product.rules = replace(world.product.rules, waived_by=rule)
    customer = world.customer("C1", world.plan("FLAT", "20.00", items={"GB": ("0", "2.00")}))
    usage.set_quantity(world.state, customer, "GB", Decimal(3), outstanding=False, at=world.now)
    new = NewCharge("EXTRA", Decimal(1), Decimal(4))
    charges.add_charge(world.state, customer, new, outstanding=False, at=world.now)
    subscriptions.cancel(world.state, customer, world.now)
    world.advance(SECOND_MONTH + DAY)
    waiting = customer.subscription.outstanding
    assert waiting is not None
    assert waiting.total == Decimal("30.00")
    if is_waived:
        billing.waive(world.state, waiting, world.now)
        assert waiting.total == 0
    if later is not None:
        new = NewCharge("LATER", Decimal(1), Decimal(later))
        charges.add_charge(world.state, customer, new, outstanding=True, at=world.now)
    subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
    assert (waiting.state, waiting.collected) == (InvoiceState.PAID, Decimal(collected))


@pytest.mark.parametrize("amount", ["-7.50", "7.50"])
@pytest.mark.parametrize("description", ["Waived", "waived", ""])
@pytest.mark.parametrize(
    "again", [CARD_AGAIN, {"changeBillDate": "now"}, {"planCode": "JETTY", **CARD_AGAIN}]
)
def test_a_late_reactivation_takes_a_charge_over_however_it_is_described(
    amount: str, description: str, again: dict[str, str]
) -> None:
    face = Face()
    customer = face.customer()
    added = {"chargeCode": "OIL", "quantity": "1", "eachAmount": amount, "description": description}
    assert face.on("customers/add-charge", "M1", added).status == 200
    face.on("customers/cancel", "M1")
    face.play(FACE_START + 40 * DAY)
    assert face.on("customers/edit-subscription", "M1", again).status == 200
    lines = [line for made in customer.invoices for line in made.lines() if line.code == "OIL"]
    assert [(line.amount, line.description) for line in lines] == [(Decimal(amount), description)]


def test_a_bill_date_in_the_future_reopens_what_lapsed_and_leaves_it_canceled() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    subscriptions.cancel(world.state, customer, world.now)
    world.advance(SECOND_MONTH + DAY)
    later = world.now + 5 * DAY
    subscriptions.change(world.state, customer, change_bill_date=later, at=world.now)
    assert customer.subscription.is_canceled
    current = customer.subscription.current
    assert current is not None
    assert (current.billing_at, current.total) == (later, Decimal("20.00"))


def test_a_transaction_keeps_the_payment_method_by_which_it_was_made() -> None:
    world = World()
    first, later = world.card(), PaymentMethod(world.state.ids.next(), "paypal", START, {})
    customer = world.customer("C1", world.plan("FLAT", "20.00"), payment=first)
    subscriptions.change(world.state, customer, payment=later, at=world.now)
    world.advance(SECOND_MONTH + HOUR)
    assert [made.payment for invoice in customer.invoices for made in invoice.transactions] == [first, later]


# -- reactivation by a change of plan, or by a run


DEAR = {"chargeCode": "MAST", "quantity": "1", "eachAmount": "90.00"}


def told(customer: Customer) -> list[tuple[int, str, Decimal]]:
    """Number, state and collected amount of a customer's invoices."""
    return sorted((made.number, made.state.value, made.collected) for made in customer.invoices)


@pytest.mark.parametrize("more", [{}, {"changeBillDate": "now"}, {"changeBillDate": "2026-03-25T12:00:00Z"}])
@pytest.mark.parametrize(("old", "new"), [("JETTY", "QUAY"), ("QUAY", "JETTY"), ("BUOY", "QUAY")])
def test_a_plan_that_wakes_before_the_bill_date_bills_as_if_nothing_was_canceled(
    old: str, new: str, more: dict[str, str]
) -> None:
    face = Face()
    canceled = face.customer("M1", **{"subscription[planCode]": old})
    active = face.customer("M2", **{"subscription[planCode]": old})
    face.play(FACE_START + 10 * DAY)
    assert face.on("customers/cancel", "M1").status == 200
    face.play(FACE_START + 15 * DAY)
    for code in ("M1", "M2"):
        assert face.on("customers/edit-subscription", code, {"planCode": new, **more}).status == 200
    assert not canceled.subscription.is_canceled
    face.play(FACE_START + 60 * DAY)
    billed = [
        [(made.billing_at, made.collected, [line.amount for line in made.lines()]) for made in each.invoices]
        for each in (canceled, active)
    ]
    assert billed[0] == billed[1]
    assert not any(each.is_canceled for each in canceled.subscriptions)


@pytest.mark.parametrize(
    ("old", "new", "declines", "canceled", "woken"),
    [
        ("JETTY", "QUAY", 0, 10, 15),
        ("QUAY", "JETTY", 0, 10, 15),
        ("BUOY", "QUAY", 0, 10, 15),
        ("JETTY", "QUAY", 0, 10, 45),
        ("BUOY", "QUAY", 0, 10, 45),
        ("JETTY", "QUAY", 1, 32, 33),
        ("JETTY", "QUAY", 1, 32, 75),
    ],
)
def test_a_plan_that_wakes_is_told_as_a_reactivation_and_then_a_change(
    old: str, new: str, declines: int, canceled: int, woken: int
) -> None:
    face = Face()
    customer = face.customer(**{"subscription[planCode]": old})
    customer.declines = declines
    face.play(FACE_START + canceled * DAY)
    face.on("customers/cancel", "M1")
    face.play(FACE_START + woken * DAY)
    face.events.clear()
    assert face.on("customers/edit-subscription", "M1", {"planCode": new}).status == 200
    kinds = [event.kind for event in face.events if event.kind.startswith("subscription")]
    assert kinds == ["subscriptionReactivated", "subscriptionChanged"]


@pytest.mark.parametrize("card", [{}, CARD_AGAIN])
def test_a_declined_change_of_plan_wakes_nobody(card: dict[str, str]) -> None:
    face = Face()
    customer = face.customer(**{"subscription[planCode]": "JETTY"})
    face.on("customers/add-charge", "M1", DEAR)
    face.play(FACE_START + 10 * DAY)
    face.on("customers/cancel", "M1")
    face.events.clear()
    customer.declines = 1
    answer = face.on("customers/edit-subscription", "M1", {"planCode": "QUAY", **card})
    assert answer.error == (422, "The transaction was declined", "6000")
    assert (customer.subscription.plan.code, customer.subscription.is_canceled) == ("JETTY", True)
    assert "subscriptionReactivated" not in [event.kind for event in face.events]
    face.play(FACE_START + 60 * DAY)
    assert told(customer) == [(1, "paid", Decimal("35.00")), (2, "lapsed", Decimal(0))]


def test_an_owed_invoice_that_is_paid_wakes_even_if_the_change_of_plan_is_declined() -> None:
    face = Face()
    customer = face.customer(**{"subscription[planCode]": "JETTY"})
    customer.declines = 1
    face.play(FACE_START + 31 * DAY)
    face.on("customers/cancel", "M1")
    assert face.post("invoices/waive", {"number": "2"}).status == 200
    face.on("customers/add-charge", "M1", DEAR)
    customer.declines = 1
    refused = face.on("customers/edit-subscription", "M1", {"planCode": "QUAY", **CARD_AGAIN})
    assert refused.status == 422
    assert (customer.subscription.plan.code, customer.subscription.is_canceled) == ("JETTY", False)
    assert told(customer)[:2] == [(1, "paid", Decimal("35.00")), (2, "paid", Decimal("0.00"))]


@pytest.mark.parametrize("at_once", [True, False])
def test_after_the_bill_date_the_owed_invoice_is_of_the_old_plan_and_the_new_one_prorates(
    at_once: bool,
) -> None:
    face = Face()
    customer = face.customer(**{"subscription[planCode]": "JETTY"})
    customer.declines = 5
    face.play(FACE_START + 70 * DAY)
    assert customer.subscription.is_canceled
    if at_once:
        face.on("customers/edit-subscription", "M1", {"planCode": "QUAY", **CARD_AGAIN})
    else:
        face.on("customers/edit-subscription", "M1", CARD_AGAIN)
        face.on("customers/edit-subscription", "M1", {"planCode": "QUAY"})
    paid = [(made.number, made.collected, made.balance) for made in customer.invoices if made.collected]
    assert sorted(paid) == [(1, Decimal(35), Decimal(35)), (2, Decimal(35), Decimal(35))]
    [change] = [made for made in customer.invoices if made.number == 3]
    assert (change.state, change.balance) == (InvoiceState.PAID, Decimal(-15))  # 20.00 less 35.00


@pytest.mark.parametrize(("plan", "first"), [("JETTY", "35.00"), ("QUAY", "20.00")])
def test_a_one_time_invoice_that_is_run_is_not_the_first_bill_of_a_new_sign_up(plan: str, first: str) -> None:
    face = Face()
    customer = face.customer(**{"subscription[planCode]": plan})
    customer.declines = 1
    charge = {"charges[0][chargeCode]": "ROPE", "charges[0][quantity]": "1", "charges[0][eachAmount]": "5.00"}
    assert face.on("invoices/new", "M1", charge).status == 422
    face.on("customers/cancel", "M1")
    face.play(FACE_START + 45 * DAY)
    assert face.post("invoices/run", {"number": "3"}).status == 200
    assert not customer.subscription.is_canceled
    assert told(customer)[1:3] == [(2, "paid", Decimal(first)), (3, "paid", Decimal("5.00"))]


# -- quantities of a sign-up that waits for PayPal


PAYPAL = {
    **{name: None for name in CARD if name.startswith("subscription[cc")},
    "subscription[method]": "paypal",
    "subscription[ccFirstName]": "Grace",
    "subscription[ccLastName]": "Møller",
    "subscription[returnUrl]": "https://harbour.example/back",
    "subscription[cancelUrl]": "https://harbour.example/off",
}
USED = {
    "items[0][itemCode]": "crane",
    "items[0][quantity]": "6",
    "items[1][itemCode]": "ropes",
    "items[1][quantity]": "3",
}


def paypal_face() -> Face:
    """A face whose plans also count `ropes`, which carry over."""
    face = Face()
    product = face.state.products["HARBOUR"]
    for code, overage in (("QUAY", "1.00"), ("JETTY", "1.50")):
        at_once = {"items[0][code]": "crane", "items[0][quantityIncluded]": "2", "items[0][isPeriodic]": "1"}
        kept = {"items[1][code]": "ropes", "items[1][overageAmount]": overage}
        fields = {"code": code, "items[0][overageAmount]": "2.50", **at_once, **kept}
        assert face.post("plans/edit", fields).status == 200
        assert [each.is_periodic for each in product.plans[code].items] == [True, False]
    return face


@pytest.mark.parametrize("how", ["agrees", "card", "card and plan", "card and plan now", "reverted"])
@pytest.mark.parametrize("counted", ["at sign-up", "while waiting"])
def test_quantities_of_a_sign_up_by_paypal_are_those_of_the_first_period(how: str, counted: str) -> None:
    face = paypal_face()
    customer = face.customer(**PAYPAL, **(USED if counted == "at sign-up" else {}))
    if counted == "while waiting":
        for item, quantity in (("crane", "6"), ("ropes", "3")):
            given = {"itemCode": item, "quantity": quantity}
            assert face.on("customers/set-item-quantity", "M1", given).status == 200
    asked = customer.subscription.current
    assert asked is not None
    assert asked.total == Decimal("20.00")
    face.play(FACE_START + 1 * HOUR)
    match how:
        case "agrees":
            subscriptions.approve_paypal(face.state, customer, face.now)
        case "reverted":
            assert face.on("customers/paypal-revert", "M1").status == 200
            face.play(FACE_START + 1 * DAY)
            face.on("customers/edit-subscription", "M1", CARD_AGAIN)
        case _:
            more = {"planCode": "JETTY"} if "plan" in how else {}
            more |= {"changeBillDate": "now"} if "now" in how else {}
            assert face.on("customers/edit-subscription", "M1", {**CARD_AGAIN, **more}).status == 200
    assert not customer.subscription.is_canceled
    recurring, each = (Decimal(35), Decimal("1.50")) if "plan" in how else (Decimal(20), Decimal(1))
    first, second = sorted(customer.invoices, key=lambda made: made.number)
    assert (first.collected, second.total) == (recurring, recurring + 4 * Decimal("2.50") + 3 * each)
    face.play(second.billing_at)
    assert second.collected == recurring + 10 + 3 * each
    current = customer.subscription.current
    assert current is not None
    assert current.total == recurring + 3 * each


def test_usage_of_a_trial_that_waited_for_paypal_is_billed_after_it() -> None:
    face = paypal_face()
    customer = face.customer(**PAYPAL, **USED, **{"subscription[initialBillDate]": "2026-03-08T12:00:00Z"})
    face.play(FACE_START + 9 * DAY)
    subscriptions.approve_paypal(face.state, customer, face.now)
    assert [made.collected for made in customer.invoices if made.state is InvoiceState.PAID] == [Decimal(33)]


def test_a_plan_that_billed_only_once_does_not_bill_its_usage_again() -> None:
    world = World()
    items = {"SEAT": ("0", "4.00")}
    once = world.plan("ONCE", "9.00", "none", items, periodic=False, trial_days=10)
    more = world.plan("MORE", "20.00", items=items, periodic=False, on_change_initial_bill_handler="now")
    customer = world.customer("C1", once, items={"SEAT": Decimal(2)})
    world.advance(20 * DAY)
    subscriptions.change(world.state, customer, plan=more, at=world.now)
    paid = [made.collected for made in sorted(customer.invoices, key=lambda made: made.number)]
    assert paid == [Decimal(17), Decimal(20), Decimal(0)]
    assert customer.subscription.current is not None
    assert customer.subscription.current.total == Decimal(28)


def test_counters_that_last_stay_if_a_prorated_change_drops_the_overage() -> None:
    world = World()
    world.product.rules = replace(world.product.rules, prorated_overage="dropped")
    items = {"SEAT": ("0", "4.00")}
    small = world.plan("SMALL", "10.00", items=items, periodic=False)
    large = world.plan("LARGE", "30.00", items=items, periodic=False, on_change_initial_bill_handler="now")
    customer = world.customer("C1", small, items={"SEAT": Decimal(2)})
    subscriptions.change(world.state, customer, plan=large, at=world.now)
    assert customer.subscription.current is not None
    assert customer.subscription.current.total == Decimal(38)
