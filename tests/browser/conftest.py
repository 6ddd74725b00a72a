"""A real browser: Debian's Chromium, driven by Playwright."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, expect, sync_playwright

expect.set_options(timeout=30_000)  # the machine may be busy

# A browser that keeps to itself: nothing leaves this machine on its own account.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("chromium is missing: `make test-browser` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Browser, url: str, scheme: str = "light", *, expects: str = "") -> Iterator[Page]:
    """A page that may speak to this origin only, and complains of nothing but what it `expects`."""
    complaints: list[str] = []

    def said(message: ConsoleMessage) -> None:
        is_expected = bool(expects) and expects in message.text
        if message.type in ("error", "warning") and not is_expected:
            complaints.append(message.text)

    def failed(error: Error) -> None:
        complaints.append(str(error))

    def asked(request: Request) -> None:
        if not request.url.startswith(f"{url}/"):
            complaints.append(f"a request left: {request.url}")

    context = browser.new_context(
        viewport={"width": 1280, "height": 860},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("console", said)
    page.on("pageerror", failed)
    page.on("request", asked)
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def ready(page: Page) -> None:
    """Keys are heard as soon as the script runs, which then shows whether news arrive."""
    expect(page.locator("#pulse")).to_be_visible()


def go(page: Page, key: str, title: str) -> None:
    ready(page)
    page.keyboard.press("g")
    page.keyboard.press(key)
    expect(page).to_have_title(re.compile(f"^{title}"))
    ready(page)


def told(page: Page, words: str) -> None:
    """The page says so, beside whatever else it says (the clock is advancing, or the last answer)."""
    expect(page.get_by_role("status").filter(has_text=words)).to_be_visible()


def advance(page: Page, to: str) -> None:
    """Advance the clock by the keyboard, and wait for the page that answers; not for an earlier one."""
    ready(page)
    page.keyboard.press("a")
    page.keyboard.type(to)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    told(page, "It is 2026")
