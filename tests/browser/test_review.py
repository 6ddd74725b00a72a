"""A review through the console alone, with nothing but the keyboard."""

import re

from playwright.sync_api import Browser, expect

from tallyhook_mock import serve

from ..mock_server.loopback import Received, catalog, listening
from .conftest import advance, go, ready, told, visiting

START = "2026-01-01T09:00:00Z"
SHELVED = {"code": "ida", "planCode": "GLOW", "firstName": "Ida", "lastName": "Lamp", "items": {"OIL": 15}}


def test_a_review_with_the_keyboard_alone(chromium: Browser) -> None:
    is_working = False

    def answer(hook: Received) -> int:
        return 200 if is_working or hook.type != "subscriptionBillable" else 500

    with (
        listening(answer) as listener,
        serve(catalog(customers=[SHELVED], listeners=[{"url": listener.url}]), start=START) as server,
        visiting(chromium, server.url) as page,
    ):
        page.goto(server.url)

        # The bill date comes; the listener fails, and the invoice is held.
        advance(page, "1mo")
        held = page.locator("#waiting tbody tr")
        expect(held).to_have_count(1)
        expect(held).to_contain_text("held")
        expect(held).to_contain_text("$52.50")

        # The hook says what was answered.
        go(page, "h", "Hooks")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("subscriptionBillable")
        expect(page.locator("#deliveries")).to_contain_text("pending")
        expect(page.get_by_label("Attempts").locator(".is-wrong")).to_have_text("500")
        expect(page.locator("#signed")).to_contain_text("right")

        # However long it takes, it stays held; then the listener is mended, and the hook is retried by hand.
        advance(page, "5d")
        is_working = True
        ready(page)
        page.keyboard.press("r")
        told(page, "The hook is being sent.")
        # What the listener answers comes by itself.
        expect(page.locator("#deliveries")).to_contain_text("delivered")
        expect(page.locator("#deliveries .answer.is-good")).to_have_text("200")

        # The acknowledgement is the release: an hour later it is paid.
        go(page, "c", "Customers")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile("^ida"))
        outstanding = page.get_by_role("region", name="Outstanding invoice")
        expect(outstanding).to_contain_text("in 1 h")
        advance(page, "1h")
        expect(outstanding).to_contain_text("Nothing is outstanding")
        expect(page.get_by_role("region", name="Invoices").locator("tbody tr").nth(1)).to_contain_text(
            "$52.50 approved"
        )


def test_news_come_by_themselves_and_leave_the_focus_where_it_is(chromium: Browser) -> None:
    with listening() as listener, serve(catalog(customers=[SHELVED]), start=START) as server:
        server.listen(listener.url)
        with visiting(chromium, server.url) as page:
            page.goto(f"{server.url}/console/customers")
            ready(page)
            page.keyboard.press("j")
            expect(page.locator("a[data-row]")).to_be_focused()
            server.advance("1mo")
            expect(page.locator("#clock")).to_contain_text("2026-02-01 09:00:00")
            expect(page.locator("#customers")).to_contain_text("released")
            expect(page.locator("a[data-row]")).to_be_focused()
            server.reset()
            expect(page.locator("#clock")).to_contain_text("2026-01-01 09:00:00")


def test_help_theme_and_skip_link(chromium: Browser) -> None:
    with serve(catalog(), start=START) as server, visiting(chromium, server.url) as page:
        page.goto(server.url)
        ready(page)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        for theme in ("light", "dark", "auto"):
            page.keyboard.press("t")
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            ready(page)


def test_every_shortcut_of_the_help_leads_somewhere(chromium: Browser) -> None:
    with serve(catalog(), start=START) as server, visiting(chromium, server.url) as page:
        page.goto(server.url)
        for key, title in zip(
            "chlfo", ("Customers", "Hooks", "Listeners", "Faults", "Overview"), strict=True
        ):
            go(page, key, title)


def test_listeners_and_faults_without_a_script(chromium: Browser) -> None:
    with serve(catalog(), start=START) as server:
        context = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{server.url}/console/listeners")
        page.get_by_label("URL").fill("http://127.0.0.1:9/hooks")
        page.get_by_label("billReminder").check()
        page.get_by_role("button", name="Add").click()
        row = page.locator("#listeners tbody tr")
        expect(row).to_contain_text("billReminder")
        row.get_by_role("button", name="Pause").click()
        expect(row).to_contain_text("paused")
        row.locator("summary", has_text="Remove").click()
        row.get_by_role("button", name="Remove the listener").click()
        expect(page.locator("#listeners")).to_contain_text("No listeners")
        page.goto(f"{server.url}/console/faults")
        page.get_by_label("Kind").select_option("dropAfter")
        page.get_by_label("Times").fill("3")
        page.get_by_role("button", name="Plan fault").click()
        expect(page.locator("#faults tbody tr")).to_contain_text("dropAfter")
        page.get_by_role("button", name="Clear all").click()
        expect(page.locator("#faults")).to_contain_text("No faults are planned")
        context.close()
