"""Random histories of two years on the mock agree with the facts, to the cent and the day.

`make fuzz` plays thousands. `STORIES=20000 pytest tests/end_to_end/test_reference.py` sets the number, and
`FIRST_STORY=4000` the first seed.
"""

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from tests.end_to_end.reference.account import Account, Event
from tests.end_to_end.reference.invoices import Item, Plan, Promotion
from tests.end_to_end.reference.stage import differences, smallest
from tests.end_to_end.reference.story import TOGETHER, story

FUZZ = settings.get_current_profile_name() == "fuzz"
STORIES = int(os.environ.get("STORIES", "4000" if FUZZ else "120"))
FIRST = int(os.environ.get("FIRST_STORY", "0"))

GOOD = date(2049, 12, 31)


@pytest.mark.parametrize("first", range(FIRST, FIRST + STORIES, TOGETHER))
def test_stories_end_as_worked_out(first: int) -> None:
    told = [story(seed) for seed in range(first, first + TOGETHER)]
    found = differences(told)
    if found:
        alone = {each.seed: each for each in told}
        seed = min(found, key=lambda each: len(alone[each].events))
        shown = smallest(alone[seed])[1]
        pytest.fail(f"{len(found)} stories of {TOGETHER} differ. The smallest:\n{shown}", pytrace=False)


def plan(code: str, amount: str, **more: Any) -> Plan:
    return Plan(code, Decimal(amount), **more)


def item(code: str, price: str, included: int = 0, *, resets: bool = True) -> Item:
    return Item(code, Decimal(included), Decimal(price), resets)


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


MONTHLY = plan("M", "45")
TRIAL = plan("M", "45", trial=14)
SMALL, LARGE = (
    plan("M", "60", items=(item("GB", "2", 5),)),
    plan("L", "90", items=(item("GB", "1", 20),), prorates=True),
)
FREE = plan("FREE", "0", free=True)
OWING: list[tuple[str, str, dict[str, Any]]] = [
    ("2026-04-08", "join", {"plan": "M", "card": GOOD}),
    ("2026-05-01", "decline", {"count": 1}),
    ("2026-05-09", "cancel", {}),
]
JOINED = {"plan": "M", "card": GOOD}

# Worked examples by number: plans, events, the end, and the payments.
EXAMPLES: dict[str, tuple[list[Plan], list[tuple[str, str, dict[str, Any]]], str, str]] = {
    "1": (
        [MONTHLY],
        [("2018-10-31", "join", JOINED)],
        "2019-02-01",
        "10-31 45, 12-01 45, 01-01 45, 02-01 45",
    ),
    "1 in January": (
        [MONTHLY],
        [("2019-01-31", "join", JOINED)],
        "2019-04-03",
        "01-31 45, 03-03 45, 04-03 45",
    ),
    "1 in a leap year": (
        [MONTHLY],
        [("2024-01-31", "join", JOINED)],
        "2024-04-02",
        "01-31 45, 03-02 45, 04-02 45",
    ),
    "5": (
        [SMALL, LARGE],
        [
            ("2026-06-01", "join", JOINED),
            ("2026-06-02", "set", {"item": "GB", "quantity": Decimal(12)}),
            ("2026-06-16", "change", {"plan": "L"}),
        ],
        "2026-07-16",
        "06-01 60, 06-16 74, 07-16 90",
    ),
    "6": (
        [FREE, plan("P", "29", trial=7)],
        [
            ("2026-01-04", "join", {"plan": "FREE"}),
            ("2026-01-20", "change", {"plan": "P", "card": GOOD}),
        ],
        "2026-01-31",
        "01-27 29",
    ),
    "7": (
        [TRIAL, plan("U", "35", trial=14)],
        [("2026-03-03", "join", JOINED), ("2026-03-10", "change", {"plan": "U"})],
        "2026-04-17",
        "03-17 35, 04-17 35",
    ),
    "10": (
        [plan("M", "0", items=(item("DISK", "3", 2, resets=False),))],
        [("2026-05-01", "join", JOINED), ("2026-05-02", "set", {"item": "DISK", "quantity": Decimal(10)})],
        "2026-07-01",
        "06-01 24, 07-01 24",
    ),
    "11": (
        [MONTHLY],
        [
            ("2026-05-08", "join", JOINED),
            ("2026-05-12", "cancel", {}),
            ("2026-05-20", "new_card", {"good_until": GOOD}),
        ],
        "2026-06-08",
        "05-08 45, 06-08 45",
    ),
    "12": (
        [MONTHLY],
        [*OWING, ("2026-05-20", "new_card", {"good_until": GOOD})],
        "2026-06-08",
        "04-08 45, 05-20 45, 06-08 45",
    ),
    "12 declined": (
        [MONTHLY],
        [*OWING, ("2026-05-19", "decline", {"count": 1}), ("2026-05-20", "new_card", {"good_until": GOOD})],
        "2026-12-31",
        "04-08 45",
    ),
    "13": (
        [MONTHLY],
        [
            ("2026-05-08", "join", JOINED),
            ("2026-05-12", "cancel", {}),
            ("2026-07-03", "new_card", {"good_until": GOOD}),
        ],
        "2026-08-03",
        "05-08 45, 07-03 45, 08-03 45",
    ),
    "14": (
        [MONTHLY],
        [
            ("2026-04-21", "join", JOINED),
            ("2026-05-01", "decline", {"count": 5}),
            ("2026-06-30", "new_card", {"good_until": GOOD, "bill": at("2026-07-21")}),
        ],
        "2026-07-21",
        "04-21 45, 06-30 45, 07-21 45",
    ),
    "15": (
        [TRIAL],
        [("2026-05-18", "join", {"plan": "M"}), ("2026-06-05", "new_card", {"good_until": GOOD})],
        "2026-06-30",
        "06-05 45",
    ),
    "16 before": (
        [TRIAL],
        [
            ("2026-03-03", "join", JOINED),
            ("2026-03-06", "cancel", {}),
            ("2026-03-10", "new_card", {"good_until": GOOD}),
        ],
        "2026-04-10",
        "03-17 45",
    ),
    "16 after": (
        [TRIAL],
        [
            ("2026-03-03", "join", JOINED),
            ("2026-03-06", "cancel", {}),
            ("2026-03-25", "new_card", {"good_until": GOOD}),
        ],
        "2026-04-10",
        "04-08 45",
    ),
    "21": (
        [MONTHLY],
        [("2026-07-03", "join", JOINED), ("2026-07-04", "decline", {"count": 4})],
        "2026-09-03",
        "07-03 45, 08-11 45, 09-03 45",
    ),
    "24": (
        [plan("M", "30")],
        [
            ("2026-05-01", "join", JOINED),
            ("2026-05-02", "charge", {"code": "SORRY", "quantity": 1, "each": Decimal("-75")}),
        ],
        "2026-08-01",
        "05-01 30, 08-01 15",
    ),
}


@pytest.mark.parametrize(("plans", "told", "until", "taken"), EXAMPLES.values(), ids=EXAMPLES)
def test_worked_examples(
    plans: list[Plan], told: list[tuple[str, str, dict[str, Any]]], until: str, taken: str
) -> None:
    account = Account({each.code: each for each in plans})
    for day, what, given in told:
        account.play(Event(at(day), what, given))
    account.advance(at(until))
    made = sorted(done for invoice in account.closed for done in invoice.tries)
    paid = [(f"{when:%m-%d}", amount) for when, amount, response in made if response == "approved" and amount]
    assert ", ".join(f"{day} {amount:.0f}" for day, amount in paid) == taken


def test_a_worked_promotion_with_tax() -> None:
    """Setup 20.00, recurring 40.00, overage 6.00, custom 10.00, and tax on the rest."""
    kit = plan("M", "40", trial=14, setup=Decimal(20), setup_at_sign_up=False, items=(item("GB", "2"),))
    for types, due in (({"setup", "recurring", "overage", "custom"}, "57.00"), ({"recurring"}, "66.00")):
        quarter = Promotion("QUARTER", Decimal(25), types=frozenset(types))
        account = Account({"M": kit}, {"QUARTER": quarter}, tax_rate=Decimal("0.1"))
        account.play(Event(at("2026-05-01"), "join", JOINED | {"coupon": "QUARTER"}))
        account.play(Event(at("2026-05-02"), "set", {"item": "GB", "quantity": Decimal(3)}))
        account.play(Event(at("2026-05-02"), "charge", {"code": "EXTRA", "quantity": 1, "each": Decimal(10)}))
        account.advance(at("2026-05-15"))
        bill = account.closed[0]
        assert bill.net == Decimal(due)
        assert bill.total == Decimal(due) * Decimal("1.1")
