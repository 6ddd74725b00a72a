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
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "examples/README.md")),
    *sorted(DOCS.rglob("*.md")),
]


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


def test_the_page_of_rules_is_made_of_the_rules() -> None:
    """docs/cheddar.md says which rules are settings, and what is known of each, as the code does."""
    made = runpy.run_path(str(DOCS / "cheddar.py"))["document"]()
    assert (DOCS / "cheddar.md").read_text("utf-8") == made, "run python docs/cheddar.py"


def test_the_page_of_probes_has_those_that_there_are() -> None:
    made = runpy.run_path(str(DOCS / "conform.py"))["document"]()
    assert (DOCS / "conform.md").read_text("utf-8") == made, "run python docs/conform.py"


def test_the_picture_of_a_hook_is_current() -> None:
    drawn = runpy.run_path(str(DOCS / "architecture.py"))["document"]()
    assert (DOCS / "architecture.svg").read_text("utf-8") == drawn, "run python docs/architecture.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for name, target in re.findall(r"\[([^\]]+)\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        file = page.parent / target
        assert file.exists(), target
        if file.suffix == ".py" and name.startswith("`"):  # what is named there has to be there
            last = name.strip("`").rpartition(".")[2]
            assert re.search(rf"\b{last}\b", file.read_text("utf-8")), f"{name} in {target}"
    for picture in re.findall(r'(?:src|srcset)="(?!https:)([^"]+)"', text):
        assert (page.parent / picture).exists(), picture


@pytest.mark.parametrize(
    "page", [ROOT / "CONTRIBUTING.md", DOCS / "architecture.md"], ids=lambda page: page.name
)
def test_what_is_told_about_the_code_is_there(page: Path) -> None:
    rooms = [ROOT / name for name in ("sdk", "receiver", "mock_server")]
    packages = [path for room in rooms for path in (room, *room.rglob("*"))]
    code = "\n".join(path.read_text("utf-8") for path in packages if path.suffix == ".py")
    paths = [*(ROOT / "docs").rglob("*"), *(ROOT / "tests").rglob("*"), *packages]
    named = re.findall(r"`([^`\s]+)`", page.read_text("utf-8"))
    files = {
        name.rstrip("/").replace("NAME", "cheddar")
        for name in named
        if re.fullmatch(r"\w[\w/]*(?:/|\.py|\.md)", name)
    }
    words = {name for name in named if re.fullmatch(r"_*[A-Z]\w+", name)}
    assert len(files) > 10
    assert words
    assert {name for name in files if not any(path.match(name) for path in paths)} == set()
    assert {word for word in words if not re.search(rf"\b{word}\b", code)} == set()


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
