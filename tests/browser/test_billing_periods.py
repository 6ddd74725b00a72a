"""Fusebill's billing periods on its pages, by somebody with a keyboard; and on a small screen."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tallyhook_mock import Server, serve

from .conftest import advance, ready, told, visiting

CATALOG = {
    "fusebill": {
        "customers": [
            {
                "id": 1,
                "name": "Ida Lamp",
                "subscriptions": [
                    {"id": 11, "planCode": "GLOW", "planName": "Glow", "amount": "30.00", "invoiceDay": 1},
                    {"id": 12, "planCode": "OIL", "planName": "Oil", "amount": "9.00", "invoiceDay": 20},
                ],
            }
        ]
    }
}
IDA = "/console/fusebill/1"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start="2026-06-01T00:00:00Z") as running:
        yield running


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    with visiting(chromium, server.url) as visited:
        visited.goto(server.url + IDA)
        yield visited


def period(page: Page, number: str) -> None:
    page.locator("#definitions").get_by_role("link", name=number, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Billing period {number}")


@pytest.mark.parametrize(
    ("count", "frequency", "day", "month", "date", "said"),
    [
        ("1", "Monthly", "6", "", "2026-06-06", "on day 6"),
        ("3", "Monthly", "15", "", "2026-06-15", "every 3 months on day 15"),
        ("1", "Monthly", "29", "9", "2026-09-29", "on day 29"),
        ("2", "Yearly", "31", "3", "2027-03-31", "every 2 years on 03-31"),
    ],
)
def test_the_next_recharge_is_shown_before_a_period_is_created(
    page: Page, count: str, frequency: str, day: str, month: str, date: str, said: str
) -> None:
    page.get_by_role("link", name="Create billing period").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Number of periods").fill(count)
    page.get_by_label("Frequency").select_option(frequency)
    page.get_by_label("Day", exact=True).fill(day)
    page.get_by_label("Month").fill(month)
    page.keyboard.press("Enter")
    preview = page.locator("#preview")
    expect(preview).to_contain_text(date)
    expect(preview).to_contain_text(said)
    expect(preview).to_contain_text("SpecifiedDate")
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("#definitions tbody tr")).to_have_count(2)  # nothing was made by looking
    page.go_back()
    page.get_by_role("button", name="Create").focus()
    page.keyboard.press("Enter")
    told(page, f"Its next recharge is on {date}.")
    expect(page.locator("#definitions tbody tr")).to_have_count(3)
    expect(page.locator("#definitions tbody tr").last).to_contain_text("none: bills nothing")


@pytest.mark.parametrize(
    ("day", "month", "frequency", "why"),
    [
        ("31", "2", "Yearly", "invoiceDay"),
        ("15", "", "Yearly", "invoiceMonth"),
        ("0", "", "Monthly", "invoiceDay"),
        ("1", "13", "Monthly", "invoiceMonth"),
    ],
)
def test_a_date_that_there_is_not_is_refused_before(
    page: Page, day: str, month: str, frequency: str, why: str
) -> None:
    page.goto(f"{page.url}/periods/new?interval={frequency}&invoiceDay={day}&invoiceMonth={month}")
    expect(page.get_by_role("alert")).to_contain_text(why)
    expect(page.get_by_role("button", name="Create", exact=True)).to_have_count(0)


def test_details_say_the_type_and_the_dates(page: Page) -> None:
    number = page.locator("#definitions tbody tr").first.get_by_role("link").inner_text()
    period(page, number)
    head = page.locator("#head")
    for word in (
        "SpecifiedDate",
        "Monthly",
        "on day 1",
        "2026-06-01",
        "2026-07-01",
        "came with a subscription",
    ):
        expect(head).to_contain_text(word)


def test_a_longer_period_costs_nothing_more(page: Page, server: Server) -> None:
    """From the 1st to the 6th: 36 days of a 30-day month, as the source counts."""
    number = page.locator("#definitions tbody tr").first.get_by_role("link").inner_text()
    period(page, number)
    page.get_by_label("Day", exact=True).fill("6")
    page.keyboard.press("Enter")
    told(page, "ends on 2026-07-06, at the same price")
    expect(page.locator("#head")).to_contain_text("36 days as the source counts them")
    page.get_by_role("link", name="Ida Lamp").click()
    advance(page, "2026-07-06")
    glow = page.get_by_role("table", name="Invoices").get_by_text("Glow")
    expect(glow).to_have_count(2)  # that of June, and the next one on the 6th


def test_settings_are_modified(page: Page) -> None:
    number = page.locator("#definitions tbody tr").first.get_by_role("link").inner_text()
    period(page, number)
    page.get_by_label("Post invoices automatically").select_option("no")
    page.get_by_label("Term").select_option("Net30")
    page.get_by_label("PO number").fill("PO-7")
    page.get_by_role("button", name="Modify").click()
    told(page, "Modified.")
    expect(page.get_by_label("Post invoices automatically")).to_have_value("no")
    expect(page.get_by_label("Term")).to_have_value("Net30")
    expect(page.get_by_label("PO number")).to_have_value("PO-7")


def test_a_subscription_moves_and_the_empty_period_is_deleted_for_good(page: Page) -> None:
    first, second = (
        page.locator("#definitions tbody tr").nth(number).get_by_role("link").inner_text()
        for number in (0, 1)
    )
    period(page, first)
    expect(page.locator("#delete")).to_contain_text("Only an empty billing period can be deleted")
    # To an existing period; what it would bill is shown first.
    page.get_by_role("button", name="Move 11 to it").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#dry-run")).to_contain_text("nothing has changed yet")
    page.get_by_role("button", name="Move it").focus()
    page.keyboard.press("Enter")
    told(page, "Moved. The current period ends on 2026-06-20")
    # The one that has become empty is deleted, for good: it takes a tick.
    period(page, first)
    expect(page.locator("#delete")).to_contain_text("cannot be restored")
    page.get_by_role("checkbox", name="cannot be restored").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    told(page, "is deleted. It cannot be restored.")
    expect(page.locator("#definitions tbody tr")).to_have_count(1)
    expect(page.locator("#definitions")).to_contain_text(second)


def test_news_of_its_own_deletion_does_not_make_a_page_load_again(page: Page) -> None:
    number = page.locator("#definitions tbody tr").nth(0).get_by_role("link").inner_text()
    period(page, number)
    page.get_by_role("button", name="Move 11 to it").click()
    page.get_by_role("button", name="Move it").click()
    period(page, number)

    def answered_late(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        page.wait_for_timeout(500)  # the news of the deletion is there before its answer
        route.fulfill(response=answer)

    page.route("**/delete-period", answered_late)
    page.get_by_role("checkbox", name="cannot be restored").check()
    page.locator("#delete").get_by_role("button").click()
    told(page, "is deleted. It cannot be restored.")


def test_a_subscription_moves_from_its_overview_to_a_new_period(page: Page) -> None:
    page.locator("#subscriptions").get_by_role("link", name="12", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Oil")
    expect(page.locator("#head")).to_contain_text("on day 20, SpecifiedDate")
    page.get_by_label("or to a new one on day").fill("25")
    page.keyboard.press("Enter")
    expect(page.locator("#dry-run")).to_contain_text("2026-06-25")
    page.get_by_role("button", name="Move it").click()
    told(page, "ends on 2026-06-25")
    expect(page.locator("#definitions tbody tr")).to_have_count(3)


@pytest.mark.parametrize("path", ["", "/periods/new?invoiceDay=6", "/periods/{period}", "/subscriptions/11"])
def test_the_pages_fit_a_small_screen(page: Page, path: str) -> None:
    number = page.locator("#definitions tbody tr").first.get_by_role("link").inner_text()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(page.url + path.format(period=number))
    ready(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"{path or 'customer'} is {wide} px wide"
    for field in page.locator("main form").get_by_role("textbox").all():
        box = field.bounding_box()
        assert box is not None
        # A wide table scrolls in its card; the forms do not.
        if not field.evaluate("each => !!each.closest('table')"):
            assert box["x"] + box["width"] <= 390
    assert re.search("Ida Lamp|Glow|Create|Billing period", page.title())
