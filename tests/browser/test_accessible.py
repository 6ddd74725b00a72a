"""axe-core on every page, at a desk and on a phone, light and dark: no violation, and no page too wide."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from starlette.applications import Starlette
from starlette.routing import Mount

from tallyhook_mock.server import bind, configure
from tallyhook_receiver import Cheddar, MemoryInbox, Receiver

from ..docs.site import build
from ..mock_server import systems_world
from ..mock_server.loopback import EMAIL, PASSWORD
from .conftest import visiting
from .stage import CATALOG, played
from .test_screenshots import PAGES, SYSTEMS, address

_RULES = {
    "preload": False,  # a page on a disk may not ask for its own style sheets
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
}
WIDTHS = (1280, 390)

pytestmark = pytest.mark.timeout(900)  # axe looks at everything
LISTS = {f"{name}-list": f"/console/{name}" for name in ("cleverbridge", "fusebill", "chargemonk")}
DOCS = (  # one of each kind of page: prose, code, tables, pictures, docstrings, lists of pages, searching
    *("index.html", "tutorial.html", "howto.html", "commands.html", "cheddar.html", "console.html"),
    *("review.html", "reference.html", "reference/client.html", "search.html"),
)


def check(page: Page, url: str, name: str) -> list[str]:
    """What axe finds, and what is wider than the page."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        page.goto(url)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{name} at {width}: {wide} px wide")
        for violation in Axe().run(page, options=_RULES).response["violations"]:
            where = "; ".join(str(node["target"]) for node in violation["nodes"][:4])
            found.append(f"{name} at {width}: {violation['id']}: {violation['help']}: {where}")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_console(chromium: Browser, scheme: str) -> None:
    found: list[str] = []
    with played() as server, visiting(chromium, server.url, scheme) as page:
        httpx.get(f"{server.xml}/customers/get/productCode/LANTERN/code/nix", auth=(EMAIL, PASSWORD))
        for name in PAGES:
            found += check(page, server.url + address(server, name), f"{name} {scheme}")
    print(f"axe: {len(found)} violations on the console, {scheme}")  # noqa: T201 # the count is to be seen
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_the_other_systems(chromium: Browser, scheme: str) -> None:
    found: list[str] = []
    with systems_world.played(**CATALOG) as server, visiting(chromium, server.url, scheme) as page:
        for name, path in (SYSTEMS | LISTS).items():
            found += check(page, server.url + path, f"{name} {scheme}")
    print(f"axe: {len(found)} violations on the other systems' pages, {scheme}")  # noqa: T201 # to be seen
    assert found == []


@pytest.fixture
def receivers_page() -> Iterator[str]:
    """The page of a receiver, which lets everybody in."""
    receiver = Receiver(Cheddar("LANTERN", "wick and oil"), inbox=MemoryInbox())
    app = Starlette(routes=[Mount("/inbox", receiver.page(check=lambda headers: True))])
    with bind("127.0.0.1", 0) as listening:
        server = uvicorn.Server(configure(app))
        thread = Thread(target=lambda: server.run(sockets=[listening]))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_receiver(chromium: Browser, scheme: str, receivers_page: str) -> None:
    with visiting(chromium, receivers_page, scheme) as page:
        found = check(page, f"{receivers_page}/inbox/", f"receiver {scheme}")
    print(f"axe: {len(found)} violations on the receiver's page, {scheme}")  # noqa: T201 # to be seen
    assert found == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("docs"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_documentation(chromium: Browser, scheme: str, site: Path) -> None:
    found: list[str] = []
    with visiting(chromium, site.as_uri(), scheme) as page:
        for name in DOCS:
            found += check(page, site.joinpath(name).as_uri(), f"{name} {scheme}")
    print(f"axe: {len(found)} violations on the documentation, {scheme}")  # noqa: T201 # to be seen
    assert found == []
