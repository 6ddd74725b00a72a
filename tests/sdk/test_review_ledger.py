"""What a ledger concludes from the entries of a journal."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tallyhook.cheddar.models import Charge, Customer, Invoice, Subscription
from tallyhook.review.journal import (
    Added,
    Adding,
    Declaration,
    Declared,
    DeclaredCharge,
    Entry,
    Running,
    Verified,
)
from tallyhook.review.ownership import Ledger

AT = datetime(2026, 1, 1, tzinfo=UTC)


def adding(number: int, description: str = "", mark: str = "0123456789") -> Adding:
    charge = DeclaredCharge(code="A", each_amount=Decimal(5), description=description)
    return Adding(number=number, charge=charge, before=(), mark=mark, at=AT)


def seen(number: int, *, kept: bool) -> Added:
    return Added(number=number, charge_id=f"x{number}", marked=kept)


@pytest.mark.parametrize(
    ("entries", "keeps"),
    [
        pytest.param([], False, id="nothing is known of the server"),
        pytest.param([adding(1, "as long as"), seen(1, kept=True)], True, id="kept in as long a text"),
        pytest.param([adding(1, "much longer than"), seen(1, kept=True)], True, id="kept in a longer text"),
        pytest.param([adding(1, "short"), seen(1, kept=True)], False, id="kept only in a shorter text"),
        pytest.param([adding(1, "as long as"), seen(1, kept=False)], False, id="dropped"),
        pytest.param(
            [adding(1, "longer than that"), seen(1, kept=True), adding(2, "short"), seen(2, kept=False)],
            False,
            id="kept in a longer text, dropped from a shorter one",
        ),
        pytest.param(
            [adding(1, "as long as"), seen(1, kept=True), adding(2, "longer than that"), seen(2, kept=False)],
            True,
            id="dropped only from a longer text",
        ),
        pytest.param([adding(1, "as long as", mark=""), seen(1, kept=True)], False, id="there was no mark"),
    ],
)
def test_a_server_keeps_the_marks_of_texts_that_are_no_longer(entries: list[Entry], keeps: bool) -> None:
    ledger = Ledger(entries)
    assert ledger.keeps_marks(adding(9, "as long as")) is keeps
    assert ledger.keeps_marks(adding(9, "as long as", mark="")) is False


@pytest.mark.parametrize(
    ("entry", "looks"),
    [
        (Declared(declaration=Declaration(), at=AT), False),
        (Declared(declaration=Declaration(), at=AT, quantities={"GB": Decimal(1)}), True),
        (Declared(declaration=Declaration(), at=AT, deletions=("x1",)), True),
        (adding(1), True),
        (Running(at=AT), True),
    ],
)
def test_whatever_may_still_arrive_is_looked_at_again(entry: Entry, looks: bool) -> None:
    assert Ledger([entry]).look_again is looks
    assert Ledger([entry, Verified(at=AT)]).look_again is False
    assert Ledger([entry, Verified(at=AT, look_again=True)]).look_again is True


def document(*charges: Charge) -> Customer:
    return Customer(subscriptions=(Subscription(invoices=(Invoice(number=1, charges=charges),)),))


def test_a_charge_without_an_id_is_claimed_by_nobody() -> None:
    description = "(ref 0123456789)"
    ledger = Ledger([adding(1)])
    assert ledger.claims(document(Charge(code="A", description=description))) == []
    found = ledger.claims(document(Charge(id="x1", code="A", description=description.upper())))
    assert found == [Added(number=1, charge_id="x1", marked=True)]


@pytest.mark.parametrize(
    ("charge", "may_be_ours"),
    [
        (Charge(id="x1", code="A", type="custom", each_amount=Decimal(5), quantity=1), True),
        (Charge(id="x1", code="rewritten", type="custom", each_amount=Decimal(5), quantity=1), True),
        (Charge(id="x1", code=" a", type="recurring", each_amount=Decimal(5), quantity=1), True),
        (Charge(id="x1", code="PLAN", type="recurring", each_amount=Decimal(5), quantity=1), False),
        (Charge(id="x1", code="A", type="custom", each_amount=Decimal(6), quantity=1), False),
        (Charge(id="x1", code="A", type="custom", each_amount=Decimal(5), quantity=2), False),
        (Charge(code="A", type="custom", each_amount=Decimal(5), quantity=1), False),
    ],
)
def test_which_charges_a_request_may_have_added(charge: Charge, may_be_ours: bool) -> None:
    """A charge from the plan looks new, because it gets its id only when the period closes."""
    asked = adding(1)
    assert bool(Ledger([asked]).candidates(asked, [charge])) is may_be_ours
    known = Adding(number=1, charge=asked.charge, before=("x1",), at=AT)
    assert Ledger([known]).candidates(known, [charge]) == []
    assert Ledger([asked, seen(1, kept=True)]).candidates(asked, [charge]) == []


def test_a_clock_that_is_set_is_not_time_that_has_passed() -> None:
    half = timedelta(minutes=5)
    ledger = Ledger([adding(1)], 2 * half)
    (open_,) = ledger.open_addings()
    assert ledger.wait_for_adding(open_, AT + timedelta(minutes=4)) == timedelta(minutes=6)
    assert ledger.wait_for_adding(open_, AT + timedelta(days=9)) == half
    assert ledger.wait_for_adding(open_, AT - timedelta(days=9)) == 2 * half
    ledger.write(Declared(declaration=Declaration(), at=AT + timedelta(days=9)))
    assert ledger.wait_for_adding(open_, AT + timedelta(days=18)) == timedelta(0)
