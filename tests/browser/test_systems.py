"""The other billing systems in a browser: the menu, and the two forms that show the outcome first."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tallyhook_mock import serve

from ..mock_server.loopback import catalog
from ..mock_server.systems_world import CATALOG, START
from .conftest import advance, go, ready, told, visiting


def test_the_menu_opens_by_the_keyboard_and_closes_by_itself(chromium: Browser) -> None:
    with serve(catalog() | CATALOG, start=START) as server, visiting(chromium, server.url) as page:
        page.goto(server.url)
        menu, summary = page.locator("details.menu"), page.locator("details.menu summary")
        summary.focus()
        page.keyboard.press("Enter")
        expect(menu).to_have_attribute("open", "")
        page.keyboard.press("Tab")
        expect(menu.get_by_role("link", name="Cleverbridge")).to_be_focused()
        page.keyboard.press("Escape")
        expect(menu).not_to_have_attribute("open", "")
        expect(summary).to_be_focused()
        summary.click()
        page.get_by_role("heading", name="Products").click()
        expect(menu).not_to_have_attribute("open", "")
        summary.click()
        menu.get_by_role("link", name="Fusebill").click()
        expect(page).to_have_title(re.compile("^Fusebill"))
        expect(summary).to_have_text("Fusebill")
        for key, title in (("b", "Cleverbridge"), ("u", "Fusebill"), ("m", "Chargemonk"), ("c", "Customers")):
            go(page, key, title)


@pytest.mark.parametrize("cheddar", [catalog(), {}], ids=["beside Cheddar", "alone"])
@pytest.mark.parametrize(
    "systems", [("cleverbridge",), ("fusebill",), ("chargemonk",), ("cleverbridge", "fusebill", "chargemonk")]
)
def test_the_bar_on_top_is_one_line(
    chromium: Browser, cheddar: dict[str, object], systems: tuple[str, ...]
) -> None:
    content = cheddar | {name: CATALOG[name] for name in systems}
    with serve(content, start=START) as server, visiting(chromium, server.url) as page:
        for path in ("", *systems):
            page.goto(f"{server.url}/console/{path}" if path else server.url)
            high = page.locator("header.bar").evaluate("bar => bar.offsetHeight")
            assert high < 60, f"{path}: {high} px high"


def test_a_billing_date_is_moved_after_a_look_at_the_invoices(chromium: Browser) -> None:
    with serve(CATALOG, start=START) as server, visiting(chromium, server.url) as page:
        page.goto(f"{server.url}/console/fusebill")
        ready(page)
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile("^Ida Lamp"))
        advance(page, "2026-04-01T00:00:00Z")
        page.get_by_label("Move to day").first.fill("22")
        page.keyboard.press("Enter")
        after = page.get_by_role("table", name="After the move")
        expect(after.locator("tbody tr").first).to_contain_text("2026-03-17 → 2026-04-22")
        expect(after.locator("tbody tr").first).to_contain_text("36")
        expect(page.locator("#definitions")).to_contain_text("2026-03-17 → 2026-04-17")
        assert page.locator("#dry-run").bounding_box() is not None
        page.get_by_role("button", name="Move it").press("Enter")
        told(page, "ends on 2026-04-22")
        expect(page.locator("#dry-run")).to_have_count(0)
        expect(page.locator("#definitions")).to_contain_text("2026-03-17 → 2026-04-22")

        # News come by themselves: two invoices, on the new date and on that of the other period.
        invoices = page.get_by_role("table", name="Invoices").locator("tr.sum")
        expect(invoices).to_have_count(3)
        server.advance_to("2026-04-22T00:00:00Z")
        expect(invoices).to_have_count(5)


def test_a_quantity_is_priced_and_set_without_a_script(chromium: Browser) -> None:
    with serve(CATALOG, start=START) as server:
        server.advance_to("2026-04-16T12:00:00Z")
        context = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{server.url}/console/cleverbridge/S1001")
        page.get_by_label("Item", exact=True).select_option("2")
        page.get_by_label("Quantity", exact=True).fill("8")
        page.get_by_role("button", name="Show the price").click()
        expect(page.locator("#preview")).to_contain_text("58.00")
        page.get_by_role("button", name="Set item 2 to 8").click()
        told(page, "Item 2 now has 8 units")
        server.advance("1d")
        page.reload()
        expect(page.locator("#invoices tr.sum").first).to_contain_text("58.00")
        context.close()


def test_every_event_of_a_picture_is_reached_by_tab(chromium: Browser) -> None:
    with serve(CATALOG, start=START) as server, visiting(chromium, server.url) as page:
        page.goto(f"{server.url}/console/cleverbridge/S1001")
        first = page.locator(".life .event").first
        first.focus()
        expect(first.locator(".tip")).to_be_visible()
        expect(first.locator(".tip")).to_contain_text("Base, 17 Mar 2026 00:00 to 17 Apr 2026 00:00: 50.00")
