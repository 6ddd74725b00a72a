"""A real browser: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

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
    page.set_default_timeout(15_000)
    page.on("console", said)
    page.on("pageerror", failed)
    page.on("request", asked)
    try:
        yield page
    finally:
        context.close()
    assert complaints == []
