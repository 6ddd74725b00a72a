"""The documentation, read from a disk: nothing is asked of anybody, and it can be searched."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ..docs.site import build, pages_of
from .conftest import visiting


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("docs"))


def test_every_page_opens_by_itself(chromium: Browser, site: Path) -> None:
    with visiting(chromium, site.as_uri()) as page:
        pages = pages_of(site)
        assert len(pages) > 30
        for each in pages:
            page.goto(each.as_uri())
            broken = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
            assert page.evaluate(broken) == []


def test_it_is_found_by_searching(chromium: Browser, site: Path) -> None:
    with visiting(chromium, site.as_uri()) as page:
        page.goto(site.joinpath("index.html").as_uri())
        page.keyboard.press("Control+k")
        page.get_by_role("searchbox", name="Search").fill("charged twice")
        page.keyboard.press("Enter")
        found = page.locator("#search-results a", has_text="Troubleshooting")
        found.first.click()
        expect(page.locator("article h1")).to_contain_text("Troubleshooting")

        page.goto(site.joinpath("index.html").as_uri())
        page.keyboard.press("Control+k")
        page.get_by_role("searchbox", name="Search").fill("run_outstanding")
        page.keyboard.press("Enter")
        page.locator("#search-results a", has_text="run_outstanding").first.click()
        expect(page.locator("[id='tallyhook.Client.run_outstanding']")).to_be_in_viewport()


def test_a_reader_gets_from_the_front_page_to_a_call(chromium: Browser, site: Path) -> None:
    with visiting(chromium, site.as_uri(), scheme="dark") as page:
        page.goto(site.joinpath("index.html").as_uri())
        page.get_by_role("link", name="the client", exact=True).click()
        expect(page.locator("article h1")).to_contain_text("The client")
        page.locator("[id='tallyhook.Client.set_item_quantity'] a", has_text="Customer").last.click()
        expect(page.locator("[id='tallyhook.Customer']")).to_be_in_viewport()


def test_pictures_go_by_the_readers_choice(chromium: Browser, site: Path) -> None:
    with visiting(chromium, site.as_uri()) as page:
        page.goto(site.joinpath("console.html").as_uri())
        pictures = page.locator("article img:visible")
        for theme in ("light", "dark"):
            page.get_by_role("button", name="Color mode").locator("visible=true").click()
            page.get_by_role("button", name=theme.title(), exact=True).locator("visible=true").click()
            shown = [picture.get_attribute("src") for picture in pictures.all()]
            assert len(shown) == 3
            assert all(source and source.endswith(f"-{theme}.png") for source in shown)


def test_no_page_is_wider_than_a_phone(chromium: Browser, site: Path) -> None:
    with visiting(chromium, site.as_uri()) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        for each in pages_of(site):
            page.goto(each.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, each.name
