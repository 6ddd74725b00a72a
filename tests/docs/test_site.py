"""The site: whole, without a broken link, and nothing of it is anywhere else."""

import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from lxml import html
from sphinx.util.inventory import InventoryFile

from tallyhook._client import Method

from .site import ROOT, build, pages_of

# What a browser fetches of its own accord, and from where.
FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("source", "srcset"), ("object", "data")}
FETCHED |= {("iframe", "src"), ("embed", "src"), ("video", "src"), ("audio", "src"), ("use", "href")}

pytestmark = pytest.mark.timeout(900)  # Sphinx takes its time on a busy machine

LEADS_OUT = ("http", "https", "mailto")

PACKAGES = (
    "tallyhook",
    "tallyhook.audit",
    "tallyhook.cheddar.calls",
    "tallyhook.chargemonk",
    "tallyhook.cleverbridge",
    "tallyhook.fusebill",
    "tallyhook.review",
    "tallyhook.signing",
    "tallyhook_mock",
    "tallyhook_mock.testing",
    "tallyhook_receiver",
)
# What the pytest plugin makes its fixtures of.
UNTOLD = {
    "tallyhook_mock.testing.Session",
    "tallyhook_mock.testing.World",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("docs"))


def test_every_page_is_built_and_in_the_contents(site: Path) -> None:
    sources = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "reference").glob("*.md")]
    pages = {source.relative_to(ROOT / "docs").with_suffix(".html") for source in sources}
    sections = set(html.parse(site / "index.html").xpath("//header//nav//a/@href"))
    listed = {
        urljoin((site / section).as_uri(), href)
        for section in sections
        for href in ("", *html.parse(site / section).xpath("//nav[contains(@class, 'bd-links')]//a/@href"))
    }
    assert {(site / page).as_uri() for page in pages - {Path("index.html")}} == listed
    assert all((site / page).exists() for page in pages)


def test_no_link_is_broken(site: Path) -> None:
    broken = []
    checked = 0
    for page in pages_of(site):
        for element, attribute, address, _ in html.parse(page).getroot().iterlinks():
            target = urlsplit(urljoin(page.as_uri(), address))
            if target.scheme == "file":
                checked += 1
                if not _is_there(Path(unquote(target.path)), unquote(target.fragment)):
                    broken.append((page.name, address))
            elif (element.tag, attribute) != ("a", "href") or target.scheme not in (
                "https",
                "http",
                "mailto",
            ):
                broken.append((page.name, address))
    assert broken == []
    assert checked > 1000


def test_the_readme_leads_to_the_site(site: Path) -> None:
    """On PyPI too, where nothing else of the repository is: every address is whole."""
    readme = (ROOT / "README.md").read_text("utf-8")
    addresses = re.findall(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", readme)
    named = {markdown or html for markdown, html in addresses}
    assert len(named) > 20
    missing = [
        name
        for name in named
        if not _is_there(site / name.removeprefix("https://tallyhook.example/docs/"), "")
    ]
    assert missing == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = [html.parse(page) for page in pages_of(site)]
    fetched = {
        address
        for page in pages
        for tag, attribute in FETCHED
        for address in page.xpath(f"//{tag}/@{attribute}")
    }
    assert fetched
    assert not [address for address in fetched if urlsplit(address).netloc]
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\(\s*['\"]?([^'\")]+)", sheet.read_text("utf-8")):
            assert address.startswith("data:") or _is_there(sheet.parent / address, "")


def test_every_public_name_is_described(site: Path) -> None:
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    described = {
        name for kind, objects in inventory.data.items() if kind.startswith("py:") for name in objects
    }
    assert {*_public()} - described <= UNTOLD


def _is_there(file: Path, fragment: str) -> bool:
    if file.is_dir():
        file /= "index.html"
    return file.exists() and (not fragment or file.suffix != ".html" or fragment in _places(file))


@cache
def _places(page: Path) -> frozenset[str]:
    return frozenset(map(str, html.parse(page).xpath("//@id | //a/@name"))) | {"top"}


def _public() -> Iterator[str]:
    """Classes and functions that are for everybody, and the calls of every client."""
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if package == "tallyhook.cheddar.calls" and name != "Call":
                continue  # described as the clients' methods
            if inspect.isclass(value) or inspect.isfunction(value):
                yield f"{package}.{name}"
            if name == "Client":
                calls = inspect.getmembers_static(value, lambda member: isinstance(member, Method))
                yield from (f"{package}.{name}.{call}" for call, _ in calls)
