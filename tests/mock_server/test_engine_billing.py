"""The engine's rules about money and time, played without a server."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from msgspec.structs import replace

from tallyhook_mock.core.frequencies import FREQUENCIES, add_months
from tallyhook_mock.systems.cheddar import billing, charges, payments, review, signup, subscriptions, usage
from tallyhook_mock.systems.cheddar.charges import NewCharge
from tallyhook_mock.systems.cheddar.model import InvoiceState
from tallyhook_mock.systems.cheddar.products import Coupon, Promotion
from tallyhook_mock.systems.cheddar.refusal import Refusal

from .engine_world import DAY, HOUR, START, World

MONTH_LATER = add_months(START, 1)


def credit(code: str, amount: str, description: str = "") -> NewCharge:
    return NewCharge(code, Decimal(1), Decimal(amount), description)


def test_a_subscription_of_the_31st_runs_over_and_stays() -> None:
    anchor = datetime(2026, 1, 31, tzinfo=UTC)
    monthly = FREQUENCIES["monthly"]
    days = [moment.day for count in range(5) if (moment := monthly.after(anchor, count))]
    assert days == [31, 28, 31, 30, 31]


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("daily", "2026-02-01"),
        ("weekly", "2026-02-07"),
        ("biweekly", "2026-02-14"),
        ("monthly", "2026-02-28"),
        ("bimonthly", "2026-03-31"),
        ("quarterly", "2026-04-30"),
        ("semi-annually", "2026-07-31"),
        ("annually", "2027-01-31"),
        ("biennially", "2028-01-31"),
    ],
)
def test_each_frequency(name: str, second: str) -> None:
    after = FREQUENCIES[name].after(datetime(2026, 1, 31, tzinfo=UTC), 1)
    assert after is not None
    assert after.date() == date.fromisoformat(second)


def test_frequency_none_bills_once() -> None:
    world = World()
    customer = world.customer("C1", world.plan("ONCE", "9.00", "none"))
    assert [invoice.total for invoice in customer.invoices] == [Decimal("9.00")]
    assert customer.subscription.current is None


def test_an_item_added_in_mid_month_is_not_prorated() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00", items={"seat": ("0", "10.00")}))
    world.advance(datetime(2026, 1, 16, tzinfo=UTC))
    usage.add_quantity(world.state, customer, "seat", Decimal(1), outstanding=False, at=world.now)
    world.advance(MONTH_LATER)
    billed = customer.invoices[-2]
    assert (billed.state, billed.total, billed.collected) == (InvoiceState.PAID, 30, Decimal("30.00"))


def test_a_credit_on_the_held_invoice_nets_25() -> None:
    world = World()
    world.listen("http://a", status=500)
    customer = world.customer("C1", world.plan("FLAT", "20.00", items={"seat": ("0", "10.00")}))
    usage.add_quantity(world.state, customer, "seat", Decimal(1), outstanding=False, at=world.now)
    world.advance(MONTH_LATER + HOUR)
    charges.add_charge(
        world.state, customer, credit("SEAT_PRORATION", "-5.00"), outstanding=True, at=world.now
    )
    world.answers["http://a"] = 200
    world.advance(DAY)
    assert customer.invoices[-2].collected == Decimal("25.00")


def test_thirteen_units_above_two_included() -> None:
    world = World()
    world.listen("http://a", status=500)
    customer = world.customer("C1", world.plan("TWO", "20.00", items={"GB": ("2", "2.50")}))
    world.advance(MONTH_LATER)
    held, current = customer.invoices[-2:]
    usage.set_quantity(world.state, customer, "GB", Decimal(15), outstanding=True, at=world.now)
    assert held.total == Decimal("20.00") + 13 * Decimal("2.50") == Decimal("52.50")
    assert current.total == Decimal("20.00")


def test_without_the_outstanding_period_the_held_invoice_stays() -> None:
    world = World()
    world.listen("http://a", status=500)
    customer = world.customer("C1", world.plan("TWO", "20.00", items={"GB": ("2", "2.50")}))
    world.advance(MONTH_LATER)
    held, current = customer.invoices[-2:]
    usage.set_quantity(world.state, customer, "GB", Decimal(15), outstanding=False, at=world.now)
    assert (held.total, current.total) == (Decimal("20.00"), Decimal("52.50"))


def test_held_while_the_listener_fails_however_far_the_clock_runs() -> None:
    world = World()
    world.listen("http://a", status=500)
    customer = world.customer("C1", world.plan("QUARTER", "20.00", "quarterly"))
    world.advance(add_months(START, 5))
    held = customer.invoices[-2]
    assert held.state is InvoiceState.HELD
    assert not held.transactions
    world.answers["http://a"] = 204
    delivery = next(iter(world.state.hooks.log.values())).deliveries[0]
    acknowledged = delivery.next_at
    world.advance(acknowledged + HOUR - timedelta(seconds=1))
    assert not held.transactions
    world.advance(acknowledged + HOUR)
    assert held.transactions[0].at == acknowledged + HOUR
    assert held.collected == Decimal("20.00")


def test_with_two_listeners_the_hour_starts_at_the_later_success() -> None:
    world = World()
    world.listen("http://a")
    world.listen("http://b", status=503)
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    world.advance(MONTH_LATER)
    held = customer.invoices[-2]
    world.advance(2 * HOUR)
    assert held.state is InvoiceState.HELD
    world.answers["http://b"] = 200
    second = next(iter(world.state.hooks.log.values())).deliveries[1]
    later = second.next_at
    world.advance(later + HOUR - timedelta(seconds=1))
    assert held.state is InvoiceState.RELEASED
    world.advance(later + HOUR)
    assert held.transactions[0].at == later + HOUR


def test_retries_come_with_growing_pauses_and_never_end() -> None:
    world = World()
    world.listen("http://a", status=500)
    world.customer("C1", world.plan("YEAR", "20.00", "annually"))
    world.advance(add_months(START, 12) + 5 * DAY)
    tries = [attempt.at for attempt in next(iter(world.state.hooks.log.values())).deliveries[0].attempts]
    minutes = [(b - a) / timedelta(minutes=1) for a, b in pairwise(tries)]
    assert minutes == [1, 5, 15, 60, 180, 360, 720, 1440, 1440, 1440, 1440]


def test_a_canceled_hook_releases_its_invoice() -> None:
    world = World()
    world.listen("http://a", status=500)
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    world.advance(MONTH_LATER)
    hook = next(iter(world.state.hooks.log.values()))
    settled = world.state.hooks.cancel(hook.deliveries[0])
    assert settled is hook
    review.settled(world.state, hook, world.now)
    world.advance(HOUR)
    assert customer.invoices[-2].state is InvoiceState.PAID


def test_a_listener_that_leaves_takes_its_hold_along() -> None:
    world = World()
    world.listen("http://a", status=500)
    world.customer("C1", world.plan("FLAT", "20.00"))
    world.advance(MONTH_LATER)
    (listener,) = world.state.hooks.listeners.values()
    settled = world.state.hooks.forget(listener)
    assert [hook.type for hook in settled] == ["subscriptionBillable"]
    assert world.state.hooks.next_due() is None


def test_run_by_hand_executes_once_and_the_hour_finds_nothing_to_do() -> None:
    world = World()
    world.listen("http://a")
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    world.advance(MONTH_LATER)
    billing.run_outstanding(world.state, customer, world.now)
    world.advance(DAY)
    paid = customer.invoices[-2]
    assert [made.at for made in paid.transactions] == [MONTH_LATER]
    with pytest.raises(Refusal) as refused:
        billing.run_outstanding(world.state, customer, world.now)
    assert refused.value.status == 404


def test_credits_above_the_charges_are_carried_forward() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    charges.add_charge(world.state, customer, credit("SORRY", "-50.00"), outstanding=False, at=world.now)
    world.advance(MONTH_LATER)
    first, second = customer.invoices[-2:]
    assert (first.collected, first.state) == (Decimal("0.00"), InvoiceState.PAID)
    assert first.transactions[0].payment is None
    (carried,) = second.charges
    assert (carried.code, carried.amount) == ("CREDIT_FORWARD", Decimal("-30.00"))
    assert carried.description == f"Credit carried forward from invoice #{first.number}"
    world.advance(add_months(START, 2))
    world.advance(add_months(START, 3))
    assert [invoice.collected for invoice in customer.invoices[-3:-1]] == [0, Decimal("10.00")]


def test_declines_are_tried_four_times_more_over_eight_days_then_canceled() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    customer.declines = 99
    world.advance(MONTH_LATER + 9 * DAY)
    unpaid = customer.invoices[-2]
    assert [(made.at - MONTH_LATER).days for made in unpaid.transactions] == [0, 2, 4, 6, 8]
    assert not any(made.approved for made in unpaid.transactions)
    assert customer.subscription.cancel_type == "non-payment"


def test_an_item_not_used_before_the_decline_is_billed_at_the_next_try() -> None:
    world = World()
    customer = world.customer("C1", world.plan("TWO", "20.00", items={"GB": ("2", "2.50")}))
    customer.declines = 1
    world.advance(MONTH_LATER)
    usage.set_quantity(world.state, customer, "GB", Decimal(15), outstanding=True, at=world.now)
    world.advance(MONTH_LATER + 2 * DAY)
    assert customer.invoices[-2].collected == Decimal("52.50")


def test_a_new_card_runs_the_declined_invoice_at_once_and_keeps_the_cycle() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    customer.declines = 1
    world.advance(MONTH_LATER + DAY)
    subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
    assert customer.invoices[-2].collected == Decimal("20.00")
    assert customer.subscription.current is not None
    assert customer.subscription.current.billing_at == add_months(START, 2)


def test_a_new_card_does_not_run_an_invoice_that_is_held() -> None:
    world = World()
    world.listen("http://a", status=500)
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    world.advance(MONTH_LATER + DAY)
    subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
    assert customer.invoices[-2].state is InvoiceState.HELD


def test_an_expired_card_cancels_at_the_bill_date() -> None:
    world = World()
    plan = world.plan("FLAT", "20.00")
    customer = world.customer("C1", plan, payment=world.card(expires=date(2026, 1, 31)))
    world.advance(MONTH_LATER)
    assert customer.subscription.is_canceled
    assert not customer.invoices[-1].transactions


def test_a_new_card_pays_at_once_what_the_expired_one_could_not() -> None:
    world = World()
    plan = world.plan("FLAT", "20.00")
    customer = world.customer("C1", plan, payment=world.card(expires=date(2026, 1, 31)))
    world.advance(MONTH_LATER + DAY)
    subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
    unpaid = customer.invoices[-2]
    assert (unpaid.billing_at, unpaid.collected) == (MONTH_LATER, Decimal("20.00"))
    assert not customer.subscription.is_canceled
    assert customer.subscription.outstanding is None


def test_a_new_card_that_is_declined_too_leaves_the_subscription_canceled() -> None:
    world = World()
    plan = world.plan("FLAT", "20.00")
    customer = world.customer("C1", plan, payment=world.card(expires=date(2026, 1, 31)))
    world.advance(MONTH_LATER)
    customer.declines = 1
    with pytest.raises(Refusal, match="declined"):
        subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
    world.advance(5 * DAY)
    unpaid = customer.invoices[-2]
    assert [made.approved for made in unpaid.transactions] == [False]
    assert customer.subscription.is_canceled
    subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
    assert unpaid.collected == Decimal("20.00")
    assert not customer.subscription.is_canceled


def test_run_outstanding_reactivates_a_canceled_subscription() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    customer.declines = 1
    world.advance(MONTH_LATER)
    subscriptions.cancel(world.state, customer, world.now)
    billing.run_outstanding(world.state, customer, world.now)
    assert not customer.subscription.is_canceled
    assert customer.subscription.current is not None


def test_cancel_and_reactivate_within_the_period_goes_on_with_the_same_invoice() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    before = customer.subscription.current
    subscriptions.cancel(world.state, customer, world.now)
    assert customer.subscription.current is before
    subscriptions.change(world.state, customer, payment=world.card(), at=world.now)
    assert customer.subscription.current is before
    world.advance(MONTH_LATER)
    assert customer.invoices[-2].collected == Decimal("20.00")


def test_a_canceled_subscription_bills_nothing_by_itself() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00", items={"GB": ("0", "1.50")}))
    usage.set_quantity(world.state, customer, "GB", Decimal("4.5"), outstanding=False, at=world.now)
    subscriptions.cancel(world.state, customer, world.now)
    world.advance(add_months(START, 3))
    assert [invoice.collected for invoice in customer.invoices] == [Decimal("20.00"), 0]
    assert customer.invoices[-1].total == Decimal("26.75")  # it stays, and can be read


def test_simple_plan_change_keeps_the_date() -> None:
    world = World()
    customer = world.customer("C1", world.plan("SMALL", "5.00"))
    world.advance(10 * DAY)
    subscriptions.change(world.state, customer, plan=world.plan("BIG", "10.00"), at=world.now)
    assert [subscription.plan.code for subscription in customer.subscriptions] == ["BIG", "SMALL"]
    world.advance(MONTH_LATER)
    assert [invoice.collected for invoice in customer.subscriptions[0].invoices[:-1]] == [Decimal("10.00")]


def test_prorated_plan_change_bills_at_once_and_restarts_the_cycle() -> None:
    world = World()
    customer = world.customer("C1", world.plan("SMALL", "31.00"))
    big = world.plan("BIG", "62.00", on_change_initial_bill_handler="now")
    world.advance(10 * DAY)
    subscriptions.change(world.state, customer, plan=big, at=world.now)
    billed = customer.subscription.invoices[0]
    adjustment = billed.charges[-1]
    assert (adjustment.code, adjustment.amount) == ("SMALL_RECURRING", Decimal("-21.00"))
    assert adjustment.description == "Subscription change adjustment"
    assert billed.collected == Decimal("41.00")
    assert customer.subscription.current is not None
    assert customer.subscription.current.billing_at == add_months(world.now, 1)


def test_change_bill_date_moves_the_cycle_or_bills_now() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    later = MONTH_LATER + 5 * DAY
    subscriptions.change(world.state, customer, change_bill_date=later, at=world.now)
    world.advance(MONTH_LATER + DAY)
    assert len(customer.invoices) == 2
    world.advance(later)
    assert customer.invoices[-2].transactions[0].at == later
    assert customer.subscription.current is not None
    assert customer.subscription.current.billing_at == add_months(later, 1)
    subscriptions.change(world.state, customer, change_bill_date=world.now, at=world.now)
    assert customer.invoices[-2].transactions[0].at == world.now


def test_hard_limit_and_lasting_items() -> None:
    world = World()
    plan = world.plan("LIMIT", "1.00", items={"seat": ("10", "0.00")}, periodic=False)
    customer = world.customer("C1", plan)
    with pytest.raises(Refusal, match="'15' is not less than or equal to '10'"):
        usage.set_quantity(world.state, customer, "seat", Decimal(15), outstanding=False, at=world.now)
    usage.set_quantity(world.state, customer, "seat", Decimal(7), outstanding=False, at=world.now)
    world.advance(MONTH_LATER)
    assert customer.subscription.current is not None
    assert customer.subscription.current.quantity("seat") == 7


def test_trial_and_setup_charge() -> None:
    world = World()
    plan = world.plan(
        "TRIAL", "20.00", trial_days=14, setup_charge_code="SETUP", setup_charge_amount=Decimal(5)
    )
    customer = world.customer("C1", plan)
    assert [invoice.collected for invoice in customer.invoices] == [Decimal("5.00"), 0]
    world.advance(START + 14 * DAY)
    assert customer.invoices[1].collected == Decimal("20.00")


def test_promotion_takes_its_percentage_off_while_it_lasts() -> None:
    world = World()
    ids = world.state.ids
    coupon = Coupon(ids.next(), "HALF", START)
    world.product.promotions["half"] = Promotion(
        ids.next(), ids.next(), "Half", "", Decimal(50), START, months=2, coupons=(coupon,)
    )
    customer = world.customer("C1", world.plan("FLAT", "19.99"), coupon="HALF")
    world.advance(add_months(START, 3))
    assert [str(invoice.collected) for invoice in customer.invoices[:-1]] == [
        "9.99",  # half of it is 9.995, and a credit of that is rounded up
        "9.99",
        "19.99",
        "19.99",
    ]


def test_tax_is_added_once_per_invoice() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"), tax_rate=Decimal("0.0825"))
    assert customer.invoices[0].collected == Decimal("21.65")


def test_refunds_stay_within_what_was_paid() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    paid = customer.invoices[0]
    payments.refund(world.state, paid, Decimal("15.00"), world.now)
    with pytest.raises(Refusal, match=r"'5\.01' is not less than or equal to '5\.00'"):
        payments.refund(world.state, paid, Decimal("5.01"), world.now)
    payments.refund(world.state, paid, None, world.now)
    assert paid.collected == 0


def test_void_before_settlement_refund_after() -> None:
    world = World()
    first = world.customer("C1", world.plan("FLAT", "20.00")).invoices[0]
    payments.void_or_refund(world.state, first, world.now)
    assert first.state is InvoiceState.VOID
    second = world.customer("C2", world.product.plans["FLAT"]).invoices[0]
    world.advance(2 * DAY)
    with pytest.raises(Refusal):
        payments.void(world.state, second, world.now)
    payments.void_or_refund(world.state, second, world.now)
    assert (second.state, second.collected) == (InvoiceState.PAID, 0)


def test_one_time_invoice_stands_beside_the_cycle() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    current = customer.subscription.current
    one_time = charges.one_time_invoice(world.state, customer, [credit("EXTRA", "7.50")], world.now)
    assert one_time.collected == Decimal("7.50")
    assert customer.subscription.current is current


def test_a_customer_whose_card_fails_is_not_created() -> None:
    world = World()
    with pytest.raises(Refusal, match="declined"):
        world.customer("C1", world.plan("FLAT", "20.00"), payment=world.card(zip_code="06000"))
    assert not list(world.state.customers(world.product))
    assert not world.state.take_events()


def test_paypal_waits_until_it_is_approved() -> None:
    world = World()
    paypal = replace(world.card(), method="paypal")
    customer = world.customer("C1", world.plan("FLAT", "20.00"), payment=paypal)
    world.advance(5 * DAY)
    assert customer.subscription.cancel_reason == "PayPal preapproval is pending"
    assert not customer.invoices[0].transactions
    subscriptions.approve_paypal(world.state, customer, world.now)
    assert customer.invoices[0].collected == Decimal("20.00")
    assert not customer.subscription.is_canceled


def test_bill_reminders_announce_the_expected_total() -> None:
    world = World()
    world.product.bill_reminder_days = (7, 1)
    world.customer("C1", world.plan("FLAT", "20.00"))
    world.advance(MONTH_LATER)
    reminders = [event.at for event in world.events if event.kind == "billReminder"]
    assert reminders == [MONTH_LATER - 7 * DAY, MONTH_LATER - DAY]


def test_deleting_a_customer_ends_its_billing() -> None:
    world = World()
    customer = world.customer("C1", world.plan("FLAT", "20.00"))
    signup.delete_customer(world.state, customer, world.now)
    world.advance(add_months(START, 3))
    assert len(customer.invoices) == 2
    with pytest.raises(Refusal):
        world.state.customer(world.product, "C1")
