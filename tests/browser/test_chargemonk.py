"""An instalment plan set up on Chargemonk's pages, by somebody with a browser and a keyboard."""

import re

from playwright.sync_api import Browser, expect

from tallyhook_mock import serve

from ..mock_server.chargemonk_doors import offering
from .conftest import advance, go, ready, told, visiting


def test_instalments_are_sold_changed_and_come_to_an_end(chromium: Browser) -> None:
    with (
        serve(offering(), start="2026-01-01T09:00:00Z") as server,
        visiting(chromium, server.url) as page,
    ):
        page.goto(server.url)
        go(page, "m", "Chargemonk")

        # A monthly plan with a fee in three instalments, filled in from field to field.
        page.get_by_label("Id", exact=True).focus()
        page.keyboard.type("mill")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Setup fee SETUP")).to_be_focused()
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.type("3")
        page.keyboard.press("Enter")
        told(page, "Invoice 1 is over USD 300.00.")

        # The row opens its page; a month on, two of three are paid.
        ready(page)
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile("^mill"))
        add_ons = page.locator("#add-ons")
        expect(add_ons).to_contain_text("2 cycles left")
        advance(page, "1mo")
        expect(add_ons).to_contain_text("1 cycle left")

        # Canceled and reactivated within the term: the one that is left is kept.
        page.get_by_role("button", name="Cancel").click()
        expect(add_ons).to_contain_text("disabled")
        expect(page.locator("#head")).to_contain_text("canceled")
        advance(page, "10d")
        page.get_by_role("button", name="Reactivate").click()
        told(page, "Nothing is charged.")
        expect(add_ons).to_contain_text("1 cycle left")

        # One more is agreed upon: nothing is charged now.
        page.get_by_label("Billing cycles of Setup fee").fill("2")
        page.keyboard.press("Enter")
        told(page, "Nothing is charged.")
        expect(add_ons).to_contain_text("2 cycles left")

        # Both are collected by one advance invoice; when its time is over, the add-on is gone.
        page.get_by_label("Bill the next").fill("3")
        page.keyboard.press("Enter")
        told(page, "Invoice 3 is over USD 800.00.")
        totals = page.get_by_role("table", name="Invoices").locator("tr.sum")
        expect(totals).to_have_count(3)
        advance(page, "2026-06-01T09:00:00Z")
        expect(add_ons).to_contain_text("There is no add-on.")
        expect(totals).to_have_count(4)
        expect(totals.first).to_contain_text("USD 200.00")

        # News come by themselves here too.
        server.advance("1mo")
        expect(totals).to_have_count(5)
