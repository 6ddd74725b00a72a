"""Chargemonk's worked examples, to the cent and the day, by the control API and by the console's forms."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve

from .chargemonk_doors import Control, Door, Pages, Refused, offering


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(offering(), start="2026-01-01T00:00:00Z") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(params=[Control, Pages])
def door(request: pytest.FixtureRequest, client: httpx.Client) -> Door:
    made: Door = request.param(client)
    return made


class Books:
    """What the control API says of one subscription."""

    def __init__(self, client: httpx.Client, id: str = "mill") -> None:
        self._client = client
        self._path = f"/_mock/chargemonk/subscriptions/{id}"

    def read(self) -> Any:
        return self._client.get(self._path).json()

    def bills(self) -> list[tuple[str, str]]:
        """Day and total of each, the oldest first."""
        return [(bill["at"][:10], bill["total"]) for bill in reversed(self.read()["bills"])]

    def totals(self) -> list[str]:
        return [total for _, total in self.bills()]

    def lines(self) -> list[tuple[str, str, str, str, str]]:
        """Of the latest bill: item, quantity, amount, and the days from and to."""
        return [
            (line["item"], line["quantity"], line["amount"], line["start"][:10], line["end"][:10])
            for line in self.read()["bills"][0]["lines"]
        ]

    def left(self) -> dict[str, int | None]:
        """Cycles left by add-on."""
        return {carried["code"]: carried["cyclesLeft"] for carried in self.read()["addOns"]}


@pytest.fixture
def books(client: httpx.Client) -> Books:
    return Books(client)


def test_a_setup_fee_in_twenty_instalments(door: Door, books: Books) -> None:
    door.create("mill", "MONTHLY", {"SETUP": 20})
    door.advance("2027-07-31T00:00:00Z")
    assert books.totals() == ["300.00"] * 19
    assert books.left() == {"SETUP": 1}
    door.advance("2027-08-01T00:00:00Z")
    assert books.left() == {"SETUP": 0}
    door.advance("2027-09-01T00:00:00Z")
    assert books.left() == {}
    assert books.totals() == ["300.00"] * 20 + ["200.00"]
    assert books.bills()[20][0] == "2027-09-01"
    paid = [
        line["amount"] for bill in books.read()["bills"] for line in bill["lines"] if line["item"] == "SETUP"
    ]
    assert paid == ["100.00"] * 20  # 2000 in all


def test_an_add_on_with_a_period_of_its_own(door: Door, books: Books) -> None:
    door.create("mill", "HALF", {"CARE": 1})
    assert books.lines() == [
        ("HALF", "1", "600.00", "2026-01-01", "2026-07-01"),
        ("CARE", "3", "60.00", "2026-01-01", "2026-07-01"),
    ]
    door.advance("2026-07-01T00:00:00Z")
    assert books.bills() == [("2026-01-01", "660.00"), ("2026-07-01", "600.00")]


def test_an_add_on_added_later_is_prorated_and_that_is_one_cycle(door: Door, books: Books) -> None:
    door.create("mill", "MONTHLY", {})
    door.advance("2026-01-16T00:00:00Z")
    door.add("mill", "SETUP", 3)
    assert books.lines() == [("SETUP", "1", "51.61", "2026-01-16", "2026-02-01")]  # 16 of 31 days
    assert books.left() == {"SETUP": 2}
    door.advance("2026-05-01T00:00:00Z")
    assert books.totals() == ["200.00", "51.61", "300.00", "300.00", "200.00", "200.00"]
    assert books.left() == {}


def test_setting_cycles_charges_nothing_and_counts_down(door: Door, books: Books) -> None:
    door.create("mill", "MONTHLY", {"SETUP": None})
    door.advance("2026-02-10T00:00:00Z")
    door.set_cycles("mill", "SETUP", 2)
    assert books.totals() == ["300.00", "300.00"]
    assert books.left() == {"SETUP": 2}
    door.advance("2026-05-01T00:00:00Z")
    assert books.totals() == ["300.00", "300.00", "300.00", "300.00", "200.00"]


def test_cycles_that_are_sent_outlive_a_change_of_term(door: Door, books: Books) -> None:
    door.create("mill", "MONTHLY", {"SETUP": 5})
    door.advance("2026-01-20T00:00:00Z")
    door.change_term("mill", "QUARTERLY", {"SETUP": 2})
    assert books.totals() == ["300.00"]
    assert books.left() == {"SETUP": 2}
    door.advance("2026-08-01T00:00:00Z")
    assert books.bills()[1:] == [("2026-02-01", "840.00"), ("2026-05-01", "840.00"), ("2026-08-01", "540.00")]


def test_cycles_that_are_not_sent_become_forever_with_another_term(
    client: httpx.Client, books: Books
) -> None:
    # By the API only: the console's page sends what it shows.
    door = Control(client)
    door.create("mill", "MONTHLY", {"SETUP": 3})
    door.change_term("mill", "QUARTERLY", {})
    assert books.left() == {"SETUP": None}
    door.advance("2027-02-01T00:00:00Z")
    assert books.totals() == ["300.00"] + ["840.00"] * 5


def test_reactivated_within_the_term_the_cycles_left_are_kept(door: Door, books: Books) -> None:
    door.create("mill", "MONTHLY", {"SETUP": 3})
    door.advance("2026-02-10T00:00:00Z")
    door.cancel("mill")
    assert [carried["isDisabled"] for carried in books.read()["addOns"]] == [True]
    assert books.read()["nextBill"] is None
    door.advance("2026-02-28T00:00:00Z")
    door.reactivate("mill")
    assert books.left() == {"SETUP": 1}
    assert books.totals() == ["300.00", "300.00"]
    door.advance("2026-04-01T00:00:00Z")
    assert books.bills()[2:] == [("2026-03-01", "300.00"), ("2026-04-01", "200.00")]


def test_reactivated_after_the_term_it_is_forever_until_it_is_set_again(door: Door, books: Books) -> None:
    door.create("mill", "MONTHLY", {"SETUP": 3})
    door.cancel("mill")
    door.advance("2026-02-11T00:00:00Z")
    assert books.totals() == ["300.00"]
    assert books.read()["termEnd"] is None
    door.reactivate("mill")
    assert books.left() == {"SETUP": None}
    door.advance("2026-05-11T00:00:00Z")
    assert books.bills()[1:] == [(f"2026-0{month}-11", "300.00") for month in range(2, 6)]
    door.set_cycles("mill", "SETUP", 1)
    door.advance("2026-07-11T00:00:00Z")
    assert books.bills()[5:] == [("2026-06-11", "300.00"), ("2026-07-11", "200.00")]


def test_an_advance_invoice_collects_several_cycles_at_once(door: Door, books: Books) -> None:
    door.create("mill", "MONTHLY", {"SETUP": 3})
    door.advance("2026-01-05T00:00:00Z")
    door.advance_invoice("mill", 4)
    assert books.lines() == [
        ("MONTHLY", "4", "800.00", "2026-02-01", "2026-06-01"),
        ("SETUP", "2", "200.00", "2026-02-01", "2026-04-01"),
    ]
    assert books.left() == {"SETUP": 0}
    door.advance("2026-04-01T00:00:00Z")
    assert books.left() == {}
    door.advance("2026-06-01T00:00:00Z")
    assert books.bills() == [("2026-01-01", "300.00"), ("2026-01-05", "1000.00"), ("2026-06-01", "200.00")]


def test_a_plan_ends_with_its_billing_cycles(door: Door, books: Books) -> None:
    door.create("mill", "FOUR", {"SETUP": 4})
    door.advance("2026-09-01T00:00:00Z")
    assert books.bills() == [(f"2026-0{month}-01", "150.00") for month in range(1, 5)]
    assert (books.read()["status"], books.read()["canceledDatetime"][:10]) == ("canceled", "2026-05-01")


def test_an_add_on_that_does_not_recur_is_charged_once(door: Door, books: Books) -> None:
    door.create("mill", "MONTHLY", {"VISIT": None})
    door.advance("2026-01-20T00:00:00Z")
    door.add("mill", "VISIT", None)
    door.advance("2026-02-01T00:00:00Z")
    assert books.totals() == ["280.00", "80.00", "200.00"]
    assert books.left() == {}


def test_the_billing_day_comes_back_after_a_short_month(door: Door, books: Books) -> None:
    door.advance("2026-01-31T00:00:00Z")
    door.create("mill", "MONTHLY", {})
    door.advance("2026-02-10T00:00:00Z")
    door.change_term("mill", "QUARTERLY", {})
    door.advance("2026-05-31T00:00:00Z")
    assert [day for day, _ in books.bills()] == ["2026-01-31", "2026-02-28", "2026-05-31"]


# -- what is refused


def refuse_too_many(door: Door) -> None:
    door.create("other", "FOUR", {"SETUP": 5})


def refuse_too_many_later(door: Door) -> None:
    door.add("four", "SETUP", 5)


def refuse_not_recurring(door: Door) -> None:
    door.add("mill", "VISIT", 2)


def refuse_period(door: Door) -> None:
    door.add("mill", "CARE", 1)


def refuse_period_of_another_term(door: Door) -> None:
    door.change_term("half", "QUARTERLY", {"CARE": 1})


def refuse_twice(door: Door) -> None:
    door.create("mill", "MONTHLY", {})


def refuse_id(door: Door) -> None:
    door.create("../mill", "MONTHLY", {})


def refuse_no_cycle(door: Door) -> None:
    door.set_cycles("mill", "SETUP", 0)


def refuse_no_term(door: Door) -> None:
    door.advance_invoice("mill", 0)


def refuse_more_terms_than_come(door: Door) -> None:
    door.advance_invoice("four", 4)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (refuse_too_many, "the plan has 4 billing cycles left: SETUP can't have 5"),
        (refuse_too_many_later, "the plan has 4 billing cycles left: SETUP can't have 5"),
        (
            refuse_period,
            "the 2-month period of the add-on CARE does not divide the 1-month term of the plan MONTHLY",
        ),
        (refuse_period_of_another_term, "does not divide the 3-month term of the plan QUARTERLY"),
        (refuse_twice, "there is a subscription 'mill' already"),
        (refuse_id, "'../mill' is not 1 to 50 letters, digits, hyphens and underscores"),
        (refuse_no_cycle, "billingCycles: at least 1"),
        (refuse_no_term, "terms: from 1 to 1000"),
        (refuse_more_terms_than_come, "four has 3 terms left, not 4"),
        (refuse_not_recurring, "the add-on VISIT does not recur: it can't have billing cycles"),
    ],
)
def test_a_refusal_changes_nothing(door: Door, client: httpx.Client, wish: Any, why: str) -> None:
    door.create("mill", "MONTHLY", {"SETUP": 3})
    door.create("half", "HALF", {"CARE": 2})
    door.create("four", "FOUR", {})
    before = everything(client)
    with pytest.raises(Refused) as refused:
        wish(door)
    assert why in str(refused.value)
    assert everything(client) == before


def everything(client: httpx.Client) -> list[str]:
    paths = [""] + [f"/{name}{more}" for name in ("mill", "half", "four") for more in ("", "/timeline")]
    return [client.get(f"/_mock/chargemonk/subscriptions{path}").text for path in paths]
