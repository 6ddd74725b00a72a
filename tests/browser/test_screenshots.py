"""Every page in light and dark at three widths; with TALLYHOOK_SCREENSHOTS set they are kept as pictures.

All of them go to build/screenshots, and those that the documentation shows to docs/screenshots.
"""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tallyhook_mock import Server
from tallyhook_mock.core import ids

from ..mock_server import systems_world
from .conftest import visiting
from .stage import CATALOG, played

ROOT = Path(__file__).parents[2]
ALL, SHOWN = ROOT / "build" / "screenshots", ROOT / "docs" / "screenshots"
WIDTHS = (1280, 768, 390)
PAGES = (
    "overview",
    "customers",
    "customer",
    "invoices",
    "hooks",
    "hook",
    "listeners",
    "faults",
    "calls",
    "rules",
)


# Of a mock with all systems.
SYSTEMS = {
    "cleverbridge": "/console/cleverbridge/S1001?item=2&quantity=20&when=at+the+renewal",
    "fusebill": "/console/fusebill/1?billingPeriodDefinitionId=101&invoiceDay=6",
    "chargemonk": "/console/chargemonk/mill",
    "fusebill-period": "/console/fusebill/1/periods/101",
    "fusebill-new-period": "/console/fusebill/1/periods/new?numberOfIntervals=3&invoiceDay=6",
    "chargemonk-catalog": "/console/chargemonk/catalog/products",
}


def address(server: Server, name: str) -> str:
    match name:
        case "overview":
            return "/"
        case "customer":
            return "/console/customer?product=LANTERN&code=harbour-light"
        case "hook":
            held = server.hooks("subscriptionBillable", "harbour-light")[-1]
            return f"/console/hooks/{ids.text(held.id)}"
    return f"/console/{name}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_shows_itself(chromium: Browser, scheme: str) -> None:
    with played() as server, visiting(chromium, server.url, scheme) as page:
        for name in PAGES:
            look(page, server.url + address(server, name), f"{name}-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_the_other_systems_shows_itself(chromium: Browser, scheme: str) -> None:
    with systems_world.played(**CATALOG) as server, visiting(chromium, server.url, scheme) as page:
        for name, path in SYSTEMS.items():
            look(page, server.url + path, f"{name}-{scheme}")


def look(page: Page, url: str, name: str) -> None:
    answer = page.goto(url)
    assert answer is not None
    assert answer.status == 200
    assert page.locator("#pulse").is_visible(), "the script runs"
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} px wide at {width}"
        if "TALLYHOOK_SCREENSHOTS" in os.environ:
            page.screenshot(path=ALL / f"{name}-{width}.png", full_page=True)
            shown = SHOWN / f"{name}.png"
            if width == max(WIDTHS) and shown.exists():
                shutil.copyfile(ALL / f"{name}-{width}.png", shown)
