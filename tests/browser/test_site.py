"""The documentation, read from a disk: nothing is asked of anybody, and it can be searched."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ..docs.site import build
from .conftest import visiting


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("docs"))


def test_every_page_opens_by_itself(chromium: Browser, site: Path) -> None:
    with visiting(chromium, site.as_uri()) as page:
        pages = sorted(site.rglob("*.html"))
        assert len(pages) > 30
        for each in pages:
            page.goto(each.as_uri())
            broken = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
            assert page.evaluate(broken) == []


def test_it_is_found_by_searching(chromium: Browser, site: Path) -> None:
    with visiting(chromium, site.as_uri()) as page:
        page.goto(site.joinpath("index.html").as_uri())
        page.get_by_role("textbox", name="Search").fill("charged twice")
        page.keyboard.press("Enter")
        found = page.locator("#search-results a", has_text="Troubleshooting")
        found.first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Troubleshooting")

        page.goto(site.joinpath("index.html").as_uri())
        page.get_by_role("textbox", name="Search").fill("run_outstanding")
        page.keyboard.press("Enter")
        page.locator("#search-results a", has_text="run_outstanding").first.click()
        expect(page.locator("[id='tallyhook.Client.run_outstanding']")).to_be_in_viewport()


def test_a_reader_gets_from_the_front_page_to_a_call(chromium: Browser, site: Path) -> None:
    with visiting(chromium, site.as_uri(), scheme="dark") as page:
        page.goto(site.joinpath("index.html").as_uri())
        page.get_by_role("link", name="the client", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("The client")
        page.locator("[id='tallyhook.Client.set_item_quantity'] a", has_text="Customer").last.click()
        expect(page.locator("[id='tallyhook.Customer']")).to_be_in_viewport()
