"""The pages of Cleverbridge and Fusebill over HTTP, and the way to all three systems."""

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from lxml import html as markup

from tallyhook_mock import Server, serve
from tallyhook_mock.clock import parse_moment
from tallyhook_mock.systems.cleverbridge.state import State as Cleverbridge
from tallyhook_mock.systems.fusebill.state import State as Fusebill

from . import cleverbridge_world, fusebill_face, test_console
from .loopback import catalog
from .systems_world import CATALOG, START, played
from .test_console import EVIL, act, shown, told

CLEVERBRIDGE, FUSEBILL, CHARGEMONK = "/console/cleverbridge", "/console/fusebill", "/console/chargemonk"
S1001, IDA = f"{CLEVERBRIDGE}/S1001", f"{FUSEBILL}/1"
ASKED = f"{S1001}?item=2&quantity=20&when=at+the+renewal"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start=START) as server:
        yield server


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, follow_redirects=True, timeout=60) as client:
        yield client


def dump(server: Server) -> tuple[object, object]:
    systems = server.mock.systems
    return server.call(
        lambda: (cleverbridge_world.dump(systems.of(Cleverbridge)), fusebill_face.dump(systems.of(Fusebill)))
    )


def send(browser: httpx.Client, page: httpx.Response, action: str) -> str:
    """Send the one form of a page that does this, as it stands; what is said of it."""
    (form,) = (form for form in markup.fromstring(page.text).forms if form.action == f"/console/{action}")
    answer = browser.post(form.action, data=dict(form.form_values()))
    assert "?" not in str(answer.url), "the look is over"
    return told(answer)


def definition(browser: httpx.Client, place: int = 0) -> int:
    customer = browser.get("/_mock/fusebill/customers").json()["customers"][0]
    return int(customer["billingPeriodDefinitions"][place]["id"])


def objection(answer: httpx.Response) -> str:
    found = re.search(r'<p class="notice is-bad" role="alert">(.*?)</p>', answer.text)
    assert found is not None, answer.text
    return html.unescape(found[1])


# -- all of them


@pytest.mark.parametrize(
    "path", ["/", CLEVERBRIDGE, S1001, ASKED, FUSEBILL, IDA, f"{IDA}?subscriptionId=12&invoiceDay=6"]
)
def test_pages_are_as_strict_as_the_others(browser: httpx.Client, path: str) -> None:
    test_console.test_pages_are_strict(browser, path)


@pytest.mark.parametrize("path", [f"{CLEVERBRIDGE}/S9", f"{FUSEBILL}/9", f"{FUSEBILL}/ida"])
def test_who_is_not_there_is_a_page_too(browser: httpx.Client, path: str) -> None:
    test_console.test_what_is_not_there_is_a_page_too(browser, path)


@pytest.mark.parametrize("path", [S1001, f"{CLEVERBRIDGE}/S1002", IDA, f"{FUSEBILL}/2", f"{CHARGEMONK}/mill"])
def test_every_page_has_the_picture_and_the_entries(path: str) -> None:
    with played() as server, httpx.Client(base_url=server.url) as browser:
        page = browser.get(path)
        (picture,) = markup.fromstring(page.text).xpath("//*[@id='timeline']//*[local-name()='svg']")
        assert picture.get("class") == "life"
        assert "2026-03-17 00:00:00" in shown(page, "entries")
        assert "Total" in shown(page, "invoices")


def test_the_way_to_a_system_stands_where_there_is_something_of_it(browser: httpx.Client) -> None:
    def linked(client: httpx.Client) -> list[str]:
        links = markup.fromstring(client.get("/").text).xpath("//nav//a")
        return ["".join(link.itertext()) for link in links]

    systems = ["Cleverbridge", "Fusebill", "Chargemonk"]
    assert linked(browser) == ["Overview", "Hooks", "Listeners", "Faults", *systems]
    cheddar = ["Overview", "Customers", "Hooks", "Listeners", "Faults"]
    for content, expected in (
        (catalog(), cheddar),
        (catalog() | {"fusebill": CATALOG["fusebill"]}, [*cheddar[:-1], "Fusebill", "Faults"]),
        (catalog() | CATALOG, cheddar + systems),
        ({"fusebill": {"apiKeys": ["wick"]}}, ["Overview", "Hooks", "Listeners", "Fusebill", "Faults"]),
    ):
        with serve(content) as server, httpx.Client(base_url=server.url) as client:
            assert linked(client) == expected
            menu = markup.fromstring(client.get("/").text).xpath("//nav/details//a")
            assert len(menu) == (3 if expected == cheddar + systems else 0)


def test_a_mock_of_one_system_alone_has_all_its_pages() -> None:
    with (
        serve({"fusebill": CATALOG["fusebill"]}, start=START) as server,
        httpx.Client(base_url=server.url) as browser,
    ):
        overview = browser.get("/")
        cells = markup.fromstring(overview.text).xpath("//*[@id='systems']//td")
        said = [cell.text_content().replace("\u00a0", " ").strip() for cell in cells]
        assert said == ["Fusebill", "2", "3", "USD 31.06EUR 900.00", "2026-03-20 in 3 d"]
        assert not markup.fromstring(overview.text).xpath(
            "//*[@id='books' or @id='latest' or @id='products']"
        )
        for path in ("/console/customers", "/console/hooks", "/console/listeners", "/console/faults", IDA):
            assert browser.get(path).status_code == 200
        assert "There are no subscriptions yet." in shown(browser.get(CLEVERBRIDGE), "subscriptions")


def test_names_are_no_markup() -> None:
    content: dict[str, Any] = {
        "cleverbridge": {
            "products": [{"id": 1, "name": EVIL, "price": "1"}],
            "subscriptions": [{"id": "S1001", "customerId": EVIL, "items": [{"productId": 1}]}],
        },
        "fusebill": {
            "customers": [
                {"id": 1, "name": EVIL, "subscriptions": [{"planCode": EVIL, "planName": EVIL, "amount": 1}]}
            ]
        },
    }
    with serve(content) as server, httpx.Client(base_url=server.url) as browser:
        for path in ("/", CLEVERBRIDGE, f"{S1001}?item=1&quantity=2&when={EVIL}", FUSEBILL, IDA):
            assert "<script>alert" not in browser.get(path).text
            assert "<img src=x" not in browser.get(path).text


def test_forms_of_somebody_else_are_refused(server: Server, browser: httpx.Client) -> None:
    before = dump(server)
    for action in ("cleverbridge/quantity", "cleverbridge/deactivate", "fusebill/move"):
        assert browser.post(f"/console/{action}", data={"id": "S1001", "token": "guessed"}).status_code == 403
    assert dump(server) == before


# -- Cleverbridge


def test_the_list_of_subscriptions(browser: httpx.Client) -> None:
    row = shown(browser.get(CLEVERBRIDGE), "subscriptions")
    assert "S1001 harbour active 1 × Base in advance0 × Excess in arrears" in row
    assert "2026-03-17 → 2026-04-17 in 31 d EUR 50.00" in row.replace("\u00a0", " ")
    assert "EUR 95.20" in row.replace("\u00a0", " ")  # with VAT
    for wanted, found in (("MILL", "S1002"), ("s1001", "S1001")):
        narrowed = shown(browser.get(CLEVERBRIDGE, params={"q": wanted}), "subscriptions")
        assert found in narrowed
        assert {"S1001": "S1002", "S1002": "S1001"}[found] not in narrowed
    assert "Nobody fits “quay”." in shown(browser.get(CLEVERBRIDGE, params={"q": "quay"}), "subscriptions")


def test_a_quantity_is_set_after_a_look_at_its_price(server: Server, browser: httpx.Client) -> None:
    server.advance_to("2026-04-16T12:00:00Z")
    before = dump(server)
    page = browser.get(S1001, params={"item": "2", "quantity": "8", "when": "at the renewal"})
    assert dump(server) == before
    preview = shown(page, "preview").replace("\u00a0", " ")
    assert preview == "NowEUR 0.00 The renewal of 2026-04-17EUR 58.00 instead of EUR 50.00"
    said = send(browser, page, "cleverbridge/quantity").replace("\u00a0", " ")
    assert said.startswith("Item 2 now has 8 units. EUR 0.00 is charged now; ")
    assert said.endswith("the renewal of 2026-04-17 bills EUR 58.00 as things stand.")
    server.advance("1d")
    invoices = shown(browser.get(S1001), "invoices").replace("\u00a0", " ")
    assert "2 Excess 2026-03-17 → 2026-04-17 8 EUR 1.00 EUR 8.00 TotalEUR 58.00" in invoices
    assert "operator" in shown(browser.get(S1001), "updates")


def test_a_quantity_may_be_charged_now(server: Server, browser: httpx.Client) -> None:
    server.advance("15d")
    for when, price in (
        ("now, for what is left", "25.81"),
        ("now, for a whole interval from today", "74.19"),
    ):
        page = browser.get(S1001, params={"item": "1", "quantity": "2", "when": when})
        assert shown(page, "preview").replace("\u00a0", " ").startswith(f"NowEUR {price} ")
    send(browser, page, "cleverbridge/quantity")
    assert "TotalEUR 50.00" in shown(browser.get(S1001), "invoices").replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"item": "7"}, "has no item with RunningNumber 7; it has 1, 2"),
        ({"item": ""}, "item: a value is required"),
        ({"quantity": "many"}, "quantity: 'many' is not a whole number"),
        ({"quantity": "-1"}, "quantity: '-1' is not a whole number"),
        ({"when": "soon"}, "when: 'soon' is not one of"),
    ],
)
def test_a_quantity_that_can_not_be_is_explained(
    server: Server, browser: httpx.Client, asked: dict[str, str], why: str
) -> None:
    before = dump(server)
    wish = {"item": "2", "quantity": "8", "when": "at the renewal"} | asked
    page = browser.get(S1001, params=wish)
    assert page.status_code == 200
    assert why in objection(page)
    assert not markup.fromstring(page.text).xpath("//*[@id='preview']")
    assert why in told(act(browser, "cleverbridge/quantity", id="S1001", back=S1001, **wish))
    assert dump(server) == before


def test_a_subscription_is_deactivated(server: Server, browser: httpx.Client) -> None:
    act(browser, "cleverbridge/quantity", id="S1001", item="2", quantity="8", when="at the renewal")
    server.advance("1d")
    said = send(browser, browser.get(S1001), "cleverbridge/deactivate").replace("\u00a0", " ")
    assert said == "S1001 is deactivated. Invoice 3 is over EUR 8.00."
    page = browser.get(S1001)
    assert "deactivated" in shown(page, "head")
    actions = {form.action for form in markup.fromstring(page.text).forms}
    assert not {action for action in actions if action and "cleverbridge" in action}
    assert "deactivated" in shown(browser.get(CLEVERBRIDGE), "subscriptions")
    for action in ("deactivate", "quantity"):
        form = {"id": "S1001", "item": "1", "quantity": "2", "when": "at the renewal", "back": S1001}
        assert "can't be changed" in told(act(browser, f"cleverbridge/{action}", **form))
    answer = act(browser, "cleverbridge/deactivate", id="S9", back=CLEVERBRIDGE)
    assert told(answer) == "the subscription no longer exists"


def test_a_subscription_that_was_joined_to_another_is_finished(server: Server, browser: httpx.Client) -> None:
    server.advance("1d")
    wish = {"customerId": "harbour", "items": [{"productId": 101}]}
    other = browser.post("/_mock/cleverbridge/subscriptions", json=wish).json()["id"]
    answer = browser.post(
        f"/_mock/cleverbridge/subscriptions/{other}/align", json={"subscriptionId": "S1001"}
    )
    assert answer.status_code == 200, answer.text
    assert "finished" in shown(browser.get(S1001), "head")
    assert "finished" in shown(browser.get(CLEVERBRIDGE), "subscriptions")


def test_what_is_due_comes_before_a_quantity_that_is_set(server: Server, browser: httpx.Client) -> None:
    """A running clock may be past a renewal that nobody has got round to yet."""
    server.call(lambda: server.mock.clock.move(parse_moment("2026-04-17T00:00:01Z")))
    page = browser.get(S1001, params={"item": "2", "quantity": "8", "when": "at the renewal"})
    assert "2026-05-17" in shown(page, "preview")
    act(browser, "cleverbridge/quantity", id="S1001", item="2", quantity="8", when="at the renewal")
    said = _timeline(browser)
    assert said == [
        ("newSubscription", "operator"),
        ("billed", "operator"),
        ("billed", "system"),
        ("itemUpdated", "operator"),
    ]


def test_what_a_look_had_done_is_noted() -> None:
    alone = {"cleverbridge": CATALOG["cleverbridge"]}
    with serve(alone, start=START) as server, httpx.Client(base_url=server.url) as browser:
        server.call(lambda: server.mock.clock.move(parse_moment("2026-04-17T00:00:01Z")))
        browser.get(S1001, params={"item": "2", "quantity": "8", "when": "at the renewal"})
        server.settle()
        assert _timeline(browser)[-1] == ("billed", "system")


@pytest.mark.parametrize("late", ["00:00:00Z", "00:00:01Z"])
def test_what_is_due_comes_before_the_end(server: Server, browser: httpx.Client, late: str) -> None:
    """At the very moment of the renewal too: the interval that it begins has no length, and costs nothing."""
    act(browser, "cleverbridge/quantity", id="S1001", item="2", quantity="8", when="at the renewal")
    server.call(lambda: server.mock.clock.move(parse_moment(f"2026-04-17T{late}")))
    said = told(act(browser, "cleverbridge/deactivate", id="S1001", back=S1001)).replace("\u00a0", " ")
    ends = [] if late == "00:00:00Z" else ["EUR 8.00"]
    assert re.findall(r"over (EUR [0-9.]+)\.(?= |$)", said) == ["EUR 58.00", *ends]


def _timeline(browser: httpx.Client) -> list[tuple[str, str]]:
    """What happened to S1001, and who did it."""
    entries = browser.get("/_mock/cleverbridge/subscriptions/S1001/timeline").json()["timeline"]
    return [(entry["kind"], entry["actor"]) for entry in entries]


# -- Fusebill


def test_the_list_of_customers(browser: httpx.Client) -> None:
    row = shown(browser.get(FUSEBILL), "customers").replace("\u00a0", " ")
    assert "1 Ida Lamp Glow USD 30.00 monthlyOil USD 9.90 monthly 2 2026-03-20 in 3 d USD 9.90" in row
    assert "2 Jonas Mill BEACON EUR 900.00 yearly 1 2027-03-17" in row
    for wanted, found, other in (("2", "Jonas", "Ida"), ("LAMP", "Ida", "Jonas")):
        narrowed = shown(browser.get(FUSEBILL, params={"q": wanted}), "customers")
        assert found in narrowed
        assert other not in narrowed


def test_a_date_is_moved_after_a_dry_run(server: Server, browser: httpx.Client) -> None:
    server.advance_to("2026-04-01T00:00:00Z")
    wish = {"name": "Lamp", "amount": "31.00", "prorate": True}
    assert browser.post("/_mock/fusebill/subscriptions/11/charges", json=wish).status_code == 201
    before, period = dump(server), definition(browser)
    page = browser.get(IDA, params={"billingPeriodDefinitionId": str(period), "invoiceDay": "22"})
    assert dump(server) == before
    forecasts = shown(page, "forecasts").replace("\u00a0", " ")
    now, moved = forecasts.split("After the move")
    assert "2026-03-17 → 2026-04-17 31 Lamp USD 16.00Glow USD 30.00 USD 46.00" in now
    assert "2026-03-17 → 2026-04-22 36 Lamp USD 16.00Glow USD 30.00 USD 46.00" in moved
    assert f"period {period} moves to day 22: nothing has changed yet" in shown(page, "dry-run")
    said = send(browser, page, "fusebill/move")
    assert said == "Moved. The current period ends on 2026-04-22, at the same price."
    page = browser.get(IDA)
    assert "2026-03-17 → 2026-04-22" in shown(page, "definitions")
    assert "Lamp USD 16.00 2026-04-01 → 2026-04-17" in shown(page, "subscriptions").replace("\u00a0", " ")
    entries = browser.get("/_mock/fusebill/customers/1/timeline").json()["timeline"]
    assert (entries[-1]["kind"], entries[-1]["actor"]) == ("periodMoved", "operator")


def test_a_yearly_date_is_moved_with_its_month(browser: httpx.Client) -> None:
    page = browser.get(f"{FUSEBILL}/2")
    (form,) = markup.fromstring(page.text).xpath("//section[@id='definitions']//form")
    assert dict(form.fields)["invoiceMonth"] == "3"
    fields = dict(form.fields) | {"invoiceDay": "30"}
    page = browser.get(f"{FUSEBILL}/2", params=fields)
    assert "2026-03-17 → 2027-03-30" in shown(page, "forecasts")
    assert "moves to 3-30" in shown(page, "dry-run")
    send(browser, page, "fusebill/move")
    assert "2026-03-17 → 2027-03-30" in shown(browser.get(f"{FUSEBILL}/2"), "definitions")


def test_a_page_looks_at_its_own_customer_alone(browser: httpx.Client) -> None:
    page = browser.get(
        f"{FUSEBILL}/2", params={"billingPeriodDefinitionId": str(definition(browser)), "invoiceDay": "6"}
    )
    assert objection(page) == "it belongs to another customer, Ida Lamp"


def test_a_dry_run_shows_periods_that_are_invoiced_in_advance_and_none_that_bill_nothing() -> None:
    with serve(fusebill_face.CATALOG, start="2026-11-01T12:00:00Z") as server:
        face = fusebill_face.Face(server)
        customer = face.customer()
        period = face.subscribe(customer)["billingPeriodDefinitionId"]
        face.api("PUT", f"billingPeriodDefinitions/{period}", {"invoiceInAdvance": 5})
        server.advance_to("2026-12-03T00:00:00Z")
        asked = {"billingPeriodDefinitionId": str(period), "invoiceDay": "6"}
        now, _ = shown(face.http.get(f"{FUSEBILL}/{customer}", params=asked), "forecasts").split("After")
        assert "2026-12-01 → 2027-01-01 31 GLOW" in now
        face.api("POST", f"customerHold/{customer}")
        told = shown(face.http.get(f"{FUSEBILL}/{customer}", params=asked), "forecasts")
        assert told.count("Nothing is billed.") == 2
        face.http.close()


def test_a_subscription_is_moved_after_a_dry_run(browser: httpx.Client) -> None:
    period, other = definition(browser, 0), definition(browser, 1)
    document = markup.fromstring(browser.get(IDA).text)
    assert document.xpath("//select[@id='into-12']/option/text()") == [str(period)]
    page = browser.get(IDA, params={"subscriptionId": "12", "billingPeriodDefinitionId": str(period)})
    assert f"subscription 12 moves to period {period}" in shown(page, "dry-run")
    assert "Oil" in shown(page, "forecasts").split("After the move")[1]
    send(browser, page, "fusebill/move")
    definitions = shown(browser.get(IDA), "definitions")
    assert "11, 12" in definitions
    assert f"{other} Monthly on day 20" in definitions
    assert "none: bills nothing" in definitions


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"invoiceDay": "40"}, "invoiceDay: 40 is not a whole number from 0 to 31"),
        ({"invoiceDay": "0"}, "invoiceDay: from 1 to 31"),
        ({"invoiceDay": ""}, "invoiceDay: a value is required"),
        ({"invoiceMonth": "13"}, "invoiceMonth"),
        ({"billingPeriodDefinitionId": "9"}, "billingPeriodDefinitionId: there is none with the id 9"),
        ({"subscriptionId": "11"}, "invoiceDay: does not go with billingPeriodDefinitionId"),
        ({"subscriptionId": "21", "invoiceDay": ""}, "belongs to another customer"),
    ],
)
def test_a_move_that_can_not_be_is_explained(
    server: Server, browser: httpx.Client, asked: dict[str, str], why: str
) -> None:
    before = dump(server)
    wish = {"billingPeriodDefinitionId": str(definition(browser)), "invoiceDay": "6"} | asked
    page = browser.get(IDA, params=wish)
    assert page.status_code == 200
    assert why in objection(page)
    assert "Move it" not in page.text
    assert why in told(act(browser, "fusebill/move", back=IDA, **wish))
    assert dump(server) == before
