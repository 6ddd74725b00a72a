"""The documents beside the code: they lead somewhere, and the table of coverage is the code's."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


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
