"""Chargemonk's Product Catalog and its changes of a subscription, by the keyboard; and on a small screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tallyhook_mock import Server, serve

from .conftest import advance, ready, told, visiting

CATALOG = {
    "chargemonk": {
        "plans": [
            {"code": "HALF", "name": "Half a year", "price": "600.00", "termMonths": 6},
            {"code": "HALF-PLUS", "name": "Half a year plus", "price": "900.00", "termMonths": 6},
            {"code": "MONTH", "name": "Month", "price": "110.00"},
            {"code": "TWO", "name": "Two months", "price": "210.00", "termMonths": 2},
        ],
        "addOns": [{"code": "CARE", "name": "Care", "price": "20.00", "periodMonths": 2}],
    }
}
HOME = "/console/chargemonk"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start="2026-01-01T00:00:00Z") as running:
        yield running


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    with visiting(chromium, server.url) as visited:
        visited.goto(server.url + HOME)
        yield visited


def subscribe(page: Page, cycles: str) -> None:
    """Create New Subscription: half a year, with an add-on and its cycles."""
    page.get_by_label("Id", exact=True).fill("mill")
    page.get_by_label("Plan", exact=True).select_option("HALF")
    page.get_by_label("Care CARE").check()
    page.get_by_label("Billing cycles of Care").fill(cycles)
    page.get_by_role("button", name="Create").click()


def open_mill(page: Page) -> None:
    page.get_by_role("link", name="mill").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("mill")


def test_an_add_on_is_created_and_sold_under_its_invoice_name(page: Page) -> None:
    page.get_by_role("link", name="Product Catalog").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_title("Product Catalog · Tallyhook")
    ready(page)
    form = page.get_by_role("region", name="Create a New Addon")
    form.get_by_label("Code").focus()
    for written in ("SETUP", "Setup", "Setup, in parts", "a fee in instalments", "100"):
        page.keyboard.type(written)
        page.keyboard.press("Tab")
    expect(form.get_by_role("radio", name="Recurring")).to_be_focused()
    page.keyboard.press("Enter")
    told(page, "Setup is in the catalogue.")
    row = page.locator("#add-ons tbody tr", has_text="SETUP")
    for words in ("Setup, in parts", "USD 100.00", "recurring", "a fee in instalments"):
        expect(row).to_contain_text(words)
    page.get_by_role("link", name="Subscriptions").click()
    page.get_by_label("Id", exact=True).fill("mill")
    page.get_by_label("Plan", exact=True).select_option("MONTH")
    page.get_by_label("Setup SETUP").check()
    page.get_by_label("Billing cycles of Setup").fill("20")
    page.get_by_role("button", name="Create").click()
    told(page, "Invoice 1 is over USD 210.00.")
    open_mill(page)
    expect(page.get_by_role("table", name="Invoices")).to_contain_text("Setup, in parts")
    expect(page.locator("#add-ons")).to_contain_text("19 cycles left")


def test_an_add_on_is_amended_for_what_comes(page: Page, server: Server) -> None:
    subscribe(page, "2")
    page.goto(f"{server.url}{HOME}/catalog/products")
    page.get_by_role("link", name="Care").click()
    page.get_by_label("Unit price").fill("25.00")
    page.keyboard.press("Enter")
    told(page, "Care is amended. Existing subscriptions keep the old version")
    expect(page.get_by_label("Unit price")).to_have_value("25.00")
    page.goto(f"{server.url}{HOME}/mill")
    expect(page.locator("#add-ons")).to_contain_text("USD 20.00")


def test_a_plan_is_created_and_amended(page: Page, server: Server) -> None:
    page.goto(f"{server.url}{HOME}/catalog/products")
    form = page.get_by_role("region", name="Create a New Plan")
    for label, written in (
        ("Code", "YEAR"),
        ("Name", "Year"),
        ("Price of a term", "1000"),
        ("Term in months", "12"),
        ("Setup fee", "50"),
    ):
        form.get_by_label(label).fill(written)
    page.keyboard.press("Enter")
    told(page, "Year is in the catalogue.")
    expect(page.locator("#plans tbody tr").last).to_contain_text("USD 50.00")
    page.get_by_role("link", name="Year", exact=True).click()
    page.get_by_label("Price of a term").fill("1100")
    page.keyboard.press("Enter")
    told(page, "Year is amended.")
    page.goto(server.url + HOME)
    page.get_by_label("Id", exact=True).fill("mill")
    page.get_by_label("Plan", exact=True).select_option("YEAR")
    page.get_by_role("button", name="Create").click()
    told(page, "Invoice 1 is over USD 1,150.00.")


def test_a_code_that_is_there_is_not_created_again(page: Page, server: Server) -> None:
    page.goto(f"{server.url}{HOME}/catalog/products")
    form = page.get_by_role("region", name="Create a New Addon")
    for label, written in (("Code", "HALF"), ("Name", "Half"), ("Unit price", "1")):
        form.get_by_label(label, exact=True).fill(written)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("a plan has the code 'HALF'")
    form.get_by_label("Code").fill("CARE")
    for label, written in (("Name", "Half"), ("Unit price", "1")):
        form.get_by_label(label, exact=True).fill(written)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("amend it instead")


def test_a_cycle_of_one_ends_with_the_first_term(page: Page) -> None:
    """660 then 600: three periods of two months in a term of six."""
    subscribe(page, "1")
    told(page, "Invoice 1 is over USD 660.00.")
    open_mill(page)
    advance(page, "6mo")
    totals = page.get_by_role("table", name="Invoices").locator("tr.sum")
    expect(totals).to_have_count(2)
    expect(totals.first).to_contain_text("USD 600.00")
    expect(page.locator("#add-ons")).to_contain_text("There is no add-on.")


def test_the_plan_changes_within_a_term_and_the_cycles_stay(page: Page) -> None:
    subscribe(page, "5")
    open_mill(page)
    expect(page.locator("#timeline")).to_contain_text("cycles, up to 5")  # 5 were set, 4 are left
    page.get_by_label("Change to the plan").select_option("HALF-PLUS")
    page.get_by_role("button", name="Change Subscription").focus()
    page.keyboard.press("Enter")
    told(page, "Nothing is charged.")
    expect(page.locator("#head")).to_contain_text("Half a year plus")
    expect(page.locator("#add-ons")).to_contain_text("4 cycles left")
    advance(page, "6mo")
    expect(page.get_by_role("table", name="Invoices").locator("tr.sum").first).to_contain_text("USD 960.00")


def test_the_term_changes_with_the_next_renewal(page: Page) -> None:
    subscribe(page, "5")
    open_mill(page)
    page.get_by_label("Change to the plan").select_option("TWO")
    page.get_by_label("Care", exact=True).fill("2")
    page.get_by_role("button", name="Change Subscription").focus()
    page.keyboard.press("Enter")
    told(page, "Nothing is charged.")
    expect(page.locator("#add-ons")).to_contain_text("2 cycles left")
    # Left empty it is forever, as it is when the cycles are not sent again.
    page.get_by_label("Change to the plan").select_option("HALF")
    page.get_by_label("Care", exact=True).fill("")
    page.get_by_role("button", name="Change Subscription").click()
    expect(page.locator("#add-ons")).to_contain_text("forever")


def test_both_reactivations(page: Page) -> None:
    subscribe(page, "3")
    open_mill(page)
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#add-ons")).to_contain_text("disabled")
    expect(page.locator("#head")).to_contain_text("within its term: nothing is charged, cycles are kept")
    page.get_by_role("button", name="Reactivate").focus()
    page.keyboard.press("Enter")
    told(page, "Nothing is charged.")
    expect(page.locator("#add-ons")).to_contain_text("2 cycles left")
    page.get_by_role("button", name="Cancel").click()
    advance(page, "7mo")
    expect(page.locator("#head")).to_contain_text("after its term: a new term is billed, cycles are reset")
    page.get_by_role("button", name="Reactivate").focus()
    page.keyboard.press("Enter")
    told(page, "Invoice 2 is over USD 660.00.")
    expect(page.locator("#add-ons")).to_contain_text("forever")


def test_an_advance_invoice_takes_in_several_cycles_and_is_drawn(page: Page) -> None:
    subscribe(page, "3")
    open_mill(page)
    page.get_by_label("Bill the next").fill("3")
    page.get_by_role("button", name="Advance invoice").focus()
    page.keyboard.press("Enter")
    told(page, "Invoice 2 is over USD 1,920.00.")  # 3 × 600, and 2 cycles of 60
    expect(page.locator("#head")).to_contain_text("3 more terms")
    picture = page.locator("#timeline svg")
    expect(picture).to_contain_text("1 Jul 2026 00:00 to 1 Jan 2028 00:00: 1800.00, invoice #2")
    page.get_by_label("Bill the next").fill("1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("there can only be one at a time")


@pytest.mark.parametrize(
    "path", ["", "/mill", "/catalog/products", "/catalog/plans/HALF", "/catalog/add-ons/CARE"]
)
def test_the_pages_fit_a_small_screen(page: Page, server: Server, path: str) -> None:
    subscribe(page, "3")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}{HOME}{path}")
    ready(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"{path or 'list'} is {wide} px wide"
