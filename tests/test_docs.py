"""The documents beside the code: they lead somewhere, name what is there, and their tables are the code's."""

import ast
import inspect
import re
import runpy
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tallyhook import Client

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.fixture
def coverage(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(ROOT))
    return runpy.run_path(str(DOCS / "coverage.py"))


def test_every_call_has_a_handler_a_method_and_a_test(coverage: dict[str, Any]) -> None:
    rows = list(coverage["rows"]())
    assert len(rows) > 30
    assert [row for row in rows if not all(row)] == []


def test_the_table_of_coverage_is_current(coverage: dict[str, Any]) -> None:
    assert (DOCS / "coverage.md").read_text("utf-8") == coverage["document"](), "run python docs/coverage.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for name, target in re.findall(r"\[([^\]]+)\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        file = page.parent / target
        assert file.exists(), target
        if file.suffix == ".py" and name.startswith("`"):  # what is named there has to be there
            last = name.strip("`").rpartition(".")[2]
            assert re.search(rf"\b{last}\b", file.read_text("utf-8")), f"{name} in {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_are_python(page: Path) -> None:
    for code in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        compile(dedent(code), page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_every_command_that_is_named_is_one() -> None:
    commands = re.findall(r"^## (tallyhook .*)$", (DOCS / "commands.md").read_text("utf-8"), re.MULTILINE)
    known = {command.split()[1] for command in commands}
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    named = re.findall(r"(?:^|`)tallyhook ([a-z]+)", text, re.MULTILINE)
    assert len(named) > 50
    assert {*named} - known == set()


def test_the_methods_to_come_to_are_there() -> None:
    text = (DOCS / "from-other-clients.md").read_text("utf-8")
    named = set(re.findall(r"`client\.(\w+)\(", text))
    assert len(named) > 15
    for method in named:
        assert inspect.isfunction(getattr(Client, method, None)), method
