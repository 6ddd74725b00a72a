"""The picture of a customer's life: what it tells, and that it can be read."""

import io
import runpy
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations, pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from rich.console import Console

from tallyhook_mock import Server, serve
from tallyhook_mock.picture.canvas import clip, width
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.picture.scale import Aftermath, Axis
from tallyhook_mock.picture.story import (
    Count,
    Lane,
    Mark,
    Period,
    Review,
    Row,
    Sign,
    Span,
    Step,
    Story,
    Tally,
)
from tallyhook_mock.picture.style import SIZES, STYLE
from tallyhook_mock.systems.cheddar.picture import tell

from .command import Command
from .loopback import Api, catalog, listening

DOCS = Path(__file__).parents[2] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
START = datetime(2026, 1, 1, tzinfo=UTC)


def titles(svg: str) -> list[str]:
    """What hovering and the keyboard show, line by line."""
    found = etree.fromstring(svg.encode()).iter(f"{SVG}title")
    return [line for title in found for line in (title.text or "").split("\n")]


def words(svg: str) -> list[str]:
    return [text.text or "" for text in _texts(svg)]


def boxes(svg: str) -> list[tuple[float, float, float, float, str]]:
    """Left, top, right, bottom of every text that is always seen."""
    found = []
    for text in _texts(svg):
        names = text.attrib["class"].split()
        size = next(SIZES[name] for name in names if name in SIZES)
        is_bold = "title" in names or "name" in names
        long = width(text.text or "", size, bold=is_bold)
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        left = x - long if "end" in names else x - long / 2 if "middle" in names else x
        found.append((left, y - size * 0.75, left + long, y + size * 0.25, text.text or ""))
    return found


def _texts(svg: str) -> list[etree._Element]:
    drawn = etree.fromstring(svg.encode()).iter(f"{SVG}text")
    return [text for text in drawn if text.attrib["class"] != "tip"]


def assert_legible(svg: str) -> None:
    root = etree.fromstring(svg.encode())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    found = boxes(svg)
    for left, top, right, bottom, text in found:
        assert left >= 0, text
        assert top >= 0, text
        assert right <= width + 0.1, text
        assert bottom <= height, text
    for one, other in combinations(found, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


# -- the year in the README


@pytest.fixture(scope="module")
def year() -> str:
    return str(runpy.run_path(str(DOCS / "timeline.py"))["document"]())


def test_the_picture_of_the_year_is_current(year: str) -> None:
    assert (DOCS / "timeline.svg").read_text("utf-8") == year, "run python docs/timeline.py"


def test_the_year_is_legible(year: str) -> None:
    assert etree.fromstring(year.encode()).attrib["width"] == "1280"
    assert_legible(year)


def test_the_year_tells_every_event(year: str) -> None:
    told = titles(year)
    assert "1 May 2026 09:01 · subscriptionBillable, attempt 2 of 3: answered 500" in told
    assert "1 May 2026 09:06 · subscriptionBillable, attempt 3 of 3: answered 200" in told
    assert "Invoice #8 is held for 4 h 21 min" in told
    assert "1 May 2026 09:06 · credit added: SORRY 1 × -5.00, invoice #5" in told
    assert "1 Oct 2026 10:00 · invoice #10: 100.00 declined" in told
    assert "3 Oct 2026 10:00 · invoice #10: 100.00 paid" in told
    assert "13 Jun 2026 15:00 · the subscription is changed" in told
    assert "24 May 2026 15:00 · GB = 12, invoice #6" in told
    assert "Invoice #6, 1 May 2026 09:00 to 1 Jun 2026 09:00: 50.00, paid" in told
    assert any(line.endswith("credit carried forward: -40.00, invoice #12") for line in told)
    failed = {line for line in told if "answered 500" in line}
    assert len(failed) == 7


def test_the_year_says_the_most_important_in_words(year: str) -> None:
    said = Counter(words(year))
    for text in ("2 failed", "5 failed", "1 declined", "held 4 h 21 min", "100.00 paid, 1 declined", "2×"):
        assert said[text], text
    assert said["Small · 20.00 monthly"] == said["Team · 60.00 monthly"] == 1
    assert [f"#{number}" in said for number in range(2, 15)] == [True] * 13


def test_it_stands_for_itself(year: str) -> None:
    root = etree.fromstring(year.encode())
    assert not {element.tag for element in root.iter()} & {f"{SVG}script", f"{SVG}image", f"{SVG}use"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if "href" in name or name.startswith("on") or name == "style"]
    assert "@import" not in STYLE
    assert set(STYLE.split("url(")[1:]) == {STYLE.split("url(")[1]}
    assert "url(#life-hatch)" in STYLE
    assert "prefers-color-scheme:dark" in STYLE


def test_every_event_can_be_reached_and_says_what_it_is(year: str) -> None:
    events = [g for g in etree.fromstring(year.encode()).iter(f"{SVG}g") if g.get("class") == "event"]
    assert len(events) > 100
    for event in events:
        assert event.get("tabindex") == "0"
        title, tip = event.find(f"{SVG}title"), event.find(f"{SVG}text[@class='tip']")
        assert title is not None
        assert tip is not None
        assert title.text
        assert tip.text
        assert title.text[:10] == tip.text[:10]


def test_nothing_is_drawn_over_what_explains_an_event(year: str) -> None:
    drawn = list(etree.fromstring(year.encode()).iter())
    last_event = max(place for place, element in enumerate(drawn) if element.get("class") == "event")
    (tip,) = {text.get("y") for text in drawn if text.get("class") == "tip"}
    for rectangle in (element for element in drawn[last_event:] if element.tag == f"{SVG}rect"):
        assert float(rectangle.attrib["y"]) + float(rectangle.attrib["height"]) < float(tip or 0) - 13


def test_a_page_may_bring_the_style() -> None:
    story = _story()
    assert "<style>" in paint(story)
    assert "<style>" not in paint(story, styled=False)


# -- any life


def _story(**changed: object) -> Story:
    plain: dict[str, object] = {
        "title": "ida",
        "summary": "",
        "start": START,
        "end": START + timedelta(days=90),
        "now": START + timedelta(days=80),
    }
    names = ("plans", "pauses", "turns", "rows", "tallies", "lanes", "reviews")
    plain |= dict.fromkeys(names, ())
    return Story(**{**plain, **changed})  # type: ignore[arg-type]  # the fields' own types, by name


@pytest.mark.parametrize("sign", Sign)
def test_every_sign_is_explained(sign: Sign) -> None:
    marked = paint(_story(turns=(Mark(START + timedelta(days=40), sign, "it happened"),)))
    assert len(set(words(marked)) - set(words(paint(_story())))) == 1


# Letters of many widths, and what XML can't hold or has to escape.
text = st.text(st.sampled_from("WMiljl 0123456789.#<>&\"'é漢😀\x00\x1b\ud800"), max_size=24)
quantities = st.decimals(0, 10**8, places=2)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    life = timedelta(seconds=draw(st.integers(3600, 10 * 365 * 86400)))
    moments = st.floats(0, 1).map(lambda share: START + life * share)
    marks = st.lists(st.builds(Mark, moments, st.sampled_from(Sign), text, text), max_size=12).map(tuple)
    bounds = draw(st.lists(moments, min_size=2, max_size=25, unique=True).map(sorted))
    spans = list(pairwise(bounds))
    states = st.sampled_from(("current", "held", "released", "unpaid", "lapsed", "paid", "void"))
    counts = st.lists(st.builds(Count, moments, quantities, text), max_size=8).map(tuple)
    steps = st.just(tuple(Step(start, end, draw(quantities)) for start, end in spans))

    def review(number: int, at: datetime, marks: tuple[tuple[Mark, ...], ...], late: float) -> Review:
        shifted = [
            tuple(Mark(at + (mark.at - START) * late, mark.sign, mark.title, mark.label) for mark in each)
            for each in marks
        ]
        released = at + timedelta(days=10) * late
        return Review(number, at, released, released + timedelta(hours=1), None, *shifted, draw(text))

    reviews = st.builds(
        review,
        st.integers(1, 99999),
        moments,
        st.tuples(marks, marks, marks),
        st.sampled_from((0.0, 1e-6, 1e-4, 1e-2, 1.0)),
    )
    return _story(
        title=draw(text),
        summary=draw(text),
        end=START + life,
        now=draw(moments),
        plans=tuple(Span(start, end, draw(text), draw(text)) for start, end in spans[:5]),
        pauses=tuple(Span(start, end, draw(text), draw(text)) for start, end in spans[5:7]),
        turns=draw(marks),
        rows=tuple(
            Row(
                draw(text),
                draw(text),
                tuple(
                    Period(start, end, number or None, draw(quantities) - 1000, draw(states), draw(text))
                    for number, (start, end) in enumerate(spans)
                ),
            )
            for _ in range(draw(st.sampled_from((0, 1, 3, 10))))
        ),
        tallies=tuple(draw(st.lists(st.builds(Tally, text, steps, counts, counts), max_size=6))),
        lanes=tuple(draw(st.lists(st.builds(Lane, text, marks), max_size=4))),
        reviews=tuple(draw(st.lists(reviews, max_size=18))),
    )


@given(stories())
@settings(max_examples=40, deadline=None)
def test_no_text_covers_another_whatever_has_happened(story: Story) -> None:
    assert_legible(paint(story))


def test_letters_are_never_wider_than_reckoned() -> None:
    """Against the advances of DejaVu Sans, a wide font, at 1000 px."""
    for shown, measured in (("Invoice", 3575), ("52.50", 2863), ("WMmw", 3644), ("#12 −5.00", 5493)):
        assert width(shown, 1000) >= measured
    assert clip("a long text", 1000, 12) == "a long text"
    shortened = clip("a long text", 50, 12)
    assert shortened.endswith("…")
    assert width(shortened, 12) <= 50
    assert clip("a long text", 5, 12) == ""


# -- to scale


def test_a_life_is_drawn_to_one_scale() -> None:
    axis = Axis(START, START + timedelta(days=100), 100, 1100)
    for days in (0, 1, 50, 100):
        assert axis.x(START + timedelta(days=days)) == pytest.approx(100 + 10 * days)
    for tick in axis.ticks():
        assert 100 <= tick.x <= 1100


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        (0.5, ["12:00", "18:00"]),
        (20, ["1", "2", "3"]),
        (100, ["1 Jan", "5 Jan", "12 Jan"]),
        (365, ["Jan", "Feb", "Mar"]),
        (1500, ["Jan", "Apr", "Jul"]),
        (9000, ["2026", "2027", "2028"]),
    ],
)
def test_ticks_suit_the_length_of_the_life(days: float, labels: list[str]) -> None:
    start = START + timedelta(hours=9)
    ticks = list(Axis(start, start + timedelta(days=days), 0, 1120).ticks())
    shown = [tick.label for tick in ticks]
    assert [label for label in shown if label in labels][: len(labels)] == labels or days < 1
    room = min((after.x - before.x for before, after in pairwise(ticks[1:])), default=100)
    assert room > 30


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=400)), min_size=2))
def test_the_time_after_a_bill_date_keeps_its_order(moments: list[timedelta]) -> None:
    scale = Aftermath(moments, 100, 1000)
    places = [scale.x(moment) for moment in sorted(moments)]
    assert places == sorted(places)
    assert places[0] >= 100
    assert places[-1] <= 1000.001
    for zone in scale.zones:
        middle = zone.start + (zone.end - zone.start) / 2
        assert scale.x(middle) == pytest.approx((zone.left + zone.right) / 2)


# -- of a running mock


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


def test_quantities_are_told_from_where_they_are_known(server: Server) -> None:
    api, product = Api(server), server.mock.product()
    api.subscribe("ida")
    server.advance("10d")
    api.call("customers/set-item-quantity", code="ida", itemCode="OIL", quantity="5")
    server.advance("1mo")
    story = server.call(lambda: tell(server.mock, server.mock.state.customer(product, "ida")))
    (tally,) = story.tallies
    at = START + timedelta(days=10)
    february = datetime(2026, 2, 1, tzinfo=UTC)
    assert tally.steps == (
        Step(START, at, Decimal(0)),
        Step(at, february, Decimal(5)),
        Step(february, story.now, Decimal(0)),
    )
    assert [count.quantity for count in tally.billed] == [Decimal(5)]


def test_what_a_catalogue_says_of_a_quantity_is_there_from_the_start() -> None:
    lasting = {"code": "KEEPER", "overageAmount": "10.00"}
    content = catalog(
        plans=[{"code": "GLOW", "recurringChargeAmount": "20.00", "items": [lasting]}],
        customers=[{"code": "ida", "planCode": "GLOW", "items": {"KEEPER": 2}}],
    )
    with serve(content) as server:
        server.advance("36d")
        (tally,) = server.call(
            lambda: tell(server.mock, server.mock.state.customer(server.mock.product(), "ida"))
        ).tallies
        assert [step.quantity for step in tally.steps] == [2, 2]
        assert [count.quantity for count in tally.billed] == [2]


def test_a_hold_that_lasts_and_a_cancellation(server: Server) -> None:
    api = Api(server)
    with listening(lambda _: 500) as listener:
        server.listen(listener.url, ["subscriptionBillable"])
        api.subscribe("ida")
        server.advance("36d")
        api.call("customers/cancel", code="ida")
        server.advance("1d")
        svg = server.timeline("ida").svg
    assert svg is not None
    told = titles(svg)
    assert "Invoice #2 is held for 6 d" in told
    assert any(line.startswith("Canceled from 6 Feb 2026") for line in told)
    assert {"20.00 held", "#2 held", "held 6 d"} <= set(words(svg))
    assert_legible(svg)


def test_a_bill_date_that_passes_while_the_customer_is_canceled(server: Server) -> None:
    api = Api(server)
    api.subscribe("ida")
    api.call("customers/add-charge", code="ida", chargeCode="WICK", quantity="1", eachAmount="4.00")
    api.call("customers/cancel", code="ida")
    server.advance("36d")
    svg = httpx.get(f"{server.url}/_mock/customers/ida/timeline.svg")
    assert svg.status_code == 200, svg.text
    assert "Invoice #2, 1 Jan 2026 00:00 to 1 Feb 2026 00:00: 24.00, lapsed" in titles(svg.text)
    assert {"#2 lapsed", "24.00 lapsed"} <= set(words(svg.text))
    assert_legible(svg.text)
    assert ".period.lapsed{" in STYLE
    page = httpx.get(f"{server.url}/console/customer?product=LANTERN&code=ida")
    assert page.status_code == 200, page.text
    assert "#2 lapsed" in page.text


def test_a_timeline_shows_itself(server: Server) -> None:
    api = Api(server)
    api.subscribe("ida")
    api.call("customers/add-charge", code="ida", chargeCode="W[I]CK", quantity="1", eachAmount="2.00")
    life = server.timeline("ida")
    assert [entry.kind for entry in life] == ["transaction", "newSubscription", "charge"]
    assert life[0].kind == life[:1][0].kind
    assert len(life) == 3
    last = str(life).splitlines()[-1]
    assert last.split() == ["2026-01-01", "00:00:00", "charge", "#2", "2.00", "W[I]CK", "1", "×", "2.00"]
    terminal = io.StringIO()
    Console(width=120, file=terminal).print(life)
    assert "W[I]CK 1 × 2.00" in terminal.getvalue()
    assert (life._repr_svg_() or "").startswith("<svg ")

    api.call("customers/delete", code="ida")
    gone = server.timeline("ida")
    assert gone[-1].kind == "customerDeleted"
    assert gone._repr_svg_() is None


def test_the_control_api_draws(server: Server) -> None:
    Api(server).subscribe("ida/lamp & co")
    answer = httpx.get(f"{server.url}/_mock/customers/ida%2Flamp%20%26%20co/timeline.svg")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "ida/lamp & co · Ida Lamp" in words(answer.text)
    assert httpx.get(f"{server.url}/_mock/customers/nobody/timeline.svg").status_code == 404
    assert httpx.get(f"{server.url}/_mock/customers/nobody/timeline.svg?size=1").status_code == 400


def test_the_command_shows_the_table_and_writes_the_picture(server: Server, tmp_path: Path) -> None:
    command, file = Command(server.url), tmp_path / "ida.svg"
    Api(server).subscribe("ida")
    lines = [line.split() for line in command.says("timeline", "ida").splitlines()]
    assert ["2026-01-01", "00:00:00", "transaction", "#1", "20.00", "20.00", "approved"] in [
        line[:7] for line in lines
    ]
    assert [entry["kind"] for entry in command.gives("timeline", "ida")] == ["transaction", "newSubscription"]
    assert command.says("timeline", "ida", "--svg", str(file)) == f"{file} is written.\n"
    assert file.read_text("utf-8") == server.timeline("ida").svg
    assert "nobody" in command.complains(1, "timeline", "nobody")
    assert "not found" in command.complains(1, "timeline", "nobody", "--svg", str(file))
    assert "can't be written" in command.complains(2, "timeline", "ida", "--svg", str(tmp_path))
