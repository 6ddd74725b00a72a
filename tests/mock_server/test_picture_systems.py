"""Pictures of accounts at Cleverbridge, Fusebill and Chargemonk: what they tell, and that nothing is lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyhook_mock import Server, serve
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.picture.bills import Account, Counter, Subject, tell_bills
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.picture.story import Sign, Step, Story
from tallyhook_mock.picture.style import STYLE
from tallyhook_mock.systems.chargemonk import picture as chargemonk
from tallyhook_mock.systems.chargemonk.state import State as Chargemonk
from tallyhook_mock.systems.cleverbridge import picture as cleverbridge
from tallyhook_mock.systems.cleverbridge.state import State as Cleverbridge
from tallyhook_mock.systems.fusebill import picture as fusebill
from tallyhook_mock.systems.fusebill.state import State as Fusebill
from tallyhook_mock.timeline import Entry

from .command import Command
from .systems_world import CATALOG, START, played
from .test_picture import assert_legible, titles, words

PATHS = {
    "cleverbridge": "cleverbridge/subscriptions/S1001",
    "fusebill": "fusebill/customers/1",
    "chargemonk": "chargemonk/subscriptions/mill",
}
STORIES = {
    "cleverbridge": lambda mock: cleverbridge.tell(mock, mock.systems.of(Cleverbridge).subscription("S1001")),
    "fusebill": lambda mock: fusebill.tell(mock, mock.systems.of(Fusebill).customer(1)),
    "chargemonk": lambda mock: chargemonk.tell(mock, mock.systems.of(Chargemonk).subscriptions["mill"]),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with played() as running:
        yield running


def drawn(server: Server, system: str) -> str:
    answer = httpx.get(f"{server.url}/_mock/{PATHS[system]}/timeline.svg")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    return answer.text


def story(server: Server, system: str) -> Story:
    return server.call(lambda: STORIES[system](server.mock))


def rows(story: Story) -> dict[str, list[tuple[str, str, str, int | None]]]:
    """By the name of a row: first day, day after the last, amount and invoice; without what is to come."""
    return {
        row.name: [
            (f"{p.start:%m-%d}", f"{p.end:%m-%d}", str(p.total), p.number)
            for p in row.periods
            if p.state != "coming"
        ]
        for row in story.rows
    }


@pytest.mark.parametrize("system", PATHS)
def test_every_picture_is_legible(server: Server, system: str) -> None:
    assert_legible(drawn(server, system))


def test_cleverbridge_shows_each_item_and_what_it_was_billed_for(server: Server) -> None:
    told = story(server, "cleverbridge")
    assert rows(told) == {
        "Big base": [
            ("03-17", "04-17", "50.00", 1),
            ("04-17", "05-17", "50.00", 3),
            ("05-17", "06-17", "50.00", 5),
            ("06-17", "07-17", "80.00", 8),
            ("07-17", "08-17", "80.00", 10),
        ],
        "Excess": [
            ("03-17", "04-17", "8.00", 3),
            ("04-17", "05-17", "3.00", 5),
            ("05-17", "06-17", "3.00", 8),
            ("06-17", "07-17", "12.00", 10),
            ("07-17", "08-17", "12.00", None),
        ],
    }
    svg = drawn(server, "cleverbridge")
    assert {"58.00", "14.52", "+14.52", "not billed", "1 · in advance"} <= set(words(svg))
    found = titles(svg)
    assert "17 Apr 2026 00:00 · invoice #3: 58.00 (Base 50.00; Excess 8.00)" in found
    assert "Excess, 17 Jul 2026 00:00 to 17 Aug 2026 00:00: 12.00, not billed yet" in found
    (tally,) = told.tallies
    assert tally.item == "Excess"
    assert [count.quantity for count in tally.updates] == [8, 3, 12]
    assert [count.quantity for count in tally.billed] == [8, 3, 3, 12]


def test_vat_is_no_charge_of_its_own(server: Server) -> None:
    other = server.call(
        lambda: cleverbridge.tell(server.mock, server.mock.systems.of(Cleverbridge).subscription("S1002"))
    )
    assert [lane.name for lane in other.lanes] == ["Changes", "Invoices", "Upcoming"]
    assert other.tallies == ()


def test_fusebill_shows_what_a_move_does_to_the_period_and_not_to_the_charge(server: Server) -> None:
    told = story(server, "fusebill")
    found = rows(told)
    # On May 3 the recharge goes from the 17th to the 24th: seven days that cost nothing.
    assert found["Glow"][:3] == [
        ("03-17", "04-17", "30.00", 1),
        ("04-17", "05-24", "30.00", 6),
        ("05-24", "06-24", "30.00", 9),
    ]
    # The charge was for the time up to the old date, and stays so; the last one waits.
    assert found["Prorated"] == [("04-20", "05-17", "10.80", 9), ("08-09", "08-24", "30.00", None)]
    lanes = {lane.name: lane.marks for lane in told.lanes}
    assert [mark.label for mark in lanes["Charges"]] == ["+5.00", "+10.80", "+30.00"]
    assert sum(mark.sign is Sign.CHANGED for mark in lanes["Changes"]) == 2
    moved = "period moved, definition 101: recharge moved from 2026-05-17 to 2026-05-24"
    assert f"3 May 2026 12:00 · {moved}" in titles(drawn(server, "fusebill"))


def test_chargemonk_shows_terms_and_cycles_counted_down(server: Server) -> None:
    told = story(server, "chargemonk")
    assert [(span.label, f"{span.start:%m-%d}", f"{span.end:%m-%d}") for span in told.plans] == [
        ("Monthly · 200.00 USD per month", "03-17", "05-17"),
        ("Monthly · 200.00 USD per month", "06-02", "09-02"),
    ]
    assert [(f"{pause.start:%m-%d}", f"{pause.end:%m-%d}") for pause in told.pauses] == [("05-15", "06-02")]
    assert [mark.sign for mark in told.turns] == [
        Sign.BEGAN,
        Sign.CANCELED,
        Sign.REACTIVATED,
        Sign.CHANGED,
    ]
    assert rows(told)["Setup fee"] == [
        ("03-17", "04-17", "100.00", 1),
        ("04-17", "05-17", "100.00", 2),
        ("06-02", "07-02", "100.00", 3),
        ("07-02", "09-02", "200.00", 4),
    ]
    (tally,) = told.tallies
    # Reactivated after the term it was charged forever for a moment, until four were agreed upon.
    assert [step.quantity for step in tally.steps if step.end - step.start > timedelta(days=1)] == [
        7,
        6,
        4,
        2,
    ]
    (charges,) = (lane for lane in told.lanes if lane.name == "Charges")
    assert [mark.label for mark in charges.marks] == ["+80.00"]


def test_what_ends_is_shown_as_ended() -> None:
    with serve(CATALOG, start=START) as server:
        server.advance("10d")
        for path in ("cleverbridge/subscriptions/S1001/deactivate", "chargemonk/subscriptions/mill/cancel"):
            assert httpx.post(f"{server.url}/_mock/{path}").status_code == 200
        server.advance("2mo")
        assert any("subscription deactivated" in line for line in titles(drawn(server, "cleverbridge")))
        (pause,) = story(server, "chargemonk").pauses
        assert pause.end == server.now


def test_fusebill_marks_the_end_of_a_subscription(server: Server) -> None:
    answer = httpx.post(
        f"{server.url}/v1/subscriptioncancellation",
        json={"subscriptionId": 12, "cancellationOption": "None"},
        headers={"Authorization": "Basic wick-and-oil"},
    )
    assert answer.status_code == 200, answer.text
    lanes = {lane.name: lane.marks for lane in story(server, "fusebill").lanes}
    assert lanes["Changes"][-1].sign is Sign.CANCELED


def test_an_account_without_anything_has_a_picture() -> None:
    with serve({"fusebill": {"customers": [{"id": 1, "name": "Ida <&> Lamp"}]}}) as server:
        svg = drawn(server, "fusebill")
        assert_legible(svg)
        assert "1 · Ida <&> Lamp" in words(svg)
        assert "Fusebill, since 1 January 2026: 0 invoices, 0.00 USD billed" in words(svg)


def test_who_is_not_there_has_no_picture(server: Server) -> None:
    for path in ("cleverbridge/subscriptions/S9", "fusebill/customers/9", "chargemonk/subscriptions/quay"):
        answer = httpx.get(f"{server.url}/_mock/{path}/timeline.svg")
        assert (answer.status_code, list(answer.json())) == (404, ["error"])
    for path in PATHS.values():
        assert httpx.get(f"{server.url}/_mock/{path}/timeline.svg?size=1").status_code == 400


@pytest.mark.parametrize("system", PATHS)
def test_the_command_shows_every_system(server: Server, system: str, tmp_path: Path) -> None:
    command, file = Command(server.url), tmp_path / "life.svg"
    account = PATHS[system].rpartition("/")[2]
    said = command.says("timeline", account, "--system", system, "--svg", str(file))
    assert said == f"{file} is written.\n"
    assert file.read_text("utf-8") == drawn(server, system)
    entries = command.gives("timeline", account, "--system", system)
    assert len(entries) > 5
    assert "2026-03-17 00:00:00" in command.says("timeline", account, "--system", system)


def test_the_command_says_what_an_entry_is_about(server: Server) -> None:
    said = Command(server.url).says("timeline", "1", "--system", "fusebill")
    assert "definition 101: recharge moved from 2026-05-17 to 2026-05-24" in said
    assert "customerId" in Command(server.url).complains(1, "timeline", "9", "--system", "fusebill")


# -- any bills


MOMENTS = st.integers(0, 400).map(lambda days: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days))
AMOUNTS = st.decimals(0, 10**6, places=2)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    item, amount = draw(st.sampled_from(("a", "b", "c"))), draw(AMOUNTS)
    start, end = draw(st.none() | MOMENTS), draw(st.none() | MOMENTS)
    return Line(item, f"item {item}", Decimal(1), amount, amount, start, end)


@given(st.lists(st.tuples(MOMENTS, st.lists(lines(), max_size=5)), max_size=8), st.lists(lines(), max_size=3))
@settings(max_examples=60, deadline=None)
def test_no_charge_is_lost_and_no_time_is_shown_as_billed_twice(
    billed: list[tuple[datetime, list[Line]]], waiting: list[Line]
) -> None:
    billed.sort(key=lambda each: each[0])
    start, now = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 2, 6, tzinfo=UTC)
    bills = [Bill(number, at, "x", "EUR", tuple(found)) for number, (at, found) in enumerate(billed, 1)]
    subjects = [Subject(name, "", frozenset((name,))) for name in ("a", "b")]
    account = Account("x", "System", start, now, "EUR", bills, subjects, {}, waiting)
    told = tell_bills(account, (), now)
    for row in told.rows:
        for one, other in combinations(row.periods, 2):
            assert one.end <= other.start or other.end <= one.start
    lanes = {lane.name: lane.marks for lane in told.lanes}
    in_rows = [period.total for row in told.rows for period in row.periods if period.number is not None]
    on_top = [Decimal(mark.label.replace("+", "")) for mark in lanes.get("Charges", ())]
    assert sorted(in_rows + on_top) == sorted(line.amount for bill in bills for line in bill.lines)
    assert [mark.label for mark in lanes.get("Invoices", ())] == [str(bill.total) for bill in bills]
    assert_legible(paint(told))


def test_a_quantity_stays_until_the_next_entry() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=day) for day in range(5)]
    entries = [
        Entry(days[0], "addOnAdded", "SETUP: 2 cycles left", "operator", item="SETUP", quantity=Decimal(2)),
        Entry(days[1], "cyclesReset", "SETUP: forever", "operator", item="SETUP"),
        Entry(days[3], "cyclesSet", "SETUP: 5 cycles left", "operator", item="SETUP", quantity=Decimal(5)),
    ]
    account = Account("x", "System", start, days[4], "EUR", [], [], {}, counters=[Counter("SETUP", "Setup")])
    (tally,) = tell_bills(account, entries, days[4]).tallies
    assert tally.steps == (Step(days[0], days[1], Decimal(2)), Step(days[3], days[4], Decimal(5)))


def test_what_is_forecast_is_drawn_dashed(server: Server) -> None:
    for system, path in PATHS.items():
        coming = httpx.get(f"{server.url}/_mock/{path}/forecast").json()["invoices"]
        told = story(server, system)
        (lane,) = (lane for lane in told.lanes if lane.name == "Upcoming")
        assert {mark.sign for mark in lane.marks} == {Sign.COMING}
        assert [mark.label for mark in lane.marks] == [each["total"] for each in coming][: len(lane.marks)]
        assert all(told.now < mark.at <= told.end for mark in lane.marks)
        assert "upcoming, if nothing changes" in "".join(titles(paint(told)))
    assert ".life .coming .s{fill:none;stroke:var(--money);stroke-dasharray" in STYLE


def test_a_page_shows_what_is_forecast(server: Server) -> None:
    for system, path in PATHS.items():
        account = path.split("/")[-1]
        page = httpx.get(f"{server.url}/console/{system}/{account}").text
        coming = httpx.get(f"{server.url}/_mock/{path}/forecast").json()["invoices"]
        assert "Upcoming, if nothing changes" in page
        assert all(each["total"] in page for each in coming)
