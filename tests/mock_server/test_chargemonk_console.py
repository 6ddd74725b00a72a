"""Chargemonk's pages over HTTP: what they show, and what their forms say."""

from collections.abc import Iterator

import httpx
import pytest
from lxml import html as markup

from tallyhook_mock import Server, serve

from . import test_console
from .chargemonk_doors import ADD_ONS, Control, Pages, Refused, offering
from .loopback import catalog
from .test_console import act, shown, told

MILL = {"id": "mill", "planCode": "HALF", "addOns": [{"code": "CARE", "billingCycles": 2}, {"code": "SETUP"}]}
LIST, PAGE = "/console/chargemonk", "/console/chargemonk/mill"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(offering(MILL), start="2026-01-01T00:00:00Z") as server:
        yield server


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, follow_redirects=True, timeout=60) as client:
        yield client


@pytest.mark.parametrize("path", [LIST, PAGE])
@pytest.mark.parametrize("is_canceled", [False, True])
def test_pages_are_as_strict_as_the_others(browser: httpx.Client, path: str, is_canceled: bool) -> None:
    if is_canceled:
        Control(browser).cancel("mill")
    test_console.test_pages_are_strict(browser, path)


def test_the_list_shows_plans_cycles_and_what_is_expected(browser: httpx.Client) -> None:
    row = shown(browser.get(LIST), "subscriptions")
    assert "mill HALF active 2026-01-01 → 2026-07-01 CARE 1 cycle leftSETUP forever" in row
    assert "2026-07-01 in 181 d USD 1,260.00" in row
    assert "mill" in shown(browser.get(LIST, params={"q": "MIL"}), "subscriptions")
    assert "Nobody fits “quay”." in shown(browser.get(LIST, params={"q": "quay"}), "subscriptions")


def test_the_page_shows_the_life_of_a_subscription(browser: httpx.Client) -> None:
    door = Pages(browser)
    door.advance_invoice("mill", 1)
    assert door.told == "mill is billed in advance. Invoice 2 is over USD 1,260.00."
    door.change_term("mill", "MONTHLY", {"SETUP": 5})
    assert door.told == "mill changes to MONTHLY at the next renewal. Nothing is charged."
    page = browser.get(PAGE)
    head = shown(page, "head")
    assert "mill active" in head
    assert "PlanHalf a year USD 600.00 per 6 months" in head
    assert "Paid in advance2027-01-01 1 more term" in head
    assert "Next bill2027-01-01 USD 300.00 as things stand" in head
    assert "Changes toMonthly USD 200.00 per month, from 2027-01-01" in head
    add_ons = shown(page, "add-ons")
    assert "Care CARE USD 20.00 per 2 months no cycles left 2027-01-01" in add_ons
    assert "Setup fee SETUP USD 100.00 per month 5 cycles left 2027-01-01" in add_ons
    invoices = shown(page, "invoices")
    assert "HALF Half a year 2026-07-01 → 2027-01-01 1 USD 600.00 USD 600.00" in invoices
    assert "CARE Care 2026-07-01 → 2027-01-01 3 USD 20.00 USD 60.00" in invoices
    assert "TotalUSD 1,260.00" in invoices
    assert "term changed" in shown(page, "timeline")


def test_what_is_canceled_can_only_be_reactivated(browser: httpx.Client) -> None:
    door = Pages(browser)
    door.cancel("mill")
    assert door.told == "mill is canceled, and its add-ons are disabled. Nothing is charged."
    page = browser.get(PAGE)
    actions = {form.action for form in markup.fromstring(page.text).forms if form.action}
    assert {action for action in actions if "chargemonk" in action} == {"/console/chargemonk/reactivate"}
    assert "disabled" in shown(page, "add-ons")
    assert "Next billnone" in shown(page, "head")
    door.reactivate("mill")
    assert door.told == "mill is active again. Nothing is charged."


def test_the_page_offers_what_fits(browser: httpx.Client) -> None:
    document = markup.fromstring(browser.get(PAGE).text)
    assert document.xpath("//select[@name='code']/option/@value") == ["VISIT"]
    assert document.xpath("//select[@name='planCode']/option/@value") == ["MONTHLY", "QUARTERLY", "FOUR"]


def test_a_subscription_is_created_with_ticked_add_ons(browser: httpx.Client) -> None:
    door = Pages(browser)
    door.create("quay", "MONTHLY", {"SETUP": 20, "VISIT": None})
    assert door.told == "quay is created. Invoice 2 is over USD 380.00."
    assert "SETUP 19 cycles left" in shown(browser.get(LIST), "subscriptions")


def test_cycles_of_what_is_not_ticked_are_no_wish(browser: httpx.Client) -> None:
    form = {"id": "quay", "planCode": "MONTHLY", "cycles-SETUP": "3", "back": LIST}
    assert told(act(browser, "chargemonk/create", **form)) == "SETUP has billing cycles but is not ticked"
    assert "quay" not in shown(browser.get(LIST), "subscriptions")


def test_forms_of_somebody_else_are_refused(browser: httpx.Client) -> None:
    for action in ("create", "add", "cycles", "term", "advance", "cancel", "reactivate"):
        answer = browser.post(f"/console/chargemonk/{action}", data={"id": "mill", "token": "guessed"})
        assert answer.status_code == 403
    assert "active" in shown(browser.get(PAGE), "head")


def test_who_is_gone_is_told_of(browser: httpx.Client) -> None:
    assert browser.get("/console/chargemonk/nobody").status_code == 404
    answer = act(browser, "chargemonk/cancel", id="nobody", back=LIST)
    assert told(answer) == "the subscription no longer exists"


def test_a_wrong_number_is_told_on_the_page(browser: httpx.Client) -> None:
    door = Pages(browser)
    for typed, why in (("many", "'many' is not a whole number"), ("0", "at least 1")):
        form = {"id": "mill", "code": "CARE", "billingCycles": typed, "back": PAGE}
        assert why in told(act(browser, "chargemonk/cycles", **form))
    with pytest.raises(Refused, match="does not recur"):
        door.add("mill", "VISIT", 3)
    assert "1 cycle left" in shown(browser.get(PAGE), "add-ons")


def test_names_are_no_markup() -> None:
    evil = '"><script>alert(1)</script>'
    section = {
        "plans": [{"code": "A", "name": evil, "price": "1"}],
        "addOns": [{**ADD_ONS[0], "name": evil}],
        "subscriptions": [{"id": "mill", "planCode": "A", "addOns": [{"code": "SETUP"}]}],
    }
    with serve(catalog() | {"chargemonk": section}) as server, httpx.Client(base_url=server.url) as browser:
        for path in (LIST, PAGE):
            assert "<script>alert" not in browser.get(path).text


def test_only_a_mock_that_offers_something_has_the_link(browser: httpx.Client) -> None:
    assert f'href="{LIST}"' in browser.get("/").text
    with serve(catalog()) as server, httpx.Client(base_url=server.url) as other:
        assert LIST not in other.get("/").text
        assert "There is no plan yet" in other.get(LIST).text
