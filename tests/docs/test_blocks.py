"""Every block of Python on a page runs, here or in the test of its page; every command can be called so."""

import ast
import logging
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import time_machine

import tallyhook
from tallyhook import NoAnswer, fusebill
from tallyhook_mock import Server, serve, testing
from tallyhook_mock.cli.app import commands
from tallyhook_receiver import Cheddar, Receiver

from ..end_to_end.test_usage_audit import DAY, EVE, START, Stage, catalog
from .site import ROOT

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]

# Pages whose blocks a test of their own runs.
ELSEWHERE = {
    "testing.md": "tests/plugin/test_docs.py",
    "tutorial.md": "tests/docs/test_tutorial.py",
    "receiver.md": "tests/receiver/test_receiver_doc.py",
}
PRODUCT = Cheddar("ACME", "hush", tallyhook.AsyncClient("ACME", "ida@example.com", "hush"))
RECEIVER = {"Receiver": Receiver, "product": PRODUCT, "timedelta": timedelta}


def python_of(page: str) -> list[str]:
    text = (ROOT / page if page == "README.md" else DOCS / page).read_text("utf-8")
    return [block for language, block in BLOCK.findall(text) if language == "python"]


def run(block: str, page: str, **names: Any) -> dict[str, Any]:
    exec(compile(block, page, "exec"), names)
    return names


def test_every_page_with_python_is_run() -> None:
    with_python = {page.name for page in PAGES if python_of(page.name)}
    here = re.findall(r'"([\w-]+\.md)"', Path(__file__).read_text("utf-8"))
    assert with_python - {*here, *ELSEWHERE} == set()
    assert all((ROOT / test).exists() for test in ELSEWHERE.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_says_its_language(page: Path) -> None:
    assert [block for language, block in BLOCK.findall(page.read_text("utf-8")) if not language] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_column_has_a_heading(page: Path) -> None:
    heads = re.findall(r"^\|(.+)\|\n\|[-|]+\|$", page.read_text("utf-8"), re.MULTILINE)
    assert [head for head in heads if not all(cell.strip() for cell in head.split(" | "))] == []


@pytest.mark.parametrize("page", [*DOCS.glob("*.md"), *(DOCS / "reference").glob("*.md")], ids=str)
def test_every_page_begins_with_its_use(page: Path) -> None:
    """A title, and then a sentence before anything else."""
    if page.name != "changes.md":  # which is the changelog
        assert re.match(r"# .+\n\n(?!```)[A-Z`*\[].*", page.read_text("utf-8")), page.name


def test_every_command_on_a_page_can_be_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options and arguments are the command's; it isn't run."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(click.Option, "prompt_for_value", lambda option, context: "asked for")
    known = dict(commands())
    called = 0
    for page in PAGES:
        for language, block in BLOCK.findall(page.read_text("utf-8")):
            lines = block.replace("\\\n", " ").splitlines() if language == "sh" else ()
            for line in lines:
                if not line.startswith("tallyhook ") or line.endswith(("|", "<<'END'")):
                    continue
                words = shlex.split(line, comments=True)
                words = words[: next((at for at, word in enumerate(words) if word in "|>>&&"), len(words))]
                name = next((n for n in (" ".join(words[:3]), " ".join(words[:2])) if n in known), None)
                if name is not None:
                    arguments = words[len(name.split()) :]
                    with suppress(click.exceptions.FileError):
                        known[name].make_context(name, arguments, resilient_parsing=False)
                    called += 1
    assert called > 50


def test_the_test_of_the_readme(
    cheddar: testing.Cheddar, cheddar_async_client: tallyhook.AsyncClient
) -> None:
    test, _ = python_of("README.md")
    receiver = Receiver(Cheddar("ACME", cheddar.secret, cheddar_async_client), inbox=":memory:")
    receiver.review(lambda review: review.set_quantity("GB", 15))
    run(test, "README.md")["test_what_was_used_is_billed"](cheddar, receiver.asgi)


@contextmanager
def stage(at: str) -> Iterator[Stage]:
    """The four systems on the eve of their bills, at this time for the audit too."""
    with serve(catalog(), start=START) as server:
        made = Stage(server)
        try:
            made.control("POST", "clock", {"to": at})
            with time_machine.travel(at, tick=True):
                yield made
        finally:
            made.close()


@pytest.mark.parametrize(
    ("page", "at", "client", "said"),
    [
        ("audit.md", DAY, "cheddar", ["cheddar", "fusebill"]),
        ("audit-fusebill.md", DAY, "fusebill", ["fusebill"]),
        ("audit-chargemonk.md", EVE, "chargemonk", ["chargemonk"]),
    ],
)
def test_a_usage_audit(
    page: str, at: str, client: str, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcomes: list[Any] = []
    (block,) = python_of(page)
    with stage(at) as systems:
        own = {"client": getattr(systems, client), "other": systems.fusebill}
        run(block, page, blocks_used=lambda account, end: 8, print=outcomes.append, **own)
    assert [outcome.window.system for outcome in outcomes] == said
    assert all(outcome.is_good for outcome in outcomes), outcomes


def test_a_draft_is_corrected_and_posted() -> None:
    (block,) = python_of("fusebill.md")
    with stage(DAY) as systems:
        run(block, "fusebill.md", client=systems.fusebill, ChargeChange=fusebill.ChargeChange)
        assert systems.bills()["fusebill"] == ["58.00"]


def test_two_products(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run(*python_of("howto-products.md"), page="howto-products.md")
    receiver = names["receiver"]
    assert list(receiver.sources) == ["SHOP", "LAB"]


def test_the_mock_in_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = python_of("catalog.md")
    run(block, "catalog.md")


def test_a_fault_in_a_test() -> None:
    def add_a_charge(server: Server) -> None:
        with (
            tallyhook.Client("ACME", "ops@example.com", "cheddar", base_url=server.xml, retries=0) as client,
            suppress(NoAnswer),
        ):
            client.add_charge("ada", "SETUP", 1, "5.00")

    (block,) = python_of("faults.md")
    run(block, "faults.md", catalog=str(ROOT / "examples" / "catalog.toml"), add_a_charge=add_a_charge)


def test_settings_of_a_receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in python_of("inbox.md"):
        run(block, "inbox.md", **RECEIVER)
    made, *receivers = [block for block in python_of("security.md") if "whsec" in block or "product" in block]
    keys = {"whsec": "whsec_" + "QUJD" * 8, "whpk": "whpk_" + "QUFB" * 10 + "QUE="}
    for block in (made, *receivers):
        run(block, "security.md", Cheddar=Cheddar, client=PRODUCT.client, **keys, **RECEIVER)


async def test_many_calls_at_once() -> None:
    (block,) = python_of("performance.md")
    code = compile(block, "performance.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, Any] = {"AsyncClient": tallyhook.AsyncClient, "user": "ida", "password": "hush"}
    await eval(code, names)
    assert isinstance(names["client"], tallyhook.AsyncClient)


def test_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALLYHOOK_PRODUCT_CODE", "ACME")
    monkeypatch.setenv("TALLYHOOK_KEYS", "hush")
    monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
    for block in python_of("operations.md"):
        if "DispatcherMiddleware" not in block:  # tests/receiver/test_wsgi.py
            run(block, "operations.md", Receiver=Receiver)
