"""Cleverbridge's rules of money and time, one by one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tallyhook_mock.core.base import Refusal
from tallyhook_mock.systems.cleverbridge.model import Item, Manner, Mode, Terms, UpdateAction
from tallyhook_mock.systems.cleverbridge.rules import NewSubscription, deactivate, subscribe

from .cleverbridge_world import BASE, DAY, EXCESS, EXTENDED, NOW, START, World, dump

HALF = timedelta(days=15)  # of the 31 days from March 17 to April 17 that leaves 16


def pending(item: Item) -> int | None:
    """The quantity that waits for a renewal."""
    return item.asked.quantity if item.pending else None


def test_the_worked_example() -> None:
    world = World()
    assert world.totals == ["50.00"]
    world.advance(datetime(2026, 4, 16, 12, tzinfo=UTC))
    outcome = world.update(EXCESS, 8)
    assert (outcome.now.gross, outcome.next.gross) == (0, 58)
    assert world.renew() == "58.00"
    assert world.now == datetime(2026, 4, 17, 9, 30, tzinfo=UTC)
    bill = world.bills[-1]
    assert [(line.item, line.quantity, line.amount, line.start, line.end) for line in bill.lines] == [
        ("1", 1, 50, world.now, datetime(2026, 5, 17, 9, 30, tzinfo=UTC)),
        ("2", 8, 8, START, world.now),
    ]


def test_a_quantity_in_arrears_stays_until_it_is_updated() -> None:
    world = World()
    world.update(EXCESS, 8)
    assert [world.renew(), world.renew()] == ["58.00", "58.00"]
    world.update(EXCESS, 0)
    assert [world.renew(), world.renew()] == ["50.00", "50.00"]


def test_an_interval_begins_on_the_day_of_the_start_or_the_last_of_a_shorter_month() -> None:
    world = World(start=datetime(2026, 1, 31, tzinfo=UTC))
    assert world.bills == []  # it has been there, and its interval was billed before
    days = []
    for _ in range(3):
        world.renew()
        days.append((world.now.month, world.now.day))
    assert days == [(3, 31), (4, 30), (5, 31)]


def test_a_subscription_can_renew_every_quarter() -> None:
    world = World(months=3)
    world.renew()
    assert world.now == datetime(2026, 6, 17, 9, 30, tzinfo=UTC)


# -- in advance


def test_an_update_that_is_not_aligned_is_billed_from_the_renewal_on() -> None:
    world = World()
    outcome = world.update(BASE, 3)
    assert (outcome.now.gross, outcome.next.gross) == (0, 150)
    item = world.subscription.item(BASE)
    assert (item.terms.quantity, pending(item)) == (1, 3)
    assert [world.renew(), world.renew()] == ["150.00", "150.00"]
    item = world.subscription.item(BASE)
    assert (item.terms.quantity, pending(item)) == (3, None)


def test_an_aligned_update_charges_the_difference_for_the_days_that_are_left() -> None:
    world = World()
    world.advance(HALF + timedelta(hours=20))  # the day that has begun counts
    outcome = world.update(BASE, 3, NOW)
    assert (outcome.now.gross, outcome.next.gross) == (Decimal("51.61"), 150)  # 100 × 16 / 31
    assert world.totals == ["50.00", "51.61"]
    line = world.bills[-1].lines[0]
    assert (line.quantity, line.start, line.end) == (2, START + HALF, world.subscription.next_billing)
    assert line.description == "1 × Base to 3 × Base, 16 of 31 days"
    assert world.renew() == "150.00"


def test_an_extended_update_charges_a_whole_interval_and_extends_it() -> None:
    world = World()
    world.advance(HALF)
    # 150 for the interval from April 1, less 16 of the 31 days that 50 were paid for.
    assert world.update(BASE, 3, EXTENDED).now.gross == Decimal("124.19")
    assert world.subscription.next_billing == START + HALF + timedelta(days=30)
    line = world.bills[-1].lines[0]
    assert (line.start, line.end) == (START + HALF, world.subscription.next_billing)
    world.advance(datetime(2026, 4, 30, tzinfo=UTC))
    assert world.totals == ["50.00", "124.19"]
    assert world.renew() == "150.00"
    assert world.now == datetime(2026, 5, 1, 9, 30, tzinfo=UTC)


def test_an_extended_interval_is_paid_by_the_other_items_too() -> None:
    items = (
        (Mode.ADVANCE, Terms(101, "Base", 1, Decimal("50.00"))),
        (Mode.ADVANCE, Terms(103, "Big base", 1, Decimal("80.00"))),
    )
    world = World(items=items)
    world.advance(HALF)
    # The other item: 80 for the 14 days of 30 that come on top.
    assert world.update(BASE, 1, EXTENDED).now.gross == Decimal("24.19") + Decimal("37.33")
    # All days up to May 1 are paid for once: the renewal bills whole intervals.
    assert world.renew() == "130.00"


def test_an_interval_that_is_reset_begins_now_at_the_full_price() -> None:
    world = World()
    world.update(EXCESS, 4)
    world.advance(HALF)
    outcome = world.update(BASE, 2, Manner(is_aligned=True, resets=True))
    assert outcome.now.gross == 104  # usage so far, and all of the interval that begins
    assert outcome.next_billing == START + HALF + timedelta(days=30)
    assert world.subscription.interval_start == START + HALF
    assert world.renew() == "104.00"


def test_another_product_brings_its_price() -> None:
    world = World()
    world.advance(HALF)
    assert world.update(BASE, 1, NOW, product=103).now.gross == Decimal("15.48")  # 30 × 16 / 31
    assert world.subscription.item(BASE).terms.product_name == "Big base"
    assert world.renew() == "80.00"


def test_an_aligned_update_to_less_is_refused_and_shown() -> None:
    world = World()
    world.update(BASE, 5, NOW)
    assert world.totals == ["50.00", "200.00"]
    before = dump(world.state)
    for manner in (NOW, EXTENDED):
        with pytest.raises(Refusal, match="below zero are not supported") as refused:
            world.update(BASE, 2, manner)
        assert refused.value.status == 402
    assert dump(world.state) == before
    assert world.update(BASE, 2, Manner(is_aligned=True, is_preview=True)).now.gross == -150
    assert world.update(BASE, 2).next.gross == 100
    world.advance(HALF)
    # What has been paid for the interval is not paid again.
    assert world.update(BASE, 5, NOW).now.gross == 0
    assert world.update(BASE, 2).next.gross == 100
    assert world.totals == ["50.00", "200.00"]
    assert world.renew() == "100.00"


def test_an_increase_adds_to_what_was_asked_for_last() -> None:
    world = World()
    world.update(BASE, 4)
    assert world.increase(BASE, 2).next.gross == 300
    assert world.increase(EXCESS, 3).next.gross == 303
    assert world.increase(EXCESS, 0).next.gross == 303
    world.advance(HALF)
    assert world.increase(BASE, 1, NOW).now.gross == Decimal("154.84")  # from 1 to 7: 300 × 16 / 31
    assert world.renew() == "353.00"


# -- in arrears


def test_units_in_arrears_can_be_charged_ahead_but_not_twice() -> None:
    world = World()
    world.update(EXCESS, 3)
    assert world.update(EXCESS, 8, NOW).now.gross == 5
    assert world.update(EXCESS, 8, NOW).now.gross == 0
    world.update(EXCESS, 2)
    assert world.update(EXCESS, 10, NOW).now.gross == 5  # all that is left of the 10
    assert world.subscription.item(EXCESS).charged == 10
    assert world.renew() == "50.00"
    assert world.renew() == "60.00"  # the quantity stays, and nothing of the next interval was charged ahead


def test_fewer_units_than_were_charged_ahead_are_refused() -> None:
    world = World()
    world.update(EXCESS, 8, NOW)
    with pytest.raises(Refusal, match=r"would be -7\.00"):
        world.update(EXCESS, 1, NOW)
    world.update(EXCESS, 1)
    assert world.renew() == "50.00"  # nothing is given back
    assert world.renew() == "51.00"


# -- the reminder


def test_after_the_reminder_an_update_counts_for_the_interval_after() -> None:
    world = World(reminder_days=5)
    reminder = world.subscription.next_reminder
    assert reminder == datetime(2026, 4, 12, 9, 30, tzinfo=UTC)
    world.advance(reminder - timedelta(seconds=1))
    world.update(BASE, 2)
    world.update(EXCESS, 4)
    world.advance(reminder)
    world.update(BASE, 3)
    assert world.update(EXCESS, 7).next.gross == 104
    base, excess = world.subscription.items
    assert [
        (base.terms.quantity, pending(base)),
        (excess.terms.quantity, pending(excess)),
    ] == [
        (1, 3),
        (4, 7),
    ]
    assert [world.renew(), world.renew(), world.renew()] == ["104.00", "157.00", "157.00"]


def test_an_aligned_update_counts_whatever_the_reminder() -> None:
    world = World(reminder_days=5)
    world.advance(world.subscription.next_reminder)
    assert world.update(BASE, 2, NOW).now.gross == Decimal("8.06")  # 50 × 5 / 31
    assert world.update(EXCESS, 6, NOW).now.gross == 6
    assert [world.renew(), world.renew()] == ["100.00", "106.00"]


def test_the_reminder_tells_what_will_be_billed() -> None:
    world = World(reminder_days=5, vat_percent=Decimal(19))
    world.update(EXCESS, 8)
    world.state.take_events()
    world.renew()
    kinds = [(event.kind, event.at, event.note) for event in world.state.take_events()]
    assert kinds == [
        ("reminder", START + 26 * DAY, "69.02 EUR due 2026-04-17"),
        ("billed", world.now, "Base; Excess; VAT 19 %"),
    ]


# -- prices, coupons, VAT


def test_a_price_is_set_from_the_renewal_on_or_now() -> None:
    world = World()
    world.advance(HALF)
    assert world.set_price(BASE, "60.00").now.gross == 0
    assert world.set_price(BASE, "70.00", NOW).now.gross == Decimal("10.32")  # 20 × 16 / 31
    world.update(EXCESS, 10)
    assert world.set_price(EXCESS, "2.00", NOW).now.gross == 0  # nothing of it is charged yet
    assert world.renew() == "90.00"


def test_a_coupon_makes_an_item_cheaper_from_the_update_on() -> None:
    world = World()
    assert world.update(EXCESS, 5, coupon="TEN").next.gross == Decimal("54.50")
    world.update(BASE, 1, coupon="TEN")
    assert world.update(EXCESS, 9).next.gross == Decimal("53.10")  # the coupons stay
    assert world.renew() == "53.10"


def test_vat_comes_on_top_line_by_line() -> None:
    world = World(vat_percent=Decimal(19))
    assert world.totals == ["59.50"]
    world.set_price(EXCESS, "0.05")
    outcome = world.update(EXCESS, 7)
    assert (outcome.next.net, outcome.next.vat) == (Decimal("50.35"), Decimal("9.57"))  # 9.50 and 0.0665
    assert world.renew() == str(outcome.next.gross) == "59.92"
    vat = world.bills[-1].lines[-1]
    assert (vat.item, vat.description, vat.amount) == ("VAT", "VAT 19 %", Decimal("9.57"))


def test_a_gross_price_is_taken_apart() -> None:
    world = World(vat_percent=Decimal(19))
    world.set_price(BASE, "11.90", is_gross=True)
    assert world.renew() == "11.90"


# -- previews and records


@pytest.mark.parametrize(
    "manner",
    [
        Manner(is_preview=True),
        Manner(True, False, True),
        Manner(True, True, True),
        Manner(True, False, True, resets=True),
    ],
)
def test_a_preview_changes_nothing(manner: Manner) -> None:
    world = World()
    world.advance(HALF)
    world.state.take_events()
    before = dump(world.state)
    shown = world.update(BASE, 3, manner)
    assert dump(world.state) == before
    assert world.state.take_events() == []
    done = world.update(BASE, 3, Manner(manner.is_aligned, manner.is_extended, resets=manner.resets))
    assert shown == done


def test_mail_and_action_are_recorded_without_effect() -> None:
    world = World()
    world.state.take_events()
    world.state.actor = "desk"
    world.update(EXCESS, 8, Manner(action=UpdateAction.DOWNGRADE, mails=False))
    (record,) = world.subscription.updates
    assert (record.manner.action, record.manner.mails, record.quantity, record.actor) == (
        "downgrade",
        False,
        8,
        "desk",
    )
    (event,) = world.state.take_events()
    assert (event.kind, event.item, event.quantity) == ("itemUpdated", "2", 8)
    assert event.note == "downgrade: 8 × Excess in the interval of 2026-03-17, no mail"
    assert world.renew() == "58.00"


# -- its end


def test_a_deactivated_subscription_is_billed_for_its_usage_and_then_no_more() -> None:
    world = World(reminder_days=2)
    world.update(EXCESS, 4)
    world.update(BASE, 2)
    world.advance(HALF)
    deactivate(world.state, world.subscription, world.now)
    assert world.totals == ["50.00", "4.00"]
    assert world.bills[-1].lines[0].end == world.now
    assert pending(world.subscription.item(BASE)) is None
    world.state.take_events()
    world.advance(100 * DAY)
    assert world.totals == ["50.00", "4.00"]
    assert world.state.take_events() == []
    for refused in (
        lambda: world.update(EXCESS, 5),
        lambda: deactivate(world.state, world.subscription, START),
    ):
        with pytest.raises(Refusal, match="deactivated"):
            refused()


def test_a_renewal_without_anything_to_bill_makes_no_bill() -> None:
    world = World(items=((Mode.ARREARS, Terms(102, "Excess", 0, Decimal("1.00"))),))
    world.state.take_events()
    assert world.renew() == ""
    assert [event.kind for event in world.state.take_events()] == ["nothingToBill"]


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (NewSubscription("S1001", ()), "already"),
        (NewSubscription("S1002", (), start=START + DAY), "later than now"),
    ],
)
def test_what_can_not_begin_is_refused(new: NewSubscription, why: str) -> None:
    world = World()
    before = dump(world.state)
    with pytest.raises(Refusal, match=why):
        subscribe(world.state, new, START)
    assert dump(world.state) == before
