"""The console in daily use: lists, questions before what can't be undone, lost contact, and copying."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect

from tallyhook_mock import Server, serve
from tallyhook_mock.core import ids
from tallyhook_mock.core.hooks import Hook
from tallyhook_mock.faults import OPTIONS
from tallyhook_mock.sender import Answer, Sender
from tallyhook_mock.server import bind

from ..mock_server.loopback import catalog
from ..mock_server.test_cli_mock import running
from .conftest import ready, told, visiting

MANY = 130
PLANS = (("GLOW", "20.00"), ("BEACON", "90.00"))


def many() -> dict[str, object]:
    """So many customers that a list takes two pages, on two plans, each with another usage."""
    made = catalog()
    product = made["products"][0]
    product["plans"].append({"code": "BEACON", "recurringChargeAmount": "90.00"})
    product["customers"] = [
        {
            "code": f"C{number:03}",
            "firstName": "Ida",
            "lastName": f"Lamp {MANY - number:03}",
            "planCode": PLANS[number % 2][0],
            "items": {"OIL": 2 + number} if number % 2 == 0 else {},
        }
        for number in range(MANY)
    ]
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(many()) as running:
        running.decline("C004", 9)
        running.advance("1mo")
        yield running


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    with visiting(chromium, server.url) as visited:
        yield visited


def column(page: Page, number: int) -> list[str]:
    return [text.strip() for text in page.locator(f"tbody tr > :nth-child({number})").all_inner_texts()]


def follow(page: Page, link: str) -> None:
    with page.expect_navigation():
        page.get_by_role("link", name=link, exact=True).click()


def narrow(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name="Filter").click()


def amounts(texts: list[str]) -> list[Decimal]:
    return [Decimal(text.replace("$", "").replace(",", "")) for text in texts]


def trigger(server: Server, code: str) -> Hook:
    customer = server.customer(code)
    return server.call(lambda: server.mock.trigger(customer, "newSubscription"))


def test_customers_are_sorted_filtered_and_paged(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/console/customers")
    assert column(page, 1) == [f"C{number:03}" for number in range(100)]
    follow(page, "Next")
    assert column(page, 1) == [f"C{number:03}" for number in range(100, MANY)]

    follow(page, "Name")
    heading = page.get_by_role("columnheader", name="Name", exact=True)
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert column(page, 1) == [f"C{number:03}" for number in range(MANY - 1, MANY - 101, -1)]
    follow(page, "Next")
    assert column(page, 1) == [f"C{number:03}" for number in range(MANY - 101, -1, -1)]
    follow(page, "Name")
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert column(page, 1)[0] == "C000"

    page.get_by_label("Plan", exact=True).select_option("GLOW")
    narrow(page)
    assert set(column(page, 3)) == {"GLOW"}
    page.get_by_label("State", exact=True).select_option("unpaid")
    narrow(page)
    assert column(page, 1) == ["C004"]
    page.get_by_label("Plan", exact=True).select_option("BEACON")
    narrow(page)
    expect(page.get_by_text("No customer fits.")).to_be_visible()


def test_invoices_are_sorted_filtered_and_paged(page: Page, server: Server) -> None:
    page.goto(server.url)
    follow(page, "All invoices")
    newest = [int(text) for text in column(page, 1)]
    assert newest == sorted(newest, reverse=True)
    assert len(newest) == 100
    page.get_by_label("State", exact=True).select_option("paid")
    narrow(page)
    follow(page, "Total")
    shown = amounts(column(page, 7))
    follow(page, "Next")
    shown += amounts(column(page, 7))
    while page.get_by_role("link", name="Next", exact=True).count():
        follow(page, "Next")
        shown += amounts(column(page, 7))
    assert shown == sorted(shown)
    assert set(column(page, 4)) == {"paid"}
    page.goto(f"{server.url}/console/invoices?q=C004&state=unpaid")
    ((number, customer),) = zip(column(page, 1), column(page, 2), strict=True)
    assert customer == "C004"
    page.goto(f"{server.url}/console/invoices?q={number}&state=unpaid")
    assert column(page, 2) == ["C004"]


def test_hooks_are_sorted_filtered_and_paged(page: Page, server: Server) -> None:
    server.listen("http://127.0.0.1:9/sorted", ["newSubscription"])
    for number in range(MANY):
        trigger(server, f"C{number:03}")
    page.goto(f"{server.url}/console/hooks?type=newSubscription")
    assert column(page, 2) == [f"C{number:03}" for number in range(MANY - 1, MANY - 101, -1)]
    follow(page, "Customer")
    assert column(page, 2) == [f"C{number:03}" for number in range(100)]
    follow(page, "Next")
    assert column(page, 2) == [f"C{number:03}" for number in range(100, MANY)]
    page.get_by_placeholder("Customer").fill("C007")
    narrow(page)
    assert column(page, 2) == ["C007"]


def test_an_order_that_there_is_not_is_refused(page: Page, server: Server) -> None:
    for path in ("customers?sort=shoes", "hooks?sort=-", "invoices?sort=total&after=nothing"):
        answer = page.request.get(f"{server.url}/console/{path}")
        assert answer.status == 404


def test_lost_contact_is_told_and_takes_the_buttons_off(chromium: Browser) -> None:
    with bind("127.0.0.1", 0) as free:
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    with visiting(chromium, url, expects="net::ERR_") as page:
        banner = page.get_by_role("alert").filter(has_text="No connection to the mock")
        button = page.get_by_role("button", name="+1 hour")
        with running("--port", port, "--frozen", "--start", "2026-01-01"):
            page.goto(url)
            ready(page)
            expect(banner).to_be_hidden()
            expect(button).to_be_enabled()
        expect(banner).to_be_visible()
        expect(button).to_be_disabled()
        assert page.evaluate("document.getElementById('lost').getBoundingClientRect().top") < 60
        with running("--port", port, "--frozen", "--start", "2026-01-01"):
            expect(banner).to_be_hidden(timeout=30_000)
            button.click()  # its form is taken, though the mock is another one
            told(page, "It is 2026-01-01 01:00:00")


class Slow(Sender):
    """A listener that answers when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = threading.Event()
        self.let_go = asyncio.Event()

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float | None = None
    ) -> Answer:
        self.is_asked.set()
        await self.let_go.wait()
        return Answer(200, 0.01, "")


# Playwright looks at no page that is being left: the page notes itself what it shows until then.
LEFT = """addEventListener("pagehide", () => sessionStorage.setItem("left", JSON.stringify({
    banner: !document.getElementById("busy").hidden,
    buttons: [...document.querySelectorAll('form[method="post"] button')].some((each) => !each.disabled),
})))"""


def test_advancing_is_told_until_it_is_done(chromium: Browser) -> None:
    sender = Slow()
    with serve(many(), sender=sender) as server:
        server.listen("http://127.0.0.1:9/hooks", ["subscriptionBillable"])
        with visiting(chromium, server.url) as page:
            page.goto(server.url)
            ready(page)
            page.evaluate(LEFT)
            page.get_by_role("button", name="+1 month").click(no_wait_after=True)
            assert sender.is_asked.wait(30)
            server.call(sender.let_go.set)
            told(page, "It is 2026-02-01")
            left = page.evaluate('JSON.parse(sessionStorage.getItem("left"))')
            assert left == {"banner": True, "buttons": False}
            expect(page.get_by_text("Advancing…")).to_be_hidden()
            expect(page.get_by_role("button", name="+1 hour")).to_be_enabled()


def test_what_can_not_be_undone_asks_first(chromium: Browser) -> None:
    with serve(many()) as server:
        server.listen("http://127.0.0.1:9/hooks", ["subscriptionBillable"])
        server.advance("1mo")
        held = server.hooks("subscriptionBillable", "C003")[-1]
        with visiting(chromium, server.url) as page:
            page.goto(f"{server.url}/console/hooks/{ids.text(held.id)}")
            page.locator("summary", has_text="Cancel").click()
            expect(page.get_by_text("An invoice that it holds will run unchanged")).to_be_visible()
            assert not server.hooks("subscriptionBillable", "C003")[-1].is_settled
            page.get_by_role("button", name="Cancel the hook").click()
            told(page, "canceled")
            assert server.hooks("subscriptionBillable", "C003")[-1].is_settled

            page.goto(f"{server.url}/console/listeners")
            page.locator("summary", has_text="Remove").click()
            expect(page.get_by_text("Invoices held only for this listener run as they are")).to_be_visible()
            expect(page.get_by_text("http://127.0.0.1:9/hooks")).to_be_visible()
            page.get_by_role("button", name="Remove the listener").click()
            expect(page.get_by_text("http://127.0.0.1:9/hooks", exact=True)).to_have_count(0)

            page.goto(server.url)
            page.locator("summary", has_text="Start over").click()
            expect(page.get_by_text("This can't be undone.")).to_be_visible()
            assert f"{server.now:%Y-%m-%d}" == "2026-02-01"
            page.get_by_role("button", name="Delete and start over").click()
            told(page, "Started over")
            assert f"{server.now:%Y-%m-%d}" == "2026-01-01"


def test_the_payload_and_the_command_are_copied_whole(page: Page, server: Server) -> None:
    server.listen("http://127.0.0.1:9/copied", ["newSubscription"])
    hook = trigger(server, "C001")
    server.settle()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server.url}/console/hooks/{ids.text(hook.id)}")
    expect(page.locator("#curl")).to_be_visible()
    for name in ("payload", "curl"):
        button = page.locator(f'[data-copy="{name}"]')
        button.click()
        expect(button).to_have_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator(f"#{name}").text_content()
    assert copied.startswith("curl http://127.0.0.1:9/")


def test_a_fault_shows_only_the_fields_that_it_uses(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/console/faults")
    always = {"customer", "nth", "times", "probability", "seed"}
    for kind, options in OPTIONS.items():
        page.get_by_label("Kind").select_option(str(kind))
        shown = {
            field.get_attribute("data-field")
            for field in page.locator("[data-field]").all()
            if field.is_visible()
        }
        assert shown == always | {name.replace("retry_after", "retryAfter") for name in options}
    page.get_by_label("Kind").select_option("error")
    page.get_by_label("Status", exact=False).select_option("502")
    page.get_by_role("button", name="Plan fault").click()
    told(page, "error is planned")
